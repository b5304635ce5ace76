//! Swap space, also with a suspended system in it.
//!
//! Layout: `union swap_header` in `include/linux/swap.h` of the kernel; the signature ends the first page.

use super::Signature;
use super::head::Head;
use crate::fields::u32_at;

/// Sizes of a page, of all machines.
const PAGES: [usize; 5] = [4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10];
const MAGIC_BYTES: usize = 10;
/// Without a header of its own.
const OLD: &[u8] = b"SWAP-SPACE";
const NEW: &[u8] = b"SWAPSPACE2";
/// What a suspended system puts over the signature, by several programs.
const SUSPENDED: [&[u8]; 4] = [b"S1SUSPEND\0", b"S2SUSPEND\0", b"ULSUSPEND\0", b"LINHIB0001"];
const HEADER_AT: usize = 1024;

pub(super) fn find(head: &Head<'_>) -> Option<Signature> {
    let ends_page = |magic: &[u8]| {
        PAGES.iter().any(|page| page.checked_sub(MAGIC_BYTES).is_some_and(|at| head.has(at, magic)))
    };
    let version = u32_at(head.bytes(), HEADER_AT).ok()?;
    let last_page = u32_at(head.bytes(), HEADER_AT.checked_add(4)?).ok()?;
    let has_header = (version == 1 || version.swap_bytes() == 1) && last_page != 0;
    let found =
        ends_page(OLD) || SUSPENDED.iter().any(|magic| ends_page(magic)) || (ends_page(NEW) && has_header);
    if !found {
        return None;
    }
    let (uuid, label) = match has_header {
        true => (head.uuid(HEADER_AT + 12), head.text(HEADER_AT + 28, 16)),
        false => Default::default(),
    };
    Some(Signature { name: "swap", label, uuid })
}
