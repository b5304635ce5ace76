//! `verify` finds each flipped bit, and names the file that it is in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use voltar::archive::Nobody;
use voltar::archive::read::{Files, Verdict, Which, verify};

mod common;

use common::trials::{Needs, run, trial};

const TAR: Needs = Needs::Tool("tar", "tar");
const BSDTAR: Needs = Needs::Tool("bsdtar", "libarchive-tools");

/// Bits that are flipped, one at a time, in the three files of each archive.
const FLIPS: usize = 1000;

const ENDINGS: [&str; 3] = ["tar.zst", "tar.gz", "tar"];

fn main() -> ExitCode {
    let mut trials = vec![
        trial("archives are good, with all that stands beside them, and without", &[], good),
        trial("each bit of the checksum file counts", &[], checksum_file),
        trial(
            "a manifest that says other things than the archive is the one that is damaged",
            &[],
            other_manifest,
        ),
        trial("a bad frame costs what is in it, and is named with it", &[], bad_frame),
        trial("archives that are cut off are damaged", &[], cut_off),
        trial("an incomplete archive is good, and said to be incomplete", &[], incomplete),
        trial("archives of GNU tar and bsdtar are checked as far as they allow", &[TAR, BSDTAR], of_others),
        trial("the program says what is wrong in words and in JSON", &[], program),
        trial("of a folder all are verified, or the newest, or a sample, with a total", &[], folders),
    ];
    for ending in ENDINGS {
        let sentence =
            format!("each of {FLIPS} flipped bits of a {ending} and its sidecars is found where it is");
        trials.push(trial(sentence, &[], move || flips(ending)));
    }
    run(trials)
}

/// An archive with its sidecars, in a folder of its own.
struct Made {
    folder: tempfile::TempDir,
    archive: PathBuf,
}

impl Made {
    fn new(ending: &str) -> Self {
        Self::with(ending, &[])
    }

    fn with(ending: &str, more: &[&str]) -> Self {
        Self::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/guest.img"), ending, more, 0)
    }

    fn of(image: &Path, ending: &str, more: &[&str], code: i32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join(format!("guest.{ending}"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_voltar"));
        let output = command.arg("archive").arg(image).arg("-o").arg(&archive).args(more).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        Self { folder, archive }
    }

    fn manifest(&self) -> PathBuf {
        self.beside(".manifest.jsonl.zst")
    }

    fn checksum(&self) -> PathBuf {
        self.beside(".sha1")
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut path = self.archive.clone().into_os_string();
        path.push(ending);
        path.into()
    }

    fn files(&self) -> [(Which, PathBuf); 3] {
        [
            (Which::Archive, self.archive.clone()),
            (Which::Manifest, self.manifest()),
            (Which::Checksum, self.checksum()),
        ]
    }

    fn verify(&self) -> Verdict {
        verify(&Files::open(&self.archive).unwrap(), &Nobody).unwrap()
    }
}

fn said(verdict: &Verdict) -> String {
    verdict.findings.iter().map(|finding| format!("\n  {finding}")).collect()
}

/// Flips a bit, verifies, and puts the file back.
fn flipped(made: &Made, path: &Path, good: &[u8], bit: usize) -> Verdict {
    let mut bad = good.to_vec();
    bad[bit / 8] ^= 1 << (bit % 8);
    fs::write(path, &bad).unwrap();
    let verdict = made.verify();
    fs::write(path, good).unwrap();
    verdict
}

fn names_only(verdict: &Verdict, which: Which) -> bool {
    !verdict.findings.is_empty() && verdict.findings.iter().all(|finding| finding.which == which)
}

/// xorshift64: the same bits each time.
fn random(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 8) as usize
}

fn flips(ending: &str) {
    let made = Made::new(ending);
    let files = made.files().map(|(which, path)| (which, fs::read(&path).unwrap(), path));
    let mut state = 0x9e37_79b9_7f4a_7c15;
    for number in 0..FLIPS {
        let (which, good, path) = &files[number % files.len()];
        // The first and the last bytes are headers, tables and checksums: half of the bits are there.
        let bit = match (number / 3) % 4 {
            0 => random(&mut state) % (good.len() * 8).min(1024),
            1 => good.len() * 8 - 1 - random(&mut state) % (good.len() * 8).min(1024),
            _ => random(&mut state) % (good.len() * 8),
        };
        let verdict = flipped(&made, path, good, bit);
        assert!(names_only(&verdict, *which), "bit {bit} of the {}:{}", which.name(), said(&verdict));
    }
    assert!(made.verify().is_good());
}

fn good() {
    for ending in ENDINGS {
        let made = Made::new(ending);
        let whole = made.verify();
        assert!(whole.is_good(), "{ending}:{}", said(&whole));
        assert!(whole.unchecked.is_empty() && whole.complete == Some(true));
        assert!(whole.counts.members > 300 && whole.counts.digests > 300 && whole.counts.frames == 1);
        fs::remove_file(made.checksum()).unwrap();
        let verdict = made.verify();
        assert!(verdict.is_good() && verdict.unchecked.len() == 1, "{ending}:{}", said(&verdict));
        fs::remove_file(made.manifest()).unwrap();
        let verdict = made.verify();
        assert!(verdict.is_good() && verdict.unchecked.len() == 2, "{ending}:{}", said(&verdict));
        assert_eq!(verdict.counts.members, whole.counts.members, "{ending}");
    }
}

fn checksum_file() {
    for digest in ["sha1", "sha256", "blake3"] {
        let made = Made::with("tar.zst", &["--digest", digest]);
        let path = made.beside(&format!(".{digest}"));
        let good = fs::read(&path).unwrap();
        for bit in 0..good.len() * 8 {
            let verdict = flipped(&made, &path, &good, bit);
            assert!(names_only(&verdict, Which::Checksum), "bit {bit} of {digest}:{}", said(&verdict));
        }
        fs::write(&path, &good[..good.len() - 1]).unwrap();
        assert!(names_only(&made.verify(), Which::Checksum));
    }
}

fn other_manifest() {
    let made = Made::new("tar.zst");
    let text = zstd::decode_all(&fs::read(made.manifest()).unwrap()[..]).unwrap();
    let text = String::from_utf8(text).unwrap();
    let rewrite =
        |text: &str| fs::write(made.manifest(), zstd::encode_all(text.as_bytes(), 3).unwrap()).unwrap();
    let start = text.find("\"blake3\":\"").unwrap() + 10;
    let swap = |at: usize, to: &str| [&text[..at], to, &text[at + to.len()..]].concat();
    let cases = [
        swap(start, "0123456789012345678901234567890123456789"),
        text.replacen("\"mode\":\"0755\"", "\"mode\":\"0777\"", 1),
        text.replacen("\"header\":", "\"header\":1", 1),
        text.replacen("{\"record\":\"entry\"", "{\"record\":\"entry\"x", 1),
        text.lines()
            .filter(|line| !line.contains("\"p4/etc/fstab\""))
            .map(|line| format!("{line}\n"))
            .collect(),
        text.lines().filter(|line| !line.contains("\"tail\"")).map(|line| format!("{line}\n")).collect(),
    ];
    for (index, case) in cases.iter().enumerate() {
        rewrite(case);
        let verdict = made.verify();
        assert!(names_only(&verdict, Which::Manifest), "{index}:{}", said(&verdict));
        // Without the checksum file, the archive's digest in the manifest still vouches for the archive.
        let checksum = fs::read(made.checksum()).unwrap();
        fs::remove_file(made.checksum()).unwrap();
        let verdict = made.verify();
        let told = verdict.findings.iter().any(|finding| finding.which == Which::Manifest);
        assert!(told, "{index}, without the checksum file:{}", said(&verdict));
        fs::write(made.checksum(), checksum).unwrap();
    }
}

/// A disk with a filesystem, and behind it a partition of 6 MiB of noise: several frames.
fn noise(folder: &Path) -> PathBuf {
    const SECTOR: usize = 512;
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/guest.img");
    let range = voltar::Disk::open(&guest).unwrap().volume(4).unwrap().range();
    let files = &fs::read(&guest).unwrap()[range.start() as usize..range.end() as usize];
    let mut state = 1;
    let noise: Vec<u8> = (0..6 << 20).map(|_| random(&mut state) as u8).collect();
    let mut image = vec![0; 2048 * SECTOR];
    for (index, content) in [files, &noise].into_iter().enumerate() {
        let entry = 446 + 16 * index;
        let start = (image.len() / SECTOR) as u32;
        image[entry + 4] = 0x83;
        image[entry + 8..entry + 12].copy_from_slice(&start.to_le_bytes());
        image[entry + 12..entry + 16].copy_from_slice(&((content.len() / SECTOR) as u32).to_le_bytes());
        image.extend_from_slice(content);
    }
    image[510..512].copy_from_slice(&[0x55, 0xaa]);
    let path = folder.join("noise.img");
    fs::write(&path, image).unwrap();
    path
}

fn bad_frame() {
    let folder = tempfile::tempdir().unwrap();
    let made = Made::of(&noise(folder.path()), "tar.gz", &[], 0);
    let whole = made.verify();
    assert!(whole.is_good() && whole.counts.frames > 1, "{}", said(&whole));
    let good = fs::read(&made.archive).unwrap();
    let verdict = flipped(&made, &made.archive, &good, good.len() / 2 * 8);
    assert!(names_only(&verdict, Which::Archive), "{}", said(&verdict));
    let frame = verdict.findings.iter().find(|finding| finding.packed.is_some_and(|range| !range.is_empty()));
    let packed = frame.and_then(|finding| finding.packed).expect("a frame with its place");
    assert!((packed.start()..packed.end()).contains(&(good.len() as u64 / 2)), "{}", said(&verdict));
    let lost: Vec<_> = verdict.findings.iter().filter_map(|finding| finding.path.as_deref()).collect();
    assert!(!lost.is_empty() && lost.len() < 100, "{}", said(&verdict));
    // Everything else is proven all the same.
    assert!(verdict.counts.digests > 300, "{:?}", verdict.counts);
    // In the last member's header there is nothing that any reader looks at.
    let header = good.len() - 1;
    let member =
        (0..header).rev().find(|at| good[*at..].starts_with(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0])).unwrap();
    let verdict = flipped(&made, &made.archive, &good, (member + 9) * 8);
    assert!(names_only(&verdict, Which::Archive), "{}", said(&verdict));
}

fn cut_off() {
    for ending in ENDINGS {
        let made = Made::new(ending);
        let good = fs::read(&made.archive).unwrap();
        for sidecars in [true, false] {
            for len in [good.len() - 1, good.len() / 2, 600] {
                fs::write(&made.archive, &good[..len]).unwrap();
                let verdict = made.verify();
                assert!(
                    names_only(&verdict, Which::Archive),
                    "{ending}, {len}, {sidecars}:{}",
                    said(&verdict)
                );
            }
            let longer = [&good[..], b"more"].concat();
            fs::write(&made.archive, longer).unwrap();
            assert!(names_only(&made.verify(), Which::Archive), "{ending}, longer, {sidecars}");
            let _ = (fs::remove_file(made.manifest()), fs::remove_file(made.checksum()));
        }
    }
}

fn incomplete() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("a.img");
    let guest = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/guest.img")).unwrap();
    fs::write(&image, guest).unwrap();
    let made = Made::of(&image, "tar.zst", &["--raw", "never"], 3);
    let verdict = made.verify();
    assert!(verdict.is_good() && verdict.complete == Some(false), "{}", said(&verdict));
    let output =
        Command::new(env!("CARGO_BIN_EXE_voltar")).arg("verify").arg(&made.archive).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
}

fn of_others() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let tool = |program: &str, arguments: &[&str], name: &str| {
        let status =
            Command::new(program).args(arguments).arg("-f").arg(at(name)).args(["-C", source, "."]).status();
        assert!(status.unwrap().success());
    };
    tool("tar", &["-c"], "gnu.tar");
    tool("tar", &["-c", "--zstd"], "gnu.tar.zst");
    tool("tar", &["-cz", "--format=pax"], "pax.tar.gz");
    tool("tar", &["-c", "--format=v7"], "v7.tar");
    tool("bsdtar", &["-cz"], "bsd.tar.gz");
    tool("bsdtar", &["-c", "--format=pax"], "bsd.tar");
    let names = ["gnu.tar", "gnu.tar.zst", "pax.tar.gz", "v7.tar", "bsd.tar.gz", "bsd.tar"];
    let mut members = Vec::new();
    for name in names {
        let verdict = verify(&Files::open(&at(name)).unwrap(), &Nobody).unwrap();
        assert!(verdict.is_good() && verdict.unchecked.len() == 2, "{name}:{}", said(&verdict));
        members.push(verdict.counts.members);
        let good = fs::read(at(name)).unwrap();
        let mut bad = good.clone();
        bad[good.len() / 3] ^= 1;
        fs::write(at(name), bad).unwrap();
        if name.ends_with("z") {
            let verdict = verify(&Files::open(&at(name)).unwrap(), &Nobody).unwrap();
            assert!(!verdict.is_good(), "{name}");
        }
    }
    assert!(members[0] > 50 && members.iter().all(|count| *count == members[0]), "{members:?}");
}

fn program() {
    let made = Made::new("tar.zst");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_voltar"));
        let output = command.arg("verify").args(arguments).arg(&made.archive).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = run(&[]);
    assert!(code == 0 && text.contains(": good\n") && text.contains("members"), "{text}");
    assert_eq!(run(&["--quiet"]), (0, String::new()));
    let good = fs::read(&made.archive).unwrap();
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 0x10;
    fs::write(&made.archive, bad).unwrap();
    let (code, text) = run(&[]);
    assert!(code == 1 && text.contains(": DAMAGED\n") && text.contains("frame 0"), "{text}");
    let (code, text) = run(&["--json"]);
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((code, last["type"].as_str(), last["good"].as_bool()), (1, Some("verdict"), Some(false)));
    assert_eq!(last["findings"][0]["which"], "archive");
    fs::write(made.folder.path().join("x"), "no archive at all, but longer than a header".repeat(20))
        .unwrap();
    let output =
        Command::new(env!("CARGO_BIN_EXE_voltar")).arg("verify").arg(made.folder.path().join("x")).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("is no archive"), "{output:?}");
}

/// A destination of two volumes with two archives each.
fn destination() -> (tempfile::TempDir, [PathBuf; 4]) {
    let folder = tempfile::tempdir().unwrap();
    let made = Made::new("tar.zst");
    let paths = ["db/db_1", "db/db_2", "web/web_1", "web/web_2"]
        .map(|name| folder.path().join(format!("{name}.tar.zst")));
    for path in &paths {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        for ending in ["", ".manifest.jsonl.zst", ".sha1"] {
            fs::copy(made.beside(ending), format!("{}{ending}", path.display())).unwrap();
        }
    }
    (folder, paths)
}

fn folders() {
    let (folder, paths) = destination();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_voltar"));
        let output = command.arg("verify").arg(folder.path()).args(arguments).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = run(&[]);
    assert!(code == 0 && text.ends_with("4 archives: 4 good\n"), "{text}");
    let lines = |arguments: &[&str]| {
        let (code, text) = run(&[&["--json"], arguments].concat());
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let (total, verdicts) = lines.split_last().unwrap();
        assert_eq!(total["type"], "total", "{text}");
        let seen = verdicts.iter().filter(|line| line["type"] == "verdict");
        let seen: Vec<(PathBuf, bool)> = seen
            .map(|line| (line["archive"].as_str().unwrap().into(), line["good"].as_bool().unwrap()))
            .collect();
        (code, seen, total.clone())
    };
    let mut bad = fs::read(&paths[1]).unwrap();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    fs::write(&paths[1], bad).unwrap();
    let (code, seen, total) = lines(&[]);
    let all: Vec<(PathBuf, bool)> = paths.iter().map(|path| (path.clone(), *path != paths[1])).collect();
    assert_eq!((code, seen), (1, all));
    let counts = ["archives", "good", "damaged", "passed_over"].map(|name| total[name].as_u64());
    assert_eq!(counts, [Some(4), Some(3), Some(1), Some(0)]);

    // In words, what could not be checked is in the archive's own line, and in the total.
    let good = &paths[0];
    for (ending, words) in [
        (
            "sha1",
            "good; not checked: the manifest itself, but for its own checksum: there is no checksum file",
        ),
        ("manifest.jsonl.zst", "good; not checked: the content of each file: there is no manifest"),
    ] {
        let beside = PathBuf::from(format!("{}.{ending}", good.display()));
        let kept = fs::read(&beside).unwrap();
        fs::remove_file(&beside).unwrap();
        // A checksum of a file that is not there is damage, so the manifest's line goes too.
        let sums = PathBuf::from(format!("{}.sha1", good.display()));
        let kept_sums = fs::read_to_string(&sums).unwrap_or_default();
        let others = kept_sums.lines().filter(|line| !line.ends_with(ending));
        let others: String = others.map(|line| format!("{line}\n")).collect();
        if ending != "sha1" {
            fs::write(&sums, others).unwrap();
        }
        let said = run(&[]).1;
        let line = said.lines().find(|line| line.starts_with(&good.display().to_string())).unwrap();
        assert!(line.contains(words), "{ending}: {said}");
        assert!(said.contains(", 1 of all checked in part only"), "{ending}: {said}");
        assert_eq!(lines(&[]).2["partly_checked"], 1, "{ending}");
        if ending != "sha1" {
            fs::write(&sums, kept_sums).unwrap();
        }
        fs::write(&beside, kept).unwrap();
    }

    let (code, seen, total) = lines(&["--newest"]);
    assert_eq!((code, seen), (1, vec![(paths[1].clone(), false), (paths[3].clone(), true)]));
    assert_eq!(total["passed_over"], 2);

    // The day decides which archives have their turn; one has its turn on each day.
    let (_, seen, total) = lines(&["--sample", "50%"]);
    assert!((1..=4).contains(&seen.len()), "{seen:?}");
    assert_eq!(total["passed_over"].as_u64(), Some(4 - seen.len() as u64));
    let (code, seen, _) = lines(&["--sample", "100%"]);
    assert_eq!((code, seen.len()), (1, 4));
    for wrong in ["0%", "101%", "half"] {
        assert_eq!(run(&["--sample", wrong]).0, 2, "{wrong}");
    }
    assert_eq!(run(&["--newest", "--against", "/dev/null"]).0, 2);
}
