//! `[destination]`, `[retention]` and `[verify]`.

use crate::config::section::{Key, Section};
use crate::config::value;
use crate::config::values::put;
use crate::config::{quantity, special};

/// Where archives go.
pub const DESTINATION: Section = Section {
    name: "destination",
    header: "[destination]",
    overrides: None,
    keys: &[
        Key::new("folder", "path", "required", "the folder; each volume has one of its own in it")
            .sets(|v, raw| put(&mut v.folder, value::path(raw).map(Some))),
        Key::new("require_mount", "boolean", "`false`", "refuses to run when nothing is mounted at `folder`")
            .sets(|v, raw| put(&mut v.require_mount, value::boolean(raw))),
        Key::new(
            "minimum_free",
            "percent, size",
            "none",
            "what must be free there before a run and before each volume: `\"10%\"`, `\"50G\"`",
        )
        .sets(|v, raw| put(&mut v.minimum_free, value::parsed(raw, quantity::free).map(Some))),
    ],
};

const RULES: &[Key] = &[
    Key::new("keep_days", "number", "", "archives that are at most this many days old")
        .sets(|v, raw| put(&mut v.retention.keep_days, value::count(raw).map(Some))),
    Key::new("keep_last", "number", "", "this many of the latest archives")
        .sets(|v, raw| put(&mut v.retention.keep_last, value::count(raw).map(Some))),
    Key::new("keep_daily", "number", "", "the latest archive of each of this many days that have one")
        .sets(|v, raw| put(&mut v.retention.keep_daily, value::count(raw).map(Some))),
    Key::new("keep_weekly", "number", "", "the same for weeks, which begin on Monday")
        .sets(|v, raw| put(&mut v.retention.keep_weekly, value::count(raw).map(Some))),
    Key::new("keep_monthly", "number", "", "the same for months")
        .sets(|v, raw| put(&mut v.retention.keep_monthly, value::count(raw).map(Some))),
    Key::new("keep_yearly", "number", "", "the same for years")
        .sets(|v, raw| put(&mut v.retention.keep_yearly, value::count(raw).map(Some))),
];

/// Which archives are kept.
pub const RETENTION: Section =
    Section { name: "retention", header: "[retention]", overrides: None, keys: RULES };

/// The same, of one source.
pub const SOURCE_RETENTION: Section =
    Section { name: "source.retention", header: "[source.retention]", overrides: None, keys: RULES };

/// The archives to verify.
pub const VERIFY: Section = Section {
    name: "verify",
    header: "[verify]",
    overrides: None,
    keys: &[
        Key::new("newest", "boolean", "`false`", "the newest archive of each volume")
            .sets(|v, raw| put(&mut v.verify.newest, value::boolean(raw))),
        Key::new(
            "sample",
            "percent",
            "none",
            "a share of all archives, another one each day: `\"10%\"` has all of them within ten days",
        )
        .sets(|v, raw| put(&mut v.verify.sample, value::parsed(raw, special::share).map(Some))),
    ],
};
