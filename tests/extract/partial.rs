//! Parts of archives.

use std::fs;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use crate::common::tools;
use crate::{Hostile, archive, both_ways, extract, guest, listing};

/// All frames but those that a file is in are destroyed, and it comes out all the same.
pub fn frames() {
    let folder = tempfile::tempdir().unwrap();
    let (source, image, path) =
        (folder.path().join("source"), folder.path().join("a.img"), folder.path().join("a.tar.zst"));
    fs::create_dir(&source).unwrap();
    let content = |number: u32| -> Vec<u8> {
        (0..1_500_000 + number)
            .flat_map(|at| (at.wrapping_mul(2_654_435_761) ^ number).to_le_bytes())
            .collect()
    };
    (0..6).for_each(|number| fs::write(source.join(format!("f{number}")), content(number)).unwrap());
    fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
    tools::run("mke2fs", ["-q", "-t", "ext4", "-d", source.to_str().unwrap(), image.to_str().unwrap()]);
    archive(&image, &path);
    let lines = crate::common::archive::manifest(&path);
    let frames = lines.iter().find(|line| line["record"] == "frames").unwrap();
    let frame_bytes = frames["frame_bytes"].as_u64().unwrap();
    let packed: Vec<u64> =
        frames["packed"].as_array().unwrap().iter().map(|len| len.as_u64().unwrap()).collect();
    assert!(packed.len() > 6, "{packed:?}");
    let entry = lines.iter().find(|line| line["path"] == "f3").unwrap();
    let (header, data) =
        (entry["place"]["header"].as_u64().unwrap(), entry["place"]["data"].as_u64().unwrap());
    let last = data + entry["place"]["stored"].as_u64().unwrap() - 1;
    let needed = header / frame_bytes..=last / frame_bytes;
    let file = fs::File::options().write(true).open(&path).unwrap();
    let (mut start, mut destroyed) = (0, 0);
    for (index, len) in packed.iter().enumerate() {
        if !needed.contains(&(index as u64)) {
            // What tells that it is an archive stays.
            file.write_all_at(&vec![0xff; *len as usize - 8], start + 8).unwrap();
            destroyed += 1;
        }
        start += len;
    }
    assert!(destroyed > 3, "{destroyed}");
    let target = folder.path().join("target");
    let (code, said) = extract(&path, &target, &["f3"]);
    assert_eq!(code, 0, "{said}");
    assert!(fs::read(target.join("f3")).unwrap() == content(3));
    assert_eq!(fs::read_dir(&target).unwrap().count(), 1);
    // The others are an issue each.
    let (code, said) = extract(&path, &folder.path().join("all"), &[]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("issue: f0: ") && !said.contains("issue: f3: "), "{said}");
}

pub fn parts() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    archive(&guest(), &at("a.tar.zst"));
    let place = |path: &str| at(&format!("a.tar.zst:{path}"));
    let (code, said) = extract(&place("p4/etc"), &at("one"), &["hostname", "/passwd"]);
    assert_eq!(code, 0, "{said}");
    let names = |name: &str| -> Vec<String> {
        listing(&at(name)).iter().map(|(path, _)| path.display().to_string()).collect()
    };
    assert_eq!(names("one"), ["", "p4", "p4/etc", "p4/etc/hostname", "p4/etc/passwd"]);
    let (code, said) = extract(&place("p4/etc/nowhere"), &at("none"), &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("there is no p4/etc/nowhere"), "{said}");
    assert_eq!(names("none"), [""]);
    let (code, said) = extract(
        &at("a.tar.zst"),
        &at("without"),
        &["p4", "--exclude", "./var", "--exclude", "home/ana", "--exclude", "p4/srv"],
    );
    assert_eq!(code, 0, "{said}");
    let found = names("without");
    assert!(
        found.iter().all(|name| !name.starts_with("p4/var")
            && !name.starts_with("p4/home/ana")
            && !name.starts_with("p4/srv")),
        "{found:?}"
    );
    assert!(found.contains(&"p4/home".to_owned()) && found.contains(&"p4/etc/fstab".to_owned()));

    // Three names of one file, the first of which is not asked for.
    let tar = Hostile::new()
        .file("first", "content")
        .link("d/second", "first")
        .link("d/third", "first")
        .link("e", "first");
    fs::create_dir(at("by-hand")).unwrap();
    for place in both_ways(&at("by-hand"), &tar.bytes()) {
        let target = at("links");
        let _ = fs::remove_dir_all(&target);
        let (code, said) = extract(&place, &target, &["d"]);
        assert_eq!(code, 0, "{said}");
        assert_eq!(names("links"), ["", "d", "d/second", "d/third"]);
        let inode = |name: &str| fs::metadata(target.join(name)).unwrap().ino();
        assert_eq!(inode("d/second"), inode("d/third"));
        assert_eq!(fs::read(target.join("d/third")).unwrap(), b"content");
        let (code, said) = extract(&place, &at("absent"), &["d", "nowhere"]);
        assert!([1, 3].contains(&code) && said.contains("nowhere"), "{code}: {said}");
    }
}

pub fn digest() {
    let folder = tempfile::tempdir().unwrap();
    let (path, target) = (folder.path().join("a.tar"), folder.path().join("target"));
    archive(&guest(), &path);
    let mut bytes = fs::read(&path).unwrap();
    let text = b"root:x:0:0:";
    let at = bytes.windows(text.len()).position(|window| window == text).unwrap();
    bytes[at] = b'R';
    fs::write(&path, bytes).unwrap();
    // Not all of it: root could not remove what is immutable.
    let (code, said) = extract(&path, &target, &["p4/etc"]);
    assert_eq!(code, 3, "{said}");
    assert_eq!(said.matches("issue:").count(), 1, "{said}");
    assert!(said.contains("p4/etc/passwd: extracted, but its content is not"), "{said}");
    assert!(fs::read(target.join("p4/etc/passwd")).unwrap().starts_with(b"Root:"));
}
