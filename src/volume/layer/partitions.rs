//! Partition tables in volumes: on an array, in a logical volume, behind encryption.

use std::sync::Arc;

use super::{Closed, Context, Found, Member, Opened};
use crate::device::{Device, Window};
use crate::error::Result;
use crate::filesystem::{Contents, probe};
use crate::partition::{self, Table};
use crate::units::ByteRange;

/// The partitions of each member that has a table without doubts.
pub(super) fn open(members: &[Member], context: &Context<'_>) -> Result<Opened> {
    let mut opened = Opened::default();
    for (index, member) in members.iter().enumerate() {
        match table(&member.device) {
            Some(table) => opened.volumes.extend(found(index, member, &table, context)?),
            None => opened.closed.push((index, Closed::Nothing)),
        }
    }
    Ok(opened)
}

/// The partition table; `None` where it leads to nothing.
fn table(device: &Device) -> Option<Table> {
    let is_known = |range: ByteRange| {
        let Ok(window) = Window::new(Device::clone(device), range) else { return false };
        let window: Device = Arc::new(window);
        probe(&window).is_ok_and(|found| found != Contents::Unknown)
    };
    let table = partition::read_with(device.as_ref(), None, &is_known).ok()??;
    let is_sound = table.fault.is_none() && table.partitions.iter().any(|partition| !partition.is_container);
    is_sound.then_some(table)
}

fn found(index: usize, member: &Member, table: &Table, context: &Context<'_>) -> Result<Vec<Found>> {
    let partitions = table.partitions.iter().filter(|partition| !partition.is_container);
    partitions
        .map(|partition| {
            context.map(1)?;
            let window = Window::new(Device::clone(&member.device), partition.range);
            Ok(Found {
                id: member.id.partition(partition.number),
                kind: "partition",
                uuid: partition.uuid.clone(),
                len_bytes: partition.range.len(),
                device: window.map(|window| -> Device { Arc::new(window) }),
                members: vec![index],
                faults: Vec::new(),
            })
        })
        .collect()
}
