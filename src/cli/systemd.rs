//! `voltar systemd`: the units that make a run of every night.

mod quote;
mod service;

use std::env;
use std::path::{Path, PathBuf, absolute};
use std::process::ExitCode;

use clap::{Args, ValueHint};
use serde_json::json;

use self::quote::is_plain;
use self::service::Service;
use super::speech::document;
use super::{config::warn, print};
use crate::config;
use crate::error::{Error, Kind, Result};
use crate::printable::Printable;
use crate::temporary::replace;

/// Everybody may read units.
const UNIT_MODE: u32 = 0o644;

/// The night begins at an hour when guests are quiet.
const AT_NIGHT: &str = "*-*-* 01:00:00";

const EXAMPLES: &str = "\
Examples:
  voltar systemd                                 print both
  voltar systemd --output /etc/systemd/system    write them, then:
  systemctl daemon-reload && systemctl enable --now voltar.timer";

/// Print the units for systemd, or write them: a run of voltar every night
///
/// The service is closed off as far as the configuration allows: it writes to the destination and to what LVM needs, and sees
/// the network only where mail or a hook does. Make the units anew when the configuration changes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SystemdArguments {
    /// Configuration that the service runs
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_PATH, value_hint = ValueHint::FilePath)]
    config: PathBuf,

    /// Folder for voltar.service and voltar.timer, which are replaced
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    output: Option<PathBuf>,

    /// Where the service finds voltar [default: this program]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    program: Option<PathBuf>,

    /// User that it runs as [default: root, or voltar where lvm_command is sudo's]
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Username)]
    user: Option<String>,

    /// When it runs, as systemd.time(7) has it
    #[arg(long, value_name = "WHEN", default_value = AT_NIGHT)]
    on_calendar: String,

    /// One document of JSON (docs/json.md)
    #[arg(long)]
    json: bool,
}

/// Runs `voltar systemd`.
pub(super) fn run(arguments: &SystemdArguments) -> Result<ExitCode> {
    let loaded = config::read(&arguments.config)?;
    warn(&loaded.warnings);
    let program = match &arguments.program {
        Some(program) => whole(program)?,
        None => env::current_exe().map_err(|source| Error::new(Kind::Source, source))?,
    };
    let config = whole(&arguments.config)?;
    for path in [&program, &config] {
        if path.to_str().is_none_or(|path| path.chars().any(char::is_control)) {
            return Err(Error::new(Kind::Usage, "systemd takes no such path in a unit").on(path));
        }
    }
    let service = Service::new(&loaded.plan, &config, &program, arguments.user.as_deref())?.text();
    let units = [("voltar.service", service), ("voltar.timer", timer(&arguments.on_calendar)?)];
    if arguments.json {
        let folder = arguments.output.as_deref();
        if let Some(folder) = folder {
            written(&units, folder)?;
        }
        let units = units.iter().map(|(name, text)| {
            let path = folder.map(|folder| Printable::path(&folder.join(name)).to_string());
            json!({ "name": name, "path": path, "text": text })
        });
        document("systemd", json!({ "units": units.collect::<Vec<_>>() }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = match &arguments.output {
        Some(folder) => written(&units, folder)?,
        None => {
            let units: Vec<String> = units.iter().map(|(name, text)| format!("# {name}\n{text}")).collect();
            units.join("\n")
        }
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn whole(path: &Path) -> Result<PathBuf> {
    absolute(path).map_err(|source| Error::new(Kind::Usage, source).on(path))
}

/// The timer.
fn timer(on_calendar: &str) -> Result<String> {
    if !is_plain(on_calendar) || on_calendar.trim().is_empty() {
        let message = format!(
            "--on-calendar: expected a time like {AT_NIGHT:?}, found {:?} (systemd-analyze calendar explains them)",
            on_calendar
        );
        return Err(Error::new(Kind::Usage, message));
    }
    Ok(format!(
        "\
[Unit]
Description=voltar every night
Documentation=man:voltar(1)

[Timer]
OnCalendar={on_calendar}
# Storage nodes that share a destination don't all begin at once.
RandomizedDelaySec=15min
# A night when this host was off is made up for.
Persistent=true

[Install]
WantedBy=timers.target
"
    ))
}

/// Writes the units, each under its name when it is whole, and says what is next.
fn written(units: &[(&str, String)], folder: &Path) -> Result<String> {
    let mut said = String::new();
    for (name, text) in units {
        let path = folder.join(name);
        replace(&path, text.as_bytes(), UNIT_MODE)?;
        said.push_str(&format!("{}\n", Printable::path(&path)));
    }
    said.push_str("now: systemctl daemon-reload && systemctl enable --now voltar.timer\n");
    Ok(said)
}

#[cfg(test)]
mod tests;
