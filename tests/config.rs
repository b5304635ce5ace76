//! `voltar config` and `voltar systemd` as a person meets them, and what is written of them: the documentation has each key,
//! and systemd takes the units.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Output};

mod common;

use common::tools::{assert_success, output, said};
use common::trials::{Needs, run, trial};
use voltar::config::keys::{SECTIONS, Section};
use voltar::config::{EXAMPLE, parse, summary};

const ANALYZE: Needs = Needs::Tool("systemd-analyze", "systemd");

fn main() -> ExitCode {
    run(vec![
        trial("a configuration that is right is said in words, with exit code 0", &[], right),
        trial("one that is not gets its faults, with exit code 1", &[], wrong),
        trial("one that can't be read is an error in one line", &[], unreadable),
        trial("the example checks, also with everything that is commented out in it", &[], example),
        trial("the documentation has each key as the program knows it, and no other", &[], documentation),
        trial("systemd takes the units, whatever the configuration", &[ANALYZE], verified),
        trial("the service is closed off", &[ANALYZE], closed_off),
        trial("units are written under their names, or printed", &[], units),
    ])
}

fn voltar<const N: usize>(arguments: [&str; N]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_voltar")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A configuration in a file of its own.
fn written(folder: &Path, config: &str) -> String {
    let path = folder.join("voltar.toml");
    fs::write(&path, config).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn right() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), &everything());
    let output = voltar(["config", "check", &path]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let expected = format!(
        "\
source 1     volumes of the group cinder-volumes that match volume-*, without volume-*-scratch, volume-00000001, volume-00000002
  archived   zstd 3, sha1
  left out   lost+found, ./var/cache/*, ./tmp/*, ./swapfile
  snapshot   as large as the origin, or what is free, extended when it gets full
  kept       14 days, 6 monthly

source 2     the volume cinder-volumes/volume-00000001
  archived   zstd 3, sha1
  left out   lost+found, ./var/cache/*, ./tmp/*, ./swapfile
  snapshot   as large as the origin, or what is free, extended when it gets full
  freeze     virsh domfsfreeze instance-0000000a, in at most 30s
  thaw       virsh domfsthaw instance-0000000a, in at most 30s
  kept       30 days, 2 yearly

source 3     the volume cinder-volumes/volume-00000002
  archived   zstd 3, sha1
  left out   lost+found, ./var/cache/*, ./tmp/*, ./swapfile
  snapshot   as large as the origin, or what is free, extended when it gets full
  freeze     ssh -o BatchMode=yes root@db1 'mysqldump --all-databases --single-transaction > /var/backups/mysql.sql && sync', in at most 30m
  kept       14 days, 6 monthly

source 4     /var/lib/libvirt/images/build.img, as it is, without a snapshot
  archived   zstd 3, sha1, partitions 2
  left out   lost+found, ./var/cache/*, ./tmp/*, ./swapfile
  kept       14 days, 6 monthly

destination  /BACKUPS, where something must be mounted, where 10 % must be free
LVM          asked by sudo -n lvm
verified     the newest archive of each volume, and 10% of all (others each day), after each run
report       JSON in /var/lib/voltar/report.json
report       page in /var/lib/voltar/report.html
report       metrics in /var/lib/prometheus/node-exporter/voltar.prom
mail         to operations@example.org, from voltar@storage1.example.org, after each run, by mail.example.org:587 with STARTTLS, as voltar

{path} is right.
"
    );
    assert_eq!(text(&output.stdout), expected);
    let warning = "voltar: warning: /etc/voltar/password: the password can't be read: ";
    assert!(text(&output.stderr).starts_with(warning), "{}", said(&output));
}

fn wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), &EXAMPLE.replace("keep_days = 14", "keep_day = 14"));
    let output = voltar(["config", "check", &path]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{}", said(&output));
    let line = EXAMPLE.lines().position(|line| line == "keep_days = 14").unwrap() + 1;
    let expected = format!(
        "{path}:{line}:1: retention.keep_day: there is no such key in [retention]; did you mean keep_days?\n   |\n\
         {line} | keep_day = 14\n   | ^^^^^^^^\n"
    );
    assert_eq!(text(&output.stderr), expected);
    let output = voltar(["systemd", "--config", &path]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{}", said(&output));
}

fn unreadable() {
    let output = voltar(["config", "check", "/nowhere/voltar.toml"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let expected = "voltar: error: /nowhere/voltar.toml: there is no configuration here: name the one that \
                    you have, or begin with what \"voltar config example\" prints\n";
    assert_eq!(text(&output.stderr), expected);
}

/// The example with all that is commented out in it: lines that begin with # and no space.
fn everything() -> String {
    let lines = EXAMPLE.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn example() {
    let output = voltar(["config", "example"]);
    assert_eq!(
        (output.status.code(), text(&output.stdout).as_str()),
        (Some(0), EXAMPLE),
        "{}",
        said(&output)
    );
    let path = Path::new("example");
    let plan = parse(EXAMPLE, path).unwrap_or_else(|error| panic!("{error}"));
    assert!(
        summary(&plan).starts_with("source 1     volumes of the group cinder-volumes that match volume-*")
    );
    let plan = parse(&everything(), path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(plan.sources.len(), 4);
    assert!(plan.report.mail.is_some());
}

/// The rows of the table below a section's heading.
fn rows(section: &Section) -> String {
    let mut rows = String::from("| key | takes | default | meaning |\n|---|---|---|---|\n");
    for key in section.keys {
        let default = if key.default.is_empty() { "—" } else { key.default };
        rows.push_str(&format!("| `{}` | {} | {default} | {} |\n", key.name, key.takes, key.meaning));
    }
    rows
}

fn documentation() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let text = fs::read_to_string(path).unwrap();
    let mut tables = 0;
    for section in SECTIONS.into_iter().filter(|section| section.name != "source.retention") {
        let heading = match section.name {
            "" => "## The top of the file\n".to_owned(),
            _ => format!("## `{}`\n", section.header),
        };
        let below = text.split_once(&heading).unwrap_or_else(|| panic!("{heading} is not there")).1;
        let below = below.split("\n## ").next().unwrap();
        let rows = rows(section);
        assert!(below.contains(&rows), "below {heading} there should be\n{rows}");
        tables += 1;
    }
    assert_eq!(text.matches("| key | takes |").count(), tables);
    let examples: Vec<&str> =
        text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() >= 3);
    for example in examples {
        let source = if example.contains("[[source]]") { "" } else { "[[source]]\ngroup = \"g\"\n" };
        let place = if example.contains("[destination]") { "" } else { "[destination]\nfolder = \"/d\"\n" };
        let whole = format!("{example}\n{source}{place}");
        parse(&whole, Path::new("docs/configuration.md")).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// What `systemd-analyze security` may say of a service at most, in tenths: 0 is closed off, 100 is not at all. That the
/// configuration lies in a temporary folder is worth two of them, that the program lies in a home one.
const LVM: u32 = 25;
const IMAGES: u32 = 18;
const HOOK: u32 = 32;
const SENDMAIL: u32 = 38;
/// Without what takes new privileges away from who is not root, and so from sudo.
const SUDO: u32 = 71;

/// Configurations whose services differ, with what may be said of them.
fn configurations() -> [(&'static str, String, u32); 5] {
    let example = EXAMPLE.replace("require_mount", "#require_mount");
    let image = "[[source]]\nimage = \"/srv/a b%c.img\"\n[destination]\nfolder = \"/BACK UPS\"\n".to_owned();
    let hook = EXAMPLE.replace("[\"virsh\", \"domfsfreeze\",", "[\"ssh\", \"db1\",");
    let mail = format!("{EXAMPLE}[report.mail]\nfrom = \"a@example.org\"\nto = [\"b@example.org\"]\n");
    [
        ("the example", example, LVM),
        ("images alone", image, IMAGES),
        ("a hook with network", hook, HOOK),
        ("sendmail", mail, SENDMAIL),
        ("sudo", everything(), SUDO),
    ]
}

fn verified() {
    let folder = tempfile::tempdir().unwrap();
    for (name, config, _) in configurations() {
        let path = written(folder.path(), &config);
        let units = folder.path().to_str().unwrap();
        assert_success(name, &voltar(["systemd", "--config", &path, "--output", units]));
        let [service, timer] = ["voltar.service", "voltar.timer"].map(|unit| folder.path().join(unit));
        let verified = output(
            "systemd-analyze",
            [
                "verify".as_ref(),
                "--man=no".as_ref(),
                "--recursive-errors=no".as_ref(),
                service.as_os_str(),
                timer.as_os_str(),
            ],
        );
        assert_success(name, &verified);
        assert_eq!(said(&verified), "stdout: \nstderr: ", "{name}");
    }
}

fn closed_off() {
    let folder = tempfile::tempdir().unwrap();
    for (name, config, most) in configurations() {
        let path = written(folder.path(), &config);
        let units = folder.path().to_str().unwrap();
        assert_success(name, &voltar(["systemd", "--config", &path, "--output", units]));
        let service = folder.path().join("voltar.service");
        let security = output(
            "systemd-analyze",
            ["security".as_ref(), "--offline=true".as_ref(), "--no-pager".as_ref(), service.as_os_str()],
        );
        let told = text(&security.stdout);
        let score = told.lines().last().unwrap_or_default();
        let digits: String =
            score.split(": ").nth(1).unwrap_or_default().chars().take_while(|c| *c != ' ').collect();
        let tenths: u32 =
            digits.replace('.', "").parse().unwrap_or_else(|_| panic!("{name}: {}", said(&security)));
        assert!(tenths <= most, "{name}: {score}\n{told}");
    }
}

fn units() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), EXAMPLE);
    let printed =
        voltar(["systemd", "--config", &path, "--program", "/opt/voltar", "--on-calendar", "Sun 03:00"]);
    assert_success("systemd", &printed);
    let printed = text(&printed.stdout);
    assert!(printed.starts_with("# voltar.service\n# Made by `voltar systemd` for "), "{printed}");
    assert!(printed.contains(&format!("\nExecStart=/opt/voltar run --config {path}\n")), "{printed}");
    assert!(printed.contains("\n# voltar.timer\n[Unit]\n") && printed.contains("\nOnCalendar=Sun 03:00\n"));

    let units = folder.path().join("units");
    let arguments = ["systemd", "--config", &path, "--output", units.to_str().unwrap()];
    assert_eq!(voltar(arguments).status.code(), Some(1));
    fs::create_dir(&units).unwrap();
    for _ in 0..2 {
        assert_success("systemd --output", &voltar(arguments));
    }
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(&units).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o644);
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["voltar.service", "voltar.timer"]);
    assert_eq!(voltar(["systemd", "--config", &path, "--user", "nobody"]).status.code(), Some(2));
}
