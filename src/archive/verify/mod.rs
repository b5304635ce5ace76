//! Proves an archive good, or says what of it is damaged: the archive, its manifest, or its checksum file, and where.
//!
//! All is read once, on all cores. What stands beside the archive is used as far as it is there; what could not be checked
//! without it is told.

mod check;
mod checksum;
mod expected;
mod in_order;
mod judge;
mod pipeline;
mod structure;
mod symptom;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use self::check::Shared;
use self::expected::Plan;
use self::judge::Evidence;
use self::pipeline::Seen;
use self::symptom::{Symptom, Symptoms};
use crate::archive::observer::Observer;
use crate::archive::read::container::Container;
use crate::archive::read::manifest::{Manifest, frames as told_frames};
use crate::archive::read::sidecars::Files;
use crate::device::Device;
use crate::error::{Error, Kind, Result};
use crate::format::codec::Compression;
use crate::format::codec::Frames;
use crate::format::digest::Algorithm;
use crate::format::manifest::Found;
use crate::printable::Printable;
use crate::units::ByteRange;

/// One of the files of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The archive itself.
    Archive,
    /// The manifest.
    Manifest,
    /// A checksum file.
    Checksum,
}

impl Which {
    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Archive => "archive",
            Self::Manifest => "manifest",
            Self::Checksum => "checksum file",
        }
    }
}

/// Something that is wrong with one of the files.
#[derive(Clone, Debug)]
pub struct Finding {
    /// With which.
    pub which: Which,
    /// Its path.
    pub file: PathBuf,
    /// The entry that it concerns.
    pub path: Option<Vec<u8>>,
    /// Where in the file.
    pub packed: Option<ByteRange>,
    /// Where in the tar stream.
    pub raw: Option<ByteRange>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.which.name())?;
        if let Some(path) = &self.path {
            write!(f, "{}: ", Printable(path))?;
        }
        write!(f, "{}", self.message)?;
        for (range, of) in [(self.packed, "the file"), (self.raw, "the tar")] {
            match range {
                Some(range) if range.is_empty() => write!(f, ", at byte {} of {of}", range.start())?,
                Some(range) => {
                    let last = range.end().saturating_sub(1);
                    write!(f, ", bytes {} to {last} of {of}", range.start())?;
                }
                None => {}
            }
        }
        Ok(())
    }
}

/// How much was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames that were unpacked on their own.
    pub frames: u64,
    /// Members of the tar.
    pub members: u64,
    /// Files whose content has the digest that the manifest tells.
    pub digests: u64,
    /// Digests of the whole archive that others have: the checksum file, the manifest.
    pub witnesses: u64,
}

/// What became of it.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What is wrong; nothing when all is good.
    pub findings: Vec<Finding>,
    /// How much was checked.
    pub counts: Counts,
    /// Remarks that are not damage.
    pub notes: Vec<String>,
    /// What could not be checked, and why.
    pub unchecked: Vec<String>,
    /// Whether all of the source was in it when it was made, where the manifest tells.
    pub complete: Option<bool>,
}

impl Verdict {
    /// Whether something beside the archive says what it should be: a checksum file, or its
    /// manifest.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.counts.witnesses > 0 || self.counts.digests > 0
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Verifies one archive.
///
/// # Errors
///
/// When it can't be read at all, or is no archive; when somebody wants it to stop.
pub fn verify(files: &Files, observer: &dyn Observer) -> Result<Verdict> {
    run(files, observer).map_err(|error| match error.kind() {
        Kind::Interrupted | Kind::System | Kind::Internal => error,
        _ => error.on(&files.path),
    })
}

/// The manifest, as far as it can be read.
#[derive(Default)]
struct Beside {
    manifest: Option<Manifest>,
    ends: Found,
    digests: BTreeMap<&'static str, String>,
    /// Whether the manifest is the one in the archive, as none stands beside it.
    is_embedded: bool,
}

fn run(files: &Files, observer: &dyn Observer) -> Result<Verdict> {
    for (path, error) in &files.unread {
        // A medium that fails is no damage of what is on it.
        if error.is_of_system() {
            return Err(error.clone().of_kind(Kind::Read).on(path));
        }
    }
    observer.begin(files.archive.len_bytes());
    let mut symptoms = Symptoms::default();
    let opened = Container::open(Device::clone(&files.archive));
    let beside = beside(files, opened.as_ref().ok(), &mut symptoms)?;
    let tail = beside.ends.tail.as_deref();
    let mut algorithms: Vec<Algorithm> = files.checksums.iter().map(|checksum| checksum.algorithm).collect();
    algorithms.extend(tail.and_then(|tail| tail.digest()).map(|(algorithm, _)| algorithm));
    // Each is computed once, however many files have it.
    algorithms.sort_by_key(|algorithm| algorithm.name());
    algorithms.dedup();

    let mut verdict = Verdict { complete: tail.map(|tail| tail.complete), ..Verdict::default() };
    let opened = opened.and_then(|packed| packed.check_is_tar().map(|()| packed));
    let seen = match opened {
        Ok(packed) => look(&packed, &beside, &algorithms, symptoms, observer, &mut verdict)?,
        // Its first bytes are damaged: then its digests tell that it was an archive.
        Err(error) if error.kind() == Kind::Unrecognised && !algorithms.is_empty() => {
            symptoms.add(Symptom::container(&error.at_byte(0)));
            let digests = pipeline::digests(&files.archive, &algorithms)?;
            Seen { symptoms, digests, frames: 0, members: 0, agreeing: 0, totals: None }
        }
        Err(error) => return Err(error),
    };
    let Seen { mut symptoms, digests, frames, members, agreeing, totals } = seen;
    if let (Some(totals), Some(tail)) = (&totals, tail) {
        symptoms.hold_against(totals, tail);
    }
    let recorded =
        files.checksums.len().saturating_add(usize::from(tail.is_some_and(|tail| tail.digest().is_some())));
    let witnesses = u64::try_from(recorded).unwrap_or(0);
    verdict.counts = Counts { frames, members, digests: agreeing, witnesses };
    let is_embedded = beside.is_embedded;
    let evidence =
        Evidence { files, archive: &digests, manifest: &beside.digests, is_embedded, tail, symptoms };
    (verdict.findings, verdict.notes) = judge::judge(evidence);
    unchecked(files, &beside, &mut verdict);
    Ok(verdict)
}

/// Reads what stands beside the archive.
fn beside(files: &Files, archive: Option<&Container>, symptoms: &mut Symptoms) -> Result<Beside> {
    let mut beside = Beside::default();
    let device = match &files.manifest {
        // When the end of the archive can't be read, its frames tell.
        None => match archive.and_then(|archive| Manifest::embedded(archive).ok().flatten()) {
            Some(manifest) => {
                beside.is_embedded = true;
                beside.take(manifest.ends().map(|ends| (manifest, ends)), symptoms)?;
                return Ok(beside);
            }
            None => return Ok(beside),
        },
        Some(Ok(device)) => device,
        Some(Err(error)) => {
            symptoms.add(Symptom::manifest(error.cause().to_string()));
            return Ok(beside);
        }
    };
    let algorithms: Vec<Algorithm> = files.checksums.iter().map(|checksum| checksum.algorithm).collect();
    match pipeline::digests(device, &algorithms) {
        Ok(digests) => beside.digests = digests,
        // Bytes that could not be read say nothing of the manifest: it may be sound.
        Err(error) if error.kind() == Kind::Read => return Err(error.on(&files.manifest_path)),
        Err(error) => {
            symptoms.add(Symptom::manifest(format!("can't be read: {error}")));
            return Ok(beside);
        }
    }
    let opened = Manifest::open(Device::clone(device)).and_then(|manifest| {
        if let Some(fault) = manifest.table_fault() {
            symptoms.add(Symptom::manifest(fault.to_string()));
        }
        let ends = manifest.ends()?;
        Ok((manifest, ends))
    });
    beside.take(opened, symptoms).map_err(|error| error.on(&files.manifest_path))?;
    Ok(beside)
}

impl Beside {
    /// Takes a manifest and its ends, as far as they could be read.
    fn take(&mut self, opened: Result<(Manifest, Found)>, symptoms: &mut Symptoms) -> Result<()> {
        match opened {
            Ok((manifest, ends)) => {
                // The one in the archive was ended before the archive's frames were known.
                let has_frames = ends.frames.is_some() || self.is_embedded;
                if ends.head.is_none() || ends.tail.is_none() || !has_frames {
                    let message = "it is not whole: its beginning or its end is missing";
                    symptoms.add(Symptom::manifest(message.to_owned()));
                }
                let said = ends.tail.as_ref().and_then(|tail| tail.manifest_at);
                if self.is_embedded && said != manifest.embedded_at() {
                    let message = "it is that of another archive than the one that it is in";
                    symptoms.add(Symptom::manifest(message.to_owned()));
                }
                (self.manifest, self.ends) = (Some(manifest), ends);
            }
            Err(error) if error.kind() == Kind::Read => return Err(error),
            Err(error) => symptoms.add(Symptom::manifest(error.to_string())),
        }
        Ok(())
    }
}

/// Reads the archive, in the best way that there is.
fn look(
    packed: &Container,
    beside: &Beside,
    algorithms: &[Algorithm],
    mut symptoms: Symptoms,
    observer: &dyn Observer,
    verdict: &mut Verdict,
) -> Result<Seen> {
    if let Some(fault) = packed.table_fault() {
        symptoms.add(Symptom::container(fault));
    }
    let frames = frames(packed, beside, &mut symptoms);
    let Some(frames) = frames else {
        if beside.manifest.is_some() {
            let reason = "its files' digests: where its frames are is not known";
            verdict.unchecked.push(reason.to_owned());
        }
        return pipeline::in_one_go(packed, algorithms, symptoms, observer);
    };
    let records = beside.manifest.as_ref().map(Manifest::records).transpose()?;
    let algorithm = beside.manifest.as_ref().map(Manifest::records).transpose()?;
    let algorithm = algorithm.map(Plan::algorithm).transpose()?.flatten().unwrap_or_default();
    let plan = Plan::new(records, frames.raw_bytes(), algorithm);
    let manifest_at = beside.ends.tail.as_ref().and_then(|tail| tail.manifest_at);
    let shared = Shared { device: Device::clone(packed.device()), algorithm, manifest_at };
    pipeline::in_frames(packed, &frames, plan, shared, algorithms, symptoms, observer)
}

/// The archive's frames, from its own table or from the manifest.
fn frames(packed: &Container, beside: &Beside, symptoms: &mut Symptoms) -> Option<Frames> {
    let told = beside.manifest.as_ref().filter(|_| !beside.is_embedded);
    let told = told.map(|_| told_frames(&beside.ends, packed.device().len_bytes()));
    let own = packed.frames();
    match (own, told) {
        (own, None) => own.cloned(),
        (own, Some(Err(error))) => {
            symptoms.add(Symptom::of_all(error.cause().to_string()));
            own.cloned()
        }
        // A plain tar has no frames but those that are made up for it.
        (Some(own), Some(Ok(_))) if packed.compression() == Compression::None => Some(own.clone()),
        (Some(own), Some(Ok(told))) => {
            if *own != told {
                let message = "the table at its end and the manifest have different frames";
                symptoms.add(Symptom::of_all(message.to_owned()));
            }
            Some(own.clone())
        }
        (None, Some(Ok(told))) => {
            if packed.compression() == Compression::Zstd && packed.table_fault().is_none() {
                let error = Error::corrupt("the table of its frames is not at its end");
                symptoms.add(Symptom::container(&error.at_byte(told.packed_bytes())));
            }
            let (end, len) = (told.packed_bytes(), packed.device().len_bytes());
            if packed.compression() == Compression::Gzip && end != len {
                let error = Error::corrupt("there is something behind its last frame");
                symptoms.add(Symptom::container(&error.at_byte(end)));
            }
            Some(told)
        }
    }
}

/// Says what could not be checked because a file is not there.
fn unchecked(files: &Files, beside: &Beside, verdict: &mut Verdict) {
    if files.checksums.is_empty() && files.unread.is_empty() {
        let what = match beside.ends.tail {
            Some(_) => "the manifest itself, but for its own checksum: there is no checksum file",
            None => "whether it is as it was made: there is no checksum file",
        };
        verdict.unchecked.push(what.to_owned());
    }
    if files.manifest.is_none() && !beside.is_embedded {
        verdict.unchecked.push("the content of each file: there is no manifest".to_owned());
    }
    let covers_manifest =
        |text: &[u8]| text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count() > 1;
    let is_covered = files.checksums.iter().any(|checksum| covers_manifest(&checksum.text));
    if beside.is_embedded {
        if is_covered {
            let what = "the manifest beside the archive, which the checksum file names: it is missing; the \
                        one in the archive was read instead";
            verdict.unchecked.push(what.to_owned());
        }
        return;
    }
    if beside.manifest.is_some() && !files.checksums.is_empty() && !is_covered {
        let what = "the manifest, but for its own checksum: the checksum file does not have it";
        verdict.unchecked.push(what.to_owned());
    }
}
