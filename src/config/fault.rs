//! Faults and warnings, and how they are shown: place, key, what was expected, and the line with a mark below.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use crate::printable::Printable;

/// Bytes of the configuration's text.
pub(super) type Span = Range<usize>;

/// More than this many faults are counted only.
const MOST_SHOWN: usize = 20;

/// Characters of a line that are shown on each side of its fault.
const AROUND: usize = 60;

/// What is to be said of one place.
#[derive(Debug, PartialEq, Eq)]
struct Remark {
    span: Option<Span>,
    text: String,
}

/// All that was found so far.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    faults: Vec<Remark>,
    warnings: Vec<Remark>,
}

impl Remarks {
    /// What has to be changed. The same thing of the same place is said once.
    pub(super) fn fault(&mut self, span: Option<Span>, text: impl Into<String>) {
        add(&mut self.faults, span, text.into());
    }

    /// What is hardly meant.
    pub(super) fn warn(&mut self, span: Option<Span>, text: impl Into<String>) {
        add(&mut self.warnings, span, text.into());
    }

    pub(super) fn has_faults(&self) -> bool {
        !self.faults.is_empty()
    }

    /// The warnings, in the order of the text.
    pub(super) fn warnings(self, text: &Text<'_>) -> Vec<String> {
        in_order(self.warnings).iter().map(|remark| text.show(remark)).collect()
    }
}

fn add(remarks: &mut Vec<Remark>, span: Option<Span>, text: String) {
    let remark = Remark { span, text };
    if !remarks.contains(&remark) {
        remarks.push(remark);
    }
}

fn in_order(mut remarks: Vec<Remark>) -> Vec<Remark> {
    remarks.sort_by_key(|remark| remark.span.as_ref().map_or(usize::MAX, |span| span.start));
    remarks
}

/// The faults of a configuration, as an error's cause.
#[derive(Debug)]
pub(super) struct Faults {
    head: String,
    shown: Vec<String>,
    left_out: usize,
}

impl Faults {
    pub(super) fn new(text: &Text<'_>, remarks: Remarks) -> Self {
        let faults = in_order(remarks.faults);
        let head = format!("{}: {} faults", Printable::path(text.path), faults.len());
        let shown = faults.iter().take(MOST_SHOWN).map(|remark| text.show(remark)).collect();
        Self { head, shown, left_out: faults.len().saturating_sub(MOST_SHOWN) }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.shown.as_slice() {
            return f.write_str(only);
        }
        f.write_str(&self.head)?;
        for fault in &self.shown {
            write!(f, "\n\n{fault}")?;
        }
        match self.left_out {
            0 => Ok(()),
            more => write!(f, "\n\nand {more} more"),
        }
    }
}

impl std::error::Error for Faults {}

/// The text that remarks are about.
pub(super) struct Text<'a> {
    path: &'a Path,
    text: &'a str,
}

impl<'a> Text<'a> {
    pub(super) fn new(path: &'a Path, text: &'a str) -> Self {
        Self { path, text }
    }

    /// A remark with its place before it and its line below.
    fn show(&self, remark: &Remark) -> String {
        let path = Printable::path(self.path);
        let Some(span) = &remark.span else { return format!("{path}: {}", remark.text) };
        let before = self.before(span.start);
        let (number, start) = match before.rfind('\n') {
            Some(last) => (before.matches('\n').count().saturating_add(1), last.saturating_add(1)),
            None => (1, 0),
        };
        let ahead = before.get(start..).unwrap_or_default();
        let line = self.text.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
        let column = ahead.chars().count().saturating_add(1);
        let marked = self.text.get(before.len()..span.end).unwrap_or_default();
        let marked = marked.lines().next().unwrap_or_default().chars().count().max(1);
        let (line, ahead, marked) = excerpt(line, column.saturating_sub(1), marked);
        let margin = " ".repeat(number.to_string().len());
        let (blank, mark) = (" ".repeat(ahead), "^".repeat(marked));
        format!(
            "{path}:{number}:{column}: {}\n{margin} |\n{number} | {line}\n{margin} | {blank}{mark}",
            remark.text
        )
    }

    /// The text before a byte; a place within a character is that character's beginning.
    fn before(&self, byte: usize) -> &str {
        let start = (0..=byte.min(self.text.len())).rev().find(|start| self.text.is_char_boundary(*start));
        self.text.get(..start.unwrap_or(0)).unwrap_or_default()
    }
}

/// The part of a line that has the mark in it, with how many characters are before the mark, and how long it is.
fn excerpt(line: &str, ahead: usize, marked: usize) -> (String, usize, usize) {
    let first = ahead.saturating_sub(AROUND);
    let marked = marked.min(AROUND);
    let last = ahead.saturating_add(marked).saturating_add(AROUND);
    let count = line.chars().count();
    let mut shown: String = line.chars().skip(first).take(last.saturating_sub(first)).map(harmless).collect();
    let mut ahead = ahead.saturating_sub(first);
    if first > 0 {
        shown.insert(0, '…');
        ahead = ahead.saturating_add(1);
    }
    if last < count {
        shown.push('…');
    }
    (shown.trim_end().to_owned(), ahead, marked)
}

/// A character of the same width that does nothing to a terminal.
fn harmless(character: char) -> char {
    let mut buffer = [0; 4];
    let text: &str = character.encode_utf8(&mut buffer);
    match character {
        '\t' => ' ',
        '\\' => character,
        // What has to be escaped would move the mark away from its place.
        _ if Printable(text.as_bytes()).to_string() != text => char::REPLACEMENT_CHARACTER,
        _ => character,
    }
}
