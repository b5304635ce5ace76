//! Stores: the places that archives lie in, and the archives there.

pub mod archives;
pub mod choice;
mod ends;
pub mod folder;
pub mod names;
pub mod scope;

pub use archives::Archived;
#[cfg(test)]
pub use ends::Here;
pub use ends::ReadEnds;
