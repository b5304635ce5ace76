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

/// The longest file, in bytes, whose holes are read for a digest of the whole.
const LONGEST_WHOLE_BYTES: u64 = 64 << 20;

/// What the data of a file comes to.
pub struct Summary {
    pub content: Content,
    /// Digest of the content, holes as zeros, unless it is too long.
    pub sha1: Option<[u8; 20]>,
    /// Digest of the data alone, where it is known which bytes those are.
    pub data_sha1: Option<[u8; 20]>,
}

/// Takes the data of a file, piece by piece in rising order.
pub struct Pieces {
    whole: Sha1,
    whole_bytes: u64,
    data: Sha1,
    digest: Sha1,
    number: u64,
    piece: Vec<u8>,
}

impl Pieces {
    pub fn new() -> Self {
        Self {
            whole: Sha1::new(),
            whole_bytes: 0,
            data: Sha1::new(),
            digest: Sha1::new(),
            number: 0,
            piece: vec![0; PIECE_BYTES],
        }
    }

    /// Adds `data`, which is at `offset_bytes` in the file. Offsets must not go back.
    pub fn add(&mut self, mut offset_bytes: u64, mut data: &[u8]) {
        self.data.update(data);
        self.zeros_to(offset_bytes);
        if offset_bytes < LONGEST_WHOLE_BYTES {
            self.whole.update(data);
        }
        self.whole_bytes = offset_bytes + data.len() as u64;
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

    /// Ends a file of `size_bytes`.
    pub fn finish(mut self, size_bytes: u64) -> Summary {
        self.flush();
        self.zeros_to(size_bytes);
        Summary {
            content: Content(self.digest.finalize().into()),
            sha1: (size_bytes <= LONGEST_WHOLE_BYTES).then(|| self.whole.finalize().into()),
            data_sha1: Some(self.data.finalize().into()),
        }
    }

    fn zeros_to(&mut self, offset_bytes: u64) {
        const ZEROS: [u8; 4096] = [0; 4096];
        let end = offset_bytes.min(LONGEST_WHOLE_BYTES);
        while self.whole_bytes < end {
            let now = ZEROS.len().min((end - self.whole_bytes) as usize);
            self.whole.update(&ZEROS[..now]);
            self.whole_bytes += now as u64;
        }
    }

    fn flush(&mut self) {
        if self.piece.iter().any(|byte| *byte != 0) {
            self.digest.update(self.number.to_le_bytes());
            self.digest.update(&self.piece);
            self.piece.fill(0);
        }
    }
}
