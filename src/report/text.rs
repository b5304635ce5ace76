//! The report as text: what the mail of a night says, trouble first.

use crate::report::measures::{
    change, duration, last_complete, published, rate, ratio, sum, total_bytes, used_percent,
};
use crate::report::outcome::{Outcome, Published, Verdict, VolumeOutcome};
use crate::report::times::Zone;
use crate::report::words::{
    as_images, at_length, counted, counted_u64, file_name, hundredths, shown, signed_percent, summary,
};
use crate::units::Bytes;

/// The longest line, in characters.
const COLUMNS: usize = 98;

/// How far what belongs to a volume's folder is indented, and what belongs to its archive.
const FOLDER: usize = 5;
const ARCHIVE: usize = 10;

/// How far what follows a label of trouble is indented.
const LABEL: usize = 14;

/// Issues of one volume that are shown; the manifest has all of them.
const ISSUES_SHOWN: usize = 10;

/// The report as text, in this host's time zone. Lines have at most 98 characters.
#[must_use]
pub fn text(outcome: &Outcome) -> String {
    text_in(outcome, &Zone::here())
}

/// The report as text, in a time zone of the caller's.
#[must_use]
pub fn text_in(outcome: &Outcome, zone: &Zone) -> String {
    let mut lines = Lines::default();
    lines.add(0, &format!("voltar on {}: {}", shown(&outcome.host), summary(outcome)));
    trouble(outcome, &mut lines);
    lines.blank();
    lines.add(0, &format!("Backup Start Time - {}", zone.moment(outcome.started)));
    let retention = common_retention(outcome);
    if let Some(retention) = retention {
        lines.add(0, &format!("Current retention - {}", shown(retention)));
    }
    lines.blank();
    for snapshot in &outcome.cleaned {
        lines.add(0, &format!("Removed a snapshot that an earlier run left behind: {}", shown(snapshot)));
    }
    match outcome.is_mounted {
        true => lines.add(0, "The backup volume is mounted. Proceed..."),
        false => lines.add(0, &format!("Backups go to {}.", outcome.destination)),
    }
    for volume in &outcome.volumes {
        write_volume(outcome, volume, retention.is_none(), zone, &mut lines);
        lines.blank();
    }
    verified(outcome, &mut lines);
    totals(outcome, &mut lines);
    lines.text
}

/// What went wrong, in a line or two each.
fn trouble(outcome: &Outcome, lines: &mut Lines) {
    let of = |verdict| outcome.volumes.iter().filter(move |volume| volume.verdict() == verdict);
    for volume in of(Verdict::Failed) {
        if let Err(reason) = &volume.result {
            lines.hang(2, LABEL, &format!("FAILED      {}: {}", shown(&volume.name), shown(reason)));
        }
    }
    for error in &outcome.errors {
        lines.hang(2, LABEL, &format!("ERROR       {}", shown(error)));
    }
    for verified in outcome.damaged() {
        let (path, word) = (outcome.destination.of(&verified.key), verified.word());
        let reason = verified.reason().unwrap_or_default();
        lines.hang(2, LABEL, &format!("{word:<12}{path}: {}", shown(&reason)));
        lines.hang(LABEL, LABEL, &shown(&verified.next_step(&outcome.destination)));
    }
    for volume in of(Verdict::Incomplete) {
        if let Ok(published) = &volume.result {
            let count = counted_u64(published.issue_count, "issue", "issues");
            lines.hang(2, LABEL, &format!("INCOMPLETE  {}: {count}", shown(&volume.name)));
        }
    }
}

/// Each archive that was verified, and how it is.
fn verified(outcome: &Outcome, lines: &mut Lines) {
    if outcome.verified.is_empty() {
        return;
    }
    let damaged = outcome.damaged().count();
    let count = counted(outcome.verified.len(), "archive", "archives");
    let trouble = if damaged > 0 { format!(", {damaged} DAMAGED") } else { String::new() };
    lines.add(0, &format!("Verified - {count}{trouble}"));
    for verified in &outcome.verified {
        lines.add(FOLDER, &format!("{} - {}", outcome.destination.of(&verified.key), verified.word()));
    }
    lines.blank();
}

/// The retention that all volumes have, if they have the same.
fn common_retention(outcome: &Outcome) -> Option<&str> {
    let first = outcome.volumes.first()?;
    outcome.volumes.iter().all(|volume| volume.retention == first.retention).then_some(&first.retention)
}

fn write_volume(
    outcome: &Outcome,
    volume: &VolumeOutcome,
    with_retention: bool,
    zone: &Zone,
    lines: &mut Lines,
) {
    let folder = outcome.destination.in_folder(&volume.folder);
    for removed in &volume.removed {
        let line = format!("Removing old backups...  : {}", outcome.destination.of(&removed.key));
        if line.chars().count() <= COLUMNS {
            lines.add(0, &line);
        } else {
            lines.add(0, &format!("Removing old backups...  : {}", file_name(&removed.key)));
        }
    }
    let took = at_length(volume.elapsed);
    match &volume.result {
        Ok(published) => {
            lines.add(FOLDER, &format!("{folder} - {took}. Size - {}", Bytes(published.archive_bytes)));
            lines.add(ARCHIVE, &shown(&volume.name));
            write_archive(outcome, volume, published, zone, lines);
        }
        Err(reason) => {
            lines.add(FOLDER, &format!("{folder} - {took}. FAILED"));
            lines.add(ARCHIVE, &shown(&volume.name));
            lines.add(ARCHIVE, &shown(reason));
            lines.add(ARCHIVE, &latest_complete(outcome, volume, zone));
        }
    }
    if with_retention {
        lines.add(ARCHIVE, &format!("retention: {}", shown(&volume.retention)));
    }
    if let Some((archive, when)) = &volume.next_to_expire {
        lines.add(ARCHIVE, &format!("next to expire: {} on {}", file_name(archive), zone.day(*when)));
    }
    for note in &volume.notes {
        lines.add(ARCHIVE, &format!("note: {}", shown(note)));
    }
    if let Ok(published) = &volume.result {
        write_issues(published, lines);
    }
}

fn write_archive(
    outcome: &Outcome,
    volume: &VolumeOutcome,
    published: &Published,
    zone: &Zone,
    lines: &mut Lines,
) {
    lines.add(ARCHIVE, &file_name(&published.key));
    let ratio = ratio(published.data_bytes, published.archive_bytes)
        .map_or_else(String::new, |ratio| format!(", ratio {}", hundredths(ratio)));
    let rate = rate(published.bytes_read, volume.elapsed)
        .map_or_else(String::new, |rate| format!(", {}/s", Bytes(rate)));
    lines.add(
        ARCHIVE,
        &format!(
            "{}{}, {} of files{ratio}; {} read{rate}",
            counted_u64(published.entries, "entry", "entries"),
            as_images(published.images),
            Bytes(published.data_bytes),
            Bytes(published.bytes_read),
        ),
    );
    if let (Some(change), Some(previous)) = (change(outcome, volume), &volume.previous) {
        let took = duration(previous).map_or_else(String::new, |time| format!(", {}", at_length(time)));
        let (day, size) = (zone.day(previous.taken), Bytes(previous.len_bytes));
        lines.add(ARCHIVE, &format!("{} against {day} ({size}{took})", signed_percent(change)));
    }
    if let Some(percent) = published.snapshot_percent {
        lines.add(ARCHIVE, &format!("snapshot {percent:.1}% full"));
    }
}

/// What a failed volume can be brought back from.
fn latest_complete(outcome: &Outcome, volume: &VolumeOutcome, zone: &Zone) -> String {
    match last_complete(outcome, &volume.folder) {
        Some(archive) => format!("last complete archive: {}", zone.moment(archive.taken)),
        None => "there is no complete archive of it".to_owned(),
    }
}

fn write_issues(published: &Published, lines: &mut Lines) {
    if published.issue_count == 0 {
        return;
    }
    let count = counted_u64(published.issue_count, "issue", "issues");
    lines.add(ARCHIVE, &format!("INCOMPLETE, {count}:"));
    let mut written = 0_u64;
    for issue in published.issues.iter().take(ISSUES_SHOWN) {
        lines.add(ARCHIVE.saturating_add(2), &shown(issue));
        written = written.saturating_add(1);
    }
    let rest = published.issue_count.saturating_sub(written);
    if rest > 0 {
        let manifest = file_name(&published.key.manifest());
        lines.add(ARCHIVE.saturating_add(2), &format!("and {rest} more, in {manifest}"));
    }
}

fn totals(outcome: &Outcome, lines: &mut Lines) {
    lines.add(0, &"-".repeat(39));
    let used =
        outcome.space.map_or_else(String::new, |space| format!(" - Used space : {}%", used_percent(space)));
    lines.add(0, &format!("Total backups size - {}{used}", Bytes(total_bytes(outcome))));
    let bytes = Bytes(sum(published(outcome).map(|archive| archive.archive_bytes)));
    let archives = counted(published(outcome).count(), "archive", "archives");
    let free =
        outcome.space.map_or_else(String::new, |space| format!(", {} are free", Bytes(space.free_bytes)));
    lines.add(0, &format!("This run - {bytes} in {archives}{free}"));
    lines.add(0, &format!("Total execution time - {}", at_length(outcome.elapsed)));
}

/// Lines of bounded length.
#[derive(Default)]
struct Lines {
    text: String,
}

impl Lines {
    fn blank(&mut self) {
        self.text.push('\n');
    }

    /// Adds a line; what is too long goes on in the next, further in.
    fn add(&mut self, indent: usize, line: &str) {
        self.hang(indent, indent.saturating_add(4), line);
    }

    /// Adds a line; what is too long goes on in the next, as far in as `deeper` says. A word that is longer than a line is cut.
    fn hang(&mut self, indent: usize, deeper: usize, line: &str) {
        let mut column = indent;
        self.text.push_str(&" ".repeat(indent));
        for word in line.split_inclusive(' ') {
            let fits = |column: usize| column.saturating_add(word.trim_end().chars().count()) <= COLUMNS;
            if !fits(column) && column > deeper {
                column = self.next_line(deeper);
            }
            for character in word.chars() {
                if column >= COLUMNS && character != ' ' {
                    column = self.next_line(deeper);
                }
                self.text.push(character);
                column = column.saturating_add(1);
            }
        }
        self.end_line();
    }

    fn next_line(&mut self, indent: usize) -> usize {
        self.end_line();
        self.text.push_str(&" ".repeat(indent));
        indent
    }

    fn end_line(&mut self) {
        self.text.truncate(self.text.trim_end_matches(' ').len());
        self.text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_longer_than_a_mail_likes_it() {
        let word = "x".repeat(250);
        let cases = ["short".to_owned(), "many words ".repeat(40), format!("a {word} b"), word];
        for line in cases {
            for indent in [0, ARCHIVE] {
                let mut lines = Lines::default();
                lines.add(indent, &line);
                let longest = lines.text.lines().map(|line| line.chars().count()).max();
                assert!(longest <= Some(COLUMNS), "{}", lines.text);
                let squeeze = |text: &str| text.split_whitespace().collect::<String>();
                assert_eq!(squeeze(&lines.text), squeeze(&line));
            }
        }
    }
}
