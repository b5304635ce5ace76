//! The internal snapshots of a qcow2 image: states of the disk that it keeps under a name.
//!
//! Layout: <https://www.qemu.org/docs/master/interop/qcow2.html#snapshots>.

use thiserror::Error;

use super::header::Header;
use crate::device::{Device, read_vec};
use crate::error::{Error, Kind, Result};
use crate::fields::{Short, be16_at, be32_at, be64_at, slice_at};
use crate::printable::Printable;

/// Longest snapshot table, in bytes, as QEMU has it.
const LONGEST_TABLE: u64 = 64 << 20;

/// Bytes of an entry before its extra data.
const ENTRY: usize = 40;

/// Names that a message lists.
const LISTED: usize = 8;

/// A snapshot whose entry makes no sense.
#[derive(Debug, Error, PartialEq, Eq)]
enum Fault {
    #[error(transparent)]
    Short(#[from] Short),
    #[error("the table of snapshots is longer than {LONGEST_TABLE} bytes")]
    Long,
}

/// One snapshot.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub id: Vec<u8>,
    pub name: Vec<u8>,
    pub l1_at: u64,
    pub l1_entries: u32,
    /// Length of the disk, where the entry tells it.
    pub size: Option<u64>,
}

impl Snapshot {
    /// Parses the entry at the start of `bytes`. Gives it, and its length.
    fn parse(bytes: &[u8]) -> Result<(Self, usize), Fault> {
        let l1_table_offset = be64_at(bytes, 0)?;
        let l1_size = be32_at(bytes, 8)?;
        let id_str_size = usize::from(be16_at(bytes, 12)?);
        let name_size = usize::from(be16_at(bytes, 14)?);
        let extra_data_size = usize::try_from(be32_at(bytes, 36)?).unwrap_or(usize::MAX);
        let extra = slice_at(bytes, ENTRY, extra_data_size)?;
        let id_at = ENTRY.saturating_add(extra_data_size);
        let name_at = id_at.saturating_add(id_str_size);
        let snapshot = Self {
            id: slice_at(bytes, id_at, id_str_size)?.to_vec(),
            name: slice_at(bytes, name_at, name_size)?.to_vec(),
            l1_at: l1_table_offset,
            l1_entries: l1_size,
            size: be64_at(extra, 8).ok().filter(|size| *size != 0),
        };
        let end = name_at.saturating_add(name_size);
        Ok((snapshot, end.checked_next_multiple_of(8).unwrap_or(end)))
    }
}

/// Finds the snapshot with this name, or else with this id.
pub(super) fn find(file: &Device, header: &Header, wanted: &str) -> Result<Snapshot> {
    let mut all = read(file, header)?;
    let by_name = all.iter().position(|snapshot| snapshot.name == wanted.as_bytes());
    let found = by_name.or_else(|| all.iter().position(|snapshot| snapshot.id == wanted.as_bytes()));
    if let Some(found) = found {
        return Ok(all.swap_remove(found));
    }
    let names = all.iter().map(|snapshot| Printable(&snapshot.name).to_string());
    let names: Vec<_> = names.take(LISTED).collect();
    let known = match names.is_empty() {
        true => "it has none".to_owned(),
        false => format!("it has {}", names.join(", ")),
    };
    let wanted = Printable(wanted.as_bytes());
    Err(Error::new(Kind::Usage, format!("has no internal snapshot {wanted}; {known}")))
}

fn read(file: &Device, header: &Header) -> Result<Vec<Snapshot>> {
    let rest = file.len_bytes().saturating_sub(header.snapshots_at);
    let len = usize::try_from(rest.min(LONGEST_TABLE)).unwrap_or(0);
    if header.snapshots == 0 {
        return Ok(Vec::new());
    }
    let table = read_vec(file.as_ref(), header.snapshots_at, len)?;
    parse(&table, header.snapshots, rest > LONGEST_TABLE).map_err(Error::corrupt)
}

fn parse(table: &[u8], count: u32, is_cut: bool) -> Result<Vec<Snapshot>, Fault> {
    let mut found = Vec::new();
    let mut rest = table;
    for _ in 0..count {
        let (snapshot, len) =
            Snapshot::parse(rest).map_err(|fault| if is_cut { Fault::Long } else { fault })?;
        found.push(snapshot);
        rest = rest.get(len..).unwrap_or_default();
    }
    Ok(found)
}
