//! Patterns for what is left out, and names, of any bytes: lines of patterns, a NUL, the folder, a NUL, a path.
//!
//! Never a panic, never a hang (10 s). What a pattern leaves out, a further pattern does not bring back, and what is below it is left out
//! too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use voltar::tree::Exclude;

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(3, |byte| *byte == 0);
    let mut next = || parts.next().unwrap_or_default();
    let (patterns, folder, path) = (next(), next(), next());
    let mut exclude = Exclude::new();
    exclude.add_lines(patterns);
    if exclude.excludes(folder, path) {
        let below = [path, b"/x"].concat();
        assert!(path.is_empty() || exclude.excludes(folder, &below), "what is below");
        exclude.add(b"something else");
        assert!(exclude.excludes(folder, path), "one pattern more");
    }
});
