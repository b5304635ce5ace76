//! `[[source]]` and `[defaults]`: what is backed up, and how.

use std::num::NonZeroU16;

use crate::archive::{Algorithm, Compression, Raw};
use crate::config::section::{Key, Section};
use crate::config::value;
use crate::config::values::put;
use crate::config::{quantity, special};
use crate::device::Io;

const IO: [(&str, Io); 4] =
    [("auto", Io::Auto), ("pread", Io::Pread), ("direct", Io::Direct), ("mmap", Io::Mmap)];
const RAW: [(&str, Raw); 3] = [("auto", Raw::Auto), ("never", Raw::Never), ("always", Raw::Always)];

/// One source.
pub const SOURCE: Section = Section {
    name: "source",
    header: "[[source]]",
    overrides: Some(&DEFAULTS),
    keys: &[
        Key::new(
            "group",
            "name",
            "",
            "a volume group: all its volumes, as `include` and `exclude` pick them",
        )
        .sets(|v, raw| put(&mut v.group, special::group(raw).map(Some))),
        Key::new("include", "patterns", "all volumes", "volumes of the group, by name: `[\"volume-*\"]`")
            .sets(|v, raw| put(&mut v.include, special::volumes(raw))),
        Key::new("exclude", "patterns", "none", "volumes of the group that are left out, by name")
            .sets(|v, raw| put(&mut v.exclude, special::volumes(raw))),
        Key::new("volume", "`\"GROUP/VOLUME\"`", "", "one logical volume")
            .sets(|v, raw| put(&mut v.volume, special::volume(raw).map(Some))),
        Key::new("image", "path", "", "an image file, read as it is: nothing takes a snapshot of it")
            .sets(|v, raw| put(&mut v.image, value::path(raw).map(Some))),
        Key::new("device", "path", "", "a block device, read as it is: nothing takes a snapshot of it")
            .sets(|v, raw| put(&mut v.device, value::path(raw).map(Some))),
        Key::new(
            "retention",
            "table",
            "`[retention]`",
            "which archives of this source are kept, in place of `[retention]` as a whole",
        ),
    ],
};

/// What holds for each source that says nothing else.
pub const DEFAULTS: Section = Section {
    name: "defaults",
    header: "[defaults]",
    overrides: None,
    keys: &[
        Key::new(
            "exclude_files",
            "patterns",
            "none",
            "files that are left out, with the meaning that they have for tar's `--exclude`: `*.log`, `./proc`",
        ).sets(|v, raw| put(&mut v.options.archive.exclude, special::files(raw))),
        Key::new(
            "volumes",
            "numbers and names",
            "all",
            "volumes that are archived: partitions by number, others by name, `[1, \"vg/root\", \"md0\"]`; 0 is the whole device",
        ).sets(|v, raw| put(&mut v.options.archive.volumes, value::volumes(raw))),
        Key::new("partitions", "numbers and names", "all", "the older name of `volumes`").sets(|v, raw| put(&mut v.options.archive.volumes, value::volumes(raw))),
        Key::new("compression", "`zstd`, `gzip`, `none`", "`zstd`", "how archives are compressed").sets(|v, raw| put(&mut v.options.archive.compression, value::choice(raw, &Compression::ALL.map(|one| (one.name(), one))))),
        Key::new(
            "level",
            "number",
            "zstd 0, gzip 6",
            "how much: zstd 0 to 19, where 0 is nearly as small as 3 and faster; gzip 1 to 12",
        ).sets(|v, raw| put(&mut v.options.archive.level, special::level(raw).map(Some))),
        Key::new(
            "digest",
            "`sha1`, `sha256`, `blake3`",
            "`sha1`",
            "digest of the archive and of its manifest, in the checksum file",
        ).sets(|v, raw| put(&mut v.options.archive.digest, value::choice(raw, &Algorithm::ALL.map(|one| (one.name(), one))))),
        Key::new(
            "file_digest",
            "`sha1`, `sha256`, `blake3`",
            "`blake3`",
            "digest of each file, in the manifest; `blake3` takes the least time",
        ).sets(|v, raw| put(&mut v.options.archive.file_digest, value::choice(raw, &Algorithm::ALL.map(|one| (one.name(), one))))),
        Key::new(
            "sparse",
            "boolean",
            "`true`",
            "files with holes are sparse files in the tar; `false` stores holes as zeros, for readers that \
             know no sparse files",
        ).sets(|v, raw| put(&mut v.options.archive.form.sparse, value::boolean(raw))),
        Key::new(
            "creation_time",
            "boolean",
            "`false`",
            "creation times go into the tar too, where GNU tar warns of each; the manifest has them always",
        ).sets(|v, raw| put(&mut v.options.archive.form.creation_time, value::boolean(raw))),
        Key::new(
            "fflags",
            "boolean",
            "`false`",
            "inode flags go into the tar too, where GNU tar warns of each; the manifest has them always",
        ).sets(|v, raw| put(&mut v.options.archive.form.flags, value::boolean(raw))),
        Key::new(
            "embed_manifest",
            "boolean",
            "`false`",
            "the manifest goes into the archive too, as its last member: an archive that travels alone is \
             restored and verified by it",
        ).sets(|v, raw| put(&mut v.options.archive.embed_manifest, value::boolean(raw))),
        Key::new(
            "raw",
            "`auto`, `never`, `always`",
            "`auto`",
            "partitions that go in as raw images: those that can't be read as files; none (an issue each); all",
        ).sets(|v, raw| put(&mut v.options.archive.raw, value::choice(raw, &RAW))),
        Key::new(
            "threads",
            "number",
            "all cores",
            "threads that read and compress; the archive is the same for any number",
        ).sets(|v, raw| put(&mut v.options.archive.threads, value::number(1..=u16::MAX)(raw).map(NonZeroU16::new))),
        Key::new("strict", "boolean", "`false`", "nothing is published unless all of the source could be read").sets(|v, raw| put(&mut v.options.archive.strict, value::boolean(raw))),
        Key::new(
            "keep_going",
            "boolean",
            "`false`",
            "zeros where the device can't be read, and an issue for each place, instead of giving up",
        ).sets(|v, raw| put(&mut v.options.archive.keep_going, value::boolean(raw))),
        Key::new(
            "max_output",
            "size",
            "8 times the device and 64 MiB",
            "longest tar stream: what keeps a hostile disk from filling the destination",
        ).sets(|v, raw| put(&mut v.options.archive.max_output, value::parsed(raw, quantity::bytes).map(Some))),
        Key::new(
            "io",
            "`auto`, `pread`, `direct`, `mmap`",
            "`auto`",
            "how the bytes are read: `auto` is past the page cache where a block device takes that",
        ).sets(|v, raw| put(&mut v.options.archive.reading.io, value::choice(raw, &IO))),
        Key::new(
            "journal",
            "path",
            "in the filesystem",
            "device with the journal of an ext filesystem that has it apart, for image and device alone: a snapshot does not hold it still",
        ).sets(|v, raw| put(&mut v.options.archive.reading.journal, value::path(raw).map(Some))).of_devices(),
        Key::new(
            "format",
            "`raw`, `qcow2`, `vmdk`, `vhd`, `vhdx`, `vdi`",
            "by a file's name and first bytes; `raw` on block devices",
            "format of the image",
        ).sets(|v, raw| put(&mut v.options.archive.reading.image.format, value::format(raw).map(Some))),
        Key::new("image_snapshot", "name", "the current state", "snapshot inside of an image that is read, for image and device alone").sets(|v, raw| put(&mut v.options.archive.reading.image.snapshot, value::text(raw).map(Some))).of_devices(),
        Key::new(
            "allow_below",
            "paths",
            "the image's own folder",
            "folders with files that an image may name, such as backing files, for image and device alone",
        ).sets(|v, raw| put(&mut v.options.archive.reading.image.allow_below, value::paths(raw))).of_devices(),
        Key::new(
            "with",
            "paths",
            "none",
            "further disks of the same guest, where volume groups or arrays lie on several, for image and device alone",
        ).sets(|v, raw| put(&mut v.options.archive.reading.with, value::paths(raw))).of_devices(),
        Key::new("key_files", "paths", "none", "files with keys or passphrases of encrypted volumes, one each").sets(|v, raw| put(&mut v.options.archive.reading.key_files, value::paths(raw))),
        Key::new(
            "sector_size",
            "number, a power of two from 512",
            "found by what its partitions hold",
            "bytes of the sectors that a partition table counts in, which it does not tell",
        ).sets(|v, raw| put(&mut v.options.archive.reading.sector_size, value::sector_size(raw).map(Some))),
        Key::new(
            "sandbox",
            "boolean",
            "`true`",
            "whether the process that parses a disk gives up its rights before; `false` for kernels without Landlock and seccomp",
        ).sets(|v, raw| put(&mut v.options.archive.reading.has_sandbox, value::boolean(raw))),
        Key::new(
            "snapshot_size",
            "`\"automatic\"`, percent of the origin, size",
            "`\"automatic\"`",
            "space for changes to the origin while its snapshot is there: `\"50%ORIGIN\"`, `\"10G\"`; `automatic` is as much as the \
             origin has, or what is free in the group; thin volumes need none",
        ).sets(|v, raw| put(&mut v.options.snapshot.size, value::parsed(raw, quantity::snapshot_size))).of_volumes(),
        Key::new(
            "extend_snapshot",
            "boolean",
            "`false`",
            "whether a snapshot that gets full is extended, as far as the group has space",
        ).sets(|v, raw| put(&mut v.options.snapshot.extend, value::boolean(raw))).of_volumes(),
        Key::new(
            "freeze",
            "command",
            "none",
            "runs before the snapshot is taken; when it fails the volume is not archived",
        ).sets(|v, raw| put(&mut v.options.snapshot.hooks.freeze, value::command(raw).map(Some))).of_volumes(),
        Key::new("thaw", "command", "none", "runs after that moment, whatever happened in between").sets(|v, raw| put(&mut v.options.snapshot.hooks.thaw, value::command(raw).map(Some))).of_volumes(),
        Key::new("hook_time_limit", "duration", "`\"1m\"`", "how long `freeze` and `thaw` may take each").sets(|v, raw| put(&mut v.options.snapshot.hooks.time_limit, value::parsed(raw, quantity::duration))).of_volumes(),
    ],
};
