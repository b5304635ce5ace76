//! Transactions: operations in records, put together to items (`struct xlog_op_header`).

use std::collections::HashMap;

use super::fault::Fault;
use super::head::Active;
use super::place::Log;
use super::record::{self, Header};
use crate::error::Result;
use crate::fields::{be32_at, slice_at, u8_at, u16_at, u32_at};

const OPERATION_LEN: usize = 12;
/// `XFS_TRANSACTION`, `XFS_LOG`.
const CLIENTS: [u8; 2] = [0x69, 0xaa];
/// `XLOG_*_TRANS`.
const START: u8 = 0x01;
const COMMIT: u8 = 0x02;
const CONTINUE: u8 = 0x04;
const WAS_CONTINUED: u8 = 0x08;
const END: u8 = 0x10;
const UNMOUNT: u8 = 0x20;
/// `XFS_TRANS_HEADER_MAGIC`, and the header's length.
const MAGIC: u32 = 0x5452_414e;
const HEADER_LEN: usize = 16;
/// `XLOG_MAX_REGIONS_IN_ITEM`.
const REGIONS_MOST: u16 = 257;
/// Memory of transactions that are not complete. Linux ends a checkpoint at 64 MiB, and has few
/// under way at once. With the overlay, this stays below 512 MiB.
pub(super) const BYTES_MOST: usize = 192 << 20;
/// Memory of a transaction, an item or a region, without its bytes.
const OVERHEAD: usize = 96;

/// One change: what it is about, and its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Item {
    /// Regions that belong to it.
    total: u16,
    pub regions: Vec<Vec<u8>>,
}

impl Item {
    #[cfg(test)]
    pub(super) fn of(regions: Vec<Vec<u8>>) -> Self {
        Self { total: u16::try_from(regions.len()).unwrap_or(0), regions }
    }

    /// Bytes of memory that it takes.
    pub(super) fn memory(&self) -> usize {
        let regions = self.regions.iter().map(|region| region.len().saturating_add(OVERHEAD));
        regions.fold(OVERHEAD, usize::saturating_add)
    }

    /// A region; empty when it does not exist.
    pub(super) fn region(&self, number: usize) -> &[u8] {
        self.regions.get(number).map_or(&[], Vec::as_slice)
    }
}

/// Items that count together, or not at all.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    /// Its position, which orders the transactions.
    pub lsn: u64,
    header: Vec<u8>,
    pub items: Vec<Item>,
    bytes: usize,
}

/// Goes through the active part of the log, and gives each complete transaction to `each`. Gives
/// the fault that it ended at.
pub(super) fn each(
    log: &Log,
    active: Active,
    each: &mut dyn FnMut(Transaction) -> Result<Result<(), Fault>>,
) -> Result<Option<Fault>> {
    let mut open = Open::default();
    let mut at = active.tail;
    let mut left = log.distance(active.tail, active.head);
    while left > 0 {
        let (header, body) = match record::read(log, at)? {
            Ok(record) => record,
            Err(fault) => return Ok(Some(fault)),
        };
        left = match left.checked_sub(header.blocks()) {
            Some(left) => left,
            None => return Ok(Some(Fault::Length { block: at, len: header.len, size: header.len })),
        };
        if let Err(fault) = open.record(&header, &body, each)? {
            return Ok(Some(fault));
        }
        at = log.after(at, header.blocks());
    }
    Ok(None)
}

/// The transactions that are not complete yet.
#[derive(Default)]
struct Open {
    transactions: HashMap<u32, Transaction>,
    bytes: usize,
}

impl Open {
    /// Takes the operations of one record.
    fn record(
        &mut self,
        header: &Header,
        body: &[u8],
        each: &mut dyn FnMut(Transaction) -> Result<Result<(), Fault>>,
    ) -> Result<Result<(), Fault>> {
        let mut at = 0_usize;
        for _ in 0..header.operations {
            if at >= body.len() {
                break;
            }
            let (complete, next) = match self.operation(header, body, at) {
                Ok(taken) => taken,
                Err(fault) => return Ok(Err(fault)),
            };
            if let Some(transaction) = complete
                && let Err(fault) = each(transaction)?
            {
                return Ok(Err(fault));
            }
            at = next;
        }
        Ok(Ok(()))
    }

    /// Takes the operation at `at`; gives a transaction that it completes, and where the next
    /// operation is.
    fn operation(
        &mut self,
        header: &Header,
        body: &[u8],
        at: usize,
    ) -> Result<(Option<Transaction>, usize), Fault> {
        let operation = slice_at(body, at, OPERATION_LEN)?;
        let oh_tid = be32_at(operation, 0)?;
        let oh_len = be32_at(operation, 4)?;
        let oh_clientid = u8_at(operation, 8)?;
        let oh_flags = u8_at(operation, 9)?;
        if !CLIENTS.contains(&oh_clientid) {
            return Err(Fault::Client(oh_clientid));
        }
        let data_at = at.saturating_add(OPERATION_LEN);
        let data = usize::try_from(oh_len).ok().and_then(|len| body.get(data_at..)?.get(..len));
        let data = data.ok_or(Fault::Operation { block: header.block, len: oh_len })?;
        let next = data_at.saturating_add(data.len());
        if oh_flags & START != 0 && !self.transactions.contains_key(&oh_tid) {
            self.hold(OVERHEAD)?;
            let transaction = Transaction { lsn: header.lsn, ..Transaction::default() };
            self.transactions.insert(oh_tid, transaction);
            return Ok((None, next));
        }
        // Transactions that began before the tail are not needed.
        if !self.transactions.contains_key(&oh_tid) {
            return Ok((None, next));
        }
        let complete = self.part(oh_tid, oh_flags & !END, data)?;
        Ok((complete, next))
    }

    /// Takes a part of a transaction that is open.
    fn part(&mut self, tid: u32, flags: u8, data: &[u8]) -> Result<Option<Transaction>, Fault> {
        let flags = if flags & WAS_CONTINUED != 0 { flags & !CONTINUE } else { flags };
        match flags {
            COMMIT => {
                let complete = self.transactions.remove(&tid);
                let bytes = complete.as_ref().map_or(0, |complete| complete.bytes);
                self.bytes = self.bytes.saturating_sub(bytes).saturating_sub(OVERHEAD);
                return Ok(complete);
            }
            UNMOUNT => {
                self.transactions.remove(&tid);
                return Ok(None);
            }
            0 | CONTINUE | WAS_CONTINUED => {}
            other => return Err(Fault::Flags(other)),
        }
        let Some(transaction) = self.transactions.get_mut(&tid) else { return Ok(None) };
        let parts: usize = if transaction.begins_item() { 2 } else { 1 };
        let bytes = data.len().saturating_add(parts.saturating_mul(OVERHEAD));
        transaction.bytes = transaction.bytes.saturating_add(bytes);
        self.hold(bytes)?;
        let Some(transaction) = self.transactions.get_mut(&tid) else { return Ok(None) };
        match flags {
            WAS_CONTINUED => transaction.more(data)?,
            _ => transaction.region(data)?,
        }
        Ok(None)
    }

    fn hold(&mut self, bytes: usize) -> Result<(), Fault> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > BYTES_MOST { Err(Fault::Memory(BYTES_MOST)) } else { Ok(()) }
    }
}

impl Transaction {
    /// Whether the next region is the first one of an item.
    fn begins_item(&self) -> bool {
        self.items.last().is_none_or(|item| item.regions.len() >= usize::from(item.total))
    }

    /// Takes a region, or the first part of one.
    fn region(&mut self, data: &[u8]) -> Result<(), Fault> {
        if data.is_empty() {
            return Ok(());
        }
        if self.header.len() < HEADER_LEN {
            return self.take_header(data);
        }
        match self.items.last_mut() {
            Some(item) if item.regions.len() < usize::from(item.total) => item.regions.push(data.to_vec()),
            _ => {
                let total = u16_at(data, 2)?;
                if total == 0 || total > REGIONS_MOST {
                    return Err(Fault::Regions(total));
                }
                self.items.push(Item { total, regions: vec![data.to_vec()] });
            }
        }
        Ok(())
    }

    /// Takes the rest of a region that a record's end has cut.
    fn more(&mut self, data: &[u8]) -> Result<(), Fault> {
        if self.header.len() < HEADER_LEN {
            return self.take_header(data);
        }
        let region = self.items.last_mut().and_then(|item| item.regions.last_mut());
        region.ok_or(Fault::Continuation)?.extend_from_slice(data);
        Ok(())
    }

    /// Takes the transaction's header, which may be cut as any region.
    fn take_header(&mut self, data: &[u8]) -> Result<(), Fault> {
        self.header.extend_from_slice(data);
        let magic = if self.header.len() < 4 { MAGIC } else { u32_at(&self.header, 0)? };
        if self.header.len() > HEADER_LEN || magic != MAGIC {
            return Err(Fault::TransactionHeader { len: self.header.len(), magic });
        }
        Ok(())
    }
}
