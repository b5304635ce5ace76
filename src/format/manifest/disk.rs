//! What the head tells of the disk, and the areas that follow it.

use serde::Deserialize;

use crate::error::{Error, Kind, Result};
use crate::filesystem::ext::Geometry;

/// What an archive is of.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct SourceRecord {
    /// Length of the device or image in bytes.
    #[serde(default)]
    pub len_bytes: u64,
    /// Bytes of its sectors, where it was a device.
    #[serde(default)]
    pub sector_bytes: Option<u32>,
}

/// A partition table.
#[derive(Clone, Debug, Deserialize)]
pub struct TableRecord {
    /// Bytes of the sectors that it counts in.
    pub sector_bytes: u32,
}

/// What areas are those of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AreasOf {
    /// A disk with its partition table.
    Disk,
    /// One volume: a partition, or a device without a table.
    Volume,
}

/// The areas that follow.
#[derive(Clone, Debug, Deserialize)]
pub struct AreasRecord {
    /// Whether they are those of a `disk` with its table, or of one `volume`.
    pub of: AreasOf,
    /// Number of records.
    pub records: u64,
    /// Bytes in all of them.
    pub len_bytes: u64,
}

/// Bytes of the disk that are in no file: of its table, of boot loaders, of headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    /// Position on the source.
    pub start_bytes: u64,
    /// What lies there.
    pub data: Vec<u8>,
}

/// A volume of the disk, and what the archive calls it.
#[derive(Clone, Debug, Deserialize)]
pub struct VolumeRecord {
    /// Number of the partition; 0 is the whole device.
    pub number: u32,
    /// What it became: `p2`, `.`, `p1.img`; `None` when it was left out.
    pub member: Option<String>,
    /// Its type, as the table has it.
    #[serde(default, rename = "type")]
    pub type_id: Option<String>,
    /// Label of what it holds.
    #[serde(default)]
    pub label: Option<String>,
    /// What it holds.
    #[serde(default)]
    pub holds: String,
    /// Where it lies on the source.
    #[serde(default)]
    pub start_bytes: u64,
    /// Its length.
    #[serde(default)]
    pub len_bytes: u64,
    /// The filesystem whose files were read.
    #[serde(default)]
    pub filesystem: Option<FilesystemRecord>,
}

impl VolumeRecord {
    /// What it takes to make the volume's filesystem again.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsupported`] where the archive does not say it.
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

/// A filesystem whose files were read.
#[derive(Clone, Debug, Deserialize)]
pub struct FilesystemRecord {
    /// Bytes that were in use in it.
    #[serde(default)]
    pub used_bytes: u64,
    /// What it takes to make it again.
    #[serde(default)]
    pub geometry: Option<Geometry>,
}
