//! The rights of root, taken apart: what parses needs none of them.
//!
//! <https://man7.org/linux/man-pages/man7/capabilities.7.html>

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

/// Owners, modes, attributes and flags of files, as an archive has them.
///
/// `trusted.*` and `security.*` take `CAP_SYS_ADMIN`, and every file of a guest with SELinux has
/// such an attribute. Which ones come is only known when the archive is parsed, and a process can't
/// give a right up for its parsing threads alone: they share its memory. So it stays, and seccomp
/// allows nothing else that it takes. There is no `capset(2)`, and no mount, namespace, or device
/// call.
pub(super) const EXTRACTING: CapabilitySet = EXTRACTING_UNFILTERED.union(CapabilitySet::SYS_ADMIN);

/// The same where the kernel has no seccomp.
pub(super) const EXTRACTING_UNFILTERED: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::LINUX_IMMUTABLE)
    .union(CapabilitySet::SETFCAP);

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
