//! The encoders are no part of the library's interface: they are compiled here once more, from the same source.

#[allow(dead_code, unused_imports)]
#[path = "../../src/archive/codec/mod.rs"]
mod codec;

pub use codec::Compression;

use super::error::Result;

/// What compresses one frame after the other, at the usual level.
pub fn encoder(compression: Compression) -> Result<impl FnMut(&[u8], &mut Vec<u8>) -> Result<()>> {
    let mut encoder = compression.encoder(compression.level(None)?)?;
    Ok(move |raw: &[u8], packed: &mut Vec<u8>| encoder.encode(raw, packed))
}
