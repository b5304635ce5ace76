//! The content of a file as something that can be compared without reading its holes.

use std::fmt;

use sha1::{Digest, Sha1};

/// Two files have equal content when these and their lengths are equal, wherever either has holes.
///
/// It is the digest of each piece that is not all zeros, with its number; so a file of a tebibyte with one byte in
/// it costs one piece.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Content([u8; 20]);

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

const PIECE_BYTES: usize = 64 * 1024;

/// Takes the data of a file, piece by piece in rising order, and gives its [`Content`].
pub struct Pieces {
    digest: Sha1,
    number: u64,
    piece: Vec<u8>,
}

impl Pieces {
    pub fn new() -> Self {
        Self { digest: Sha1::new(), number: 0, piece: vec![0; PIECE_BYTES] }
    }

    /// Adds `data`, which is at `offset_bytes` in the file. Offsets must not go back.
    pub fn add(&mut self, mut offset_bytes: u64, mut data: &[u8]) {
        while !data.is_empty() {
            let number = offset_bytes / PIECE_BYTES as u64;
            let within = (offset_bytes % PIECE_BYTES as u64) as usize;
            assert!(number >= self.number, "data at {offset_bytes} comes after later data");
            if number > self.number {
                self.flush();
                self.number = number;
            }
            let (now, later) = data.split_at(data.len().min(PIECE_BYTES - within));
            self.piece[within..within + now.len()].copy_from_slice(now);
            offset_bytes += now.len() as u64;
            data = later;
        }
    }

    pub fn finish(mut self) -> Content {
        self.flush();
        Content(self.digest.finalize().into())
    }

    fn flush(&mut self) {
        if self.piece.iter().any(|byte| *byte != 0) {
            self.digest.update(self.number.to_le_bytes());
            self.digest.update(&self.piece);
            self.piece.fill(0);
        }
    }
}
