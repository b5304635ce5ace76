//! No system calls but those that are needed: a seccomp filter.
//!
//! The list says what is allowed, not what is forbidden: a call that is new, or one by another
//! number (x32 has every call a second time, and some kernels of distributions take it), is outside
//! of it. To all others the answer is `ENOSYS`, as of a kernel that is older than the call: the C
//! library then does without, whichever it is.
//!
//! <https://docs.kernel.org/userspace-api/seccomp_filter.html>

use std::collections::BTreeMap;
use std::io;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter,
};

use super::Writing;

/// Calls that are harmless whatever their arguments.
const ALLOWED: &[c_long] = &[
    // What is open: reading, writing, hints. Nothing here takes a path.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_preadv2,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_lseek,
    libc::SYS_fadvise64,
    libc::SYS_readahead,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_dup,
    libc::SYS_close,
    libc::SYS_ppoll,
    // The metadata of what is open. `statx` and `newfstatat`, which take paths, are not here.
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    // Memory that is not executable; `mmap` and `mprotect` are below.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Threads; `clone` is below.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_membarrier,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getcpu,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Signals that come; `tgkill`, for those that go, is below.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // Time, where the vDSO does not tell it, randomness, and what machine this is.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_sysinfo,
    libc::SYS_uname,
];

/// Calls that only the oldest of the architectures has.
#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[c_long] = &[libc::SYS_poll, libc::SYS_time];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[c_long] = &[];

/// Calls of a socket that is open: to be told what to do, with the files for it. `sendto`, to
/// answer, is below. None makes or connects one.
const RECEIVING: &[c_long] = &[libc::SYS_recvmsg];

/// Calls that make a tree. Those that take a path beside a descriptor are kept in the folder by
/// Landlock, but for modes, owners, times and attributes, which it leaves alone: what extracts sets
/// these by descriptors.
const EXTRACTING: &[c_long] = &[
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_getdents64,
    libc::SYS_readlinkat,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_symlinkat,
    libc::SYS_linkat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_ftruncate,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_fsetxattr,
    libc::SYS_getxattr,
    libc::SYS_fgetxattr,
    libc::SYS_fremovexattr,
    libc::SYS_flock,
    libc::SYS_syncfs,
    // Who runs it.
    libc::SYS_geteuid,
    libc::SYS_getegid,
    libc::SYS_getgroups,
];

/// The same by the names that some of the architectures have.
#[cfg(not(target_arch = "riscv64"))]
const EXTRACTING_HERE: &[c_long] = &[libc::SYS_renameat];
#[cfg(target_arch = "riscv64")]
const EXTRACTING_HERE: &[c_long] = &[];

/// The ioctls that get and set the flags of an inode (`linux/fs.h`).
const GET_FLAGS: u64 = 0x8008_6601;
const SET_FLAGS: u64 = 0x4008_6602;

/// The ioctls that ask whether something is a terminal and how large it is
/// (`asm-generic/ioctls.h`). Others type into a terminal, or send any command to a disk that is
/// open for reading.
const TCGETS: u64 = 0x5401;
const TIOCGWINSZ: u64 = 0x5413;
const TCGETS2: u64 = 0x802c_542a;

/// What a new thread must have, and what makes it more than a thread (`linux/sched.h`).
const THREAD: i32 = libc::CLONE_THREAD;
const MORE_THAN_A_THREAD: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_PTRACE
    | libc::CLONE_PARENT;

/// Whether the kernel has filters; if so, the calling thread is left with the calls above and
/// below, and with those that publish or extract where it does.
pub(super) fn restrict(writing: Writing<'_>) -> Result<bool, Error> {
    match apply_filter(&program(writing)?) {
        Ok(()) => Ok(true),
        Err(Error::Seccomp(source)) if is_missing(&source) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether this is the answer of a kernel without filters, or of a sandbox around this process that
/// has no more.
fn is_missing(source: &io::Error) -> bool {
    matches!(source.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL | libc::EPERM))
}

fn program(writing: Writing<'_>) -> Result<BpfProgram, BackendError> {
    let extracts = matches!(writing, Writing::Extracting { .. });
    let besides: [&[c_long]; 2] = match writing {
        Writing::Nowhere => [&[], &[]],
        Writing::Receiving => [RECEIVING, &[]],
        Writing::Extracting { .. } => [EXTRACTING, EXTRACTING_HERE],
    };
    let always = [ALLOWED, ALLOWED_HERE].into_iter().chain(besides).flatten();
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = always.map(|call| (*call, Vec::new())).collect();
    rules.extend(by_argument(extracts)?);
    if matches!(writing, Writing::Receiving) {
        // To whom the socket is connected, and to nobody else.
        let no_address = SeccompCondition::new(4, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
        rules.insert(libc::SYS_sendto, vec![SeccompRule::new(vec![no_address])?]);
    }
    let otherwise = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let architecture = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, otherwise, SeccompAction::Allow, architecture)?.try_into()
}

/// Calls that are harmless with some arguments only.
fn by_argument(extracts: bool) -> Result<[(i64, Vec<SeccompRule>); 8], BackendError> {
    use SeccompCmpOp::{Eq, MaskedEq};
    let rule = |argument, operator, value| {
        let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)?;
        SeccompRule::new(vec![condition])
    };
    let one_of = |argument, values: &[u64]| -> Result<Vec<SeccompRule>, BackendError> {
        values.iter().map(|value| rule(argument, Eq, *value)).collect()
    };
    let not_executable = || Ok(vec![rule(2, MaskedEq(bits(libc::PROT_EXEC)), 0)?]);
    let thread = rule(0, MaskedEq(bits(THREAD | MORE_THAN_A_THREAD)), bits(THREAD))?;
    let in_this_process = rule(0, Eq, u64::from(std::process::id()))?;
    let limits_are_read = vec![
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, Eq, 0)?,
        SeccompCondition::new(2, SeccompCmpArgLen::Qword, Eq, 0)?,
    ];
    let flags = [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_DUPFD_CLOEXEC].map(bits);
    let terminal: &[u64] = &[TCGETS, TCGETS2, TIOCGWINSZ];
    let with_flags: &[u64] = &[TCGETS, TCGETS2, TIOCGWINSZ, GET_FLAGS, SET_FLAGS];
    let ioctls = if extracts { with_flags } else { terminal };
    let names = [libc::PR_SET_NAME, libc::PR_GET_NAME, libc::PR_SET_VMA].map(bits);
    Ok([
        (libc::SYS_mmap, not_executable()?),
        (libc::SYS_mprotect, not_executable()?),
        // The flags of clone3 are in memory, where a filter can't see them; without it, clone is
        // used.
        (libc::SYS_clone, vec![thread]),
        (libc::SYS_tgkill, vec![in_this_process]),
        (libc::SYS_prlimit64, vec![SeccompRule::new(limits_are_read)?]),
        (libc::SYS_fcntl, one_of(1, &flags)?),
        (libc::SYS_prctl, one_of(0, &names)?),
        (libc::SYS_ioctl, one_of(1, ioctls)?),
    ])
}

/// The bits of a flag or number that C has as `int`, as a register has them.
fn bits(flag: i32) -> u64 {
    u64::from(flag.cast_unsigned())
}
