//! From an archive back to a disk.

pub mod ext;
