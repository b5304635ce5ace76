//! Workers as the processes see them that start them.

mod archive;
mod attend;
mod broker;
mod look;
mod manifests;
mod process;
mod restore;
mod verify;

pub use archive::Worker;
pub use broker::Broker;
pub use look::LookAt;
pub use manifests::Manifests;
pub use process::Program;
pub use restore::Restorer;
pub use verify::Verifier;
