//! A file of terabytes that is a hole but for a few bytes costs no command more than its data do,
//! and every reading can be stopped.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use voltar::view::{Contents, Location, Place, Way};
use voltar::{Error, Kind};

/// 15 TiB.
const SIZE: u64 = 15 << 40;

/// Processor time that a command may take, in seconds: thousands of times what it needs, and a
/// thousandth of what the hole would.
const SECONDS: &str = "--cpu=60";

fn run(program: &str, arguments: &[&str], folder: &Path) -> Output {
    Command::new(program).args(arguments).current_dir(folder).output().expect(program)
}

fn voltar(arguments: &[&str], folder: &Path) -> Output {
    let limited = [&[SECONDS, env!("CARGO_BIN_EXE_voltar")], arguments].concat();
    run("prlimit", &limited, folder)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

/// Two images of the same files: one of them is 15 TiB long, and has 5,000 bytes.
fn images(folder: &Path) {
    fs::create_dir(folder.join("tree")).unwrap();
    fs::write(folder.join("tree/f"), vec![7; 5000]).unwrap();
    fs::write(folder.join("tree/g"), "content\n").unwrap();
    fs::write(folder.join("commands"), format!("sif f size {SIZE}\n")).unwrap();
    for image in ["s.img", "t.img"] {
        let made = run("mke2fs", &["-q", "-t", "ext4", "-b", "4096", "-d", "tree", image, "16M"], folder);
        assert!(made.status.success(), "{}", said(&made));
        let grown = run("debugfs", &["-w", "-f", "commands", image], folder);
        assert!(grown.status.success(), "{}", said(&grown));
    }
}

#[test]
fn a_huge_hole_costs_no_command_anything() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    images(folder);
    let cases: [(&[&str], i32, &str); 11] = [
        (&["archive", "s.img", "-o", "a/s-1.tar.zst"], 0, ""),
        (&["archive", "t.img", "-o", "a/s-2.tar.zst", "--file-digest", "sha1"], 0, ""),
        (&["verify", "a/s-1.tar.zst"], 0, "good"),
        (&["diff", "s.img", "a/s-1.tar.zst"], 0, "4 the same"),
        (&["diff", "a/s-1.tar.zst", "a/s-2.tar.zst"], 0, "4 the same"),
        (&["verify", "a/s-1.tar.zst", "--against", "s.img"], 0, "4 the same"),
        (
            &["find", "s.img", "--sha1", "0000000000000000000000000000000000000000"],
            3,
            "most of its 15.0 TiB is a hole",
        ),
        (&["ls", "--format", "sha1sum", "s.img"], 3, "most of its 15.0 TiB is a hole"),
        (&["ls", "--format", "b3sum", "a/s-1.tar.zst"], 3, "  g"),
        (&["ls", "--format", "mtree", "a/s-1.tar.zst"], 0, "./f type=file"),
        (&["history", "a", "f"], 0, "= "),
    ];
    fs::create_dir(folder.join("a")).unwrap();
    for (arguments, code, words) in cases {
        let output = voltar(arguments, folder);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(words), "{arguments:?}: {}", said(&output));
    }
    // The same length and the same bytes, but elsewhere.
    fs::write(folder.join("commands"), format!("rm f\nwrite other f\nsif f size {SIZE}\n")).unwrap();
    fs::write(folder.join("other"), [vec![7; 4999], vec![8]].concat()).unwrap();
    run("debugfs", &["-w", "-f", "commands", "t.img"], folder);
    let output = voltar(&["diff", "s.img", "t.img"], folder);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("content"), "{}", said(&output));
}

#[test]
fn holes_are_no_work_and_the_numbers_of_the_data_agree() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    images(folder);
    let source = folder.join("s.img");
    let (source, backups) = (source.to_str().unwrap(), folder.join("runs"));
    fs::create_dir(&backups).unwrap();
    fs::create_dir(folder.join("backups")).unwrap();
    let config = folder.join("voltar.toml");
    let report = folder.join("report.json");
    let settings = format!(
        "[[source]]\nimage = {source:?}\n[destination]\nfolder = {backups:?}\n[report]\njson = {report:?}\n"
    );
    fs::write(&config, settings).unwrap();
    let cases: [&[&str]; 5] = [
        &["archive", source, "-o", "s.tar.zst", "--json"],
        &["backup", source, "--to", "backups", "--json"],
        &["run", "--config", "voltar.toml", "--json"],
        &["extract", "s.tar.zst", "-C", "out", "--json"],
        &["restore", "s.tar.zst", "--to", "restored.img", "--json"],
    ];
    let mut all = Vec::new();
    for arguments in cases {
        let output = voltar(arguments, folder);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", said(&output));
        let lines: Vec<Value> =
            output.stdout.split(|byte| *byte == b'\n').flat_map(serde_json::from_slice).collect();
        let last = lines.iter().rfind(|line| line["type"] == "progress").unwrap();
        let summary = lines.last().unwrap();
        let data = match arguments[0] {
            "run" => &summary["volumes"][0]["archive"]["data_bytes"],
            _ => &summary["data_bytes"],
        };
        assert!(data.is_u64(), "{arguments:?}: {summary}");
        assert_eq!([&last["done_bytes"], &last["total_bytes"]], [data; 2], "{arguments:?}: {lines:?}");
        all.push(data.as_u64().unwrap());
    }
    let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    all.push(report["volumes"][0]["archive"]["data_bytes"].as_u64().unwrap());
    // Two blocks that hold 5,000 bytes, and the eight bytes of the other file.
    assert_eq!(all, vec![8200; all.len()]);
    // In words too: the last line of progress, and the summary.
    let cases: [&[&str]; 3] = [
        &["archive", source, "-o", "w.tar.zst", "--progress"],
        &["extract", "s.tar.zst", "-C", "words", "--progress"],
        &["restore", "s.tar.zst", "--to", "words.img", "--progress"],
    ];
    for arguments in cases {
        let words = said(&voltar(arguments, folder));
        assert!(words.contains("100 %  8.0 KiB of 8.0 KiB"), "{arguments:?}: {words}");
        assert!(words.contains("  8.0 KiB of "), "{arguments:?}: {words}");
    }
}

fn place(path: &Path) -> Box<dyn Place> {
    Location::parse(OsStr::new(path)).open(&voltar::volume::Reading::default()).unwrap().place().unwrap()
}

#[test]
fn every_reading_of_content_stops_when_it_is_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    images(folder);
    let tar =
        Command::new("tar").args(["-C", "tree", "-czf", "x.tar.gz", "f", "g"]).current_dir(folder).status();
    assert!(tar.unwrap().success());
    for name in ["s.img", "x.tar.gz"] {
        let place = place(&folder.join(name));
        let item = place.find(b"g", false).unwrap();
        let ways = [Way::Print, Way::Digest(voltar::archive::Algorithm::Sha1)];
        for way in ways {
            let stop = || Err(Error::new(Kind::Interrupted, "stop"));
            let stopped = Contents::new(place.as_ref(), &stop).of(&item, way).unwrap_err();
            assert_eq!(stopped.kind(), Kind::Interrupted, "{name} {way:?}");
            assert!(
                Contents::new(place.as_ref(), &|| Ok(())).of(&item, way).unwrap().is_some(),
                "{name} {way:?}"
            );
        }
    }
}

#[test]
fn an_archive_of_another_program_is_read_once_however_many_files_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("tree")).unwrap();
    // Incompressible, so that a pass costs something: 400 passes would take minutes of processor
    // time.
    let mut seed = 1_u64;
    for number in 0..400 {
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 56) as u8
        })
        .take(64 << 10)
        .collect();
        fs::write(folder.join(format!("tree/{number}")), bytes).unwrap();
    }
    let tar = Command::new("tar").args(["-czf", "x.tar.gz", "tree"]).current_dir(folder).status();
    assert!(tar.unwrap().success());
    fs::copy(folder.join("x.tar.gz"), folder.join("y.tar.gz")).unwrap();
    let sum = String::from_utf8(run("sha1sum", &["tree/399"], folder).stdout).unwrap();
    let cases: [(&[&str], &str); 3] = [
        (&["diff", "x.tar.gz", "y.tar.gz"], "401 the same"),
        (&["find", "x.tar.gz", "--sha1", &sum[..40]], "tree/399"),
        (&["ls", "--format", "sha1sum", "x.tar.gz"], &sum),
    ];
    for (arguments, words) in cases {
        let output = voltar(arguments, folder);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(words), "{arguments:?}: {}", said(&output));
    }
}
