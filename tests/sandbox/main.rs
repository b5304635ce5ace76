//! The sandbox, by trying: a process enters it and then does what it must not, and what it needs.
//!
//! This program starts itself for that. Both walls are also tried alone, each in a process to which
//! a filter around it shows a kernel without the other; and everything is tried without a sandbox,
//! to know that it is the sandbox which refuses.

mod attempts;
mod command;
mod inside;
mod parsing;
mod place;

use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::attempts::{ATTEMPTS, Attempt};
use crate::inside::{DONE, Setting};
use crate::place::Place;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(code) = inside::main(&arguments) {
        return code;
    }
    if let [_, what, rest @ ..] = arguments.as_slice()
        && what == "lesser-kernel"
    {
        panic!("{}", command::on_lesser_kernel(rest));
    }
    let mut trials = vec![
        on_kernel("what must not be done is refused", Setting::Both, complete(refused_by_both)),
        on_kernel(
            "Landlock alone refuses all that is about paths",
            Setting::LandlockAlone,
            complete(refused_by_landlock),
        ),
        on_kernel("seccomp alone refuses the same", Setting::SeccompAlone, complete(refused_by_seccomp)),
        trial("without a sandbox it would have been done", nothing_is_refused),
        on_kernel(
            "what is told by a socket can do no more",
            Setting::Receiving,
            complete(refused_to_a_worker),
        ),
        on_kernel(
            "what extracts writes in its folder, and reads nothing there or elsewhere",
            Setting::Extracting,
            complete(extracting_is_confined),
        ),
        on_kernel(
            "what reading, computing and writing need is still there",
            Setting::Both,
            complete(needs_are_met),
        ),
    ];
    trials.extend(command::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A test whose body panics when its sentence is not true.
fn trial(sentence: impl Into<String>, body: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(sentence, move || {
        body();
        Ok(())
    })
}

/// What a test that may be left out returns.
type Outcome = Result<Completion, Failed>;

/// The same, for a setting that this kernel may not have: then it is left out.
fn on_kernel(
    sentence: &'static str,
    setting: Setting,
    body: impl FnOnce() -> Outcome + Send + 'static,
) -> Trial {
    Trial::ignorable_test(sentence, move || {
        let walls = Place::new().run(setting, &[]).walls();
        if walls != setting.walls() {
            let message =
                format!("left out: needs a kernel with Landlock and seccomp filters; {setting:?}: {walls:?}");
            eprintln!("LEFT OUT: {sentence}: {message}");
            return Ok(Completion::ignored_with(message));
        }
        body()
    })
}

/// A body of which nothing is left out.
fn complete(body: fn()) -> impl FnOnce() -> Outcome + Send + 'static {
    move || {
        body();
        Ok(Completion::Completed)
    }
}

/// The outcome of a test for which a program is missing. Where `CI` is set there is no such thing.
fn left_out(needs: &str) -> Outcome {
    if std::env::var_os("CI").is_some_and(|value| !value.is_empty()) {
        return Err(Failed::from(format!("nothing may be left out where CI is set, but this {needs}")));
    }
    eprintln!("LEFT OUT: {needs}");
    Ok(Completion::ignored_with(format!("left out: {needs}")))
}

/// Makes every attempt of which the kernel's answer is known, and compares.
fn compare(setting: Setting, expected: impl Fn(&Attempt) -> Option<&'static str>) {
    let chosen: Vec<(&Attempt, &str)> =
        ATTEMPTS.iter().filter_map(|attempt| Some((attempt, expected(attempt)?))).collect();
    assert!(chosen.len() > 10, "few attempts: {}", chosen.len());
    let mut wrong = Vec::new();
    for (attempt, answer) in chosen {
        // A place for each: none depends on what another did.
        let place = Place::new();
        let run = place.run(setting, &[attempt.name]);
        let got = run.outcome(attempt.name);
        if got != answer {
            wrong.push(format!("{}: {got}, not {answer}", attempt.name));
        }
    }
    assert!(wrong.is_empty(), "{setting:?}:\n  {}", wrong.join("\n  "));
}

fn refused_by_both() {
    compare(Setting::Both, |attempt| attempt.seccomp.or(attempt.landlock));
}

fn refused_by_landlock() {
    compare(Setting::LandlockAlone, |attempt| attempt.landlock);
}

fn refused_by_seccomp() {
    compare(Setting::SeccompAlone, |attempt| Some(attempt.seccomp.unwrap_or(DONE)));
}

fn refused_to_a_worker() {
    compare(Setting::Receiving, |_| Some("ENOSYS"));
}

fn extracting_is_confined() {
    compare(Setting::Extracting, |attempt| match attempt.name {
        "write to another archive" | "list the target's folder" => Some(DONE),
        "read a file of this host"
        | "read a file in another folder"
        | "read another archive"
        | "read the own archive"
        | "open the source once more"
        | "write to the source"
        | "open a file by its descriptor"
        | "create a file elsewhere"
        // It would be open for reading too.
        | "create a file beside the archive"
        | "list another folder" => Some("EACCES"),
        "become another program" => Some("ENOSYS"),
        // Which call it is depends on the C library, and neither wall knows the path.
        "change a file's permissions" | "change a file's owner" | "change a file's extended attributes" => {
            None
        }
        // Existing files have to be looked at.
        "look at a file by its path" | "look at a link by its path"
        | "look at an older archive by its path" => None,
        _ if attempt.landlock.is_none() && attempt.anyone_may => attempt.seccomp,
        _ => None,
    });
}

fn nothing_is_refused() {
    compare(Setting::None, |attempt| attempt.anyone_may.then_some(DONE));
}

fn needs_are_met() {
    let place = Place::new();
    let run = place.run(Setting::Both, &[inside::NEEDS]);
    assert_eq!(run.outcome(inside::NEEDS), DONE, "{}", run.stderr);
    assert_eq!(std::fs::read(place.folder().join("temporary")).unwrap(), b"written");
}

/// This program, as it starts itself.
fn this_program() -> Command {
    Command::new(std::env::current_exe().unwrap())
}
