//! Frames as workers are done with them, in order: the archive's digest is made of them, and the tar is read out of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};

use super::check::{Buffers, Digest, Done, Fault};
use super::expected::Expected;
use super::symptom::{Symptom, Symptoms};
use crate::archive::observer::Observer;
use crate::archive::read::stream::{TarStream, cut_off};
use crate::error::{Error, Kind, Result};
use crate::format::digest::{Algorithm, Hasher};

/// Digests of all bytes of the archive so far.
pub(super) struct Whole {
    hashers: Vec<(Algorithm, Hasher)>,
    /// Whether all bytes could be read.
    is_complete: bool,
}

impl Whole {
    pub(super) fn new(algorithms: &[Algorithm]) -> Self {
        let hashers = algorithms.iter().map(|algorithm| (*algorithm, algorithm.hasher())).collect();
        Self { hashers, is_complete: true }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.hashers.iter_mut().for_each(|(_, hasher)| hasher.update(bytes));
    }

    pub(super) fn lose(&mut self) {
        self.is_complete = false;
    }

    /// The digests in hexadecimal digits; none when some bytes could not be read.
    pub(super) fn finish(self) -> BTreeMap<&'static str, String> {
        let hashers = self.hashers.into_iter().filter(|_| self.is_complete);
        hashers.map(|(algorithm, hasher)| (algorithm.name(), hasher.finish().to_string())).collect()
    }
}

/// The tar stream out of checked frames.
pub(super) struct InOrder<'a> {
    /// Nothing of a frame at which a worker gave up.
    results: Receiver<Option<Done>>,
    free: Sender<Buffers>,
    early: BTreeMap<usize, Done>,
    next: usize,
    held: Option<Done>,
    position: u64,
    /// Whether the last read was refused because its frame is bad.
    is_blocked: bool,
    /// Whether there is a manifest to compare members with.
    pub has_manifest: bool,
    /// Position of the embedded manifest, which does not list itself.
    pub manifest_at: Option<u64>,
    observer: &'a dyn Observer,
    pub whole: Whole,
    pub symptoms: Symptoms,
    /// What was last lost with a frame.
    lost: BTreeSet<Arc<[u8]>>,
    /// Members that the manifest has in the frames so far, and that were not met.
    pub expected: VecDeque<Expected>,
    pub frames: u64,
    pub digests: u64,
}

impl<'a> InOrder<'a> {
    pub(super) fn new(
        results: Receiver<Option<Done>>,
        free: Sender<Buffers>,
        whole: Whole,
        symptoms: Symptoms,
        has_manifest: bool,
        observer: &'a dyn Observer,
    ) -> Self {
        Self {
            results,
            free,
            early: BTreeMap::new(),
            next: 0,
            held: None,
            position: 0,
            is_blocked: false,
            has_manifest,
            manifest_at: None,
            observer,
            whole,
            symptoms,
            lost: BTreeSet::new(),
            expected: VecDeque::new(),
            frames: 0,
            digests: 0,
        }
    }

    /// Whether the last error is that of a frame which is a symptom already.
    pub(super) fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    /// Goes to the first member that should be behind this position, in a frame that is good. `false` when there is none.
    pub(super) fn go_to_next_expected(&mut self) -> Result<bool> {
        let passed = self.position;
        loop {
            self.expected.retain(|member| member.header > passed);
            let header = self.expected.front().map(|member| member.header);
            if let (Some(header), Some(held)) = (header, &self.held)
                && header < held.raw.end()
            {
                self.position = header;
                return Ok(true);
            }
            if !self.advance()? {
                return Ok(false);
            }
        }
    }

    /// What should have come, and did not.
    pub(super) fn miss_the_rest(&mut self) {
        for missing in std::mem::take(&mut self.expected) {
            let message = "the manifest has it here, but there is no member".to_owned();
            self.symptoms.add(Symptom::disagreement(&missing.path, Some(missing.header), message));
        }
    }

    /// Reads all that is left, for the digests.
    pub(super) fn drain(&mut self) -> Result<()> {
        while self.advance()? {}
        Ok(())
    }

    /// Takes the next frame in hand. `false` behind the last one.
    fn advance(&mut self) -> Result<bool> {
        if let Some(held) = self.held.take() {
            self.position = self.position.max(held.raw.end());
            // Nobody takes it when all frames are on their way.
            let _ = self.free.send(held.buffers);
        }
        if self.observer.stop_requested() {
            return Err(Error::new(Kind::Interrupted, "stopped by a signal"));
        }
        while !self.early.contains_key(&self.next) {
            match self.results.recv() {
                Ok(Some(done)) => drop(self.early.insert(done.index, done)),
                Ok(None) => return Err(Error::internal("a frame could not be checked")),
                Err(_) => return Ok(false),
            }
        }
        let Some(mut done) = self.early.remove(&self.next) else { return Ok(false) };
        self.next = self.next.saturating_add(1);
        // Bytes that could not be read say nothing of the archive: it may be sound.
        if let Some(Fault::Unread(error)) = &done.fault
            && error.kind() == Kind::Read
        {
            return Err(error.clone());
        }
        self.take(&mut done);
        self.held = Some(done);
        Ok(true)
    }

    fn take(&mut self, done: &mut Done) {
        self.frames = self.frames.saturating_add(1);
        let (packed, raw, index) = (done.packed, done.raw, done.index);
        match &done.fault {
            Some(Fault::Unread(error)) => {
                self.whole.lose();
                self.symptoms.add(Symptom::frame(index, packed, raw, format!("can't be read: {error}")));
            }
            Some(Fault::Damaged(error)) => {
                self.whole.add(&done.buffers.packed);
                self.symptoms.add(Symptom::frame(index, packed, raw, error.cause().to_string()));
            }
            None => {
                self.whole.add(&done.buffers.packed);
                self.symptoms.header(index, &done.buffers.packed);
            }
        }
        let mut lost: BTreeSet<Arc<[u8]>> = BTreeSet::new();
        for digest in done.digests.drain(..) {
            match digest {
                Digest::Agrees => self.digests = self.digests.saturating_add(1),
                Digest::Differs { path, said, found } => {
                    let message = format!("its content has the digest {found}, the manifest says {said}");
                    self.symptoms.add(Symptom::disagreement(&path, None, message));
                }
                Digest::Lost { path } => {
                    lost.insert(path);
                }
            }
        }
        match done.fault {
            // What should be in a bad frame is lost with it.
            Some(_) => lost.extend(done.members.drain(..).map(|member| member.path)),
            None => self.expected.extend(done.members.drain(..)),
        }
        // A file that begins in a bad frame may end in a good one, and is lost once.
        let new = lost.difference(&self.lost);
        new.for_each(|path| self.symptoms.add(Symptom::lost(path)));
        if !lost.is_empty() {
            self.lost = lost;
        }
        self.observer.progress(packed.end(), 0);
    }

    /// The rest of the frame in hand.
    fn rest(&self) -> Option<&[u8]> {
        let held = self.held.as_ref()?;
        let from = usize::try_from(self.position.checked_sub(held.raw.start())?).ok()?;
        held.buffers.raw.get(from..)
    }
}

impl TarStream for InOrder<'_> {
    fn position(&self) -> u64 {
        self.position
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.is_blocked = false;
        while self.held.as_ref().is_none_or(|held| self.position >= held.raw.end()) {
            if !self.advance()? {
                return Ok(0);
            }
        }
        if self.held.as_ref().is_some_and(|held| held.fault.is_some()) {
            self.is_blocked = true;
            return Err(Error::corrupt("lies in a damaged frame").at_byte(self.position));
        }
        let rest = self.rest().unwrap_or_default();
        let len = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..len), rest.get(..len)) {
            to.copy_from_slice(from);
        }
        self.position = self.position.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        Ok(len)
    }

    fn skip(&mut self, len_bytes: u64) -> Result<()> {
        let to = self.position.saturating_add(len_bytes);
        loop {
            match self.held.as_ref().map(|held| held.raw.end()) {
                Some(end) if to <= end => {
                    self.position = to;
                    return Ok(());
                }
                _ if to == self.position => return Ok(()),
                _ => {
                    if !self.advance()? {
                        return Err(cut_off(self.position));
                    }
                }
            }
        }
    }

    fn finish(&mut self) -> Result<()> {
        self.drain()
    }
}
