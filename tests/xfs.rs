//! Archives of XFS, held against the kernel's view of the same filesystems.
//!
//! `fixtures/xfs` has images, each with what the kernel that made it showed
//! (`fixtures/record-xfs`). Random filesystems are made here (`xfs/random.rs`): the kernel replays a
//! copy, and every field of every entry must be what it shows.
//!
//! `VOLTAR_XFS_ROUNDS=500 cargo test --test xfs random` makes that many (default: 6);
//! `VOLTAR_XFS_SEED` is the first seed. `VOLTAR_XFS_FILES=32000 cargo test --test xfs guest` copies
//! that many files of this machine into a guest (default: 1000).

use std::path::Path;
use std::process::ExitCode;

#[path = "xfs/commands.rs"]
mod commands;
#[path = "xfs/guest.rs"]
mod guest;
#[path = "xfs/hostile.rs"]
mod hostile;
#[path = "xfs/opinion.rs"]
mod opinion;
#[path = "xfs/random.rs"]
mod random;
#[path = "xfs/restore.rs"]
mod restore;
#[path = "xfs/view.rs"]
mod view;

mod common;

use common::archive::{Archive, Compression};
use common::diff::assert_none;
use common::extract::Reader;
use common::limits::unexplained;
use common::record::Tree;
use common::trials::{run, trial};

fn main() -> ExitCode {
    let mut trials: Vec<_> = view::names()
        .into_iter()
        .map(|name| {
            let sentence = format!("{name} is what the kernel that made it showed");
            trial(sentence, random::NEEDS, move || recorded(&name))
        })
        .collect();
    trials.extend(random::trials());
    trials.extend(opinion::trials());
    trials.extend(commands::trials());
    trials.push(guest::trial_of_it());
    trials.extend(hostile::trials());
    trials.extend(restore::trials());
    run(trials)
}

fn recorded(name: &str) {
    let image = view::image(name);
    let archive = Archive::make(&image.path(), None, Compression::Zstd);
    compare(name, &view::read(name), &archive.path, true);
}

/// Compares the headers and the manifest of an archive with the kernel's view, and where
/// `is_extracted` also the trees that GNU tar and bsdtar make of it.
fn compare(name: &str, kernel: &Tree, archive: &Path, is_extracted: bool) {
    let members = || kernel.keys().map(|path| [b"./".as_slice(), path].concat());
    for reader in [Reader::Manifest, Reader::Strict] {
        assert_none(name, &unexplained(reader, kernel, &reader.tree(archive, members())));
    }
    for reader in [Reader::GnuTar, Reader::Bsdtar].into_iter().filter(|_| is_extracted) {
        let scratch = random::Scratch::new();
        let mut found = reader.tree_in(archive, members(), scratch.path());
        // New files inherit flags of their folder, and have blocks for attributes, and for what may
        // be appended. The headers are compared above.
        for record in found.values_mut() {
            (record.flags, record.stored_bytes) = (None, None);
        }
        assert_none(name, &unexplained(reader, kernel, &found));
    }
}
