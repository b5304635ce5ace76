//! `[destination]`, `[retention]` and `[verify]`.

use crate::config::fault::Remarks;
use crate::config::table::Table;
use crate::config::{keys, quantity, value};
use crate::retention::Retention;
use crate::store::choice::{Choice, Share};
use crate::store::folder::Destination;

/// The destination; `None` where it has no folder, which is told.
pub(super) fn read(root: &Table<'_, '_>, remarks: &mut Remarks) -> Option<Destination> {
    if root.raw(keys::DESTINATION.key()).is_none() && !root.has_unknown() {
        remarks.fault(
            None,
            "[destination] is missing: it says with folder = \"/srv/backups\" where archives go",
        );
    }
    let table = root.table(&keys::DESTINATION, remarks)?;
    let folder = table.require("folder", remarks, value::path);
    let require_mount = table.get("require_mount", remarks, value::boolean);
    let minimum_free = table.get("minimum_free", remarks, |raw| value::parsed(raw, quantity::free));
    let folder = folder?;
    let require_mount = require_mount.is_some_and(|given| given.value);
    if folder.value.parent().is_none() {
        remarks.fault(
            folder.place(),
            "destination.folder: expected a folder for archives alone, found the root of this host",
        );
    }
    Some(Destination {
        folder: folder.value,
        require_mount,
        minimum_free: minimum_free.map(|given| given.value),
    })
}

/// The rules of `[retention]`, or of one source.
pub(super) fn retention(table: &Table<'_, '_>, remarks: &mut Remarks) -> Retention {
    let mut rule = |name| table.get(name, remarks, value::count).map(|given| given.value);
    Retention {
        keep_days: rule("keep_days"),
        keep_last: rule("keep_last"),
        keep_daily: rule("keep_daily"),
        keep_weekly: rule("keep_weekly"),
        keep_monthly: rule("keep_monthly"),
        keep_yearly: rule("keep_yearly"),
    }
}

/// The archives to verify; `None` where it comes to none.
pub(super) fn verify(table: &Table<'_, '_>, remarks: &mut Remarks) -> Option<Choice> {
    let is_empty = ["newest", "sample"].iter().all(|name| table.raw(name).is_none());
    if is_empty && !table.has_unknown() {
        let text = "[verify] says of no archive that it is verified: write newest = true, or sample = \"10%\", or both";
        remarks.fault(table.span(), text);
    }
    let newest = table.get("newest", remarks, value::boolean).is_some_and(|given| given.value);
    let sample = table.get("sample", remarks, |raw| value::parsed(raw, share)).map(|given| given.value);
    let choice = Choice { newest, sample };
    (!choice.is_all()).then_some(choice)
}

fn share(text: &str) -> Result<Share, String> {
    text.parse().map_err(|_| "a share like \"10%\", from \"1%\" to \"100%\"".to_owned())
}
