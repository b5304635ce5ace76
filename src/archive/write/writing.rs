//! The part of a run that writes, frame after frame: the archive, its manifest, and the manifest in
//! it.

use std::io::{self, Write};

use super::embedded::{Embedding, no_name};
use super::encode::{Done, Event};
use super::report::Report;
use super::request::{Output, Request};
use crate::error::{Error, Issue, Kind, Result};
use crate::format::codec::FrameLengths;
use crate::format::digest::Hasher;
use crate::format::manifest::{self, FramesRecord, Tail};
use crate::printable::Printable;
use crate::volume::Disk;

/// The error of a run that somebody ended.
pub(crate) fn stopped() -> Error {
    Error::new(Kind::Interrupted, "stopped by a signal; nothing was published")
}

/// The part of a run that writes, frame after frame.
pub(crate) struct Writing<'a> {
    disk: &'a Disk,
    request: &'a Request<'a>,
    output: Output<'a>,
    /// The manifest that goes into the archive, until it does.
    embedding: Option<Embedding>,
    /// Position of the embedded manifest's header in the tar stream.
    manifest_at: Option<u64>,
    hasher: Hasher,
    report: Report,
}

impl<'a> Writing<'a> {
    pub(crate) fn new(disk: &'a Disk, request: &'a Request<'a>, mut output: Output<'a>) -> Result<Self> {
        let embedding = output.embedded.take().map(Embedding::new).transpose()?;
        Ok(Self {
            disk,
            request,
            output,
            embedding,
            manifest_at: None,
            hasher: request.options.digest.hasher(),
            report: Report::default(),
        })
    }

    /// Whether the manifest is still to go into the archive.
    pub(crate) fn is_embedding(&self) -> bool {
        self.embedding.is_some()
    }

    pub(super) fn frame(&mut self, done: &mut Done) -> Result<()> {
        if self.request.observer.stop_requested() {
            return Err(stopped());
        }
        for event in std::mem::take(&mut done.events) {
            match event {
                Event::Entry { line, type_name } => {
                    self.report.count_entry(type_name);
                    self.manifest(&line)?;
                }
                Event::Issue(issue) => self.issue(issue)?,
            }
        }
        if done.buffers.raw.is_empty() {
            // A frame that only says something.
            return Ok(());
        }
        let frame_bytes = self.request.options.compression.frame_bytes();
        if let Some(embedding) = &mut self.embedding
            && u32::try_from(done.buffers.raw.len()) != Ok(frame_bytes)
        {
            // The last one: it is filled up with the manifest, and made again.
            embedding.hold(std::mem::take(&mut done.buffers.raw));
            return Ok(());
        }
        self.archive(&done.buffers.packed)?;
        let len = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let lengths =
            FrameLengths { packed: len(done.buffers.packed.len()), raw: len(done.buffers.raw.len()) };
        self.report.frames.push(lengths);
        self.report.stream_bytes = self.report.stream_bytes.saturating_add(u64::from(lengths.raw));
        self.report.data_bytes = self.report.data_bytes.saturating_add(done.data_bytes);
        self.request.observer.progress(self.report.data_bytes, self.report.archive_bytes);
        Ok(())
    }

    pub(crate) fn issue(&mut self, issue: Issue) -> Result<()> {
        if self.request.options.strict {
            let path = issue.path.map(|path| format!("{}: ", Printable(&path))).unwrap_or_default();
            return Err(issue.error.because(path, "; --strict makes this an error"));
        }
        self.manifest(&manifest::issue_line(&issue))?;
        self.request.observer.issue(&issue);
        self.report.count_issue(issue);
        Ok(())
    }

    fn archive(&mut self, bytes: &[u8]) -> Result<()> {
        self.output.archive.write_all(bytes).map_err(write_error)?;
        self.hasher.update(bytes);
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.report.archive_bytes = self.report.archive_bytes.saturating_add(len);
        Ok(())
    }

    /// Writes a line to both manifests.
    pub(crate) fn manifest(&mut self, line: &[u8]) -> Result<()> {
        if let Some(embedding) = &mut self.embedding {
            embedding.line(line)?;
        }
        match &mut self.output.manifest {
            Some(manifest) => manifest.write_all(line).map_err(write_error),
            None => Ok(()),
        }
    }

    /// Makes what comes next in the manifest readable without what was before.
    pub(crate) fn part_manifest(&mut self) -> Result<()> {
        if let Some(embedding) = &mut self.embedding {
            embedding.part()?;
        }
        match &mut self.output.manifest {
            Some(manifest) => manifest.flush().map_err(write_error),
            None => Ok(()),
        }
    }

    /// Ends the manifest that goes into the archive, whose member begins at `position` of the tar
    /// stream. Nothing is said of what is not written yet: frames, the archive's length and digest.
    pub(super) fn end_embedding(
        &mut self,
        position: Option<u64>,
        data_bytes: u64,
    ) -> Result<Option<Embedding>> {
        if position.is_none() && self.is_embedding() {
            self.issue(no_name())?;
        }
        self.report.data_bytes = data_bytes;
        self.report.bytes_read = self.disk.bytes_read();
        self.report.finished = self.request.observer.now();
        self.manifest_at = position.filter(|_| self.is_embedding());
        let tail = Tail {
            stream_bytes: position.unwrap_or(0),
            archive_bytes: 0,
            own_position: self.manifest_at,
            ..self.report.tail()
        };
        let Some(mut embedding) = self.embedding.take() else { return Ok(None) };
        embedding.part()?;
        embedding.line(&manifest::line(&tail))?;
        Ok(Some(embedding))
    }

    /// Writes what comes after the last frame, in the archive and in the manifest.
    pub(crate) fn finish(mut self, disk: &Disk, data_bytes: u64) -> Result<Report> {
        let has_manifest = self.manifest_at.is_some();
        let trailer = self.request.options.compression.trailer(&self.report.frames, has_manifest);
        self.archive(&trailer)?;
        self.output.archive.flush().map_err(write_error)?;
        self.report.data_bytes = data_bytes;
        self.report.bytes_read = disk.bytes_read();
        self.report.finished = self.request.observer.now();
        let options = &self.request.options;
        let hasher = std::mem::replace(&mut self.hasher, options.digest.hasher());
        self.report.digest = Some((options.digest, hasher.finish()));
        let lengths = self.report.frames.iter().map(|frame| frame.packed.into()).collect();
        let frame_bytes = options.compression.frame_bytes().into();
        self.part_manifest()?;
        self.manifest(&manifest::line(&FramesRecord::new(frame_bytes, lengths)))?;
        let tail = Tail { manifest_at: self.manifest_at, ..self.report.tail() };
        self.manifest(&manifest::line(&tail))?;
        self.request.observer.finish(data_bytes, self.report.archive_bytes);
        Ok(self.report)
    }
}

/// The error of a write that the operating system refused.
pub(crate) fn write_error(source: io::Error) -> Error {
    let is_full = matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    // A file of ours says how much is free; the kernel's own words are those of a stream.
    match source.raw_os_error() {
        Some(_) if is_full => Error::new(Kind::Write, "no space is left for the archive"),
        _ => Error::new(Kind::Write, source),
    }
}
