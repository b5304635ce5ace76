//! The first record: what the archive is of, and how it was made.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use super::{FORMAT, Name};
use crate::error::{Error, Kind, Result};
use crate::filesystem::Summary;
use crate::filesystem::ext::Geometry;
use crate::partition::Scheme;

/// How an archive was made, and of what.
///
/// Lists that no reader asks for are not decoded: they would only take memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, bound(serialize = "V: Serialize", deserialize = "V: Volumes"))]
pub struct Head<V = Vec<Volume>> {
    pub(crate) record: Name,
    /// Version of the form.
    pub format: u32,
    /// The program that made it.
    pub tool: String,
    /// When, in seconds since 1970.
    pub started: u64,
    /// The device or image.
    pub source: Source,
    /// The volume that the source is a snapshot of, `GROUP/VOLUME`.
    pub snapshot_of: Option<String>,
    /// Name of the host that the source was read on.
    pub host: Option<String>,
    /// The disk's partition table.
    pub table: Option<Table>,
    /// Remarks on the disk.
    #[serde(skip_deserializing)]
    pub warnings: Vec<String>,
    /// The areas that follow; `None` in manifests that are older than those.
    pub areas: Option<Areas>,
    /// The volumes of the disk.
    #[serde(deserialize_with = "V::decode")]
    pub volumes: V,
    /// `zstd`, `gzip`, `none`.
    pub compression: String,
    /// The level of that.
    pub level: i32,
    /// Which digest the archive has: `sha1`.
    pub digest: String,
    /// Which digest its files have.
    pub file_digest: String,
    /// Patterns of files that were excluded.
    #[serde(skip_deserializing)]
    pub exclude: Vec<String>,
}

/// A head whose volumes are not decoded: for lists of archives, where other programs' manifests
/// have to do no harm.
pub type Brief = Head<Unread>;

/// What the volumes of a head are decoded to.
pub trait Volumes: Default {
    /// Decodes them.
    ///
    /// # Errors
    ///
    /// When there are too many, or one is not valid.
    fn decode<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error>;
}

impl Volumes for Vec<Volume> {
    fn decode<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        super::capped::volumes(from)
    }
}

/// Stands for a value that is not decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unread;

impl Volumes for Unread {
    fn decode<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        IgnoredAny::deserialize(from).map(|_| Self)
    }
}

/// The device or image that an archive is of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Source {
    /// Its path, made safe to show.
    pub path: String,
    /// Its length in bytes.
    pub len_bytes: u64,
    /// Bytes of its sectors, where it was a device.
    pub sector_bytes: Option<u32>,
}

/// A partition table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its format.
    #[serde(skip_deserializing)]
    pub scheme: Option<Scheme>,
    /// The disk's identifier.
    #[serde(default)]
    pub id: String,
    /// Bytes of the sectors that it counts in.
    pub sector_bytes: u32,
}

/// What areas belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AreasOf {
    /// A disk with its partition table.
    Disk,
    /// One volume: a partition, or a device without a table.
    Volume,
}

/// The areas that follow. If they are there, a disk can be made of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Areas {
    /// Whether they are those of a `disk` with its table, or of one `volume`.
    pub of: AreasOf,
    /// Number of records.
    pub records: u64,
    /// Bytes in all of them.
    pub len_bytes: u64,
}

/// A volume of the disk, and its name in the archive.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Volume {
    /// Number of the partition; 0 is the whole device. A layer's volume has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// Its folder or its image: `p2`, `.`, `p1.img`; `None` when it was left out.
    pub member: Option<String>,
    /// Where it lies on the source. A layer's volume is not in one piece there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_bytes: Option<u64>,
    /// Its length.
    #[serde(default)]
    pub len_bytes: u64,
    /// Its type, as the table has it.
    #[serde(default, rename = "type")]
    pub type_id: Option<String>,
    /// Its name in the table.
    #[serde(default)]
    pub name: Option<String>,
    /// Its identifier in the table.
    #[serde(default)]
    pub uuid: Option<String>,
    /// What it holds: `ext4`, `swap`, `nothing`.
    #[serde(default)]
    pub holds: String,
    /// Label of what it holds.
    #[serde(default)]
    pub label: Option<String>,
    /// Identifier of what it holds.
    #[serde(default)]
    pub volume_uuid: Option<String>,
    /// The filesystem whose files were read.
    #[serde(default)]
    pub filesystem: Option<Filesystem>,
    /// Name of a layer's volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// How its layer made it: `linear`, `raid1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// The UUID that its layer gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer_uuid: Option<String>,
    /// Names of the volumes that it lies on.
    #[serde(skip_serializing_if = "Vec::is_empty", skip_deserializing)]
    pub on: Vec<String>,
}

/// A filesystem whose files were read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filesystem {
    /// `ext4`, `xfs`.
    pub name: String,
    /// Its UUID.
    pub uuid: Option<String>,
    /// Its label, made safe to show.
    pub label: String,
    /// Its length.
    pub size_bytes: u64,
    /// Bytes that were in use in it.
    pub used_bytes: u64,
    /// Bytes that were free in it.
    pub free_bytes: u64,
    /// Bytes of a block.
    pub block_bytes: u32,
    /// Inodes in use.
    pub used_inodes: u64,
    /// Names of its features.
    #[serde(skip_deserializing)]
    pub features: Vec<String>,
    /// Remarks on it.
    #[serde(skip_deserializing)]
    pub warnings: Vec<String>,
    /// What it takes to make it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub geometry: Option<Geometry>,
}

impl<V> Head<V> {
    /// Refuses a form that is newer than this program.
    pub(crate) fn known(self) -> Result<Self> {
        if self.format <= FORMAT {
            return Ok(self);
        }
        let message = format!("has the form {}, and {FORMAT} is the newest that is known here", self.format);
        Err(Error::new(Kind::Unsupported, message))
    }
}

impl Volume {
    /// The settings that its filesystem is made again with.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsupported`] where the archive does not have them.
    pub fn geometry(&self) -> Result<&Geometry> {
        self.filesystem.as_ref().and_then(|filesystem| filesystem.geometry.as_ref()).ok_or_else(|| {
            let message = match self.holds.as_str() {
                "xfs" => {
                    "an XFS can't be made anew yet. Its files can be had with `voltar extract`; an \
                     archive that is made with `voltar archive --raw always` (configuration: \
                     raw = \"always\") can be restored byte for byte"
                }
                _ => {
                    "the manifest does not say how its filesystem was made: this archive is of an older \
                     version, or its superblock made no sense. Files can be had with `voltar \
                     extract`, or with any tar"
                }
            };
            Error::new(Kind::Unsupported, message)
        })
    }
}

impl From<&Summary> for Filesystem {
    fn from(summary: &Summary) -> Self {
        Self {
            name: summary.name.to_owned(),
            uuid: summary.uuid.as_ref().map(Uuid::to_string),
            label: summary.label.clone(),
            size_bytes: summary.size_bytes,
            used_bytes: summary.used_bytes,
            free_bytes: summary.free_bytes,
            block_bytes: summary.block_bytes,
            used_inodes: summary.used_inodes,
            features: summary.features.clone(),
            warnings: summary.warnings.clone(),
            geometry: summary.geometry.clone().and_then(|settings| serde_json::from_value(settings).ok()),
        }
    }
}
