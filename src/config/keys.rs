//! All keys that a configuration may have: what the reader knows, what it suggests, and what `docs/configuration.md` explains.

/// A table of the configuration.
#[derive(Debug)]
pub struct Section {
    /// Its name with those of the tables that it is in: `report.mail`; empty for the top of the file.
    pub name: &'static str,
    /// How its header is written: `[report.mail]`; empty for the top of the file.
    pub header: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
    /// The table whose keys may be here too, to be asked first.
    pub overrides: Option<&'static Section>,
}

/// A key of a table.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it takes, in words.
    pub takes: &'static str,
    /// What is so where it is not there.
    pub default: &'static str,
    /// What it means, for `docs/configuration.md`.
    pub meaning: &'static str,
}

impl Section {
    /// All keys that may be in this table.
    pub fn all(&self) -> impl Iterator<Item = &'static Key> {
        self.keys.iter().chain(self.overrides.map(|section| section.keys).unwrap_or_default())
    }

    /// The name of a key in messages: `report.mail.to`.
    #[must_use]
    pub fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    /// Where its keys are, in messages: `in [report.mail]`.
    #[must_use]
    pub fn place(&self) -> String {
        if self.header.is_empty() {
            "at the top of the file".to_owned()
        } else {
            format!("in {}", self.header)
        }
    }

    /// The last part of its name: what the table that it is in calls it.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or(self.name)
    }
}

const fn key(name: &'static str, takes: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key { name, takes, default, meaning }
}

/// All tables, in the order of the documentation.
pub const SECTIONS: [&Section; 10] =
    [&ROOT, &SOURCE, &DEFAULTS, &DESTINATION, &RETENTION, &SOURCE_RETENTION, &VERIFY, &REPORT, &MAIL, &SMTP];

/// The top of the file.
pub const ROOT: Section = Section {
    name: "",
    header: "",
    overrides: None,
    keys: &[
        key(
            "lvm_command",
            "command",
            "`[\"lvm\"]`",
            "what runs LVM's commands; `[\"sudo\", \"-n\", \"lvm\"]` where this program does not run as root",
        ),
        key("source", "tables", "required", "what is backed up: `[[source]]`, once for each"),
        key("defaults", "table", "", "what holds for each source that says nothing else: `[defaults]`"),
        key("destination", "table", "required", "where archives go: `[destination]`"),
        key("retention", "table", "all archives are kept", "which archives are kept: `[retention]`"),
        key("verify", "table", "none is verified", "which archives each run verifies: `[verify]`"),
        key("report", "table", "no report but the program's output", "what is told to whom: `[report]`"),
    ],
};

/// One source.
pub const SOURCE: Section = Section {
    name: "source",
    header: "[[source]]",
    overrides: Some(&DEFAULTS),
    keys: &[
        key("group", "name", "", "a volume group: all its volumes, as `include` and `exclude` pick them"),
        key("include", "patterns", "all volumes", "volumes of the group, by name: `[\"volume-*\"]`"),
        key("exclude", "patterns", "none", "volumes of the group that are left out, by name"),
        key("volume", "`\"GROUP/VOLUME\"`", "", "one logical volume"),
        key("image", "path", "", "an image file, read as it is: nothing takes a snapshot of it"),
        key("device", "path", "", "a block device, read as it is: nothing takes a snapshot of it"),
        key(
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
        key(
            "exclude_files",
            "patterns",
            "none",
            "files that are left out, with the meaning that they have for tar's `--exclude`: `*.log`, `./proc`",
        ),
        key("partitions", "numbers", "all", "partitions that are archived; 0 is the whole device"),
        key("compression", "`zstd`, `gzip`, `none`", "`zstd`", "how archives are compressed"),
        key(
            "level",
            "number",
            "zstd 0, gzip 6",
            "how much: zstd 0 to 19, where 0 is nearly as small as 3 and faster; gzip 1 to 12",
        ),
        key(
            "digest",
            "`sha1`, `sha256`, `blake3`",
            "`sha1`",
            "digest of the archive and of its manifest, in the checksum file",
        ),
        key(
            "file_digest",
            "`sha1`, `sha256`, `blake3`",
            "`blake3`",
            "digest of each file, in the manifest; `blake3` takes the least time",
        ),
        key(
            "sparse",
            "boolean",
            "`true`",
            "files with holes are sparse files in the tar; `false` stores holes as zeros, for readers that \
             know no sparse files",
        ),
        key(
            "creation_time",
            "boolean",
            "`false`",
            "creation times go into the tar too, where GNU tar warns of each; the manifest has them always",
        ),
        key(
            "fflags",
            "boolean",
            "`false`",
            "inode flags go into the tar too, where GNU tar warns of each; the manifest has them always",
        ),
        key(
            "embed_manifest",
            "boolean",
            "`false`",
            "the manifest goes into the archive too, as its last member: an archive that travels alone is \
             restored and verified by it",
        ),
        key(
            "raw",
            "`auto`, `never`, `always`",
            "`auto`",
            "partitions that go in as raw images: those that can't be read as files; none (an issue each); all",
        ),
        key(
            "threads",
            "number",
            "all cores",
            "threads that read and compress; the archive is the same for any number",
        ),
        key("strict", "boolean", "`false`", "nothing is published unless all of the source could be read"),
        key(
            "keep_going",
            "boolean",
            "`false`",
            "zeros where the device can't be read, and an issue for each place, instead of giving up",
        ),
        key(
            "max_output",
            "size",
            "8 times the device and 64 MiB",
            "longest tar stream: what keeps a hostile disk from filling the destination",
        ),
        key(
            "io",
            "`auto`, `pread`, `direct`, `mmap`",
            "`auto`",
            "how the bytes are read: `auto` is past the page cache where a block device takes that",
        ),
        key(
            "journal",
            "path",
            "in the filesystem",
            "device with the journal of an ext filesystem that has it apart, for image and device alone: a snapshot does not hold it still",
        ),
        key(
            "sector_size",
            "number, a power of two from 512",
            "found by what its partitions hold",
            "bytes of the sectors that a partition table counts in, which it does not tell",
        ),
        key(
            "sandbox",
            "boolean",
            "`true`",
            "whether the process that parses a disk gives up its rights before; `false` for kernels without Landlock and seccomp",
        ),
        key(
            "snapshot_size",
            "`\"automatic\"`, percent of the origin, size",
            "`\"automatic\"`",
            "space for changes to the origin while its snapshot is there: `\"50%ORIGIN\"`, `\"10G\"`; `automatic` is as much as the \
             origin has, or what is free in the group; thin volumes need none",
        ),
        key(
            "extend_snapshot",
            "boolean",
            "`false`",
            "whether a snapshot that gets full is extended, as far as the group has space",
        ),
        key(
            "freeze",
            "command",
            "none",
            "runs before the snapshot is taken; when it fails the volume is not archived",
        ),
        key("thaw", "command", "none", "runs after that moment, whatever happened in between"),
        key("hook_time_limit", "duration", "`\"1m\"`", "how long `freeze` and `thaw` may take each"),
    ],
};

/// Where archives go.
pub const DESTINATION: Section = Section {
    name: "destination",
    header: "[destination]",
    overrides: None,
    keys: &[
        key("folder", "path", "required", "the folder; each volume has one of its own in it"),
        key("require_mount", "boolean", "`false`", "refuses to run when nothing is mounted at `folder`"),
        key(
            "minimum_free",
            "percent, size",
            "none",
            "what must be free there before a run and before each volume: `\"10%\"`, `\"50G\"`",
        ),
    ],
};

const RULES: &[Key] = &[
    key("keep_days", "number", "", "archives that are at most this many days old"),
    key("keep_last", "number", "", "this many of the latest archives"),
    key("keep_daily", "number", "", "the latest archive of each of this many days that have one"),
    key("keep_weekly", "number", "", "the same for weeks, which begin on Monday"),
    key("keep_monthly", "number", "", "the same for months"),
    key("keep_yearly", "number", "", "the same for years"),
];

/// Which archives are kept.
pub const RETENTION: Section =
    Section { name: "retention", header: "[retention]", overrides: None, keys: RULES };

/// The same, of one source.
pub const SOURCE_RETENTION: Section =
    Section { name: "source.retention", header: "[source.retention]", overrides: None, keys: RULES };

/// The archives to verify.
pub const VERIFY: Section = Section {
    name: "verify",
    header: "[verify]",
    overrides: None,
    keys: &[
        key("newest", "boolean", "`false`", "the newest archive of each volume"),
        key(
            "sample",
            "percent",
            "none",
            "a share of all archives, another one each day: `\"10%\"` has all of them within ten days",
        ),
    ],
};

/// What is told to whom.
pub const REPORT: Section = Section {
    name: "report",
    header: "[report]",
    overrides: None,
    keys: &[
        key("json", "path", "none", "a file for the report as JSON, written anew by each run"),
        key("html", "path", "none", "a file for the report as a page that needs no other file"),
        key("metrics", "path", "none", "a file, `….prom`, for the textfile collector of node_exporter"),
        key("mail", "table", "no mail", "`[report.mail]`"),
    ],
};

/// Mail.
pub const MAIL: Section = Section {
    name: "report.mail",
    header: "[report.mail]",
    overrides: None,
    keys: &[
        key("from", "address", "required", "who the mail is from"),
        key("to", "addresses", "required", "who gets it: an array"),
        key(
            "when",
            "`always`, `trouble`",
            "`always`",
            "after each run, or when something failed or was incomplete",
        ),
        key(
            "sendmail",
            "path",
            "`/usr/sbin/sendmail`",
            "the program that takes mail on this host; not together with `[report.mail.smtp]`",
        ),
        key("smtp", "table", "sendmail", "`[report.mail.smtp]`"),
    ],
};

/// A mail server.
pub const SMTP: Section = Section {
    name: "report.mail.smtp",
    header: "[report.mail.smtp]",
    overrides: None,
    keys: &[
        key("host", "name", "required", "the mail server's name or address"),
        key("port", "number", "starttls 587, tls 465, none 25", "its port"),
        key(
            "security",
            "`starttls`, `tls`, `none`",
            "`starttls`",
            "how the connection is kept secret; a login needs one of the first two",
        ),
        key("user", "text", "no login", "who logs in"),
        key(
            "password_file",
            "path",
            "no login",
            "a file with the password and nothing else, which nobody else can read (mode 0600)",
        ),
        key(
            "ca_file",
            "path",
            "this host's authorities",
            "a PEM file with the authority that the server's certificate is from",
        ),
    ],
};
