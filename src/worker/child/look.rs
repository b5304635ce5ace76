//! Says how each volume of a disk would be stored.

use super::{Parent, Source};
use crate::archive::foresee;
use crate::error::Result;
use crate::sandbox::Writing;
use crate::worker::protocol::{Look, Message};

pub(super) fn run(look: &Look, parent: &Parent) -> Result<()> {
    let Look { source, options } = look;
    let source = Source::open(source, &options.reading)?;
    // The backup itself reports what the kernel lacks.
    let disk = source.confine(Writing::Receiving, |_| ())?.parse()?;
    let lines = disk.warnings().iter().chain(disk.doubts()).cloned();
    let lines = lines.chain(foresee(&disk, &options.volumes, options.raw)?).collect();
    parent.tell(&Message::Looked { lines });
    Ok(())
}
