//! The report as a page, in a browser.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use libtest_mimic::Trial;
use voltar::report::outcome::Outcome;
use voltar::report::{Zone, html_in};

use crate::browser::visit;
use crate::common::trials::{Needs, trial};
use crate::nights::{hostile, night, ten};

const CHROMIUM: Needs = Needs::Tool("chromium", "chromium");

pub fn trials() -> Vec<Trial> {
    let mut trials = vec![
        trial("the page of each night is left under target/tmp/pages to look at", &[], keep),
        trial("what a page must not do is seen when it does it", &[CHROMIUM], control),
        trial("whoever names a volume does not write the page", &[], escaped),
        trial("what the page says aloud is whole: titles, descriptions, one heading", &[], aloud),
        trial("a column that is hidden on a phone is hidden with its title", &[], columns),
        trial("the page needs nothing from elsewhere", &[], self_contained),
    ];
    for (name, outcome) in nights() {
        let sentence =
            format!("a browser shows the night `{name}`, without scripts, requests and complaints");
        trials.push(trial(sentence, &[CHROMIUM], move || shown(&outcome)));
    }
    trials
}

fn nights() -> [(&'static str, Outcome); 6] {
    [
        ("one", night(1, 20)),
        ("ten", ten()),
        ("sixty", night(60, 14)),
        ("first", night(4, 0)),
        ("hostile", hostile()),
        ("nothing", night(0, 0)),
    ]
}

fn page(outcome: &Outcome) -> String {
    html_in(outcome, &Zone::utc())
}

fn keep() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    fs::create_dir_all(&folder).unwrap();
    for (name, outcome) in nights() {
        fs::write(folder.join(format!("{name}.html")), page(&outcome)).unwrap();
    }
}

fn control() {
    let bad = "<!doctype html><title>a</title><img src=http://evil.example/a.png>\
               <script>document.title = 'owned'; console.error('said'); undefined.member</script>";
    let visit = visit(bad);
    assert!(visit.dom.contains("<title>owned</title>"), "{}", visit.dom);
    assert_eq!(visit.requests.iter().filter(|request| request.contains("evil.example")).count(), 1);
    assert!(visit.console.iter().any(|line| line.contains("said")), "{:?}", visit.console);
}

fn shown(outcome: &Outcome) {
    let visit = visit(&page(outcome));
    assert!(visit.console.is_empty(), "{:?}", visit.console);
    // A request for the icon is none: the page has an empty one.
    assert!(visit.requests.is_empty(), "{:?}", visit.requests);
    assert!(!visit.dom.contains("<script") && !visit.dom.contains("<img"), "{}", visit.dom);
    assert!(!visit.dom.contains("<title>owned"), "{}", visit.dom);
    assert_eq!(visit.dom.matches("<h1>").count(), 1);
    let tables = usize::from(!outcome.volumes.is_empty());
    assert_eq!(visit.dom.matches("<h2 id=\"volumes\">Volumes</h2>").count(), tables);
    assert_eq!(visit.dom.matches("<details").count(), outcome.volumes.len());
    // What the browser understood is what was written: nothing was moved, closed or left out.
    let count = |text: &str, tag: &str| text.matches(tag).count();
    for tag in ["<tr", "<td", "<th ", "<svg", "<rect", "<title", "<li", "<dd", "<bdi>", "<section"] {
        assert_eq!(count(&visit.dom, tag), count(&page(outcome), tag), "{tag}");
    }
}

fn escaped() {
    let page = page(&hostile());
    for forbidden in ["<script", "<img", "onload=\"", "onerror=\"", "\u{202e}", "\u{1b}", "</style></title>"]
    {
        assert!(!page.contains(forbidden), "{forbidden:?}");
    }
    assert!(page.contains("&lt;script&gt;document.title=&#39;owned&#39;"));
}

fn aloud() {
    for (name, outcome) in nights() {
        let page = page(&outcome);
        assert!(page.contains("<html lang=\"en\">"), "{name}");
        let attributes: Vec<&str> =
            page.split("<svg ").skip(1).map(|svg| svg.split('>').next().unwrap()).collect();
        for attributes in attributes {
            let silent = attributes.contains("aria-hidden=\"true\"");
            let named = attributes.contains("role=\"img\"") && attributes.contains("aria-labelledby=");
            assert!(silent != named, "{name}: {attributes}");
        }
        let ids: Vec<&str> =
            page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        let distinct: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), distinct.len(), "{name}: an id is there twice");
        for reference in ["href=\"#", "aria-labelledby=\""] {
            for rest in page.split(reference).skip(1) {
                for id in rest.split('"').next().unwrap().split(' ') {
                    assert!(distinct.contains(id), "{name}: {reference}{id} leads nowhere");
                }
            }
        }
    }
}

/// The style sheet hides cells by their class: a title without it stays, over another column.
fn columns() {
    let page = page(&ten());
    let table = page.split("<table class=\"volumes\"").nth(1).unwrap().split("</table>").next().unwrap();
    let mut rows = table.split("<tr").skip(1).map(|row| {
        let cells = row.split("<t").filter(|cell| cell.starts_with("h ") || cell.starts_with("d "));
        let class = |cell: &str| cell.split('>').next().unwrap().split("class=\"").nth(1).map(str::to_owned);
        cells.map(class).collect::<Vec<_>>()
    });
    let titles = rows.next().unwrap();
    assert_eq!(titles.len(), 5);
    assert!(titles.iter().skip(1).all(Option::is_some), "{titles:?}");
    assert!(rows.all(|row| row == titles), "{table}");
}

fn self_contained() {
    for (name, outcome) in nights() {
        let page = page(&outcome);
        for forbidden in ["src=", "@import", "url(", "<script", "<iframe", "<object", "<link rel=\"style"] {
            let found = page.replace("src=http://evil.example", "").contains(forbidden);
            assert!(!found, "{name}: {forbidden}");
        }
        for rest in page.split("href=\"").skip(1) {
            assert!(rest.starts_with('#') || rest.starts_with("data:,\""), "{name}: {}", &rest[..20]);
        }
    }
}
