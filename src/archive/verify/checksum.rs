//! Holds a checksum file against what was computed.
//!
//! A changed file changes about all digits of its digest. A digest that differs in a few digits is therefore itself
//! what is damaged.

use std::path::Path;

use crate::archive::publish::checksum_line;
use crate::printable::Printable;

/// How a recorded digest agrees with a computed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agreement {
    /// In all digits.
    Same,
    /// In all but so many: the recorded one is damaged.
    Near(usize),
    /// Hardly in any: they are of different bytes.
    Far,
}

impl Agreement {
    /// Whether the recorded digest is, or was, that of the bytes that were read.
    pub(super) fn vouches(self) -> bool {
        self != Self::Far
    }
}

/// Compares digests in hexadecimal digits. Two that have nothing to do with each other agree in one digit of 16.
pub(super) fn compare(recorded: &[u8], computed: &str) -> Agreement {
    let computed = computed.as_bytes();
    let differing = recorded.iter().zip(computed).filter(|(one, other)| one != other).count();
    let differing = differing.saturating_add(recorded.len().abs_diff(computed.len()));
    match differing {
        0 => Agreement::Same,
        few if few <= computed.len() / 4 => Agreement::Near(few),
        _ => Agreement::Far,
    }
}

/// What one line of a checksum file came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub agreement: Agreement,
    /// The digest as it stands there.
    pub recorded: String,
    /// What is wrong with the line besides.
    pub faults: Vec<String>,
    /// The name in it, where it is another one and all else is right.
    other_name: Option<Vec<u8>>,
    /// The fault of that.
    name_fault: Option<String>,
}

/// The lines of the archive and of the manifest. Files of other programs, and older ones, have the first alone.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Read {
    pub archive: Option<Line>,
    pub manifest: Option<Line>,
    /// Whether there is a line for a manifest that is not there.
    pub is_manifest_missing: bool,
    pub faults: Vec<String>,
    /// The archive's name in it, where archive and manifest were renamed together.
    pub renamed: Option<String>,
}

/// Reads a checksum file: of each line it is known what it should be, but for the name of another program's mark for
/// binary files.
pub(super) fn read(text: &[u8], archive: (&str, &Path), manifest: Option<(&str, &Path)>) -> Read {
    let mut read = Read::default();
    if text.is_empty() {
        read.faults.push("it is empty".to_owned());
        return read;
    }
    let Some(body) = text.strip_suffix(b"\n") else {
        read.faults.push("its last line has no end".to_owned());
        read.take(text, archive, manifest);
        return read;
    };
    read.take(body, archive, manifest);
    read
}

impl Read {
    fn take(&mut self, body: &[u8], archive: (&str, &Path), manifest: Option<(&str, &Path)>) {
        let mut lines = body.split(|byte| *byte == b'\n');
        self.archive = lines.next().map(|text| line(text, archive));
        if let Some(text) = lines.next() {
            match manifest {
                Some(manifest) => self.manifest = Some(line(text, manifest)),
                None => self.is_manifest_missing = true,
            }
        }
        let more = lines.count();
        if more > 0 {
            self.faults.push(format!("it has {more} lines more than it should"));
        }
        self.renamed = self.common_name(manifest.is_some());
        for line in [&mut self.archive, &mut self.manifest].into_iter().flatten() {
            let fault = line.name_fault.take().filter(|_| self.renamed.is_none());
            line.faults.extend(fault);
        }
    }

    /// The name that all lines agree on: then the files were renamed, and no line is damaged. A
    /// single line of right content is believed.
    fn common_name(&self, has_manifest: bool) -> Option<String> {
        let archive = self.archive.as_ref().filter(|line| line.agreement == Agreement::Same)?;
        let name = archive.other_name.as_deref()?;
        let is_named_after = |line: &Line| {
            let name = [name, MANIFEST_ENDING].concat();
            line.agreement == Agreement::Same && line.other_name.as_deref() == Some(&name)
        };
        let agree = match &self.manifest {
            Some(line) => is_named_after(line),
            None => !has_manifest,
        };
        (agree && self.faults.is_empty()).then(|| Printable(name).to_string())
    }
}

/// The ending that a manifest's name adds to its archive's.
const MANIFEST_ENDING: &[u8] = b".manifest.jsonl.zst";

fn line(text: &[u8], (digest, path): (&str, &Path)) -> Line {
    let expected = checksum_line(digest, path);
    let mark: &[u8] = if expected.starts_with(b"\\") { b"\\" } else { b"" };
    let mut faults = Vec::new();
    let unmarked = text.strip_prefix(mark).unwrap_or_else(|| {
        faults.push("a line does not begin with the backslash that tells of an escaped name".to_owned());
        text
    });
    let (recorded, rest) = unmarked.split_at_checked(digest.len()).unwrap_or((unmarked, &[]));
    let behind = expected.get(mark.len().saturating_add(digest.len())..).unwrap_or_default();
    let behind = behind.strip_suffix(b"\n").unwrap_or(behind);
    let is_binary = rest.starts_with(b" *") && rest.get(2..) == behind.get(2..);
    let (mut other_name, mut name_fault) = (None, None);
    if rest != behind && !is_binary {
        let (is, should) = (String::from_utf8_lossy(rest), String::from_utf8_lossy(behind));
        name_fault = Some(format!("behind a digest stands {is:?}, it should be {should:?}"));
        let name = rest.strip_prefix(b"  ").or_else(|| rest.strip_prefix(b" *"));
        let is_plain = |name: &&[u8]| mark.is_empty() && !name.is_empty() && !name.contains(&b'/');
        other_name = name.filter(is_plain).map(<[u8]>::to_vec);
    }
    let shown = Printable(recorded).to_string();
    Line { agreement: compare(recorded, digest), recorded: shown, faults, other_name, name_fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";
    const OTHER: &str = "84983e441c3bd26ebaae4aa1f95129e5e54670f1";

    fn text() -> Vec<u8> {
        [checksum_line(DIGEST, Path::new("/x/a.tar")), checksum_line(OTHER, Path::new("/x/a.m"))].concat()
    }

    fn read_it(text: &[u8]) -> Read {
        read(text, (DIGEST, Path::new("a.tar")), Some((OTHER, Path::new("a.m"))))
    }

    fn is_sound(read: &Read) -> bool {
        let sound = |line: &Option<Line>| {
            line.as_ref().is_some_and(|line| line.agreement == Agreement::Same && line.faults.is_empty())
        };
        sound(&read.archive) && sound(&read.manifest) && read.faults.is_empty()
    }

    #[test]
    fn each_flipped_bit_is_noticed_and_never_taken_for_another_file() {
        assert!(is_sound(&read_it(&text())));
        for bit in 0..text().len() * 8 {
            let mut bad = text();
            bad[bit / 8] ^= 1 << (bit % 8);
            let read = read_it(&bad);
            assert!(!is_sound(&read), "bit {bit}");
            let vouches = |line: &Option<Line>| line.as_ref().is_none_or(|line| line.agreement.vouches());
            assert!(vouches(&read.archive) && vouches(&read.manifest), "bit {bit}");
        }
    }

    #[test]
    fn files_that_were_renamed_together_are_told_from_a_damaged_name() {
        let (digests, path) = ([DIGEST, OTHER], |name: &str| Path::new("/x").join(name));
        let of = |archive: &str, manifest: &str| {
            let lines =
                [checksum_line(digests[0], &path(archive)), checksum_line(digests[1], &path(manifest))];
            read(
                &lines.concat(),
                (DIGEST, Path::new("now.tar")),
                Some((OTHER, Path::new("now.tar.manifest.jsonl.zst"))),
            )
        };
        let renamed = of("then.tar", "then.tar.manifest.jsonl.zst");
        assert_eq!(renamed.renamed.as_deref(), Some("then.tar"));
        assert!(is_sound(&renamed));
        for (archive, manifest) in [
            ("then.tar", "now.tar.manifest.jsonl.zst"),
            ("now.tar", "then.tar.manifest.jsonl.zst"),
            ("then.tar", "other.tar.manifest.jsonl.zst"),
        ] {
            let damaged = of(archive, manifest);
            assert!(damaged.renamed.is_none() && !is_sound(&damaged), "{archive}, {manifest}");
        }
    }

    #[test]
    fn digests_of_other_bytes_agree_in_hardly_any_digit() {
        assert_eq!(compare(DIGEST.as_bytes(), OTHER), Agreement::Far);
        assert_eq!(compare(b"", OTHER), Agreement::Far);
        assert_eq!(compare(&DIGEST.as_bytes()[1..], DIGEST), Agreement::Far);
        assert_eq!(
            compare(DIGEST.to_uppercase().as_bytes(), "A9993E364706816ABA3E25717850C26C9CD0D89d"),
            Agreement::Near(1)
        );
    }

    #[test]
    fn other_programs_mark_binary_files_with_a_star() {
        let read = read(format!("{DIGEST} *a.tar\n").as_bytes(), (DIGEST, Path::new("a.tar")), None);
        assert_eq!(read.archive.unwrap().faults, Vec::<String>::new());
    }
}
