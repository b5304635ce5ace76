//! What becomes of each volume: a folder of files, an image, or nothing.

use super::encode::Origin;
use super::image;
use super::request::Request;
use crate::archive::observer::Observer;
use crate::archive::options::{Options, Raw};
use crate::device::Device;
use crate::error::{Error, Issue, Kind, Result};
use crate::filesystem::{Contents, Extent, Filesystem};
use crate::tree::Exclude;
use crate::units::Bytes;
use crate::volume::{Disk, Held, Standing, Volume, VolumeId};

/// A first pass over a volume that is longer than this takes so long that it is announced.
const SILENT_BYTES: u64 = 1 << 30;

/// A volume, ready to be archived.
pub(super) struct Part<'a> {
    pub volume: &'a Volume,
    /// What stands for its root in the archive: `p1`, or `.`.
    pub folder: Vec<u8>,
    pub treatment: Treatment,
}

/// What becomes of a volume.
pub(super) enum Treatment {
    /// The files of its filesystem.
    Files(Box<dyn Filesystem>),
    /// One member that holds these parts of it.
    Image(Vec<Extent>),
    /// Nothing: it is all zeros.
    Empty,
    /// Nothing: it was skipped.
    Nothing,
}

/// The parts of a disk, and what was wrong with some of them.
pub(super) struct Parts<'a> {
    pub parts: Vec<Part<'a>>,
    pub issues: Vec<Issue>,
}

/// The volumes that go into an archive of the whole disk, or those that the user named.
///
/// # Errors
///
/// When a volume is not there, or the disk can be read in two ways.
pub(super) fn selected<'a>(disk: &'a Disk, ids: &[VolumeId], raw: Raw) -> Result<Vec<&'a Volume>> {
    match raw {
        Raw::Always if ids.is_empty() => disk.select_lowest(),
        _ => disk.select(ids),
    }
}

/// Says for each volume that is not stored itself which volumes on it are.
pub(super) fn opened(disk: &Disk) -> Vec<String> {
    let opened = disk.volumes().iter().filter(|volume| matches!(volume.standing(), Standing::Opened));
    let note = |volume: &Volume| {
        let on_it = disk.volumes().iter().filter(|other| other.members().contains(volume.id()));
        let names: Vec<String> = on_it.map(|other| other.id().to_string()).collect();
        let names = if names.is_empty() { "no volumes".to_owned() } else { names.join(", ") };
        format!("{}: {}, stored as the volumes on it: {names}", volume.id().title(), volume.name())
    };
    opened.map(note).collect()
}

/// Decides what becomes of each volume. `is_bare` tells that the only one has no folder of its own.
///
/// A volume that can't be read costs itself: it becomes an image, and an issue.
pub(super) fn prepare<'a>(
    volumes: &[&'a Volume],
    ids: &[VolumeId],
    is_bare: bool,
    request: &Request<'_>,
    exclude: &Exclude,
) -> Result<Parts<'a>> {
    let Request { options, observer, .. } = *request;
    let Options { raw, keep_going, .. } = *options;
    let mut parts = Parts { parts: Vec::new(), issues: Vec::new() };
    if volumes.is_empty() {
        observer.note("the partition table has no partitions: the archive has no files");
    }
    for volume in volumes {
        let id = volume.id();
        let folder = if is_bare { b".".to_vec() } else { id.folder() };
        let how = How { raw, keep_going, observer, is_asked_for: ids.contains(id) };
        let is_excluded = |name: &[u8]| exclude.excludes(name, b"");
        let is_excluded = match held(volume, raw) {
            Held::Filesystem => is_excluded(if is_bare { b"" } else { &folder }),
            // Only its own name leaves an image out: a pattern for files is not meant for it.
            Held::Other | Held::Swap => is_excluded(&id.image()),
        };
        let treatment = if is_excluded {
            observer.note(&format!("{}: excluded", id.title()));
            Treatment::Nothing
        } else {
            decide(volume, &how, &mut parts.issues)?
        };
        parts.parts.push(Part { volume, folder, treatment });
    }
    Ok(parts)
}

/// How volumes are treated.
struct How<'a> {
    raw: Raw,
    keep_going: bool,
    observer: &'a dyn Observer,
    /// Whether the volume was asked for by its number.
    is_asked_for: bool,
}

/// How a volume is stored, where `raw` may ask for an image.
fn held(volume: &Volume, raw: Raw) -> Held {
    match volume.held() {
        Held::Filesystem if raw == Raw::Always => Held::Other,
        held => held,
    }
}

fn decide(volume: &Volume, how: &How<'_>, issues: &mut Vec<Issue>) -> Result<Treatment> {
    let (title, observer) = (volume.id().title(), how.observer);
    let whole = |error| Issue { path: None, error };
    let image = || Some(volume.id().image());
    match volume.standing() {
        Standing::Lost(error) => {
            issues.push(Issue { path: image(), error: volume.locate(error.clone()) });
            return Ok(Treatment::Nothing);
        }
        Standing::Closed(error) => issues.push(Issue { path: image(), error: error.clone() }),
        Standing::Locked(note) => observer.note(&format!("{title}: {note}")),
        Standing::Partly(ids) => observer.note(&format!("{title}: {}", stored_too(ids))),
        Standing::Own | Standing::Opened => {}
    }
    issues.extend(volume.layer_faults().map(whole));
    match held(volume, how.raw) {
        Held::Swap if !how.is_asked_for => {
            observer.note(&format!("{title}: swap, skipped"));
            return Ok(Treatment::Nothing);
        }
        Held::Swap | Held::Other => {}
        Held::Filesystem => match volume.with_root() {
            Ok(filesystem) => {
                for warning in &filesystem.summary().warnings {
                    observer.note(&format!("{title}: {warning}"));
                }
                // All of the filesystem is there, whatever the table says. Another partition may
                // have written to it.
                issues.extend(volume.past_end().into_iter().chain(volume.fault()).map(whole));
                return Ok(Treatment::Files(filesystem));
            }
            Err(error) if costs_itself(&error, how.keep_going) => {
                issues.push(Issue { path: image(), error });
            }
            Err(error) => return Err(error),
        },
    }
    let cut = volume.past_end();
    // An image has all of the bytes, also those that two partitions share.
    match volume.fault() {
        Some(fault) if volume.device().len_bytes() == 0 => issues.push(whole(fault)),
        Some(fault) => observer.note(&format!("{title}: {}", fault.cause())),
        None => {}
    }
    let treatment = as_image(volume, how, issues)?;
    issues.extend(cut.map(whole));
    Ok(treatment)
}

/// Whether an error costs only its own volume. The others are worth as much as before.
pub(super) fn costs_itself(error: &Error, keep_going: bool) -> bool {
    match error.kind() {
        Kind::Read => keep_going,
        Kind::Limit => true,
        _ => !error.ends_the_run(),
    }
}

/// Foresees how each volume would be stored, a line each. No volume is searched for its data.
///
/// # Errors
///
/// When a partition is not there, or the disk can be read in two ways.
pub(crate) fn foresee(disk: &Disk, ids: &[VolumeId], raw: Raw) -> Result<Vec<String>> {
    let volumes = selected(disk, ids, raw)?;
    if volumes.is_empty() {
        return Ok(vec!["the partition table has no partitions: the archive has no files".to_owned()]);
    }
    let opened = if ids.is_empty() && raw != Raw::Always { opened(disk) } else { Vec::new() };
    let stored = volumes.into_iter().map(|volume| foreseen(volume, ids, raw));
    Ok(opened.into_iter().chain(stored).collect())
}

fn foreseen(volume: &Volume, ids: &[VolumeId], raw: Raw) -> String {
    let (title, name) = (volume.id().title(), volume.name());
    let why = match volume.standing() {
        Standing::Lost(error) => return format!("{title}: {}, skipped, an issue", error.cause()),
        Standing::Closed(error) => format!(" ({})", error.cause()),
        Standing::Locked(note) => format!(" ({note})"),
        Standing::Partly(ids) => format!(" ({})", stored_too(ids)),
        Standing::Own | Standing::Opened => String::new(),
    };
    let why = match held(volume, raw) {
        Held::Filesystem => match volume.with_root() {
            Ok(_) => return format!("{title}: {name}, its files"),
            Err(error) => format!("{why} ({})", error.cause()),
        },
        Held::Swap if !ids.contains(volume.id()) => return format!("{title}: swap, skipped"),
        Held::Swap | Held::Other => why,
    };
    match volume.device().next_data(0) {
        None => format!("{title}: empty, nothing of it is stored"),
        Some(_) if raw == Raw::Never => format!("{title}: {name}{why}, skipped, an issue"),
        Some(_) if volume.contents() == &Contents::Unknown => {
            format!("{title}: unknown{why}, stored as an image unless it is all zeros")
        }
        Some(_) => format!("{title}: {name}{why}, stored as an image"),
    }
}

/// Why a volume is stored besides volumes on it.
fn stored_too(lost: &[VolumeId]) -> String {
    let names: Vec<String> = lost.iter().map(VolumeId::to_string).collect();
    format!("stored as well, since not all volumes on it can be read ({})", names.join(", "))
}

fn as_image(volume: &Volume, how: &How<'_>, issues: &mut Vec<Issue>) -> Result<Treatment> {
    let How { raw, keep_going, observer, .. } = *how;
    let (title, name, device) = (volume.id().title(), volume.name(), volume.device().as_ref());
    let go_on = || match observer.stop_requested() {
        true => Err(Error::new(Kind::Interrupted, "stopped by a signal")),
        false => Ok(()),
    };
    let empty = || {
        observer.note(&format!("{title}: empty, nothing of it is stored"));
        Ok(Treatment::Empty)
    };
    if raw == Raw::Never {
        // What has a signature is not empty; of anything else the first byte that is no zero tells.
        let is_unknown = volume.contents() == &Contents::Unknown;
        if is_unknown && image::is_empty(device, go_on).map_err(|error| volume.locate(error))? {
            return empty();
        }
        let error = Error::new(Kind::Unsupported, format!("{name} can't be read yet, and was skipped"));
        issues.push(Issue { path: Some(volume.id().image()), error: volume.locate(error) });
        return Ok(Treatment::Nothing);
    }
    if device.len_bytes() > SILENT_BYTES {
        observer.note(&format!("{title}: {name}, looking for what of it holds data"));
    }
    let extents = image::extents(device, keep_going, go_on).map_err(|error| volume.locate(error))?;
    if extents.is_empty() {
        return empty();
    }
    let bytes = data_bytes(&extents);
    let member = String::from_utf8_lossy(&volume.id().image()).into_owned();
    observer.note(&format!("{title}: {name}, stored as a raw image ({member}), {} of data", Bytes(bytes)));
    Ok(Treatment::Image(extents))
}

/// Bytes in all of the extents.
fn data_bytes(extents: &[Extent]) -> u64 {
    extents.iter().fold(0, |sum, extent| sum.saturating_add(extent.len_bytes))
}

impl Part<'_> {
    /// Where the bytes of its extents come from.
    pub(super) fn origin(&self) -> Origin<'_> {
        match &self.treatment {
            Treatment::Files(filesystem) => {
                let device = Device::clone(filesystem.device());
                Origin { device, filesystem: Some(filesystem.as_ref()) }
            }
            Treatment::Image(_) | Treatment::Empty | Treatment::Nothing => {
                Origin { device: Device::clone(self.volume.device()), filesystem: None }
            }
        }
    }

    /// Bytes in use, as far as one can know before they are read.
    pub(super) fn used_bytes(&self) -> u64 {
        match &self.treatment {
            Treatment::Files(filesystem) => filesystem.summary().used_bytes,
            Treatment::Image(extents) => data_bytes(extents),
            Treatment::Empty | Treatment::Nothing => 0,
        }
    }
}
