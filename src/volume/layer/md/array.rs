//! Where the bytes of an array lie on its members.
//!
//! The arithmetic is that of the kernel: `raid5_compute_sector` in `drivers/md/raid5.c` and
//! `__raid10_find_phys` in `drivers/md/raid10.c`. Device mapper's RAID is the same code.

use crate::device::Device;
use crate::error::{Error, Kind, Result};
use crate::volume::layer::mapped::{Map, Run, Source};

/// How data and redundancy are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::volume::layer) enum Layout {
    Raid0,
    Raid1,
    Raid4,
    /// `ALGORITHM_*` of `drivers/md/raid5.h`: where parity is, and the order of data.
    Raid5(u32),
    Raid6(u32),
    /// Copies side by side, and copies further on; those may follow chunk by chunk.
    Raid10 {
        near: u32,
        far: u32,
        is_offset: bool,
    },
}

impl Layout {
    /// A RAID10 with this many copies side by side.
    pub(in crate::volume::layer) fn near(copies: u32) -> Option<Self> {
        (1..=64).contains(&copies).then_some(Self::Raid10 { near: copies, far: 1, is_offset: false })
    }

    /// How many of so many members hold data, not copies or sums.
    pub(in crate::volume::layer) fn data_members(self, members: usize) -> u64 {
        let members = u64::try_from(members).unwrap_or(u64::MAX);
        match self {
            Self::Raid1 => 1,
            Self::Raid10 { near, far, .. } => {
                let copies = u64::from(near).saturating_mul(far.into());
                members.checked_div(copies).unwrap_or(0)
            }
            _ => members.saturating_sub(self.parity()),
        }
    }

    /// The part of each of `members` that an array of `len_bytes` takes.
    pub(in crate::volume::layer) fn member_bytes(self, members: usize, len_bytes: u64) -> Option<u64> {
        let members = u64::try_from(members).ok()?;
        match self {
            Self::Raid1 => Some(len_bytes),
            Self::Raid10 { near, far, .. } => {
                let copies = u64::from(near).checked_mul(far.into())?;
                len_bytes.checked_mul(copies)?.checked_div(members)
            }
            _ => len_bytes.checked_div(members.checked_sub(self.parity())?),
        }
    }

    /// How many members of `members` may be missing at most; `None` where it depends on which.
    fn parity(self) -> u64 {
        match self {
            Self::Raid4 | Self::Raid5(_) => 1,
            Self::Raid6(_) => 2,
            _ => 0,
        }
    }
}

/// An array of which each byte can be read.
#[derive(Debug)]
pub(in crate::volume::layer) struct Array {
    geometry: Geometry,
    /// The members in order; those that are missing or out of date are `None`.
    members: Vec<Option<Device>>,
    len_bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Geometry {
    layout: Layout,
    chunk: u64,
    members: u64,
    /// Members that hold data, in one row of chunks.
    data: u64,
    /// Of a RAID10: how much further on the next far copy is, in bytes.
    stride: u64,
}

/// Where a chunk is: on which member, and for parity, which members have the two sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    member: u64,
    at: u64,
    p: Option<u64>,
    q: Option<u64>,
}

impl Array {
    /// An array over `members`, each of which has `member_bytes` of data. It is refused when bytes
    /// of it are on missing members alone. `len_bytes` is its length where something else tells it.
    pub(in crate::volume::layer) fn new(
        layout: Layout,
        chunk_bytes: u64,
        members: Vec<Option<Device>>,
        member_bytes: u64,
        len_bytes: Option<u64>,
    ) -> Result<Self> {
        let geometry = Geometry::new(layout, chunk_bytes, members.len(), member_bytes)?;
        let own =
            geometry.len_bytes(member_bytes).ok_or_else(|| Error::corrupt("its length is no number"))?;
        let len_bytes = len_bytes.unwrap_or(own);
        if len_bytes > own {
            let message = format!("it has {len_bytes} bytes, but its members hold {own}");
            return Err(Error::corrupt(message));
        }
        let is_short = |member: &Device| member.len_bytes() < member_bytes;
        if let Some(at) = members.iter().flatten().position(is_short) {
            return Err(Error::corrupt(format!("a member (the {at}th that is there) ends too early")));
        }
        let array = Self { geometry, members, len_bytes };
        array.is_complete()?;
        Ok(array)
    }

    /// The members that are there, from the first byte of a read.
    pub(in crate::volume::layer) fn devices(&self) -> impl Iterator<Item = &Device> {
        self.members.iter().flatten()
    }

    fn is_complete(&self) -> Result<()> {
        let missing: Vec<usize> =
            (0..).zip(&self.members).filter(|(_, member)| member.is_none()).map(|(at, _)| at).collect();
        let is_readable = match self.geometry.layout {
            Layout::Raid0 => missing.is_empty(),
            Layout::Raid1 => missing.len() < self.members.len(),
            // One sum is read; the second of a RAID6 is for two missing members.
            Layout::Raid4 | Layout::Raid5(_) | Layout::Raid6(_) => missing.len() < 2,
            Layout::Raid10 { .. } => {
                let members = self.geometry.members;
                (0..members).all(|chunk| {
                    let at = chunk.saturating_mul(self.geometry.chunk);
                    self.geometry.copies(at).any(|place| self.member(place.member).is_some())
                })
            }
        };
        if is_readable {
            return Ok(());
        }
        let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
        let message = format!(
            "member {} is missing or out of date, and bytes are on it alone; give all disks of the guest \
             (--with)",
            missing.join(", ")
        );
        Err(Error::new(Kind::Unsupported, message))
    }

    fn member(&self, number: u64) -> Option<&Device> {
        usize::try_from(number).ok().and_then(|number| self.members.get(number))?.as_ref()
    }

    fn run_on(&self, place: Place, len: u64) -> Option<Run<'_>> {
        let device = self.member(place.member)?;
        let number = usize::try_from(place.member).ok()?;
        Some(Run { len, source: Source::Device { number, device, at: place.at } })
    }
}

impl Map for Array {
    fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    fn run(&self, at: u64) -> Result<Run<'_>> {
        let geometry = &self.geometry;
        let gone = || Error::internal("a member is missing").at_byte(at);
        if geometry.layout == Layout::Raid1 {
            let first = (0..geometry.members).find(|member| self.member(*member).is_some());
            let place = Place { member: first.unwrap_or(0), at, p: None, q: None };
            return self.run_on(place, self.len_bytes.saturating_sub(at)).ok_or_else(gone);
        }
        let len = geometry.chunk.saturating_sub(at.checked_rem(geometry.chunk).unwrap_or(0));
        let found = geometry.copies(at).find_map(|place| self.run_on(place, len));
        match found {
            Some(run) => Ok(run),
            None if geometry.layout.parity() > 0 => Ok(Run { len, source: Source::Computed }),
            None => Err(gone()),
        }
    }

    /// The sum of all members of the row but the second sum, which is not of this kind.
    fn compute(&self, at: u64, buffer: &mut [u8]) -> Result<()> {
        let Some(place) = self.geometry.parity(at) else {
            return Err(Error::internal("no parity").at_byte(at));
        };
        buffer.fill(0);
        let mut part = vec![0; buffer.len()];
        for number in (0..self.geometry.members).filter(|n| *n != place.member && Some(*n) != place.q) {
            let Some(member) = self.member(number) else {
                return Err(Error::internal("two members are missing").at_byte(at));
            };
            member.read_at(place.at, &mut part)?;
            buffer.iter_mut().zip(&part).for_each(|(sum, byte)| *sum ^= byte);
        }
        Ok(())
    }
}

impl Geometry {
    fn new(layout: Layout, chunk: u64, members: usize, member_bytes: u64) -> Result<Self> {
        let members = u64::try_from(members).unwrap_or(u64::MAX);
        let is_known = match layout {
            Layout::Raid0 | Layout::Raid1 => members >= 1,
            Layout::Raid4 => members >= 2,
            Layout::Raid5(algorithm) => members >= 2 && algorithm <= 5,
            Layout::Raid6(algorithm) => members >= 4 && matches!(algorithm, 0..=5 | 8..=10 | 16..=20),
            Layout::Raid10 { near, far, .. } => {
                let copies = u64::from(near).saturating_mul(far.into());
                near > 0 && far > 0 && copies <= members
            }
        };
        if !is_known || chunk < 512 {
            let message =
                format!("{layout:?} of {members} members in chunks of {chunk} bytes makes no sense");
            return Err(Error::corrupt(message));
        }
        let data = members.saturating_sub(layout.parity());
        let mut geometry = Self { layout, chunk, members, data, stride: 0 };
        geometry.stride = geometry.stride(member_bytes).unwrap_or(0);
        Ok(geometry)
    }

    fn stride(&self, member_bytes: u64) -> Option<u64> {
        match self.layout {
            Layout::Raid10 { is_offset: true, .. } => Some(self.chunk),
            Layout::Raid10 { near, far, .. } => {
                let copies = u64::from(near).checked_mul(far.into())?;
                let chunks = self.raid10_chunks(member_bytes)?;
                let on_each = chunks.checked_mul(copies)?.div_ceil(self.members);
                on_each.checked_div(far.into())?.checked_mul(self.chunk)
            }
            _ => None,
        }
    }

    /// `calc_sectors`: chunks of data in a RAID10.
    fn raid10_chunks(&self, member_bytes: u64) -> Option<u64> {
        let Layout::Raid10 { near, far, .. } = self.layout else { return None };
        let on_each = member_bytes.checked_div(self.chunk)?.checked_div(far.into())?;
        on_each.checked_mul(self.members)?.checked_div(near.into())
    }

    fn len_bytes(&self, member_bytes: u64) -> Option<u64> {
        let rows = member_bytes.checked_div(self.chunk)?;
        match self.layout {
            Layout::Raid1 => Some(member_bytes),
            Layout::Raid10 { .. } => self.raid10_chunks(member_bytes)?.checked_mul(self.chunk),
            _ => rows.checked_mul(self.chunk)?.checked_mul(self.data),
        }
    }

    /// Each place where the byte at `at` lies as it is.
    fn copies(&self, at: u64) -> impl Iterator<Item = Place> {
        let geometry = *self;
        let (near, far) = match self.layout {
            Layout::Raid10 { near, far, .. } => (u64::from(near), u64::from(far)),
            _ => (1, 1),
        };
        (0..far).flat_map(move |f| (0..near).map(move |n| (n, f))).filter_map(move |(n, f)| {
            match geometry.layout {
                Layout::Raid10 { .. } => geometry.raid10(at, n, f),
                _ => geometry.parity(at).or_else(|| geometry.striped(at)),
            }
        })
    }

    /// Chunk number and position in the chunk.
    fn chunk(&self, at: u64) -> Option<(u64, u64)> {
        Some((at.checked_div(self.chunk)?, at.checked_rem(self.chunk)?))
    }

    fn striped(&self, at: u64) -> Option<Place> {
        let (chunk, within) = self.chunk(at)?;
        let row = chunk.checked_div(self.members)?;
        let member = chunk.checked_rem(self.members)?;
        let at = row.checked_mul(self.chunk)?.checked_add(within)?;
        Some(Place { member, at, p: None, q: None })
    }

    fn raid10(&self, at: u64, near_copy: u64, far_copy: u64) -> Option<Place> {
        let Layout::Raid10 { near, far, is_offset } = self.layout else { return None };
        let (near, far) = (u64::from(near), u64::from(far));
        let (chunk, within) = self.chunk(at)?;
        let first = chunk.checked_mul(near)?;
        let slot = first.checked_add(near_copy)?;
        let first_row = first.checked_div(self.members)?;
        let row = slot.checked_div(self.members)?;
        let further = row.checked_sub(first_row)?;
        let row = if is_offset { first_row.checked_mul(far)?.checked_add(further)? } else { row };
        let member = slot.checked_add(far_copy.checked_mul(near)?)?.checked_rem(self.members)?;
        let at = row.checked_mul(self.chunk)?.checked_add(far_copy.checked_mul(self.stride)?)?;
        Some(Place { member, at: at.checked_add(within)?, p: None, q: None })
    }

    /// `raid5_compute_sector`.
    fn parity(&self, at: u64) -> Option<Place> {
        let (chunk, within) = self.chunk(at)?;
        let (row, d) = (chunk.checked_div(self.data)?, chunk.checked_rem(self.data)?);
        let (member, p, q) = self.row(row, d)?;
        let at = row.checked_mul(self.chunk)?.checked_add(within)?;
        Some(Place { member, at, p: Some(p), q })
    }

    /// In one row: the member of data chunk `d`, and the members of the sums.
    fn row(&self, row: u64, d: u64) -> Option<(u64, u64, Option<u64>)> {
        let all = self.members;
        let last = all.checked_sub(1)?;
        let turn = row.checked_rem(all)?;
        let add = |a: u64, b: u64, of: u64| a.checked_add(b)?.checked_rem(of);
        let behind = |p: u64| if d >= p { d.checked_add(1) } else { Some(d) };
        // Data pass over two sums that are side by side, or at both ends.
        let behind_both = |p: u64| match () {
            () if p == last => d.checked_add(1),
            () if d >= p => d.checked_add(2),
            () => Some(d),
        };
        let raid5 = |algorithm: u32, all: u64| {
            let last = all.checked_sub(1)?;
            let turn = row.checked_rem(all)?;
            Some(match algorithm {
                0 => {
                    let p = last.checked_sub(turn)?;
                    (behind(p)?, p)
                }
                1 => (behind(turn)?, turn),
                2 => {
                    let p = last.checked_sub(turn)?;
                    (add(p.checked_add(1)?, d, all)?, p)
                }
                3 => (add(turn.checked_add(1)?, d, all)?, turn),
                4 => (d.checked_add(1)?, 0),
                _ => (d, last),
            })
        };
        Some(match self.layout {
            Layout::Raid4 => (d, last, None),
            Layout::Raid5(algorithm) => {
                let (member, p) = raid5(algorithm, all)?;
                (member, p, None)
            }
            Layout::Raid6(algorithm @ 16..) => {
                let (member, p) = raid5(algorithm.checked_sub(16)?, last)?;
                (member, p, Some(last))
            }
            Layout::Raid6(algorithm) => {
                let from_end = last.checked_sub(turn)?;
                match algorithm {
                    0 => (behind_both(from_end)?, from_end, Some(add(from_end, 1, all)?)),
                    1 | 8 => (behind_both(turn)?, turn, Some(add(turn, 1, all)?)),
                    2 => (add(from_end.checked_add(2)?, d, all)?, from_end, Some(add(from_end, 1, all)?)),
                    3 => (add(turn.checked_add(2)?, d, all)?, turn, Some(add(turn, 1, all)?)),
                    4 => (d.checked_add(2)?, 0, Some(1)),
                    5 => (d, self.data, Some(last)),
                    9 => {
                        let p = last.checked_sub(add(row, 1, all)?)?;
                        (behind_both(p)?, p, Some(add(p, 1, all)?))
                    }
                    _ => (add(from_end.checked_add(1)?, d, all)?, from_end, Some(add(from_end, last, all)?)),
                }
            }
            _ => return None,
        })
    }
}
