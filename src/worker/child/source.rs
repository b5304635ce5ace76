//! The source of an archive: opened with all rights, parsed with none.

use std::path::Path;

use crate::archive::read::Container;
use crate::device::Device;
use crate::error::{Error, Kind, Result};
use crate::sandbox::{self, Writing};
use crate::volume::{Devices, Disk, Reading};

/// A source that is open, and of which no byte was parsed.
pub struct Source {
    devices: Devices,
    has_sandbox: bool,
}

/// A source that is open, in a process that has given up its rights, unless it was to keep them.
pub struct Confined(Source);

impl Source {
    /// Opens all devices that are named.
    pub fn open(path: &Path, reading: &Reading) -> Result<Self> {
        Ok(Self { devices: Devices::open(path, reading)?, has_sandbox: reading.has_sandbox })
    }

    /// Gives up all rights except those in `writing`; nothing is left to open. `note` gets a
    /// sentence about rights that the kernel can't take away. Threads that are started before this
    /// keep their rights.
    pub fn confine(self, writing: Writing<'_>, note: impl FnOnce(&str)) -> Result<Confined> {
        if self.has_sandbox
            && let Some(gap) = sandbox::confine(writing)?.gap()
        {
            note(gap);
        }
        Ok(Confined(self))
    }
}

impl Confined {
    /// Reads what is on the disk: from here on every byte may be hostile.
    pub fn parse(self) -> Result<Disk> {
        let devices = self.0.devices;
        let (path, device) = (devices.path.clone(), Device::clone(&devices.device));
        let is_certainly_disk = devices.is_certainly_disk;
        let disk = Disk::from_devices(devices).map_err(|error| error.on(&path))?;
        if !is_certainly_disk {
            refuse_archive(&disk, device).map_err(|error| error.on(&path))?;
        }
        Ok(disk)
    }
}

/// Refuses a file that is no disk, but an archive or compressed.
fn refuse_archive(disk: &Disk, device: Device) -> Result<()> {
    if disk.is_recognised() && !disk.is_damaged_filesystem() {
        return Ok(());
    }
    if !Container::is_archive(&device)? {
        return disk.require_disk();
    }
    Container::open(device)?.check_is_tar()?;
    let message =
        "is an archive, not a disk: `voltar ls` shows what is in it, `voltar restore` makes a disk of it";
    Err(Error::new(Kind::Unrecognised, message))
}
