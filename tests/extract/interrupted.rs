//! Runs that end before they are done, and the next one.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use voltar::temporary::Name;

use crate::{Hostile, both_ways, extract, listing, voltar};

const FILES: usize = 1500;

/// Many files, so that a run can be killed among them, and further names of some.
fn many() -> Vec<u8> {
    let mut tar = Hostile::new();
    for number in 0..FILES {
        if number % 100 == 0 {
            tar = tar.directory(&format!("d{}", number / 100));
        }
        let directory = number / 100;
        tar = tar.file(&format!("d{directory}/f{number}"), &format!("{number} ").repeat(number % 700));
        if number % 50 == 7 {
            tar = tar.link(&format!("d{directory}/l{number}"), &format!("d{directory}/f{number}"));
        }
    }
    tar.bytes()
}

/// What is there but for what the program itself uses.
fn names(folder: &Path) -> usize {
    let directories = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    directories.map(|directory| fs::read_dir(directory).into_iter().flatten().count()).sum()
}

pub fn killed() {
    let folder = tempfile::tempdir().unwrap();
    let places = both_ways(folder.path(), &many());
    let whole = folder.path().join("whole");
    let (code, said) = extract(&places[0], &whole, &[]);
    assert_eq!(code, 0, "{said}");
    let expected = listing(&whole);
    assert!(expected.len() > FILES);
    for (index, place) in places.iter().enumerate() {
        for (round, options) in
            [&[][..], &["--keep"], &["--overwrite"]].iter().take(3 - 2 * index).enumerate()
        {
            let target = folder.path().join(format!("target-{index}-{round}"));
            let was_killed = (0..10).any(|attempt| {
                let _ = fs::remove_dir_all(&target);
                kill_after(place, &target, options, 100 + attempt * 100)
            });
            assert!(was_killed, "it was always done before it could be killed");
            let before = names(&target);
            assert!(before > 50 && before < FILES, "{before}");
            // What a killed run had not named yet; the name of its process is another.
            let state: serde_json::Value =
                serde_json::from_slice(&fs::read(target.join(".voltar-extract.json")).unwrap()).unwrap();
            let id = u64::from_str_radix(state["id"].as_str().unwrap(), 16).unwrap();
            assert!(target.join(Name::new(id, "places").to_string()).exists());
            let left_over = target.join("d0").join(Name::new(id, "extract-0-63").to_string());
            fs::write(&left_over, "half of").unwrap();
            let output = voltar()
                .arg("extract")
                .arg(place)
                .args(*options)
                .args(["--json", "-C"])
                .arg(&target)
                .output()
                .unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            assert_eq!(output.status.code(), Some(0), "{text}");
            let summary: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
            let made_before = summary["made_before"].as_u64().unwrap();
            assert!(made_before > 50, "{summary}");
            assert!(!left_over.exists());
            assert!(listing(&target) == expected, "after {made_before} were made before");
            let time = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
            for name in ["d0", "d14", "d3/f333"] {
                assert_eq!(time(&target.join(name)), time(&whole.join(name)), "{name}");
            }
        }
    }
}

/// What a killed run had begun in a directory that the next run does not enter. The list of such
/// directories is read as something that anybody may have written.
pub fn elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let target = at("target");
    fs::create_dir_all(target.join("d/e")).unwrap();
    fs::create_dir(at("outside")).unwrap();
    symlink(at("outside"), target.join("link")).unwrap();
    let begun = Name::new(1, "extract-1-0").to_string();
    let foreign = ".voltar-1.extract-1-0";
    for directory in ["target/d/e", "outside"] {
        for name in [begun.as_str(), foreign] {
            fs::write(at(directory).join(name), "half of").unwrap();
        }
    }
    let slot = (1 << 20) + 4096;
    let mut list = Vec::new();
    for (index, path) in ["../outside", "link", "absent", "d/e"].into_iter().enumerate() {
        list.resize(index * slot, 0);
        list.extend(u32::try_from(path.len()).unwrap().to_le_bytes());
        list.extend(path.as_bytes());
    }
    let name = target.join(Name::new(1, "places").to_string());
    fs::write(&name, list).unwrap();
    let [place, _] = both_ways(folder.path(), &Hostile::new().file("x", "content").bytes());
    // As long as the run is alive, nothing is touched.
    let alive = fs::File::open(&name).unwrap();
    alive.lock().unwrap();
    let (code, said) = extract(&place, &target, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(name.exists() && target.join("d/e").join(&begun).exists());
    drop(alive);
    let (code, said) = extract(&place, &target, &["--overwrite"]);
    assert_eq!(code, 0, "{said}");
    assert!(!name.exists() && !target.join("d/e").join(&begun).exists());
    assert!(target.join("d/e").join(foreign).exists());
    assert!(at("outside").join(&begun).exists() && at("outside").join(foreign).exists());
    let left = listing(&target).into_iter().filter(|(path, _)| path.ends_with(&begun)).count();
    assert_eq!(left, 0);
}

/// Whether the run was killed while it was under way.
fn kill_after(place: &Path, target: &Path, options: &[&str], files: usize) -> bool {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_voltar"));
    command.arg("extract").arg(place).args(options).args(["-q", "-C"]).arg(target);
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while names(target) < files && child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "nothing comes");
    }
    let _ = kill_process(Pid::from_child(&child), Signal::KILL);
    let status = child.wait().unwrap();
    !status.success() && target.join(".voltar-extract.json").exists()
}

/// An extraction that was killed, and whose state file somebody removed: the next one removes what it
/// had begun, whatever that is. What only looks like it stays, as does what another one makes.
pub fn forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let places =
        both_ways(folder.path(), &Hostile::new().file("d/f", "content").file("d/e/g", "more").bytes());
    for place in &places {
        let target = folder.path().join("target");
        let _ = fs::remove_dir_all(&target);
        fs::create_dir_all(target.join("d/e")).unwrap();
        let (mut left_over, mut foreign) = (Vec::new(), Vec::new());
        for (index, below) in [".", "d", "d/e"].into_iter().enumerate() {
            let name = |role: &str| target.join(below).join(Name::new(index as u64, role).to_string());
            fs::write(name("extract-1-0"), "half of").unwrap();
            symlink("nowhere", name("extract-1-1")).unwrap();
            left_over.extend([name("extract-1-0"), name("extract-1-1")]);
            let other = target.join(below).join(".voltar-1-1-1");
            fs::write(&other, "").unwrap();
            foreign.push(other);
        }
        let is_there = |path: &PathBuf| path.symlink_metadata().is_ok();
        // As another extraction holds it that makes something there.
        let busy = fs::File::open(target.join("d")).unwrap();
        busy.lock_shared().unwrap();
        assert_eq!(extract(place, &target, &["--overwrite"]).0, 0);
        let left: Vec<_> = left_over.iter().filter(|path| is_there(path)).collect();
        assert_eq!(left, [&left_over[2], &left_over[3]]);
        drop(busy);
        assert_eq!(extract(place, &target, &["--overwrite"]).0, 0);
        assert!(!left_over.iter().any(is_there) && foreign.iter().all(is_there));
        assert_eq!(fs::read(target.join("d/e/g")).unwrap(), b"more");
    }
}

pub fn another() {
    let folder = tempfile::tempdir().unwrap();
    let places = both_ways(folder.path(), &many());
    let target = folder.path().join("target");
    let was_killed = (0..10).any(|attempt| {
        let _ = fs::remove_dir_all(&target);
        kill_after(&places[0], &target, &[], 100 + attempt * 100)
    });
    assert!(was_killed, "it was always done before it could be killed");
    let there = listing(&target);
    for (place, options) in [(&places[1], &[][..]), (&places[0], &["--exclude", "x"])] {
        let (code, said) = extract(place, &target, options);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("a.tar") && said.contains(".voltar-extract.json"), "{said}");
        assert!(listing(&target) == there);
    }
    // What somebody changed meanwhile is not taken for what was made. Which files are there depends
    // on the threads.
    let is_file =
        |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"f"));
    let (changed, _) =
        there.iter().find(|(path, shown)| is_file(path) && shown.len() > 5).expect("a file with content");
    fs::write(target.join(changed), "mine").unwrap();
    let (code, said) = extract(&places[0], &target, &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("is there already") && said.contains(changed.to_str().unwrap()), "{said}");
    let (code, said) = extract(&places[0], &target, &["--keep"]);
    assert_eq!((code, fs::read_to_string(target.join(changed)).unwrap().as_str()), (0, "mine"), "{said}");
}

pub fn full() {
    let folder = tempfile::tempdir().unwrap();
    let random: Vec<u8> =
        (0..1_u32 << 20).flat_map(|number| (number.wrapping_mul(2_654_435_761)).to_le_bytes()).collect();
    let mut tar = Hostile::new();
    for number in 0..5 {
        tar = tar.member(::tar::EntryType::Regular, format!("f{number}").as_bytes(), b"", &random);
    }
    let places = both_ways(folder.path(), &tar.bytes());
    for place in places {
        let target = folder.path().join("target");
        fs::create_dir(&target).unwrap();
        let mount = |options: &str| {
            crate::common::tools::run(
                "mount",
                ["-t", "tmpfs", "-o", options, "none", target.to_str().unwrap()],
            );
        };
        mount("size=10m");
        let (code, said) = extract(&place, &target, &[]);
        let room = format!("no space is left in {} (its filesystem of 10.0 MiB has ", target.display());
        let parts = [&room, "what is complete stays; make room, and the same command goes on"];
        let is_clear = code == 1 && parts.iter().all(|part| said.contains(part));
        let complete = (0..5).filter(|number| target.join(format!("f{number}")).exists()).count();
        mount("remount,size=40m");
        let again = extract(&place, &target, &[]);
        let whole = (0..5)
            .all(|number| fs::read(target.join(format!("f{number}"))).is_ok_and(|bytes| bytes == random));
        let names = fs::read_dir(&target).unwrap().count();
        crate::common::tools::run("umount", [target.to_str().unwrap()]);
        fs::remove_dir(&target).unwrap();
        assert!(is_clear, "{said}");
        assert!(complete < 3, "{complete} of 4 MiB each on 10 MiB");
        assert_eq!((again.0, names, whole), (0, 5, true), "{}", again.1);
    }
}
