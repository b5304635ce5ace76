//! Types of items, and the order in which a transaction's are replayed.

use super::transaction::Item;
use crate::fields::{Short, u16_at, u64_at};

/// `XFS_LI_*`.
pub(super) const INODE: u16 = 0x123b;
pub(super) const BUFFER: u16 = 0x123c;
pub(super) const CREATE: u16 = 0x123f;
pub(super) const MAP: u16 = 0x1244;
pub(super) const MAP_DONE: u16 = 0x1245;
pub(super) const ATTRIBUTE: u16 = 0x1246;
pub(super) const ATTRIBUTE_DONE: u16 = 0x1247;
pub(super) const EXCHANGE: u16 = 0x1248;
pub(super) const EXCHANGE_DONE: u16 = 0x1249;
/// Freeing of extents, reverse mappings and reference counts, done and to do; unlinked inodes;
/// quota: a reader of files sees nothing of them.
const UNSEEN: [u16; 15] = [
    0x1236, 0x1237, 0x1238, 0x123d, 0x123e, 0x1240, 0x1241, 0x1242, 0x1243, 0x124a, 0x124b, 0x124c, 0x124d,
    0x124e, 0x124f,
];

/// The place of an item in its transaction: new inodes and buffers, then what is in them, then
/// buffers of inodes, then buffers that are no longer used (`xlog_recover_reorder_trans`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    Buffers,
    Items,
    InodeBuffers,
    Cancelled,
}

impl Item {
    /// Its type.
    pub(super) fn kind(&self) -> Result<u16, Short> {
        u16_at(self.region(0), 0)
    }

    /// The number that ties an intent to the record that says that it is done.
    pub(super) fn id(&self) -> Result<u64, Short> {
        u64_at(self.region(0), 8)
    }
}

/// Whether a reader of files sees nothing of items of this type.
pub(super) fn is_unseen(kind: u16) -> bool {
    UNSEEN.contains(&kind)
}
