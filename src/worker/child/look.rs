//! Says what would become of each volume of a disk.

use super::{Parent, Reading, Source};
use crate::archive::foresee;
use crate::error::Result;
use crate::sandbox::Writing;
use crate::volume::VolumeId;
use crate::worker::look::Look;
use crate::worker::protocol::Message;

pub(super) fn run(look: Look, parent: &Parent) -> Result<()> {
    let Look { source, io, journal, sector_size, partitions, raw, has_sandbox } = look;
    let reading = Reading { io, journal, sector_size, has_sandbox };
    let source = Source::open(&source, &reading)?;
    // The backup itself reports what the kernel lacks.
    let disk = source.confine(Writing::Receiving, |_| ())?.parse()?;
    let lines = disk.warnings().iter().chain(disk.doubts()).cloned();
    let ids: Vec<VolumeId> = partitions.into_iter().map(VolumeId::from).collect();
    let lines = lines.chain(foresee(&disk, &ids, raw)?).collect();
    parent.tell(&Message::Looked { lines });
    Ok(())
}
