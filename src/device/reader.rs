//! A device as a reader.

use std::io::{self, Read};

use super::Device;
use crate::error::Kind;

/// A device as a reader, from the front.
pub(crate) struct Reader {
    device: Device,
    position: u64,
    /// Where it ends.
    end: u64,
}

impl Reader {
    pub(crate) fn new(device: Device) -> Self {
        let end = device.len_bytes();
        Self { device, position: 0, end }
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.end.saturating_sub(self.position);
        let len = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
        let part = buffer.get_mut(..len).unwrap_or_default();
        self.device.read_at(self.position, part).map_err(|error| match error.kind() {
            Kind::Read => io::Error::other(error),
            _ => io::Error::new(io::ErrorKind::UnexpectedEof, error),
        })?;
        self.position = self.position.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        Ok(len)
    }
}
