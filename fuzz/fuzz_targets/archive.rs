//! From an image to an archive, the whole way.
//!
//! Never a panic, never a hang (10 s), never more than 512 MiB of memory; at most 32 MiB of tar stream, as was asked for, and a
//! manifest in relation to it; every error and issue with a place; one image in eight also on three threads, with the same bytes.
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

const MOST_BYTES: u64 = 32 << 20;

fuzz_target!(|data: &[u8]| {
    let also = data.len().is_multiple_of(8).then_some(3);
    let image: Device = Arc::new(sparse::unpack(data));
    let _ = invariant::archive_all(&image, also, MOST_BYTES);
});
