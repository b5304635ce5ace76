//! No command takes more than 512 MiB for an input of 64 MiB, whatever stands in it.
//!
//! Inputs are made here: manifests and headers that say little in much memory, and many names in
//! few bytes. Each command is run on each of them with the memory that it took measured by the
//! kernel (`getrusage` of the child that was waited for); whether it succeeds is not asked.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

mod common;

use common::tools;
use common::trials::{Needs, run, trial};

/// Memory that a command may take.
const MOST_MIB: u64 = 512;

/// Length of an input.
const INPUT_MOST: u64 = 64 << 20;

/// Seconds of processor time after which a command is ended: it has no end.
const SECONDS_MOST: u64 = 300;

const PYTHON: Needs = Needs::Tool("python3", "python3");

/// Makes an input in a folder.
type Maker = fn(&Path) -> PathBuf;

fn main() -> ExitCode {
    let names: [(&str, Maker); 9] = [
        ("a manifest with a million attributes of one entry", attributes),
        ("a manifest with half a million entries", entries),
        ("a manifest with a million volumes", volumes),
        ("a manifest with a line of one number after the other", numbers),
        ("a tar with half a million members", members),
        ("a tar with many hard links to symbolic links", links),
        ("a tar whose member has a million pax records", records),
        ("a tar with names that lie as deep as they can", deep),
        ("a tar with half a million directories without members of their own", implied),
    ];
    let images: [(&str, Maker); 1] = [("a chain of logical partitions without end", chain)];
    let of_images = images.into_iter().map(|(name, make)| {
        trial(format!("{name} takes no more than {MOST_MIB} MiB"), &[PYTHON], move || {
            let folder = tools::temporary_folder();
            let input = make(folder.path());
            each_command_on_images(name, folder.path(), &input);
        })
    });
    let hostile: [(&str, Maker); 2] = [
        ("a tar of directories in each other with large attributes", nested),
        ("a tar of files with large attributes", dressed),
    ];
    let extracted = hostile.into_iter().map(|(name, make)| {
        trial(format!("{name} is extracted with no more than {MOST_MIB} MiB"), &[PYTHON], move || {
            let folder = tools::temporary_folder();
            let input = make(folder.path());
            let target = folder.path().join("target");
            let words = ["extract", input.to_str().unwrap(), "-C", target.to_str().unwrap()];
            let command = words.map(str::to_owned);
            let peak = peak_mib(&command);
            assert!(peak <= MOST_MIB, "{name}: {} takes {peak} MiB", command.join(" "));
        })
    });
    let trials = names.into_iter().map(|(name, make)| {
        trial(format!("{name} takes no more than {MOST_MIB} MiB"), &[PYTHON], move || {
            let folder = tools::temporary_folder();
            let input = make(folder.path());
            let len = fs::metadata(&input).unwrap().len();
            assert!(len <= INPUT_MOST, "{name}: {len} bytes");
            each_command(name, folder.path(), &input);
        })
    });
    run(trials.chain(of_images).chain(extracted).collect())
}

fn each_command_on_images(name: &str, folder: &Path, input: &Path) {
    let input = input.to_str().unwrap();
    let (target, archive) = (folder.join("target"), folder.join("made.tar.zst"));
    let of = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let commands = [
        of(&["inspect", input]),
        of(&["ls", "-R", input]),
        of(&["find", "--name", "x", input]),
        of(&["diff", "--quick", input, input]),
        of(&["archive", input, "-q", "-o", archive.to_str().unwrap()]),
        of(&["extract", input, "-C", target.to_str().unwrap()]),
    ];
    for command in commands {
        let peak = peak_mib(&command);
        assert!(peak <= MOST_MIB, "{name}: {} takes {peak} MiB", command.join(" "));
        let _ = fs::remove_dir_all(&target);
    }
}

fn each_command(name: &str, folder: &Path, input: &Path) {
    let input = input.to_str().unwrap();
    let at = |path: &str| format!("{input}:{path}");
    let target = folder.join("target");
    let image = folder.join("restored.img");
    let of = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let commands = [
        of(&["ls", input]),
        of(&["ls", "-l", input]),
        of(&["ls", "-R", "--json", input]),
        of(&["tree", input]),
        of(&["find", "--name", "x", input]),
        of(&["stat", &at("a")]),
        of(&["cat", &at("a")]),
        of(&["diff", "--quick", input, input]),
        of(&["history", folder.to_str().unwrap(), "a"]),
        of(&["verify", input]),
        of(&["list", folder.to_str().unwrap()]),
        of(&["restore", input, image.to_str().unwrap()]),
        of(&["extract", input, "a", "-C", target.to_str().unwrap()]),
    ];
    for command in commands {
        let peak = peak_mib(&command);
        assert!(peak <= MOST_MIB, "{name}: {} takes {peak} MiB", command.join(" "));
        let _ = fs::remove_dir_all(&target);
    }
}

/// The most memory that a run took, measured for this child alone.
fn peak_mib(arguments: &[String]) -> u64 {
    const SCRIPT: &str = "
import os, resource, sys
most = int(sys.argv[1])
child = os.fork()
if child == 0:
    resource.setrlimit(resource.RLIMIT_CPU, (most, most))
    null = os.open('/dev/null', os.O_RDWR)
    for fd in 0, 1, 2: os.dup2(null, fd)
    os.execv(sys.argv[2], sys.argv[2:])
_, status, used = os.wait4(child, 0)
print(used.ru_maxrss // 1024, status)
";
    let mut command = Command::new("python3");
    command.args(["-c", SCRIPT, &SECONDS_MOST.to_string(), env!("CARGO_BIN_EXE_voltar")]).args(arguments);
    let output = command.stdin(Stdio::null()).output().unwrap();
    tools::assert_success("python3", &output);
    let said = String::from_utf8(output.stdout).unwrap();
    let mut words = said.split_whitespace().map(|word| word.parse::<u64>().unwrap());
    let (peak, status) = (words.next().unwrap(), words.next().unwrap());
    // The low bits are the signal that ended it.
    assert_eq!(status & 0x7f, 0, "{arguments:?} was ended by a signal: {said}");
    peak
}

/// An archive of one small file, with the text of its manifest.
fn sound(folder: &Path) -> (PathBuf, String) {
    let (source, image) = (folder.join("source"), folder.join("image"));
    fs::create_dir(&source).unwrap();
    fs::write(source.join("a"), "content").unwrap();
    fs::write(&image, "").unwrap();
    let mut command = tools::command("mke2fs");
    command.args(["-q", "-t", "ext4", "-d"]).arg(&source).arg(&image).arg("1M");
    tools::assert_success("mke2fs", &command.output().unwrap());
    let archive = folder.join("a.tar.zst");
    tools::voltar(
        ["archive".as_ref(), image.as_os_str(), "-q".as_ref(), "-o".as_ref(), archive.as_os_str()],
        0,
    );
    let manifest = fs::read(folder.join("a.tar.zst.manifest.jsonl.zst")).unwrap();
    fs::remove_file(folder.join("a.tar.zst.sha1")).unwrap();
    (archive, String::from_utf8(zstd::decode_all(&manifest[..]).unwrap()).unwrap())
}

/// Writes a manifest: `change` replaces the lines that it knows, the others stay.
fn manifest(folder: &Path, change: impl Fn(&str, &mut dyn Write) -> bool) -> PathBuf {
    let (archive, text) = sound(folder);
    let file = File::create(folder.join("a.tar.zst.manifest.jsonl.zst")).unwrap();
    let mut out = BufWriter::new(zstd::Encoder::new(file, 1).unwrap().auto_finish());
    for line in text.lines() {
        if !change(line, &mut out) {
            writeln!(out, "{line}").unwrap();
        }
    }
    out.flush().unwrap();
    archive
}

fn attributes(folder: &Path) -> PathBuf {
    manifest(folder, |line, out| {
        let is_it = line.contains("\"path\":\"a\"");
        if is_it {
            write!(out, "{},\"xattrs\":{{\"user.x\":\"\"", &line[..line.len() - 1]).unwrap();
            (0..1_000_000).for_each(|number| write!(out, ",\"{number}\":\"\"").unwrap());
            writeln!(out, "}}}}").unwrap();
        }
        is_it
    })
}

fn entries(folder: &Path) -> PathBuf {
    manifest(folder, |line, out| {
        if line.contains("\"path\":\"a\"") {
            for number in 0..500_000 {
                writeln!(out, "{}", line.replace("\"path\":\"a\"", &format!("\"path\":\"n{number}\"")))
                    .unwrap();
            }
        }
        false
    })
}

fn volumes(folder: &Path) -> PathBuf {
    manifest(folder, |line, out| {
        let is_it = line.starts_with("{\"record\":\"head\"");
        if is_it {
            let (before, behind) = line.split_once("\"volumes\":[").unwrap();
            write!(out, "{before}\"volumes\":[").unwrap();
            (0..1_000_000).for_each(|_| write!(out, "{{\"number\":1}},").unwrap());
            writeln!(out, "{behind}").unwrap();
        }
        is_it
    })
}

fn numbers(folder: &Path) -> PathBuf {
    manifest(folder, |line, out| {
        if line.starts_with("{\"record\":\"frames\"") {
            write!(out, "{{\"record\":\"unknown\",\"list\":[0").unwrap();
            (0..30_000_000).for_each(|_| out.write_all(b",0").unwrap());
            writeln!(out, "]}}").unwrap();
        }
        false
    })
}

/// A compressed tar without a manifest.
struct Tar {
    path: PathBuf,
    out: zstd::Encoder<'static, BufWriter<File>>,
}

impl Tar {
    fn new(folder: &Path) -> Self {
        let path = folder.join("a.tar.zst");
        let file = BufWriter::new(File::create(&path).unwrap());
        Self { path, out: zstd::Encoder::new(file, 1).unwrap() }
    }

    fn header(&mut self, name: &[u8], kind: tar::EntryType, link: &[u8], size: u64) {
        let mut header = tar::Header::new_ustar();
        let fields = header.as_ustar_mut().unwrap();
        fields.name.iter_mut().zip(name).for_each(|(to, from)| *to = *from);
        fields.linkname.iter_mut().zip(link).for_each(|(to, from)| *to = *from);
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(size);
        header.set_cksum();
        self.out.write_all(header.as_bytes()).unwrap();
    }

    /// A pax header with these records.
    fn records(&mut self, bytes: &[u8]) {
        self.header(b"PaxHeaders/x", tar::EntryType::XHeader, b"", bytes.len() as u64);
        self.out.write_all(bytes).unwrap();
        self.out.write_all(&vec![0; bytes.len().next_multiple_of(512) - bytes.len()]).unwrap();
    }

    fn finish(mut self) -> PathBuf {
        self.header(b"a", tar::EntryType::Regular, b"", 0);
        self.out.write_all(&[0; 1024]).unwrap();
        self.out.finish().unwrap().flush().unwrap();
        self.path
    }
}

/// `LENGTH KEYWORD=VALUE`.
fn record(keyword: &str, value: &str) -> String {
    let rest = format!(" {keyword}={value}\n");
    let digits = |len: usize| len.to_string().len();
    let mut len = rest.len() + 1;
    while rest.len() + digits(len) != len {
        len = rest.len() + digits(len);
    }
    format!("{len}{rest}")
}

fn members(folder: &Path) -> PathBuf {
    let mut tar = Tar::new(folder);
    for number in 0..500_000 {
        tar.header(format!("n{number}").as_bytes(), tar::EntryType::Regular, b"", 0);
    }
    tar.finish()
}

fn links(folder: &Path) -> PathBuf {
    let mut tar = Tar::new(folder);
    for number in 0..250_000 {
        tar.header(format!("s{number}").as_bytes(), tar::EntryType::Symlink, &[b'x'; 100], 0);
        tar.header(format!("n{number}").as_bytes(), tar::EntryType::Link, format!("s{number}").as_bytes(), 0);
    }
    tar.finish()
}

fn records(folder: &Path) -> PathBuf {
    let mut tar = Tar::new(folder);
    let names = (0..1_000_000).map(|number| record(&format!("SCHILY.xattr.{number}"), ""));
    let bytes: String = names.collect();
    tar.records(&bytes.as_bytes()[..bytes.len().min(32 << 20)]);
    tar.finish()
}

fn deep(folder: &Path) -> PathBuf {
    let mut tar = Tar::new(folder);
    let path = "d/".repeat(4000);
    for number in 0..3_000 {
        tar.records(record("path", &format!("{path}{number}")).as_bytes());
        tar.header(b"x", tar::EntryType::Symlink, b"target", 0);
    }
    tar.finish()
}

fn implied(folder: &Path) -> PathBuf {
    let mut tar = Tar::new(folder);
    for number in 0..500_000 {
        tar.header(format!("d{number}/n").as_bytes(), tar::EntryType::Regular, b"", 0);
    }
    tar.finish()
}

/// Directories in each other, each with attributes of 4 MiB.
fn nested(folder: &Path) -> PathBuf {
    let mut tar = Tar::new(folder);
    let value = "v".repeat(60_000);
    let all: String = (0..70).map(|number| record(&format!("SCHILY.xattr.user.{number}"), &value)).collect();
    let mut path = String::new();
    for _ in 0..300 {
        path.push_str("d/");
        tar.records((record("path", &path) + &all).as_bytes());
        tar.header(b"d/", tar::EntryType::Directory, b"", 0);
    }
    tar.finish()
}

/// Files that have as much each.
fn dressed(folder: &Path) -> PathBuf {
    let mut tar = Tar::new(folder);
    let value = "v".repeat(60_000);
    let all: String = (0..70).map(|number| record(&format!("SCHILY.xattr.user.{number}"), &value)).collect();
    for number in 0..300 {
        tar.records(all.as_bytes());
        tar.header(format!("n{number}").as_bytes(), tar::EntryType::Regular, b"", 0);
    }
    tar.finish()
}

/// An image of this length with some bytes in it.
fn sparse(folder: &Path, len: u64, pieces: &[(u64, &[u8])]) -> PathBuf {
    use std::os::unix::fs::FileExt as _;
    let path = folder.join("disk.img");
    let file = File::create(&path).unwrap();
    file.set_len(len).unwrap();
    pieces.iter().for_each(|(at, bytes)| file.write_all_at(bytes, *at).unwrap());
    path
}

/// Boot records that each lead to the next, with a partition in some of them.
fn chain(folder: &Path) -> PathBuf {
    let record = |sector: u32, is_first: bool| {
        let mut record = [0_u8; 512];
        let entry = |record: &mut [u8; 512], slot: usize, kind: u8, start: u32, len: u32| {
            let at = 446 + 16 * slot;
            record[at + 4] = kind;
            record[at + 8..at + 12].copy_from_slice(&start.to_le_bytes());
            record[at + 12..at + 16].copy_from_slice(&len.to_le_bytes());
        };
        if is_first {
            entry(&mut record, 0, 0x05, 1, (64 << 11) - 1);
        } else {
            if sector.is_multiple_of(90) {
                entry(&mut record, 0, 0x83, 1, 1);
            }
            entry(&mut record, 1, 0x05, sector, 1);
        }
        record[510..].copy_from_slice(&[0x55, 0xaa]);
        record
    };
    let mut disk = record(0, true).to_vec();
    (1..(64 << 11)).for_each(|sector| disk.extend(record(sector, false)));
    sparse(folder, disk.len() as u64, &[(0, &disk)])
}
