//! An archive that a run verified, and the verdict on it.

use std::time::Duration;

use crate::printable::Printable;
use crate::store::{Address, Key};
use crate::worker::Judged;

/// An archive that was verified.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Its name in the destination.
    pub key: Key,
    /// The folder that it lies in, within the destination.
    pub folder: String,
    /// How long it took.
    pub elapsed: Duration,
    /// The verdict, or why the archive could not be read.
    pub result: Result<Judged, String>,
}

impl Verified {
    /// Whether something is wrong with it.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.result.as_ref().is_ok_and(|judged| judged.finding_count > 0) || self.result.is_err()
    }

    /// The verdict in one word, for programs.
    #[must_use]
    pub fn status(&self) -> &'static str {
        match &self.result {
            Err(_) => "unreadable",
            Ok(judged) if judged.finding_count > 0 => "damaged",
            Ok(judged) if judged.complete == Some(false) => "incomplete",
            Ok(judged) if !judged.is_proven => "unproven",
            Ok(_) => "good",
        }
    }

    /// The same for people.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self.status() {
            "damaged" => "DAMAGED",
            "unreadable" => "NOT READABLE",
            "incomplete" => "good, but incomplete",
            "unproven" => "sound, but unproven",
            _ => "good",
        }
    }

    /// The damage, where there is some: the first finding, and the number of the others.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match &self.result {
            Err(error) => Some(error.clone()),
            Ok(judged) if judged.finding_count > 0 => {
                let first = judged.findings.first().map_or("it is damaged", String::as_str);
                Some(match judged.finding_count.saturating_sub(1) {
                    0 => first.to_owned(),
                    more => format!("{first}; and {more} more"),
                })
            }
            Ok(_) => None,
        }
    }

    /// The next step, for a damaged archive.
    #[must_use]
    pub fn next_step(&self, destination: &Address) -> String {
        let path = destination.of(&self.key);
        format!(
            "no archive in {}/ was removed; \"voltar verify {path}\" names what is lost, and \"voltar extract\" \
             takes out the rest; check the disk that it lies on, and remove it when a good one is there",
            Printable(self.folder.as_bytes())
        )
    }
}
