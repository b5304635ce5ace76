//! Folders and files to try things on, and processes that try.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::inside::{Setting, WALLS};
use crate::this_program;

/// A target's folder, beside it a folder with somebody else's files.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for (name, content) in [
            ("source", "source"),
            ("folder/neighbour", "another archive"),
            ("folder/mine", "mine"),
            ("folder/temporary", ""),
            ("elsewhere/secret", "secret"),
        ] {
            let path = place.0.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        place
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn folder(&self) -> PathBuf {
        self.path().join("folder")
    }

    /// Starts a process that makes the attempts with these names in a sandbox.
    pub fn run(&self, setting: Setting, names: &[&str]) -> Run {
        let mut command = this_program();
        command.arg(setting.argument()).arg(self.path()).args(names);
        let output = command.output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let outcomes = stdout.lines().filter_map(|line| line.split_once('\t'));
        let outcomes = outcomes.map(|(name, outcome)| (name.to_owned(), outcome.to_owned())).collect();
        Run { outcomes, stderr, status: output.status.to_string() }
    }
}

/// What came of it.
pub struct Run {
    outcomes: HashMap<String, String>,
    pub stderr: String,
    status: String,
}

impl Run {
    /// `done`, or the name of the error.
    pub fn outcome(&self, name: &str) -> &str {
        let none = || panic!("nothing is known of {name}; {}, stderr: {}", self.status, self.stderr);
        self.outcomes.get(name).unwrap_or_else(none)
    }

    /// Whether the process was in by Landlock and by seccomp.
    pub fn walls(&self) -> (bool, bool) {
        match self.outcome(WALLS) {
            "both" => (true, true),
            "landlock" => (true, false),
            "seccomp" => (false, true),
            "none" => (false, false),
            other => panic!("{other}"),
        }
    }
}
