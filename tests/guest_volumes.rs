//! Volumes of a guest on several disks, from the command line: they are stored under their names,
//! with the bytes that the kernel showed.
#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::panic
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sha2::{Digest, Sha256};

/// The disks of a set of `fixtures/volumes`, in a folder.
struct Disks {
    folder: tempfile::TempDir,
    paths: Vec<PathBuf>,
    /// Name and SHA-256 of each volume.
    truths: Vec<(String, String)>,
}

impl Disks {
    fn unpack(set: &str) -> Self {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/volumes");
        let packed = fs::File::open(fixtures.join(format!("{set}.img.zst"))).unwrap();
        let mut decoder = zstd::Decoder::new(packed).unwrap();
        decoder.window_log_max(27).unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut decoder, &mut bytes).unwrap();
        let text = fs::read_to_string(fixtures.join(format!("{set}.tsv"))).unwrap();
        let mut lines = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        let len: usize = lines.next().unwrap()[0].parse().unwrap();
        let truths = lines.map(|line| (line[0].to_owned(), line[3].to_owned())).collect();
        let folder = tempfile::tempdir().unwrap();
        let disks = bytes.chunks(len).enumerate().map(|(number, disk)| {
            let path = folder.path().join(format!("disk{number}.img"));
            fs::write(&path, disk).unwrap();
            path
        });
        Self { paths: disks.collect(), truths, folder }
    }

    /// Archives the first disk, with these further ones.
    fn archive(&self, with: &[usize], more: &[&str]) -> (PathBuf, Output) {
        let archive = self.folder.path().join("a.tar.zst");
        let mut command = voltar();
        command.arg("archive").arg(&self.paths[0]).arg("--force").arg("-o").arg(&archive).args(more);
        for number in with {
            command.arg("--with").arg(&self.paths[*number]);
        }
        (archive, command.output().unwrap())
    }
}

fn voltar() -> Command {
    Command::new(env!("CARGO_BIN_EXE_voltar"))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

fn sha256_of(archive: &Path, member: &str) -> String {
    let output = voltar().arg("cat").arg(format!("{}:{member}", archive.display())).output().unwrap();
    assert!(output.status.success(), "{member}: {}", said(&output));
    Sha256::digest(&output.stdout).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn each_volume_is_stored_under_its_name_with_the_bytes_that_the_kernel_showed() {
    let disks = Disks::unpack("kinds");
    let (archive, output) = disks.archive(&[1, 2, 3, 4], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    for (name, sha256) in &disks.truths {
        assert_eq!(sha256_of(&archive, &format!("{name}.img")), *sha256, "{name}");
    }
}

#[test]
fn a_volume_is_asked_for_by_any_of_its_names() {
    let disks = Disks::unpack("kinds");
    for option in ["--volume", "--partition", "-p"] {
        for name in ["vg/linear", "vg-linear"] {
            let (archive, output) = disks.archive(&[1, 2, 3, 4], &[option, name]);
            assert_eq!(output.status.code(), Some(0), "{option} {name}: {}", said(&output));
            assert_eq!(sha256_of(&archive, "vg-linear.img"), disks.truths[0].1, "{option} {name}");
            let listed = voltar().arg("ls").arg(&archive).output().unwrap();
            assert_eq!(said(&listed), "vg-linear.img\n", "{option} {name}");
        }
    }
    let (_, output) = disks.archive(&[1, 2, 3, 4], &["--volume", "vg/absent"]);
    assert_ne!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("vg"), "{}", said(&output));
}

#[test]
fn a_volume_on_a_disk_that_is_not_given_is_an_issue_with_its_name() {
    let disks = Disks::unpack("kinds");
    let (_, output) = disks.archive(&[], &[]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("vg-raid0.img") && said(&output).contains("--with"), "{}", said(&output));
}

#[test]
fn inspect_shows_volumes_below_what_they_lie_on() {
    let disks = Disks::unpack("snapshots");
    let output = voltar().arg("inspect").arg(&disks.paths[0]).output().unwrap();
    // One of the snapshots overflowed, which is an issue.
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let text = said(&output);
    assert!(text.contains("issue: volume vg-full: the snapshot overflowed"), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    for (name, _) in &disks.truths {
        assert!(
            lines.iter().any(|line| line.trim_start().starts_with(&format!("{name} "))),
            "{name}: {text}"
        );
    }
}
