//! A plan in words: what `voltar config check` answers.

use std::ffi::OsString;
use std::fmt::{self, Write as _};
use std::path::Path;

use crate::archive::{Form, Options};
use crate::config::plan::{
    Mail, MailWhen, Plan, Security, SnapshotOptions, Source, Transport, VolumeOptions, What,
};
use crate::config::quantity::in_words;
use crate::printable::Printable;
use crate::retention::describe;
use crate::snapshot::Size;
use crate::store::Free;
use crate::store::choice::Choice;
use crate::units::Bytes;
use crate::volume::VolumeId;

/// The plan in words, some lines for each part.
#[must_use]
pub fn summary(plan: &Plan) -> String {
    let mut text = Lines(String::new());
    for (index, source) in plan.sources.iter().enumerate() {
        text.source(index.saturating_add(1), source);
    }
    text.destination(plan);
    if let Some(choice) = &plan.verify {
        text.line("verified", verified(choice));
    }
    text.report(plan);
    text.0
}

/// Lines that are written one after the other.
struct Lines(String);

impl Lines {
    fn line(&mut self, head: &str, words: impl fmt::Display) {
        // Writing to a String does not fail.
        let _ = writeln!(self.0, "{head:<13}{words}");
    }

    fn source(&mut self, number: usize, source: &Source) {
        let VolumeOptions { archive: options, snapshot: taken } = &source.options;
        self.line(&format!("source {number}"), what(&source.what));
        self.line("  archived", archived(options));
        if !options.exclude.is_empty() {
            self.line("  left out", patterns(&options.exclude));
        }
        if !matches!(source.what, What::Device(_)) {
            self.line("  snapshot", snapshot(taken));
            let limit = in_words(taken.hooks.time_limit);
            for (head, hook) in [("  freeze", &taken.hooks.freeze), ("  thaw", &taken.hooks.thaw)] {
                if let Some(command) = hook {
                    self.line(head, format_args!("{}, in at most {limit}", shown(command)));
                }
            }
        }
        self.line("  kept", describe(&source.retention));
        self.0.push('\n');
    }

    fn destination(&mut self, plan: &Plan) {
        let destination = &plan.destination;
        let mut words = Printable::path(&destination.folder).to_string();
        if destination.require_mount {
            words.push_str(", where something must be mounted");
        }
        match destination.minimum_free {
            Some(Free::Percent(percent)) => words.push_str(&format!(", where {percent} % must be free")),
            Some(Free::Bytes(bytes)) => words.push_str(&format!(", where {} must be free", Bytes(bytes))),
            None => {}
        }
        self.line("destination", words);
        if plan.sources.iter().any(|source| !matches!(source.what, What::Device(_))) {
            self.line("LVM", format_args!("asked by {}", shown(&plan.lvm_command)));
        }
    }

    fn report(&mut self, plan: &Plan) {
        let report = &plan.report;
        let files = [("JSON", &report.json), ("page", &report.html), ("metrics", &report.metrics)];
        for (name, path) in files {
            if let Some(path) = path {
                self.line("report", format_args!("{name} in {}", Printable::path(path)));
            }
        }
        match &report.mail {
            Some(told) => self.line("mail", mail(told)),
            None => self.line("mail", "none"),
        }
    }
}

fn what(what: &What) -> String {
    match what {
        What::Group { group, include, exclude } => {
            let mut words = match include.is_empty() {
                true => format!("all volumes of the group {group}"),
                false => format!("volumes of the group {group} that match {}", list(include)),
            };
            if !exclude.is_empty() {
                words.push_str(&format!(", without {}", list(exclude)));
            }
            words
        }
        What::Volume(name) => format!("the volume {name}"),
        What::Device(path) => format!("{}, as it is, without a snapshot", Printable::path(path)),
    }
}

fn archived(options: &Options) -> String {
    let mut words = options.compression.name().to_owned();
    if let Some(level) = options.level {
        words.push_str(&format!(" {level}"));
    }
    words.push_str(&format!(", {}", options.digest.name()));
    if options.file_digest != crate::archive::Algorithm::OF_FILES {
        words.push_str(&format!(", files' {}", options.file_digest.name()));
    }
    let numbers: Option<Vec<u32>> = options.volumes.iter().map(VolumeId::number).collect();
    match (options.volumes.as_slice(), numbers) {
        ([], _) => {}
        ([VolumeId::Whole], _) => words.push_str(", the whole device"),
        (_, Some(numbers)) => {
            let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
            words.push_str(&format!(", partitions {}", numbers.join(", ")));
        }
        (volumes, None) => {
            let names: Vec<String> = volumes.iter().map(VolumeId::to_string).collect();
            words.push_str(&format!(", volumes {}", names.join(", ")));
        }
    }
    let reading = &options.reading;
    for path in &reading.with {
        words.push_str(&format!(", with {}", Printable::path(path)));
    }
    if let Some(format) = &reading.image.format {
        words.push_str(&format!(", read as {format}"));
    }
    if !reading.key_files.is_empty() {
        words.push_str(", encrypted volumes opened by key files");
    }
    let Form { sparse, creation_time, flags } = options.form;
    let form = [
        (!sparse, ", holes stored as zeros"),
        (creation_time, ", creation times in the tar"),
        (flags, ", inode flags in the tar"),
        (options.embed_manifest, ", the manifest in the archive"),
    ];
    form.iter().filter(|(is_said, _)| *is_said).for_each(|(_, text)| words.push_str(text));
    words.push_str(match options.raw {
        crate::archive::Raw::Auto => "",
        crate::archive::Raw::Never => ", no raw images",
        crate::archive::Raw::Always => ", all partitions as raw images",
    });
    if let Some(threads) = options.threads {
        words.push_str(&format!(", {threads} threads"));
    }
    if let Some(most) = options.max_output {
        words.push_str(&format!(", at most {} of tar", Bytes(most)));
    }
    if options.strict {
        words.push_str(", nothing unless all could be read");
    }
    if options.keep_going {
        words.push_str(", zeros where the device can't be read");
    }
    if !options.reading.has_sandbox {
        words.push_str(", without the sandbox");
    }
    words
}

fn snapshot(options: &SnapshotOptions) -> String {
    let size = match options.size {
        Size::Automatic => "as large as the origin, or what is free".to_owned(),
        Size::PercentOfOrigin(percent) => format!("{percent} % of the origin"),
        Size::Bytes(bytes) => Bytes(bytes).to_string(),
    };
    if options.extend { format!("{size}, extended when it gets full") } else { size }
}

fn verified(choice: &Choice) -> String {
    let newest = choice.newest.then(|| "the newest archive of each volume".to_owned());
    let sample = choice.sample.map(|share| format!("{share} of all (others each day)"));
    let parts: Vec<String> = newest.into_iter().chain(sample).collect();
    format!("{}, after each run", parts.join(", and "))
}

fn mail(mail: &Mail) -> String {
    let when = match mail.when {
        MailWhen::Always => "after each run",
        MailWhen::Trouble => "when something failed or was incomplete",
    };
    let way = match &mail.transport {
        Transport::Sendmail { program } => Printable::path(program).to_string(),
        Transport::Smtp { host, port, security, login, .. } => {
            let security = match security {
                Security::StartTls => "STARTTLS",
                Security::Tls => "TLS",
                Security::None => "nothing to keep it secret",
            };
            let login =
                login.as_ref().map_or_else(String::new, |(user, _)| format!(", as {}", printable(user)));
            format!("{host}:{port} with {security}{login}")
        }
    };
    let (to, from) = (mail.to.join(", "), &mail.from);
    format!("to {}, from {}, {when}, by {way}", printable(&to), printable(from))
}

fn patterns(patterns: &[OsString]) -> String {
    let patterns: Vec<String> =
        patterns.iter().map(|pattern| Printable::path(Path::new(pattern)).to_string()).collect();
    patterns.join(", ")
}

fn list(patterns: &[String]) -> String {
    let patterns: Vec<String> = patterns.iter().map(|pattern| printable(pattern)).collect();
    patterns.join(", ")
}

/// A command as it could be typed.
fn shown(command: &[String]) -> String {
    let words: Vec<String> = command
        .iter()
        .map(|word| match word.is_empty() || word.contains(char::is_whitespace) {
            true => format!("'{}'", printable(word)),
            false => printable(word),
        })
        .collect();
    words.join(" ")
}

fn printable(text: &str) -> String {
    Printable::path(Path::new(text)).to_string()
}
