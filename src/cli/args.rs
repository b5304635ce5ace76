//! The arguments, and the pages that `--help` shows.

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueHint};

use super::backup::BackupArguments;
use super::clean::CleanArguments;
use super::console::Show;
use super::list::ListArguments;
use super::options::{OptionArguments, ReadingArguments};
use super::prune::PruneArguments;
use super::run::RunArguments;
use crate::archive::Compression;

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
  voltar archive disk.img --volume 2 -o root.tar.gz     one partition, without its p2/
  voltar archive disk.qcow2 --volume ubuntu-vg/ubuntu-lv -o root.tar.zst
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
    /// Block device or raw disk image
    #[arg(value_hint = ValueHint::FilePath)]
    pub source: PathBuf,

    /// File to write, folder to write to, or - for stdout [default: SOURCE's name, in this folder]
    #[arg(short, long, value_name = "FILE|DIR|-", value_hint = ValueHint::AnyPath)]
    pub output: Option<PathBuf>,

    /// Replace an archive that is there already
    #[arg(long)]
    pub force: bool,

    /// Compression [default: as the file's name says, else zstd]
    #[arg(short, long, value_enum, value_name = "NAME", help_heading = "How it is made")]
    pub compress: Option<Compression>,

    #[command(flatten)]
    pub options: OptionArguments,

    #[command(flatten)]
    pub saying: SayingArguments,
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
    /// Block device or raw disk image
    #[arg(value_hint = ValueHint::FilePath)]
    pub source: PathBuf,

    #[command(flatten)]
    pub reading: ReadingArguments,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// All arguments. `--format` is short for `--image-format`, except where it names the format of a
/// list.
pub(super) fn command() -> clap::Command {
    let mut command = Arguments::command();
    let is_free = |command: &&clap::Command| {
        let has = |name: &str| command.get_arguments().any(|argument| argument.get_long() == Some(name));
        has("image-format") && !has("format")
    };
    let names: Vec<String> =
        command.get_subcommands().filter(is_free).map(|command| command.get_name().to_owned()).collect();
    for name in names {
        let with_alias = |command: clap::Command| {
            command.mut_arg("image_format", |argument| argument.visible_alias("format"))
        };
        command = command.mut_subcommand(name, with_alias);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        command().debug_assert();
    }
}
