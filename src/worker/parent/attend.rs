//! The loop that waits for a worker's answer, and passes on what it says before.

use std::time::Duration;

use super::process::Process;
use crate::archive::Observer;
use crate::error::{Error, Kind, Result};
use crate::printable::harmless;
use crate::worker::protocol::Message;

/// How often signals are asked for.
const BEAT: Duration = Duration::from_millis(100);

/// Watches a worker at work.
pub(super) struct Attendant<'a> {
    observer: &'a dyn Observer,
    /// The error after a signal.
    stopped: &'static str,
    passes_notes: bool,
    /// Bytes that the worker expected.
    pub total_bytes: u64,
    /// Bytes that it had read.
    pub done_bytes: u64,
    /// Bytes that it had written.
    pub written_bytes: u64,
}

impl<'a> Attendant<'a> {
    pub(super) fn new(observer: &'a dyn Observer, stopped: &'static str) -> Self {
        Self { observer, stopped, passes_notes: true, total_bytes: 0, done_bytes: 0, written_bytes: 0 }
    }

    /// Without notes, for a worker beside others that say the same.
    pub(super) fn without_notes(self) -> Self {
        Self { passes_notes: false, ..self }
    }

    /// Waits until `answer` takes a message. `beat` is called every tenth of a second, or more
    /// often; its error ends the wait.
    pub(super) fn wait<T>(
        &mut self,
        process: &mut Process,
        mut beat: impl FnMut() -> Result<()>,
        mut answer: impl FnMut(Message) -> Result<Option<T>>,
    ) -> Result<T> {
        loop {
            if self.observer.stop_requested() {
                return Err(Error::new(Kind::Interrupted, self.stopped));
            }
            beat()?;
            let Some(message) = process.hear_within(BEAT)? else { continue };
            match message {
                Message::Total { bytes } => {
                    self.total_bytes = bytes;
                    self.observer.begin(bytes);
                }
                Message::Progress { done_bytes, written_bytes } => {
                    (self.done_bytes, self.written_bytes) = (done_bytes, written_bytes);
                    self.observer.progress(done_bytes, written_bytes);
                }
                Message::Finished { done_bytes, written_bytes } => {
                    self.observer.finish(done_bytes, written_bytes);
                }
                Message::Note { text } if self.passes_notes => self.observer.note(&harmless(&text)),
                Message::Note { .. } => {}
                Message::Error(told) => return Err(told.into()),
                message => {
                    if let Some(answer) = answer(message)? {
                        return Ok(answer);
                    }
                }
            }
        }
    }
}
