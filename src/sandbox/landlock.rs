//! No path but those below one folder, and there no opening: Landlock.
//!
//! <https://docs.kernel.org/userspace-api/landlock.html>

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, PathBeneath, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, make_bitflags,
};

use super::Writing;

/// The newest Landlock whose rights are all given up. On an older kernel we give up the rights that
/// it knows. Newer rights are about sockets, which seccomp refuses to make.
const NEWEST: ABI = ABI::V6;

/// What making a tree takes: files of all kinds, and their names. Nothing is read but directories.
const EXTRACTING: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    MakeReg | MakeDir | MakeSym | MakeFifo | RemoveFile | RemoveDir | Refer | WriteFile | Truncate | ReadDir
});

/// Device nodes besides.
const DEVICES: BitFlags<AccessFs> = make_bitflags!(AccessFs::{MakeChar | MakeBlock});

/// Whether the kernel has Landlock; if so, the calling thread has given up all that it handles.
pub(super) fn restrict(writing: Writing<'_>) -> Result<bool, RulesetError> {
    let (folder, rights) = match writing {
        Writing::Nowhere | Writing::Receiving => (None, BitFlags::EMPTY),
        Writing::Extracting { folder, devices: false } => (Some(folder), EXTRACTING),
        Writing::Extracting { folder, devices: true } => (Some(folder), EXTRACTING | DEVICES),
    };
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .add_rules(folder.map(|folder| Ok::<_, RulesetError>(PathBeneath::new(folder, rights))))?;
    Ok(ruleset.restrict_self()?.ruleset != RulesetStatus::NotEnforced)
}
