//! Makes a filesystem, empty, by `mke2fs`.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::told::MADE;
use crate::error::{Error, Kind, Result};
use crate::filesystem::ext::Geometry;
use crate::printable::Printable;
use crate::temporary::{room, scratch};
use crate::units::ByteRange;

/// Where programs of the administrator are; the environment has no say.
const FOLDERS: [&str; 6] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/local/bin"];

/// Settings of `mke2fs`, so that those of this machine don't matter.
const SETTINGS: &str = "[defaults]\n\
    \tbase_features = none\n\
    \tenable_periodic_fsck = 0\n\
    \twarn_y2038_dates = 0\n\
    \tblocksize = 4096\n\
    \tinode_size = 256\n\
    \tinode_ratio = 16384\n";

/// Features that are put into the superblock later, when the filesystem is filled.
const PUT_LATER: [&str; 3] = ["read-only", "imagic_inodes", "dir_prealloc"];

/// The encoding of names that `casefold` has, as the superblock numbers it.
const UTF8: u16 = 1;
const STRICT: u16 = 1;
const MIB: u64 = 1 << 20;
/// `JBD2_MIN_JOURNAL_BLOCKS`.
const JOURNAL_BLOCKS_LEAST: u64 = 1024;
/// The least journal with room for fast commits.
const FAST_COMMIT_JOURNAL_BLOCKS_LEAST: u64 = JOURNAL_BLOCKS_LEAST + 16;
/// From so many blocks on `mke2fs` gives a filesystem a larger journal, unless told.
const SMALL_BLOCKS: u64 = 32_768;

/// Makes the filesystem of this geometry, empty, in a range of an image file. Gives what could not
/// be made as it was, in sentences.
///
/// `mke2fs` of e2fsprogs 1.47 or later is started, with an environment of its own: call it before the sandbox.
///
/// # Errors
///
/// [`Kind::Unsupported`] when there is no `mke2fs`, it does not know a feature, or the range is too short; [`Kind::Write`] when it fails.
pub fn format(image: &File, range: ByteRange, geometry: &Geometry) -> Result<Vec<String>> {
    if geometry.len_bytes() > range.len() {
        let (needed, there) = (geometry.len_bytes(), range.len());
        let message = format!("the filesystem has {needed} bytes, but there are only {there} for it");
        return Err(Error::new(Kind::Unsupported, message));
    }
    let program = find()?;
    let settings = settings().map_err(|error| {
        Error::new(
            Kind::Write,
            format!("the settings of mke2fs can't be written to a temporary file: {error}"),
        )
    })?;
    let no_file = |error| Error::new(Kind::System, format!("the image can't be handed to mke2fs: {error}"));
    let image = Handed::new(image).map_err(no_file)?;
    let notes = notes(geometry);
    let arguments = arguments(range, geometry);
    super::told::check(&arguments)?;
    let output = command(&program, &settings.path())
        .args(arguments)
        .arg(image.path())
        .arg(geometry.blocks.to_string())
        .output()
        .map_err(|error| Error::new(Kind::Unsupported, format!("mke2fs can't be started: {error}")))?;
    if output.status.success() {
        return Ok(notes);
    }
    if let Some(unknown) = unknown_feature(&program, &settings.path(), geometry) {
        let message = format!(
            "the mke2fs of this machine does not know the feature {unknown}, which the filesystem has: a newer e2fsprogs is needed"
        );
        return Err(Error::new(Kind::Unsupported, message));
    }
    let said = said(&output);
    let room = match said.contains("No space left") {
        true => format!("; no space is left ({})", room(&image.0)),
        false => String::new(),
    };
    Err(Error::new(Kind::Write, format!("mke2fs could not make the filesystem: {said}{room}")))
}

fn find() -> Result<PathBuf> {
    let candidates = FOLDERS.iter().map(|folder| Path::new(folder).join("mke2fs"));
    candidates.into_iter().find(|candidate| candidate.is_file()).ok_or_else(|| {
        let message = "an ext filesystem is made by mke2fs, which is not here: install e2fsprogs";
        Error::new(Kind::Unsupported, message)
    })
}

fn settings() -> std::io::Result<Handed> {
    let mut file = scratch()?;
    file.write_all(SETTINGS.as_bytes())?;
    Handed::new(&file)
}

/// An open file that programs inherit. They find it by its number, not by a path that somebody
/// might put something else under.
struct Handed(OwnedFd);

impl Handed {
    fn new(file: &File) -> std::io::Result<Self> {
        // A duplicate is not closed when another program begins.
        Ok(Self(rustix::io::dup(file)?))
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }
}

fn command(program: &Path, settings: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").env("MKE2FS_CONFIG", settings);
    command.stdin(Stdio::null()).current_dir("/");
    command
}

/// What of the geometry can't be the same again.
fn notes(geometry: &Geometry) -> Vec<String> {
    let mut notes: Vec<String> = geometry
        .features
        .all()
        .filter(|feature| !MADE.contains(feature) && !PUT_LATER.contains(feature))
        .map(|feature| format!("the filesystem's feature {feature} is left out: no new filesystem has it"))
        .collect();
    if geometry.features.has("quota") {
        notes.push(
            "what quota counts is as it was, but its limits are not archived: set them again with setquota"
                .to_owned(),
        );
    }
    if geometry.external_journal {
        notes.push("the filesystem's journal was on another device; now it is in the filesystem".to_owned());
    }
    if geometry.features.has("casefold") && geometry.encoding != UTF8 {
        let encoding = geometry.encoding;
        notes.push(format!(
            "names are folded as UTF-8: the encoding {encoding} of the filesystem is not known"
        ));
    }
    notes
}

/// The features that `mke2fs` is asked for.
fn features(geometry: &Geometry) -> Vec<&str> {
    geometry.features.all().filter(|feature| MADE.contains(feature)).collect()
}

fn arguments(range: ByteRange, geometry: &Geometry) -> Vec<String> {
    let features = features(geometry);
    let has = |feature| features.contains(&feature);
    let mut arguments: Vec<String> = ["-q", "-F", "-o", "Linux", "-m", "0"].map(str::to_owned).to_vec();
    let mut option = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
    option("-r", geometry.revision.to_string());
    option("-b", geometry.block_bytes.to_string());
    if has("bigalloc") {
        option("-C", geometry.cluster_bytes.to_string());
    }
    if geometry.revision > 0 {
        option("-I", geometry.inode_bytes.to_string());
    }
    option("-N", geometry.inodes.to_string());
    // With bigalloc, mke2fs counts groups in clusters.
    let blocks_per_cluster = geometry.cluster_bytes.checked_div(geometry.block_bytes).unwrap_or(1).max(1);
    let per_group = match has("bigalloc") {
        true => geometry.blocks_per_group.checked_div(blocks_per_cluster).unwrap_or(0),
        false => geometry.blocks_per_group,
    };
    let usual = geometry.block_bytes.saturating_mul(8).min(65_528);
    if per_group != usual && per_group != 65_536 {
        option("-g", per_group.to_string());
    }
    if has("flex_bg") && geometry.groups_per_flex > 1 {
        option("-G", geometry.groups_per_flex.to_string());
    }
    option("-O", std::iter::once("none").chain(features.iter().copied()).collect::<Vec<_>>().join(","));
    let uuid = geometry.uuid_of_checksums();
    option("-U", if uuid.is_nil() { "clear".to_owned() } else { uuid.to_string() });
    if let Some(journal) = geometry.journal_bytes.filter(|_| has("has_journal")) {
        let of_blocks = |blocks: u64| u64::from(geometry.block_bytes).saturating_mul(blocks);
        let own = if has("fast_commit") { FAST_COMMIT_JOURNAL_BLOCKS_LEAST } else { JOURNAL_BLOCKS_LEAST };
        // The least journal may be over half of a filesystem, but only when it isn't asked for.
        let is_own = geometry.blocks < SMALL_BLOCKS && journal <= of_blocks(own);
        if !is_own {
            let size = journal.max(of_blocks(JOURNAL_BLOCKS_LEAST));
            option("-J", format!("size={}", size / MIB));
        }
    }
    let mut extended = vec![
        format!("offset={}", range.start()),
        "nodiscard".to_owned(),
        "root_owner=0:0".to_owned(),
        format!("lazy_itable_init={}", u8::from(has("metadata_csum") || has("uninit_bg"))),
        "lazy_journal_init=0".to_owned(),
    ];
    if has("resize_inode") {
        extended.extend(resize(geometry));
    }
    if has("sparse_super2") {
        extended.push(format!("num_backup_sb={}", geometry.backups));
    }
    if has("casefold") {
        extended.push("encoding=utf8".to_owned());
        if geometry.encoding_flags & STRICT != 0 {
            extended.push("encoding_flags=strict".to_owned());
        }
    }
    if has("quota") && !geometry.quotas.is_empty() {
        let name = |quota: &String| match quota.as_str() {
            "user" => "usrquota",
            "group" => "grpquota",
            _ => "prjquota",
        };
        let names: Vec<&str> = geometry.quotas.iter().map(name).collect();
        extended.push(format!("quotatype={}", names.join(":")));
    }
    if has("mmp") && (1..=300).contains(&geometry.mmp_seconds) {
        extended.push(format!("mmp_update_interval={}", geometry.mmp_seconds));
    }
    option("-E", extended.join(","));
    arguments
}

/// How far the filesystem can grow later: `mke2fs` keeps space for the descriptors of as many groups.
fn resize(geometry: &Geometry) -> Option<String> {
    let descriptor = if geometry.features.has("64bit") { 64 } else { 32 };
    let per_block = u64::from(geometry.block_bytes).checked_div(descriptor).unwrap_or(1);
    let per_group = u64::from(geometry.blocks_per_group).max(1);
    let groups = geometry.blocks.div_ceil(per_group);
    let reserved = u64::from(geometry.reserved_descriptor_blocks);
    let blocks = groups.div_ceil(per_block).saturating_add(reserved).saturating_mul(per_block);
    let most = blocks.saturating_mul(per_group);
    (reserved > 0 && most > geometry.blocks && most <= u64::from(u32::MAX)).then(|| format!("resize={most}"))
}

/// The first feature that `mke2fs` does not know, by asking it for each alone. Nothing is written.
fn unknown_feature(program: &Path, settings: &Path, geometry: &Geometry) -> Option<String> {
    let is_unknown = |feature: &&str| {
        let asked = command(program, settings)
            .args(["-n", "-q", "-F", "-O", &format!("none,{feature}"), "/dev/null", "1024"])
            .output();
        asked.is_ok_and(|output| said(&output).contains("Invalid filesystem option set"))
    };
    features(geometry).into_iter().find(is_unknown).map(str::to_owned)
}

/// What a program said of why it failed, made safe to show.
fn said(output: &Output) -> String {
    let error = output.stderr.trim_ascii();
    let text = if error.is_empty() { output.stdout.trim_ascii() } else { error };
    let line = text.split(|byte| *byte == b'\n').next_back().unwrap_or_default();
    match line {
        [] => format!("it ended with {}", output.status),
        line => Printable(line).to_string(),
    }
}
