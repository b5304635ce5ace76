//! The header of version 2: a binary structure, and metadata in JSON behind it. Both are there
//! twice, and the newer one that can be trusted counts.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::header::{Data, Digest, Fault, Hash, Header, Kdf, MAGIC, Slot, cipher, key_bytes, stripes};
use crate::device::{ReadAt, read_vec};
use crate::error::{Error, Result};
use crate::fields::{be16_at, be64_at, slice_at, until_nul};

/// How the second copy begins.
const SECOND_MAGIC: &[u8] = b"SKUL\xba\xbe";

/// Bytes of the binary structure, before the JSON.
const BINARY_BYTES: usize = 4096;

const CHECKSUM_AT: usize = 448;
const CHECKSUM_BYTES: usize = 64;

/// Places that the second copy can have, which are the lengths that a header can have.
const SIZES: [u64; 9] =
    [16 << 10, 32 << 10, 64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20, 2 << 20, 4 << 20];

/// Key slots, segments and digests that count, each. The format has 32 slots at most.
const MOST: usize = 32;

/// Longest salt or digest.
const LONGEST: usize = 512;

#[derive(Deserialize)]
struct Json {
    keyslots: BTreeMap<String, JsonSlot>,
    segments: BTreeMap<String, Segment>,
    digests: BTreeMap<String, JsonDigest>,
    config: Config,
}

#[derive(Deserialize)]
struct JsonSlot {
    #[serde(rename = "type")]
    kind: String,
    key_size: u64,
    af: Option<Af>,
    area: Option<Area>,
    kdf: Option<JsonKdf>,
    /// 0 says that the slot is not tried by itself.
    priority: Option<u8>,
}

#[derive(Deserialize)]
struct Af {
    stripes: u32,
    hash: String,
}

#[derive(Deserialize)]
struct Area {
    #[serde(rename = "type")]
    kind: String,
    offset: String,
    encryption: Option<String>,
    key_size: Option<u64>,
}

#[derive(Deserialize)]
struct JsonKdf {
    #[serde(rename = "type")]
    kind: String,
    salt: String,
    hash: Option<String>,
    iterations: Option<u32>,
    time: Option<u32>,
    memory: Option<u32>,
    cpus: Option<u32>,
}

#[derive(Deserialize)]
struct Segment {
    #[serde(rename = "type")]
    kind: String,
    offset: String,
    size: String,
    iv_tweak: Option<String>,
    encryption: Option<String>,
    sector_size: Option<u64>,
    integrity: Option<serde_json::Value>,
    #[serde(default)]
    flags: Vec<String>,
}

#[derive(Deserialize)]
struct JsonDigest {
    #[serde(rename = "type")]
    kind: String,
    segments: Vec<String>,
    hash: String,
    iterations: u32,
    salt: String,
    digest: String,
}

#[derive(Deserialize)]
struct Config {
    requirements: Option<Requirements>,
}

#[derive(Deserialize)]
struct Requirements {
    #[serde(default)]
    mandatory: Vec<String>,
}

/// Reads the newer header that can be trusted.
pub(super) fn read(device: &dyn ReadAt) -> Result<Header> {
    let first = copy(device, 0, MAGIC).ok().flatten();
    let second = SIZES.iter().find_map(|at| copy(device, *at, SECOND_MAGIC).ok().flatten());
    let newest = first.into_iter().chain(second).max_by_key(|(seqid, _)| *seqid);
    let (_, json) = newest.ok_or_else(|| Error::corrupt(Fault::None))?;
    parse(&json, device.len_bytes()).map_err(Error::corrupt)
}

/// Reads the copy at `at`: its number, and the JSON in it.
fn copy(device: &dyn ReadAt, at: u64, magic: &[u8]) -> Result<Option<(u64, Vec<u8>)>> {
    let binary = read_vec(device, at, BINARY_BYTES)?;
    let size = |binary: &[u8]| -> Result<Option<u64>, Fault> {
        let hdr_size = be64_at(binary, 8)?;
        let hdr_offset = be64_at(binary, 256)?;
        let is_one = binary.starts_with(magic) && be16_at(binary, 6)? == 2 && hdr_offset == at;
        Ok(Some(hdr_size).filter(|size| is_one && SIZES.contains(size)))
    };
    let Some(size) = size(&binary).map_err(Error::corrupt)? else { return Ok(None) };
    let all = read_vec(device, at, usize::try_from(size).unwrap_or(usize::MAX))?;
    let seqid = is_sound(&all).map_err(Error::corrupt)?;
    let json = all.get(BINARY_BYTES..).unwrap_or_default();
    Ok(seqid.map(|seqid| (seqid, until_nul(json).to_vec())))
}

/// The number of a header whose checksum is right.
fn is_sound(header: &[u8]) -> Result<Option<u64>, Fault> {
    let algorithm = until_nul(slice_at(header, 72, 32)?);
    let stored = slice_at(header, CHECKSUM_AT, 32)?;
    let behind = header.get(CHECKSUM_AT.saturating_add(CHECKSUM_BYTES)..).unwrap_or_default();
    let computed = Sha256::new()
        .chain_update(slice_at(header, 0, CHECKSUM_AT)?)
        .chain_update([0; CHECKSUM_BYTES])
        .chain_update(behind)
        .finalize();
    let seqid = be64_at(header, 16)?;
    Ok((algorithm == b"sha256" && stored == computed.as_slice()).then_some(seqid))
}

fn parse(json: &[u8], len: u64) -> Result<Header, Fault> {
    let json: Json = serde_json::from_slice(json).map_err(|fault| Fault::Json(fault.to_string()))?;
    if let Some(requirement) = json.config.requirements.iter().flat_map(|all| &all.mandatory).next() {
        return Err(Fault::Requirement(requirement.chars().take(60).collect()));
    }
    // A segment with a flag is a copy of another one.
    let mut segments = json.segments.iter().filter(|(_, segment)| segment.flags.is_empty());
    let (Some((name, segment)), None) = (segments.next(), segments.next()) else {
        return Err(Fault::Segments);
    };
    let data = segment.data(len)?;
    let digests = json.digests.values().filter(|digest| digest.segments.contains(name)).take(MOST);
    let slots = json.keyslots.values().filter(|slot| slot.kind == "luks2" && slot.priority != Some(0));
    // A slot that makes no sense costs itself.
    let slots: Vec<_> = slots.take(MOST).map(JsonSlot::slot).collect();
    let fault = slots.iter().find_map(|slot| slot.as_ref().err()).map(ToString::to_string);
    let slots: Vec<Slot> = slots.into_iter().flatten().collect();
    match fault {
        Some(fault) if slots.is_empty() => Err(Fault::Json(fault)),
        _ => Ok(Header { slots, digests: digests.map(JsonDigest::digest).collect::<Result<_, _>>()?, data }),
    }
}

/// Numbers of more than 53 bits are strings in the JSON.
fn number(text: &str) -> Result<u64, Fault> {
    text.parse().map_err(|_| Fault::Json(format!("{:.40} is no number", text)))
}

fn bytes(text: &str) -> Result<Vec<u8>, Fault> {
    let bytes = STANDARD.decode(text).map_err(|fault| Fault::Json(fault.to_string()))?;
    if bytes.len() > LONGEST { Err(Fault::Json("a salt is too long".to_owned())) } else { Ok(bytes) }
}

impl Segment {
    fn data(&self, len: u64) -> Result<Data, Fault> {
        if self.kind != "crypt" {
            return Err(Fault::Segments);
        }
        if self.integrity.is_some() {
            return Err(Fault::Integrity);
        }
        let at = number(&self.offset)?;
        let rest = len.checked_sub(at).ok_or(Fault::DataBehindEnd(at))?;
        let sector_bytes = self.sector_size.unwrap_or(512);
        if ![512, 1024, 2048, 4096].contains(&sector_bytes) {
            return Err(Fault::SectorBytes(sector_bytes));
        }
        Ok(Data {
            at,
            len: match self.size.as_str() {
                "dynamic" => rest,
                size => number(size)?.min(rest),
            },
            sector_bytes,
            first_sector: self.iv_tweak.as_deref().map_or(Ok(0), number)?,
            is_narrow: cipher(self.encryption.as_deref().unwrap_or_default())?,
        })
    }
}

impl JsonSlot {
    fn slot(&self) -> Result<Slot, Fault> {
        let missing = |what: &str| Fault::Json(format!("a key slot has no {what}"));
        let af = self.af.as_ref().ok_or_else(|| missing("af"))?;
        let area = self.area.as_ref().filter(|area| area.kind == "raw").ok_or_else(|| missing("area"))?;
        let kdf = self.kdf.as_ref().ok_or_else(|| missing("kdf"))?;
        // The area's sectors are numbered from 0, so the width of their numbers doesn't matter.
        cipher(area.encryption.as_deref().unwrap_or_default())?;
        Ok(Slot {
            kdf: kdf.kdf()?,
            area_key_bytes: key_bytes(area.key_size.unwrap_or(self.key_size))?,
            area_at: number(&area.offset)?,
            stripes: stripes(af.stripes)?,
            stripe_hash: Hash::of_name(&af.hash)?,
            key_bytes: key_bytes(self.key_size)?,
        })
    }
}

impl JsonKdf {
    fn kdf(&self) -> Result<Kdf, Fault> {
        let salt = bytes(&self.salt)?;
        let missing = || Fault::Json("a key derivation lacks a parameter".to_owned());
        match self.kind.as_str() {
            "pbkdf2" => Ok(Kdf::Pbkdf2 {
                hash: Hash::of_name(self.hash.as_deref().unwrap_or_default())?,
                iterations: self.iterations.ok_or_else(missing)?,
                salt,
            }),
            "argon2i" | "argon2id" => Ok(Kdf::Argon2 {
                is_id: self.kind == "argon2id",
                time: self.time.ok_or_else(missing)?,
                memory_kib: self.memory.ok_or_else(missing)?,
                lanes: self.cpus.ok_or_else(missing)?,
                salt,
            }),
            other => Err(Fault::Kdf(other.chars().take(40).collect())),
        }
    }
}

impl JsonDigest {
    fn digest(&self) -> Result<Digest, Fault> {
        if self.kind != "pbkdf2" {
            return Err(Fault::Kdf(self.kind.chars().take(40).collect()));
        }
        Ok(Digest {
            hash: Hash::of_name(&self.hash)?,
            iterations: self.iterations,
            salt: bytes(&self.salt)?,
            digest: bytes(&self.digest)?,
        })
    }
}
