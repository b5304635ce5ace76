//! Compression, frame by frame: each frame can be unpacked on its own, and all of them after each other as one stream.
//!
//! A compression is one file here, and one line in [`Compression::ALL`].

mod foreign;
mod frames;
mod gunzip;
mod gzip;
pub(crate) mod gzip_table;
mod plain;
pub(crate) mod seek_table;
mod unpack;
mod zstd;

pub use self::frames::{Frames, Span};
pub(crate) use self::gunzip::Gunzip;
pub(crate) use self::unpack::Unpacker;
pub(crate) use self::zstd::{LastFrame, last_frame};
use crate::error::{Error, Kind, Result};

/// How an archive is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Independent zstd frames, with the seekable format's table at the end.
    #[default]
    Zstd,
    /// gzip members.
    Gzip,
    /// A plain tar.
    None,
}

/// What a compression is called, and what it can do.
struct Description {
    name: &'static str,
    /// Ends of file names, the usual one first.
    endings: &'static [&'static str],
    /// Bytes of the tar stream in one frame.
    frame_bytes: u32,
    /// Lowest, usual and highest level; `None` where there are no levels.
    levels: Option<(i32, i32, i32)>,
}

impl Compression {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Zstd, Self::Gzip, Self::None];

    fn description(self) -> &'static Description {
        match self {
            Self::Zstd => &zstd::DESCRIPTION,
            Self::Gzip => &gzip::DESCRIPTION,
            Self::None => &plain::DESCRIPTION,
        }
    }

    /// Its name: `zstd`, `gzip`, `none`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.description().name
    }

    /// The usual end of an archive's name, `.tar.zst`.
    #[must_use]
    pub fn ending(self) -> &'static str {
        self.description().endings.first().copied().unwrap_or_default()
    }

    /// The compression that a file's name asks for.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let has_ending = |compression: &Self| {
            compression.description().endings.iter().any(|ending| name.to_ascii_lowercase().ends_with(ending))
        };
        Self::ALL.into_iter().find(has_ending)
    }

    /// The compression that the name of a new archive asks for; `None` where it says nothing.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] when the name is that of another format.
    pub fn of_new_name(name: &str) -> Result<Option<Self>> {
        if let Some(compression) = Self::of_name(name) {
            return Ok(Some(compression));
        }
        let lower = name.to_ascii_lowercase();
        // A stream of the right compression, but not of an image or of a cpio archive.
        let alone = [(".zst", Self::Zstd), (".gz", Self::Gzip)];
        let alone = alone.into_iter().find_map(|(end, one)| Some((lower.strip_suffix(end)?, one)));
        let (stem, named) = match alone {
            Some((stem, compression)) => (stem, Some(compression)),
            None => (&*lower, None),
        };
        let Some(format) = foreign::format_of(stem) else { return Ok(named) };
        let endings: Vec<&str> =
            Self::ALL.iter().flat_map(|one| one.description().endings).copied().collect();
        let message = format!(
            "is named like {format}, but an archive is a tar: end its name in one of {}",
            endings.join(", ")
        );
        Err(Error::new(Kind::Usage, message))
    }

    /// Bytes of the tar stream in one frame.
    #[must_use]
    pub fn frame_bytes(self) -> u32 {
        self.description().frame_bytes
    }

    /// Its lowest and its highest level; `None` where it has no levels.
    #[must_use]
    pub fn levels(self) -> Option<(i32, i32)> {
        self.description().levels.map(|(lowest, _, highest)| (lowest, highest))
    }

    /// The level that is used when `asked` is asked for.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] when there is no such level.
    pub fn level(self, asked: Option<i32>) -> Result<i32> {
        let name = self.name();
        match (self.description().levels, asked) {
            (None, None) => Ok(0),
            (None, Some(_)) => Err(Error::new(Kind::Usage, format!("--compress {name} has no levels"))),
            (Some((_, usual, _)), None) => Ok(usual),
            (Some((lowest, _, highest)), Some(level)) if (lowest..=highest).contains(&level) => Ok(level),
            (Some((lowest, _, highest)), Some(level)) => {
                let message = format!("--compress {name} has levels {lowest} to {highest}, not {level}");
                Err(Error::new(Kind::Usage, message))
            }
        }
    }

    /// Makes what compresses frames at this level; one for each worker.
    ///
    /// # Errors
    ///
    /// When it has no such level, or no memory.
    pub fn encoder(self, level: i32) -> Result<Box<dyn Encoder>> {
        match self {
            Self::Zstd => zstd::encoder(level),
            Self::Gzip => gzip::encoder(level),
            Self::None => Ok(Box::new(plain::Copying)),
        }
    }

    /// The bytes behind the last frame, for frames of these lengths. With `has_manifest` the
    /// archive holds its own manifest, so the frames must be found without one.
    pub(crate) fn trailer(self, frames: &[FrameLengths], has_manifest: bool) -> Vec<u8> {
        match self {
            Self::Zstd => zstd::seek_table(frames),
            Self::Gzip if has_manifest => gzip_table::table(frames, self.frame_bytes()),
            Self::Gzip | Self::None => Vec::new(),
        }
    }
}

/// Lengths of one frame in bytes: in the archive, and in the tar stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLengths {
    /// In the archive.
    pub packed: u32,
    /// In the tar stream.
    pub raw: u32,
}

/// Compresses one frame after the other; what it keeps between them is memory, not content.
pub trait Encoder: Send {
    /// Replaces what is in `packed` by the compressed form of `raw`.
    ///
    /// # Errors
    ///
    /// When the library that compresses fails.
    fn encode(&mut self, raw: &[u8], packed: &mut Vec<u8>) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_tells_the_compression() {
        let cases = [
            ("a.tar.zst", Some(Compression::Zstd)),
            ("a.TAR.GZ", Some(Compression::Gzip)),
            ("a.tgz", Some(Compression::Gzip)),
            ("a.tar", Some(Compression::None)),
            ("a.zst", None),
            ("a", None),
        ];
        for (name, compression) in cases {
            assert_eq!(Compression::of_name(name), compression, "{name}");
        }
    }

    #[test]
    fn a_new_name_is_that_of_no_other_format() {
        let good = [
            ("a.tar.zst", Some(Compression::Zstd)),
            ("a.zst", Some(Compression::Zstd)),
            ("a.GZ", Some(Compression::Gzip)),
            ("disk.img.tar.gz", Some(Compression::Gzip)),
            ("a", None),
            ("web1.2026-05-09", None),
            ("a.zip.old", None),
            (".zip", None),
            ("folder.zip/a", None),
        ];
        for (name, compression) in good {
            assert_eq!(Compression::of_new_name(name).unwrap(), compression, "{name}");
        }
        let lies = [
            "a.zip",
            "a.tar.xz",
            "a.txz",
            "a.7z",
            "a.tar.bz2",
            "a.tbz",
            "a.tar.lz4",
            "a.tar.Z",
            "a.cpio",
            "a.qcow2",
            "a.vmdk",
            "a.img",
            "a.img.zst",
            "a.cpio.gz",
            "a.ISO",
            "a.tar.zst.gpg",
            "a.sha1",
            "a.json",
        ];
        for name in lies {
            let error = Compression::of_new_name(name).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{name}");
            assert!(error.to_string().contains(".tar.zst, .tzst, .tar.gz, .tgz, .tar"), "{error}");
        }
    }

    #[test]
    fn a_frame_encoded_twice_is_the_same_and_depends_on_no_other() {
        let (one, other) = (vec![b'x'; 100_000], (0..=255).cycle().take(70_000).collect::<Vec<u8>>());
        for compression in Compression::ALL {
            let mut encoder = compression.encoder(compression.level(None).unwrap()).unwrap();
            let (mut first, mut between, mut again) = (Vec::new(), Vec::new(), Vec::new());
            encoder.encode(&one, &mut first).unwrap();
            encoder.encode(&other, &mut between).unwrap();
            encoder.encode(&one, &mut again).unwrap();
            assert!(first == again, "{}", compression.name());
        }
    }

    #[test]
    fn levels_that_do_not_exist_are_refused() {
        for (compression, level) in
            [(Compression::Zstd, 23), (Compression::Gzip, 0), (Compression::None, 1), (Compression::Zstd, -1)]
        {
            assert_eq!(compression.level(Some(level)).unwrap_err().kind(), Kind::Usage);
        }
    }
}
