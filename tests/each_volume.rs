//! Each volume costs itself: what can't be read as files becomes an image, what is empty nothing,
//! and the others are read.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const MIB: usize = 1 << 20;

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}.img.zst", env!("CARGO_MANIFEST_DIR"));
    zstd::stream::decode_all(fs::File::open(path).unwrap()).unwrap()
}

fn voltar(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_voltar")).args(arguments).current_dir(folder).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

/// Bytes that are no format's, the same each time.
fn noise(len: usize) -> Vec<u8> {
    let mut seed = 1_u64;
    let next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 40) as u8 | 1
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// An entry of an MBR: slot, type, start and length in sectors.
fn entry(disk: &mut [u8], record: usize, slot: usize, (kind, start, len): (u8, u32, u32)) {
    let at = record + 446 + 16 * slot;
    disk[at + 4] = kind;
    disk[at + 8..at + 12].copy_from_slice(&start.to_le_bytes());
    disk[at + 12..at + 16].copy_from_slice(&len.to_le_bytes());
    disk[record + 510..record + 512].copy_from_slice(&[0x55, 0xaa]);
}

/// A disk with volumes one after the other, each in a partition that begins at a whole MiB, in
/// sectors of `sector` bytes.
fn disk(volumes: &[(u8, &[u8])], sector: usize) -> Vec<u8> {
    let mut disk = vec![0; MIB];
    for (slot, (kind, volume)) in volumes.iter().enumerate() {
        let (start, len) = (disk.len(), volume.len().next_multiple_of(MIB));
        disk.extend_from_slice(volume);
        disk.resize(start + len, 0);
        entry(&mut disk, 0, slot, (*kind, (start / sector) as u32, (len / sector) as u32));
    }
    disk
}

/// Archives a disk in a folder of its own.
fn archive(disk: &[u8], arguments: &[&str]) -> (TempDir, Output) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("d.img"), disk).unwrap();
    let output = voltar(&[&["archive", "d.img", "-o", "d.tar"], arguments].concat(), folder.path());
    (folder, output)
}

fn names(folder: &Path) -> Vec<String> {
    let output = Command::new("tar").args(["--warning=none", "-tf", "d.tar"]).current_dir(folder).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

fn has_files(names: &[String], partition: u32) -> bool {
    names.iter().any(|name| name.starts_with(&format!("p{partition}/")) && !name.ends_with('/'))
}

/// An ext4 of which the first inode table's block is noise: no root directory is left.
fn without_root() -> Vec<u8> {
    let mut volume = fixture("ext4");
    let len = volume.len();
    volume[2048..len / 2].copy_from_slice(&noise(len / 2 - 2048));
    volume
}

#[test]
fn a_damaged_partition_becomes_an_image_and_its_neighbour_is_read() {
    let sound = fixture("ext4");
    let mut zeroed_descriptors = sound.clone();
    let block = 1024_usize << u32::from(sound[1024 + 0x18]);
    let descriptors = if block == 1024 { 2048 } else { block };
    zeroed_descriptors[descriptors..descriptors + block].fill(0);
    let mut under_noise = noise(sound.len());
    let half = sound.len() / 2;
    under_noise[half..].copy_from_slice(&sound[half..]);
    let cases: [(&str, Vec<u8>, &[i32]); 5] = [
        ("noise", noise(3 * MIB), &[0]),
        ("noise over an ext4", under_noise, &[0]),
        ("no root directory", without_root(), &[3]),
        ("descriptors are zeros", zeroed_descriptors, &[0, 3]),
        ("an unknown feature", fixture("ext4-unknown-feature"), &[3]),
    ];
    for (name, volume, codes) in cases {
        let (folder, output) = archive(&disk(&[(0x83, &volume), (0x83, &sound)], 512), &[]);
        assert!(codes.contains(&output.status.code().unwrap()), "{name}: {}", said(&output));
        let names = names(folder.path());
        assert!(has_files(&names, 2), "{name}: {names:?}");
        assert!(names.contains(&"p1.img".to_owned()) || has_files(&names, 1), "{name}: {names:?}");
        let listed = voltar(&["ls", "d.img"], folder.path());
        let of_archive = voltar(&["ls", "d.tar"], folder.path());
        assert_eq!(listed.stdout, of_archive.stdout, "{name}: {}", said(&listed));
    }
}

#[test]
fn inspect_does_not_call_noise_ext4_because_of_an_old_copy_of_a_superblock() {
    let sound = fixture("ext4-no-first-superblock");
    let mut under_noise = sound.clone();
    let len = under_noise.len() / 2;
    under_noise[..len].copy_from_slice(&noise(len));
    for (volume, holds) in [(sound, "ext"), (under_noise, "unknown")] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("d.img"), volume).unwrap();
        let output = voltar(&["inspect", "--json", "d.img"], folder.path());
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let found = found["volumes"][0]["holds"].as_str().unwrap().to_owned();
        assert!(found.starts_with(holds), "{found} instead of {holds}: {}", said(&output));
    }
}

#[test]
fn a_whole_device_that_can_t_be_read_as_files_is_one_image() {
    let sectors = noise(3 * MIB + 512);
    let cases: [(&str, Vec<u8>, i32, &str); 5] = [
        ("unknown", sectors, 0, "stored as a raw image (p0.img)"),
        ("damaged", without_root(), 3, "issue: p0.img"),
        ("two bad GPTs", fixture("gpt-both-damaged"), 3, "both copies of the GPT are bad"),
        ("unknown feature", fixture("ext4-unknown-feature"), 3, "FEATURE_I30"),
        ("cut off", fixture("ext4-cut-off"), 3, "is the image cut off?"),
    ];
    for (name, device, code, words) in cases {
        let (folder, output) = archive(&device, &[]);
        assert_eq!(output.status.code(), Some(code), "{name}: {}", said(&output));
        assert!(said(&output).contains(words), "{name}: {}", said(&output));
        assert_eq!(names(folder.path()), ["p0.img"], "{name}");
        let image = Command::new("tar").args(["-xOf", "d.tar", "p0.img"]).current_dir(folder.path()).output();
        assert!(image.unwrap().stdout == device, "{name}: the image is not the device");
    }
}

#[test]
fn an_empty_device_is_a_small_archive_that_says_so() {
    let mut without_partitions = vec![0; 4 * MIB];
    {
        let mut file = std::io::Cursor::new(&mut without_partitions);
        let config =
            gpt::GptConfig::new().writable(true).logical_block_size(gpt::disk::LogicalBlockSize::Lb512);
        let disk = config.create_from_device(&mut file, None).unwrap();
        disk.write().unwrap();
    }
    without_partitions[450] = 0xee;
    let cases = [
        ("zeros", vec![0; 4 * MIB], "the whole device: empty"),
        ("a table", without_partitions, "the partition table has no partitions"),
    ];
    for (name, device, words) in cases {
        let (folder, output) = archive(&device, &[]);
        assert_eq!(output.status.code(), Some(0), "{name}: {}", said(&output));
        assert!(said(&output).contains(words), "{name}: {}", said(&output));
        assert_eq!(names(folder.path()), [""; 0], "{name}");
        assert!(fs::metadata(folder.path().join("d.tar")).unwrap().len() < 20_000, "{name}");
        for command in
            [&["ls", "d.tar"][..], &["verify", "d.tar"], &["diff", "d.img", "d.tar"], &["ls", "d.img"]]
        {
            let output = voltar(command, folder.path());
            assert_eq!(output.status.code(), Some(0), "{name}: {command:?}: {}", said(&output));
        }
    }
}

#[test]
fn a_hole_of_terabytes_is_seen_to_be_empty_without_being_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::File::create(folder.path().join("d.img")).unwrap().set_len(8 << 40).unwrap();
    let output = voltar(&["archive", "d.img", "--json"], folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let last = String::from_utf8(output.stdout).unwrap();
    let last: serde_json::Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    assert!(last["bytes_read"].as_u64().unwrap() < 64 << 20, "{last}");
}

#[test]
fn a_partition_past_the_end_is_kept_as_far_as_it_goes() {
    let sound = fixture("ext4");
    let whole = disk(&[(0x83, &sound), (0x83, &noise(3 * MIB))], 512);
    let cut = &whole[..whole.len() - MIB];
    let (folder, output) = archive(cut, &[]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("is the image cut off?"), "{}", said(&output));
    let names = names(folder.path());
    assert!(has_files(&names, 1) && names.contains(&"p2.img".to_owned()), "{names:?}");
    let image = Command::new("tar").args(["-xOf", "d.tar", "p2.img"]).current_dir(folder.path()).output();
    assert_eq!(image.unwrap().stdout.len(), 2 * MIB);
}

#[test]
fn partitions_that_overlap_are_stored_each_as_far_as_it_can_be() {
    let sound = fixture("ext4");
    let mut whole = disk(&[(0x17, &noise(2 * MIB)), (0x83, &sound)], 512);
    entry(&mut whole, 0, 2, (0xef, 2100, 100));
    let (folder, output) = archive(&whole, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("partition 1: overlaps partition 3"), "{}", said(&output));
    let found = names(folder.path());
    assert!(has_files(&found, 2), "{found:?}");
    assert!(["p1.img", "p3.img"].iter().all(|image| found.contains(&(*image).to_owned())), "{found:?}");
    // A filesystem that another partition may have written to is read, and is an issue.
    let mut shared = disk(&[(0x83, &sound)], 512);
    entry(&mut shared, 0, 1, (0x83, 2060, 10));
    let (folder, output) = archive(&shared, &[]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(has_files(&names(folder.path()), 1));
}

#[test]
fn a_swap_partition_that_is_asked_for_is_stored() {
    let mut swap = vec![0; MIB];
    swap[1024] = 1;
    swap[1028] = 200;
    swap[4086..4096].copy_from_slice(b"SWAPSPACE2");
    let (sound, with_swap) = (fixture("ext4"), swap);
    let mut whole = disk(&[(0x83, &sound), (0x82, &with_swap)], 512);
    let end = whole.len();
    whole.resize(end + 2 * MIB, 0);
    entry(&mut whole, 0, 2, (0x05, (end / 512) as u32, 4096));
    let cases: [(&[&str], i32, &str, &[&str]); 4] = [
        (&["-p", "2"], 0, "stored as a raw image", &["p2.img"]),
        (&["-p", "1", "-p", "2"], 0, "stored as a raw image", &["p2.img"]),
        (&["-p", "3"], 2, "partition 3 is an extended one, which only holds others; there are: 1, 2", &[]),
        (&["-p", "9"], 2, "there is no partition 9; there are: 1, 2", &[]),
    ];
    for (arguments, code, words, images) in cases {
        let (folder, output) = archive(&whole, arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(words), "{arguments:?}: {}", said(&output));
        let has = |image: &&str| names(folder.path()).contains(&(**image).to_owned());
        assert!(images.iter().all(has), "{arguments:?}");
    }
    let (_folder, output) = archive(&sound, &["-p", "1"]);
    assert!(said(&output).contains("there is no partition table"), "{}", said(&output));
}

#[test]
fn an_mbr_is_read_in_the_sectors_at_which_its_partitions_are_found() {
    let sound = fixture("ext4");
    for sector in [512, 4096] {
        // One primary, and one logical behind its boot record.
        let mut whole = disk(&[(0x83, &sound)], sector);
        let (record, rest) = (whole.len(), sound.len().next_multiple_of(MIB));
        whole.resize(record + MIB, 0);
        whole.extend_from_slice(&sound);
        whole.resize(record + MIB + rest, 0);
        let sectors = |bytes: usize| (bytes / sector) as u32;
        entry(&mut whole, 0, 1, (0x05, sectors(record), sectors(MIB + rest)));
        entry(&mut whole, record, 0, (0x83, sectors(MIB), sectors(rest)));
        let (folder, output) = archive(&whole, &[]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let found = names(folder.path());
        assert!(has_files(&found, 1) && has_files(&found, 5), "{sector}: {found:?}");
        let inspected = said(&voltar(&["inspect", "d.img"], folder.path()));
        assert!(inspected.contains(&format!("sectors of {sector} bytes")), "{inspected}");
        assert_eq!(inspected.contains("--sector-size decides otherwise"), sector == 4096, "{inspected}");
    }
}

#[test]
fn what_is_no_tar_is_never_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let image = fixture("ext4");
    let write = |name: &str, bytes: &[u8]| fs::write(at(name), bytes).unwrap();
    write("d.img.zst", &zstd::stream::encode_all(image.as_slice(), 1).unwrap());
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &image).unwrap();
    write("d.img.gz", &gzip.finish().unwrap());
    write("d.img.xz", b"\xfd7zXZ\0\0\x04rest of it");
    write("d.tar.bz2", b"BZh91AY&SYrest of it");
    write("d.zip", b"PK\x03\x04rest of it");
    let vdi =
        [&b"<<< Oracle VM VirtualBox Disk Image >>>"[..], &[0; 25], b"\x7f\x10\xda\xbe", &[0; 500]].concat();
    write("d.vdi", &vdi);
    write("d.simg", b"\x3a\xff\x26\xed\x01\0\0\0rest of it");
    write("d.tar", &{
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(2);
        tar.append_data(&mut header, "file", &b"x\n"[..]).unwrap();
        tar.into_inner().unwrap()
    });
    let cases = [
        ("d.img.zst", "zstd -dk"),
        ("d.img.gz", "gzip -dk"),
        ("d.img.xz", "xz -dk d.img.xz"),
        ("d.tar.bz2", "bzip2 -dk d.tar.bz2"),
        ("d.zip", "unzip d.zip"),
        ("d.vdi", "qemu-img convert -O raw d.vdi d.raw"),
        ("d.simg", "simg2img d.simg d.raw"),
        ("https://example.org/d.img", "download it first"),
        ("-", "write it into a file first"),
    ];
    fs::create_dir(at("to")).unwrap();
    for (name, words) in cases {
        let in_it = format!("{name}:etc/fstab");
        let commands: [Vec<&str>; 9] = [
            vec!["archive", name, "-o", "out.tar"],
            vec!["inspect", name],
            vec!["ls", name],
            vec!["tree", name],
            vec!["cat", if name == "-" { name } else { &in_it }],
            vec!["find", name],
            vec!["diff", name, "d.tar"],
            vec!["diff", "d.tar", name],
            vec!["extract", name, "-C", "to"],
        ];
        for command in commands {
            let output = voltar(&command, folder.path());
            assert!(!output.status.success(), "{command:?}: {}", said(&output));
            assert!(said(&output).contains(words), "{command:?}: {}", said(&output));
        }
    }
    let refused = voltar(&["archive", "d.tar", "-o", "out.tar"], folder.path());
    assert!(said(&refused).contains("is an archive, not a disk"), "{}", said(&refused));
    assert!(!at("out.tar").exists());
}

#[test]
fn the_size_of_a_sector_can_be_decided_on_every_command_that_reads_disks() {
    let folder = tempfile::tempdir().unwrap();
    let sound = fixture("ext4");
    // Both readings of the table find a filesystem: the first at a MiB, the second at eight.
    let mut whole = disk(&[(0x83, &sound)], 512);
    let sectors = (sound.len().next_multiple_of(MIB) / 512) as u32;
    whole.resize(8 * MIB + sectors as usize * 4096, 0);
    whole[8 * MIB..8 * MIB + sound.len()].copy_from_slice(&sound);
    fs::write(folder.path().join("d.img"), &whole).unwrap();
    let inspected = |arguments: &[&str]| {
        let output = voltar(&[&["inspect", "--json", "d.img"], arguments].concat(), folder.path());
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        found["volumes"][0]["start_bytes"].as_u64().unwrap()
    };
    let found = [inspected(&[]), inspected(&["--sector-size", "512"]), inspected(&["--sector-size", "4096"])];
    assert_eq!(found, [1 << 20, 1 << 20, 8 << 20]);
    let made = voltar(&["archive", "d.img", "-o", "d.tar", "--sector-size", "4096"], folder.path());
    assert!(made.status.success(), "{}", said(&made));
    for command in [
        &["ls", "d.img"][..],
        &["tree", "d.img"],
        &["find", "d.img"],
        &["stat", "d.img:p1"],
        &["diff", "d.img", "d.tar"],
        &["verify", "d.tar", "--against", "d.img"],
        &["extract", "d.img:p1", "-C", "to", "--no-sandbox"],
    ] {
        let _ = fs::create_dir(folder.path().join("to"));
        let output = voltar(&[command, &["--sector-size", "4096"]].concat(), folder.path());
        assert_ne!(output.status.code(), Some(2), "{command:?}: {}", said(&output));
    }
    let wrong = voltar(&["inspect", "d.img", "--sector-size", "1000"], folder.path());
    assert_eq!(wrong.status.code(), Some(2));
    assert!(said(&wrong).contains("a power of two from 512 to 65536"), "{}", said(&wrong));
}

#[test]
fn a_disk_whose_images_overlap_or_are_cut_off_is_restored_as_it_was() {
    let sound = fixture("ext4");
    let mut overlapping = disk(&[(0x17, &noise(2 * MIB)), (0x83, &sound)], 512);
    entry(&mut overlapping, 0, 2, (0xef, 2100, 100));
    let whole = disk(&[(0x83, &sound), (0x83, &noise(3 * MIB))], 512);
    for (name, device) in [("overlap", overlapping), ("cut off", whole[..whole.len() - MIB].to_vec())] {
        let (folder, _) = archive(&device, &["--raw", "always"]);
        let output = voltar(&["restore", "d.tar", "--to", "back.img"], folder.path());
        assert_eq!(output.status.code(), Some(0), "{name}: {}", said(&output));
        let back = fs::read(folder.path().join("back.img")).unwrap();
        assert!(
            back[..device.len()] == device && back[device.len()..].iter().all(|byte| *byte == 0),
            "{name}"
        );
    }
}

#[test]
fn a_dry_run_opens_each_source_and_says_what_becomes_of_it_and_a_list_shows_images() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("disk.img"), disk(&[(0x83, &fixture("ext4")), (0x83, &noise(MIB))], 512)).unwrap();
    fs::write(at("database.img"), noise(2 * MIB)).unwrap();
    fs::File::create(at("blank.img")).unwrap().set_len(1 << 40).unwrap();
    fs::write(at("other.qed"), [&b"QED\0"[..], &[0; 1000]].concat()).unwrap();
    fs::create_dir(at("backups")).unwrap();
    let sources = |names: &[&str]| -> String {
        names.iter().map(|name| format!("[[source]]\nimage = \"{}\"\n", at(name).display())).collect()
    };
    let configuration = |names: &[&str]| {
        let text = format!("{}[destination]\nfolder = \"{}\"\n", sources(names), at("backups").display());
        fs::write(at("voltar.toml"), text).unwrap();
    };
    configuration(&["disk.img", "database.img", "blank.img", "other.qed"]);
    let previewed = voltar(&["run", "--dry-run", "--config", "voltar.toml"], folder.path());
    assert_eq!(previewed.status.code(), Some(1), "{}", said(&previewed));
    for words in [
        "partition 1: ext4, its files",
        "partition 2: unknown, stored as an image unless it is all zeros",
        "the whole device: unknown, stored as an image unless it is all zeros",
        "the whole device: empty, nothing of it is stored",
        "qemu-img convert",
    ] {
        assert!(said(&previewed).contains(words), "{words}: {}", said(&previewed));
    }
    assert_eq!(fs::read_dir(at("backups")).unwrap().count(), 0);
    configuration(&["disk.img", "database.img", "blank.img"]);
    let made = voltar(&["run", "--config", "voltar.toml"], folder.path());
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    assert!(said(&made).contains("1 partition stored as an image"), "{}", said(&made));
    let listed = said(&voltar(&["list", "backups"], folder.path()));
    assert_eq!(listed.matches("complete, 1 partition stored as an image").count(), 2, "{listed}");
}
