//! Signals that ask the program to end: the first is a wish, the second an order.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// What the program ends with at the second signal.
const ORDERED: i32 = 1;

/// A flag that the first SIGINT, SIGTERM or SIGHUP sets. The second ends the program at once; what it leaves behind the
/// next run removes.
pub(super) fn stop_flag() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // In this order: the first signal finds the flag not set yet.
        flag::register_conditional_shutdown(signal, ORDERED, Arc::clone(&stop))?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}
