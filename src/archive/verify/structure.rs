//! Checks the tar: headers, padding, its end, and that its members are those of the manifest.

use super::expected::Expected;
use super::in_order::InOrder;
use super::symptom::{Symptom, Symptoms};
use crate::archive::read::facts::Facts;
use crate::archive::read::members::{End, Member, Members};
use crate::archive::read::stream::{InOneGo, TarStream};
use crate::error::{Error, Kind, Result};
use crate::format::manifest::inside::is_member;

/// A stream whose members are checked.
pub(super) trait Checked: TarStream {
    fn symptoms(&mut self) -> &mut Symptoms;

    /// Compares a member with what should be there.
    fn met(&mut self, member: &Member);

    /// Whether the last error is told already.
    fn is_told(&self) -> bool;

    /// Goes to the next place where a member should be.
    fn go_on(&mut self) -> Result<bool>;
}

/// Bytes that are passed over before we look whether the run shall go on.
const SKIPPED_AT_ONCE: u64 = 64 << 20;

/// Checks all members. Gives their number, and back the stream, behind the last of them.
pub(super) fn check<S: Checked>(members: &mut Members<S>) -> Result<u64> {
    let mut count = 0_u64;
    loop {
        let next = members.next();
        let faults = members.take_faults();
        faults.iter().for_each(|fault| members.stream().symptoms().add(Symptom::structure(fault)));
        match next {
            Ok(Some(member)) => {
                count = count.saturating_add(1);
                members.stream().met(&member);
            }
            Ok(None) => break,
            Err(error) if matches!(error.kind(), Kind::Interrupted | Kind::Read) => return Err(error),
            Err(error) => {
                let stream = members.stream();
                if !stream.is_told() {
                    stream.symptoms().add(Symptom::structure(&error));
                }
                if !stream.go_on()? {
                    return Ok(count);
                }
                members.resume();
            }
        }
    }
    ended(members)?;
    Ok(count)
}

/// Checks what is behind the last member: zeros, and enough of them.
fn ended<S: Checked>(members: &mut Members<S>) -> Result<()> {
    let end = members.end();
    let stream = members.stream();
    let fault = match end {
        Some(End::Missing) => "the tar has no end: it is cut off between two members",
        Some(End::Half) => "the tar ends with one block of zeros, there should be two",
        Some(End::Marked) | None => return nothing_behind(stream),
    };
    let error = Error::corrupt(fault).at_byte(stream.position());
    stream.symptoms().add(Symptom::structure(&error));
    Ok(())
}

fn nothing_behind<S: Checked>(stream: &mut S) -> Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let at = stream.position();
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(len) => {
                let bytes = buffer.get(..len).unwrap_or_default();
                if let Some(bad) = bytes.iter().position(|byte| *byte != 0) {
                    let at = at.saturating_add(u64::try_from(bad).unwrap_or(0));
                    let error = Error::corrupt("there is something behind the end of the tar").at_byte(at);
                    stream.symptoms().add(Symptom::structure(&error));
                    return Ok(());
                }
            }
            Err(error) if matches!(error.kind(), Kind::Interrupted | Kind::Read) => return Err(error),
            Err(error) => {
                if !stream.is_told() {
                    stream.symptoms().add(Symptom::structure(&error));
                }
                return Ok(());
            }
        }
    }
}

impl Checked for InOrder<'_> {
    fn symptoms(&mut self) -> &mut Symptoms {
        &mut self.symptoms
    }

    fn met(&mut self, member: &Member) {
        if !self.has_manifest {
            return;
        }
        let header = member.place.header;
        while let Some(missing) = self.expected.front().filter(|expected| expected.header < header) {
            let message = "the manifest has it here, but there is no member";
            self.symptoms.add(Symptom::disagreement(&missing.path, Some(missing.header), message.to_owned()));
            self.expected.pop_front();
        }
        if self.manifest_at == Some(header) && is_member(&member.path) {
            return;
        }
        match self.expected.front().filter(|expected| expected.header == header) {
            Some(expected) => {
                if let Some(message) = difference(member, expected) {
                    self.symptoms.add(Symptom::disagreement(&expected.path, Some(header), message));
                }
                self.expected.pop_front();
            }
            None => {
                let message = "the archive has it, but the manifest knows of nothing here".to_owned();
                self.symptoms.add(Symptom::disagreement(&member.path, Some(header), message));
            }
        }
    }

    fn is_told(&self) -> bool {
        self.is_blocked()
    }

    fn go_on(&mut self) -> Result<bool> {
        self.go_to_next_expected()
    }
}

/// A stream that is read in one go, whose members are compared with nothing.
pub(super) struct Alone<'a> {
    pub stream: InOneGo,
    pub symptoms: Symptoms,
    /// Is told of each member, and may end the run.
    pub progress: Box<dyn Fn() -> Result<()> + 'a>,
}

impl TarStream for Alone<'_> {
    fn position(&self) -> u64 {
        self.stream.position()
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        (self.progress)()?;
        self.stream.read(buffer)
    }

    fn skip(&mut self, mut len_bytes: u64) -> Result<()> {
        // A member may be terabytes long.
        while len_bytes > 0 {
            (self.progress)()?;
            let piece = len_bytes.min(SKIPPED_AT_ONCE);
            self.stream.skip(piece)?;
            len_bytes = len_bytes.saturating_sub(piece);
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.stream.finish()
    }
}

impl Checked for Alone<'_> {
    fn symptoms(&mut self) -> &mut Symptoms {
        &mut self.symptoms
    }

    fn met(&mut self, _member: &Member) {}

    fn is_told(&self) -> bool {
        false
    }

    fn go_on(&mut self) -> Result<bool> {
        Ok(false)
    }
}

/// In what a member differs from what the manifest says of it.
fn difference(member: &Member, expected: &Expected) -> Option<String> {
    let differing = Facts::of_member(member).differences(&expected.facts);
    (!differing.is_empty()).then(|| format!("archive and manifest differ in its {}", differing.join(", ")))
}
