use super::*;

#[test]
fn each_kind_of_volume_is_told_from_the_others() {
    let rows = parse(include_bytes!("../../../../tests/lvm/group.json")).unwrap();
    let kind = |row: &Row| match (row.is_pool(), row.is_internal(), row.is_snapshot(), row.is_thin()) {
        (true, ..) => "pool",
        (_, true, ..) => "internal",
        (_, _, true, _) => "snapshot",
        (_, _, _, true) => "thin",
        _ => "volume",
    };
    let kinds: Vec<(&str, &str)> = rows.iter().map(|row| (row.name.volume.as_str(), kind(row))).collect();
    let expected = [
        ("attached", "volume"),
        ("by-hand", "volume"),
        ("inactive", "volume"),
        ("mirror-1", "volume"),
        ("pool", "pool"),
        ("thin-1", "thin"),
        ("thin-1-snapshot", "snapshot"),
        ("thin-1-voltar-20250102T030405Z", "snapshot"),
        ("thin-clone", "thin"),
        ("volume-00000001", "volume"),
        ("volume-00000001-snapshot", "snapshot"),
        ("volume-00000001-voltar-20250102T030405Z", "snapshot"),
        ("volume-00000002", "volume"),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn a_row_has_its_numbers_names_and_tags() {
    let rows = parse(include_bytes!("../../../../tests/lvm/thin_snapshot.json")).unwrap();
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!(row.name.to_string(), "cinder-volumes/thin-1-voltar-20250102T030405Z");
    assert_eq!((row.len_bytes, row.extent_bytes), (128 << 20, 4 << 20));
    assert_eq!((row.origin.as_deref(), row.pool.as_deref()), (Some("thin-1"), Some("pool")));
    assert_eq!(row.tags.len(), 5);
    assert!(row.is_active() && row.is_marked() && !row.attributes.is_open);
}

#[test]
fn an_open_an_inactive_and_a_hidden_volume_are_seen_as_such() {
    let one = |json: &[u8]| parse(json).unwrap().remove(0);
    assert!(one(include_bytes!("../../../../tests/lvm/attached.json")).attributes.is_open);
    assert!(!one(include_bytes!("../../../../tests/lvm/inactive.json")).is_active());
    let hidden = one(include_bytes!("../../../../tests/lvm/hidden.json"));
    assert!(hidden.is_internal() && !hidden.is_pool());
    assert_eq!(hidden.name.volume, "pool_tdata");
}

#[test]
fn a_thin_snapshot_whose_origin_is_gone_is_known_by_its_name_and_mark() {
    let orphan = parse(include_bytes!("../../../../tests/lvm/thin_orphan.json")).unwrap().remove(0);
    assert!(orphan.is_snapshot());
    let mut unmarked = orphan.clone();
    unmarked.tags.clear();
    assert!(!unmarked.is_snapshot());
    let mut renamed = orphan;
    renamed.name.volume = "root".to_owned();
    assert!(!renamed.is_snapshot());
}

#[test]
fn an_empty_group_is_read() {
    assert_eq!(parse(include_bytes!("../../../../tests/lvm/empty_group.json")).unwrap(), []);
}

#[test]
fn a_report_that_is_not_as_expected_is_an_error() {
    let good = include_str!("../../../../tests/lvm/linear.json");
    let cases = [
        ("\"67108864\"", "\"64m\""),
        ("\"67108864\"", "\"-1\""),
        ("\"67108864\"", "67108864"),
        ("\"vg_extent_size\":\"4194304\"", "\"vg_extent_size\":\"0\""),
        ("\"lv_attr\":\"owi-a-s---\"", "\"lv_attr\":\"owi\""),
        ("\"lv_name\":\"volume-00000001\"", "\"lv_name\":\"--force\""),
        ("\"lv_health_status\"", "\"other\""),
        ("\"report\"", "\"log\""),
        ("]", ""),
    ];
    for (from, to) in cases {
        assert!(good.contains(from), "{from}");
        let error = parse(good.replace(from, to).as_bytes()).expect_err(to);
        assert_eq!(error.kind(), Kind::Snapshot, "{to}: {error}");
    }
}

#[test]
fn a_percentage_is_a_number_from_0_to_100_or_not_known() {
    assert_eq!(percent("").unwrap(), None);
    assert_eq!(percent("81.62").unwrap(), Some(81.62));
    assert_eq!(percent("81,62").unwrap(), Some(81.62));
    assert_eq!(percent("100.00").unwrap(), Some(100.0));
    for bad in ["-1", "100.01", "nan", "inf", "unknown", "1 %"] {
        assert!(percent(bad).is_err(), "{bad}");
    }
}
