use super::*;
use crate::filesystem::is_readable;

const SIZE: usize = 1 << 20;

/// A device with bytes at some places, zeros everywhere else.
fn device(places: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; SIZE];
    for (at, content) in places {
        bytes[*at..at + content.len()].copy_from_slice(content);
    }
    bytes
}

fn name(device: &Vec<u8>) -> &'static str {
    match probe(device).unwrap() {
        Contents::Known(signature) => signature.name,
        Contents::Unknown => "",
    }
}

/// An ext superblock: features compatible, incompatible, read-only compatible.
fn ext(compat: u32, incompat: u32, ro_compat: u32) -> Vec<u8> {
    let mut superblock = vec![0; 1024];
    superblock[0x4] = 100;
    superblock[0x38..0x3a].copy_from_slice(&[0x53, 0xef]);
    superblock[0x4c] = 1;
    for (at, features) in [(0x5c, compat), (0x60, incompat), (0x64, ro_compat)] {
        superblock[at..at + 4].copy_from_slice(&features.to_le_bytes());
    }
    superblock
}

/// The boot sector of a FAT16 volume of 20,000 sectors.
fn fat() -> Vec<u8> {
    let mut sector = vec![0; 512];
    sector[..13].copy_from_slice(b"\xeb\x3c\x90mkfs.fat\0\x02");
    sector[13..24].copy_from_slice(&[4, 4, 0, 2, 0, 2, 0x20, 0x4e, 0xf8, 20, 0]);
    sector[39..43].copy_from_slice(&0x1234_abcd_u32.to_le_bytes());
    sector[54..62].copy_from_slice(b"FAT16   ");
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

/// A label of LVM in the second sector, with metadata at these positions.
fn lvm_label(metadata: &[u64]) -> Vec<u8> {
    let mut sector = vec![0; 512];
    sector[..9].copy_from_slice(b"LABELONE\x01");
    sector[20] = 32;
    sector[24..32].copy_from_slice(b"LVM2 001");
    // One area of data, the end of their list, and the list of metadata.
    sector[72..80].copy_from_slice(&(1_u64 << 20).to_le_bytes());
    for (index, at) in metadata.iter().enumerate() {
        sector[104 + 16 * index..][..8].copy_from_slice(&at.to_le_bytes());
    }
    let checksum = lvm::checksum(&sector[20..]);
    sector[16..20].copy_from_slice(&checksum.to_le_bytes());
    sector
}

#[test]
fn the_family_of_ext_is_told_apart_by_features() {
    let cases = [
        ("ext2", (0, 0x2, 0x3)),
        ("ext2", (0x8, 0x12, 0x1)),
        ("ext3", (0x4, 0x2, 0x3)),
        ("ext3", (0x4, 0x6, 0x3)),
        ("ext4", (0x4, 0x42, 0x3)),
        ("ext4", (0, 0x40, 0)),
        ("ext4", (0, 0, 0x400)),
        ("ext4", (0x4, 0x8000_0000, 0)),
        ("jbd", (0, 0x8, 0)),
    ];
    for (expected, (compat, incompat, ro_compat)) in cases {
        let found = name(&device(&[(1024, &ext(compat, incompat, ro_compat))]));
        assert_eq!(found, expected, "{compat:#x} {incompat:#x} {ro_compat:#x}");
        assert_eq!(is_readable(found), found != "jbd");
    }
}

#[test]
fn of_several_signatures_always_the_same_one_counts() {
    let whole = ext(0x4, 0x42, 0);
    let mut damaged = whole.clone();
    damaged[0x18] = 200;
    let swap = [&1_u32.to_le_bytes()[..], &9_u32.to_le_bytes()[..]].concat();
    type Places<'a> = &'a [(usize, &'a [u8])];
    let label = lvm_label(&[]);
    let label_with_metadata = lvm_label(&[4096]);
    let mut damaged_label = label.clone();
    damaged_label[100] ^= 1;
    let cases: [(&str, Places<'_>); 11] = [
        ("crypto_LUKS", &[(0, b"LUKS\xba\xbe\0\x02"), (1024, &whole)]),
        ("LVM2_member", &[(512, &label), (1024, &whole)]),
        ("LVM2_member", &[(512, &label_with_metadata), (1024, &whole), (4100, b" LVM2 x[5A%r0N*>")]),
        ("ext4", &[(512, &label_with_metadata), (1024, &whole)]),
        ("ext4", &[(512, &damaged_label), (1024, &whole)]),
        ("ext4", &[(0, &fat()), (1024, &whole)]),
        ("ext4", &[(1024, &whole), (32768, b"\x01CD001")]),
        ("vfat", &[(0, &fat()), (1024, &damaged)]),
        ("vfat", &[(0, &fat()), (32768, b"\x01CD001")]),
        ("swap", &[(1024, &swap), (4086, b"SWAPSPACE2"), (32768, b"\x01CD001")]),
        ("ext4", &[(1024, &damaged)]),
    ];
    for (expected, places) in cases {
        assert_eq!(name(&device(places)), expected, "{expected}");
    }
}

#[test]
fn a_raid_member_counts_before_what_the_array_holds() {
    let whole = ext(0x4, 0x42, 0);
    let mut superblock = vec![0; 256];
    superblock[..8].copy_from_slice(b"\xfc\x4e\x2b\xa9\x01\0\0\0");
    superblock[16..32].fill(0x11);
    superblock[32..35].copy_from_slice(b"x:0");
    let at = SIZE - 8192;
    superblock[144..152].copy_from_slice(&(at as u64 / 512).to_le_bytes());
    let found = probe(&device(&[(1024, &whole), (at, &superblock)])).unwrap();
    let uuid = "11111111-1111-1111-1111-111111111111".to_owned();
    assert_eq!(
        found,
        Contents::Known(Signature { name: "linux_raid_member", label: "x:0".to_owned(), uuid })
    );
}

#[test]
fn a_filesystem_that_reaches_over_the_end_of_an_old_array_is_newer() {
    let mut old = vec![0; 256];
    old[..8].copy_from_slice(b"\xfc\x4e\x2b\xa9\0\0\0\0");
    old[20] = 1;
    let new = |at: usize| {
        let mut superblock = vec![0; 256];
        superblock[..8].copy_from_slice(b"\xfc\x4e\x2b\xa9\x01\0\0\0");
        superblock[144..152].copy_from_slice(&(at as u64 / 512).to_le_bytes());
        superblock
    };
    let (old_at, new_at) = (SIZE - 65_536, SIZE - 8192);
    let ext_of = |len: usize| {
        let mut superblock = ext(0x4, 0x42, 0);
        superblock[0x4..0x8].copy_from_slice(&(len as u32 / 1024).to_le_bytes());
        (1024, superblock)
    };
    let xfs_of = |len: usize| {
        let head = [b"XFSB\0\0\x10\0".as_slice(), &(len as u64 / 4096).to_be_bytes()].concat();
        (0, head)
    };
    for (at, superblock) in [(old_at, old), (new_at, new(new_at))] {
        for (name, (start, filesystem)) in [
            ("ext4", ext_of(SIZE)),
            ("xfs", xfs_of(SIZE)),
            ("linux_raid_member", ext_of(at)),
            ("linux_raid_member", xfs_of(at)),
        ] {
            let device = device(&[(start, &filesystem), (at, &superblock)]);
            assert_eq!(self::name(&device), name, "{name}, a superblock of an array at {at}");
        }
    }
}

#[test]
fn boot_code_is_no_fat_unless_all_parameters_fit_together() {
    assert_eq!(name(&device(&[(0, &fat())])), "vfat");
    // What is changed, and to what: sector size, cluster, reserved, FATs, sectors, media, FAT length.
    let damages = [
        (11, 1),
        (12, 3),
        (13, 3),
        (13, 0),
        (14, 0),
        (16, 0),
        (16, 9),
        (20, 0),
        (21, 0x12),
        (22, 0),
        (23, 0xff),
    ];
    for (at, value) in damages {
        let mut sector = fat();
        sector[at] = value;
        assert_eq!(name(&device(&[(0, &sector)])), "", "byte {at} is {value}");
    }
    let mut nameless = fat();
    nameless[54..62].fill(0);
    assert_eq!(name(&device(&[(0, &nameless)])), "vfat");
    nameless[510] = 0;
    assert_eq!(name(&device(&[(0, &nameless)])), "");
}

#[test]
fn swap_is_found_for_pages_of_every_size_and_with_a_system_in_it() {
    let header = [&1_u32.to_le_bytes()[..], &9_u32.to_le_bytes()[..]].concat();
    for page in [4096, 8192, 16384, 32768, 65536] {
        assert_eq!(name(&device(&[(1024, &header), (page - 10, b"SWAPSPACE2")])), "swap");
        assert_eq!(name(&device(&[(page - 10, b"SWAPSPACE2")])), "", "without a header");
        assert_eq!(name(&device(&[(page - 10, b"S1SUSPEND\0")])), "swap");
    }
}

#[test]
fn nothing_is_found_in_zeros_and_on_devices_of_any_length() {
    for len in [0, 1, 511, 512, 1023, 1081, 4096, 65536, 131_072, SIZE] {
        assert_eq!(probe(&vec![0; len]).unwrap(), Contents::Unknown, "{len} bytes");
    }
}

#[test]
fn no_field_may_lead_anywhere_wrong() {
    let mut ntfs = vec![0xff; 512];
    ntfs[3..13].copy_from_slice(b"NTFS    \0\x02");
    let mut exfat = vec![0xff; 512];
    exfat[3..11].copy_from_slice(b"EXFAT   ");
    let mut label = vec![0xff; 512];
    label[..16].copy_from_slice(b"LABELONE\0\0\0\0\0\0\0\0");
    label[24..32].copy_from_slice(b"LVM2 001");
    let checksum = lvm::checksum(&label[20..]);
    label[16..20].copy_from_slice(&checksum.to_le_bytes());
    for (expected, sector) in [("ntfs", ntfs), ("exfat", exfat), ("LVM2_member", label)] {
        let whole = device(&[(0, &sector)]);
        let Contents::Known(found) = probe(&whole).unwrap() else { panic!("{expected}") };
        assert_eq!((found.name, found.label.as_str()), (expected, ""));
        for len in (0..600).chain([4096, 70_000]) {
            let _ = probe(&whole[..len].to_vec());
        }
    }
    let mut fat32 = fat();
    fat32[17..20].fill(0);
    fat32[20] = 0;
    fat32[22..24].fill(0);
    fat32[32..50].copy_from_slice(b"\xff\xff\xff\0\xff\xff\0\0\0\0\0\0\xff\xff\xff\xff\0\0");
    assert_eq!(name(&device(&[(0, &fat32)])), "vfat");
}

#[test]
fn labels_are_safe_to_show() {
    let mut superblock = ext(0, 0, 0);
    superblock[0x78..0x7d].copy_from_slice(b"a\x1b[2J");
    let found = probe(&device(&[(1024, &superblock)])).unwrap();
    assert!(matches!(&found, Contents::Known(signature) if signature.label == r"a\u{1b}[2J"), "{found:?}");
}
