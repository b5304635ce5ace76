//! The identity of a volume: where it is on the disk. Names of volumes are made and parsed here alone.
//!
//! | volume | name |
//! |---|---|
//! | the whole disk | `p0`, in messages *the whole device* |
//! | partition 3 | `p3` |
//! | logical volume `root` of the group `my-vg` | `my--vg-root`, as the device mapper writes it |
//! | software RAID | `md0`, or `md_home` where the array has a name |
//! | the content of an encrypted partition 3 | `luks@p3` |
//! | partition 1 of the array `md0` | `p1@md0` |
//! | the second disk, and its partition 1 | `disk2`, `p1@disk2` |
//!
//! `@` and `~` are in no name that LVM allows, so no two volumes share a name. `~` and the start of
//! an identifier tell groups or arrays of the same name apart: `vg~WGVVOm-root`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Kind, Result};

/// Longest name of a group, a logical volume or an array: `NAME_LEN` of LVM2 is 128.
const NAME_MOST: usize = 127;

/// Containers in containers, at most.
pub const DEPTH_MOST: usize = 8;

/// Characters of an identifier that tell two things of the same name apart.
const SUFFIX_CHARACTERS: usize = 6;

/// Where a volume is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VolumeId {
    /// All of the disk.
    Whole,
    /// A partition of the disk, by its number.
    Partition(u32),
    /// A logical volume.
    Logical {
        /// Name of the volume group, with what tells it from others of the same name.
        group: String,
        /// Name in the group.
        name: String,
    },
    /// An array of software RAID: `md0`, `md_home`.
    Array(String),
    /// The content of an encrypted volume, which was opened with a key.
    Luks(Box<VolumeId>),
    /// A partition of something else than the disk.
    Inner {
        /// Its number.
        number: u32,
        /// What has the partition table.
        of: Box<VolumeId>,
    },
    /// A further disk of the same guest, from 2.
    Disk(u32),
}

impl VolumeId {
    /// A logical volume. `suffix` is the group's UUID where several groups have its name.
    ///
    /// # Errors
    ///
    /// [`Kind::Corrupt`] for names that LVM does not allow.
    pub fn logical(group: &str, name: &str, suffix: Option<&str>) -> Result<Self> {
        for text in [group, name] {
            if !is_name(text) {
                let message = format!("{text:?} is not a name of a volume or a group in LVM");
                return Err(Error::corrupt(message));
            }
        }
        Ok(Self::Logical { group: distinct(group.to_owned(), suffix), name: name.to_owned() })
    }

    /// An array, by the name in its superblock: `host:0`, `home`, or nothing. `suffix` is the
    /// array's UUID where several arrays have this name.
    #[must_use]
    pub fn array(set_name: &str, suffix: Option<&str>) -> Self {
        let name = set_name.rsplit_once(':').map_or(set_name, |(_, name)| name);
        let safe = |character: char| if is_allowed(character) && character != '-' { character } else { '_' };
        let name: String = name.chars().take(NAME_MOST).map(safe).collect();
        let name = match name.as_str() {
            "" => "md127".to_owned(),
            digits if digits.chars().all(|digit| digit.is_ascii_digit()) => format!("md{digits}"),
            name => format!("md_{name}"),
        };
        Self::Array(distinct(name, suffix))
    }

    /// A partition of the volume with this identity.
    #[must_use]
    pub fn partition(&self, number: u32) -> Self {
        match self {
            Self::Whole => Self::Partition(number),
            of => Self::Inner { number, of: Box::new(of.clone()) },
        }
    }

    /// What an encrypted volume with this identity holds.
    #[must_use]
    pub fn unlocked(&self) -> Self {
        Self::Luks(Box::new(self.clone()))
    }

    /// The number that manifests and JSON have: of partitions, and 0 for the whole disk.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        match self {
            Self::Whole => Some(0),
            Self::Partition(number) => Some(*number),
            _ => None,
        }
    }

    /// The name of its folder in an archive.
    #[must_use]
    pub fn folder(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }

    /// The name of its raw image in an archive.
    #[must_use]
    pub fn image(&self) -> Vec<u8> {
        format!("{self}.img").into_bytes()
    }

    /// What messages call it.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::Whole => "the whole device".to_owned(),
            Self::Partition(number) => format!("partition {number}"),
            other => format!("volume {other}"),
        }
    }

    /// Whether a name that a user gave means this volume. `vg/lv` is a second name of logical volumes.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        match self {
            Self::Logical { group, name: own } if name.split_once('/') == Some((group, own)) => true,
            Self::Whole | Self::Partition(_) if name.bytes().all(|byte| byte.is_ascii_digit()) => {
                name.parse() == Ok(self.number().unwrap_or_default())
            }
            _ => self.to_string() == name,
        }
    }
}

/// The characters that LVM allows (`validate_name`), which arrays keep to as well.
fn is_allowed(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '+' | '_' | '.' | '-')
}

fn is_name(text: &str) -> bool {
    (1..=NAME_MOST).contains(&text.len())
        && !text.starts_with('-')
        && !matches!(text, "." | "..")
        && text.chars().all(is_allowed)
}

fn distinct(name: String, suffix: Option<&str>) -> String {
    let Some(suffix) = suffix else { return name };
    let suffix = suffix.chars().filter(char::is_ascii_alphanumeric).take(SUFFIX_CHARACTERS);
    format!("{name}~{}", suffix.collect::<String>())
}

impl fmt::Display for VolumeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("p0"),
            Self::Partition(number) => write!(f, "p{number}"),
            Self::Logical { group, name } => {
                write!(f, "{}-{}", group.replace('-', "--"), name.replace('-', "--"))
            }
            Self::Array(name) => f.write_str(name),
            Self::Luks(of) if **of == Self::Whole => f.write_str("luks"),
            Self::Luks(of) => write!(f, "luks@{of}"),
            Self::Inner { number, of } => write!(f, "p{number}@{of}"),
            Self::Disk(number) => write!(f, "disk{number}"),
        }
    }
}

impl FromStr for VolumeId {
    type Err = Error;

    /// Parses a name, or a partition's number, or `group/name`.
    fn from_str(text: &str) -> Result<Self> {
        parse(text, DEPTH_MOST).ok_or_else(|| {
            let message = format!(
                "{text:?} is not the name of a volume: a number, p3, GROUP/NAME, GROUP-NAME, md0 and luks@p3 are"
            );
            Error::new(Kind::Usage, message)
        })
    }
}

fn parse(text: &str, depth: usize) -> Option<VolumeId> {
    let depth = depth.checked_sub(1)?;
    if let Some((inner, of)) = text.split_once('@') {
        let of = parse(of, depth)?;
        return match inner {
            "luks" => Some(of.unlocked()),
            _ => Some(of.partition(number(inner.strip_prefix('p')?)?)),
        };
    }
    if text == "luks" {
        return Some(VolumeId::Whole.unlocked());
    }
    let numbered = |prefix: &str| number(text.strip_prefix(prefix)?);
    if let Some(number) = numbered("").or_else(|| numbered("p")) {
        return Some(VolumeId::from(number));
    }
    if let Some(number) = numbered("disk").filter(|number| *number > 1) {
        return Some(VolumeId::Disk(number));
    }
    let (group, name) = match text.split_once('/') {
        Some((group, name)) => (group.to_owned(), name.to_owned()),
        None => match mapped(text) {
            Some(pair) => pair,
            None => {
                let (name, _) = text.split_once('~').unwrap_or((text, ""));
                let is_array = name.starts_with("md") && is_name(name) && is_suffixed(text);
                return is_array.then(|| VolumeId::Array(text.to_owned()));
            }
        },
    };
    let (plain, _) = group.split_once('~').unwrap_or((&group, ""));
    let is_logical = is_name(plain) && is_name(&name) && is_suffixed(&group);
    is_logical.then_some(VolumeId::Logical { group, name })
}

/// Whether what stands behind a `~`, if there is one, is the start of an identifier.
fn is_suffixed(text: &str) -> bool {
    text.split_once('~').is_none_or(|(_, suffix)| {
        (1..=SUFFIX_CHARACTERS).contains(&suffix.len())
            && suffix.chars().all(|character| character.is_ascii_alphanumeric())
    })
}

/// Decimal digits without a sign or a leading zero.
fn number(text: &str) -> Option<u32> {
    let is_plain = text == "0" || !text.starts_with('0');
    text.parse().ok().filter(|_| is_plain && text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Parts a device mapper's name at its only single hyphen; two hyphens stand for one.
fn mapped(text: &str) -> Option<(String, String)> {
    const DOUBLED: char = '\0';
    let marked = text.replace("--", "\0");
    let (group, name) = marked.split_once('-')?;
    let plain = |text: &str| text.replace(DOUBLED, "-");
    (!name.contains('-')).then(|| (plain(group), plain(name)))
}

impl From<u32> for VolumeId {
    /// A partition by its number, or the whole disk for 0.
    fn from(number: u32) -> Self {
        if number == 0 { Self::Whole } else { Self::Partition(number) }
    }
}

impl Serialize for VolumeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VolumeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logical(group: &str, name: &str) -> VolumeId {
        VolumeId::logical(group, name, None).unwrap()
    }

    #[test]
    fn each_volume_has_one_name_and_is_found_by_it() {
        let cases = [
            (VolumeId::Whole, "p0"),
            (VolumeId::Partition(3), "p3"),
            (logical("ubuntu-vg", "ubuntu-lv"), "ubuntu--vg-ubuntu--lv"),
            (logical("vg", "root-"), "vg-root--"),
            (logical("vg", "x--y"), "vg-x----y"),
            (logical("a+b.c_d", "e"), "a+b.c_d-e"),
            (VolumeId::logical("vg-a", "root", Some("WGVVOm-rPjE")).unwrap(), "vg--a~WGVVOm-root"),
            (VolumeId::array("host:0", None), "md0"),
            (VolumeId::array("host:n9", None), "md_n9"),
            (VolumeId::array("a/b-c", Some("99751a70:4d66")), "md_a_b_c~99751a"),
            (VolumeId::Partition(3).unlocked(), "luks@p3"),
            (VolumeId::Whole.unlocked(), "luks"),
            (VolumeId::Whole.unlocked().partition(1), "p1@luks"),
            (VolumeId::array("0", None).partition(2).unlocked(), "luks@p2@md0"),
            (logical("vg", "data").partition(1), "p1@vg-data"),
            (VolumeId::Disk(2), "disk2"),
            (VolumeId::Disk(2).partition(1), "p1@disk2"),
        ];
        for (id, name) in cases {
            assert_eq!(id.to_string(), name);
            assert_eq!(name.parse::<VolumeId>().unwrap(), id, "{name}");
            assert!(id.is_called(name), "{name}");
        }
    }

    #[test]
    fn numbers_and_the_names_of_lvm_are_understood_as_well() {
        let cases = [
            ("3", VolumeId::Partition(3)),
            ("0", VolumeId::Whole),
            ("ubuntu-vg/root", logical("ubuntu-vg", "root")),
        ];
        for (name, id) in cases {
            assert_eq!(name.parse::<VolumeId>().unwrap(), id, "{name}");
            assert!(id.is_called(name), "{name}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let deep = format!("{}p1", "luks@".repeat(DEPTH_MOST));
        for text in [
            "", "p", "p01", "+3", "root", "a-b-c", "/", "a/", "../x", "a/b/c", "disk1", "luks@", "md0~",
            &deep,
        ] {
            assert_eq!(text.parse::<VolumeId>().unwrap_err().kind(), Kind::Usage, "{text}");
        }
        for (group, name) in
            [("", "a"), ("a", ""), ("-a", "b"), ("..", "b"), ("a/b", "c"), ("a\0", "c"), ("a~b", "c")]
        {
            assert!(VolumeId::logical(group, name, None).is_err(), "{group} {name}");
        }
    }
}
