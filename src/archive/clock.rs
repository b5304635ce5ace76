//! The time, for manifests and names.

use std::time::SystemTime;

/// Seconds since 1970; `SOURCE_DATE_EPOCH` stands for them where outputs are to be the same every time.
#[must_use]
pub fn now() -> u64 {
    fixed().unwrap_or_else(clock)
}

/// The time that `SOURCE_DATE_EPOCH` sets for what stands in an archive.
#[must_use]
pub fn fixed() -> Option<u64> {
    std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.parse().ok())
}

/// Seconds since 1970 by the clock of this host: a backup's name tells when it was made, whatever
/// the variable says.
#[must_use]
pub fn clock() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |past| past.as_secs())
}
