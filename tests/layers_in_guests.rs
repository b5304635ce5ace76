//! Logical volumes and software RAID, held to what the kernel showed of them: `fixtures/volumes`.
//!
//! The device mapper of a real kernel made each volume and told the SHA-256 of its bytes. Here the
//! same disks are opened without it.
#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use voltar::device::{Device, Window, read_vec};
use voltar::filesystem::{Contents, probe};
use voltar::units::ByteRange;
use voltar::volume::VolumeId;
use voltar::volume::layer::{Context, Found, LAYERS, Member, Opened};

/// A set of disks, and what the kernel showed of the volumes on them.
struct Set {
    name: &'static str,
    disk_bytes: u64,
    count: usize,
    disks: Device,
    truths: BTreeMap<String, Truth>,
}

struct Truth {
    kind: String,
    len_bytes: u64,
    sha256: String,
}

impl Set {
    fn load(name: &'static str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/volumes");
        let packed = fs::File::open(folder.join(format!("{name}.img.zst"))).unwrap();
        let mut decoder = zstd::Decoder::new(packed).unwrap();
        decoder.window_log_max(27).unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut decoder, &mut bytes).unwrap();
        let text = fs::read_to_string(folder.join(format!("{name}.tsv"))).unwrap();
        let mut lines = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        let head = lines.next().unwrap();
        let truths = lines.map(|line| {
            let (kind, len_bytes) = (line[1].to_owned(), line[2].parse().unwrap());
            (line[0].to_owned(), Truth { kind, len_bytes, sha256: line[3].to_owned() })
        });
        Self {
            name,
            disk_bytes: head[0].parse().unwrap(),
            count: head[1].parse().unwrap(),
            truths: truths.collect(),
            disks: Arc::new(bytes),
        }
    }

    /// The volumes that the disks with these numbers hold, by their names.
    fn open(&self, numbers: &[usize]) -> (BTreeMap<String, Found>, Vec<String>) {
        let members = numbers.iter().filter_map(|number| {
            let start = *number as u64 * self.disk_bytes;
            let range = ByteRange::new(start, self.disk_bytes).unwrap();
            let device: Device = Arc::new(Window::new(Device::clone(&self.disks), range).unwrap());
            let Contents::Known(signature) = probe(&device).unwrap() else { return None };
            let id = VolumeId::Disk(u32::try_from(*number).unwrap() + 2);
            Some(Member { id, device, signature })
        });
        let members: Vec<Member> = members.collect();
        let mut volumes = BTreeMap::new();
        let mut warnings = Vec::new();
        for layer in LAYERS {
            let of_layer: Vec<Member> = members
                .iter()
                .filter(|member| layer.names.contains(&member.signature.name))
                .cloned()
                .collect();
            if of_layer.is_empty() {
                continue;
            }
            let opened: Opened = (layer.open)(&of_layer, &Context::new(&[])).unwrap();
            warnings.extend(opened.warnings);
            volumes.extend(opened.volumes.into_iter().map(|found| (found.id.to_string(), found)));
        }
        (volumes, warnings)
    }

    fn all(&self) -> Vec<usize> {
        (0..self.count).collect()
    }

    /// Compares all volumes with the kernel's. `missing` are those that can't be read, and a word of
    /// the reason.
    fn compare(&self, numbers: &[usize], missing: &[(&str, &str)]) -> Vec<String> {
        let (volumes, warnings) = self.open(numbers);
        let expected: Vec<&String> = self.truths.keys().collect();
        assert_eq!(volumes.keys().collect::<Vec<_>>(), expected, "{}: {numbers:?}", self.name);
        for (name, truth) in &self.truths {
            let found = &volumes[name];
            let told = format!("{}: {name}, with {} disks", self.name, numbers.len());
            assert_eq!(found.kind, truth.kind, "{told}");
            match (&found.device, missing.iter().find(|(missing, _)| missing == name)) {
                (Ok(device), None) => {
                    assert_eq!(device.len_bytes(), truth.len_bytes, "{told}");
                    assert_eq!(sha256(device), truth.sha256, "{told}");
                    assert!(found.faults.is_empty(), "{told}: {:?}", found.faults);
                }
                (Err(error), Some((_, reason))) => {
                    assert!(error.to_string().contains(reason), "{told}: {error}");
                }
                (Ok(_), Some(_)) => panic!("{told}: it was read"),
                (Err(error), None) => panic!("{told}: {error}"),
            }
        }
        warnings
    }
}

/// The digest of what a reader sees that goes by the device's own holes.
fn sha256(device: &Device) -> String {
    let mut hasher = Sha256::new();
    let zeros = vec![0; 1 << 20];
    let skip = |hasher: &mut Sha256, from: u64, to: u64| {
        let mut left = to - from;
        while left > 0 {
            let len = left.min(1 << 20);
            hasher.update(&zeros[..len as usize]);
            left -= len;
        }
    };
    let mut at = 0;
    while let Some(data) = device.next_data(at) {
        assert!(data.start() >= at && !data.is_empty(), "{data:?} from {at} on");
        skip(&mut hasher, at, data.start());
        let bytes = read_vec(device.as_ref(), data.start(), data.len() as usize).unwrap();
        hasher.update(&bytes);
        at = data.end();
    }
    skip(&mut hasher, at, device.len_bytes());
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

const MISSING: &str = "is missing";

#[test]
fn every_kind_of_logical_volume_has_the_bytes_that_device_mapper_shows() {
    let set = Set::load("kinds");
    assert_eq!(set.compare(&set.all(), &[]), Vec::<String>::new());
    assert!(set.truths.len() > 20);
}

#[test]
fn a_raid_is_read_without_one_of_its_legs_and_other_volumes_are_missing_by_name() {
    let set = Set::load("kinds");
    for gone in 0..3 {
        let left: Vec<usize> = set.all().into_iter().filter(|number| *number != gone).collect();
        let mut missing = vec![("vg-raid0", MISSING), ("vg-raid0--meta", MISSING), ("vg-striped", MISSING)];
        // The first disk has the first legs of the mirrors; one of them keeps a log.
        let (volumes, _) = set.open(&left);
        for (name, found) in &volumes {
            let is_known = missing.iter().any(|(known, _)| known == name);
            match &found.device {
                Err(error) if !is_known => {
                    assert!(matches!(found.kind, "linear" | "mirror"), "{name}: {error}");
                    missing.push((self_name(&set, name), MISSING));
                }
                Ok(device) if device.len_bytes() < set.truths[name].len_bytes => {
                    assert_eq!(found.kind, "linear", "{name}");
                    assert!(found.faults[0].to_string().contains(MISSING), "{name}");
                }
                _ => {}
            }
        }
        for (name, found) in volumes {
            let truth = &set.truths[&name];
            if let Ok(device) = &found.device
                && device.len_bytes() == truth.len_bytes
            {
                assert_eq!(sha256(device), truth.sha256, "{name} without disk {gone}");
                assert!(!missing.iter().any(|(missing, _)| *missing == name), "{name}");
            }
        }
        assert!(missing.len() < 8, "without disk {gone}: {missing:?}");
    }
}

fn self_name<'a>(set: &'a Set, name: &str) -> &'a str {
    set.truths.keys().find(|known| *known == name).unwrap()
}

#[test]
fn a_raid_that_was_reshaped_is_read_from_where_its_data_are_now() {
    let set = Set::load("reshaped");
    set.compare(&set.all(), &[]);
}

#[test]
fn thin_volumes_snapshots_of_them_and_external_origins_are_read() {
    let set = Set::load("thin");
    assert_eq!(set.compare(&set.all(), &[]), Vec::<String>::new());
}

#[test]
fn the_holes_of_a_thin_volume_cost_nothing() {
    let (volumes, _) = Set::load("thin").open(&[0]);
    let sparse = volumes["vg-sparse"].device.as_ref().unwrap();
    let mut data = Vec::new();
    let mut at = 0;
    while let Some(range) = sparse.next_data(at) {
        data.push((range.start() >> 16, range.end() >> 16));
        at = range.end();
    }
    assert_eq!(data, [(60_000 / 16, 60_016 / 16)]);
}

#[test]
fn snapshots_and_their_origins_are_read_and_an_overflowed_one_is_named() {
    let set = Set::load("snapshots");
    set.compare(&set.all(), &[("vg-full", "overflowed")]);
}

#[test]
fn a_volume_is_read_while_pvmove_moves_it() {
    let set = Set::load("pvmove");
    set.compare(&set.all(), &[]);
    // The first disk has all of it still.
    set.compare(&[0], &[]);
}

#[test]
fn a_leg_that_was_left_behind_is_not_read() {
    let set = Set::load("stale");
    let (volumes, _) = set.open(&set.all());
    let both = &volumes["vg-both"];
    assert_eq!(sha256(both.device.as_ref().unwrap()), set.truths["vg-both"].sha256);
}

#[test]
fn two_groups_of_one_name_stay_apart() {
    let set = Set::load("same-name");
    set.compare(&set.all(), &[]);
}

#[test]
fn metadata_that_wrap_are_damaged_or_are_ignored_leave_the_newest_ones() {
    let set = Set::load("areas");
    let warnings = set.compare(&set.all(), &[]);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("damaged") && warnings[0].contains("another copy"), "{warnings:?}");
}

#[test]
fn every_array_has_the_bytes_that_the_kernel_shows_and_a_stale_member_is_not_read() {
    let set = Set::load("arrays");
    let warnings = set.compare(&set.all(), &[]);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("md_stale"), "{warnings:?}");
    assert!(set.truths.len() > 15);
}

#[test]
fn an_array_is_read_without_one_member_where_others_have_its_bytes() {
    let set = Set::load("arrays");
    let (whole, _) = set.open(&set.all());
    let kinds: BTreeMap<&String, &str> = whole.iter().map(|(name, found)| (name, found.kind)).collect();
    // Of each array one member, the first and then the second.
    for skipped in 0..2 {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let left: Vec<usize> = set
            .all()
            .into_iter()
            .filter(|number| {
                let (volumes, _) = set.open(&[*number]);
                let Some(name) = volumes.into_keys().next() else { return false };
                let count = seen.entry(name).or_default();
                *count += 1;
                *count != skipped + 1
            })
            .collect();
        let (volumes, _) = set.open(&left);
        for (name, found) in volumes.iter().filter(|(name, _)| *name != "md_stale") {
            match (&found.device, kinds[name]) {
                (Err(error), "raid0" | "linear") => assert!(error.to_string().contains(MISSING), "{name}"),
                (Ok(device), _) => assert_eq!(sha256(device), set.truths[name].sha256, "{name}"),
                (Err(error), _) => panic!("{name}: {error}"),
            }
        }
    }
}

#[test]
fn no_change_of_a_byte_makes_a_volume_panic() {
    for name in ["pvmove", "thin", "snapshots"] {
        let set = Set::load(name);
        let bytes = read_vec(set.disks.as_ref(), 0, set.disks.len_bytes() as usize).unwrap();
        // Labels, headers and texts are at the start; the stores of snapshots further on.
        for at in (0..120_usize).map(|step| step * 1997 % 262_144) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x5a;
            let changed = Set { disks: Arc::new(changed), truths: BTreeMap::new(), ..Set::load_head(&set) };
            let (volumes, _) = changed.open(&changed.all());
            for found in volumes.values().filter_map(|found| found.device.as_ref().ok()) {
                let _ = read_vec(found.as_ref(), 0, found.len_bytes().min(1 << 16) as usize);
            }
        }
    }
}

impl Set {
    /// The same set without its disks.
    fn load_head(of: &Self) -> Self {
        Self {
            name: of.name,
            disk_bytes: of.disk_bytes,
            count: of.count,
            disks: Arc::new(Vec::new()),
            truths: BTreeMap::new(),
        }
    }
}
