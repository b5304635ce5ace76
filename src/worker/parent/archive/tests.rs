//! The conversation, with shell scripts in the worker's place.

use std::cell::Cell;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::*;
use crate::store::folder::FolderStore;

const READY: &str = r#"echo '{"type":"ready","entries":{"file":2},"data_bytes":1,"archive_bytes":2,"bytes_read":3,"digest":["sha1","aa"],"digests":{"archive":"a9993e364706816aba3e25717850c26c9cd0d89d","manifest":"a9993e364706816aba3e25717850c26c9cd0d89d"},"issue_count":1}'"#;

fn task() -> Task {
    Task { source: "/dev/null".into(), ..Task::default() }
}

/// Hears everything, and asks for a stop after so many notes.
#[derive(Default)]
struct Ear {
    heard: Mutex<Vec<String>>,
    stops: AtomicBool,
    stops_at: Option<&'static str>,
}

impl Ear {
    fn hear(&self, text: String) {
        if self.stops_at == Some(text.as_str()) {
            self.stops.store(true, Relaxed);
        }
        self.heard.lock().unwrap().push(text);
    }
}

impl Observer for Ear {
    fn begin(&self, total_bytes: u64) {
        self.hear(format!("total {total_bytes}"));
    }

    fn progress(&self, done_bytes: u64, written_bytes: u64) {
        self.hear(format!("progress {done_bytes} {written_bytes}"));
    }

    fn note(&self, text: &str) {
        self.hear(text.to_owned());
    }

    fn issue(&self, issue: &Issue) {
        self.hear(format!("issue {issue}"));
    }

    fn stop_requested(&self) -> bool {
        self.stops.load(Relaxed)
    }
}

/// Finds fault from the so-manieth look on, and vouches or does not.
struct Doubt {
    looks: Cell<u32>,
    vouches: bool,
}

impl Doubt {
    fn none() -> Self {
        Self { looks: Cell::new(u32::MAX), vouches: true }
    }
}

impl Guard for Doubt {
    fn look(&self) -> Result<()> {
        self.looks.set(self.looks.get().saturating_sub(1));
        match self.looks.get() {
            0 => Err(Error::new(Kind::Snapshot, "it overflowed")),
            _ => Ok(()),
        }
    }

    fn vouch(&self) -> Result<()> {
        match self.vouches {
            true => Ok(()),
            false => Err(Error::new(Kind::Snapshot, "it overflowed at the end")),
        }
    }
}

fn worker(script: &str) -> Worker {
    // Its stdin is a socket, by which it answers too.
    let script = format!("exec >&0; read task; {script}");
    let mut program = Program::new(Path::new("/bin/sh"), &["-c", &script]);
    program.patience = Duration::from_millis(500);
    let mut worker = Worker::new(program);
    worker.look_every = Duration::from_millis(20);
    worker
}

fn archive(worker: &Worker, folder: &Path, ear: &Ear, guard: &Doubt) -> Result<Made> {
    worker.archive(&task(), &FolderStore::at(folder), &Key::new("a.tar.zst").unwrap(), ear, guard)
}

fn converse(script: &str, ear: &Ear, guard: &Doubt) -> Result<Made> {
    let folder = tempfile::tempdir().unwrap();
    archive(&worker(script), folder.path(), ear, guard)
}

#[test]
fn what_the_worker_says_is_passed_on_and_it_publishes_when_it_may() {
    let ear = Ear::default();
    let script = format!(
        r#"echo '{{"type":"total","bytes":9}}'
        echo '{{"type":"progress","done_bytes":4,"written_bytes":2}}'
        echo '{{"type":"note","text":"swap \u001b[2J"}}'
        echo '{{"type":"issue","path_hex":"70312f61","error":{{"kind":"corrupt","message":"bad \u001b","inode":12}}}}'
        {READY}"#
    );
    let made = converse(&script, &ear, &Doubt::none()).unwrap();
    assert_eq!((made.archive_bytes, made.issue_count), (2, 1));
    assert_eq!(made.issues, [r"p1/a: inode 12: bad \u{1b}"]);
    let heard = ["total 9", "progress 4 2", r"swap \u{1b}[2J", r"issue p1/a: inode 12: bad \u{1b}"];
    assert_eq!(*ear.heard.lock().unwrap(), heard);
}

#[test]
fn what_goes_wrong_is_told_and_nothing_is_published() {
    let error = r#"echo '{"type":"error","kind":"write","message":"no space is left","inode":7}'"#;
    let short = READY.replace("a9993e364706816aba3e25717850c26c9cd0d89d", "a9");
    let other = r#"echo '{"type":"published"}'; cat"#;
    let cases: [(String, Doubt, Kind, &str); 10] = [
        (error.to_owned(), Doubt::none(), Kind::Write, "inode 7: no space is left"),
        ("exit 0".to_owned(), Doubt::none(), Kind::Internal, "ended with exit code 0 before it was done"),
        ("kill -KILL $$".to_owned(), Doubt::none(), Kind::System, "was ended by signal 9"),
        (
            "echo 'thread panicked' >&2; exit 101".to_owned(),
            Doubt::none(),
            Kind::Internal,
            "exit code 101 before it was done; nothing was published: thread panicked",
        ),
        ("echo hello; cat".to_owned(), Doubt::none(), Kind::Internal, "can't be understood"),
        ("head -c 9000000 /dev/zero; cat".to_owned(), Doubt::none(), Kind::Internal, "can't be understood"),
        (other.to_owned(), Doubt::none(), Kind::Internal, "it was asked for an archive"),
        (short, Doubt::none(), Kind::Internal, "digests that are not valid"),
        (
            READY.to_owned(),
            Doubt { looks: Cell::new(u32::MAX), vouches: false },
            Kind::Snapshot,
            "overflowed at the end",
        ),
        ("cat".to_owned(), Doubt { looks: Cell::new(3), vouches: true }, Kind::Snapshot, "it overflowed"),
    ];
    for (script, guard, kind, words) in cases {
        let folder = tempfile::tempdir().unwrap();
        let error = archive(&worker(&script), folder.path(), &Ear::default(), &guard).unwrap_err();
        assert!(error.to_string().contains(words), "{script}: {error}");
        assert_eq!(error.kind(), kind, "{script}: {error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{script}");
    }
}

#[test]
fn a_stop_ends_the_worker_by_its_stdin() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("discarded");
    let script = format!(r#"echo '{{"type":"note","text":"begun"}}'; cat; touch {}"#, mark.display());
    let ear = Ear { stops_at: Some("begun"), ..Ear::default() };
    assert_eq!(converse(&script, &ear, &Doubt::none()).unwrap_err().kind(), Kind::Interrupted);
    assert!(mark.exists(), "the worker had no time to discard what it wrote");
}

#[test]
fn what_the_worker_writes_is_published_when_it_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let made = archive(&worker(READY), folder.path(), &Ear::default(), &Doubt::none()).unwrap();
    assert_eq!(made.archive_bytes, 2);
    let mut names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a.tar.zst", "a.tar.zst.manifest.jsonl.zst", "a.tar.zst.sha1"]);
    let sums = std::fs::read_to_string(folder.path().join("a.tar.zst.sha1")).unwrap();
    assert!(sums.starts_with("a9993e364706816aba3e25717850c26c9cd0d89d  a.tar.zst\n"), "{sums}");
}

#[test]
fn a_worker_that_does_not_end_is_killed_and_its_files_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let ear = Ear { stops_at: Some("begun"), ..Ear::default() };
    let script = r#"echo '{"type":"note","text":"begun"}'; exec sleep 600"#;
    let error = archive(&worker(script), folder.path(), &ear, &Doubt::none()).unwrap_err();
    assert_eq!(error.kind(), Kind::Interrupted);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
