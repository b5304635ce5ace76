use std::io::Write as _;

use crate::archive::{Algorithm, ArchiveFiles};
use std::fs;

use crate::store::Here;
use crate::store::archives::*;
use crate::store::folder::FolderStore;

const STAMP: &str = "2026-05-09T010203Z";

/// A manifest as a run writes it, compressed by another program's rules: each line a frame, and the table.
fn manifest(archive_bytes: u64, issues: u64, finished: Option<i64>) -> Vec<u8> {
    let head = r#"{"record":"head","format":1,"tool":"voltar 0.1.0","started":1778288523,"source":{"path":"/dev/vg0/web1","len_bytes":9},"compression":"zstd","digest":"sha1"}"#;
    let finished = finished.map(|finished| format!(r#","finished":{finished}"#)).unwrap_or_default();
    let complete = issues == 0;
    let tail = format!(
        r#"{{"complete":{complete},"entries":{{"file":3,"dir":2}},"issues":{issues},"data_bytes":7,"stream_bytes":8,"archive_bytes":{archive_bytes},"bytes_read":9{finished},"record":"tail"}}"#
    );
    let (mut bytes, mut table) = (Vec::new(), Vec::new());
    for line in [head, &tail] {
        let line = format!("{line}\n");
        let packed = zstd::encode_all(line.as_bytes(), 3).unwrap();
        table.extend(u32::try_from(packed.len()).unwrap().to_le_bytes());
        table.extend(u32::try_from(line.len()).unwrap().to_le_bytes());
        bytes.extend(packed);
    }
    bytes.extend([0x184d_2a5e_u32.to_le_bytes(), 25_u32.to_le_bytes()].concat());
    bytes.extend(table);
    bytes.extend([&2_u32.to_le_bytes()[..], &[0], &0x8f92_eab1_u32.to_le_bytes()].concat());
    bytes
}

/// Puts an archive of five bytes into a destination, with this manifest.
fn put(destination: &Path, volume: &str, stamp: &str, manifest: &[u8]) -> ArchiveFiles {
    let folder = destination.join(volume);
    fs::create_dir_all(&folder).unwrap();
    let target = ArchiveFiles::new(&folder.join(format!("{volume}_{stamp}.tar.zst")), Algorithm::Sha1);
    fs::write(&target.archive, "12345").unwrap();
    fs::write(&target.checksum, "sum").unwrap();
    fs::write(&target.manifest, manifest).unwrap();
    target
}

fn at(destination: &tempfile::TempDir) -> FolderStore {
    FolderStore::at(destination.path())
}

fn names(destination: &tempfile::TempDir, volume: &str) -> Vec<String> {
    let mut names = at(destination).names(volume).unwrap();
    names.sort();
    names
}

#[test]
fn archives_are_listed_with_what_their_manifests_tell() {
    let destination = tempfile::tempdir().unwrap();
    let manifest = manifest(5, 0, Some(1_778_288_613));
    put(destination.path(), "web1", STAMP, &manifest);
    let [archived] = &of_volume(&at(&destination), "web1", &Here).unwrap()[..] else { panic!("one archive") };
    assert_eq!((archived.volume.as_str(), archived.taken), ("web1", 1_778_288_523));
    assert_eq!(archived.len_bytes, 5 + 3 + u64::try_from(manifest.len()).unwrap());
    let told = Told {
        source: "/dev/vg0/web1".to_owned(),
        snapshot_of: None,
        host: None,
        data_bytes: 7,
        bytes_read: 9,
        entries: 5,
        images: 0,
        issues: 0,
        seconds: Some(90.0),
    };
    assert_eq!(archived.told, Some(told));
    assert!(archived.is_complete());
}

#[test]
fn an_archive_without_a_whole_manifest_of_its_own_is_told_nothing_of() {
    let sound = manifest(5, 0, None);
    let cases: [(&str, Vec<u8>); 6] = [
        ("damaged", [&sound[..30], &[0x55], &sound[31..]].concat()),
        ("cut off", sound[..sound.len() - 5].to_vec()),
        ("empty", Vec::new()),
        ("of an archive of another length", manifest(6, 0, None)),
        ("no zstd", b"text".to_vec()),
        ("complete with issues", {
            let text = String::from_utf8(zstd::decode_all(&manifest(5, 1, None)[..]).unwrap()).unwrap();
            zstd::encode_all(text.replace("false", "true").as_bytes(), 3).unwrap()
        }),
    ];
    for (what, bytes) in cases {
        let destination = tempfile::tempdir().unwrap();
        put(destination.path(), "web1", STAMP, &bytes);
        let [archived] = &all(&at(&destination), &Here).unwrap()[..] else { panic!("one archive") };
        assert_eq!(archived.told, None, "{what}");
        assert!(!archived.is_complete(), "{what}");
    }
    let destination = tempfile::tempdir().unwrap();
    let target = put(destination.path(), "web1", STAMP, &sound);
    fs::remove_file(target.manifest).unwrap();
    assert_eq!(all(&at(&destination), &Here).unwrap()[0].told, None);
}

#[test]
fn a_manifest_that_cannot_be_read_now_is_none_that_is_missing() {
    let newer = br#"{"record":"head","format":99,"tool":"voltar 9.0.0","started":1,"source":{"path":"/dev/vg0/web1","len_bytes":9},"compression":"zstd","digest":"sha1"}"#;
    let destination = tempfile::tempdir().unwrap();
    put(destination.path(), "web1", STAMP, &zstd::encode_all(&[&newer[..], b"\n"].concat()[..], 3).unwrap());
    assert_eq!(VolumeArchives::read(&at(&destination), "web1", &Here).unwrap_err().kind(), Kind::Unsupported);

    let target = put(destination.path(), "db1", STAMP, &manifest(5, 0, None));
    fs::remove_file(&target.manifest).unwrap();
    std::os::unix::fs::symlink(&target.manifest, &target.manifest).unwrap();
    let error = VolumeArchives::read(&at(&destination), "db1", &Here).unwrap_err();
    assert!(error.to_string().contains("symbolic links"), "{error}");
}

#[test]
fn what_stands_beside_an_archive_that_is_a_link_is_no_orphan() {
    let destination = tempfile::tempdir().unwrap();
    let target = put(destination.path(), "web1", STAMP, &manifest(5, 0, None));
    let elsewhere = destination.path().join("elsewhere");
    fs::rename(&target.archive, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &target.archive).unwrap();
    assert_eq!(VolumeArchives::read(&at(&destination), "web1", &Here).unwrap(), VolumeArchives::default());
}

#[test]
fn an_end_before_the_beginning_tells_no_duration() {
    for finished in [Some(0), Some(i64::MAX), Some(i64::MIN), None] {
        let destination = tempfile::tempdir().unwrap();
        put(destination.path(), "web1", STAMP, &manifest(5, 0, finished));
        let told = all(&at(&destination), &Here).unwrap().remove(0).told;
        assert_eq!(told.expect("a manifest").seconds, None, "{finished:?}");
    }
}

#[test]
fn all_volumes_are_listed_oldest_first() {
    let destination = tempfile::tempdir().unwrap();
    let sound = manifest(5, 0, None);
    put(destination.path(), "web1", "2026-05-09T000000Z", &sound);
    put(destination.path(), "web1", "2026-05-07T000000Z", &sound);
    put(destination.path(), "db1", "2026-05-08T000000Z", &sound);
    let taken: Vec<i64> =
        all(&at(&destination), &Here).unwrap().iter().map(|archived| archived.taken).collect();
    assert!(taken.is_sorted() && taken.len() == 3, "{taken:?}");
    assert_eq!(volumes(&at(&destination)).unwrap(), ["db1", "web1"]);
    assert_eq!(of_volume(&at(&destination), "web1", &Here).unwrap().len(), 2);
    assert_eq!(of_volume(&at(&destination), "absent", &Here).unwrap(), []);
    assert!(all(&FolderStore::at(&destination.path().join("absent")), &Here).is_err());
}

#[test]
fn what_is_not_ours_is_neither_listed_nor_touched() {
    let destination = tempfile::tempdir().unwrap();
    let path = |path: &str| destination.path().join(path);
    put(destination.path(), "web1", STAMP, &manifest(5, 0, None));
    fs::create_dir(path("lost+found")).unwrap();
    fs::create_dir(path(&format!("web1/web1_{STAMP}.tar"))).unwrap();
    std::os::unix::fs::symlink(path("web1"), path("link")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", path("web1/web1_2026-05-08T010203Z.tar.zst")).unwrap();
    let mut file = fs::File::create(path("web1/notes.txt")).unwrap();
    file.write_all(b"mine").unwrap();
    fs::write(path("web1/web1_2026-05-09.tar.zst"), "").unwrap();
    fs::write(path("web1/db1_2026-05-09T010203Z.tar.zst"), "").unwrap();
    fs::write(path("web1_2026-05-09T010203Z.tar.zst"), "").unwrap();
    let archives = all(&at(&destination), &Here).unwrap();
    assert_eq!(archives.len(), 1, "{archives:?}");
    let before = names(&destination, "web1").len();
    remove(&at(&destination), &archives[0]).unwrap();
    assert_eq!(names(&destination, "web1").len(), before - 3);
    assert!(path("web1/notes.txt").exists() && Path::new("/etc/passwd").exists());
}

#[test]
fn an_archive_is_removed_with_its_sidecars_and_nothing_else() {
    let destination = tempfile::tempdir().unwrap();
    let sound = manifest(5, 0, None);
    put(destination.path(), "web1", STAMP, &sound);
    let other = put(destination.path(), "web1", "2026-05-08T010203Z", &sound);
    let archives = of_volume(&at(&destination), "web1", &Here).unwrap();
    let removed = remove(&at(&destination), &archives[1]).unwrap();
    assert_eq!(removed, Removed { key: archives[1].key.clone(), len_bytes: archives[1].len_bytes });
    let left =
        [&other.archive, &other.manifest, &other.checksum].map(|path| path.file_name().unwrap().to_owned());
    assert_eq!(names(&destination, "web1"), left.map(|name| name.into_string().unwrap()));
    // Whoever removed it meanwhile did the same.
    remove(&at(&destination), &archives[1]).unwrap();
}

#[test]
fn what_is_not_named_like_an_archive_is_not_removed() {
    let destination = tempfile::tempdir().unwrap();
    let path = destination.path().join("precious.txt");
    fs::write(&path, "").unwrap();
    let key = Key::new("precious.txt").unwrap();
    let archived = Archived { volume: "web1".to_owned(), key, taken: 0, len_bytes: 0, told: None };
    let error = remove(&at(&destination), &archived).unwrap_err();
    assert!(error.to_string().contains("is not named like an archive of web1"), "{error}");
    assert!(path.exists());
}

#[test]
fn an_interrupted_removal_leaves_orphans() {
    let destination = tempfile::tempdir().unwrap();
    let target = put(destination.path(), "web1", STAMP, &manifest(5, 0, None));
    fs::remove_file(&target.archive).unwrap();
    let folder = VolumeArchives::read(&at(&destination), "web1", &Here).unwrap();
    assert_eq!(folder.archives, []);
    let paths: Vec<_> =
        folder.orphans.iter().map(|orphan| destination.path().join(orphan.key.as_path())).collect();
    assert_eq!(paths, [target.manifest, target.checksum]);
    assert_eq!(volumes(&at(&destination)).unwrap(), ["web1"]);
    folder.orphans.iter().for_each(|orphan| at(&destination).remove(&orphan.key).unwrap());
    assert_eq!(volumes(&at(&destination)).unwrap(), Vec::<String>::new());
}
