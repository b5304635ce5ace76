//! The report by mail, to real servers and to bad ones.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use voltar::config::plan::{Mail, MailWhen, Report, Security, Transport};
use voltar::report::outcome::Outcome;
use voltar::report::{mail, publish, subject};

use crate::common::tools::{run, temporary_folder};
use crate::common::trials::{Needs, trial};
use crate::nights::{hostile, interrupt, night, ten};
use crate::server::{BadServer, Manner, Server};

const SERVER: [Needs; 2] = [Needs::Tool("aiosmtpd", "python3-aiosmtpd"), Needs::Tool("openssl", "openssl")];

const PASSWORD: &str = "correct horse";

pub fn trials() -> Vec<Trial> {
    vec![
        trial("a mail arrives by STARTTLS and login, as text and as a page", &SERVER, starttls),
        trial("a mail arrives by TLS from the first byte", &SERVER, tls),
        trial("a mail arrives in the clear where that is asked for", &SERVER, plain),
        trial("a mail with hostile names is a whole mail", &SERVER, hostile_names),
        trial("a wrong password is an error that names server and step", &SERVER, wrong_password),
        trial("a certificate of an authority that nobody named is refused", &SERVER, unknown_authority),
        trial("a certificate for another name is refused", &SERVER, other_name),
        trial("a recipient that the server refuses is named by its answer", &SERVER, refused_recipient),
        trial("a server without STARTTLS gets neither password nor mail", &[], no_starttls),
        trial("no password is sent over a connection that is not secret", &[], never_in_clear),
        trial(
            "a server that speaks TLS where none is expected does not hang, and the other way round",
            &SERVER,
            crossed,
        ),
        trial("a server that hangs up is said to have done so", &[], hangs_up),
        trial("a server that says nothing does not hold up the night", &[], silent),
        trial("a server that is not there is an error that says so", &[], not_there),
        trial("files that can't be used are named: password and authority", &[], unusable_files),
        trial("addresses that are none are errors of the configuration", &[], bad_addresses),
        trial("sendmail gets sender, recipients and the mail", &[], sendmail),
        trial("a sendmail that fails is quoted", &[], sendmail_fails),
        trial("mail only on trouble is silent when there is none", &[], only_on_trouble),
        trial("the subject says how the night was", &[], subjects),
    ]
}

fn to(transport: Transport) -> Mail {
    Mail {
        from: "Backup of node1 <voltar@example.org>".to_owned(),
        to: vec!["root@example.org".to_owned(), "Ops Çedilla <ops@example.org>".to_owned()],
        when: MailWhen::Always,
        transport,
    }
}

fn smtp(port: u16, security: Security, password: Option<PathBuf>, authority: Option<PathBuf>) -> Mail {
    to(Transport::Smtp {
        host: "localhost".to_owned(),
        port,
        security,
        login: password.map(|file| ("backup".to_owned(), file)),
        ca_file: authority,
    })
}

/// Sends over a server of this kind, with the right password and authority.
fn deliver(mode: &str, security: Security, outcome: &Outcome) -> serde_json::Value {
    let server = Server::start(mode);
    let is_secret = security != Security::None;
    let password = is_secret.then(|| server.file("password", &format!("{PASSWORD}\n")));
    let settings = smtp(server.port, security, password, is_secret.then(|| server.authority()));
    mail(outcome, &settings).unwrap_or_else(|error| panic!("{error}"));
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    mails[0].clone()
}

fn starttls() {
    let seen = deliver("starttls", Security::StartTls, &ten());
    assert_eq!((&seen["tls"], &seen["login"]), (&true.into(), &"backup".into()));
    assert_eq!(seen["envelope_from"], "voltar@example.org");
    assert_eq!(seen["envelope_to"], serde_json::json!(["root@example.org", "ops@example.org"]));
    let headers = &seen["headers"];
    assert_eq!(headers["Subject"], "voltar: 1 of 10 FAILED, 1 incomplete (node1)");
    assert_eq!(headers["From"], "Backup of node1 <voltar@example.org>");
    assert_eq!(headers["To"], "root@example.org, Ops Çedilla <ops@example.org>");
    assert_eq!(headers["Auto-Submitted"], "auto-generated");
    assert!(headers["Message-ID"].as_str().unwrap().contains('@') && headers["Date"].is_string());
    assert_eq!(seen["type"], "multipart/alternative");
    assert_eq!(seen["parts"], serde_json::json!(["text/plain", "text/html"]));
    assert!(seen["text"].as_str().unwrap().starts_with("voltar on node1: 1 of 10 FAILED, 1 incomplete\n"));
    let html = seen["html"].as_str().unwrap();
    assert!(html.contains("<h1>") && html.contains("volume-00000003"), "{html}");
    assert!(!html.contains("class=\"chart\"") && !html.contains("<details"), "charts don't show in mail");
}

fn tls() {
    let seen = deliver("tls", Security::Tls, &night(10, 1));
    assert_eq!((&seen["tls"], &seen["login"]), (&true.into(), &"backup".into()));
    assert_eq!(seen["headers"]["Subject"], "voltar: 10 volumes, all complete (node1)");
}

fn plain() {
    let seen = deliver("plain", Security::None, &night(1, 1));
    assert_eq!((&seen["tls"], &seen["login"]), (&false.into(), &serde_json::Value::Null));
}

fn hostile_names() {
    let seen = deliver("plain", Security::None, &hostile());
    assert_eq!(seen["defects"], serde_json::json!([]));
    assert!(seen["longest_line"].as_u64().unwrap() <= 998, "{}", seen["longest_line"]);
    assert_eq!(seen["envelope_to"].as_array().unwrap().len(), 2);
    assert!(seen["text"].as_str().unwrap().contains("名前の長いボリューム"));
    assert!(!seen["html"].as_str().unwrap().contains("<script"));
}

/// The message of a delivery that must fail, and that nothing arrived.
fn refusal(server: &Server, settings: &Mail) -> String {
    let error = mail(&ten(), settings).expect_err("it is refused").to_string();
    assert!(server.mails().is_empty());
    assert!(error.starts_with(&format!("mail server localhost:{}: ", server.port)), "{error}");
    error
}

fn wrong_password() {
    let server = Server::start("starttls");
    let password = server.file("password", "wrong");
    let error =
        refusal(&server, &smtp(server.port, Security::StartTls, Some(password), Some(server.authority())));
    assert!(
        error.contains(": logging in: ") && error.contains("535") && error.contains("password file"),
        "{error}"
    );
    assert!(!error.contains("wrong"), "{error}");
}

fn unknown_authority() {
    for (mode, security) in [("starttls", Security::StartTls), ("tls", Security::Tls)] {
        let server = Server::start(mode);
        let password = server.file("password", PASSWORD);
        let error = refusal(&server, &smtp(server.port, security, Some(password), None));
        assert!(error.contains("UnknownIssuer") && error.contains("ca_file"), "{error}");
    }
}

fn other_name() {
    let server = Server::start("starttls");
    let mut settings = smtp(server.port, Security::StartTls, None, Some(server.authority()));
    if let Transport::Smtp { host, .. } = &mut settings.transport {
        "127.0.0.1".clone_into(host);
    }
    let error = mail(&ten(), &settings).expect_err("it is refused").to_string();
    assert!(error.contains("not trusted for this name"), "{error}");
    assert!(server.mails().is_empty());
}

fn refused_recipient() {
    let server = Server::start("plain");
    let mut settings = smtp(server.port, Security::None, None, None);
    settings.to.push("nobody@example.org".to_owned());
    let error = refusal(&server, &settings);
    assert!(error.contains(": sending: ") && error.contains("no such mailbox"), "{error}");
}

fn no_starttls() {
    let server = BadServer::start(Manner::InTheClear);
    let folder = temporary_folder();
    let password = folder.path().join("password");
    fs::write(&password, PASSWORD).unwrap();
    let error = mail(&ten(), &smtp(server.port, Security::StartTls, Some(password), None)).unwrap_err();
    assert!(error.to_string().contains("STARTTLS: the server doesn't offer it"), "{error}");
    let received = server.received();
    assert!(received.starts_with("EHLO "), "{received:?}");
    for secret in ["AUTH", "MAIL", "DATA", "volume"] {
        assert!(!received.contains(secret), "{received:?}");
    }
}

fn never_in_clear() {
    let server = BadServer::start(Manner::InTheClear);
    let folder = temporary_folder();
    let password = folder.path().join("password");
    fs::write(&password, PASSWORD).unwrap();
    let error = mail(&ten(), &smtp(server.port, Security::None, Some(password), None)).unwrap_err();
    assert!(error.to_string().contains("no password is sent"), "{error}");
    assert_eq!(server.received(), "");
}

fn crossed() {
    let server = Server::start("starttls");
    let error = refusal(&server, &smtp(server.port, Security::Tls, None, Some(server.authority())));
    assert!(error.contains("connecting by TLS") && error.contains("starttls"), "{error}");
}

fn hangs_up() {
    for (manner, step) in [(Manner::HangsUp, "connecting"), (Manner::HangsUpLater, "sending")] {
        let server = BadServer::start(manner);
        let error = mail(&ten(), &smtp(server.port, Security::None, None, None)).unwrap_err().to_string();
        assert!(error.contains(&format!(": {step}: the server closed the connection; ")), "{error}");
    }
}

fn silent() {
    let server = BadServer::start(Manner::Silent);
    let begun = Instant::now();
    let error = mail(&ten(), &smtp(server.port, Security::None, None, None)).unwrap_err().to_string();
    assert!(error.contains("connecting: no answer within 30 seconds"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(90));
}

fn not_there() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = mail(&ten(), &smtp(port, Security::None, None, None)).unwrap_err().to_string();
    assert!(error.contains("connecting") && error.contains("refused"), "{error}");
}

fn unusable_files() {
    let folder = temporary_folder();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let missing = folder.path().join("missing");
    let passwords = [
        (missing.clone(), "No such file"),
        (file("empty", b"\n"), "it is empty"),
        (file("binary", b"\xff\xfe"), "no UTF-8"),
        (file("long", &[b'x'; 5000]), "5000 bytes, at most 4096"),
    ];
    for (path, reason) in passwords {
        let error = mail(&ten(), &smtp(1, Security::Tls, Some(path.clone()), None)).unwrap_err().to_string();
        assert!(error.starts_with(path.to_str().unwrap()) && error.contains(reason), "{error}");
    }
    for (path, reason) in
        [(missing, "No such file"), (file("text", b"no certificate"), "no certificate in it")]
    {
        let error = mail(&ten(), &smtp(1, Security::Tls, None, Some(path.clone()))).unwrap_err().to_string();
        assert!(error.starts_with(path.to_str().unwrap()) && error.contains(reason), "{error}");
    }
}

fn bad_addresses() {
    let mut settings = smtp(1, Security::None, None, None);
    settings.to = vec!["root at example".to_owned()];
    let error = mail(&ten(), &settings).unwrap_err();
    assert_eq!(error.kind(), voltar::Kind::Usage);
    assert!(error.to_string().contains("`to` is `root at example`"), "{error}");
    settings.from = "a@b\r\nBcc: all@example.org".to_owned();
    assert!(mail(&ten(), &settings).unwrap_err().to_string().contains("`from`"));
}

/// A program that stands for sendmail. It is copied by another process: none that this one starts meanwhile may hold it open for
/// writing, since such a file can't be run.
fn program(folder: &Path, script: &str) -> Mail {
    let (draft, path) = (folder.join("draft"), folder.join("sendmail"));
    fs::write(&draft, format!("#!/bin/sh\ncd '{}'\n{script}\n", folder.display())).unwrap();
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
    run("cp", [&draft, &path]);
    to(Transport::Sendmail { program: path })
}

fn sendmail() {
    let folder = temporary_folder();
    let settings = program(folder.path(), r#"printf '%s\n' "$@" > arguments; cat > message"#);
    mail(&ten(), &settings).unwrap_or_else(|error| panic!("{error}"));
    let arguments = fs::read_to_string(folder.path().join("arguments")).unwrap();
    assert_eq!(arguments, "-i\n-f\nvoltar@example.org\n--\nroot@example.org\nops@example.org\n");
    let message = fs::read_to_string(folder.path().join("message")).unwrap();
    assert!(message.contains("\nSubject: voltar: 1 of 10 FAILED, 1 incomplete (node1)\n"), "{message}");
    assert!(message.contains("multipart/alternative") && !message.contains('\r'));
}

fn sendmail_fails() {
    let folder = temporary_folder();
    // It reads nothing, so the pipe of a careless sender would break.
    let settings = program(folder.path(), "echo 'queue is full' >&2; exit 75");
    let error = mail(&ten(), &settings).unwrap_err().to_string();
    assert!(error.contains("exit status: 75: queue is full"), "{error}");
}

fn only_on_trouble() {
    let folder = temporary_folder();
    let mut settings = program(folder.path(), "cat >> message");
    settings.when = MailWhen::Trouble;
    let message = folder.path().join("message");
    let mut report = Report { mail: Some(settings), ..Report::default() };
    assert!(publish(&night(2, 1), &report).is_empty());
    assert!(!message.exists());
    // A file that can't be written is trouble enough.
    report.json = Some(folder.path().join("missing/night.json"));
    assert_eq!(publish(&night(2, 1), &report).len(), 1);
    assert!(fs::read_to_string(&message).unwrap().contains("but 1 error"));
    report.json = None;
    fs::remove_file(&message).unwrap();
    let mut incomplete = night(2, 1);
    interrupt(&mut incomplete, 1, 1);
    assert!(publish(&incomplete, &report).is_empty());
    assert!(fs::read_to_string(&message).unwrap().contains("1 of 2 incomplete"));
}

fn subjects() {
    assert_eq!(subject(&night(10, 0)), "voltar: 10 volumes, all complete (node1)");
    assert_eq!(subject(&ten()), "voltar: 1 of 10 FAILED, 1 incomplete (node1)");
    assert!(!subject(&hostile()).contains(['\n', '\r', '\u{1b}']));
}
