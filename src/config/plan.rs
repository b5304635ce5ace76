//! The plan: what a configuration comes to, with every default in its place.

use std::path::PathBuf;
use std::time::Duration;

use crate::archive::Options;
use crate::retention::Retention;
use crate::snapshot::{Size, VolumeName};
use crate::store::Destination;
use crate::store::choice::Choice;
use crate::store::names::folder_of;
use crate::tree::Pattern;

/// All that one run does.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is backed up, in order.
    pub sources: Vec<Source>,
    /// Where to.
    pub destination: Destination,
    /// How LVM's commands are run: `lvm`, or `sudo -n lvm`; never by a shell.
    pub lvm_command: Vec<String>,
    /// What is told to whom.
    pub report: Report,
    /// The archives to verify when all volumes have had their turn.
    pub verify: Option<Choice>,
}

/// One line of the configuration's list of sources: one thing, or all volumes of a group that match.
#[derive(Clone, Debug)]
pub struct Source {
    /// What it names.
    pub what: What,
    /// How each of it is archived.
    pub options: VolumeOptions,
    /// What is kept of it.
    pub retention: Retention,
}

/// What a source names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The volumes of a group whose names match a pattern of `include` (all, where there is none) and none of `exclude`.
    Group {
        /// The volume group.
        group: String,
        /// Patterns as for files' names: `volume-*`.
        include: Vec<String>,
        /// The same.
        exclude: Vec<String>,
    },
    /// One volume.
    Volume(VolumeName),
    /// An image file or a block device, read as it is: nothing takes a snapshot of it.
    Device(PathBuf),
}

impl What {
    /// Whether it names this volume: by itself, or as one of its group.
    #[must_use]
    pub fn picks(&self, name: &VolumeName) -> bool {
        let is_one_of = |patterns: &[String]| {
            patterns.iter().any(|pattern| Pattern::new(pattern.as_bytes()).matches(name.volume.as_bytes()))
        };
        match self {
            Self::Group { group, include, exclude } => {
                let is_included = include.is_empty() || is_one_of(include);
                *group == name.group && is_included && !is_one_of(exclude)
            }
            Self::Volume(named) => named == name,
            Self::Device(_) => false,
        }
    }
}

impl Plan {
    /// The folder of a volume's archives, within the destination: named as the volume, and as its group and volume where a
    /// source of another group, or of an image, may have one of that name.
    ///
    /// The plan alone decides: what can be listed tonight must not change where archives go, and which expire there.
    #[must_use]
    pub fn folder_of(&self, name: &VolumeName) -> String {
        let folder = folder_of(&name.to_string());
        let may_be_anothers = self.sources.iter().any(|source| match &source.what {
            What::Device(path) => folder_of(&path.to_string_lossy()) == folder,
            What::Group { group, .. } | What::Volume(VolumeName { group, .. }) => {
                let namesake = VolumeName { group: group.clone(), volume: name.volume.clone() };
                namesake != *name && source.what.picks(&namesake)
            }
        });
        if may_be_anothers { folder_of(&format!("{}-{}", name.group, name.volume)) } else { folder }
    }
}

/// How a volume is archived.
#[derive(Clone, Debug, Default)]
pub struct VolumeOptions {
    /// The options of the archive.
    pub archive: Options,
    /// The options of the snapshot.
    pub snapshot: SnapshotOptions,
}

/// How a snapshot is taken.
#[derive(Clone, Debug, Default)]
pub struct SnapshotOptions {
    /// The snapshot's space.
    pub size: Size,
    /// Whether a snapshot that gets full is extended.
    pub extend: bool,
    /// The commands around it.
    pub hooks: Hooks,
}

/// Commands around the moment of the snapshot; vectors of arguments, run without a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hooks {
    /// Before it.
    pub freeze: Option<Vec<String>>,
    /// After it, whatever happened in between.
    pub thaw: Option<Vec<String>>,
    /// How long each may take.
    pub time_limit: Duration,
}

impl Default for Hooks {
    /// No commands. A healthy guest needs less time than the limit to freeze its filesystems.
    fn default() -> Self {
        Self { freeze: None, thaw: None, time_limit: Duration::from_secs(60) }
    }
}

/// What is told to whom.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// A file for the report as JSON.
    pub json: Option<PathBuf>,
    /// A file for the report as a page.
    pub html: Option<PathBuf>,
    /// A file for node_exporter's textfile collector.
    pub metrics: Option<PathBuf>,
    /// Mail.
    pub mail: Option<Mail>,
}

/// Mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mail {
    /// Who it is from.
    pub from: String,
    /// Who gets it.
    pub to: Vec<String>,
    /// Whether nights without trouble are told as well.
    pub when: MailWhen,
    /// How it gets there.
    pub transport: Transport,
}

/// When mail is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MailWhen {
    /// After each run.
    #[default]
    Always,
    /// When something failed or was incomplete.
    Trouble,
}

/// How mail gets there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// The sendmail program of this host.
    Sendmail {
        /// Where it is.
        program: PathBuf,
    },
    /// A server.
    Smtp {
        /// Its name.
        host: String,
        /// Its port.
        port: u16,
        /// How the connection is kept secret.
        security: Security,
        /// Who logs in: user, and a file that has the password and nothing else.
        login: Option<(String, PathBuf)>,
        /// A file of certificates in PEM that the server's may be signed with, besides those that this host trusts.
        ca_file: Option<PathBuf>,
    },
}

impl Default for Transport {
    fn default() -> Self {
        Self::Sendmail { program: "/usr/sbin/sendmail".into() }
    }
}

/// How a connection to a mail server is kept secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// Begun in the clear, then STARTTLS; refused where the server has none.
    #[default]
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// Not at all: for this host's own server.
    None,
}
