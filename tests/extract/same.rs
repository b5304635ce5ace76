//! What GNU tar makes of an archive, and what voltar does.

use std::fs;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::diff::{assert_none, differences};
use crate::common::kernel::Mount;
use crate::common::record::{Kind, Tree};
use crate::common::{manifest, tools, tree};
use crate::{archive, extract, guest, said, voltar};

/// Bytes of the filesystem that is extracted to; its file is sparse.
const SCRATCH: u64 = 4 << 30;

const OPTIONS: &str = "--xattrs --xattrs-include=* --acls --selinux -p --same-owner --numeric-owner --warning=no-unknown-keyword \
                       --warning=no-timestamp";

/// The same for bsdtar.
const BSD_OPTIONS: &str = "-p --same-owner --numeric-owner --acls --xattrs";

/// What a tar makes of it.
fn by(program: &str, archive: &Path, folder: &Path) -> Tree {
    let options = if program == "tar" { OPTIONS } else { BSD_OPTIONS };
    fs::create_dir(folder).unwrap();
    let mut command = tools::command(program);
    let output = command
        .args(options.split_whitespace())
        .arg("-xf")
        .arg(archive)
        .arg("-C")
        .arg(folder)
        .output()
        .unwrap();
    tools::assert_success(program, &output);
    read(folder)
}

/// A tree with what an extraction can be asked for.
fn read(folder: &Path) -> Tree {
    let mut tree = tree::read(folder);
    for record in tree.values_mut() {
        // Nobody sets the first two; the ranges that are stored are in blocks of this filesystem.
        (record.ctime, record.btime, record.data_sha1) = (None, None, None);
    }
    tree
}

/// GNU tar sets no flags and no times of the last read, and a raw image has no time at all.
fn without_flags(mut tree: Tree) -> Tree {
    for (path, record) in &mut tree {
        (record.flags, record.atime) = (None, None);
        if path.ends_with(b".img") {
            record.mtime = None;
        }
    }
    tree
}

/// Without the directory that is extracted to, where nothing in the archive tells of it.
fn without_root(mut tree: Tree) -> Tree {
    tree.remove(b"".as_slice());
    tree
}

fn unpacked(name: &str, folder: &Path) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let path = folder.join(format!("{name}.img"));
    match fs::read(fixtures.join(format!("{name}.img.zst"))) {
        Ok(packed) => fs::write(&path, zstd::decode_all(packed.as_slice()).unwrap()).unwrap(),
        Err(_) => drop(fs::copy(fixtures.join(format!("{name}.img")), &path).unwrap()),
    }
    path
}

pub fn images() {
    let scratch = Mount::scratch(SCRATCH);
    let at = |name: String| scratch.path().join(name);
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "guest",
        "ext4",
        "ext4-ea-inode",
        "ext4-inline-data",
        "ext4-extra-isize",
        "ext4-dir-nlink",
        "ext3",
        "mbr",
    ] {
        let image = unpacked(name, folder.path());
        let to = |ending: &str| folder.path().join(format!("{name}.{ending}"));
        let (zstd, gzip, plain) = (to("tar.zst"), to("tar.gz"), to("tar"));
        [&zstd, &gzip, &plain].iter().for_each(|path| archive(&image, path));
        // One stream, and nothing beside it.
        let alone = to("alone.tar.gz");
        fs::copy(&gzip, &alone).unwrap();
        let by_tar = without_flags(by("tar", &zstd, &at(format!("{name}-tar"))));
        assert!(by_tar.len() > 3, "{name}");
        for (index, place) in [&zstd, &gzip, &plain, &alone, &image].iter().enumerate() {
            let target = at(format!("{name}-{index}"));
            fs::create_dir(&target).unwrap();
            let (code, said) = extract(place, &target, &["--devices", "-T", "3"]);
            assert_eq!(code, 0, "{}: {said}", place.display());
            let found = read(&target);
            let what = format!("{} as GNU tar extracts it", place.display());
            let (tars, ours) = (by_tar.clone(), without_flags(found.clone()));
            let is_bare = found.contains_key(b"lost+found".as_slice());
            let (tars, ours) = if is_bare { (tars, ours) } else { (without_root(tars), without_root(ours)) };
            assert_none(&what, &differences(&tars, &ours));
            // The manifest has the flags too.
            let mut told = manifest::read(&zstd);
            told.retain(|_, record| record.kind != Kind::Socket);
            told.values_mut().for_each(|record| {
                (record.ctime, record.btime, record.data_sha1) = (None, None, None);
            });
            let (told, found) = if is_bare { (told, found) } else { (told, without_root(found)) };
            assert_none(&format!("{} as the manifest has it", place.display()), &differences(&told, &found));
        }
    }
}

fn as_nobody(program: &str) -> Command {
    let mut command = tools::command("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(program);
    command
}

pub fn as_user() {
    let scratch = Mount::scratch(SCRATCH);
    // Where this was built, nobody may have no business: the same under a path that anybody may go.
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    tools::run("mount", [Path::new("--bind"), scratch.path(), &root]);
    fs::set_permissions(&root, fs::Permissions::from_mode(0o777)).unwrap();
    let at = |name: &str| root.join(name);
    let (archive_path, program) = (at("guest.tar.zst"), folder.path().join("voltar"));
    archive(&guest(), &archive_path);
    for file in fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
    {
        fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
    }
    fs::copy(env!("CARGO_BIN_EXE_voltar"), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let (tars, ours) = (at("tar"), at("ours"));
    for folder in [&tars, &ours] {
        fs::create_dir(folder).unwrap();
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let options =
        "--xattrs --xattrs-include=user.* --acls -p --warning=no-unknown-keyword --warning=no-timestamp";
    let mut tar = as_nobody("tar");
    tar.args(options.split_whitespace()).arg("-xf").arg(&archive_path).arg("-C").arg(&tars);
    // It fails at the devices, and goes on.
    tar.output().unwrap();
    let mut own = as_nobody("timeout");
    own.arg("120").arg(&program).arg("extract").arg(&archive_path).arg("--devices").arg("-C").arg(&ours);
    let (code, text) = said(own.output().unwrap());
    assert_eq!(code, 0, "{text}");
    for left in [
        "owners or groups",
        "set-user-ID",
        "trusted.*",
        "capabilities",
        "inode flags",
        "device nodes",
        "sockets",
    ] {
        assert_eq!(text.matches(left).count(), 1, "{left}: {text}");
    }
    let mut expected = without_root(without_flags(read(&tars)));
    for record in expected.values_mut() {
        // A program of root's that anybody runs as root would be one that anybody runs as this user.
        if record.kind != Kind::Directory {
            record.mode = record.mode.map(|mode| mode & !0o6000);
        }
    }
    let mut found = without_root(without_flags(read(&ours)));
    // Kernels without SELinux let anybody set a label; tar was not asked to.
    for record in found.values_mut() {
        record.xattrs.iter_mut().for_each(|xattrs| drop(xattrs.remove(b"security.selinux".as_slice())));
    }
    assert_none("as a plain user", &differences(&expected, &found));
    assert!(expected.len() > 300, "{}", expected.len());
    tools::run("umount", [&root]);
}

/// A folder with what tars have to tell apart.
fn source(folder: &Path) -> PathBuf {
    let root = folder.join("source");
    fs::create_dir_all(root.join("dir/sub")).unwrap();
    fs::write(root.join("dir/file"), "content\n").unwrap();
    fs::write(root.join("empty"), "").unwrap();
    fs::write(root.join("dir").join("n".repeat(120)), "long name").unwrap();
    fs::hard_link(root.join("dir/file"), root.join("hard")).unwrap();
    symlink("dir/file", root.join("link")).unwrap();
    symlink("t".repeat(150), root.join("long-link")).unwrap();
    let sparse = fs::File::create(root.join("sparse")).unwrap();
    sparse.set_len(4 << 20).unwrap();
    for index in 0..30 {
        sparse.write_all_at(format!("data {index}").as_bytes(), index * (128 << 10) + 5).unwrap();
    }
    fs::write(root.join("large"), vec![b'x'; 3_700_000]).unwrap();
    fs::set_permissions(root.join("dir/sub"), fs::Permissions::from_mode(0o500)).unwrap();
    fs::set_permissions(root.join("large"), fs::Permissions::from_mode(0o4751)).unwrap();
    root
}

pub fn foreign() {
    let scratch = Mount::scratch(SCRATCH);
    let folder = tempfile::tempdir().unwrap();
    let root = source(folder.path());
    let tars: [(&str, &str); 8] = [
        ("tar", "--format=gnu"),
        ("tar", "--format=gnu --sparse"),
        ("tar", "--format=oldgnu --sparse"),
        ("tar", "--format=pax --sparse --sparse-version=1.0"),
        ("tar", "--format=pax --sparse --sparse-version=0.1"),
        ("tar", "--format=pax --sparse --sparse-version=0.0"),
        ("bsdtar", "--format=pax"),
        ("bsdtar", "--format=gnutar"),
    ];
    for (index, (program, options)) in tars.iter().enumerate() {
        for (ending, filter) in [("tar", ""), ("tar.gz", "-z"), ("tar.zst", "--zstd")] {
            let what = format!("{program} {options} {filter}");
            let path = folder.path().join(format!("{index}.{ending}"));
            let mut command = tools::command(program);
            command.args(options.split_whitespace()).args(filter.split_whitespace()).arg("-cf").arg(&path);
            let output = command.arg("-C").arg(&root).arg(".").output().unwrap();
            tools::assert_success(&what, &output);
            let expected =
                without_flags(by(program, &path, &scratch.path().join(format!("{index}-{ending}-tar"))));
            let target = scratch.path().join(format!("{index}-{ending}"));
            let (code, said) = extract(&path, &target, &[]);
            assert_eq!(code, 0, "{what}: {said}");
            let found = without_flags(read(&target));
            // bsdtar leaves the directory that it extracts to alone.
            let is_bsd = *program == "bsdtar";
            let (expected, found) =
                if is_bsd { (without_root(expected), without_root(found)) } else { (expected, found) };
            assert_none(&what, &differences(&expected, &found));
            let same = voltar().arg("diff").arg(&path).arg(&path).output().unwrap();
            tools::assert_success("voltar diff", &same);
        }
    }
}
