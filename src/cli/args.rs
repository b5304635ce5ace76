//! The arguments, and the pages that `--help` shows.

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

use super::backup::BackupArguments;
use super::clean::CleanArguments;
use super::console::Show;
use super::list::ListArguments;
use super::prune::PruneArguments;
use super::run::RunArguments;
use crate::archive::{Algorithm, Compression, Form, Raw};
use crate::config::bytes;
use crate::device::Io;
use crate::worker::child::Reading;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXIT_CODES: &str = "\
Exit codes:
  0  complete
  1  failed, nothing was published
  2  the arguments make no sense
  3  published, but some of the source could not be read: the issues say what";

const ARCHIVE_EXAMPLES: &str = "\
Examples:
  voltar archive guest.img                              guest.tar.zst, here
  voltar archive /dev/vg0/web1-snapshot -o /backups/    a volume, into a folder
  voltar archive disk.img --partition 2 -o root.tar.gz  one partition, without its p2/
  voltar archive disk.img --exclude lost+found --exclude '*.log'
  voltar archive disk.img -o - | ssh backup 'cat > disk.tar.zst'

Get files back with any tar, as root for owners, devices and attributes:
  tar --zstd -xpf guest.tar.zst --numeric-owner --xattrs --xattrs-include='*' --acls --selinux";

/// Archives the files of virtual machine disks, without mounting them.
///
/// voltar reads a block device or a raw disk image itself: partition tables (MBR, GPT), ext2, ext3,
/// ext4 and XFS. It walks the files that are there into a compressed tar that any tar reads, with a
/// checksum and a manifest beside it. It needs read permission on the source and nothing else, and
/// never writes to it.
#[derive(Debug, Parser)]
#[command(name = "voltar", version, styles = STYLES, after_help = EXIT_CODES, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Archive(Box<ArchiveArguments>),
    Backup(Box<BackupArguments>),
    Run(RunArguments),
    Clean(CleanArguments),
    Inspect(InspectArguments),
    #[command(subcommand)]
    Config(super::config::ConfigCommand),
    Systemd(super::systemd::SystemdArguments),
    List(ListArguments),
    Prune(PruneArguments),
    Restore(super::restore::RestoreArguments),
    Verify(super::verify::VerifyArguments),
    Ls(super::ls::LsArguments),
    Tree(super::tree::TreeArguments),
    Stat(super::stat::StatArguments),
    Cat(super::cat::CatArguments),
    Extract(Box<super::extract::ExtractArguments>),
    Find(super::find::FindArguments),
    Diff(super::diff::DiffArguments),
    History(super::history::HistoryArguments),
    /// Print the completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Show the manual page, or write all pages into a folder
    ///
    /// On a terminal man shows the page; elsewhere the page's source is printed, for man -l - or a
    /// file.
    Man {
        /// Folder for the pages of all commands
        #[arg(value_hint = ValueHint::DirPath)]
        folder: Option<PathBuf>,
    },
}

/// Archive the files of a disk into a compressed tar
///
/// Each ext2, ext3, ext4 or XFS partition becomes a folder p1/, p2/, …; a device without a
/// partition table, or one picked partition, becomes the bare tree. A partition that can't be read
/// as files is stored as a raw image, one sparse member pN.img, so that nothing on the disk is
/// lost. Swap and empty partitions are skipped.
///
/// Beside NAME.tar.zst stand NAME.tar.zst.sha1, which sha1sum -c reads, and NAME.tar.zst.manifest.jsonl.zst, which has
/// a line for each entry. The three appear together when all is written and synced, or not at all.
#[derive(Debug, Args)]
#[command(after_help = ARCHIVE_EXAMPLES)]
pub(super) struct ArchiveArguments {
    #[command(flatten)]
    pub source: SourceArguments,

    /// File to write, folder to write to, or - for stdout [default: SOURCE's name, in this folder]
    #[arg(short, long, value_name = "FILE|DIR|-", value_hint = ValueHint::AnyPath)]
    pub output: Option<PathBuf>,

    /// Replace an archive that is there already
    #[arg(long)]
    pub force: bool,

    #[command(flatten)]
    pub selection: SelectionArguments,

    /// Compression [default: as the file's name says, else zstd]
    #[arg(short, long, value_enum, value_name = "NAME", help_heading = "How it is made")]
    pub compress: Option<CompressionChoice>,

    #[command(flatten)]
    pub making: MakingArguments,

    #[command(flatten)]
    pub saying: SayingArguments,
}

/// What of a source goes into its archive.
#[derive(Debug, Args)]
pub(super) struct SelectionArguments {
    /// Archive this partition only; 0 is the whole device (repeatable)
    #[arg(short, long = "partition", value_name = "N", help_heading = "What goes in")]
    pub partitions: Vec<u32>,

    /// Leave out what matches, with the meaning that tar's --exclude has (repeatable)
    #[arg(long, value_name = "GLOB", help_heading = "What goes in")]
    pub exclude: Vec<std::ffi::OsString>,

    /// Leave out what matches a line of FILE (repeatable)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "What goes in")]
    pub exclude_from: Vec<PathBuf>,

    /// Which partitions go in as raw images
    #[arg(long, value_enum, default_value = "auto", help_heading = "What goes in")]
    pub raw: RawChoice,

    /// Make every issue an error: nothing is published unless all of the source could be read
    #[arg(long, help_heading = "What goes in")]
    pub strict: bool,

    /// Put zeros where the device can't be read, an issue for each place, instead of giving up
    #[arg(long, help_heading = "What goes in")]
    pub keep_going: bool,

    /// Give up when the tar grows beyond SIZE, like 500G [default: 8 times the device and 64 MiB]
    #[arg(long, value_name = "SIZE", value_parser = bytes, help_heading = "What goes in")]
    pub max_output: Option<u64>,
}

/// How an archive is made.
#[derive(Debug, Args)]
pub(super) struct MakingArguments {
    /// How much: zstd 0 to 19 [default: 0, which is nearly as small as 3, and faster], gzip 1 to 12 [default: 6]
    #[arg(short, long, value_name = "N", help_heading = "How it is made")]
    pub level: Option<i32>,

    /// Threads [default: all cores]; the archive is the same for any number
    #[arg(short = 'T', long, value_name = "N", help_heading = "How it is made")]
    pub threads: Option<std::num::NonZeroU16>,

    /// Digest of the archive and of its manifest, in the checksum file
    #[arg(long, value_enum, default_value = "sha1", value_name = "NAME", help_heading = "How it is made")]
    pub digest: DigestChoice,

    /// Digest of each file, in the manifest; blake3 takes the least time
    #[arg(long, value_enum, default_value = "blake3", value_name = "NAME", help_heading = "How it is made")]
    pub file_digest: DigestChoice,

    /// Files with holes as sparse files; no stores holes as zeros, for readers that know no sparse
    /// files
    #[arg(
        long,
        value_enum,
        default_value = "yes",
        value_name = "YES|NO",
        hide_possible_values = true,
        help_heading = "How it is made"
    )]
    pub sparse: SparseChoice,

    /// Put creation times into the tar too, where GNU tar warns of each; the manifest has them
    /// always
    #[arg(long, help_heading = "How it is made")]
    pub creation_time: bool,

    /// Put inode flags into the tar too, where GNU tar warns of each; the manifest has them always
    #[arg(long, help_heading = "How it is made")]
    pub fflags: bool,

    /// Put the manifest into the archive too, as its last member voltar.disk/manifest.jsonl.zst: an
    /// archive that travels alone is restored and verified by it. Always on with -o -
    #[arg(long, help_heading = "How it is made")]
    pub embed_manifest: bool,
}

impl MakingArguments {
    /// Choices for the tar, where readers differ.
    pub(super) fn form(&self) -> Form {
        let sparse = self.sparse.into();
        Form { sparse, creation_time: self.creation_time, flags: self.fflags }
    }
}

/// How a run is shown.
#[derive(Debug, Args)]
pub(super) struct SayingArguments {
    /// Show progress also when stderr is no terminal: a line every few seconds
    #[arg(long, help_heading = "What it says")]
    pub progress: bool,

    /// Say everything as JSON lines with a `type`, on stdout (on stderr where stdout has the archive)
    #[arg(long, help_heading = "What it says")]
    pub json: bool,

    /// Say nothing but issues and errors
    #[arg(short, long, conflicts_with_all = ["progress", "json"], help_heading = "What it says")]
    pub quiet: bool,
}

impl SayingArguments {
    /// How the run is shown; JSON goes to stderr where stdout has something else.
    pub(super) fn show(&self, json_on_stderr: bool) -> Show {
        match (self.quiet, self.json) {
            (true, _) => Show::Quiet,
            (false, true) => Show::Json { on_stderr: json_on_stderr },
            (false, false) => Show::Words { progress: self.progress },
        }
    }
}

/// Show what is on a disk: partitions, filesystems, labels, sizes
#[derive(Debug, Args)]
pub(super) struct InspectArguments {
    #[command(flatten)]
    pub source: SourceArguments,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// The source, and how it is read.
#[derive(Debug, Args)]
pub(super) struct SourceArguments {
    /// Block device or raw disk image
    #[arg(value_hint = ValueHint::FilePath)]
    pub source: PathBuf,

    #[command(flatten)]
    pub reading: ReadingArguments,
}

/// How a source is read.
#[derive(Debug, Args)]
pub(super) struct ReadingArguments {
    /// How the source is read
    #[arg(long, value_enum, default_value = "auto", value_name = "HOW", help_heading = "How it is read")]
    pub io: IoChoice,

    /// Device or image with the journal or log of a filesystem that has it apart
    #[arg(long, value_name = "DEVICE", value_hint = ValueHint::FilePath, help_heading = "How it is read")]
    pub journal: Option<PathBuf>,

    /// Bytes of the sectors that the partition table counts in [default: found by what its
    /// partitions hold]
    #[arg(long, value_name = "BYTES", value_parser = sector_size, help_heading = "How it is read")]
    pub sector_size: Option<u32>,

    /// Keep all rights while parsing the disk: for kernels without Landlock and seccomp
    #[arg(long, help_heading = "How it is read")]
    pub no_sandbox: bool,
}

impl From<&ReadingArguments> for Reading {
    fn from(arguments: &ReadingArguments) -> Self {
        Self {
            io: arguments.io.into(),
            journal: arguments.journal.clone(),
            sector_size: arguments.sector_size,
            has_sandbox: !arguments.no_sandbox,
        }
    }
}

/// Makes the choice of a value from a name, and the value that the library knows.
macro_rules! choices {
    ($name:ident => $target:ty { $($(#[$doc:meta])* $variant:ident => $value:expr,)* }) => {
        #[derive(Clone, Copy, Debug, ValueEnum)]
        pub(super) enum $name { $($(#[$doc])* $variant,)* }

        impl From<$name> for $target {
            fn from(choice: $name) -> Self {
                match choice { $($name::$variant => $value,)* }
            }
        }
    };
}

choices!(CompressionChoice => Compression {
    /// Independent zstd frames
    Zstd => Compression::Zstd,
    /// gzip members
    Gzip => Compression::Gzip,
    /// A plain tar
    None => Compression::None,
});

choices!(DigestChoice => Algorithm {
    /// For sha1sum -c
    Sha1 => Algorithm::Sha1,
    /// For sha256sum -c
    Sha256 => Algorithm::Sha256,
    /// For b3sum -c
    Blake3 => Algorithm::Blake3,
});

choices!(SparseChoice => bool {
    /// As sparse files
    Yes => true,
    /// With zeros for holes
    No => false,
});

choices!(RawChoice => Raw {
    /// Those that can't be read as files
    Auto => Raw::Auto,
    /// None: a partition that can't be read as files is skipped, an issue each
    Never => Raw::Never,
    /// All, so that a disk with XFS can be restored byte for byte
    Always => Raw::Always,
});

choices!(IoChoice => Io {
    /// O_DIRECT for block devices that take it, pread for all else
    Auto => Io::Auto,
    /// Through the page cache
    Pread => Io::Pread,
    /// Past the page cache
    Direct => Io::Direct,
    /// Mapped into memory (image files only)
    Mmap => Io::Mmap,
});

/// Bytes of a sector.
pub(super) fn sector_size(text: &str) -> Result<u32, String> {
    let size = text.parse().ok().filter(crate::partition::plausible_sector);
    size.ok_or_else(|| "a power of two from 512 to 65536: most disks have 512 or 4096".to_owned())
}

/// A number of bytes as a configuration has it, or none.
pub(super) fn size(text: &str) -> Result<u64, String> {
    if text == "0" { Ok(0) } else { bytes(text) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        Arguments::command().debug_assert();
    }
}
