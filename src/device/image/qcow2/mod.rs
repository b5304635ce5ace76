//! qcow2: the image format of QEMU, versions 2 and 3.
//!
//! ```text
//! header ▶ L1 table ▶ L2 tables ▶ clusters: data, compressed, zeros, or those of the backing file
//!    └──▶ snapshots: L1 tables of earlier states
//! ```
//!
//! Read: deflate and zstd clusters, subclusters, backing files, an external data file, internal
//! snapshots. Encrypted images are refused. The refcounts count for writers alone, so an image
//! that is marked dirty is read as any other.

mod clusters;
mod header;
mod snapshots;

use super::sparse::Sparse;
use super::tables::Tables;
use super::{Disk, Image};
use crate::device::{Device, read_vec};
use crate::error::{Error, Result};
use clusters::Clusters;
use header::Header;
use std::sync::Arc;

/// Longest first cluster.
const LONGEST_CLUSTER: u64 = 2 << 20;

/// Whether a file begins as a qcow2 image.
pub(super) fn is_it(head: &[u8], _tail: &[u8]) -> bool {
    head.starts_with(header::MAGIC)
}

/// Opens the image, and the files that it names.
pub(super) fn open(image: &mut Image<'_>) -> Result<Disk> {
    let len = usize::try_from(image.file.len_bytes().min(LONGEST_CLUSTER)).unwrap_or(0);
    let head = read_vec(image.file.as_ref(), 0, len)?;
    let header = Header::parse(&head).map_err(Error::corrupt)?;
    let (mut l1_at, mut l1_entries, mut size) = (header.l1_at, header.l1_entries, header.size);
    if let Some(wanted) = image.snapshot {
        let snapshot = snapshots::find(&image.file, &header, wanted)?;
        (l1_at, l1_entries) = (snapshot.l1_at, snapshot.l1_entries);
        size = snapshot.size.unwrap_or(size);
        header.check_l1(l1_at, l1_entries, size).map_err(Error::corrupt)?;
    }
    let mut files: Vec<Device> = vec![Arc::clone(&image.file)];
    if let Some(name) = &header.data_file {
        files.push(image.part(name)?);
    }
    let mut disk = match &header.backing_name {
        Some(name) => Some(image.underneath(name, header.backing_format.as_deref())?),
        None => None,
    };
    let below = disk.as_ref().map(|disk| Arc::clone(&disk.device));
    let tables = Tables::new(Arc::clone(&image.file));
    let clusters = Clusters::new(tables, &header, l1_at, l1_entries, size);
    let device: Device = Arc::new(Sparse::new(clusters, files, below));
    let mut warnings = disk.as_mut().map(|disk| std::mem::take(&mut disk.warnings)).unwrap_or_default();
    if header.is_corrupt {
        warnings.push("QEMU marked the image as corrupt; qemu-img check tells more".to_owned());
    }
    let faults = disk.map(|disk| disk.faults).unwrap_or_default();
    Ok(Disk { device, warnings, faults })
}
