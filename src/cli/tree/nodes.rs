//! A tree of names in little memory: each name is kept once, however deep what is below it lies.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use crate::error::{Error, Kind, Result};
use crate::filesystem::FileKind;
use crate::view::Budget;

/// Bytes of a node in the list and in the index.
const NODE_BYTES: usize = 96;

/// An entry, or a directory that has none of its own.
struct Node {
    /// The directory that it is in, its number; the top is in itself.
    parent: u32,
    name: Box<[u8]>,
    kind: FileKind,
    target: Option<Box<[u8]>>,
    /// The node put into it last, and the node put into its own directory before it; 0 for no node.
    last_child: u32,
    before: u32,
}

/// Takes an entry: whether something follows in its own directory and in those above it, its name,
/// what it is, and where it leads.
pub(super) type Take<'a> = dyn FnMut(&[bool], &[u8], FileKind, Option<&[u8]>) -> Result<()> + 'a;

/// All of them.
pub(super) struct Nodes {
    list: Vec<Node>,
    /// Numbers by directory and name.
    index: HashMap<u64, u32>,
    key: RandomState,
    budget: Budget,
    /// The names on the way to the directory that was last looked up, each with its number.
    way: Vec<(Box<[u8]>, u32)>,
}

impl Nodes {
    pub(super) fn new() -> Self {
        let top = Node {
            parent: 0,
            name: Box::default(),
            kind: FileKind::Directory,
            target: None,
            last_child: 0,
            before: 0,
        };
        Self {
            list: vec![top],
            index: HashMap::new(),
            key: RandomState::new(),
            budget: Budget::default(),
            way: Vec::new(),
        }
    }

    /// The number of a directory, by the names that lead to it.
    pub(super) fn directory<'a>(&mut self, names: impl Iterator<Item = &'a [u8]>) -> Result<u32> {
        let (mut at, mut depth) = (0, 0_usize);
        for name in names {
            match self.way.get(depth) {
                Some((known, number)) if known.as_ref() == name => at = *number,
                _ => {
                    self.way.truncate(depth);
                    at = self.child(at, name)?;
                    self.way.push((name.into(), at));
                }
            }
            depth = depth.saturating_add(1);
        }
        Ok(at)
    }

    /// Puts an entry into a directory. Of several with one name the last one counts.
    pub(super) fn put(
        &mut self,
        parent: u32,
        name: &[u8],
        kind: FileKind,
        target: Option<Vec<u8>>,
    ) -> Result<()> {
        self.take(target.as_ref().map_or(0, Vec::len))?;
        let number = self.child(parent, name)?;
        if let Some(node) = usize::try_from(number).ok().and_then(|number| self.list.get_mut(number)) {
            (node.kind, node.target) = (kind, target.map(Vec::into_boxed_slice));
        }
        Ok(())
    }

    fn take(&mut self, bytes: usize) -> Result<()> {
        self.budget
            .take(bytes, "the tree has too many entries: show a part of it, or use `voltar find`; they take")
    }

    /// Finds a directory's entry by name, and makes a directory there when there is no entry.
    fn child(&mut self, parent: u32, name: &[u8]) -> Result<u32> {
        let mut hash = self.key.hash_one((parent, name));
        while let Some(number) = self.index.get(&hash) {
            if self.node(*number).is_some_and(|node| node.parent == parent && *node.name == *name) {
                return Ok(*number);
            }
            hash = hash.wrapping_add(1);
        }
        self.take(name.len().saturating_add(NODE_BYTES))?;
        let too_many = |_| Error::new(Kind::Limit, "the tree has more entries than can be counted");
        let number = u32::try_from(self.list.len()).map_err(too_many)?;
        let above = usize::try_from(parent).ok().and_then(|parent| self.list.get_mut(parent));
        let before = above.map_or(0, |above| std::mem::replace(&mut above.last_child, number));
        let kind = FileKind::Directory;
        self.list.push(Node { parent, name: name.into(), kind, target: None, last_child: 0, before });
        self.index.insert(hash, number);
        Ok(number)
    }

    fn node(&self, number: u32) -> Option<&Node> {
        self.list.get(usize::try_from(number).ok()?)
    }

    /// The entries of a directory, by name.
    fn children(&self, number: u32) -> Vec<u32> {
        let (mut children, mut next) = (Vec::new(), self.node(number).map_or(0, |node| node.last_child));
        while next != 0 {
            children.push(next);
            next = self.node(next).map_or(0, |node| node.before);
        }
        // From the last to the first: they are taken from the end.
        let name = |number: &u32| self.node(*number).map(|node| &node.name);
        children.sort_unstable_by(|one, other| name(other).cmp(&name(one)));
        children
    }

    /// Gives each entry in the order of a tree.
    pub(super) fn each(&self, take: &mut Take<'_>) -> Result<()> {
        let mut levels = vec![self.children(0)];
        let mut follows = vec![false];
        while let Some(level) = levels.last_mut() {
            let Some(number) = level.pop() else {
                levels.pop();
                follows.pop();
                continue;
            };
            if let Some(last) = follows.last_mut() {
                *last = !level.is_empty();
            }
            if let Some(node) = self.node(number) {
                take(&follows, &node.name, node.kind, node.target.as_deref())?;
            }
            levels.push(self.children(number));
            follows.push(false);
        }
        Ok(())
    }
}
