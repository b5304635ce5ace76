//! `[report]` and what is below it.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::config::fault::Remarks;
use crate::config::keys;
use crate::config::plan::{Mail, MailWhen, Report, Security, Transport};
use crate::config::table::Table;
use crate::config::value::{self, Raw, Read};

const SENDMAIL: &str = "/usr/sbin/sendmail";

const WHEN: [(&str, MailWhen); 2] = [("always", MailWhen::Always), ("trouble", MailWhen::Trouble)];

/// Each with the port that such servers listen on.
const SECURITY: [(&str, (Security, u16)); 3] =
    [("starttls", (Security::StartTls, 587)), ("tls", (Security::Tls, 465)), ("none", (Security::None, 25))];

pub(super) fn read(table: &Table<'_, '_>, remarks: &mut Remarks) -> Report {
    let mut file = |name| table.get(name, remarks, value::path).map(|given| given.value);
    let (json, html) = (file("json"), file("html"));
    let metrics = table.get("metrics", remarks, |raw| {
        let path = value::path(raw)?;
        match path.extension().is_some_and(|ending| ending == "prom") {
            true => Ok(path),
            false => Err(value::wrong(
                raw,
                "expected a path that ends in .prom: node_exporter reads no other file",
            )),
        }
    });
    let mail = table.table(&keys::MAIL, remarks).and_then(|table| mail(&table, remarks));
    Report { json, html, metrics: metrics.map(|given| given.value), mail }
}

fn mail(table: &Table<'_, '_>, remarks: &mut Remarks) -> Option<Mail> {
    let from = table.require("from", remarks, address);
    let to = table.require("to", remarks, |raw| {
        if raw.get_ref().is_str() {
            return Err(value::wrong(
                raw,
                "expected an array of addresses: write it in brackets, [\"ops@example.org\"]",
            ));
        }
        let to = value::each(raw, "an array of addresses like [\"ops@example.org\"]", address)?;
        match to.is_empty() {
            true => Err(value::wrong(raw, "expected at least one address: nobody would get the mail")),
            false => Ok(to),
        }
    });
    let when = table.get("when", remarks, |raw| value::choice(raw, &WHEN));
    let sendmail = table.get("sendmail", remarks, value::path);
    let smtp = table.table(&keys::SMTP, remarks);
    let transport = match (sendmail, smtp) {
        (Some(given), Some(_)) => {
            remarks.fault(
                given.place(),
                "report.mail.sendmail: mail goes by [report.mail.smtp] or by sendmail, and both are here",
            );
            None
        }
        (_, Some(table)) => smtp_transport(&table, remarks),
        (program, None) => Some(Transport::Sendmail {
            program: program.map_or_else(|| PathBuf::from(SENDMAIL), |given| given.value),
        }),
    };
    Some(Mail {
        from: from?.value,
        to: to?.value,
        when: when.map(|given| given.value).unwrap_or_default(),
        transport: transport?,
    })
}

fn smtp_transport(table: &Table<'_, '_>, remarks: &mut Remarks) -> Option<Transport> {
    let host = table.require("host", remarks, host);
    let port = table.get("port", remarks, value::number(1..=u16::MAX));
    let security = table.get("security", remarks, |raw| value::choice(raw, &SECURITY));
    let user = table.get("user", remarks, value::text);
    let password = table.get("password_file", remarks, value::path);
    let ca_file = table.get("ca_file", remarks, value::path).map(|given| given.value);
    for (name, other) in [("user", "password_file"), ("password_file", "user")] {
        if table.raw(name).is_some() && table.raw(other).is_none() {
            let text = format!(
                "report.mail.smtp.{name}: a login has user and password_file, and {other} is missing"
            );
            remarks.fault(table.key_span(name), text);
        }
    }
    let host = host?.value;
    let (kind, usual_port) = security.as_ref().map_or((Security::StartTls, 587), |given| given.value);
    if kind == Security::None {
        let place = security.as_ref().and_then(|given| given.place());
        if user.is_some() || password.is_some() {
            let text = format!(
                "report.mail.smtp.security: expected \"starttls\" or \"tls\", found \"none\": the password would go to {host} for \
                 everyone on the way to read"
            );
            remarks.fault(place, text);
        } else if !is_this_host(&host) {
            let text = format!("report.mail.smtp.security: the report goes to {host} in the clear");
            remarks.warn(place, text);
        }
    }
    let login = user.zip(password).map(|(user, password)| (user.value, password.value));
    let port = port.map_or(usual_port, |given| given.value);
    Some(Transport::Smtp { host, port, security: kind, login, ca_file })
}

/// An address, `ops@example.org` or `Operations <ops@example.org>`.
fn address(raw: Raw<'_, '_>) -> Read<String> {
    const WHAT: &str = "an address like \"ops@example.org\"";
    let text = value::text_as(raw, WHAT)?;
    let bare = match text.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').unwrap_or_default(),
        None => text.as_str(),
    };
    let is_word =
        |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "<>,;:".contains(c));
    match bare.rsplit_once('@') {
        Some((user, host)) if is_word(user) && is_word(host) => Ok(text),
        _ => Err(value::wrong(raw, format!("expected {WHAT}, found the text {}", value::quoted(&text)))),
    }
}

/// The name or address of a server, without anything around it.
fn host(raw: Raw<'_, '_>) -> Read<String> {
    const WHAT: &str = "the name of a mail server like \"mail.example.org\"";
    let text = value::text_as(raw, WHAT)?;
    let is_name = text.chars().all(|c| c.is_alphanumeric() || ".-_".contains(c));
    if is_name || text.parse::<IpAddr>().is_ok() {
        return Ok(text);
    }
    let hint = match text.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => "; the port has a key of its own",
        _ => "",
    };
    Err(value::wrong(raw, format!("expected {WHAT}, found the text {}{hint}", value::quoted(&text))))
}

/// Whether what is sent there never leaves this host.
pub(super) fn is_this_host(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
