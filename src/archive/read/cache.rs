//! Frames that were unpacked, kept for whoever needs them next: the files in one are read one after the other, by any thread.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::device::Device;
use crate::error::{Error, Result};
use crate::format::codec::Compression;
use crate::format::codec::Unpacker;
use crate::format::codec::{Frames, Span};

/// Frames that are kept for each thread that may read, and besides.
const PER_THREAD: usize = 2;
const BESIDES: usize = 2;

/// Bytes of frames that are kept: on a machine with many cores, or when frames are long.
const BYTES_MOST: u64 = 128 << 20;

/// The frames of one archive, and the last ones that were unpacked.
pub(super) struct Cache {
    device: Device,
    compression: Compression,
    frames: Arc<Frames>,
    most: usize,
    state: Mutex<State>,
    /// Told whenever a frame is there, or could not be unpacked.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Frames by their number, the one that was asked for last at the end; `None` while a thread unpacks it.
    kept: VecDeque<(usize, Option<Arc<Vec<u8>>>)>,
    /// What nobody uses at the moment.
    idle: Vec<Tools>,
}

/// What unpacking takes.
struct Tools {
    unpacker: Unpacker,
    packed: Vec<u8>,
}

impl Cache {
    pub(super) fn new(device: Device, compression: Compression, frames: Arc<Frames>) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let most = threads.saturating_mul(PER_THREAD).saturating_add(BESIDES);
        let longest = frames.spans().iter().map(|span| span.raw.len()).max().unwrap_or(0).max(1);
        let fit = usize::try_from(BYTES_MOST.checked_div(longest).unwrap_or(0)).unwrap_or(usize::MAX);
        let most = most.min(fit.max(BESIDES));
        Self { device, compression, frames, most, state: Mutex::default(), changed: Condvar::new() }
    }

    /// The frames.
    pub(super) fn frames(&self) -> &Arc<Frames> {
        &self.frames
    }

    /// The file.
    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    /// How it is compressed.
    pub(super) fn compression(&self) -> Compression {
        self.compression
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The content of a frame. Of several threads that ask for the same one, one unpacks it.
    pub(super) fn get(&self, index: usize, span: Span) -> Result<Arc<Vec<u8>>> {
        let mut state = self.state();
        loop {
            let found = state.kept.iter().position(|(number, _)| *number == index);
            let Some(slot) = found.and_then(|at| state.kept.remove(at)) else { break };
            let content = slot.1.clone();
            state.kept.push_back(slot);
            match content {
                Some(content) => return Ok(content),
                None => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
        // A buffer that nobody reads from any more is used again.
        let mut buffer = None;
        if state.kept.len() >= self.most
            && let Some(oldest) = state.kept.iter().position(|(_, content)| content.is_some())
        {
            buffer = state.kept.remove(oldest).and_then(|(_, content)| Arc::into_inner(content?));
        }
        state.kept.push_back((index, None));
        let tools = state.idle.pop();
        drop(state);
        // Others wait for this frame. They must be told whatever happens, also when a decoder
        // panics.
        let unpack = AssertUnwindSafe(|| self.unpack(tools, buffer.unwrap_or_default(), span));
        let outcome = catch_unwind(unpack)
            .unwrap_or_else(|panic| Err(Error::panicked("a thread that unpacks frames", panic.as_ref())));
        let mut state = self.state();
        let at = state.kept.iter().position(|(number, content)| *number == index && content.is_none());
        let content = match outcome {
            Ok((tools, raw)) => {
                let raw = Arc::new(raw);
                if let Some((_, content)) = at.and_then(|at| state.kept.get_mut(at)) {
                    *content = Some(Arc::clone(&raw));
                }
                if state.idle.len() < self.most {
                    state.idle.push(tools);
                }
                Ok(raw)
            }
            Err(error) => {
                drop(at.and_then(|at| state.kept.remove(at)));
                Err(error)
            }
        };
        drop(state);
        self.changed.notify_all();
        content
    }

    /// Has frames behind this one, up to `last`, unpacked by other threads meanwhile; those up to `asked` were asked for already. Gives back
    /// up to which they are asked for now.
    pub(super) fn ahead(self: &Arc<Self>, index: usize, asked: usize, last: usize) -> usize {
        let to = index.saturating_add(rayon::current_num_threads()).min(last);
        for next in asked.max(index).saturating_add(1)..=to {
            if let Some(span) = self.frames.spans().get(next).copied() {
                let cache = Arc::clone(self);
                // Whoever reads it finds it here, or the error that it is.
                rayon::spawn(move || drop(cache.get(next, span)));
            }
        }
        to.max(asked)
    }

    fn unpack(&self, tools: Option<Tools>, mut raw: Vec<u8>, span: Span) -> Result<(Tools, Vec<u8>)> {
        let len = |len: u64| usize::try_from(len).unwrap_or(usize::MAX);
        let mut tools = match tools {
            Some(tools) => tools,
            None => Tools { unpacker: Unpacker::new(self.compression)?, packed: Vec::new() },
        };
        tools.packed.resize(len(span.packed.len()), 0);
        self.device.read_at(span.packed.start(), &mut tools.packed)?;
        tools
            .unpacker
            .unpack(&tools.packed, &mut raw, len(span.raw.len()))
            .map_err(|error| error.at_byte(span.packed.start()))?;
        Ok((tools, raw))
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("frames", &self.frames.spans().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::*;
    use crate::device::ReadAt;
    use crate::units::ByteRange;

    /// Counts how often it is read.
    #[derive(Debug)]
    struct Counting(Vec<u8>, AtomicU64);

    impl ReadAt for Counting {
        fn len_bytes(&self) -> u64 {
            self.0.len_bytes()
        }

        fn read_at(&self, position: u64, buffer: &mut [u8]) -> Result<()> {
            self.1.fetch_add(1, Relaxed);
            self.0.read_at(position, buffer)
        }
    }

    /// Panics when it is read.
    #[derive(Debug)]
    struct Panicking(u64);

    impl ReadAt for Panicking {
        fn len_bytes(&self) -> u64 {
            self.0
        }

        fn read_at(&self, _: u64, _: &mut [u8]) -> Result<()> {
            // The others are waiting by then, most of the time.
            std::thread::yield_now();
            panic!("a decoder with a bug")
        }
    }

    #[test]
    fn a_panic_of_the_thread_that_unpacks_is_an_error_for_all_who_wait() {
        let frames = Arc::new(Frames::of_lengths([(10, 10)], 10).unwrap());
        let cache = Arc::new(Cache::new(Arc::new(Panicking(10)), Compression::None, Arc::clone(&frames)));
        let errors: Vec<Error> = std::thread::scope(|scope| {
            let get = || cache.get(0, frames.spans()[0]).unwrap_err();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(get)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for error in errors {
            assert_eq!(error.kind(), crate::Kind::Internal);
            assert!(error.to_string().contains("a decoder with a bug"), "{error}");
        }
        // Nor does one that was asked for ahead end the process.
        cache.ahead(0, 0, 0);
        assert!(cache.get(0, frames.spans()[0]).is_err());
    }

    #[test]
    fn a_frame_is_unpacked_once_for_all_threads_and_a_broken_one_is_an_error_for_each() {
        let good = zstd::bulk::compress(&[7; 1000], 1).unwrap();
        let len = u64::try_from(good.len()).unwrap();
        let device =
            Arc::new(Counting([good.as_slice(), &good[..good.len() - 1], &[0]].concat(), AtomicU64::new(0)));
        let frames = Arc::new(Frames::of_lengths([(len, 1000), (len, 1000)], 2 * len).unwrap());
        let cache = Cache::new(device.clone(), Compression::Zstd, Arc::clone(&frames));
        let get = |index: usize| cache.get(index, frames.spans()[index]);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    assert_eq!(*get(0).unwrap(), [7; 1000]);
                    assert_eq!(frames.spans()[1].packed, ByteRange::new(len, len).unwrap());
                });
            }
        });
        assert_eq!(device.1.load(Relaxed), 1);
        let too_long = Span { raw: ByteRange::new(1000, 2000).unwrap(), ..frames.spans()[1] };
        for _ in 0..2 {
            assert!(cache.get(1, too_long).is_err());
        }
        assert_eq!(device.1.load(Relaxed), 3);
    }
}
