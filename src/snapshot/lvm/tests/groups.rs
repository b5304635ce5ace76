//! Groups of one name, leftovers, and the settings that each command takes back.

use super::*;

pub(super) const LEFTOVER: &str = "cinder-volumes/volume-00000002-voltar-20250102T030405Z";

#[test]
fn what_is_left_of_a_snapshot_is_told_and_removed_when_it_is_named() {
    let fake = Fake::new([ok("marked_leftover"), ok("groups")]);
    let marked = fake.lvm.marked().unwrap();
    let kinds: Vec<(&str, bool)> =
        marked.iter().map(|marked| (marked.name.volume.as_str(), marked.is_snapshot)).collect();
    assert!(kinds.contains(&("volume-00000002-voltar-20250102T030405Z", false)), "{kinds:?}");
    assert!(kinds.contains(&("thin-1-voltar-20250102T030405Z", true)), "{kinds:?}");
    assert!(kinds.iter().all(|(volume, _)| *volume != "by-hand"), "{kinds:?}");
    let fake = Fake::new([ok("leftover"), ok("removed"), no("gone"), ok("group")]);
    fake.lvm.remove(&name(LEFTOVER)).unwrap();
    assert!(fake.asked()[1].starts_with("lvremove --yes --force --select lv_tags=voltar "));
}

#[test]
fn two_groups_of_one_name_are_told_with_the_uuids_to_name_them_by() {
    let fake = Fake::new([no("same_name"), ok("same_name_groups"), no("same_name")]);
    let error = fake.lvm.find(&name("small/filler")).unwrap_err().to_string();
    assert!(error.contains("VG name small is used by VGs ") && error.contains("UUID as GROUP"), "{error}");
}

#[test]
fn a_group_that_is_named_by_its_uuid_is_named_to_lvm_by_its_devices() {
    let space =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lvm/same_name_space.json"));
    let space = space.unwrap();
    let (uuid, _) = space.split_once("\"vg_uuid\":\"").unwrap().1.split_once('"').unwrap();
    let by_uuid = VolumeName::new(uuid, "filler").unwrap();
    let active = ok("same_name_one").replacing("-wi-------", "-wi-a-----");
    let fake = Fake::new([
        ok("same_name_space"),
        active,
        ok("same_name_space"),
        ok("create").with_node(),
        ok("same_name_space"),
    ]);
    let found = fake.lvm.find(&by_uuid).unwrap();
    assert_eq!((&found.name, found.device.as_path()), (&by_uuid, fake.device("small/filler").as_path()));
    assert_eq!(found.group_free_bytes, 20 << 20);
    let snapshot = taken(&fake, &found, &WISH, &|note| panic!("{note}")).unwrap();
    assert_eq!(snapshot.name.group, uuid);
    assert_eq!(snapshot.device, fake.device(&format!("small/{}", snapshot.name.volume)));
    let asked = fake.asked();
    assert!(asked[0].ends_with(&format!(" --select vg_uuid={uuid}")), "{}", asked[0]);
    assert!(asked[1].ends_with(" --devices /dev/ubdd small/filler"), "{}", asked[1]);
    assert!(asked[3].ends_with(&format!("--name {} small/filler", snapshot.name.volume)), "{}", asked[3]);
    assert!(asked[3].starts_with("lvcreate ") && asked[3].contains(" --devices /dev/ubdd "), "{}", asked[3]);
    assert_eq!(asked.len(), 4);
    // It is looked up anew for a volume that is looked for.
    assert!(fake.lvm.find(&by_uuid).is_err());
}

#[test]
fn what_docs_say_for_sudo_has_the_settings_of_each_command() {
    let docs = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/lvm.md")).unwrap();
    let (_, lines) = docs.split_once("```sudoers\n").unwrap();
    let (lines, _) = lines.split_once("```").unwrap();
    let commands: Vec<&str> = lines.lines().filter(|line| line.contains("/usr/sbin/lvm")).collect();
    assert!(commands.len() >= 8, "{lines}");
    for command in commands {
        assert!(command.contains(&format!(" --config {} ", command::CONFIG)), "{command}");
    }
}

#[test]
fn marked_snapshots_are_listed_with_their_owners_and_nothing_else_is() {
    let elsewhere = ok("marked")
        .replacing("voltar.host=vm", "voltar.host=elsewhere.test,voltar.machine=0a,voltar.pidns=1");
    let fake = Fake::new([
        elsewhere,
        ok("groups"),
        ok("marked").marked_by_this_process(),
        ok("groups"),
        ok("by_hand"),
        ok("empty_group"),
    ]);
    let found = fake.lvm.marked().unwrap();
    let [thin, classic] = found.as_slice() else { panic!("{found:?}") };
    let owner = Owner::Elsewhere { host: "elsewhere.test".to_owned() };
    let taken = Some(1_735_787_045);
    assert_eq!(
        *thin,
        Marked {
            name: name(THIN),
            origin: Some(name("cinder-volumes/thin-1")),
            taken,
            owner: owner.clone(),
            is_snapshot: true
        }
    );
    let expected =
        Marked { name: name(SNAPSHOT), origin: Some(name(VOLUME)), taken, owner, is_snapshot: true };
    assert_eq!(*classic, expected);
    let pid = std::process::id();
    assert!(fake.lvm.marked().unwrap().iter().all(|marked| marked.owner == Owner::Alive { pid }));
    assert_eq!(fake.lvm.marked().unwrap(), []);
    assert_eq!(fake.lvm.marked().unwrap(), []);
    assert!(fake.asked()[0].ends_with(" --select lv_tags=voltar"));
}
