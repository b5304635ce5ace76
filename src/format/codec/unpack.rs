//! Unpacks single frames; a reader has one of these for each thread.

use std::io::Read as _;

use zstd::bulk::Decompressor;

use crate::error::{Error, Kind, Result};
use crate::format::codec::Compression;

/// What unpacks frames of one archive. What it keeps between them is memory, not content.
pub(crate) enum Unpacker {
    Zstd(Box<Decompressor<'static>>),
    Gzip,
    Plain,
}

impl Unpacker {
    pub(crate) fn new(compression: Compression) -> Result<Self> {
        Ok(match compression {
            Compression::Zstd => {
                let decompressor = Decompressor::new().map_err(|source| Error::new(Kind::System, source))?;
                Self::Zstd(Box::new(decompressor))
            }
            Compression::Gzip => Self::Gzip,
            Compression::None => Self::Plain,
        })
    }

    /// Replaces what is in `raw` by the content of `packed`, which has `raw_len` bytes.
    pub(crate) fn unpack(&mut self, packed: &[u8], raw: &mut Vec<u8>, raw_len: usize) -> Result<()> {
        let len = match self {
            Self::Zstd(decompressor) => {
                raw.resize(raw_len, 0);
                decompressor.decompress_to_buffer(packed, raw.as_mut_slice()).map_err(Error::corrupt)?
            }
            Self::Gzip => {
                raw.clear();
                let mut decoder = flate2::bufread::GzDecoder::new(packed);
                // One byte more than it should hold tells that it holds more.
                let most = u64::try_from(raw_len).unwrap_or(u64::MAX).saturating_add(1);
                decoder.by_ref().take(most).read_to_end(raw).map_err(|error| {
                    Error::corrupt(format!("the data are no sound gzip member, or its CRC differs: {error}"))
                })?;
                if raw.len() > raw_len {
                    return Err(Error::corrupt("the gzip member holds more than it should"));
                }
                let behind = decoder.into_inner().len();
                if behind > 0 {
                    let message = format!("behind the gzip member of the frame are {behind} bytes more");
                    return Err(Error::corrupt(message));
                }
                raw.len()
            }
            Self::Plain => {
                raw.clear();
                raw.extend_from_slice(packed);
                packed.len()
            }
        };
        if len == raw_len {
            return Ok(());
        }
        Err(Error::corrupt(format!("the frame holds {len} bytes, it should be {raw_len}")))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_gzip_frame_is_one_member_and_nothing_else() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(b"content").unwrap();
        let good = encoder.finish().unwrap();
        let mut raw = b"what was there before".to_vec();
        let mut unpack = |packed: &[u8], len| {
            let mut unpacker = Unpacker::new(Compression::Gzip).unwrap();
            unpacker.unpack(packed, &mut raw, len).map(|()| raw.clone())
        };
        assert_eq!(unpack(&good, 7).unwrap(), b"content");
        assert!(unpack(&good, 6).is_err() && unpack(&good, 8).is_err());
        for behind in [&b"\0"[..], &good] {
            let more = [&good, behind].concat();
            assert!(unpack(&more, 7).unwrap_err().to_string().contains("bytes more"));
        }
        for bit in 0..8 {
            let mut bad = good.clone();
            let crc = bad.len() - 8;
            bad[crc] ^= 1 << bit;
            assert!(unpack(&bad, 7).is_err(), "bit {bit}");
        }
    }
}
