//! LVM2: volume groups on physical volumes, and the logical volumes in them.
//!
//! A physical volume has a [label], which names its [metadata areas](area). Each holds the whole
//! group as a [text]; of all copies on all disks the one with the highest number counts. Physical
//! volumes belong together by their UUIDs, so groups of the same name stay apart.
//!
//! Layout: `lib/format_text/layout.h` of LVM2, and what each file here names.

mod area;
mod build;
mod checksum;
mod fault;
mod group;
mod label;
mod segment;
mod snapshot;
mod state;
mod text;
mod thin;
mod volumes;

use std::collections::BTreeMap;

use super::{Closed, Context, Member, Opened};
use crate::error::{Error, Kind, Result};
use group::Group;
use label::Label;
use volumes::Opening;

/// Bytes of all texts that are parsed. Each physical volume has the same text once or twice.
const TEXTS_MOST: u64 = 64 << 20;

/// The logical volumes of all groups that lie on these physical volumes.
pub(super) fn open(members: &[Member], context: &Context<'_>) -> Result<Opened> {
    let mut opened = Opened::default();
    let mut texts = Texts::default();
    let mut labels: Vec<Option<Label>> = Vec::new();
    for (index, member) in members.iter().enumerate() {
        let label = match label::read(member.device.as_ref()) {
            Ok(label) => {
                texts.read(index, member, &label, &mut opened)?;
                Some(label)
            }
            Err(error) => {
                opened.closed.push((index, Closed::Unreadable(error)));
                None
            }
        };
        labels.push(label);
    }
    let mut names: BTreeMap<&str, u32> = BTreeMap::new();
    for group in texts.groups.values() {
        let count = names.entry(&group.name).or_default();
        *count = count.saturating_add(1);
    }
    let mut used = vec![false; members.len()];
    for group in texts.groups.values() {
        let is_only = names.get(group.name.as_str()) == Some(&1);
        let suffix = (!is_only).then_some(group.uuid.as_str());
        Opening { group, suffix, members, labels: &labels, context }.open(&mut opened, &mut used);
    }
    let unused = (0..).zip(used.iter().zip(&labels)).filter(|(_, (used, label))| !**used && label.is_some());
    for (index, _) in unused {
        let of_it = |(member, _): &(usize, Error)| *member == index;
        let closed = match texts.unreadable.iter().position(of_it) {
            Some(at) => Closed::Unreadable(texts.unreadable.swap_remove(at).1),
            // It is in no group, or its group went on without it.
            None => Closed::Nothing,
        };
        opened.closed.push((index, closed));
    }
    Ok(opened)
}

/// The newest text of each group, by the group's UUID.
#[derive(Default)]
struct Texts {
    groups: BTreeMap<String, Group>,
    /// Checksums and lengths of texts that were parsed.
    seen: Vec<(u32, usize)>,
    bytes: u64,
    /// Members of which no metadata area could be read.
    unreadable: Vec<(usize, Error)>,
}

impl Texts {
    /// Reads the metadata areas of a physical volume.
    fn read(&mut self, index: usize, member: &Member, label: &Label, opened: &mut Opened) -> Result<()> {
        let mut faults = Vec::new();
        for area in &label.areas {
            let text = area::read(member.device.as_ref(), *area);
            match text.and_then(|text| text.map_or(Ok(()), |text| self.parse(&text))) {
                Err(error) if matches!(error.kind(), Kind::Limit) => return Err(error),
                parsed => faults.extend(parsed.err()),
            }
        }
        if faults.len() < label.areas.len() {
            let title = member.id.title();
            let text = |fault: &Error| format!("{title}: {}; another copy was read", fault.cause());
            opened.warnings.extend(faults.iter().map(text));
        } else if let Some(fault) = faults.into_iter().next() {
            self.unreadable.push((index, fault));
        }
        Ok(())
    }

    fn parse(&mut self, text: &[u8]) -> Result<()> {
        let key = (checksum::of(&[text]), text.len());
        if self.seen.contains(&key) {
            return Ok(());
        }
        self.bytes = self.bytes.saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX));
        if self.bytes > TEXTS_MOST {
            let message = format!("the metadata of all groups have more than {TEXTS_MOST} bytes");
            return Err(Error::new(Kind::Limit, message));
        }
        let group = group::parse(text)?;
        self.seen.push(key);
        match self.groups.get(&group.uuid) {
            Some(known) if known.seqno >= group.seqno => {}
            _ => drop(self.groups.insert(group.uuid.clone(), group)),
        }
        Ok(())
    }
}
