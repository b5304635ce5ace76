//! The provider against a program that answers as LVM was seen to answer (`tests/lvm/`), and records what it was asked.

mod fake;
mod groups;

use super::*;
use crate::snapshot::{Owner, Size};
use fake::{Answer, Fake};

const VOLUME: &str = "cinder-volumes/volume-00000001";
const SNAPSHOT: &str = "cinder-volumes/volume-00000001-voltar-20250102T030405Z";
const THIN: &str = "cinder-volumes/thin-1-voltar-20250102T030405Z";

fn name(text: &str) -> VolumeName {
    VolumeName::parse(text).unwrap()
}

fn ok(recorded: &str) -> Answer {
    Answer::recorded(recorded, 0)
}

fn no(recorded: &str) -> Answer {
    Answer::recorded(recorded, 5)
}

fn volume(group_free_bytes: u64) -> Volume {
    Volume {
        name: name(VOLUME),
        device: PathBuf::from("/dev").join(VOLUME),
        len_bytes: 64 << 20,
        pool: None,
        is_open: false,
        group_free_bytes,
        extent_bytes: 4 << 20,
    }
}

fn snapshot(text: &str, origin: &str, is_thin: bool) -> Snapshot {
    Snapshot { name: name(text), origin: name(origin), device: PathBuf::from("/dev").join(text), is_thin }
}

/// Takes a snapshot, and settles what comes of it.
fn taken(fake: &Fake, volume: &Volume, request: &SnapshotRequest, note: &dyn Fn(&str)) -> Result<Snapshot> {
    fake.lvm.settle(fake.lvm.take(volume, request, note))
}

const WISH: SnapshotRequest = SnapshotRequest { size: Size::Automatic };

#[test]
fn a_volume_is_found_with_all_that_is_worth_knowing() {
    let fake =
        Fake::new([ok("linear"), ok("space"), ok("attached"), ok("space"), ok("thin"), ok("thin_clone")]);
    let linear = fake.lvm.find(&name(VOLUME)).unwrap();
    let expected = Volume { device: fake.device(VOLUME), ..volume(144 << 20) };
    assert_eq!(linear, expected);
    assert!(fake.lvm.find(&name("cinder-volumes/attached")).unwrap().is_open);
    let thin = fake.lvm.find(&name("cinder-volumes/thin-1")).unwrap();
    assert_eq!((thin.pool.as_deref(), thin.len_bytes), (Some("pool"), 128 << 20));
    assert!(fake.lvm.find(&name("cinder-volumes/thin-clone")).is_ok());
    let asked = fake.asked();
    let fields = lvs::FIELDS;
    assert_eq!(asked[0], format!("lvs --reportformat json --units b --nosuffix -o {fields} {VOLUME}"));
    assert!(asked[1].starts_with("vgs ") && asked[1].ends_with(" cinder-volumes"), "{}", asked[1]);
    assert_eq!(asked.len(), 6);
}

#[test]
fn what_can_not_be_backed_up_is_refused_with_what_to_do() {
    let cases = [
        ("pool", "cinder-volumes/pool", "name one of the volumes"),
        ("hidden", "cinder-volumes/pool_tdata", "a part of another volume"),
        ("snapshot", SNAPSHOT, "is a snapshot, of volume-00000001"),
        ("skipped_thin_snapshot", "cinder-volumes/thin-1-snapshot", "is a snapshot, of thin-1"),
        ("thin_orphan", THIN, "is a snapshot, of a volume that is gone"),
        ("inactive", "cinder-volumes/inactive", "lvchange --activate y cinder-volumes/inactive"),
        ("leftover", groups::LEFTOVER, "voltar clean cinder-volumes/volume-00000002-voltar-20250102T030405Z"),
    ];
    for (recorded, volume, said) in cases {
        let error = Fake::new([ok(recorded)]).lvm.find(&name(volume)).unwrap_err();
        assert_eq!(error.kind(), Kind::Source);
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn a_wrong_name_is_answered_with_those_that_there_are() {
    let fake = Fake::new([no("no_volume"), ok("groups"), ok("group"), ok("group")]);
    let error = fake.lvm.find(&name("cinder-volumes/nosuch")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no volume nosuch in group cinder-volumes: it has attached, by-hand, inactive, mirror-1, thin-1, thin-clone, volume-00000001, \
         volume-00000002"
    );
    let fake = Fake::new([no("no_group"), ok("groups")]);
    let error = fake.lvm.find(&name("nosuch/volume")).unwrap_err();
    assert_eq!(error.to_string(), "no volume group nosuch: there is cinder-volumes, small");
    let fake = Fake::new([no("no_group"), ok("groups")]);
    let error = fake.lvm.volumes("nosuch").unwrap_err();
    assert_eq!(error.kind(), Kind::Source);
}

#[test]
fn a_name_that_is_an_option_never_reaches_lvm() {
    let fake = Fake::new([]);
    for (group, volume) in [("--config", "x"), ("vg", "--yes"), ("vg", "a b"), ("@voltar", "x")] {
        let name = VolumeName { group: group.to_owned(), volume: volume.to_owned() };
        assert_eq!(fake.lvm.find(&name).unwrap_err().kind(), Kind::Usage);
        assert_eq!(fake.lvm.remove(&name).unwrap_err().kind(), Kind::Usage);
    }
    assert_eq!(fake.lvm.volumes("--all").unwrap_err().kind(), Kind::Usage);
    assert_eq!(fake.asked(), [""; 0]);
}

#[test]
fn a_user_without_rights_is_told_how_to_get_them() {
    let fake = Fake::new([no("denied_lvs"), no("denied_lvs")]);
    let error = fake.lvm.find(&name(VOLUME)).unwrap_err();
    assert_eq!(error.kind(), Kind::Snapshot);
    assert!(error.to_string().contains("sudo -n lvm"), "{error}");
}

#[test]
fn the_volumes_of_a_group_are_those_that_are_worth_a_backup() {
    let fake = Fake::new([ok("group"), ok("empty_group")]);
    let volumes = fake.lvm.volumes("cinder-volumes").unwrap();
    let names: Vec<&str> = volumes.iter().map(|name| name.volume.as_str()).collect();
    let expected = [
        "attached",
        "by-hand",
        "inactive",
        "mirror-1",
        "thin-1",
        "thin-clone",
        "volume-00000001",
        "volume-00000002",
    ];
    assert_eq!(names, expected);
    assert_eq!(fake.lvm.volumes("small").unwrap(), []);
    assert_eq!(Fake::new([ok("leftover")]).lvm.volumes("cinder-volumes").unwrap(), []);
}

#[test]
fn a_classic_snapshot_is_one_command_with_its_mark() {
    let fake = Fake::new([ok("create").with_node()]);
    let snapshot = taken(&fake, &volume(144 << 20), &WISH, &|note| panic!("{note}")).unwrap();
    assert_eq!(snapshot.origin, name(VOLUME));
    assert!(snapshot.name.volume.starts_with("volume-00000001-voltar-2") && !snapshot.is_thin);
    assert_eq!(snapshot.device, fake.device(&snapshot.name.to_string()));
    let tags = mark::Mark::of_this_process().unwrap().tags().map(|tag| format!(" --addtag {tag}")).concat();
    let expected = format!(
        "lvcreate --yes --snapshot --permission r --extents 17{tags} --name {} {VOLUME}",
        snapshot.name.volume
    );
    assert_eq!(fake.asked(), [expected]);
}

#[test]
fn a_thin_snapshot_has_no_size_and_is_activated_past_its_flag() {
    let fake = Fake::new([ok("create").with_node()]);
    let thin = Volume { name: name("cinder-volumes/thin-1"), pool: Some("pool".to_owned()), ..volume(0) };
    let snapshot = taken(&fake, &thin, &WISH, &|note| panic!("{note}")).unwrap();
    assert!(snapshot.is_thin && snapshot.name.volume.starts_with("thin-1-voltar-"));
    let asked = fake.asked().concat();
    assert!(
        asked.starts_with("lvcreate --yes --snapshot --permission r --setactivationskip n --addtag voltar "),
        "{asked}"
    );
    assert!(!asked.contains("--extents") && !asked.contains("--size"), "{asked}");
}

#[test]
fn a_snapshot_that_may_overflow_is_taken_with_a_warning() {
    let fake = Fake::new([ok("create").with_node()]);
    let notes = std::sync::Mutex::new(Vec::new());
    taken(&fake, &volume(16 << 20), &WISH, &|note| notes.lock().unwrap().push(note.to_owned())).unwrap();
    assert!(fake.asked().concat().contains("--extents 4 "));
    let notes = notes.into_inner().unwrap();
    assert!(
        matches!(notes.as_slice(), [note] if note.contains("16.0 MiB") && note.contains("overflows")),
        "{notes:?}"
    );
}

#[test]
fn without_space_no_command_is_run() {
    let fake = Fake::new([]);
    for size in [Size::Automatic, Size::PercentOfOrigin(10), Size::Bytes(1)] {
        let error = taken(&fake, &volume(0), &SnapshotRequest { size }, &|_| ()).unwrap_err();
        assert_eq!(error.kind(), Kind::Snapshot);
        assert!(error.to_string().contains("cinder-volumes has 0 B free"), "{error}");
    }
    assert_eq!(fake.asked(), [""; 0]);
}

#[test]
fn space_that_is_gone_meanwhile_is_taken_from_what_lvm_complains_of() {
    let less = |extents: u32| no("create_full").complaining("(0 extents)", &format!("({extents} extents)"));
    let fake = Fake::new([less(3), ok("create").with_node()]);
    fake.lvm.take(&volume(1 << 30), &WISH, &|_| ()).unwrap();
    let asked = fake.asked();
    assert!(asked.len() == 2 && asked[1].contains("--extents 3 "), "{asked:?}");

    let fake = Fake::new([less(3), less(2), no("gone"), ok("group")]);
    let error = taken(&fake, &volume(1 << 30), &WISH, &|_| ()).unwrap_err();
    assert!(error.to_string().contains("insufficient free space (2 extents)"), "{error}");

    let error = taken(&Fake::new([less(0)]), &volume(1 << 30), &WISH, &|_| ()).unwrap_err();
    assert!(error.to_string().contains("has 0 B free"), "{error}");
}

#[test]
fn while_a_guest_may_be_frozen_nothing_but_lvcreate_is_run() {
    let answers = [
        ok("create"),
        no("create_partial"),
        no("create_full").complaining("(0 extents)", "(3 extents)"),
        no("create_exists"),
    ];
    for answer in answers {
        let fake = Fake::new([answer, ok("create")]);
        let _ = fake.lvm.take(&volume(1 << 30), &WISH, &|_| ());
        let asked = fake.asked();
        assert!(asked.iter().all(|command| command.starts_with("lvcreate ")), "{asked:?}");
    }
}

#[test]
fn a_name_that_is_taken_gets_a_number() {
    let fake = Fake::new([no("create_exists"), ok("create").with_node()]);
    let snapshot = taken(&fake, &volume(1 << 30), &WISH, &|_| ()).unwrap();
    assert!(snapshot.name.volume.ends_with("Z-2"), "{}", snapshot.name);
    assert!(mark::taken(&snapshot.name.volume).is_some());
}

#[test]
fn an_origin_whose_name_is_too_long_is_never_tried() {
    // LVM tries it, and leaves a volume that wants "manual intervention".
    let long = VolumeName::new("cinder-volumes", &"x".repeat(107)).unwrap();
    let fake = Fake::new([]);
    let error = taken(&fake, &Volume { name: long, ..volume(1 << 30) }, &WISH, &|_| ()).unwrap_err();
    assert!(error.to_string().contains("lvrename"), "{error}");
}

#[test]
fn a_snapshot_without_a_device_is_removed_again() {
    let mine = || ok("snapshot").marked_by_this_process();
    let fake = Fake::new([ok("create"), mine(), mine(), mine(), ok("removed"), no("gone"), ok("group")]);
    let error = taken(&fake, &volume(1 << 30), &WISH, &|_| ()).unwrap_err();
    assert!(error.to_string().contains("no such block device"), "{error}");
    let asked = fake.asked();
    assert!(
        asked[4].starts_with("lvremove --yes --force --select lv_tags=voltar cinder-volumes/"),
        "{asked:?}"
    );
    assert_eq!(asked.len(), 7);
}

#[test]
fn what_another_process_made_is_left_alone_when_this_one_fails() {
    let fake = Fake::new([no("create_partial"), ok("snapshot")]);
    let error = taken(&fake, &volume(1 << 30), &WISH, &|_| ()).unwrap_err();
    assert!(error.to_string().contains("bring the missing disk back"), "{error}");
    assert_eq!(fake.asked().len(), 2);
}

#[test]
fn the_state_is_what_lvm_says_after_the_last_read() {
    let classic = snapshot(SNAPSHOT, VOLUME, false);
    let thin = snapshot(THIN, "cinder-volumes/thin-1", true);
    let valid = |used_percent| State::Valid { used_percent };
    let cases: [(&Snapshot, Vec<Answer>, State); 6] = [
        (&classic, vec![ok("snapshot_80")], valid(Some(81.62))),
        (&classic, vec![ok("snapshot_overflowed_open")], State::Overflowed),
        (&classic, vec![no("gone"), ok("full_group")], State::Gone),
        (&classic, vec![ok("snapshot_suspended"), ok("snapshot")], valid(Some(0.0))),
        (&thin, vec![ok("thin_snapshot"), ok("pool")], valid(None)),
        (&thin, vec![ok("thin_snapshot_pool_full"), ok("pool_full")], valid(None)),
    ];
    for (snapshot, answers, state) in cases {
        assert_eq!(Fake::new(answers).lvm.state(snapshot, LIMIT).unwrap(), state, "{state:?}");
    }
}

#[test]
fn a_state_that_can_not_be_had_is_an_error() {
    let classic = snapshot(SNAPSHOT, VOLUME, false);
    let cases = [
        vec![ok("snapshot_inactive")],
        vec![no("denied_lvs"), no("denied_lvs")],
        vec![no("denied_lvs"), ok("group")],
        vec![ok("linear")],
        vec![ok("empty_group")],
        vec![Answer::new("", "", 0)],
        vec![Answer::new("", "killed", 137), Answer::new("", "killed", 137)],
        vec![ok("snapshot_suspended"); 10],
    ];
    for answers in cases {
        let error = Fake::new(answers.clone()).lvm.state(&classic, LIMIT).expect_err("no state");
        assert_eq!(error.kind(), Kind::Snapshot, "{error}");
    }
}

#[test]
fn a_snapshot_is_extended_by_a_fifth_of_what_it_may_need() {
    let fake =
        Fake::new([ok("snapshot_80"), ok("linear"), ok("space"), ok("extended"), ok("snapshot_extended")]);
    assert!(fake.lvm.extend(&snapshot(SNAPSHOT, VOLUME, false)).unwrap());
    assert_eq!(fake.asked()[3], format!("lvextend --extents +4 {SNAPSHOT}"));
}

#[test]
fn what_can_not_be_extended_is_no_error() {
    let classic = snapshot(SNAPSHOT, VOLUME, false);
    let cases = [
        ("thin", snapshot(THIN, "cinder-volumes/thin-1", true), vec![]),
        ("overflowed", classic.clone(), vec![ok("snapshot_overflowed")]),
        ("a full group", classic.clone(), vec![ok("snapshot_80"), ok("linear"), ok("space_small")]),
        (
            "at its most",
            classic,
            vec![ok("snapshot_80"), ok("linear"), ok("space"), ok("extended"), ok("snapshot_80")],
        ),
    ];
    for (what, snapshot, answers) in cases {
        assert!(!Fake::new(answers).lvm.extend(&snapshot).unwrap(), "{what}");
    }
}

#[test]
fn a_busy_snapshot_is_tried_again_until_it_is_gone() {
    let busy = || [no("remove_busy"), ok("snapshot")];
    let [first, second] = [busy(), busy()].map(Vec::from);
    let end = vec![ok("removed"), no("gone"), ok("full_group")];
    let fake = Fake::new([vec![ok("snapshot")], first, second, end].concat());
    fake.lvm.remove(&name(SNAPSHOT)).unwrap();
    assert_eq!(fake.asked().iter().filter(|command| command.starts_with("lvremove")).count(), 3);
}

#[test]
fn a_snapshot_that_stays_busy_is_an_error_that_says_what_to_do() {
    let mut answers = vec![ok("snapshot")];
    answers.extend((0..3).flat_map(|_| [no("remove_busy"), ok("snapshot")]));
    let fake = Fake::new(answers);
    let error = fake.lvm.remove(&name(SNAPSHOT)).unwrap_err();
    assert!(error.to_string().contains("in use") && error.to_string().contains("voltar clean"), "{error}");
    assert_eq!(fake.asked().len(), 7);
}

#[test]
fn a_snapshot_that_is_gone_needs_no_removal() {
    let fake = Fake::new([no("gone"), ok("full_group")]);
    fake.lvm.remove(&name(SNAPSHOT)).unwrap();
    assert_eq!(fake.asked().len(), 2);
}

#[test]
fn nothing_but_a_marked_snapshot_is_ever_removed() {
    let unmarked = ok("snapshot").replacing("\"lv_tags\":\"voltar,", "\"lv_tags\":\"");
    let cases = [
        ("an origin", VOLUME, ok("linear")),
        ("a volume with the tag", "cinder-volumes/by-hand", ok("by_hand")),
        ("a clone", "cinder-volumes/thin-clone", ok("thin_clone")),
        ("a pool", "cinder-volumes/pool", ok("pool")),
        ("somebody else's snapshot", SNAPSHOT, unmarked),
    ];
    for (what, volume, answer) in cases {
        let fake = Fake::new([answer]);
        let error = fake.lvm.remove(&name(volume)).expect_err(what);
        assert_eq!(error.kind(), Kind::Snapshot);
        assert_eq!(fake.asked().len(), 1, "{what}: {error}");
    }
}
