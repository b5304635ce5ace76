//! The header of a LUKS volume, as both versions tell it.

use thiserror::Error;

use crate::fields::Short;

pub(super) const MAGIC: &[u8] = b"LUKS\xba\xbe";

/// Bytes of a sector, in which both versions count.
pub(super) const SECTOR: u64 = 512;

/// Bytes of the binary header of either version.
pub(super) const HEADER_BYTES: usize = 4096;

/// Stripes that a volume key is spread over, at most. Always 4000 in practice.
const STRIPES_MOST: u32 = 8000;

/// What makes a header useless.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    #[error("has a LUKS header that can't be trusted: {0}")]
    Short(#[from] Short),
    #[error("has no LUKS header that can be trusted")]
    None,
    #[error("is LUKS of version {0}, of which 1 and 2 are read here")]
    Version(u16),
    #[error("is encrypted with {0}, of which aes-xts-plain64 is read here")]
    Cipher(String),
    #[error("uses the hash {0}, of which sha1, sha256 and sha512 are known here")]
    Hash(String),
    #[error("derives keys with {0}, of which pbkdf2, argon2i and argon2id are known here")]
    Kdf(String),
    #[error("has keys of {0} bytes, of which 32, 48 and 64 are possible")]
    KeyBytes(u64),
    #[error("has sectors of {0} bytes")]
    SectorBytes(u64),
    #[error("spreads its keys over {0} stripes")]
    Stripes(u32),
    #[error("has metadata that make no sense: {0}")]
    Json(String),
    #[error("has data with integrity protection, which is not read here")]
    Integrity,
    #[error("has data in several pieces: a re-encryption is under way")]
    Segments,
    #[error("needs a feature that is not known here: {0}")]
    Requirement(String),
    #[error("has its data at byte {0}, behind its end")]
    DataBehindEnd(u64),
}

/// A hash, by the name that headers have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

impl Hash {
    pub(super) fn of_name(name: &str) -> Result<Self, Fault> {
        match name {
            "sha1" => Ok(Self::Sha1),
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            other => Err(Fault::Hash(other.chars().take(40).collect())),
        }
    }
}

/// How a passphrase becomes a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kdf {
    Pbkdf2 { hash: Hash, iterations: u32, salt: Vec<u8> },
    Argon2 { is_id: bool, time: u32, memory_kib: u32, lanes: u32, salt: Vec<u8> },
}

/// A key slot: the volume key, encrypted by a passphrase and spread over stripes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub kdf: Kdf,
    /// Bytes of the key that the passphrase gives.
    pub area_key_bytes: usize,
    pub area_at: u64,
    pub stripes: u32,
    pub stripe_hash: Hash,
    /// Bytes of the volume key.
    pub key_bytes: usize,
}

/// How a volume key is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Digest {
    pub hash: Hash,
    pub iterations: u32,
    pub salt: Vec<u8>,
    pub digest: Vec<u8>,
}

/// Where the encrypted data are, and how they are numbered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Data {
    pub at: u64,
    pub len: u64,
    pub sector_bytes: u64,
    /// Number of the first sector of 512 bytes, for the initialisation vector.
    pub first_sector: u64,
    /// Whether the numbers have 32 bits only.
    pub is_narrow: bool,
}

/// All that it takes to open a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub slots: Vec<Slot>,
    pub digests: Vec<Digest>,
    pub data: Data,
}

/// Checks the name of a cipher; tells whether its sectors have numbers of 32 bits only.
pub(super) fn cipher(name: &str) -> Result<bool, Fault> {
    match name {
        "aes-xts-plain64" => Ok(false),
        "aes-xts-plain" => Ok(true),
        other => Err(Fault::Cipher(other.chars().take(60).collect())),
    }
}

/// Checks the length of a key of AES-XTS, which has two keys in one.
pub(super) fn key_bytes(bytes: u64) -> Result<usize, Fault> {
    match bytes {
        32 => Ok(32),
        48 => Ok(48),
        64 => Ok(64),
        other => Err(Fault::KeyBytes(other)),
    }
}

/// Checks the number of stripes.
pub(super) fn stripes(stripes: u32) -> Result<u32, Fault> {
    if (1..=STRIPES_MOST).contains(&stripes) { Ok(stripes) } else { Err(Fault::Stripes(stripes)) }
}
