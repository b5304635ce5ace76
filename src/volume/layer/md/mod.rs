//! Linux software RAID: arrays over the members that are there.
//!
//! Members belong together by the UUID of their set. Each one counts how often the array changed;
//! one that was left behind has a lower count, and its data are old.

mod array;
mod superblock;
mod zones;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::mapped::{Joined, Mapped, sector_bytes};
use super::{Closed, Context, Found, Member, Opened};
use crate::device::{Device, Window, read_vec};
use crate::error::{Error, Kind, Result};
use crate::units::ByteRange;
use crate::volume::id::VolumeId;
pub(super) use array::{Array, Layout};
use superblock::Superblock;
use zones::Zones;

/// `MD_SB_DISKS` is 27 for the old superblock, and 1920 for the new one; nobody has this many.
const MEMBERS_MOST: u32 = 512;

/// The arrays that these members make.
pub(super) fn open(members: &[Member], context: &Context<'_>) -> Result<Opened> {
    let mut opened = Opened::default();
    let mut sets: BTreeMap<[u8; 16], Vec<Part<'_>>> = BTreeMap::new();
    for (index, member) in members.iter().enumerate() {
        match superblock::read(member.device.as_ref()) {
            Ok(Some(superblock)) => {
                sets.entry(superblock.uuid).or_default().push(Part { index, member, superblock });
            }
            Ok(None) => {
                let error = Error::corrupt("no sound superblock of software RAID was found");
                opened.closed.push((index, Closed::Unreadable(error)));
            }
            Err(error) => opened.closed.push((index, Closed::Unreadable(error))),
        }
    }
    let sets: Vec<Set<'_>> = sets.into_values().filter_map(Set::new).collect();
    let mut names: BTreeMap<VolumeId, u32> = BTreeMap::new();
    for set in &sets {
        let count = names.entry(set.id.clone()).or_default();
        *count = count.saturating_add(1);
    }
    for mut set in sets {
        context.map(u64::try_from(set.parts.len()).unwrap_or(u64::MAX))?;
        if names.get(&set.id) != Some(&1) {
            set.id = VolumeId::array(&set.newest.name, Some(&set.uuid));
        }
        opened.volumes.push(set.found(&mut opened.warnings));
    }
    Ok(opened)
}

/// A member, and what its superblock says.
struct Part<'a> {
    index: usize,
    member: &'a Member,
    superblock: Superblock,
}

/// The members of one array.
struct Set<'a> {
    parts: Vec<Part<'a>>,
    /// The superblock with the highest count.
    newest: Superblock,
    id: VolumeId,
    uuid: String,
}

impl<'a> Set<'a> {
    /// `None` for no members at all.
    fn new(parts: Vec<Part<'a>>) -> Option<Self> {
        let superblocks = parts.iter().map(|part| &part.superblock);
        let newest = superblocks.max_by_key(|superblock| superblock.events)?.clone();
        let id = VolumeId::array(&newest.name, None);
        let uuid = crate::hex::encode(&newest.uuid);
        Some(Self { parts, newest, id, uuid })
    }

    fn found(self, warnings: &mut Vec<String>) -> Found {
        let kind = kind(self.newest.level);
        let device = self.build(&self.newest, warnings);
        let len_bytes = device.as_ref().map_or(self.newest.size_bytes, |device| device.len_bytes());
        let members = self.parts.iter().map(|part| part.index).collect();
        Found { id: self.id, kind, uuid: self.uuid, len_bytes, device, members, faults: Vec::new() }
    }

    fn build(&self, newest: &Superblock, warnings: &mut Vec<String>) -> Result<Device> {
        let refused = match newest {
            Superblock { is_reshaping: true, .. } => {
                Some("its layout was being changed; back it up when that is over".to_owned())
            }
            Superblock { has_journal: true, .. } => Some(
                "the newest blocks may be in its journal alone; back it up from within the guest".to_owned(),
            ),
            Superblock { unknown: 0, .. } => None,
            Superblock { unknown, .. } => Some(format!("it has unknown features {unknown:#x}")),
        };
        if let Some(message) = refused {
            return Err(Error::new(Kind::Unsupported, message));
        }
        if newest.members == 0 || newest.members > MEMBERS_MOST {
            return Err(Error::corrupt(format!("an array of {} members", newest.members)));
        }
        let members = self.members(newest, warnings)?;
        let is_degraded = members.iter().any(Option::is_none);
        let layout = match newest.level {
            -1 | 0 => return linear_or_raid0(newest, members),
            1 => Layout::Raid1,
            4 => Layout::Raid4,
            5 => Layout::Raid5(newest.layout),
            6 => Layout::Raid6(newest.layout),
            10 => raid10(newest.layout)?,
            level => {
                let message = format!("software RAID of level {level} is not read here");
                return Err(Error::new(Kind::Unsupported, message));
            }
        };
        if matches!(newest.level, 4..=6) && is_degraded && !newest.is_clean {
            let message = "a member is missing, and the array was not clean: its sums can't be trusted; \
                give all disks of the guest (--with)";
            return Err(Error::new(Kind::Unsupported, message));
        }
        let chunk = if newest.level == 1 { 4096 } else { newest.chunk_bytes };
        let array = Array::new(layout, chunk, members, newest.size_bytes, None)?;
        let sector = sector_bytes(array.devices());
        Ok(Arc::new(Mapped::new(array, sector)))
    }

    /// The data of each member by its number, without those that are out of date.
    fn members(&self, newest: &Superblock, warnings: &mut Vec<String>) -> Result<Vec<Option<Device>>> {
        let count = usize::try_from(newest.members).unwrap_or(0);
        let mut members: Vec<Option<Device>> = vec![None; count];
        for Part { member, superblock, .. } in &self.parts {
            let title = member.id.title();
            let mut skip =
                |why: &str| warnings.push(format!("{title} of {} {why}: skipped", self.id.title()));
            let Some(role) = superblock.role else {
                skip("is a spare, a journal, or failed");
                continue;
            };
            // A crash between two superblocks leaves one behind by one, with the same data.
            let is_old = superblock.events.saturating_add(1) < newest.events
                || (superblock.events < newest.events && !newest.active.contains(&role));
            if is_old {
                skip("is out of date");
                continue;
            }
            if superblock.is_recovering {
                skip("was still being rebuilt");
                continue;
            }
            if has_bad_blocks(member, superblock)? {
                skip("has blocks that could not be read or written");
                continue;
            }
            let Some(place) = usize::try_from(role).ok().and_then(|role| members.get_mut(role)) else {
                skip("has a number that the array does not know");
                continue;
            };
            if place.is_some() {
                skip("has the number of another member");
                continue;
            }
            let has = member.device.len_bytes().saturating_sub(superblock.data_offset);
            let range = ByteRange::new(superblock.data_offset, superblock.data_bytes.min(has));
            let range = range.ok_or_else(|| Error::corrupt("data past all numbers"))?;
            *place = Some(Arc::new(Window::new(Device::clone(&member.device), range)?));
        }
        Ok(members)
    }
}

/// Whether a list of bad blocks has an entry; unused entries are all ones.
fn has_bad_blocks(member: &Member, superblock: &Superblock) -> Result<bool> {
    let Some((at, len)) = superblock.bad_blocks.filter(|(at, _)| *at < member.device.len_bytes()) else {
        return Ok(false);
    };
    let list = read_vec(member.device.as_ref(), at, len)?;
    Ok(list.as_chunks::<8>().0.first().is_some_and(|entry| *entry != [u8::MAX; 8]))
}

fn linear_or_raid0(newest: &Superblock, members: Vec<Option<Device>>) -> Result<Device> {
    let missing = members.iter().position(Option::is_none);
    if let Some(missing) = missing {
        let message = format!("member {missing} is missing; give all disks of the guest (--with)");
        return Err(Error::new(Kind::NotFound, message));
    }
    let members: Vec<Device> = members.into_iter().flatten().collect();
    if newest.level == -1 {
        let joined = Joined::device(members);
        return joined.ok_or_else(|| Error::corrupt("longer than all numbers"));
    }
    // `RAID0_ORIG_LAYOUT` is 1, `RAID0_ALT_MULTIZONE_LAYOUT` is 2.
    let is_original = match newest.layout {
        1 if newest.has_raid0_layout => Some(true),
        2 if newest.has_raid0_layout => Some(false),
        _ => None,
    };
    let sector = sector_bytes(members.iter());
    let zones = Zones::new(newest.chunk_bytes, members, is_original)?;
    Ok(Arc::new(Mapped::new(zones, sector)))
}

/// `setup_geo` of `drivers/md/raid10.c`: copies side by side, copies further on, and how.
fn raid10(layout: u32) -> Result<Layout> {
    let (near, far, is_offset) = (layout & 0xff, (layout >> 8) & 0xff, layout & 0x1_0000 != 0);
    if layout >> 17 != 0 {
        let message = format!("RAID10 with far sets (layout {layout:#x}) is not read here");
        return Err(Error::new(Kind::Unsupported, message));
    }
    Ok(Layout::Raid10 { near, far, is_offset })
}

fn kind(level: i32) -> &'static str {
    match level {
        -1 => "linear",
        0 => "raid0",
        1 => "raid1",
        4 => "raid4",
        5 => "raid5",
        6 => "raid6",
        10 => "raid10",
        -4 => "multipath",
        -5 => "faulty",
        _ => "raid",
    }
}
