//! Publishing under failures and kills: after each there are the old files or the new ones, or the
//! next command mends what is there.
//!
//! `strace` kills the program, with all processes that it starts, at one system call after another,
//! or lets one after another fail. What a call is for plays no role: each that names, removes or
//! syncs a file has its turn.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

mod common;

use common::tools;
use common::trials::{Needs, run, trial};

const STRACE: &[Needs] = &[Needs::Tool("strace", "strace")];

/// Calls that name, remove and sync files.
const CALLS: &str = "linkat,renameat,renameat2,rename,unlinkat,unlink,fsync,fdatasync";

/// More turns than a command takes: it must come to an end by itself before.
const TURNS_MOST: usize = 60;

fn main() -> ExitCode {
    run(vec![
        trial("a new archive that is killed at any call can be made again", STRACE, new_killed),
        trial("of a replaced archive the old files or the new ones are there after any kill", STRACE, killed),
        trial("of a replaced archive the old files are there after any failure", STRACE, failing),
        trial("a failure publishes nothing, and leaves nothing", STRACE, new_failing),
        trial("another digest leaves no checksum file of the old archive", &[], other_digest),
        trial(
            "a run that is killed at any call leaves nothing that the next one does not mend",
            STRACE,
            runs,
        ),
        trial("a report that is killed at any call is the old one or the new one", STRACE, reports),
        trial("a restore that is killed at any call leaves no image and no hidden file", STRACE, restores),
        trial(
            "a restore that is killed at any write leaves a target that looks like nothing",
            STRACE,
            targets,
        ),
        trial("many archives into one folder take nothing from each other", &[], at_once),
        trial("files of others whose names look like ours stay", &[], foreign),
        trial("only a regular file is ever replaced", &[Needs::Root], replaced),
        trial("a name of another format is refused", &[], names),
        trial("a volume's folder that is a link is a folder everywhere", &[], linked),
    ])
}

/// A folder with two images in it: an old one and a new one.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tools::temporary_folder();
        for (name, label) in [("old.img", "old"), ("new.img", "new")] {
            let path = folder.path().join(name);
            fs::File::create(&path).and_then(|file| file.set_len(4 << 20)).expect("an image");
            let content = folder.path().join(label);
            fs::create_dir(&content).expect("a folder");
            fs::write(content.join("file"), label.repeat(1000)).expect("a file");
            let mut mke2fs = tools::command("mke2fs");
            mke2fs.args(["-q", "-F", "-t", "ext4", "-L", label, "-d"]).arg(&content).arg(&path);
            tools::assert_success("mke2fs", &mke2fs.output().expect("mke2fs starts"));
            fs::remove_dir_all(&content).expect("removed");
        }
        fs::create_dir(folder.path().join("out")).expect("a folder");
        Self { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes the output folder empty.
    fn empty(&self) {
        fs::remove_dir_all(self.at("out")).and_then(|()| fs::create_dir(self.at("out"))).expect("a folder");
    }

    /// The program with these words, in the folder.
    fn voltar(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_voltar"));
        command.args(words.split(' ')).current_dir(self.folder.path());
        command
    }

    /// Runs the program, which ends with this code.
    fn expect(&self, words: &str, code: i32) -> String {
        let output = self.voltar(words).output().expect("voltar starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "voltar {words}: {said}");
        said
    }

    /// Runs it with something done to the call of this number among `calls`. `None` when there are
    /// not as many calls.
    fn injected(&self, words: &str, calls: &str, what: &str, number: usize) -> Option<Output> {
        let log = self.at("strace.log");
        let mut strace = tools::command("strace");
        strace.args(["-f", "-qq", "-o"]).arg(&log).arg("-e").arg(format!("trace={calls}"));
        strace.arg("-e").arg(format!("inject={calls}:{what}:when={number}"));
        strace.arg(env!("CARGO_BIN_EXE_voltar")).args(words.split(' ')).current_dir(self.folder.path());
        let output = strace.output().expect("strace starts");
        let log = fs::read_to_string(&log).unwrap_or_default();
        let was_hit = log.contains("(INJECTED)") || log.contains("+++ killed by SIGKILL");
        was_hit.then_some(output)
    }

    /// Does something to each call in turn, and checks what is there afterwards.
    fn each(&self, words: &str, calls: &str, what: &str, before: impl Fn(), after: impl Fn(usize, &Output)) {
        let mut hit = 0;
        for number in 1..=TURNS_MOST {
            before();
            match self.injected(words, calls, what, number) {
                Some(output) => after(number, &output),
                None => {
                    assert!(number > 1, "voltar {words}: none of the calls {calls} was made");
                    return;
                }
            }
            hit = number;
        }
        assert!(hit < TURNS_MOST, "voltar {words} makes more than {TURNS_MOST} of the calls {calls}");
    }

    /// Whether the archive is sound, and which image it is of.
    fn is_of(&self, archive: &str) -> String {
        self.expect(&format!("verify -q {archive}"), 0);
        let folder = self.at(archive).parent().expect("a folder").to_owned();
        let sums: Vec<PathBuf> =
            names_in(&folder).into_iter().filter(|name| is_sum(name)).map(|name| folder.join(name)).collect();
        assert_eq!(sums.len(), 1, "checksum files: {sums:?}");
        let program =
            if sums[0].extension().is_some_and(|end| end == "sha1") { "sha1sum" } else { "sha256sum" };
        let mut check = tools::command(program);
        let checked = check
            .args(["--check", "--quiet"])
            .arg(&sums[0])
            .current_dir(&folder)
            .output()
            .expect("it starts");
        tools::assert_success(program, &checked);
        let output = self.voltar(&format!("cat {archive}:file")).output().expect("voltar starts");
        String::from_utf8_lossy(&output.stdout[..3]).into_owned()
    }

    /// No file in the output folder is hidden, and as many are there as that.
    fn holds(&self, count: usize) {
        let names = names_in(&self.at("out"));
        assert!(names.iter().all(|name| !name.starts_with('.')), "{names:?}");
        assert_eq!(names.len(), count, "{names:?}");
    }
}

fn is_sum(name: &str) -> bool {
    [".sha1", ".sha256", ".blake3"].iter().any(|end| name.ends_with(end))
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The files of a folder with their content.
fn files_in(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    names_in(folder)
        .into_iter()
        .map(|name| (name.clone(), fs::read(folder.join(name)).expect("a file")))
        .collect()
}

const NEW: &str = "archive new.img -o out/a.tar.zst -q";
const OLD: &str = "archive old.img -o out/a.tar.zst -q";
const FORCED: &str = "archive new.img -o out/a.tar.zst -q --force";

fn new_killed() {
    let place = Place::new();
    place.each(
        NEW,
        CALLS,
        "signal=SIGKILL",
        || place.empty(),
        |number, _| {
            // Once the archive had its name, the command had done its work.
            let is_there = place.at("out/a.tar.zst").exists();
            let output = place.voltar(NEW).output().expect("voltar starts");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.success(), !is_there, "killed at call {number}: {said}");
            assert_eq!(place.is_of("out/a.tar.zst"), "new", "killed at call {number}");
            place.holds(3);
        },
    );
}

fn prepare_old(place: &Place) {
    place.empty();
    place.expect(OLD, 0);
}

fn killed() {
    let place = Place::new();
    for digest in ["", " --digest sha256"] {
        let words = format!("{FORCED}{digest}");
        place.each(
            &words,
            CALLS,
            "signal=SIGKILL",
            || prepare_old(&place),
            |number, _| {
                let of = place.is_of("out/a.tar.zst");
                assert!(["old", "new"].contains(&&*of), "killed at call {number}: {of}");
                place.expect(&words, 0);
                assert_eq!(place.is_of("out/a.tar.zst"), "new", "killed at call {number}");
                place.holds(3);
            },
        );
    }
}

fn failing() {
    let place = Place::new();
    for error in ["EIO", "ENOSPC", "EPERM"] {
        place.each(
            FORCED,
            CALLS,
            &format!("error={error}"),
            || prepare_old(&place),
            |number, output| {
                // A call whose failure costs nothing: something hidden that the next command
                // removes, a hard link that can be done without.
                let expected = if output.status.success() { "new" } else { "old" };
                assert_eq!(place.is_of("out/a.tar.zst"), expected, "{error} at call {number}");
                place.expect(FORCED, 0);
                assert_eq!(place.is_of("out/a.tar.zst"), "new", "{error} at call {number}");
                place.holds(3);
            },
        );
    }
}

fn new_failing() {
    let place = Place::new();
    for error in ["EIO", "ENOSPC"] {
        place.each(
            NEW,
            CALLS,
            &format!("error={error}"),
            || place.empty(),
            |number, output| {
                if !output.status.success() {
                    let names = names_in(&place.at("out"));
                    assert!(
                        names.iter().all(|name| name.starts_with('.')),
                        "{error} at call {number}: {names:?}"
                    );
                    place.expect(NEW, 0);
                }
                assert_eq!(place.is_of("out/a.tar.zst"), "new", "{error} at call {number}");
            },
        );
    }
}

fn other_digest() {
    let place = Place::new();
    place.expect(OLD, 0);
    place.expect(&format!("{FORCED} --digest sha256"), 0);
    assert_eq!(place.is_of("out/a.tar.zst"), "new");
    place.holds(3);
    // A checksum file alone is in the way, whatever its digest.
    fs::remove_file(place.at("out/a.tar.zst")).expect("removed");
    fs::remove_file(place.at("out/a.tar.zst.manifest.jsonl.zst")).expect("removed");
    let said = place.expect(NEW, 1);
    assert!(said.contains("a.tar.zst.sha256: exists already"), "{said}");
}

fn config(place: &Place, more: &str) {
    let text = format!(
        "[[source]]\nimage = {:?}\n[destination]\nfolder = {:?}\n{more}",
        place.at("new.img"),
        place.at("out")
    );
    fs::write(place.at("voltar.toml"), text).expect("a configuration");
}

const RUN: &str = "run --config voltar.toml -q";

/// Waits until the clock shows another second: archives are named after it.
fn next_second() {
    let second = || std::time::UNIX_EPOCH.elapsed().expect("a time").as_secs();
    let before = second();
    while second() == before {
        std::thread::yield_now();
    }
}

fn runs() {
    let place = Place::new();
    config(&place, "[retention]\nkeep_last = 1\n");
    place.expect(RUN, 0);
    let older = files_in(&place.at("out/new"));
    next_second();
    // An archive from before, which expires.
    let before = || {
        place.empty();
        fs::create_dir(place.at("out/new")).expect("a folder");
        older.iter().for_each(|(name, bytes)| {
            fs::write(place.at("out/new").join(name), bytes).expect("a file");
        });
    };
    place.each(RUN, CALLS, "signal=SIGKILL", before, |number, _| {
        next_second();
        place.expect(RUN, 0);
        let volume = place.at("out/new");
        let names = names_in(&volume);
        let archives: Vec<&String> = names.iter().filter(|name| name.ends_with(".tar.zst")).collect();
        assert_eq!(names.len(), 3 * archives.len(), "killed at call {number}: {names:?}");
        for archive in archives {
            place.expect(&format!("verify -q {}", volume.join(archive).display()), 0);
        }
    });
}

fn reports() {
    let place = Place::new();
    fs::create_dir(place.at("reports")).expect("a folder");
    let files = ["r.json", "r.html", "r.prom"].map(|name| place.at("reports").join(name));
    let [json, html, metrics] = &files;
    config(&place, &format!("[report]\njson = {json:?}\nhtml = {html:?}\nmetrics = {metrics:?}\n"));
    let before = || {
        fs::remove_dir_all(place.at("out/new")).unwrap_or_default();
        files.iter().for_each(|file| fs::write(file, "old").expect("a report"));
    };
    place.each(RUN, CALLS, "signal=SIGKILL", before, |number, _| {
        for file in &files {
            let text = fs::read_to_string(file).expect("a report");
            let is_new =
                [("json", "}\n"), ("html", "</html>\n"), ("prom", "\n")].iter().any(|(end, last)| {
                    file.extension().is_some_and(|found| found == *end) && text.ends_with(last)
                });
            assert!(text == "old" || is_new, "killed at call {number}: {}", file.display());
        }
        next_second();
        place.expect(RUN, 0);
        assert_eq!(names_in(&place.at("reports")), ["r.html", "r.json", "r.prom"], "killed at call {number}");
    });
}

const RESTORE: &str = "restore out/a.tar.zst --to restored/r.img -q";

fn restores() {
    let place = Place::new();
    place.expect(NEW, 0);
    let before = || {
        fs::remove_dir_all(place.at("restored")).unwrap_or_default();
        fs::create_dir(place.at("restored")).expect("a folder");
    };
    place.each(RESTORE, CALLS, "signal=SIGKILL", before, |number, _| {
        if !place.at("restored/r.img").exists() {
            place.expect(RESTORE, 0);
        }
        assert_eq!(names_in(&place.at("restored")), ["r.img"], "killed at call {number}");
        let image = place.at("restored/r.img");
        tools::assert_success("e2fsck", &tools::output("e2fsck", ["-fn".as_ref(), image.as_os_str()]));
    });
}

fn targets() {
    let place = Place::new();
    place.expect(NEW, 0);
    let target = place.at("target.img");
    // The old content is a filesystem, too.
    let before = || {
        fs::copy(place.at("old.img"), &target).expect("a target");
    };
    let words = "restore out/a.tar.zst --to target.img -q --force";
    before();
    place.expect(words, 0);
    let whole = files_in(&place.at("out"));
    assert_eq!(whole.len(), 3);
    let complete = fs::read(&target).expect("the target");
    let calls = "pwrite64,fsync,fdatasync,ftruncate";
    let mut turns = 0;
    for number in 1.. {
        before();
        let Some(_) = place.injected(words, calls, "signal=SIGKILL", number) else { break };
        turns = number;
        let found = fs::read(&target).expect("the target");
        // Nothing was written yet, or all was.
        if found == complete || found == fs::read(place.at("old.img")).expect("an image") {
            continue;
        }
        let output = place.voltar("inspect target.img --json").output().expect("voltar starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!said.contains("ext4"), "killed at call {number}: {said}");
        let blkid = tools::output("blkid", ["-p".as_ref(), target.as_os_str()]);
        assert_eq!(blkid.status.code(), Some(2), "killed at call {number}: {}", tools::said(&blkid));
        let mut dumpe2fs = tools::command("dumpe2fs");
        let dumped = dumpe2fs.arg("-h").arg(&target).output().expect("dumpe2fs starts");
        assert!(!dumped.status.success(), "killed at call {number}");
    }
    assert!(turns > 10, "only {turns} calls");
}

fn at_once() {
    const ARCHIVES: usize = 40;
    let place = Place::new();
    let mut running: Vec<_> = (0..ARCHIVES)
        .map(|number| {
            place
                .voltar(&format!("archive new.img -q -T 1 -o out/{number}.tar.zst"))
                .spawn()
                .expect("it starts")
        })
        .collect();
    for (number, child) in running.iter_mut().enumerate() {
        assert!(child.wait().expect("an end").success(), "archive {number}");
    }
    place.holds(3 * ARCHIVES);
}

fn foreign() {
    let place = Place::new();
    let foreign = [
        ".a.tar.zst.voltar-abcdef.part",
        ".voltar-report-abcdef.part",
        ".voltar-0123456789abcdef01234567.part",
        ".voltar-notes.publishing",
        "notes.part",
    ];
    foreign.iter().for_each(|name| fs::write(place.at("out").join(name), "mine").expect("a file"));
    place.expect(NEW, 0);
    place.expect(FORCED, 0);
    for name in foreign {
        assert_eq!(fs::read(place.at("out").join(name)).expect("still there"), b"mine", "{name}");
    }
}

fn replaced() {
    let place = Place::new();
    let at = |name: &str| place.at("out").join(name);
    let make = |words: &str| {
        let mut words = words.split(' ');
        let mut command = tools::command(words.next().expect("a program"));
        tools::assert_success(
            "it",
            &command.args(words).current_dir(place.at("out")).output().expect("it starts"),
        );
    };
    make("mknod null c 1 3");
    make("mknod disk b 7 250");
    make("mkfifo fifo");
    make("mkfifo b.tar.zst.sha1");
    fs::create_dir(at("c.tar.zst.manifest.jsonl.zst")).expect("a folder");
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).expect("a socket");
    symlink("/dev/null", at("link")).expect("a link");
    symlink("absent", at("dangling")).expect("a link");
    let kinds = |name: &str| fs::symlink_metadata(at(name)).expect("still there").file_type();
    for name in ["null", "disk", "fifo", "socket", "link", "dangling", "b.tar.zst", "c.tar.zst"] {
        for force in ["", " --force"] {
            let said = place.expect(&format!("archive new.img -q -o out/{name}{force}"), 1);
            assert!(said.contains("is never replaced") && !said.contains("--force"), "{name}: {said}");
            let is_stream = ["null", "disk", "fifo", "link"].contains(&name);
            assert_eq!(said.contains("use `-o - > out/"), is_stream || name == "b.tar.zst", "{name}: {said}");
        }
    }
    assert!(kinds("null").is_char_device() && kinds("disk").is_block_device() && kinds("fifo").is_fifo());
    assert!(kinds("socket").is_socket() && kinds("link").is_symlink() && kinds("dangling").is_symlink());
    place.expect("archive new.img -q -o a.tar.zst", 0);
    for name in ["null", "fifo", "socket", "dangling"] {
        let words = format!("restore a.tar.zst --to out/{name} --force -q");
        let said = place.expect(&words, 1);
        assert!(!said.contains("--force"), "{said}");
    }
    // Other outputs, each by its own way.
    symlink("/dev/null", at("link.prom")).expect("a link");
    for (key, name) in [("json", "null"), ("html", "fifo"), ("metrics", "link.prom")] {
        config(&place, &format!("[report]\n{key} = {:?}\n", at(name)));
        fs::remove_dir_all(at("new")).unwrap_or_default();
        let said = place.expect(RUN, 1);
        assert!(said.contains("is never replaced"), "{said}");
    }
    fs::create_dir(place.at("pages")).expect("a folder");
    symlink("/dev/null", place.at("pages/voltar.1")).expect("a link");
    assert!(place.expect("man pages", 1).contains("is never replaced"));
    assert!(kinds("null").is_char_device() && kinds("fifo").is_fifo() && kinds("link").is_symlink());
}

fn names() {
    let place = Place::new();
    for name in ["x.zip", "x.tar.xz", "x.7z", "x.tar.bz2", "x.tar.lz4", "x.qcow2", "x.img", "x.cpio.gz"] {
        for more in ["", " -c zstd", " --force"] {
            let said = place.expect(&format!("archive new.img -q -o out/{name}{more}"), 2);
            assert!(said.contains("end its name in one of .tar.zst"), "{name}: {said}");
        }
    }
    place.holds(0);
    place.expect("archive new.img -q -o out/a.gz", 0);
    assert_eq!(fs::read(place.at("out/a.gz")).expect("an archive")[..2], [0x1f, 0x8b]);
}

fn linked() {
    let place = Place::new();
    config(&place, "[retention]\nkeep_last = 1\n");
    fs::create_dir(place.at("elsewhere")).expect("a folder");
    symlink(place.at("elsewhere"), place.at("out/new")).expect("a link");
    place.expect(RUN, 0);
    next_second();
    place.expect(RUN, 0);
    assert_eq!(names_in(&place.at("elsewhere")).len(), 3);
    let listed = place.voltar("list out").output().expect("voltar starts");
    assert!(String::from_utf8_lossy(&listed.stdout).contains("1 volume, 1 archive"));
    fs::rename(place.at("elsewhere"), place.at("unmounted")).expect("renamed");
    let said = place.expect(RUN, 1);
    assert!(said.contains("is a link that leads to nothing: mount what it leads to"), "{said}");
}
