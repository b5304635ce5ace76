//! Signals that ask the program to end. It does so at the next frame or entry, and removes what it has begun to write.
//!
//! A second signal is no stronger: timeout(1) and terminals send the same one twice, to the process and to its group.

use std::io;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM};
use signal_hook::flag;
use signal_hook::low_level::emulate_default_handler;

/// Whether SIGINT came.
static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// A flag that SIGINT, SIGTERM, SIGHUP and SIGQUIT set.
pub(super) fn stop_flag() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let ignored = ignored();
    let is_ignored = |signal: i32| {
        let bit = u32::try_from(signal).ok().and_then(|signal| signal.checked_sub(1));
        bit.and_then(|bit| ignored.checked_shr(bit)).is_some_and(|rest| rest & 1 == 1)
    };
    let interrupted = INTERRUPTED.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT].into_iter().filter(|signal| !is_ignored(*signal)) {
        flag::register(signal, Arc::clone(&stop))?;
        if signal == SIGINT {
            flag::register(signal, Arc::clone(interrupted))?;
        }
    }
    Ok(stop)
}

/// Ends the program with this exit code, or by SIGINT where that stopped it: only so a shell knows
/// that its loop is to stop, too (<https://www.cons.org/cracauer/sigint.html>).
pub(super) fn end(code: ExitCode) -> ExitCode {
    let is_interrupted = INTERRUPTED.get().is_some_and(|flag| flag.load(Relaxed));
    if is_interrupted && code != ExitCode::SUCCESS {
        // When this fails, the exit code says it.
        let _ = emulate_default_handler(SIGINT);
    }
    code
}

/// Ends the program as one that writes to a reader who is gone: by SIGPIPE, without a word. Rust
/// ignores that signal at first.
pub(super) fn end_by_broken_pipe() -> ExitCode {
    let _ = emulate_default_handler(SIGPIPE);
    ExitCode::FAILURE
}

/// The signals that whoever started the program wants ignored, `nohup` for instance: a bit each, the first signal lowest.
///
/// `SigIgn` in proc_pid_status(5); where that can't be read, none.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
