//! No compression: the archive is the tar stream.

use super::{Codec, Decoder, Encoder, Frames};
use crate::error::Result;
use crate::format::tar::header;

pub(super) const CODEC: Codec = Codec {
    name: "none",
    endings: &[".tar"],
    alone: None,
    frame_bytes: 4 << 20,
    levels: None,
    begins: header::is_tar,
    encoder: |_| Ok(Box::new(Copying)),
    decoder: || Ok(Box::new(Copying)),
    reader: |file| Ok(Box::new(file)),
    trailer: |_, _| Vec::new(),
    frames: |device| Ok(Frames::plain(device.len_bytes())),
};

struct Copying;

impl Encoder for Copying {
    fn encode(&mut self, raw: &[u8], packed: &mut Vec<u8>) -> Result<()> {
        packed.clear();
        packed.extend_from_slice(raw);
        Ok(())
    }
}

impl Decoder for Copying {
    fn decode(&mut self, packed: &[u8], raw: &mut Vec<u8>, _raw_len: usize) -> Result<usize> {
        raw.clear();
        raw.extend_from_slice(packed);
        Ok(packed.len())
    }
}
