//! Publishing: files that are written whole, and what happens when something can't be done.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use libtest_mimic::Trial;
use serde_json::Value;
use voltar::config::plan::{Mail, MailWhen, Report, Transport};
use voltar::report::outcome::Outcome;
use voltar::report::{json, publish};

use crate::common::tools::temporary_folder;
use crate::common::trials::trial;
use crate::nights::{hostile, night, ten};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("files appear with their modes, and nothing beside them", &[], modes),
        trial("a file that is there is replaced, and keeps the mode that somebody gave it", &[], replaced),
        trial(
            "a file that can't be written is an error that names it, and the others are written",
            &[],
            unwritable,
        ),
        trial("a mail that can't be sent is told in the files", &[], mail_in_files),
        trial("the JSON has what programs ask for", &[], fields),
        trial("a path that is no UTF-8 is there in hexadecimal too", &[], no_utf8),
    ]
}

fn all(folder: &Path) -> Report {
    Report {
        json: Some(folder.join("night.json")),
        html: Some(folder.join("night.html")),
        metrics: Some(folder.join("voltar.prom")),
        mail: None,
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn modes() {
    let folder = temporary_folder();
    let report = all(folder.path());
    assert!(publish(&hostile(), &report).is_empty());
    assert_eq!(names(folder.path()), ["night.html", "night.json", "voltar.prom"]);
    let modes = [report.json, report.html, report.metrics].map(|path| mode(&path.unwrap()));
    assert_eq!(modes, [0o640, 0o640, 0o644]);
}

fn replaced() {
    let folder = temporary_folder();
    let report = all(folder.path());
    for path in [&report.json, &report.html, &report.metrics].map(|path| path.as_ref().unwrap()) {
        fs::write(path, "old").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o604)).unwrap();
    }
    assert!(publish(&night(1, 1), &report).is_empty());
    for (path, expected) in [(&report.json, 0o604), (&report.html, 0o604), (&report.metrics, 0o644)] {
        let path = path.as_ref().unwrap();
        assert_eq!(mode(path), expected, "{}", path.display());
        assert!(fs::read_to_string(path).unwrap().contains("voltar"));
    }
}

fn unwritable() {
    let folder = temporary_folder();
    let mut report = all(folder.path());
    report.html = Some(folder.path().join("no such folder/night.html"));
    let errors = publish(&night(1, 1), &report);
    assert_eq!(errors.len(), 1);
    let message = errors[0].to_string();
    assert!(message.contains("no such folder/night.html") && message.contains("No such file"), "{message}");
    assert_eq!(names(folder.path()), ["night.json", "voltar.prom"]);
}

fn mail_in_files() {
    let folder = temporary_folder();
    let mut report = all(folder.path());
    report.mail = Some(Mail {
        from: "voltar@example.org".to_owned(),
        to: vec!["root@example.org".to_owned()],
        when: MailWhen::Always,
        transport: Transport::Sendmail { program: folder.path().join("no-sendmail") },
    });
    let errors = publish(&night(1, 1), &report);
    assert_eq!(errors.len(), 1);
    assert!(errors[0].to_string().contains("no-sendmail: mail: the program can't be run"), "{}", errors[0]);
    let told: Value = serde_json::from_slice(&fs::read(report.json.unwrap()).unwrap()).unwrap();
    assert_eq!((&told["status"], &told["errors"][0]), (&"failed".into(), &errors[0].to_string().into()));
    let metrics = fs::read_to_string(report.metrics.unwrap()).unwrap();
    assert!(metrics.contains("\nvoltar_last_run_errors 1\n"), "{metrics}");
    assert!(fs::read_to_string(report.html.unwrap()).unwrap().contains("no-sendmail"));
}

fn fields() {
    let told = json(&ten());
    assert_eq!(told["status"], "failed");
    assert_eq!(told["summary"], "1 of 10 FAILED, 1 incomplete");
    assert_eq!(told["started_at"], "2011-10-06T23:00:01Z");
    assert_eq!((&told["failed_count"], &told["incomplete_count"]), (&1.into(), &1.into()));
    let volumes = told["volumes"].as_array().unwrap();
    let status: Vec<&str> = volumes.iter().map(|volume| volume["status"].as_str().unwrap()).collect();
    assert_eq!(status.iter().filter(|status| **status == "complete").count(), 8);
    assert_eq!((status[3], status[6]), ("failed", "incomplete"));
    assert!(volumes[3]["archive"].is_null() && volumes[3]["error"].as_str().unwrap().contains("overflowed"));
    assert_eq!(volumes[6]["archive"]["issue_count"], 23);
    assert_eq!(volumes[0]["removed"][0]["len_bytes"], 3_u64 << 30);
    assert!(volumes[0]["change_percent"].is_f64());
    let outcome = ten();
    assert_eq!(told["destination"]["archive_count"], outcome.history.len());
    let lengths: u64 = outcome.history.iter().map(|archive| archive.len_bytes).sum();
    assert_eq!(told["destination"]["archives_bytes"], lengths);
}

fn no_utf8() {
    use std::os::unix::ffi::OsStrExt as _;
    let mut outcome: Outcome = night(1, 0);
    outcome.destination = Path::new(std::ffi::OsStr::from_bytes(b"/b\xff")).into();
    let told = json(&outcome);
    assert_eq!(
        (&told["destination"]["path"], &told["destination"]["path_hex"]),
        (&"/b\u{fffd}".into(), &"2f62ff".into())
    );
}
