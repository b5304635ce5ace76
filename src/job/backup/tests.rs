//! The order of things, and that they are put in order whichever of them fails.

use super::*;
use crate::job::fake::{Fake, name};
use crate::snapshot::State;
use crate::store::Destination;
use crate::store::folder::FolderStore;

fn make(fake: &Fake, subject: &Subject) -> Finished {
    make_with(fake, &fake.destination(), subject, &fake.options())
}

fn make_with(fake: &Fake, destination: &Destination, subject: &Subject, options: &VolumeOptions) -> Finished {
    let store = FolderStore::new(destination);
    let backup = Backup { provider: fake, archiver: fake, witness: fake, store: &store, minimum_free: None };
    backup.make(subject, "web", options)
}

/// Whether the archive lies in the destination.
fn exists(fake: &Fake, published: &Published) -> bool {
    fake.destination().folder.join(published.key.as_path()).exists()
}

fn web(fake: &Fake) -> Finished {
    make(fake, &Subject::Volume(name("web")))
}

fn states(states: impl IntoIterator<Item = State>) -> Fake {
    let states = states.into_iter().map(Ok).collect();
    Fake { states: std::sync::Mutex::new(states), ..Fake::default() }
}

fn percent(percent: f64) -> State {
    State::Valid { used_percent: Some(percent) }
}

const BEFORE: [&str; 6] =
    ["find vg0/web", "freeze", "take vg0/web", "thaw", "settle vg0/web", "archive /dev/vg0/web-snapshot"];

#[test]
fn each_thing_happens_once_and_in_order() {
    let fake = Fake::default();
    let finished = web(&fake);
    let published = finished.result.unwrap();
    assert_eq!(fake.calls(), [&BEFORE[..], &["state", "publish", "remove vg0/web-snapshot"]].concat());
    assert_eq!(published.snapshot_percent, Some(50.0));
    assert_eq!(finished.notes, ["less than wished"]);
    assert_eq!(finished.errors, [""; 0]);
    let path = published.key.as_path().to_str().unwrap();
    assert!(path.starts_with("web/web_20") && path.ends_with("Z.tar.zst"), "{path}");
    assert!(exists(&fake, &published));
}

#[test]
fn whatever_fails_the_rest_is_put_in_order() {
    let removed = "remove vg0/web-snapshot";
    let cases: [(&str, &[&str]); 6] = [
        ("find", &["find vg0/web"]),
        ("take", &["find vg0/web", "freeze", "take vg0/web", "thaw"]),
        ("settle", &BEFORE[..5]),
        // The snapshot is asked whether that is the reason.
        ("archive", &[&BEFORE[..], &["state", removed]].concat()),
        ("state", &[&BEFORE[..], &["state", removed]].concat()),
        ("publish", &[&BEFORE[..], &["state", "publish", "state", removed]].concat()),
    ];
    for (fails, expected) in cases {
        let fake = Fake { fails: vec![fails], ..Fake::default() };
        let finished = web(&fake);
        let error = finished.result.unwrap_err().to_string();
        assert!(error.contains(&format!("{fails} failed")), "{fails}: {error}");
        assert_eq!(fake.calls(), expected, "{fails}");
        assert_eq!(finished.errors, [""; 0], "{fails}");
        // Nor is there a folder that was made for nothing.
        assert_eq!(std::fs::read_dir(fake.destination().folder).unwrap().count(), 0, "{fails}");
    }
}

#[test]
fn a_panic_leaves_no_snapshot() {
    let fake = Fake { panics: Some("archive"), ..Fake::default() };
    assert!(catch_unwind(AssertUnwindSafe(|| web(&fake))).is_err());
    assert_eq!(fake.calls(), [&BEFORE[..], &["remove vg0/web-snapshot"]].concat());
}

#[test]
fn a_destination_that_is_gone_is_noticed_before_anybody_is_frozen() {
    let fake = Fake::default();
    let destination = Destination { require_mount: true, ..fake.destination() };
    let finished = make_with(&fake, &destination, &Subject::Volume(name("web")), &fake.options());
    assert!(finished.result.unwrap_err().to_string().contains("nothing is mounted here"));
    assert_eq!(fake.calls(), ["find vg0/web"]);
}

#[test]
fn a_freeze_that_fails_is_followed_by_a_thaw_and_by_nothing_else() {
    let fake = Fake::default();
    let mut options = fake.options();
    options.snapshot.hooks.freeze = Some(vec!["false".to_owned()]);
    let web = Subject::Volume(name("web"));
    let finished = make_with(&fake, &fake.destination(), &web, &options);
    assert!(finished.result.unwrap_err().to_string().contains("freeze: false failed"));
    assert_eq!(fake.calls(), ["find vg0/web", "thaw"]);
}

#[test]
fn a_thaw_that_fails_is_an_error_and_the_archive_stays() {
    let fake = Fake::default();
    let mut options = fake.options();
    options.snapshot.hooks.thaw = Some(vec!["false".to_owned()]);
    let web = Subject::Volume(name("web"));
    let finished = make_with(&fake, &fake.destination(), &web, &options);
    assert!(finished.result.is_ok());
    assert_eq!(
        finished.errors,
        [
            "vg0/web: what was frozen may still be frozen: thaw: false failed with exit code 1; by hand: VOLTAR_HOOK=thaw \
             VOLTAR_GROUP=vg0 VOLTAR_VOLUME=web VOLTAR_DEVICE=/dev/vg0/web false"
        ]
    );
}

#[test]
fn a_snapshot_that_stays_is_an_error_and_the_archive_stays_too() {
    let fake = Fake { fails: vec!["remove"], ..Fake::default() };
    let finished = web(&fake);
    assert!(exists(&fake, &finished.result.unwrap()));
    assert_eq!(finished.errors.len(), 1);
    assert!(finished.errors[0].contains("voltar clean vg0/web-snapshot"), "{:?}", finished.errors);
}

#[test]
fn a_signal_stops_it_at_the_next_step() {
    let removed = "remove vg0/web-snapshot";
    let cases: [(&str, &[&str]); 3] = [
        ("find", &["find vg0/web"]),
        ("take", &[&BEFORE[..5], &[removed]].concat()),
        ("archive", &[&BEFORE[..], &[removed]].concat()),
    ];
    for (after, expected) in cases {
        let fake = Fake { stops_after: Some(after), ..Fake::default() };
        let finished = web(&fake);
        assert_eq!(finished.result.unwrap_err().kind(), Kind::Interrupted, "{after}");
        assert_eq!(fake.calls(), expected, "{after}");
    }
}

#[test]
fn an_overflow_is_noticed_while_it_is_read_and_after_it_was_read() {
    for (looks, state) in [(3, State::Overflowed), (0, State::Overflowed), (0, State::Gone)] {
        let fake =
            Fake { looks, ..states([vec![percent(10.0); looks.saturating_sub(1)], vec![state]].concat()) };
        let finished = web(&fake);
        let error = finished.result.unwrap_err();
        assert_eq!(error.kind(), Kind::Snapshot);
        let words = if state == State::Gone { "is gone" } else { "snapshot overflowed" };
        assert!(error.to_string().contains(words), "{error}");
        let calls = fake.calls();
        assert!(!calls.contains(&"publish".to_owned()));
        assert_eq!(calls.last().unwrap(), "remove vg0/web-snapshot");
    }
}

#[test]
fn what_looks_like_a_broken_disk_is_told_as_the_overflow_that_it_is() {
    let fake = Fake { fails: vec!["archive"], ..states([State::Overflowed]) };
    let error = web(&fake).result.unwrap_err().to_string();
    assert!(error.starts_with("snapshot overflowed"), "{error}");
}

#[test]
fn a_snapshot_that_gets_full_is_extended_or_there_is_one_warning() {
    let full = || [percent(30.0), percent(85.0), percent(90.0), percent(60.0)];
    let fake = Fake { looks: 3, ..states(full()) };
    let finished = web(&fake);
    assert_eq!(finished.result.unwrap().snapshot_percent, Some(90.0));
    let warnings: Vec<&String> = finished.notes.iter().filter(|note| note.contains("85 % full")).collect();
    assert_eq!((warnings.len(), finished.notes.len()), (1, 2), "{:?}", finished.notes);
    assert!(!fake.calls().contains(&"extend".to_owned()));

    let fake = Fake { looks: 3, extends: true, ..states(full()) };
    let finished = web(&fake);
    assert!(finished.result.is_ok());
    assert_eq!(fake.calls().iter().filter(|call| *call == "extend").count(), 2);
    assert!(finished.notes.iter().any(|note| note.contains("was extended")));

    let fake = Fake { looks: 3, extends: true, fails: vec!["extend"], ..states(full()) };
    let finished = web(&fake);
    assert!(finished.result.is_ok());
    assert_eq!(finished.notes.iter().filter(|note| note.contains("can't be extended")).count(), 1);
}

#[test]
fn a_state_that_is_unknown_for_a_moment_ends_nothing() {
    let fake = Fake { looks: 2, ..Fake::default() };
    fake.states.lock().unwrap().push_back(Err(Error::new(Kind::Snapshot, "lvs is busy")));
    let finished = web(&fake);
    assert!(finished.result.is_ok());
    assert!(finished.notes.iter().any(|note| note.contains("lvs is busy")), "{:?}", finished.notes);
}

#[test]
fn a_device_is_read_without_a_snapshot() {
    let fake = Fake::default();
    let finished = make(&fake, &Subject::Device("/srv/disk.img".into()));
    assert!(exists(&fake, &finished.result.unwrap()));
    assert_eq!(fake.calls(), ["archive /srv/disk.img", "publish"]);
    assert!(finished.notes[0].contains("freeze and thaw are not run"), "{:?}", finished.notes);
}
