//! A guest like those of Red Hat: files of this machine on an XFS, with labels, and copied while it
//! is mounted and a program writes.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Trial;

use super::common::archive::{Archive, Compression};
use super::common::tools::{self, run};
use super::common::trials::trial;
use super::compare;
use super::random::{Mount, NEEDS, after_recovery, make};

/// Files that are copied when nobody asks for more.
const FILES: usize = 1000;
/// Longest file that is copied: the number is what matters.
const LONGEST_BYTES: u64 = 100_000;
const OUTER_BYTES: u64 = 8 << 30;
const LEN_BYTES: u64 = 4 << 30;
/// `system_u:object_r:usr_t:s0` with the NUL that ends it, as SELinux stores it.
const LABEL: &str = "0x73797374656d5f753a6f626a6563745f723a7573725f743a733000";
/// Changes until the copy: a second process works on while it is made.
const CHANGES: &str = "200";

pub fn trial_of_it() -> Trial {
    trial("a guest with files of this machine, copied while a program writes", NEEDS, guest)
}

fn guest() {
    let files = std::env::var("VOLTAR_XFS_FILES");
    let files = files.map_or(FILES, |text| text.parse().expect("VOLTAR_XFS_FILES"));
    let folder = tools::temporary_folder();
    let outer = folder.path().join("outer");
    make(&outer, OUTER_BYTES, &[], &[]);
    let outer = Mount::new(&outer, "noatime");
    let (image, copy) = (outer.path().join("guest"), outer.path().join("copy"));
    make(&image, LEN_BYTES, &["-L root"], &[]);
    let mount = Mount::new(&image, "noatime,logbsize=256k");
    let mut left = files;
    fill(Path::new("/usr"), mount.path(), &mut left);
    fill(Path::new("/etc"), mount.path(), &mut (files / 20));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/xfs/work.py");
    let words = [OsStr::new(script), mount.path().as_os_str()].into_iter();
    let words = words.chain(["7", CHANGES, "copy"].map(OsStr::new));
    run("python3", words.chain([image.as_os_str(), copy.as_os_str()]));
    drop(mount);
    let kernel = after_recovery(&copy);
    assert!(kernel.len() > files, "{} entries", kernel.len());
    let archive = Archive::make(&copy, None, Compression::Zstd);
    compare("guest", &kernel, &archive.path, true);
}

/// Copies files with all that belongs to them, and labels each as SELinux does.
fn fill(from: &Path, root: &Path, left: &mut usize) {
    let mut waiting = vec![from.to_owned()];
    let mut chosen: Vec<PathBuf> = Vec::new();
    while let Some(folder) = waiting.pop().filter(|_| *left > 0) {
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut entries: Vec<_> = entries.collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                waiting.push(entry.path());
            } else if *left > 0
                && (metadata.is_file() || metadata.is_symlink())
                && metadata.len() < LONGEST_BYTES
            {
                chosen.push(entry.path());
                *left -= 1;
            }
        }
    }
    let list = root.join("list");
    let text: Vec<u8> =
        chosen.iter().flat_map(|path| [path.as_os_str().as_encoded_bytes(), b"\0"].concat()).collect();
    fs::write(&list, text).expect("a list");
    let script = format!(
        "tar -C / --null --verbatim-files-from -T \"$1/list\" --xattrs --acls -cf - | tar -C \"$1\" --xattrs \
                  --acls -xpf - && rm \"$1/list\" && find \"$1\" -type f -print0 | \
                  xargs -0 setfattr -n security.selinux -v {LABEL}"
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh"]).arg(root);
    tools::assert_success("tar", &command.output().expect("sh"));
}
