//! Whether something is mounted at a folder. Without the backup disk its mount point is an empty folder of the host's own disk.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, StatxAttributes, StatxFlags, statx};

use crate::error::{Error, Kind, Result};
use crate::printable::Printable;

/// Checks that the folder is where something is mounted, a bind mount included.
///
/// # Errors
///
/// [`Kind::Write`] when it is not, or there is no such folder.
pub fn check_mount(folder: &Path) -> Result<()> {
    let refused = |source| Error::new(Kind::Write, source).on(folder);
    if is_mount_point(folder).map_err(refused)? {
        return Ok(());
    }
    let real = folder.canonicalize().map_err(refused)?;
    let above = real.ancestors().skip(1).find(|folder| is_mount_point(folder).is_ok_and(|is_one| is_one));
    let above = Printable::path(above.unwrap_or(Path::new("/"))).to_string();
    let message = format!(
        "nothing is mounted here (it is a folder of what is mounted at {above}), and require_mount asks for it: mount the \
         backup disk, or name the folder that it is mounted at"
    );
    Err(Error::new(Kind::Write, message).on(folder))
}

/// Opening the folder mounts what is to be mounted on demand.
fn is_mount_point(folder: &Path) -> std::io::Result<bool> {
    let open = File::open(folder)?;
    // Unlike the number of the device, this tells bind mounts; since Linux 5.8.
    if let Ok(found) = statx(open.as_fd(), "", AtFlags::EMPTY_PATH, StatxFlags::empty())
        && found.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT)
    {
        return Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT));
    }
    let table = std::fs::read("/proc/self/mountinfo")?;
    Ok(is_listed(&table, folder.canonicalize()?.as_os_str().as_bytes()))
}

/// Whether mountinfo has the path as a mount point: the fifth field, with blanks and backslashes in octal (proc(5)).
fn is_listed(mountinfo: &[u8], path: &[u8]) -> bool {
    let escaped: Vec<u8> = path
        .iter()
        .flat_map(|byte| match byte {
            b' ' | b'\t' | b'\n' | b'\\' | b'#' => format!("\\{byte:03o}").into_bytes(),
            byte => vec![*byte],
        })
        .collect();
    let mut points =
        mountinfo.split(|byte| *byte == b'\n').map(|line| line.split(|byte| *byte == b' ').nth(4));
    // Kernels differ in whether a `#` is escaped.
    points.any(|point| point.is_some_and(|point| point == escaped || point == path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_told_from_folders() {
        for path in ["/", "/proc"] {
            check_mount(Path::new(path)).unwrap_or_else(|error| panic!("{error}"));
        }
        let folder = tempfile::tempdir().unwrap();
        let error = check_mount(folder.path()).unwrap_err();
        for part in ["nothing is mounted here", "require_mount", "mount the backup disk"] {
            assert!(error.to_string().contains(part), "{error}");
        }
        assert_eq!(check_mount(&folder.path().join("absent")).unwrap_err().kind(), Kind::Write);
    }

    #[test]
    fn mountinfo_is_read_with_its_escapes() {
        let table = b"36 35 98:0 /mnt1 /mnt/backup\\040disk rw,noatime master:1 - ext3 /dev/root rw\n\
                      37 35 98:0 / /BACKUPS rw - ext4 /dev/sdb rw\n";
        let cases = [
            ("/BACKUPS", true),
            ("/mnt/backup disk", true),
            ("/mnt1", false),
            ("/BACKUPS/cinder", false),
            ("/BACKUP", false),
            ("/", false),
        ];
        for (path, is_point) in cases {
            assert_eq!(is_listed(table, path.as_bytes()), is_point, "{path}");
        }
        // What the kernel says of this machine.
        assert!(is_listed(&std::fs::read("/proc/self/mountinfo").unwrap(), b"/proc"));
    }
}
