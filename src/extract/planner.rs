//! Goes through the place in order: makes directories, and hands all else over in batches.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crossbeam_channel::{Sender, bounded};
use rustix::fs::{Mode, OFlags};

use super::directory::{Branch, Directory, is_directory};
use super::existing::{exists, kind_of};
use super::line::{How, Step, panicked};
use super::name;
use super::run::{Run, stat_of};
use super::target::{ExtractDirectory, STATE};
use super::unsupported::What;
use super::{Existing, Report, Request};
use crate::error::{Error, Kind, Result};
use crate::filesystem::FileKind;
use crate::printable::Printable;
use crate::temporary;
use crate::view::{AtHand, Budget, Item, Place, is_below};

/// Entries, and bytes of their content, that are handed over at once. The files in a frame of an archive are a batch, more or less.
const BATCH_ENTRIES: usize = 64;
const BATCH_BYTES: u64 = 4 << 20;

/// Batches that wait for each thread.
const WAITING: usize = 2;

/// Longest file that is kept in memory, of a place that is only read from front to back.
const SMALL_BYTES: u64 = 1 << 20;

/// Memory for the further names of entries that are not extracted themselves: the first of them has
/// the content.
const MOVED_BYTES_MOST: usize = 64 << 20;

/// Memory that the entries of a batch take before it is handed over.
const BATCH_MEMORY: usize = 4 << 20;

/// See [`super::extract`].
pub(super) fn extract(place: &dyn Place, target: &ExtractDirectory, request: &Request<'_>) -> Result<Report> {
    let run = Run::new(place, target, request);
    let wanted = Wanted::new(place, request)?;
    let must_be_new = request.existing == Existing::Refuse && !target.is_empty() && !target.is_resumed();
    if (must_be_new || request.count_first) && !place.is_stream() {
        survey(&run, &wanted, must_be_new)?;
    }
    target.begin()?;
    let (sender, receiver) = bounded(request.threads.saturating_mul(WAITING).max(1));
    let (missing, root) = std::thread::scope(|scope| {
        for _ in 0..request.threads.max(1) {
            scope.spawn(|| run.work(&receiver));
        }
        let mut planner = Planner {
            run: &run,
            wanted: &wanted,
            sender,
            batch: Vec::new(),
            bytes: 0,
            memory: 0,
            in_batch: HashSet::new(),
            moved: BTreeMap::new(),
            moved_budget: Budget::new(MOVED_BYTES_MOST),
            seen: BTreeSet::new(),
        };
        let gone = catch_unwind(AssertUnwindSafe(|| planner.go()));
        let gone = gone.unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
        let root = gone.unwrap_or_else(|error| {
            run.fail(error);
            None
        });
        let missing =
            wanted.paths.iter().filter(|path| !planner.seen.contains(*path)).cloned().collect::<Vec<_>>();
        (missing, root)
    });
    if let Some(error) = run.take_fatal() {
        return Err(error);
    }
    for issue in place.issues() {
        run.issue(issue.path.as_deref(), issue.error);
    }
    for path in missing {
        run.issue(Some(&path), Error::new(Kind::NotFound, "is not there"));
    }
    run.set_late(false);
    target.finish()?;
    // Nothing is written to the target any more: now it gets what the archive has of it.
    if let Some(root) = root {
        run.release(root)?;
    }
    run.set_late(true);
    let report = run.report();
    request.observer.finish(report.data_bytes, report.data_bytes);
    Ok(report)
}

/// Which entries are asked for.
struct Wanted<'a> {
    /// Paths, in the place's own words; none for all.
    paths: Vec<Vec<u8>>,
    request: &'a Request<'a>,
}

impl<'a> Wanted<'a> {
    /// Finds the paths, where that does not take reading all of the place.
    fn new(place: &dyn Place, request: &'a Request<'a>) -> Result<Self> {
        let mut paths = Vec::new();
        for path in request.paths.iter().filter(|path| !path.is_empty()) {
            paths.push(if place.is_stream() { path.clone() } else { place.find(path, false)?.path });
        }
        if request.paths.iter().any(Vec::is_empty) {
            paths.clear();
        }
        paths.sort();
        paths.dedup();
        Ok(Self { paths, request })
    }

    /// The path that all of it is below.
    fn common(&self) -> Vec<u8> {
        let mut paths = self.paths.iter();
        let Some(first) = paths.next() else { return Vec::new() };
        let mut common: Vec<&[u8]> = first.split(|byte| *byte == b'/').collect();
        for path in paths {
            let same = common
                .iter()
                .zip(path.split(|byte| *byte == b'/'))
                .take_while(|(one, other)| **one == *other);
            common.truncate(same.count());
        }
        common.join(&b'/')
    }

    /// Which of the paths an entry is below; the empty one where all is wanted.
    fn below(&self, path: &[u8]) -> Option<&[u8]> {
        if self.paths.is_empty() {
            return Some(b"");
        }
        self.paths.iter().find(|wanted| is_below(path, wanted)).map(Vec::as_slice)
    }

    fn has(&self, path: &[u8]) -> bool {
        self.below(path).is_some() && !self.is_excluded(path)
    }

    /// Patterns have the meaning that they had when the archive was made: `p2/` is a folder of its own.
    fn is_excluded(&self, path: &[u8]) -> bool {
        let exclude = &self.request.exclude;
        if exclude.is_empty() {
            return false;
        }
        let first = path.split(|byte| *byte == b'/').next().unwrap_or_default();
        let digits = first.strip_prefix(b"p").unwrap_or_default();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return exclude.excludes(b"", path);
        }
        let inside = path.get(first.len()..).unwrap_or_default();
        exclude.excludes(first, inside.strip_prefix(b"/").unwrap_or(inside))
    }
}

/// Goes through all of it once before anything is made: what is there already, and how much there is.
fn survey(run: &Run<'_>, wanted: &Wanted<'_>, must_be_new: bool) -> Result<()> {
    let mut total = 0_u64;
    run.place.walk(&wanted.common(), &mut |item| {
        if !wanted.has(&item.path) {
            return Ok(());
        }
        run.check()?;
        if item.link.is_none() && item.kind.has_content() {
            total = total.saturating_add(item.size);
        }
        // What has no good name is an issue later on, and is not made.
        let Ok(names) = name::of(&item) else { return Ok(()) };
        let is_made = item.kind != FileKind::Socket;
        if must_be_new
            && is_made
            && let Ok(there) = run.target.open_below(&names, OFlags::PATH, Mode::empty())
        {
            let is_used =
                is_directory(&item) && stat_of(&there).is_ok_and(|stat| kind_of(&stat) == 0o040_000);
            if !is_used {
                return Err(exists(&item.path));
            }
        }
        Ok(())
    })?;
    run.expect(total);
    Ok(())
}

struct Planner<'a> {
    run: &'a Run<'a>,
    wanted: &'a Wanted<'a>,
    sender: Sender<Vec<Step>>,
    batch: Vec<Step>,
    bytes: u64,
    memory: usize,
    in_batch: HashSet<Vec<u8>>,
    /// Paths of entries that are not extracted, and the further name that stands for each.
    moved: BTreeMap<Vec<u8>, Vec<u8>>,
    moved_budget: Budget,
    /// Paths that were asked for, and are there.
    seen: BTreeSet<Vec<u8>>,
}

impl Planner<'_> {
    /// Goes through all of it; gives back the target, which is open still.
    fn go(&mut self) -> Result<Option<Arc<Directory>>> {
        let run = self.run;
        let mut branch = Branch::new(run)?;
        match run.place.is_stream() {
            true => run.place.pour(&mut |item, content| self.entry(&mut branch, item, Some(content)))?,
            false => run
                .place
                .walk_proven(&self.wanted.common(), &mut |item| self.entry(&mut branch, item, None))?,
        }
        self.flush();
        branch.leave(run)
    }

    fn entry(&mut self, branch: &mut Branch, item: Item, content: Option<&mut dyn AtHand>) -> Result<()> {
        self.run.check()?;
        let Some(asked) = self.wanted.below(&item.path) else { return Ok(()) };
        if !self.seen.contains(asked) {
            self.seen.insert(asked.to_vec());
        }
        if self.wanted.is_excluded(&item.path) {
            return Ok(());
        }
        for lost in &item.lost {
            let message = format!(
                "what the archive says by {} is not understood, and lost",
                Printable(lost.as_bytes())
            );
            self.run.issue(Some(&item.path), Error::new(Kind::Unsupported, message));
        }
        let path = item.path.clone();
        let outcome = self.place(branch, item, content);
        self.run.settle(&path, outcome)
    }

    fn place(&mut self, branch: &mut Branch, item: Item, content: Option<&mut dyn AtHand>) -> Result<()> {
        let run = self.run;
        let path = item.path.clone();
        let names = name::names(&path).and_then(|names| name::of(&item).map(|_| names))?;
        let is_ours = |name: &[u8]| {
            name == STATE.as_bytes()
                || temporary::Name::parse(name).is_some_and(|name| name.id() == run.target.id())
        };
        if names.first().is_some_and(|name| is_ours(name)) {
            return Err(Error::new(
                Kind::Unsupported,
                "not extracted: this program uses a file of this name",
            ));
        }
        if is_directory(&item) {
            let directory = branch.enter(run, &names, Some(&item), &mut |path| self.ready(path))?;
            directory.will_be(run, item);
            run.made("dir");
            return Ok(());
        }
        let Some((base, above)) = names.split_last() else {
            return Err(Error::new(Kind::Unsupported, "not extracted: it is the root, and no directory"));
        };
        if item.link.is_none() && run.is_left(&item) {
            return Ok(());
        }
        let directory = branch.enter(run, above, None, &mut |path| self.ready(path))?;
        let (item, how) = match item.link.clone() {
            Some(first) => match self.further(item, first)? {
                Some(found) => found,
                None => return Ok(()),
            },
            None => (item, How::FromPlace),
        };
        if run.is_busy(&item.path) && !self.in_batch.contains(&item.path) {
            run.wait_for(&item.path);
        }
        let how = match (how, content) {
            (How::FromPlace, Some(content)) if item.kind.has_content() => {
                if item.size > SMALL_BYTES {
                    self.ready(&item.path);
                    return run
                        .make(&directory, base, &item, |fill| fill(None, &mut |take| content.read(take)));
                }
                let mut pieces = Vec::new();
                content.read(&mut |at, bytes| {
                    pieces.push((at, bytes.to_vec()));
                    Ok(())
                })?;
                How::Here(pieces)
            }
            (how, _) => how,
        };
        self.hand_over(directory, base, item, how);
        Ok(())
    }

    /// What becomes of a further name.
    fn further(&mut self, item: Item, first: Vec<u8>) -> Result<Option<(Item, How)>> {
        let run = self.run;
        let first = match self.moved.get(&first) {
            Some(other) => other.clone(),
            None if self.wanted.has(&first) => first,
            None => {
                // What it is a further name of does not come: this one stands for it.
                name::names(&first)?;
                let source = run.place.find(&first, false)?;
                if run.is_left(&source) {
                    return Ok(None);
                }
                if self.moved_budget.has(first.len().saturating_add(item.path.len())) {
                    self.moved.insert(first, item.path.clone());
                } else {
                    run.left.add_of(What::Link, &item.path);
                }
                let mut own = source.clone();
                own.path = item.path;
                return Ok(Some((own, How::Like(Box::new(source)))));
            }
        };
        // Devices and sockets that are not made have no further names either.
        if run.is_left(&item) {
            return Ok(None);
        }
        if !self.in_batch.contains(&first) {
            run.wait_for(&first);
        }
        Ok(Some((item, How::Link(first))))
    }

    fn hand_over(&mut self, directory: Arc<Directory>, name: &[u8], item: Item, how: How) {
        // Its path is kept twice more, to be waited for.
        let paths = item.path.len().saturating_mul(2);
        let bytes = item.memory().saturating_add(how.memory()).saturating_add(paths);
        if self.run.is_full(bytes) {
            self.flush();
            self.run.wait_for_room(bytes);
        }
        self.bytes = self.bytes.saturating_add(item.size);
        self.memory = self.memory.saturating_add(bytes);
        self.run.begin(&item.path, bytes);
        self.in_batch.insert(item.path.clone());
        self.batch.push(Step { directory, name: name.to_vec(), item, how, bytes });
        let is_long = self.bytes >= BATCH_BYTES || self.memory >= BATCH_MEMORY;
        if is_long || self.batch.len() >= BATCH_ENTRIES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.in_batch.clear();
        (self.bytes, self.memory) = (0, 0);
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return;
        }
        // The threads take batches until this end is gone.
        let _ = self.sender.send(batch);
    }

    /// Waits until nobody is busy with a path.
    fn ready(&mut self, path: &[u8]) {
        if self.run.is_busy(path) {
            if self.in_batch.contains(path) {
                self.flush();
            }
            self.run.wait_for(path);
        }
    }
}
