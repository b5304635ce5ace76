//! The last that a program said, however much it says.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::printable::harmless;

/// Bytes of it that are kept.
const KEPT_BYTES: usize = 2048;
/// Lines of it that are shown.
const SHOWN_LINES: usize = 5;

/// The last that a program says on its outputs. Each is read to its end, so that the program never
/// waits.
#[derive(Debug, Default)]
pub(crate) struct ChildOutput {
    kept: Arc<Mutex<VecDeque<u8>>>,
    readers: Vec<JoinHandle<()>>,
}

impl ChildOutput {
    /// Reads one more output, on a thread of its own.
    pub(crate) fn listen(&mut self, mut output: impl Read + Send + 'static) -> io::Result<()> {
        let kept = Arc::clone(&self.kept);
        let read = move || {
            let mut buffer = [0; 1024];
            loop {
                match output.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => {
                        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                        kept.extend(buffer.get(..count).unwrap_or_default());
                        let surplus = kept.len().saturating_sub(KEPT_BYTES);
                        kept.drain(..surplus);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
        };
        self.readers.push(thread::Builder::new().name("output".to_owned()).spawn(read)?);
        Ok(())
    }

    /// The last lines, safe to show; `: ` and the lines, or nothing.
    ///
    /// The program is over, but something that it started may still have its outputs: that is
    /// waited for no longer than `patience`.
    pub(crate) fn said(&self, patience: Duration) -> String {
        let began = Instant::now();
        while self.readers.iter().any(|reader| !reader.is_finished()) && began.elapsed() < patience {
            thread::sleep(Duration::from_millis(5));
        }
        let bytes: Vec<u8> =
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<String> =
            text.lines().map(|line| harmless(line.trim())).filter(|line| !line.is_empty()).collect();
        let from = lines.len().saturating_sub(SHOWN_LINES);
        let shown = lines.get(from..).unwrap_or_default().join(" | ");
        if shown.is_empty() { shown } else { format!(": {shown}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &[u8]) -> String {
        let mut tail = ChildOutput::default();
        tail.listen(io::Cursor::new(text.to_vec())).unwrap();
        tail.said(Duration::from_secs(10))
    }

    #[test]
    fn the_last_lines_are_shown_and_steer_no_terminal() {
        assert_eq!(said(b""), "");
        assert_eq!(said(b"\n \n"), "");
        assert_eq!(said(b"one\n\ntwo\r\n"), ": one | two");
        assert_eq!(said(b"1\n2\n3\n4\n5\n6\n7\n"), ": 3 | 4 | 5 | 6 | 7");
        assert_eq!(said(b"\x1b[2Jgone \xff"), ": \\u{1b}[2Jgone \u{fffd}");
        assert!(said(&b"x".repeat(1 << 20)).len() <= KEPT_BYTES + 2);
    }
}
