//! The 512 bytes before a member.
//!
//! <https://www.gnu.org/software/tar/manual/html_node/Standard.html> has the fields of all forms: the first tar's, the
//! one of POSIX (`ustar`), GNU's, and star's, which has a shorter prefix.

use thiserror::Error;

use super::number::{parse, parse_unsigned};
use crate::fields::{Short, slice_at, u8_at, until_nul};

/// Length of a header, and what everything is padded to.
pub(crate) const BLOCK_LEN: usize = 512;

/// One block.
pub(crate) type Block = [u8; BLOCK_LEN];

const CHECKSUM: std::ops::Range<usize> = 148..156;

#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum Fault {
    #[error("no header of a tar member: its checksum is {found}, it should be {said}")]
    Checksum { said: i64, found: u64 },
    #[error("the field {name} of a header is no number")]
    Number { name: &'static str },
    #[error(transparent)]
    Short(#[from] Short),
}

/// A header, as it stands.
#[derive(Debug, Default)]
pub(crate) struct Header {
    pub name: Vec<u8>,
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    pub size: u64,
    pub mtime: i64,
    pub kind: u8,
    pub link: Vec<u8>,
    pub uname: Vec<u8>,
    pub gname: Vec<u8>,
    pub major: u32,
    pub minor: u32,
    pub is_gnu: bool,
}

/// Whether all of a block is zeros.
pub(crate) fn is_zero(block: &[u8]) -> bool {
    block.iter().all(|byte| *byte == 0)
}

/// Reads a header, unless the block is all zeros.
pub(crate) fn read(block: &Block) -> Result<Option<Header>, Fault> {
    if is_zero(block) {
        return Ok(None);
    }
    check(block)?;
    let field = |at, len| slice_at(block, at, len);
    let number = |name, at, len| parse_unsigned(field(at, len)?).ok_or(Fault::Number { name });
    let text = |at, len| field(at, len).map(|bytes| until_nul(bytes).to_vec());
    let small = |name, at, len| u32::try_from(number(name, at, len)?).map_err(|_| Fault::Number { name });
    let mut header = Header {
        name: text(0, 100)?,
        mode: small("mode", 100, 8)?,
        uid: number("uid", 108, 8)?,
        gid: number("gid", 116, 8)?,
        size: number("size", 124, 12)?,
        mtime: parse(field(136, 12)?).ok_or(Fault::Number { name: "mtime" })?,
        kind: u8_at(block, 156)?,
        link: text(157, 100)?,
        ..Header::default()
    };
    let magic = field(257, 8)?;
    if !magic.starts_with(b"ustar") {
        return Ok(Some(header));
    }
    header.is_gnu = magic == b"ustar  \0";
    header.uname = text(265, 32)?;
    header.gname = text(297, 32)?;
    if matches!(header.kind, b'3' | b'4') {
        (header.major, header.minor) = (small("devmajor", 329, 8)?, small("devminor", 337, 8)?);
    }
    if !header.is_gnu {
        let is_star = field(508, 4)? == b"tar\0";
        let prefix = text(345, if is_star { 131 } else { 155 })?;
        if !prefix.is_empty() {
            header.name = [prefix.as_slice(), b"/", &header.name].concat();
        }
    }
    Ok(Some(header))
}

/// Checks the sum of all bytes, in which the field of the sum itself counts as spaces. Some old tars took bytes as signed.
fn check(block: &Block) -> Result<(), Fault> {
    let said = parse(slice_at(block, CHECKSUM.start, CHECKSUM.len())?);
    let said = said.ok_or(Fault::Number { name: "chksum" })?;
    let (mut sum, mut signed_sum) = (0_u64, 0_i64);
    for (at, byte) in block.iter().enumerate() {
        let byte = if CHECKSUM.contains(&at) { b' ' } else { *byte };
        sum = sum.saturating_add(u64::from(byte));
        signed_sum = signed_sum.saturating_add(i64::from(byte.cast_signed()));
    }
    if u64::try_from(said) == Ok(sum) || said == signed_sum {
        return Ok(());
    }
    Err(Fault::Checksum { said, found: sum })
}

/// Whether a file that begins with these bytes is a tar: its first header's checksum is right, or it is an empty one.
pub(crate) fn is_tar(head: &[u8]) -> bool {
    head.first_chunk::<BLOCK_LEN>().is_some_and(|block| read(block).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> Block {
        let mut header = ::tar::Header::new_ustar();
        header.set_path("etc/fstab").unwrap();
        header.set_size(12);
        header.set_mode(0o640);
        header.set_mtime(1_700_000_000);
        header.set_cksum();
        *header.as_bytes()
    }

    #[test]
    fn the_fields_are_where_the_crate_tar_puts_them() {
        let header = read(&block()).unwrap().unwrap();
        assert_eq!((header.name.as_slice(), header.size, header.mode), (&b"etc/fstab"[..], 12, 0o640));
        assert_eq!((header.mtime, header.is_gnu), (1_700_000_000, false));
    }

    #[test]
    fn each_flipped_bit_of_a_header_is_a_fault() {
        for bit in 0..BLOCK_LEN * 8 {
            let mut bad = block();
            bad[bit / 8] ^= 1 << (bit % 8);
            // A space may stand for a zero in front of the checksum, and what is behind its digits counts for nothing.
            let is_checksum = CHECKSUM.contains(&(bit / 8));
            assert!(read(&bad).is_err() || is_checksum, "bit {bit}");
        }
    }

    #[test]
    fn zeros_are_no_header() {
        assert!(read(&[0; BLOCK_LEN]).unwrap().is_none());
        assert!(is_tar(&[0; BLOCK_LEN]) && !is_tar(&[0; 100]) && !is_tar(&[b'x'; BLOCK_LEN]));
    }
}
