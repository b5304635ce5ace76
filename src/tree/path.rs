//! Paths that share their beginnings: of a deep tree with long names, a whole path for each level would take gigabytes.

use std::sync::Arc;

/// A path below the root of a filesystem, in bytes as on the disk; the root itself is the empty path.
#[derive(Clone, Debug, Default)]
pub struct TreePath(Option<Arc<Node>>);

#[derive(Debug)]
struct Node {
    above: TreePath,
    name: Box<[u8]>,
    /// Length of the whole path, in bytes.
    len: usize,
}

impl TreePath {
    /// The path of `name` in the directory that this path leads to.
    #[must_use]
    pub fn join(&self, name: &[u8]) -> Self {
        let len = self.len().saturating_add(usize::from(!self.is_empty())).saturating_add(name.len());
        Self(Some(Arc::new(Node { above: self.clone(), name: name.into(), len })))
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |node| node.len)
    }

    /// Whether this is the root.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The names with slashes between them, without a slash at either end.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut names = Vec::new();
        let mut rest = self;
        while let Self(Some(node)) = rest {
            names.push(node.name.as_ref());
            rest = &node.above;
        }
        names.reverse();
        names.join(&b'/')
    }
}

/// One node after the other: left to itself, dropping would call itself as often as the path is deep.
impl Drop for TreePath {
    fn drop(&mut self) {
        let mut next = self.0.take();
        while let Some(mut node) = next.and_then(Arc::into_inner) {
            next = node.above.0.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_its_names_with_slashes_between_them() {
        let root = TreePath::default();
        assert_eq!(root.to_bytes(), b"");
        assert_eq!(root.join(b"etc").to_bytes(), b"etc");
        let path = root.join(b"etc").join(b"\xff");
        assert_eq!(path.to_bytes(), b"etc/\xff");
        assert_eq!(path.len(), 5);
    }

    #[test]
    fn a_very_deep_path_is_dropped_without_calling_itself() {
        let deep = (0..1_000_000).fold(TreePath::default(), |path, _| path.join(b"x"));
        drop(deep);
    }
}
