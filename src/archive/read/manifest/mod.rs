//! The manifest beside an archive, as it is read: record by record, or only those of some paths.
//!
//! A manifest of a million entries is hundreds of megabytes of text. To find one path, the text is searched and one line of it is
//! understood.

mod text;

use memchr::memmem::Finder;
use memchr::{memchr, memrchr};

use self::text::{LINE_MOST, Lines, Pieces, Text};
use super::container::Container;
use crate::device::Device;
use crate::error::{Error, Kind, Result};
use crate::format::codec::{Compression, Frames};
use crate::format::manifest::{
    Area, ENTRY_START, Found, Head, KEPT_MOST, ManifestEntry, Record, last, parse,
};
use crate::hex;

/// Areas of one manifest at most: each is a sector at least.
const AREAS_MOST: usize = 1 << 16;

/// Entries with a path that another one has already.
const REPEATED_MOST: usize = 16;

/// A manifest that is open.
#[derive(Clone, Debug)]
pub struct Manifest {
    packed: Container,
    /// Position of its header in the tar stream, when it is in the archive.
    embedded_at: Option<u64>,
}

impl Manifest {
    /// Opens a manifest; of its text nothing is read.
    ///
    /// # Errors
    ///
    /// When the file can't be read or is not compressed as manifests are.
    pub fn open(device: Device) -> Result<Self> {
        let is_zstd = Container::recognise(&device)? == Some(Compression::Zstd);
        if !is_zstd {
            return Err(Error::corrupt("is no manifest: it does not begin as a zstd file does"));
        }
        Ok(Self { packed: Container::open(device)?, embedded_at: None })
    }

    /// Opens the manifest of an archive: the one beside it, or else the one in it; `None` where
    /// there is neither.
    ///
    /// # Errors
    ///
    /// When it can't be read, or is no manifest.
    pub fn of_archive(archive: &Container, beside: Option<Device>) -> Result<Option<Self>> {
        match beside {
            Some(beside) => Self::open(beside).map(Some),
            None => Self::embedded(archive),
        }
    }

    /// Opens the manifest in an archive. `None` when it holds no manifest, or has no table of its
    /// frames, so that its end can't be found.
    ///
    /// # Errors
    ///
    /// When the end of the archive can't be read.
    pub fn embedded(archive: &Container) -> Result<Option<Self>> {
        let Some(found) = super::embedded::find(archive)? else { return Ok(None) };
        Ok(Some(Self { embedded_at: Some(found.header), ..Self::open(found.content)? }))
    }

    /// Position of its header in the tar stream. `None` when it is a file beside the archive.
    #[must_use]
    pub fn embedded_at(&self) -> Option<u64> {
        self.embedded_at
    }

    /// What is wrong with the table of its frames.
    pub(crate) fn table_fault(&self) -> Option<&Error> {
        self.packed.table_fault()
    }

    fn text(&self) -> Result<Text> {
        Text::new(&self.packed)
    }

    /// All records, in order.
    ///
    /// # Errors
    ///
    /// When no memory is there to unpack it.
    pub fn records(&self) -> Result<Records> {
        Ok(Records { lines: Lines::new(self.text()?), wanted: None })
    }

    /// The records of entries below a path, perhaps others, and all that are of no entry.
    ///
    /// # Errors
    ///
    /// When no memory is there to unpack it.
    pub fn records_below(&self, path: &[u8]) -> Result<Records> {
        let mut needle = needle(path);
        // Without the quotation mark at its end, it is in the lines of all that is below.
        needle.pop();
        let is_text = !path.is_empty() && std::str::from_utf8(path).is_ok();
        let wanted = is_text.then(|| Finder::new(&needle).into_owned());
        Ok(Records { lines: Lines::new(self.text()?), wanted })
    }

    /// The head alone.
    ///
    /// # Errors
    ///
    /// When the first line can't be read or is no head, or that of a later form.
    pub fn head(&self) -> Result<Head> {
        match self.records()?.next() {
            Some(Ok(Record::Head(head))) => head.known(),
            Some(Err(error)) => Err(error),
            _ => Err(Error::corrupt("the manifest does not begin with a head")),
        }
    }

    /// What of the disk is in no file. Areas stand before all entries.
    ///
    /// # Errors
    ///
    /// When they can't be read, when there are more than are ever kept, or others than the head says.
    pub fn areas(&self, head: &Head) -> Result<Vec<Area>> {
        let mut areas = Vec::new();
        let mut len_bytes = 0_u64;
        for record in self.records()?.skip(1) {
            match record? {
                Record::Area(area) => {
                    len_bytes = len_bytes.saturating_add(u64::try_from(area.data.len()).unwrap_or(u64::MAX));
                    areas.push(area);
                }
                Record::Issue { .. } | Record::Unknown => continue,
                _ => break,
            }
            if len_bytes > KEPT_MOST || areas.len() > AREAS_MOST {
                let message = format!("the manifest has more than {KEPT_MOST} bytes outside of the files");
                return Err(Error::new(Kind::Limit, message));
            }
        }
        let said = head.areas.as_ref().map_or((0, 0), |areas| (areas.records, areas.len_bytes));
        let found = (u64::try_from(areas.len()).unwrap_or(u64::MAX), len_bytes);
        if said != found {
            let ((records, bytes), (said, said_bytes)) = (found, said);
            return Err(Error::corrupt(format!(
                "the manifest has {records} areas of {bytes} bytes, but {said} of {said_bytes} by its head"
            )));
        }
        Ok(areas)
    }

    /// The records at both ends. All of the text is unpacked.
    pub(crate) fn ends(&self) -> Result<Found> {
        let mut lines = Lines::new(self.text()?);
        let mut found = Found::default();
        while let Some(line) = lines.next()? {
            if !line.starts_with(ENTRY_START) {
                found.take(parse(line)?);
            }
        }
        Ok(found)
    }

    /// The records of the last of its own frames, where it has some.
    fn last(&self) -> Result<Found> {
        match last(self.packed.device(), LINE_MOST) {
            Err(error) if error.kind() == Kind::Read => Err(error),
            // Then all of the text tells.
            found => Ok(found.unwrap_or_default()),
        }
    }

    /// Looks whether it has a form that is known here, is whole, and is that of an archive of `archive_bytes`.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub fn check(&self, archive_bytes: u64) -> Result<()> {
        self.head()?;
        let tail = match self.last()?.tail {
            Some(tail) => Some(tail),
            None => self.ends()?.tail,
        };
        let tail = tail.ok_or_else(|| Error::corrupt("it is not whole: it has no end"))?;
        if let Some(position) = self.embedded_at {
            return match tail.manifest_at {
                Some(said) if said == position => Ok(()),
                _ => Err(Error::corrupt("it is that of another archive than the one that it is in")),
            };
        }
        if tail.archive_bytes == archive_bytes {
            return Ok(());
        }
        let said = tail.archive_bytes;
        Err(Error::corrupt(format!("it is that of an archive of {said} bytes, this one has {archive_bytes}")))
    }

    /// The frames of the archive, which has `archive_bytes`. Where the manifest itself is made of frames, only its end is
    /// read.
    ///
    /// # Errors
    ///
    /// When it has none, or none that can be those of the archive.
    pub fn frames(&self, archive_bytes: u64) -> Result<Frames> {
        let mut ends = self.last()?;
        if ends.frames.is_none() || ends.tail.is_none() {
            ends = self.ends()?;
        }
        frames(&ends, archive_bytes)
    }

    /// The entries with these paths, in the archive's order.
    ///
    /// # Errors
    ///
    /// When the manifest can't be read up to the last of them.
    pub fn find(&self, paths: &[&[u8]]) -> Result<Vec<ManifestEntry>> {
        let needles: Vec<Vec<u8>> = paths.iter().map(|path| needle(path)).collect();
        let finders: Vec<Finder<'_>> = needles.iter().map(Finder::new).collect();
        let mut pieces = Pieces::new(self.text()?);
        let mut found: Vec<ManifestEntry> = Vec::new();
        while found.len() < paths.len()
            && let Some(piece) = pieces.next()?
        {
            let mut lines: Vec<(usize, &[u8])> = finders
                .iter()
                .flat_map(|finder| finder.find_iter(&piece))
                .map(|at| line_at(&piece, at))
                .collect();
            lines.sort_unstable();
            lines.dedup();
            for (_, line) in lines {
                if let Record::Entry(entry) = parse(line)?
                    && paths.contains(&entry.path.as_slice())
                {
                    if found.len() > paths.len().saturating_add(REPEATED_MOST) {
                        let message = "the manifest has an entry very often";
                        return Err(Error::new(Kind::Limit, message));
                    }
                    found.push(*entry);
                }
            }
        }
        Ok(found)
    }
}

/// The archive's frames.
pub(crate) fn frames(found: &Found, archive_bytes: u64) -> Result<Frames> {
    let (Some((frame_bytes, packed)), Some(tail)) = (&found.frames, &found.tail) else {
        return Err(Error::corrupt("the manifest is not whole: it has no end"));
    };
    let mut rest = tail.stream_bytes;
    let lengths = packed.iter().map(|packed| {
        let raw = rest.min(*frame_bytes);
        rest = rest.saturating_sub(raw);
        (*packed, raw)
    });
    let packed_bytes = packed.iter().fold(0_u64, |sum, packed| sum.saturating_add(*packed));
    let frames = Frames::of_lengths(lengths, packed_bytes.min(archive_bytes))?;
    if frames.raw_bytes() == tail.stream_bytes && tail.archive_bytes == archive_bytes {
        return Ok(frames);
    }
    let (said, bytes) = (tail.archive_bytes, archive_bytes);
    Err(Error::corrupt(format!("the manifest is that of an archive of {said} bytes, this one has {bytes}")))
}

/// What stands in the line of an entry with this path, and hardly in any other.
fn needle(path: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(path) {
        // A string is always JSON.
        Ok(path) => format!("\"path\":{}", serde_json::to_string(path).unwrap_or_default()),
        Err(_) => format!("\"path_hex\":\"{}\"", hex::encode(path)),
    }
    .into_bytes()
}

/// The line that has a position in it, and where it begins.
fn line_at(text: &[u8], at: usize) -> (usize, &[u8]) {
    let (before, behind) = text.split_at_checked(at).unwrap_or((text, &[]));
    let start = memrchr(b'\n', before).map_or(0, |newline| newline.saturating_add(1));
    let end = memchr(b'\n', behind).map_or(text.len(), |newline| at.saturating_add(newline));
    (start, text.get(start..end).unwrap_or_default())
}

/// The records of a manifest. After an error of a single line there may be more.
pub struct Records {
    lines: Lines,
    /// What stands in the lines of the entries that are asked for.
    wanted: Option<Finder<'static>>,
}

impl Iterator for Records {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = match self.lines.next() {
                Ok(Some(line)) => line,
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
            };
            let is_wanted = self.wanted.as_ref().is_none_or(|wanted| wanted.find(line).is_some());
            if is_wanted || !line.starts_with(ENTRY_START) {
                return Some(parse(line));
            }
        }
    }
}
