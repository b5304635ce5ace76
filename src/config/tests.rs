//! What a configuration comes to, and what is said of its faults.

mod any;
mod form;

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use crate::archive::{Algorithm, Compression, Raw};
use crate::config::plan::{MailWhen, Security, VolumeOptions, What};
use crate::config::*;
use crate::device::Io;
use crate::retention::Retention;
use crate::snapshot::{Size, VolumeName};
use crate::store::Free;
use crate::volume::{Reading, VolumeId};

const PATH: &str = "voltar.toml";

/// A source and a destination without a fault.
const RIGHT: &str = "[[source]]\ngroup = \"vg0\"\n[destination]\nfolder = \"/srv/backups\"\n";

fn told(text: &str) -> String {
    match check(text, Path::new(PATH)) {
        Ok(_) => "nothing".to_owned(),
        Err(error) => {
            assert_eq!(error.kind(), Kind::Usage);
            error.to_string()
        }
    }
}

fn right(text: &str) -> Loaded {
    check(text, Path::new(PATH)).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

#[test]
fn every_key_comes_to_what_it_says() {
    let text = r#"
        lvm_command = ["sudo", "-n", "lvm"]
        verify = { newest = true, sample = "10%" }
        [[source]]
        group = "cinder-volumes"
        include = ["volume-*"]
        exclude = ["volume-x"]
        [[source]]
        volume = "cinder-volumes/volume-1"
        exclude_files = ["*.log"]
        partitions = [1, 5]
        compression = "gzip"
        level = 9
        digest = "sha256"
        file_digest = "sha1"
        raw = "never"
        threads = 3
        strict = true
        keep_going = true
        io = "direct"
        sector_size = 4096
        max_output = "2T"
        sandbox = false
        snapshot_size = "50%ORIGIN"
        extend_snapshot = false
        freeze = ["freeze", ""]
        thaw = ["thaw"]
        hook_time_limit = "5m"
        retention = { keep_last = 3 }
        [[source]]
        image = "/srv/./web.img"
        [[source]]
        device = "/dev/sdb"
        journal = "/dev/vg0/journal"
        [defaults]
        exclude_files = ["lost+found"]
        compression = "zstd"
        level = 19
        extend_snapshot = true
        freeze = ["all"]
        [destination]
        folder = "/srv/backups/"
        require_mount = true
        minimum_free = "10%"
        [retention]
        keep_days = 14
        keep_last = 1
        keep_daily = 2
        keep_weekly = 3
        keep_monthly = 4
        keep_yearly = 5
        [report]
        json = "/r/a.json"
        html = "/r/a.html"
        metrics = "/r/a.prom"
        [report.mail]
        from = "Night <voltar@example.org>"
        to = ["a@example.org", "b@example.org"]
        when = "trouble"
        [report.mail.smtp]
        host = "mail.example.org"
        security = "tls"
        user = "voltar"
        password_file = "/etc/voltar/password"
        ca_file = "/etc/voltar/ca.pem"
    "#;
    let Plan { sources, destination, lvm_command, report, verify } = right(text).plan;
    assert_eq!(lvm_command, ["sudo", "-n", "lvm"]);
    let all: Vec<What> = sources.iter().map(|source| source.what.clone()).collect();
    let volume = VolumeName { group: "cinder-volumes".to_owned(), volume: "volume-1".to_owned() };
    let expected = [
        What::Group {
            group: "cinder-volumes".to_owned(),
            include: vec!["volume-*".to_owned()],
            // The last one has a source of its own.
            exclude: vec!["volume-x".to_owned(), "volume-1".to_owned()],
        },
        What::Volume(volume),
        What::Device(PathBuf::from("/srv/web.img")),
        What::Device(PathBuf::from("/dev/sdb")),
    ];
    assert_eq!(all, expected);

    let VolumeOptions { archive: group, snapshot } = &sources[0].options;
    assert_eq!((group.exclude.as_slice(), group.level), (["lost+found".into()].as_slice(), Some(19)));
    assert_eq!((snapshot.extend, snapshot.size, group.reading.has_sandbox), (true, Size::Automatic, true));
    assert_eq!(snapshot.hooks.freeze.as_deref(), Some(["all".to_owned()].as_slice()));
    assert_eq!(snapshot.hooks.time_limit, Duration::from_secs(60));
    let rules = Retention {
        keep_days: Some(14),
        keep_last: Some(1),
        keep_daily: Some(2),
        keep_weekly: Some(3),
        keep_monthly: Some(4),
        keep_yearly: Some(5),
    };
    assert_eq!(sources[0].retention, rules);

    let VolumeOptions { archive: own, snapshot } = &sources[1].options;
    assert_eq!(own.exclude, ["*.log"]);
    let volumes = [VolumeId::Partition(1), VolumeId::Partition(5)];
    assert_eq!((own.volumes.as_slice(), own.threads), (volumes.as_slice(), NonZeroU16::new(3)));
    assert_eq!((own.compression, own.level), (Compression::Gzip, Some(9)));
    assert_eq!((own.digest, own.file_digest, own.raw), (Algorithm::Sha256, Algorithm::Sha1, Raw::Never));
    assert_eq!((own.strict, own.max_output, own.keep_going), (true, Some(2 << 40), true));
    assert_eq!(
        own.reading,
        Reading { io: Io::Direct, sector_size: Some(4096), has_sandbox: false, ..Reading::default() }
    );
    assert_eq!(sources[3].options.archive.reading.journal.as_deref(), Some(Path::new("/dev/vg0/journal")));
    assert_eq!((snapshot.size, snapshot.extend), (Size::PercentOfOrigin(50), false));
    assert_eq!(snapshot.hooks.freeze.as_deref(), Some(["freeze".to_owned(), String::new()].as_slice()));
    assert_eq!(snapshot.hooks.thaw.as_deref(), Some(["thaw".to_owned()].as_slice()));
    assert_eq!(snapshot.hooks.time_limit, Duration::from_secs(300));
    assert_eq!(sources[1].retention, Retention { keep_last: Some(3), ..Retention::default() });
    // Nothing takes a snapshot of an image: the hooks of [defaults] are not for it.
    assert_eq!(sources[2].options.snapshot.hooks.freeze, None);

    assert_eq!(destination.folder, PathBuf::from("/srv/backups"));
    assert_eq!((destination.require_mount, destination.minimum_free), (true, Some(Free::Percent(10))));
    assert_eq!(verify, Some(crate::store::choice::Choice { newest: true, sample: "10%".parse().ok() }));
    let paths = [report.json, report.html, report.metrics];
    assert_eq!(paths, ["json", "html", "prom"].map(|end| Some(PathBuf::from(format!("/r/a.{end}")))));
    let mail = report.mail.unwrap();
    assert_eq!((mail.from.as_str(), mail.when), ("Night <voltar@example.org>", MailWhen::Trouble));
    assert_eq!(mail.to, ["a@example.org", "b@example.org"]);
    let smtp = Transport::Smtp {
        host: "mail.example.org".to_owned(),
        port: 465,
        security: Security::Tls,
        login: Some(("voltar".to_owned(), PathBuf::from("/etc/voltar/password"))),
        ca_file: Some(PathBuf::from("/etc/voltar/ca.pem")),
    };
    assert_eq!(mail.transport, smtp);
}

#[test]
fn every_key_that_is_not_there_has_its_default() {
    let Plan { sources, destination, lvm_command, report, verify } = right(RIGHT).plan;
    assert_eq!((lvm_command, verify), (vec!["lvm".to_owned()], None));
    assert_eq!((destination.require_mount, destination.minimum_free), (false, None));
    assert!(
        report.json.is_none() && report.html.is_none() && report.metrics.is_none() && report.mail.is_none()
    );
    let VolumeOptions { archive: options, snapshot } = &sources[0].options;
    assert!(options.exclude.is_empty() && options.volumes.is_empty() && !options.strict && !snapshot.extend);
    assert_eq!((options.compression, options.level), (Compression::Zstd, None));
    assert_eq!((options.digest, options.file_digest), (Algorithm::Sha1, Algorithm::Blake3));
    assert_eq!((options.raw, options.threads), (Raw::Auto, None));
    assert_eq!((options.max_output, options.reading.has_sandbox), (None, true));
    assert_eq!(sources[0].retention, Retention::default());
}

#[test]
fn mail_goes_by_sendmail_unless_a_server_is_named() {
    let mail = |more: &str| {
        let text = format!("{RIGHT}[report.mail]\nfrom = \"a@b\"\nto = [\"c@d\"]\n{more}");
        right(&text).plan.report.mail.unwrap()
    };
    assert_eq!(mail("").transport, Transport::Sendmail { program: PathBuf::from("/usr/sbin/sendmail") });
    assert_eq!(mail("").when, MailWhen::Always);
    let own = mail("sendmail = \"/opt/msmtp\"");
    assert_eq!(own.transport, Transport::Sendmail { program: PathBuf::from("/opt/msmtp") });
    for (security, port) in [("starttls", 587), ("tls", 465), ("none", 25)] {
        let smtp = mail(&format!("[report.mail.smtp]\nhost = \"::1\"\nsecurity = \"{security}\""));
        assert!(matches!(smtp.transport, Transport::Smtp { port: found, .. } if found == port), "{security}");
    }
}

#[test]
fn a_compression_of_its_own_takes_no_level_from_the_defaults() {
    let text =
        format!("{RIGHT}[[source]]\nvolume = \"vg0/a\"\ncompression = \"gzip\"\n[defaults]\nlevel = 19\n");
    let sources = right(&text).plan.sources;
    assert_eq!((sources[0].options.archive.level, sources[1].options.archive.level), (Some(19), None));
}

#[test]
fn all_faults_are_told_at_once_in_the_order_of_the_text() {
    let text = "lvm = 1\n[[source]]\ngroup = 7\nlevel = 99\n[destination]\nfolder = \"here\"\n[retention]\nkeep_day = 3\n";
    let expected = "\
voltar.toml: 5 faults

voltar.toml:1:1: lvm: there is no such key at the top of the file; did you mean lvm_command?
  |
1 | lvm = 1
  | ^^^

voltar.toml:3:9: source.group: expected a text in quotes, found the number 7
  |
3 | group = 7
  |         ^

voltar.toml:4:9: source.level: zstd has levels 0 to 19, not 99
  |
4 | level = 99
  |         ^^

voltar.toml:6:10: destination.folder: expected an absolute path, which begins with \"/\", found the text \"here\"
  |
6 | folder = \"here\"
  |          ^^^^^^

voltar.toml:8:1: retention.keep_day: there is no such key in [retention]; did you mean keep_days?
  |
8 | keep_day = 3
  | ^^^^^^^^";
    assert_eq!(told(text), expected);
}

#[test]
fn what_is_missing_is_told() {
    let source = "[[source]]\ngroup = \"vg0\"\n";
    let destination = "[destination]\nfolder = \"/d\"\n";
    let cases = [
        (destination.to_owned(), "voltar.toml: [[source]] is missing, so nothing would be backed up: "),
        (
            format!("source = []\n{destination}"),
            "voltar.toml:1:10: source: there is none, so nothing would be backed up",
        ),
        (
            format!("source = 1\n{destination}"),
            "voltar.toml:1:10: source: expected tables, [[source]], found the number 1",
        ),
        (
            format!("[source]\n{destination}"),
            "voltar.toml:1:1: source: expected [[source]] with two brackets",
        ),
        (
            format!("source = [1]\n{destination}"),
            "voltar.toml:1:11: source: expected a table, found the number 1",
        ),
        (source.to_owned(), "voltar.toml: [destination] is missing: it says with folder = "),
        (
            format!("{source}[destination]\n"),
            "voltar.toml:3:1: destination.folder is missing: path, the folder; each",
        ),
        (
            format!("{source}[destination]\nfolder = \"/\"\n"),
            "voltar.toml:4:10: destination.folder: expected a folder for",
        ),
        (
            format!("[[sources]]\ngroup = \"vg0\"\n{destination}"),
            "voltar.toml:1:3: sources: there is no such key at the top",
        ),
        (String::new(), "voltar.toml: 2 faults\n\nvoltar.toml: [destination] is missing"),
    ];
    for (text, expected) in cases {
        let message = told(&text);
        assert!(message.starts_with(expected), "{text}\n{message}");
    }
}

#[test]
fn syntax_comes_first_and_alone() {
    let message = told("[destination]\nfolder = /srv/backups\nlevle = 3\n");
    assert!(message.starts_with("voltar.toml:2:10: "), "{message}");
    assert!(message.contains("2 | folder = /srv/backups\n  |          ^"), "{message}");
    assert!(!message.contains("no such key"), "{message}");
    let message = told("a = 1\na = 2\n");
    assert!(message.starts_with("voltar.toml:2:1: duplicate key"), "{message}");
}

#[test]
fn more_faults_than_anyone_reads_are_counted() {
    let text: String = (0..50).map(|index| format!("nothing_{index} = 1\n")).collect();
    let message = told(&text);
    assert!(
        message.starts_with("voltar.toml: 50 faults\n") && message.ends_with("\n\nand 30 more"),
        "{message}"
    );
}

#[test]
fn a_mark_stays_in_its_place_whatever_the_line_has() {
    let long = "x".repeat(500);
    let cases = [
        ("\t\tfolder = 1 # \u{202e}\u{1b}[2J\n", "2 |   folder = 1 # "),
        ("\"ä\\\\ö\" = 1\n", "2 | \"ä\\\\ö\" = 1\n  | ^^^^^^"),
        (&format!("folder = \"{long}\"\n"), "2 | folder = \"xxx"),
    ];
    for (line, expected) in cases {
        let message = told(&format!("[destination]\n{line}"));
        assert!(message.contains(expected), "{message}");
        assert!(message.chars().all(|c| c == '\n' || !c.is_control()) && !message.contains('\u{202e}'));
        assert!(message.lines().all(|line| line.chars().count() < 250), "{message}");
    }
}

#[test]
fn a_file_is_read_as_it_is_and_its_neighbours_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("voltar.toml");
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();

    let missing = read(&file).unwrap_err();
    assert_eq!(missing.kind(), Kind::Usage);
    assert!(missing.to_string().contains("\"voltar config example\""), "{missing}");
    assert_eq!(read(folder.path()).unwrap_err().kind(), Kind::Source);
    fs::write(&file, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(read(&file).unwrap_err().to_string().ends_with("this is no configuration"));
    fs::write(&file, b"a = 1\nb = \"\xe4\"\n").unwrap();
    assert!(read(&file).unwrap_err().to_string().ends_with("line 2 is not UTF-8, as TOML has to be"));

    let password = folder.path().join("password");
    let smtp = format!(
        "{RIGHT}[report.mail]\nfrom = \"a@b\"\nto = [\"c@d\"]\n[report.mail.smtp]\nhost = \"h\"\nuser = \"u\"\npassword_file = \"{}\"\n",
        password.display()
    );
    fs::write(&file, smtp).unwrap();
    mode(&file, 0o644);
    let warnings = || read(&file).unwrap().warnings.join("\n");
    assert!(warnings().contains("the password can't be read: No such file"), "{}", warnings());
    fs::write(&password, "secret\n").unwrap();
    mode(&password, 0o640);
    assert!(warnings().contains("others can read this password (mode 0640): chmod 600"), "{}", warnings());
    mode(&password, 0o600);
    assert_eq!(warnings(), "");
    mode(&file, 0o664);
    assert!(warnings().contains("others can change it (mode 0664)"), "{}", warnings());
}

/// Cases and what is said of them are in `messages.txt`.
#[test]
fn each_fault_is_told_in_words_that_help() {
    let golden = include_str!("messages.txt");
    let mut made: Vec<String> = Vec::new();
    for block in golden.trim_end().split("\n\n") {
        let lines: Vec<&str> = block.lines().filter(|line| !line.starts_with("> ")).collect();
        let case = lines[1..].join("\n");
        let text = match lines[0] {
            "@top" => format!("{case}\n{RIGHT}"),
            "@source" => RIGHT.replace("group = \"vg0\"", &case),
            "@after" => format!("{RIGHT}{case}\n"),
            _ => {
                made.push(block.to_owned());
                continue;
            }
        };
        let message = match check(&text, Path::new(PATH)) {
            Ok(loaded) if loaded.warnings.is_empty() => "nothing".to_owned(),
            Ok(loaded) => format!("warning: {}", loaded.warnings.join("\n")),
            Err(error) => error.to_string(),
        };
        // One fault has one message: what follows from it is not told again.
        assert!(!message.contains(" faults\n"), "{text}\n{message}");
        let first = message.lines().next().unwrap();
        let words = first.replacen(&format!("{PATH}:"), "", 1);
        let words = words.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':').trim_start();
        made.push(format!("{}\n> {words}", lines.join("\n")));
    }
    let made = made.join("\n\n") + "\n";
    if made != golden {
        let path = std::env::temp_dir().join("messages.txt");
        fs::write(&path, &made).unwrap();
        panic!(
            "what is said has changed: where {} is better, it belongs in src/config/messages.txt",
            path.display()
        );
    }
}
