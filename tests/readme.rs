//! Holds the README to what the program does: its commands are run, and what they print is compared.
//!
//! A block that begins with `console` is a session: each line after `$ ` is run by a shell, and the lines up to the next one are
//! what it prints, on stdout and stderr. `…` stands for whatever there is.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, ExitCode};

mod common;

use common::trials::{Needs, run, trial};

const TOOLS: [Needs; 4] = [
    Needs::Tool("sh", "dash"),
    Needs::Tool("tar", "tar"),
    Needs::Tool("zstd", "zstd"),
    Needs::Tool("sha1sum", "coreutils"),
];

/// Commands that would build or test from within a test; the gate runs the second.
const FROM_SOURCE: &str = "cargo run --release -- ";
const TESTS: &str = "cargo test --release";

fn main() -> ExitCode {
    run(vec![
        trial("what the README shows is what its commands print", &TOOLS, sessions),
        trial("the gate runs the README's test command", &[], gate),
        trial("the README's links lead somewhere", &[], links),
        trial("whatever stands for nothing in particular is found", &[], ellipsis),
    ])
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

/// A command and what it prints.
struct Shown {
    command: String,
    output: String,
}

fn shown() -> Vec<Shown> {
    let text = readme();
    let mut all: Vec<Shown> = Vec::new();
    for block in text.split("```console\n").skip(1) {
        for line in block.split("```").next().unwrap().lines() {
            match line.strip_prefix("$ ") {
                Some(command) => all.push(Shown { command: command.to_owned(), output: String::new() }),
                None => {
                    let last = all.last_mut().expect("a session begins with a command");
                    last.output.push_str(line);
                    last.output.push('\n');
                }
            }
        }
    }
    all
}

fn sessions() {
    let folder = tempfile::tempdir().unwrap();
    symlink(root().join("fixtures"), folder.path().join("fixtures")).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_voltar"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut count = 0;
    for Shown { command, output } in shown() {
        if command == TESTS {
            continue;
        }
        let line = command.replacen(FROM_SOURCE, "voltar ", 1);
        let ran = Command::new("sh")
            .args(["-c", &format!("exec 2>&1; {line}")])
            .env("PATH", &path)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let printed = String::from_utf8(ran.stdout).unwrap();
        assert!(ran.status.success(), "{command}: {printed}");
        assert!(matches(&output, &printed), "$ {command}\nREADME says:\n{output}\nit prints:\n{printed}");
        count += 1;
    }
    assert!(count >= 7, "only {count} commands were found");
}

/// Whether `text` is `pattern`, with something in place of each `…`.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn gate() {
    let gate = fs::read_to_string(root().join(".ci/run")).unwrap();
    assert!(readme().contains(&format!("$ {TESTS}\n")));
    assert!(gate.lines().any(|line| line.starts_with(TESTS)), "{TESTS} is not in the gate");
}

fn links() {
    for link in readme().split("](").skip(1) {
        let target = link.split(')').next().unwrap();
        assert!(target.contains("://") || root().join(target).exists(), "{target}");
    }
}

fn ellipsis() {
    let cases = [
        ("a\n", "a\n", true),
        ("a … c\n", "a b c\n", true),
        ("a …\n", "a b\nc\n", true),
        ("a\n", "a\nb\n", false),
        ("a … c\n", "a b d\n", false),
        ("b …", "a b", false),
    ];
    for (pattern, text, expected) in cases {
        assert_eq!(matches(pattern, text), expected, "{pattern:?} {text:?}");
    }
}
