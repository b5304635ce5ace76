//! The benchmarks measure what they say.

use std::path::Path;
use std::process::ExitCode;

mod common;

use common::tools;
use common::trials::{Needs, run, trial};

const PYTHON: Needs = Needs::Tool("python3", "python3");
const TIME: Needs = Needs::Tool("time", "time");

fn main() -> ExitCode {
    run(vec![trial(
        "the memory of a program is its own, whatever the one that starts it had",
        &[PYTHON, TIME],
        memory,
    )])
}

/// The shell has 200 MiB; one program has hardly any, and one has 64 MiB.
fn memory() {
    let script = "
import sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
from compare.started import Started
ballast = bytearray(b'x' * (200 << 20))
print(Started(['true']).wait().peak >> 20)
print(Started([sys.executable, '-c', 'bytearray(b\"x\" * (64 << 20))']).wait().peak >> 20)
print(Started(['false']).wait().code)
";
    let benches = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches");
    let printed = tools::run("python3", ["-c".as_ref(), script.as_ref(), benches.as_os_str()]);
    let printed = String::from_utf8(printed).unwrap();
    let numbers: Vec<u64> = printed.lines().map(|line| line.parse().unwrap()).collect();
    let [small, large, code] = numbers.as_slice() else { panic!("{printed}") };
    assert!(*small < 32, "true took {small} MiB");
    assert!((64..180).contains(large), "a program of 64 MiB took {large} MiB");
    assert_eq!(*code, 1);
}
