//! Whose archives a folder has. A name may be that of several things: another host's volume on a shared disk, another group's, or
//! another configuration's. What is another's is never added to, and never expires.

use crate::archive::host_name;
use crate::error::{Error, Kind, Result};
use crate::snapshot::VolumeName;
use crate::store::{Archived, Store};

/// Checks that the archives of a folder are this host's, of the thing that is called `name`: `GROUP/VOLUME`, or a path.
///
/// An archive whose manifest does not say whose it is, as those of `voltar archive`, is nobody else's.
///
/// # Errors
///
/// [`Kind::Exists`] when one is another's.
pub fn check(store: &dyn Store, archives: &[Archived], name: &str) -> Result<()> {
    check_on(store, archives, Some(name), &host_name())
}

/// Checks that the archives of a folder are this host's, whatever they are of.
///
/// # Errors
///
/// [`Kind::Exists`] when one is another's.
pub fn check_host(store: &dyn Store, archives: &[Archived]) -> Result<()> {
    check_on(store, archives, None, &host_name())
}

fn check_on(store: &dyn Store, archives: &[Archived], name: Option<&str>, here: &str) -> Result<()> {
    for archived in archives {
        let Some(told) = &archived.told else { continue };
        // Without a host it is not known from where the path is.
        let source = told.host.is_some().then_some(&told.source);
        let of = told.snapshot_of.as_ref().or(source);
        let is_elsewhere = told.host.as_ref().is_some_and(|host| host != here);
        let is_another = name.zip(of).is_some_and(|(name, of)| differ(name, of));
        if is_elsewhere || is_another {
            let of = of.map_or("another volume", String::as_str);
            let host = told.host.as_deref().unwrap_or("an unknown host");
            let message = format!(
                "belongs to {of} on {host}, and lies where those of {} on {here} would: give one of them another destination, \
                 or move these archives elsewhere",
                name.unwrap_or("this volume")
            );
            return Err(Error::new(Kind::Exists, message).on(store.address().of(&archived.key).as_path()));
        }
    }
    Ok(())
}

/// Whether these are names of different things, as far as names tell: of a relative path nobody knows where it began.
fn differ(one: &str, other: &str) -> bool {
    let volume = |name: &str| VolumeName::parse(name).ok();
    match (volume(one), volume(other)) {
        (Some(one), Some(other)) => one != other,
        _ => one != other && !one.starts_with('.') && !other.starts_with('.'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Key;
    use crate::store::archives::Told;
    use crate::store::memory::Memory;

    fn archived(host: Option<&str>, snapshot_of: Option<&str>, source: &str) -> Archived {
        let told = Told {
            host: host.map(str::to_owned),
            snapshot_of: snapshot_of.map(str::to_owned),
            source: source.to_owned(),
            data_bytes: 0,
            bytes_read: 0,
            entries: 0,
            images: 0,
            issues: 0,
            seconds: None,
        };
        let key = Key::new("web/web_2026-05-09T010203Z.tar.zst").unwrap();
        Archived { volume: "web".to_owned(), key, taken: 0, len_bytes: 0, told: Some(told) }
    }

    #[test]
    fn archives_of_another_host_or_volume_are_told_from_ones_own() {
        let snapshot = "/dev/vg0/web-voltar-20260509T010203Z";
        let cases = [
            ("its own", archived(Some("here"), Some("vg0/web"), snapshot), true),
            ("another host", archived(Some("there"), Some("vg0/web"), snapshot), false),
            ("another group", archived(Some("here"), Some("vg1/web"), snapshot), false),
            ("another group, an unknown host", archived(None, Some("vg1/web"), snapshot), false),
            ("nobody's", archived(None, None, "/srv/web.img"), true),
            ("an image", archived(Some("here"), None, "/srv/web.img"), false),
            ("the volume without a snapshot", archived(Some("here"), None, "/dev/vg0/web"), true),
            ("the same, by the device mapper", archived(Some("here"), None, "/dev/mapper/vg0-web"), true),
            ("somewhere", archived(Some("here"), None, "./web.img"), true),
        ];
        for (what, archived, is_ones_own) in cases {
            let found = check_on(&Memory::default(), &[archived], Some("vg0/web"), "here");
            assert_eq!(found.is_ok(), is_ones_own, "{what}: {found:?}");
        }
        let theirs = [archived(Some("there"), Some("vg0/web"), snapshot)];
        let error = check_on(&Memory::default(), &theirs, Some("vg0/web"), "here").unwrap_err().to_string();
        assert!(
            error.contains("belongs to vg0/web on there") && error.contains("another destination"),
            "{error}"
        );
        assert!(
            check_on(&Memory::default(), &theirs, None, "here").is_err()
                && check_on(&Memory::default(), &theirs, None, "there").is_ok()
        );
    }

    #[test]
    fn an_archive_without_a_manifest_is_nobody_elses() {
        let unknown = Archived { told: None, ..archived(None, None, "") };
        check_on(&Memory::default(), &[unknown], Some("vg0/web"), "here").unwrap();
    }
}
