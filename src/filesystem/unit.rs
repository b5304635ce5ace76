//! Reads runs of bytes, decoding units at most once in a row.

use super::reader::Filesystem;
use super::types::{Stored, Unit};
use crate::error::{Error, Result};

/// Keeps the unit that was decoded last.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The unit, and which of its caller's sources it is from.
    last: Option<(usize, Unit)>,
    bytes: Vec<u8>,
    /// Why the unit can't be decoded.
    fault: Option<Error>,
}

impl Decoder {
    /// Fills `buffer` with stored bytes. `source` is the caller's number of the filesystem.
    ///
    /// # Errors
    ///
    /// When they can't be read or decoded.
    pub fn read(
        &mut self,
        (source, filesystem): (usize, &dyn Filesystem),
        stored: Stored,
        buffer: &mut [u8],
    ) -> Result<()> {
        match stored {
            Stored::Raw { at } => filesystem.device().read_at(at, buffer),
            Stored::Encoded { unit, skip } => {
                if self.last != Some((source, unit)) {
                    self.fault = self.decode(filesystem, unit).err();
                    self.last = Some((source, unit));
                }
                if let Some(fault) = &self.fault {
                    return Err(fault.clone().at_byte(unit.at));
                }
                let start = usize::try_from(skip).unwrap_or(usize::MAX);
                let part = start.checked_add(buffer.len()).and_then(|end| self.bytes.get(start..end));
                let outside = || Error::corrupt("a run of bytes reaches past its unit").at_byte(unit.at);
                buffer.copy_from_slice(part.ok_or_else(outside)?);
                Ok(())
            }
        }
    }

    fn decode(&mut self, filesystem: &dyn Filesystem, unit: Unit) -> Result<()> {
        let Unit { len_bytes, .. } = unit;
        if len_bytes > Unit::MOST_BYTES {
            let most = Unit::MOST_BYTES;
            return Err(Error::corrupt(format!("a unit of {len_bytes} bytes, at most {most}")));
        }
        self.bytes.clear();
        filesystem.decode(unit, &mut self.bytes)?;
        match u32::try_from(self.bytes.len()) {
            Ok(len) if len == len_bytes => Ok(()),
            _ => {
                let len = self.bytes.len();
                Err(Error::corrupt(format!("a unit has {len} bytes, its metadata say {len_bytes}")))
            }
        }
    }
}
