//! Formats that are neither a raw image nor an archive that is read here, known by some of their
//! first bytes.
//!
//! They are refused by name, with the next step: read as raw bytes, such a file has no partition
//! table and no filesystem, and the error would point nowhere. One line each; a reader for a format
//! replaces its line.

use std::path::Path;

use crate::printable::Printable;

/// The length of the head that holds all of the magic bytes.
pub const HEAD_BYTES: usize = 128;

/// A format.
#[derive(Debug)]
pub struct Foreign {
    /// Its common name, with the article.
    pub name: &'static str,
    magic: &'static [u8],
    step: Step,
}

/// How people get at what is in it.
#[derive(Debug)]
enum Step {
    /// `qemu-img convert`, to a raw image.
    Convert,
    /// A program and its arguments before the file's name.
    Run(&'static str),
    /// The same, with the name of a raw image behind it.
    RunTo(&'static str, &'static str),
}

use Step::{Convert, Run, RunTo};

const fn row(name: &'static str, magic: &'static [u8], step: Step) -> Foreign {
    Foreign { name, magic, step }
}

#[rustfmt::skip]
const FORMATS: [Foreign; 30] = [
    row("a QED image", b"QED\0", Convert),
    row("a VMDK image", b"COWD", Convert),
    row("a Parallels image", b"WithoutFreeSpace", Convert),
    row("a Parallels image", b"WithouFreSpacExt", Convert),
    row("an Android sparse image", b"\x3a\xff\x26\xed", RunTo("simg2img", "")),
    row("a partclone image", b"partclone-image", RunTo("partclone.restore -C -s", "-o ")),
    row("an EnCase image", b"EVF\x09\x0d\x0a\xff\0", RunTo("ewfexport -f raw", "-t ")),
    row("a Proxmox VMA archive", b"VMA\0", RunTo("vma extract", "")),
    row("a WIM image", b"MSWIM\0\0\0", Run("7z x")),
    row("compressed with xz", b"\xfd7zXZ\0", Run("xz -dk")),
    row("compressed with bzip2", b"BZh11AY&SY", Run("bzip2 -dk")),
    row("compressed with bzip2", b"BZh21AY&SY", Run("bzip2 -dk")),
    row("compressed with bzip2", b"BZh31AY&SY", Run("bzip2 -dk")),
    row("compressed with bzip2", b"BZh41AY&SY", Run("bzip2 -dk")),
    row("compressed with bzip2", b"BZh51AY&SY", Run("bzip2 -dk")),
    row("compressed with bzip2", b"BZh61AY&SY", Run("bzip2 -dk")),
    row("compressed with bzip2", b"BZh71AY&SY", Run("bzip2 -dk")),
    row("compressed with bzip2", b"BZh81AY&SY", Run("bzip2 -dk")),
    row("compressed with bzip2", b"BZh91AY&SY", Run("bzip2 -dk")),
    row("compressed with lz4", b"\x04\x22\x4d\x18", Run("lz4 -d")),
    row("compressed with lzip", b"LZIP\x01", Run("lzip -dk")),
    row("compressed with lzop", b"\x89LZO\0\x0d\x0a\x1a\x0a", Run("lzop -d")),
    row("a 7z archive", b"7z\xbc\xaf\x27\x1c", Run("7z x")),
    row("a zip archive", b"PK\x03\x04", Run("unzip")),
    row("an empty zip archive", b"PK\x05\x06", Run("unzip")),
    row("a rar archive", b"Rar!\x1a\x07", Run("7z x")),
    row("a cpio archive", b"07070", Run("bsdtar -xf")),
    row("an ar archive", b"!<arch>\n", Run("ar x")),
    row("encrypted with age", b"age-encryption.org/v1", RunTo("age -d", "-o ")),
    row("encrypted with openssl", b"Salted__", RunTo("openssl enc -d -in", "-out ")),
];

/// The format that a file begins with, by its first [`HEAD_BYTES`], or as many as there are.
#[must_use]
pub fn recognise(head: &[u8]) -> Option<&'static Foreign> {
    FORMATS.iter().find(|format| head.starts_with(format.magic))
}

/// The command that makes a raw image of the one at `path`.
#[must_use]
pub fn conversion(path: &Path) -> String {
    let (file, raw) = (Printable::path(path), path.with_extension("raw"));
    format!("qemu-img convert -O raw {file} {}", Printable::path(&raw))
}

impl Foreign {
    /// Names the format of the file at `path`, and the next step.
    #[must_use]
    pub fn told(&self, path: &Path) -> String {
        let (file, raw) = (Printable::path(path), path.with_extension("raw"));
        let raw = Printable::path(&raw);
        let command = match self.step {
            Convert => conversion(path),
            Run(command) => format!("{command} {file}"),
            RunTo(command, option) => format!("{command} {file} {option}{raw}"),
        };
        let name = self.name;
        format!(
            "is {name}, which is not read here (disk images, tar, tar.gz and tar.zst are); first: {command}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_told_with_the_next_step() {
        let cases: [(&[u8], &str, &str); 6] = [
            (b"QED\0\0\0\x01\0", "is a QED image", "qemu-img convert -O raw a/web.x a/web.raw"),
            (b"\xfd7zXZ\0\0", "is compressed with xz", "xz -dk a/web.x"),
            (b"BZh91AY&SY", "is compressed with bzip2", "bzip2 -dk a/web.x"),
            (b"\x3a\xff\x26\xed\x01", "is an Android sparse image", "simg2img a/web.x a/web.raw"),
            (b"PK\x03\x04", "is a zip archive", "unzip a/web.x"),
            (b"Salted__", "is encrypted with openssl", "openssl enc -d -in a/web.x -out a/web.raw"),
        ];
        for (head, name, command) in cases {
            let told = recognise(head).unwrap().told(Path::new("a/web.x"));
            assert!(told.starts_with(name) && told.ends_with(command), "{told}");
        }
        assert!(recognise(&[0; HEAD_BYTES]).is_none() && recognise(b"").is_none());
    }

    #[test]
    fn the_head_is_long_enough_for_every_format() {
        assert!(FORMATS.iter().all(|format| format.magic.len() <= HEAD_BYTES));
    }
}
