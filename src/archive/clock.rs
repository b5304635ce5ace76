//! What time it is, for names and manifests.

use std::time::SystemTime;

/// Seconds since 1970; `SOURCE_DATE_EPOCH` stands for them where outputs are to be the same every time.
#[must_use]
pub fn now() -> u64 {
    let fixed = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.parse().ok());
    let clock = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |past| past.as_secs());
    fixed.unwrap_or_else(clock)
}
