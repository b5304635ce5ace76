//! The language of LVM's metadata: sections in braces, and keys with numbers, strings or lists.
//!
//! `libdm/libdm-config.c` of LVM2 is the reference. Strings are bytes: names of hosts in them need
//! not be UTF-8. A tenant can write any text here, so depth and number of values are bounded.

use std::borrow::Cow;

use super::fault::Fault;

/// Deepest section of LVM's own: group, `logical_volumes`, volume, segment.
const DEPTH_MOST: usize = 8;
/// Values, keys and sections of one text.
pub(super) const VALUES_MOST: usize = 1 << 19;

/// Sizes in the metadata count in these.
pub(super) const SECTOR_BYTES: u64 = 512;

/// A value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Number(u64),
    Text(Cow<'a, [u8]>),
    List(Vec<Value<'a>>),
}

/// A section, or the whole text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Section<'a> {
    pub name: Cow<'a, [u8]>,
    values: Vec<(Cow<'a, [u8]>, Value<'a>)>,
    pub sections: Vec<Section<'a>>,
}

impl<'a> Section<'a> {
    pub(super) fn section(&self, name: &str) -> Option<&Section<'a>> {
        self.sections.iter().find(|section| section.name == name.as_bytes())
    }

    pub(super) fn value(&self, key: &str) -> Option<&Value<'a>> {
        self.values.iter().find(|(known, _)| **known == *key.as_bytes()).map(|(_, value)| value)
    }

    pub(super) fn number(&self, key: &'static str) -> Result<u64, Fault> {
        match self.value(key) {
            Some(Value::Number(number)) => Ok(*number),
            _ => Err(Fault::Number(key)),
        }
    }

    /// A string of printable ASCII; names and identifiers have no other characters.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.value(key) {
            Some(Value::Text(text)) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }

    /// The values of a list; a single value is a list of one.
    pub(super) fn list(&self, key: &str) -> &[Value<'a>] {
        match self.value(key) {
            Some(Value::List(list)) => list,
            Some(value) => std::slice::from_ref(value),
            None => &[],
        }
    }

    /// Whether a list of strings has this one.
    pub(super) fn has(&self, key: &str, flag: &str) -> bool {
        self.list(key).iter().any(|value| matches!(value, Value::Text(text) if **text == *flag.as_bytes()))
    }
}

/// A name, with marks for bytes that are no text.
pub(super) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Parses a text up to its end, or to the first zero byte.
pub(super) fn parse(text: &[u8]) -> Result<Section<'_>, Fault> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let mut parser = Parser { text, at: 0, values: 0 };
    parser.section(Cow::default(), 0)
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    values: usize,
}

impl<'a> Parser<'a> {
    fn fault(&self, what: &'static str) -> Fault {
        Fault::Syntax(self.line(), what)
    }

    fn line(&self) -> usize {
        let before = self.text.get(..self.at).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1)
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn count(&mut self) -> Result<(), Fault> {
        self.values = self.values.saturating_add(1);
        if self.values > VALUES_MOST { Err(Fault::Values(VALUES_MOST)) } else { Ok(()) }
    }

    /// The next byte that is neither space nor part of a comment.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.get(self.at)? {
                b'#' => {
                    let rest = self.text.get(self.at..)?;
                    let len = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                    self.at = self.at.saturating_add(len);
                }
                byte if byte.is_ascii_whitespace() => self.step(),
                byte => return Some(*byte),
            }
        }
    }

    /// The keys and sections up to a closing brace, or to the end at depth 0.
    fn section(&mut self, name: Cow<'a, [u8]>, depth: usize) -> Result<Section<'a>, Fault> {
        if depth > DEPTH_MOST {
            return Err(Fault::Deep(self.line()));
        }
        let mut section = Section { name, ..Section::default() };
        loop {
            match self.peek() {
                None if depth == 0 => return Ok(section),
                None => return Err(self.fault("the text ends inside of a section")),
                Some(b'}') if depth > 0 => {
                    self.step();
                    return Ok(section);
                }
                Some(_) => {}
            }
            self.count()?;
            let key = match self.peek() {
                Some(quote @ (b'"' | b'\'')) => self.string(quote),
                _ => Cow::Borrowed(self.word()?),
            };
            match self.peek() {
                Some(b'{') => {
                    self.step();
                    section.sections.push(self.section(key, depth.saturating_add(1))?);
                }
                Some(b'=') => {
                    self.step();
                    section.values.push((key, self.value()?));
                }
                _ => return Err(self.fault("a name without a value or a section")),
            }
        }
    }

    fn value(&mut self) -> Result<Value<'a>, Fault> {
        if self.peek() != Some(b'[') {
            return self.single();
        }
        self.step();
        let mut list = Vec::new();
        loop {
            match self.peek() {
                Some(b']') => {
                    self.step();
                    return Ok(Value::List(list));
                }
                Some(b',') => self.step(),
                Some(_) => list.push(self.single()?),
                None => return Err(self.fault("the text ends inside of a list")),
            }
        }
    }

    fn single(&mut self) -> Result<Value<'a>, Fault> {
        self.count()?;
        match self.peek() {
            Some(quote @ (b'"' | b'\'')) => Ok(Value::Text(self.string(quote))),
            Some(_) => {
                let word = self.word()?;
                let number = std::str::from_utf8(word).ok().and_then(|word| word.parse().ok());
                Ok(number.map_or(Value::Text(Cow::Borrowed(word)), Value::Number))
            }
            None => Err(self.fault("a key without a value")),
        }
    }

    /// A string in quotes, where a backslash takes the next byte as it is. One that is open ends
    /// with the text, as LVM reads it.
    fn string(&mut self, quote: u8) -> Cow<'a, [u8]> {
        self.step();
        let rest = self.text.get(self.at..).unwrap_or_default();
        let mut is_escaped = false;
        let len = rest.iter().position(|byte| {
            let ends = *byte == quote && !is_escaped;
            is_escaped = *byte == b'\\' && !is_escaped;
            ends
        });
        let raw = rest.get(..len.unwrap_or(rest.len())).unwrap_or_default();
        self.at = self.at.saturating_add(raw.len()).saturating_add(1);
        if !raw.contains(&b'\\') {
            return Cow::Borrowed(raw);
        }
        let mut is_escaped = false;
        let kept = raw.iter().filter(|byte| {
            is_escaped = **byte == b'\\' && !is_escaped;
            !is_escaped
        });
        Cow::Owned(kept.copied().collect())
    }

    /// Bytes up to a space or one of the language's own characters.
    fn word(&mut self) -> Result<&'a [u8], Fault> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let is_end = |byte: &u8| byte.is_ascii_whitespace() || b"#={}[],\"'".contains(byte);
        let len = rest.iter().position(is_end).unwrap_or(rest.len());
        let word = rest.get(..len).filter(|word| !word.is_empty());
        let word = word.ok_or_else(|| self.fault("a name or a value is missing"))?;
        self.at = self.at.saturating_add(len);
        Ok(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_sections_keys_numbers_strings_and_lists() {
        let text = b"# comment\nvg {\nid = \"a-b\" # more\nseqno = 3\nempty = []\n\
            status = [\"READ\", \"WRITE\"]\nlist=[\"pv0\",7]\n\"odd name\" { x = -1 }\n}\n\
            escaped = \"a \\\"b\\\" \\\\c\"\nhost = \"\xff\xfe\"\n\0rest {";
        let parsed = parse(text).unwrap();
        let group = parsed.section("vg").unwrap();
        assert_eq!((group.text("id"), group.number("seqno")), (Some("a-b"), Ok(3)));
        assert!(group.list("empty").is_empty() && group.has("status", "WRITE"));
        assert!(!group.has("status", "VISIBLE"));
        let list = [Value::Text(Cow::Borrowed(b"pv0")), Value::Number(7)];
        assert_eq!(group.list("list"), list);
        assert_eq!(group.section("odd name").unwrap().number("x"), Err(Fault::Number("x")));
        assert_eq!(parsed.text("escaped"), Some("a \"b\" \\c"));
        assert_eq!(parsed.text("host"), None);
        assert_eq!(parsed.value("host"), Some(&Value::Text(Cow::Borrowed(b"\xff\xfe"))));
    }

    #[test]
    fn each_fault_is_told_with_its_line() {
        let deep = format!("{}1", "a {\n".repeat(9));
        let cases: [(&[u8], Fault); 10] = [
            (b"\nvg {", Fault::Syntax(2, "the text ends inside of a section")),
            (b"a", Fault::Syntax(1, "a name without a value or a section")),
            (b"a = ", Fault::Syntax(1, "a key without a value")),
            (b"a = [1", Fault::Syntax(1, "the text ends inside of a list")),
            (b"a = [[1]]", Fault::Syntax(1, "a name or a value is missing")),
            (b"a = {", Fault::Syntax(1, "a name or a value is missing")),
            (b"}", Fault::Syntax(1, "a name or a value is missing")),
            (b"a = [\n=]", Fault::Syntax(2, "a name or a value is missing")),
            (b"a\n\nb", Fault::Syntax(3, "a name without a value or a section")),
            (deep.as_bytes(), Fault::Deep(9)),
        ];
        for (text, fault) in cases {
            assert_eq!(parse(text), Err(fault), "{}", String::from_utf8_lossy(text));
        }
        let many = "1,".repeat(VALUES_MOST);
        assert_eq!(parse(format!("a=[{many}1]").as_bytes()), Err(Fault::Values(VALUES_MOST)));
    }

    #[test]
    fn a_string_that_is_open_ends_with_the_text() {
        assert_eq!(parse(b"a = \"open").unwrap().text("a"), Some("open"));
        assert_eq!(parse(b"a = \"open\\").unwrap().text("a"), Some("open"));
        assert_eq!(parse(b"a = \"").unwrap().text("a"), Some(""));
    }
}
