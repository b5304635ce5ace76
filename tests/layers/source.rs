//! Reads Rust source text as far as paths and words need it: `use` trees, comments, what is in quotes.

/// A word, or a single other character; `::` is one.
#[derive(Debug, PartialEq)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

/// The words and signs of a source text, without comments and without what is in quotes.
pub fn tokens(text: &str) -> Vec<Token> {
    let characters: Vec<char> = text.chars().collect();
    let at = |index: usize| characters.get(index).copied().unwrap_or('\0');
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let mut tokens: Vec<Token> = Vec::new();
    let mut line = 1;
    let mut here = 0;
    while here < characters.len() {
        let start = here;
        match at(here) {
            '/' if at(here + 1) == '/' => {
                while here < characters.len() && at(here) != '\n' {
                    here += 1;
                }
            }
            '/' if at(here + 1) == '*' => here = end_of_comment(&characters, here),
            '"' => here = end_of_quote(&characters, here, '"'),
            // A character, or a lifetime.
            '\'' if at(here + 1) == '\\' || at(here + 2) == '\'' => {
                here = end_of_quote(&characters, here, '\'')
            }
            ':' if at(here + 1) == ':' => here += 2,
            first if is_word(first) => {
                while is_word(at(here)) {
                    here += 1;
                }
                let word: String = characters[start..here].iter().collect();
                if word.ends_with('r') && matches!(at(here), '"' | '#') {
                    here = end_of_raw(&characters, here);
                }
            }
            _ => here += 1,
        }
        let piece: String = characters[start..here].iter().collect();
        let is_quiet = piece.trim().is_empty() || piece.starts_with("//") || piece.starts_with("/*");
        if !is_quiet && !piece.contains(['"', '\'']) {
            tokens.push(Token { text: piece.clone(), line });
        }
        line += piece.matches('\n').count();
    }
    tokens
}

fn end_of_comment(characters: &[char], mut here: usize) -> usize {
    let mut depth = 0;
    while here < characters.len() {
        match characters[here..].get(..2) {
            Some(['/', '*']) => {
                depth += 1;
                here += 2;
            }
            Some(['*', '/']) => {
                depth -= 1;
                here += 2;
                if depth == 0 {
                    return here;
                }
            }
            _ => here += 1,
        }
    }
    here
}

fn end_of_quote(characters: &[char], mut here: usize, quote: char) -> usize {
    here += 1;
    while here < characters.len() && characters[here] != quote {
        here += if characters[here] == '\\' { 2 } else { 1 };
    }
    (here + 1).min(characters.len())
}

/// The end of a raw string whose hashes begin at `here`; `here` itself where none does (`r#type`).
fn end_of_raw(characters: &[char], here: usize) -> usize {
    let hashes = characters[here..].iter().take_while(|character| **character == '#').count();
    if characters.get(here + hashes) != Some(&'"') {
        return here;
    }
    let mut end = here + hashes + 1;
    while end < characters.len() {
        let closes = characters[end] == '"'
            && characters[end + 1..].iter().take(hashes).filter(|character| **character == '#').count()
                == hashes;
        end += 1;
        if closes {
            return end + hashes;
        }
    }
    end
}

/// A path as it is written, one for each leaf of a `use` with braces, and the line of its last part that is looked at.
pub struct Written {
    pub parts: Vec<(String, usize)>,
    /// Modules within the file that it is written in.
    pub inside: usize,
}

/// All paths of a source text that begin with `crate`, `self` or `super`.
pub fn paths(tokens: &[Token]) -> Vec<Written> {
    let text = |index: usize| tokens.get(index).map_or("", |token| token.text.as_str());
    let mut found = Vec::new();
    // Open braces; true for those of a module.
    let mut braces: Vec<bool> = Vec::new();
    let mut here = 0;
    while here < tokens.len() {
        let begins = matches!(text(here), "crate" | "self" | "super") && text(here + 1) == "::";
        match text(here) {
            "{" => braces.push(here >= 2 && text(here - 2) == "mod"),
            "}" => drop(braces.pop()),
            _ if begins => {
                let inside = braces.iter().filter(|is_module| **is_module).count();
                let mut leaves = Vec::new();
                here = tree(tokens, here, Vec::new(), &mut leaves);
                found.extend(leaves.into_iter().map(|parts| Written { parts, inside }));
                continue;
            }
            _ => {}
        }
        here += 1;
    }
    found
}

/// Reads one path, or a tree of them, from `here` on; gives the index behind it. The last part of a path with another
/// name (`as`) is that name.
pub fn tree(
    tokens: &[Token],
    mut here: usize,
    mut parts: Vec<(String, usize)>,
    leaves: &mut Vec<Vec<(String, usize)>>,
) -> usize {
    let text = |index: usize| tokens.get(index).map_or("", |token| token.text.as_str());
    loop {
        if text(here) == "{" {
            here += 1;
            while here < tokens.len() && text(here) != "}" {
                here = tree(tokens, here, parts.clone(), leaves);
                while here < tokens.len() && !matches!(text(here), "," | "}") {
                    here += 1;
                }
                if text(here) == "," {
                    here += 1;
                }
            }
            return here + 1;
        }
        if let Some(token) = tokens.get(here) {
            parts.push((token.text.clone(), token.line));
        }
        here += 1;
        if text(here) == "as" {
            parts.push((text(here + 1).to_owned(), tokens[here].line));
            here += 2;
        }
        if text(here) != "::" {
            leaves.push(parts);
            return here;
        }
        here += 1;
    }
}
