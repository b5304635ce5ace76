//! Holds `--exclude` against GNU tar: the same tree, the same patterns, the same names left.
//!
//! Needs GNU tar (Debian: `tar`). Where it is missing the tests say so and check nothing; with `CI` set they fail.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;
use voltar::tree::Exclude;

/// The names in the tree; those that end with a `/` are directories.
const TREE: [&str; 49] = [
    "proc/",
    "proc/1/",
    "proc/1/stat",
    "proc/version",
    "home/",
    "home/ann/",
    "home/ann/proc/",
    "home/ann/proc/notes",
    "home/ann/.cache/",
    "home/ann/.cache/x",
    "home/ann/Photo.JPG",
    "home/ann/photo.jpg",
    "home/ann/foo/",
    "home/ann/foo/bar",
    "foo/",
    "foo/bar/",
    "foo/bar/baz",
    "foo/f",
    "foobar",
    "foo.d/",
    "foo.d/a.log",
    "foo.d/a.log.1",
    "a.log",
    "x.log/",
    "x.log/inside",
    "lost+found/",
    "empty/",
    "z",
    "-",
    "[x]/",
    "[x]/in",
    "q[",
    "]",
    "!n",
    "^n",
    "#note",
    "*star",
    "a?b",
    "a b",
    "end ",
    " lead",
    "back\\slash/",
    "back\\slash/in",
    "tail\\",
    "\\",
    "...",
    "~",
    "{b}",
    "caf\u{e9}",
];

const PATTERNS: [&str; 100] = [
    // Without wildcards.
    "proc",
    "./proc",
    "/proc",
    "proc/",
    "./proc/",
    "home/ann",
    "./home/ann",
    "ann/proc",
    "ann",
    "./ann",
    "lost+found",
    "foo/bar",
    "foo//bar",
    "./foo//bar",
    "foo/bar/",
    "foo/../proc",
    "././proc",
    "..",
    "...",
    "photo.jpg",
    "PROC",
    "#note",
    "-",
    "{b}",
    "~",
    " lead",
    "end ",
    "end",
    "z ",
    "caf\u{e9}",
    // About everything, or nothing.
    "",
    ".",
    "./",
    "*",
    "**",
    "?",
    "*/",
    "/*",
    "./*",
    "./?",
    "*/*",
    "/",
    "//",
    // Wildcards.
    "*.log",
    "*.LOG",
    "./*.log",
    "*.log*",
    "foo/*",
    "./foo/*",
    "foo*",
    "./foo*",
    "fo?",
    "foo?bar",
    "foo/b*z",
    "h*notes",
    "home/*/notes",
    "*/proc",
    "*proc",
    "proc*",
    "?roc",
    "*/.*",
    ".*",
    "./.*",
    "*.*",
    "**/proc",
    "empty/*",
    "a?b",
    "caf?",
    "*a*n*",
    "*~",
    // Brackets.
    "[a-z]",
    "[!a-z]",
    "[^a-z]*",
    "[p-q]roc",
    "foo[/]bar",
    "foo[!a]bar",
    "[]]",
    "[]-a]",
    "[!]]n",
    "[z-a]",
    "[az-]",
    "[[:punct:]]n",
    "[[:alpha:]]",
    "[[:upper:]]*",
    "[[:foo:]]",
    "[[:foo:]z]",
    "[z[:foo:]]",
    "[[=z=]]",
    "[[.z.]]",
    "[\\]]",
    "[\\z]",
    "caf[\u{e0}-\u{ef}]",
    // Brackets that are never closed, and backslashes.
    "q[",
    "[x",
    "q[*",
    "[x]",
    "\\[x]",
    "\\[x\\]",
    "back\\slash",
    "*\\",
];

/// Patterns that are tested in company.
const SETS: [&[&str]; 9] = [
    &["tail\\", "back\\\\slash", "\\"],
    &["back\\\\*", "\\*star", "a\\?b"],
    &["\\p\\r\\o\\c", "\\z"],
    &["./proc", "*.log", "lost+found"],
    &["proc", "./home/ann/proc"],
    &["foo/*", "x.log/*"],
    &["", "z"],
    &["/proc", "/home/*"],
    &["[!f]*", "foo/f"],
];

/// Files of patterns.
const FILES: [&[u8]; 7] = [
    b"proc\n*.log\n",
    b"proc\r\n*.log \t\r\n\r\n",
    b"\n\n   \n# comment\n#note\n; z\n",
    b" lead\nend \n./foo/*\nz",
    b"tail\\ \n[x]\\\nback\\\\slash\x0b\x0c\n",
    b"pro\0c\nproc\0z\n\0\n",
    b"",
];

/// Whether GNU tar is here; says loudly that it is not, and fails where that must not be.
fn gnu_tar_is_here() -> bool {
    let version = Command::new("tar").arg("--version").output();
    if version.is_ok_and(|output| output.stdout.starts_with(b"tar (GNU tar)")) {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "GNU tar is missing, and CI is set: nothing may be left out");
    // Not `eprintln!`: the test harness would keep that to itself.
    let message =
        "LEFT OUT, NOT PASSED: GNU tar is missing, nothing was held against it (Debian: apt install tar)";
    writeln!(io::stderr(), "{message}").expect("stderr takes a line");
    false
}

fn make_tree() -> TempDir {
    let root = tempfile::tempdir().expect("a temporary folder");
    for name in TREE {
        let path = root.path().join(name);
        if name.ends_with('/') { fs::create_dir(path) } else { fs::write(path, name) }.expect(name);
    }
    fs::write(root.path().join(OsStr::from_bytes(b"latin\xe9")), "").expect("a name that is not UTF-8");
    root
}

/// The names that GNU tar puts into an archive, as bytes: `./`, `./proc/`, `./proc/version`.
fn names_by_tar(root: &Path, options: &[impl AsRef<OsStr>]) -> BTreeSet<Vec<u8>> {
    let run =
        |command: &mut Command| -> Output { command.env("LC_ALL", "C.UTF-8").output().expect("tar runs") };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let archive = folder.path().join("archive.tar");
    let made = run(Command::new("tar").arg("-C").arg(root).args(options).arg("-cf").arg(&archive).arg("."));
    assert!(made.status.success(), "tar -c: {}", made.stderr.escape_ascii());
    let listed = run(Command::new("tar").arg("--quoting-style=literal").arg("-tf").arg(&archive));
    assert!(listed.status.success(), "tar -t: {}", listed.stderr.escape_ascii());
    listed.stdout.split(|byte| *byte == b'\n').filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect()
}

/// The names that are left when a walk leaves out what `exclude` says, and does not go into it.
fn names_by_exclude(root: &Path, exclude: &Exclude) -> BTreeSet<Vec<u8>> {
    let mut names = BTreeSet::new();
    let mut ahead = vec![Vec::new()];
    while let Some(path) = ahead.pop() {
        if exclude.excludes(b"", &path) {
            continue;
        }
        let here = root.join(OsStr::from_bytes(&path));
        let mut name = if path.is_empty() { b".".to_vec() } else { [b"./", path.as_slice()].concat() };
        if here.is_dir() {
            name.push(b'/');
            for entry in fs::read_dir(&here).expect("the folder is ours") {
                let child = entry.expect("the folder is ours").file_name();
                let separator: &[u8] = if path.is_empty() { b"" } else { b"/" };
                ahead.push([path.as_slice(), separator, child.as_bytes()].concat());
            }
        }
        names.insert(name);
    }
    names
}

/// The names that are left when `exclude` is asked about each alone, whatever it said of the directory that has it.
fn names_asked_alone(root: &Path, exclude: &Exclude) -> BTreeSet<Vec<u8>> {
    let mut names = names_by_exclude(root, &Exclude::new());
    names.retain(|name| {
        let name = name.strip_suffix(b"/").unwrap_or(name);
        !exclude.excludes(b"", name.strip_prefix(b"./").unwrap_or_default())
    });
    names
}

#[track_caller]
fn assert_same(what: &str, ours: &BTreeSet<Vec<u8>>, tar: &BTreeSet<Vec<u8>>) {
    let show =
        |names: Vec<&Vec<u8>>| names.iter().map(|name| name.escape_ascii().to_string()).collect::<Vec<_>>();
    let only_ours = show(ours.difference(tar).collect());
    let only_tar = show(tar.difference(ours).collect());
    assert!(ours == tar, "{what}: left by us alone {only_ours:?}, by tar alone {only_tar:?}");
}

#[track_caller]
fn assert_patterns_mean_the_same(root: &Path, patterns: &[&str]) {
    let mut exclude = Exclude::new();
    patterns.iter().for_each(|pattern| exclude.add(pattern.as_bytes()));
    let options: Vec<String> = patterns.iter().map(|pattern| format!("--exclude={pattern}")).collect();
    let (what, tar) = (options.join(" "), names_by_tar(root, &options));
    assert_same(&what, &names_by_exclude(root, &exclude), &tar);
    assert_same(&format!("{what}, without a walk"), &names_asked_alone(root, &exclude), &tar);
}

#[test]
fn the_whole_tree_is_left_without_a_pattern() {
    if !gnu_tar_is_here() {
        return;
    }
    let root = make_tree();
    let names = names_by_exclude(root.path(), &Exclude::new());
    assert_eq!(names.len(), TREE.len() + 2, "the tree, its root, and the name that is not UTF-8");
    assert_same("no option", &names, &names_by_tar(root.path(), &[] as &[&str]));
}

#[test]
fn each_pattern_leaves_out_what_gnu_tar_leaves_out() {
    if !gnu_tar_is_here() {
        return;
    }
    let root = make_tree();
    for pattern in PATTERNS {
        assert_patterns_mean_the_same(root.path(), &[pattern]);
    }
}

#[test]
fn patterns_together_leave_out_what_gnu_tar_leaves_out() {
    if !gnu_tar_is_here() {
        return;
    }
    let root = make_tree();
    for patterns in SETS {
        assert_patterns_mean_the_same(root.path(), patterns);
    }
}

#[test]
fn a_file_of_patterns_is_read_as_gnu_tar_reads_it() {
    if !gnu_tar_is_here() {
        return;
    }
    let root = make_tree();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("patterns");
    for text in FILES {
        fs::write(&file, text).expect("the folder is ours");
        let mut exclude = Exclude::new();
        exclude.add_lines(text);
        let tar = names_by_tar(root.path(), &[OsStr::new("--exclude-from"), file.as_os_str()]);
        assert_same(&text.escape_ascii().to_string(), &names_by_exclude(root.path(), &exclude), &tar);
    }
}
