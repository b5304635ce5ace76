//! Mail servers on this host: a real one (aiosmtpd) that keeps every mail, and some that behave badly.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use crate::common::tools;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/report/smtp_server.py");

/// Debian's own Python, which sees Debian's packages.
const PYTHON: &str = "/usr/bin/python3";

/// A mail server that takes mail, in a process of its own.
pub struct Server {
    child: Child,
    folder: TempDir,
    pub port: u16,
}

impl Server {
    /// Starts it: `starttls`, `tls` or `plain`. The first two want a login: `backup`, `correct horse`.
    pub fn start(mode: &str) -> Self {
        let folder = tools::temporary_folder();
        certificates(folder.path());
        let mut child = Command::new(PYTHON)
            .args(["-W", "ignore", PROGRAM])
            .arg(folder.path())
            .arg(mode)
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap_or_else(|_| panic!("the server says no port: {line:?}"));
        Self { child, folder, port }
    }

    /// The certificate of the authority that signed the server's.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// A file in the server's folder.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The mails that it took, as Python's own parser reads them.
    pub fn mails(&self) -> Vec<Value> {
        let name = |number: usize| self.folder.path().join(format!("{number}.json"));
        (0..)
            .map(name)
            .take_while(|path| path.exists())
            .map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An authority, and a certificate of it for `localhost`.
fn certificates(folder: &Path) {
    let run = |arguments: &[&str]| {
        let output = tools::command("openssl").args(arguments).current_dir(folder).output().unwrap();
        tools::assert_success("openssl", &output);
    };
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    run(&[
        &["req", "-x509"],
        &key[..],
        &["-days", "2", "-subj", "/CN=voltar test", "-keyout", "authority.key", "-out", "authority.pem"],
    ]
    .concat());
    run(&[&["req"], &key[..], &["-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr"]]
        .concat());
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    run(&[
        "x509",
        "-req",
        "-in",
        "server.csr",
        "-CA",
        "authority.pem",
        "-CAkey",
        "authority.key",
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        "names",
        "-out",
        "server.pem",
    ]);
}

/// What a bad server does with a client.
#[derive(Clone, Copy)]
pub enum Manner {
    /// Speaks SMTP and offers a login, but no STARTTLS.
    InTheClear,
    /// Hangs up at once.
    HangsUp,
    /// Says nothing.
    Silent,
    /// Hangs up in the middle of the mail.
    HangsUpLater,
}

/// A server that behaves badly, and keeps all that it was sent.
pub struct BadServer {
    pub port: u16,
    received: Arc<Mutex<Vec<u8>>>,
}

impl BadServer {
    pub fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(stream, manner, &kept);
            }
        });
        Self { port, received }
    }

    pub fn received(&self) -> String {
        String::from_utf8_lossy(&self.received.lock().unwrap()).into_owned()
    }
}

fn serve(mut stream: TcpStream, manner: Manner, kept: &Mutex<Vec<u8>>) {
    match manner {
        Manner::HangsUp => return,
        Manner::Silent => {
            let _ = stream.read(&mut [0; 100]);
            return;
        }
        Manner::InTheClear | Manner::HangsUpLater => {}
    }
    let _ = stream.write_all(b"220 localhost ready\r\n");
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
        kept.lock().unwrap().extend_from_slice(&line);
        let answer: &[u8] = match line.get(..4) {
            Some(b"EHLO") => b"250-localhost\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME\r\n",
            Some(b"DATA") if matches!(manner, Manner::HangsUpLater) => return,
            Some(b"DATA") => b"354 go on\r\n",
            Some(b"AUTH") => b"235 welcome\r\n",
            _ => b"250 fine\r\n",
        };
        let _ = stream.write_all(answer);
        line.clear();
    }
}
