//! An XFS whose metadata lie: every directory, content, attribute and link target, and lookups by
//! path.
//!
//! Never a panic, never a hang (10 s), never more than 512 MiB of memory. All that is read keeps to
//! the same rules as an ext filesystem.
#![no_main]

use std::sync::Arc;

use images::invariant;
use images::sparse::Sparse;
use images::xfs::{self, Part};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use voltar::device::Device;

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    xfs::mutate_packed(data, size, max_size, seed, Part::Metadata)
});

fuzz_target!(|data: &[u8]| {
    let image: Device = Arc::new(Sparse::unpack(data, xfs::LONGEST).bytes);
    invariant::filesystem_of(&image, "xfs");
});
