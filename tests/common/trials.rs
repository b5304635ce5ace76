//! Tests that need more than a Rust toolchain: root, loop devices, programs of Debian packages.
//!
//! A test whose needs are not met is reported as `ignored`, with the reason; it never counts as passed.
//! Where the environment variable `CI` is set an unmet need is a failure.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::tools;

/// What a test needs from the machine.
#[derive(Clone, Copy, Debug)]
pub enum Needs {
    /// The effective user is root.
    Root,
    /// Filesystems can be mounted over loop devices, in a mount namespace of our own.
    LoopMounts,
    /// A program, and the Debian package that has it.
    Tool(&'static str, &'static str),
}

impl Needs {
    /// Why this need is not met; `None` when it is.
    fn unmet(self) -> Option<String> {
        match self {
            Self::Root => (!rustix::process::geteuid().is_root()).then(|| "needs root".to_owned()),
            Self::LoopMounts => (!can_mount()).then(|| {
                "needs loop devices and the right to mount (root with CAP_SYS_ADMIN, /dev/loop-control, \
                 unshare of the Debian package util-linux)"
                    .to_owned()
            }),
            Self::Tool(program, package) => {
                tools::find(program).is_none().then(|| format!("needs {program} (Debian package {package})"))
            }
        }
    }
}

/// A test: a sentence, its needs, and a body that panics when the sentence is not true.
pub fn trial(sentence: impl Into<String>, needs: &[Needs], body: impl FnOnce() + Send + 'static) -> Trial {
    let needs = needs.to_vec();
    Trial::ignorable_test(sentence, move || {
        let unmet: Vec<String> = needs.iter().filter_map(|needs| needs.unmet()).collect();
        if !unmet.is_empty() {
            let reason = unmet.join("; ");
            return match in_ci() {
                true => {
                    Err(Failed::from(format!("nothing may be left out where CI is set, but this {reason}")))
                }
                false => Ok(Completion::ignored_with(format!("left out: {reason}"))),
            };
        }
        body();
        Ok(Completion::Completed)
    })
}

/// Runs the trials that the command line asks for and says, at the end, how many were left out.
///
/// Root runs them in a mount namespace of its own: whatever happens to this process, its mounts vanish with it,
/// and with them their loop devices (`mount -o loop` makes them clear themselves).
pub fn run(trials: Vec<Trial>) -> ExitCode {
    enter_mount_namespace();
    raise_open_files();
    // The report has the message; this adds the place.
    std::panic::set_hook(Box::new(|panic| {
        if let Some(place) = panic.location() {
            eprintln!("failed at {place}");
        }
    }));
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    if conclusion.num_ignored > 0 {
        eprintln!(
            "LEFT OUT: {} of these tests did not run, for the reasons above. \
             As root, with the named packages, they do; with CI=1 an unmet need is a failure.",
            conclusion.num_ignored
        );
    }
    conclusion.exit_code()
}

fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty())
}

const IN_NAMESPACE: &str = "VOLTAR_TESTS_IN_MOUNT_NAMESPACE";

fn can_mount() -> bool {
    std::env::var_os(IN_NAMESPACE).is_some()
        && ["mount", "umount", "losetup"].iter().all(|program| tools::find(program).is_some())
        && std::fs::File::options().read(true).write(true).open("/dev/loop-control").is_ok()
}

fn enter_mount_namespace() {
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "--"]);
        command
    };
    let possible = || {
        let probe = unshare().arg("true").stdout(Stdio::null()).stderr(Stdio::null()).status();
        probe.is_ok_and(|status| status.success())
    };
    if std::env::var_os(IN_NAMESPACE).is_none() && rustix::process::geteuid().is_root() && possible() {
        let this = std::env::current_exe().expect("the path of this test program");
        let error = unshare().arg(this).args(std::env::args_os().skip(1)).env(IN_NAMESPACE, "1").exec();
        panic!("unshare: {error}");
    }
}

/// A walk holds one open folder per level, and images have trees of thousands of levels.
fn raise_open_files() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit { current: maximum, maximum };
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        eprintln!("the limit of open files stays as it is: {error}");
    }
}
