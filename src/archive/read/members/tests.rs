//! Tars put together by hand, sound ones and others. What other programs write is read in the tests of the whole program.

use std::io::Cursor;

use tar::{EntryType, Header};

use super::*;
use crate::archive::read::stream::InOneGo;
use crate::filesystem::{FileKind, Flags};

/// A member's header and content.
fn member(header: &mut Header, content: &[u8]) -> Vec<u8> {
    header.set_size(content.len() as u64);
    header.set_cksum();
    let mut bytes = [header.as_bytes().as_slice(), content].concat();
    bytes.resize(bytes.len().next_multiple_of(BLOCK_LEN), 0);
    bytes
}

fn ustar(name: &str, kind: EntryType) -> Header {
    let mut header = Header::new_ustar();
    header.set_path(name).unwrap();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header
}

fn record(keyword: &str, value: &[u8]) -> Vec<u8> {
    let mut records = crate::format::tar::pax::Records::new();
    records.push(keyword.as_bytes(), value);
    records.as_bytes().to_vec()
}

fn pax(records: &[u8]) -> Vec<u8> {
    member(&mut ustar("x", EntryType::XHeader), records)
}

fn gnu(kind: EntryType, value: &[u8]) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_path("././@LongLink").unwrap();
    header.set_entry_type(kind);
    member(&mut header, &[value, b"\0"].concat())
}

fn end() -> Vec<u8> {
    vec![0; 2 * BLOCK_LEN]
}

fn open(parts: &[Vec<u8>]) -> Members<InOneGo> {
    Members::new(InOneGo::new(Box::new(Cursor::new(parts.concat())))).checking_padding()
}

fn all(parts: &[Vec<u8>]) -> Result<Vec<Member>> {
    let mut members = open(parts);
    let mut all = Vec::new();
    while let Some(member) = members.next()? {
        all.push(member);
    }
    let faults = members.take_faults();
    assert!(faults.is_empty(), "{faults:?}");
    Ok(all)
}

fn fault(parts: &[Vec<u8>]) -> String {
    all(parts).unwrap_err().to_string()
}

#[test]
fn pax_records_take_the_place_of_the_headers_fields() {
    let records = [
        record("path", b"long/\xff/name"),
        record("uid", b"4294967294"),
        record("mtime", b"-1.5"),
        record("LIBARCHIVE.creationtime", b"12.000000001"),
        record("SCHILY.xattr.security.capability", b"\x01\n\0=\x02"),
        record("SCHILY.xattr.user.empty", b""),
        record("SCHILY.acl.access", b"user::rw-,user:joe:r--,group::r--,mask::r--,other::r--"),
        record("RHT.security.selinux", b"system_u:object_r:etc_t:s0"),
        record("SCHILY.fflags", b"nodump"),
    ];
    let parts = [pax(&records.concat()), member(&mut ustar("short", EntryType::Regular), b"content"), end()];
    let found = all(&parts).unwrap();
    let [found] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(found.path, b"long/\xff/name");
    assert_eq!((found.metadata.uid, found.size, found.metadata.mode), (4_294_967_294, 7, 0o644));
    let modified = found.metadata.modified.unwrap();
    assert_eq!((modified.seconds, modified.nanoseconds), (-2, 500_000_000));
    assert_eq!(found.metadata.created.unwrap().nanoseconds, 1);
    let attributes: Vec<(&[u8], &[u8])> = found
        .metadata
        .attributes
        .iter()
        .map(|attribute| (&attribute.name[..], &attribute.value[..]))
        .collect();
    assert_eq!(
        attributes,
        [
            (&b"security.capability"[..], &b"\x01\n\0=\x02"[..]),
            (b"security.selinux", b"system_u:object_r:etc_t:s0\0"),
            (b"user.empty", b""),
        ]
    );
    // A user without a number can't be had back.
    assert_eq!(found.lost, ["SCHILY.acl.access"]);
    assert_eq!(found.metadata.flags, Flags(0x40));
    assert_eq!((found.place.header, found.place.data, found.place.stored), (0, 1536, 7));
}

#[test]
fn global_records_hold_for_all_that_follows() {
    let global = member(&mut ustar("g", EntryType::XGlobalHeader), &record("uname", b"everybody"));
    let parts = [
        global,
        member(&mut ustar("a", EntryType::Regular), b""),
        pax(&record("uname", b"me")),
        member(&mut ustar("b", EntryType::Regular), b""),
        member(&mut ustar("c", EntryType::Regular), b""),
        end(),
    ];
    let names: Vec<Vec<u8>> = all(&parts).unwrap().into_iter().map(|member| member.uname).collect();
    assert_eq!(names, [&b"everybody"[..], b"me", b"everybody"]);
}

#[test]
fn gnu_long_names_and_targets_are_those_of_the_next_member() {
    let (name, target) = ([b'n'; 300], [b't'; 5000]);
    let parts = [
        gnu(EntryType::GNULongLink, &target),
        gnu(EntryType::GNULongName, &name),
        member(&mut ustar("n", EntryType::Symlink), b""),
        member(&mut ustar("next", EntryType::Regular), b""),
        end(),
    ];
    let found = all(&parts).unwrap();
    assert_eq!(
        (&found[0].path[..], &found[0].link[..], found[0].kind),
        (&name[..], &target[..], MemberKind::File(FileKind::Symlink))
    );
    assert_eq!(found[1].path, b"next");
}

#[test]
fn directories_links_and_devices_have_nothing_behind_them_whatever_their_size_says() {
    let sized = |name: &str, kind: EntryType| {
        let mut header = ustar(name, kind);
        header.set_size(4096);
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    let parts = [
        sized("d/", EntryType::Directory),
        sized("l", EntryType::Link),
        sized("s", EntryType::Symlink),
        sized("f", EntryType::Fifo),
        end(),
    ];
    let kinds: Vec<MemberKind> = all(&parts).unwrap().into_iter().map(|member| member.kind).collect();
    let file = MemberKind::File;
    let expected =
        [file(FileKind::Directory), MemberKind::Link, file(FileKind::Symlink), file(FileKind::Fifo)];
    assert_eq!(kinds, expected);
}

#[test]
fn the_first_tars_tell_a_directory_by_its_slash() {
    let mut header = Header::new_old();
    header.set_path("d/").unwrap();
    header.as_old_mut().linkflag = [0];
    assert_eq!(
        all(&[member(&mut header, b""), end()]).unwrap()[0].kind,
        MemberKind::File(FileKind::Directory)
    );
}

#[test]
fn a_sparse_file_in_lines_has_its_map_before_its_data() {
    let records = [
        record("GNU.sparse.major", b"1"),
        record("GNU.sparse.minor", b"0"),
        record("GNU.sparse.name", b"real"),
        record("GNU.sparse.realsize", b"10000"),
    ];
    let mut content = b"2\n4096\n3\n9000\n2\n".to_vec();
    content.resize(BLOCK_LEN, 0);
    content.extend_from_slice(b"abcde");
    let parts = [
        pax(&records.concat()),
        member(&mut ustar("GNUSparseFile.0/real", EntryType::Regular), &content),
        end(),
    ];
    let mut members = open(&parts);
    let found = members.next().unwrap().unwrap();
    assert_eq!((found.path.as_slice(), found.size), (&b"real"[..], 10_000));
    assert_eq!(found.runs.unwrap(), [(4096, 3), (9000, 2)]);
    assert_eq!(found.place.stored, 5);
    let mut data = [0; 100];
    let len = members.read(&mut data).unwrap();
    assert_eq!(&data[..len], b"abcde");
    assert_eq!(members.next().unwrap(), None);
}

#[test]
fn a_directory_of_an_incremental_archive_has_names_behind_its_header_and_is_a_directory() {
    let mut header = Header::new_gnu();
    header.set_path("d/").unwrap();
    header.set_entry_type(EntryType::new(b'D'));
    let parts =
        [member(&mut header, b"Yfile\0\0"), member(&mut ustar("d/file", EntryType::Regular), b"x"), end()];
    let found = all(&parts).unwrap();
    let kinds: Vec<_> = found.iter().map(|member| (member.kind, member.size)).collect();
    assert_eq!(kinds, [(MemberKind::File(FileKind::Directory), 0), (MemberKind::File(FileKind::Regular), 1)]);
}

#[test]
fn records_before_a_member_are_bounded_together() {
    let records = pax(&record("comment", &vec![b'x'; 20 << 20]));
    let parts = [records.clone(), records, member(&mut ustar("a", EntryType::Regular), b""), end()];
    assert!(fault(&parts).contains("at most"));
}

#[test]
fn records_for_all_members_are_bounded_together() {
    let global = |keyword: &str| {
        member(&mut ustar("g", EntryType::XGlobalHeader), &record(keyword, &vec![b'x'; 600 << 10]))
    };
    let file = || member(&mut ustar("a", EntryType::Regular), b"");
    assert_eq!(all(&[global("comment"), global("comment"), file(), end()]).unwrap().len(), 1);
    assert!(fault(&[global("one"), global("two"), file(), end()]).contains("more memory"));
}

#[test]
fn how_a_tar_ends_is_told() {
    let file = member(&mut ustar("a", EntryType::Regular), b"x");
    let cases = [
        (vec![file.clone(), end()], End::Marked),
        (vec![file.clone(), vec![0; BLOCK_LEN]], End::Half),
        (vec![file.clone()], End::Missing),
    ];
    for (parts, end) in cases {
        let mut members = open(&parts);
        while members.next().unwrap().is_some() {}
        assert_eq!(members.end(), Some(end));
    }
}

#[test]
fn padding_that_is_not_zeros_is_told_with_its_place() {
    let mut file = member(&mut ustar("a", EntryType::Regular), b"x");
    file[BLOCK_LEN + 7] = 1;
    let mut members = open(&[file, end()]);
    while members.next().unwrap().is_some() {}
    let faults = members.take_faults();
    assert_eq!(faults[0].place().offset_bytes, Some(519), "{faults:?}");
}

#[test]
fn what_breaks_the_rules_is_refused_with_its_reason() {
    let file = || member(&mut ustar("a", EntryType::Regular), b"x");
    let mut huge = ustar("x", EntryType::XHeader);
    huge.set_size(1 << 33);
    huge.set_cksum();
    let mut damaged = file();
    damaged[0] ^= 1;
    let sparse = |map: &[u8]| {
        let records = [
            record("GNU.sparse.size", b"100"),
            record("GNU.sparse.map", map),
            record("GNU.sparse.name", b"s"),
        ];
        vec![pax(&records.concat()), file(), end()]
    };
    let mut cut = file();
    cut.truncate(BLOCK_LEN + 1);
    let cases = [
        (vec![huge.as_bytes().to_vec()], "at most"),
        (vec![damaged, end()], "checksum"),
        (vec![pax(&record("path", b"b")), end()], "no member follows"),
        (vec![pax(b"9 path=b\n"), cut], "cut off"),
        (vec![pax(b"99 path=b\n"), file()], "no sound length"),
        (vec![pax(&record("mtime", b"soon")), file()], "mtime"),
        (sparse(b"0,1,200,1"), "past its end"),
        (sparse(b"5,1,0,1"), "goes back"),
        (sparse(b"0,2"), "are stored"),
        (sparse(b"0"), "ends in the middle"),
    ];
    for (parts, reason) in cases {
        let said = fault(&parts);
        assert!(said.contains(reason), "{said:?} instead of {reason:?}");
    }
}

#[test]
fn whatever_is_changed_in_a_tar_reading_it_ends() {
    let records = [
        record("GNU.sparse.major", b"1"),
        record("GNU.sparse.minor", b"0"),
        record("GNU.sparse.name", b"real"),
        record("GNU.sparse.realsize", b"10000"),
    ];
    let mut content = b"2\n4096\n3\n9000\n2\n".to_vec();
    content.resize(BLOCK_LEN, 0);
    content.extend_from_slice(b"abcde");
    let good = [
        gnu(EntryType::GNULongName, &[b'n'; 300]),
        member(&mut ustar("n", EntryType::Directory), b""),
        pax(&records.concat()),
        member(&mut ustar("s", EntryType::Regular), &content),
        end(),
    ]
    .concat();
    let mut state = 1_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    for _ in 0..20_000 {
        let mut bad = good.clone();
        for _ in 0..1 + random() % 3 {
            let at = random() % bad.len();
            bad[at] = b"0179\0 \n=,\xff"[random() % 10];
        }
        // With sound checksums, what is behind them is met as well.
        for block in bad.chunks_exact_mut(BLOCK_LEN) {
            if block[257..262] == *b"ustar" {
                block[148..156].fill(b' ');
                let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
                block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            }
        }
        let mut members = open(&[bad]);
        let mut count = 0;
        while let Ok(Some(_)) = members.next() {
            count += 1;
            assert!(count < 100);
        }
    }
}
