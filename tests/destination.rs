//! A destination as a person meets it: what lies there, what is removed and what never is, and who may work in it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::time::{Duration, Instant};

mod common;

use common::trials::{Needs, run, trial};
use serde_json::{Value, json};
use tempfile::TempDir;
use voltar::calendar::{DAY_SECONDS, now, stamp};
use voltar::store::{Destination, open};

/// The ends of the names of one archive's files.
const FILES: [&str; 3] = ["", ".sha1", ".manifest.jsonl.zst"];

fn main() -> ExitCode {
    run(vec![
        trial("what lies in a destination is listed, as text and as JSON", &[], listed),
        trial("incomplete archives and those without a manifest are told from complete ones", &[], states),
        trial(
            "a manifest is read by zstd, head first and tail last",
            &[Needs::Tool("zstd", "zstd")],
            manifest,
        ),
        trial("prune says why it keeps, removes the rest, and then nothing more", &[], prune),
        trial("prune without a rule, or with one of nothing, is refused with exit code 2", &[], usage),
        trial("a configuration's rules hold for the volumes that it names", &[], planned),
        trial("what is not named as ours is left alone", &[], others),
        trial("what an interrupted removal left is shown by list and removed by prune", &[], orphans),
        trial("names that others chose can't steer the terminal", &[], hostile_names),
        trial("two at once are refused, and the second is told who the first is", &[], locked),
        trial(
            "a lock counts for other programs too, and goes with a process that is killed",
            &[Needs::Tool("flock", "util-linux")],
            killed,
        ),
        trial(
            "a destination that can't be written is listed, and not pruned",
            &[Needs::LoopMounts],
            read_only,
        ),
        trial("what can't be removed does not keep the rest, and is an error", &[Needs::LoopMounts], stuck),
        trial("a bind mount is a mount, a folder beside it is none", &[Needs::LoopMounts], bind_mount),
    ])
}

fn voltar() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voltar"));
    command.stdin(Stdio::null());
    command
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Runs `voltar` with these arguments, of which the second is the destination.
fn call(command: &str, destination: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    said(&voltar().arg(command).arg(destination).args(arguments).output().unwrap())
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn guest() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/guest.img")
}

/// A destination with archives of `web1` that were taken so many days ago.
fn destination(days_ago: &[i64]) -> TempDir {
    let destination = tempfile::tempdir().unwrap();
    let folder = destination.path().join("web1");
    fs::create_dir(&folder).unwrap();
    let model = destination.path().join("model.tar.zst");
    let output = voltar().arg("archive").arg(guest()).arg("-o").arg(&model).output().unwrap();
    assert!(output.status.success(), "{:?}", said(&output));
    for days in days_ago {
        for end in FILES {
            fs::copy(with_end(&model, end), with_end(&archive(destination.path(), *days), end)).unwrap();
        }
    }
    FILES.iter().for_each(|end| fs::remove_file(with_end(&model, end)).unwrap());
    destination
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(end);
    path.into()
}

/// The archive that was taken so many days ago, at noon in UTC.
fn archive(destination: &Path, days_ago: i64) -> PathBuf {
    destination.join("web1").join(format!("web1_{}.tar.zst", stamp(noon(days_ago))))
}

fn noon(days_ago: i64) -> i64 {
    // Yesterday is the first day whose noon is past for sure.
    now() / DAY_SECONDS * DAY_SECONDS + DAY_SECONDS / 2 - days_ago * DAY_SECONDS
}

fn listed() {
    let destination = destination(&[1, 2]);
    let (code, text, error) = call("list", destination.path(), &[]);
    assert_eq!((code, error.as_str()), (Some(0), ""), "{text}");
    assert!(text.starts_with("web1: 2 archives, "), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[1].contains("taken") && lines[1].contains("entries"), "{text}");
    let taken = |days| stamp(noon(days))[..10].to_owned();
    assert!(lines[2].trim_start().starts_with(&format!("{} 12:00:00 UTC", taken(2))), "{text}");
    assert!(
        lines[3].contains(&taken(1)) && lines[3].ends_with("  complete, 2 partitions stored as images"),
        "{text}"
    );
    assert!(text.contains("1 volume, 2 archives") && text.contains(" are free"), "{text}");

    let (code, text, _) = call("list", destination.path(), &["--volume", "web1", "--json"]);
    assert_eq!(code, Some(0));
    let json: Value = serde_json::from_str(&text).unwrap();
    let archives = json["volumes"][0]["archives"].as_array().unwrap();
    assert_eq!(archives.len(), 2);
    assert_eq!(archives[0]["taken"], noon(2));
    assert_eq!(archives[0]["complete"], true);
    assert_eq!(archives[0]["source"], guest().to_str().unwrap());
    let sizes = FILES.map(|end| fs::metadata(with_end(&archive(destination.path(), 2), end)).unwrap().len());
    assert_eq!(archives[0]["len_bytes"], sizes.iter().sum::<u64>());
    assert!(archives[0]["entries"].as_u64().unwrap() > 5 && archives[0]["data_bytes"].as_u64().unwrap() > 0);
    assert!(json["free_bytes"].as_u64().unwrap() > 0);

    // As the volume is called, and not only as its folder is.
    assert_eq!(call("list", destination.path(), &["--volume", "cinder-volumes/web1"]).0, Some(0));
    let (code, _, error) = call("list", destination.path(), &["--volume", "web2"]);
    assert!(code == Some(1) && error.contains("there are no archives of web2"), "{error}");
    let (code, _, error) = call("list", &destination.path().join("absent"), &[]);
    assert!(code == Some(1) && error.contains("there is no such folder"), "{error}");
}

fn states() {
    let destination = destination(&[1, 2, 3]);
    for end in FILES {
        fs::remove_file(with_end(&archive(destination.path(), 1), end)).unwrap();
    }
    // Its FAT partition can't be read as files.
    let mut command = voltar();
    command.arg("archive").arg(guest()).args(["--raw", "never", "-o"]).arg(archive(destination.path(), 1));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{:?}", said(&output));
    fs::remove_file(with_end(&archive(destination.path(), 2), ".manifest.jsonl.zst")).unwrap();
    let (_, text, _) = call("list", destination.path(), &[]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[2].contains("  complete") && lines[3].ends_with("NO WHOLE MANIFEST"), "{text}");
    assert!(lines[4].contains("INCOMPLETE: ") && lines[4].contains("issue"), "{text}");
    // The one complete archive stays, and the latest.
    let (_, text, _) = call("prune", destination.path(), &["--keep-last", "1", "--dry-run"]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[1].ends_with("keep: last 1 of 1, last complete"), "{text}");
    assert!(lines[2].ends_with("REMOVE"), "{text}");
    assert!(lines[3].ends_with("keep: incomplete last 1 of 1, latest"), "{text}");
}

fn manifest() {
    let destination = destination(&[1]);
    let manifest = with_end(&archive(destination.path(), 1), ".manifest.jsonl.zst");
    let output = Command::new("zstd").args(["--decompress", "--stdout"]).arg(&manifest).output().unwrap();
    let (code, text, error) = said(&output);
    assert_eq!(code, Some(0), "{error}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let records: Vec<&str> = lines.iter().map(|line| line["record"].as_str().unwrap()).collect();
    assert_eq!((records[0], &records[records.len() - 2..]), ("head", &["frames", "tail"][..]));
    // The head, the entries, and the last two records: a frame each; and the table.
    let (_, text, error) =
        said(&Command::new("zstd").args(["--list", "-v"]).arg(&manifest).output().unwrap());
    assert!(text.contains("Frames: 3") || text.contains("# Zstandard Frames: 3"), "{text}{error}");
    assert!(text.contains("Skippable Frames: 1"), "{text}{error}");
}

fn prune() {
    let destination = destination(&[1, 2, 3, 40]);
    let folder = destination.path().join("web1");
    let before = names(&folder);
    let rules = ["--keep-daily", "2", "--keep-days", "2"];
    let (code, dry, error) = call("prune", destination.path(), &[&rules[..], &["--dry-run"]].concat());
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert_eq!(names(&folder), before, "a dry run");
    assert!(!destination.path().join(".voltar.lock").exists(), "a dry run");
    let lines: Vec<&str> = dry.lines().collect();
    assert_eq!(lines[0], "web1: 2 days, 2 daily");
    assert!(lines[1].ends_with("REMOVE") && lines[2].ends_with("REMOVE"), "{dry}");
    assert!(lines[3].contains("daily 2 of 2"), "{dry}");
    assert!(
        lines[4].ends_with("daily 1 of 2, last complete") && lines[4].contains("keep: within 2 days"),
        "{dry}"
    );
    assert!(dry.contains("\nwould remove 2 archives, "), "{dry}");

    let (code, text, _) = call("prune", destination.path(), &rules);
    assert_eq!(code, Some(0));
    assert_eq!(text.replace("\nremoved", "\nwould remove"), dry);
    assert_eq!(names(&folder).len(), 6);
    for days in [1, 2] {
        FILES.iter().for_each(|end| assert!(with_end(&archive(destination.path(), days), end).exists()));
    }
    let (_, text, _) = call("prune", destination.path(), &rules);
    assert!(text.contains("\nremoved 0 archives, 0 B\n"), "{text}");
}

fn usage() {
    let destination = destination(&[1, 2]);
    let cases: [(&[&str], &str); 3] = [
        (&[], "say what is to be kept"),
        (&["--keep-daily", "0"], "0 is not in 1.."),
        (&["--keep-days", "-1"], "unexpected argument"),
    ];
    for (arguments, message) in cases {
        let (code, _, error) = call("prune", destination.path(), arguments);
        assert_eq!(code, Some(2), "{arguments:?}");
        assert!(error.contains(message), "{arguments:?}: {error}");
    }
    assert_eq!(names(&destination.path().join("web1")).len(), 6);
}

fn planned() {
    let destination = destination(&[1, 2, 3]);
    let folder = destination.path().join("web1");
    // Archives of a volume that no source names any more.
    let old = destination.path().join("old");
    fs::create_dir(&old).unwrap();
    for end in FILES {
        let path = old.join(format!("old_{}.tar.zst", stamp(noon(900))));
        fs::copy(with_end(&archive(destination.path(), 3), end), with_end(&path, end)).unwrap();
    }
    let file = destination.path().join("voltar.toml");
    let at = destination.path().display();
    let text = format!(
        "[destination]\nfolder = \"{at}\"\n[retention]\nkeep_last = 2\n[[source]]\ngroup = \"vg0\"\ninclude = [\"web*\"]\n"
    );
    fs::write(&file, text).unwrap();
    let config = file.to_str().unwrap();
    let output = |arguments: &[&str]| said(&voltar().args(arguments).output().unwrap());

    let (code, text, error) = output(&["list", "--config", config]);
    assert_eq!(code, Some(0), "{error}");
    assert!(text.contains("no source of the configuration names it, so all of it is kept"), "{text}");
    let ends: Vec<&str> =
        text.lines().filter(|line| line.contains("  complete, 2 partitions stored as images  ")).collect();
    let [first, second, third] = ends[..] else { panic!("{text}") };
    assert!(first.ends_with("no more") && second.ends_with("last 2 of 2"), "{text}");
    assert!(third.ends_with("last 1 of 2, last complete"), "{text}");
    let json: Value = serde_json::from_str(&output(&["list", "--config", config, "--json"]).1).unwrap();
    let kept = |volume: usize, archive: usize| &json["volumes"][volume]["archives"][archive]["kept"];
    let expected = [json!([]), json!(["last 2 of 2"]), json!(["last 1 of 2", "last complete"])];
    assert_eq!([kept(1, 0), kept(1, 1), kept(1, 2)], expected.each_ref());
    assert_eq!(kept(0, 0), &Value::Null);

    let (code, text, error) = output(&["prune", "--config", config, "--dry-run", "--json"]);
    let json: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{error}"));
    assert_eq!((code, &json["dry_run"], &json["removed_archives"]), (Some(0), &json!(true), &json!(1)));
    let goes = |archive: usize| &json["volumes"][1]["archives"][archive]["goes"];
    assert_eq!([goes(0), goes(1), goes(2)], [&json!(true), &json!(false), &json!(false)]);
    assert_eq!((&json["volumes"][0]["retention"], &json["errors"]), (&Value::Null, &json!([])));

    let (code, text, error) = output(&["prune", "--config", config]);
    assert_eq!(code, Some(0), "{error}");
    assert!(text.starts_with("old: no source of the configuration names it"), "{text}");
    assert!(text.contains("removed 1 archive, "), "{text}");
    assert_eq!((names(&folder).len(), names(&old).len()), (6, 3));
    let (code, _, error) = output(&["prune", "--config", config, "--keep-last", "1"]);
    assert!(code == Some(2) && error.contains("cannot be used with"), "{error}");
    let (code, text, error) = output(&["list", "--config", config, "--volume", "web1"]);
    assert!(code == Some(0) && text.contains("1 volume, "), "{text}{error}");
    let (code, _, error) = output(&["prune", "--keep-last", "1"]);
    assert!(code == Some(2) && error.contains("for which DIR"), "{error}");
    if !Path::new("/etc/voltar/voltar.toml").exists() {
        for command in ["list", "prune"] {
            let (code, _, error) = output(&[command]);
            assert!(
                code == Some(2) && error.contains("/etc/voltar/voltar.toml: there is no configuration here"),
                "{error}"
            );
        }
    }
}

fn others() {
    let destination = destination(&[1, 50]);
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("web2_2020-01-01T000000Z.tar.zst");
    fs::write(&file, "").unwrap();
    // A link out of the destination, with names like ours behind it.
    symlink(elsewhere.path(), destination.path().join("web2")).unwrap();
    let mine = [
        "notes.txt",
        "web1_2020-01-01.tar.zst",
        "web1_2020-01-01T000000Z.tar.zst.old",
        "web2_2020-01-01T000000Z.tar.zst",
    ];
    for name in mine {
        fs::write(destination.path().join("web1").join(name), "mine").unwrap();
    }
    fs::write(destination.path().join("web1_2020-01-01T000000Z.tar.zst"), "mine").unwrap();
    let (code, text, _) = call("prune", destination.path(), &["--keep-last", "1"]);
    assert_eq!(code, Some(0));
    assert!(text.contains("removed 1 archive, "), "{text}");
    for name in mine {
        assert!(destination.path().join("web1").join(name).exists(), "{name}");
    }
    assert!(file.exists() && destination.path().join("web1_2020-01-01T000000Z.tar.zst").exists());
}

fn orphans() {
    let destination = destination(&[1, 2]);
    fs::remove_file(archive(destination.path(), 2)).unwrap();
    let (_, text, _) = call("list", destination.path(), &[]);
    assert!(
        text.contains("web1: 1 archive, ") && text.contains("2 files of archives that are gone"),
        "{text}"
    );
    let (code, text, _) = call("prune", destination.path(), &["--keep-last", "9"]);
    assert_eq!(code, Some(0));
    assert!(
        text.contains("removed 0 archives, ") && text.contains("and 2 files of archives that are gone"),
        "{text}"
    );
    assert_eq!(names(&destination.path().join("web1")).len(), 3);
}

fn hostile_names() {
    let destination = tempfile::tempdir().unwrap();
    let volume = "evil\u{1b}[2J\n\u{202e}x";
    fs::create_dir(destination.path().join(volume)).unwrap();
    fs::write(destination.path().join(volume).join(format!("{volume}_2026-05-09T010203Z.tar.zst")), "")
        .unwrap();
    for (command, arguments) in [("list", &[][..]), ("prune", &["--keep-last", "1", "-n"][..])] {
        let (code, text, _) = call(command, destination.path(), arguments);
        assert_eq!(code, Some(0));
        assert!(text.contains(r"evil\u{1b}[2J\n\u{202e}x: "), "{text:?}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
    }
}

fn plain(folder: &Path) -> Destination {
    Destination { folder: folder.to_path_buf(), require_mount: false, minimum_free: None }
}

fn locked() {
    let destination = destination(&[1, 2]);
    let lock = open(&plain(destination.path())).unwrap().lock().unwrap();
    let (code, _, error) = call("prune", destination.path(), &["--keep-last", "1"]);
    assert_eq!(code, Some(1));
    assert!(error.contains(&format!("is in use by process {} on ", std::process::id())), "{error}");
    assert_eq!(names(&destination.path().join("web1")).len(), 6);
    // Who only looks is not kept from it.
    assert_eq!(call("list", destination.path(), &[]).0, Some(0));
    assert_eq!(call("prune", destination.path(), &["--keep-last", "1", "--dry-run"]).0, Some(0));
    drop(lock);
    // A process that another test is just starting has the lock as well, until it is the program that it is to be.
    let began = Instant::now();
    while call("prune", destination.path(), &["--keep-last", "1"]).0 != Some(0) {
        assert!(began.elapsed() < Duration::from_secs(10), "the lock is still held");
    }
    assert_eq!(names(&destination.path().join("web1")).len(), 3);
}

fn killed() {
    let destination = destination(&[1, 2]);
    let rules = ["--keep-last", "1"];
    let mut holder = Command::new("flock");
    holder.arg("--no-fork").arg(destination.path().join(".voltar.lock")).args(["sleep", "60"]);
    let mut holder: Child = holder.spawn().unwrap();
    let begun = Instant::now();
    loop {
        // Until the lock is held, this removes nothing.
        let (code, _, error) = call("prune", destination.path(), &["--keep-last", "2"]);
        if code == Some(1) && error.contains("is in use by ") {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{error}");
    }
    holder.kill().unwrap();
    holder.wait().unwrap();
    let (code, _, error) = call("prune", destination.path(), &rules);
    assert_eq!((code, error.as_str()), (Some(0), ""));
}

fn mount(arguments: &[&str], at: &Path) {
    // A process that another test is just starting has this one's files open as well, until it is the program that it is to be.
    let began = Instant::now();
    loop {
        let output = Command::new(arguments[0]).args(&arguments[1..]).arg(at).output().unwrap();
        if output.status.success() {
            return;
        }
        let is_busy = String::from_utf8_lossy(&output.stderr).contains("busy");
        assert!(is_busy && began.elapsed() < Duration::from_secs(10), "{:?}", said(&output));
    }
}

fn read_only() {
    let model = destination(&[1, 2]);
    let point = tempfile::tempdir().unwrap();
    mount(&["mount", "-t", "tmpfs", "none"], point.path());
    fs::create_dir(point.path().join("web1")).unwrap();
    for name in names(&model.path().join("web1")) {
        fs::copy(model.path().join("web1").join(&name), point.path().join("web1").join(&name)).unwrap();
    }
    mount(&["mount", "-o", "remount,ro"], point.path());
    let list = call("list", point.path(), &[]);
    let dry = call("prune", point.path(), &["--keep-last", "1", "--dry-run"]);
    let prune = call("prune", point.path(), &["--keep-last", "1"]);
    mount(&["umount"], point.path());
    assert_eq!((list.0, dry.0, prune.0), (Some(0), Some(0), Some(1)));
    assert!(list.1.contains("2 archives") && dry.1.contains("would remove 1 archive"), "{list:?} {dry:?}");
    assert!(prune.2.contains("can't be locked: the filesystem is read-only"), "{}", prune.2);
}

fn stuck() {
    let destination = destination(&[1, 2, 3]);
    let held = archive(destination.path(), 3);
    // Nobody removes what something is mounted at.
    mount(&["mount", "--bind", held.to_str().unwrap()], &held);
    let (code, text, error) = call("prune", destination.path(), &["--keep-last", "1"]);
    mount(&["umount"], &held);
    assert_eq!(code, Some(1));
    assert!(text.contains("removed 1 archive, ") && error.contains(held.to_str().unwrap()), "{text}{error}");
    // Its sidecars are still there, since it is.
    assert_eq!(names(&destination.path().join("web1")).len(), 6);
}

fn bind_mount() {
    let folder = tempfile::tempdir().unwrap();
    let (point, beside) = (folder.path().join("point"), folder.path().join("beside"));
    for path in [&point, &beside] {
        fs::create_dir(path).unwrap();
    }
    let link = folder.path().join("link");
    symlink(&point, &link).unwrap();
    let wanted = |folder: &Path| Destination { require_mount: true, ..plain(folder) };
    let check = |folder: &Path| open(&wanted(folder)).unwrap().check();
    assert!(check(&point).is_err());
    // From the same filesystem: the device's number is the same.
    mount(&["mount", "--bind", beside.to_str().unwrap()], &point);
    let outcomes = [&point, &link, &beside].map(|path| check(path));
    fs::create_dir(point.join("within")).unwrap();
    let within = check(&point.join("within"));
    mount(&["umount"], &point);
    let [at, by_link, next] = outcomes;
    at.unwrap();
    by_link.unwrap();
    assert!(next.unwrap_err().to_string().contains("nothing is mounted here"));
    let within = within.unwrap_err().to_string();
    let above = format!("it is a folder of what is mounted at {}", point.display());
    assert!(within.contains(&above), "{within}");
}
