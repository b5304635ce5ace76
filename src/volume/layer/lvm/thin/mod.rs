//! Thin pools: one store of data blocks, and a tree that says which volume has which of them.
//!
//! A pool may hold a snapshot of its own metadata for programs of its time; nobody else reads that.

mod block;
mod node;
mod pool;
mod tree;
mod volume;

pub(super) use pool::Pool;
pub(super) use volume::Thin;
