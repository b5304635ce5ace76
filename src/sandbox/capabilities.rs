//! The rights of root, taken apart: what parses needs none of them.
//!
//! <https://man7.org/linux/man-pages/man7/capabilities.7.html>

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

/// Owners, modes, attributes and flags of files, as an archive has them. `trusted.*` and most of
/// `security.*` take `CAP_SYS_ADMIN`; seccomp leaves nothing else that it would allow.
pub(super) const EXTRACTING: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::LINUX_IMMUTABLE)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SYS_ADMIN);

/// Device nodes.
pub(super) const DEVICES: CapabilitySet = CapabilitySet::MKNOD;

/// Numbers that a capability can have: a set has 64 bits.
const NUMBERS: u32 = u64::BITS;

/// Drops all capabilities but `kept`, of which the process keeps those that it has.
pub(super) fn drop_all_but(kept: CapabilitySet) -> Result<(), Errno> {
    // The bounding set first: to drop something from it takes a capability.
    for number in 0..NUMBERS {
        let one = CapabilitySet::from_bits_retain(1_u64 << number);
        if kept.intersects(one) {
            continue;
        }
        match remove_capability_from_bounding_set(one) {
            // The kernel does not have it, or the process may not: then it gains nothing from the
            // bounding set either, as no program can be started.
            Ok(()) | Err(Errno::INVAL | Errno::PERM) => {}
            Err(errno) => return Err(errno),
        }
    }
    match clear_ambient_capability_set() {
        Ok(()) | Err(Errno::INVAL) => {}
        Err(errno) => return Err(errno),
    }
    let kept = capabilities(None)?.permitted.intersection(kept);
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets)
}
