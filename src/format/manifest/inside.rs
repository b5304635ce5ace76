//! The name of a manifest that is the last member of its own archive.
//!
//! Its member is called `voltar.disk/manifest.jsonl.zst`. No file of a disk has this name in an
//! archive: those are below `./`, `p1/` and the like. A tree of its own that has something called
//! `voltar.disk` would get the file when it is extracted, so `voltar.disk.1` stands for it there,
//! and so on.

/// The folder and the name of the member.
pub(crate) const FOLDER: &str = "voltar.disk";
const FILE: &str = "manifest.jsonl.zst";

/// Folders that may stand for the first, each with its number.
pub(crate) const FOLDERS: u32 = 64;

/// Names of folders that a tree has, out of those that the member may get.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken(u64);

impl Taken {
    /// Looks at the path of an entry of a bare tree.
    pub(crate) fn look(&mut self, path: &[u8]) {
        if !path.starts_with(FOLDER.as_bytes()) {
            return;
        }
        let first = path.split(|byte| *byte == b'/').next().unwrap_or_default();
        let number = (0..FOLDERS).find(|number| folder(*number).as_bytes() == first);
        self.0 |= number.and_then(|number| 1_u64.checked_shl(number)).unwrap_or(0);
    }

    /// The name of the member, of the first folder that is free.
    pub(crate) fn member(self) -> Option<Vec<u8>> {
        let is_free = |number: &u32| 1_u64.checked_shl(*number).is_some_and(|bit| self.0 & bit == 0);
        (0..FOLDERS).find(is_free).map(|number| format!("{}/{FILE}", folder(number)).into_bytes())
    }
}

fn folder(number: u32) -> String {
    match number {
        0 => FOLDER.to_owned(),
        number => format!("{FOLDER}.{number}"),
    }
}

/// Whether a manifest in an archive may have this name, as it stands there.
pub fn is_member(name: &[u8]) -> bool {
    (0..FOLDERS).any(|number| name == format!("{}/{FILE}", folder(number)).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_member_has_a_name_that_the_tree_has_not() {
        let member = |paths: &[&str]| {
            let mut taken = Taken::default();
            paths.iter().for_each(|path| taken.look(path.as_bytes()));
            taken.member().map(|name| String::from_utf8(name).unwrap())
        };
        let free = "voltar.disk/manifest.jsonl.zst";
        let others = ["etc", "voltar.diskette", "voltar.disk.x", "a/voltar.disk"];
        assert_eq!(member(&others).as_deref(), Some(free));
        let paths = ["voltar.disk/x", "voltar.disk.1"];
        assert_eq!(member(&paths).as_deref(), Some("voltar.disk.2/manifest.jsonl.zst"));
        let all: Vec<String> = (0..FOLDERS).map(folder).collect();
        assert_eq!(member(&all.iter().map(String::as_str).collect::<Vec<_>>()), None);
        assert!(is_member(b"voltar.disk.2/manifest.jsonl.zst") && is_member(free.as_bytes()));
        for other in ["./voltar.disk/manifest.jsonl.zst", "voltar.disk", "voltar.disk.64/manifest.jsonl.zst"]
        {
            assert!(!is_member(other.as_bytes()), "{other}");
        }
    }
}
