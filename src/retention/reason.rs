//! Why an archive stays.

use std::fmt;

use crate::retention::Rule;

/// Why an archive stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is no rule, so everything stays.
    NoRule,
    /// It is from the future: some clock was wrong, and one can't tell which.
    Future,
    /// It is not older than that.
    Days {
        /// The limit of age.
        days: u32,
    },
    /// A rule counts it.
    Counted {
        /// Which one.
        rule: Rule,
        /// Its number, from 1 for the latest.
        number: u32,
        /// How far the rule counts.
        of: u32,
        /// Whether it counts among the complete ones, or among the incomplete ones since.
        is_complete: bool,
    },
    /// It is the latest complete archive, which always stays.
    LastComplete,
    /// It is the latest archive, and newer than all complete ones.
    Latest,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRule => f.write_str("no rule"),
            Self::Future => f.write_str("from the future"),
            Self::Days { days: 1 } => f.write_str("within 1 day"),
            Self::Days { days } => write!(f, "within {days} days"),
            Self::Counted { rule, number, of, is_complete } => {
                let among = if *is_complete { "" } else { "incomplete " };
                write!(f, "{among}{} {number} of {of}", rule.name())
            }
            Self::LastComplete => f.write_str("last complete"),
            Self::Latest => f.write_str("latest"),
        }
    }
}
