//! What LVM says when it refuses, and what to do about it.

use std::process::ExitStatus;

use super::command::Said;
use crate::error::{Error, Kind};
use crate::printable::Printable;

/// What in a line of LVM's (or sudo's) tells what to do. The first that is found counts.
const ADVICE: [(&str, &str); 13] = [
    (
        "ermission denied",
        "run this as root, or give your user the right to run lvm alone: --lvm-command \"sudo -n lvm\" (docs/lvm.md)",
    ),
    (
        "Multiple VGs found with the same name",
        "give the group's UUID as GROUP (vgs -o +vg_uuid shows it), or rename one (vgrename UUID NAME)",
    ),
    ("sudo: a password is required", "allow lvm in sudoers without a password (docs/lvm.md)"),
    ("not allowed to execute", "allow this command in sudoers (docs/lvm.md)"),
    ("not in the sudoers file", "allow lvm in sudoers (docs/lvm.md)"),
    ("communicate with kernel device-mapper", "this kernel has no device mapper: load its module dm-mod"),
    (
        "insufficient free space",
        "make the snapshot smaller (--snapshot-size), or the group larger (vgextend)",
    ),
    (
        "nsufficient free space: ",
        "make the snapshot smaller (--snapshot-size), open a physical volume to allocation \
         (pvchange -xy), or make the group larger",
    ),
    ("reached threshold", "make the thin pool larger: lvextend GROUP/POOL"),
    ("PVs are missing", "bring the missing disk back: vgs -o +pv_name,vg_missing_pv_count shows which"),
    ("is exported", "take it back with vgimport"),
    (" in use.", "something has it open: lsof shows what"),
    ("Manual intervention required", "look what is left with lvs -a, and remove it"),
];

/// Lines that say nothing by themselves.
const EMPTY: [&str; 5] =
    ["WARNING:", "Run `", "Cannot process volume group", "Error during parsing", "Aborting."];

/// An error of a command that ended with another status than 0.
pub(super) fn refusal(what: &str, said: &Said) -> Error {
    let text = String::from_utf8_lossy(&said.err);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let advised = ADVICE.iter().find_map(|(mark, advice)| {
        let line = lines.iter().find(|line| line.contains(mark))?;
        Some((*line, *advice))
    });
    let says_something = |line: &&&str| !EMPTY.iter().any(|empty| line.starts_with(empty));
    let (line, advice) = advised.unwrap_or_else(|| {
        let last = lines.iter().rev().find(says_something).or(lines.last());
        (last.copied().unwrap_or("it gave no reason"), "")
    });
    // LVM's explanation is in a warning before.
    let explanation = lines.iter().find(|line| line.contains(" is used by VGs "));
    let (line, advice) = match explanation.filter(|_| line.starts_with("Multiple VGs ")) {
        Some(warning) => (warning.trim_start_matches("WARNING: "), advice),
        None => (line, advice),
    };
    let line = Printable(line.trim_end_matches('.').as_bytes());
    let separator = if advice.is_empty() { "" } else { "; " };
    let message = format!("{what}: {line} ({}){separator}{advice}", ending(said.status));
    Error::new(Kind::Snapshot, message)
}

fn ending(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit code {code}"),
        None => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn the_line_that_tells_something_is_shown_and_what_to_do() {
        let cases: [(&str, &str, &str); 11] = [
            (
                include_str!("../../../tests/lvm/denied_lvcreate.err"),
                "/dev/mapper/control: open failed: Permission denied (exit code 5)",
                "sudo -n lvm",
            ),
            (include_str!("../../../tests/lvm/denied_lvs.err"), "Permission denied", "sudo -n lvm"),
            (
                include_str!("../../../tests/lvm/create_full.err"),
                "Volume group \"small\" has insufficient free space (0 extents): 1 required",
                "vgextend",
            ),
            (
                include_str!("../../../tests/lvm/create_thin_full.err"),
                "free space in thin pool cinder-volumes/pool reached threshold",
                "lvextend",
            ),
            (
                include_str!("../../../tests/lvm/create_partial.err"),
                "Cannot change VG cinder-volumes while PVs are missing (exit code 5)",
                "bring the missing disk back",
            ),
            (include_str!("../../../tests/lvm/remove_busy.err"), "in use (exit code 5)", "lsof"),
            (include_str!("../../../tests/lvm/exported.err"), "Volume group small is exported", "vgimport"),
            (
                include_str!("../../../tests/lvm/same_name.err"),
                "VG name small is used by VGs ",
                "UUID as GROUP",
            ),
            (
                include_str!("../../../tests/lvm/create_closed.err"),
                "extents needed, but only 0 available",
                "pvchange -xy",
            ),
            ("sudo: a password is required\n", "a password is required", "without a password"),
            ("", "it gave no reason", ""),
        ];
        for (err, line, advice) in cases {
            let said = Said { status: ExitStatus::from_raw(5 << 8), out: Vec::new(), err: err.into() };
            let error = refusal("lvcreate vg/lv", &said).to_string();
            assert!(error.starts_with("lvcreate vg/lv: "), "{error}");
            assert!(error.contains(line) && error.contains(advice), "{error}");
        }
    }

    #[test]
    fn a_command_that_was_killed_says_by_what() {
        let said = Said { status: ExitStatus::from_raw(15), out: Vec::new(), err: b"\x1b[2J".to_vec() };
        let error = refusal("lvs vg", &said).to_string();
        assert!(error.contains("signal: 15") && error.contains(r"\u{1b}[2J"), "{error}");
    }
}
