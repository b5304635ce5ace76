//! Targets that hold less than what is extracted: each loss is reported.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Output;

use crate::common::kernel::Mount;
use crate::common::tools::{self, said};
use crate::voltar;

/// After 2038, and half a second.
const FAR: (i64, i64) = (4_102_444_800, 500_000_000);

/// An archive of one file with that time.
fn archive(folder: &Path) -> String {
    fs::write(folder.join("far"), "content").unwrap();
    let archive = folder.join("far.tar").to_str().unwrap().to_owned();
    let time = "--mtime=@4102444800.5";
    tools::run("tar", ["--format=posix", time, "-C", folder.to_str().unwrap(), "-cf", &archive, "far"]);
    archive
}

fn extract(archive: &str, to: &Path) -> Output {
    voltar().args(["extract", archive, "-C"]).arg(to).output().unwrap()
}

fn time(file: &Path) -> (i64, i64) {
    let found = fs::metadata(file).unwrap();
    (found.mtime(), found.mtime_nsec())
}

pub fn times() {
    let folder = tools::temporary_folder();
    let archive = archive(folder.path());
    let mount = Mount::small_inodes(64 << 20);
    let to = mount.path().join("out");
    let output = extract(&archive, &to);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    let line = "1 × times that this filesystem does not take, or not as they are (the first: far)";
    assert!(said.contains(line), "{said}");
    assert_ne!(time(&to.join("far")), FAR);
}

pub fn times_that_fit() {
    let folder = tools::temporary_folder();
    let archive = archive(folder.path());
    let mount = Mount::scratch(64 << 20);
    let to = mount.path().join("out");
    let output = extract(&archive, &to);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(time(&to.join("far")), FAR);
}
