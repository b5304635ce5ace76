//! The `[…]` of a pattern: a set of characters.
//!
//! Single characters, ranges by code point, classes (`[:alpha:]`), and a character alone as equivalence class (`[=a=]`) or
//! collating symbol (`[.a.]`); a `!` or `^` in front turns the set round. A `]` is a member when it comes first, a `-` when it
//! comes first or last.
//!
//! POSIX.1-2017, Shell and Utilities, 2.13.1 and Base Definitions, 9.3.5:
//! <https://pubs.opengroup.org/onlinepubs/9699919799/utilities/V3_chap02.html#tag_18_13_01>.

use super::Symbol;

/// A set of characters.
#[derive(Debug)]
pub(super) struct Set {
    negated: bool,
    members: Vec<Member>,
}

#[derive(Debug)]
enum Member {
    One(Symbol),
    /// From the first to the last, both included; empty when the last comes before the first.
    Range(Symbol, Symbol),
    Class(fn(char) -> bool),
    /// A class or collating symbol that nobody knows: a character that gets here is not matched, negated or not.
    Unknown,
}

impl Set {
    /// Reads what follows a `[`, up to the `]` that closes it: the set, and the pattern after it.
    /// `None` when nothing closes it.
    pub(super) fn parse(pattern: &[u8]) -> Option<(Self, &[u8])> {
        let (negated, mut rest) = match pattern {
            [b'!' | b'^', rest @ ..] => (true, rest),
            _ => (false, pattern),
        };
        let mut members = Vec::new();
        loop {
            match rest {
                [b']', after @ ..] if !members.is_empty() => return Some((Self { negated, members }, after)),
                _ => {
                    let (member, after) = class(rest).or_else(|| equivalent(rest)).or_else(|| range(rest))?;
                    members.push(member);
                    rest = after;
                }
            }
        }
    }

    /// Whether the set has this character.
    pub(super) fn contains(&self, symbol: Symbol) -> bool {
        for member in &self.members {
            let found = match (member, symbol) {
                (Member::One(one), _) => *one == symbol,
                (Member::Range(low, high), _) => (*low..=*high).contains(&symbol),
                (Member::Class(class), Symbol::Char(c)) => class(c),
                (Member::Class(_), Symbol::Byte(_)) => false,
                (Member::Unknown, _) => return false,
            };
            if found {
                return !self.negated;
            }
        }
        self.negated
    }
}

/// `[:name:]`, a name being lower-case letters; `None` for anything else.
fn class(pattern: &[u8]) -> Option<(Member, &[u8])> {
    let inner = pattern.strip_prefix(b"[:")?;
    let letters = inner.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
    let (name, rest) = inner.split_at_checked(letters)?;
    let rest = rest.strip_prefix(b":]")?;
    let class: fn(char) -> bool = match name {
        b"alnum" => char::is_alphanumeric,
        b"alpha" => char::is_alphabetic,
        b"blank" => |c| matches!(c, ' ' | '\t'),
        b"cntrl" => char::is_control,
        b"digit" => |c| c.is_ascii_digit(),
        b"graph" => is_graphic,
        b"lower" => char::is_lowercase,
        b"print" => |c| c == ' ' || is_graphic(c),
        b"punct" => |c| is_graphic(c) && !c.is_alphanumeric(),
        b"space" => char::is_whitespace,
        b"upper" => char::is_uppercase,
        b"xdigit" => |c| c.is_ascii_hexdigit(),
        _ => return Some((Member::Unknown, rest)),
    };
    Some((Member::Class(class), rest))
}

fn is_graphic(c: char) -> bool {
    !c.is_control() && !c.is_whitespace()
}

/// `[=a=]`: the characters that are like this one, which is itself alone; `None` for anything else.
fn equivalent(pattern: &[u8]) -> Option<(Member, &[u8])> {
    let inner = pattern.strip_prefix(b"[=")?;
    let (symbol, len) = Symbol::first(inner)?;
    Some((Member::One(symbol), inner.get(len..)?.strip_prefix(b"=]")?))
}

/// One character, or two with a `-` between them; `None` when the pattern ends in it.
fn range(pattern: &[u8]) -> Option<(Member, &[u8])> {
    let (low, rest) = end_of_range(pattern)?;
    let (high, rest) = match rest {
        [b'-', after @ ..] if !matches!(after, [] | [b']', ..]) => end_of_range(after)?,
        _ => (low, rest),
    };
    let member = match (low, high) {
        (Some(low), Some(high)) if low == high => Member::One(low),
        (Some(low), Some(high)) => Member::Range(low, high),
        _ => Member::Unknown,
    };
    Some((member, rest))
}

/// A character: plain, after a backslash, or as `[.a.]`. The symbol is `None` when that holds anything but one.
fn end_of_range(pattern: &[u8]) -> Option<(Option<Symbol>, &[u8])> {
    if let Some(inner) = pattern.strip_prefix(b"[.") {
        let len = inner.windows(2).position(|pair| pair == b".]")?;
        let (name, rest) = inner.split_at_checked(len)?;
        let symbol = Symbol::first(name).filter(|(_, len)| *len == name.len()).map(|(symbol, _)| symbol);
        return Some((symbol, rest.strip_prefix(b".]")?));
    }
    let plain = pattern.strip_prefix(b"\\").unwrap_or(pattern);
    let (symbol, len) = Symbol::first(plain)?;
    Some((Some(symbol), plain.get(len..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of a row of characters the set has, and what follows it.
    fn members(pattern: &str) -> Option<(String, &str)> {
        let (set, rest) = Set::parse(pattern.as_bytes())?;
        let found = "09AZaz -/]\\é\t".chars().filter(|c| set.contains(Symbol::Char(*c))).collect();
        Some((found, std::str::from_utf8(rest).expect("text stays text")))
    }

    #[test]
    fn a_set_has_its_members_up_to_the_bracket_that_closes_it() {
        let cases = [
            ("az]x", "az", "x"),
            ("a-z]", "az", ""),
            ("!a-z]", "09AZ -/]\\é\t", ""),
            ("^a-z]", "09AZ -/]\\é\t", ""),
            ("]a]", "a]", ""),
            ("!]a]", "09AZz -/\\é\t", ""),
            ("a-]", "a-", ""),
            ("-a]", "a-", ""),
            ("z-a]", "", ""),
            ("a\\-z]", "az-", ""),
            ("\\]]", "]", ""),
            (" -0]", "0 -/", ""),
            ("é]", "é", ""),
            ("[:alpha:]]", "AZazé", ""),
            ("[:upper:]9]", "9AZ", ""),
            ("[:digit:][:space:]]", "09 \t", ""),
            ("![:print:]]", "\t", ""),
            ("[:punct:]]", "-/]\\", ""),
            ("[=a=]z]", "az", ""),
            ("[.-.]a]", "a-", ""),
            ("[.a.]-[.z.]]", "az", ""),
            ("z[:vowel:]a]", "z", ""),
            ("![:vowel:]]", "", ""),
            ("[.hyphen.]]", "", ""),
            ("[:Alpha:]]", "Aa", "]"),
        ];
        for (pattern, found, rest) in cases {
            assert_eq!(members(pattern), Some((found.to_owned(), rest)), "[{pattern}");
        }
    }

    #[test]
    fn a_set_that_is_never_closed_is_none() {
        for pattern in ["", "a", "]", "!", "!]", "a-", "a-z", "a\\]", "\\", "[:alpha:]", "[.a", "[=a=]"] {
            assert_eq!(members(pattern), None, "[{pattern}");
        }
    }
}
