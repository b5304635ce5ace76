//! Restoring a disk with XFS.

use std::ffi::OsString;
use std::fs;

use libtest_mimic::Trial;

use super::common::tools;
use super::common::trials::{Needs, trial};
use super::view;

pub fn trials() -> Vec<Trial> {
    vec![
        trial("restore refuses an XFS whose files are in the archive, and says what to do", &[], refused),
        trial(
            "with --raw always an XFS is one image, which comes back byte for byte",
            &[Needs::Tool("mke2fs", "e2fsprogs")],
            as_image,
        ),
    ]
}

fn refused() {
    let image = view::image("v4");
    let folder = tools::temporary_folder();
    let (archive, target) = (folder.path().join("a.tar.zst"), folder.path().join("target"));
    let words = ["archive".into(), image.path().into(), "-o".into(), archive.clone().into()];
    tools::voltar(words.map(|word: OsString| word), 0);
    let words = ["restore".into(), archive.into(), "--to".into(), target.clone().into()];
    let output = tools::voltar(words.map(|word: OsString| word), 1);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("--raw always") && said.contains("voltar extract"), "{said}");
    assert!(!target.exists(), "nothing is made");
}

fn as_image() {
    let image = view::image("v4");
    let folder = tools::temporary_folder();
    let (archive, target) = (folder.path().join("a.tar.zst"), folder.path().join("target"));
    let raw = ["--raw".into(), "always".into()];
    let words = ["archive".into(), image.path().into(), "-o".into(), archive.clone().into()];
    tools::voltar(words.into_iter().chain(raw).map(|word: OsString| word), 0);
    let words = ["restore".into(), archive.into(), "--to".into(), target.clone().into()];
    tools::voltar(words.map(|word: OsString| word), 0);
    assert!(fs::read(target).unwrap() == fs::read(image.path()).unwrap(), "the bytes are others");
}
