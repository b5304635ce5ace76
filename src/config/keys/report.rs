//! `[report]` and the tables in it.

use crate::config::plan::{MailWhen, Security};
use crate::config::section::{Key, Section};
use crate::config::special;
use crate::config::value;
use crate::config::values::put;

const WHEN: [(&str, MailWhen); 2] = [("always", MailWhen::Always), ("trouble", MailWhen::Trouble)];
const SECURITY: [(&str, Security); 3] =
    [("starttls", Security::StartTls), ("tls", Security::Tls), ("none", Security::None)];

/// What is told to whom.
pub const REPORT: Section = Section {
    name: "report",
    header: "[report]",
    overrides: None,
    keys: &[
        Key::new("json", "path", "none", "a file for the report as JSON, written anew by each run")
            .sets(|v, raw| put(&mut v.report.json, value::path(raw).map(Some))),
        Key::new("html", "path", "none", "a file for the report as a page that needs no other file")
            .sets(|v, raw| put(&mut v.report.html, value::path(raw).map(Some))),
        Key::new("metrics", "path", "none", "a file, `….prom`, for the textfile collector of node_exporter")
            .sets(|v, raw| put(&mut v.report.metrics, special::metrics(raw).map(Some))),
        Key::new("mail", "table", "no mail", "`[report.mail]`"),
    ],
};

/// Mail.
pub const MAIL: Section = Section {
    name: "report.mail",
    header: "[report.mail]",
    overrides: None,
    keys: &[
        Key::new("from", "address", "required", "who the mail is from")
            .sets(|v, raw| put(&mut v.mail.from, special::address(raw))),
        Key::new("to", "addresses", "required", "who gets it: an array")
            .sets(|v, raw| put(&mut v.mail.to, special::addresses(raw))),
        Key::new(
            "when",
            "`always`, `trouble`",
            "`always`",
            "after each run, or when something failed or was incomplete",
        )
        .sets(|v, raw| put(&mut v.mail.when, value::choice(raw, &WHEN))),
        Key::new(
            "sendmail",
            "path",
            "`/usr/sbin/sendmail`",
            "the program that takes mail on this host; not together with `[report.mail.smtp]`",
        )
        .sets(|v, raw| put(&mut v.sendmail, value::path(raw).map(Some))),
        Key::new("smtp", "table", "sendmail", "`[report.mail.smtp]`"),
    ],
};

/// A mail server.
pub const SMTP: Section = Section {
    name: "report.mail.smtp",
    header: "[report.mail.smtp]",
    overrides: None,
    keys: &[
        Key::new("host", "name", "required", "the mail server's name or address")
            .sets(|v, raw| put(&mut v.host, special::host(raw))),
        Key::new("port", "number", "starttls 587, tls 465, none 25", "its port")
            .sets(|v, raw| put(&mut v.port, value::number(1..=u16::MAX)(raw).map(Some))),
        Key::new(
            "security",
            "`starttls`, `tls`, `none`",
            "`starttls`",
            "how the connection is kept secret; a login needs one of the first two",
        )
        .sets(|v, raw| put(&mut v.security, value::choice(raw, &SECURITY))),
        Key::new("user", "text", "no login", "who logs in")
            .sets(|v, raw| put(&mut v.user, value::text(raw).map(Some))),
        Key::new(
            "password_file",
            "path",
            "no login",
            "a file with the password and nothing else, which nobody else can read (mode 0600)",
        )
        .sets(|v, raw| put(&mut v.password_file, value::path(raw).map(Some))),
        Key::new(
            "ca_file",
            "path",
            "this host's authorities",
            "a PEM file with the authority that the server's certificate is from",
        )
        .sets(|v, raw| put(&mut v.ca_file, value::path(raw).map(Some))),
    ],
};
