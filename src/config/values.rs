//! The values of a table, each where its key's row puts it.

use std::path::PathBuf;

use crate::config::plan::{Mail, Report, Security, VolumeOptions};
use crate::config::value::Read;
use crate::retention::Retention;
use crate::snapshot::VolumeName;
use crate::store::Free;
use crate::store::choice::Choice;

/// Room for the values of every table; one that is read fills its own part.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    pub lvm_command: Option<Vec<String>>,
    pub group: Option<String>,
    pub include: Vec<String>,
    pub exclude: Vec<String>,
    pub volume: Option<VolumeName>,
    pub image: Option<PathBuf>,
    pub device: Option<PathBuf>,
    pub options: VolumeOptions,
    pub retention: Retention,
    pub folder: Option<PathBuf>,
    pub require_mount: bool,
    pub minimum_free: Option<Free>,
    pub verify: Choice,
    pub report: Report,
    pub mail: Mail,
    pub sendmail: Option<PathBuf>,
    pub host: String,
    pub port: Option<u16>,
    pub security: Security,
    pub user: Option<String>,
    pub password_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
}

/// Puts a value into its place.
pub(super) fn put<T>(place: &mut T, value: Read<T>) -> Read<()> {
    *place = value?;
    Ok(())
}
