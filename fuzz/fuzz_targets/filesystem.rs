//! An ext filesystem over any bytes: every directory, content, attribute and link target, and lookups by path.
//!
//! Never a panic, never a hang (10 s), never more than 512 MiB of memory. Names are such that a directory can have them, extents are in
//! order, inside of the file and on the device, attributes are sorted and each there once, link targets have 1 to 4095 bytes.
#![no_main]

use std::sync::Arc;

use images::{invariant, mutate_packed, sparse};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use voltar::device::Device;

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_packed(data, size, max_size, seed, &mut |bytes| {
        let len = bytes.len();
        fuzzer_mutate(bytes, len, len);
    })
});

fuzz_target!(|data: &[u8]| {
    let image: Device = Arc::new(sparse::unpack(data));
    invariant::filesystem(&image);
});
