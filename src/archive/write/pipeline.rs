//! The line that every archive goes through: cut, then fill, hash and compress in parallel, then write in order.
//!
//! Frames in flight are bounded by the buffers that they are made in. Buffers are free again when its frame is written.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use rayon::ThreadPoolBuilder;

use super::encode::{Buffers, Done, Shared};
use super::frame::Frame;
use crate::error::{Error, Kind, Result};

/// Frames that may wait to be written while all threads work on others.
const WAITING: usize = 2;

/// Makes all frames on `threads` threads, and gives each to `write`, in order, as soon as it and those before it are
/// done.
pub(super) fn run(
    frames: impl Iterator<Item = Result<Frame>>,
    threads: usize,
    buffers: impl Fn() -> Result<Buffers>,
    shared: &Shared<'_>,
    mut write: impl FnMut(&mut Done) -> Result<()> + Send,
) -> Result<()> {
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|number| format!("frame-{number}"))
        .build()
        .map_err(|source| Error::new(Kind::System, source))?;
    let count = threads.saturating_add(WAITING);
    let (free, free_buffers) = bounded(count);
    for _ in 0..count {
        // There is space for all of them, and somebody who takes them.
        let _ = free.send(buffers()?);
    }
    let (done, results) = unbounded();
    thread::scope(|scope| {
        let writer = scope.spawn(move || in_order(&results, &free, &mut write));
        // From the first to the last: a frame may wait for the digest of the one before, which has begun already.
        pool.in_place_scope_fifo(|pool| {
            for (index, frame) in (0..).zip(frames) {
                // When the writer has given up there are no more buffers.
                let Ok(buffers) = free_buffers.recv() else { break };
                match frame {
                    Ok(frame) => {
                        let done = done.clone();
                        pool.spawn_fifo(move |_| {
                            let made = catch_unwind(AssertUnwindSafe(|| shared.make(frame, buffers)));
                            let (result, panic) = match made {
                                Ok(result) => (result, None),
                                // The writer must not wait for it: then the panic goes on, out of the pool.
                                Err(panic) => {
                                    (Err(Error::internal("a frame could not be made")), Some(panic))
                                }
                            };
                            // Nobody listens when the writer has given up.
                            let _ = done.send((index, result));
                            if let Some(panic) = panic {
                                resume_unwind(panic);
                            }
                        });
                    }
                    Err(error) => {
                        let _ = done.send((index, Err(error)));
                        break;
                    }
                }
            }
        });
        drop(done);
        writer.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Writes frames in order. Of several errors the first in the archive's order counts: others may follow from it.
fn in_order(
    results: &Receiver<(u64, Result<Done>)>,
    free: &Sender<Buffers>,
    write: &mut impl FnMut(&mut Done) -> Result<()>,
) -> Result<()> {
    let mut early = BTreeMap::new();
    let mut next = 0_u64;
    for (index, result) in results {
        early.insert(index, result);
        while let Some(result) = early.remove(&next) {
            let mut done = result?;
            write(&mut done)?;
            // Nobody takes it when all frames are cut.
            let _ = free.send(done.buffers);
            next = next.saturating_add(1);
        }
    }
    Ok(())
}
