//! What becomes of each volume: a folder of files, an image, or nothing.

use super::observer::Observer;
use super::{Raw, Request, image};
use crate::device::Device;
use crate::disk::{Held, Volume, WHOLE};
use crate::error::{Error, Issue, Kind, Result};
use crate::filesystem::{Contents, Extent, Filesystem};
use crate::units::Bytes;

/// A first pass over a volume that is longer than this takes so long that it is announced.
const SILENT_BYTES: u64 = 1 << 30;

/// A volume, ready to be archived.
pub(super) struct Part<'a> {
    pub volume: &'a Volume,
    /// What stands for its root in the archive: `p1`, or `.`.
    pub folder: Vec<u8>,
    pub becomes: Becomes,
}

/// What becomes of a volume.
pub(super) enum Becomes {
    /// The files of its filesystem.
    Files(Box<dyn Filesystem>),
    /// One member that holds these parts of it.
    Image(Vec<Extent>),
    /// Nothing.
    Nothing,
}

/// The parts of a disk, and what was wrong with some of them.
pub(super) struct Parts<'a> {
    pub parts: Vec<Part<'a>>,
    pub issues: Vec<Issue>,
}

/// Decides what becomes of each volume. `is_bare` tells that the only one has no folder of its own.
pub(super) fn prepare<'a>(volumes: &[&'a Volume], is_bare: bool, request: &Request<'_>) -> Result<Parts<'a>> {
    let Request { raw, observer, keep_going, .. } = *request;
    let how = AsImage { raw, keep_going, observer };
    let mut parts = Parts { parts: Vec::new(), issues: Vec::new() };
    for volume in volumes {
        let number = volume.number();
        let folder = if is_bare { b".".to_vec() } else { format!("p{number}").into_bytes() };
        let is_excluded = |name: &[u8]| request.exclude.excludes(name, b"");
        let held = match volume.held() {
            Held::Filesystem if raw == Raw::Always => Held::Other,
            held => held,
        };
        let becomes = match held {
            Held::Filesystem if is_excluded(if is_bare { b"" } else { &folder }) => {
                observer.note(&format!("{}: excluded", title(volume)));
                Becomes::Nothing
            }
            // Only its own name leaves an image out: a pattern for files is not meant for it.
            Held::Other if is_excluded(&member(number)) => {
                observer.note(&format!("{}: excluded", title(volume)));
                Becomes::Nothing
            }
            Held::Swap => {
                observer.note(&format!("{}: swap, left out", title(volume)));
                Becomes::Nothing
            }
            Held::Filesystem => match volume.filesystem() {
                Ok(filesystem) => {
                    for warning in &filesystem.summary().warnings {
                        observer.note(&format!("{}: {warning}", title(volume)));
                    }
                    // All of the filesystem is there, whatever the table says.
                    parts.issues.extend(volume.past_end().map(|error| Issue { path: None, error }));
                    Becomes::Files(filesystem)
                }
                Err(error) => {
                    if let Some(error) = volume.past_end() {
                        return Err(error);
                    }
                    // Of a whole disk, one damaged filesystem shall not cost the others.
                    let costs_itself = !error.ends_the_run() || keep_going && error.kind() == Kind::Read;
                    if volumes.len() == 1 || !costs_itself {
                        return Err(error);
                    }
                    parts.issues.push(Issue { path: Some(member(number)), error });
                    as_image(volume, &how, &mut parts.issues)?
                }
            },
            Held::Other => match volume.past_end() {
                Some(error) => return Err(error),
                None => as_image(volume, &how, &mut parts.issues)?,
            },
        };
        parts.parts.push(Part { volume, folder, becomes });
    }
    Ok(parts)
}

/// What a volume is called that goes in as it is.
pub(super) fn member(number: u32) -> Vec<u8> {
    format!("p{number}.img").into_bytes()
}

/// How volumes become images.
struct AsImage<'a> {
    raw: Raw,
    keep_going: bool,
    observer: &'a dyn Observer,
}

fn as_image(volume: &Volume, how: &AsImage<'_>, issues: &mut Vec<Issue>) -> Result<Becomes> {
    let AsImage { raw, keep_going, observer } = *how;
    let (title, name, device) = (title(volume), volume.name(), volume.device().as_ref());
    let go_on = || match observer.stop_requested() {
        true => Err(Error::new(Kind::Interrupted, "stopped by a signal")),
        false => Ok(()),
    };
    let left_out_empty = || {
        observer.note(&format!("{title}: empty, left out"));
        Ok(Becomes::Nothing)
    };
    if raw == Raw::Never {
        // What has a signature is not empty; of anything else the first byte that is no zero tells.
        let is_unknown = volume.contents() == &Contents::Unknown;
        if is_unknown && image::is_empty(device, go_on).map_err(|error| volume.locate(error))? {
            return left_out_empty();
        }
        let error = Error::new(Kind::Unsupported, format!("{name} can't be read yet, and was left out"));
        issues.push(Issue { path: Some(member(volume.number())), error: volume.locate(error) });
        return Ok(Becomes::Nothing);
    }
    if device.len_bytes() > SILENT_BYTES {
        observer.note(&format!("{title}: {name}, looking for what of it holds data"));
    }
    let extents = image::extents(device, keep_going, go_on).map_err(|error| volume.locate(error))?;
    if extents.is_empty() {
        return left_out_empty();
    }
    let bytes = data_bytes(&extents);
    let member = String::from_utf8_lossy(&member(volume.number())).into_owned();
    observer.note(&format!("{title}: {name}, goes in as it is: {member}, {} of data", Bytes(bytes)));
    Ok(Becomes::Image(extents))
}

/// What messages call a volume.
fn title(volume: &Volume) -> String {
    match volume.number() {
        WHOLE => "the whole device".to_owned(),
        number => format!("partition {number}"),
    }
}

/// Bytes in all of the extents.
fn data_bytes(extents: &[Extent]) -> u64 {
    extents.iter().fold(0, |sum, extent| sum.saturating_add(extent.len_bytes))
}

impl Part<'_> {
    /// Where the positions of its extents count from.
    pub(super) fn device(&self) -> Device {
        match &self.becomes {
            Becomes::Files(filesystem) => filesystem.device().clone(),
            Becomes::Image(_) | Becomes::Nothing => self.volume.device().clone(),
        }
    }

    /// Bytes in use, as far as one can know before they are read.
    pub(super) fn used_bytes(&self) -> u64 {
        match &self.becomes {
            Becomes::Files(filesystem) => filesystem.summary().used_bytes,
            Becomes::Image(extents) => data_bytes(extents),
            Becomes::Nothing => 0,
        }
    }
}
