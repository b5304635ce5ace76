//! What not every kernel mounts is restored, and then shown by a kernel that does: Debian's own, in a virtual machine without any help of the host's.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

#[path = "../common/mod.rs"]
mod common;

use common::images::{self, Image};
use common::tools;
use common::trials::{Needs, run, trial};

const NEEDS: [Needs; 6] = [
    Needs::Tool("python3", "python3"),
    Needs::Tool("qemu-system-x86_64", "qemu-system-x86"),
    Needs::Tool("apt-get", "apt"),
    Needs::Tool("dpkg-deb", "dpkg"),
    Needs::Tool("depmod", "kmod"),
    Needs::Tool("mke2fs", "e2fsprogs"),
];

/// Images, and a path that the kernel finds only where it folds case.
const IMAGES: [(&str, &str); 3] =
    [("kernel-casefold", "Folded/ÜNDER/ẞHARP"), ("ext4-casefold", ""), ("kernel-verity", "")];

/// What the kernel shows of an image: all fields but the length of a directory and its hash index, which are the filesystem's own affair,
/// and the seal of verity, which is gone: that is an issue.
const LOOK: &str = r"
set -eu
export PATH=$PATH:/sbin:/usr/sbin LC_ALL=C
mkdir -p /mounted
look() {
    mount -o loop,ro $1.img /mounted
    cd /mounted
    fields='%m\t%U\t%G\t%T@\t%A@\t%C@\t%n\t%l\n'
    { find . -type d -printf '%p\t%y\t'$fields; find . ! -type d -printf '%p\t%y\t%s\t'$fields; } | sort
    find . -type f -exec sha1sum {} + | sort
    find . ! -type l -exec lsattr -d {} + | sed -E ':again; s/^([^ ]*)[IV]/\1-/; t again' | sort
    if [ -n $2 ]; then cat $2; fi
    cd /
    umount /mounted
}
";

fn main() -> ExitCode {
    let sentence = "names that fold case, and what verity sealed, are restored as the kernel shows them";
    run(vec![trial(sentence, &NEEDS, restored_elsewhere)])
}

fn restored_elsewhere() {
    let share = tools::temporary_folder();
    let inside = |name: &str| share.path().join(name);
    let mut script = LOOK.to_owned();
    for (name, folded) in IMAGES {
        let (before, after) = (inside(&format!("{name}-before.img")), inside(&format!("{name}-after.img")));
        let archive = inside(&format!("{name}.tar"));
        fs::copy(image(name).path(), &before).expect("a copy");
        let [quiet, output, to] = ["--quiet", "--output", "--to"].map(OsStr::new);
        voltar(&["archive".as_ref(), before.as_ref(), quiet, output, archive.as_ref()]);
        voltar(&["restore".as_ref(), archive.as_ref(), quiet, to, after.as_ref()]);
        for when in ["before", "after"] {
            script += &format!("look /share/{name}-{when} '{folded}' > /share/{name}-{when}.view\n");
        }
    }
    fs::write(inside("look"), script).expect("the script");
    let vm_run = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/vm-run");
    let mut machine = tools::command(vm_run.to_str().expect("a path"));
    machine.args(["--engine", "tcg", "--timeout", "300", "--share"]).arg(share.path());
    machine.args(["--", "bash", "/share/look"]);
    tools::assert_success("the machine", &machine.output().expect("vm-run starts"));
    for (name, _) in IMAGES {
        let view = |when| fs::read_to_string(inside(&format!("{name}-{when}.view"))).expect("a view");
        let (before, after) = (view("before"), view("after"));
        assert!(before.lines().count() > 4, "{name}: {before}");
        assert!(before == after, "{name}, before:\n{before}\nafter:\n{after}");
    }
}

/// Runs voltar, which may have issues.
fn voltar(arguments: &[&OsStr]) {
    let output = tools::output(env!("CARGO_BIN_EXE_voltar"), arguments);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", tools::said(&output));
}

fn image(name: &str) -> Image {
    images::all().into_iter().find(|image| image.name == name).unwrap_or_else(|| Image::recorded(name))
}
