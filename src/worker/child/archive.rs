//! Makes the archive of one volume.

use super::Parent;
use super::source::Source;
use crate::archive::{Observer as _, Output, Request, Writers, create, gathering};
use crate::error::{Error, Kind, Result};
use crate::sandbox::Writing;
use crate::worker::channel::Channel;
use crate::worker::protocol::{Made, Message, Task};

pub(super) fn run(task: Task, mut channel: Channel, parent: &Parent) -> Result<()> {
    let Task { source, identity, mut options, .. } = task;
    options.check()?;
    let mut file = || channel.file().map_err(|source| Error::new(Kind::System, source));
    let mut writers = Writers::new(file()?, file()?, options.digest)?;
    let embedded = options.embed_manifest.then(gathering).transpose()?;
    let source = Source::open(&source, &options.reading)?;
    options.count_threads();
    let source = source.confine(Writing::Receiving, |gap| parent.note(gap))?;
    // Only now: a thread from before would have kept its rights.
    parent.watch(channel)?;
    let disk = source.parse()?;
    let request = Request { options: &options, identity, observer: parent };
    let (archive, manifest) = writers.both();
    let report = create(&disk, &request, Output { archive, manifest: Some(manifest), embedded })?;
    let Some((_, digest)) = &report.digest else { return Ok(()) };
    let digests = Some(writers.finish(digest.clone())?);
    parent.tell(&Message::Ready(Made { digests, ..Made::from(&report) }));
    Ok(())
}
