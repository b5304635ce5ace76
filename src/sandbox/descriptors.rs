//! Closes what the caller of the program left open: a parser that was taken over must not find a
//! descriptor of somebody else.
//!
//! All that this program opens has `FD_CLOEXEC`. So a descriptor without it came through
//! `execve(2)`: the caller left it open. Stdin, stdout and stderr stay.

use std::fs;
use std::io;
use std::os::fd::RawFd;

/// The descriptors of this process, and what is known of each (proc_pid_fdinfo(5)).
const DESCRIPTORS: &str = "/proc/self/fd";
const KNOWN: &str = "/proc/self/fdinfo";

/// `O_CLOEXEC` in the line `flags:` of a descriptor, which is octal.
const CLOSES_ON_EXEC: u32 = libc::O_CLOEXEC.cast_unsigned();

/// Stdin, stdout and stderr.
const STANDARD: RawFd = 2;

/// Closes what the caller left open.
pub(super) fn close_inherited() -> io::Result<()> {
    for descriptor in inherited()? {
        // Whatever the answer, it is not open any more (close(2)).
        let _ = nix::unistd::close(descriptor);
    }
    Ok(())
}

fn inherited() -> io::Result<Vec<RawFd>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(DESCRIPTORS)? {
        let name = entry?.file_name();
        let Some(descriptor) = name.to_str().and_then(|name| name.parse::<RawFd>().ok()) else { continue };
        if descriptor <= STANDARD {
            continue;
        }
        // One that is gone by now was opened by this function.
        let Ok(known) = fs::read_to_string(format!("{KNOWN}/{descriptor}")) else { continue };
        if is_inherited(&known) {
            found.push(descriptor);
        }
    }
    Ok(found)
}

fn is_inherited(known: &str) -> bool {
    let flags = known.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & CLOSES_ON_EXEC == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_that_survives_an_exec_is_inherited() {
        for (known, expected) in [
            ("pos:\t0\nflags:\t0100000\nmnt_id:\t29\n", true),
            ("pos:\t0\nflags:\t02100000\nmnt_id:\t29\n", false),
            ("pos:\t0\n", false),
            ("", false),
        ] {
            assert_eq!(is_inherited(known), expected, "{known:?}");
        }
    }

    #[test]
    fn what_this_program_opens_is_not_inherited() {
        let file = std::fs::File::open("/proc/self/status").unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&file);
        assert!(!inherited().unwrap().contains(&number));
    }
}
