//! What a device holds, told by signatures, over any bytes.
//!
//! Never a panic, never a hang (10 s), never more than 512 MiB of memory. Labels and identifiers are short, and nothing in
//! them steers a terminal.
#![no_main]

use std::sync::Arc;

use images::{mutate_packed, sparse};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use voltar::device::Device;
use voltar::filesystem::{Contents, probe};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_packed(data, size, max_size, seed, &mut |bytes| {
        let len = bytes.len();
        fuzzer_mutate(bytes, len, len);
    })
});

fuzz_target!(|data: &[u8]| {
    let image: Device = Arc::new(sparse::unpack(data));
    let Ok(Contents::Known(found)) = probe(&image) else { return };
    for text in [&found.label, &found.uuid] {
        assert!(text.len() <= 8192 && !text.chars().any(char::is_control), "{found:?}");
    }
});
