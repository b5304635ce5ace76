//! The name of this host: whose archives, snapshots and locks are, on storage that several hosts share.

use std::fs;

/// See proc_sys_kernel(5).
const PATH: &str = "/proc/sys/kernel/hostname";

/// This host's name, as the kernel has it; `localhost` where it does not tell.
#[must_use]
pub fn host_name() -> String {
    let name = fs::read_to_string(PATH).unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}
