//! The text of a volume group, as it is and with right checksums; and a label and metadata area of
//! any bytes, when the first byte is not a letter.
//!
//! Never a panic, never a hang (10 s), never more than 512 MiB of memory. Volumes have names of their
//! own, reads in parts give the same bytes, and there are zeros where no data are said to be.
#![no_main]

use images::volumes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if data.first().is_some_and(u8::is_ascii_alphabetic) {
        volumes::open("LVM2_member", vec![volumes::physical_volume(data, &[7; 1 << 20])]);
        return;
    }
    let mut disk = volumes::physical_volume(b"", &[]);
    let header = data.get(..512).unwrap_or(data);
    disk[512..512 + header.len()].copy_from_slice(header);
    let area = data.get(512..).unwrap_or_default();
    let area = area.get(..volumes::AREA_LEN).unwrap_or(area);
    disk[4096..4096 + area.len()].copy_from_slice(area);
    volumes::repair(&mut disk);
    volumes::open("LVM2_member", vec![disk]);
});
