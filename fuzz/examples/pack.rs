//! Packs an image for the fuzz targets, or unpacks one: `pack IMAGE INPUT`, `pack --unpack INPUT
//! IMAGE`. A zstd frame is decompressed first.

use std::process::ExitCode;

use images::sparse::{self, Sparse};
use images::xfs;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let read = |path: &str| {
        let bytes = std::fs::read(path)?;
        if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) { zstd::decode_all(&bytes[..]) } else { Ok(bytes) }
    };
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--unpack", from, to] => {
            read(from).and_then(|bytes| std::fs::write(to, Sparse::unpack(&bytes, xfs::LONGEST).bytes))
        }
        [from, to] => read(from).and_then(|bytes| std::fs::write(to, sparse::pack(&bytes))),
        _ => Err(std::io::Error::other("usage: pack IMAGE INPUT | pack --unpack INPUT IMAGE")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pack: {error}");
            ExitCode::FAILURE
        }
    }
}
