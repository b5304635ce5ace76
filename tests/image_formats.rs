//! Image formats, held against QEMU: the disk that a guest sees is the one that `qemu-img convert`
//! gives, byte for byte.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use voltar::device::image::{self, Wish};
use voltar::device::{Device, Io};

mod common;
#[path = "../fuzz/src/random.rs"]
#[allow(dead_code, reason = "the fuzz targets use the rest")]
mod random;

use common::kernel::Loop;
use common::tools;
use common::trials::{Needs, run, trial};
use random::Random;

const QEMU: Needs = Needs::Tool("qemu-img", "qemu-utils");
const ZSTD: Needs = Needs::Tool("zstd", "zstd");

/// A length that is no multiple of any cluster.
const DISK_BYTES: u64 = (9 << 20) + 3 * 512;

/// Formats as `qemu-img convert` makes them: the name here, QEMU's name and its options.
const MADE: [(&str, &str, &str); 20] = [
    ("v3.qcow2", "qcow2", "compat=1.1"),
    ("v2.qcow2", "qcow2", "compat=0.10"),
    ("small-clusters.qcow2", "qcow2", "cluster_size=512"),
    ("large-clusters.qcow2", "qcow2", "cluster_size=2M"),
    ("subclusters.qcow2", "qcow2", "extended_l2=on,cluster_size=128k"),
    ("preallocated.qcow2", "qcow2", "preallocation=metadata"),
    ("data-file.qcow2", "qcow2", "data_file=data-file.bin"),
    ("raw-data-file.qcow2", "qcow2", "data_file=raw-data-file.bin,data_file_raw=on"),
    ("sparse.vmdk", "vmdk", "subformat=monolithicSparse"),
    ("flat.vmdk", "vmdk", "subformat=monolithicFlat"),
    ("split.vmdk", "vmdk", "subformat=twoGbMaxExtentSparse"),
    ("split-flat.vmdk", "vmdk", "subformat=twoGbMaxExtentFlat"),
    ("stream.vmdk", "vmdk", "subformat=streamOptimized"),
    ("dynamic.vhd", "vpc", "subformat=dynamic"),
    ("fixed.vhd", "vpc", "subformat=fixed"),
    ("exact.vhd", "vpc", "subformat=dynamic,force_size=on"),
    ("dynamic.vhdx", "vhdx", "subformat=dynamic,block_size=1M"),
    ("fixed.vhdx", "vhdx", "subformat=fixed"),
    ("dynamic.vdi", "vdi", "preallocation=off"),
    ("fixed.vdi", "vdi", "static=on"),
];

fn main() -> ExitCode {
    run(vec![
        trial("each format has the bytes that QEMU gives", &[QEMU], each_format),
        trial("compressed clusters have the bytes that QEMU gives", &[QEMU], compressed),
        trial("chains, snapshots and discards have the bytes that QEMU gives", &[QEMU], random_histories),
        trial("the archive of an image is that of the raw disk", &[QEMU, ZSTD], same_archive),
        trial("the command line names a format, a snapshot and a folder", &[QEMU], command_line),
        trial("an image that lies is an error, or other bytes, and no panic", &[QEMU], mutations),
        trial("a block device is raw, whatever it begins with", &[QEMU, Needs::LoopMounts], block_device),
    ])
}

/// A disk with a filesystem, holes, and noise here and there.
fn raw_disk(folder: &Path) -> PathBuf {
    let path = folder.join("disk.raw");
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/guest.img");
    fs::copy(guest, &path).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(DISK_BYTES).unwrap();
    let mut random = Random::new(7);
    for _ in 0..12 {
        let noise: Vec<u8> = (0..1 + random.below(70_000)).map(|_| random.number() as u8).collect();
        let place = (6 << 20) + random.below(DISK_BYTES as usize - (6 << 20) - noise.len()) as u64;
        file.write_all_at(&noise, place).unwrap();
    }
    file.write_all_at(b"the last bytes", DISK_BYTES - 14).unwrap();
    path
}

fn convert(arguments: &[&str], from: &Path, to: &Path) {
    let paths = [from, to].map(|path| path.to_str().unwrap());
    let output = tools::command("qemu-img")
        .args(["convert", "-t", "unsafe"])
        .args(arguments)
        .args(paths)
        .current_dir(to.parent().unwrap())
        .output()
        .unwrap();
    tools::assert_success("qemu-img convert", &output);
}

/// The bytes that QEMU gives.
fn expected(image: &Path, arguments: &[&str]) -> Vec<u8> {
    let raw = image.with_extension("expected");
    convert(&[arguments, &["-O", "raw"]].concat(), image, &raw);
    let bytes = fs::read(&raw).unwrap();
    fs::remove_file(raw).unwrap();
    bytes
}

fn opened(image: &Path, wish: &Wish) -> Device {
    image::open(image, Io::Auto, wish).unwrap_or_else(|error| panic!("{error}")).device
}

/// The bytes that we give, read in pieces of a length that divides nothing.
fn bytes(device: &Device) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(device.len_bytes()).unwrap()];
    let mut at = 0;
    for piece in bytes.chunks_mut(77_777) {
        device.read_at(at, piece).unwrap_or_else(|error| panic!("{error}"));
        at += piece.len() as u64;
    }
    bytes
}

/// Holds a device to the bytes that it should have; where it says that nothing is, are zeros.
fn assert_same(what: &str, device: &Device, expected: &[u8]) {
    assert_eq!(device.len_bytes(), expected.len() as u64, "{what}: length");
    let found = bytes(device);
    let first = found.iter().zip(expected).position(|(found, expected)| found != expected);
    assert_eq!(first, None, "{what}: the first byte that is not the same");
    let mut at = 0;
    while let Some(data) = device.next_data(at) {
        assert!(data.start() >= at && !data.is_empty(), "{what}: {data:?} after {at}");
        assert!(expected[at as usize..data.start() as usize].iter().all(|byte| *byte == 0), "{what}: {at}");
        at = data.end();
    }
    assert!(expected[at as usize..].iter().all(|byte| *byte == 0), "{what}: {at} to the end");
}

fn each_format() {
    let folder = tools::temporary_folder();
    let raw = raw_disk(folder.path());
    for (name, format, options) in MADE {
        let image = folder.path().join(name);
        convert(&["-f", "raw", "-O", format, "-o", options], &raw, &image);
        let opened =
            image::open(&image, Io::Auto, &Wish::default()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(opened.format, image.extension().unwrap().to_str().unwrap(), "{name}");
        assert!(opened.warnings.is_empty() && opened.faults.is_empty(), "{name}");
        assert_same(name, &opened.device, &expected(&image, &["-f", format]));
    }
}

fn compressed() {
    let folder = tools::temporary_folder();
    let raw = raw_disk(folder.path());
    let cases = [
        "compression_type=zlib",
        "compression_type=zstd",
        "cluster_size=2M",
        "cluster_size=512",
        "extended_l2=on",
    ];
    for (index, options) in cases.iter().enumerate() {
        let image = folder.path().join(format!("{index}.qcow2"));
        convert(&["-c", "-f", "raw", "-O", "qcow2", "-o", options], &raw, &image);
        assert_same(options, &opened(&image, &Wish::default()), &expected(&image, &["-f", "qcow2"]));
    }
}

/// What QEMU does to images, at random: each image and each snapshot is the same at the end.
fn random_histories() {
    for (seed, options) in [
        "cluster_size=64k",
        "cluster_size=4k,compat=0.10",
        "extended_l2=on,cluster_size=128k",
        "compression_type=zstd",
    ]
    .iter()
    .enumerate()
    {
        let folder = tools::temporary_folder();
        let mut random = Random::new(seed as u64);
        let mut chain = vec![raw_disk(folder.path())];
        for layer in 0..2 {
            let image = folder.path().join(format!("{layer}.qcow2"));
            let below = chain.last().unwrap();
            let format = if layer == 0 { "raw" } else { "qcow2" };
            // Some are larger than what they lie on.
            let size = (DISK_BYTES + layer * (1 << 20)).to_string();
            let backing = below.file_name().unwrap().to_str().unwrap();
            let arguments = ["create", "-q", "-f", "qcow2", "-o", options, "-b", backing, "-F", format];
            let output = tools::command("qemu-img")
                .args(arguments)
                .args([image.to_str().unwrap(), &size])
                .current_dir(folder.path())
                .output()
                .unwrap();
            tools::assert_success("qemu-img create", &output);
            for round in 0..3 {
                change(&image, &mut random, size.parse().unwrap(), round == 0);
                if round < 2 {
                    tools::run(
                        "qemu-img",
                        ["snapshot", "-c", &format!("state {round}"), image.to_str().unwrap()],
                    );
                }
            }
            chain.push(image);
        }
        for image in &chain[1..] {
            let what = format!("{options}: {}", image.display());
            assert_same(&what, &opened(image, &Wish::default()), &expected(image, &["-f", "qcow2"]));
            for state in ["state 0", "state 1"] {
                let wish = Wish { snapshot: Some(state.to_owned()), ..Wish::default() };
                let expected = expected(image, &["-f", "qcow2", "-l", &format!("snapshot.name={state}")]);
                assert_same(&format!("{what}, {state}"), &opened(image, &wish), &expected);
            }
        }
        let wish = Wish { snapshot: Some("state 9".to_owned()), ..Wish::default() };
        let error = image::open(&chain[1], Io::Auto, &wish).unwrap_err().to_string();
        assert!(error.contains("it has state 0, state 1"), "{error}");
    }
}

/// Writes, zeroes and discards at random places. What is compressed is written first, where nothing
/// is yet.
fn change(image: &Path, random: &mut Random, size: u64, compresses: bool) {
    let mut commands = Vec::new();
    let places: Vec<u64> = (0..40).filter(|_| compresses && random.one_in(4)).collect();
    for place in places {
        let pattern = 1 + random.below(255);
        commands.extend(["-c".to_owned(), format!("write -c -P {pattern} {} 128k", place * (128 << 10))]);
    }
    for _ in 0..25 {
        let len = 512 * (1 + random.below(400)) as u64;
        let at = 512 * random.below(((size - len) / 512) as usize) as u64;
        let command = match random.below(5) {
            0 => format!("write -z {at} {len}"),
            1 => format!("write -z -u {at} {len}"),
            2 => format!("discard {at} {len}"),
            _ => format!("write -P {} {at} {len}", 1 + random.below(255)),
        };
        commands.extend(["-c".to_owned(), command]);
    }
    let output = tools::command("qemu-io")
        .args(["-f", "qcow2", "-d", "unmap", "-t", "unsafe"])
        .args(commands)
        .arg(image)
        .output()
        .unwrap();
    tools::assert_success("qemu-io", &output);
}

fn same_archive() {
    let folder = tools::temporary_folder();
    let raw = raw_disk(folder.path());
    let tar = |source: &Path| {
        let archive = source.with_extension("tar.zst");
        let arguments =
            ["archive", source.to_str().unwrap(), "-q", "--force", "-o", archive.to_str().unwrap()];
        tools::voltar(arguments, 0);
        let tar = tools::run("zstd", ["-dc", archive.to_str().unwrap()]);
        fs::remove_file(archive).unwrap();
        tar
    };
    let expected = tar(&raw);
    for (name, format, options) in [MADE[0], MADE[4], MADE[12], MADE[16], MADE[18]] {
        let image = folder.path().join(name);
        convert(&["-f", "raw", "-O", format, "-o", options], &raw, &image);
        assert!(tar(&image) == expected, "{name}: the tar is another one");
    }
}

/// `--format`, `--image-snapshot` and `--allow-below` reach the worker.
fn command_line() {
    let folder = tools::temporary_folder();
    let raw = raw_disk(folder.path());
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::create_dir(at("images")).unwrap();
    let (odd, top) = (at("images/odd.img"), at("images/top.qcow2"));
    convert(&["-f", "raw", "-O", "qcow2"], &raw, Path::new(&odd));
    tools::run("qemu-img", ["create", "-q", "-f", "qcow2", "-b", &at("disk.raw"), "-F", "raw", &top]);
    tools::run("qemu-img", ["snapshot", "-c", "before", &top]);
    let hostname = |options: &[&str], image: &str, code: i32| {
        let file = format!("{image}:p4/etc/hostname");
        tools::voltar([&["cat"], options, &[&file]].concat(), code)
    };
    let said = |output: &std::process::Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let refused = said(&hostname(&[], &odd, 1));
    assert!(refused.contains("--format qcow2"), "{refused}");
    assert_eq!(hostname(&["--format", "qcow2"], &odd, 0).stdout, b"guest\n");
    let refused = said(&hostname(&[], &top, 1));
    assert!(refused.contains("--allow-below"), "{refused}");
    let allowed = ["--allow-below", folder.path().to_str().unwrap()];
    assert_eq!(hostname(&allowed, &top, 0).stdout, b"guest\n");
    let options = [&allowed[..], &["--image-snapshot", "before"]].concat();
    assert_eq!(hostname(&options, &top, 0).stdout, b"guest\n");
    let options = [&allowed[..], &["--image-snapshot", "after"]].concat();
    let refused = said(&hostname(&options, &top, 2));
    assert!(refused.contains("it has before"), "{refused}");
}

/// Changes bytes of headers and tables, and reads everything.
fn mutations() {
    let folder = tools::temporary_folder();
    let raw = folder.path().join("disk.raw");
    fs::File::create(&raw).unwrap().set_len(2 << 20).unwrap();
    fs::write(&raw, [7; 300_000]).unwrap();
    let mut random = Random::new(1);
    for (name, format, options) in MADE {
        if name.contains("data-file") || name.contains("fixed") || name.contains("flat") {
            continue;
        }
        let image = folder.path().join(name);
        convert(&["-f", "raw", "-O", format, "-o", options], &raw, &image);
        let sound = fs::read(&image).unwrap();
        for round in 0..60 {
            let mut lies = sound.clone();
            for _ in 0..1 + random.below(4) {
                let range = if round % 2 == 0 { 1024 } else { 330_000 };
                let at = random.below(range.min(lies.len() - 8));
                let value = [0, 1, 0x7f, 0x80, 0xff, 3][random.below(6)];
                let len = [1, 4, 8][random.below(3)];
                lies[at..at + len].fill(value);
            }
            fs::write(&image, &lies).unwrap();
            let read = || {
                let Ok(opened) = image::open(&image, Io::Pread, &Wish::default()) else { return };
                let device = opened.device;
                let mut piece = vec![0; 64 << 10];
                let end = device.len_bytes().min(4 << 20);
                for at in (0..end).step_by(64 << 10) {
                    let len = (end - at).min(64 << 10) as usize;
                    let _ = device.read_at(at, &mut piece[..len]);
                }
                let data = device.next_data(0);
                assert!(data.is_none_or(|data| data.end() <= device.len_bytes()));
            };
            let outcome = catch_unwind(AssertUnwindSafe(read));
            assert!(outcome.is_ok(), "{name}, round {round}");
        }
    }
}

/// A guest writes the first bytes of its disk as it likes.
fn block_device() {
    let folder = tools::temporary_folder();
    let raw = raw_disk(folder.path());
    let image = folder.path().join("inside.qcow2");
    convert(&["-f", "raw", "-O", "qcow2"], &raw, &image);
    let device = Loop::disk(&image);
    let opened = image::open(&device.device, Io::Auto, &Wish::default()).unwrap();
    assert_eq!(opened.format, image::RAW);
    let wish = Wish { format: Some("qcow2".to_owned()), ..Wish::default() };
    assert_same(
        "a qcow2 image on a block device",
        &self::opened(&device.device, &wish),
        &fs::read(&raw).unwrap(),
    );
}
