//! Who uses a device or an image on this host: a mount, swap, another device over it, a loop device.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::printable::Printable;

/// Where the kernel tells it.
const MOUNTS: &str = "/proc/self/mountinfo";
const SWAPS: &str = "/proc/swaps";
const DEVICES: &str = "/sys/dev/block";
const BLOCK: &str = "/sys/block";

/// Longest chain of devices over each other that is followed.
const DEPTH_MOST: usize = 8;

/// A device or image, and what it is used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    /// For people: `mounted on /mnt`.
    pub what: String,
}

/// All who use the device or image file at `path`, or a partition of it.
///
/// # Errors
///
/// [`Kind::Source`] when it is not there, or the kernel does not tell.
pub fn users(path: &Path) -> Result<Vec<InUse>> {
    let unknown = |source| Error::new(Kind::Source, source).on(path);
    let metadata = fs::metadata(path).map_err(unknown)?;
    let mut users = Vec::new();
    if metadata.file_type().is_block_device() {
        let (major, minor) = (rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev()));
        of_device(&format!("{major}:{minor}"), "", DEPTH_MOST, &mut users);
    } else {
        let path = fs::canonicalize(path).map_err(unknown)?;
        of_file(&path, &mut users);
    }
    Ok(users)
}

/// Adds who uses the device with these numbers, or a partition of it.
fn of_device(numbers: &str, part: &str, depth: usize, users: &mut Vec<InUse>) {
    let folder = Path::new(DEVICES).join(numbers);
    for point in mount_points(numbers) {
        users.push(InUse { what: format!("{part}mounted on {point}") });
    }
    let name = fs::canonicalize(&folder).ok().and_then(|path| Some(path.file_name()?.to_owned()));
    if let Some(name) = &name {
        let node = Path::new("/dev").join(name);
        if swaps().contains(&node) {
            users.push(InUse { what: format!("{part}used as swap") });
        }
        of_file(&node, users);
    }
    for holder in names(&folder.join("holders")) {
        users.push(InUse { what: format!("{part}used by {}", Printable::path(&holder)) });
    }
    let Some(depth) = depth.checked_sub(1) else { return };
    let partitions = names(&folder).into_iter().filter(|name| folder.join(name).join("partition").exists());
    for name in partitions {
        if let Ok(numbers) = fs::read_to_string(folder.join(&name).join("dev")) {
            let part = format!("{} is ", Printable::path(&name));
            of_device(numbers.trim(), &part, depth, users);
        }
    }
}

/// Adds the loop devices over a file, and swap in it.
fn of_file(path: &Path, users: &mut Vec<InUse>) {
    if swaps().iter().any(|swap| swap == path) && !path.starts_with("/dev") {
        users.push(InUse { what: "used as swap".to_owned() });
    }
    for name in names(Path::new(BLOCK)) {
        let backing = Path::new(BLOCK).join(&name).join("loop/backing_file");
        let Ok(file) = fs::read_to_string(backing) else { continue };
        if Path::new(file.trim_end_matches('\n')) == path {
            users.push(InUse { what: format!("used by /dev/{}", Printable::path(&name)) });
        }
    }
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut names: Vec<PathBuf> = entries.map(|entry| PathBuf::from(entry.file_name())).collect();
    names.sort();
    names
}

/// Where a device is mounted, in the mount namespace of this process.
///
/// Form: `/proc/PID/mountinfo` in <https://docs.kernel.org/filesystems/proc.html>.
fn mount_points(numbers: &str) -> Vec<String> {
    let text = fs::read(MOUNTS).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let points = text.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let device = fields.nth(2)?;
        let point = fields.nth(1)?;
        (device == numbers).then(|| crate::printable::harmless(point))
    });
    points.collect()
}

/// The devices and files that are used as swap.
fn swaps() -> Vec<PathBuf> {
    let text = fs::read_to_string(SWAPS).unwrap_or_default();
    text.lines().skip(1).filter_map(|line| line.split_whitespace().next().map(PathBuf::from)).collect()
}
