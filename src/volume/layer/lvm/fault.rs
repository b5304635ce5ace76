//! Faults of labels and metadata areas.

use thiserror::Error;

use crate::error::Error;
use crate::fields::Short;

#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    #[error(transparent)]
    Short(#[from] Short),
    #[error("no sound label of a physical volume is in its first four sectors")]
    NoLabel,
    #[error("its metadata area at byte {at} is damaged: magic or checksum is wrong")]
    Area { at: u64 },
    #[error("its metadata area at byte {at} has version {version}")]
    Version { at: u64, version: u32 },
    #[error("its metadata area at byte {at} has {len} bytes and reaches past the end")]
    PastEnd { at: u64, len: u64 },
    #[error("a text of {len} bytes at {offset} in a metadata area of {area} bytes")]
    Text { offset: u64, len: u64, area: u64 },
    #[error("a text of {0} bytes, more than is read")]
    Long(u64),
    #[error("the checksum of the text is wrong")]
    TextChecksum,
    #[error("metadata line {0}: sections are nested too deep")]
    Deep(usize),
    #[error("metadata line {0}: {1}")]
    Syntax(usize, &'static str),
    #[error("the metadata have more than {0} values")]
    Values(usize),
    #[error("the metadata hold no volume group")]
    NoGroup,
    #[error("{0} is missing or no number in the metadata")]
    Number(&'static str),
    #[error("an extent of {0} sectors")]
    ExtentSize(u64),
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::corrupt(fault)
    }
}
