//! A real guest: Debian with a kernel and GRUB, on a GPT disk, made once and kept under `target/guest/`.
//!
//! It boots from its own disk, by a BIOS, and talks on its first serial port. GRUB is installed without a mount: its boot code goes into the
//! first sector, its core into the BIOS boot partition, as `grub-bios-setup` does it.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::tools;

/// Packages that bring the guest to well over 20,000 files: a kernel with its modules, headers, two interpreters.
const PACKAGES: &str = "linux-image-amd64,linux-headers-amd64,perl,python3,acl,attr,systemd-sysv";

/// UUID of the root: the boot loader and the kernel find it by that.
const ROOT_UUID: &str = "8f3a6c1e-52d7-4b0e-9c44-1d2b3a4c5d6e";

/// What its kernel is told, besides its root: to talk on the serial port, not to do what no test needs, and not to take a timer that comes late, as
/// on a busy host, for one that is broken.
const KERNEL_OPTIONS: &str = "ro console=ttyS0 quiet no_timer_check fsck.mode=skip audit=0 apparmor=0 mitigations=off systemd.mask=systemd-timesyncd.service \
     systemd.mask=apt-daily.timer systemd.mask=apt-daily-upgrade.timer systemd.mask=e2scrub_reap.service";

/// Where the program and the parts of GRUB for a BIOS are.
const GRUB: &str = "/usr/lib/grub/i386-pc";

/// What GRUB needs to find the root by its UUID, and a kernel on it.
const GRUB_MODULES: [&str; 10] = [
    "biosdisk",
    "part_gpt",
    "ext2",
    "search",
    "search_fs_uuid",
    "configfile",
    "linux",
    "serial",
    "terminal",
    "boot",
];

/// Where the BIOS boot partition begins.
const BOOT_START_BYTES: u64 = MIB;

const MIB: u64 = 1 << 20;

/// Where partition 2, the root, begins.
pub const ROOT_START_BYTES: u64 = 2 * MIB;

/// Length of the root: the tree takes about 1.2 GiB of it.
pub const ROOT_LEN_BYTES: u64 = 2048 * MIB;

/// The disk's table: a BIOS boot partition, and the root.
const TABLE: &str = "label: gpt\n\
                     start=1MiB, size=1MiB, type=21686148-6449-6E6F-744E-656564454649\n\
                     start=2MiB, size=2048MiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709\n";

/// The image of the guest; made if it is not there yet, which takes some minutes and the network.
pub fn image() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target/").join("guest");
    let image = folder.join("guest.img");
    if !is_bootable(&image) {
        fs::create_dir_all(&folder).expect("a folder under target/");
        let work = tempfile::tempdir_in(&folder).expect("a folder under target/");
        let root = work.path().join("root");
        eprintln!("making a Debian guest under {}, once", folder.display());
        debootstrap(&root);
        settle(&root);
        let unfinished = work.path().join("guest.img");
        disk(&root, &unfinished);
        install_grub(&unfinished, work.path());
        fs::rename(unfinished, &image).expect("a rename within a folder");
    }
    image
}

/// Whether it is there and has boot code: one that an older version of this made has none.
fn is_bootable(image: &Path) -> bool {
    let mut code = [0; 2];
    File::open(image).and_then(|file| file.read_exact_at(&mut code, 0)).is_ok() && code != [0, 0]
}

fn debootstrap(root: &Path) {
    let release = fs::read_to_string("/etc/os-release").expect("/etc/os-release");
    let suite = value(&release, "VERSION_CODENAME=").expect("the name of this machine's release");
    let mut command = tools::command("debootstrap");
    command.args(["--variant=minbase", &format!("--include={PACKAGES}"), suite]).arg(root).arg(mirror());
    let output = command.stdin(Stdio::null()).output().expect("debootstrap starts");
    tools::assert_success("debootstrap", &output);
}

/// The mirror that this machine's own packages come from: the first in its apt configuration.
pub fn mirror() -> String {
    let lists = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().filter_map(Result::ok);
    let mut lists: Vec<PathBuf> = lists.map(|entry| entry.path()).collect();
    lists.sort();
    lists.insert(0, PathBuf::from("/etc/apt/sources.list"));
    let is_list = |path: &PathBuf| path.extension().is_some_and(|end| end == "list" || end == "sources");
    lists
        .iter()
        .filter(|path| is_list(path))
        .filter_map(|path| fs::read_to_string(path).ok())
        .find_map(|text| mirror_of(&text).map(str::to_owned))
        .expect("a Debian mirror in /etc/apt/sources.list or /etc/apt/sources.list.d")
}

/// The first address of a list of package sources, in either of apt's formats.
fn mirror_of(text: &str) -> Option<&str> {
    let line =
        text.lines().map(str::trim).find(|line| line.starts_with("URIs:") || line.starts_with("deb "))?;
    line.split_whitespace().find(|word| word.contains("://"))
}

fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key)).map(|value| value.trim_matches('"'))
}

/// Writes what an installer would: where the root is, a name, and what GRUB boots.
fn settle(root: &Path) {
    let boot = root.join("boot");
    let named = |start: &str| {
        let files = fs::read_dir(&boot).expect("/boot").filter_map(Result::ok);
        let mut names = files.map(|file| file.file_name().to_string_lossy().into_owned());
        names.find(|name| name.starts_with(start)).unwrap_or_else(|| panic!("no {start} in /boot"))
    };
    let (kernel, initrd) = (named("vmlinuz-"), named("initrd.img-"));
    let menu = format!(
        "serial --unit=0 --speed=115200\nterminal_output serial\n\
         linux /boot/{kernel} root=UUID={ROOT_UUID} {KERNEL_OPTIONS}\ninitrd /boot/{initrd}\nboot\n"
    );
    fs::create_dir_all(boot.join("grub")).expect("a folder");
    let files = [
        ("boot/grub/grub.cfg", menu),
        ("etc/fstab", format!("UUID={ROOT_UUID} / ext4 defaults 0 1\n")),
        ("etc/hostname", "guest\n".to_owned()),
    ];
    for (path, text) in files {
        fs::write(root.join(path), text).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
}

/// Puts GRUB's boot code into the first sector, and its core into the BIOS boot partition.
///
/// Where they name each other: `include/grub/i386/pc/boot.h` and `grub-core/boot/i386/pc/diskboot.S` of GRUB.
fn install_grub(image: &Path, work: &Path) {
    const SECTOR: usize = 512;
    const CODE: usize = 440;
    /// `GRUB_BOOT_MACHINE_KERNEL_SECTOR`, and the jump that is overwritten so that the BIOS has the last word on its drive.
    const CORE_SECTOR_AT: usize = 0x5c;
    const DRIVE_CHECK_AT: usize = 0x66;
    /// The one block list at the end of the core's first sector: start, length, and the segment to load it to.
    const BLOCK_LIST_AT: usize = 0x1f4;
    const SEGMENT: u16 = 0x820;
    let (early, core) = (work.join("early.cfg"), work.join("core.img"));
    let text = format!("search.fs_uuid {ROOT_UUID} root\nconfigfile ($root)/boot/grub/grub.cfg\n");
    fs::write(&early, text).expect("a file");
    let mut mkimage = tools::command("grub-mkimage");
    mkimage.args(["-O", "i386-pc", "-d", GRUB, "-p", "/boot/grub", "-c"]).arg(&early).arg("-o").arg(&core);
    tools::assert_success("grub-mkimage", &mkimage.args(GRUB_MODULES).output().expect("grub-mkimage starts"));

    let start = BOOT_START_BYTES / SECTOR as u64;
    let mut code = fs::read(Path::new(GRUB).join("boot.img")).expect("boot.img of GRUB");
    code[CORE_SECTOR_AT..][..8].copy_from_slice(&start.to_le_bytes());
    code[DRIVE_CHECK_AT..][..2].copy_from_slice(&[0x90, 0x90]);
    let mut core = fs::read(&core).expect("the core that was made");
    let rest = core.len().div_ceil(SECTOR) as u16 - 1;
    core[BLOCK_LIST_AT..][..8].copy_from_slice(&(start + 1).to_le_bytes());
    core[BLOCK_LIST_AT + 8..][..2].copy_from_slice(&rest.to_le_bytes());
    core[BLOCK_LIST_AT + 10..][..2].copy_from_slice(&SEGMENT.to_le_bytes());
    let file = File::options().write(true).open(image).expect("the image");
    file.write_all_at(&code[..CODE], 0).expect("boot code in the first sector");
    file.write_all_at(&core, BOOT_START_BYTES).expect("the core in its partition");
}

fn disk(root: &Path, image: &Path) {
    File::create_new(image)
        .and_then(|file| file.set_len(ROOT_START_BYTES + ROOT_LEN_BYTES + MIB))
        .expect("an image");
    let mut command = tools::command("sfdisk");
    let mut sfdisk = command.arg("--quiet").arg(image).stdin(Stdio::piped()).spawn().expect("sfdisk starts");
    sfdisk.stdin.take().expect("a pipe").write_all(TABLE.as_bytes()).expect("sfdisk reads its table");
    assert!(sfdisk.wait().expect("sfdisk ends").success(), "sfdisk");
    let mut mke2fs = tools::command("mke2fs");
    mke2fs.args([
        "-q",
        "-F",
        "-t",
        "ext4",
        "-L",
        "guest",
        "-U",
        ROOT_UUID,
        "-E",
        &format!("offset={ROOT_START_BYTES}"),
        "-d",
    ]);
    let output = mke2fs.arg(root).arg(image).arg(format!("{}k", ROOT_LEN_BYTES / 1024)).output();
    tools::assert_success("mke2fs", &output.expect("mke2fs starts"));
}

/// Bytes of the tables of inodes that are in use, and of the group descriptors, by `dumpe2fs`.
pub fn table_bytes(image: &Path) -> u64 {
    let file = format!("{}?offset={ROOT_START_BYTES}", image.display());
    let text = String::from_utf8(tools::run("dumpe2fs", [file])).expect("text");
    let number = |key: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("dumpe2fs: {key}"))
    };
    let (per_group, inode_bytes) = (number("Inodes per group:"), number("Inode size:"));
    let groups = text.lines().filter(|line| line.starts_with("Group ")).count() as u64;
    // `…, 8113 free inodes, 2 directories, 8113 unused inodes`; without the last part, none is unused.
    let summaries = text.lines().filter(|line| line.contains(" free inodes, "));
    let unused: u64 = summaries
        .filter_map(|line| line.rsplit(", ").next()?.strip_suffix(" unused inodes")?.parse::<u64>().ok())
        .sum();
    const DESCRIPTOR_BYTES: u64 = 64;
    (groups * per_group - unused) * inode_bytes + groups * DESCRIPTOR_BYTES
}
