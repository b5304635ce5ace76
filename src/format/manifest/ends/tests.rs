use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::*;
use crate::format::manifest::ManifestWriter;

fn head() -> Value {
    json!({
        "record": "head", "format": 1, "tool": "voltar 0.1.0", "started": 1_700_000_000,
        "source": { "path": "/dev/vg0/web1", "len_bytes": 1 << 30 }, "table": null, "warnings": [], "volumes": [],
        "compression": "zstd", "level": 3, "digest": "sha1", "exclude": [],
    })
}

fn tail() -> Value {
    json!({
        "complete": true, "entries": { "file": 3, "dir": 1 }, "issues": 0, "data_bytes": 10, "stream_bytes": 20,
        "archive_bytes": 30, "bytes_read": 40, "sha1": "00", "finished": 1_700_000_090, "record": "tail",
    })
}

fn line(record: &Value) -> Vec<u8> {
    format!("{record}\n").into_bytes()
}

/// A manifest of these records, parted as a run parts it.
fn manifest(head: &Value, entries: impl Iterator<Item = Vec<u8>>, last: &[Vec<u8>]) -> Vec<u8> {
    let mut writer = ManifestWriter::new(Vec::new()).unwrap();
    writer.write_all(&line(head)).unwrap();
    writer.flush().unwrap();
    entries.for_each(|entry| writer.write_all(&entry).unwrap());
    writer.flush().unwrap();
    last.iter().for_each(|line| writer.write_all(line).unwrap());
    writer.finish().unwrap()
}

fn entries(count: usize) -> impl Iterator<Item = Vec<u8>> {
    (0..count).map(|number| {
        line(&json!({ "record": "entry", "path": format!("var/{number}"), "size": number * 7919 }))
    })
}

fn frames() -> Vec<u8> {
    line(&json!({ "record": "frames", "frame_bytes": 4 << 20, "packed": [1, 2, 3] }))
}

fn sound() -> Vec<u8> {
    manifest(&head(), entries(10), &[frames(), line(&tail())])
}

fn read(bytes: &[u8]) -> Result<Ends> {
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    ends(file.path())
}

#[test]
fn both_ends_are_read() {
    let ends = read(&sound()).unwrap();
    assert_eq!((ends.head.started, ends.head.source.path.as_str()), (1_700_000_000, "/dev/vg0/web1"));
    let tail = ends.tail.unwrap();
    assert_eq!((tail.entries["file"], tail.archive_bytes, tail.finished), (3, 30, Some(1_700_000_090)));
}

#[test]
fn any_zstd_reads_a_manifest_as_one_stream() {
    let text = zstd::decode_all(&sound()[..]).unwrap();
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!((lines.len(), lines[0], lines[12]), (13, &line(&head())[..], &line(&tail())[..]));
}

#[test]
fn frames_have_whole_records_and_at_most_four_mebibytes_but_for_a_longer_record() {
    let long = vec![b'x'; 5 << 20];
    let records = entries(150_000).chain([[&long[..], b"\n"].concat()]).chain(entries(3));
    let bytes = manifest(&head(), records, &[frames(), line(&tail())]);
    let mut at = 0;
    let mut lengths = Vec::new();
    while let Ok(packed) = zstd::zstd_safe::find_frame_compressed_size(&bytes[at..]) {
        let raw = zstd::decode_all(&bytes[at..at + packed]).unwrap();
        assert!(raw.is_empty() || raw.ends_with(b"\n"), "the frame at {at} ends within a record");
        lengths.push(raw.len());
        at += packed;
        if at == bytes.len() {
            break;
        }
    }
    assert_eq!(at, bytes.len());
    // The head; entries; the long one; entries; the last two records; the table, which is no text.
    assert!(lengths.len() > 6, "{lengths:?}");
    let longer: Vec<&usize> = lengths.iter().filter(|len| **len > 4 << 20).collect();
    assert_eq!(longer, [&((5 << 20) + 1)]);
}

#[test]
fn the_ends_of_a_million_entries_are_read_without_unpacking_them() {
    let bytes = manifest(&head(), entries(1_000_000), &[frames(), line(&tail())]);
    let file = NamedTempFile::new().unwrap();
    // What is between is of no interest: it may even be damaged.
    let mut damaged = bytes;
    let middle = damaged.len() / 2;
    damaged[middle..middle + 1000].fill(0x55);
    fs::write(file.path(), &damaged).unwrap();
    let begun = Instant::now();
    assert!(ends(file.path()).unwrap().tail.is_some());
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
}

#[test]
fn a_manifest_that_ends_early_has_no_tail() {
    let whole = sound();
    let cases = [
        ("no table", whole[..whole.len() - 1].to_vec()),
        ("no tail", manifest(&head(), entries(3), &[frames()])),
        ("only a head", manifest(&head(), entries(0), &[])),
        ("a tail whose line does not end", manifest(&head(), entries(3), &[tail().to_string().into_bytes()])),
        (
            "one stream, compressed anew",
            zstd::encode_all(&zstd::decode_all(&whole[..]).unwrap()[..], 3).unwrap(),
        ),
    ];
    for (what, bytes) in cases {
        assert_eq!(read(&bytes).unwrap_or_else(|error| panic!("{what}: {error}")).tail, None, "{what}");
    }
}

#[test]
fn the_lengths_of_very_many_frames_are_passed_over() {
    let frames = line(&json!({ "record": "frames", "packed": vec![4_000_000; 3_000_000] }));
    assert!(frames.len() > usize::try_from(MOST_RECORD_BYTES).unwrap());
    let bytes = manifest(&head(), entries(1), &[frames, line(&tail())]);
    assert!(read(&bytes).unwrap().tail.is_some());
}

/// A file whose last frame is `frame`, with the lengths that its table shall say.
fn with_last(frame: &[u8], packed: u32, raw: u32) -> Vec<u8> {
    let head = zstd::encode_all(&line(&head())[..], 3).unwrap();
    let lengths = |packed: u32, raw: u32| [packed.to_le_bytes(), raw.to_le_bytes()].concat();
    let table = [0x184d_2a5e_u32.to_le_bytes(), 25_u32.to_le_bytes()].concat();
    let footer = [&2_u32.to_le_bytes()[..], &[0], &0x8f92_eab1_u32.to_le_bytes()].concat();
    [&head, frame, &table, &lengths(1, 1), &lengths(packed, raw), &footer].concat()
}

#[test]
fn what_breaks_the_rules_is_refused_in_words() {
    let whole = sound();
    let at_end = |back: usize, byte: u8| {
        let mut bytes = whole.clone();
        let at = bytes.len() - back;
        bytes[at] = byte;
        bytes
    };
    let with_head = |key: &str, value: Value| {
        let mut head = head();
        head[key] = value;
        manifest(&head, entries(1), &[line(&tail())])
    };
    let bomb = zstd::encode_all(&vec![0; 300 << 20][..], 3).unwrap();
    let bomb_len = u32::try_from(bomb.len()).unwrap();
    let zeros = zstd::encode_all(&vec![0; 1000][..], 3).unwrap();
    let zeros_len = u32::try_from(zeros.len()).unwrap();
    let window = {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(&vec![b'x'; 1000]).unwrap();
        encoder.finish().unwrap()
    };
    let window_len = u32::try_from(window.len()).unwrap();
    let cases: [(&str, Vec<u8>, Kind, &str); 16] = [
        ("nothing", Vec::new(), Kind::Corrupt, ""),
        ("text", b"nothing of the kind".to_vec(), Kind::Corrupt, ""),
        ("no head", manifest(&tail(), entries(1), &[line(&tail())]), Kind::Corrupt, "where `head` belongs"),
        ("no record", zstd::encode_all(&b"[]\n"[..], 3).unwrap(), Kind::Corrupt, "is no record"),
        ("a newer form", with_head("format", json!(2)), Kind::Unsupported, "1 is the newest"),
        ("a wrong type", with_head("started", json!("now")), Kind::Corrupt, "the record `head`"),
        ("an escape", with_head("tool", json!("\u{1b}[2J")), Kind::Corrupt, r"no manifest has: \u{1b}[2J"),
        (
            "a head without end",
            zstd::encode_all(&vec![b'x'; 20 << 20][..], 3).unwrap(),
            Kind::Corrupt,
            "longer than any head",
        ),
        ("flags", at_end(5, 0x80), Kind::Unsupported, "flags 0x80"),
        ("too many frames", at_end(6, 0x7f), Kind::Corrupt, "frames, but the file has"),
        ("too few frames", at_end(9, 1), Kind::Corrupt, "does not begin 25 bytes before the end"),
        (
            "a last frame that begins before the file",
            with_last(&zeros, 9999, 1),
            Kind::Corrupt,
            "has 9999 bytes",
        ),
        ("a bomb that says so", with_last(&bomb, bomb_len, 300 << 20), Kind::Limit, "at most 268435456"),
        ("a bomb that does not", with_last(&bomb, bomb_len, 1000), Kind::Corrupt, "not as long as the table"),
        (
            "a frame that is shorter",
            with_last(&zeros, zeros_len, 1001),
            Kind::Corrupt,
            "not as long as the table",
        ),
        ("a frame that asks for memory", with_last(&window, window_len, 1000), Kind::Corrupt, "memory"),
    ];
    for (what, bytes, kind, message) in cases {
        let error = read(&bytes).expect_err(what);
        assert_eq!(error.kind(), kind, "{what}: {error}");
        assert!(error.to_string().contains(message), "{what}: {error}");
    }
}

#[test]
fn a_damaged_byte_in_either_end_is_found() {
    let whole = sound();
    let damaged = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let table = 8 + 3 * 8 + 9;
    for at in [20, whole.len() - table - 30] {
        let outcome = read(&damaged(at));
        assert_eq!(outcome.map_err(|error| error.kind()).unwrap_err(), Kind::Corrupt, "byte {at}");
    }
}

#[test]
fn a_pipe_keeps_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(ends(&path).unwrap_err().kind(), Kind::Corrupt);
    assert_eq!(ends(folder.path()).unwrap_err().kind(), Kind::Corrupt);
    assert_eq!(ends(&folder.path().join("absent")).unwrap_err().kind(), Kind::Source);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_mutation_of_a_manifest_is_read_as_something_else(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = sound();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        // Checksums see to it: what is read is what was written.
        let expected = read(&sound()).unwrap();
        if let Ok(ends) = read(&bytes) {
            prop_assert_eq!(&ends.head, &expected.head);
            prop_assert!(ends.tail.is_none() || ends.tail == expected.tail);
        }
    }
}
