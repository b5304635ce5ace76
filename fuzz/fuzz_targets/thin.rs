//! The metadata of a thin pool, with right checksums: a superblock and nodes of trees.
//!
//! Never a panic, never a hang (10 s), never more than 512 MiB of memory. Reads in parts give the same
//! bytes, and there are zeros where no data are said to be.
#![no_main]

use images::volumes::{self, UUID};
use libfuzzer_sys::fuzz_target;

/// Extents of 64 KiB: four of metadata, and 60 of data.
fn text() -> String {
    let linear = |name: &str, at: u32, count: u32| {
        format!(
            "{name} {{ status = [\"READ\"] segment_count = 1 s {{ start_extent = 0 extent_count = {count} \
             type = \"striped\" stripe_count = 1 stripes = [\"pv0\", {at}] }} }}\n"
        )
    };
    let volumes: String = (1..4)
        .map(|number| {
            format!(
                "t{number} {{ status = [\"VISIBLE\"] segment_count = 1 s {{ start_extent = 0 extent_count = 500 \
                 type = \"thin\" thin_pool = \"pool\" transaction_id = 0 device_id = {number} }} }}\n"
            )
        })
        .collect();
    format!(
        "vg {{ id = \"x\" seqno = 1 extent_size = 128 physical_volumes {{ pv0 {{ id = \"{UUID}\" \
         pe_start = 2048 pe_count = 64 }} }} logical_volumes {{ {} {} {volumes} pool {{ status = [] \
         segment_count = 1 s {{ start_extent = 0 extent_count = 60 type = \"thin-pool\" metadata = \"meta\" \
         pool = \"data\" transaction_id = 1 chunk_size = 128 }} }} }} }}",
        linear("meta", 0, 4),
        linear("data", 4, 60)
    )
}

fuzz_target!(|data: &[u8]| {
    const METADATA_LEN: usize = 4 << 16;
    let mut disk = vec![7; 64 << 16];
    disk[..METADATA_LEN].fill(0);
    let data = data.get(..METADATA_LEN).unwrap_or(data);
    disk[..data.len()].copy_from_slice(data);
    // Only what is looked for first; the rest is for the fuzzer to find.
    disk[32..40].copy_from_slice(&27_022_010_u64.to_le_bytes());
    disk[336..344].copy_from_slice(&[128, 0, 0, 0, 8, 0, 0, 0]);
    disk[360..364].fill(0);
    volumes::repair_thin(&mut disk[..METADATA_LEN]);
    volumes::open("LVM2_member", vec![volumes::physical_volume(text().as_bytes(), &disk)]);
});
