//! `voltar worker`: what `backup` and `run` start for each volume. Nobody types it.
//!
//! It is told its task on stdin, answers on stdout, and ends when stdin does: see [`crate::job::worker`].

use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::archive::threads;
use super::source::{Reading, Source};
use super::{FAILED, signals};
use crate::archive::{Observer, Output, Publication, Request, Target, Writers, create};
use crate::error::{Error, Issue, Kind, Result};
use crate::job::worker::{Made, Message, PUBLISH, Task};
use crate::tree::Exclude;

/// Progress is told no more often than this.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Runs `voltar worker`.
pub(super) fn run() -> Result<ExitCode> {
    let stop = signals::stop_flag().map_err(|source| Error::new(Kind::System, source))?;
    let parent = Parent { stop, told: Mutex::new(None) };
    match work(&parent) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            parent.tell(&Message::error(&error));
            Ok(ExitCode::from(FAILED))
        }
    }
}

fn work(parent: &Parent) -> Result<()> {
    let task = task()?;
    task.compression.level(task.level)?;
    let mut exclude = Exclude::new();
    task.exclude.iter().for_each(|pattern| exclude.add(pattern.as_bytes()));
    let target = Target::new(&task.archive, task.digest);
    target.check(&task.source, false)?;
    let reading = Reading { io: task.io, journal: task.journal, has_sandbox: task.has_sandbox };
    let source = Source::open(&task.source, &reading)?;
    let threads = threads(task.threads.and_then(NonZeroUsize::new));
    let publication = Publication::begin(target, false)?;
    let (archive, manifest) = publication.files()?;
    let mut writers = Writers::new(archive, manifest, task.digest)?;
    let source = source.confine(Some(publication.folder()), |gap| parent.note(gap))?;
    // Only now: a thread from before would have kept its rights.
    let orders = listen(&parent.stop)?;
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
    let report = create(&disk, &request, Output { archive, manifest: Some(manifest) })?;
    let Some((_, digest)) = &report.digest else { return Ok(()) };
    let sealed = publication.seal(&writers.finish(digest.clone())?)?;
    parent.tell(&Message::Ready(Made::from(&report)));
    if orders.recv().is_err() {
        return Err(Error::new(Kind::Interrupted, "nothing was published: it was not asked for"));
    }
    sealed.publish()?;
    parent.tell(&Message::Published);
    Ok(())
}

/// The first line of stdin.
fn task() -> Result<Task> {
    let mut line = String::new();
    let wrong = |why: String| {
        Error::new(
            Kind::Usage,
            format!("this is what voltar backup and voltar run start for themselves: {why}"),
        )
    };
    io::stdin().read_line(&mut line).map_err(|source| wrong(source.to_string()))?;
    serde_json::from_str(&line).map_err(|error| wrong(error.to_string()))
}

/// Hears on a thread of its own whether to publish, and sets `stop` when stdin ends.
fn listen(stop: &Arc<AtomicBool>) -> Result<Receiver<()>> {
    let (sender, orders) = bounded(1);
    let stop = Arc::clone(stop);
    let hear = move || hear(&stop, &sender);
    let started = thread::Builder::new().name("orders".to_owned()).spawn(hear);
    started.map_err(|source| Error::new(Kind::System, source))?;
    Ok(orders)
}

fn hear(stop: &AtomicBool, orders: &Sender<()>) {
    let mut line = String::new();
    while io::stdin().read_line(&mut line).is_ok_and(|len| len > 0) && line.trim_end() == PUBLISH {
        // There is space for one order, and one is enough.
        let _ = orders.try_send(());
        line.clear();
    }
    stop.store(true, Relaxed);
}

/// The process that started this one, and listens.
struct Parent {
    stop: Arc<AtomicBool>,
    /// When progress was last told.
    told: Mutex<Option<Instant>>,
}

impl Parent {
    fn tell(&self, message: &Message) {
        // There is nothing in a message that JSON has no form for.
        let mut line = serde_json::to_vec(message).unwrap_or_default();
        line.push(b'\n');
        let mut stdout = io::stdout().lock();
        if stdout.write_all(&line).and_then(|()| stdout.flush()).is_err() {
            self.stop.store(true, Relaxed);
        }
    }
}

impl Observer for Parent {
    fn begin(&self, total_bytes: u64) {
        self.tell(&Message::Total { bytes: total_bytes });
    }

    fn progress(&self, done_bytes: u64, written_bytes: u64) {
        {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.is_some_and(|told| told.elapsed() < PROGRESS_EVERY) {
                return;
            }
            *told = Some(Instant::now());
        }
        self.tell(&Message::Progress { done_bytes, written_bytes });
    }

    fn note(&self, text: &str) {
        self.tell(&Message::Note { text: text.to_owned() });
    }

    fn issue(&self, issue: &Issue) {
        self.tell(&Message::issue(issue));
    }

    fn stop_requested(&self) -> bool {
        self.stop.load(Relaxed)
    }
}
