//! Carrying out a plan.
//!
//! The table, and what each volume is known by, are written last: until then, and after a failure
//! or a kill, the target looks like no disk at all.

use std::fs::File;
use std::sync::Arc;

use rustix::fs::{MemfdFlags, memfd_create};
use serde::{Deserialize, Serialize};

use super::ext;
use super::held::Held;
use super::plan::{Plan, Step, Work};
use super::target::{ENDS_BYTES, Output, TargetFile};
use crate::archive::Observer;
use crate::device::{WritableWindow, WriteAt, WriteDevice, from_file, read_vec};
use crate::error::{Error, Kind, Result};
use crate::filesystem::FileKind;
use crate::filesystem::ext::Geometry;
use crate::filesystem::ext::writer::{self, Veil};
use crate::format::digest::zeros;
use crate::printable::Printable;
use crate::temporary::scratch;
use crate::units::{ByteRange, Bytes};
use crate::view::{Check, Item, Place};

/// Position of an ext filesystem's superblock.
const SUPERBLOCK_AT: u64 = 1024;
const SUPERBLOCK_LEN: usize = 1024;

/// Bytes that are copied at once.
const PIECE_LEN: usize = 256 << 10;

/// Bytes of a hole that are written before somebody is asked whether to stop.
const HOLE_BYTES: u64 = 16 << 20;

/// What a restore came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// Filesystems that were made.
    pub filesystems: u64,
    /// Entries in them.
    pub entries: u64,
    /// Partitions that were written as they were.
    pub images: u64,
    /// Bytes of data that were written, without those of filesystems' own structures.
    pub data_bytes: u64,
    /// What could not be as it was, by partition.
    pub issues: Vec<String>,
}

/// Clears what is left of an older disk, and makes the plan's ext filesystems, empty. Programs are started: this is done before rights
/// are given up. Gives what of the filesystems could not be made as it was.
///
/// # Errors
///
/// When the target can't be written, or a filesystem can't be made.
pub fn format(plan: &Plan, target: &mut TargetFile) -> Result<Vec<String>> {
    if !target.is_blank() {
        clear(plan, target)?;
    }
    let mut issues = Vec::new();
    for step in &plan.steps {
        if let Work::Ext { geometry, .. } = &step.work {
            let made = match target.image() {
                Some(image) => ext::format(image, step.range, geometry),
                None => format_elsewhere(target, step.range, geometry),
            };
            let told = made.map_err(|error| locate(error, step))?;
            issues.extend(told.into_iter().map(|issue| titled(step, &issue)));
        }
    }
    Ok(issues)
}

/// Makes a filesystem in memory and copies it, without the magic numbers of its superblocks. On a
/// target that has a name, a filesystem that is not whole would be taken for a good one.
fn format_elsewhere(target: &TargetFile, range: ByteRange, geometry: &Geometry) -> Result<Vec<String>> {
    let window: WriteDevice = Arc::new(WritableWindow::new(Arc::clone(target.device()), range)?);
    if let Some(sector) = window.sector_bytes().filter(|sector| *sector > geometry.block_bytes) {
        let block = geometry.block_bytes;
        let message = format!(
            "the filesystem has blocks of {block} bytes, but the target sectors of {sector}: nothing could \
             mount it there"
        );
        return Err(Error::new(Kind::Unsupported, message));
    }
    let file = in_memory(range.len())?;
    let alone = ByteRange::new(0, range.len()).unwrap_or(ByteRange::EMPTY);
    let issues = ext::format(&file, alone, geometry)?;
    let made = from_file(file)?;
    if !target.is_blank() {
        writer::zeros(&made)?.into_iter().try_for_each(|range| zero(window.as_ref(), range))?;
    }
    let veiled = Veil::over(Arc::clone(&window), &read_vec(made.as_ref(), SUPERBLOCK_AT, SUPERBLOCK_LEN)?)?;
    let mut buffer = vec![0; PIECE_LEN];
    let mut at = 0;
    while let Some(data) = made.next_data(at) {
        let len = usize::try_from(data.len()).unwrap_or(usize::MAX).min(PIECE_LEN);
        let piece = buffer.get_mut(..len).unwrap_or_default();
        made.read_at(data.start(), piece)?;
        veiled.write_all_at(data.start(), piece)?;
        at = data.start().saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
    }
    Ok(issues)
}

/// A sparse file of this length. Of an empty filesystem it takes what is not zero: about 60 MiB for
/// each TiB where each group has its bitmaps, mostly much less.
fn in_memory(len_bytes: u64) -> Result<File> {
    let no_file = |error| Error::new(Kind::System, format!("memory for the new filesystem: {error}"));
    let file = match memfd_create("voltar-mke2fs", MemfdFlags::CLOEXEC) {
        Ok(file) => File::from(file),
        Err(_) => scratch().map_err(no_file)?,
    };
    file.set_len(len_bytes).map_err(no_file)?;
    Ok(file)
}

/// Takes the table and the signatures of what was there before.
fn clear(plan: &Plan, target: &TargetFile) -> Result<()> {
    let device = target.device().as_ref();
    let ends = |range: ByteRange| {
        let len = range.len().min(ENDS_BYTES);
        let start = ByteRange::new(range.start(), len);
        start.into_iter().chain(ByteRange::new(range.end().saturating_sub(len), len))
    };
    let whole = ByteRange::new(0, plan.target_bytes);
    let ranges = whole.into_iter().chain(plan.steps.iter().map(|step| step.range));
    for range in ranges.flat_map(ends) {
        zero(device, range)?;
    }
    // Before anything of the new disk is there, nothing of the old one is.
    device.sync()
}

fn zero(device: &dyn WriteAt, range: ByteRange) -> Result<()> {
    let mut at = range.start();
    zeros(range.len(), |piece| {
        device.write_all_at(at, piece)?;
        at = at.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        Ok(())
    })
}

/// Writes all of a plan onto a target on which its filesystems are made.
///
/// # Errors
///
/// When the archive is damaged or the target can't be written. Whoever made the target then has to
/// [`spoil`] it.
pub fn run(plan: &Plan, place: &dyn Place, target: &Output, observer: &dyn Observer) -> Result<Restored> {
    let (veils, held, restored) = (Vec::new(), Vec::new(), Restored::default());
    let mut running = Running { plan, place, target, observer, veils, held, restored };
    observer.begin(plan.data_bytes(place));
    running.volumes().and_then(|()| running.reveal())?;
    observer.finish(running.restored.data_bytes, running.restored.data_bytes);
    Ok(running.restored)
}

/// Makes sure that what is on a target after a failure is not taken for a good disk, and says what
/// is there: `data_bytes` were written.
#[must_use]
pub fn spoil(error: Error, target: &TargetFile, data_bytes: u64) -> Error {
    if target.vanishes() {
        return error;
    }
    let device = target.device().as_ref();
    let first = ByteRange::new(0, ENDS_BYTES.min(device.len_bytes())).unwrap_or(ByteRange::EMPTY);
    let spoilt = zero(device, first).and_then(|()| device.sync());
    let written = Bytes(data_bytes);
    let what = match spoilt {
        Ok(()) => "and its first MiB is cleared so that nobody takes it for a disk",
        Err(_) => "and its first MiB could not be cleared: it must not be used",
    };
    error.because(
        "",
        format_args!(
            "; the target holds a part of the disk ({written} of images and some of its files), {what}"
        ),
    )
}

impl Plan {
    /// About how many bytes of data it writes.
    fn data_bytes(&self, place: &dyn Place) -> u64 {
        let of_step = |step: &Step| match &step.work {
            Work::Ext { .. } => step.used_bytes,
            Work::Raw { member } => {
                let data = place.find(member, false).and_then(|item| place.open(&item));
                data.map_or(0, |data| data.data_bytes())
            }
            Work::Swap | Work::Nothing => 0,
        };
        self.steps.iter().map(of_step).fold(0, u64::saturating_add)
    }
}

struct Running<'a> {
    plan: &'a Plan,
    place: &'a dyn Place,
    target: &'a Output,
    observer: &'a dyn Observer,
    /// Filesystems that are whole, and not yet known by what they are.
    veils: Vec<Arc<Veil>>,
    /// The ends of partitions that are written as they were.
    held: Vec<Held>,
    restored: Restored,
}

impl Running<'_> {
    fn volumes(&mut self) -> Result<()> {
        for step in &self.plan.steps {
            self.go_on()?;
            match &step.work {
                Work::Ext { below, geometry } => self.files(step, below, geometry)?,
                Work::Raw { member } => self.image(step, member).map_err(|error| locate(error, step))?,
                Work::Swap | Work::Nothing => {}
            }
        }
        Ok(())
    }

    /// Fills a filesystem.
    fn files(&mut self, step: &Step, below: &[u8], geometry: &Geometry) -> Result<()> {
        let mut window: WriteDevice =
            Arc::new(WritableWindow::new(Arc::clone(&self.target.device), step.range)?);
        if !self.target.vanishes {
            let veil = Arc::new(Veil::new(window).map_err(|error| locate(error, step))?);
            self.veils.push(Arc::clone(&veil));
            window = veil;
        }
        let (observer, before) = (self.observer, self.restored.data_bytes);
        let mut go_on = |data_bytes: u64| {
            let written = before.saturating_add(data_bytes);
            observer.progress(written, written);
            go_on(observer)
        };
        let filled = ext::fill(window, self.place, below, geometry, &mut go_on);
        let filled = filled.map_err(|error| locate(error, step))?;
        let restored = &mut self.restored;
        restored.filesystems = restored.filesystems.saturating_add(1);
        restored.entries = restored.entries.saturating_add(filled.entries);
        restored.data_bytes = restored.data_bytes.saturating_add(filled.data_bytes);
        let told = u64::try_from(filled.issues.len()).unwrap_or(u64::MAX);
        restored.issues.extend(filled.issues.iter().map(|issue| titled(step, issue)));
        if let Some(more) = filled.issue_count.checked_sub(told).filter(|more| *more > 0) {
            restored.issues.push(titled(step, &format!("and {more} more")));
        }
        Ok(())
    }

    /// Writes a partition that is in the archive as it is.
    fn image(&mut self, step: &Step, member: &[u8]) -> Result<()> {
        let item = self.place.find(member, false)?;
        self.check_image(&item, step)?;
        let device = self.target.device.as_ref();
        let data = self.place.open(&item)?;
        let all = ByteRange::new(0, item.size).unwrap_or(ByteRange::EMPTY);
        let mut check = Check::of(&item, data.data_bytes());
        let mut at = 0_u64;
        let mut held = Held::new(step.range);
        data.read(all, &mut |position, bytes| {
            if let Some(hole) = ByteRange::between(at, position) {
                self.hole(step, hole)?;
            }
            if let Some(check) = &mut check {
                check.update(position, bytes);
            }
            held.write(device, step.range.start().saturating_add(position), bytes)?;
            at = position.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            self.restored.data_bytes =
                self.restored.data_bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            self.observer.progress(self.restored.data_bytes, self.restored.data_bytes);
            self.go_on()
        })?;
        if let Some(hole) = ByteRange::between(at, item.size) {
            self.hole(step, hole)?;
        }
        if let (Some(content), false) = (&item.content, check.is_none_or(Check::agrees)) {
            let (member, name, said) = (Printable(member), content.algorithm.name(), &content.hex);
            return Err(Error::corrupt(format!(
                "{member}: its {name} is not {said}, which the manifest says"
            )));
        }
        self.held.push(held);
        self.restored.images = self.restored.images.saturating_add(1);
        Ok(())
    }

    fn check_image(&self, item: &Item, step: &Step) -> Result<()> {
        let is_image = matches!(item.kind, FileKind::Image | FileKind::Regular) && item.link.is_none();
        // A partition that reached past the end of its device is in the archive as far as it went.
        let there = self.plan.source_bytes.saturating_sub(step.range.start()).min(step.range.len());
        if is_image && (item.size == step.range.len() || item.size == there) {
            return Ok(());
        }
        let (path, has, needs) = (Printable(&item.path), item.size, step.range.len());
        Err(Error::corrupt(format!("{path} has {has} bytes, but the partition {needs}")))
    }

    /// Makes sure that there are zeros in a part of a partition.
    fn hole(&self, step: &Step, hole: ByteRange) -> Result<()> {
        if self.target.is_blank {
            return Ok(());
        }
        let mut at = hole.start();
        while at < hole.end() {
            self.go_on()?;
            let len = hole.end().saturating_sub(at).min(HOLE_BYTES);
            let piece = ByteRange::new(step.range.start().saturating_add(at), len);
            piece.map_or(Ok(()), |piece| zero(self.target.device.as_ref(), piece))?;
            at = at.saturating_add(len);
        }
        Ok(())
    }

    /// Makes known what the target holds, when all else is on it for good: headers and boot code,
    /// what each volume is known by, and the table.
    fn reveal(&mut self) -> Result<()> {
        let device = self.target.device.as_ref();
        device.sync()?;
        self.go_on()?;
        for (at, bytes) in &self.plan.boot {
            device.write_all_at(*at, bytes)?;
        }
        self.held.iter().try_for_each(|held| held.write_back(device))?;
        device.sync()?;
        self.held.iter().try_for_each(|held| held.write_front(device))?;
        self.veils.iter().try_for_each(|veil| veil.lift())?;
        device.sync()?;
        // The first sector comes last of all.
        for (at, bytes) in self.plan.table.iter().rev() {
            device.write_all_at(*at, bytes)?;
        }
        Ok(())
    }

    fn go_on(&self) -> Result<()> {
        go_on(self.observer)
    }
}

fn go_on(observer: &dyn Observer) -> Result<()> {
    match observer.stop_requested() {
        true => Err(Error::new(Kind::Interrupted, "stopped by a signal")),
        false => Ok(()),
    }
}

/// An issue with the partition that it is about.
fn titled(step: &Step, issue: &str) -> String {
    match step.number {
        0 => issue.to_owned(),
        number => format!("partition {number}: {issue}"),
    }
}

fn locate(error: Error, step: &Step) -> Error {
    match step.number {
        0 => error,
        number => error.in_partition(number),
    }
}
