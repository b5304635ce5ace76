//! `[report]` and the tables in it.

use std::net::IpAddr;

use crate::config::fault::Remarks;
use crate::config::keys;
use crate::config::plan::{Mail, Report, Security, Transport};
use crate::config::table::Table;
use crate::config::values::Values;

pub(super) fn read(table: &Table<'_, '_>, remarks: &mut Remarks) -> Report {
    let report = table.values(remarks).report;
    let mail = table.table(&keys::MAIL, remarks).map(|table| mail(&table, remarks));
    Report { mail, ..report }
}

fn mail(table: &Table<'_, '_>, remarks: &mut Remarks) -> Mail {
    let Values { mail, sendmail, .. } = table.values(remarks);
    let smtp = table.table(&keys::SMTP, remarks);
    if sendmail.is_some() && smtp.is_some() {
        remarks.fault(
            table.place("sendmail"),
            "report.mail.sendmail: mail goes by [report.mail.smtp] or by sendmail, and both are here",
        );
    }
    let transport = match (sendmail, smtp) {
        (_, Some(table)) => smtp_transport(&table, remarks),
        (Some(program), None) => Transport::Sendmail { program },
        (None, None) => Transport::default(),
    };
    Mail { transport, ..mail }
}

fn smtp_transport(table: &Table<'_, '_>, remarks: &mut Remarks) -> Transport {
    let Values { host, port, security, user, password_file, ca_file, .. } = table.values(remarks);
    for (name, other) in [("user", "password_file"), ("password_file", "user")] {
        if table.raw(name).is_some() && table.raw(other).is_none() {
            let text = format!(
                "report.mail.smtp.{name}: a login has user and password_file, and {other} is missing"
            );
            remarks.fault(table.key_span(name), text);
        }
    }
    if security == Security::None && !host.is_empty() {
        let place = table.place("security");
        if user.is_some() || password_file.is_some() {
            let text = format!(
                "report.mail.smtp.security: expected \"starttls\" or \"tls\", found \"none\": the password \
                 would go to {host} for everyone on the way to read"
            );
            remarks.fault(place, text);
        } else if !is_this_host(&host) {
            let text = format!("report.mail.smtp.security: the report goes to {host} in the clear");
            remarks.warn(place, text);
        }
    }
    let port = port.unwrap_or(match security {
        Security::StartTls => 587,
        Security::Tls => 465,
        Security::None => 25,
    });
    Transport::Smtp { host, port, security, login: user.zip(password_file), ca_file }
}

/// Whether mail to this server stays on this host.
fn is_this_host(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
