//! Our reading of partition tables against that of others, on clean tables: `sfdisk` made them, and it and the
//! crates `gpt` and `mbrman` read them too.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::NamedTempFile;
use voltar::device::{Io, open};
use voltar::partition::{Scheme, Table, read};

const SECTOR: u64 = 512;
const MIB: u64 = 1 << 20;

/// Number, start and length in sectors, type.
type Place = (u32, u64, u64, String);

/// Scripts that `sfdisk` makes tables from: name, size of the disk in MiB, script.
const TABLES: [(&str, u64, &str); 6] = [
    (
        "gpt",
        64,
        "label: gpt\n\
         size=1MiB, type=21686148-6449-6E6F-744E-656564454649, name=\"boot code\"\n\
         size=8MiB, type=U, name=\"EFI system\"\n\
         size=16MiB, type=L, name=\"größe, 36 letters at most: abcdefghi\", attrs=LegacyBIOSBootable\n\
         type=S\n",
    ),
    ("gpt with unused slots", 64, "label: gpt\n3: size=1MiB\n100: size=2MiB, name=last\n"),
    ("gpt with 1000 entries", 64, "label: gpt\ntable-length: 1000\n1: size=1MiB\n999: size=2MiB\n"),
    (
        "mbr with four primaries",
        64,
        "label: dos\nlabel-id: 0x74066322\nsize=1MiB, bootable\nsize=2MiB, type=82\nsize=3MiB, type=c\ntype=8e\n",
    ),
    (
        "mbr with logicals",
        64,
        "label: dos\nsize=4MiB\nsize=40MiB, type=5\nsize=2MiB, type=83\n\
         5: size=1MiB\n6: size=2MiB, type=82\n7: size=3MiB\n8: size=4MiB, type=8e\n9: size=5MiB, bootable\n",
    ),
    (
        "mbr with an extended partition in the first slot and one unused slot",
        64,
        "label: dos\n1: size=20MiB, type=f\n3: size=2MiB\n4: size=2MiB\n5: size=1MiB\n6: size=1MiB\n",
    ),
];

/// Whether a program is here. Where everything has to be (`CI` is set), one that is missing fails the test.
fn have(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "{program} is missing, and CI is set");
    if !found {
        eprintln!("LEFT OUT: {program} is not installed");
    }
    found
}

fn disk(size_mib: u64, script: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    file.as_file().set_len(size_mib * MIB).unwrap();
    let mut sfdisk = Command::new("sfdisk")
        .args(["--quiet", "--no-reread", "--no-tell-kernel"])
        .arg(file.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    sfdisk.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(sfdisk.wait().unwrap().success(), "{script}");
    file
}

fn ours(path: &Path) -> Table {
    read(open(path, Io::Pread).unwrap().as_ref()).unwrap().unwrap()
}

fn our_places(table: &Table) -> Vec<Place> {
    let place = |p: &voltar::partition::Partition| {
        (p.number, p.range.start() / SECTOR, p.range.len() / SECTOR, p.type_id.clone())
    };
    table.partitions.iter().map(place).collect()
}

fn sfdisk_json(path: &Path) -> Value {
    let output = Command::new("sfdisk").arg("-J").arg(path).output().unwrap();
    let mut json: Value = serde_json::from_slice(&output.stdout).unwrap();
    json["partitiontable"].take()
}

/// The number behind the path in the name of a node.
fn number(partition: &Value, path: &Path) -> u32 {
    let node = partition["node"].as_str().unwrap();
    let number = node.strip_prefix(path.to_str().unwrap()).unwrap();
    number.trim_start_matches('p').parse().unwrap()
}

#[test]
fn sfdisk_reads_the_same_from_every_table() {
    if !have("sfdisk") {
        return;
    }
    for (name, size_mib, script) in TABLES {
        let file = disk(size_mib, script);
        let table = ours(file.path());
        let theirs = sfdisk_json(file.path());
        let is_gpt = theirs["label"] == "gpt";
        assert_eq!(table.scheme == Scheme::Gpt, is_gpt, "{name}");
        let id = if is_gpt { table.id.clone() } else { format!("0x{}", table.id) };
        assert_eq!(theirs["id"], id, "{name}");
        assert_eq!((&table.warnings, &table.fault), (&vec![], &None), "{name}");
        let partitions = theirs["partitions"].as_array().unwrap();
        let places: Vec<Place> = partitions
            .iter()
            .map(|p| {
                let kind = p["type"].as_str().unwrap();
                let kind = if is_gpt { kind.to_owned() } else { format!("{kind:0>2}") };
                (number(p, file.path()), p["start"].as_u64().unwrap(), p["size"].as_u64().unwrap(), kind)
            })
            .collect();
        assert_eq!(our_places(&table), places, "{name}");
        for (our, their) in table.partitions.iter().zip(partitions) {
            assert_eq!(our.fault, None, "{name}");
            let legacy = their["attrs"].as_str().is_some_and(|attrs| attrs.contains("LegacyBIOSBootable"));
            assert_eq!(our.bootable, legacy || their["bootable"] == true, "{name}: {}", our.number);
            if is_gpt {
                assert_eq!(their["uuid"], our.uuid, "{name}");
                assert_eq!(their["name"].as_str().unwrap_or_default(), our.name, "{name}");
            }
        }
    }
}

#[test]
fn the_crate_gpt_reads_the_same_from_every_gpt() {
    if !have("sfdisk") {
        return;
    }
    for (name, size_mib, script) in TABLES.iter().filter(|(_, _, script)| script.starts_with("label: gpt")) {
        let file = disk(*size_mib, script);
        let table = ours(file.path());
        let theirs = gpt::GptConfig::new().open(file.path()).unwrap();
        assert_eq!(table.id, format!("{:X}", theirs.guid()), "{name}");
        let used = theirs.partitions().iter().filter(|(_, partition)| partition.is_used());
        let places: Vec<(Place, String, String)> = used
            .map(|(number, p)| {
                let sectors = p.last_lba - p.first_lba + 1;
                let place = (*number, p.first_lba, sectors, format!("{:X}", p.part_type_guid.guid));
                (place, p.name.clone(), format!("{:X}", p.part_guid))
            })
            .collect();
        let names = table.partitions.iter().map(|p| (p.name.clone(), p.uuid.clone()));
        let ours: Vec<_> = our_places(&table)
            .into_iter()
            .zip(names)
            .map(|(place, (name, uuid))| (place, name, uuid))
            .collect();
        assert_eq!(ours, places, "{name}");
    }
}

#[test]
fn the_crate_mbrman_reads_the_same_from_every_mbr() {
    if !have("sfdisk") {
        return;
    }
    for (name, size_mib, script) in TABLES.iter().filter(|(_, _, script)| script.starts_with("label: dos")) {
        let file = disk(*size_mib, script);
        let table = ours(file.path());
        let theirs = mbrman::MBR::read_from(&mut file.reopen().unwrap(), SECTOR as u32).unwrap();
        let id = u32::from_le_bytes(theirs.header.disk_signature);
        assert_eq!(table.id, format!("{id:08x}"), "{name}");
        let used = theirs.iter().filter(|(_, partition)| partition.is_used());
        let places: Vec<Place> = used
            .map(|(number, p)| {
                (number as u32, p.starting_lba.into(), p.sectors.into(), format!("{:02x}", p.sys))
            })
            .collect();
        assert_eq!(our_places(&table), places, "{name}");
    }
}

#[test]
fn a_table_of_4096_byte_sectors_is_found_in_an_image_that_does_not_say_so() {
    const SECTOR: u64 = 4096;
    let mut file = NamedTempFile::new().unwrap();
    file.as_file().set_len(64 * MIB).unwrap();
    let sectors = u32::try_from(64 * MIB / SECTOR).unwrap();
    gpt::mbr::ProtectiveMBR::with_lb_size(sectors - 1).overwrite_lba0(&mut file).unwrap();
    let config = gpt::GptConfig::new().writable(true).logical_block_size(gpt::disk::LogicalBlockSize::Lb4096);
    let mut disk = config.create_from_device(file.as_file_mut(), None).unwrap();
    disk.update_partitions(Default::default()).unwrap();
    disk.add_partition_at("root", 1, 256, 1024, gpt::partition_types::LINUX_FS, 0).unwrap();
    disk.write().unwrap();
    let table = ours(file.path());
    assert_eq!((table.scheme, table.sector_bytes), (Scheme::Gpt, 4096));
    let root = &table.partitions[0];
    assert_eq!((root.range.start(), root.range.len(), root.name.as_str()), (MIB, 4 * MIB, "root"));
}
