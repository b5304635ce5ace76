//! Where the clusters of a qcow2 image are: the L1 table leads to L2 tables, and these to clusters.
//!
//! Layout: <https://www.qemu.org/docs/master/interop/qcow2.html#cluster-mapping>.

use std::io::Read as _;

use libdeflater::Decompressor;

use super::header::{Compression, Header};
use crate::device::image::sparse::{Map, Run, Source};
use crate::device::image::tables::Tables;
use crate::error::{Error, Kind, Result};
use crate::units::ByteRange;

/// The part of an entry that is a position.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
const COMPRESSED: u64 = 1 << 62;
/// Set where a cluster has one reference.
const COPIED: u64 = 1 << 63;
/// Reads as zeros, with or without a cluster (version 3).
const ZERO: u64 = 1;

/// Subclusters of a cluster, where L2 entries are extended.
const SUBCLUSTERS: u32 = 32;

/// The index of the image's own file, and of the file with its data where that is another one.
const OWN: usize = 0;
const DATA: usize = 1;

/// The tables of an image, or of a snapshot inside it.
#[derive(Debug)]
pub(super) struct Clusters {
    tables: Tables,
    size: u64,
    l1_at: u64,
    l1_entries: u32,
    cluster_bits: u32,
    l2_bits: u32,
    is_extended: bool,
    knows_zero: bool,
    has_data_file: bool,
    compression: Compression,
    /// Where the image's own tables are: no cluster of the guest's lies there.
    own: [ByteRange; 3],
}

impl Clusters {
    /// The clusters that the L1 table at `l1_at` leads to; the disk has `size` bytes.
    pub(super) fn new(tables: Tables, header: &Header, l1_at: u64, l1_entries: u32, size: u64) -> Self {
        let range = |at, len| ByteRange::new(at, len).unwrap_or(ByteRange::EMPTY);
        Self {
            tables,
            size,
            l1_at,
            l1_entries,
            cluster_bits: header.cluster_bits,
            l2_bits: header.l2_bits(),
            is_extended: header.has_extended_l2,
            knows_zero: header.version >= 3,
            has_data_file: header.data_file.is_some(),
            compression: header.compression,
            own: [
                range(0, header.cluster_bytes()),
                range(l1_at, u64::from(l1_entries).saturating_mul(8)),
                range(header.refcounts_at, header.refcounts_len),
            ],
        }
    }

    fn cluster_bytes(&self) -> u64 {
        1_u64.wrapping_shl(self.cluster_bits)
    }

    /// Refuses a position that is no start of a cluster, or lies on the image's own tables.
    fn check(&self, what: &str, at: u64) -> Result<()> {
        let range = ByteRange::new(at, self.cluster_bytes()).unwrap_or(ByteRange::EMPTY);
        let fault = if at & self.cluster_bytes().wrapping_sub(1) != 0 {
            "which is no start of a cluster"
        } else if self.own.iter().any(|own| own.overlaps(&range)) {
            "which is a place of the image's own tables"
        } else {
            return Ok(());
        };
        let message = format!("the image has {what} at byte {at}, {fault}; qemu-img check tells more");
        Err(Error::new(Kind::Read, message))
    }

    /// The source of a compressed cluster.
    fn packed(&self, entry: u64, within: u64) -> Source {
        let shift = 62_u32.saturating_sub(self.cluster_bits.saturating_sub(8));
        let at = entry & 1_u64.wrapping_shl(shift).wrapping_sub(1);
        let sectors = (entry & COMPRESSED.wrapping_sub(1)).wrapping_shr(shift).saturating_add(1);
        let len = sectors.saturating_mul(512).saturating_sub(at & 511);
        Source::Packed { file: OWN, at, len, skip: within }
    }

    /// The run at `within` bytes into a cluster whose subclusters have states of their own.
    fn subclusters(&self, entry: u64, bitmap: u64, within: u64) -> Result<Run> {
        let sub_bits = self.cluster_bits.saturating_sub(SUBCLUSTERS.trailing_zeros());
        let sub_bytes = 1_u64.wrapping_shl(sub_bits);
        let index = u32::try_from(within.wrapping_shr(sub_bits)).unwrap_or(0);
        let bit = |from: u32| bitmap.wrapping_shr(from.saturating_add(index)) & 1 != 0;
        let len = sub_bytes.saturating_sub(within & sub_bytes.wrapping_sub(1));
        let source = match (bit(0), bit(SUBCLUSTERS)) {
            (true, true) => {
                let message = "the image has a subcluster that is both zeros and data";
                return Err(Error::new(Kind::Read, message));
            }
            (false, true) => Source::Zeros,
            (false, false) => Source::Below,
            (true, false) => self.data(entry, within)?,
        };
        Ok(Run { source, len })
    }

    fn data(&self, entry: u64, within: u64) -> Result<Source> {
        let at = entry & OFFSET;
        if self.has_data_file {
            return Ok(Source::File { file: DATA, at: at.saturating_add(within) });
        }
        self.check("a cluster of the disk", at)?;
        Ok(Source::File { file: OWN, at: at.saturating_add(within) })
    }

    /// The run at `within` bytes into the cluster of an L2 entry.
    fn entry(&self, entry: u64, bitmap: Option<u64>, within: u64) -> Result<Run> {
        let len = self.cluster_bytes().saturating_sub(within);
        if entry & COMPRESSED != 0 {
            return Ok(Run { source: self.packed(entry, within), len });
        }
        if let Some(bitmap) = bitmap {
            return self.subclusters(entry, bitmap, within);
        }
        let source = if self.knows_zero && entry & ZERO != 0 {
            Source::Zeros
        } else if entry & OFFSET == 0 && !(self.has_data_file && entry & COPIED != 0) {
            Source::Below
        } else {
            self.data(entry, within)?
        };
        Ok(Run { source, len })
    }
}

impl Map for Clusters {
    fn len_bytes(&self) -> u64 {
        self.size
    }

    fn run(&self, at: u64) -> Result<Run> {
        let table_bits = self.cluster_bits.saturating_add(self.l2_bits);
        let table_bytes = 1_u64.wrapping_shl(table_bits);
        let l1_index = at.wrapping_shr(table_bits);
        let rest = table_bytes.saturating_sub(at & table_bytes.wrapping_sub(1));
        let nothing = Run { source: Source::Below, len: rest };
        if l1_index >= u64::from(self.l1_entries) {
            return Ok(nothing);
        }
        let l1_entry = self.tables.bytes(self.l1_at.saturating_add(l1_index.saturating_mul(8)))?;
        let l2_at = u64::from_be_bytes(l1_entry) & OFFSET;
        if l2_at == 0 {
            return Ok(nothing);
        }
        self.check("an L2 table", l2_at)?;
        let l2_index = at.wrapping_shr(self.cluster_bits) & 1_u64.wrapping_shl(self.l2_bits).wrapping_sub(1);
        let within = at & self.cluster_bytes().wrapping_sub(1);
        let entry_at = |bytes: u64| l2_at.saturating_add(l2_index.saturating_mul(bytes));
        let (entry, bitmap) = match self.is_extended {
            false => (u64::from_be_bytes(self.tables.bytes(entry_at(8))?), None),
            true => {
                let entry = u64::from_be_bytes(self.tables.bytes(entry_at(16))?);
                let bitmap = u64::from_be_bytes(self.tables.bytes(entry_at(16).saturating_add(8))?);
                (entry, Some(bitmap))
            }
        };
        if entry & COMPRESSED == 0 && entry & OFFSET == l2_at && !self.has_data_file {
            let message = format!(
                "the image's L2 table at byte {l2_at} is a cluster of the disk too; qemu-img check tells more"
            );
            return Err(Error::new(Kind::Read, message));
        }
        self.entry(entry, bitmap, within)
    }

    fn unit_bytes(&self) -> u64 {
        self.cluster_bytes()
    }

    fn unpack(&self, packed: &[u8]) -> Result<Vec<u8>, String> {
        let len = usize::try_from(self.cluster_bytes()).unwrap_or(0);
        let mut cluster = vec![0; len];
        match self.compression {
            Compression::Deflate => {
                let done = Decompressor::new().deflate_decompress(packed, &mut cluster);
                match done.map_err(|fault| fault.to_string())? {
                    done if done == len => {}
                    done => return Err(format!("it holds {done} bytes instead of {len}")),
                }
            }
            Compression::Zstd => {
                let frame =
                    zstd::stream::read::Decoder::with_buffer(packed).map_err(|fault| fault.to_string())?;
                frame.single_frame().read_exact(&mut cluster).map_err(|fault| fault.to_string())?;
            }
        }
        Ok(cluster)
    }
}
