//! How volumes are archived: `[defaults]`, and what a `[[source]]` says instead.

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use crate::archive::{Algorithm, Compression, Raw};
use crate::config::fault::Remarks;
use crate::config::plan::VolumeOptions;
use crate::config::table::{Given, Table};
use crate::config::{pattern, quantity, value};
use crate::device::Io;
use crate::snapshot::Size;

const DIGESTS: [(&str, Algorithm); 3] =
    [("sha1", Algorithm::Sha1), ("sha256", Algorithm::Sha256), ("blake3", Algorithm::Blake3)];
const IO: [(&str, Io); 4] =
    [("auto", Io::Auto), ("pread", Io::Pread), ("direct", Io::Direct), ("mmap", Io::Mmap)];
const RAW: [(&str, Raw); 3] = [("auto", Raw::Auto), ("never", Raw::Never), ("always", Raw::Always)];

/// What one table says; a key that is not there is `None`.
#[derive(Clone, Debug, Default)]
pub(super) struct Wishes {
    exclude_files: Option<Given<Vec<String>>>,
    partitions: Option<Given<Vec<u32>>>,
    compression: Option<Given<Compression>>,
    level: Option<Given<u32>>,
    digest: Option<Given<Algorithm>>,
    file_digest: Option<Given<Algorithm>>,
    sparse: Option<Given<bool>>,
    creation_time: Option<Given<bool>>,
    fflags: Option<Given<bool>>,
    embed_manifest: Option<Given<bool>>,
    raw: Option<Given<Raw>>,
    threads: Option<Given<u16>>,
    strict: Option<Given<bool>>,
    keep_going: Option<Given<bool>>,
    max_output: Option<Given<u64>>,
    io: Option<Given<Io>>,
    journal: Option<Given<PathBuf>>,
    sector_size: Option<Given<u32>>,
    sandbox: Option<Given<bool>>,
    snapshot_size: Option<Given<Size>>,
    extend_snapshot: Option<Given<bool>>,
    freeze: Option<Given<Vec<String>>>,
    thaw: Option<Given<Vec<String>>>,
    hook_time_limit: Option<Given<Duration>>,
    /// The name of `level` where it was given, for messages.
    level_path: String,
}

/// Keys that are about the moment of a snapshot.
pub(super) const OF_SNAPSHOTS: [&str; 5] =
    ["snapshot_size", "extend_snapshot", "freeze", "thaw", "hook_time_limit"];

/// Keys that are about a source that no snapshot is taken of.
pub(super) const OF_DEVICES: [&str; 1] = ["journal"];

impl Wishes {
    pub(super) fn read(table: &Table<'_, '_>, remarks: &mut Remarks) -> Self {
        let compressions = Compression::ALL.map(|compression| (compression.name(), compression));
        Self {
            exclude_files: table.get("exclude_files", remarks, |raw| {
                patterns(raw, "[\"*.log\", \"lost+found\"]", pattern::files)
            }),
            partitions: table.get("partitions", remarks, value::partitions),
            compression: table.get("compression", remarks, |raw| value::choice(raw, &compressions)),
            level: table.get("level", remarks, level),
            digest: table.get("digest", remarks, |raw| value::choice(raw, &DIGESTS)),
            file_digest: table.get("file_digest", remarks, |raw| value::choice(raw, &DIGESTS)),
            sparse: table.get("sparse", remarks, value::boolean),
            creation_time: table.get("creation_time", remarks, value::boolean),
            fflags: table.get("fflags", remarks, value::boolean),
            embed_manifest: table.get("embed_manifest", remarks, value::boolean),
            raw: table.get("raw", remarks, |raw| value::choice(raw, &RAW)),
            threads: table.get("threads", remarks, value::number(1..=u16::MAX)),
            strict: table.get("strict", remarks, value::boolean),
            keep_going: table.get("keep_going", remarks, value::boolean),
            max_output: table.get("max_output", remarks, |raw| value::parsed(raw, quantity::bytes)),
            io: table.get("io", remarks, |raw| value::choice(raw, &IO)),
            journal: table.get("journal", remarks, value::path),
            sector_size: table.get("sector_size", remarks, value::sector_size),
            sandbox: table.get("sandbox", remarks, value::boolean),
            snapshot_size: table
                .get("snapshot_size", remarks, |raw| value::parsed(raw, quantity::snapshot_size)),
            extend_snapshot: table.get("extend_snapshot", remarks, value::boolean),
            freeze: table.get("freeze", remarks, value::command),
            thaw: table.get("thaw", remarks, value::command),
            hook_time_limit: table
                .get("hook_time_limit", remarks, |raw| value::parsed(raw, quantity::duration)),
            level_path: table.path("level"),
        }
    }

    /// These, and `defaults` for what they don't say.
    pub(super) fn over(self, defaults: &Self) -> Self {
        // A level means something for its own compression alone.
        let inherits_level = self.level.is_none() && self.compression.is_none();
        let (level, level_path) = match inherits_level {
            true => (defaults.level.clone(), defaults.level_path.clone()),
            false => (self.level, self.level_path),
        };
        Self {
            exclude_files: self.exclude_files.or_else(|| defaults.exclude_files.clone()),
            partitions: self.partitions.or_else(|| defaults.partitions.clone()),
            compression: self.compression.or_else(|| defaults.compression.clone()),
            level,
            digest: self.digest.or_else(|| defaults.digest.clone()),
            file_digest: self.file_digest.or_else(|| defaults.file_digest.clone()),
            sparse: self.sparse.or_else(|| defaults.sparse.clone()),
            creation_time: self.creation_time.or_else(|| defaults.creation_time.clone()),
            fflags: self.fflags.or_else(|| defaults.fflags.clone()),
            embed_manifest: self.embed_manifest.or_else(|| defaults.embed_manifest.clone()),
            raw: self.raw.or_else(|| defaults.raw.clone()),
            threads: self.threads.or_else(|| defaults.threads.clone()),
            strict: self.strict.or_else(|| defaults.strict.clone()),
            keep_going: self.keep_going.or_else(|| defaults.keep_going.clone()),
            max_output: self.max_output.or_else(|| defaults.max_output.clone()),
            io: self.io.or_else(|| defaults.io.clone()),
            journal: self.journal.or_else(|| defaults.journal.clone()),
            sector_size: self.sector_size.or_else(|| defaults.sector_size.clone()),
            sandbox: self.sandbox.or_else(|| defaults.sandbox.clone()),
            snapshot_size: self.snapshot_size.or_else(|| defaults.snapshot_size.clone()),
            extend_snapshot: self.extend_snapshot.or_else(|| defaults.extend_snapshot.clone()),
            freeze: self.freeze.or_else(|| defaults.freeze.clone()),
            thaw: self.thaw.or_else(|| defaults.thaw.clone()),
            hook_time_limit: self.hook_time_limit.or_else(|| defaults.hook_time_limit.clone()),
            level_path,
        }
    }

    /// Tells a level that the compression has not.
    pub(super) fn check_level(&self, remarks: &mut Remarks) {
        let Some(level) = &self.level else { return };
        let compression = self.compression.as_ref().map(|given| given.value).unwrap_or_default();
        let (name, path) = (compression.name(), &self.level_path);
        let text = match compression.levels() {
            None => format!("{path}: compression \"{name}\" has no levels: leave the key out"),
            Some((least, most)) => {
                if i32::try_from(level.value).is_ok_and(|level| (least..=most).contains(&level)) {
                    return;
                }
                format!("{path}: {name} has levels {least} to {most}, not {}", level.value)
            }
        };
        remarks.fault(level.place(), text);
    }

    /// The options that these come to.
    pub(super) fn options(self) -> VolumeOptions {
        fn set<T>(option: &mut T, given: Option<Given<T>>) {
            if let Some(given) = given {
                *option = given.value;
            }
        }
        let mut options = VolumeOptions::default();
        let VolumeOptions { archive, snapshot } = &mut options;
        if let Some(given) = self.exclude_files {
            archive.exclude = given.value.into_iter().map(Into::into).collect();
        }
        archive.level = self.level.and_then(|given| i32::try_from(given.value).ok());
        archive.threads = self.threads.and_then(|given| NonZeroU16::new(given.value));
        archive.max_output = self.max_output.map(|given| given.value);
        archive.reading.journal = self.journal.map(|given| given.value);
        archive.reading.sector_size = self.sector_size.map(|given| given.value);
        snapshot.hooks.freeze = self.freeze.map(|given| given.value);
        snapshot.hooks.thaw = self.thaw.map(|given| given.value);
        set(&mut archive.partitions, self.partitions);
        set(&mut archive.compression, self.compression);
        set(&mut archive.digest, self.digest);
        set(&mut archive.file_digest, self.file_digest);
        set(&mut archive.form.sparse, self.sparse);
        set(&mut archive.form.creation_time, self.creation_time);
        set(&mut archive.form.flags, self.fflags);
        set(&mut archive.embed_manifest, self.embed_manifest);
        set(&mut archive.raw, self.raw);
        set(&mut archive.strict, self.strict);
        set(&mut archive.keep_going, self.keep_going);
        set(&mut archive.reading.io, self.io);
        set(&mut archive.reading.has_sandbox, self.sandbox);
        set(&mut snapshot.size, self.snapshot_size);
        set(&mut snapshot.extend, self.extend_snapshot);
        set(&mut snapshot.hooks.time_limit, self.hook_time_limit);
        options
    }

    /// The same for what no snapshot is taken of: there is no moment to freeze anything around.
    pub(super) fn without_snapshot(self) -> Self {
        Self {
            snapshot_size: None,
            extend_snapshot: None,
            freeze: None,
            thaw: None,
            hook_time_limit: None,
            ..self
        }
    }

    /// The same for what a snapshot is taken of: a journal apart is no part of it, and goes on.
    pub(super) fn with_snapshot(self) -> Self {
        Self { journal: None, ..self }
    }
}

/// A level of some compression; whether this one has it is seen when that is known.
fn level(raw: value::Raw<'_, '_>) -> value::Read<u32> {
    value::number(0..=u32::from(u8::MAX))(raw).map_err(|_| {
        let with_levels = Compression::ALL.iter().filter_map(|one| Some((one.name(), one.levels()?)));
        let all: Vec<String> =
            with_levels.map(|(name, (least, most))| format!("{name} {least} to {most}")).collect();
        let found = value::found(raw.get_ref());
        value::wrong(raw, format!("expected a number, {}, found {found}", all.join(", ")))
    })
}

/// An array of patterns, each of which `fault` has nothing against.
pub(super) fn patterns(
    raw: value::Raw<'_, '_>,
    example: &str,
    fault: impl Fn(&str) -> Option<String>,
) -> value::Read<Vec<String>> {
    value::each(raw, &format!("an array of patterns like {example}"), |element| {
        let Some(pattern) = element.get_ref().as_str() else {
            return Err(value::wrong(
                element,
                format!("expected a pattern in quotes, found {}", value::found(element.get_ref())),
            ));
        };
        match fault(pattern) {
            Some(text) => Err(value::wrong(element, text)),
            None => Ok(pattern.to_owned()),
        }
    })
}
