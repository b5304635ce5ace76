//! Files that are there already.

use std::fs;
use std::os::unix::fs::symlink;

use crate::{Hostile, both_ways, extract, listing};

pub fn policies() {
    let tar = || {
        Hostile::new()
            .directory("d")
            .file("d/a", "new")
            .file("d/b", "new")
            .symlink("d/l", "new")
            .link("d/m", "d/a")
    };
    for stream in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let place = &both_ways(folder.path(), &tar().bytes())[usize::from(stream)];
        let target = folder.path().join("target");
        let prepare = || {
            let _ = fs::remove_dir_all(&target);
            fs::create_dir_all(target.join("d")).unwrap();
            fs::write(target.join("d/b"), "old").unwrap();
            symlink("old", target.join("d/l")).unwrap();
            fs::write(target.join("other"), "old").unwrap();
        };
        let lines = || -> Vec<String> {
            listing(&target)
                .iter()
                .skip(1)
                .map(|(path, shown)| format!("{} {shown}", path.display()))
                .collect()
        };
        prepare();
        let before = lines();
        let (code, said) = extract(place, &target, &[]);
        assert_eq!(code, 1, "{said}");
        for part in ["d/b is there already", "--overwrite", "--keep"] {
            assert!(said.contains(part), "{said}");
        }
        if stream {
            // Of what can only be read once nobody knows before; what was there stays.
            assert_eq!(fs::read(target.join("d/b")).unwrap(), b"old");
        } else {
            assert_eq!(lines(), before);
        }

        prepare();
        let (code, said) = extract(place, &target, &["--keep"]);
        assert_eq!(code, 0, "{said}");
        assert_eq!(lines(), ["d directory", "d/a new", "d/b old", "d/l to old", "d/m new", "other old"]);
        assert!(said.contains("2 kept"), "{said}");

        prepare();
        let (code, said) = extract(place, &target, &["--overwrite"]);
        assert_eq!(code, 0, "{said}");
        assert_eq!(lines(), ["d directory", "d/a new", "d/b new", "d/l to new", "d/m new", "other old"]);
        let again = extract(place, &target, &["--overwrite"]);
        assert_eq!((again.0, lines().len()), (0, 6), "{}", again.1);

        // What is in the way of a whole directory, or is one itself, is told.
        fs::remove_dir_all(target.join("d")).unwrap();
        fs::write(target.join("d"), "a file").unwrap();
        let (code, said) = extract(place, &target, &["--keep"]);
        assert_eq!((code, fs::read(target.join("d")).unwrap().as_slice()), (3, &b"a file"[..]), "{said}");
        let (code, said) = extract(place, &target, &["--overwrite"]);
        assert_eq!((code, fs::read(target.join("d/a")).unwrap().as_slice()), (0, &b"new"[..]), "{said}");
        fs::remove_file(target.join("d/b")).unwrap();
        fs::create_dir(target.join("d/b")).unwrap();
        let (code, said) = extract(place, &target, &["--overwrite"]);
        assert!(code == 3 && said.contains("d/b: not extracted: a directory has its name"), "{code}: {said}");
        assert!(target.join("d/b").is_dir());
    }
}
