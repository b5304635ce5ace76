//! Where a guest mounts its volumes, by the `/etc/fstab` in its root filesystem.
//!
//! Format: fstab(5). A line names a device by UUID, label, or path. Paths of the device mapper, of
//! LVM, of software RAID and of the first disk lead to one volume on any host. Other lines are ignored.

use std::collections::BTreeMap;

use super::disk::Disk;
use super::id::VolumeId;
use super::node::Volume;
use crate::filesystem::Contents;

/// Longest `/etc/fstab` that is read; Debian's has 600 bytes.
const FSTAB_BYTES: u64 = 64 << 10;

/// Lines that are looked at.
const LINES_MOST: usize = 512;

/// Filesystems whose `/etc/fstab` is read.
const ROOTS_MOST: usize = 16;

/// Names of the first disk under Linux, before the partition's number.
const FIRST_DISKS: [&str; 5] = ["/dev/sda", "/dev/vda", "/dev/xvda", "/dev/hda", "/dev/nvme0n1p"];

/// The mount points of each volume, in bytes as `/etc/fstab` has them; `swap` for swap space.
#[must_use]
pub fn mount_points(disk: &Disk) -> BTreeMap<VolumeId, Vec<Vec<u8>>> {
    let mut points: BTreeMap<VolumeId, Vec<Vec<u8>>> = BTreeMap::new();
    let tables = disk.volumes().iter().filter(|volume| volume.is_readable());
    let tables = tables.filter_map(|volume| volume.read_most("/etc/fstab", FSTAB_BYTES).ok());
    for table in tables.take(ROOTS_MOST) {
        for (device, point) in table.split(|byte| *byte == b'\n').take(LINES_MOST).filter_map(line) {
            // A name that fits several volumes tells nothing.
            let mut named = disk.volumes().iter().filter(|volume| is_named(volume, &device));
            if let (Some(volume), None) = (named.next(), named.next()) {
                let of_volume = points.entry(volume.id().clone()).or_default();
                if !of_volume.contains(&point) {
                    of_volume.push(point);
                }
            }
        }
    }
    points
}

/// The device and the mount point of a line.
fn line(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
    let device = unescape(fields.next().filter(|field| !field.starts_with(b"#"))?);
    let (point, kind) = (unescape(fields.next()?), fields.next()?);
    let point = if kind == b"swap" { b"swap".to_vec() } else { point };
    let is_point = point.starts_with(b"/") || point == b"swap";
    String::from_utf8(device).ok().filter(|_| is_point).map(|device| (device.replace('"', ""), point))
}

/// Replaces `\040` and the like, three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped =
            digits.filter(|_| *first == b'\\').and_then(|digits| u8::from_str_radix(digits, 8).ok());
        plain.push(escaped.unwrap_or(*first));
        rest = after.get(if escaped.is_some() { 3 } else { 0 }..).unwrap_or_default();
    }
    plain
}

/// Whether a line of fstab names this volume.
fn is_named(volume: &Volume, device: &str) -> bool {
    let (label, uuid) = match volume.contents() {
        Contents::Known(found) => (found.label.as_str(), found.uuid.as_str()),
        Contents::Unknown => ("", ""),
    };
    let entry = volume.entry();
    let of = |prefixes: [&str; 2]| prefixes.iter().find_map(|prefix| device.strip_prefix(prefix));
    let is = |value: &str, own: &str| !own.is_empty() && value.eq_ignore_ascii_case(own);
    if let Some(value) = of(["UUID=", "/dev/disk/by-uuid/"]) {
        return is(value, uuid);
    }
    if let Some(value) = of(["LABEL=", "/dev/disk/by-label/"]) {
        return !label.is_empty() && value == label;
    }
    if let Some(value) = of(["PARTUUID=", "/dev/disk/by-partuuid/"]) {
        return entry.is_some_and(|entry| is(value, &entry.uuid));
    }
    if let Some(value) = of(["PARTLABEL=", "/dev/disk/by-partlabel/"]) {
        return entry.is_some_and(|entry| !entry.name.is_empty() && value == entry.name);
    }
    // Ubuntu's installer: the UUID of the group and that of the volume, without hyphens.
    if let Some(value) = device.strip_prefix("/dev/disk/by-id/dm-uuid-LVM-") {
        let own = volume.uuid().replace('-', "");
        return own.len() == 32 && value.get(32..) == Some(&own);
    }
    match volume.id() {
        VolumeId::Logical { group, name } => {
            let group = group.split('~').next().unwrap_or_default();
            let plain = VolumeId::Logical { group: group.to_owned(), name: name.clone() };
            device == format!("/dev/{group}/{name}") || device == format!("/dev/mapper/{plain}")
        }
        VolumeId::Array(name) => {
            let named = name.strip_prefix("md_").unwrap_or_default();
            device == format!("/dev/{name}") || !named.is_empty() && device == format!("/dev/md/{named}")
        }
        VolumeId::Partition(number) => {
            let first = FIRST_DISKS.iter().find_map(|disk| device.strip_prefix(disk));
            first.is_some_and(|digits| digits == number.to_string())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::device::Device;
    use crate::filesystem::Signature;

    #[test]
    fn lines_of_fstab_are_taken_apart() {
        let cases: [(&str, Option<(&str, &str)>); 9] = [
            ("UUID=ab /boot ext4 defaults 0 2", Some(("UUID=ab", "/boot"))),
            ("  /dev/mapper/a-b\t/\text4", Some(("/dev/mapper/a-b", "/"))),
            ("LABEL=\"my\\040disk\" /mnt/a\\040b ext4", Some(("LABEL=my disk", "/mnt/a b"))),
            ("/dev/vg/swap none swap sw 0 0", Some(("/dev/vg/swap", "swap"))),
            ("# /dev/sda1 / ext4", None),
            ("", None),
            ("UUID=ab", None),
            ("proc none proc defaults", None),
            ("a\\09 /x\\ ext4", Some(("a\\09", "/x\\"))),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|(device, point)| (device.to_owned(), point.as_bytes().to_vec()));
            assert_eq!(line(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_volume_is_known_by_all_names_that_a_guest_has_for_it() {
        let device: Device = Arc::new(vec![0_u8; 512]);
        let known = |name: &str| {
            let (label, uuid) = ("root".to_owned(), "12AB-34".to_owned());
            let contents = Contents::Known(Signature { name: "ext4", label, uuid });
            Volume::of_device(Path::new("a"), name.parse().unwrap(), device.clone(), contents)
        };
        let cases = [
            ("p1", "UUID=12ab-34", true),
            ("p1", "/dev/disk/by-label/root", true),
            ("p1", "LABEL=ROOT", false),
            ("p1", "/dev/vda1", true),
            ("p1", "/dev/vda12", false),
            ("p1", "/dev/sdb1", false),
            ("p2", "/dev/nvme0n1p2", true),
            ("my-vg/a", "/dev/my-vg/a", true),
            ("my-vg/a", "/dev/mapper/my--vg-a", true),
            ("my--vg~WGVVOm-a", "/dev/mapper/my--vg-a", true),
            ("my-vg/a", "/dev/mapper/my-vg-a", false),
            ("md0", "/dev/md0", true),
            ("md_home", "/dev/md/home", true),
        ];
        for (name, device, expected) in cases {
            assert_eq!(is_named(&known(name), device), expected, "{name} {device}");
        }
    }
}
