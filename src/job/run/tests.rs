//! Many volumes, some of which fail.

use super::*;
use crate::job::fake::{Fake, name, volume};
use crate::report::outcome::Verdict;
use crate::snapshot::{Marked, Owner, VolumeName};
use crate::store::choice::Choice;
use crate::store::{Free, Key};

fn group(include: &[&str], exclude: &[&str]) -> What {
    let patterns = |patterns: &[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    What::Group { group: "vg0".to_owned(), include: patterns(include), exclude: patterns(exclude) }
}

fn results(outcome: &Outcome) -> Vec<(&str, Option<&str>)> {
    let results = outcome.volumes.iter();
    results.map(|volume| (volume.name.as_str(), volume.result.as_ref().err().map(String::as_str))).collect()
}

#[test]
fn a_volume_that_fails_does_not_stop_the_others() {
    let fake = Fake { fails: vec!["take vg0/web"], ..Fake::default() };
    let outcome = run(&fake.plan([group(&[], &[])]), &fake, &fake, &fake);
    assert_eq!(results(&outcome), [("vg0/web", Some("take failed")), ("vg0/db", None)]);
    assert_eq!(outcome.trouble(), (1, 0));
    assert_eq!(outcome.errors, [""; 0]);
    assert_eq!(outcome.history.len(), 1);
}

#[test]
fn a_signal_ends_the_run_and_the_rest_is_told_as_not_begun() {
    let fake = Fake { stops_after: Some("archive"), ..Fake::default() };
    let outcome = run(&fake.plan([group(&[], &[])]), &fake, &fake, &fake);
    let not_begun = "not begun: the run was stopped by a signal before";
    assert_eq!(results(&outcome), [("vg0/web", Some("stopped by a signal")), ("vg0/db", Some(not_begun))]);
    assert_eq!(fake.calls().last().unwrap(), "remove vg0/web-snapshot");
}

#[test]
fn leftovers_go_first_and_one_that_stays_is_an_error_of_the_run() {
    let marked = Marked {
        name: name("old-snapshot"),
        origin: None,
        taken: None,
        owner: Owner::Dead,
        is_snapshot: true,
    };
    let fake = Fake { marked: vec![marked.clone()], ..Fake::default() };
    let outcome = run(&fake.plan([What::Volume(name("web"))]), &fake, &fake, &fake);
    assert_eq!(outcome.cleaned, ["vg0/old-snapshot"]);
    assert_eq!(fake.calls()[..3], ["marked", "remove vg0/old-snapshot", "find vg0/web"]);

    let fake = Fake { marked: vec![marked], fails: vec!["remove vg0/old-snapshot"], ..Fake::default() };
    let outcome = run(&fake.plan([What::Volume(name("web"))]), &fake, &fake, &fake);
    assert_eq!(outcome.errors.len(), 1);
    assert_eq!(outcome.trouble(), (0, 0));
}

#[test]
fn a_run_that_needs_no_snapshots_asks_nobody_for_them() {
    let fake = Fake { fails: vec!["marked"], ..Fake::default() };
    let outcome = run(&fake.plan([What::Device("/srv/disk.img".into())]), &fake, &fake, &fake);
    assert_eq!(results(&outcome), [("/srv/disk.img", None)]);
    assert_eq!(outcome.volumes[0].folder, "disk");
    assert_eq!(outcome.errors, [""; 0]);
}

#[test]
fn a_destination_that_is_taken_ends_the_run_before_it_begins() {
    let fake = Fake::default();
    let plan = fake.plan([What::Volume(name("web"))]);
    let _lock = store::open(&plan.destination).unwrap().lock().unwrap();
    let outcome = run(&plan, &fake, &fake, &fake);
    assert_eq!((outcome.volumes.len(), outcome.errors.len()), (0, 1));
    assert!(outcome.is_refused);
    assert_eq!(fake.calls(), [""; 0]);
}

#[test]
fn a_destination_without_space_fails_each_volume_by_name() {
    let fake = Fake::default();
    let mut plan = fake.plan([group(&[], &[])]);
    plan.destination.minimum_free = Some(Free::Bytes(u64::MAX));
    let outcome = run(&plan, &fake, &fake, &fake);
    assert!(!outcome.is_refused);
    assert_eq!(fake.calls(), ["volumes vg0"]);
    for (name, error) in results(&outcome) {
        assert!(
            error.is_some_and(|error| error.starts_with("not begun: ") && error.contains("are free")),
            "{name}"
        );
    }
    assert_eq!((outcome.volumes.len(), outcome.errors.len()), (2, 1));
}

#[test]
fn what_killed_runs_left_goes_before_space_is_asked_for() {
    let fake = Fake::default();
    let mut plan = fake.plan([What::Volume(name("web"))]);
    plan.destination.minimum_free = Some(Free::Bytes(u64::MAX));
    let folder = plan.destination.folder.join("gone");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join(crate::temporary::Name::random().to_string()), "left").unwrap();
    run(&plan, &fake, &fake, &fake);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn archives_of_another_host_or_volume_are_neither_added_to_nor_expired() {
    let head = |host: &str, of: &str| {
        let head = format!(
            r#"{{"record":"head","format":1,"tool":"voltar 0.1.0","started":1,"source":{{"path":"/dev/x","len_bytes":9}},"snapshot_of":"{of}","host":"{host}","compression":"zstd","digest":"sha1"}}"#
        );
        let tail = r#"{"complete":true,"entries":{},"issues":0,"data_bytes":0,"stream_bytes":0,"archive_bytes":3,"bytes_read":0,"record":"tail"}"#;
        (head, tail)
    };
    let cases = [
        ("another host", head("elsewhere", "vg0/web"), false),
        ("another volume", head(&host_name(), "vg1/web"), false),
        ("its own", head(&host_name(), "vg0/web"), true),
    ];
    for (what, (head, tail), is_ones_own) in cases {
        let fake = Fake::default();
        let mut plan = fake.plan([What::Volume(name("web"))]);
        plan.sources.iter_mut().for_each(|source| source.retention.keep_last = Some(1));
        let folder = plan.destination.folder.join("web");
        std::fs::create_dir(&folder).unwrap();
        // The older of the two goes, where it is one's own.
        let old = ["web_2001-01-01T000000Z.tar.zst", "web_2002-01-01T000000Z.tar.zst"]
            .map(|name| folder.join(name));
        for path in &old {
            std::fs::write(path, "old").unwrap();
            let manifest = crate::archive::ArchiveFiles::new(path, crate::archive::Algorithm::Sha1).manifest;
            std::fs::write(manifest, crate::archive::manifest::of_lines(&[&head, tail])).unwrap();
        }
        let outcome = run(&plan, &fake, &fake, &fake);
        assert_eq!(outcome.volumes[0].result.is_ok(), is_ones_own, "{what}: {outcome:?}");
        assert_eq!(old[0].exists(), !is_ones_own, "{what}");
        assert!(old[1].exists(), "{what}");
        assert_eq!(fake.calls().iter().any(|call| call.starts_with("take")), is_ones_own, "{what}");
    }
}

#[test]
fn groups_are_expanded_by_whole_names_and_everything_is_there_once() {
    let volumes = ["volume-1", "volume-2", "volume-2-old", "root"].map(volume).to_vec();
    let fake = Fake { volumes, ..Fake::default() };
    let names = |sources: Vec<What>| -> (Vec<String>, usize) {
        let plan = fake.plan(sources);
        let Targets { targets, errors } = expand(&plan, &fake);
        (targets.into_iter().map(|target| target.name).collect(), errors.len())
    };
    let cases: [(Vec<What>, &[&str], usize); 5] = [
        (vec![group(&[], &[])], &["vg0/volume-1", "vg0/volume-2", "vg0/volume-2-old", "vg0/root"], 0),
        (vec![group(&["volume-*"], &["*-old"])], &["vg0/volume-1", "vg0/volume-2"], 0),
        (vec![group(&["volume"], &[])], &[], 1),
        (
            vec![group(&["root", "volume-1"], &[]), What::Volume(name("volume-1"))],
            &["vg0/root", "vg0/volume-1"],
            0,
        ),
        (vec![What::Volume(name("root")), group(&["?oot"], &[])], &["vg0/root"], 0),
    ];
    for (sources, expected, errors) in cases {
        let shown = format!("{sources:?}");
        assert_eq!(
            names(sources),
            (expected.iter().map(|name| (*name).to_owned()).collect(), errors),
            "{shown}"
        );
    }
}

#[test]
fn volumes_of_one_name_get_folders_of_their_own_or_are_refused() {
    let fake = Fake::default();
    let volume = |group: &str, volume: &str| {
        What::Volume(VolumeName { group: group.to_owned(), volume: volume.to_owned() })
    };
    let device = |path: &str| What::Device(path.into());
    let plan = fake.plan([volume("a", "web"), volume("b", "web"), volume("b", "db")]);
    let folders = |plan: &Plan| -> Vec<String> {
        expand(plan, &fake).targets.into_iter().map(|target| target.folder).collect()
    };
    assert_eq!(folders(&plan), ["a-web", "b-web", "db"]);
    // That the other group can't be listed tonight, or has no such volume, changes nothing.
    let whole =
        |group: &str| What::Group { group: group.to_owned(), include: Vec::new(), exclude: Vec::new() };
    assert_eq!(
        folders(&fake.plan([whole("absent"), volume("b", "web"), device("/c/db.img")])),
        ["b-web", "db"]
    );
    assert_eq!(folders(&fake.plan([group(&["w*"], &[]), volume("b", "db")])), ["web", "db"]);

    let plan = fake.plan([device("/a/web.img"), device("/b/web.img"), device("/b/db.img")]);
    let faults: Vec<bool> =
        expand(&plan, &fake).targets.iter().map(|target| target.fault.is_some()).collect();
    assert_eq!(faults, [true, true, false]);
}

#[test]
fn a_preview_takes_nothing_and_writes_nothing() {
    let fake = Fake::default();
    let plan = fake.plan([group(&["web"], &[]), What::Volume(name("absent"))]);
    let preview = preview(&plan, &fake, &fake);
    let what: Vec<&Result<String, String>> = preview.volumes.iter().map(|volume| &volume.what).collect();
    let snapshot = "vg0/web: 1.0 GiB, with space of its own, in use; a snapshot with 1.0 GiB for changes";
    assert_eq!(what, [&Ok(snapshot.to_owned()), &Err("there is no volume vg0/absent".to_owned())]);
    assert_eq!(fake.calls(), ["marked", "volumes vg0", "find vg0/web", "foresee vg0/web", "find vg0/absent"]);
    assert_eq!(std::fs::read_dir(&plan.destination.folder).unwrap().count(), 0);
}

#[test]
fn what_fails_is_not_expired() {
    nothing_of_web_expires("take vg0/web");
}

#[test]
fn what_is_not_in_order_is_not_expired() {
    nothing_of_web_expires("remove vg0/web-snapshot");
}

fn nothing_of_web_expires(fails: &'static str) {
    let fake = Fake { fails: vec![fails], ..Fake::default() };
    let mut plan = fake.plan([What::Volume(name("web")), What::Volume(name("db"))]);
    for source in &mut plan.sources {
        source.retention.keep_last = Some(1);
    }
    let old = |volume: &str| {
        let folder = plan.destination.folder.join(volume);
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join(format!("{volume}_2001-01-01T000000Z.tar.zst"));
        std::fs::write(&path, "old").unwrap();
        path
    };
    let (web, db) = (old("web"), old("db"));
    let outcome = run(&plan, &fake, &fake, &fake);
    assert!(web.exists() && !db.exists(), "{outcome:?}");
    assert_eq!(outcome.volumes[1].removed.len(), 1);
    assert_eq!(outcome.volumes[1].previous.as_ref().map(|previous| &previous.key), Some(&key(&db)));
}

/// The name of an archive at `destination/FOLDER/NAME`.
fn key(path: &std::path::Path) -> Key {
    let folder = path.parent().unwrap().file_name().unwrap();
    Key::new(std::path::Path::new(folder).join(path.file_name().unwrap())).unwrap()
}

/// A plan of two volumes with an old archive each: all are verified, and the last one is kept.
fn verified(fake: &Fake, web: &str) -> (Plan, [std::path::PathBuf; 2]) {
    let mut plan = fake.plan([What::Volume(name("web")), What::Volume(name("db"))]);
    plan.sources.iter_mut().for_each(|source| source.retention.keep_last = Some(1));
    plan.verify = Some(Choice { newest: true, sample: "100%".parse().ok() });
    let old = [("web", web), ("db", "old")].map(|(volume, content)| {
        let folder = plan.destination.folder.join(volume);
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join(format!("{volume}_2001-01-01T000000Z.tar.zst"));
        std::fs::write(&path, content).unwrap();
        path
    });
    (plan, old)
}

#[test]
fn all_that_is_chosen_is_verified_before_an_old_archive_is_removed() {
    let fake = Fake::default();
    let (plan, [web, db]) = verified(&fake, "old");
    let outcome = run(&plan, &fake, &fake, &fake);
    assert_eq!((outcome.verified.len(), outcome.damaged().count()), (4, 0), "{outcome:?}");
    assert_eq!(outcome.errors, [""; 0]);
    assert!(!web.exists() && !db.exists());
    let calls = fake.calls();
    let first = calls.iter().position(|call| call.starts_with("verify")).unwrap();
    assert!(calls[first..].iter().all(|call| call.starts_with("verify")), "{calls:?}");
}

#[test]
fn archives_of_a_source_without_the_sandbox_are_verified_without_it_and_no_others() {
    let fake = Fake::default();
    let (mut plan, _) = verified(&fake, "old");
    plan.sources[1].options.archive.reading.has_sandbox = false;
    run(&plan, &fake, &fake, &fake);
    let calls = fake.calls();
    let verified: Vec<_> = calls.iter().filter(|call| call.starts_with("verify")).collect();
    assert_eq!(verified.len(), 4, "{calls:?}");
    for call in verified {
        assert_eq!(call.ends_with("without the sandbox"), call.starts_with("verify db_"), "{calls:?}");
    }
}

#[test]
fn a_damaged_archive_fails_the_run_and_nothing_of_its_volume_is_removed() {
    let fake = Fake::default();
    let (plan, [web, db]) = verified(&fake, "damaged");
    let outcome = run(&plan, &fake, &fake, &fake);
    assert_eq!(outcome.verdict(), Verdict::Failed);
    assert_eq!((outcome.trouble(), outcome.errors.len()), ((0, 0), 0));
    let damaged: Vec<_> = outcome.damaged().map(|verified| (&verified.key, verified.reason())).collect();
    assert_eq!(damaged, [(&key(&web), Some("its first frame".to_owned()))]);
    assert!(web.exists() && !db.exists(), "{outcome:?}");
    let told = "no old archive was removed, as one of this volume is damaged";
    assert!(outcome.volumes[0].notes.iter().any(|note| note == told), "{outcome:?}");
}

#[test]
fn an_archive_that_can_not_be_read_counts_as_damaged() {
    let fake = Fake { fails: vec!["verify web_2001-01-01T000000Z.tar.zst"], ..Fake::default() };
    let (plan, [web, db]) = verified(&fake, "old");
    let outcome = run(&plan, &fake, &fake, &fake);
    assert_eq!(outcome.verdict(), Verdict::Failed);
    let seen: Vec<_> = outcome.damaged().map(|verified| (&verified.key, verified.status())).collect();
    assert_eq!(seen, [(&key(&web), "unreadable")]);
    assert!(web.exists() && !db.exists());
}

#[test]
fn a_signal_ends_the_verifying_and_nothing_is_removed() {
    let fake = Fake { stops_after: Some("verify"), ..Fake::default() };
    let (plan, [web, db]) = verified(&fake, "old");
    let outcome = run(&plan, &fake, &fake, &fake);
    assert_eq!(outcome.verified.len(), 1);
    assert_eq!(outcome.errors, ["3 of 4 archives were not verified: the run was stopped by a signal"]);
    assert!(web.exists() && db.exists());
}

#[test]
fn a_preview_says_what_would_be_verified() {
    let fake = Fake::default();
    let (mut plan, [web, db]) = verified(&fake, "old");
    let would = preview(&plan, &fake, &fake).verified.unwrap();
    assert_eq!((would.newest, would.sample), (true, vec![key(&db), key(&web)]));
    plan.verify = Some(Choice { newest: true, sample: None });
    let would = preview(&plan, &fake, &fake).verified.unwrap();
    assert_eq!((would.newest, would.sample.len()), (true, 0));
}
