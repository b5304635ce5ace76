//! Who watches a run on behalf of the person or program that started it.

use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::speech::{issue_as_json, typed};
use crate::archive::Observer;
use crate::error::{Error, Issue};
use crate::job::Witness;
use crate::report::outcome::VolumeOutcome;
use crate::store::Address;
use crate::temporary::told_missing;
use crate::units::{Bytes, seconds};

/// A line of progress, where there is no bar, comes no more often than this.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// The same for programs.
const JSON_EVERY: Duration = Duration::from_secs(1);

/// How a run is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    /// Issues and errors alone.
    Quiet,
    /// Words, and a bar on a terminal.
    Words {
        /// Lines of progress where there is no terminal.
        progress: bool,
    },
    /// JSON lines, on stdout or on stderr.
    Json {
        /// Whether stdout has the archive.
        on_stderr: bool,
    },
}

/// Shows a run as it goes.
pub(super) struct Console {
    show: Show,
    bar: Option<ProgressBar>,
    total: AtomicU64,
    done: AtomicU64,
    /// When what is shown now began.
    started: Mutex<Instant>,
    last: Mutex<Instant>,
    /// Whether the run is about one volume.
    is_single: AtomicBool,
    stop: Arc<AtomicBool>,
}

impl Console {
    pub(super) fn new(show: Show, stop: Arc<AtomicBool>) -> Self {
        let started = Instant::now();
        let wants_bar = matches!(show, Show::Words { .. }) && io::stderr().is_terminal();
        Self {
            show,
            bar: wants_bar.then(bar),
            total: AtomicU64::new(0),
            done: AtomicU64::new(0),
            started: Mutex::new(started),
            last: Mutex::new(started),
            is_single: AtomicBool::new(false),
            stop,
        }
    }

    /// How long it has taken so far.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// The same error, and where a filesystem is full, how much was still to come and what to do.
    pub(super) fn told_missing(&self, error: Error, next: &str) -> Error {
        told_missing(error, self.done.load(Relaxed), self.total.load(Relaxed), next)
    }

    /// Removes the bar.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Writes a line of JSON, with the `type` that it has.
    pub(super) fn json(&self, type_name: &str, fields: Value) {
        let Show::Json { on_stderr } = self.show else { return };
        let line = format!("{}\n", typed(type_name, fields));
        // A reader that is gone does not end the run: the archive is what counts.
        let _ = match on_stderr {
            true => io::stderr().write_all(line.as_bytes()),
            false => io::stdout().write_all(line.as_bytes()),
        };
    }

    /// Tells something that could not be as it was.
    pub(super) fn fault_of(&self, text: &str) {
        match self.show {
            Show::Json { .. } => self.json("issue", json!({ "message": text })),
            _ => self.line(&format!("issue: {text}")),
        }
    }

    fn line(&self, text: &str) {
        let write = || {
            // Where not even stderr can be written there is nobody to tell.
            let _ = writeln!(io::stderr(), "voltar: {text}");
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Whether something was last shown longer ago than `every`; if so, now it is.
    fn is_due(&self, every: Duration) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.elapsed() >= every;
        if is_due {
            *last = Instant::now();
        }
        is_due
    }

    fn progress_json(&self, done_bytes: u64, written_bytes: u64) {
        let fields = json!({
            "done_bytes": done_bytes,
            "total_bytes": self.total.load(Relaxed),
            "written_bytes": written_bytes,
            "seconds": self.elapsed().as_secs_f64(),
        });
        self.json("progress", fields);
    }

    fn progress_line(&self, done: u64, written: u64) {
        let total = self.total.load(Relaxed);
        let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100).min(100);
        let rate = Bytes(per_second(done, self.elapsed()));
        let (done, total, written) = (Bytes(done), Bytes(total), Bytes(written));
        self.line(&format!("{percent:3} %  {done} of {total}, {rate}/s, {written} written"));
    }
}

/// Bytes a second.
pub(super) fn per_second(bytes: u64, elapsed: Duration) -> u64 {
    let milliseconds = elapsed.as_millis().max(1);
    u64::try_from(u128::from(bytes).saturating_mul(1000).checked_div(milliseconds).unwrap_or(0))
        .unwrap_or(u64::MAX)
}

impl Observer for Console {
    fn begin(&self, total_bytes: u64) {
        self.total.store(total_bytes, Relaxed);
        if let Some(bar) = &self.bar {
            bar.set_length(total_bytes);
        }
    }

    fn progress(&self, done_bytes: u64, written_bytes: u64) {
        self.done.store(done_bytes, Relaxed);
        if let Some(bar) = &self.bar {
            // What is in use was estimated: a bar never goes past its end.
            bar.set_position(done_bytes.min(self.total.load(Relaxed)));
        } else if self.show == (Show::Words { progress: true }) && self.is_due(LINE_EVERY) {
            self.progress_line(done_bytes, written_bytes);
        } else if matches!(self.show, Show::Json { .. }) && self.is_due(JSON_EVERY) {
            self.progress_json(done_bytes, written_bytes);
        }
    }

    fn finish(&self, done_bytes: u64, written_bytes: u64) {
        self.begin(done_bytes);
        self.done.store(done_bytes, Relaxed);
        if let Some(bar) = &self.bar {
            bar.set_position(done_bytes);
        } else if self.show == (Show::Words { progress: true }) {
            self.progress_line(done_bytes, written_bytes);
        }
        self.progress_json(done_bytes, written_bytes);
    }

    fn note(&self, text: &str) {
        match self.show {
            Show::Quiet => {}
            Show::Words { .. } => self.line(text),
            Show::Json { .. } => self.json("note", json!({ "message": text })),
        }
    }

    fn issue(&self, issue: &Issue) {
        match self.show {
            Show::Json { .. } => self.json("issue", issue_as_json(issue)),
            _ => self.line(&format!("issue: {issue}")),
        }
    }

    fn stop_requested(&self) -> bool {
        self.stop.load(Relaxed)
    }
}

impl Witness for Console {
    fn turn_begins(&self, name: &str, before: usize, count: usize) {
        *self.started.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.total.store(0, Relaxed);
        self.is_single.store(count == 1, Relaxed);
        if let Some(bar) = &self.bar {
            bar.reset();
            bar.set_length(0);
        }
        let number = before.saturating_add(1);
        match self.show {
            Show::Quiet => {}
            Show::Words { .. } if count == 1 => {}
            Show::Words { .. } => self.line(&format!("{name} ({number} of {count})")),
            Show::Json { .. } => {
                self.json("volume", json!({ "name": name, "number": number, "count": count }))
            }
        }
    }

    fn verify_begins(&self, archive: &Address, before: usize, count: usize) {
        *self.started.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.total.store(0, Relaxed);
        if let Some(bar) = &self.bar {
            bar.reset();
            bar.set_length(0);
        }
        if let Show::Words { .. } = self.show {
            let number = before.saturating_add(1);
            self.line(&format!("verifying {archive} ({number} of {count})"));
        }
    }

    fn turn_ends(&self, outcome: &VolumeOutcome, destination: &Address) {
        self.end();
        let name = &outcome.name;
        let elapsed = seconds(outcome.elapsed);
        match (self.show, &outcome.result) {
            (Show::Json { .. }, result) => {
                let archive =
                    result.as_ref().ok().map(|published| destination.of(&published.key).to_string());
                let error = result.as_ref().err();
                self.json("volume_end", json!({ "name": name, "archive": archive, "error": error }));
            }
            (_, Err(error)) => self.fault(&format!("{name}: {error}")),
            (Show::Quiet, Ok(_)) => {}
            // Of a single one more is told soon.
            (Show::Words { .. }, Ok(_)) if self.is_single.load(Relaxed) => {}
            (Show::Words { .. }, Ok(published)) => {
                let size = Bytes(published.archive_bytes);
                self.line(&format!("{name}: {size} in {elapsed}"));
            }
        }
    }

    fn fault(&self, text: &str) {
        match self.show {
            Show::Json { .. } => self.json("error", json!({ "message": text })),
            _ => self.line(&format!("error: {text}")),
        }
    }
}

fn bar() -> ProgressBar {
    const TEMPLATE: &str =
        "  [{bar:32.cyan/blue}] {percent:>3} %  {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left";
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    match ProgressStyle::with_template(TEMPLATE) {
        Ok(style) => bar.with_style(style.progress_chars("━╸─")),
        Err(_) => bar,
    }
}
