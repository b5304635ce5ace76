//! A partition table over any bytes, MBR with logical partitions and GPT with its backup.
//!
//! Never a panic, never a hang (10 s), never more than 512 MiB of memory. Partitions come in the order of their numbers, each once,
//! one that reaches past the end of the device says so, and one that overlaps another has a fault.
#![no_main]

use std::sync::Arc;

use images::{mutate_packed, sparse};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use voltar::device::Device;
use voltar::partition;

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_packed(data, size, max_size, seed, &mut |bytes| {
        let len = bytes.len();
        fuzzer_mutate(bytes, len, len);
    })
});

fuzz_target!(|data: &[u8]| {
    let image: Device = Arc::new(sparse::unpack(data));
    let Ok(Some(table)) = partition::read(image.as_ref()) else { return };
    assert!(table.partitions.is_sorted_by(|a, b| a.number < b.number), "{table:?}");
    for one in table.partitions.iter().filter(|one| one.fault.is_none()) {
        assert!(one.past_end.is_some() || one.range.end() <= image.len_bytes(), "{one:?}");
        let mut others = table.partitions.iter().take(64).filter(|other| other.number != one.number);
        let overlaps = others.any(|other| {
            !other.is_container
                && !one.is_container
                && other.range.overlaps(&one.range)
                && !other.range.is_empty()
        });
        assert!(!overlaps || one.range.is_empty(), "{table:?}");
    }
});
