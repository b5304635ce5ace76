//! Reads what an archive says of its disk, says what would be written where, and writes it onto the
//! target that it is given.

use std::path::Path;

use super::{Parent, next, out_of_turn};
use crate::archive::read::{Container, Manifest};
use crate::archive::{Algorithm, ArchiveFiles, settle};
use crate::device::{self, Io};
use crate::error::{Error, Kind, Result};
use crate::restore::{Blueprint, Output, Plan};
use crate::view::Location;
use crate::volume::Reading;
use crate::worker::channel::Channel;
use crate::worker::onto::Onto;
use crate::worker::protocol::{Message, Order};

pub(super) fn run(archive: &Path, has_sandbox: bool, mut channel: Channel, parent: &Parent) -> Result<()> {
    settle(archive)?;
    let files = Files::open(archive)?;
    let opened = Location { file: archive.to_path_buf(), path: Vec::new() }.open(&Reading::default())?;
    parent.confine(has_sandbox)?;
    let blueprint = files.blueprint()?;
    parent.tell(&Message::Blueprint {
        source_bytes: blueprint.source_bytes(),
        needed_bytes: blueprint.needed_bytes(),
        notes: blueprint.notes().to_vec(),
    });
    let mut plan = None;
    loop {
        match next(&mut channel)? {
            None => return Ok(()),
            Some(Order::Plan { target_bytes, grow }) => match blueprint.plan(target_bytes, grow) {
                Ok(made) => {
                    parent.tell(&Message::Plan(Box::new(made.outline())));
                    plan = Some(made);
                }
                Err(error) => parent.tell(&Message::error(&error)),
            },
            Some(Order::Write(onto)) => {
                let plan = plan.ok_or_else(out_of_turn)?;
                let file = channel.file().map_err(|source| Error::new(Kind::System, source))?;
                let Onto { len_bytes, sector_bytes, is_blank, vanishes } = onto;
                let device = device::from_known(file, len_bytes, sector_bytes)?;
                parent.watch(channel)?;
                return write(&plan, opened, Output { device, is_blank, vanishes }, archive, parent);
            }
            Some(_) => return Err(out_of_turn()),
        }
    }
}

fn write(
    plan: &Plan,
    opened: crate::view::Opened,
    output: Output,
    archive: &Path,
    parent: &Parent,
) -> Result<()> {
    let located = |error: Error| match error.kind() {
        Kind::Write | Kind::Interrupted => error,
        _ => error.on(archive),
    };
    let place = opened.place().map_err(located)?;
    let mut restored = crate::restore::run(plan, place.as_ref(), &output, parent).map_err(located)?;
    restored.issues.extend(place.issues().iter().map(ToString::to_string));
    parent.tell(&Message::Restored(restored));
    Ok(())
}

/// An archive, and the manifest beside it where there is one, open, and not read yet.
struct Files {
    archive: device::Device,
    manifest: Option<device::Device>,
    /// The file that has the manifest.
    path: std::path::PathBuf,
}

impl Files {
    fn open(archive: &Path) -> Result<Self> {
        let opened = device::open(archive, Io::Pread)?;
        let path = ArchiveFiles::new(archive, Algorithm::default()).manifest;
        let manifest = path.exists().then(|| device::open_plain(&path)).transpose()?;
        let path = if manifest.is_some() { path } else { archive.to_path_buf() };
        Ok(Self { archive: opened, manifest, path })
    }

    fn blueprint(self) -> Result<Blueprint> {
        let Self { archive, manifest, path } = self;
        let read = || {
            let archive_bytes = archive.len_bytes();
            let manifest = match manifest {
                Some(manifest) => Some(Manifest::open(manifest)?),
                None => Manifest::embedded(&Container::open(archive)?)?,
            };
            let manifest = manifest.ok_or_else(|| {
                let message = "has no manifest in it or beside it, which says what the disk was like: files \
                               can be had with `voltar extract`, or with any tar. The manifest in an archive \
                               that was compressed anew is found when you unpack it (zstd -d, gzip -d)";
                Error::new(Kind::Source, message)
            })?;
            manifest.check(archive_bytes)?;
            Blueprint::read(&manifest)
        };
        read().map_err(|error| error.on(&path))
    }
}
