//! The descriptor of a VMDK image: text that names its extents.
//!
//! Layout: *Virtual Disk Format 5.0*, VMware, "The Descriptor File".

use thiserror::Error;

/// Longest descriptor: 16,384 extents with long names.
pub(super) const LONGEST: u64 = 4 << 20;

/// Most extents. A disk of 62 TiB in pieces of 4 GiB has 15,872.
const MOST_EXTENTS: usize = 16_384;

/// The parent id of an image that has no parent.
const NO_PARENT: &str = "ffffffff";

/// What makes a descriptor useless.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    #[error("has a descriptor that is no text")]
    NotText,
    #[error("has a line in its descriptor that makes no sense: {0}")]
    Line(String),
    #[error("has an extent of type {0}, which is not read here")]
    Type(String),
    #[error("has more than {MOST_EXTENTS} extents")]
    Extents,
    #[error("has no extents")]
    NoExtents,
    #[error("has a parent and doesn't name it")]
    NoParent,
    #[error("has extents that are longer than any disk")]
    Long,
}

/// How the bytes of an extent lie in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// One after the other, from this sector on.
    Flat { from_sector: u64 },
    /// In grains, which tables lead to.
    Sparse,
    /// There is no file: all are zeros.
    Zeros,
}

/// One extent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub sectors: u64,
    pub layout: Layout,
    pub name: String,
}

/// What the descriptor says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Descriptor {
    pub extents: Vec<Extent>,
    /// The file of the image that this one lies on.
    pub parent: Option<String>,
}

impl Descriptor {
    pub(super) fn parse(text: &[u8]) -> Result<Self, Fault> {
        // What follows the text is padding.
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        let text = std::str::from_utf8(text).map_err(|_| Fault::NotText)?;
        let mut extents = Vec::new();
        let (mut has_parent, mut parent) = (false, None);
        for line in text.lines().map(str::trim) {
            if ["RW ", "RDONLY ", "NOACCESS "].iter().any(|access| line.starts_with(access)) {
                if extents.len() >= MOST_EXTENTS {
                    return Err(Fault::Extents);
                }
                extents.push(Extent::parse(line)?);
            } else if let Some((key, value)) = line.split_once('=') {
                let value = value.trim();
                match key.trim() {
                    "parentCID" => has_parent = !value.eq_ignore_ascii_case(NO_PARENT),
                    "parentFileNameHint" => parent = Some(value.trim_matches('"').to_owned()),
                    _ => {}
                }
            }
        }
        let sectors = extents.iter().try_fold(0_u64, |sum, extent| sum.checked_add(extent.sectors));
        if sectors.is_none_or(|sectors| sectors > u64::MAX / 512) {
            return Err(Fault::Long);
        }
        if extents.is_empty() {
            return Err(Fault::NoExtents);
        }
        if has_parent && parent.is_none() {
            return Err(Fault::NoParent);
        }
        Ok(Self { extents, parent: parent.filter(|_| has_parent) })
    }
}

impl Extent {
    /// Parses `RW 8192 SPARSE "disk-s001.vmdk"`; flat ones have the first sector in the file behind
    /// the name.
    fn parse(line: &str) -> Result<Self, Fault> {
        let fault = || Fault::Line(line.chars().take(80).collect());
        let mut quoted = line.splitn(3, '"');
        let before = quoted.next().unwrap_or_default();
        let name = quoted.next();
        let behind = quoted.next().unwrap_or_default();
        let mut words = before.split_whitespace().skip(1);
        let sectors: u64 = words.next().and_then(|word| word.parse().ok()).ok_or_else(fault)?;
        let layout = match words.next().ok_or_else(fault)? {
            "FLAT" | "VMFS" => {
                let from_sector = behind.split_whitespace().next().unwrap_or("0");
                Layout::Flat { from_sector: from_sector.parse().map_err(|_| fault())? }
            }
            "SPARSE" => Layout::Sparse,
            "ZERO" => Layout::Zeros,
            other => return Err(Fault::Type(other.chars().take(80).collect())),
        };
        match (layout, name) {
            (Layout::Zeros, _) => Ok(Self { sectors, layout, name: String::new() }),
            (_, Some(name)) => Ok(Self { sectors, layout, name: name.to_owned() }),
            (_, None) => Err(fault()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_and_parents_are_read_from_the_text() {
        let text = "# Disk DescriptorFile\nversion=1\nparentCID=12345678\nparentFileNameHint=\"base.vmdk\"\n\
                    RW 100 FLAT \"a b-flat.vmdk\" 7\nRDONLY 8 SPARSE \"s.vmdk\"\nRW 3 ZERO\n\0garbage";
        let found = Descriptor::parse(text.as_bytes()).unwrap();
        let extent = |sectors, layout, name: &str| Extent { sectors, layout, name: name.to_owned() };
        assert_eq!(found.parent.as_deref(), Some("base.vmdk"));
        let extents = [
            extent(100, Layout::Flat { from_sector: 7 }, "a b-flat.vmdk"),
            extent(8, Layout::Sparse, "s.vmdk"),
            extent(3, Layout::Zeros, ""),
        ];
        assert_eq!(found.extents, extents);
    }

    #[test]
    fn a_descriptor_that_lies_is_an_error() {
        let many = "RW 1 ZERO\n".repeat(MOST_EXTENTS + 1);
        let huge = format!("RW {} ZERO\nRW 1 ZERO\n", u64::MAX);
        let cases: [(&str, Fault); 8] = [
            ("", Fault::NoExtents),
            (&many, Fault::Extents),
            (&huge, Fault::Long),
            ("RW x ZERO", Fault::Line("RW x ZERO".to_owned())),
            ("RW 1", Fault::Line("RW 1".to_owned())),
            ("RW 1 FLAT", Fault::Line("RW 1 FLAT".to_owned())),
            ("RW 1 VMFSRDM \"x\"", Fault::Type("VMFSRDM".to_owned())),
            ("parentCID=1\nRW 1 ZERO", Fault::NoParent),
        ];
        for (text, fault) in cases {
            assert_eq!(Descriptor::parse(text.as_bytes()), Err(fault), "{:.40}", text);
        }
        assert_eq!(Descriptor::parse(b"\xff"), Err(Fault::NotText));
    }
}
