//! All that it takes to make the same filesystem again, empty: what a manifest keeps of it.
//!
//! A manifest may be made by anybody, so that all of it is checked when it is read; what is checked here is that the numbers can
//! be those of a filesystem. Whether there is a program that makes it is another question.
//!
//! <https://docs.kernel.org/filesystems/ext4/super.html>

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;
use uuid::Uuid;

use super::checksum::Crc;
use super::features::FeatureNames;
use super::superblock::Superblock;
use crate::fields::{Short, bytes_at, slice_at, u8_at, u16_at, u32_at, until_nul};

/// Texts of a superblock, in bytes; what is longer is none.
const LABEL_MOST: usize = 16;
const TEXT_MOST: usize = 64;
/// Features that have a bit: 32 of each of the three sets.
const FEATURES_MOST: usize = 32;
const FEATURE_NAME_MOST: usize = 32;
/// `s_flags`: how the bytes of names count in a hash.
const UNSIGNED_HASH: u32 = 0x2;
/// The two kinds of revision.
const REVISION_MOST: u32 = 1;

/// Why a geometry can be that of no filesystem.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Fault {
    /// A number that is too small, too large, or of the wrong kind.
    #[error("{name} is {value}, which no ext filesystem has")]
    Number {
        /// The field.
        name: &'static str,
        /// What it is.
        value: u64,
    },
    /// A text that is too long.
    #[error("{0} is too long, or has characters that it can't have")]
    Text(&'static str),
}

/// What an ext filesystem is like, apart from what is in it.
///
/// Numbers without a unit in their name are as the superblock has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Geometry {
    /// 0, or 1 for all since 1996.
    pub revision: u32,
    /// Bytes of a block.
    pub block_bytes: u32,
    /// Bytes of a cluster: more than a block with `bigalloc`.
    pub cluster_bytes: u32,
    /// Bytes of an inode.
    pub inode_bytes: u16,
    /// Number of blocks.
    pub blocks: u64,
    /// Number of inodes.
    pub inodes: u32,
    /// Blocks that only the superuser may fill.
    pub reserved_blocks: u64,
    /// Blocks of a group.
    pub blocks_per_group: u32,
    /// Groups whose metadata lie together, with `flex_bg`.
    pub groups_per_flex: u32,
    /// Blocks that are kept for descriptors of groups to come, with `resize_inode`.
    pub reserved_descriptor_blocks: u16,
    /// Copies of the superblock, with `sparse_super2`.
    pub backups: u8,
    /// The features.
    pub features: FeatureNames,
    /// The volume's UUID.
    pub uuid: Uuid,
    /// The volume's label, as hexadecimal digits of its bytes.
    #[serde(with = "hexadecimal")]
    pub label_hex: Vec<u8>,
    /// Where the hashes of names begin.
    pub hash_seed: Uuid,
    /// Which hash new indexes of directories have.
    pub hash_version: u8,
    /// Whether the bytes of names count as signed in it.
    pub hash_signed: bool,
    /// Bytes of the journal in the filesystem itself.
    pub journal_bytes: Option<u64>,
    /// Whether the journal was on another device.
    pub external_journal: bool,
    /// Where checksums begin, when that is not the UUID's.
    pub checksum_seed: Option<u32>,
    /// `s_default_mount_opts`.
    pub default_mount_options: u32,
    /// `s_mount_opts`, as hexadecimal digits of its bytes.
    #[serde(with = "hexadecimal")]
    pub mount_options_hex: Vec<u8>,
    /// What a mounted filesystem does when it meets an error.
    pub errors: u16,
    /// Mounts between two checks; not positive for none.
    pub mounts_between_checks: i16,
    /// Seconds between two checks; 0 for none.
    pub seconds_between_checks: u32,
    /// Who may fill the reserved blocks.
    pub reserved_uid: u16,
    /// Which group may.
    pub reserved_gid: u16,
    /// Blocks on one disk of a RAID before the next.
    pub stride: u16,
    /// Blocks on all disks of a RAID.
    pub stripe_width: u32,
    /// Bytes of extra fields that all inodes have.
    pub min_extra_isize: u16,
    /// Bytes of extra fields that new inodes have.
    pub want_extra_isize: u16,
    /// How names are written, with `casefold`.
    pub encoding: u16,
    /// How strictly.
    pub encoding_flags: u16,
    /// Whose use of space is counted, with `quota`: `user`, `group`, `project`.
    pub quotas: Vec<String>,
    /// Seconds between two signs of life, with `mmp`.
    pub mmp_seconds: u16,
    /// Ways to encrypt, with `encrypt`.
    pub encryption: [u8; 4],
    /// When it was made, in seconds since 1970.
    pub made: u32,
    /// Where it was mounted last, as hexadecimal digits of the bytes.
    #[serde(with = "hexadecimal")]
    pub mounted_hex: Vec<u8>,
}

impl Serialize for Geometry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Geometry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let geometry = Self::deserialize(deserializer)?;
        geometry.check().map_err(serde::de::Error::custom)?;
        Ok(geometry)
    }
}

impl Geometry {
    /// That of the filesystem with this superblock and a journal of this length; `None` where some of its numbers, which do not
    /// matter when it is read, make no sense.
    pub(super) fn of(superblock: &Superblock, journal_bytes: Option<u64>) -> Option<Self> {
        let geometry = Self::read(superblock, journal_bytes).ok()?;
        geometry.check().ok().map(|()| geometry)
    }

    fn read(superblock: &Superblock, journal_bytes: Option<u64>) -> Result<Self, Short> {
        let bytes = superblock.record.as_slice();
        let features = superblock.features;
        let text = |at, len| slice_at(bytes, at, len).map(|text| until_nul(text).to_vec());
        let low = u32_at(bytes, 0x8)?;
        let high = if features.is_64bit() { u32_at(bytes, 0x154)? } else { 0 };
        let quotas = [("user", 0x240), ("group", 0x244), ("project", 0x26c)];
        let quotas = quotas.into_iter().filter(|(_, at)| u32_at(bytes, *at).is_ok_and(|inode| inode != 0));
        let has_quota = features.names_of().has("quota");
        Ok(Self {
            revision: u32_at(bytes, 0x4c)?,
            block_bytes: superblock.block_size,
            cluster_bytes: superblock.cluster_size,
            inode_bytes: superblock.inode_size,
            blocks: superblock.blocks_count,
            inodes: superblock.inodes_count,
            reserved_blocks: crate::fields::wide(high, low),
            blocks_per_group: superblock.blocks_per_group,
            groups_per_flex: 1_u32.checked_shl(u32::from(u8_at(bytes, 0x174)?)).unwrap_or(0),
            reserved_descriptor_blocks: u16_at(bytes, 0xce)?,
            backups: superblock
                .backup_groups
                .iter()
                .fold(0, |sum: u8, group| sum.saturating_add(u8::from(*group != 0))),
            features: features.lasting().names_of(),
            uuid: superblock.uuid,
            label_hex: superblock.label.clone(),
            hash_seed: Uuid::from_bytes(bytes_at(bytes, 0xec)?),
            hash_version: u8_at(bytes, 0xfc)?,
            hash_signed: u32_at(bytes, 0x160)? & UNSIGNED_HASH == 0,
            journal_bytes,
            external_journal: features.has_journal() && superblock.journal_inode == 0,
            checksum_seed: if features.has_csum_seed() { Some(u32_at(bytes, 0x270)?) } else { None },
            default_mount_options: u32_at(bytes, 0x100)?,
            mount_options_hex: text(0x200, TEXT_MOST)?,
            errors: u16_at(bytes, 0x3c)?,
            mounts_between_checks: i16::from_le_bytes(bytes_at(bytes, 0x36)?),
            seconds_between_checks: u32_at(bytes, 0x44)?,
            reserved_uid: u16_at(bytes, 0x50)?,
            reserved_gid: u16_at(bytes, 0x52)?,
            stride: u16_at(bytes, 0x164)?,
            stripe_width: u32_at(bytes, 0x170)?,
            min_extra_isize: u16_at(bytes, 0x15c)?,
            want_extra_isize: u16_at(bytes, 0x15e)?,
            encoding: u16_at(bytes, 0x27c)?,
            encoding_flags: u16_at(bytes, 0x27e)?,
            quotas: quotas.filter(|_| has_quota).map(|(name, _)| name.to_owned()).collect(),
            mmp_seconds: u16_at(bytes, 0x166)?,
            encryption: bytes_at(bytes, 0x254)?,
            made: u32_at(bytes, 0x108)?,
            mounted_hex: text(0x88, TEXT_MOST)?,
        })
    }

    /// The same geometry with `blocks` blocks, and as many inodes for each group as it had.
    ///
    /// # Errors
    ///
    /// [`Fault`] when no filesystem has that many.
    pub fn grown(&self, blocks: u64) -> Result<Self, Fault> {
        let groups = |blocks: u64| blocks.div_ceil(u64::from(self.blocks_per_group).max(1)).max(1);
        let per_group = u64::from(self.inodes).div_ceil(groups(self.blocks));
        let inodes = per_group.saturating_mul(groups(blocks));
        let reserved = u128::from(self.reserved_blocks).saturating_mul(u128::from(blocks));
        let reserved = reserved.checked_div(u128::from(self.blocks)).unwrap_or(0);
        let grown = Self {
            blocks,
            inodes: u32::try_from(inodes).unwrap_or(u32::MAX),
            reserved_blocks: u64::try_from(reserved).unwrap_or(0),
            ..self.clone()
        };
        grown.check().map(|()| grown)
    }

    /// Length in bytes.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.blocks.saturating_mul(u64::from(self.block_bytes))
    }

    /// The UUID that the filesystem has to be made with for its checksums to begin where they do: its own, or one with the checksum that
    /// is wanted where it was changed since.
    #[must_use]
    pub fn uuid_of_checksums(&self) -> Uuid {
        match self.checksum_seed {
            Some(seed) if Crc::START.with(self.uuid.as_bytes()) != Crc::from_seed(seed) => {
                let [head @ .., _, _, _, _] = self.uuid.into_bytes();
                let tail = Crc::START.with(&head).bytes_to(seed);
                let [a, b, c, d, e, f, g, h, i, j, k, l] = head;
                let [m, n, o, p] = tail;
                Uuid::from_bytes([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
            }
            _ => self.uuid,
        }
    }

    fn check(&self) -> Result<(), Fault> {
        let number = |name, value: u64, is_right: bool| match is_right {
            true => Ok(()),
            false => Err(Fault::Number { name, value }),
        };
        let is_power =
            |value: u32, least: u32, most: u32| value.is_power_of_two() && (least..=most).contains(&value);
        let (block, cluster) = (u64::from(self.block_bytes), u64::from(self.cluster_bytes));
        number("revision", self.revision.into(), self.revision <= REVISION_MOST)?;
        number("block_bytes", block, is_power(self.block_bytes, 1 << 10, 1 << 16))?;
        number("cluster_bytes", cluster, is_power(self.cluster_bytes, self.block_bytes, 1 << 30))?;
        let inode = u32::from(self.inode_bytes);
        number("inode_bytes", inode.into(), is_power(inode, 128, self.block_bytes))?;
        let is_addressable = self.blocks.checked_mul(block).is_some_and(|len| i64::try_from(len).is_ok());
        number("blocks", self.blocks, self.blocks > 1 && is_addressable)?;
        number("inodes", self.inodes.into(), self.inodes > 0)?;
        number("reserved_blocks", self.reserved_blocks, self.reserved_blocks <= self.blocks)?;
        let per_group = u64::from(self.blocks_per_group);
        let most = block.saturating_mul(8).saturating_mul(cluster.checked_div(block).unwrap_or(1));
        number("blocks_per_group", per_group, (1..=most).contains(&per_group))?;
        let flex = self.groups_per_flex;
        number("groups_per_flex", flex.into(), flex.is_power_of_two())?;
        number("backups", self.backups.into(), self.backups <= 2)?;
        let extra = self.inode_bytes.saturating_sub(128);
        for (name, isize) in
            [("min_extra_isize", self.min_extra_isize), ("want_extra_isize", self.want_extra_isize)]
        {
            number(name, isize.into(), isize <= extra)?;
        }
        let journal = self.journal_bytes.unwrap_or(0);
        number("journal_bytes", journal, journal <= self.len_bytes())?;
        self.check_texts()
    }

    fn check_texts(&self) -> Result<(), Fault> {
        let text = |name, is_right: bool| if is_right { Ok(()) } else { Err(Fault::Text(name)) };
        let short = |bytes: &[u8], most: usize| bytes.len() <= most && !bytes.contains(&0);
        text("label_hex", short(&self.label_hex, LABEL_MOST))?;
        text("mount_options_hex", short(&self.mount_options_hex, TEXT_MOST))?;
        text("mounted_hex", short(&self.mounted_hex, TEXT_MOST))?;
        let is_plain = |name: &String| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            !name.is_empty() && name.len() <= FEATURE_NAME_MOST && name.bytes().all(is_plain)
        };
        let sets = [&self.features.compat, &self.features.incompat, &self.features.ro_compat];
        text("features", sets.iter().all(|set| set.len() <= FEATURES_MOST && set.iter().all(is_plain)))?;
        let is_quota = |name: &String| matches!(name.as_str(), "user" | "group" | "project");
        text("quotas", self.quotas.len() <= 3 && self.quotas.iter().all(is_quota))
    }
}

/// Bytes as hexadecimal digits: a label may be anything.
mod hexadecimal {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::hex;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let digits = String::deserialize(deserializer)?;
        hex::decode(&digits)
            .ok_or_else(|| D::Error::custom("a text that should be hexadecimal digits is none"))
    }
}

#[cfg(test)]
mod tests;
