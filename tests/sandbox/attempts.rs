//! What a process in the sandbox must not be able to do.

use std::fs::{self, File};
use std::io;
use std::net::TcpStream;
use std::os::unix::fs::{self as unix, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

use memmap2::MmapMut;
use nix::fcntl::{FallocateFlags, FcntlArg, fcntl};
use nix::kmod::init_module;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{FlushArg, tcflush};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::{Pid, getppid, truncate};

use crate::inside::Inside;

/// Something to try.
pub struct Attempt {
    pub name: &'static str,
    pub attempt: fn(&Inside) -> io::Result<()>,
    /// What seccomp answers; `None` where it leaves it to Landlock.
    pub seccomp: Option<&'static str>,
    /// What Landlock answers; `None` where it does not handle it, or not in all versions that are
    /// in use.
    pub landlock: Option<&'static str>,
    /// Whether any user may do it outside the sandbox, without harm.
    pub anyone_may: bool,
}

const NOSYS: Option<&str> = Some("ENOSYS");
const ACCES: Option<&str> = Some("EACCES");
const PERM: Option<&str> = Some("EPERM");

const fn attempt(name: &'static str, attempt: fn(&Inside) -> io::Result<()>) -> Attempt {
    Attempt { name, attempt, seccomp: NOSYS, landlock: None, anyone_may: true }
}

/// One that both refuse.
const fn to_path(name: &'static str, attempt: fn(&Inside) -> io::Result<()>) -> Attempt {
    Attempt { name, attempt, seccomp: NOSYS, landlock: ACCES, anyone_may: true }
}

/// One that takes root.
const fn as_root(name: &'static str, attempt: fn(&Inside) -> io::Result<()>) -> Attempt {
    Attempt { name, attempt, seccomp: NOSYS, landlock: None, anyone_may: false }
}

pub const ATTEMPTS: &[Attempt] = &[
    to_path("read a file of this host", |_| File::open("/etc/passwd").map(drop)),
    to_path("read a file in another folder", |inside| {
        File::open(inside.path.join("elsewhere/secret")).map(drop)
    }),
    to_path("read another archive", |inside| File::open(inside.folder.join("neighbour")).map(drop)),
    to_path("read the own archive", |inside| File::open(inside.folder.join("mine")).map(drop)),
    to_path("write to another archive", |inside| {
        File::options().append(true).open(inside.folder.join("neighbour")).map(drop)
    }),
    to_path("open the source once more", |inside| File::open(inside.path.join("source")).map(drop)),
    to_path("write to the source", |inside| {
        File::options().write(true).open(inside.path.join("source")).map(drop)
    }),
    to_path("open a file by its descriptor", |_| File::open("/proc/self/exe").map(drop)),
    to_path("create a file beside the archive", |inside| {
        File::create_new(inside.folder.join("created")).map(drop)
    }),
    to_path("create a file elsewhere", |inside| {
        File::create_new(inside.path.join("elsewhere/created")).map(drop)
    }),
    to_path("list the target's folder", |inside| fs::read_dir(&inside.folder).map(drop)),
    to_path("list another folder", |_| fs::read_dir("/").map(drop)),
    to_path("make a folder", |inside| fs::create_dir(inside.folder.join("created"))),
    to_path("make a symlink", |inside| unix::symlink("neighbour", inside.folder.join("created"))),
    to_path("remove a folder", |inside| {
        // Not empty: outside the sandbox that is what refuses it.
        match fs::remove_dir(inside.path.join("elsewhere")) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            other => other,
        }
    }),
    attempt("truncate a file by its path", |inside| Ok(truncate(&inside.path.join("elsewhere/secret"), 0)?)),
    attempt("change a file's permissions", |inside| {
        fs::set_permissions(inside.path.join("elsewhere/secret"), fs::Permissions::from_mode(0o666))
    }),
    attempt("change a file's owner", |inside| {
        // To nobody else: only root could give it away.
        unix::chown(inside.path.join("elsewhere/secret"), None, None)
    }),
    attempt("change a file's extended attributes", |inside| {
        let path = inside.path.join("elsewhere/secret");
        match rustix::fs::setxattr(path, "user.a", b"b", rustix::fs::XattrFlags::empty()) {
            // Not every filesystem has them.
            Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
            other => Ok(other?),
        }
    }),
    to_path("move a file out of the folder", |inside| {
        fs::rename(inside.folder.join("mine"), inside.path.join("elsewhere/moved"))
    }),
    to_path("move a file into the folder", |inside| {
        fs::rename(inside.path.join("elsewhere/secret"), inside.folder.join("moved"))
    }),
    to_path("link a file out of the folder", |inside| {
        fs::hard_link(inside.folder.join("mine"), inside.path.join("elsewhere/linked"))
    }),
    to_path("rename an older archive", |inside| {
        fs::rename(inside.folder.join("neighbour"), inside.folder.join("renamed"))
    }),
    to_path("replace an older archive", |inside| {
        fs::rename(inside.folder.join("mine"), inside.folder.join("neighbour"))
    }),
    to_path("remove an older archive", |inside| fs::remove_file(inside.folder.join("neighbour"))),
    to_path("link an older archive", |inside| {
        fs::hard_link(inside.folder.join("neighbour"), inside.folder.join("linked"))
    }),
    attempt("look at a file by its path", |_| fs::metadata("/etc/passwd").map(drop)),
    attempt("look at a link by its path", |_| fs::symlink_metadata("/proc/self/exe").map(drop)),
    attempt("look at an older archive by its path", |inside| {
        fs::metadata(inside.folder.join("neighbour")).map(drop)
    }),
    attempt("find out whether a file is there", |_| {
        Ok(rustix::fs::access("/etc/passwd", rustix::fs::Access::EXISTS)?)
    }),
    attempt("read a link", |_| fs::read_link("/proc/self/exe").map(drop)),
    to_path("rename a file elsewhere", |inside| {
        fs::rename(inside.path.join("elsewhere/secret"), inside.path.join("elsewhere/renamed"))
    }),
    to_path("remove a file elsewhere", |inside| fs::remove_file(inside.path.join("elsewhere/secret"))),
    attempt("connect by TCP", |inside| TcpStream::connect(("127.0.0.1", inside.tcp_port)).map(drop)),
    attempt("send by a socket that is open", |inside| {
        inside.udp.send_to(b"secret", ("127.0.0.1", inside.tcp_port)).map(drop)
    }),
    attempt("connect a socket that is open", |inside| inside.udp.connect(("127.0.0.1", inside.tcp_port))),
    attempt("make a Unix socket", |_| std::os::unix::net::UnixDatagram::unbound().map(drop)),
    Attempt {
        name: "start a program",
        attempt: |inside| {
            inside.this_program().stdout(Stdio::inherit()).stdin(Stdio::null()).status().map(drop)
        },
        seccomp: NOSYS,
        landlock: ACCES,
        anyone_may: true,
    },
    to_path("become another program", |inside| Err(inside.this_program().exec())),
    attempt("make memory executable", |_| {
        let memory = MmapMut::map_anon(4096)?;
        memory.make_exec().map(drop)
    }),
    attempt("make a file in memory", |_| {
        Ok(rustix::fs::memfd_create("program", rustix::fs::MemfdFlags::empty()).map(drop)?)
    }),
    attempt("signal another process", |_| Ok(kill(getppid(), None)?)),
    attempt("signal itself, as another would", |_| Ok(kill(Pid::this(), Signal::SIGCONT)?)),
    attempt("read another process's memory", |_| {
        let mut bytes = [0_u8; 8];
        let local = &mut [io::IoSliceMut::new(&mut bytes)];
        let remote = &[RemoteIoVec { base: 0, len: 8 }];
        // Its own, at an address where there is nothing.
        match process_vm_readv(Pid::this(), local, remote) {
            Err(nix::errno::Errno::EFAULT) => Ok(()),
            other => Ok(other.map(drop)?),
        }
    }),
    attempt("be traced", |_| Ok(ptrace::traceme()?)),
    attempt("send a command to a terminal", |_| match tcflush(io::stdin(), FlushArg::TCIFLUSH) {
        Err(nix::errno::Errno::ENOTTY) => Ok(()),
        other => Ok(other?),
    }),
    attempt("make a descriptor signal others", |inside| {
        // F_SETPIPE_SZ stands for every command that is not needed.
        match fcntl(&inside.udp, FcntlArg::F_SETPIPE_SZ(4096)) {
            Err(nix::errno::Errno::EBADF) => Ok(()),
            other => Ok(other.map(drop)?),
        }
    }),
    attempt("take space for a file", |inside| {
        match nix::fcntl::fallocate(&inside.udp, FallocateFlags::empty(), 0, 1) {
            Err(nix::errno::Errno::ESPIPE | nix::errno::Errno::ENODEV | nix::errno::Errno::EBADF) => Ok(()),
            other => Ok(other?),
        }
    }),
    as_root("enter a namespace of users", |_| Ok(unshare(CloneFlags::CLONE_NEWUSER)?)),
    as_root("enter a namespace of mounts", |_| Ok(unshare(CloneFlags::CLONE_NEWNS)?)),
    as_root("load a module", |_| Ok(init_module(b"", c"")?)),
    as_root("change the root", |inside| unix::chroot(&inside.path)),
    as_root("make a device", |inside| {
        use nix::sys::stat::{Mode, SFlag, makedev, mknod};
        Ok(mknod(&inside.folder.join("null"), SFlag::S_IFCHR, Mode::empty(), makedev(1, 3))?)
    }),
    Attempt {
        name: "mount",
        attempt: |inside| {
            let none: Option<&str> = None;
            Ok(mount(Some("none"), &inside.folder, Some("tmpfs"), MsFlags::empty(), none)?)
        },
        seccomp: NOSYS,
        landlock: PERM,
        anyone_may: false,
    },
];
