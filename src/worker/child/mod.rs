//! The life of a worker: it gets an order on a channel, gives up its rights, and then parses.

mod archive;
mod broker;
mod look;
mod manifests;
mod restore;
mod source;
mod verify;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use self::source::{Confined, Source};
use super::channel::Channel;
use super::protocol::{Message, Order};
use crate::archive::Observer;
use crate::error::{Error, Issue, Kind, Result};
use crate::sandbox;

/// Least time between two reports of progress.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Does what the process on the other end of the channel orders. `stop` is set by signals, and here
/// when that process is gone.
///
/// # Errors
///
/// The error that was also sent to that process.
pub fn serve(channel: Channel, stop: Arc<AtomicBool>) -> Result<()> {
    // It was started for one thing, and needs nothing that the caller of the parent left open.
    sandbox::close_inherited()?;
    let parent = Parent { channel: channel.try_clone().map_err(gone)?, stop, progress: Mutex::default() };
    let outcome = obey(channel, &parent);
    if let Err(error) = &outcome {
        parent.tell_error(error);
    }
    outcome
}

fn obey(mut channel: Channel, parent: &Parent) -> Result<()> {
    match next(&mut channel)? {
        Some(Order::Archive(task)) => archive::run(*task, channel, parent),
        Some(Order::Publish { archive, algorithm, source, force }) => {
            broker::run(&archive, algorithm, &source, force, channel, parent)
        }
        Some(Order::Look(look)) => look::run(&look, parent),
        Some(Order::Manifests { has_sandbox }) => manifests::run(has_sandbox, channel, parent),
        Some(Order::Verify { store, archive, has_sandbox }) => {
            verify::run(store, archive, has_sandbox, channel, parent)
        }
        Some(Order::Restore { archive, has_sandbox }) => restore::run(&archive, has_sandbox, channel, parent),
        Some(_) => Err(out_of_turn()),
        None => Ok(()),
    }
}

/// The next order; `None` when the parent is gone.
fn next(channel: &mut Channel) -> Result<Option<Order>> {
    channel.hear().map_err(|source| Error::internal(format!("an order can't be understood: {source}")))
}

fn out_of_turn() -> Error {
    Error::internal("an order came out of turn")
}

fn gone(source: std::io::Error) -> Error {
    Error::new(Kind::System, source)
}

/// The process that started this one, and listens.
struct Parent {
    channel: Channel,
    stop: Arc<AtomicBool>,
    progress: Mutex<Progress>,
}

/// How far the work is.
#[derive(Default)]
struct Progress {
    /// When it was last told.
    told: Option<Instant>,
    /// The message that waits to be sent.
    waiting: Option<Message>,
}

impl Parent {
    /// Tells an error, and before it how far the work was.
    fn tell_error(&self, error: &Error) {
        let waiting = self.progress.lock().unwrap_or_else(PoisonError::into_inner).waiting.take();
        if let Some(progress) = waiting {
            self.tell(&progress);
        }
        self.tell(&Message::error(error));
    }

    fn tell(&self, message: &Message) {
        if self.channel.tell(message, &[]).is_err() {
            self.stop.store(true, Relaxed);
        }
    }

    /// Gives up all rights except those to open files and to the channel. Rights that the kernel
    /// can't take away are reported.
    fn confine(&self, has_sandbox: bool) -> Result<()> {
        if has_sandbox && let Some(gap) = sandbox::confine(sandbox::Writing::Receiving)?.gap() {
            self.note(gap);
        }
        Ok(())
    }

    /// Sets the stop when the parent is gone: on a thread of its own, which is started inside the
    /// sandbox.
    fn watch(&self, mut channel: Channel) -> Result<()> {
        let stop = Arc::clone(&self.stop);
        let watch = move || {
            // No order comes any more: all that can be heard is the end.
            while channel.hear::<Order>().is_ok_and(|order| order.is_some()) {}
            stop.store(true, Relaxed);
        };
        let started = std::thread::Builder::new().name("lifeline".to_owned()).spawn(watch);
        started.map(drop).map_err(gone)
    }
}

impl Observer for Parent {
    fn begin(&self, total_bytes: u64) {
        self.tell(&Message::Total { bytes: total_bytes });
    }

    fn progress(&self, done_bytes: u64, written_bytes: u64) {
        let message = Message::Progress { done_bytes, written_bytes };
        {
            let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
            if progress.told.is_some_and(|told| told.elapsed() < PROGRESS_EVERY) {
                progress.waiting = Some(message);
                return;
            }
            *progress = Progress { told: Some(Instant::now()), waiting: None };
        }
        self.tell(&message);
    }

    fn finish(&self, done_bytes: u64, written_bytes: u64) {
        self.tell(&Message::Finished { done_bytes, written_bytes });
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
