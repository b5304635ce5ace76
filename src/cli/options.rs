//! The arguments that fill in the options of a run.
//!
//! Each argument stands beside the option that it sets, so an option needs one entry here and no
//! line elsewhere in `cli/`.

use std::ffi::OsString;
use std::num::NonZeroU16;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser as _};
use clap::{ArgAction, Args, ValueEnum, ValueHint};

use crate::archive::{Algorithm, Compression, Options, Raw};
use crate::config::bytes;
use crate::device::{Io, image};
use crate::error::{Error, Kind, Result};
use crate::tree::Exclude;
use crate::volume::{Reading, VolumeId};

/// Makes a struct of arguments, and the function that copies each into its option:
/// `argument: type => option`.
macro_rules! arguments {
    (
        $(#[$about:meta])*
        $name:ident => $options:ty {
            $($(#[$meta:meta])* $argument:ident: $type:ty => $($option:ident).+,)*
        }
    ) => {
        #[derive(Clone, Debug, Args)]
        $(#[$about])*
        pub(super) struct $name { $($(#[$meta])* $argument: $type,)* }

        impl $name {
            pub(super) fn set(&self, options: &mut $options) {
                $(options.$($option).+ = self.$argument.clone();)*
            }
        }
    };
}

arguments! {
    /// How a disk is read.
    #[command(next_help_heading = "How it is read")]
    ReadingArguments => Reading {
        /// How the bytes of a disk are read
        #[arg(long, value_enum, default_value = "auto", value_name = "HOW")]
        io: Io => io,

        /// Device or image with the journal or log of a filesystem that has it apart
        #[arg(long, value_name = "DEVICE", value_hint = ValueHint::FilePath)]
        journal: Option<PathBuf> => journal,

        /// Bytes of the sectors that the partition table counts in [default: found by what its
        /// partitions hold]
        #[arg(long, value_name = "BYTES", value_parser = sector_size)]
        sector_size: Option<u32> => sector_size,

        /// Format of an image: raw, qcow2, vmdk, vhd, vhdx, vdi [default: by a file's name and its
        /// first bytes; raw on block devices]
        #[arg(
            long,
            value_name = "FORMAT",
            value_parser = PossibleValuesParser::new(image::names()),
            hide_possible_values = true
        )]
        image_format: Option<String> => image.format,

        /// Read this snapshot inside of an image, by its name or number
        #[arg(long, value_name = "NAME")]
        image_snapshot: Option<String> => image.snapshot,

        /// Folder with files that an image may name, such as a backing file; its own folder always
        /// may have them (repeatable)
        #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
        allow_below: Vec<PathBuf> => image.allow_below,

        /// A further disk of the same guest, where volume groups or arrays lie on several
        /// (repeatable)
        #[arg(long, value_name = "DISK", value_hint = ValueHint::FilePath)]
        with: Vec<PathBuf> => with,

        /// File with the key or passphrase of encrypted volumes (repeatable)
        #[arg(long = "key-file", value_name = "FILE", value_hint = ValueHint::FilePath)]
        key_files: Vec<PathBuf> => key_files,

        /// Keep all rights while parsing: for kernels without Landlock and seccomp
        #[arg(long = "no-sandbox", action = ArgAction::SetFalse)]
        has_sandbox: bool => has_sandbox,
    }
}

impl ReadingArguments {
    pub(super) fn reading(&self) -> Reading {
        let mut reading = Reading::default();
        self.set(&mut reading);
        reading
    }
}

arguments! {
    /// Which part of a disk is archived.
    #[command(next_help_heading = "What goes in")]
    SelectionArguments => Options {
        /// Archive this volume only: a partition's number, or a name like vg/root, md0, luks@p3; 0
        /// is the whole device (repeatable)
        #[arg(short = 'p', long = "volume", alias = "partition", value_name = "VOLUME")]
        volumes: Vec<VolumeId> => volumes,

        /// Which partitions go in as raw images
        #[arg(long, value_enum, default_value = "auto")]
        raw: Raw => raw,

        /// Make every issue an error: nothing is published unless all of the source could be read
        #[arg(long)]
        strict: bool => strict,

        /// Put zeros where the device can't be read, an issue for each place, instead of giving up
        #[arg(long)]
        keep_going: bool => keep_going,

        /// Give up when the tar grows beyond SIZE, like 500G [default: 8 times the device and 64
        /// MiB]
        #[arg(long, value_name = "SIZE", value_parser = bytes)]
        max_output: Option<u64> => max_output,
    }
}

arguments! {
    /// How an archive is made.
    #[command(next_help_heading = "How it is made")]
    MakingArguments => Options {
        /// How much: zstd 0 to 19 [default: 0, which is nearly as small as 3, and faster], gzip 1
        /// to 12 [default: 6]
        #[arg(short, long, value_name = "N")]
        level: Option<i32> => level,

        /// Threads [default: all cores]; the archive is the same for any number
        #[arg(short = 'T', long, value_name = "N")]
        threads: Option<NonZeroU16> => threads,

        /// Digest of the archive and of its manifest, in the checksum file
        #[arg(long, value_enum, default_value = "sha1", value_name = "NAME")]
        digest: Algorithm => digest,

        /// Digest of each file, in the manifest; blake3 takes the least time
        #[arg(long, value_enum, default_value = "blake3", value_name = "NAME")]
        file_digest: Algorithm => file_digest,

        /// Files with holes as sparse files; no stores holes as zeros, for readers that know no
        /// sparse files
        #[arg(
            long,
            value_parser = PossibleValuesParser::new(["yes", "no"]).map(|value| value == "yes"),
            action = ArgAction::Set,
            default_value = "yes",
            value_name = "YES|NO",
            hide_possible_values = true
        )]
        sparse: bool => form.sparse,

        /// Put creation times into the tar too, where GNU tar warns of each; the manifest has them
        /// always
        #[arg(long)]
        creation_time: bool => form.creation_time,

        /// Put inode flags into the tar too, where GNU tar warns of each; the manifest has them
        /// always
        #[arg(long)]
        fflags: bool => form.flags,

        /// Put the manifest into the archive too, as its last member voltar.disk/manifest.jsonl.zst:
        /// an archive that travels alone is restored and verified by it. Always on with -o -
        #[arg(long)]
        embed_manifest: bool => embed_manifest,
    }
}

/// All arguments for the options of an archive, but for the compression, whose default depends on
/// the command.
#[derive(Debug, Args)]
pub(super) struct OptionArguments {
    #[command(flatten)]
    reading: ReadingArguments,
    #[command(flatten, next_help_heading = "What goes in")]
    exclude: ExcludeArguments,
    #[command(flatten)]
    selection: SelectionArguments,
    #[command(flatten)]
    making: MakingArguments,
}

impl OptionArguments {
    /// The options that the arguments come to.
    pub(super) fn options(&self) -> Result<Options> {
        let mut options = Options { exclude: self.exclude.patterns()?, ..Options::default() };
        self.reading.set(&mut options.reading);
        self.selection.set(&mut options);
        self.making.set(&mut options);
        Ok(options)
    }
}

/// Patterns of files that are skipped.
#[derive(Debug, Args)]
pub(super) struct ExcludeArguments {
    /// Leave out what matches, with the meaning that tar's --exclude has (repeatable)
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<OsString>,

    /// Leave out what matches a line of FILE (repeatable)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    exclude_from: Vec<PathBuf>,
}

impl ExcludeArguments {
    /// All patterns, those in files too.
    pub(super) fn patterns(&self) -> Result<Vec<OsString>> {
        let mut patterns = self.exclude.clone();
        for path in &self.exclude_from {
            let text = std::fs::read(path).map_err(|source| Error::new(Kind::Source, source).on(path))?;
            let mut exclude = Exclude::new();
            exclude.add_lines(&text);
            patterns.extend(exclude.patterns().map(|pattern| OsString::from_vec(pattern.to_vec())));
        }
        Ok(patterns)
    }

    /// The patterns, ready to be asked.
    pub(super) fn exclude(&self) -> Result<Exclude> {
        let mut exclude = Exclude::new();
        self.patterns()?.iter().for_each(|pattern| exclude.add(pattern.as_bytes()));
        Ok(exclude)
    }
}

/// Bytes of a sector.
pub(super) fn sector_size(text: &str) -> Result<u32, String> {
    let size = text.parse().ok().filter(crate::partition::plausible_sector);
    size.ok_or_else(|| "a power of two from 512 to 65536: most disks have 512 or 4096".to_owned())
}

/// A number of bytes as a configuration has it, or none.
pub(super) fn size(text: &str) -> Result<u64, String> {
    if text == "0" { Ok(0) } else { bytes(text) }
}

/// Gives the values of a library's type the names and explanations that `--help` shows.
macro_rules! choices {
    ($type:ty { $($name:literal, $about:literal => $value:expr,)* }) => {
        impl ValueEnum for $type {
            fn value_variants<'a>() -> &'a [Self] {
                &[$($value),*]
            }

            fn to_possible_value(&self) -> Option<PossibleValue> {
                let choices = [$(($value, $name, $about)),*];
                let choice = choices.into_iter().find(|(value, ..)| value == self);
                choice.map(|(_, name, about)| PossibleValue::new(name).help(about))
            }
        }
    };
}

impl ValueEnum for Compression {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(format!("NAME{}", self.ending())))
    }
}

choices!(Algorithm {
    "sha1", "For sha1sum -c" => Self::Sha1,
    "sha256", "For sha256sum -c" => Self::Sha256,
    "blake3", "For b3sum -c" => Self::Blake3,
});

choices!(Raw {
    "auto", "Those that can't be read as files" => Self::Auto,
    "never", "None: a partition that can't be read as files is skipped, an issue each" => Self::Never,
    "always", "All, so that a disk can be restored byte for byte" => Self::Always,
});

choices!(Io {
    "auto", "O_DIRECT for block devices that take it, pread for all else" => Self::Auto,
    "pread", "Through the page cache" => Self::Pread,
    "direct", "Past the page cache" => Self::Direct,
    "mmap", "Mapped into memory (image files only)" => Self::Mmap,
});
