//! Replays the complete transactions, in two passes: what is no longer used, then everything else.

use std::collections::HashMap;

use super::super::superblock::Superblock;
use super::buffer::{self, Buffer};
use super::create::Create;
use super::fault::Fault;
use super::head::Active;
use super::inode::Change;
use super::intent::Intents;
use super::item::{self, Order};
use super::overlay::Overlay;
use super::place::Log;
use super::transaction::{self, Item, Transaction};
use crate::device::Device;
use crate::error::{Error, Kind, Result};

/// The result of a replay.
pub(super) struct Outcome {
    pub overlay: Overlay,
    /// Changes that were begun and not finished.
    pub intents: Intents,
    /// The fault at which reading the log ended.
    pub fault: Option<Fault>,
}

/// Buffers that are noted as no longer used at most: 64 MiB of memory.
const CANCELLED_MOST: usize = 1 << 20;

/// Buffers that are no longer used, and how often the log still says so: what it says of them
/// before must not be replayed.
#[derive(Default)]
struct Cancelled(HashMap<(i64, i64), u32>);

impl Cancelled {
    fn add(&mut self, buffer: &Buffer) -> Result<(), Fault> {
        if self.0.len() >= CANCELLED_MOST {
            return Err(Fault::Cancelled(CANCELLED_MOST));
        }
        let count = self.0.entry((buffer.sector, buffer.sectors.into())).or_insert(0);
        *count = count.saturating_add(1);
        Ok(())
    }

    fn holds(&self, sector: i64, sectors: i64) -> bool {
        self.0.contains_key(&(sector, sectors))
    }

    fn remove(&mut self, buffer: &Buffer) {
        let key = (buffer.sector, i64::from(buffer.sectors));
        if let Some(count) = self.0.get_mut(&key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.0.remove(&key);
            }
        }
    }
}

/// A replay under way.
struct Replay<'a> {
    device: &'a Device,
    superblock: &'a Superblock,
    cancelled: Cancelled,
    overlay: Overlay,
    intents: Intents,
}

/// Replays the active part of a log.
pub(super) fn replay(device: &Device, superblock: &Superblock, log: &Log, active: Active) -> Result<Outcome> {
    let mut cancelled = Cancelled::default();
    transaction::each(log, active, &mut |transaction| Ok(note_cancelled(&transaction, &mut cancelled)))?;
    let (overlay, intents) = (Overlay::default(), Intents::default());
    let mut replay = Replay { device, superblock, cancelled, overlay, intents };
    let fault = transaction::each(log, active, &mut |transaction| replay.transaction(&transaction))?;
    let Replay { overlay, intents, .. } = replay;
    Ok(Outcome { overlay, intents, fault })
}

fn note_cancelled(transaction: &Transaction, cancelled: &mut Cancelled) -> Result<(), Fault> {
    for item in transaction.items.iter().filter(|item| item.kind() == Ok(item::BUFFER)) {
        let buffer = Buffer::parse(item)?;
        if buffer.is_cancelled() {
            cancelled.add(&buffer)?;
        }
    }
    Ok(())
}

fn order(item: &Item) -> Result<Order, Fault> {
    Ok(match item.kind()? {
        item::BUFFER => Buffer::parse(item)?.order(),
        item::CREATE => Order::Buffers,
        _ => Order::Items,
    })
}

impl Replay<'_> {
    /// Replays a transaction. Outside is an error of the device, inside what is wrong with the
    /// transaction.
    fn transaction(&mut self, transaction: &Transaction) -> Result<Result<(), Fault>> {
        let mut items = Vec::new();
        for item in &transaction.items {
            match order(item) {
                Ok(order) => items.push((order, item)),
                Err(fault) => return Ok(Err(fault)),
            }
        }
        items.sort_by_key(|(order, _)| *order);
        for (_, item) in items {
            match self.item(item, transaction.lsn) {
                Ok(()) => {}
                Err(Failed::Log(fault)) => return Ok(Err(fault)),
                Err(Failed::Device(error)) => return Err(error),
            }
        }
        Ok(Ok(()))
    }

    fn item(&mut self, item: &Item, lsn: u64) -> Result<(), Failed> {
        match item.kind().map_err(Fault::from)? {
            item::BUFFER => self.buffer(item, lsn),
            item::INODE => self.inode(item, lsn),
            item::CREATE => self.create(item),
            kind if self.intents.take(kind, item)? || item::is_unseen(kind) => Ok(()),
            kind => Err(Fault::ItemType(kind).into()),
        }
    }

    fn buffer(&mut self, item: &Item, lsn: u64) -> Result<(), Failed> {
        let buffer = Buffer::parse(item)?;
        if buffer.is_cancelled() {
            self.cancelled.remove(&buffer);
            return Ok(());
        }
        if self.cancelled.holds(buffer.sector, buffer.sectors.into()) || buffer.is_unseen() {
            return Ok(());
        }
        let (position, _) = buffer.range(self.device.len_bytes())?;
        if self.superblock.features.has_checksums() {
            let head = self.overlay.read_over(self.device.as_ref(), position, buffer::FIELDS_LEN)?;
            let has_meta_uuid = self.superblock.features.has_meta_uuid();
            let there = buffer::lsn(&head, self.superblock.meta_uuid, has_meta_uuid).map_err(Fault::from)?;
            if there.is_some_and(|there| there >= lsn) {
                return Ok(());
            }
        }
        for (at, bytes) in buffer.parts(item)? {
            self.overlay.write(self.device.as_ref(), position.saturating_add(at), bytes)?;
        }
        Ok(())
    }

    fn inode(&mut self, item: &Item, lsn: u64) -> Result<(), Failed> {
        let change = Change::parse(item)?;
        if self.cancelled.holds(change.sector, change.sectors.into()) {
            return Ok(());
        }
        let size = self.superblock.inode_size;
        let position = change.position(size, self.device.len_bytes())?;
        let record = self.overlay.read_over(self.device.as_ref(), position, size.into())?;
        let has_checksums = self.superblock.features.has_checksums();
        if let Some(record) = change.apply(item, lsn, record, has_checksums)? {
            self.overlay.write(self.device.as_ref(), position, &record)?;
        }
        Ok(())
    }

    fn create(&mut self, item: &Item) -> Result<(), Failed> {
        let create = Create::parse(item, self.superblock)?;
        if self.is_cancelled(&create) {
            return Ok(());
        }
        let bytes = create.bytes(self.superblock);
        self.overlay.write(self.device.as_ref(), create.position, &bytes)?;
        Ok(())
    }

    /// Whether the blocks of new inodes were freed again: then their first buffer is among those
    /// that are no longer used.
    fn is_cancelled(&self, create: &Create) -> bool {
        let sector = i64::try_from(create.position / 512).unwrap_or(i64::MAX);
        let bytes = u64::from(create.count).saturating_mul(self.superblock.inode_size.into());
        let sectors = i64::try_from(bytes / 512).unwrap_or(i64::MAX);
        // Inodes are in buffers of a block, or of 8 KiB and multiples of that: all lengths that
        // divide the chunk are tried.
        let mut len = i64::from(self.superblock.block_size / 512).max(1);
        while len <= sectors {
            if self.cancelled.holds(sector, len) {
                return true;
            }
            len = len.saturating_mul(2);
        }
        false
    }
}

/// Why an item was not replayed.
enum Failed {
    Log(Fault),
    Device(Error),
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self::Log(fault)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        match error.cause().downcast_ref::<Fault>() {
            Some(Fault::Memory(most)) if error.kind() == Kind::Unsupported => Self::Log(Fault::Memory(*most)),
            _ => Self::Device(error),
        }
    }
}
