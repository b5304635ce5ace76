//! Which names of members lead to a place below the target, and which do not.

use crate::error::{Error, Kind, Result};
use crate::view::Item;

/// Longest name, `NAME_MAX` in the kernel.
const NAME_MOST: usize = 255;

/// Directories above one entry; each is held open. Archives of `voltar` have as many at most.
const DEPTH_MOST: usize = 4096;

/// The names on the way to a path, the last one its own; none for the root.
///
/// # Errors
///
/// When the path leads anywhere else, or can't be the name of anything here.
pub(super) fn names(path: &[u8]) -> Result<Vec<&[u8]>> {
    let refused = |why: &str| Err(Error::new(Kind::Unsupported, format!("not extracted: {why}")));
    if path.starts_with(b"/") {
        return refused("its path is absolute");
    }
    if path.contains(&0) {
        return refused("its name has a zero byte in it");
    }
    let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
    if names.iter().any(|name| matches!(*name, b"." | b"..")) {
        return refused("its path has `..` in it");
    }
    if names.iter().any(|name| name.len() > NAME_MOST) {
        return refused("its name is longer than 255 bytes");
    }
    if names.len() > DEPTH_MOST {
        return refused("it is too deep");
    }
    Ok(names)
}

/// The names on the way to an entry; see [`names`].
pub(super) fn of(item: &Item) -> Result<Vec<&[u8]>> {
    if item.is_absolute {
        return Err(Error::new(Kind::Unsupported, "not extracted: it is named by an absolute path"));
    }
    names(&item.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_below_the_target_are_names() {
        let good: [(&[u8], &[&[u8]]); 4] = [
            (b"", &[]),
            (b"a", &[b"a"]),
            (b"p1/etc/..x", &[b"p1", b"etc", b"..x"]),
            (b"a//\xff", &[b"a", b"\xff"]),
        ];
        for (path, expected) in good {
            assert_eq!(names(path).unwrap(), expected);
        }
        let long = "n".repeat(256).into_bytes();
        let deep = "a/".repeat(5000).into_bytes();
        for path in
            [&b"/etc/passwd"[..], b"..", b"../x", b"a/../../x", b"a/..", b"a\0b", b"./x", &long, &deep]
        {
            assert!(names(path).is_err(), "{path:?}");
        }
    }
}
