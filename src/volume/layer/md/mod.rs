//! Linux software RAID.

mod array;

pub(super) use array::{Array, Layout};
