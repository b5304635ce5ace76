//! Nights to report of: made up, the same each time.

use std::time::Duration;

use voltar::archive::Compression;
use voltar::report::outcome::{Outcome, Published, VolumeOutcome};
use voltar::report::verified::Verified;
use voltar::store::archives::{Archived, Removed, Told};
use voltar::store::{Key, Space};

/// 2011-10-06 23:00:01 UTC.
pub const STARTED: i64 = 1_317_942_001;

pub const DAY: i64 = 86_400;

const GIB: u64 = 1 << 30;

const OVERFLOW: &str = "snapshot overflowed: more of cinder-volumes/volume-00000003 was changed than \
    cinder-volumes/volume-00000003-voltar-20111006T230001Z had space for, and nothing of what was read is worth anything; nothing was \
    published. Give it more (--snapshot-size, snapshot_size), or let it be extended (--extend, extend_snapshot)";

fn key(name: &str) -> Key {
    Key::new(name).expect("a relative name")
}

/// A night of so many volumes, with as many nights before it. Everything is complete.
pub fn night(volumes: usize, nights_before: i64) -> Outcome {
    let mut outcome = Outcome {
        host: "node1".to_owned(),
        started: STARTED,
        elapsed: Duration::from_secs(2 * 3600 + 15 * 60 + 35),
        destination: "/BACKUPS".into(),
        is_mounted: true,
        volumes: Vec::new(),
        errors: Vec::new(),
        verified: Vec::new(),
        is_refused: false,
        cleaned: Vec::new(),
        space: Some(Space { total_bytes: 1800 * GIB, free_bytes: 1170 * GIB }),
        history: Vec::new(),
    };
    for night in (1..=nights_before).rev() {
        for number in 0..volumes {
            outcome.history.push(archived(number, night));
        }
    }
    for number in 0..volumes {
        let archive = archived(number, 0);
        let previous = (nights_before > 0).then(|| archived(number, 1));
        outcome.volumes.push(volume(number, &archive, previous));
        outcome.history.push(archive);
    }
    outcome
}

/// Ten volumes: one failed, one incomplete, one with all that one may say of a volume.
pub fn ten() -> Outcome {
    let mut outcome = night(10, 16);
    fail(&mut outcome, 3, OVERFLOW);
    interrupt(&mut outcome, 6, 23);
    outcome.volumes[0].removed = vec![Removed {
        key: key("volume-00000000/volume-00000000_2011-09-22T230001Z.tar.zst"),
        len_bytes: 3 * GIB,
    }];
    outcome.volumes[0].next_to_expire =
        Some((key("volume-00000000/volume-00000000_2011-09-23T230001Z.tar.zst"), STARTED + DAY));
    outcome.volumes[1].notes =
        vec!["the snapshot has 6.0 GiB and not 20.0 GiB: the group has no more free".to_owned()];
    outcome.cleaned = vec!["cinder-volumes/volume-00000005-voltar-20111005T230412Z".to_owned()];
    outcome
}

/// Two volumes, one of which failed: short enough for a page that shows it.
pub fn two() -> Outcome {
    let mut outcome = night(2, 14);
    fail(&mut outcome, 1, &OVERFLOW.replace("00000003", "00000001"));
    outcome.volumes[0].removed = ten().volumes[0].removed.clone();
    outcome.volumes[0].next_to_expire = ten().volumes[0].next_to_expire.clone();
    outcome.elapsed = Duration::from_secs(2 * 60 + 11);
    outcome
}

/// Names and messages as an enemy chooses them.
pub fn hostile() -> Outcome {
    let mut outcome = night(6, 5);
    let names = [
        "<script>document.title='owned'</script><img src=http://evil.example/a.png onerror=\"document.title='owned'\">".to_owned(),
        "x".repeat(300),
        "\u{202e}gpj.exe\u{2066} \u{1b}]0;owned\u{7}\u{1b}[2J".to_owned(),
        "شبكة-النسخ-الاحتياطي/חלק \"quoted\" 'single' & &amp;".to_owned(),
        "back\\slash\nnew line</style></title></svg><svg onload=\"document.title='owned'\">".to_owned(),
        "名前の長いボリューム{volume=\"a\"} 1\n# HELP evil".to_owned(),
    ];
    for (number, name) in names.iter().enumerate() {
        outcome.volumes[number].name.clone_from(name);
        outcome.volumes[number].folder.clone_from(name);
        outcome.volumes[number].notes = vec![name.clone()];
        outcome.volumes[number].retention.clone_from(name);
        let own = format!("volume-{number:08}");
        for archive in outcome.history.iter_mut().filter(|archive| archive.volume == own) {
            archive.volume.clone_from(name);
        }
    }
    outcome.verified = names.iter().map(|name| unreadable(name)).collect();
    fail(&mut outcome, 0, &names[0]);
    fail(&mut outcome, 1, &names[1]);
    interrupt(&mut outcome, 2, 2);
    if let Ok(published) = &mut outcome.volumes[2].result {
        published.issues = names[..2].to_vec();
    }
    if let Ok(published) = &mut outcome.volumes[3].result {
        published.key = key(&names[0]);
        published.digest = (names[0].clone(), names[4].clone());
    }
    outcome.host = names[0].clone();
    outcome.destination = names[4].clone().into();
    outcome.errors = names.to_vec();
    outcome.cleaned = names.to_vec();
    outcome
}

/// Makes a volume's run a failed one: what it published is not there.
pub fn fail(outcome: &mut Outcome, number: usize, reason: &str) {
    let volume = &mut outcome.volumes[number];
    if let Ok(published) = &volume.result {
        outcome.history.retain(|archive| archive.key != published.key);
    }
    volume.result = Err(reason.to_owned());
    volume.elapsed = Duration::from_secs(44);
}

/// Makes a volume's archive an incomplete one.
pub fn interrupt(outcome: &mut Outcome, number: usize, issues: u64) {
    let Ok(published) = &mut outcome.volumes[number].result else { return };
    published.issue_count = issues;
    published.issues = (0..issues)
        .map(|number| format!("p1/var/lib/mysql/ibdata{number}: partition 1: inode {}: byte 40960: Input/output error (os error 5)", 1200 + number))
        .collect();
    for archive in outcome.history.iter_mut().filter(|archive| archive.key == published.key) {
        archive.told.as_mut().expect("a manifest").issues = issues;
    }
}

fn volume(number: usize, archive: &Archived, previous: Option<Archived>) -> VolumeOutcome {
    let told = archive.told.clone().expect("a manifest");
    VolumeOutcome {
        name: format!("cinder-volumes/volume-{number:08}"),
        folder: archive.volume.clone(),
        elapsed: Duration::from_secs_f64(told.seconds.expect("a duration") + 2.0),
        result: Ok(Published {
            key: archive.key.clone(),
            archive_bytes: archive.len_bytes - 4096,
            data_bytes: told.data_bytes,
            bytes_read: told.bytes_read,
            entries: told.entries,
            images: 0,
            digest: ("sha1".to_owned(), "ee6258fde4f094b5a129c4f38e8cbb17b7954563".to_owned()),
            issue_count: 0,
            issues: Vec::new(),
            snapshot_percent: Some(12.25),
        }),
        notes: Vec::new(),
        removed: Vec::new(),
        retention: "14 days".to_owned(),
        next_to_expire: None,
        previous,
    }
}

/// The archive of a volume, some nights ago.
pub fn archived(number: usize, nights_ago: i64) -> Archived {
    let taken = STARTED - nights_ago * DAY;
    let (seed, age) = (number as u64, nights_ago as u64);
    // Grows slowly, and no two are the same.
    let mib = (3500 + seed * 1311 % 7000) * (1000 - age * 7 + (seed * 31 + age * 17) % 23) / 1000;
    let len_bytes = mib << 20;
    let name = format!("volume-{number:08}");
    Archived {
        key: Key::of_archive(&name, taken, Compression::Zstd),
        volume: name,
        taken,
        len_bytes,
        told: Some(Told {
            source: "/dev/cinder-volumes/snapshot".to_owned(),
            snapshot_of: None,
            host: None,
            data_bytes: len_bytes / 10 * 26,
            bytes_read: len_bytes / 10 * 27,
            entries: 61_138 + seed * 1000,
            images: 0,
            issues: 0,
            seconds: Some((mib / 43 + (seed * 7 + age * 3) % 11) as f64 + 0.5),
        }),
    }
}

/// An archive that was verified and could not be read.
fn unreadable(name: &str) -> Verified {
    Verified {
        key: key(name),
        folder: name.to_owned(),
        elapsed: Duration::from_secs(1),
        result: Err(name.to_owned()),
    }
}

/// So many of those.
pub fn damaged(count: usize) -> Vec<Verified> {
    (0..count).map(|number| unreadable(&number.to_string())).collect()
}
