//! The report as a page that needs nothing else: no script, no font, no picture from elsewhere.
//!
//! ```text
//! escape ▶ chart ▶ volume ▶ the page
//! ```
//!
//! Everything that someone else named goes through [`escape::Text`]; beside that, the page's own policy forbids scripts and
//! everything that would be fetched.

mod chart;
mod escape;
mod volume;

use std::fmt::Write as _;

use crate::report::measures::{published, ratio, sum, total_bytes, used_percent};
use crate::report::outcome::{Outcome, Verdict};
use crate::report::times::{Zone, rfc3339};
use crate::report::words::{counted, hundredths, in_short, summary};
use crate::units::Bytes;
use escape::Text;

const STYLE: &str = include_str!("style.css");

/// Volumes up to which the runs of all of them are open.
const FEW: usize = 3;

/// Used space, in percent, from which on it is shown as trouble.
const TIGHT: u64 = 90;

/// The report as a page of its own, in this host's time zone.
#[must_use]
pub fn html(outcome: &Outcome) -> String {
    html_in(outcome, &Zone::here())
}

/// The report as a page of its own, in a time zone of the caller's.
#[must_use]
pub fn html_in(outcome: &Outcome, zone: &Zone) -> String {
    page(outcome, zone, true)
}

/// The report as it stands in a mail: mail programs draw no charts, and fold nothing up.
pub(super) fn for_mail(outcome: &Outcome, zone: &Zone) -> String {
    page(outcome, zone, false)
}

fn page(outcome: &Outcome, zone: &Zone, charts: bool) -> String {
    let title = format!("{}: {}", outcome.host, summary(outcome));
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<link rel=\"icon\" href=\"data:,\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        Text::new(&title),
    );
    head(&mut html, outcome, zone);
    html.push_str("<main>\n");
    trouble(&mut html, outcome, zone);
    figures(&mut html, outcome);
    volumes(&mut html, outcome, charts);
    if charts {
        runs(&mut html, outcome, zone);
    }
    verified(&mut html, outcome);
    cleaned(&mut html, outcome);
    let version = env!("CARGO_PKG_VERSION");
    let _ = write!(html, "</main>\n<footer>voltar {version}</footer>\n</body>\n</html>\n");
    html
}

fn head(html: &mut String, outcome: &Outcome, zone: &Zone) {
    let _ = write!(
        html,
        "<header class=\"{}\">\n<p class=\"host\">Backup of <bdi>{}</bdi></p>\n<h1>{}{}</h1>\n<p class=\"when\">",
        outcome.verdict().name(),
        Text::new(&outcome.host),
        volume::mark(outcome.verdict()),
        Text::new(&summary(outcome)),
    );
    let moment = zone.moment(outcome.started);
    match rfc3339(outcome.started) {
        Some(machine) => {
            let _ = write!(html, "<time datetime=\"{machine}\">{moment}</time>");
        }
        None => html.push_str(&moment),
    }
    let mounted = if outcome.is_mounted { ", which is mounted" } else { "" };
    let _ = write!(
        html,
        ", for {}, to <bdi>{}</bdi>{mounted}</p>\n</header>\n",
        in_short(outcome.elapsed),
        Text::address(&outcome.destination),
    );
}

/// Everything that somebody should look at, the worst first. Without trouble there is nothing.
fn trouble(html: &mut String, outcome: &Outcome, zone: &Zone) {
    if outcome.verdict() == Verdict::Complete {
        return;
    }
    html.push_str("<section class=\"trouble\">\n<h2>What went wrong</h2>\n<ul>\n");
    let failed = volume::mark(Verdict::Failed);
    for volume in &outcome.volumes {
        if let Err(reason) = &volume.result {
            let (name, reason) = (Text::new(&volume.name), Text::new(reason));
            let latest = volume::latest_complete(outcome, volume, zone);
            let _ = writeln!(
                html,
                "<li class=\"failed\">{failed}<div><h3><bdi>{name}</bdi></h3><p class=\"reason\">{reason}</p><p class=\"quiet\">{latest}</p></div></li>"
            );
        }
    }
    for error in &outcome.errors {
        let _ = writeln!(
            html,
            "<li class=\"failed\">{failed}<div><p class=\"reason\">{}</p></div></li>",
            Text::new(error)
        );
    }
    for verified in outcome.damaged() {
        let (path, word) = (Text::address(&outcome.destination.of(&verified.key)), verified.word());
        let (reason, next) =
            (verified.reason().unwrap_or_default(), verified.next_step(&outcome.destination));
        let _ = writeln!(
            html,
            "<li class=\"failed\">{failed}<div><h3><bdi>{path}</bdi></h3><p class=\"reason\">{word}: {}</p><p class=\"quiet\">{}</p></div></li>",
            Text::new(&reason),
            Text::new(&next)
        );
    }
    for volume in &outcome.volumes {
        if let (Verdict::Incomplete, Ok(published)) = (volume.verdict(), &volume.result) {
            let (mark, name) = (volume::mark(Verdict::Incomplete), Text::new(&volume.name));
            let issues = volume::issues(published);
            let _ = writeln!(
                html,
                "<li class=\"incomplete\">{mark}<div><h3><bdi>{name}</bdi></h3>{issues}</div></li>"
            );
        }
    }
    if outcome.volumes.is_empty() && outcome.errors.is_empty() {
        let _ = writeln!(
            html,
            "<li class=\"failed\">{failed}<div><p class=\"reason\">No volume matched the configuration.</p></div></li>"
        );
    }
    html.push_str("</ul>\n</section>\n");
}

fn figures(html: &mut String, outcome: &Outcome) {
    html.push_str("<section>\n<h2 class=\"aloud\">In figures</h2>\n<dl class=\"figures\">\n");
    let mut figure = |name: &str, value: &str, more: &str| {
        let _ = writeln!(html, "<div><dt>{name}</dt><dd>{value}</dd><dd class=\"more\">{more}</dd></div>");
    };
    let written = sum(published(outcome).map(|archive| archive.archive_bytes));
    let data = sum(published(outcome).map(|archive| archive.data_bytes));
    let read = sum(published(outcome).map(|archive| archive.bytes_read));
    let archives = counted(published(outcome).count(), "archive", "archives");
    figure("Written", &Bytes(written).to_string(), &archives);
    let ratio = ratio(data, written).map_or_else(String::new, |ratio| format!("ratio {}", hundredths(ratio)));
    figure("Files", &Bytes(data).to_string(), &ratio);
    figure("Read", &Bytes(read).to_string(), &format!("in {}", in_short(outcome.elapsed)));
    let all = counted(outcome.history.len(), "archive", "archives");
    figure("All backups", &Bytes(total_bytes(outcome)).to_string(), &all);
    if let Some(space) = outcome.space {
        let percent = used_percent(space);
        let tight = if percent >= TIGHT { " tight" } else { "" };
        let meter = format!(
            "<svg class=\"meter{tight}\" viewBox=\"0 0 100 4\" preserveAspectRatio=\"none\" aria-hidden=\"true\" focusable=\"false\">\
             <rect class=\"rest\" width=\"100\" height=\"4\"/><rect class=\"used\" width=\"{percent}\" height=\"4\"/></svg>"
        );
        let free = format!("{meter}{} free", Bytes(space.free_bytes));
        figure("Used space", &format!("{percent}%"), &free);
    }
    html.push_str("</dl>\n</section>\n");
}

fn volumes(html: &mut String, outcome: &Outcome, charts: bool) {
    if outcome.volumes.is_empty() {
        return;
    }
    let runs = if charts { "<th scope=\"col\" class=\"runs\">Last runs</th>" } else { "" };
    let _ = write!(
        html,
        "<section>\n<h2 id=\"volumes\">Volumes</h2>\n<table class=\"volumes\" aria-labelledby=\"volumes\">\n<thead><tr>\
         <th scope=\"col\">Volume</th><th scope=\"col\" class=\"number size\">Archive</th>\
         <th scope=\"col\" class=\"number change\">Change</th>\
         <th scope=\"col\" class=\"number time\">Time</th>{runs}</tr></thead>\n<tbody>\n"
    );
    for (id, volume) in outcome.volumes.iter().enumerate() {
        html.push_str(&volume::row(outcome, volume, id, charts));
    }
    html.push_str("</tbody></table>\n</section>\n");
}

fn runs(html: &mut String, outcome: &Outcome, zone: &Zone) {
    if outcome.volumes.is_empty() {
        return;
    }
    html.push_str("<section>\n<h2>Run by run</h2>\n");
    let are_few = outcome.volumes.len() <= FEW;
    for (id, volume) in outcome.volumes.iter().enumerate() {
        let is_open = are_few || volume.verdict() != Verdict::Complete;
        html.push_str(&volume::runs(outcome, volume, id, is_open, zone));
    }
    html.push_str("</section>\n");
}

fn verified(html: &mut String, outcome: &Outcome) {
    if outcome.verified.is_empty() {
        return;
    }
    html.push_str("<section>\n<h2>Verified archives</h2>\n<ul>\n");
    for verified in &outcome.verified {
        let _ = writeln!(
            html,
            "<li><bdi>{}</bdi>: {}</li>",
            Text::address(&outcome.destination.of(&verified.key)),
            verified.word()
        );
    }
    html.push_str("</ul>\n</section>\n");
}

fn cleaned(html: &mut String, outcome: &Outcome) {
    if outcome.cleaned.is_empty() {
        return;
    }
    html.push_str(
        "<section>\n<h2>Cleaned up</h2>\n<p>Snapshots that an earlier run left behind:</p>\n<ul>\n",
    );
    for snapshot in &outcome.cleaned {
        let _ = writeln!(html, "<li><bdi>{}</bdi></li>", Text::new(snapshot));
    }
    html.push_str("</ul>\n</section>\n");
}
