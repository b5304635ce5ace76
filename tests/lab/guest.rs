//! A boot of the virtual machine, which runs the cases and leaves their results in a folder.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::case::{self, Case};
use crate::common::tools;

/// How the machine is booted.
#[derive(Debug)]
pub struct Boot {
    /// As it ends the sentences.
    pub name: &'static str,
    /// Whether it runs udevd, as a real host does; otherwise LVM's programs make their nodes themselves.
    pub has_udev: bool,
}

/// How long one boot may take with all cases, in seconds.
const TIME_LIMIT_SECONDS: u32 = 900;

/// The volume group of most cases; a slow one; one that breaks, and its other disk.
const DISKS: [&str; 4] = ["1G", "257M", "32M", "512M"];

/// What is shared with the machine, beside the program and the cases.
const SHARED: [&str; 6] = ["all", "case", "hook", "lib.sh", "lvm-that-overflows", "volumes.sh"];

/// What came of a boot.
#[derive(Debug)]
pub struct Ended {
    cases: Vec<(String, Result<(), String>)>,
}

impl Ended {
    /// Panics, with all that it printed, unless the case succeeded.
    pub fn assert_success(&self, case: &Case) {
        let (_, result) =
            self.cases.iter().find(|(name, _)| *name == case.name).expect("a case that was asked for");
        if let Err(text) = result {
            panic!("{text}");
        }
    }
}

/// Runs cases in both, at the same time.
pub fn run_both(boots: &[Boot; 2], cases: &[Vec<Case>; 2]) -> [Ended; 2] {
    thread::scope(|scope| {
        let [first, second] = [0, 1].map(|number| scope.spawn(move || run(&boots[number], &cases[number])));
        [first, second].map(|thread| thread.join().expect("a boot"))
    })
}

fn run(boot: &Boot, cases: &[Case]) -> Ended {
    if cases.is_empty() {
        return Ended { cases: Vec::new() };
    }
    let began = Instant::now();
    let share = tools::temporary_folder();
    fill(share.path());
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target/");
    // Whatever happens to this process, the machine ends with it.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "python3"]);
    command.arg(case::folder().join("vm-run")).arg("--cache").arg(target.join("lab"));
    command.arg("--share").arg(share.path()).args(["--timeout", &TIME_LIMIT_SECONDS.to_string()]);
    command.args(DISKS.iter().flat_map(|size| ["--disk", size])).args(boot.has_udev.then_some("--udev"));
    command.args(["--", "bash", "/share/all"]).args(cases.iter().map(|case| &case.name));
    let output = command.stdin(Stdio::null()).output().expect("setpriv starts");
    let machine = format!("the machine: {}\n{}", output.status, tools::said(&output));
    let results = Results { folder: &share.path().join("results"), machine: &machine };

    let mut times = vec![format!("{} s in all", began.elapsed().as_secs())];
    let mut ended = Vec::new();
    times.push(format!("volumes {:.1} s", results.elapsed("volumes").unwrap_or_default().as_secs_f32()));
    for case in cases {
        let elapsed = results.elapsed(&case.name);
        times.push(format!("{} {:.1}", case.name, elapsed.unwrap_or_default().as_secs_f32()));
        ended.push((case.name.clone(), results.of(&case.name)));
    }
    eprintln!("LVM {}: {}", boot.name, times.join(", "));
    Ended { cases: ended }
}

/// Puts the program and the cases into the folder that the machine gets.
fn fill(share: &Path) {
    let copy = |from: &Path, to: &str| {
        let to = share.join(to);
        fs::copy(from, &to).unwrap_or_else(|error| panic!("{} to {}: {error}", from.display(), to.display()));
    };
    for folder in ["cases", "results"] {
        fs::create_dir(share.join(folder)).expect("a new folder");
    }
    copy(Path::new(env!("CARGO_BIN_EXE_voltar")), "voltar");
    for name in SHARED {
        copy(&case::folder().join(name), name);
    }
    // Its lines for sudo are what a case goes by.
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/lvm.md"), "lvm.md");
    for case in case::all() {
        let name = format!("cases/{}.sh", case.name);
        copy(&case::folder().join(&name), &name);
    }
}

/// What the machine left of its cases.
struct Results<'a> {
    folder: &'a Path,
    machine: &'a str,
}

impl Results<'_> {
    /// Exit status and time.
    fn get(&self, name: &str) -> Option<(i32, Duration)> {
        let text = fs::read_to_string(self.folder.join(name).with_extension("result")).ok()?;
        let (status, milliseconds) = text.trim().split_once(' ')?;
        Some((status.parse().ok()?, Duration::from_millis(milliseconds.parse().ok()?)))
    }

    fn elapsed(&self, name: &str) -> Option<Duration> {
        self.get(name).map(|(_, elapsed)| elapsed)
    }

    fn log(&self, name: &str) -> String {
        fs::read(self.folder.join(name).with_extension("log"))
            .map_or_else(|error| format!("no log: {error}"), |log| String::from_utf8_lossy(&log).into_owned())
    }

    /// What came of a case; all that it printed where it failed.
    fn of(&self, name: &str) -> Result<(), String> {
        match self.get(name) {
            Some((0, _)) => Ok(()),
            Some((status, elapsed)) => Err(format!(
                "tests/lab/cases/{name}.sh ended with {status} after {:.1} s:\n{}",
                elapsed.as_secs_f32(),
                self.log(name)
            )),
            None if self.get("volumes").is_none() => {
                Err(format!("the volumes could not be made:\n{}\n{}", self.log("volumes"), self.machine))
            }
            None => Err(format!("did not come to its end:\n{}\n{}", self.log(name), self.machine)),
        }
    }
}
