//! What the benches ask for: everything of a disk, as usual, at no particular time.

use voltar::archive::{Algorithm, Compression, Form, Nobody, Raw, Request};
use voltar::tree::Exclude;

/// All of a disk, by so many threads.
pub fn request(compression: Compression, threads: usize) -> Request<'static> {
    Request {
        partitions: Vec::new(),
        exclude: Exclude::new(),
        compression,
        level: None,
        threads,
        digest: Algorithm::Sha1,
        file_digest: Algorithm::OF_FILES,
        form: Form::default(),
        raw: Raw::Auto,
        strict: false,
        keep_going: false,
        max_output: None,
        started: 0,
        snapshot_of: None,
        clock: || 0,
        host: None,
        observer: &Nobody,
    }
}
