//! `voltar worker`: what other commands start for themselves, to parse for them. Nobody types it.
//!
//! It reads its task from stdin, which is a socket, and ends when that closes: see
//! [`crate::worker`].

use std::process::ExitCode;

use super::{FAILED, signals};
use crate::error::{Error, Kind, Result};
use crate::worker::{Channel, child};

/// Runs `voltar worker`.
pub(super) fn run() -> Result<ExitCode> {
    let channel = Channel::of_stdin()?;
    let stop = signals::stop_flag().map_err(|source| Error::new(Kind::System, source))?;
    Ok(match child::serve(channel, stop) {
        Ok(()) => ExitCode::SUCCESS,
        // The process that started it was told.
        Err(_) => ExitCode::from(FAILED),
    })
}
