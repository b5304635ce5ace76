//! Volume groups: which there are, how much space one gives, and one that is named by its UUID.
//!
//! LVM refuses a name that two groups have (a guest's group that the host sees as well, a cloned
//! disk). Most of its commands take no UUID instead. So for a group that the user names by its
//! UUID, we give LVM the group's name, and let the command look at this group's devices alone
//! (`--devices`, lvm2 2.03.12).

use serde::Deserialize;

use super::Lvm;
use super::lvs::{bytes, document};
use crate::error::{Error, Kind, Result};
use crate::snapshot::VolumeName;

/// The fields of a row, of which there is one for each physical volume.
const FIELDS: &str = "vg_name,vg_uuid,pv_name,pv_free,pv_allocatable,pv_missing";

/// Most names that a message lists.
const MOST_NAMES: usize = 20;

#[derive(Deserialize)]
pub(super) struct Raw {
    vg_name: String,
    vg_uuid: String,
    pv_name: String,
    pv_free: String,
    pv_allocatable: String,
    pv_missing: String,
}

#[derive(Deserialize)]
pub(super) struct RawName {
    vg_name: String,
    vg_uuid: String,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// As LVM calls it.
    pub(super) name: String,
    /// Its physical volumes, without those that are missing.
    pub(super) devices: Vec<String>,
    /// Space for new volumes, without physical volumes that are missing or closed to allocation.
    pub(super) free_bytes: u64,
}

/// How a volume or a group is named in a command.
#[derive(Debug)]
pub(super) struct Named {
    /// `GROUP`, or `GROUP/VOLUME`.
    pub(super) text: String,
    /// The value of `--devices`, where the group was named by its UUID.
    devices: Option<String>,
}

impl Named {
    /// Options that come before the name.
    pub(super) fn options(&self) -> Vec<&str> {
        self.devices.as_deref().map(|devices| vec!["--devices", devices]).unwrap_or_default()
    }
}

impl Lvm {
    /// How a group is named in a command.
    pub(super) fn name_group(&self, group: &str) -> Result<Named> {
        VolumeName::check_group(group)?;
        if !VolumeName::is_uuid(group) {
            return Ok(Named { text: group.to_owned(), devices: None });
        }
        let Group { name, devices, .. } = self.by_uuid(group)?;
        Ok(Named { text: name, devices: Some(devices.join(",")) })
    }

    /// How a volume is named in a command.
    pub(super) fn name_volume(&self, name: &VolumeName) -> Result<Named> {
        let group = self.name_group(&name.group)?;
        Ok(Named { text: format!("{}/{}", group.text, name.volume), ..group })
    }

    /// The volume with its group as LVM calls it.
    pub(super) fn called(&self, name: &VolumeName) -> Result<VolumeName> {
        let group = self.name_group(&name.group)?.text;
        Ok(VolumeName { group, volume: name.volume.clone() })
    }

    /// The group of that UUID. It is asked for once: while a guest is frozen, nothing but
    /// `lvcreate` runs.
    fn by_uuid(&self, uuid: &str) -> Result<Group> {
        if let Some(group) = self.known_groups().get(uuid) {
            return Ok(group.clone());
        }
        let group = self.look_up(uuid)?;
        self.known_groups().insert(uuid.to_owned(), group.clone());
        Ok(group)
    }

    /// Asks LVM for a group, by its name or UUID.
    pub(super) fn look_up(&self, group: &str) -> Result<Group> {
        VolumeName::check_group(group)?;
        let selection = format!("vg_uuid={group}");
        let which = match VolumeName::is_uuid(group) {
            true => vec!["--select", &selection],
            false => vec![group],
        };
        let mut arguments = vec!["vgs", "--reportformat", "json", "--units", "b", "--nosuffix", "-o", FIELDS];
        arguments.extend(which);
        let said = self.ask(&arguments, &format!("vgs {group}"))?;
        match parse(&said.out)? {
            Some(found) => Ok(found),
            None => Err(no_group(group, &self.groups()?)),
        }
    }

    /// All groups: names, and UUIDs.
    pub(super) fn groups(&self) -> Result<Vec<(String, String)>> {
        let said = self.ask(&["vgs", "--reportformat", "json", "-o", "vg_name,vg_uuid"], "vgs")?;
        names(&said.out)
    }

    /// # Errors
    ///
    /// When there is no such group, with those that there are.
    pub(super) fn is_there(&self, group: &str) -> Result<()> {
        let groups = self.groups()?;
        match groups.iter().any(|(name, uuid)| name == group || uuid == group) {
            true => Ok(()),
            false => Err(no_group(group, &groups)),
        }
    }
}

/// Whether another group has the name as well.
pub(super) fn is_ambiguous(name: &str, groups: &[(String, String)]) -> bool {
    groups.iter().filter(|(other, _)| other == name).count() > 1
}

fn no_group(group: &str, groups: &[(String, String)]) -> Error {
    let shown = |(name, uuid): &(String, String)| match is_ambiguous(name, groups) {
        true => format!("{name} ({uuid})"),
        false => name.clone(),
    };
    let there: Vec<String> = groups.iter().map(shown).collect();
    let there = listed(there.iter().map(String::as_str));
    Error::new(Kind::Source, format!("no volume group {group}: there is {there}"))
}

pub(super) fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let rest = names.len().saturating_sub(MOST_NAMES);
    let shown: Vec<&str> = names.take(MOST_NAMES).collect();
    match (shown.is_empty(), rest) {
        (true, _) => "none".to_owned(),
        (_, 0) => shown.join(", "),
        _ => format!("{} and {rest} more", shown.join(", ")),
    }
}

/// Adds up the physical volumes of one group; `None` where the report has no row.
fn parse(json: &[u8]) -> Result<Option<Group>> {
    let mut group: Option<(Group, String)> = None;
    for raw in document::<Raw>(json)? {
        VolumeName::check_group(&raw.vg_name)
            .map_err(|error| Error::new(Kind::Snapshot, format!("the report of LVM: {error}")))?;
        let free_bytes = bytes(&raw.pv_free)?;
        let (group, uuid) = group.get_or_insert_with(|| {
            (Group { name: raw.vg_name, devices: Vec::new(), free_bytes: 0 }, raw.vg_uuid.clone())
        });
        if *uuid != raw.vg_uuid {
            let message = format!("two groups are called {}: give the UUID instead of the name", group.name);
            return Err(Error::new(Kind::Snapshot, message));
        }
        if !raw.pv_missing.is_empty() {
            continue;
        }
        if !raw.pv_allocatable.is_empty() {
            group.free_bytes = group.free_bytes.saturating_add(free_bytes);
        }
        group.devices.push(raw.pv_name);
    }
    Ok(group.map(|(group, _)| group))
}

fn names(json: &[u8]) -> Result<Vec<(String, String)>> {
    Ok(document::<RawName>(json)?.into_iter().map(|raw| (raw.vg_name, raw.vg_uuid)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_of_a_physical_volume_that_is_closed_to_allocation_does_not_count() {
        let open = parse(include_bytes!("../../../tests/lvm/space.json")).unwrap().unwrap();
        assert_eq!((open.name.as_str(), open.devices.len()), ("cinder-volumes", 2));
        assert_eq!(open.free_bytes, 144 << 20);
        let closed = parse(include_bytes!("../../../tests/lvm/space_closed.json")).unwrap().unwrap();
        assert_eq!(closed.devices.len(), 2);
        assert!(closed.free_bytes > 0 && closed.free_bytes < open.free_bytes, "{closed:?}");
        let partial = parse(include_bytes!("../../../tests/lvm/space_partial.json")).unwrap().unwrap();
        assert_eq!(partial.devices.len(), 1, "{partial:?}");
    }

    #[test]
    fn a_report_without_groups_or_of_two_is_told_from_one() {
        assert_eq!(parse(br#"{"report":[{"vg":[]}]}"#).unwrap(), None);
        let report = include_str!("../../../tests/lvm/space.json");
        let (one, other) = report.split_once("vg_uuid\":\"").unwrap();
        let two = format!("{one}vg_uuid\":\"x{other}");
        assert!(parse(two.as_bytes()).unwrap_err().to_string().contains("give the UUID"));
        let odd = report.replacen("\"pv_free\":\"", "\"pv_free\":\"?", 1);
        assert!(parse(odd.as_bytes()).is_err());
    }

    #[test]
    fn groups_of_one_name_are_told_by_their_uuids() {
        let groups = names(include_bytes!("../../../tests/lvm/same_name_groups.json")).unwrap();
        assert!(is_ambiguous("small", &groups) && !is_ambiguous("cinder-volumes", &groups), "{groups:?}");
        let message = no_group("nosuch", &groups).to_string();
        let (_, uuid) = groups.iter().find(|(name, _)| name == "small").unwrap();
        assert!(message.contains(&format!("small ({uuid})")) && message.contains(", small"), "{message}");
        assert!(VolumeName::is_uuid(uuid));
    }
}
