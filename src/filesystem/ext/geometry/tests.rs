use serde_json::{Value, json};

use super::*;
use crate::filesystem::ext::fixture;

/// That of the fixture, as a manifest has it.
fn geometry(name: &str) -> Geometry {
    let opened = crate::filesystem::open(std::sync::Arc::new(fixture(name)), "ext4", None).unwrap();
    serde_json::from_value(opened.summary().geometry.clone().unwrap()).unwrap()
}

#[test]
fn what_is_written_is_read_again() {
    for name in
        ["ext2-revision-0", "ext3", "ext4", "ext4-bigalloc", "ext4-casefold", "ext4-csum-seed", "ext4-quota"]
    {
        let geometry = geometry(name);
        let text = serde_json::to_string(&geometry).unwrap();
        assert_eq!(serde_json::from_str::<Geometry>(&text).unwrap(), geometry, "{name}: {text}");
    }
}

#[test]
fn a_filesystem_is_described_as_dumpe2fs_does() {
    let found = geometry("ext4-bigalloc");
    assert_eq!((found.block_bytes, found.cluster_bytes), (1024, 16_384));
    assert!(found.features.has("bigalloc") && found.features.has("extent"));
    assert_eq!(geometry("ext2-revision-0").revision, 0);
    assert_eq!(geometry("ext4-quota").quotas, ["user", "group", "project"]);
    assert!(geometry("ext4-csum-seed").checksum_seed.is_some());
    assert!(geometry("ext4").journal_bytes.is_some());
}

#[test]
fn numbers_and_texts_that_can_not_be_are_refused() {
    let sound = serde_json::to_value(geometry("ext4")).unwrap();
    let cases: [(&str, Value); 16] = [
        ("revision", json!(2)),
        ("block_bytes", json!(0)),
        ("block_bytes", json!(1000)),
        ("cluster_bytes", json!(512)),
        ("inode_bytes", json!(0)),
        ("inode_bytes", json!(8192)),
        ("blocks", json!(0)),
        ("blocks", json!(u64::MAX)),
        ("inodes", json!(0)),
        ("reserved_blocks", json!(u64::MAX)),
        ("blocks_per_group", json!(0)),
        ("groups_per_flex", json!(3)),
        ("want_extra_isize", json!(4000)),
        ("label_hex", json!("00")),
        ("label_hex", json!("é0")),
        ("features", json!({"compat": ["a,b"], "incompat": [], "ro_compat": []})),
    ];
    for (field, value) in cases {
        let mut wrong = sound.clone();
        wrong[field] = value.clone();
        assert!(serde_json::from_value::<Geometry>(wrong).is_err(), "{field}: {value}");
    }
}

#[test]
fn a_larger_one_has_as_many_inodes_for_each_group() {
    let small = geometry("ext4-32-byte-descriptors");
    let groups = u64::from(small.inodes) / 2;
    let large = small.grown(small.blocks * 2).unwrap();
    assert_eq!(large.blocks, small.blocks * 2);
    assert!(u64::from(large.inodes) > groups * 3, "{} {}", small.inodes, large.inodes);
    assert!(small.grown(u64::MAX).is_err());
}

#[test]
fn checksums_can_be_made_to_begin_anywhere() {
    let sound = geometry("ext4");
    for seed in [0, 1, 0x1234_5678, u32::MAX] {
        let uuid = Geometry { checksum_seed: Some(seed), ..sound.clone() }.uuid_of_checksums();
        assert_eq!(Crc::START.with(uuid.as_bytes()).value(), seed);
    }
    assert_eq!(sound.uuid_of_checksums(), sound.uuid);
}
