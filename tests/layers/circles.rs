//! Finds circles: files that use each other, directly or through others.
//!
//! A file uses the file in which a name is declared that it mentions by a path from `crate`,
//! `super`, `self` or one of its own modules. A name that a file only gives again (`pub use`)
//! belongs to the file that declares it.
//!
//! Two uses count for nothing. A module may use the modules that it lies in: a parent declares its
//! children and is read with them. And modules within a file are its tests.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Token, Written, paths, tokens, tree};

/// Names of modules from the root of the crate on.
type Module = Vec<String>;

/// A file, as far as circles are concerned.
struct Source {
    name: String,
    /// Its `use` declarations, by the name that each gives.
    names: BTreeMap<String, Module>,
    /// All paths in it that are uses of its own.
    uses: Vec<Module>,
}

/// Each file that is in a circle, with those of its uses that lead back to it. A file comes as its
/// path below the root of the repository, and its text.
pub fn circles(files: &[(String, String)]) -> Vec<String> {
    let modules: BTreeSet<Module> = files.iter().map(|(name, _)| module(name)).collect();
    let sources: BTreeMap<Module, Source> =
        files.iter().map(|(name, text)| (module(name), source(name, text, &modules))).collect();
    let mut graph: BTreeMap<&Module, BTreeSet<&Module>> = BTreeMap::new();
    for (own, source) in &sources {
        let used = source.uses.iter().filter_map(|path| declared(path, &sources));
        // The root names all layers: it is in no circle.
        graph.insert(own, used.filter(|used| !used.is_empty() && !own.starts_with(used)).collect());
    }
    let reached: BTreeMap<&Module, BTreeSet<&Module>> =
        graph.keys().map(|from| (*from, reachable(from, &graph))).collect();
    let is_in_circle = |one: &Module, other: &Module| {
        one != other && reached[one].contains(other) && reached[other].contains(one)
    };
    let name = |module: &Module| sources[module].name.as_str();
    let lines = graph.iter().filter_map(|(own, used)| {
        let others: Vec<&str> =
            used.iter().filter(|used| is_in_circle(own, used)).map(|used| name(used)).collect();
        (!others.is_empty()).then(|| format!("{} uses {}", name(own), others.join(", ")))
    });
    lines.collect()
}

/// All that a file uses, directly or through others.
fn reachable<'a>(
    from: &'a Module,
    graph: &BTreeMap<&'a Module, BTreeSet<&'a Module>>,
) -> BTreeSet<&'a Module> {
    let (mut found, mut waiting) = (BTreeSet::new(), vec![from]);
    while let Some(next) = waiting.pop() {
        let used = graph.get(next).into_iter().flatten();
        waiting.extend(used.filter(|used| found.insert(**used)));
    }
    found
}

/// The module that a file is.
fn module(file: &str) -> Module {
    let path = file.strip_prefix("src/").unwrap().strip_suffix(".rs").unwrap();
    let parts = path.split('/').filter(|part| !matches!(*part, "mod" | "lib"));
    parts.map(str::to_owned).collect()
}

fn source(file: &str, text: &str, modules: &BTreeSet<Module>) -> Source {
    let own = module(file);
    let tokens = tokens(text);
    let (mut names, mut uses) = (BTreeMap::new(), Vec::new());
    let mut given_again = BTreeSet::new();
    for (index, _) in tokens.iter().enumerate().filter(|(_, token)| token.text == "use") {
        let mut leaves = Vec::new();
        tree(&tokens, index + 1, Vec::new(), &mut leaves);
        for leaf in leaves {
            let last = leaf[leaf.len() - 1].0.clone();
            let is_public = index > 0 && matches!(tokens[index - 1].text.as_str(), "pub" | ")");
            let Some(path) = absolute(&Written { parts: leaf, inside: 0 }, &own, modules) else { continue };
            if is_public {
                given_again.insert(path.clone());
            } else {
                uses.push(path.clone());
            }
            names.entry(last).or_insert(path);
        }
    }
    let of_children = children(&tokens, &own, modules);
    for written in paths(&tokens).into_iter().filter(|written| written.inside == 0).chain(of_children) {
        let path = absolute(&written, &own, modules);
        uses.extend(path.filter(|path| !given_again.contains(path)));
    }
    Source { name: file.to_owned(), names, uses }
}

/// Paths that begin with a module of the file's own, outside of `use`.
fn children(tokens: &[Token], own: &Module, modules: &BTreeSet<Module>) -> Vec<Written> {
    let text = |index: usize| tokens.get(index).map_or("", |token| token.text.as_str());
    let is_child = |name: &str| modules.contains(&below(own, name));
    let begins = |index: &usize| {
        let before = index.checked_sub(1).map_or("", text);
        is_child(text(*index)) && text(index + 1) == "::" && !matches!(before, "::" | "use" | "{" | ",")
    };
    let written = (0..tokens.len()).filter(begins).map(|index| {
        let mut leaves = Vec::new();
        tree(tokens, index, Vec::new(), &mut leaves);
        leaves.into_iter().map(|parts| Written { parts, inside: 0 })
    });
    written.flatten().collect()
}

fn below(module: &Module, name: &str) -> Module {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

/// A path from the root on; none for one into another crate.
fn absolute(written: &Written, own: &Module, modules: &BTreeSet<Module>) -> Option<Module> {
    let mut path = own.clone();
    let mut parts = written.parts.iter().map(|(name, _)| name.as_str()).peekable();
    let first = *parts.peek()?;
    if !matches!(first, "crate" | "self" | "super") && !modules.contains(&below(own, first)) {
        return None;
    }
    for part in parts {
        match part {
            "crate" => path.clear(),
            "self" => {}
            "super" => drop(path.pop()),
            part => path.push(part.to_owned()),
        }
    }
    Some(path)
}

/// The module that declares what a path leads to.
fn declared<'a>(path: &Module, sources: &'a BTreeMap<Module, Source>) -> Option<&'a Module> {
    let mut path = path.clone();
    // Names are given again a few times at most.
    for _ in 0..8 {
        let len = (0..=path.len()).rev().find(|len| sources.contains_key(&path[..*len]))?;
        let (module, source) = sources.get_key_value(&path[..len])?;
        match path.get(len).and_then(|name| source.names.get(name)) {
            Some(elsewhere) => path = elsewhere.iter().chain(&path[len + 1..]).cloned().collect(),
            None => return Some(module),
        }
    }
    None
}
