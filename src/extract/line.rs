//! The line of batches between the scout and the threads that make files.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crossbeam_channel::Receiver;

use super::directory::Directory;
use super::run::Run;
use crate::error::{Error, Result};
use crate::units::ByteRange;
use crate::view::Item;

/// An entry to be made.
pub(super) struct Step {
    pub directory: Arc<Directory>,
    pub name: Vec<u8>,
    pub item: Item,
    pub how: How,
    /// Bytes of memory that it takes.
    pub bytes: usize,
}

/// How it is made.
pub(super) enum How {
    /// With the content that the place has of it.
    FromPlace,
    /// With the content of another entry of the place.
    Like(Box<Item>),
    /// With this content.
    Here(Vec<(u64, Vec<u8>)>),
    /// As a further name of what has this path.
    Link(Vec<u8>),
}

impl How {
    /// Bytes of memory that it takes.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::FromPlace => 0,
            Self::Like(item) => item.memory(),
            Self::Here(pieces) => pieces.iter().fold(0, |sum, (_, piece)| sum.saturating_add(piece.len())),
            Self::Link(path) => path.len(),
        }
    }
}

/// The error for a panic, which ends the run: the scout waits for what its thread was busy with.
pub(super) fn panicked(panic: &(dyn Any + Send)) -> Error {
    Error::panicked("a thread that makes files", panic)
}

impl Run<'_> {
    /// Makes what comes, until there is no more.
    pub(super) fn work(&self, batches: &Receiver<Vec<Step>>) {
        for step in batches.iter().flatten() {
            let Step { directory, name, item, how, bytes } = step;
            let outcome = match self.has_ended() {
                true => Ok(()),
                false => {
                    let step = AssertUnwindSafe(|| self.step(&directory, &name, &item, how));
                    let outcome = catch_unwind(step).unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
                    self.settle(&item.path, outcome)
                }
            };
            let release = AssertUnwindSafe(|| outcome.and_then(|()| self.release(directory)));
            let outcome = catch_unwind(release).unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
            if let Err(error) = outcome {
                self.fail(error);
            }
            self.end(&item.path, bytes);
        }
    }

    fn step(&self, directory: &Directory, name: &[u8], item: &Item, how: How) -> Result<()> {
        let from_place = |source: &Item| {
            self.make(directory, name, item, |fill| {
                let data = self.place.open(source)?;
                let all = ByteRange::between(0, data.size_bytes()).unwrap_or(ByteRange::EMPTY);
                fill(Some(data.data_bytes()), &mut |take| data.read(all, take))
            })
        };
        match how {
            How::FromPlace => from_place(item),
            How::Like(source) => from_place(&source),
            How::Here(pieces) => self.make(directory, name, item, |fill| {
                fill(None, &mut |take| pieces.iter().try_for_each(|(at, bytes)| take(*at, bytes)))
            }),
            How::Link(first) => self.link(directory, name, item, &first),
        }
    }
}
