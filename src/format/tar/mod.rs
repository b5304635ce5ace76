//! Members of a tar: what is written, and what is read of whatever tar made it.

pub(crate) mod acl;
pub(crate) mod encode;
pub(crate) mod flags;
pub(crate) mod form;
pub(crate) mod header;
pub(crate) mod member;
pub(crate) mod number;
pub(crate) mod pax;
pub(crate) mod sparse;
