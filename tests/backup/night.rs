//! `voltar run`: many volumes by a configuration.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::place::{
    Place, VOLUME, expect, guest, names, noise, said, stderr, stdout, voltar, wait_for_worker,
};

/// A configuration of the group and of images, of which the latest archive is kept.
fn configured(place: &Place, images: &[&Path]) -> PathBuf {
    let quoted: Vec<String> = place.lvm_words().iter().map(|word| format!("{word:?}")).collect();
    let images: Vec<String> = images.iter().map(|image| format!("[[source]]\nimage = {image:?}\n")).collect();
    let text = format!(
        "lvm_command = [{}]\n[[source]]\ngroup = {:?}\n{}\n[destination]\nfolder = {:?}\n\
         [retention]\nkeep_last = 1\n[report]\njson = {:?}\n",
        quoted.join(", "),
        place.group,
        images.concat(),
        place.at("backups"),
        place.at("report.json"),
    );
    let path = place.at("voltar.toml");
    fs::write(&path, text).unwrap();
    path
}

fn night(config: &Path) -> Command {
    let mut command = voltar();
    command.arg("run").arg("--config").arg(config);
    command
}

fn archives(place: &Place, folder: &str) -> Vec<String> {
    names(&place.at("backups").join(folder)).into_iter().filter(|name| name.ends_with(".tar.zst")).collect()
}

/// Waits until the clock shows another second: an archive is named after it.
fn another_second() {
    std::thread::sleep(std::time::Duration::from_millis(1100));
}

/// The beginning of an image of another format, which can't be archived.
const QED: &[u8] = b"QED\0\0\0\x01\0";

pub fn whole() {
    let place = Place::new(&guest());
    let (image, broken) = (place.at("build.img"), place.at("broken.img"));
    fs::copy(guest(), &image).unwrap();
    fs::write(&broken, QED).unwrap();
    let config = configured(&place, &[&broken, &image]);
    let output = said(&mut night(&config));
    expect(&output, 1, &["broken.img", "(2 of 3)", "qemu-img convert"]);
    assert!(stdout(&output).contains(VOLUME), "{}", stdout(&output));
    let first = [archives(&place, VOLUME), archives(&place, "build")].map(|archives| archives[0].clone());
    assert_eq!(names(&place.at("backups")), [".voltar.lock", "build", VOLUME]);
    let report: Value = serde_json::from_slice(&fs::read(place.at("report.json")).unwrap()).unwrap();
    assert_eq!(report["volumes"].as_array().unwrap().len(), 3, "{report}");

    // Now the other image is the broken one: it keeps what it has.
    another_second();
    fs::write(&image, QED).unwrap();
    fs::copy(guest(), &broken).unwrap();
    let output = said(&mut night(&config));
    expect(&output, 1, &["build.img"]);
    let second = [archives(&place, VOLUME), archives(&place, "build")];
    assert_eq!((second[0].len(), second[1].len()), (1, 1));
    assert_ne!(second[0][0], first[0], "the old archive is still there");
    assert_eq!(second[1][0], first[1], "what failed lost an archive");
    assert_eq!(archives(&place, "broken").len(), 1);

    fs::copy(guest(), &image).unwrap();
    another_second();
    expect(&said(&mut night(&config)), 0, &[]);
    assert_eq!(place.changes(), ["lvcreate", "lvremove"].repeat(3));
}

pub fn dry() {
    let place = Place::new(&guest());
    let config = configured(&place, &[&guest(), Path::new("/nowhere/at/all.img")]);
    let output = said(night(&config).arg("--dry-run"));
    expect(&output, 1, &[]);
    let text = stdout(&output);
    for words in
        [VOLUME, "68.0 MiB for changes", "read as it is", "WOULD FAIL", "3 volumes; nothing was done"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert_eq!(names(&place.at("backups")), [""; 0]);
    assert_eq!(place.changes(), [""; 0]);
    assert!(!place.at("report.json").exists());
    let output = said(night(&config).args(["--dry-run", "--json"]));
    let preview: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(preview["volumes"].as_array().unwrap().len(), 3);
}

/// A night that takes long, once it has begun to write.
fn long(config: &Path) -> Child {
    let mut command = night(config);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_worker(child.id());
    child
}

fn slow(place: &Place) -> PathBuf {
    let config = configured(place, &[&guest()]);
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{text}[defaults]\nlevel = 19\nthreads = 1\n")).unwrap();
    config
}

fn end(child: Child, signal: Signal) -> Output {
    kill_process(Pid::from_child(&child), signal).unwrap();
    child.wait_with_output().unwrap()
}

pub fn second() {
    let images = tempfile::tempdir().unwrap();
    let place = Place::new(&noise(images.path()));
    let config = slow(&place);
    let first = long(&config);
    let output = said(&mut night(&config));
    expect(&output, 1, &[&first.id().to_string()]);
    assert_eq!(place.changes(), ["lvcreate"]);
    end(first, Signal::TERM);
}

pub fn stopped() {
    let images = tempfile::tempdir().unwrap();
    let place = Place::new(&noise(images.path()));
    let config = slow(&place);
    let output = end(long(&config), Signal::TERM);
    expect(&output, 1, &["stopped by a signal", "not begun"]);
    assert!(stdout(&output).contains("not begun"), "{} {}", stdout(&output), stderr(&output));
    assert_eq!(place.files(), [""; 0]);
    assert_eq!(place.changes(), ["lvcreate", "lvremove"]);
    assert!(place.at("report.json").exists());
}

/// Flips a bit in the middle of a file.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

pub fn verified() {
    let place = Place::new(&guest());
    let image = place.at("build.img");
    fs::copy(guest(), &image).unwrap();
    let config = configured(&place, &[&image]);
    let text = fs::read_to_string(&config).unwrap();
    let (page, metrics) = (place.at("report.html"), place.at("voltar.prom"));
    let more =
        format!("html = {page:?}\nmetrics = {metrics:?}\n[verify]\nnewest = true\nsample = \"100%\"\n");
    fs::write(&config, format!("{text}{more}")).unwrap();
    let report = || serde_json::from_slice::<Value>(&fs::read(place.at("report.json")).unwrap()).unwrap();

    let output = said(&mut night(&config));
    expect(&output, 0, &["verifying", "(2 of 2)"]);
    assert!(stdout(&output).contains("Verified - 2 archives\n"), "{}", stdout(&output));
    let told = report();
    assert_eq!((&told["verified_count"], &told["damaged_count"]), (&2.into(), &0.into()), "{told}");
    assert!(told["verified"].as_array().unwrap().iter().all(|one| one["status"] == "good"), "{told}");

    // One byte of an archive that would expire tonight: it stays, with all others of its volume.
    let old = place.at("backups").join(VOLUME).join(&archives(&place, VOLUME)[0]);
    damage(&old);
    let dry = stdout(&said(night(&config).arg("--dry-run")));
    for words in ["would verify the newest archive of each volume", old.to_str().unwrap()] {
        assert!(dry.contains(words), "{words}: {dry}");
    }
    another_second();
    let output = said(&mut night(&config));
    expect(&output, 1, &["DAMAGED", "voltar verify"]);
    let text = stdout(&output);
    assert!(text.contains("all complete, but 1 archive is DAMAGED"), "{text}");
    assert!(text.contains("Verified - 4 archives, 1 DAMAGED"), "{text}");
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(&format!("no archive in {VOLUME}/ was removed; \"voltar verify ")), "{text}");
    assert_eq!((archives(&place, VOLUME).len(), archives(&place, "build").len()), (2, 1));
    let told = report();
    assert_eq!((&told["status"], &told["damaged_count"]), (&"failed".into(), &1.into()), "{told}");
    let verified = told["verified"].as_array().unwrap();
    let damaged: Vec<&Value> = verified.iter().filter(|one| one["status"] != "good").collect();
    assert_eq!(damaged.len(), 1, "{told}");
    assert_eq!((&damaged[0]["path"], &damaged[0]["status"]), (&old.to_str().into(), &"damaged".into()));
    assert!(damaged[0]["findings"].to_string().contains("frame 0"), "{told}");
    let (page, metrics) = (fs::read_to_string(page).unwrap(), fs::read_to_string(metrics).unwrap());
    assert!(page.contains("DAMAGED") && page.contains("Verified archives"), "{page}");
    assert!(metrics.contains("voltar_damaged_archives 1\n"), "{metrics}");
    assert!(metrics.contains("voltar_verified_archives 4\n"), "{metrics}");

    // Without the damaged one all is as it was, and the last is kept.
    fs::remove_file(&old).unwrap();
    another_second();
    expect(&said(&mut night(&config)), 0, &[]);
    assert_eq!((archives(&place, VOLUME).len(), archives(&place, "build").len()), (1, 1));
}
