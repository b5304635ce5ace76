//! From a passphrase to the volume key.
//!
//! The header says how much work and memory that takes, and whoever wrote the disk wrote the
//! header: both are bounded.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::crypt::Cipher;
use super::header::{Digest, Hash, Header, Kdf, SECTOR, Slot};
use crate::device::{ReadAt, read_vec};
use crate::error::{Error, Kind, Result};

/// Memory of one key derivation: what cryptsetup asks for at most, unless it is told otherwise.
const MEMORY_MOST_KIB: u32 = 1 << 20;

/// KiB that are filled, over all passes of all derivations of a disk: some minutes.
const FILLED_MOST_KIB: u64 = 256 << 20;

/// Rounds of PBKDF2 of all derivations of a disk: some minutes.
const ROUNDS_MOST: u64 = 1 << 29;

/// Lanes of Argon2. cryptsetup takes 4 at most.
const LANES_MOST: u32 = 64;

/// The work that key derivations took so far.
#[derive(Debug, Default)]
pub(super) struct Work {
    rounds: u64,
    filled_kib: u64,
}

impl Work {
    fn rounds(&mut self, rounds: u32, hash: Hash, out: usize) -> Result<()> {
        let blocks = u64::try_from(out.div_ceil(hash.len())).unwrap_or(u64::MAX);
        self.rounds = self.rounds.saturating_add(u64::from(rounds).saturating_mul(blocks));
        if self.rounds <= ROUNDS_MOST {
            return Ok(());
        }
        Err(Error::new(Kind::Limit, format!("LUKS headers ask for more than {ROUNDS_MOST} rounds of PBKDF2")))
    }

    fn fill(&mut self, memory_kib: u32, passes: u32) -> Result<()> {
        if memory_kib > MEMORY_MOST_KIB {
            let message = format!(
                "a LUKS key slot asks for {memory_kib} KiB of memory, at most {MEMORY_MOST_KIB} are given"
            );
            return Err(Error::new(Kind::Limit, message));
        }
        self.filled_kib = self.filled_kib.saturating_add(u64::from(memory_kib).saturating_mul(passes.into()));
        if self.filled_kib <= FILLED_MOST_KIB {
            return Ok(());
        }
        Err(Error::new(Kind::Limit, "LUKS headers ask for more passes of Argon2 than any sound one"))
    }
}

/// The volume key in a slot, if the passphrase is that of the slot.
pub(super) fn of_slot(
    device: &dyn ReadAt,
    header: &Header,
    slot: &Slot,
    passphrase: &[u8],
    work: &mut Work,
) -> Result<Option<Vec<u8>>> {
    let mut slot_key = vec![0; slot.area_key_bytes];
    derive(&slot.kdf, passphrase, &mut slot_key, work)?;
    let len = slot.key_bytes.saturating_mul(usize::try_from(slot.stripes).unwrap_or(usize::MAX));
    let sector = usize::try_from(SECTOR).unwrap_or(usize::MAX);
    let mut area = read_vec(device, slot.area_at, len.next_multiple_of(sector))?;
    Cipher::new(&slot_key)?.decrypt(&mut area, sector, 0, 1);
    area.truncate(len);
    let key = merge(&area, slot.key_bytes, slot.stripe_hash);
    for digest in &header.digests {
        if is_key(&key, digest, work)? {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

fn derive(kdf: &Kdf, passphrase: &[u8], key: &mut [u8], work: &mut Work) -> Result<()> {
    match kdf {
        Kdf::Pbkdf2 { hash, iterations, salt } => {
            work.rounds(*iterations, *hash, key.len())?;
            hash.pbkdf2(passphrase, salt, *iterations, key);
            Ok(())
        }
        Kdf::Argon2 { is_id, time, memory_kib, lanes, salt } => {
            work.fill(*memory_kib, *time)?;
            let algorithm = if *is_id { Algorithm::Argon2id } else { Algorithm::Argon2i };
            let refused = |fault: argon2::Error| Error::corrupt(format!("a LUKS key slot can't be: {fault}"));
            if *lanes > LANES_MOST {
                return Err(Error::corrupt(format!("a LUKS key slot has {lanes} lanes")));
            }
            let params = Params::new(*memory_kib, *time, *lanes, Some(key.len())).map_err(refused)?;
            let mut memory: Vec<Block> = Vec::new();
            let blocks = params.block_count();
            memory.try_reserve_exact(blocks).map_err(|_| {
                Error::new(
                    Kind::System,
                    format!("there is no memory for the {memory_kib} KiB that a LUKS key slot takes"),
                )
            })?;
            memory.resize(blocks, Block::new());
            let argon2 = Argon2::new(algorithm, Version::V0x13, params);
            argon2.hash_password_into_with_memory(passphrase, salt, key, &mut memory).map_err(refused)
        }
    }
}

/// Puts a key together that was spread over stripes.
fn merge(area: &[u8], key_bytes: usize, hash: Hash) -> Vec<u8> {
    let mut key = vec![0; key_bytes];
    let mut stripes = area.chunks_exact(key_bytes).peekable();
    while let Some(stripe) = stripes.next() {
        key.iter_mut().zip(stripe).for_each(|(byte, other)| *byte ^= other);
        if stripes.peek().is_some() {
            key = hash.diffuse(&key);
        }
    }
    key
}

fn is_key(key: &[u8], digest: &Digest, work: &mut Work) -> Result<bool> {
    let mut computed = vec![0; digest.digest.len()];
    work.rounds(digest.iterations, digest.hash, computed.len())?;
    digest.hash.pbkdf2(key, &digest.salt, digest.iterations, &mut computed);
    Ok(!computed.is_empty() && computed == digest.digest)
}

impl Hash {
    /// Bytes of its digests.
    fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    fn pbkdf2(self, passphrase: &[u8], salt: &[u8], rounds: u32, key: &mut [u8]) {
        match self {
            Self::Sha1 => pbkdf2_hmac::<Sha1>(passphrase, salt, rounds.max(1), key),
            Self::Sha256 => pbkdf2_hmac::<Sha256>(passphrase, salt, rounds.max(1), key),
            Self::Sha512 => pbkdf2_hmac::<Sha512>(passphrase, salt, rounds.max(1), key),
        }
    }

    /// Hashes each piece of a key together with the piece's number.
    fn diffuse(self, key: &[u8]) -> Vec<u8> {
        let pieces = (0_u32..).zip(key.chunks(self.len()));
        let hashed = pieces.flat_map(|(number, piece)| {
            let mut digest = self.digest(&[&number.to_be_bytes(), piece]);
            digest.truncate(piece.len());
            digest
        });
        hashed.collect()
    }

    fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        fn of<D: sha2::Digest>(parts: &[&[u8]]) -> Vec<u8> {
            parts.iter().fold(D::new(), |hasher, part| hasher.chain_update(part)).finalize().to_vec()
        }
        match self {
            Self::Sha1 => of::<Sha1>(parts),
            Self::Sha256 => of::<Sha256>(parts),
            Self::Sha512 => of::<Sha512>(parts),
        }
    }
}
