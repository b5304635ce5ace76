//! The report of a night in all its forms, each held against a program that reads it: a browser, a mail server, Prometheus.

#[path = "../common/mod.rs"]
mod common;

mod browser;
mod files;
mod mail;
mod metrics;
mod nights;
mod page;
mod server;
mod text;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut trials = Vec::new();
    trials.extend(text::trials());
    trials.extend(page::trials());
    trials.extend(metrics::trials());
    trials.extend(files::trials());
    trials.extend(mail::trials());
    common::trials::run(trials)
}
