//! Digests: of the whole archive, and of each file in it. One adapter for the three crates.

use std::convert::Infallible;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use crate::hex;

/// Which digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// SHA-1, what `sha1sum -c` reads.
    #[default]
    Sha1,
    /// SHA-256, what `sha256sum -c` reads.
    Sha256,
    /// BLAKE3, what `b3sum -c` reads.
    Blake3,
}

impl Algorithm {
    /// What files have in the manifest, where nothing else is said: hashing is what a run does most after compressing, and no
    /// other digest takes less of it. The archive's own is [`Algorithm::default`], which every system has a program for.
    pub const OF_FILES: Self = Self::Blake3;

    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sha1, Self::Sha256, Self::Blake3];

    /// Its name, which is also the end of the checksum file's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Blake3 => "blake3",
        }
    }

    /// Whether these are the digits of such a digest, as they are written.
    pub(crate) fn is_hex(self, hex: &str) -> bool {
        let digits = match self {
            Self::Sha1 => 40,
            Self::Sha256 | Self::Blake3 => 64,
        };
        hex.len() == digits && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }

    /// A digest of nothing so far.
    #[must_use]
    pub fn hasher(self) -> Hasher {
        match self {
            Self::Sha1 => Hasher::Sha1(Sha1::new()),
            Self::Sha256 => Hasher::Sha256(Sha256::new()),
            Self::Blake3 => Hasher::Blake3(Box::default()),
        }
    }
}

/// Holes count in a digest when they are no longer than the data, and this many bytes. Otherwise a
/// file of a few blocks that claims to be terabytes long would keep a core busy for hours.
const HOLES_FREE: u64 = 64 << 10;

/// Whether holes count in the digest of a file with this many bytes of data. The rule stands here
/// alone.
pub(crate) fn holes_count(data_bytes: u64, size_bytes: u64) -> bool {
    size_bytes.saturating_sub(data_bytes) <= data_bytes.saturating_add(HOLES_FREE)
}

/// Gives `len_bytes` zeros to `take`, piece by piece.
pub(crate) fn zeros<E>(
    len_bytes: u64,
    mut take: impl FnMut(&[u8]) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    const ZEROS: &[u8] = &[0; 64 << 10];
    let mut rest = len_bytes;
    while rest > 0 {
        let len = usize::try_from(rest).unwrap_or(usize::MAX).min(ZEROS.len());
        take(ZEROS.get(..len).unwrap_or_default())?;
        rest = rest.saturating_sub(u64::try_from(len).unwrap_or(rest));
    }
    Ok(())
}

/// A digest that is being computed; it may be passed from one thread to the next.
pub enum Hasher {
    /// SHA-1.
    Sha1(Sha1),
    /// SHA-256.
    Sha256(Sha256),
    /// BLAKE3, whose state is large.
    Blake3(Box<blake3::Hasher>),
}

impl Hasher {
    /// Goes on with `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Blake3(hasher) => {
                hasher.update(bytes);
            }
        }
    }

    /// Goes on with `len_bytes` zeros.
    pub fn update_zeros(&mut self, len_bytes: u64) {
        let all: std::result::Result<(), Infallible> = zeros(len_bytes, |piece| {
            self.update(piece);
            Ok(())
        });
        let Ok(()) = all;
    }

    /// The digest.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(match self {
            Self::Sha1(hasher) => hasher.finalize().to_vec(),
            Self::Sha256(hasher) => hasher.finalize().to_vec(),
            Self::Blake3(hasher) => hasher.finalize().as_bytes().to_vec(),
        })
    }
}

/// A digest, shown in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(Vec<u8>);

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(digits: String) -> Result<Self, Self::Error> {
        hex::decode(&digits).map(Self).ok_or("a digest that is no hexadecimal digits")
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl Digest {
    /// Whether it is as long as those of this algorithm.
    #[must_use]
    pub fn is_of(&self, algorithm: Algorithm) -> bool {
        self.0.len() == algorithm.hasher().finish().0.len()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_digest_is_the_published_one_and_zeros_count() {
        let cases = [
            (Algorithm::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (Algorithm::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (Algorithm::Blake3, "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"),
        ];
        for (algorithm, abc) in cases {
            let mut hasher = algorithm.hasher();
            hasher.update(b"a");
            hasher.update(b"bc");
            assert_eq!(hasher.finish().to_string(), abc, "{}", algorithm.name());
            let (mut one, mut other) = (algorithm.hasher(), algorithm.hasher());
            one.update(&vec![0; 100_000]);
            other.update_zeros(100_000);
            assert_eq!(one.finish(), other.finish());
        }
    }
}
