//! Runs the readers, each on many archives at once.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use crate::common::tools;
use crate::made::{self, Holes, MOST_BYTES, Made};
use crate::seen::Seen;

/// The answer of a program in this folder about one archive.
#[derive(Clone, Default)]
pub struct Listing {
    pub members: Vec<Seen>,
    /// Digests of all content, and of that with the targets of symbolic links.
    pub totals: Option<(String, String)>,
    pub error: Option<String>,
}

/// A file of this folder.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tar_readers").join(name)
}

/// Archives as Python's `tarfile` sees them.
pub fn python(archives: &[Made]) -> Vec<Listing> {
    let mut command = tools::command("python3");
    command.arg(script("read.py"));
    listings(command, archives)
}

/// The same, read once for all tests.
pub fn python_once(holes: Holes) -> &'static [Listing] {
    static READ: [OnceLock<Vec<Listing>>; 2] = [const { OnceLock::new() }; 2];
    READ[usize::from(holes == Holes::Zeros)].get_or_init(|| python(made::all(holes)))
}

/// Archives as Go's `archive/tar` sees them.
pub fn go(archives: &[Made]) -> Vec<Listing> {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| {
        let program = made::folder().join("read-go");
        let mut build = tools::command("go");
        build.args(["build", "-o"]).arg(&program).arg(script("read.go"));
        build.env("GO111MODULE", "off").env("GOFLAGS", "").env("GOCACHE", made::folder().join("go-cache"));
        tools::assert_success("go build", &build.output().unwrap());
        program
    });
    listings(Command::new(program), archives)
}

fn listings(mut command: Command, archives: &[Made]) -> Vec<Listing> {
    command.arg(MOST_BYTES.to_string()).args(archives.iter().map(|made| &made.path));
    let output = command.output().unwrap();
    tools::assert_success("the reader", &output);
    let mut listings: Vec<Listing> = Vec::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let Some(listing) = listings.last_mut().filter(|_| line != "=") else {
            listings.push(Listing::default());
            continue;
        };
        match line.split_once('\t') {
            Some(("!", error)) => listing.error = Some(error.to_owned()),
            Some(("+", totals)) => {
                let (files, with_links) = totals.split_once('\t').unwrap();
                listing.totals = Some((files.to_owned(), with_links.to_owned()));
            }
            _ => listing.members.push(Seen::of_line(line)),
        }
    }
    assert_eq!(listings.len(), archives.len());
    listings
}

/// All members of many archives, one behind the other, as borg imports and lists them.
pub fn borg<'a>(archives: impl Iterator<Item = &'a Made>) -> Vec<Seen> {
    let folder = made::folder().join("borg");
    let borg = || {
        let mut command = tools::command("borg");
        command.env("BORG_BASE_DIR", &folder).env("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes");
        command
    };
    let repository = folder.join("repository").into_os_string();
    let init = borg().args(["init", "--make-parent-dirs", "-e", "none"]).arg(&repository).output();
    tools::assert_success("borg init", &init.unwrap());
    let mut archive = repository;
    archive.push("::all");
    let import =
        borg().args(["import-tar", "--ignore-zeros"]).arg(&archive).arg("-").stdin(Stdio::piped()).spawn();
    let mut import = import.unwrap();
    let mut stdin = import.stdin.take().unwrap();
    for made in archives {
        io::copy(&mut File::open(&made.path).unwrap(), &mut stdin).unwrap();
    }
    drop(stdin);
    assert!(import.wait().unwrap().success(), "borg import-tar");
    let mut list = borg();
    list.args(["list", "--json-lines", "--format", "{type}{size}{sha1}{linktarget}{path}"]).arg(&archive);
    let mut list = list.stdout(Stdio::piped()).spawn().unwrap();
    let lines = tools::command("python3").arg(script("borg.py")).stdin(list.stdout.take().unwrap()).output();
    assert!(list.wait().unwrap().success(), "borg list");
    let lines = lines.unwrap();
    tools::assert_success("borg.py", &lines);
    String::from_utf8(lines.stdout).unwrap().lines().map(Seen::of_line).collect()
}

/// The output of a program, which must succeed.
pub fn print(program: &str, arguments: &[&str], archive: &Path) -> Output {
    let output = tools::command(program).args(arguments).arg(archive).output().unwrap();
    tools::assert_success(&format!("{program} {}", archive.display()), &output);
    output
}
