//! Makes the archive of one volume.

use std::num::NonZeroUsize;

use crossbeam_channel::{Receiver, bounded};

use super::source::{Reading, Source};
use super::{Parent, next};
use crate::archive::{Observer as _, Output, Publication, Request, Target, create, threads};
use crate::error::{Error, Kind, Result};
use crate::tree::Exclude;
use crate::worker::channel::Channel;
use crate::worker::protocol::{Made, Message, Order, Task};

pub(super) fn run(task: Task, channel: Channel, parent: &Parent) -> Result<()> {
    task.compression.level(task.level)?;
    let mut exclude = Exclude::new();
    task.exclude.iter().for_each(|pattern| exclude.add(pattern.as_bytes()));
    let target = Target::new(&task.archive, task.digest);
    target.check(&task.source, false)?;
    let reading = Reading { io: task.io, journal: task.journal, has_sandbox: task.has_sandbox };
    let source = Source::open(&task.source, &reading)?;
    let threads = threads(task.threads.and_then(NonZeroUsize::new));
    let mut publication = Publication::begin(target, false)?;
    let source = source.confine(Some(publication.folder()), |gap| parent.note(gap))?;
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
    let orders = listen(channel, parent)?;
    let (archive, manifest) = publication.writers();
    let report = create(&disk, &request, Output { archive, manifest: Some(manifest) })?;
    let Some((_, digest)) = &report.digest else { return Ok(()) };
    let sealed = publication.seal(digest)?;
    parent.tell(&Message::Ready(Made::from(&report)));
    if orders.recv().is_err() {
        return Err(Error::new(Kind::Interrupted, "nothing was published: it was not asked for"));
    }
    sealed.publish()?;
    parent.tell(&Message::Published);
    Ok(())
}

fn listen(mut channel: Channel, parent: &Parent) -> Result<Receiver<()>> {
    let (sender, orders) = bounded(1);
    let stop = std::sync::Arc::clone(&parent.stop);
    let hear = move || {
        while let Ok(Some(Order::Publish)) = next(&mut channel) {
            let _ = sender.try_send(());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let started = std::thread::Builder::new().name("orders".to_owned()).spawn(hear);
    started.map_err(super::gone)?;
    Ok(orders)
}
