//! How the program speaks to whoever started it: in words, or with `--json` in lines of JSON
//! (docs/json.md).
//!
//! Each line is an object whose `type` says what it is. This is the only place that knows where
//! lines go.

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::print;
use crate::error::{Error, Issue, Result};
use crate::printable::Printable;

/// The stream for lines of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    /// With the results.
    Stdout,
    /// When stdout carries an archive.
    Stderr,
}

/// Set once, when the arguments are known; not at all where words are wanted.
static CHANNEL: OnceLock<Channel> = OnceLock::new();

/// Speaks JSON from now on.
pub(super) fn speak_json(channel: Channel) {
    // It is set once: a second time changes nothing.
    let _ = CHANNEL.set(channel);
}

/// Whether the arguments ask for JSON, also where they make no sense otherwise.
pub(super) fn asks_for_json<'a>(mut arguments: impl Iterator<Item = &'a OsStr>) -> bool {
    arguments.by_ref().take_while(|argument| *argument != "--").any(|argument| argument == "--json")
}

fn channel() -> Option<Channel> {
    CHANNEL.get().copied()
}

/// An object with its `type` first.
pub(super) fn typed(type_name: &str, fields: Value) -> Value {
    let mut all = Map::new();
    all.insert("type".to_owned(), json!(type_name));
    match fields {
        Value::Object(fields) => all.extend(fields),
        other => drop(all.insert("value".to_owned(), other)),
    }
    Value::Object(all)
}

/// Prints the one document that a command gives, as a line.
pub(super) fn document(type_name: &str, fields: Value) -> Result<()> {
    print(&format!("{}\n", typed(type_name, fields)))
}

/// An issue, as a line of JSON has it.
pub(super) fn issue_as_json(issue: &Issue) -> Value {
    let path = issue.path.as_deref().map(|path| Printable(path).to_string());
    let message = issue.error.to_string();
    typed("issue", json!({ "path": path, "kind": issue.error.kind().name(), "message": message }))
}

/// An error, as a line of JSON has it.
fn error_as_json(error: &Error) -> Value {
    typed("error", json!({ "kind": error.kind().name(), "message": error.to_string() }))
}

/// Tells something that is worth knowing.
pub(super) fn note(text: &str) {
    say(|| typed("note", json!({ "message": text })), || format!("voltar: {text}"));
}

/// Tells what could not be read.
pub(super) fn issue(issue: &Issue) {
    say(|| issue_as_json(issue), || format!("voltar: issue: {issue}"));
}

/// Tells something that is hardly meant.
pub(super) fn warning(text: &str) {
    say(|| typed("note", json!({ "message": text })), || format!("voltar: warning: {text}"));
}

/// Tells an error that does not end the program.
pub(super) fn fault(text: &str) {
    say(|| typed("error", json!({ "message": text })), || format!("voltar: error: {text}"));
}

/// Tells what ended the program.
pub(super) fn error(error: &Error) {
    say(|| error_as_json(error), || format!("voltar: error: {error}"));
}

/// Whether issues are told as JSON.
pub(super) fn is_json() -> bool {
    channel().is_some()
}

fn say(fields: impl FnOnce() -> Value, words: impl FnOnce() -> String) {
    // When the error can't be written, the exit code says it.
    let _ = match channel() {
        Some(Channel::Stdout) => writeln!(io::stdout(), "{}", fields()),
        Some(Channel::Stderr) => writeln!(io::stderr(), "{}", fields()),
        None => writeln!(io::stderr(), "{}", words()),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_asked_for_by_the_flag_and_not_by_a_name() {
        let cases: [(&[&str], bool); 4] = [
            (&["ls", "--json", "a"], true),
            (&["ls", "--jsonx", "--", "--json"], false),
            (&["--json", "nosuch"], true),
            (&["ls", "json"], false),
        ];
        for (arguments, expected) in cases {
            assert_eq!(asks_for_json(arguments.iter().map(OsStr::new)), expected, "{arguments:?}");
        }
    }

    #[test]
    fn the_type_comes_first() {
        assert_eq!(typed("note", json!({ "message": "x" })).to_string(), r#"{"type":"note","message":"x"}"#);
    }
}
