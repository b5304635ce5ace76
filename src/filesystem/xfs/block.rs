//! The fields that identify every metadata block of version 5: checksum, place, filesystem and
//! owner.
//!
//! <https://docs.kernel.org/filesystems/xfs/xfs-self-describing-metadata.html>

use thiserror::Error;
use uuid::Uuid;

use super::checksum;
use crate::fields::{Short, be64_at, bytes_at};

/// Positions of these fields in a kind of block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    pub crc: usize,
    pub place: usize,
    pub uuid: usize,
    pub owner: usize,
}

/// `struct xfs_dir3_blk_hdr`: a directory's names.
pub(super) const NAMES: Fields = Fields { crc: 4, place: 8, uuid: 24, owner: 40 };
/// `struct xfs_da3_blkinfo`: a node or leaf of attributes.
pub(super) const TREE: Fields = Fields { crc: 12, place: 16, uuid: 32, owner: 48 };
/// `struct xfs_dsymlink_hdr` and `struct xfs_attr3_rmt_hdr`.
pub(super) const REMOTE: Fields = Fields { crc: 12, place: 40, uuid: 16, owner: 32 };
/// `struct xfs_btree_block`, the long form: a part of a file's map.
pub(super) const MAP: Fields = Fields { crc: 64, place: 24, uuid: 40, owner: 56 };

/// Faults of such a block.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    #[error(transparent)]
    Short(#[from] Short),
    #[error("block at byte {position}: its {fault}")]
    Checksum { position: u64, fault: checksum::Fault },
    #[error("block at byte {position} says that it lies at byte {said}")]
    Place { position: u64, said: u64 },
    #[error("block at byte {position} is of another filesystem, {said}")]
    Uuid { position: u64, said: Uuid },
    #[error("block at byte {position} belongs to inode {said}")]
    Owner { position: u64, said: u64 },
}

/// The values that a block should hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    /// Its position on the device, in bytes.
    pub position: u64,
    pub uuid: Uuid,
    /// The inode that it belongs to.
    pub owner: u64,
    /// Whether the log changed it: then its checksum is that of before.
    pub is_replayed: bool,
}

impl Fields {
    /// Checks a whole block.
    pub(super) fn check(self, block: &[u8], expected: &Expected) -> Result<(), Fault> {
        let Expected { position, uuid, owner, is_replayed } = *expected;
        if !is_replayed {
            checksum::check(block, self.crc).map_err(|fault| Fault::Checksum { position, fault })?;
        }
        let said = be64_at(block, self.place)?.saturating_mul(512);
        if said != position {
            return Err(Fault::Place { position, said });
        }
        let said = Uuid::from_bytes(bytes_at(block, self.uuid)?);
        if said != uuid {
            return Err(Fault::Uuid { position, said });
        }
        let said = be64_at(block, self.owner)?;
        if said != owner { Err(Fault::Owner { position, said }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> (Vec<u8>, Expected) {
        let uuid = Uuid::from_bytes([7; 16]);
        let mut block = vec![0; 512];
        block[8..16].copy_from_slice(&9_u64.to_be_bytes());
        block[24..40].copy_from_slice(uuid.as_bytes());
        block[40..48].copy_from_slice(&131_u64.to_be_bytes());
        seal(&mut block);
        (block, Expected { position: 9 * 512, uuid, owner: 131, is_replayed: false })
    }

    fn seal(block: &mut [u8]) {
        let crc = checksum::of(block, 4).unwrap();
        block[4..8].copy_from_slice(&crc.to_le_bytes());
    }

    #[test]
    fn a_block_that_is_not_the_one_that_was_asked_for_is_refused() {
        let (good, expected) = block();
        assert_eq!(NAMES.check(&good, &expected), Ok(()));
        let position = expected.position;
        let other = Uuid::from_bytes([1, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]);
        let cases: [(usize, u8, Fault); 3] = [
            (15, 8, Fault::Place { position, said: 8 * 512 }),
            (24, 1, Fault::Uuid { position, said: other }),
            (47, 1, Fault::Owner { position, said: 1 }),
        ];
        for (at, byte, fault) in cases {
            let mut bad = good.clone();
            bad[at] = byte;
            assert!(matches!(NAMES.check(&bad, &expected), Err(Fault::Checksum { .. })));
            seal(&mut bad);
            assert_eq!(NAMES.check(&bad, &expected), Err(fault));
        }
    }

    #[test]
    fn a_block_that_the_log_changed_is_not_measured_by_its_old_checksum() {
        let (mut block, expected) = block();
        block[100] = 1;
        assert_eq!(NAMES.check(&block, &Expected { is_replayed: true, ..expected }), Ok(()));
    }
}
