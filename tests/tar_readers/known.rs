//! Known limits of each reader, with the reason. Any other difference is a fault of the archive.

use crate::made::{Holes, Made};
use crate::seen::Seen;

/// Programs that read tars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Python,
    Go,
    Borg,
    SevenZip,
    Busybox,
    Bsdtar,
    GnuTar,
}

/// A limit of a reader.
pub struct Known {
    pub programs: &'static [Program],
    #[expect(dead_code, reason = "it is said to whoever reads the table")]
    pub why: &'static str,
    /// Whether it explains that this member is seen in this way (or not at all).
    pub covers: fn(&Made, &Seen, Option<&Seen>) -> bool,
}

/// Holes that a reader understands.
pub fn holes_for(program: Program) -> Holes {
    match program {
        // They know no sparse files in pax records: the archives for them are made with --sparse
        // no.
        Program::Busybox | Program::SevenZip => Holes::Zeros,
        _ => Holes::Sparse,
    }
}

pub const KNOWN: &[Known] = &[Known {
    programs: &[Program::Borg],
    why: "borg's listing shows a question mark for each byte that is not UTF-8",
    covers: |_, expected, seen| {
        let shown = |bytes: &[u8]| {
            let chunks = bytes.utf8_chunks();
            let shown = chunks
                .flat_map(|chunk| [chunk.valid().as_bytes(), &b"?".repeat(chunk.invalid().len())].concat());
            shown.collect::<Vec<u8>>()
        };
        let listed = Seen { path: shown(&expected.path), link: shown(&expected.link), ..expected.clone() };
        seen == Some(&listed)
    },
}];

/// Whether a known limit explains a difference.
pub fn explains(program: Program, made: &Made, expected: &Seen, seen: Option<&Seen>) -> bool {
    let of_it = KNOWN.iter().filter(|known| known.programs.contains(&program));
    of_it.into_iter().any(|known| (known.covers)(made, expected, seen))
}
