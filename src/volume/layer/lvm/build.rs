//! Makes devices of logical volumes.
//!
//! A volume is built once, and only over volumes that are whole: so one that is made of itself is
//! found, and no description takes longer than its text.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::group::{Group, Index, Logical};
use super::segment::{Area, Leg, MadeOf, Segment};
use super::snapshot::Snapshot;
use super::state;
use super::thin::{Pool, Thin};
use crate::device::{Device, Window};
use crate::error::{Error, Kind, Result};
use crate::units::ByteRange;
use crate::volume::layer::Context;
use crate::volume::layer::mapped::{Joined, Mapped, sector_bytes};
use crate::volume::layer::md::{Array, Layout};
use crate::volume::layer::zeros::Zeros;

/// Volumes in volumes: a thin volume, its external origin, that one's pool, a leg, its move.
const DEPTH_MOST: usize = 16;

/// A physical volume that is there: the number of the member, and its bytes.
pub(super) type Disk = Option<(usize, Device)>;

/// Builds the volumes of one group.
pub(super) struct Builder<'a> {
    group: &'a Group,
    /// In the order of the group's physical volumes.
    disks: Vec<Disk>,
    states: Vec<State>,
    pools: Vec<(usize, Arc<Pool>)>,
    context: &'a Context<'a>,
    pub warnings: Vec<String>,
}

enum State {
    New,
    /// It is being built: who asks for it is a part of itself.
    Under,
    Done(Result<Built>),
}

/// A volume that can be read, at least its beginning.
#[derive(Clone, Debug)]
pub(super) struct Built {
    pub device: Device,
    /// Why the device ends before the volume does.
    pub lost: Option<Error>,
    /// The members that it lies on.
    pub members: BTreeSet<usize>,
    /// What is wrong with it, though all of it can be read.
    pub faults: Vec<Error>,
}

impl Built {
    fn new(device: Device, parts: &[&Self]) -> Self {
        let mut built = Self { device, lost: None, members: BTreeSet::new(), faults: Vec::new() };
        for part in parts {
            built.members.extend(&part.members);
            built.faults.extend(part.faults.iter().cloned());
        }
        built
    }

    /// The volume, if nothing of it is lost.
    fn whole(self) -> Result<Self> {
        match self.lost {
            Some(lost) => Err(lost),
            None => Ok(self),
        }
    }
}

impl<'a> Builder<'a> {
    pub(super) fn new(group: &'a Group, disks: Vec<Disk>, context: &'a Context<'a>) -> Self {
        let states = group.logical.iter().map(|_| State::New).collect();
        Self { group, disks, states, pools: Vec::new(), context, warnings: Vec::new() }
    }

    /// The volume with this index.
    pub(super) fn volume(&mut self, index: usize, depth: usize) -> Result<Built> {
        let state = self.states.get_mut(index).ok_or_else(|| Error::internal("no such volume"))?;
        match state {
            State::Done(built) => return built.clone(),
            State::Under => return Err(Error::corrupt("it is made of itself")),
            State::New => *state = State::Under,
        }
        let built = self.build(index, depth);
        if let Some(state) = self.states.get_mut(index) {
            *state = State::Done(built.clone());
        }
        built
    }

    /// What a snapshot shows, or an origin that it is being merged into.
    pub(super) fn snapshot(&mut self, origin: usize, store: usize, chunk_bytes: u64) -> Result<Built> {
        let origin = self.volume(origin, 0)?.whole()?;
        let store = self.volume(store, 0)?.whole()?;
        let count = || self.context.map(1);
        let (over, under) = (Device::clone(&store.device), Device::clone(&origin.device));
        let snapshot = Snapshot::open(under, over, chunk_bytes, &count)?;
        let sector = snapshot.sector_bytes();
        Ok(Built::new(Arc::new(Mapped::new(snapshot, sector)), &[&origin, &store]))
    }

    fn build(&mut self, index: usize, depth: usize) -> Result<Built> {
        if depth > DEPTH_MOST {
            let message = format!("more than {DEPTH_MOST} volumes in each other");
            return Err(Error::new(Kind::Limit, message));
        }
        let group = self.group;
        let volume = group.logical.get(index).ok_or_else(|| Error::internal("no such volume"))?;
        let segments = volume.segments.as_ref().map_err(Error::clone)?;
        let mut parts: Vec<Built> = Vec::new();
        for segment in segments {
            self.context.map(1)?;
            let len = segment.extents.saturating_sub(segment.spare).checked_mul(group.extent_bytes);
            let len = len.ok_or_else(|| Error::corrupt("a segment longer than all numbers"))?;
            match self.segment(segment, len, depth) {
                Ok(part) => {
                    let is_lost = part.lost.is_some();
                    parts.push(part);
                    if is_lost {
                        break;
                    }
                }
                Err(error) if parts.is_empty() || error.kind() == Kind::Limit => return Err(error),
                Err(error) => {
                    // All before it can be read.
                    if let Some(part) = parts.last_mut() {
                        part.lost = Some(error);
                    }
                    break;
                }
            }
        }
        let devices = parts.iter().map(|part| Device::clone(&part.device)).collect();
        let device = Joined::device(devices).ok_or_else(|| Error::corrupt("longer than all numbers"))?;
        let lost = parts.last().and_then(|part| part.lost.clone());
        match lost {
            Some(lost) if device.len_bytes() == 0 => Err(lost),
            lost => Ok(Built { lost, ..Built::new(device, &parts.iter().collect::<Vec<_>>()) }),
        }
    }

    fn segment(&mut self, segment: &Segment, len: u64, depth: usize) -> Result<Built> {
        match &segment.made_of {
            MadeOf::Stripes { areas, .. } if areas.len() == 1 => {
                let area = areas.first().ok_or_else(|| Error::internal("no area"))?;
                self.area(area, len, depth)
            }
            MadeOf::Stripes { chunk_bytes, areas } => self.stripes(*chunk_bytes, areas, len, depth),
            MadeOf::Mirror { areas, log } => self.mirror(areas, log.as_deref(), len, depth),
            MadeOf::Raid { layout, chunk_bytes, legs } => self.raid(*layout, *chunk_bytes, legs, len, depth),
            MadeOf::Thin { pool, device, external } => {
                self.thin(pool, *device, external.as_deref(), len, depth)
            }
            MadeOf::Zeros => Ok(Built::new(Arc::new(Zeros::new(len)), &[])),
            MadeOf::Lost => Err(Error::new(Kind::Unsupported, "a part of it was lost before (type error)")),
            MadeOf::Refused { advice, .. } => {
                let message = format!("its type {} is not read here: {advice}", segment.name);
                Err(Error::new(Kind::Unsupported, message))
            }
            MadeOf::ThinPool { .. } | MadeOf::Snapshot { .. } | MadeOf::Hidden => {
                Err(Error::corrupt(format!("a {} holds no bytes of its own", segment.name)))
            }
        }
    }

    /// The logical volume of this name, and its description.
    fn named(&self, name: &str) -> Result<(usize, &'a Logical)> {
        let group = self.group;
        match group.find(name) {
            Some(Index::Logical(index)) => {
                let volume = group.logical.get(index);
                Ok((index, volume.ok_or_else(|| Error::internal("no such volume"))?))
            }
            Some(Index::Twice) => Err(Error::corrupt(format!("two volumes have the name {name:?}"))),
            _ => Err(Error::corrupt(format!("its part {name:?} is not in the metadata"))),
        }
    }

    fn part(&mut self, name: &str, depth: usize) -> Result<Built> {
        let (index, _) = self.named(name)?;
        self.volume(index, depth.saturating_add(1))
    }

    /// A run of extents of a physical volume, or of another logical one, as far as it is there.
    fn area(&mut self, area: &Area, len: u64, depth: usize) -> Result<Built> {
        let offset = area.extent.checked_mul(self.group.extent_bytes);
        let offset = offset.ok_or_else(|| Error::corrupt("an extent past all numbers"))?;
        let (below, start, lost) = match self.group.find(&area.name) {
            Some(Index::Physical(index)) => {
                let (member, device) = self.disk(index)?;
                let start = self.group.physical.get(index).map_or(0, |physical| physical.start_bytes);
                let mut below = Built::new(device, &[]);
                below.members.insert(member);
                (below, start, self.named_disk(index))
            }
            _ => (self.part(&area.name, depth)?, 0, format!("its part {}", area.name)),
        };
        let start = start.checked_add(offset).ok_or_else(|| Error::corrupt("an extent past all numbers"))?;
        let has = below.device.len_bytes().saturating_sub(start).min(len);
        let range = ByteRange::new(start.min(below.device.len_bytes()), has);
        let range = range.ok_or_else(|| Error::corrupt("an extent past all numbers"))?;
        let device: Device = match range.len() == below.device.len_bytes() {
            true => Device::clone(&below.device),
            false => Arc::new(Window::new(Device::clone(&below.device), range)?),
        };
        let mut built = Built::new(device, &[&below]);
        if has < len {
            let end = || Error::corrupt(format!("{lost} ends before it"));
            built.lost = Some(below.lost.unwrap_or_else(end));
        }
        Ok(built)
    }

    fn disk(&self, index: usize) -> Result<(usize, Device)> {
        match self.disks.get(index) {
            Some(Some((member, device))) => Ok((*member, Device::clone(device))),
            _ => {
                let name = self.named_disk(index);
                let message = format!("{name} is missing; give the disk that has it as well (--with)");
                Err(Error::new(Kind::NotFound, message))
            }
        }
    }

    /// A physical volume, for messages.
    fn named_disk(&self, index: usize) -> String {
        let Some(physical) = self.group.physical.get(index) else { return String::new() };
        let device = crate::printable::harmless(&physical.device);
        format!("physical volume {} (in the guest {device})", crate::printable::harmless(&physical.uuid))
    }

    fn stripes(&mut self, chunk: u64, areas: &[Area], len: u64, depth: usize) -> Result<Built> {
        let count = u64::try_from(areas.len()).unwrap_or(u64::MAX);
        let each = len.checked_div(count).unwrap_or(0);
        if each.checked_mul(count) != Some(len) {
            return Err(Error::corrupt(format!("{len} bytes in {count} stripes")));
        }
        let parts: Vec<Built> =
            areas.iter().map(|area| self.area(area, each, depth)?.whole()).collect::<Result<_>>()?;
        let members = parts.iter().map(|part| Some(Device::clone(&part.device))).collect();
        array(Layout::Raid0, chunk, members, each, len, &parts)
    }

    /// The first leg, which device mapper keeps up to date; another one when its log allows it.
    fn mirror(&mut self, areas: &[Area], log: Option<&str>, len: u64, depth: usize) -> Result<Built> {
        let mut why = None;
        for (number, area) in areas.iter().enumerate() {
            let leg = match self.area(area, len, depth).and_then(Built::whole) {
                Ok(leg) if !self.is_stale(&leg) => leg,
                Ok(_) => continue,
                Err(error) => {
                    why.get_or_insert(error);
                    continue;
                }
            };
            if number == 0 {
                return Ok(leg);
            }
            let log = log.and_then(|log| self.part(log, depth).ok());
            if log.is_some_and(|log| state::is_log_clean(log.device.as_ref()).unwrap_or(false)) {
                return Ok(leg);
            }
            let message = "the first leg of the mirror is missing, and nothing says that the others are \
                 in sync; give the disk that has it as well (--with)";
            return Err(Error::new(Kind::NotFound, message));
        }
        Err(why.unwrap_or_else(|| Error::corrupt("each leg of the mirror may be out of date")))
    }

    /// Whether LVM marked a physical volume of it as missing once.
    fn is_stale(&self, part: &Built) -> bool {
        let disks = self.disks.iter().zip(&self.group.physical);
        disks.into_iter().any(|(disk, physical)| {
            let on_it = disk.as_ref().is_some_and(|(member, _)| part.members.contains(member));
            on_it && physical.is_stale
        })
    }

    fn raid(&mut self, layout: Layout, chunk: u64, legs: &[Leg], len: u64, depth: usize) -> Result<Built> {
        let mut why = None;
        let mut parts = Vec::new();
        let mut states = Vec::new();
        for leg in legs {
            let data = self.part(&leg.data, depth).and_then(Built::whole);
            let state = match &leg.metadata {
                None => Ok(state::Leg::New),
                Some(name) => self.part(name, depth).and_then(|meta| state::read(meta.device.as_ref())),
            };
            match (data, state) {
                (Ok(data), Ok(state)) => {
                    parts.push(Some(data));
                    states.push(state);
                }
                (data, state) => {
                    why = why.or(data.err()).or(state.err());
                    parts.push(None);
                    states.push(state::Leg::Missing);
                }
            }
        }
        let judged = state::judge(&states)?;
        for (part, is_usable) in parts.iter_mut().zip(&judged.usable) {
            if !is_usable {
                *part = None;
            }
        }
        let is_degraded = parts.iter().any(Option::is_none);
        let is_parity = matches!(layout, Layout::Raid4 | Layout::Raid5(_) | Layout::Raid6(_));
        if is_degraded && is_parity && !judged.is_synced {
            let message = "a leg is missing, and parity was not made for all of the others";
            return Err(why.unwrap_or_else(|| Error::new(Kind::Unsupported, message)));
        }
        let there: Vec<Built> = parts.iter().flatten().cloned().collect();
        let offset = judged.data_offset.saturating_mul(super::text::SECTOR_BYTES);
        let each = layout.member_bytes(legs.len(), len).unwrap_or(len);
        let member = |part: Option<Built>| -> Result<Option<Device>> {
            let Some(part) = part else { return Ok(None) };
            let range =
                ByteRange::new(offset, each).ok_or_else(|| Error::corrupt("data past all numbers"))?;
            Ok(Some(Arc::new(Window::new(part.device, range)?)))
        };
        let members = parts.into_iter().map(member).collect::<Result<Vec<_>>>()?;
        array(layout, chunk, members, each, len, &there).map_err(|error| why.unwrap_or(error))
    }

    fn thin(
        &mut self,
        pool: &str,
        device: u64,
        external: Option<&str>,
        len: u64,
        depth: usize,
    ) -> Result<Built> {
        let (index, volume) = self.named(pool)?;
        let segments = volume.segments.as_ref().map_err(Error::clone)?;
        let [Segment { made_of: MadeOf::ThinPool { metadata, data, chunk_bytes, transaction }, .. }] =
            segments.as_slice()
        else {
            return Err(Error::corrupt(format!("{pool} is not a thin pool")));
        };
        let metadata = self.part(metadata, depth)?.whole()?;
        let data = self.part(data, depth)?.whole()?;
        let external = external.map(|name| self.part(name, depth)?.whole()).transpose()?;
        let known = self.pools.iter().find(|(known, _)| *known == index);
        let pool = match known {
            Some((_, pool)) => Arc::clone(pool),
            None => {
                let (metadata, data) = (Device::clone(&metadata.device), Device::clone(&data.device));
                let opened = Arc::new(Pool::open(metadata, data, *chunk_bytes, *transaction)?);
                let warnings = opened.warnings.iter();
                self.warnings.extend(warnings.map(|warning| format!("thin pool {pool} {warning}")));
                self.pools.push((index, Arc::clone(&opened)));
                opened
            }
        };
        let beneath = external.as_ref().map(|external| Device::clone(&external.device));
        let thin = Thin::open(pool, device, len, beneath)?;
        let sector = thin.sector_bytes();
        let mut parts = vec![&metadata, &data];
        parts.extend(&external);
        Ok(Built::new(Arc::new(Mapped::new(thin, sector)), &parts))
    }
}

fn array(
    layout: Layout,
    chunk: u64,
    members: Vec<Option<Device>>,
    each: u64,
    len: u64,
    parts: &[Built],
) -> Result<Built> {
    let array = Array::new(layout, chunk, members, each, Some(len))?;
    let sector = sector_bytes(array.devices());
    Ok(Built::new(Arc::new(Mapped::new(array, sector)), &parts.iter().collect::<Vec<_>>()))
}
