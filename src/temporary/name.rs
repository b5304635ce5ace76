//! Names of temporary files: `.voltar-`, a number, the check digits of both, and the role.
//!
//! The check digits are the mark that only we write: a file of somebody else may have a name that
//! looks like ours, but not with the right digits.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher as _;

const START: &str = ".voltar-";
const ID_DIGITS: usize = 16;
const CHECK_DIGITS: usize = 8;

/// The role of a file that gets its own name, or none, by its maker alone.
pub(super) const PART: &str = "part";

/// The name of a temporary file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    id: u64,
    role: String,
}

impl Name {
    /// The name with this number. `role` has lower-case letters, digits and hyphens.
    #[must_use]
    pub fn new(id: u64, role: &str) -> Self {
        Self { id, role: role.to_owned() }
    }

    /// A name that no other file has, by all odds.
    #[must_use]
    pub fn random() -> Self {
        // The keys of each new state are random, and the operating system gave the first ones.
        Self::new(RandomState::new().hash_one(std::process::id()), PART)
    }

    /// The name with a number that stands for these bytes.
    #[must_use]
    pub fn of_bytes(bytes: &[u8], role: &str) -> Self {
        Self::new(fnv1a(bytes), role)
    }

    /// Reads a file's name; `None` when the name is not one of ours.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(name).ok()?;
        let (number, role) = text.strip_prefix(START)?.split_once('.')?;
        let (id, check) = number.split_at_checked(ID_DIGITS)?;
        let is_digits = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if check.len() != CHECK_DIGITS || !is_digits(number) {
            return None;
        }
        let name = Self::new(u64::from_str_radix(id, 16).ok()?, role);
        (name.to_string() == text).then_some(name)
    }

    /// The number.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The role.
    #[must_use]
    pub fn role(&self) -> &str {
        &self.role
    }

    /// The name of another file with the same number.
    #[must_use]
    pub fn with_role(&self, role: &str) -> Self {
        Self::new(self.id, role)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, role } = self;
        let sum = fnv1a(format!("{START}{id:016x}.{role}").as_bytes());
        let check = (sum ^ (sum >> 32)) & u64::from(u32::MAX);
        write!(f, "{START}{id:016x}{check:08x}.{role}")
    }
}

/// FNV-1a: <http://www.isthe.com/chongo/tech/comp/fnv/>.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_was_written_and_no_other_name_is_ours() {
        let name = Name::random();
        assert_ne!(name, Name::random());
        let text = name.to_string();
        assert_eq!(Name::parse(text.as_bytes()), Some(name.clone()));
        for role in ["old-sha256", "publishing"] {
            let other = name.with_role(role);
            assert_eq!(Name::parse(other.to_string().as_bytes()), Some(other));
        }
        let flipped = |at: usize| {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            bytes
        };
        for at in START.len()..START.len() + ID_DIGITS + CHECK_DIGITS {
            assert_eq!(Name::parse(&flipped(at)), None, "digit {at}");
        }
        let foreign = [
            ".voltar-abcdef.part",
            ".a.tar.zst.voltar-abcdef.part",
            ".voltar-0000000000000000ffffffff.part",
            ".voltar-00000000000000000000000000000000.part",
            &text.replace(".part", ".prat"),
            &text.to_uppercase(),
            &format!("{text}.bak"),
            &format!("x{text}"),
            "notes.part",
            ".voltar-",
            "",
        ];
        for name in foreign {
            assert_eq!(Name::parse(name.as_bytes()), None, "{name}");
        }
    }
}
