//! Image formats that are no plain sequence of sectors, known by their first bytes.
//!
//! They are refused by name: read as raw bytes, such a file has no partition table and no filesystem, and the
//! error would point nowhere. One line each; a reader for a format replaces its line.

/// First bytes and name.
const FORMATS: [(&[u8], &str); 6] = [
    (b"QFI\xfb", "qcow2"),
    (b"KDMV", "VMDK"),
    (b"# Disk DescriptorFile", "VMDK"),
    (b"vhdxfile", "VHDX"),
    (b"conectix", "VHD"),
    (b"<<< Oracle VM VirtualBox Disk Image >>>", "VDI"),
];

/// The length of the longest first bytes.
pub(super) const HEAD_BYTES: usize = 64;

/// The name of the container format that an image file begins with.
pub(super) fn name(head: &[u8]) -> Option<&'static str> {
    FORMATS.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name)
}
