//! A disk image or device as a place: the same names that an archive of it has.

use std::sync::{Arc, OnceLock};

use super::issues::Issues;
use super::item::{Body, Item};
use super::name::{base_name, clean, is_below, parent};
use super::{Data, Each, EachWith, Place, missing, no_content};
use crate::archive::is_empty;
use crate::device::ReadAt;
use crate::error::{Error, Issue, Kind, Result};
use crate::filesystem::{Content, FileKind, Filesystem, Inode};
use crate::tree::{self, Exclude, Step, Walk};
use crate::volume::{Disk, Held, Standing, Volume, VolumeId};

/// Runs of data of a volume that are kept; what lies behind them is read, holes and all.
const RUNS_MOST: usize = 1 << 20;

/// A disk.
pub(super) struct Image {
    disk: Disk,
    /// The volumes that an archive of it would have.
    ids: Vec<VolumeId>,
    /// Whether its one volume is its own root.
    is_bare: bool,
    /// Of each volume, its filesystem; `None` where it can't be read, and the volume is an image.
    filesystems: Vec<OnceLock<Option<Arc<dyn Filesystem>>>>,
    /// Of each volume, whether it is all zeros: an archive leaves such out.
    empty: Vec<OnceLock<bool>>,
    /// Of each volume, whether its layer's faults are among the issues.
    told: Vec<OnceLock<()>>,
    issues: Issues,
}

/// A volume, and what is asked of it.
struct In<'a> {
    index: usize,
    volume: &'a Volume,
    /// What stands for its root: `p2`, or nothing.
    folder: Vec<u8>,
}

impl Image {
    pub(super) fn new(disk: Disk) -> Result<Self> {
        let ids: Vec<VolumeId> = disk.select(&[])?.iter().map(|volume| volume.id().clone()).collect();
        let is_bare = ids == [VolumeId::Whole];
        let filesystems = ids.iter().map(|_| OnceLock::new()).collect();
        let empty = ids.iter().map(|_| OnceLock::new()).collect();
        let told = ids.iter().map(|_| OnceLock::new()).collect();
        let issues = Issues::default();
        let doubts = disk.doubts().iter().map(|doubt| Error::new(Kind::Ambiguous, doubt.clone()));
        let faults = disk.faults().iter().cloned();
        doubts.chain(faults).for_each(|doubt| issues.add(doubt.into()));
        Ok(Self { disk, ids, is_bare, filesystems, empty, told, issues })
    }

    fn issue(&self, issue: impl Into<Issue>) {
        self.issues.add(issue.into());
    }

    fn volumes(&self) -> impl Iterator<Item = In<'_>> {
        self.ids.iter().enumerate().filter_map(|(index, id)| {
            let volume = self.disk.volume(id.clone()).ok()?;
            let folder = if self.is_bare { Vec::new() } else { id.folder() };
            Some(In { index, volume, folder })
        })
    }

    /// The filesystem of a volume, where it can be read. That it can't is an issue, once.
    fn readable(&self, place: &In<'_>) -> Option<&Arc<dyn Filesystem>> {
        let open = || match place.volume.with_root() {
            Ok(opened) => {
                opened.faults().iter().for_each(|fault| self.issue(place.volume.locate(fault.clone())));
                Some(Arc::from(opened))
            }
            Err(error) => {
                self.issue(Issue { path: Some(place.volume.id().image()), error });
                None
            }
        };
        let slot = self.filesystems.get(place.index).filter(|_| place.volume.held() == Held::Filesystem)?;
        slot.get_or_init(open).as_ref()
    }

    fn filesystem(&self, place: &In<'_>) -> Result<&Arc<dyn Filesystem>> {
        self.readable(place).ok_or_else(|| {
            let message = format!("there are no files in it: it holds {}", place.volume.name());
            place.volume.locate(Error::new(Kind::Unsupported, message))
        })
    }

    /// Makes issues of what layers could not read of a volume.
    fn tell_layer_faults(&self, place: &In<'_>) {
        let volume = place.volume;
        let tell = || {
            volume.layer_faults().for_each(|fault| self.issue(fault));
            if let Standing::Lost(error) | Standing::Closed(error) = volume.standing() {
                self.issue(Issue { path: Some(volume.id().image()), error: volume.locate(error.clone()) });
            }
        };
        self.told.get(place.index).into_iter().for_each(|told| *told.get_or_init(tell));
    }

    /// The volume that has a path, and the path in it.
    fn inside(&self, path: &[u8]) -> Option<(In<'_>, Vec<u8>)> {
        let place = self.volumes().find(|place| is_below(path, &place.folder))?;
        let rest = path.get(place.folder.len()..).unwrap_or_default();
        let rest = rest.strip_prefix(b"/").unwrap_or(rest).to_vec();
        Some((place, rest))
    }

    /// A volume that goes in as it is.
    fn as_image(&self, place: &In<'_>) -> Option<Item> {
        let is_image = place.volume.held() != Held::Swap && self.readable(place).is_none();
        if !is_image || self.is_empty(place) {
            return None;
        }
        let id = place.volume.id();
        Some(Item::image(id.image(), id.clone(), place.volume.device().len_bytes()))
    }

    /// Whether the root is no directory of a filesystem, but has the volumes in it.
    fn is_directory_of_volumes(&self) -> bool {
        !self.is_bare || self.volumes().all(|place| self.readable(&place).is_none())
    }

    fn is_empty(&self, place: &In<'_>) -> bool {
        // What can't be read is something.
        let compute = || is_empty(place.volume.device().as_ref(), || Ok(())).unwrap_or(false);
        self.empty.get(place.index).is_some_and(|empty| *empty.get_or_init(compute))
    }

    /// All that is known of an inode.
    fn item(
        &self,
        place: &In<'_>,
        filesystem: &dyn Filesystem,
        path: Vec<u8>,
        mut inode: Inode,
    ) -> Result<Item> {
        inode.metadata.attributes = filesystem.attributes(&inode)?.value;
        let (mut target, mut body) = (None, Body::Nowhere);
        match inode.kind {
            FileKind::Symlink => target = Some(filesystem.link_target(&inode)?),
            FileKind::Regular => body = body_of(place, filesystem.content(&inode)?),
            _ => {}
        }
        Ok(Item { target, body, ..Item::of_inode(path, inode) })
    }

    fn named(place: &In<'_>, path: &[u8]) -> Vec<u8> {
        match (place.folder.as_slice(), path) {
            (b"", path) => path.to_vec(),
            (folder, b"") => folder.to_vec(),
            (folder, path) => [folder, b"/", path].concat(),
        }
    }

    fn walk_volume(&self, place: &In<'_>, below: &[u8], each: &mut Each<'_>) -> Result<()> {
        let filesystem = self.filesystem(place)?.as_ref();
        let exclude = Exclude::new();
        for step in Walk::new(filesystem, &exclude, b"") {
            let entry = match step.map_err(|error| place.volume.locate(error))? {
                Step::Entry(entry) => entry,
                Step::Issue(issue) => {
                    self.issue(issue);
                    continue;
                }
            };
            let path = Self::named(place, &entry.path.to_bytes());
            if !is_below(&path, below) {
                continue;
            }
            let inode = entry.inode;
            let (mut target, mut body, mut link) = (None, Body::Nowhere, None);
            match entry.body {
                tree::Body::Nothing => {}
                tree::Body::Content(content) => body = body_of(place, content),
                tree::Body::Target(path) => target = Some(path),
                tree::Body::SameAs(first) => {
                    link = Some(Self::named(place, &first.to_bytes()));
                    match inode.kind {
                        FileKind::Regular => body = body_of(place, filesystem.content(&inode)?),
                        FileKind::Symlink => target = Some(filesystem.link_target(&inode)?),
                        _ => {}
                    }
                }
            }
            each(Item { target, body, link, ..Item::of_inode(path, inode) })?;
        }
        Ok(())
    }
}

/// Finds a volume's data as far as its device tells without being read: position twice, and length.
fn runs(device: &dyn ReadAt) -> Vec<(u64, u64, u64)> {
    let (mut runs, mut at) = (Vec::new(), 0);
    while let Some(data) = device.next_data(at) {
        if runs.len() == RUNS_MOST {
            runs.push((at, at, device.len_bytes().saturating_sub(at)));
            break;
        }
        runs.push((data.start(), data.start(), data.len()));
        at = data.end();
    }
    runs
}

fn body_of(place: &In<'_>, content: Content) -> Body {
    match content {
        Content::Inline(bytes) => Body::Inline(bytes),
        Content::Extents(extents) => Body::Extents(place.volume.id().clone(), extents),
    }
}

impl Place for Image {
    fn walk(&self, below: &[u8], each: &mut Each<'_>) -> Result<()> {
        for place in self.volumes() {
            if [&place.folder, &place.volume.id().image()]
                .iter()
                .any(|name| is_below(name, below) || is_below(below, name))
            {
                self.tell_layer_faults(&place);
            }
            if let Some(image) = self.as_image(&place) {
                if is_below(&image.path, below) {
                    each(image)?;
                }
            } else if place.volume.held() == Held::Filesystem
                && (is_below(&place.folder, below) || is_below(below, &place.folder))
            {
                match self.filesystem(&place) {
                    Ok(_) => self.walk_volume(&place, below, each)?,
                    Err(error) => self.issue(error),
                }
            }
        }
        Ok(())
    }

    fn list(&self, directory: &[u8], each: &mut Each<'_>) -> Result<()> {
        if directory.is_empty() && self.is_directory_of_volumes() {
            for place in self.volumes() {
                self.tell_layer_faults(&place);
                match self.readable(&place) {
                    Some(_) => each(self.find(&place.folder, false)?)?,
                    None => self.as_image(&place).map_or(Ok(()), &mut *each)?,
                }
            }
            return Ok(());
        }
        let (place, inside) = self.inside(directory).ok_or_else(|| missing(directory))?;
        let filesystem = self.filesystem(&place)?.as_ref();
        let located = |error: Error| place.volume.locate(error);
        let inode = tree::find(filesystem, &inside).map_err(located)?;
        let listing = filesystem.directory(&inode).map_err(located)?;
        listing.faults.into_iter().for_each(|fault| self.issue(fault));
        for entry in listing.value.iter() {
            let path = [directory, b"/", entry.name].concat();
            let path = path.strip_prefix(b"/").unwrap_or(&path).to_vec();
            let inode = filesystem.inode(entry.inode);
            match inode.and_then(|inode| self.item(&place, filesystem, path, inode)) {
                Ok(item) => each(item)?,
                Err(error) if error.ends_the_run() => return Err(located(error)),
                Err(error) => self.issue(error),
            }
        }
        Ok(())
    }

    fn find(&self, path: &[u8], follow: bool) -> Result<Item> {
        if path.is_empty() && self.is_directory_of_volumes() {
            return Ok(Item::directory(b""));
        }
        let image = self.volumes().filter_map(|place| self.as_image(&place)).find(|item| item.path == path);
        if let Some(image) = image {
            return Ok(image);
        }
        let (place, inside) = self.inside(path).ok_or_else(|| missing(path))?;
        let filesystem = self.filesystem(&place)?.as_ref();
        let found = || -> Result<Item> {
            if follow || inside.is_empty() {
                let (resolved, inode) = tree::resolve(filesystem, &inside)?;
                return self.item(&place, filesystem, Self::named(&place, &resolved), inode);
            }
            let (resolved, directory) = tree::resolve(filesystem, parent(&inside))?;
            if directory.kind != FileKind::Directory {
                return Err(missing(path));
            }
            let listing = filesystem.directory(&directory)?.value;
            let name = base_name(&inside);
            let number = listing.iter().find(|entry| entry.name == name).map(|entry| entry.inode);
            let inode = filesystem.inode(number.ok_or_else(|| missing(path))?)?;
            let resolved = clean(&[&resolved, b"/".as_slice(), name].concat());
            self.item(&place, filesystem, Self::named(&place, &resolved), inode)
        };
        found().map_err(|error| place.volume.locate(error))
    }

    fn open(&self, item: &Item) -> Result<Data> {
        match &item.body {
            Body::Volume(id) => {
                let device = self.disk.volume(id.clone())?.device().clone();
                let runs = runs(device.as_ref());
                Ok(Data::on_device(device, runs.into_iter(), item.size))
            }
            Body::Inline(bytes) => Ok(Data::here(bytes.clone(), item.size)),
            Body::Extents(id, extents) => {
                let place = self.volumes().find(|place| place.volume.id() == id);
                let place = place.ok_or_else(|| missing(&item.path))?;
                Ok(Data::of_extents(self.filesystem(&place)?, extents, item.size))
            }
            Body::Nowhere | Body::Member(_) => Err(no_content(&item.path)),
        }
    }

    fn pour(&self, each: &mut EachWith<'_>) -> Result<()> {
        self.walk(b"", &mut |item| {
            let mut content = self.open(&item).ok();
            each(item, &mut content)
        })
    }

    fn issues(&self) -> Vec<Issue> {
        self.issues.list()
    }
}
