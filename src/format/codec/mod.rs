//! Compression, frame by frame: each frame can be unpacked on its own, and all of them after each other as one stream.
//!
//! A compression is one file here, and one line in `compressions!`.

mod foreign;
mod frames;
mod gzip_table;
mod seek_table;

use std::io::{BufRead, Read};

pub use self::frames::{Frames, Span};
pub(crate) use self::seek_table::{LastFrame, last_frame, whole_bytes};
use crate::device::ReadAt;
use crate::error::{Error, Kind, Result};

/// Makes the list of compressions: a description and a name each, and the file that has its
/// [`Codec`]. The first of them whose first bytes a file has is the one that it is in.
macro_rules! compressions {
    ($($(#[$about:meta])* $name:ident = $file:ident,)*) => {
        $(mod $file;)*

        /// How an archive is compressed.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Compression {
            $($(#[$about])* $name,)*
        }

        impl Compression {
            /// All of them.
            pub const ALL: [Self; [$(stringify!($name)),*].len()] = [$(Self::$name),*];

            fn codec(self) -> &'static Codec {
                match self {
                    $(Self::$name => &$file::CODEC,)*
                }
            }
        }
    };
}

compressions! {
    /// Independent zstd frames, with the seekable format's table at the end.
    #[default]
    Zstd = zstd,
    /// gzip members.
    Gzip = gzip,
    /// A plain tar.
    None = plain,
}

/// Makes the reader of a file out of one of its bytes.
type OpenReader = fn(Box<dyn BufRead + Send>) -> Result<Box<dyn Read + Send>>;

/// A compression: how it is named, recognised, written and read.
struct Codec {
    name: &'static str,
    /// Ends of file names, the usual one first.
    endings: &'static [&'static str],
    /// The end that stands for the compression alone, without a tar.
    alone: Option<&'static str>,
    /// Bytes of the tar stream in one frame.
    frame_bytes: u32,
    /// Lowest, usual and highest level; `None` where there are no levels.
    levels: Option<(i32, i32, i32)>,
    /// Whether a file begins so.
    begins: fn(&[u8]) -> bool,
    /// What compresses frames, at a level.
    encoder: fn(i32) -> Result<Box<dyn Encoder>>,
    /// What unpacks frames.
    decoder: fn() -> Result<Box<dyn Decoder>>,
    /// What unpacks a file from the front to the end.
    reader: OpenReader,
    /// The bytes behind the last frame. They are told the frames, and whether the archive holds its
    /// own manifest.
    trailer: fn(&[FrameLengths], bool) -> Vec<u8>,
    /// The frames of a file, where it tells them.
    frames: fn(&dyn ReadAt) -> Result<Option<Frames>>,
}

impl Compression {
    /// Its name: `zstd`, `gzip`, `none`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.codec().name
    }

    /// The usual end of an archive's name, `.tar.zst`.
    #[must_use]
    pub fn ending(self) -> &'static str {
        self.codec().endings.first().copied().unwrap_or_default()
    }

    /// The compression that a file's name asks for.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let has_ending = |compression: &Self| {
            compression.codec().endings.iter().any(|ending| name.to_ascii_lowercase().ends_with(ending))
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
        let alone =
            Self::ALL.into_iter().find_map(|one| Some((lower.strip_suffix(one.codec().alone?)?, one)));
        let (stem, named) = match alone {
            Some((stem, compression)) => (stem, Some(compression)),
            None => (&*lower, None),
        };
        let Some(format) = foreign::format_of(stem) else { return Ok(named) };
        let endings: Vec<&str> = Self::ALL.iter().flat_map(|one| one.codec().endings).copied().collect();
        let message = format!(
            "is named like {format}, but an archive is a tar: end its name in one of {}",
            endings.join(", ")
        );
        Err(Error::new(Kind::Usage, message))
    }

    /// Bytes of the tar stream in one frame.
    #[must_use]
    pub fn frame_bytes(self) -> u32 {
        self.codec().frame_bytes
    }

    /// Its lowest and its highest level; `None` where it has no levels.
    #[must_use]
    pub fn levels(self) -> Option<(i32, i32)> {
        self.codec().levels.map(|(lowest, _, highest)| (lowest, highest))
    }

    /// The level that is used when `asked` is asked for.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] when there is no such level.
    pub fn level(self, asked: Option<i32>) -> Result<i32> {
        let name = self.name();
        match (self.codec().levels, asked) {
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
        (self.codec().encoder)(level)
    }

    /// The bytes behind the last frame, for frames of these lengths. With `has_manifest` the
    /// archive holds its own manifest, so the frames must be found without one.
    pub(crate) fn trailer(self, frames: &[FrameLengths], has_manifest: bool) -> Vec<u8> {
        (self.codec().trailer)(frames, has_manifest)
    }

    /// The compression of a file that begins with these bytes; `None` when it is no archive.
    pub(crate) fn of_head(head: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|compression| (compression.codec().begins)(head))
    }

    /// The frames that a file tells, if it tells any.
    pub(crate) fn frames(self, device: &dyn ReadAt) -> Result<Option<Frames>> {
        (self.codec().frames)(device)
    }

    /// Unpacks a file from the front to the end.
    pub(crate) fn reader(self, file: Box<dyn BufRead + Send>) -> Result<Box<dyn Read + Send>> {
        (self.codec().reader)(file)
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

/// Unpacks one frame after the other; what it keeps between them is memory, not content.
trait Decoder: Send {
    /// Replaces what is in `raw` by the content of `packed`, which should have `raw_len` bytes, and
    /// gives its length. No more is unpacked than one byte behind `raw_len`.
    fn decode(&mut self, packed: &[u8], raw: &mut Vec<u8>, raw_len: usize) -> Result<usize>;
}

/// What unpacks single frames; a reader has one for each thread.
pub(crate) struct Unpacker(Box<dyn Decoder>);

impl Unpacker {
    pub(crate) fn new(compression: Compression) -> Result<Self> {
        (compression.codec().decoder)().map(Self)
    }

    /// Replaces what is in `raw` by the content of `packed`, which has `raw_len` bytes.
    pub(crate) fn unpack(&mut self, packed: &[u8], raw: &mut Vec<u8>, raw_len: usize) -> Result<()> {
        let len = self.0.decode(packed, raw, raw_len)?;
        if len == raw_len {
            return Ok(());
        }
        Err(Error::corrupt(format!("the frame holds {len} bytes, it should be {raw_len}")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn frames_come_back_one_by_one_and_as_one_stream_and_so_do_their_places(
            contents in prop::collection::vec(prop::collection::vec(0..4_u8, 1..3000), 1..5),
        ) {
            for compression in Compression::ALL {
                let level = compression.level(None).unwrap();
                let (mut encoder, mut unpacker) =
                    (compression.encoder(level).unwrap(), Unpacker::new(compression).unwrap());
                let (mut file, mut lengths) = (Vec::new(), Vec::new());
                for content in &contents {
                    let (mut packed, mut raw) = (Vec::new(), Vec::new());
                    encoder.encode(content, &mut packed).unwrap();
                    unpacker.unpack(&packed, &mut raw, content.len()).unwrap();
                    prop_assert_eq!(&raw, content);
                    lengths.push(FrameLengths { packed: packed.len() as u32, raw: raw.len() as u32 });
                    file.extend(packed);
                }
                file.extend(compression.trailer(&lengths, false));
                let mut all = Vec::new();
                let stream = compression.reader(Box::new(std::io::Cursor::new(file.clone())));
                stream.unwrap().read_to_end(&mut all).unwrap();
                prop_assert_eq!(all, contents.concat());
                if compression == Compression::Zstd {
                    let frames = compression.frames(&file).unwrap().unwrap();
                    let found: Vec<_> = frames.spans().iter().map(|span| span.raw.len() as u32).collect();
                    prop_assert_eq!(found, lengths.iter().map(|frame| frame.raw).collect::<Vec<_>>());
                }
                if compression != Compression::None {
                    prop_assert_eq!(Compression::of_head(&file), Some(compression));
                }
            }
        }
    }

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
