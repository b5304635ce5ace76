//! An ext filesystem whose journal has to be replayed, whatever is in the journal.
//!
//! Never a panic, never a hang (10 s), never more than 512 MiB of memory; an image after its replay
//! keeps to the same rules as one without, and to open it twice gives the same faults.
#![no_main]

use std::sync::Arc;

use images::fields::{crc32c, le32, put, slice};
use images::{invariant, mutate_packed, sparse};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use voltar::device::Device;

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_packed(data, size, max_size, seed, &mut |bytes| {
        let len = bytes.len();
        fuzzer_mutate(bytes, len, len);
    })
});

/// Positions in the superblock, and the flags there.
const COMPAT: usize = 1024 + 0x5c;
const INCOMPAT: usize = 1024 + 0x60;
const HAS_JOURNAL: u32 = 0x4;
const NEEDS_RECOVERY: u32 = 0x4;

fuzz_target!(|data: &[u8]| {
    let mut image = sparse::unpack(data);
    for (at, flag) in [(COMPAT, HAS_JOURNAL), (INCOMPAT, NEEDS_RECOVERY)] {
        let flags = le32(&image, at) | flag;
        put(&mut image, at, &flags.to_le_bytes());
    }
    let superblock = crc32c(!0, slice(&image, 1024..1024 + 0x3fc));
    put(&mut image, 1024 + 0x3fc, &superblock.to_le_bytes());
    let image: Device = Arc::new(image);
    invariant::opens_alike(&image, "ext4");
    invariant::filesystem(&image);
});
