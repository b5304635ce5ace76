//! From what was seen to what is damaged: the archive, its manifest, or a checksum file.
//!
//! Each of the three vouches for others: the checksum file has digests of the archive and the manifest, the manifest has one of the archive,
//! and of each file in it. Where they differ, the one is damaged that another one contradicts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::checksum::{self, Agreement};
use super::symptom::{Sort, Symptom, Symptoms};
use super::{Finding, Which};
use crate::archive::read::sidecars::Files;
use crate::format::digest::Algorithm;
use crate::format::manifest::Tail;
use crate::printable::Printable;

/// What is known when all is read.
pub(super) struct Evidence<'a> {
    pub files: &'a Files,
    /// Digests of the archive, by algorithm; none when it could not be read.
    pub archive: &'a BTreeMap<&'static str, String>,
    /// Digests of the manifest.
    pub manifest: &'a BTreeMap<&'static str, String>,
    /// Whether the manifest is in the archive, and none beside it.
    pub is_embedded: bool,
    /// The manifest's end.
    pub tail: Option<&'a Tail>,
    pub symptoms: Symptoms,
}

/// A digest of the archive that one of the other files has.
struct Witness {
    which: Which,
    path: PathBuf,
    algorithm: Algorithm,
    recorded: String,
    agreement: Agreement,
}

/// Finds out what is damaged, and what else there is to say.
pub(super) fn judge(evidence: Evidence<'_>) -> (Vec<Finding>, Vec<String>) {
    let mut judging = Judging { evidence: &evidence, findings: Vec::new(), notes: Vec::new() };
    let witnesses = judging.witnesses();
    let archive_is_good = witnesses.iter().any(|witness| witness.agreement.vouches());
    let archive_is_bad = !witnesses.is_empty() && !archive_is_good;
    for (path, fault) in &evidence.files.unread {
        judging.find(Which::Checksum, path.clone(), format!("can't be read: {fault}"));
    }
    for witness in &witnesses {
        judging.witness(witness, archive_is_good);
    }
    // A checksum file of another archive says nothing of the manifest either.
    let strangers: Vec<PathBuf> = witnesses
        .iter()
        .filter(|witness| archive_is_good && !witness.agreement.vouches() && witness.which == Which::Checksum)
        .map(|witness| witness.path.clone())
        .collect();
    let manifest_is_good = judging.manifest(&strangers);
    if archive_is_bad {
        judging.archive(&witnesses);
    }
    for symptom in &evidence.symptoms.list {
        judging.symptom(symptom, archive_is_good, archive_is_bad, manifest_is_good);
    }
    judging.more(archive_is_good, archive_is_bad, manifest_is_good);
    (judging.findings, judging.notes)
}

struct Judging<'a> {
    evidence: &'a Evidence<'a>,
    findings: Vec<Finding>,
    /// Remarks that are not damage.
    notes: Vec<String>,
}

impl Judging<'_> {
    /// The file that has the manifest.
    fn manifest_path(&self) -> PathBuf {
        let files = self.evidence.files;
        if self.evidence.is_embedded { files.path.clone() } else { files.manifest_path.clone() }
    }

    fn find(&mut self, which: Which, path: PathBuf, message: String) {
        self.findings.push(Finding { which, file: path, path: None, packed: None, raw: None, message });
    }

    /// Reads the checksum files, and gathers what others say of the archive.
    fn witnesses(&mut self) -> Vec<Witness> {
        let Evidence { files, archive, manifest, tail, .. } = self.evidence;
        let mut witnesses = Vec::new();
        for file in &files.checksums {
            let digest = |of: &BTreeMap<&'static str, String>| of.get(file.algorithm.name()).cloned();
            // Where a file can't be read, there is nothing to compare.
            let Some(of_archive) = digest(archive) else { continue };
            let of_manifest = digest(manifest);
            let beside = of_manifest.as_deref().map(|digest| (digest, files.manifest_path.as_path()));
            let read = checksum::read(&file.text, (&of_archive, &files.path), beside);
            let lines = [&read.archive, &read.manifest];
            let faults = lines.into_iter().flatten().flat_map(|line| &line.faults).chain(&read.faults);
            for fault in faults {
                self.find(Which::Checksum, file.path.clone(), fault.clone());
            }
            if read.is_manifest_missing && !self.evidence.is_embedded {
                let fault = "it has a line for a manifest, which is not there".to_owned();
                self.find(Which::Checksum, file.path.clone(), fault);
            }
            if let Some(name) = &read.renamed {
                self.notes.push(format!("it was renamed: its checksum file calls it {name}"));
            }
            if let Some(line) = read.archive {
                witnesses.push(Witness {
                    which: Which::Checksum,
                    path: file.path.clone(),
                    algorithm: file.algorithm,
                    recorded: line.recorded,
                    agreement: line.agreement,
                });
            }
        }
        if let Some((algorithm, hex)) = tail.and_then(Tail::digest)
            && let Some(computed) = archive.get(algorithm.name())
        {
            witnesses.push(Witness {
                which: Which::Manifest,
                path: self.manifest_path(),
                algorithm,
                recorded: Printable(hex.as_bytes()).to_string(),
                agreement: checksum::compare(hex.as_bytes(), computed),
            });
        }
        witnesses
    }

    /// Says that a digest of the archive is wrong, when the archive is good.
    fn witness(&mut self, witness: &Witness, archive_is_good: bool) {
        let name = witness.algorithm.name();
        match witness.agreement {
            Agreement::Same => {}
            Agreement::Near(digits) => {
                let message = format!(
                    "its {name} of the archive is damaged: {digits} of the digits are not those of the archive"
                );
                self.find(witness.which, witness.path.clone(), message);
            }
            Agreement::Far if archive_is_good => {
                let message = format!(
                    "its {name} is that of another archive, or damaged: another file vouches for this one"
                );
                self.find(witness.which, witness.path.clone(), message);
            }
            Agreement::Far => {}
        }
    }

    /// Whether the manifest is as it was made; `None` when nothing tells.
    fn manifest(&mut self, strangers: &[PathBuf]) -> Option<bool> {
        let Evidence { files, archive, manifest, .. } = self.evidence;
        let mut verdict = None;
        for file in files.checksums.iter().filter(|file| !strangers.contains(&file.path)) {
            let name = file.algorithm.name();
            let (Some(of_archive), Some(of_manifest)) = (archive.get(name), manifest.get(name)) else {
                continue;
            };
            let beside = Some((of_manifest.as_str(), files.manifest_path.as_path()));
            let read = checksum::read(&file.text, (of_archive, &files.path), beside);
            let Some(line) = read.manifest else { continue };
            match line.agreement {
                Agreement::Same => verdict = Some(true),
                Agreement::Near(digits) => {
                    verdict = Some(true);
                    let message = format!(
                        "its {name} of the manifest is damaged: {digits} of the digits are not those of the manifest"
                    );
                    self.find(Which::Checksum, file.path.clone(), message);
                }
                Agreement::Far => {
                    verdict = verdict.or(Some(false));
                    let recorded = line.recorded;
                    let message =
                        format!("is not as it was made: its {name} is {of_manifest}, it was {recorded}");
                    self.find(Which::Manifest, files.manifest_path.clone(), message);
                }
            }
        }
        verdict
    }

    /// Says that the archive is damaged, and where, as far as that is known.
    fn archive(&mut self, witnesses: &[Witness]) {
        let Evidence { files, archive, symptoms, .. } = self.evidence;
        let Some(witness) = witnesses.first() else { return };
        let name = witness.algorithm.name();
        let found = archive.get(name).map_or("", String::as_str);
        let recorded = &witness.recorded;
        self.find(
            Which::Archive,
            files.path.clone(),
            format!("is not as it was made: its {name} is {found}, it was {recorded}"),
        );
        let is_located = symptoms.list.iter().any(|symptom| symptom.sort != Sort::Manifest);
        if !is_located {
            let place = match symptoms.odd_frame() {
                Some(index) => {
                    format!("most likely in the header of frame {index}, which is unlike all others")
                }
                None => "in bytes that no reader looks at".to_owned(),
            };
            let message = format!(
                "all that is in it can be read and is as far as known what it was: the damage is {place}"
            );
            self.find(Which::Archive, files.path.clone(), message);
        }
    }

    fn symptom(
        &mut self,
        symptom: &Symptom,
        archive_is_good: bool,
        archive_is_bad: bool,
        manifest_is_good: Option<bool>,
    ) {
        let files = self.evidence.files;
        let which = which(symptom.sort, archive_is_good, archive_is_bad, manifest_is_good);
        let file = if which == Which::Manifest { self.manifest_path() } else { files.path.clone() };
        let is_contradiction = match which {
            Which::Archive => archive_is_good,
            Which::Manifest => manifest_is_good == Some(true),
            Which::Checksum => false,
        };
        let mut message = symptom.message.clone();
        if is_contradiction {
            message.push_str(" (and yet it is as it was made: what made it was at fault)");
        }
        let Symptom { path, packed, raw, .. } = symptom.clone();
        self.findings.push(Finding { which, file, path, packed, raw, message });
    }

    /// Says how many there are that were not kept word by word.
    fn more(&mut self, archive_is_good: bool, archive_is_bad: bool, manifest_is_good: Option<bool>) {
        let Evidence { files, symptoms, .. } = self.evidence;
        let mut of_archive = 0_u64;
        let mut of_manifest = 0_u64;
        for (sort, more) in &symptoms.more {
            let count = match which(*sort, archive_is_good, archive_is_bad, manifest_is_good) {
                Which::Manifest => &mut of_manifest,
                _ => &mut of_archive,
            };
            *count = count.saturating_add(*more);
        }
        let both =
            [(Which::Archive, &files.path, of_archive), (Which::Manifest, &files.manifest_path, of_manifest)];
        for (which, path, more) in both.into_iter().filter(|(_, _, more)| *more > 0) {
            self.find(which, path.clone(), format!("{more} more findings of this kind"));
        }
    }
}

/// Which file is to blame for a symptom.
fn which(sort: Sort, archive_is_good: bool, archive_is_bad: bool, manifest_is_good: Option<bool>) -> Which {
    match sort {
        Sort::Manifest => Which::Manifest,
        Sort::Frame | Sort::Structure | Sort::Lost => Which::Archive,
        // The one of the two that nothing vouches for.
        Sort::Disagreement if archive_is_bad => Which::Archive,
        Sort::Disagreement if archive_is_good || manifest_is_good == Some(false) => Which::Manifest,
        Sort::Disagreement => Which::Archive,
    }
}
