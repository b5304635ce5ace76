//! What all threads of an extraction share.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rustix::fd::AsFd;
use rustix::fs::{AtFlags, Statx, StatxFlags, statx};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid, getgroups};

use super::deferred::DeferredList;
use super::places::Places;
use super::target::ExtractDirectory;
use super::unsupported::Unsupported;
use super::{Report, Request};
use crate::error::{Error, Issue, Kind, Result};
use crate::temporary::{Names, is_full};
use crate::view::Place;

/// Bytes of entries, with their metadata and what is read of their content, that wait for threads
/// or are with them.
const WAITING_BYTES_MOST: usize = 96 << 20;

/// What this process may set.
#[derive(Debug)]
pub(super) struct Rights {
    pub is_root: bool,
    pub uid: u32,
    pub gid: u32,
    /// Groups that its files may have besides.
    pub groups: Vec<u32>,
}

impl Rights {
    fn of_this_process() -> Self {
        let groups = getgroups().unwrap_or_default();
        Self {
            is_root: geteuid().is_root(),
            uid: geteuid().as_raw(),
            gid: getegid().as_raw(),
            groups: groups.into_iter().map(|group| group.as_raw()).collect(),
        }
    }
}

/// What the threads are busy with, and what waits for them.
#[derive(Debug, Default)]
struct Busy {
    paths: HashSet<Vec<u8>>,
    bytes: usize,
}

/// One extraction.
pub(super) struct Run<'a> {
    pub place: &'a dyn Place,
    pub target: &'a ExtractDirectory,
    pub request: &'a Request<'a>,
    pub rights: Rights,
    pub left: Unsupported,
    /// Bytes of content so far, and about how many there are; zero where nobody asked.
    pub written: AtomicU64,
    total: AtomicU64,
    pub verified: AtomicU64,
    pub made_before: AtomicU64,
    pub kept: AtomicU64,
    issues: AtomicU64,
    entries: Mutex<BTreeMap<&'static str, u64>>,
    /// Names of entries that are not whole yet, and the directories that these are in.
    pub names: Names,
    pub places: Places,
    late: Mutex<DeferredList>,
    /// Bytes of what directories that are open get when they are done.
    pub finishes: AtomicUsize,
    busy: Mutex<Busy>,
    less_busy: Condvar,
    ended: AtomicBool,
    fatal: Mutex<Option<Error>>,
}

impl<'a> Run<'a> {
    pub(super) fn new(place: &'a dyn Place, target: &'a ExtractDirectory, request: &'a Request<'a>) -> Self {
        Self {
            place,
            target,
            request,
            rights: Rights::of_this_process(),
            left: Unsupported::default(),
            written: AtomicU64::new(0),
            total: AtomicU64::new(0),
            verified: AtomicU64::new(0),
            made_before: AtomicU64::new(0),
            kept: AtomicU64::new(0),
            issues: AtomicU64::new(0),
            entries: Mutex::default(),
            names: Names::new(target.id()),
            places: Places::default(),
            late: Mutex::default(),
            finishes: AtomicUsize::new(0),
            busy: Mutex::default(),
            less_busy: Condvar::new(),
            ended: AtomicBool::new(false),
            fatal: Mutex::default(),
        }
    }

    /// Records what was wrong with an entry; gives back what ends the run.
    pub(super) fn settle(&self, path: &[u8], outcome: Result<()>) -> Result<()> {
        match outcome {
            Err(error) if ends_the_run(&error) => Err(error),
            Err(error) => {
                self.issue(Some(path), error);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    pub(super) fn issue(&self, path: Option<&[u8]>, error: Error) {
        self.issues.fetch_add(1, Relaxed);
        self.request.observer.issue(&Issue { path: path.map(<[u8]>::to_vec), error });
    }

    /// Counts an entry that was made.
    pub(super) fn made(&self, type_name: &'static str) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let count = entries.entry(type_name).or_default();
        *count = count.saturating_add(1);
    }

    /// Takes a note of how much there is.
    pub(super) fn expect(&self, total_bytes: u64) {
        self.total.store(total_bytes, Relaxed);
        self.request.observer.begin(total_bytes);
    }

    /// Takes off what is no work: holes, and what is there already.
    pub(super) fn pass(&self, len_bytes: u64) {
        let less = |total: u64| Some(total.saturating_sub(len_bytes));
        // A total that was not counted first stays zero.
        if let Ok(before @ 1..) = self.total.fetch_update(Relaxed, Relaxed, less)
            && len_bytes > 0
        {
            self.request.observer.begin(before.saturating_sub(len_bytes));
        }
    }

    /// Counts content, and looks whether the run shall go on.
    pub(super) fn progress(&self, len: usize) -> Result<()> {
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        let written = self.written.fetch_add(len, Relaxed).saturating_add(len);
        self.request.observer.progress(written, written);
        if self.request.max_output.is_some_and(|most| written > most) {
            let message = "the content is longer than --max-output allows; what is complete stays";
            return Err(Error::new(Kind::Limit, message));
        }
        self.check()
    }

    /// Whether the run shall go on.
    pub(super) fn check(&self) -> Result<()> {
        if self.has_ended() || self.request.observer.stop_requested() {
            return Err(Error::new(
                Kind::Interrupted,
                "interrupted; what is complete stays, and the same command goes on from there",
            ));
        }
        Ok(())
    }

    /// Ends the run; the first error is the one that counts.
    pub(super) fn fail(&self, error: Error) {
        let error = match is_full(&error) {
            true => error.because("", format_args!(" in {}", self.target.room())),
            false => error,
        };
        self.fatal.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.ended.store(true, Relaxed);
        // Under the lock: one who found the run going on, and is about to wait, would not hear it.
        let _busy = self.busy();
        self.less_busy.notify_all();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    pub(super) fn take_fatal(&self) -> Option<Error> {
        self.fatal.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn late(&self) -> MutexGuard<'_, DeferredList> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn busy(&self) -> MutexGuard<'_, Busy> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes on an entry that takes so many bytes of memory until it is done.
    pub(super) fn begin(&self, path: &[u8], bytes: usize) {
        let mut busy = self.busy();
        busy.paths.insert(path.to_vec());
        busy.bytes = busy.bytes.saturating_add(bytes);
    }

    pub(super) fn end(&self, path: &[u8], bytes: usize) {
        let mut busy = self.busy();
        busy.paths.remove(path);
        busy.bytes = busy.bytes.saturating_sub(bytes);
        self.less_busy.notify_all();
    }

    /// Whether some thread is busy with a path.
    pub(super) fn is_busy(&self, path: &[u8]) -> bool {
        self.busy().paths.contains(path)
    }

    /// Waits until none is.
    pub(super) fn wait_for(&self, path: &[u8]) {
        self.wait_while(|busy| busy.paths.contains(path));
    }

    /// Whether so many bytes more would be too many.
    pub(super) fn is_full(&self, bytes: usize) -> bool {
        is_too_much(&self.busy(), bytes)
    }

    /// Waits until they are not.
    pub(super) fn wait_for_room(&self, bytes: usize) {
        self.wait_while(|busy| is_too_much(busy, bytes));
    }

    fn wait_while(&self, is_so: impl Fn(&Busy) -> bool) {
        let mut busy = self.busy();
        while is_so(&busy) && !self.has_ended() {
            busy = self.less_busy.wait(busy).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn report(&self) -> Report {
        let counted = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = counted.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        drop(counted);
        let mut report = Report {
            entries,
            data_bytes: self.written.load(Relaxed),
            verified: self.verified.load(Relaxed),
            made_before: self.made_before.load(Relaxed),
            kept: self.kept.load(Relaxed),
            issues: self.issues.load(Relaxed),
            left: Vec::new(),
        };
        for (is_issue, sentence) in self.left.sentences() {
            if is_issue {
                report.issues = report.issues.saturating_add(1);
                let error = Error::new(Kind::Unsupported, format!("left: {sentence}"));
                self.request.observer.issue(&Issue { path: None, error });
            } else {
                report.left.push(sentence);
            }
        }
        report
    }
}

/// Whether entries with so many bytes more take too much. A single one never does.
fn is_too_much(busy: &Busy, bytes: usize) -> bool {
    busy.bytes > 0 && busy.bytes.saturating_add(bytes) > WAITING_BYTES_MOST
}

/// Whether going on makes no sense. A limit ends the reading of one entry, but not the others.
fn ends_the_run(error: &Error) -> bool {
    error.ends_the_run() || error.kind() == Kind::Exists
}

/// An error of a call that concerns one entry, or the whole where no other entry would fare better.
pub(super) fn refused(what: &str, errno: Errno) -> Error {
    let kind = match errno {
        Errno::NOSPC
        | Errno::DQUOT
        | Errno::IO
        | Errno::ROFS
        | Errno::MFILE
        | Errno::NFILE
        | Errno::NOMEM => Kind::Write,
        _ => Kind::Unsupported,
    };
    let hint = match errno {
        Errno::NOSPC => return Error::new(kind, format!("{what}: no space is left")),
        Errno::DQUOT => {
            return Error::new(kind, format!("{what}: no space is left, as the quota is used up"));
        }
        Errno::MFILE => "; raise the limit of open files (ulimit -n)",
        _ => "",
    };
    Error::new(kind, format!("{what}: {}{hint}", io::Error::from(errno)))
}

/// What the kernel tells of a name in a directory, links not followed.
pub(super) fn stat_at(directory: impl AsFd, name: &[u8]) -> Result<Statx, Errno> {
    statx(directory, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT, StatxFlags::BASIC_STATS)
}

/// The same of what is open.
pub(super) fn stat_of(open: impl AsFd) -> Result<Statx, Errno> {
    statx(open, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS | StatxFlags::BTIME)
}
