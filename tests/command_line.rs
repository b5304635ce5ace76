//! The program as a person or a script meets it: what bad input gets, what is published and what is left behind.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::time::{Duration, Instant};

mod common;

use common::tools;
use common::trials::{Needs, run, trial};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const SHA1SUM: Needs = Needs::Tool("sha1sum", "coreutils");
const TAR: Needs = Needs::Tool("tar", "tar");

fn main() -> ExitCode {
    run(vec![
        trial(
            "bad sources are refused in one line, with exit code 1, and nothing is published",
            &[],
            bad_sources,
        ),
        trial("a source without read permission is refused in words", &[Needs::Root], no_permission),
        trial("arguments that make no sense are refused with exit code 2", &[], usage),
        trial("an archive that exists is kept, and replaced with --force", &[], existing_target),
        trial("a full disk publishes nothing and leaves nothing behind", &[Needs::LoopMounts], full_disk),
        trial("a full device on stdout is an error", &[], full_stdout),
        trial("a closed pipe ends the program by SIGPIPE, without a word", &[], closed_pipe),
        trial("SIGINT and SIGTERM end the run, the first as itself, and leave nothing behind", &[], signals),
        trial("what a killed run leaves behind the next one removes", &[], killed),
        trial("an archive on stdout is the archive in a file, with its digest on stderr", &[], stdout),
        trial("the archive is the same for any number of threads", &[], threads),
        trial("the archive is the same however the source is read", &[], ways_to_read),
        trial("the checksum is read by sha1sum, whatever the name", &[SHA1SUM], checksum),
        trial("excluded entries are not in the archive", &[TAR], exclusion),
        trial(
            "picked partitions are bare when there is one, and folders when there are more",
            &[TAR],
            partitions,
        ),
        trial("what can't be read as files goes in as it is, or with --raw never is an issue", &[TAR], raw),
        trial(
            "a damaged table costs an issue, and not the partitions that are known",
            &[TAR],
            damaged_tables,
        ),
        trial("JSON lines have a type, and the last one sums up", &[], json),
        trial("--strict publishes nothing where there is an issue", &[], strict),
        trial("the source is the same before and after", &[], source_untouched),
        trial("completions and manual pages are printed", &[], generated),
        trial("one and none are counted as people say it", &[], counts),
        trial("only commands that people use are offered", &[], offered),
        trial("messages name what they are about and the next step", &[], messages),
        trial("help, ls -la and find -print0 are what people know", &[], habits),
        trial("diff ends with 0, 1 or 2, and always prints a document of JSON", &[], diff_codes),
        trial("inspect shows partitions and filesystems, as text and as JSON", &[], inspect),
    ])
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn guest() -> PathBuf {
    fixture("guest.img")
}

/// Unpacks a fixture into a folder.
fn unpacked(name: &str, folder: &TempDir) -> PathBuf {
    let packed = fs::File::open(fixture(&format!("{name}.img.zst"))).unwrap();
    let path = folder.path().join(format!("{name}.img"));
    zstd::stream::copy_decode(packed, fs::File::create(&path).unwrap()).unwrap();
    path
}

fn voltar() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voltar"));
    command.env_remove("SOURCE_DATE_EPOCH");
    command
}

fn archive(source: &Path, output: &Path) -> Command {
    let mut command = voltar();
    command.arg("archive").arg(source).arg("-o").arg(output);
    command
}

fn run_it(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn listing(archive: &Path) -> Vec<String> {
    let output = run_it(Command::new("tar").arg("--warning=no-unknown-keyword").arg("-tf").arg(archive));
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

fn bad_sources() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("empty.img"), "").unwrap();
    fs::write(at("text.img"), "nothing of the kind\n".repeat(1000)).unwrap();
    fs::write(at("image.qed"), [&b"QED\0"[..], &[0; 1000]].concat()).unwrap();
    let cases = [
        (at("absent.img"), "there is no such file"),
        (folder.path().to_path_buf(), "is a directory"),
        (PathBuf::from("/dev/null"), "is neither a block device nor a regular file"),
        (at("empty.img"), "is empty"),
        (at("text.img"), "no partition table and no known filesystem"),
        (at("image.qed"), "qemu-img convert"),
    ];
    for (source, words) in cases {
        let target = tempfile::tempdir().unwrap();
        let output = run_it(&mut archive(&source, &target.path().join("a.tar.zst")));
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{}: {said}", source.display());
        assert!(said.contains(words), "{}: {said}", source.display());
        assert_eq!(said.matches("error:").count(), 1, "{said}");
        assert!(!said.contains("panicked"), "{said}");
        assert_eq!(names(target.path()), [""; 0], "{}", source.display());
    }
}

fn damaged_tables() {
    let folder = tempfile::tempdir().unwrap();
    // A partition of 1 GiB by the table, on a device that ends where its filesystem does.
    let past_end = folder.path().join("past-end.img");
    let mut disk = vec![0; 1 << 20];
    disk[446..462].copy_from_slice(&[0, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 0, 32, 0]);
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk.extend(fs::read(unpacked("ext4", &folder)).unwrap());
    fs::write(&past_end, disk).unwrap();
    let cases = [
        (unpacked("mbr-extended-loop", &folder), "cycle"),
        (past_end, "ends at byte 1074790400, but the device at"),
    ];
    for (source, words) in cases {
        let target = folder.path().join("a.tar.zst");
        let output = run_it(archive(&source, &target).arg("--force"));
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
        let issues = stderr(&output).lines().filter(|line| line.contains("issue:")).count();
        assert!(issues == 1 && stderr(&output).contains(words), "{}", stderr(&output));
        let listed = run_it(
            Command::new("tar").arg("--zstd").arg("-tf").arg(&target).arg("--warning=no-unknown-keyword"),
        );
        assert!(String::from_utf8_lossy(&listed.stdout).contains("p1/hello.txt"), "{}", source.display());
        let output = run_it(archive(&source, &target).args(["--force", "--strict"]));
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    }
}

fn no_permission() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let source = folder.path().join("disk.img");
    fs::copy(guest(), &source).unwrap();
    fs::set_permissions(&source, fs::Permissions::from_mode(0o600)).unwrap();
    // The program itself may lie where only root can go.
    let program = folder.path().join("voltar");
    fs::copy(env!("CARGO_BIN_EXE_voltar"), &program).unwrap();
    let mut command = Command::new(&program);
    command.arg("archive").arg(&source).arg("-o").arg(folder.path().join("a.tar.zst"));
    let output = run_it(command.uid(65534).gid(65534));
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("permission denied"), "{}", stderr(&output));

    // With nothing but read permission it works.
    fs::set_permissions(&source, fs::Permissions::from_mode(0o444)).unwrap();
    let output = run_it(command.uid(65534).gid(65534));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

fn usage() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).into_os_string().into_string().unwrap();
    let (tar, gz) = (path("a.tar"), path("a.tar.gz"));
    let cases: [&[&str]; 6] = [
        &["-o", &gz, "--compress", "zstd"],
        &["-o", &tar, "--level", "3"],
        &["-o", &gz, "--level", "13"],
        &["-o", &gz, "--partition", "99"],
        &["-o", &gz, "--threads", "0"],
        &["--no-such-thing"],
    ];
    for arguments in cases {
        let output = run_it(voltar().arg("archive").arg(guest()).args(arguments).current_dir(folder.path()));
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert_eq!(names(folder.path()), [""; 0], "{arguments:?}");
    }
}

fn existing_target() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("a.tar.zst");
    fs::write(&target, "precious").unwrap();
    let output = run_it(&mut archive(&guest(), &target));
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--force"), "{}", stderr(&output));
    assert_eq!(fs::read(&target).unwrap(), b"precious");
    assert_eq!(names(folder.path()), ["a.tar.zst"]);

    let output = run_it(archive(&guest(), &target).arg("--force"));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(names(folder.path()), ["a.tar.zst", "a.tar.zst.manifest.jsonl.zst", "a.tar.zst.sha1"]);
    assert_ne!(fs::read(&target).unwrap(), b"precious");

    // The source is never replaced, not even when asked to.
    let source = folder.path().join("disk.tar");
    fs::copy(guest(), &source).unwrap();
    let output = run_it(archive(&source, &source).arg("--force"));
    assert!(stderr(&output).contains("is the source itself"), "{}", stderr(&output));
    assert_eq!(fs::read(&source).unwrap(), fs::read(guest()).unwrap());
}

/// A disk whose one partition holds noise, so that archiving it takes time and space: `len` bytes of it.
fn noisy_disk(folder: &TempDir, len: u64) -> PathBuf {
    let path = folder.path().join("noise.img");
    let mut file = std::io::BufWriter::new(fs::File::create(&path).unwrap());
    let mut sector = [0_u8; 512];
    sector[446 + 4] = 0xda;
    sector[446 + 8..446 + 12].copy_from_slice(&1_u32.to_le_bytes());
    sector[446 + 12..446 + 16].copy_from_slice(&u32::try_from(len / 512).unwrap().to_le_bytes());
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    file.write_all(&sector).unwrap();
    // A multiplicative generator: noise enough for a compressor.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..len / 8 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        file.write_all(&state.to_le_bytes()).unwrap();
    }
    file.into_inner().unwrap();
    path
}

fn full_disk() {
    let folder = tempfile::tempdir().unwrap();
    let small = folder.path().join("small");
    fs::create_dir(&small).unwrap();
    let mount = |arguments: &[&str]| {
        let output = run_it(Command::new(arguments[0]).args(&arguments[1..]).arg(&small));
        assert!(output.status.success(), "{}", stderr(&output));
    };
    mount(&["mount", "-t", "tmpfs", "-o", "size=4M", "none"]);
    let source = noisy_disk(&folder, 16 << 20);
    let output = run_it(&mut archive(&source, &small.join("a.tar.zst")));
    let left = names(&small);
    mount(&["umount"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    let parts = [
        small.join("a.tar.zst").to_str().unwrap().to_owned(),
        "no space is left (its filesystem of 4.0 MiB has ".to_owned(),
        " were still to come: make room there, or name another folder with -o".to_owned(),
    ];
    parts.iter().for_each(|part| assert!(said.contains(part), "{part}: {said}"));
    assert_eq!(left, [""; 0]);
}

fn counts() {
    let folder = tempfile::tempdir().unwrap();
    let source = noisy_disk(&folder, 1 << 20);
    let (kept, target) = (folder.path().join("a.tar.zst"), folder.path().join("b.img"));
    let made = run_it(&mut archive(&source, &kept));
    assert!(made.status.success(), "{}", stderr(&made));
    let said = |arguments: &[&str]| {
        let output = run_it(voltar().args(arguments));
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        assert!(output.status.success(), "{text}{}", stderr(&output));
        text
    };
    let kept = kept.to_str().unwrap();
    let tree = said(&["tree", kept]);
    assert!(tree.ends_with("\n0 directories, 1 other\n"), "{tree}");
    // No filesystem was on the disk, so none is counted.
    let restored = said(&["restore", kept, "--to", target.to_str().unwrap()]);
    assert!(restored.contains("\n  1 partition as it was\n"), "{restored}");
    assert!(!restored.contains("filesystem"), "{restored}");
}

fn full_stdout() {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = archive(&guest(), Path::new("-")).stdout(full).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("no space is left"), "{}", stderr(&output));
}

fn closed_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let source = noisy_disk(&folder, 32 << 20);
    let mut child = archive(&source, Path::new("-"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 100]).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(13));
    assert!(
        !stderr(&output).contains("error") && !stderr(&output).contains("panicked"),
        "{}",
        stderr(&output)
    );

    // Nobody reads from the beginning on.
    let (image, folder) = (guest(), folder.path());
    let image = image.to_str().unwrap();
    let listings: [&[&str]; 8] = [
        &["ls", "-R", image],
        &["ls", "-R", "--json", image],
        &["tree", image],
        &["find", image],
        &["stat", image],
        &["diff", image, image],
        &["inspect", image],
        &["list", folder.to_str().unwrap()],
    ];
    for arguments in listings {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output =
            voltar().args(arguments).stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).output();
        let output = output.unwrap();
        assert_eq!((output.status.signal(), stderr(&output).as_str()), (Some(13), ""), "{arguments:?}");
    }
}

/// Starts a run that takes long, and waits until its temporary files are there.
fn long_run(source: &Path, folder: &Path) -> Child {
    let mut command = archive(source, &folder.join("a.tar.zst"));
    command.args(["--level", "19", "--threads", "1"]);
    let mut command = tools::with_usual_signals(&command);
    let child = command.stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while held(folder) < 2 {
        assert!(began.elapsed() < Duration::from_secs(60), "no temporary files after 60 s");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

/// How many files in a folder some process has open. They may have no names.
fn held(folder: &Path) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let descriptors =
        processes.flat_map(|process| fs::read_dir(process.path().join("fd")).into_iter().flatten());
    let targets = descriptors.flatten().filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
    let inside = targets.filter(|target| target.starts_with(folder) && target != folder);
    inside.collect::<std::collections::BTreeSet<_>>().len()
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

fn signals() {
    let images = tempfile::tempdir().unwrap();
    let source = noisy_disk(&images, 64 << 20);
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let folder = tempfile::tempdir().unwrap();
        let child = long_run(&source, folder.path());
        // Twice, as timeout(1) does it.
        kill_process(pid(&child), signal).unwrap();
        kill_process(pid(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        // By the signal itself a shell knows that its loop is to stop.
        let expected = if signal == Signal::INT { (None, Some(2)) } else { (Some(1), None) };
        let found = (output.status.code(), output.status.signal());
        assert_eq!(found, expected, "{signal:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("stopped by a signal"), "{signal:?}: {}", stderr(&output));
        assert_eq!(names(folder.path()), [""; 0], "{signal:?}");
    }
}

fn killed() {
    let images = tempfile::tempdir().unwrap();
    let source = noisy_disk(&images, 64 << 20);
    let folder = tempfile::tempdir().unwrap();
    let mut child = long_run(&source, folder.path());
    // A run beside it leaves its files alone.
    let output = run_it(&mut archive(&guest(), &folder.path().join("a.tar.zst")));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(held(folder.path()) >= 2, "the run beside it took files away");
    kill_process(pid(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    // Files without names are gone with the last process that has them open.
    let began = Instant::now();
    while held(folder.path()) > 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "a process goes on after SIGKILL");
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = run_it(archive(&guest(), &folder.path().join("a.tar.zst")).arg("--force"));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(names(folder.path()).len(), 3);
}

fn stdout() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("a.tar.zst");
    // The manifest is in it, and has the time.
    let at_one_time = |target: &Path| {
        let mut command = archive(&guest(), target);
        command.arg("--embed-manifest").env("SOURCE_DATE_EPOCH", "1700000000");
        run_it(&mut command)
    };
    assert_eq!(at_one_time(&target).status.code(), Some(0));
    let output = at_one_time(Path::new("-"));
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout == fs::read(&target).unwrap(), "stdout is not the archive");
    let checksum = fs::read_to_string(folder.path().join("a.tar.zst.sha1")).unwrap();
    let digest = checksum.split(' ').next().unwrap();
    assert!(stderr(&output).contains(&format!("sha1  {digest}  -")), "{}", stderr(&output));
}

fn same_bytes(variants: &[&[&str]]) {
    let folder = tempfile::tempdir().unwrap();
    let source = noisy_disk(&folder, 21 << 20);
    for source in [guest(), source] {
        for ending in ["tar", "tar.gz", "tar.zst"] {
            let mut first = None;
            for arguments in variants {
                let target = folder.path().join(format!("a.{ending}"));
                let output = run_it(archive(&source, &target).args(*arguments).arg("--force"));
                assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
                let bytes = fs::read(&target).unwrap();
                let first = first.get_or_insert_with(|| bytes.clone());
                assert!(*first == bytes, "{} {ending} with {arguments:?}", source.display());
            }
        }
    }
}

fn threads() {
    same_bytes(&[&["--threads", "1"], &["--threads", "2"], &["--threads", "7"]]);
}

fn ways_to_read() {
    same_bytes(&[&["--io", "pread"], &["--io", "mmap"], &["--io", "auto"]]);
}

fn checksum() {
    for name in ["plain.tar.zst", "with space.tar.zst", "back\\slash.tar.zst", "new\nline.tar.zst"] {
        let folder = tempfile::tempdir().unwrap();
        let output = run_it(&mut archive(&guest(), &folder.path().join(name)));
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let checksum = format!("{name}.sha1");
        let output =
            run_it(Command::new("sha1sum").arg("-c").arg("--").arg(&checksum).current_dir(folder.path()));
        assert!(output.status.success(), "{name:?}: {}", stderr(&output));
    }
}

fn exclusion() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("a.tar");
    let all = {
        run_it(&mut archive(&guest(), &target));
        listing(&target)
    };
    let list = folder.path().join("list");
    fs::write(&list, "var/log\n\n*.list\n").unwrap();
    let mut command = archive(&guest(), &target);
    command.args(["--force", "--exclude", "lost+found", "--exclude-from"]).arg(&list);
    assert_eq!(run_it(&mut command).status.code(), Some(0));
    let rest = listing(&target);
    let is_out = |name: &&String| {
        name.contains("/lost+found/") || name.contains("/var/log/") || name.ends_with(".list")
    };
    assert!(all.iter().any(|name| is_out(&name)));
    let expected: Vec<&String> = all.iter().filter(|name| !is_out(name)).collect();
    assert_eq!(rest.iter().collect::<Vec<_>>(), expected);
}

fn partitions() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("a.tar");
    let cases: [(&[&str], &str, &str); 3] = [
        (&[], "p4/etc/fstab", "p3/"),
        (&["--partition", "4"], "./etc/fstab", "./"),
        (&["--partition", "4", "--partition", "3"], "p4/etc/fstab", "p3/"),
    ];
    for (arguments, fstab, root) in cases {
        let output = run_it(archive(&guest(), &target).args(arguments).arg("--force"));
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let names = listing(&target);
        assert!(names.iter().any(|name| name == fstab), "{arguments:?}: {names:?}");
        assert!(names.iter().any(|name| name == root), "{arguments:?}: {names:?}");
        assert_eq!(names.iter().any(|name| name == "p2.img"), arguments.is_empty(), "{arguments:?}");
    }
}

fn raw() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("a.tar");
    let output = run_it(&mut archive(&guest(), &target));
    assert_eq!(output.status.code(), Some(0));
    for words in
        ["p2.img", "vfat", "partition 5: swap, skipped", "partition 6: empty, nothing of it is stored"]
    {
        assert!(stderr(&output).contains(words), "{words}: {}", stderr(&output));
    }
    let extracted = Command::new("tar").arg("-xOf").arg(&target).arg("p2.img").output().unwrap();
    let disk = fs::read(guest()).unwrap();
    let start = 128 << 10;
    assert!(extracted.stdout == disk[start..start + extracted.stdout.len()], "p2.img is not partition 2");
    assert_eq!(extracted.stdout.len(), 256 << 10);

    let output = run_it(archive(&guest(), &target).args(["--force", "--raw", "never"]));
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("issue: p2.img"), "{}", stderr(&output));
    assert!(!listing(&target).iter().any(|name| name.ends_with(".img")));
}

fn json() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("a.tar.zst");
    let output = run_it(archive(&guest(), &target).args(["--json", "--raw", "never"]));
    assert_eq!(output.status.code(), Some(3));
    let lines: Vec<serde_json::Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    assert!(lines.iter().all(|line| line["type"].is_string()));
    assert_eq!(lines.iter().filter(|line| line["type"] == "issue").count(), 2);
    let last = lines.last().unwrap();
    assert_eq!(last["type"], "summary");
    assert_eq!(last["issues"], 2);
    assert_eq!(last["complete"], false);
    assert_eq!(last["archive"], target.to_str().unwrap());
    assert!(
        fs::read_to_string(folder.path().join("a.tar.zst.sha1"))
            .unwrap()
            .starts_with(last["sha1"].as_str().unwrap())
    );
}

fn strict() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("a.tar.zst");
    let output = run_it(archive(&guest(), &target).args(["--strict", "--raw", "never"]));
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--strict"), "{}", stderr(&output));
    assert_eq!(names(folder.path()), [""; 0]);
}

fn source_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("disk.img");
    fs::copy(guest(), &source).unwrap();
    fs::set_permissions(&source, fs::Permissions::from_mode(0o444)).unwrap();
    let before = fs::metadata(&source).unwrap();
    let output = run_it(&mut archive(&source, &folder.path().join("a.tar.zst")));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let after = fs::metadata(&source).unwrap();
    assert_eq!(before.modified().unwrap(), after.modified().unwrap());
    assert!(fs::read(&source).unwrap() == fs::read(guest()).unwrap());
}

fn generated() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run_it(voltar().args(["completions", shell]));
        assert!(
            output.status.success() && String::from_utf8_lossy(&output.stdout).contains("archive"),
            "{shell}"
        );
    }
    let output = run_it(voltar().arg("man"));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with(".ie \\n(.g .ds Aq"));
    let folder = tempfile::tempdir().unwrap();
    assert!(run_it(voltar().arg("man").arg(folder.path())).status.success());
    let pages = names(folder.path());
    assert!(pages.contains(&"voltar-archive.1".to_owned()), "{pages:?}");
    // The units name a page by its name and section, which are those of its file.
    for unit in ["voltar.service", "voltar.timer"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib").join(unit);
        let text = fs::read_to_string(path).unwrap();
        let named = text.lines().find_map(|line| line.strip_prefix("Documentation=man:")).unwrap();
        let (name, section) = named.trim_end_matches(')').split_once('(').unwrap();
        let page = format!("{name}.{section}");
        assert!(pages.contains(&page), "{page}: {pages:?}");
        let text = fs::read_to_string(folder.path().join(page)).unwrap();
        assert!(text.contains(&format!(".TH {name} {section} ")), "{text}");
    }
}

fn offered() {
    let help = String::from_utf8(run_it(voltar().arg("--help")).stdout).unwrap();
    assert!(help.contains("archive") && !help.contains("worker"), "{help}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run_it(voltar().args(["completions", shell]));
        assert!(!String::from_utf8_lossy(&output.stdout).contains("worker"), "{shell}");
    }
    for near in ["worke", "workers", "woker"] {
        let output = run_it(voltar().arg(near));
        assert_eq!(output.status.code(), Some(2));
        assert!(!stderr(&output).contains("'worker'"), "{}", stderr(&output));
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(run_it(voltar().arg("man").arg(folder.path())).status.success());
    assert!(!names(folder.path()).iter().any(|name| name.contains("worker")), "{:?}", names(folder.path()));
}

fn habits() {
    let image = guest();
    let image = format!("{}:p4", image.to_str().unwrap());
    let said = |arguments: &[&str]| {
        let output = run_it(voltar().args(arguments));
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(said(&["help", "diff"]), said(&["diff", "--help"]));
    assert_eq!(said(&["help", "config", "check"]), said(&["config", "check", "--help"]));
    assert!(said(&["ls", "--help"]).contains("Usage: voltar ls"));
    let long = said(&["ls", "-l", &image]);
    assert_eq!(said(&["ls", "-la", &image]), long);
    assert_eq!(said(&["ls", "-a", &image]), said(&["ls", &image]));
    let human = said(&["ls", "-lh", &image]);
    assert!(human.lines().count() == long.lines().count() && human.contains(" B "), "{human}");
    let found = said(&["find", &image, "--path", "*/*", "--type", "file"]);
    assert!(found.lines().count() > 0 && found.lines().all(|path| path.matches('/').count() > 1), "{found}");
    let zeros = run_it(voltar().args(["find", &image, "--path", "*/*", "--type", "file", "-print0"])).stdout;
    assert_eq!(zeros.iter().filter(|byte| **byte == 0).count(), found.lines().count());
}

fn messages() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let (image, file) = (guest(), file.to_str().unwrap().to_owned());
    let image = image.to_str().unwrap();
    let cases: [(&[&str], &str); 8] = [
        (&["cat", image], "name a file in it"),
        (&["cat", &format!("{image}:p4/etc")], "is a directory: name a file in it"),
        (&["ls", &format!("{image}:p9")], "there is no p9: it has p1.img, p2.img, p3, p4"),
        (&["stat", &format!("{image}:etc/fstab")], "there is no etc/fstab: it has p1.img"),
        (&["extract", image, "-C", &file], "is a file, and a folder is wanted"),
        (&["list", &file], "is a file, and a folder is wanted"),
        (&["find", image, "--uid", "x"], "expected a whole number"),
        (&["archive", image, "--threads", "0"], "expected a number from 1"),
    ];
    for (arguments, said) in cases {
        let output = run_it(voltar().args(arguments));
        assert!(
            !output.status.success() && stderr(&output).contains(said),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains(arguments[1].split(':').next().unwrap()) || !said.starts_with("name")
        );
    }
}

fn diff_codes() {
    let image = guest();
    let whole = image.to_str().unwrap();
    let part = format!("{whole}:p4/etc");
    let cases: [(&[&str], i32, &str); 4] = [
        (&[whole, whole], 0, "summary"),
        (&[whole, &part], 1, "summary"),
        (&[whole, "/nowhere"], 2, "error"),
        (&[whole, &format!("{whole}:p4/nowhere")], 2, "error"),
    ];
    for (arguments, code, last) in cases {
        let output = run_it(voltar().arg("diff").args(arguments));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        let output = run_it(voltar().args(["diff", "--json"]).args(arguments));
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(code), ""), "{arguments:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.last().unwrap()["type"], last, "{text}");
    }
}

fn inspect() {
    let output = run_it(voltar().arg("inspect").arg(guest()));
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    for words in ["GPT", "p4", "ext4", "root", "vfat", "swap", "766f6c74-6172-4000-8000-000000000002"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let output = run_it(voltar().arg("inspect").arg("--json").arg(guest()));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["table"]["scheme"], "gpt");
    assert_eq!(json["volumes"][3]["filesystem"]["name"], "ext4");
    assert_eq!(json["volumes"].as_array().unwrap().len(), 6);
}
