//! The header of version 1: one structure with eight key slots. All fields are big-endian.

use super::header::{Data, Digest, Fault, Hash, Header, Kdf, SECTOR, Slot, cipher, key_bytes, stripes};
use crate::fields::{be32_at, slice_at, until_nul};

const SLOTS_AT: usize = 208;
const SLOT_BYTES: usize = 48;
const SLOTS: usize = 8;
const ACTIVE: u32 = 0x00ac_71f3;

/// Parses the header of a volume of `len` bytes.
pub(super) fn parse(header: &[u8], len: u64) -> Result<Header, Fault> {
    let text = |at, len| -> Result<String, Fault> {
        Ok(String::from_utf8_lossy(until_nul(slice_at(header, at, len)?)).into_owned())
    };
    let is_narrow = cipher(&format!("{}-{}", text(8, 32)?, text(40, 32)?))?;
    let hash = Hash::of_name(&text(72, 32)?)?;
    let payload_offset = u64::from(be32_at(header, 104)?).saturating_mul(SECTOR);
    let key_len = key_bytes(be32_at(header, 108)?.into())?;
    let mk_digest = slice_at(header, 112, 20)?.to_vec();
    let mk_digest_salt = slice_at(header, 132, 32)?.to_vec();
    let mk_digest_iterations = be32_at(header, 164)?;
    let slots = header.get(SLOTS_AT..).unwrap_or_default().chunks_exact(SLOT_BYTES).take(SLOTS);
    let slots = slots.filter_map(|slot| self::slot(slot, hash, key_len).transpose());
    Ok(Header {
        slots: slots.collect::<Result<_, _>>()?,
        digests: vec![Digest {
            hash,
            iterations: mk_digest_iterations,
            salt: mk_digest_salt,
            digest: mk_digest,
        }],
        data: Data {
            at: payload_offset,
            len: len.checked_sub(payload_offset).ok_or(Fault::DataBehindEnd(payload_offset))?,
            sector_bytes: SECTOR,
            first_sector: 0,
            is_narrow,
        },
    })
}

fn slot(slot: &[u8], hash: Hash, key_len: usize) -> Result<Option<Slot>, Fault> {
    if be32_at(slot, 0)? != ACTIVE {
        return Ok(None);
    }
    let iterations = be32_at(slot, 4)?;
    let salt = slice_at(slot, 8, 32)?.to_vec();
    let key_material_offset = be32_at(slot, 40)?;
    Ok(Some(Slot {
        kdf: Kdf::Pbkdf2 { hash, iterations, salt },
        area_key_bytes: key_len,
        area_at: u64::from(key_material_offset).saturating_mul(SECTOR),
        stripes: stripes(be32_at(slot, 44)?)?,
        stripe_hash: hash,
        key_bytes: key_len,
    }))
}
