//! Programs that others wait for run with the usual priority, however low our own is.
//!
//! A nightly run lets guests go first (`Nice=`, `IOSchedulingClass=idle`, ionice(1)). A command
//! that suspends a volume, or a hook that freezes a guest, must not: on a busy disk the idle class
//! gets no turn, and the guest waits.
//!
//! Linux keeps both priorities for each thread, and a child begins with those of the thread that
//! starts it (ioprio_set(2), setpriority(2)). So the thread takes the usual ones for the moment of
//! the start.
#![allow(unsafe_code)]

use rustix::process::{getpriority_process, setpriority_process};

/// `IOPRIO_WHO_PROCESS`, and the thread that asks.
const WHO_PROCESS: libc::c_int = 1;
const THIS_THREAD: libc::c_int = 0;

/// Position of the class in the value: `IOPRIO_CLASS_SHIFT`.
const CLASS_SHIFT: u32 = 13;
/// `IOPRIO_CLASS_IDLE`.
const IDLE: libc::c_int = 3;
/// `IOPRIO_CLASS_BE` with the middle of its eight levels.
const BEST_EFFORT: libc::c_int = (2 << CLASS_SHIFT) | 4;

/// Starts something with the usual priorities. When a priority can't be set, the command runs
/// without it.
pub(crate) fn with_usual<T>(start: impl FnOnce() -> T) -> T {
    let class = io_priority().filter(|priority| priority >> CLASS_SHIFT == IDLE);
    let nice = getpriority_process(None).ok().filter(|nice| *nice > 0);
    if class.is_some() {
        set_io_priority(BEST_EFFORT);
    }
    if nice.is_some() {
        let _ = setpriority_process(None, 0);
    }
    let started = start();
    if let Some(class) = class {
        set_io_priority(class);
    }
    if let Some(nice) = nice {
        let _ = setpriority_process(None, nice);
    }
    started
}

/// This thread's priority for input and output; `None` where the kernel doesn't tell.
fn io_priority() -> Option<libc::c_int> {
    // SAFETY: the call takes two numbers and gives one; no memory of ours is involved.
    let priority = unsafe { libc::syscall(libc::SYS_ioprio_get, WHO_PROCESS, THIS_THREAD) };
    libc::c_int::try_from(priority).ok().filter(|priority| *priority >= 0)
}

fn set_io_priority(priority: libc::c_int) {
    // SAFETY: the call takes three numbers; no memory of ours is involved. Where it fails, all
    // stays as it was.
    let _ = unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, THIS_THREAD, priority) };
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::thread;

    use super::*;

    fn said(command: &mut Command) -> String {
        String::from_utf8(command.output().unwrap().stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn a_program_that_others_wait_for_is_started_with_the_usual_priorities() {
        // A thread of its own: priorities are the thread's, and this one is as the test was
        // started.
        let thread = thread::spawn(|| {
            set_io_priority(IDLE << CLASS_SHIFT);
            let nice = getpriority_process(None).unwrap().max(5);
            setpriority_process(None, nice).unwrap();
            let may_be_raised = setpriority_process(None, 0).is_ok();
            setpriority_process(None, nice).unwrap();

            let (class, lower) = (said(&mut Command::new("ionice")), said(&mut Command::new("nice")));
            assert_eq!((class.as_str(), lower), ("idle", nice.to_string()));
            let class = with_usual(|| said(&mut Command::new("ionice")));
            let usual = with_usual(|| said(&mut Command::new("nice")));
            assert_eq!(class, "best-effort: prio 4");
            assert_eq!(usual, if may_be_raised { "0".to_owned() } else { nice.to_string() });
            // A command that we start for ourselves stays behind the guests.
            assert_eq!(said(&mut Command::new("ionice")), "idle");
            assert_eq!(said(&mut Command::new("nice")), nice.to_string());
        });
        thread.join().unwrap();
    }
}
