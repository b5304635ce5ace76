//! The kernel's side: loop devices and mounts, and where the partitions of an image are.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::tools::{self, run};
use super::tree::text;

/// A mounted filesystem, unmounted when dropped; its loop device goes with it.
pub struct Mount {
    folder: tempfile::TempDir,
    image: Option<tempfile::NamedTempFile>,
}

impl Mount {
    /// Mounts `len_bytes` from `start_bytes` of an image, read-only.
    pub fn read_only(image: &Path, start_bytes: u64, len_bytes: u64) -> Self {
        Self::over(&Loop::range(image, start_bytes, len_bytes), "ro", None)
    }

    /// Mounts a copy of the range after the kernel has replayed its journal and cleared its orphans.
    pub fn recovered(image: &Path, start_bytes: u64, len_bytes: u64) -> Self {
        let copy = copy_of(image, start_bytes, len_bytes);
        drop(Self::over(&Loop::writable(copy.path()), "rw,noatime", None));
        Self::over(&Loop::range(copy.path(), 0, len_bytes), "ro", Some(copy))
    }

    /// The same for an image whose journal is in another one.
    pub fn recovered_with_journal(image: &Path, journal: &Path) -> Self {
        let whole = |path: &Path| path.metadata().expect("the image").len();
        let (copy, journal) = (copy_of(image, 0, whole(image)), copy_of(journal, 0, whole(journal)));
        let journal = Loop::writable(journal.path());
        let options = format!("noatime,journal_path={}", journal.device.display());
        drop(Self::over(&Loop::writable(copy.path()), &format!("rw,{options}"), None));
        Self::over(&Loop::writable(copy.path()), &format!("ro,{options}"), Some(copy))
    }

    /// A new, empty ext4 filesystem for extracted trees, which can store all that an ext filesystem can.
    pub fn scratch(len_bytes: u64) -> Self {
        let image = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary file");
        image.as_file().set_len(len_bytes).expect("a sparse file");
        // `ea_inode`: attribute values over 4 KiB. A journal: without one the flag of journaled data cannot be set.
        // Inodes of 256 bytes hold times to 2446.
        let options = [
            "-q",
            "-F",
            "-b",
            "4096",
            "-I",
            "256",
            "-O",
            "has_journal,ea_inode,dir_nlink,extra_isize",
            "-J",
            "size=16",
        ];
        run("mkfs.ext4", arguments(&options, image.path()));
        Self::over(&Loop::writable(image.path()), "rw,noatime", Some(image))
    }

    /// A new, empty ext4 filesystem with inodes of 128 bytes, which hold no nanoseconds and no
    /// times after 2038.
    pub fn small_inodes(len_bytes: u64) -> Self {
        let image = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary file");
        image.as_file().set_len(len_bytes).expect("a sparse file");
        run("mkfs.ext4", arguments(&["-q", "-F", "-I", "128"], image.path()));
        Self::over(&Loop::writable(image.path()), "rw,noatime", Some(image))
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The loop device is detached by its guard as soon as this returns: the kernel then lets it go with the mount.
    fn over(device: &Loop, options: &str, image: Option<tempfile::NamedTempFile>) -> Self {
        let folder = tools::temporary_folder();
        // The driver of ext4 reads ext2 and ext3, too.
        let options = format!("nodev,nosuid,noexec,{options}");
        let device = arguments(&["-t", "ext4", "-o", &options], &device.device);
        run("mount", device.into_iter().chain([folder.path().into()]));
        Self { folder, image }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let output = tools::output("umount", [self.folder.path()]);
        if !output.status.success() {
            eprintln!("umount {}: {}", self.folder.path().display(), tools::said(&output));
            tools::output("umount", arguments(&["--lazy"], self.folder.path()));
        }
    }
}

/// An image as a block device, detached when dropped.
pub struct Loop {
    pub device: PathBuf,
}

impl Loop {
    /// A whole image, read-only.
    pub fn disk(image: &Path) -> Self {
        Self::attach(&["--read-only"], image)
    }

    fn range(image: &Path, start_bytes: u64, len_bytes: u64) -> Self {
        let (offset, limit) = (format!("--offset={start_bytes}"), format!("--sizelimit={len_bytes}"));
        Self::attach(&["--read-only", &offset, &limit], image)
    }

    pub fn writable(image: &Path) -> Self {
        Self::attach(&[], image)
    }

    fn attach(options: &[&str], image: &Path) -> Self {
        let options = [&["--find", "--show"], options].concat();
        let device = run("losetup", arguments(&options, image));
        Self { device: PathBuf::from(String::from_utf8(device).expect("a path").trim_end()) }
    }

    /// A file of the device's folder in `/sys/class/block`.
    pub fn attribute(&self, name: &str) -> String {
        text(self.folder().join(name))
    }

    /// Bytes read from the device since it was attached.
    ///
    /// Source: <https://docs.kernel.org/block/stat.html>; the third number counts sectors of 512 bytes.
    pub fn bytes_read(&self) -> u64 {
        let stat = self.attribute("stat");
        stat.split_whitespace().nth(2).expect("read sectors").parse::<u64>().expect("a number") * 512
    }

    fn folder(&self) -> PathBuf {
        Path::new("/sys/class/block").join(self.device.file_name().expect("the name of a device"))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let output = tools::output("losetup", arguments(&["--detach"], &self.device));
        if !output.status.success() {
            eprintln!("losetup --detach {}: {}", self.device.display(), tools::said(&output));
        }
    }
}

fn arguments(options: &[&str], path: &Path) -> Vec<OsString> {
    options.iter().map(OsString::from).chain([path.into()]).collect()
}

/// One partition of a disk.
#[derive(Clone, Copy, Debug)]
pub struct Partition {
    pub number: u32,
    pub start_bytes: u64,
    pub len_bytes: u64,
}

/// What a range of an image holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    Ext,
    /// Nothing that belongs in an archive: swap, or only zeros.
    Nothing,
    Other,
}

/// The partitions of an image as libblkid reads them, without extended ones; none when it has no table.
///
/// Not the kernel's own list, because a kernel may be built without any partition tables.
pub fn partitions(image: &Path) -> Vec<Partition> {
    const EXTENDED: [&str; 3] = ["0x5", "0xf", "0x85"];
    let mut signature = [0; 8];
    let file = File::open(image).expect("the image");
    let large_sectors = file.read_exact_at(&mut signature, 4096).is_ok() && signature == *b"EFI PART";
    let sector_size = if large_sectors { "4096" } else { "512" };
    let options =
        ["--raw", "--noheadings", "--sector-size", sector_size, "--output", "NR,START,SECTORS,TYPE"];
    let output = tools::output("partx", arguments(&options, image));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() || said.contains("failed to read partition table"), "partx: {said}");
    let table = String::from_utf8(output.stdout).expect("text");
    let rows = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| !EXTENDED.contains(&row[3]))
        .map(|row| {
            // In sectors of 512 bytes, whatever the device's.
            let number = |at: usize| row[at].parse::<u64>().expect("a number");
            Partition { number: number(0) as u32, start_bytes: number(1) * 512, len_bytes: number(2) * 512 }
        })
        .collect()
}

/// What is in `len_bytes` from `start_bytes` of an image.
pub fn holds(image: &Path, start_bytes: u64, len_bytes: u64) -> Holds {
    let file = File::open(image).expect("the image");
    let at = |offset: u64, signature: &[u8]| {
        let mut found = vec![0; signature.len()];
        file.read_exact_at(&mut found, start_bytes + offset).is_ok() && found == signature
    };
    if at(4086, b"SWAPSPACE2") || all_zeros(&file, start_bytes, len_bytes) {
        Holds::Nothing
    } else if at(1024 + 0x38, &0xEF53_u16.to_le_bytes()) {
        Holds::Ext
    } else {
        Holds::Other
    }
}

/// Whether the ext filesystem at `start_bytes` has something that the kernel finishes when it may write: a journal to be
/// replayed (`s_feature_incompat`, bit 2), or orphans (`s_last_orphan`).
pub fn needs_recovery(image: &Path, start_bytes: u64) -> bool {
    let file = File::open(image).expect("the image");
    let field = |at| {
        let mut bytes = [0; 4];
        file.read_exact_at(&mut bytes, start_bytes + 1024 + at).expect("a superblock");
        u32::from_le_bytes(bytes)
    };
    field(0x60) & 4 != 0 || field(0xE8) != 0
}

fn all_zeros(file: &File, start_bytes: u64, len_bytes: u64) -> bool {
    let mut buffer = vec![0; 1 << 20];
    let mut offset = 0;
    while offset < len_bytes {
        let wanted = buffer.len().min((len_bytes - offset) as usize);
        file.read_exact_at(&mut buffer[..wanted], start_bytes + offset).expect("the image is whole");
        if buffer[..wanted].iter().any(|byte| *byte != 0) {
            return false;
        }
        offset += wanted as u64;
    }
    true
}

fn copy_of(image: &Path, start_bytes: u64, len_bytes: u64) -> tempfile::NamedTempFile {
    let copy = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary file");
    copy_range(image, start_bytes, len_bytes, copy.as_file());
    copy
}

fn copy_range(image: &Path, start_bytes: u64, len_bytes: u64, to: &File) {
    let from = File::open(image).expect("the image");
    to.set_len(len_bytes).expect("a sparse file");
    let mut buffer = vec![0; 1 << 20];
    let mut offset = 0;
    while offset < len_bytes {
        let wanted = buffer.len().min((len_bytes - offset) as usize);
        from.read_exact_at(&mut buffer[..wanted], start_bytes + offset).expect("the image is whole");
        if buffer[..wanted].iter().any(|byte| *byte != 0) {
            to.write_all_at(&buffer[..wanted], offset).expect("room for a copy");
        }
        offset += wanted as u64;
    }
}
