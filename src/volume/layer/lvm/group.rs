//! A volume group as its metadata describe it.
//!
//! Names of keys: `lib/format_text/export.c` of LVM2, and `lib/*/` for each type of segment. A fault
//! in one logical volume costs that volume alone.

use std::collections::BTreeMap;

use super::fault::Fault;
use super::segment::{self, Segment};
use super::text::{self, SECTOR_BYTES, Section, lossy};
use crate::error::{Error, Kind, Result};

/// A volume group.
#[derive(Debug)]
pub(super) struct Group {
    pub name: String,
    pub uuid: String,
    /// Grows with each change of the metadata.
    pub seqno: u64,
    pub extent_bytes: u64,
    pub physical: Vec<Physical>,
    pub logical: Vec<Logical>,
    names: BTreeMap<String, Index>,
}

/// A physical volume.
#[derive(Debug)]
pub(super) struct Physical {
    pub uuid: String,
    /// The device's name when the metadata were written.
    pub device: String,
    /// Where its first extent begins.
    pub start_bytes: u64,
    /// LVM went on without it once: data on it may be old.
    pub is_stale: bool,
}

/// A logical volume, which may be a part of others.
#[derive(Debug)]
pub(super) struct Logical {
    pub name: String,
    pub uuid: String,
    pub is_visible: bool,
    pub len_bytes: u64,
    pub segments: Result<Vec<Segment>>,
}

/// A name in the metadata stands for one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Index {
    Physical(usize),
    Logical(usize),
    /// Two volumes have the name.
    Twice,
}

/// Parses the text of a metadata area.
pub(super) fn parse(text: &[u8]) -> Result<Group, Fault> {
    let text = text::parse(text)?;
    let section = text.sections.iter().find(|section| section.value("seqno").is_some());
    let section = section.ok_or(Fault::NoGroup)?;
    let extent_sectors = section.number("extent_size")?;
    let extent_bytes = extent_sectors.checked_mul(SECTOR_BYTES).filter(|bytes| *bytes > 0);
    let mut group = Group {
        name: lossy(&section.name),
        uuid: section.text("id").unwrap_or_default().to_owned(),
        seqno: section.number("seqno")?,
        extent_bytes: extent_bytes.ok_or(Fault::ExtentSize(extent_sectors))?,
        physical: Vec::new(),
        logical: Vec::new(),
        names: BTreeMap::new(),
    };
    group.read_physical(section)?;
    group.read_logical(section);
    Ok(group)
}

impl Group {
    /// What a name in the metadata stands for.
    pub(super) fn find(&self, name: &str) -> Option<Index> {
        self.names.get(name).copied()
    }

    fn read_physical(&mut self, group: &Section<'_>) -> Result<(), Fault> {
        let sections = group.section("physical_volumes").map_or([].as_slice(), |section| &section.sections);
        for section in sections {
            let pe_start = section.number("pe_start")?;
            let index = Index::Physical(self.physical.len());
            self.physical.push(Physical {
                uuid: section.text("id").unwrap_or_default().to_owned(),
                device: section.text("device").unwrap_or_default().to_owned(),
                start_bytes: pe_start.checked_mul(SECTOR_BYTES).ok_or(Fault::Number("pe_start"))?,
                is_stale: section.has("flags", "MISSING") || section.has("status", "MISSING"),
            });
            self.names.insert(lossy(&section.name), index);
        }
        Ok(())
    }

    fn read_logical(&mut self, group: &Section<'_>) {
        let sections = group.section("logical_volumes").map_or([].as_slice(), |section| &section.sections);
        for section in sections {
            let name = lossy(&section.name);
            match self.names.get(&name).copied() {
                None => {
                    self.names.insert(name.clone(), Index::Logical(self.logical.len()));
                }
                // A physical volume keeps its name, as with LVM.
                Some(Index::Physical(_)) => {}
                Some(Index::Logical(first)) => {
                    self.names.insert(name.clone(), Index::Twice);
                    self.refuse_both(first, section);
                    continue;
                }
                Some(Index::Twice) => continue,
            }
            let volume = self.volume(name, section);
            self.logical.push(volume);
        }
    }

    /// Two volumes of one name: nobody can say which one is meant.
    fn refuse_both(&mut self, first: usize, second: &Section<'_>) {
        if let Some(volume) = self.logical.get_mut(first) {
            volume.is_visible |= second.has("status", "VISIBLE");
            volume.segments = Err(Error::corrupt("two volumes of the group have this name"));
        }
    }

    fn volume(&self, name: String, section: &Section<'_>) -> Logical {
        let segments = segments(section);
        let sum = |extents: u64, segment: &Segment| {
            extents.checked_add(segment.extents.saturating_sub(segment.spare))
        };
        let of_all = |segments: &Vec<Segment>| segments.iter().try_fold(0, sum);
        let extents = segments.as_ref().ok().and_then(of_all).filter(|extents| *extents > 0);
        let len_bytes = extents.and_then(|extents| extents.checked_mul(self.extent_bytes));
        let segments = match len_bytes {
            None if segments.is_ok() => {
                Err(Error::corrupt("it has no segments, or more extents than there are numbers"))
            }
            _ => segments,
        };
        Logical {
            name,
            uuid: section.text("id").unwrap_or_default().to_owned(),
            is_visible: section.has("status", "VISIBLE"),
            len_bytes: len_bytes.unwrap_or(0),
            segments,
        }
    }
}

/// The segments in order; each begins where the one before ends.
fn segments(volume: &Section<'_>) -> Result<Vec<Segment>> {
    let count = volume.number("segment_count")?;
    let sections = volume.sections.iter().filter(|section| section.value("start_extent").is_some());
    let mut found: Vec<Segment> = sections.map(segment::parse).collect::<Result<_>>()?;
    if u64::try_from(found.len()).ok() != Some(count) {
        let message = format!("it has {} segments, but says that it has {count}", found.len());
        return Err(Error::corrupt(message));
    }
    found.sort_by_key(|segment| segment.start);
    let mut end = 0;
    for segment in &found {
        if segment.start != end {
            let message = format!("extents {end} to {} are in no segment, or in two", segment.start);
            return Err(Error::corrupt(message));
        }
        end = segment.end().ok_or_else(|| Error::new(Kind::Corrupt, "a segment ends past all numbers"))?;
    }
    Ok(found)
}
