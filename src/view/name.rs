//! Names of entries: paths without a slash at either end; the root of everything is the empty path.

/// A path as a person or a tar writes it, `/etc//fstab/`, `./etc/fstab`, as the entry is called: `etc/fstab`. `..` goes up, but not
/// above the root.
#[must_use]
pub fn clean(path: &[u8]) -> Vec<u8> {
    let mut names: Vec<&[u8]> = Vec::new();
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    names.join(&b'/')
}

/// The path of an entry as an archive writes it: [clean], but for one with `..`, which stays as it stands. Where that leads is
/// up to whoever extracts it; nothing that is asked for is meant by it.
#[must_use]
pub fn of_entry(path: &[u8]) -> Vec<u8> {
    if goes_up(path) { path.to_vec() } else { clean(path) }
}

/// Whether there is a `..` among its names.
#[must_use]
pub fn goes_up(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').any(|name| name == b"..")
}

/// The path of the directory that it is in.
#[must_use]
pub fn parent(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => path.get(..slash).unwrap_or_default(),
        None => b"",
    }
}

/// The last of its names.
#[must_use]
pub fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// Whether `path` is in `directory` or below it, or is it.
#[must_use]
pub fn is_below(path: &[u8], directory: &[u8]) -> bool {
    directory.is_empty()
        || !goes_up(path)
            && path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// How many names `path` has more than `directory`, which it is below.
#[must_use]
pub fn depth_below(path: &[u8], directory: &[u8]) -> usize {
    let names = |path: &[u8]| path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).count();
    names(path).saturating_sub(names(directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned() {
        let cases: [(&[u8], &[u8]); 7] = [
            (b"/etc//fstab/", b"etc/fstab"),
            (b"./etc/fstab", b"etc/fstab"),
            (b".", b""),
            (b"/", b""),
            (b"a/../../b", b"b"),
            (b"...", b"..."),
            (b"a/\xff", b"a/\xff"),
        ];
        for (path, cleaned) in cases {
            assert_eq!(clean(path), cleaned);
        }
    }

    #[test]
    fn entries_that_go_up_stay_as_they_stand_and_are_below_nothing() {
        assert_eq!((of_entry(b"./a//b/"), of_entry(b"a/../b/")), (b"a/b".to_vec(), b"a/../b/".to_vec()));
        assert!(is_below(b"a/../b", b"") && !is_below(b"a/../b", b"a") && is_below(b"a/..b", b"a"));
    }

    #[test]
    fn what_is_below_is_not_what_only_begins_alike() {
        assert!(is_below(b"etc/x", b"etc") && is_below(b"etc", b"etc") && is_below(b"x", b""));
        assert!(!is_below(b"etcetera", b"etc") && !is_below(b"et", b"etc"));
        assert_eq!((parent(b"a/b"), parent(b"a"), base_name(b"a/b")), (&b"a"[..], &b""[..], &b"b"[..]));
        assert_eq!((depth_below(b"a/b/c", b"a"), depth_below(b"a", b"")), (2, 1));
    }
}
