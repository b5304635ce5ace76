//! A whole Debian guest of over 20,000 files: its archive against the kernel's view, and what making it costs.
//!
//! The guest is made once, by debootstrap with the packages of the mirror that this machine uses itself, and kept under
//! `target/guest/`; delete that folder to have it made anew.

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

mod common;

use common::archive::Compression;
use common::diff::assert_none;
use common::extract::Reader;
use common::kernel::Loop;
use common::limits::unexplained;
use common::record::{Kind, Tree};
use common::subject::Subject;
use common::trials::{Needs, run, trial};
use common::{guest, tools};

const NEEDS: &[Needs] = &[
    Needs::Root,
    Needs::LoopMounts,
    Needs::Tool("debootstrap", "debootstrap"),
    Needs::Tool("sfdisk", "fdisk"),
    Needs::Tool("grub-mkimage", "grub-common and grub-pc-bin"),
    Needs::Tool("partx", "util-linux"),
    Needs::Tool("mke2fs", "e2fsprogs"),
    Needs::Tool("dumpe2fs", "e2fsprogs"),
    Needs::Tool("tar", "tar"),
    Needs::Tool("bsdtar", "libarchive-tools"),
    Needs::Tool("zstd", "zstd"),
    Needs::Tool("gzip", "gzip"),
    Needs::Tool("sha1sum", "coreutils"),
    Needs::Tool("time", "time"),
];

const FEWEST_FILES: usize = 20_000;

/// The most memory that an archive of the guest may take at any moment, of whatever size the guest is.
const MOST_MEMORY_BYTES: u64 = 200 << 20;

/// What may be read for 100 bytes that are needed.
const MOST_READ_PERCENT: u64 = 105;

fn main() -> ExitCode {
    let disk: Arc<OnceLock<Subject>> = Arc::default();
    let get = move || -> Arc<OnceLock<Subject>> {
        disk.get_or_init(|| Subject::all_of("guest", &guest::image()).remove(0));
        Arc::clone(&disk)
    };
    let get = Arc::new(get);
    let mut trials = Vec::new();
    for compression in [Compression::Zstd, Compression::Gzip] {
        let program = compression.program();
        let disk = Arc::clone(&get);
        trials.push(trial(
            format!("other programs accept the {program} archive of a guest"),
            NEEDS,
            move || {
                disk().get().expect("a guest").archive(compression).check_with_other_programs();
            },
        ));
        for (reader, sees) in [
            (Reader::Manifest, "its manifest tells it"),
            (Reader::Strict, "its headers tell it"),
            (Reader::GnuTar, "GNU tar extracts it"),
            (Reader::Bsdtar, "bsdtar extracts it"),
        ] {
            let disk = Arc::clone(&get);
            let sentence = format!("the {program} archive of a guest as {sees} is what the kernel shows");
            trials.push(trial(sentence, NEEDS, move || {
                compare(disk().get().expect("a guest"), compression, reader)
            }));
        }
        let disk = Arc::clone(&get);
        let sentence =
            format!("the {program} archive of a guest takes little memory and reads what it needs");
        trials.push(trial(sentence, NEEDS, move || measure(disk().get().expect("a guest"), compression)));
    }
    run(trials)
}

fn compare(disk: &Subject, compression: Compression, reader: Reader) {
    let kernel = disk.kernel_view();
    assert!(kernel.len() > FEWEST_FILES, "a guest of only {} files", kernel.len());
    let found = disk.without_root_of_disk(reader.tree(&disk.archive(compression).path, disk.members()));
    assert_none("guest", &unexplained(reader, kernel, &found));
}

fn measure(disk: &Subject, compression: Compression) {
    let image = guest::image();
    let (data_bytes, stored_bytes) = file_bytes(disk.kernel_view());
    let needed_bytes = stored_bytes + guest::table_bytes(&image);
    let device = Loop::disk(&image);
    let before = device.bytes_read();
    let archive = Measured::make(&device.device, compression);
    let read_bytes = device.bytes_read() - before;
    eprintln!(
        "guest, {}: {needed_bytes} bytes needed, {read_bytes} read from the device, {} by the manifest's count; \
         {} bytes of memory",
        compression.program(),
        archive.bytes_read,
        archive.peak_memory_bytes
    );
    let most_bytes = needed_bytes / 100 * MOST_READ_PERCENT;
    assert!(archive.bytes_read <= most_bytes, "{} bytes read, at most {most_bytes}", archive.bytes_read);
    assert!(archive.bytes_read >= data_bytes, "{} bytes read, of {data_bytes} in files", archive.bytes_read);
    assert!(read_bytes <= most_bytes, "{read_bytes} bytes read from the device, at most {most_bytes}");
    let from_file = Measured::make(&image, compression);
    for peak in [archive.peak_memory_bytes, from_file.peak_memory_bytes] {
        assert!(peak < MOST_MEMORY_BYTES, "{peak} bytes of memory, at most {MOST_MEMORY_BYTES}");
    }
}

/// Bytes in files, and bytes of blocks that files, directories and symbolic links have, each inode once.
fn file_bytes(tree: &Tree) -> (u64, u64) {
    let once = tree.iter().filter(|(path, record)| record.linked.as_ref().is_none_or(|first| first == *path));
    once.fold((0, 0), |(data, stored), (_, record)| {
        let size = record.size_bytes.filter(|_| record.kind == Kind::File).unwrap_or(0);
        let blocks = record.stored_bytes.unwrap_or(0);
        (data + size.min(blocks), stored + blocks)
    })
}

/// What making one archive took.
struct Measured {
    peak_memory_bytes: u64,
    /// From the last record of the manifest.
    bytes_read: u64,
}

impl Measured {
    fn make(source: &Path, compression: Compression) -> Self {
        let folder = tools::temporary_folder();
        let target = folder.path().join("archive").with_extension(compression.suffix());
        let report = folder.path().join("memory");
        let mut time = tools::command("time");
        time.args(["--format=%M", "--output"]).arg(&report).arg(env!("CARGO_BIN_EXE_voltar"));
        time.arg("archive").arg(source).arg("-o").arg(&target).arg("--quiet");
        tools::assert_success("voltar", &time.output().expect("time starts"));
        let kibibytes: u64 = common::tree::text(&report).parse().expect("a number");
        let manifest = common::archive::manifest(&target);
        let tail = manifest.last().expect("a manifest has records");
        assert_eq!(tail["record"], "tail");
        let bytes_read = tail["bytes_read"].as_u64().expect("bytes_read in the last record");
        Self { peak_memory_bytes: kibibytes << 10, bytes_read }
    }
}
