//! The form of archives, without any other program: on a machine with nothing but Rust this is what holds them.
//!
//! A strict reader must take each archive, and its headers and data must be what the manifest says.

use std::process::ExitCode;

use sha1::{Digest, Sha1};

mod common;

use common::archive::{Archive, Compression};
use common::diff::assert_none;
use common::extract::Reader;
use common::images::{self, Image};
use common::limits::unexplained;
use common::trials::{run, trial};

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for image in images::all() {
        let sentence = format!("{}: headers, data, manifest and checksum agree", image.name);
        trials.push(trial(sentence, &[], move || {
            compare(&image, Compression::Zstd);
            compare(&image, Compression::Gzip);
        }));
    }
    run(trials)
}

fn compare(image: &Image, compression: Compression) {
    let archive = Archive::make(image.path(), None, compression);
    let said = Reader::Manifest.tree(&archive.path, std::iter::empty());
    let found = Reader::Strict.tree(&archive.path, std::iter::empty());
    assert!(!found.is_empty(), "{}: an empty archive", image.name);
    assert_none(&image.name, &unexplained(Reader::Strict, &said, &found));
    let line = |ending: &str| {
        let mut path = archive.path.clone().into_os_string();
        path.push(ending);
        let bytes = std::fs::read(path).expect("a file of the archive");
        let digest: String = Sha1::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{digest}  archive.{}{ending}\n", compression.suffix())
    };
    assert_eq!(archive.checksum_lines(), line("") + &line(".manifest.jsonl.zst"));
}
