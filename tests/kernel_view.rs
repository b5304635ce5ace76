//! Archives of images, held against the kernel's view of the same images.
//!
//! Each image is mounted read-only, and archived with each compression. The archive is then extracted by GNU tar and by
//! bsdtar, each as root, and read by a strict reader that also sees what no extractor restores. Every field of every
//! entry must be what the kernel shows, but for the known limits of an extractor (`common/limits.rs`).
//!
//! `VOLTAR_IMAGES=/some/folder cargo test --test kernel_view` compares your own `*.img` and `*.img.zst`, too.

use std::process::ExitCode;
use std::sync::Arc;

mod common;

use common::archive::Compression;
use common::diff::{Difference, Field, assert_none};
use common::extract::Reader;
use common::images::{self, Image};
use common::limits::unexplained;
use common::record::{Kind, Tree};
use common::trials::{Needs, run, trial};

const NEEDS: &[Needs] = &[
    Needs::Root,
    Needs::LoopMounts,
    Needs::Tool("tar", "tar"),
    Needs::Tool("bsdtar", "libarchive-tools"),
    Needs::Tool("partx", "util-linux"),
    Needs::Tool("mkfs.ext4", "e2fsprogs"),
    Needs::Tool("zstd", "zstd"),
    Needs::Tool("gzip", "gzip"),
    Needs::Tool("sha1sum", "coreutils"),
];

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for image in images::all().into_iter().filter(Image::is_mountable) {
        let image = Arc::new(image);
        for compression in [Compression::Zstd, Compression::Gzip] {
            // Those of `fixtures/recorded` are about what is read, not about how it is stored: one archive, read twice.
            if image.is_recorded && compression == Compression::Gzip {
                continue;
            }
            let program = compression.program();
            let checked = Arc::clone(&image);
            let sentence = format!("{}: other programs accept the {program} archive", image.name);
            trials.push(trial(sentence, NEEDS, move || {
                for subject in checked.subjects() {
                    subject.archive(compression).check_with_other_programs();
                }
            }));
            for (reader, sees) in [
                (Reader::Manifest, "its manifest tells it"),
                (Reader::Strict, "its headers tell it"),
                (Reader::GnuTar, "GNU tar extracts it"),
                (Reader::Bsdtar, "bsdtar extracts it"),
            ] {
                if image.is_recorded && matches!(reader, Reader::GnuTar | Reader::Bsdtar) {
                    continue;
                }
                let image = Arc::clone(&image);
                let sentence =
                    format!("{}: the {program} archive as {sees} is what the kernel shows", image.name);
                trials.push(trial(sentence, NEEDS, move || compare(&image, compression, reader)));
            }
        }
    }
    run(trials)
}

fn compare(image: &Image, compression: Compression, reader: Reader) {
    for subject in image.subjects() {
        let kernel = subject.kernel_view();
        let archive = &subject.archive(compression).path;
        let found = subject.without_root_of_disk(reader.tree(archive, subject.members()));
        let mut differences = unexplained(reader, kernel, &found);
        differences.retain(|difference| !is_time_of_recovery(&image.name, difference, kernel));
        assert_none(&subject.name, &differences);
    }
}

/// Whether the kernel shows the time at which it recovered the filesystem: fast commits change directories name by name, and
/// give such a directory the present time; and so does a truncation that is finished.
fn is_time_of_recovery(image: &str, difference: &Difference, kernel: &Tree) -> bool {
    let path = difference.path.as_slice();
    let is_directory = kernel.get(path).is_some_and(|record| record.kind == Kind::Directory);
    let is_changed = is_directory && image.starts_with("fast-commit-")
        || image == "ext4-truncated-half" && path == b"folder/long";
    is_changed && matches!(difference.field, Field::Mtime | Field::Ctime)
}
