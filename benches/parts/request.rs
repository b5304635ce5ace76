//! The benches' request: everything of a disk, as usual, at no particular time.

use std::num::NonZeroU16;

use voltar::archive::{Compression, Identity, Nobody, Options, Request};

/// The usual options, for so many threads.
pub fn options(compression: Compression, threads: u16) -> Options {
    Options { compression, threads: NonZeroU16::new(threads), ..Options::default() }
}

/// A request with these options.
pub fn request(options: &Options) -> Request<'_> {
    Request { options, identity: Identity::default(), observer: &Nobody }
}
