//! Makes the archive of one volume.

use std::num::NonZeroUsize;

use super::Parent;
use super::source::{Reading, Source};
use crate::archive::{Observer as _, Output, Request, Writers, create, gathering, threads};
use crate::error::{Error, Kind, Result};
use crate::sandbox::Writing;
use crate::tree::Exclude;
use crate::worker::channel::Channel;
use crate::worker::protocol::{Made, Message, Task};

pub(super) fn run(task: Task, mut channel: Channel, parent: &Parent) -> Result<()> {
    task.compression.level(task.level)?;
    let mut exclude = Exclude::new();
    task.exclude.iter().for_each(|pattern| exclude.add(pattern.as_bytes()));
    let mut file = || channel.file().map_err(|source| Error::new(Kind::System, source));
    let mut writers = Writers::new(file()?, file()?, task.digest)?;
    let embedded = task.embed_manifest.then(gathering).transpose()?;
    let reading = Reading {
        io: task.io,
        journal: task.journal,
        sector_size: task.sector_size,
        has_sandbox: task.has_sandbox,
    };
    let source = Source::open(&task.source, &reading)?;
    let threads = threads(task.threads.and_then(NonZeroUsize::new));
    let source = source.confine(Writing::Receiving, |gap| parent.note(gap))?;
    // Only now: a thread from before would have kept its rights.
    parent.watch(channel)?;
    let disk = source.parse()?;
    let request = Request {
        partitions: task.partitions,
        exclude,
        compression: task.compression,
        level: task.level,
        threads,
        digest: task.digest,
        file_digest: task.file_digest,
        form: task.form,
        raw: task.raw,
        strict: task.strict,
        keep_going: task.keep_going,
        max_output: task.max_output,
        started: task.started,
        snapshot_of: task.snapshot_of.as_deref(),
        clock: crate::archive::now,
        host: Some(&task.host),
        observer: parent,
    };
    let (archive, manifest) = writers.both();
    let report = create(&disk, &request, Output { archive, manifest: Some(manifest), embedded })?;
    let Some((_, digest)) = &report.digest else { return Ok(()) };
    let digests = Some(writers.finish(digest.clone())?);
    parent.tell(&Message::Ready(Made { digests, ..Made::from(&report) }));
    Ok(())
}
