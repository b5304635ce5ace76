//! Running other programs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where a program is, looked for in `PATH` and in the folders of the administrator's programs.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// A command with messages in English, and names in UTF-8 (bsdtar complains of them elsewhere).
pub fn command(program: &str) -> Command {
    let mut command = Command::new(find(program).unwrap_or_else(|| PathBuf::from(program)));
    command.env("LC_ALL", "C.UTF-8");
    command
}

/// The same command with signals as they are for a program that a terminal starts. Whoever runs the tests may have some of them ignored, as
/// a shell does for what it starts in the background, and programs inherit that.
pub fn with_usual_signals(command: &Command) -> Command {
    let mut usual = self::command("env");
    usual.args(["--default-signal=INT,TERM,HUP", "--"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => usual.env(name, value),
            None => usual.env_remove(name),
        };
    }
    usual
}

/// Runs a program; whatever its exit code, gives back what it said.
pub fn output(program: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
    command(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// Runs a program that must succeed, and gives back its standard output.
pub fn run(program: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Vec<u8> {
    let output = output(program, arguments);
    assert_success(program, &output);
    output.stdout
}

/// Panics, with all that the program said, unless it succeeded.
pub fn assert_success(what: &str, output: &Output) {
    assert!(output.status.success(), "{what}: {}\n{}", output.status, said(output));
}

/// What a program said, for a message.
pub fn said(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("stdout: {}\nstderr: {}", head(&out), head(&err))
}

/// The first lines of a long text.
fn head(text: &str) -> String {
    text.lines().take(40).collect::<Vec<_>>().join("\n")
}

/// Runs the program under test, which must end with `code` and say nothing on standard output.
pub fn voltar(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>, code: i32) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_voltar")).args(arguments).output().expect("voltar starts");
    assert_eq!(output.status.code(), Some(code), "voltar: exit code\n{}", said(&output));
    output
}

/// A folder for big temporary files, on the disk that holds `target/`.
pub fn temporary_folder() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("voltar-")
        .tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR")))
        .expect("a temporary folder under target/")
}
