//! Holds the layers of `src/` in order, and a few rules that every file there keeps.
//!
//! ```text
//! temporary ▶ device ▶ partition ▶ filesystem ▶ tree ▶ volume ▶ format ▶ archive ▶ snapshot
//!   ▶ store ▶ view ▶ sandbox ▶ extract ▶ restore ▶ worker ▶ retention ▶ config ▶ report ▶ job ▶ cli
//! ```
//!
//! A layer is a folder, or a file, right under `src/`. It uses itself, the layers to its left and the vocabulary; the
//! vocabulary uses no layer. What counts is every path from `crate` or `super`, in `use` and elsewhere, tests included.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "layers/circles.rs"]
mod circles;
#[path = "layers/source.rs"]
mod source;

use source::{Written, paths, tokens, tree};

/// From left to right.
const LAYERS: [&str; 20] = [
    "temporary",
    "device",
    "partition",
    "filesystem",
    "tree",
    "volume",
    "format",
    "archive",
    "snapshot",
    "store",
    "view",
    "sandbox",
    "extract",
    "restore",
    "worker",
    "retention",
    "config",
    "report",
    "job",
    "cli",
];

/// What every layer may use.
const VOCABULARY: [&str; 6] = ["calendar", "error", "units", "fields", "hex", "printable"];

/// The root of the library, which names all layers, and the program, which is one call.
const ROOTS: [&str; 2] = ["lib", "main"];

/// The only files with `unsafe` in them: a mapping needs it, and two system calls that no safe
/// interface has.
const UNSAFE: [&str; 2] = ["src/device/mapped.rs", "src/snapshot/priority.rs"];

const MOST_LINES: usize = 400;

/// Folders in which files still use each other in a circle. No folder is added here.
const WITH_CIRCLES: [&str; 5] =
    ["src/archive/publish/", "src/archive/write/", "src/cli/", "src/extract/", "src/format/manifest/"];

/// Files that are longer, and why they are.
const LONGER: [(&str, &str); 0] = [];

#[test]
fn every_layer_uses_only_what_is_to_its_left() {
    let exported = exports(&fs::read_to_string(root().join("src/lib.rs")).unwrap());
    report(&|file, text| misuses(file, text, &exported));
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let mut paths = Vec::new();
    collect(&root().join("src"), &mut paths);
    let files: Vec<(String, String)> = paths
        .iter()
        .map(|path| {
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    let mut found = circles::circles(&files);
    found.retain(|line| !WITH_CIRCLES.iter().any(|folder| line.starts_with(folder)));
    assert!(found.is_empty(), "\nfiles that use each other:\n{}", found.join("\n"));
}

#[test]
fn a_circle_of_files_is_found_and_what_is_none_is_not() {
    let source = |files: &[(&str, &str)]| {
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        circles::circles(&files.iter().map(owned).collect::<Vec<_>>())
    };
    let up = ("src/a/up.rs", "use super::down::Down;");
    // Siblings that use each other, one of them by a name that their parent gives again.
    let parent = ("src/a/mod.rs", "mod down;\nmod up;\npub use up::Up;");
    let found = source(&[parent, up, ("src/a/down.rs", "fn f() -> super::Up {}")]);
    assert_eq!(found, ["src/a/down.rs uses src/a/up.rs", "src/a/up.rs uses src/a/down.rs"]);
    // A circle through a third file.
    let third = ("src/b.rs", "use crate::a::Up;");
    assert_eq!(source(&[parent, up, third, ("src/a/down.rs", "fn f(_: crate::b::B) {}")]).len(), 3);
    // A child and its parent, tests, comments.
    let own = ("src/a/mod.rs", "mod down;\nmod up;\npub use up::Up;\nfn f() { down::f() }\nstruct Own;");
    let down = "use super::Own; // super::Up\nmod tests { use super::super::up::Up; }";
    assert_eq!(source(&[own, up, ("src/a/down.rs", down)]), Vec::<String>::new());
}

#[test]
fn unsafe_code_is_in_files_that_are_named() {
    let find = |file: &str, text: &str| match UNSAFE.contains(&file) {
        true => Vec::new(),
        false => words(file, text, &["unsafe"], ""),
    };
    report(&find);
    for file in UNSAFE {
        let text = fs::read_to_string(root().join(file)).unwrap();
        assert!(
            !words(file, &text, &["unsafe"], "").is_empty(),
            "{file} has none: nothing needs it any more"
        );
    }
}

#[test]
fn nothing_is_left_to_be_written() {
    report(&|file, text| words(file, text, &["todo", "unimplemented"], "!"));
}

#[test]
fn no_file_is_long() {
    let find = |file: &str, text: &str| {
        let count = text.lines().count();
        let is_known = LONGER.iter().any(|(longer, _)| *longer == file);
        match (count > MOST_LINES, is_known) {
            (true, false) => vec![format!("{file}:{count}: {count} lines, at most {MOST_LINES}")],
            (false, true) => vec![format!("{file}: {count} lines, and still in the list of longer files")],
            _ => Vec::new(),
        }
    };
    report(&find);
    for (file, _) in LONGER {
        assert!(root().join(file).exists(), "{file} is in the list of longer files, but not there");
    }
}

#[test]
fn a_use_of_a_layer_to_the_right_is_found_with_its_line() {
    let exported =
        exports("pub mod volume;\npub use volume::Disk;\npub use error::{Error, Result as Outcome};\n");
    let cases: [(&str, &str, &[&str]); 18] = [
        ("src/device/mod.rs", "use crate::error::Result;\nuse crate::units::ByteRange;\n", &[]),
        ("src/tree/walk.rs", "use crate::filesystem::{Inode, Listing};\nuse super::Entry;\n", &[]),
        (
            "src/device/mod.rs",
            "\nuse crate::partition::Table;\n",
            &["src/device/mod.rs:2: device uses partition"],
        ),
        (
            "src/tree/walk.rs",
            "use crate::{\n    error::Result,\n    archive::{self, run::{Raw, Request}},\n    cli,\n};\n",
            &["src/tree/walk.rs:3: tree uses archive", "src/tree/walk.rs:4: tree uses cli"],
        ),
        (
            "src/volume/mod.rs",
            "fn f() {\n    crate::cli::main();\n}\n",
            &["src/volume/mod.rs:2: volume uses cli"],
        ),
        (
            "src/volume/mod.rs",
            "fn f() -> Vec<crate :: archive\n:: Report> {}",
            &["src/volume/mod.rs:1: volume uses archive"],
        ),
        // Up to the root, and down again.
        ("src/tree/mod.rs", "use super::cli::main;", &["src/tree/mod.rs:1: tree uses cli"]),
        ("src/tree/walk.rs", "use super::super::cli::main;", &["src/tree/walk.rs:1: tree uses cli"]),
        ("src/tree/walk.rs", "use super::super::device::Device;\nuse super::cli;", &[]),
        (
            "src/tree/glob/bracket.rs",
            "use self::super::super::super::job;",
            &["src/tree/glob/bracket.rs:1: tree uses job"],
        ),
        (
            "src/tree/walk.rs",
            "mod tests {\n    use super::super::cli;\n    use super::super::super::cli;\n}\nuse super::super::job;",
            &["src/tree/walk.rs:3: tree uses cli", "src/tree/walk.rs:5: tree uses job"],
        ),
        (
            "src/tree/walk.rs",
            "use super::{super::{archive, volume}, Entry};",
            &["src/tree/walk.rs:1: tree uses archive", "src/tree/walk.rs:1: tree uses volume"],
        ),
        // The vocabulary uses no layer, and a name that the root gives again is its layer's.
        (
            "src/error.rs",
            "use crate::printable::Printable;\nuse crate::device::Device;",
            &["src/error.rs:2: error uses device"],
        ),
        (
            "src/filesystem/mod.rs",
            "use crate::{Outcome, Disk};",
            &["src/filesystem/mod.rs:1: filesystem uses volume"],
        ),
        ("src/cli/mod.rs", "use crate::Nothing;", &["src/cli/mod.rs:1: cli uses Nothing, which is no layer"]),
        ("src/cli/mod.rs", "use crate::*;", &["src/cli/mod.rs:1: cli uses *, which is no layer"]),
        ("src/helpers/mod.rs", "", &["src/helpers/mod.rs:1: helpers is no layer"]),
        // What is no path.
        (
            "src/device/mod.rs",
            "// use crate::cli;\n/* crate::cli /* */ crate::cli */ pub(crate) fn f<'a>(c: &'a str) {}\n\
             const A: &str = \"crate::cli \\\" crate::cli\";\nconst B: &[u8] = br#\"crate::cli \" \"#;\nconst C: char = '\"';\n\
             const D: &str = \"\n\";\npub(in crate::device) fn g() {}\nuse crate::cli;",
            &["src/device/mod.rs:9: device uses cli"],
        ),
    ];
    for (file, text, expected) in cases {
        assert_eq!(misuses(file, text, &exported), expected, "{file}: {text}");
    }
}

#[test]
fn a_forbidden_word_is_found_with_its_line_but_not_in_a_comment_or_a_name() {
    let text =
        "#![deny(unsafe_code)]\n// unsafe\nfn f() {\n    \"unsafe\"; unsafe { todo!() }\n}\nfn todo() {}\n";
    assert_eq!(words("a.rs", text, &["unsafe"], ""), ["a.rs:4: `unsafe`"]);
    assert_eq!(words("a.rs", text, &["todo", "unimplemented"], "!"), ["a.rs:4: `todo!`"]);
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a check over all of `src/`, and fails with everything that it finds.
fn report(find: &dyn Fn(&str, &str) -> Vec<String>) {
    let mut files = Vec::new();
    collect(&root().join("src"), &mut files);
    assert!(files.len() > 20, "only {} files under src/", files.len());
    let found: Vec<String> = files
        .iter()
        .flat_map(|path| {
            let file = path.strip_prefix(root()).unwrap().to_str().unwrap();
            find(file, &fs::read_to_string(path).unwrap())
        })
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// What the root of the library gives again under a name of its own: the name, and the layer that it comes from.
fn exports(lib: &str) -> BTreeMap<String, String> {
    let tokens = tokens(lib);
    let mut exported = BTreeMap::new();
    for (index, _) in tokens.iter().enumerate().filter(|(_, token)| token.text == "use") {
        let mut leaves = Vec::new();
        tree(&tokens, index + 1, Vec::new(), &mut leaves);
        for leaf in &leaves {
            exported.insert(leaf[leaf.len() - 1].0.clone(), leaf[0].0.clone());
        }
    }
    exported
}

/// The layer of a file, and how many modules deep it is.
fn place(file: &str) -> (String, usize) {
    let parts: Vec<&str> =
        file.strip_prefix("src/").unwrap().strip_suffix(".rs").unwrap().split('/').collect();
    let depth = if parts.last() == Some(&"mod") { parts.len() - 1 } else { parts.len() };
    (parts[0].to_owned(), depth)
}

/// Every use that a file may not make, as `file:line: layer uses other`.
fn misuses(file: &str, text: &str, exported: &BTreeMap<String, String>) -> Vec<String> {
    let (layer, depth) = place(file);
    if ROOTS.contains(&layer.as_str()) {
        return Vec::new();
    }
    let rank = |name: &str| LAYERS.iter().position(|layer| *layer == name);
    if rank(&layer).is_none() && !VOCABULARY.contains(&layer.as_str()) {
        return vec![format!("{file}:1: {layer} is no layer")];
    }
    let mut found = Vec::new();
    for written in paths(&tokens(text)) {
        let Some((name, line)) = below_root(&written, depth) else { continue };
        let name = exported.get(&name).cloned().unwrap_or(name);
        if name == layer || VOCABULARY.contains(&name.as_str()) {
            continue;
        }
        match (rank(&layer), rank(&name)) {
            (_, None) => found.push(format!("{file}:{line}: {layer} uses {name}, which is no layer")),
            (Some(own), Some(other)) if other < own => {}
            (_, Some(_)) => found.push(format!("{file}:{line}: {layer} uses {name}")),
        }
    }
    found.dedup();
    found
}

/// The part of a path that stands right below the root of the crate, and its line; none for a path that stays within
/// its layer.
fn below_root(written: &Written, depth: usize) -> Option<(String, usize)> {
    let mut above = depth + written.inside;
    for (name, line) in &written.parts {
        match name.as_str() {
            "crate" => above = 0,
            "self" => {}
            "super" => above = above.saturating_sub(1),
            _ if above == 0 => return Some((name.clone(), *line)),
            _ => return None,
        }
    }
    None
}

/// Where one of these words stands, with `behind` right behind it.
fn words(file: &str, text: &str, forbidden: &[&str], behind: &str) -> Vec<String> {
    let tokens = tokens(text);
    let follows =
        |index: usize| behind.is_empty() || tokens.get(index + 1).is_some_and(|next| next.text == behind);
    let found = tokens
        .iter()
        .enumerate()
        .filter(|(index, token)| forbidden.contains(&token.text.as_str()) && follows(*index))
        .map(|(_, token)| format!("{file}:{}: `{}{behind}`", token.line, token.text));
    found.collect()
}
