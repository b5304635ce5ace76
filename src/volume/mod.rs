//! What lies where on one device: its partition table, and in each partition what the probe finds.
//!
//! The front door for programs that look into disk images:
//!
//! ```
//! let disk = voltar::Disk::open("fixtures/guest.img")?;
//! let hostname = disk.volume(4)?.read("/etc/hostname")?;
//! assert_eq!(hostname, b"guest\n");
//! # Ok::<(), voltar::Error>(())
//! ```

mod assembly;
mod devices;
mod disk;
mod id;
pub mod layer;
mod mounts;
mod node;
mod reading;

pub use devices::Devices;
pub use disk::Disk;
pub use id::VolumeId;
pub use mounts::mount_points;
pub use node::{Held, Standing, Volume};
pub use reading::Reading;

/// The name of a volume of which the probe knows nothing.
const UNKNOWN: &str = "unknown";
