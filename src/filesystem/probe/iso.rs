//! Optical discs: ISO 9660 and UDF, which may share one.
//!
//! Layout: ECMA-119, section 8, and ECMA-167, part 2, section 9: descriptors of 2048 bytes from 32 KiB on.

use super::Signature;
use super::head::Head;
use crate::fields::bytes_at;

const FIRST_AT: usize = 32 << 10;
const DESCRIPTOR_BYTES: usize = 2 << 10;
/// Descriptors that are looked at; a disc has a handful.
const MAX_DESCRIPTORS: usize = 32;
/// When the volume was changed, and when it was made.
const DATES_AT: [usize; 2] = [FIRST_AT + 830, FIRST_AT + 813];

pub(super) fn find(head: &Head<'_>) -> Option<Signature> {
    if is_udf(head) {
        return Some(Signature { name: "udf", label: String::new(), uuid: String::new() });
    }
    if !head.has(FIRST_AT, b"\x01CD001") {
        return None;
    }
    let uuid = DATES_AT.iter().find_map(|at| date(head, *at)).unwrap_or_default();
    Some(Signature { name: "iso9660", label: head.text(FIRST_AT + 40, 32), uuid })
}

/// Whether the descriptors name UDF; those of ISO 9660 may come first.
fn is_udf(head: &Head<'_>) -> bool {
    let descriptors = head.bytes().get(FIRST_AT..).unwrap_or_default().chunks_exact(DESCRIPTOR_BYTES);
    descriptors
        .take(MAX_DESCRIPTORS)
        .filter_map(|descriptor| bytes_at::<5>(descriptor, 1).ok())
        .take_while(|id| [b"CD001", b"BEA01", b"NSR02", b"NSR03", b"TEA01", b"BOOT2", b"CDW02"].contains(&id))
        .any(|id| matches!(&id, b"NSR02" | b"NSR03"))
}

/// A date with hundredths of seconds as 16 digits, as the identifier that a disc does not have.
fn date(head: &Head<'_>, at: usize) -> Option<String> {
    let digits: [u8; 16] = bytes_at(head.bytes(), at).ok()?;
    if !digits.iter().all(u8::is_ascii_digit) || digits == [b'0'; 16] {
        return None;
    }
    let (year, rest) = digits.split_first_chunk::<4>()?;
    let mut date = String::from_utf8_lossy(year).into_owned();
    for part in rest.chunks(2) {
        date.push('-');
        date.push_str(&String::from_utf8_lossy(part));
    }
    Some(date)
}
