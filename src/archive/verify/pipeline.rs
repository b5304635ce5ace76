//! All frames of an archive, on all cores: read, unpacked and hashed in parallel, looked at in order.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crossbeam_channel::{bounded, unbounded};
use rayon::ThreadPoolBuilder;

use super::check::{Buffers, Shared};
use super::expected::{Faults, Plan, Totals};
use super::in_order::{InOrder, Whole};
use super::structure::{Alone, check};
use super::symptom::{Symptom, Symptoms};
use crate::archive::observer::Observer;
use crate::archive::read::container::Container;
use crate::archive::read::members::Members;
use crate::archive::read::stream::InOneGo;
use crate::device::Device;
use crate::error::{Error, Kind, Result};
use crate::format::codec::Frames;
use crate::format::digest::Algorithm;
use crate::units::ByteRange;

/// Frames that may wait to be looked at while all threads work on others, and the one that is looked at.
const WAITING: usize = 3;

/// Bytes of all frames in flight, packed and unpacked.
const BUFFERS_BYTES_MOST: u64 = 192 << 20;

/// What reading all of an archive came to.
pub(super) struct Seen {
    pub symptoms: Symptoms,
    /// The archive's digests; none when a part of it could not be read.
    pub digests: BTreeMap<&'static str, String>,
    pub frames: u64,
    pub members: u64,
    pub agreeing: u64,
    /// What the manifest came to, where it was read beside the archive.
    pub totals: Option<Totals>,
}

/// Reads an archive whose frames are known.
pub(super) fn in_frames(
    packed: &Container,
    frames: &Frames,
    plan: Plan,
    shared: Shared,
    algorithms: &[Algorithm],
    symptoms: Symptoms,
    observer: &dyn Observer,
) -> Result<Seen> {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|number| format!("verify-{number}"))
        .build()
        .map_err(|source| Error::new(Kind::System, source))?;
    let longest = frames.spans().iter().map(|span| span.raw.len().saturating_add(span.packed.len())).max();
    let fit = usize::try_from(BUFFERS_BYTES_MOST.checked_div(longest.unwrap_or(0).max(1)).unwrap_or(0))
        .unwrap_or(usize::MAX);
    let count = threads.saturating_add(WAITING).min(fit.max(2));
    let (free, free_buffers) = bounded(count);
    for _ in 0..count {
        // There is space for all of them, and somebody who takes them.
        let _ = free.send(Buffers::new(packed.compression())?);
    }
    let (done, results) = unbounded();
    let (has_manifest, manifest_at) = (plan.has_manifest(), shared.manifest_at);
    let mut plan = plan;
    let seen = thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let whole = Whole::new(algorithms);
            let mut in_order = InOrder::new(results, free, whole, symptoms, has_manifest, observer);
            in_order.manifest_at = manifest_at;
            look(in_order, packed, frames.packed_bytes())
        });
        pool.in_place_scope_fifo(|pool| {
            for (index, span) in frames.spans().iter().enumerate() {
                // When the reader has given up there are no more buffers.
                let Ok(buffers) = free_buffers.recv() else { break };
                let task = plan.task(index, *span);
                let (done, shared) = (done.clone(), &shared);
                pool.spawn_fifo(move |_| {
                    let checked = catch_unwind(AssertUnwindSafe(|| shared.check(task, buffers)));
                    let (result, panic) = match checked {
                        Ok(checked) => (Some(checked), None),
                        // The reader must not wait for it: then the panic goes on, out of the pool.
                        Err(panic) => (None, Some(panic)),
                    };
                    // Nobody listens when the reader has given up.
                    let _ = done.send(result);
                    if let Some(panic) = panic {
                        resume_unwind(panic);
                    }
                });
                if let Some(ahead) = frames.spans().get(index.saturating_add(count)) {
                    shared.device.will_need(ahead.packed);
                }
            }
        });
        drop(done);
        reader.join().unwrap_or_else(|panic| resume_unwind(panic))
    })?;
    Ok(Seen { totals: has_manifest.then(|| plan.finish()), ..seen })
}

fn look(in_order: InOrder<'_>, packed: &Container, frames_end: u64) -> Result<Seen> {
    let mut members = Members::new(in_order).checking_padding();
    let count = check(&mut members)?;
    let mut in_order = members.into_stream();
    in_order.drain()?;
    in_order.miss_the_rest();
    // The table of frames.
    let device = packed.device();
    let mut whole = in_order.whole;
    if let Some(rest) = ByteRange::between(frames_end, device.len_bytes()) {
        add(device, rest, &mut whole)?;
    }
    Ok(Seen {
        symptoms: in_order.symptoms,
        digests: whole.finish(),
        frames: in_order.frames,
        members: count,
        agreeing: in_order.digests,
        totals: None,
    })
}

/// Takes a range of the file into its digests.
fn add(device: &Device, range: ByteRange, whole: &mut Whole) -> Result<()> {
    let mut buffer = vec![0; 1 << 20];
    let mut at = range.start();
    while at < range.end() {
        let rest = usize::try_from(range.end().saturating_sub(at)).unwrap_or(usize::MAX);
        let part = buffer.get_mut(..rest.min(1 << 20)).unwrap_or_default();
        device.read_at(at, part)?;
        whole.add(part);
        at = at.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
    }
    Ok(())
}

/// The digests of a whole file.
pub(super) fn digests(device: &Device, algorithms: &[Algorithm]) -> Result<BTreeMap<&'static str, String>> {
    let mut whole = Whole::new(algorithms);
    if let Some(all) = ByteRange::new(0, device.len_bytes()) {
        add(device, all, &mut whole)?;
    }
    Ok(whole.finish())
}

/// Reads an archive from front to back.
pub(super) fn in_one_go(
    packed: &Container,
    algorithms: &[Algorithm],
    symptoms: Symptoms,
    observer: &dyn Observer,
) -> Result<Seen> {
    let state = Arc::new(Mutex::new(Front { whole: Whole::new(algorithms), position: 0 }));
    let front = Reader { device: Device::clone(packed.device()), state: Arc::clone(&state) };
    let stream = InOneGo::new(packed.reader_of(front)?);
    let watched = Alone {
        stream,
        symptoms,
        progress: Box::new(|| {
            let position = state.lock().unwrap_or_else(PoisonError::into_inner).position;
            observer.progress(position, 0);
            match observer.stop_requested() {
                true => Err(Error::new(Kind::Interrupted, "stopped by a signal")),
                false => Ok(()),
            }
        }),
    };
    let mut members = Members::new(watched).checking_padding();
    let count = check(&mut members)?;
    let Alone { symptoms, stream, progress } = members.into_stream();
    drop((stream, progress));
    let front =
        Arc::into_inner(state).map(|state| state.into_inner().unwrap_or_else(PoisonError::into_inner));
    let mut digests = BTreeMap::new();
    if let Some(Front { mut whole, position }) = front {
        // What a decoder did not want to see any more.
        if let Some(rest) = ByteRange::between(position, packed.device().len_bytes()) {
            add(packed.device(), rest, &mut whole)?;
        }
        digests = whole.finish();
    }
    Ok(Seen { symptoms, digests, frames: 0, members: count, agreeing: 0, totals: None })
}

/// How far the file was read, and its digests so far.
struct Front {
    whole: Whole,
    position: u64,
}

/// The file as its decoder reads it.
struct Reader {
    device: Device,
    state: Arc<Mutex<Front>>,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut front = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = self.device.len_bytes().saturating_sub(front.position);
        let len = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
        let part = buffer.get_mut(..len).unwrap_or_default();
        self.device.read_at(front.position, part).map_err(io::Error::other)?;
        front.whole.add(part);
        front.position = front.position.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        Ok(len)
    }
}

impl Symptoms {
    /// Tells what the counts of a manifest's end have to do with what was counted.
    pub(super) fn hold_against(&mut self, totals: &Totals, tail: &crate::format::manifest::Tail) {
        self.add_all(&totals.bad_lines, Symptom::manifest);
        self.add_all(&totals.misplaced, Symptom::of_all);
        if totals.entries != tail.entries || totals.issues != tail.issues {
            let message = "its entries and issues are not as many as its end says";
            self.add(Symptom::manifest(message.to_owned()));
        }
    }
    fn add_all(&mut self, faults: &Faults, symptom: fn(String) -> Symptom) {
        faults.first.iter().for_each(|fault| self.add(symptom(fault.clone())));
        if faults.more() > 0 {
            self.add(symptom(format!("{} more of its lines are like that", faults.more())));
        }
    }
}
