//! `[destination]` and `[verify]`.

use crate::config::fault::Remarks;
use crate::config::keys;
use crate::config::table::Table;
use crate::config::values::Values;
use crate::store::Destination;
use crate::store::choice::Choice;

/// The destination; `None` after a fault: it has no folder.
pub(super) fn read(root: &Table<'_, '_>, remarks: &mut Remarks) -> Option<Destination> {
    if root.raw(keys::DESTINATION.key()).is_none() && !root.has_unknown() {
        remarks.fault(
            None,
            "[destination] is missing: it says with folder = \"/srv/backups\" where archives go",
        );
    }
    let table = root.table(&keys::DESTINATION, remarks)?;
    let Values { folder, require_mount, minimum_free, .. } = table.values(remarks);
    let folder = folder?;
    if folder.parent().is_none() {
        remarks.fault(
            table.place("folder"),
            "destination.folder: expected a folder for archives alone, found the root of this host",
        );
    }
    Some(Destination { folder, require_mount, minimum_free })
}

/// The archives to verify; `None` where the table chooses none.
pub(super) fn verify(table: &Table<'_, '_>, remarks: &mut Remarks) -> Option<Choice> {
    let is_empty = ["newest", "sample"].iter().all(|name| table.raw(name).is_none());
    if is_empty && !table.has_unknown() {
        let text = "[verify] says of no archive that it is verified: write newest = true, or sample = \"10%\", or both";
        remarks.fault(table.span(), text);
    }
    let choice = table.values(remarks).verify;
    (!choice.is_all()).then_some(choice)
}
