//! What a worker does with a frame: read it, unpack it, hash the files in it.

use std::sync::Arc;

use super::expected::{Expected, Step, Task};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::format::codec::Compression;
use crate::format::codec::Unpacker;
use crate::format::digest::{Algorithm, Hasher};
use crate::units::ByteRange;

/// What a frame in flight needs, used again and again.
pub(super) struct Buffers {
    pub packed: Vec<u8>,
    pub raw: Vec<u8>,
    unpacker: Unpacker,
}

impl Buffers {
    pub(super) fn new(compression: Compression) -> Result<Self> {
        Ok(Self { packed: Vec::new(), raw: Vec::new(), unpacker: Unpacker::new(compression)? })
    }
}

/// A frame that was looked at.
pub(super) struct Done {
    pub buffers: Buffers,
    pub index: usize,
    pub packed: ByteRange,
    pub raw: ByteRange,
    /// Why it can't be read or unpacked.
    pub fault: Option<Fault>,
    pub members: Vec<Expected>,
    pub digests: Vec<Digest>,
}

pub(super) enum Fault {
    /// The file itself can't be read here.
    Unread(Error),
    /// It can be read, but not unpacked.
    Damaged(Error),
}

/// What came of one file's digest.
pub(super) enum Digest {
    Agrees,
    Differs {
        path: Arc<[u8]>,
        said: String,
        found: String,
    },
    /// A part of the file is in a frame that can't be unpacked.
    Lost {
        path: Arc<[u8]>,
    },
}

/// What all workers share.
pub(super) struct Shared {
    pub device: Device,
    pub algorithm: Algorithm,
    /// Position of the embedded manifest, which does not list itself.
    pub manifest_at: Option<u64>,
}

impl Shared {
    pub(super) fn check(&self, task: Task, mut buffers: Buffers) -> Done {
        let Task { index, span, steps, members, digest_in, digest_out, .. } = task;
        let fault = self.fill(span.packed, span.raw.len(), &mut buffers).err();
        let mut hashing =
            Hashing { algorithm: self.algorithm, hasher: None, lost: false, digests: Vec::new() };
        if let Some(digest_in) = digest_in {
            // It comes from a worker that has begun already.
            match digest_in.recv() {
                Ok(Some(hasher)) => hashing.hasher = Some(hasher),
                Ok(None) | Err(_) => hashing.lost = true,
            }
        }
        let raw = fault.is_none().then_some(buffers.raw.as_slice());
        for step in steps {
            hashing.step(step, raw);
        }
        if let Some(digest_out) = digest_out {
            let running = if hashing.lost { None } else { Some(hashing.take()) };
            // Nobody takes it when the run is over already.
            let _ = digest_out.send(running);
        }
        let digests = hashing.digests;
        Done { buffers, index, packed: span.packed, raw: span.raw, fault, members, digests }
    }

    fn fill(&self, packed: ByteRange, raw_bytes: u64, buffers: &mut Buffers) -> Result<(), Fault> {
        let len = |len: u64| usize::try_from(len).unwrap_or(usize::MAX);
        buffers.packed.resize(len(packed.len()), 0);
        self.device.read_at(packed.start(), &mut buffers.packed).map_err(Fault::Unread)?;
        self.device.done_with(packed);
        buffers.unpacker.unpack(&buffers.packed, &mut buffers.raw, len(raw_bytes)).map_err(Fault::Damaged)
    }
}

struct Hashing {
    algorithm: Algorithm,
    hasher: Option<Hasher>,
    /// Whether a part of the current file could not be read.
    lost: bool,
    digests: Vec<Digest>,
}

impl Hashing {
    fn take(&mut self) -> Hasher {
        self.hasher.take().unwrap_or_else(|| self.algorithm.hasher())
    }

    fn step(&mut self, step: Step, raw: Option<&[u8]>) {
        let algorithm = self.algorithm;
        match (step, raw) {
            (Step::Hash(_), None) => self.lost = true,
            (Step::Hash(at), Some(raw)) => {
                self.hasher.get_or_insert_with(|| algorithm.hasher()).update(raw.get(at).unwrap_or_default());
            }
            (Step::HashZeros(len), _) => {
                self.hasher.get_or_insert_with(|| algorithm.hasher()).update_zeros(len)
            }
            (Step::End { path, hex }, _) => {
                let found = self.take().finish().to_string();
                let digest = match std::mem::take(&mut self.lost) {
                    true => Digest::Lost { path },
                    false if found == hex => Digest::Agrees,
                    false => Digest::Differs { path, said: hex, found },
                };
                self.digests.push(digest);
            }
        }
    }
}
