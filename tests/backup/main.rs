//! Backups of volumes by the program itself, with a script in LVM's place: what is left behind, whatever happens, and what is said.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime};

#[path = "../common/mod.rs"]
mod common;
mod night;
mod place;

use common::tools;
use common::trials::{Needs, run, trial};
use place::{Place, VOLUME, expect, guest, names, noise, said, stderr, stdout, voltar, wait_for};
use rustix::process::{Pid, Signal, kill_process};

/// A block device is a loop device here, and its node is made below /dev.
const DEVICES: &[Needs] = &[Needs::LoopMounts];

fn main() -> ExitCode {
    run(vec![
        trial("a volume becomes the archive that its disk would", DEVICES, whole),
        trial("what there is to know is said as JSON, too", DEVICES, json),
        trial("a snapshot that overflowed never becomes an archive", DEVICES, overflow),
        trial("an overflow in the middle stops the reading", DEVICES, overflow_in_the_middle),
        trial("a snapshot that gets full is extended where that is allowed", DEVICES, extended),
        trial("signals end a backup in order", DEVICES, signals),
        trial("after SIGKILL nothing goes on, and clean finds the snapshot", DEVICES, killed),
        trial("the next backup removes what a killed one left", DEVICES, next),
        trial("a worker that is killed takes nothing along but itself", DEVICES, worker_killed),
        trial(
            "all threads of the worker are in the sandbox, and who started it never opens the disk",
            DEVICES,
            apart,
        ),
        trial("a full destination publishes nothing", DEVICES, full),
        trial("a hook that hangs is ended, and thaw runs", DEVICES, hanging_hook),
        trial("without space for a snapshot thaw runs all the same", DEVICES, no_space),
        trial("what is not put in order is an error, and the archive stays", DEVICES, not_in_order),
        trial(
            "a night: one volume that fails costs the others nothing, and retention does its work",
            DEVICES,
            night::whole,
        ),
        trial("a dry run says what a run would do, and does nothing", DEVICES, night::dry),
        trial(
            "a night verifies archives, and of a volume with a damaged one none is removed",
            DEVICES,
            night::verified,
        ),
        trial("of two runs the second is refused, and told who runs", DEVICES, night::second),
        trial("SIGTERM ends a night in order, and the rest is told as not begun", DEVICES, night::stopped),
        trial("an image is backed up without LVM", &[], image),
        trial("arguments that make no sense are refused with exit code 2", &[], usage),
        trial("a worker without a task says what it is", &[], lonely_worker),
    ])
}

fn whole() {
    let place = Place::new(&guest());
    let log = place.at("hooks");
    let hook = format!(
        "sh -c 'echo $VOLTAR_HOOK $VOLTAR_GROUP $VOLTAR_VOLUME $VOLTAR_DEVICE >> \"{}\"'",
        log.display()
    );
    let output = said(&mut place.backup(&["--freeze", &hook, "--thaw", &hook]));
    expect(
        &output,
        0,
        &["64.0 MiB, with space of its own", "partition 5: swap, skipped", "was frozen for 0."],
    );
    let files = place.files();
    let archive = &files[0];
    assert!(archive.starts_with(&format!("{VOLUME}_20")) && archive.ends_with("Z.tar.zst"), "{archive}");
    let sidecars = [".manifest.jsonl.zst", ".sha1"].map(|ending| format!("{archive}{ending}"));
    assert_eq!(files[1..], sidecars);
    assert_eq!(place.changes(), ["lvcreate", "lvremove"]);
    assert_eq!(place.snapshots(), [""; 0]);
    let told = format!("{0} {VOLUME} /dev/{0}/{VOLUME}", place.group);
    assert_eq!(fs::read_to_string(log).unwrap(), format!("freeze {told}\nthaw {told}\n"));

    let folder = place.at("backups").join(VOLUME);
    let direct = place.at("direct.tar.zst");
    assert!(said(voltar().arg("archive").arg(guest()).arg("-o").arg(&direct)).status.success());
    assert!(fs::read(folder.join(archive)).unwrap() == fs::read(direct).unwrap(), "the archives differ");
    tools::assert_success(
        "sha1sum",
        &said(Command::new("sha1sum").arg("-c").arg(&files[2]).current_dir(&folder)),
    );
    assert!(stdout(&output).contains(archive), "{}", stdout(&output));

    let manifest = zstd::decode_all(fs::File::open(folder.join(&files[1])).unwrap()).unwrap();
    let manifest = String::from_utf8(manifest).unwrap();
    let record = |line: Option<&str>| serde_json::from_str::<serde_json::Value>(line.unwrap()).unwrap();
    let (head, tail) = (record(manifest.lines().next()), record(manifest.lines().last()));
    assert_eq!(head["snapshot_of"], format!("{}/{VOLUME}", place.group));
    assert!(tail["finished"].as_u64() >= head["started"].as_u64());
}

fn json() {
    let place = Place::new(&guest());
    let output = said(&mut place.backup(&["--json", "--raw", "never"]));
    expect(&output, 3, &[]);
    let text = stdout(&output);
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let of_type = |name: &str| lines.iter().filter(|line| line["type"] == name).count();
    assert_eq!((of_type("issue"), of_type("summary"), of_type("error")), (2, 1, 0), "{text}");
    let summary = lines.last().unwrap();
    assert_eq!((&summary["issues"], &summary["complete"]), (&2.into(), &false.into()));
    assert_eq!(summary["snapshot_percent"], 12.5);
    let progress = lines.iter().rfind(|line| line["type"] == "progress").unwrap();
    let data = &summary["data_bytes"];
    assert!(data.as_u64() > Some(0), "{text}");
    assert_eq!([&progress["done_bytes"], &progress["total_bytes"]], [data; 2], "{text}");
}

fn overflow() {
    let place = Place::new(&guest());
    place.let_it("overflowed");
    let output = said(&mut place.backup(&[]));
    expect(&output, 1, &["snapshot overflowed", "nothing was published"]);
    assert_eq!(place.files(), [""; 0]);
    assert_eq!(place.changes(), ["lvcreate", "lvremove"]);
}

fn overflow_in_the_middle() {
    let images = tempfile::tempdir().unwrap();
    let place = Place::new(&noise(images.path()));
    let running = place.long_run(&["--json"]);
    place.let_it("overflowed");
    let output = running.output();
    let said = stdout(&output);
    assert!(output.status.code() == Some(1) && said.contains("snapshot overflowed"), "{said}");
    let mut lines = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let last = lines.rfind(|line| line["type"] == "progress");
    let is_whole = last.is_some_and(|line| line["done_bytes"].as_u64() >= line["total_bytes"].as_u64());
    assert!(!is_whole, "it was read to its end: {said}");
    assert_eq!(place.files(), [""; 0]);
    assert_eq!(place.snapshots(), [""; 0]);
}

fn extended() {
    let images = tempfile::tempdir().unwrap();
    let place = Place::new(&noise(images.path()));
    let running = place.long_run(&["--extend"]);
    fs::write(place.at("percent"), "81.00").unwrap();
    wait_for("lvextend", || place.changes().contains(&"lvextend".to_owned()));
    running.signal(Signal::TERM);
    expect(&running.output(), 1, &["was 81 % full"]);
}

fn signals() {
    let images = tempfile::tempdir().unwrap();
    let source = noise(images.path());
    // SIGINT ends the program itself, so that a shell's loop stops too.
    for (signal, code) in [(Signal::TERM, Some(1)), (Signal::INT, None), (Signal::HUP, Some(1))] {
        let place = Place::new(&source);
        let running = place.long_run(&[]);
        running.signal(signal);
        running.signal(signal);
        let output = running.output();
        assert_eq!(output.status.code(), code, "{signal:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("stopped by a signal"), "{signal:?}: {}", stderr(&output));
        assert_eq!(place.files(), [""; 0], "{signal:?}");
        assert_eq!(names(&place.at("backups")), [".voltar.lock"], "{signal:?}");
        assert_eq!(place.changes(), ["lvcreate", "lvremove"], "{signal:?}");
    }
}

/// Kills a backup in the middle, and waits until its worker has put itself away.
fn kill(place: &Place) {
    let running = place.long_run(&[]);
    let worker = running.worker();
    running.signal(Signal::KILL);
    running.output();
    wait_for("end of the worker", || !Path::new(&format!("/proc/{worker}")).exists());
}

fn killed() {
    let images = tempfile::tempdir().unwrap();
    let place = Place::new(&noise(images.path()));
    let running = place.long_run(&[]);
    let output = place.clean(&[]);
    expect(&output, 0, &[]);
    assert!(stdout(&output).contains(&format!("process {}, which took it, still runs", running.pid())));
    let name = format!("{}/{}", place.group, place.snapshots()[0]);
    let output = place.clean(&[&name]);
    expect(&output, 1, &[]);
    assert_eq!(place.changes(), ["lvcreate"]);

    let worker = running.worker();
    running.signal(Signal::KILL);
    running.output();
    wait_for("end of the worker", || !Path::new(&format!("/proc/{worker}")).exists());
    assert_eq!(place.files(), [""; 0]);
    assert_eq!(place.snapshots().len(), 1);
    let output = place.clean(&["--dry-run"]);
    assert_eq!(stdout(&output), format!("would remove {name}\n"));
    assert_eq!(place.snapshots().len(), 1);
    let output = place.clean(&[]);
    assert_eq!(stdout(&output), format!("removed {name}\n"), "{}", stderr(&output));
    assert_eq!(stdout(&place.clean(&[])), "nothing to remove\n");
}

fn next() {
    let images = tempfile::tempdir().unwrap();
    let place = Place::new(&noise(images.path()));
    kill(&place);
    assert_eq!(place.snapshots().len(), 1);
    let output = said(&mut place.backup(&["--level", "1"]));
    expect(&output, 0, &["which an earlier run left behind"]);
    assert_eq!(place.files().len(), 3);
    assert_eq!(place.changes(), ["lvcreate", "lvremove", "lvcreate", "lvremove"]);
}

fn worker_killed() {
    let images = tempfile::tempdir().unwrap();
    let place = Place::new(&noise(images.path()));
    let running = place.long_run(&[]);
    let worker = Pid::from_raw(i32::try_from(running.worker()).unwrap()).unwrap();
    kill_process(worker, Signal::KILL).unwrap();
    expect(&running.output(), 1, &["was ended by signal 9"]);
    assert_eq!(place.files(), [""; 0]);
    assert_eq!(place.changes(), ["lvcreate", "lvremove"]);
}

fn apart() {
    let images = tempfile::tempdir().unwrap();
    let place = Place::new(&noise(images.path()));
    let running = place.long_run(&[]);
    let worker = running.worker();
    let statuses = || -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{worker}/task")).unwrap();
        tasks.map(|task| fs::read_to_string(task.unwrap().path().join("status")).unwrap()).collect()
    };
    // The first, the one that hears, one that makes frames, one that writes.
    wait_for("fourth thread", || statuses().len() == 4);
    for status in statuses() {
        let has = |line: &str| status.lines().any(|found| found == line);
        assert!(has("NoNewPrivs:\t1") && has("Seccomp:\t2"), "{status}");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert!(has(&format!("{set}:\t0000000000000000")), "{status}");
        }
    }
    let opens = |pid: u32| {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
        let group = Path::new("/dev").join(&place.group);
        descriptors
            .filter(|entry| fs::read_link(entry.as_ref().unwrap().path()).unwrap().starts_with(&group))
            .count()
    };
    assert!(opens(worker) > 0);
    assert_eq!(opens(running.pid()), 0);
    // Ctrl-C in a terminal reaches the group of who started it, and not the worker.
    let group = |pid: u32| rustix::process::getpgid(Pid::from_raw(i32::try_from(pid).unwrap())).unwrap();
    assert_ne!(group(worker), group(running.pid()));
    running.signal(Signal::TERM);
    running.output();
}

fn full() {
    let images = tempfile::tempdir().unwrap();
    let place = Place::new(&noise(images.path()));
    let backups = place.at("backups");
    tools::run("mount", ["-t", "tmpfs", "-o", "size=4M", "none", backups.to_str().unwrap()]);
    let output = said(&mut place.backup(&[]));
    let left = names(&backups);
    tools::run("umount", [&backups]);
    let room = "no space is left (its filesystem of 4.0 MiB has ";
    let next = " were still to come: remove archives (voltar prune), or choose another destination";
    expect(&output, 1, &[room, next, backups.to_str().unwrap()]);
    assert_eq!(left, [".voltar.lock"]);
    assert_eq!(place.changes(), ["lvcreate", "lvremove"]);
}

fn hanging_hook() {
    let place = Place::new(&guest());
    let thawed = place.at("thawed");
    let thaw = format!("touch '{}'", thawed.display());
    let began = Instant::now();
    let output = said(&mut place.backup(&["--freeze", "sleep 60", "--thaw", &thaw, "--hook-timeout", "1"]));
    expect(&output, 1, &["freeze: sleep took longer than 1 s"]);
    assert!(began.elapsed() < Duration::from_secs(20));
    assert!(thawed.exists());
    assert_eq!(place.changes(), [""; 0]);
    assert_eq!(place.files(), [""; 0]);
}

fn no_space() {
    let place = Place::new(&guest());
    place.let_it("lvcreate.fails");
    let thawed = place.at("thawed");
    let thaw = format!("touch '{}'", thawed.display());
    let output = said(&mut place.backup(&["--thaw", &thaw, "--snapshot-size", "16M"]));
    expect(&output, 1, &["insufficient free space"]);
    assert!(thawed.exists());
    assert_eq!(place.files(), [""; 0]);
}

fn not_in_order() {
    let place = Place::new(&guest());
    let output = said(&mut place.backup(&["--quiet", "--thaw", "false"]));
    expect(&output, 1, &["may still be frozen: thaw: false failed with exit code 1"]);
    assert_eq!(place.files().len(), 3);

    let place = Place::new(&guest());
    place.let_it("lvremove.fails");
    let output = said(&mut place.backup(&["--quiet"]));
    expect(&output, 1, &["could not be removed", "voltar clean"]);
    assert_eq!(place.files().len(), 3);
    assert_eq!(place.snapshots().len(), 1);
}

fn image() {
    let folder = tempfile::tempdir().unwrap();
    let backups = folder.path().join("backups");
    fs::create_dir(&backups).unwrap();
    let mut command = voltar();
    command.arg("backup").arg(guest()).arg("--to").arg(&backups).args(["--lvm-command", "false"]);
    let output = said(&mut command);
    expect(&output, 0, &[]);
    assert_eq!(names(&backups.join("guest")).len(), 3);
    // The variable sets the times in an archive, and never its name: that of the next night is
    // another one.
    fs::remove_dir_all(backups.join("guest")).unwrap();
    let output = said(command.env("SOURCE_DATE_EPOCH", "1700000000"));
    expect(&output, 0, &[]);
    let made = names(&backups.join("guest"));
    assert!(made.len() == 3 && made.iter().all(|name| !name.contains("2023-11-14")), "{made:?}");
    // A second one of the same second would replace the first, so it does not.
    let begun = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    for second in begun..begun + 600 {
        let time = jiff::Timestamp::from_second(second as i64).unwrap().strftime("%Y-%m-%dT%H%M%SZ");
        fs::write(backups.join(format!("guest/guest_{time}.tar.zst")), "").unwrap();
    }
    let output = said(&mut command);
    expect(&output, 1, &["is there already"]);
}

fn usage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let cases: [&[&str]; 9] = [
        &["vg0/web"],
        &["web", "--to", path],
        &["vg0/web/x", "--to", path],
        &["vg0/web", "--to", path, "--snapshot-size", "some"],
        &["vg0/web", "--to", path, "--freeze", "'"],
        &["vg0/web", "--to", path, "--lvm-command", ""],
        &["vg0/web", "--to", path, "--hook-timeout", "0"],
        &["vg0/web", "--to", path, "--level", "99"],
        &["/dev/null", "--to", path, "--freeze", "true"],
    ];
    for arguments in cases {
        let output = said(voltar().arg("backup").args(arguments));
        expect(&output, 2, &[]);
        assert_eq!(names(folder.path()), [""; 0], "{arguments:?}");
    }
}

fn lonely_worker() {
    let output = said(voltar().arg("worker"));
    expect(&output, 1, &["this is what voltar starts for itself"]);
    assert!(!stdout(&said(voltar().arg("--help"))).contains("worker"));
}
