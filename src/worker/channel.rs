//! A socket between two processes: lines of JSON, and descriptors that come with them (unix(7),
//! `SCM_RIGHTS`).
//!
//! A line that comes with descriptors is sent in one call with them, and a reader takes all that is
//! there: so they are known no later than their line is.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType, recvmsg, send, sendmsg, shutdown,
    socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Kind, Result};

/// Descriptors that come with one line at most: an archive, its manifest, its checksum.
const FILES_MOST: usize = 4;
/// Longest line: the plan of a disk with many partitions, or the longest path, escaped.
const LINE_MOST: usize = 8 << 20;
/// Bytes that are received at once.
const RECEIVED_LEN: usize = 64 << 10;

/// One end of a connection.
#[derive(Debug)]
pub struct Channel {
    socket: OwnedFd,
    received: Vec<u8>,
    files: VecDeque<OwnedFd>,
}

/// Two ends that are connected.
pub(super) fn pair() -> io::Result<(Channel, OwnedFd)> {
    let (own, other) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    Ok((Channel::new(own), other))
}

impl Channel {
    /// The connection with the process that started this one: its stdin.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] when stdin is something else.
    pub fn of_stdin() -> Result<Self> {
        let stdin = io::stdin().as_fd().try_clone_to_owned();
        let socket = stdin.map_err(|source| Error::new(Kind::System, source))?;
        match rustix::net::sockopt::socket_type(&socket) {
            Ok(SocketType::STREAM) => Ok(Self::new(socket)),
            _ => Err(Error::new(
                Kind::Usage,
                "this is what voltar starts for itself: it is of no use to people, and its stdin is a socket",
            )),
        }
    }

    /// Another handle to the same end: one to hear, one to tell.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self::new(self.socket.try_clone()?))
    }

    /// Ends our side: the other end hears it, also when there is another handle to this one.
    pub(super) fn close(&self) {
        // An end that is gone already has heard it.
        let _ = shutdown(&self.socket, Shutdown::Write);
    }

    fn new(socket: OwnedFd) -> Self {
        Self { socket, received: Vec::new(), files: VecDeque::new() }
    }

    /// Sends a message as a line, and duplicates of `files` with it.
    pub(super) fn tell(&self, message: &impl Serialize, files: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        let mut rest = line.as_slice();
        if !files.is_empty() {
            rest = rest.get(self.send_with(rest, files)?..).unwrap_or_default();
        }
        while !rest.is_empty() {
            let sent = retry(|| send(&self.socket, rest, SendFlags::NOSIGNAL))?;
            rest = rest.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    /// Sends the beginning of a line, and the files that come with it. A process in the sandbox has
    /// no files to send.
    fn send_with(&self, line: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MOST))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !ancillary.push(SendAncillaryMessage::ScmRights(files)) {
            return Err(io::Error::other("more descriptors than a line takes"));
        }
        retry(|| sendmsg(&self.socket, &[IoSlice::new(line)], &mut ancillary, SendFlags::NOSIGNAL))
    }

    /// The next message; `None` when the other end is closed.
    pub(super) fn hear<M: DeserializeOwned>(&mut self) -> io::Result<Option<M>> {
        let mut searched = 0;
        loop {
            let unseen = self.received.get(searched..).unwrap_or_default();
            if let Some(at) = memchr::memchr(b'\n', unseen) {
                let end = searched.saturating_add(at);
                let message = serde_json::from_slice(self.received.get(..end).unwrap_or_default());
                self.received.drain(..=end);
                return message.map(Some).map_err(io::Error::from);
            }
            searched = self.received.len();
            if searched > LINE_MOST {
                return Err(io::Error::other("a line that does not end"));
            }
            if self.receive()? == 0 {
                return Ok(None);
            }
        }
    }

    /// The next of the files that came with the lines so far.
    pub(super) fn file(&mut self) -> io::Result<File> {
        let missing = || io::Error::other("a descriptor that was announced did not come");
        self.files.pop_front().map(File::from).ok_or_else(missing)
    }

    fn receive(&mut self) -> io::Result<usize> {
        let mut bytes = vec![0; RECEIVED_LEN];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MOST))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = retry(|| {
            recvmsg(&self.socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        })?;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(files) = message {
                self.files.extend(files);
            }
        }
        self.received.extend_from_slice(bytes.get(..received.bytes).unwrap_or_default());
        Ok(received.bytes)
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other.map_err(io::Error::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _, Write as _};

    use super::*;

    #[test]
    fn files_come_with_the_line_that_they_were_sent_with() {
        let (one, other) = pair().unwrap();
        let mut other = Channel::new(other);
        let texts = ["first", "second", "third"];
        let send = std::thread::spawn(move || {
            for text in texts {
                let mut file = tempfile::tempfile().unwrap();
                file.write_all(text.as_bytes()).unwrap();
                one.tell(&text.repeat(100_000), &[file.as_fd()]).unwrap();
                one.tell(&"without", &[]).unwrap();
            }
        });
        for text in texts {
            assert_eq!(other.hear::<String>().unwrap().unwrap(), text.repeat(100_000));
            let (mut file, mut found) = (other.file().unwrap(), String::new());
            file.rewind().unwrap();
            file.read_to_string(&mut found).unwrap();
            assert_eq!(found, text);
            assert_eq!(other.hear::<String>().unwrap().unwrap(), "without");
        }
        send.join().unwrap();
        assert!(other.file().is_err(), "each file came once");
        assert!(other.hear::<String>().unwrap().is_none());
    }

    #[test]
    fn what_is_no_message_and_a_line_without_end_are_errors() {
        let (mut one, other) = pair().unwrap();
        let mut socket = std::os::unix::net::UnixStream::from(other);
        socket.write_all(b"nothing of the kind\n").unwrap();
        assert!(one.hear::<String>().is_err());
        let endless = std::thread::spawn(move || {
            // It ends with an error when nobody reads any more.
            let piece = [b'x'; 1 << 16];
            while socket.write_all(&piece).is_ok() {}
        });
        assert!(one.hear::<String>().unwrap_err().to_string().contains("does not end"));
        drop(one);
        endless.join().unwrap();
    }
}
