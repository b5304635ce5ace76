//! RAID0 over members of different sizes, and members one behind the other.
//!
//! The arithmetic is that of `create_strip_zones` and `map_sector` in `drivers/md/raid0.c` of the
//! kernel: rows go over all members until the smallest ends, then over those that are longer.

use crate::device::Device;
use crate::error::{Error, Result};
use crate::volume::layer::mapped::{Map, Run, Source};

/// A RAID0.
#[derive(Debug)]
pub(super) struct Zones {
    chunk: u64,
    /// Whether the first member of a row is counted from the start of the array, as kernels before
    /// 3.14 did, or from the start of the zone.
    is_original: bool,
    members: Vec<Device>,
    zones: Vec<Zone>,
    len_bytes: u64,
}

/// Rows over the same members.
#[derive(Debug)]
struct Zone {
    /// Where it begins in the array.
    start: u64,
    /// Where it begins on its members.
    on_members: u64,
    /// Their numbers.
    members: Vec<usize>,
}

impl Zones {
    /// Over these members; `is_original` is `None` where the superblock does not tell it.
    pub(super) fn new(chunk: u64, members: Vec<Device>, is_original: Option<bool>) -> Result<Self> {
        let broken = || Error::corrupt(format!("chunks of {chunk} bytes, or lengths, make no sense"));
        if chunk < 512 || members.is_empty() {
            return Err(broken());
        }
        let whole = |device: &Device| device.len_bytes().checked_div(chunk)?.checked_mul(chunk);
        let sizes: Vec<u64> = members.iter().map(whole).collect::<Option<_>>().ok_or_else(broken)?;
        let mut ends = sizes.clone();
        ends.sort_unstable();
        ends.dedup();
        let (mut zones, mut len_bytes, mut on_members) = (Vec::new(), 0_u64, 0);
        for end in ends {
            let longer = sizes.iter().enumerate().filter(|(_, size)| **size >= end);
            let members: Vec<usize> = longer.map(|(number, _)| number).collect();
            let count = u64::try_from(members.len()).ok();
            let len = count.and_then(|count| end.checked_sub(on_members)?.checked_mul(count));
            zones.push(Zone { start: len_bytes, on_members, members });
            len_bytes = len.and_then(|len| len_bytes.checked_add(len)).ok_or_else(broken)?;
            on_members = end;
        }
        let Some(is_original) = is_original.or((zones.len() < 2).then_some(false)) else {
            let message = "a RAID0 of members of different sizes that does not tell its layout; \
                set it in the guest (mdadm --assemble --update=layout-original or -alternate)";
            return Err(Error::new(crate::error::Kind::Unsupported, message));
        };
        Ok(Self { chunk, is_original, members, zones, len_bytes })
    }

    fn place(&self, at: u64) -> Option<(usize, u64, u64)> {
        let zone = self.zones.partition_point(|zone| zone.start <= at).checked_sub(1)?;
        let zone = self.zones.get(zone)?;
        let count = u64::try_from(zone.members.len()).ok()?;
        let in_zone = at.checked_sub(zone.start)?;
        let counted = if self.is_original { at } else { in_zone };
        let within = at.checked_rem(self.chunk)?;
        let turn = counted.checked_div(self.chunk)?.checked_rem(count)?;
        let row = in_zone.checked_div(self.chunk)?.checked_div(count)?;
        let number = *zone.members.get(usize::try_from(turn).ok()?)?;
        let at = row.checked_mul(self.chunk)?.checked_add(within)?.checked_add(zone.on_members)?;
        Some((number, at, self.chunk.checked_sub(within)?))
    }
}

impl Map for Zones {
    fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    fn run(&self, at: u64) -> Result<Run<'_>> {
        let found = self.place(at).and_then(|(number, at, len)| {
            let device = self.members.get(number)?;
            Some(Run { len, source: Source::Device { number, device, at } })
        });
        found.ok_or_else(|| Error::internal("no place on a member").at_byte(at))
    }
}
