//! A bug in one thread ends the run: nobody waits for that thread for ever.

use std::num::NonZeroUsize;
use std::panic::catch_unwind;
use std::thread;

use voltar::archive::Observer;
use voltar::extract::{Existing, ExtractDirectory, Request, Source, extract};
use voltar::view::Location;
use voltar::{Issue, Kind};

use crate::{Hostile, both_ways};

/// Panics in a thread that makes files, at one of the calls that such a thread makes.
struct Bomb {
    at: &'static str,
}

impl Bomb {
    fn reached(&self, call: &str) {
        // The thread of the test goes through the archive; the others make files.
        if self.at == call && thread::current().name().is_none() {
            panic!("a bug at {call}");
        }
    }
}

impl Observer for Bomb {
    fn progress(&self, _: u64, _: u64) {
        self.reached("progress");
    }

    fn issue(&self, _: &Issue) {
        self.reached("issue");
    }
}

/// Each file has a further name, so that what goes through the archive waits for what makes files.
pub fn in_a_thread() {
    let folder = tempfile::tempdir().unwrap();
    let mut tar = Hostile::new();
    for number in 0..300 {
        tar =
            tar.file(&format!("{number}"), "content").link(&format!("again-{number}"), &format!("{number}"));
    }
    // Its content is longer than its size says, which is an issue of the thread that makes it.
    for path in both_ways(folder.path(), &tar.bytes()) {
        let bomb = Bomb { at: "progress" };
        let outcome = catch_unwind(|| {
            let location = Location { file: path.clone(), path: Vec::new() };
            let request = Request {
                paths: Vec::new(),
                exclude: voltar::tree::Exclude::new(),
                existing: Existing::Refuse,
                devices: false,
                threads: NonZeroUsize::MIN.get() + 2,
                max_output: None,
                count_first: false,
                observer: &bomb,
            };
            let directory = tempfile::tempdir().unwrap();
            let target =
                ExtractDirectory::open(directory.path(), Source::of(&path).unwrap(), &request).unwrap();
            let place = location.open(&voltar::volume::Reading::default()).unwrap().place().unwrap();
            extract(place.as_ref(), &target.resume().unwrap(), &request)
        });
        let error = outcome.expect("the panic is an error").unwrap_err();
        assert_eq!(error.kind(), Kind::Internal, "{error}");
        assert!(error.to_string().contains("a bug at progress"), "{error}");
    }
}
