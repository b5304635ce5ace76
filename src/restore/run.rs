//! Carrying out a plan.
//!
//! The table, or what a volume is known by, is written last: until then, and after a failure, the target looks like no disk at all.

use std::sync::Arc;

use super::ext;
use super::plan::{Plan, Step, Work};
use super::target::{ENDS_BYTES, TargetFile};
use crate::archive::Observer;
use crate::device::{Target, WritableWindow, WriteAt, from_file};
use crate::error::{Error, Kind, Result};
use crate::filesystem::ext::Geometry;
use crate::place::{Item, ItemKind, Place};
use crate::printable::Printable;
use crate::units::{ByteRange, Bytes};

/// Bytes of zeros that are written at once.
const ZEROS: &[u8] = &[0; 256 << 10];

/// What a restore came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
/// are given up, and a device is claimed after it. Gives what of the filesystems could not be made as it was.
///
/// # Errors
///
/// When the target can't be written, or a filesystem can't be made.
pub fn format(plan: &Plan, target: &mut TargetFile) -> Result<Vec<String>> {
    if let (Some(table), Some(device)) = (plan.sector_bytes, target.device().sector_bytes())
        && table != device
    {
        let message = format!(
            "has sectors of {device} bytes, but the partition table counts in sectors of {table}: it would say something else there"
        );
        return Err(Error::new(Kind::Unsupported, message));
    }
    if !target.is_blank() {
        clear(plan, target)?;
    }
    let mut issues = Vec::new();
    for step in &plan.steps {
        if let Work::Ext { geometry, .. } = &step.work {
            let made = match target.has_users() {
                false => ext::format(target.working_path(), step.range, geometry),
                true => format_elsewhere(target, step.range, geometry),
            };
            let told = made.map_err(|error| locate(error, step))?;
            issues.extend(told.into_iter().map(|issue| titled(step, &issue)));
        }
    }
    target.claim()?;
    Ok(issues)
}

/// Makes a filesystem in a temporary file and copies it: `mke2fs` wants a device for itself alone, and this one is in use.
fn format_elsewhere(target: &TargetFile, range: ByteRange, geometry: &Geometry) -> Result<Vec<String>> {
    let no_file = |error| Error::new(Kind::Write, format!("a temporary file for the filesystem: {error}"));
    let file = tempfile::Builder::new().prefix("voltar-ext-").tempfile().map_err(no_file)?;
    file.as_file().set_len(range.len()).map_err(no_file)?;
    let alone = ByteRange::new(0, range.len()).unwrap_or(ByteRange::EMPTY);
    let issues = ext::format(file.path(), alone, geometry)?;
    let made = from_file(file.into_file())?;
    let (made, device) = (made.as_ref(), target.device().as_ref());
    let start = range.start();
    let mut buffer = vec![0; ZEROS.len()];
    let mut at = 0;
    while at < range.len() {
        let data = made.next_data(at).unwrap_or(ByteRange::EMPTY);
        let data_at = if data.is_empty() { range.len() } else { data.start() };
        let hole = ByteRange::between(start.saturating_add(at), start.saturating_add(data_at));
        if let Some(hole) = hole.filter(|_| !target.is_blank()) {
            zero(device, hole)?;
        }
        let len = usize::try_from(data.len()).unwrap_or(usize::MAX).min(ZEROS.len());
        let piece = buffer.get_mut(..len).unwrap_or_default();
        made.read_at(data_at, piece)?;
        device.write_all_at(start.saturating_add(data_at), piece)?;
        at = data_at.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
    }
    Ok(issues)
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
    Ok(())
}

fn zero(device: &dyn WriteAt, range: ByteRange) -> Result<()> {
    let mut at = range.start();
    while at < range.end() {
        let len = usize::try_from(range.end().saturating_sub(at)).unwrap_or(usize::MAX).min(ZEROS.len());
        device.write_all_at(at, ZEROS.get(..len).unwrap_or_default())?;
        at = at.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
    }
    Ok(())
}

/// Writes all of a plan onto a target on which its filesystems are made.
///
/// # Errors
///
/// When the archive is damaged or the target can't be written. The message says what the target holds then.
pub fn run(plan: &Plan, place: &dyn Place, target: &TargetFile, observer: &dyn Observer) -> Result<Restored> {
    let mut running = Running { plan, place, target, observer, restored: Restored::default() };
    observer.begin(plan.data_bytes(place));
    running.volumes().and_then(|()| running.table()).map_err(|error| running.spoil(error))?;
    Ok(running.restored)
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
    target: &'a TargetFile,
    observer: &'a dyn Observer,
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
        let window = WritableWindow::new(Arc::clone(self.target.device()), step.range)?;
        let window: Target = Arc::new(window);
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
        let device = self.target.device().as_ref();
        let data = self.place.open(&item)?;
        let all = ByteRange::new(0, item.size).unwrap_or(ByteRange::EMPTY);
        let mut hasher = item.content.as_ref().map(|content| content.algorithm.hasher());
        let hashes_holes = item.content.as_ref().is_some_and(|content| !content.data_only);
        let mut at = 0_u64;
        data.read(all, &mut |position, bytes| {
            if let Some(hole) = ByteRange::between(at, position) {
                self.hole(step, hole)?;
                if let Some(hasher) = hasher.as_mut().filter(|_| hashes_holes) {
                    zeros_into(hole.len(), |zeros| hasher.update(zeros));
                }
            }
            if let Some(hasher) = &mut hasher {
                hasher.update(bytes);
            }
            device.write_all_at(step.range.start().saturating_add(position), bytes)?;
            at = position.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            self.restored.data_bytes =
                self.restored.data_bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            self.observer.progress(self.restored.data_bytes, self.restored.data_bytes);
            self.go_on()
        })?;
        if let Some(hole) = ByteRange::between(at, item.size) {
            self.hole(step, hole)?;
            if let Some(hasher) = hasher.as_mut().filter(|_| hashes_holes) {
                zeros_into(hole.len(), |zeros| hasher.update(zeros));
            }
        }
        if let (Some(content), Some(hasher)) = (&item.content, hasher) {
            let found = hasher.finish().to_string();
            if found != content.hex {
                let (name, said) = (content.algorithm.name(), &content.hex);
                let message =
                    format!("{}: its {name} is {found}, but {said} by the manifest", Printable(member));
                return Err(Error::corrupt(message));
            }
        }
        self.restored.images = self.restored.images.saturating_add(1);
        Ok(())
    }

    fn check_image(&self, item: &Item, step: &Step) -> Result<()> {
        let is_image = matches!(item.kind, ItemKind::Image | ItemKind::File) && item.link.is_none();
        if is_image && item.size == step.range.len() {
            return Ok(());
        }
        let (path, has, needs) = (Printable(&item.path), item.size, step.range.len());
        Err(Error::corrupt(format!("{path} has {has} bytes, but the partition {needs}")))
    }

    /// Makes sure that there are zeros in a part of a partition.
    fn hole(&self, step: &Step, hole: ByteRange) -> Result<()> {
        let range = ByteRange::new(step.range.start().saturating_add(hole.start()), hole.len());
        match range {
            Some(range) if !self.target.is_blank() => zero(self.target.device().as_ref(), range),
            _ => Ok(()),
        }
    }

    /// Writes boot code and headers, and the table when all else is on the disk for good.
    fn table(&mut self) -> Result<()> {
        let device = self.target.device().as_ref();
        for (at, bytes) in &self.plan.boot {
            device.write_all_at(*at, bytes)?;
        }
        device.sync()?;
        self.go_on()?;
        // The first sector comes last of all.
        for (at, bytes) in self.plan.table.iter().rev() {
            device.write_all_at(*at, bytes)?;
        }
        Ok(())
    }

    /// Makes sure that what is there after a failure is not taken for a good disk, and says what is there.
    fn spoil(&self, error: Error) -> Error {
        if self.target.vanishes() {
            return error;
        }
        let device = self.target.device().as_ref();
        let first = ByteRange::new(0, ENDS_BYTES.min(device.len_bytes())).unwrap_or(ByteRange::EMPTY);
        let spoilt = zero(device, first).and_then(|()| device.sync());
        let written = Bytes(self.restored.data_bytes);
        let what = match spoilt {
            Ok(()) => "and its first MiB is cleared so that nobody takes it for a disk",
            Err(_) => "and its first MiB could not be cleared: it must not be used",
        };
        let message = format!(
            "{error}; the target holds a part of the disk ({written} of images and some of its files), {what}"
        );
        Error::new(error.kind(), message)
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

/// Gives so many zeros, piece by piece.
fn zeros_into(len_bytes: u64, mut take: impl FnMut(&[u8])) {
    let mut rest = len_bytes;
    while rest > 0 {
        let len = usize::try_from(rest).unwrap_or(usize::MAX).min(ZEROS.len());
        take(ZEROS.get(..len).unwrap_or_default());
        rest = rest.saturating_sub(u64::try_from(len).unwrap_or(rest));
    }
}

fn locate(error: Error, step: &Step) -> Error {
    match step.number {
        0 => error,
        number => error.in_partition(number),
    }
}
