//! LUKS, held against cryptsetup and OpenSSL: one makes the header, the other encrypts the disk, and
//! it is read with its key.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use voltar::device::{Io, open};
use voltar::volume::{Devices, Disk, Standing};

mod common;

use common::tools;
use common::trials::{Needs, run, trial};

const CRYPTSETUP: Needs = Needs::Tool("cryptsetup", "cryptsetup-bin");
const PYTHON: Needs = Needs::Tool("python3", "python3");

const PASSPHRASE: &str = "open sesame";

/// Options of `luksFormat`, bytes of the key, bytes of a sector.
type Form = (&'static [&'static str], u64, u64);

const FORMS_1: [Form; 3] = [
    (&["--type", "luks1", "--pbkdf-force-iterations", "1000"], 64, 512),
    (&["--type", "luks1", "--pbkdf-force-iterations", "1001", "--hash", "sha1"], 32, 512),
    (&["--type", "luks1", "--pbkdf-force-iterations", "1000", "--hash", "sha512"], 32, 512),
];

const FORMS_2: [Form; 4] = [
    (
        &[
            "--type",
            "luks2",
            "--pbkdf",
            "argon2id",
            "--pbkdf-force-iterations",
            "4",
            "--pbkdf-memory",
            "1024",
        ],
        64,
        512,
    ),
    (
        &[
            "--type",
            "luks2",
            "--pbkdf",
            "argon2i",
            "--pbkdf-force-iterations",
            "5",
            "--pbkdf-memory",
            "600",
            "--pbkdf-parallel",
            "2",
        ],
        32,
        4096,
    ),
    (
        &["--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--hash", "sha512"],
        64,
        4096,
    ),
    (
        &["--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--hash", "sha1"],
        32,
        512,
    ),
];

/// Encrypts standard input with AES-XTS of libcrypto: the key, and the bytes of a sector, whose
/// numbers count in 512 bytes.
const ENCRYPT: &str = "
import ctypes, ctypes.util, sys
crypto = ctypes.CDLL(ctypes.util.find_library('crypto') or 'libcrypto.so.3')
for name in ('EVP_CIPHER_CTX_new', 'EVP_aes_128_xts', 'EVP_aes_256_xts'):
    getattr(crypto, name).restype = ctypes.c_void_p
key, sector = open(sys.argv[1], 'rb').read(), int(sys.argv[2])
cipher = {32: crypto.EVP_aes_128_xts, 64: crypto.EVP_aes_256_xts}[len(key)]
context = ctypes.c_void_p(crypto.EVP_CIPHER_CTX_new())
plain, number = sys.stdin.buffer.read(), 0
out = ctypes.create_string_buffer(sector)
for at in range(0, len(plain), sector):
    tweak = number.to_bytes(16, 'little')
    assert crypto.EVP_EncryptInit_ex(context, ctypes.c_void_p(cipher()), None, key, tweak) == 1
    count = ctypes.c_int()
    assert crypto.EVP_EncryptUpdate(context, out, ctypes.byref(count), plain[at:at + sector], sector) == 1
    assert count.value == sector
    sys.stdout.buffer.write(out.raw)
    number += sector // 512
";

fn main() -> ExitCode {
    run(vec![
        trial("a volume of version 1 has the bytes that OpenSSL encrypted", &[CRYPTSETUP, PYTHON], version_1),
        trial("a volume of version 2 has the bytes that OpenSSL encrypted", &[CRYPTSETUP, PYTHON], version_2),
        trial("the second header counts where the first is damaged", &[CRYPTSETUP, PYTHON], second_header),
        trial("a passphrase may end with the end of a line", &[CRYPTSETUP, PYTHON], end_of_line),
        trial("a key file opens it from the command line", &[CRYPTSETUP, PYTHON], key_file),
        trial("without the right key a volume is stored as it is", &[CRYPTSETUP, PYTHON], without_key),
    ])
}

fn guest() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/guest.img")
}

/// The disk in an encrypted volume, or why it is closed.
fn opened(image: &Path, key: &[u8]) -> Result<Vec<u8>, String> {
    let mut devices = Devices::new(image, open(image, Io::Auto).unwrap());
    devices.keys = if key.is_empty() { Vec::new() } else { vec![key.to_vec()] };
    let disk = Disk::from_devices(devices).unwrap();
    let inner = disk.volumes().iter().find(|volume| volume.id().to_string() == "luks");
    let Some(inner) = inner else {
        return Err(match disk.volumes()[0].standing() {
            Standing::Locked(note) => note.clone(),
            Standing::Closed(error) => error.to_string(),
            other => panic!("{other:?}"),
        });
    };
    let mut bytes = vec![0; usize::try_from(inner.device().len_bytes()).unwrap()];
    let mut at = 0;
    // Pieces that begin and end within sectors, and others that are whole ones.
    for (index, len) in [4096, 1, 511, 5000, 3000, 8192].into_iter().cycle().enumerate() {
        let end = (at + len + index % 2).min(bytes.len());
        inner.device().read_at(at as u64, &mut bytes[at..end]).unwrap();
        at = end;
        if at == bytes.len() {
            return Ok(bytes);
        }
    }
    unreachable!("the pieces never end")
}

/// The header is cryptsetup's, the data are encrypted by OpenSSL.
fn encrypted(folder: &Path, (options, key_bytes, sector_bytes): Form) -> PathBuf {
    let image = folder.join("disk.luks");
    let at = |name: &str| folder.join(name).display().to_string();
    let disk = fs::read(guest()).unwrap();
    let file = fs::File::create(&image).unwrap();
    file.set_len((16 << 20) + disk.len() as u64).unwrap();
    let key: Vec<u8> = (0..key_bytes).map(|index| (index * 37 + 11) as u8).collect();
    fs::write(at("volume.key"), &key).unwrap();
    fs::write(at("passphrase"), PASSPHRASE).unwrap();
    let (bits, sector) = ((key_bytes * 8).to_string(), sector_bytes.to_string());
    let fixed = [
        "luksFormat",
        "-q",
        "--cipher",
        "aes-xts-plain64",
        "--key-size",
        &bits,
        "--volume-key-file",
        &at("volume.key"),
        "--key-file",
        &at("passphrase"),
    ]
    .map(str::to_owned);
    let is_first = options.contains(&"luks1");
    let sectors = ["--sector-size", &sector].map(str::to_owned).into_iter().filter(|_| !is_first);
    let given = options.iter().map(|option| (*option).to_owned()).chain(sectors);
    tools::run("cryptsetup", fixed.into_iter().chain(given).chain([image.display().to_string()]));
    let mut python = tools::command("python3");
    python.args(["-c", ENCRYPT, &at("volume.key"), &sector]).stdin(fs::File::open(guest()).unwrap());
    let output = python.output().unwrap();
    tools::assert_success("python3", &output);
    assert_eq!(output.stdout.len(), disk.len());
    // Version 1 tells where the data are; for version 2 cryptsetup takes 16 MiB.
    let header = fs::read(&image).unwrap();
    let payload = u64::from(u32::from_be_bytes(header[104..108].try_into().unwrap())) * 512;
    let data_at = if is_first { payload } else { 16 << 20 };
    file.write_all_at(&output.stdout, data_at).unwrap();
    file.set_len(data_at + disk.len() as u64).unwrap();
    image
}

fn version_1() {
    FORMS_1.into_iter().for_each(has_the_bytes);
}

fn version_2() {
    FORMS_2.into_iter().for_each(has_the_bytes);
}

fn has_the_bytes(form: Form) {
    let folder = tools::temporary_folder();
    let image = encrypted(folder.path(), form);
    let found = opened(&image, PASSPHRASE.as_bytes()).unwrap_or_else(|why| panic!("{form:?}: {why}"));
    assert!(found == fs::read(guest()).unwrap(), "{form:?}: the bytes are other ones");
}

fn second_header() {
    let folder = tools::temporary_folder();
    let image = encrypted(folder.path(), FORMS_2[3]);
    let file = fs::OpenOptions::new().write(true).open(&image).unwrap();
    file.write_all_at(b"damaged", 5000).unwrap();
    assert!(opened(&image, PASSPHRASE.as_bytes()).unwrap() == fs::read(guest()).unwrap());
    file.write_all_at(b"damaged", 16384 + 5000).unwrap();
    let why = opened(&image, PASSPHRASE.as_bytes()).unwrap_err();
    assert!(why.contains("no LUKS header that can be trusted"), "{why}");
}

fn end_of_line() {
    let folder = tools::temporary_folder();
    let image = encrypted(folder.path(), FORMS_1[0]);
    let passphrase = format!("{PASSPHRASE}\n");
    assert!(opened(&image, passphrase.as_bytes()).unwrap() == fs::read(guest()).unwrap());
}

fn key_file() {
    let folder = tools::temporary_folder();
    let image = encrypted(folder.path(), FORMS_2[0]).display().to_string();
    let key = folder.path().join("passphrase").display().to_string();
    let archive = folder.path().join("a.tar.zst").display().to_string();
    tools::voltar(["archive", &image, "--key-file", &key, "-q", "-o", &archive], 0);
    for source in [&archive, &image] {
        let file = format!("{source}:p4@luks/etc/hostname");
        let output = tools::voltar(["cat", "--key-file", &key, &file], 0);
        assert_eq!(output.stdout, b"guest\n", "{file}");
    }
    // Without the key the volume is stored as it is.
    let output = tools::voltar(["archive", &image, "--force", "-o", &archive], 0);
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("--key-file opens it"),
        "{}",
        tools::said(&output)
    );
}

fn without_key() {
    let folder = tools::temporary_folder();
    let image = encrypted(folder.path(), FORMS_1[0]);
    let why = opened(&image, b"").unwrap_err();
    assert!(why.contains("--key-file opens it"), "{why}");
    let why = opened(&image, b"another").unwrap_err();
    assert!(why.contains("no key that was given opens"), "{why}");
}
