//! VMDK: the image format of VMware.
//!
//! ```text
//! descriptor ▶ extents, one after the other: flat, sparse, or zeros
//!     └─▶ parent, for what no extent has
//! ```
//!
//! Read: monolithic and split images, sparse, flat and stream-optimised ones, and those that lie on
//! a parent. Extents of ESXi's own sparse formats are refused by name.

mod descriptor;
mod grains;

use std::sync::Arc;

use libdeflater::Decompressor;

use super::sparse::{Map, Run, Source, Sparse};
use super::{Disk, Image};
use crate::device::{Device, read_vec};
use crate::error::{Error, Kind, Result};
use descriptor::{Descriptor, Layout};
use grains::{Grains, SECTOR};

const TEXT_MAGIC: &[u8] = b"# Disk DescriptorFile";

/// Whether a file begins as a VMDK image, or as the descriptor of one.
pub(super) fn is_it(head: &[u8], _tail: &[u8]) -> bool {
    head.starts_with(grains::MAGIC) || head.starts_with(TEXT_MAGIC)
}

/// Opens the image, and the files that it names.
pub(super) fn open(image: &mut Image<'_>) -> Result<Disk> {
    image.without_snapshots()?;
    let file = Arc::clone(&image.file);
    let is_text = read_vec(file.as_ref(), 0, TEXT_MAGIC.len()).is_ok_and(|head| head == TEXT_MAGIC);
    if is_text {
        let text = text(&file, 0, file.len_bytes())?;
        return of_descriptor(image, &text, None);
    }
    let grains = Grains::open(&file)?;
    let (at, len) = (grains.header().descriptor_at, grains.header().descriptor_len);
    if at == 0 {
        // One extent of an image that is split: a part of a disk, without the text that says of
        // which.
        let message = "is one extent of a VMDK image that has several; name its descriptor, \
                       a small .vmdk file without a number";
        return Err(Error::new(Kind::Source, message));
    }
    let text = text(&file, at, len)?;
    of_descriptor(image, &text, Some(grains))
}

fn text(file: &Device, at: u64, len: u64) -> Result<Vec<u8>> {
    if len > descriptor::LONGEST {
        return Err(Error::corrupt(format!("has a descriptor of {len} bytes")));
    }
    read_vec(file.as_ref(), at, usize::try_from(len).unwrap_or(usize::MAX))
}

/// Opens what the descriptor names. `own` is the extent in the image's own file, which has the
/// descriptor inside.
fn of_descriptor(image: &mut Image<'_>, text: &[u8], own: Option<Grains>) -> Result<Disk> {
    let descriptor = Descriptor::parse(text).map_err(Error::corrupt)?;
    let parent = match &descriptor.parent {
        Some(name) => Some(image.underneath(name.as_bytes(), Some("vmdk"))?),
        None => None,
    };
    let mut extents = Extents::default();
    let mut files = Vec::new();
    if let Some(grains) = own {
        let sectors = grains.header().sectors;
        files.push(Arc::clone(&image.file));
        extents.push(sectors.saturating_mul(SECTOR), Bytes::Grains(0, grains));
        let named: u64 = descriptor.extents.iter().map(|extent| extent.sectors).fold(0, u64::saturating_add);
        if descriptor.extents.len() != 1 || named != sectors {
            return Err(Error::corrupt("has a descriptor inside that isn't about its own extent"));
        }
    } else {
        for extent in &descriptor.extents {
            let len = extent.sectors.saturating_mul(SECTOR);
            if extent.layout == Layout::Zeros {
                extents.push(len, Bytes::Zeros);
                continue;
            }
            let file = image.part(extent.name.as_bytes())?;
            let index = files.len();
            let bytes = match extent.layout {
                Layout::Sparse => {
                    let grains = Grains::open(&file)
                        .map_err(|error| error.because(format!("{}: ", extent.name), ""))?;
                    if grains.header().sectors != extent.sectors {
                        let message = format!("{} has another length than the descriptor says", extent.name);
                        return Err(Error::corrupt(message));
                    }
                    Bytes::Grains(index, grains)
                }
                Layout::Flat { from_sector } => Bytes::Flat(index, from_sector.saturating_mul(SECTOR)),
                Layout::Zeros => Bytes::Zeros,
            };
            files.push(file);
            extents.push(len, bytes);
        }
    }
    let below = parent.as_ref().map(|parent| Arc::clone(&parent.device));
    let device: Device = Arc::new(Sparse::new(extents, files, below));
    let (warnings, faults) = parent.map(|parent| (parent.warnings, parent.faults)).unwrap_or_default();
    Ok(Disk { device, warnings, faults })
}

/// Where the bytes of an extent are.
#[derive(Debug)]
enum Bytes {
    /// In grains, in the file with this index.
    Grains(usize, Grains),
    /// In the file with this index, from this position on.
    Flat(usize, u64),
    Zeros,
}

#[derive(Debug)]
struct Extent {
    start: u64,
    end: u64,
    bytes: Bytes,
}

/// The extents of a disk, one after the other.
#[derive(Debug, Default)]
struct Extents {
    extents: Vec<Extent>,
}

impl Extents {
    fn push(&mut self, len: u64, bytes: Bytes) {
        let start = self.len_bytes();
        self.extents.push(Extent { start, end: start.saturating_add(len), bytes });
    }
}

impl Map for Extents {
    fn len_bytes(&self) -> u64 {
        self.extents.last().map_or(0, |extent| extent.end)
    }

    fn run(&self, at: u64) -> Result<Run> {
        let index = self.extents.partition_point(|extent| extent.end <= at);
        let Some(extent) = self.extents.get(index) else {
            return Err(Error::internal("a position behind the last extent of a VMDK image"));
        };
        let within = at.saturating_sub(extent.start);
        let rest = extent.end.saturating_sub(at);
        let (source, len) = match &extent.bytes {
            Bytes::Zeros => (Source::Zeros, rest),
            Bytes::Flat(file, from) => (Source::File { file: *file, at: from.saturating_add(within) }, rest),
            Bytes::Grains(file, grains) => grains.run(*file, within)?,
        };
        Ok(Run { source, len: len.min(rest) })
    }

    fn unit_bytes(&self) -> u64 {
        let grain = |extent: &Extent| match &extent.bytes {
            Bytes::Grains(_, grains) => grains.header().grain_bytes,
            Bytes::Flat(..) | Bytes::Zeros => 1,
        };
        self.extents.iter().map(grain).max().unwrap_or(1)
    }

    fn unpack(&self, packed: &[u8]) -> Result<Vec<u8>, String> {
        let mut grain = vec![0; usize::try_from(self.unit_bytes()).unwrap_or(0)];
        let done =
            Decompressor::new().zlib_decompress(packed, &mut grain).map_err(|fault| fault.to_string())?;
        grain.truncate(done);
        Ok(grain)
    }
}
