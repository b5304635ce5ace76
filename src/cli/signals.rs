//! Signals that ask the program to end. It does so at the next frame or entry, and removes what it has begun to write.
//!
//! A second signal is no stronger: timeout(1) and terminals send the same one twice, to the process and to its group.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag;

/// A flag that SIGINT, SIGTERM, SIGHUP and SIGQUIT set.
pub(super) fn stop_flag() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let ignored = ignored();
    let is_ignored = |signal: i32| {
        let bit = u32::try_from(signal).ok().and_then(|signal| signal.checked_sub(1));
        bit.and_then(|bit| ignored.checked_shr(bit)).is_some_and(|rest| rest & 1 == 1)
    };
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT].into_iter().filter(|signal| !is_ignored(*signal)) {
        flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// The signals that whoever started the program wants ignored, `nohup` for instance: a bit each, the first signal lowest.
///
/// `SigIgn` in proc_pid_status(5); where that can't be read, none.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
