//! The cases: a file each, whose first line is the sentence that it shows.

use std::fs;
use std::path::{Path, PathBuf};

/// A case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Of its file, without the ending.
    pub name: String,
    /// What it shows.
    pub sentence: String,
    /// The only boot that it runs in, by name: its second line, `# only: with udevd`.
    pub only: Option<String>,
}

/// The folder of this test.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab")
}

/// All of them, by name.
pub fn all() -> Vec<Case> {
    let files = fs::read_dir(folder().join("cases")).expect("tests/lab/cases");
    let mut cases: Vec<Case> = files.map(|file| read(&file.expect("a file").path())).collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(!cases.is_empty(), "tests/lab/cases has no cases");
    cases
}

fn read(path: &Path) -> Case {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let name = path.file_stem().and_then(|name| name.to_str()).expect("a plain name").to_owned();
    let mut lines = text.lines();
    let sentence = lines.next().and_then(|line| line.strip_prefix("# "));
    let sentence = sentence.unwrap_or_else(|| panic!("{name}.sh does not begin with a sentence")).to_owned();
    let only = lines.next().and_then(|line| line.strip_prefix("# only: ")).map(str::to_owned);
    Case { name, sentence, only }
}
