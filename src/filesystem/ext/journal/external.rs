//! A journal on a device of its own.

use uuid::Uuid;

use super::fault::Fault;
use super::log::Log;
use crate::device::{Device, read_vec};
use crate::error::Result;
use crate::fields::{bytes_at, u16_at, u32_at, wide};
use crate::filesystem::Extent;

/// Where the ext superblock lies, in bytes, and its length.
const SUPERBLOCK_BYTES: u32 = 1024;
/// `EXT4_SUPER_MAGIC`.
const MAGIC: u16 = 0xEF53;
/// `EXT4_FEATURE_INCOMPAT_JOURNAL_DEV`, which has no other beside it.
const JOURNAL_DEV: u32 = 0x0008;
/// `EXT4_FEATURE_INCOMPAT_64BIT`, which e2fsprogs may set on a journal device too.
const WIDE: u32 = 0x0080;

impl Log {
    /// The journal on a device of its own, which has an ext superblock with `journal_uuid`
    /// (`s_journal_uuid` of the filesystem).
    ///
    /// Layout: <https://docs.kernel.org/filesystems/ext4/journal.html#external-journal>. The blocks of such a log are
    /// those of the device; the journal's superblock is in the block after the ext superblock.
    ///
    /// # Errors
    ///
    /// When the device can't be read, holds no journal, or another one.
    pub(in crate::filesystem::ext) fn on_device(
        device: Device,
        journal_uuid: Uuid,
        block_bytes: u32,
    ) -> Result<Self> {
        let bytes = usize::try_from(SUPERBLOCK_BYTES).unwrap_or(0);
        let ext = read_vec(device.as_ref(), SUPERBLOCK_BYTES.into(), bytes)?;
        let blocks = blocks_of(&ext, journal_uuid)?;
        let len_bytes = blocks.saturating_mul(block_bytes.into()).min(device.len_bytes());
        let extents = vec![Extent::raw(0, 0, len_bytes)];
        let superblock = SUPERBLOCK_BYTES.checked_div(block_bytes).unwrap_or(0).saturating_add(1);
        Ok(Self { device, extents, block_bytes, superblock })
    }
}

/// Blocks of the journal device, after a check that it is the right one.
fn blocks_of(ext: &[u8], journal_uuid: Uuid) -> Result<u64, Fault> {
    let s_blocks_count_lo = u32_at(ext, 0x04)?;
    let s_magic = u16_at(ext, 0x38)?;
    let s_feature_incompat = u32_at(ext, 0x60)?;
    let s_uuid = bytes_at::<16>(ext, 0x68)?;
    let s_blocks_count_hi = if s_feature_incompat & WIDE == 0 { 0 } else { u32_at(ext, 0x150)? };
    if s_magic != MAGIC || s_feature_incompat & !WIDE != JOURNAL_DEV {
        return Err(Fault::NoJournalDevice { s_magic, s_feature_incompat });
    }
    let found = Uuid::from_bytes(s_uuid);
    if found != journal_uuid {
        return Err(Fault::OtherJournal { found, expected: journal_uuid });
    }
    Ok(wide(s_blocks_count_hi, s_blocks_count_lo))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::fault::Fault;
    use super::super::recover;
    use super::super::superblock::Checksums;
    use super::super::writer::{BLOCKS, FILESYSTEM_BLOCKS, Format, OLD, Writer};
    use super::*;
    use crate::error::Error;

    const UUID: Uuid = Uuid::from_bytes([7; 16]);

    /// A journal on a device of its own: one transaction, which fills block 3 with ones.
    fn device(block_bytes: usize, magic: u16, users: u32) -> Device {
        let superblock = 1024 / block_bytes as u32 + 1;
        let format = Format { block_bytes, ..Format::new(Checksums::V3, true) };
        let mut writer = Writer::starting(format, superblock + 1, 1);
        writer.blocks(&[(3, 1)]).commit();
        writer.put(0, 0x14, &(superblock + 1).to_be_bytes());
        writer.put(0, 0x40, &users.to_be_bytes());
        writer.seal_superblock();
        let mut bytes = writer.journal.clone();
        bytes.copy_within(..1024, superblock as usize * block_bytes);
        let ext = &mut bytes[1024..2048];
        ext[0x04..0x08].copy_from_slice(&BLOCKS.to_le_bytes());
        ext[0x38..0x3A].copy_from_slice(&magic.to_le_bytes());
        ext[0x60..0x64].copy_from_slice(&8_u32.to_le_bytes());
        ext[0x68..0x78].copy_from_slice(UUID.as_bytes());
        Arc::new(bytes)
    }

    fn fault(error: &Error) -> Fault {
        error.cause().downcast_ref::<Fault>().unwrap().clone()
    }

    #[test]
    fn a_journal_on_its_own_device_is_replayed() {
        for block_bytes in [1024, 2048, 4096] {
            let log = Log::on_device(device(block_bytes, MAGIC, 1), UUID, block_bytes as u32).unwrap();
            let recovery = recover(&log, FILESYSTEM_BLOCKS, 256).unwrap();
            assert!(recovery.faults.is_empty());
            let filesystem = Arc::new(vec![OLD; FILESYSTEM_BLOCKS as usize * block_bytes]);
            let overlaid = recovery.overlay.over(filesystem);
            let at = 3 * block_bytes as u64;
            assert_eq!(read_vec(&overlaid, at, block_bytes).unwrap(), vec![1; block_bytes]);
            assert_eq!(read_vec(&overlaid, at - 1, 1).unwrap(), [OLD]);
        }
    }

    #[test]
    fn another_journal_or_none_is_refused() {
        let other = Uuid::from_bytes([8; 16]);
        let error = Log::on_device(device(1024, MAGIC, 1), other, 1024).unwrap_err();
        assert_eq!(fault(&error), Fault::OtherJournal { found: UUID, expected: other });
        let error = Log::on_device(device(1024, 0, 1), UUID, 1024).unwrap_err();
        assert_eq!(fault(&error), Fault::NoJournalDevice { s_magic: 0, s_feature_incompat: 8 });
        let log = Log::on_device(device(1024, MAGIC, 2), UUID, 1024).unwrap();
        assert_eq!(fault(&recover(&log, FILESYSTEM_BLOCKS, 256).unwrap_err()), Fault::Users(2));
    }
}
