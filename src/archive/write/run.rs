//! One run: from the volumes of a disk to the last byte of the archive.

use std::cell::{OnceCell, RefCell};

use super::areas::Areas;
use super::encode::{Buffers, Origin, Shared};
use super::frame::{Cutter, Item};
use super::head::head;
use super::layout::{Image, Layout, Naming};
use super::pipeline;
use super::report::Report;
use super::request::{Output, Request};
use super::volumes::{self, Part, Treatment};
use super::writing::{Writing, stopped};
use crate::archive::options::{Raw, threads};
use crate::error::{Error, Issue, Kind, Result};
use crate::format::manifest;
use crate::tree::{Exclude, Step, Walk};
use crate::volume::{Disk, Volume, VolumeId};

/// Bytes of tar and of metadata that a volume may have in any case, in addition to what the bounds
/// of its reader say.
const OUTPUT_FREE: u64 = 64 << 20;
const METADATA_FREE: u64 = 256 << 20;

/// Archives volumes of a disk.
///
/// # Errors
///
/// When nothing of what was written is of any use: the device fails, the output can't be written, the disk can't be
/// understood, or somebody wants it to stop. What costs single entries is in the report.
pub fn create<'a>(disk: &'a Disk, request: &'a Request<'a>, output: Output<'a>) -> Result<Report> {
    let locate = |error: Error| match error.kind() {
        Kind::Write | Kind::Usage | Kind::Interrupted => error,
        _ => error.on(disk.path()),
    };
    archive(disk, request, output).map_err(locate)
}

fn archive<'a>(disk: &'a Disk, request: &'a Request<'a>, output: Output<'a>) -> Result<Report> {
    let Request { options, observer, .. } = *request;
    let compression = options.compression;
    let level = compression.level(options.level)?;
    let exclude = options.excluded();
    let ids = &options.volumes;
    let volumes = volumes::selected(disk, ids, options.raw)?;
    let is_whole = |volume: &Volume| volume.id() == &VolumeId::Whole;
    let is_bare = volumes.len() == 1 && (!ids.is_empty() || volumes.iter().copied().all(is_whole));
    if ids.is_empty() && options.raw != Raw::Always {
        volumes::opened(disk).iter().for_each(|note| observer.note(note));
    }
    let prepared = volumes::prepare(&volumes, ids, is_bare, request, &exclude)?;
    disk.warnings().iter().for_each(|warning| observer.note(warning));
    let parts = prepared.parts;
    let areas = Areas::read(disk, &parts, is_bare, options.keep_going)?;
    areas.warnings.iter().for_each(|warning| observer.note(warning));
    let total = parts.iter().fold(0_u64, |sum, part| sum.saturating_add(part.used_bytes()));
    observer.begin(total);

    let mut writing = Writing::new(disk, request, output)?;
    writing.manifest(&manifest::line(&head(disk, request, level, &parts, &areas)))?;
    writing.part_manifest()?;
    areas.areas.iter().try_for_each(|area| writing.manifest(&area.line()))?;
    for error in areas.faults {
        writing.issue(Issue { path: None, error: error.on(disk.path()) })?;
    }
    // Who says which partitions are meant has them all, and no doubt about the table.
    let asks_for_all = ids.is_empty();
    let doubts = disk.doubts().iter().filter(|_| asks_for_all);
    let doubts = doubts.map(|doubt| Error::new(Kind::Ambiguous, doubt.clone()).on(disk.path()));
    let fault = disk.table_fault().filter(|_| asks_for_all);
    let fault = fault.map(|fault| Error::corrupt(fault.to_owned()).on(disk.path()));
    let of_image = disk.faults().iter().map(|fault| fault.clone().on(disk.path()));
    let doubts = doubts.chain(fault).chain(of_image).map(|error| Issue { path: None, error });
    let unreadable = disk.unreadable().cloned();
    if let Some(error) = unreadable {
        if !options.keep_going {
            return Err(error);
        }
        writing.issue(Issue { path: None, error: error.on(disk.path()) })?;
    }
    for issue in doubts.chain(prepared.issues) {
        writing.issue(issue)?;
    }

    let origins: Vec<Origin<'_>> = parts.iter().map(Part::origin).collect();
    let shared = Shared { origins: &origins, algorithm: options.file_digest, keep_going: options.keep_going };
    let layout = RefCell::new(Layout::new(options.max_output, options.form));
    let is_embedding = writing.is_embedding();
    let items = parts
        .iter()
        .enumerate()
        .flat_map(|(source, part)| items(disk, part, source, request, &exclude, &layout));
    // A manifest in the archive comes before the end, when all else is known.
    let end = Some(()).filter(|()| !is_embedding).into_iter().map(|()| {
        layout.borrow_mut().begin_part(u64::MAX);
        layout.borrow_mut().end().map(Item::Pieces)
    });
    let items = items.chain(end);
    let frame_len = usize::try_from(compression.frame_bytes()).unwrap_or(usize::MAX);
    let frames =
        Cutter::new(items, frame_len).inspect(|frame| frame.iter().for_each(|frame| shared.announce(frame)));
    let threads = threads(options.threads);
    let buffers = || {
        let encoder = compression.encoder(level)?;
        Ok(Buffers { raw: Vec::new(), packed: Vec::new(), encoder })
    };
    pipeline::run(frames, threads, buffers, &shared, |done| writing.frame(done))?;
    let mut layout = layout.into_inner();
    let data_bytes = layout.data_bytes();
    layout.begin_part(u64::MAX);
    let name = layout.taken().member();
    let position = name.as_ref().map(|_| layout.position());
    if let Some(embedding) = writing.end_embedding(position, data_bytes)? {
        let (pieces, manifest) = embedding.pieces(&mut layout, name.as_deref(), request.identity.started)?;
        let origins = [Origin { device: manifest, filesystem: None }];
        let shared = Shared { origins: &origins, algorithm: options.file_digest, keep_going: false };
        let frames = Cutter::new(std::iter::once(Ok(Item::Pieces(pieces))), frame_len);
        pipeline::run(frames, threads, buffers, &shared, |done| writing.frame(done))?;
    }
    writing.finish(disk, data_bytes)
}

/// What the archive has of one part, in order.
fn items<'a>(
    disk: &'a Disk,
    part: &'a Part<'_>,
    source: usize,
    request: &'a Request<'_>,
    exclude: &'a Exclude,
    layout: &'a RefCell<Layout>,
) -> Box<dyn Iterator<Item = Result<Item>> + 'a> {
    let Request { options, observer, .. } = *request;
    match &part.treatment {
        Treatment::Empty | Treatment::Nothing => Box::new(std::iter::empty()),
        Treatment::Image(extents) => {
            let name = part.volume.id().image();
            let len_bytes = part.volume.device().len_bytes();
            let image = move || {
                layout.borrow_mut().begin_part(u64::MAX);
                let image = Image { name: &name, len_bytes, extents, source };
                layout.borrow_mut().image(&image).map(Item::Pieces)
            };
            Box::new(std::iter::once_with(image))
        }
        Treatment::Files(filesystem) => {
            let naming = Naming { folder: part.folder.clone(), source };
            let folder: &[u8] = if part.folder == b"." { b"" } else { &part.folder };
            let faults = filesystem.faults().iter().map(|fault| {
                let error = part.volume.locate(fault.clone());
                match fault.kind() == Kind::Read && !options.keep_going {
                    true => Err(error),
                    false => Ok(Item::Issue(Issue { path: None, error })),
                }
            });
            let len_bytes = part.volume.device().len_bytes();
            let bounds = filesystem.reader().bounds;
            let most = len_bytes.saturating_mul(bounds.output_per_byte).saturating_add(OUTPUT_FREE);
            let most_metadata =
                len_bytes.saturating_mul(bounds.metadata_per_byte).saturating_add(METADATA_FREE);
            let before = OnceCell::new();
            let may_go_on = move || {
                if observer.stop_requested() {
                    return Err(stopped());
                }
                let metadata = disk.bytes_read().saturating_sub(layout.borrow().data_bytes());
                let before = *before.get_or_init(|| {
                    layout.borrow_mut().begin_part(most);
                    metadata
                });
                check_metadata(metadata.saturating_sub(before), most_metadata)
            };
            let walk = Walk::new(filesystem.as_ref(), exclude, folder)
                .keep_going(options.keep_going)
                .asking(may_go_on);
            let laid_out = move |step: Step| match step {
                Step::Entry(entry) => layout.borrow_mut().entry(&naming, *entry).map(Item::Pieces),
                Step::Issue(issue) => {
                    let path = issue.path.map(|path| naming.shown(&path));
                    layout.borrow_mut().weigh(path.as_ref().map_or(0, Vec::len))?;
                    Ok(Item::Issue(Issue { path, error: issue.error }))
                }
            };
            let mut is_over = false;
            let entries = walk.map_while(move |step| {
                if is_over {
                    return None;
                }
                // A limit that somebody asked for is one of the run.
                let is_of_run = step.is_ok() && options.max_output.is_some();
                let item = step.and_then(&laid_out).map_err(|error| part.volume.locate(error));
                is_over = item.is_err();
                Some(match item {
                    Err(error) if !is_of_run && volumes::costs_itself(&error, options.keep_going) => {
                        Ok(Item::Issue(given_up(error)))
                    }
                    item => item,
                })
            });
            Box::new(faults.chain(entries))
        }
    }
}

/// The issue of a volume of which the rest is not read.
fn given_up(error: Error) -> Issue {
    Issue { path: None, error: error.because("", "; the rest of its files is not in the archive") }
}

/// Checks that the metadata that are read are in some relation to the volume: inodes may share
/// whole trees.
fn check_metadata(metadata: u64, most: u64) -> Result<()> {
    if metadata <= most {
        return Ok(());
    }
    Err(Error::new(Kind::Limit, "its metadata are read over and over: many inodes share the same blocks"))
}
