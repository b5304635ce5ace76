//! A browser without a window, and a network that is this test: every request of the browser arrives here.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::common::tools;

/// Where the page seems to be.
const PAGE: &str = "http://voltar.test/";

/// Hosts that the browser asks of its own accord.
const ITS_OWN: [&str; 6] =
    ["google.com", "googleapis.com", "gvt1.com", "gstatic.com", "googleusercontent.com", "chromium.org"];

/// What became of a page in a browser.
pub struct Visit {
    /// The document after all that it did.
    pub dom: String,
    /// What the console said.
    pub console: Vec<String>,
    /// Requests besides the one for the page.
    pub requests: Vec<String>,
}

/// Shows a page to Chromium.
pub fn visit(page: &str) -> Visit {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let (page, kept) = (page.to_owned(), Arc::clone(&requests));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (page, kept) = (page.clone(), Arc::clone(&kept));
            thread::spawn(move || answer(stream, &page, &kept));
        }
    });
    let profile = tools::temporary_folder();
    let output = tools::command("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args([
            "--disable-dev-shm-usage",
            "--enable-logging=stderr",
            "--virtual-time-budget=3000",
            "--timeout=60000",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--proxy-server=http://{address}"))
        .args(["--proxy-bypass-list=<-loopback>", "--dump-dom", PAGE])
        .output()
        .expect("chromium starts");
    tools::assert_success("chromium", &output);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let console = stderr.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    let mut requests = requests.lock().unwrap().clone();
    let own = format!("GET {PAGE} HTTP/1.1");
    let before = requests.len();
    requests.retain(|request| *request != own);
    assert_eq!(before - requests.len(), 1, "the page is asked for once: {requests:?}");
    requests.retain(|request| !is_its_own(request));
    Visit { dom: String::from_utf8(output.stdout).unwrap(), console, requests }
}

fn is_its_own(request: &str) -> bool {
    let target = request.split(' ').nth(1).unwrap_or_default();
    let host = target.trim_start_matches("http://").split(['/', ':']).next().unwrap_or_default();
    ITS_OWN.iter().any(|known| host == *known || host.ends_with(&format!(".{known}")))
}

fn answer(stream: TcpStream, page: &str, kept: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(&stream).lines();
    let Some(Ok(request)) = lines.next() else { return };
    // Headers up to the empty line.
    for line in lines {
        if line.map_or(true, |line| line.is_empty()) {
            break;
        }
    }
    let is_page = request == format!("GET {PAGE} HTTP/1.1");
    kept.lock().unwrap().push(request);
    let (status, body) = if is_page { ("200 OK", page) } else { ("404 Not Found", "") };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = (&stream).write_all(head.as_bytes()).and_then(|()| (&stream).write_all(body.as_bytes()));
}
