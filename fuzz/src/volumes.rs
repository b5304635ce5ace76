//! Physical volumes and members of software RAID around bytes that somebody made up, with right
//! checksums, and what must be true of the volumes that they make.

use std::sync::Arc;

use voltar::device::{Device, read_vec};
use voltar::filesystem::Signature;
use voltar::volume::VolumeId;
use voltar::volume::layer::{Context, LAYERS, Member};

use super::fields::put;

const SECTOR_LEN: usize = 512;
const LABEL_AT: usize = 512;
const AREA_AT: usize = 4096;
/// Length of the metadata area; data begin behind it.
pub const AREA_LEN: usize = (1 << 20) - AREA_AT;
const MD_CHECKSUM_AT: usize = 216;

/// LVM's checksum.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0xf597_a6cf, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| match crc & 1 {
            1 => (crc >> 1) ^ 0xedb8_8320,
            _ => crc >> 1,
        })
    })
}

/// A physical volume whose metadata area has this text; `data` begin at 1 MiB.
pub fn physical_volume(text: &[u8], data: &[u8]) -> Vec<u8> {
    let text = text.get(..AREA_LEN - SECTOR_LEN).unwrap_or(text);
    let mut disk = vec![0; AREA_AT + AREA_LEN];
    put(&mut disk, LABEL_AT, b"LABELONE");
    put(&mut disk, LABEL_AT + 8, &1_u64.to_le_bytes());
    put(&mut disk, LABEL_AT + 20, &32_u32.to_le_bytes());
    put(&mut disk, LABEL_AT + 24, b"LVM2 001");
    put(&mut disk, LABEL_AT + 32, UUID.as_bytes());
    put(&mut disk, LABEL_AT + 72, &(1_u64 << 20).to_le_bytes());
    put(&mut disk, LABEL_AT + 104, &(AREA_AT as u64).to_le_bytes());
    put(&mut disk, LABEL_AT + 112, &(AREA_LEN as u64).to_le_bytes());
    put(&mut disk, AREA_AT + 4, b" LVM2 x[5A%r0N*>");
    put(&mut disk, AREA_AT + 20, &1_u32.to_le_bytes());
    put(&mut disk, AREA_AT + 24, &(AREA_AT as u64).to_le_bytes());
    put(&mut disk, AREA_AT + 32, &(AREA_LEN as u64).to_le_bytes());
    put(&mut disk, AREA_AT + 40, &(SECTOR_LEN as u64).to_le_bytes());
    put(&mut disk, AREA_AT + 48, &(text.len() as u64).to_le_bytes());
    put(&mut disk, AREA_AT + 56, &checksum(text).to_le_bytes());
    put(&mut disk, AREA_AT + SECTOR_LEN, text);
    repair(&mut disk);
    disk.extend(data);
    disk
}

/// The UUID in the label, as the text has to write it.
pub const UUID: &str = "uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu";

/// Makes the checksums of a label and of the area that it may name right again.
pub fn repair(disk: &mut [u8]) {
    for (at, from, end) in
        [(LABEL_AT + 16, LABEL_AT + 20, LABEL_AT + SECTOR_LEN), (AREA_AT, AREA_AT + 4, AREA_AT + SECTOR_LEN)]
    {
        let Some(crc) = disk.get(from..end).map(checksum) else { continue };
        put(disk, at, &crc.to_le_bytes());
    }
}

/// Makes the checksums of the blocks of a thin pool's metadata right again.
pub fn repair_thin(metadata: &mut [u8]) {
    for (number, block) in metadata.chunks_exact_mut(4096).enumerate() {
        put(block, 8, &(number as u64).to_le_bytes());
        let mixed_with: u32 = if number == 0 { 160_774 } else { 121_107 };
        let sum = !crc32c::crc32c(&block[4..]) ^ mixed_with;
        put(block, 0, &sum.to_le_bytes());
    }
}

/// Makes the checksum of an array's superblock of version 1 right again.
pub fn repair_array(superblock: &mut [u8]) {
    put(superblock, MD_CHECKSUM_AT, &[0; 4]);
    let max_dev = super::fields::le32(superblock, 220).min(1920) as usize;
    let Some(bytes) = superblock.get(..256 + 2 * max_dev) else { return };
    let mut sum: u64 = bytes.chunks_exact(4).map(|word| u64::from(super::fields::le32(word, 0))).sum();
    if let [low, high] = bytes.chunks_exact(4).remainder() {
        sum += u64::from(u16::from_le_bytes([*low, *high]));
    }
    let folded = (sum as u32).wrapping_add((sum >> 32) as u32);
    put(superblock, MD_CHECKSUM_AT, &folded.to_le_bytes());
}

/// Opens these members by the layer of that name, and reads a little of each volume: the same bytes
/// in one read and in two, and zeros where no data are said to be.
pub fn open(name: &'static str, disks: Vec<Vec<u8>>) {
    let member = |(number, disk): (usize, Vec<u8>)| Member {
        id: VolumeId::Disk(number as u32 + 2),
        device: Arc::new(disk),
        signature: Signature { name, label: String::new(), uuid: String::new() },
    };
    let members: Vec<Member> = disks.into_iter().enumerate().map(member).collect();
    let Some(layer) = LAYERS.iter().find(|layer| layer.names.contains(&name)) else { return };
    let Ok(opened) = (layer.open)(&members, &Context::new(&[])) else { return };
    let mut ids: Vec<String> = opened.volumes.iter().map(|found| found.id.to_string()).collect();
    ids.sort_unstable();
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
    for found in opened.volumes.iter().take(64) {
        assert!(found.members.iter().all(|member| *member < members.len()), "{:?}", found.members);
        if let Ok(device) = &found.device {
            look(device);
        }
    }
}

fn look(device: &Device) {
    let end = device.len_bytes();
    for at in [0, end / 3, end.saturating_sub(70_000)] {
        let len = (end - at).min(70_000) as usize;
        let Ok(whole) = read_vec(device.as_ref(), at, len) else { continue };
        let (first, second) = (len / 3, len - len / 3);
        let parts = [(at, first), (at + first as u64, second)]
            .map(|(at, len)| read_vec(device.as_ref(), at, len).expect("a part of what was read"));
        assert!(parts.concat() == whole, "another read at {at} gives other bytes");
        let data = device.next_data(at);
        assert!(data.is_none_or(|data| data.start() >= at && !data.is_empty() && data.end() <= end));
        let hole = data.map_or(end, |data| data.start()) - at;
        let hole = usize::try_from(hole).unwrap_or(len).min(len);
        assert!(whole[..hole].iter().all(|byte| *byte == 0), "data in a hole at {at}");
    }
    assert!(read_vec(device.as_ref(), end, 1).is_err());
}
