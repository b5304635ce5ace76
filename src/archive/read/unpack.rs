//! Unpacks single frames; a reader has one of these for each thread.

use zstd::bulk::Decompressor;

use crate::archive::codec::Compression;
use crate::error::{Error, Kind, Result};

/// What unpacks frames of one archive. What it keeps between them is memory, not content.
pub(super) enum Unpacker {
    Zstd(Box<Decompressor<'static>>),
    Gzip(libdeflater::Decompressor),
    Plain,
}

impl Unpacker {
    pub(super) fn new(compression: Compression) -> Result<Self> {
        Ok(match compression {
            Compression::Zstd => {
                let decompressor = Decompressor::new().map_err(|source| Error::new(Kind::Limit, source))?;
                Self::Zstd(Box::new(decompressor))
            }
            Compression::Gzip => Self::Gzip(libdeflater::Decompressor::new()),
            Compression::None => Self::Plain,
        })
    }

    /// Replaces what is in `raw` by the content of `packed`, which has `raw_len` bytes.
    pub(super) fn unpack(&mut self, packed: &[u8], raw: &mut Vec<u8>, raw_len: usize) -> Result<()> {
        raw.resize(raw_len, 0);
        let len = match self {
            Self::Zstd(decompressor) => {
                decompressor.decompress_to_buffer(packed, raw.as_mut_slice()).map_err(Error::corrupt)?
            }
            Self::Gzip(decompressor) => decompressor
                .gzip_decompress(packed, raw)
                .map_err(|error| Error::corrupt(gzip_words(error)))?,
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

fn gzip_words(error: libdeflater::DecompressionError) -> &'static str {
    match error {
        libdeflater::DecompressionError::BadData => "the data are no sound gzip member, or its CRC differs",
        libdeflater::DecompressionError::InsufficientSpace => "the gzip member holds more than it should",
    }
}
