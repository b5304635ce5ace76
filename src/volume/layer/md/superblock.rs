//! Superblocks of software RAID, of both kinds.
//!
//! Layout: `struct mdp_superblock_1` and `mdp_superblock_s` in `include/uapi/linux/raid/md_p.h` of
//! the kernel. Version 1 is little-endian and lies at the start (1.1), 4 KiB in (1.2) or near the
//! end (1.0). Version 0.90 lies near the end in the byte order of the machine that wrote it.

use crate::device::{ReadAt, read_vec};
use crate::error::Result;
use crate::fields::{Short, be32_at, bytes_at, slice_at, u16_at, u32_at, u64_at, until_nul};

const MAGIC: u32 = 0xa92b_4efc;
pub(super) const SECTOR_BYTES: u64 = 512;
/// The fixed part of version 1; two bytes for each device follow.
const FIXED_LEN: usize = 256;
/// `MD_SB_DISKS` of version 1: its superblock fits into 4 KiB.
const DEVICES_MOST: u32 = 1920;
/// `MD_SB_BYTES` and `MD_RESERVED_BYTES` of version 0.90.
const OLD_LEN: usize = 4096;
const OLD_RESERVED_BYTES: u64 = 64 << 10;

/// `MD_FEATURE_*` that change where data are, or which.
const RECOVERY_OFFSET: u32 = 2;
const RESHAPE_ACTIVE: u32 = 4;
const BAD_BLOCKS: u32 = 8;
const JOURNAL: u32 = 512;
const RAID0_LAYOUT: u32 = 4096;
/// All that the kernel knows: `MD_FEATURE_ALL`.
const KNOWN: u32 = 8191;
/// `MD_DISK_ROLE_FAULTY` and those above and below it: journal, spare.
const ROLE_MOST: u16 = 0xff00;

/// What a member says of itself and of its array.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Superblock {
    /// `0.90`, `1.0`, `1.1` or `1.2`.
    pub version: &'static str,
    pub uuid: [u8; 16],
    pub name: String,
    pub level: i32,
    pub layout: u32,
    /// Whether a RAID0 tells its layout.
    pub has_raid0_layout: bool,
    pub chunk_bytes: u64,
    pub members: u32,
    /// Bytes that the array takes of each member.
    pub size_bytes: u64,
    /// Where the data of this member lie.
    pub data_offset: u64,
    pub data_bytes: u64,
    pub events: u64,
    /// Whether all members were made the same, and nothing was being written.
    pub is_clean: bool,
    pub is_reshaping: bool,
    /// Whether writes go to a journal first.
    pub has_journal: bool,
    /// Features that are not known here.
    pub unknown: u32,
    /// Where its list of bad blocks lies, and how many bytes it has.
    pub bad_blocks: Option<(u64, usize)>,
    /// Its number in the array; nothing for a spare, a journal or a member that failed.
    pub role: Option<u32>,
    /// Whether it is still being rebuilt.
    pub is_recovering: bool,
    /// The roles that are filled, as this member knows it.
    pub active: Vec<u32>,
}

/// Finds the superblock of a member.
pub(super) fn read(device: &dyn ReadAt) -> Result<Option<Superblock>> {
    let end = device.len_bytes();
    let near_end =
        (end / SECTOR_BYTES).checked_sub(16).map(|sector| (sector & !7).saturating_mul(SECTOR_BYTES));
    let places = [(Some(4096), "1.2"), (Some(0), "1.1"), (near_end, "1.0")];
    for (at, version) in places {
        let Some(at) = at.filter(|at| at.saturating_add(4096) <= end) else { continue };
        let bytes = read_vec(device, at, OLD_LEN)?;
        if let Ok(Some(superblock)) = version_1(&bytes, at, version) {
            return Ok(Some(superblock));
        }
    }
    let old = (end & !OLD_RESERVED_BYTES.saturating_sub(1)).checked_sub(OLD_RESERVED_BYTES);
    let Some(at) = old else { return Ok(None) };
    let bytes = read_vec(device, at, OLD_LEN)?;
    Ok(version_0(&bytes, at).ok().flatten())
}

fn version_1(bytes: &[u8], at: u64, version: &'static str) -> Result<Option<Superblock>, Short> {
    let magic = u32_at(bytes, 0)?;
    let major_version = u32_at(bytes, 4)?;
    let super_offset = u64_at(bytes, 144)?;
    let max_dev = u32_at(bytes, 220)?;
    if (magic, major_version, super_offset) != (MAGIC, 1, at / SECTOR_BYTES) || max_dev > DEVICES_MOST {
        return Ok(None);
    }
    let roles_len = usize::try_from(max_dev).unwrap_or(0).saturating_mul(2);
    let roles = slice_at(bytes, FIXED_LEN, roles_len)?;
    let checked = slice_at(bytes, 0, FIXED_LEN.saturating_add(roles_len))?;
    if u32_at(bytes, 216)? != checksum_1(checked) {
        return Ok(None);
    }
    let feature_map = u32_at(bytes, 8)?;
    let dev_number = usize::try_from(u32_at(bytes, 160)?).unwrap_or(usize::MAX);
    let own_role = u16_at(roles, dev_number.saturating_mul(2)).unwrap_or(u16::MAX);
    let is_active = |role: &u16| *role < ROLE_MOST;
    let all = roles.as_chunks::<2>().0.iter().map(|role| u16::from_le_bytes(*role)).filter(is_active);
    let sectors = |at: usize| u64_at(bytes, at).map(|sectors| sectors.saturating_mul(SECTOR_BYTES));
    Ok(Some(Superblock {
        version,
        uuid: bytes_at(bytes, 16)?,
        name: String::from_utf8_lossy(until_nul(slice_at(bytes, 32, 32)?)).into_owned(),
        level: i32::from_le_bytes(bytes_at(bytes, 72)?),
        layout: u32_at(bytes, 76)?,
        has_raid0_layout: feature_map & RAID0_LAYOUT != 0,
        chunk_bytes: u64::from(u32_at(bytes, 88)?).saturating_mul(SECTOR_BYTES),
        members: u32_at(bytes, 92)?,
        size_bytes: sectors(80)?,
        data_offset: sectors(128)?,
        data_bytes: sectors(136)?,
        events: u64_at(bytes, 200)?,
        is_clean: u64_at(bytes, 208)? == u64::MAX,
        is_reshaping: feature_map & RESHAPE_ACTIVE != 0,
        has_journal: feature_map & JOURNAL != 0,
        unknown: feature_map & !KNOWN,
        bad_blocks: if feature_map & BAD_BLOCKS == 0 { None } else { bad_blocks(bytes, at)? },
        role: Some(own_role).filter(is_active).map(u32::from),
        is_recovering: feature_map & RECOVERY_OFFSET != 0,
        active: all.map(u32::from).collect(),
    }))
}

/// `bblog_offset`, from the superblock on, and `bblog_size`, both in sectors.
fn bad_blocks(bytes: &[u8], at: u64) -> Result<Option<(u64, usize)>, Short> {
    let size = usize::from(u16_at(bytes, 186)?).saturating_mul(512);
    let offset = i64::from(i32::from_le_bytes(bytes_at(bytes, 188)?)).saturating_mul(512);
    Ok(at.checked_add_signed(offset).map(|at| (at, size)))
}

/// `calc_sb_1_csum`: a sum of words, with its own as zero.
fn checksum_1(bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<4>();
    let own = u32_at(bytes, 216).unwrap_or(0);
    let words: u64 = words.iter().map(|word| u64::from(u32::from_le_bytes(*word))).sum();
    let rest = u16_at(rest, 0).map_or(0, u64::from);
    folded(words.saturating_add(rest).saturating_sub(own.into()))
}

fn folded(sum: u64) -> u32 {
    crate::fields::low_half(sum).wrapping_add(crate::fields::high_half(sum))
}

fn version_0(bytes: &[u8], at: u64) -> Result<Option<Superblock>, Short> {
    let little = |word: usize| u32_at(bytes, word.saturating_mul(4));
    let big = |word: usize| be32_at(bytes, word.saturating_mul(4));
    let is_big = big(0)? == MAGIC;
    let word = |word: usize| if is_big { big(word) } else { little(word) };
    if (word(0)?, word(1)?) != (MAGIC, 0) {
        return Ok(None);
    }
    let own = word(38)?;
    let words = (0..OLD_LEN / 4).map(|at| word(at).map(u64::from)).sum::<Result<u64, Short>>()?;
    if own != folded(words.saturating_sub(own.into())) {
        return Ok(None);
    }
    let mut uuid = [0; 16];
    for (part, at) in uuid.as_chunks_mut::<4>().0.iter_mut().zip([5, 13, 14, 15]) {
        *part = word(at)?.to_be_bytes();
    }
    // `events_lo` comes first on little-endian machines.
    let (high, low) = if is_big { (word(39)?, word(40)?) } else { (word(40)?, word(39)?) };
    let disk = |at: usize| -> Result<Option<u32>, Short> {
        let (raid_disk, state) = (word(at.saturating_add(3))?, word(at.saturating_add(4))?);
        const FAULTY: u32 = 1;
        const ACTIVE_AND_SYNC: u32 = 6;
        let is_active = state & FAULTY == 0 && state & ACTIVE_AND_SYNC == ACTIVE_AND_SYNC;
        Ok(is_active.then_some(raid_disk))
    };
    let disks = (0..27_usize).map(|number| disk(number.saturating_mul(32).saturating_add(128)));
    let active: Vec<u32> = disks.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    let is_reshaping = word(2)? > 90 && u64_at(bytes, 44 * 4)? != u64::MAX;
    Ok(Some(Superblock {
        version: "0.90",
        uuid,
        name: word(11)?.to_string(),
        level: i32::from_le_bytes(word(7)?.to_le_bytes()),
        layout: word(64)?,
        has_raid0_layout: false,
        chunk_bytes: word(65)?.into(),
        members: word(10)?,
        size_bytes: u64::from(word(8)?).saturating_mul(1024),
        data_offset: 0,
        data_bytes: at,
        events: crate::fields::wide(high, low),
        is_clean: word(33)? & 1 != 0,
        is_reshaping,
        has_journal: false,
        unknown: 0,
        bad_blocks: None,
        role: disk(992)?,
        is_recovering: false,
        active,
    }))
}
