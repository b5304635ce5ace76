//! Superblocks of software RAID, of version 1 with right checksums and of version 0.90 as they are:
//! 4 KiB for each member, whose data follow.
//!
//! Never a panic, never a hang (10 s), never more than 512 MiB of memory. Reads in parts give the same
//! bytes, and there are zeros where no data are said to be.
#![no_main]

use images::volumes;
use libfuzzer_sys::fuzz_target;

const MEMBERS_MOST: usize = 8;

fuzz_target!(|data: &[u8]| {
    let member = |superblock: &[u8]| {
        let mut disk = vec![7; 192 << 10];
        // Version 1.2 lies here; 0.90 in the last 64 KiB.
        let at = if superblock.get(4) == Some(&0) { 128 << 10 } else { 4096 };
        disk[at..at + superblock.len()].copy_from_slice(superblock);
        if at == 4096 {
            volumes::repair_array(&mut disk[at..at + 4096]);
        }
        disk
    };
    volumes::open("linux_raid_member", data.chunks(4096).take(MEMBERS_MOST).map(member).collect());
});
