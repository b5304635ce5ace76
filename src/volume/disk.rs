//! A disk: its partition table, and in each volume what the probe finds.

use std::collections::BTreeSet;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::assembly::Assembly;
use super::devices::Devices;
use super::id::VolumeId;
use super::node::{Standing, Volume};
use crate::device::{self, Counting, Device, Io, ReadAt as _, Window};
use crate::error::{Error, Kind, Result};
use crate::filesystem::{Contents, probe};
use crate::partition::{self, Scheme, Table};
use crate::units::ByteRange;

/// Bytes of the smallest sector that a disk has.
const LEAST_SECTOR_BYTES: u64 = 512;

/// A device or image file, with its partition table read and its layers opened.
pub struct Disk {
    path: PathBuf,
    device: Arc<Counting>,
    further: Vec<Arc<Counting>>,
    table: Option<Table>,
    volumes: Vec<Volume>,
    warnings: Vec<String>,
    faults: Vec<Error>,
    doubts: Vec<String>,
    unreadable: Option<Error>,
}

impl Disk {
    /// Opens a block device or a raw image file, read-only.
    ///
    /// # Errors
    ///
    /// When it can't be opened or read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path.as_ref(), Io::default())
    }

    /// As [`Disk::open`], with a say in how the bytes are read.
    ///
    /// # Errors
    ///
    /// As [`Disk::open`].
    pub fn open_with(path: &Path, io: Io) -> Result<Self> {
        let device = device::open(path, io)?;
        Self::from_device(path, device).map_err(|error| error.on(path))
    }

    /// Reads the table of a device that is open already; `path` is what messages call it.
    ///
    /// # Errors
    ///
    /// As [`Disk::open`].
    pub fn from_device(path: &Path, device: Device) -> Result<Self> {
        Self::from_devices(Devices::new(path, device))
    }

    /// As [`Disk::from_device`], with all that the user gave to read the disk.
    ///
    /// # Errors
    ///
    /// As [`Disk::open`].
    pub fn from_devices(devices: Devices) -> Result<Self> {
        let Devices { path, device, further, journal, sector_bytes, keys, warnings, faults, .. } = devices;
        let mut disk = Self {
            path,
            device: Arc::new(Counting::new(device)),
            further: Vec::new(),
            table: None,
            volumes: Vec::new(),
            warnings,
            faults,
            doubts: Vec::new(),
            unreadable: None,
        };
        disk.read(sector_bytes)?;
        disk.assemble(further, &keys)?;
        if let Some(journal) = &journal {
            disk.volumes.iter_mut().for_each(|volume| volume.set_journal(journal));
        }
        Ok(disk)
    }

    /// Finds the partitions, or takes the whole device as one volume.
    fn read(&mut self, sector_bytes: Option<u32>) -> Result<()> {
        let whole: Device = Arc::<Counting>::clone(&self.device);
        let probed = probe(&whole);
        let whole = Volume::of_device(&self.path, VolumeId::Whole, whole, or_unknown(&probed));
        let Some(table) = self.read_table(&whole, sector_bytes)? else {
            if whole.contents() == &Contents::Unknown {
                probed?;
            }
            self.volumes = vec![whole];
            return Ok(());
        };
        let volumes = self.partitions(&table)?;
        if is_left_over(&table, &volumes, &whole) {
            let name = whole.name();
            self.doubts.push(format!(
                "taken as {name} over the whole device, and the partition table as a leftover: no partition holds anything known"
            ));
            self.volumes = vec![whole];
            return Ok(());
        }
        self.warnings.extend(table.warnings.iter().cloned());
        self.volumes = volumes;
        if table.scheme == Scheme::Mbr && whole.is_readable() && whole.filesystem().is_ok() {
            self.volumes.push(whole);
        }
        self.table = Some(table);
        Ok(())
    }

    /// Opens the layers of this disk and of the further ones.
    fn assemble(&mut self, further: Vec<(PathBuf, Device)>, keys: &[Vec<u8>]) -> Result<()> {
        let mut assembly = Assembly::new(&self.path, mem::take(&mut self.volumes));
        for (number, (path, device)) in (2..).zip(further) {
            let device = Arc::new(Counting::new(device));
            self.further.push(Arc::clone(&device));
            let device: Device = device;
            let contents = probe(&device).map_err(|error| error.on(&path))?;
            assembly.open_disk(Volume::of_device(&path, VolumeId::Disk(number), device, contents));
        }
        assembly.open(keys);
        let (volumes, warnings) = assembly.end();
        self.volumes = volumes;
        self.warnings.extend(warnings);
        Ok(())
    }

    /// The partition table. A damaged one that leads to no partition counts as none, and is a
    /// doubt: then the device is one volume, of which nothing is lost.
    fn read_table(&mut self, whole: &Volume, sector_bytes: Option<u32>) -> Result<Option<Table>> {
        let device: Device = Arc::<Counting>::clone(&self.device);
        let is_known = |range: ByteRange| {
            let Ok(window) = Window::new(Device::clone(&device), range) else { return false };
            let window: Device = Arc::new(window);
            probe(&window).is_ok_and(|found| found != Contents::Unknown)
        };
        let fault = match partition::read_with(device.as_ref(), sector_bytes, &is_known) {
            // The place of a partition table can't be read. A filesystem that has the whole device
            // needs no table.
            Err(error) if error.kind() == Kind::Read && whole.is_readable() => {
                self.unreadable = Some(error);
                return Ok(None);
            }
            Err(error) if error.kind() == Kind::Corrupt => error.to_string(),
            Ok(Some(Table { fault: Some(fault), partitions, .. }))
                if partitions.iter().all(|partition| partition.is_container) =>
            {
                fault
            }
            read => return read,
        };
        self.doubts.push(format!("{fault}; the device is taken as one volume, without partitions"));
        Ok(None)
    }

    fn partitions(&self, table: &Table) -> Result<Vec<Volume>> {
        let mut volumes = Vec::new();
        for partition in table.partitions.iter().filter(|partition| !partition.is_container) {
            // A partition that reaches past the end of the device is probed as far as it goes.
            let end = partition.range.end().min(self.device.len_bytes());
            let range = ByteRange::between(partition.range.start().min(end), end);
            let Some(range) = range else { continue };
            let device: Device = Arc::<Counting>::clone(&self.device);
            let window: Device = Arc::new(Window::new(device, range)?);
            let contents = match range.is_empty() {
                true => Contents::Unknown,
                false => or_unknown(&probe(&window)),
            };
            volumes.push(Volume::of_partition(&self.path, window, partition, contents));
        }
        Ok(volumes)
    }

    /// The path that the disk was opened with.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes of all of it.
    #[must_use]
    pub fn device(&self) -> &dyn device::ReadAt {
        self.device.as_ref()
    }

    /// Length in bytes.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.device.len_bytes()
    }

    /// Bytes that were read from the device so far, by everything that reads through this disk.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        let further = self.further.iter().map(|device| device.bytes_read());
        further.fold(self.device.bytes_read(), u64::saturating_add)
    }

    /// The partition table; `None` where one filesystem has the whole device.
    #[must_use]
    pub fn table(&self) -> Option<&Table> {
        self.table.as_ref()
    }

    /// What should be known of the disk, though nothing is lost by it.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What is wrong with the image file: each is an issue.
    #[must_use]
    pub fn faults(&self) -> &[Error] {
        &self.faults
    }

    /// How the disk was understood where it could be understood in another way: then something else would be lost.
    #[must_use]
    pub fn doubts(&self) -> &[String] {
        &self.doubts
    }

    /// Why it is not known whether there is a partition table, though one filesystem seems to have the whole device.
    #[must_use]
    pub fn unreadable(&self) -> Option<&Error> {
        self.unreadable.as_ref()
    }

    /// All volumes, each behind the first one that it lies on: partitions, without those that only
    /// hold others, or the whole device where it has no table; and what layers found on them.
    ///
    /// A device that can be read both ways has its partitions and the whole.
    #[must_use]
    pub fn volumes(&self) -> &[Volume] {
        &self.volumes
    }

    /// The volume with this identity. A number is that of a partition, or 0 for the whole device.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] when there is none.
    pub fn volume(&self, id: impl Into<VolumeId>) -> Result<&Volume> {
        let id = id.into();
        self.volumes
            .iter()
            .find(|volume| volume.id() == &id)
            .ok_or_else(|| Error::new(Kind::Usage, self.missing(&id)).on(&self.path))
    }

    /// Why there is no volume with this identity, and which ones there are.
    fn missing(&self, id: &VolumeId) -> String {
        let name = |id: &VolumeId| id.number().map_or_else(|| id.to_string(), |number| number.to_string());
        let names: Vec<String> = self.volumes.iter().map(|volume| name(volume.id())).collect();
        let list = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let Some(number) = id.number() else {
            return format!("there is no volume {id}; there are: {list}");
        };
        let mut partitions = self.table.iter().flat_map(|table| &table.partitions);
        if partitions.any(|partition| partition.number == number) {
            return format!(
                "partition {number} is an extended one, which only holds others; there are: {list}"
            );
        }
        match self.table {
            Some(_) => format!("there is no partition {number}; there are: {list}"),
            None => {
                format!("there is no partition {number}: there is no partition table; 0 is the whole device")
            }
        }
    }

    /// Why there may be partitions that nobody knows of.
    #[must_use]
    pub fn table_fault(&self) -> Option<&str> {
        self.table.as_ref().and_then(|table| table.fault.as_deref())
    }

    /// Whether the device holds a partition table, or anything else that is known.
    #[must_use]
    pub fn is_recognised(&self) -> bool {
        self.table.is_some() || self.volumes.iter().any(|volume| volume.contents() != &Contents::Unknown)
    }

    /// Whether all that is known of the device is a filesystem's signature, and that can't be
    /// opened: two bytes may be chance.
    #[must_use]
    pub fn is_damaged_filesystem(&self) -> bool {
        let damaged = |volume: &Volume| volume.is_readable() && volume.filesystem().is_err();
        self.table.is_none() && self.volumes.iter().all(damaged)
    }

    /// Checks that a device of unknown contents may be a disk: a disk has a whole number of
    /// sectors.
    ///
    /// # Errors
    ///
    /// [`Kind::Unrecognised`] when it can't be.
    pub fn require_disk(&self) -> Result<()> {
        let has_sectors = self.len_bytes().checked_rem(LEAST_SECTOR_BYTES) == Some(0);
        if self.is_recognised() || has_sectors || self.device.sector_bytes().is_some() {
            return Ok(());
        }
        let message = "has no partition table and no known filesystem, and a length that no disk has: \
                       is it a disk image?";
        Err(Error::new(Kind::Unrecognised, message).on(&self.path))
    }

    /// The volumes with the given identities. Where none is given, those that make up the disk: each
    /// one but those whose content is in the volumes on them.
    ///
    /// # Errors
    ///
    /// When a volume is not there, or when, for all of them, the device can be read in two ways.
    pub fn select(&self, ids: &[VolumeId]) -> Result<Vec<&Volume>> {
        if !ids.is_empty() {
            let ids: BTreeSet<&VolumeId> = ids.iter().collect();
            return ids.into_iter().map(|id| self.volume(id.clone())).collect();
        }
        self.check_unambiguous()?;
        let is_stored = |volume: &&Volume| !matches!(volume.standing(), Standing::Opened);
        Ok(self.volumes.iter().filter(is_stored).collect())
    }

    /// The volumes of which raw images hold all of the disk, each byte once: partitions, or the
    /// whole device, and no layer on them.
    ///
    /// # Errors
    ///
    /// When the device can be read in two ways.
    pub fn select_lowest(&self) -> Result<Vec<&Volume>> {
        self.check_unambiguous()?;
        Ok(self.volumes.iter().filter(|volume| !volume.is_layered()).collect())
    }

    fn check_unambiguous(&self) -> Result<()> {
        let whole = self.volumes.iter().find(|volume| volume.id() == &VolumeId::Whole);
        let Some(whole) = whole.filter(|_| self.table.is_some()) else { return Ok(()) };
        let message = format!(
            "there is a partition table, and {} over the whole device; --volume 0 takes the latter, \
             --volume N a partition",
            whole.name()
        );
        Err(Error::new(Kind::Ambiguous, message).on(&self.path))
    }
}

/// What the probe found; nothing, where it could not read what it had to. Then it is as unknown as can be, and whoever reads the
/// volume comes to the same error.
fn or_unknown(probed: &Result<Contents>) -> Contents {
    probed.as_ref().map_or(Contents::Unknown, Contents::clone)
}

/// Whether an MBR is what is left of an earlier use of the device: a filesystem has all of it, and in none of the
/// partitions there is anything known.
fn is_left_over(table: &Table, volumes: &[Volume], whole: &Volume) -> bool {
    table.scheme == Scheme::Mbr
        && whole.is_readable()
        && volumes.iter().all(|volume| volume.contents() == &Contents::Unknown)
        && whole.filesystem().is_ok()
}
