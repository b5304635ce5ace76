//! What a reader sees, in words that any two can be compared in.

use std::collections::BTreeMap;
use std::fmt;

use voltar::archive::Algorithm;

/// What is seen of a whole filesystem, by path; the root is the empty path.
pub type Tree = BTreeMap<Vec<u8>, Seen>;

/// What is seen of one entry: a value for each field, or why there is none.
pub type Seen = BTreeMap<&'static str, String>;

/// Fields that stand for all others, where nothing can be read.
const UNREADABLE: [&str; 2] = ["filesystem", "inode"];

/// What is seen where nothing can be read: of one inode, or of the whole filesystem.
pub fn unreadable(what: &'static str, error: &str) -> Seen {
    assert!(UNREADABLE.contains(&what), "{what}");
    Seen::from([(what, format!("error: {error}"))])
}

/// A field of an entry that two readers see in two ways.
pub struct Difference {
    /// The path with whatever is not ASCII or not printable escaped.
    pub path: String,
    pub field: &'static str,
    pub ours: String,
    pub theirs: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}: ours {}, theirs {}", self.path, self.field, self.ours, self.theirs)
    }
}

/// Everything in which their view differs from ours. An entry that only one has is one difference, in its `name`; what
/// lies below one that is missing, or can't be read, is not told again.
pub fn differences(ours: &Tree, theirs: &Tree) -> Vec<Difference> {
    let mut found: Vec<Difference> = Vec::new();
    let mut missing: Vec<&[u8]> = Vec::new();
    let mut paths: Vec<&Vec<u8>> = ours.keys().chain(theirs.keys()).collect();
    paths.sort();
    paths.dedup();
    for path in paths {
        if missing.iter().any(|above| is_below(path, above)) {
            continue;
        }
        let mut differ = |field, ours: &str, theirs: &str| {
            let (ours, theirs) = (ours.to_owned(), theirs.to_owned());
            found.push(Difference { path: path.escape_ascii().to_string(), field, ours, theirs });
        };
        match (ours.get(path), theirs.get(path)) {
            (Some(ours), Some(theirs)) => {
                if let Some((field, error)) = theirs.iter().find(|(field, _)| UNREADABLE.contains(field)) {
                    differ(field, "readable", error);
                    missing.push(path);
                    continue;
                }
                for (field, ours) in ours {
                    let theirs = theirs.get(field).map_or("nothing", String::as_str);
                    if ours != theirs {
                        differ(field, ours, theirs);
                    }
                }
            }
            (ours, _) => {
                let (has, lacks) = ("there", "not there");
                if ours.is_some() {
                    differ("name", has, lacks)
                } else {
                    differ("name", lacks, has)
                }
                missing.push(path);
            }
        }
    }
    found
}

fn is_below(path: &[u8], above: &[u8]) -> bool {
    let rest = path.strip_prefix(above);
    rest.is_some_and(|rest| !rest.is_empty() && (above.is_empty() || rest.starts_with(b"/")))
}

/// The SHA-1 of bytes that come in pieces until one is empty.
pub fn sha1(mut next: impl FnMut() -> Result<Vec<u8>, String>) -> Result<String, String> {
    let mut hasher = Algorithm::Sha1.hasher();
    loop {
        let piece = next()?;
        if piece.is_empty() {
            return Ok(hasher.finish().to_string());
        }
        hasher.update(&piece);
    }
}

/// The value of a field, or the reason why there is none.
pub fn told<E: fmt::Display>(value: Result<String, E>) -> String {
    value.unwrap_or_else(|error| format!("error: {error}"))
}

/// A path below a directory.
pub fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}
