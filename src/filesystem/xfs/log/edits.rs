//! The effects of unfinished changes on the files that they concern.

use std::collections::HashMap;

use super::super::attribute::{Space, names};
use super::super::extent::Run;
use crate::filesystem::Attribute;

/// An attribute that is set, or removed where there is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::filesystem::xfs) struct AttributeChange {
    pub space: Space,
    pub name: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

impl AttributeChange {
    /// Whether it concerns this attribute, or the access control list that it stands for.
    pub(in crate::filesystem::xfs) fn is_for(&self, attribute: &Attribute) -> bool {
        let (shown, acl) = names(self.space, &self.name);
        attribute.name == shown || acl.is_some_and(|acl| attribute.name == acl)
    }
}

/// The changes by inode.
#[derive(Clone, Debug, Default)]
pub(in crate::filesystem::xfs) struct Edits {
    runs: HashMap<u64, Vec<Run>>,
    run_count: usize,
    sizes: HashMap<u64, u64>,
    attributes: HashMap<u64, Vec<AttributeChange>>,
}

impl Edits {
    /// The runs of a file: those that it has on the device, or others.
    pub(in crate::filesystem::xfs) fn amend(&self, inode: u64, runs: Vec<Run>) -> Vec<Run> {
        self.runs.get(&inode).cloned().unwrap_or(runs)
    }

    pub(in crate::filesystem::xfs) fn size(&self, inode: u64) -> Option<u64> {
        self.sizes.get(&inode).copied()
    }

    pub(in crate::filesystem::xfs) fn attributes(&self, inode: u64) -> &[AttributeChange] {
        self.attributes.get(&inode).map_or(&[], Vec::as_slice)
    }

    /// Runs of all files that have others now.
    pub(super) fn run_count(&self) -> usize {
        self.run_count
    }

    pub(super) fn set_runs(&mut self, inode: u64, runs: Vec<Run>) {
        self.run_count = self.run_count.saturating_add(runs.len());
        let before = self.runs.insert(inode, runs).map_or(0, |runs| runs.len());
        self.run_count = self.run_count.saturating_sub(before);
    }

    pub(super) fn set_size(&mut self, inode: u64, size: u64) {
        self.sizes.insert(inode, size);
    }

    pub(super) fn change_attribute(&mut self, inode: u64, change: AttributeChange) {
        self.attributes.entry(inode).or_default().push(change);
    }
}
