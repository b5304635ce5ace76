//! Formats of archives. Each encodes and decodes, and knows nothing of runs, paths or threads.
//!
//! ```text
//! tar        members: headers, pax records, sparse maps, ACLs, inode flags
//! manifest   records, a JSON line each
//! codec      compressions: frames, and the tables that say where these are
//! digest     checksums of archives and of files
//! ```

pub(crate) mod base64;
pub mod codec;
pub mod digest;
pub mod manifest;
pub mod tar;
