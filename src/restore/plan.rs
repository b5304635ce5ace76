//! What is written where, onto a target of a certain length.

use serde::{Deserialize, Serialize};

use super::blueprint::{Blueprint, Holds, VOLUMES_MOST, Volume};
use crate::error::{Error, Kind, Result};
use crate::filesystem::ext::Geometry;
use crate::partition::{Refit, Table};
use crate::units::{ByteRange, Bytes};

/// What an ext filesystem leaves to boot loaders, and what a header of swap space may take: there areas lie in a volume.
const EXT_BOOT_BYTES: u64 = 1024;
const SWAP_HEADER_BYTES: u64 = 64 << 10;

/// Areas are taken apart into pieces of a sector: each has one place.
const SECTOR: usize = 512;

/// A plan: nothing of it is written yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The target's length in bytes.
    pub target_bytes: u64,
    /// What becomes of each volume, by position.
    pub steps: Vec<Step>,
    /// The format of the table: `gpt`, `mbr`; `None` where one volume has all of the target.
    pub scheme: Option<crate::partition::Scheme>,
    /// Bytes of the sectors that the table counts in.
    pub sector_bytes: Option<u32>,
    /// Bytes of the sectors of the device that was archived, where it was no image file.
    pub source_sector_bytes: Option<u32>,
    /// Length of the device that was archived, in bytes.
    pub source_bytes: u64,
    /// Boot code and headers: position and bytes.
    #[serde(skip)]
    pub(super) boot: Vec<(u64, Vec<u8>)>,
    /// The table: position and bytes.
    #[serde(skip)]
    pub(super) table: Vec<(u64, Vec<u8>)>,
}

/// One volume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Number of the partition; 0 is the whole target.
    pub number: u32,
    /// Where it lies on the target.
    pub range: ByteRange,
    /// Bytes that were in use in its filesystem.
    pub used_bytes: u64,
    /// Whether it is longer than it was.
    pub grown: bool,
    /// What becomes of it.
    pub work: Work,
    /// What it holds, as `blkid` calls it.
    pub holds: String,
    /// Its label.
    pub label: String,
    /// What the table's type is called.
    pub type_name: String,
}

/// What becomes of a volume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// A filesystem is made, and the files below this path of the archive go into it.
    Ext {
        /// Path in the archive; empty for all of it.
        below: Vec<u8>,
        /// What the filesystem is like.
        geometry: Box<Geometry>,
    },
    /// The bytes of this member of the archive.
    Raw {
        /// Its name.
        member: Vec<u8>,
    },
    /// Swap space with the header that it had.
    Swap,
    /// Nothing is in it.
    Nothing,
}

impl Plan {
    /// The plan without the bytes that are written: all that is shown to people, and that `mke2fs`
    /// has to know.
    #[must_use]
    pub fn outline(&self) -> Self {
        let (steps, scheme) = (self.steps.clone(), self.scheme);
        let (boot, table) = (Vec::new(), Vec::new());
        let Self { target_bytes, sector_bytes, source_sector_bytes, source_bytes, .. } = *self;
        Self { target_bytes, steps, scheme, sector_bytes, source_sector_bytes, source_bytes, boot, table }
    }

    /// Checks an outline that another process made, for a target of this length: what that process
    /// read may have been made by anybody.
    ///
    /// # Errors
    ///
    /// [`Kind::Corrupt`] when it can be the plan of no disk.
    pub fn check(mut self, target_bytes: u64) -> Result<Self> {
        let wrong = |why: &str| Err(Error::corrupt(format!("the plan can be that of no disk: {why}")));
        if self.target_bytes != target_bytes {
            return wrong("it is for a target of another length");
        }
        if self.steps.len() > VOLUMES_MOST {
            return wrong("it has more volumes than a table has entries");
        }
        // Images may overlap, as they have the same bytes where they do.
        let (mut end, mut end_of_made) = (0, 0);
        for step in &mut self.steps {
            if step.range.is_empty() && step.range.end() <= target_bytes {
                continue;
            }
            let is_made = !matches!(step.work, Work::Raw { .. } | Work::Nothing);
            let free_from = if is_made { end } else { end_of_made };
            if step.range.start() < free_from || step.range.end() > target_bytes {
                return wrong("its volumes overlap, or reach past the end");
            }
            end = step.range.end().max(end);
            if is_made {
                end_of_made = end;
            }
            if let Work::Ext { geometry, .. } = &step.work
                && geometry.len_bytes() > step.range.len()
            {
                return wrong("a filesystem is longer than its partition");
            }
            for text in [&mut step.holds, &mut step.label, &mut step.type_name] {
                *text = crate::printable::harmless(text);
            }
        }
        Ok(self)
    }
}

impl Blueprint {
    /// What is to be written onto a target of `target_bytes`. Where `grow` is set, the last partition, or the one volume, grows to
    /// fill it.
    ///
    /// # Errors
    ///
    /// [`Kind::Source`] when the target is too short, [`Kind::Unsupported`] when what is last can't grow.
    pub fn plan(&self, target_bytes: u64, grow: bool) -> Result<Plan> {
        match &self.table {
            Some(table) => self.plan_disk(table, target_bytes, grow),
            None => self.plan_volume(target_bytes, grow),
        }
    }

    fn plan_disk(&self, table: &Table, target_bytes: u64, grow: bool) -> Result<Plan> {
        let Refit { pieces, grown } = table.refit(&self.skeleton, target_bytes, grow)?;
        let mut steps = Vec::new();
        for volume in &self.volumes {
            let new = grown.filter(|(number, _)| *number == volume.number).map(|(_, range)| range);
            steps.push(step(volume, new.unwrap_or(volume.range), new.is_some())?);
        }
        steps.sort_by_key(|step| step.range);
        // In the order of the device and none over another, as what was read from it.
        let step_at = |at: u64, len: u64| {
            let first = steps.partition_point(|step| step.range.end() <= at);
            let overlaps =
                |step: &&Step| ByteRange::new(at, len).is_some_and(|piece| piece.overlaps(&step.range));
            steps.iter().skip(first).find(|step| !step.range.is_empty()).filter(overlaps)
        };
        for (at, bytes) in &pieces {
            let end = at.saturating_add(to_u64(bytes.len()));
            if end > target_bytes {
                let message =
                    format!("the table has a part that ends at byte {end}, but the target at {target_bytes}");
                return Err(Error::corrupt(message));
            }
        }
        // What of the table lies in a partition is the partition's: it has these bytes.
        let is_free = |(at, bytes): &(u64, Vec<u8>)| step_at(*at, to_u64(bytes.len())).is_none();
        let table_pieces = pieces.into_iter().filter(is_free).collect();
        let mut structures = table.structures.clone();
        structures.sort_unstable();
        let mut boot = Vec::new();
        for (at, piece) in self.sectors() {
            let len = to_u64(piece.len());
            let is_table = ByteRange::new(at, len)
                .is_none_or(|piece| structures.iter().any(|range| range.overlaps(&piece)));
            if at.saturating_add(len) > target_bytes || is_table {
                continue;
            }
            if step_at(at, len).is_none_or(|step| has_header_at(step, at, len)) {
                boot.push((at, piece.to_vec()));
            }
        }
        Ok(Plan {
            target_bytes,
            steps,
            scheme: Some(table.scheme),
            sector_bytes: Some(table.sector_bytes),
            source_sector_bytes: self.source_sector_bytes,
            source_bytes: self.source_bytes,
            boot,
            table: table_pieces,
        })
    }

    fn plan_volume(&self, target_bytes: u64, grow: bool) -> Result<Plan> {
        let Some(volume) = self.volumes.first() else { return Err(Error::corrupt("there is no volume")) };
        let needed = self.needed_bytes();
        if target_bytes < needed {
            let lacks = Bytes(needed.saturating_sub(target_bytes));
            let message = format!("has {target_bytes} bytes, but {needed} are needed: {lacks} more");
            return Err(Error::new(Kind::Source, message));
        }
        let old = volume.range.len().min(target_bytes);
        let new = if grow { target_bytes } else { old };
        let range = ByteRange::new(0, new).unwrap_or(ByteRange::EMPTY);
        let step = step(volume, range, new > old)?;
        let start = volume.range.start();
        let boot = self.sectors().filter_map(|(at, piece)| {
            let at = at.checked_sub(start)?;
            let len = u64::try_from(piece.len()).ok()?;
            has_header_at(&step, at, len).then(|| (at, piece.to_vec()))
        });
        let boot = boot.collect();
        Ok(Plan {
            target_bytes,
            steps: vec![step],
            scheme: None,
            sector_bytes: None,
            source_sector_bytes: None,
            source_bytes: self.source_bytes,
            boot,
            table: Vec::new(),
        })
    }

    /// The areas by sector.
    fn sectors(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.skeleton.areas().iter().flat_map(|area| {
            let starts = (area.start_bytes..).step_by(SECTOR);
            starts.zip(area.data.chunks(SECTOR))
        })
    }
}

impl Plan {
    /// Checks that the table says on the target what it said before. `target` is the size of a
    /// sector there, `decided` the one in which whoever uses the disk counts.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsupported`] when the target's sectors, or those that were decided, are not those
    /// that the table counts in; unless the device that was archived had the same as the target.
    pub fn check_sectors(&self, target: Option<u32>, decided: Option<u32>) -> Result<()> {
        let (Some(table), Some(counted)) = (self.sector_bytes, decided.or(target)) else { return Ok(()) };
        let is_as_it_was = decided.is_none() && self.source_sector_bytes == target;
        if counted == table || is_as_it_was {
            return Ok(());
        }
        let message = match decided {
            Some(decided) => format!(
                "the partition table counts in sectors of {table} bytes and is restored byte by byte, \
                 not for sectors of {decided}: give --sector-size {table} if that is right"
            ),
            None => format!(
                "has sectors of {counted} bytes, but the partition table counts in sectors of {table}: \
                 it would say something else there. --sector-size {table} writes it all the same, \
                 for a guest that counts in {table}"
            ),
        };
        Err(Error::new(Kind::Unsupported, message))
    }
}

fn to_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// Whether a piece is of what areas have of this volume, and all of it.
fn has_header_at(step: &Step, at: u64, len: u64) -> bool {
    let most = match step.work {
        Work::Ext { .. } => EXT_BOOT_BYTES,
        Work::Swap => SWAP_HEADER_BYTES,
        Work::Raw { .. } | Work::Nothing => 0,
    };
    let end = step.range.start().saturating_add(most).min(step.range.end());
    at >= step.range.start() && at.saturating_add(len) <= end
}

fn step(volume: &Volume, range: ByteRange, grown: bool) -> Result<Step> {
    let work = match &volume.holds {
        Holds::Ext { below, geometry } if grown => {
            let blocks = range.len().checked_div(geometry.block_bytes.into()).unwrap_or(0);
            let geometry = geometry
                .grown(blocks)
                .map_err(|fault| Error::new(Kind::Unsupported, fault).in_partition(volume.number))?;
            Work::Ext { below: below.clone(), geometry: Box::new(geometry) }
        }
        Holds::Ext { below, geometry } => Work::Ext { below: below.clone(), geometry: geometry.clone() },
        Holds::Raw { .. } | Holds::Swap if grown => {
            let message = format!(
                "is the last, but {} can't grow: leave out --grow, and enlarge it afterwards",
                volume.name
            );
            return Err(Error::new(Kind::Unsupported, message).in_partition(volume.number));
        }
        Holds::Raw { member } => Work::Raw { member: member.clone() },
        Holds::Swap => Work::Swap,
        Holds::Nothing => Work::Nothing,
    };
    Ok(Step {
        number: volume.number,
        range,
        used_bytes: volume.used_bytes,
        grown,
        work,
        holds: volume.name.clone(),
        label: volume.label.clone(),
        type_name: volume.type_name.clone(),
    })
}
