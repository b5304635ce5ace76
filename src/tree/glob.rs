//! Wildcard patterns as fnmatch(3) reads them with `FNM_LEADING_DIR` and without `FNM_PATHNAME`.
//!
//! `*` is any run of characters and `?` any one of them, `/` included; `[…]` is one character of a set; a backslash
//! takes the next character as it is. A backslash at the end makes a pattern that matches nothing, a `[` that
//! is never closed stands for itself. What is not UTF-8, in a pattern or in a name, is characters of one byte each,
//! whatever the locale.
//!
//! glibc 2.36 differs in corners that are faults there: its `??` matches the single character `é`, and a `[` that is never closed
//! sometimes matches nothing, by what the name has at that place.

mod bracket;

use bracket::Set;

/// Whether the pattern has anything beyond plain and backslashed characters.
pub(super) fn has_wildcards(mut pattern: &[u8]) -> bool {
    loop {
        pattern = match pattern {
            [] => return false,
            [b'?' | b'*' | b'[', ..] => return true,
            [b'\\', _, rest @ ..] | [_, rest @ ..] => rest,
        };
    }
}

/// A pattern without wildcards as the text that it stands for. Here a backslash at the end is one.
pub(super) fn unescaped(mut pattern: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(pattern.len());
    while let [b'\\', byte, rest @ ..] | [byte, rest @ ..] = pattern {
        text.push(*byte);
        pattern = rest;
    }
    text
}

/// A pattern, taken apart.
#[derive(Debug)]
pub(super) struct Glob {
    tokens: Vec<Token>,
}

#[derive(Debug)]
enum Token {
    /// These bytes.
    Literal(Vec<u8>),
    /// `?`: any one character.
    One,
    /// `[…]`: one character of a set.
    OneOf(Set),
    /// `*`: any characters, or none.
    Run,
    /// Nothing matches here.
    Never,
}

impl Token {
    /// Number of bytes at the beginning of `name` that match; never asked of a [`Token::Run`].
    fn matched(&self, name: &[u8]) -> Option<usize> {
        match self {
            Self::Literal(bytes) => name.starts_with(bytes).then_some(bytes.len()),
            Self::One => Symbol::first(name).map(|(_, len)| len),
            Self::OneOf(set) => {
                Symbol::first(name).filter(|(symbol, _)| set.contains(*symbol)).map(|(_, len)| len)
            }
            Self::Run | Self::Never => None,
        }
    }
}

impl Glob {
    /// Takes a pattern apart. There is no wrong one: what can't be understood matches nothing or itself.
    pub(super) fn parse(mut pattern: &[u8]) -> Self {
        let mut tokens = Vec::new();
        loop {
            let (token, rest) = match pattern {
                [] => return Self { tokens },
                [b'*', rest @ ..] => (Token::Run, rest),
                [b'?', rest @ ..] => (Token::One, rest),
                [b'\\'] => (Token::Never, [].as_slice()),
                [b'[', rest @ ..] => match Set::parse(rest) {
                    Some((set, rest)) => (Token::OneOf(set), rest),
                    None => (Token::Literal(b"[".to_vec()), rest),
                },
                [b'\\', byte, rest @ ..] | [byte, rest @ ..] => (Token::Literal(vec![*byte]), rest),
            };
            match (tokens.last_mut(), token) {
                (Some(Token::Literal(text)), Token::Literal(more)) => text.extend(more),
                (Some(Token::Run), Token::Run) => {}
                (_, token) => tokens.push(token),
            }
            pattern = rest;
        }
    }

    /// The plain text that every match begins with.
    pub(super) fn lead(&self) -> &[u8] {
        match self.tokens.first() {
            Some(Token::Literal(bytes)) => bytes,
            _ => &[],
        }
    }

    /// Whether some part of `name` matches that begins at its start or after a `/`, and ends at its end or before a `/`.
    ///
    /// Takes at most in the order of (length of the pattern × length of the name) steps. A `*` that was reached never
    /// has to be given up for an earlier one or for a later start: it can take whatever those would have taken.
    pub(super) fn matches(&self, name: &[u8]) -> bool {
        let (mut tokens, mut rest) = (self.tokens.as_slice(), name);
        let mut start = name;
        let mut run: Option<(&[Token], &[u8])> = None;
        loop {
            match tokens.split_first() {
                None if matches!(rest, [] | [b'/', ..]) => return true,
                None => {}
                Some((Token::Run, after)) => {
                    run = Some((after, rest));
                    tokens = after;
                    continue;
                }
                Some((token, after)) => {
                    if let Some(unmatched) = token.matched(rest).and_then(|len| rest.get(len..)) {
                        (tokens, rest) = (after, unmatched);
                        continue;
                    }
                }
            }
            let again = match run {
                Some((after, from)) => taking_more(from, after).map(|from| {
                    run = Some((after, from));
                    (after, from)
                }),
                None => after_slash(start).map(|next| {
                    start = next;
                    (self.tokens.as_slice(), next)
                }),
            };
            let Some(again) = again else { return false };
            (tokens, rest) = again;
        }
    }
}

/// The next place where `after` might match when the `*` in front of it takes at least one character of `name`.
fn taking_more<'a>(name: &'a [u8], after: &[Token]) -> Option<&'a [u8]> {
    let (_, len) = Symbol::first(name)?;
    let rest = name.get(len..)?;
    let Some(Token::Literal(literal)) = after.first() else { return Some(rest) };
    match literal.first() {
        // A byte that can begin a character is never found in the middle of another.
        Some(first) if !is_continuation(*first) => rest.get(rest.iter().position(|byte| byte == first)?..),
        _ => Some(rest),
    }
}

/// Whether the byte is one that UTF-8 has only after the first of a character.
fn is_continuation(byte: u8) -> bool {
    (0x80..=0xbf).contains(&byte)
}

/// What follows the first `/`.
pub(super) fn after_slash(name: &[u8]) -> Option<&[u8]> {
    let slash = name.iter().position(|byte| *byte == b'/')?;
    name.get(slash.checked_add(1)?..)
}

/// One character, or one byte that is no part of any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Symbol {
    Char(char),
    Byte(u8),
}

impl Symbol {
    /// The longest encoding of a character, in bytes (RFC 3629).
    const MAX_LEN: usize = 4;

    /// The first symbol, and its length in bytes.
    fn first(text: &[u8]) -> Option<(Self, usize)> {
        let byte = *text.first()?;
        if byte.is_ascii() {
            return Some((Self::Char(char::from(byte)), 1));
        }
        let head = text.get(..Self::MAX_LEN).unwrap_or(text);
        let valid = head.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
        Some(valid.map_or((Self::Byte(byte), 1), |c| (Self::Char(c), c.len_utf8())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Glob::parse(pattern.as_bytes()).matches(name.as_bytes())
    }

    #[test]
    fn a_pattern_matches_from_a_slash_to_a_slash() {
        let cases = [
            ("b?", "./a/bc/d", true),
            ("b?", "./a/bcd", false),
            ("?c", "./a/bcd", false),
            ("./b*", "./a/bc", false),
            ("a*c", "./a/b/c/d", true),
            ("*.log", "./a/x.log/y", true),
            ("*.log", "./a/x.log.1", false),
            ("a?b", "./a/b", true),
            ("*/", "./a/b", false),
            ("**a**", "./b/cab", true),
            ("a\\*b*", "a*bc", true),
            ("a\\*b*", "axbc", false),
            ("a*\\", "a\\", false),
            ("?", "é", true),
            ("??", "é", false),
            ("*a", "", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern, name), expected, "{pattern} and {name}");
        }
    }

    #[test]
    fn a_byte_that_is_no_character_counts_as_one() {
        let name = b"caf\xe9.\xf0\x9f";
        for (pattern, expected) in
            [(b"caf?.??".as_slice(), true), (b"caf[\xe0-\xef].*", true), (b"caf[[:alpha:]].*", false)]
        {
            assert_eq!(Glob::parse(pattern).matches(name), expected, "{}", pattern.escape_ascii());
        }
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        let pattern = format!("{}b", "a*?*".repeat(200));
        assert!(!matches(&pattern, &"a/".repeat(10_000)));
    }

    #[test]
    fn the_lead_is_the_plain_text_in_front() {
        for (pattern, lead) in
            [("p1/*", "p1/"), ("\\p\\[/?", "p[/"), ("[p]1/", ""), ("p[1", "p[1"), ("*", "")]
        {
            assert_eq!(Glob::parse(pattern.as_bytes()).lead(), lead.as_bytes(), "{pattern}");
        }
    }

    /// The meaning of a pattern written down without a thought for speed: every start, every end, every length of every `*`.
    fn matches_somewhere(pattern: &[u8], name: &[u8]) -> bool {
        let starts = (0..=name.len()).filter(|start| *start == 0 || name[start - 1] == b'/');
        starts.into_iter().any(|start| {
            let mut ends = (start..=name.len()).filter(|end| *end == name.len() || name[*end] == b'/');
            ends.any(|end| matches_whole(pattern, &name[start..end]))
        })
    }

    fn matches_whole(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern, name) {
            ([], _) => name.is_empty(),
            ([b'*', rest @ ..], _) => (0..=name.len()).any(|taken| matches_whole(rest, &name[taken..])),
            ([b'[', b'!', one, b']', rest @ ..], [byte, name @ ..]) => {
                byte != one && matches_whole(rest, name)
            }
            ([b'[', low, b'-', high, b']', rest @ ..], [byte, name @ ..]) => {
                low <= byte && byte <= high && matches_whole(rest, name)
            }
            ([b'?', rest @ ..], [_, name @ ..]) => matches_whole(rest, name),
            ([b'\\', one, rest @ ..] | [one, rest @ ..], [byte, name @ ..]) => {
                one == byte && matches_whole(rest, name)
            }
            (_, []) => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_match_is_what_trying_everything_finds(
            pattern in r"(a|b|/|\*|\*|\?|\\\*|\[!a\]|\[a-b\]|\[!/\]){0,8}",
            name in "[ab/*]{0,10}",
        ) {
            let expected = matches_somewhere(pattern.as_bytes(), name.as_bytes());
            prop_assert_eq!(matches(&pattern, &name), expected);
        }

        #[test]
        fn no_pattern_and_no_name_panics(
            pattern in prop::collection::vec(prop_oneof![prop::sample::select(b"[]!^-\\*?:.=/a".to_vec()), any::<u8>()], 0..24),
            name in prop::collection::vec(any::<u8>(), 0..24),
        ) {
            Glob::parse(&pattern).matches(&name);
            prop_assert!(Glob::parse(b"*").matches(&name));
        }

        #[test]
        fn a_name_with_every_character_escaped_matches_itself(name in prop::collection::vec(any::<u8>(), 0..24)) {
            let escaped: Vec<u8> = name.iter().flat_map(|byte| [b'\\', *byte]).collect();
            prop_assert!(!has_wildcards(&escaped));
            prop_assert!(Glob::parse(&escaped).matches(&name));
            prop_assert_eq!(unescaped(&escaped), name);
        }
    }
}
