//! The report by mail: the only file that knows the crate `lettre`.
//!
//! Nothing here waits for ever: each step has a limit, and so has the whole.

use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use std::{fs, thread};

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Certificate, SmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;

use crate::config::plan::{Mail, MailWhen, Security, Transport};
use crate::error::{Error, Kind, Result};
use crate::report::html::for_mail;
use crate::report::outcome::{Outcome, Verdict};
use crate::report::sendmail;
use crate::report::text::text_in;
use crate::report::times::Zone;
use crate::report::words::{shown, summary};

/// How long a server may take for one step, and a mail in all.
const STEP: Duration = Duration::from_secs(30);
const WHOLE: Duration = Duration::from_secs(120);

/// Longest file of a password, and of certificates, in bytes.
const PASSWORD_BYTES: u64 = 4096;
const CERTIFICATES_BYTES: u64 = 1 << 20;

/// Whether this outcome is told by mail.
#[must_use]
pub fn is_wanted(outcome: &Outcome, mail: &Mail) -> bool {
    mail.when == MailWhen::Always || outcome.verdict() != Verdict::Complete
}

/// The subject: `voltar: 1 of 10 FAILED (node1)`.
#[must_use]
pub fn subject(outcome: &Outcome) -> String {
    format!("voltar: {} ({})", summary(outcome), shown(&outcome.host))
}

/// Sends the report, whatever it says.
///
/// # Errors
///
/// [`Kind::Usage`] for an address that is none, [`Kind::Write`] when the mail could not be handed over, after two minutes at
/// most. The message says which server, at which step, and what can be done.
pub fn mail(outcome: &Outcome, mail: &Mail) -> Result<()> {
    let message = message(outcome, mail)?;
    match &mail.transport {
        Transport::Sendmail { program } => {
            let envelope = message.envelope();
            let from = envelope.from().map(ToString::to_string);
            let to: Vec<String> = envelope.to().iter().map(ToString::to_string).collect();
            sendmail::hand_over(program, from.as_deref(), &to, &message.formatted(), WHOLE)
        }
        Transport::Smtp { host, port, security, login, ca_file } => {
            let server = Server {
                host: host.clone(),
                port: *port,
                security: *security,
                login: login.as_ref().map(|(user, file)| credentials(user, file)).transpose()?,
                authorities: ca_file.as_deref().map(authorities).transpose()?,
            };
            let name = format!("{host}:{port}");
            within(WHOLE, &name, move || server.deliver(&message))
        }
    }
}

fn message(outcome: &Outcome, mail: &Mail) -> Result<Message> {
    let zone = Zone::here();
    let mut builder = Message::builder()
        .from(mailbox("from", &mail.from)?)
        .subject(subject(outcome))
        .date_now()
        .message_id(None)
        // So that no holiday answers it (RFC 3834, section 5).
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
    for address in &mail.to {
        builder = builder.to(mailbox("to", address)?);
    }
    let bodies = MultiPart::alternative_plain_html(text_in(outcome, &zone), for_mail(outcome, &zone));
    builder
        .multipart(bodies)
        .map_err(|source| Error::new(Kind::Usage, format!("the report can't be put into a mail: {source}")))
}

fn mailbox(key: &str, address: &str) -> Result<Mailbox> {
    address.parse().map_err(|source| {
        let address = shown(address);
        let message = format!(
            "mail: `{key}` is `{address}`, which is no address ({source}); it looks like `root@example.org` or `Backup <root@example.org>`"
        );
        Error::new(Kind::Usage, message)
    })
}

/// Runs something that may wait for a server; what takes too long is left alone, and ends with this process.
fn within(limit: Duration, server: &str, run: impl FnOnce() -> Result<()> + Send + 'static) -> Result<()> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // Nobody listens any more when the limit was reached before.
        let _ = sender.send(run());
    });
    receiver.recv_timeout(limit).unwrap_or_else(|error| {
        let reason = match error {
            RecvTimeoutError::Timeout => format!("the mail was not taken within {} seconds", limit.as_secs()),
            RecvTimeoutError::Disconnected => "the delivery stopped without a result".to_owned(),
        };
        Err(Error::new(
            Kind::Write,
            format!("mail server {server}: {reason}; it may have been sent all the same"),
        ))
    })
}

/// A server, and all that is needed to talk to it.
struct Server {
    host: String,
    port: u16,
    security: Security,
    login: Option<Credentials>,
    authorities: Option<Certificate>,
}

/// What is done with a server, for messages.
#[derive(Clone, Copy)]
enum Step {
    Connect,
    StartTls,
    Login,
    Send,
}

impl Server {
    fn deliver(&self, message: &Message) -> Result<()> {
        if self.security == Security::None && self.login.is_some() {
            return Err(self.error(
                "logging in",
                "the connection is not secret, so no password is sent; use `security = \"starttls\"` or `\"tls\"`, or no login",
            ));
        }
        let hello = ClientId::default();
        let tls = match self.security {
            Security::None => None,
            Security::StartTls | Security::Tls => Some(self.tls()?),
        };
        let wrapper = tls.as_ref().filter(|_| self.security == Security::Tls);
        let address = (self.host.as_str(), self.port);
        let mut connection = SmtpConnection::connect(address, Some(STEP), &hello, wrapper, None)
            .map_err(|error| self.failed(Step::Connect, &error))?;
        if let (Security::StartTls, Some(tls)) = (self.security, &tls) {
            if !connection.can_starttls() {
                connection.abort();
                return Err(self.error(
                    "STARTTLS",
                    "the server doesn't offer it, so nothing was sent; `security = \"tls\"` is for servers that begin with TLS \
                     (mostly port 465), `\"none\"` for one on this host",
                ));
            }
            connection.starttls(tls, &hello).map_err(|error| self.failed(Step::StartTls, &error))?;
        }
        if let Some(credentials) = &self.login {
            connection
                .auth(&[Mechanism::Plain, Mechanism::Login], credentials)
                .map_err(|error| self.failed(Step::Login, &error))?;
        }
        connection
            .send(message.envelope(), &message.formatted())
            .map_err(|error| self.failed(Step::Send, &error))?;
        // The server has the mail, whatever it says to the goodbye.
        let _ = connection.quit();
        Ok(())
    }

    fn tls(&self) -> Result<TlsParameters> {
        let builder = TlsParameters::builder(self.host.clone());
        let certificates = self.authorities.iter().cloned();
        certificates
            .fold(builder, |builder, certificate| builder.add_root_certificate(certificate))
            .build()
            .map_err(|error| self.error("preparing TLS", &error.to_string()))
    }

    fn failed(&self, step: Step, error: &lettre::transport::smtp::Error) -> Error {
        let (doing, advice) = match step {
            _ if is_certificate(error) => (
                if self.security == Security::Tls { "connecting by TLS" } else { "STARTTLS" },
                "the server's certificate is not trusted for this name: name the server as its certificate does, and the file \
                 of its authority as `ca_file`",
            ),
            Step::Connect if self.security == Security::Tls => (
                "connecting by TLS",
                "check name and port; a server that begins in the clear (mostly ports 25 and 587) wants `security = \"starttls\"`",
            ),
            Step::Connect => (
                "connecting",
                "check name, port, and whether the server runs; one that begins with TLS (mostly port 465) wants `security = \"tls\"`",
            ),
            Step::StartTls => ("STARTTLS", "check that the server has a certificate, and TLS 1.2 or later"),
            Step::Login => {
                ("logging in", "check user and password file, and that the server knows PLAIN or LOGIN")
            }
            Step::Send => ("sending", "check that the server takes mail from `from` and for `to`"),
        };
        self.error(doing, &format!("{}; {advice}", reason(error)))
    }

    fn error(&self, doing: &str, reason: &str) -> Error {
        let server = shown(&self.host);
        Error::new(Kind::Write, format!("mail server {server}:{}: {doing}: {reason}", self.port))
    }
}

/// What a server said or did, on one line.
fn reason(error: &lettre::transport::smtp::Error) -> String {
    match io_kind(error) {
        Some(std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
            format!("no answer within {} seconds", STEP.as_secs())
        }
        Some(std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::UnexpectedEof) => {
            "the server closed the connection".to_owned()
        }
        _ if error.is_response() && error.to_string().ends_with("incomplete response") => {
            "the server closed the connection".to_owned()
        }
        _ => shown(&error.to_string()),
    }
}

/// The operating system's error behind this one.
fn io_kind(error: &lettre::transport::smtp::Error) -> Option<std::io::ErrorKind> {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return Some(error.kind());
        }
        source = error.source();
    }
    None
}

/// Whether this is about the server's certificate. The library that checks it is behind an `std::io::Error`, and tells only in words.
fn is_certificate(error: &lettre::transport::smtp::Error) -> bool {
    error.to_string().contains("invalid peer certificate")
}

fn credentials(user: &str, file: &Path) -> Result<Credentials> {
    let text = read(file, PASSWORD_BYTES, "password file")?;
    let password = String::from_utf8(text).map_err(|_| unusable(file, "password file", "it is no UTF-8"))?;
    let password = password.trim_end_matches(['\n', '\r']);
    if password.is_empty() {
        return Err(unusable(file, "password file", "it is empty; it holds the password and nothing else"));
    }
    Ok(Credentials::new(user.to_owned(), password.to_owned()))
}

fn authorities(file: &Path) -> Result<Certificate> {
    let pem = read(file, CERTIFICATES_BYTES, "file of certificates")?;
    let certificate = Certificate::from_pem(&pem)
        .map_err(|source| unusable(file, "file of certificates", &format!("{source}; it must be PEM")))?;
    if !String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----") {
        return Err(unusable(file, "file of certificates", "there is no certificate in it; it must be PEM"));
    }
    Ok(certificate)
}

fn read(file: &Path, most_bytes: u64, what: &str) -> Result<Vec<u8>> {
    let metadata = fs::metadata(file).map_err(|source| unusable(file, what, &source.to_string()))?;
    if metadata.len() > most_bytes {
        return Err(unusable(file, what, &format!("it has {} bytes, at most {most_bytes}", metadata.len())));
    }
    fs::read(file).map_err(|source| unusable(file, what, &source.to_string()))
}

fn unusable(file: &Path, what: &str, reason: &str) -> Error {
    Error::new(Kind::Write, format!("mail: {what}: {reason}")).on(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_takes_its_time_for_ever_is_left_alone() {
        let slow = || {
            thread::sleep(Duration::from_secs(20));
            Ok(())
        };
        let error = within(Duration::from_millis(50), "mx:25", slow).expect_err("too late").to_string();
        assert!(error.starts_with("mail server mx:25: the mail was not taken within 0 seconds"), "{error}");
        assert!(within(Duration::from_secs(20), "mx:25", || Ok(())).is_ok());
    }
}
