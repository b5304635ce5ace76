//! Rules that each kind of store keeps.

use std::io::{Read as _, Write as _};

use super::archives::{self, VolumeArchives};
use super::choice::Choice;
use super::folder::FolderStore;
use super::memory::Memory;
use super::*;
use crate::archive::manifest::of_lines;
use crate::archive::read::verify;
use crate::archive::{Compression, Nobody};
use crate::device::read_vec;

const NIGHT: i64 = 1_778_288_523;
const DAY: i64 = 86_400;

/// Runs a check with an empty store of each kind.
fn each(check: impl Fn(&dyn Store)) {
    let folder = tempfile::tempdir().unwrap();
    let stores: [Box<dyn Store>; 2] = [Box::new(FolderStore::at(folder.path())), Box::new(Memory::default())];
    for store in stores {
        check(store.as_ref());
    }
}

fn key(volume: &str, taken: i64) -> Key {
    Key::of_archive(volume, taken, Compression::None)
}

fn digests(archive: &[u8], manifest: &[u8]) -> Digests {
    let digest = |bytes: &[u8]| {
        let mut hasher = Algorithm::Sha1.hasher();
        hasher.update(bytes);
        hasher.finish()
    };
    Digests { archive: digest(archive), manifest: digest(manifest) }
}

/// A tar with nothing in it.
const TAR: [u8; 10_240] = [0; 10_240];

/// The manifest of a tar of that length.
fn manifest(issues: u64) -> Vec<u8> {
    let head = r#"{"record":"head","format":1,"tool":"voltar","started":1778288523,"source":{"path":"/dev/vg0/web","len_bytes":9},"compression":"none","digest":"sha1"}"#;
    let complete = issues == 0;
    let tail = format!(
        r#"{{"complete":{complete},"entries":{{}},"issues":{issues},"data_bytes":0,"stream_bytes":10240,"archive_bytes":10240,"bytes_read":0,"record":"tail"}}"#
    );
    let frames = r#"{"record":"frames","frame_bytes":4194304,"packed":[10240]}"#;
    of_lines(&[head, frames, &tail])
}

fn put(store: &dyn Store, key: &Key, issues: u64) {
    let draft = store.create(key, Algorithm::Sha1).unwrap();
    let (mut archive, mut sidecar) = draft.files().unwrap();
    archive.write_all(&TAR).unwrap();
    sidecar.write_all(&manifest(issues)).unwrap();
    draft.seal(&digests(&TAR, &manifest(issues))).unwrap().commit().unwrap();
}

/// The sorted names in a folder.
fn names(store: &dyn Store, folder: &str) -> Vec<String> {
    let mut names = store.names(folder).unwrap();
    names.sort();
    names
}

#[test]
fn an_archive_appears_whole_when_it_is_committed_and_not_before() {
    each(|store| {
        let key = key("web", NIGHT);
        let draft = store.create(&key, Algorithm::Sha1).unwrap();
        let (mut archive, mut manifest) = draft.files().unwrap();
        archive.write_all(b"half").unwrap();
        manifest.write_all(b"manifest").unwrap();
        let is_absent = || store.look(&key).unwrap().is_none() && store.open(&key).is_err();
        assert!(is_absent(), "{store:?}: half of it is written");
        archive.write_all(b" and whole").unwrap();
        let sealed = draft.seal(&digests(b"half and whole", b"manifest")).unwrap();
        assert!(is_absent(), "{store:?}: it lacks only its name");
        assert_eq!(archives::volumes(store).unwrap(), Vec::<String>::new(), "{store:?}");
        sealed.commit().unwrap();
        assert_eq!(store.look(&key).unwrap(), Some(Standing::Object(14)), "{store:?}");
        let device = store.open(&key).unwrap();
        assert_eq!(read_vec(device.as_ref(), 5, 3).unwrap(), b"and");
        let mut bytes = Vec::new();
        store.descriptor(&key.manifest()).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"manifest");
        let name = key.file_name().to_str().unwrap();
        let expected = ["", ".manifest.jsonl.zst", ".sha1"].map(|ending| format!("{name}{ending}"));
        assert_eq!(names(store, "web"), expected, "{store:?}");
    });
}

#[test]
fn of_a_discarded_archive_nothing_is_left() {
    each(|store| {
        let key = key("web", NIGHT);
        drop(store.create(&key, Algorithm::Sha1).unwrap());
        let draft = store.create(&key, Algorithm::Sha1).unwrap();
        drop(draft.seal(&digests(b"", b"")).unwrap());
        assert_eq!(names(store, "web"), Vec::<String>::new(), "{store:?}");
        assert_eq!(store.folders().unwrap(), Vec::<String>::new(), "{store:?}");
    });
}

#[test]
fn no_archive_takes_the_place_of_another() {
    each(|store| {
        let key = key("web", NIGHT);
        // Both begin before either is there.
        let late = store.create(&key, Algorithm::Sha1).unwrap();
        put(store, &key, 0);
        assert_eq!(store.create(&key, Algorithm::Sha1).err().unwrap().kind(), Kind::Exists, "{store:?}");
        let late = late.seal(&digests(b"", b"")).unwrap().commit();
        assert_eq!(late.unwrap_err().kind(), Kind::Exists, "{store:?}");
        assert_eq!(store.look(&key).unwrap(), Some(Standing::Object(10_240)), "{store:?}");
    });
}

#[test]
fn an_object_that_is_not_there_is_told_from_one_that_can_not_be_read() {
    each(|store| {
        let absent = key("web", NIGHT);
        put(store, &key("web", NIGHT - DAY), 0);
        assert!(store.open(&absent).is_err(), "{store:?}");
        let error = store.descriptor(&absent).unwrap_err();
        let kind = error.io().map(std::io::Error::kind);
        assert_eq!(kind, Some(std::io::ErrorKind::NotFound), "{store:?}: {error}");
        store.remove(&absent).unwrap();
        store.remove_archive(&absent).unwrap();
        assert_eq!(names(store, "web").len(), 3, "{store:?}");
    });
}

#[test]
fn archives_are_listed_oldest_first_and_removed_with_their_sidecars() {
    each(|store| {
        for (volume, taken, issues) in [("web", NIGHT, 0), ("web", NIGHT - DAY, 2), ("db", NIGHT - 9, 0)] {
            put(store, &key(volume, taken), issues);
        }
        let all = archives::all(store, &Here).unwrap();
        let seen: Vec<_> =
            all.iter().map(|found| (found.volume.as_str(), found.taken, found.is_complete())).collect();
        let expected = [("web", NIGHT - DAY, false), ("db", NIGHT - 9, true), ("web", NIGHT, true)];
        assert_eq!(seen, expected, "{store:?}");
        assert_eq!(archives::volumes(store).unwrap(), ["db", "web"]);
        assert_eq!(archives::remove(store, &all[0]).unwrap().key, all[0].key);
        assert_eq!(names(store, "web").len(), 3, "{store:?}");
        // Without the archive its sidecars are orphans.
        store.remove(&all[2].key).unwrap();
        let ours = VolumeArchives::read(store, "web", &Here).unwrap();
        assert_eq!((ours.archives.len(), ours.orphans.len()), (0, 2), "{store:?}");
        ours.orphans.iter().for_each(|orphan| store.remove(&orphan.key).unwrap());
        assert_eq!(archives::volumes(store).unwrap(), ["db"], "{store:?}");
    });
}

#[test]
fn the_newest_of_each_volume_are_chosen_and_verified() {
    each(|store| {
        for (volume, taken) in [("web", NIGHT), ("web", NIGHT - DAY), ("db", NIGHT - 9)] {
            put(store, &key(volume, taken), 0);
        }
        let shelves = store.shelves().unwrap();
        let newest = Choice { newest: true, sample: None }.of(&shelves, NIGHT);
        assert_eq!(newest, [key("db", NIGHT - 9), key("web", NIGHT)], "{store:?}");
        for key in newest {
            let verdict = verify(&store.open_archive(&key).unwrap(), &Nobody).unwrap();
            assert!(verdict.is_good() && verdict.is_proven(), "{store:?}: {:?}", verdict.findings);
        }
    });
}

#[test]
fn one_run_at_a_time_has_a_store() {
    each(|store| {
        store.check().unwrap();
        let lock = store.lock().unwrap();
        assert_eq!(store.lock().unwrap_err().kind(), Kind::Exists, "{store:?}");
        drop(lock);
        store.lock().unwrap();
    });
}

#[test]
fn the_space_of_a_store_is_known() {
    each(|store| {
        let space = store.space().unwrap();
        assert!(space.free_bytes <= space.total_bytes, "{store:?}: {space:?}");
        check_free(store, Some(Free::Bytes(1))).unwrap();
    });
}
