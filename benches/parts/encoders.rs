//! The encoders of frames.

use voltar::Result;
pub use voltar::format::codec::Compression;

/// What compresses one frame after the other, at the usual level.
pub fn encoder(compression: Compression) -> Result<impl FnMut(&[u8], &mut Vec<u8>) -> Result<()>> {
    let mut encoder = compression.encoder(compression.level(None)?)?;
    Ok(move |raw: &[u8], packed: &mut Vec<u8>| encoder.encode(raw, packed))
}
