//! The disks that are measured: the guest of `fixtures/`, and a larger one, made in memory.

use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};

use fs_ext4::Filesystem;
use fs_ext4::block_io::BlockDevice;
use fs_ext4::mkfs::format_filesystem;
use voltar::Disk;
use voltar::device::Device;

/// A disk in memory: neither the page cache nor a medium is measured.
#[derive(Clone, Copy, Debug)]
pub enum Image {
    /// `fixtures/guest.img`: 6 MiB, nearly all of it free.
    Guest,
    /// An ext4 of 128 MiB with 2,000 small files and 4 large ones, half full.
    Large,
}

impl Image {
    pub const ALL: [Self; 2] = [Self::Guest, Self::Large];

    pub fn device(self) -> Device {
        static GUEST: LazyLock<Arc<Vec<u8>>> = LazyLock::new(|| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/guest.img");
            Arc::new(std::fs::read(path).expect("fixtures/guest.img"))
        });
        static LARGE: LazyLock<Arc<Vec<u8>>> = LazyLock::new(|| Arc::new(large()));
        let bytes: Arc<Vec<u8>> = match self {
            Self::Guest => GUEST.clone(),
            Self::Large => LARGE.clone(),
        };
        bytes
    }

    pub fn disk(self) -> Disk {
        Disk::from_device(Path::new("disk"), self.device()).expect("a sound disk")
    }
}

impl std::fmt::Display for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Guest => "guest",
            Self::Large => "large",
        })
    }
}

const LARGE_BYTES: usize = 128 << 20;
const FOLDERS: usize = 40;
const FILES_IN_FOLDER: usize = 50;
const LARGE_FILES: usize = 4;
const LARGE_FILE_BYTES: usize = 8 << 20;

/// A filesystem of many small files, and a few large ones, the same every time.
fn large() -> Vec<u8> {
    let memory = Arc::new(Memory(Mutex::new(vec![0; LARGE_BYTES])));
    format_filesystem(&*memory, Some("large"), Some([7; 16]), LARGE_BYTES as u64, 4096)
        .expect("a filesystem");
    let device: Arc<dyn BlockDevice> = memory.clone();
    let filesystem = Filesystem::mount(device).expect("the filesystem");
    let write = |path: &str, bytes: &[u8]| {
        filesystem.apply_create(path, 0o644).expect("room for a file");
        filesystem.apply_replace_file_content(path, bytes).expect("room for its bytes");
    };
    for folder in 0..FOLDERS {
        filesystem.apply_mkdir(&format!("/folder-{folder}"), 0o755).expect("room for a folder");
        for file in 0..FILES_IN_FOLDER {
            let seed = folder * FILES_IN_FOLDER + file;
            // From nothing to 40 KB, most of them small.
            write(&format!("/folder-{folder}/file-{file}"), &text(seed, file * file * 16));
        }
    }
    for file in 0..LARGE_FILES {
        write(&format!("/large-{file}"), &text(file, LARGE_FILE_BYTES));
    }
    filesystem.flush().expect("the filesystem is written");
    drop(filesystem);
    let mut bytes = memory.0.lock().expect("nobody else writes");
    std::mem::take(&mut *bytes)
}

/// Words in an order that only the seed decides: about as compressible as the files of a guest.
pub fn text(seed: usize, len: usize) -> Vec<u8> {
    let mut state = seed as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let mut bytes = Vec::with_capacity(len + 16);
    while bytes.len() < len {
        // xorshift64: <https://www.jstatsoft.org/article/view/v008i14>
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        match state % 8 {
            0 => bytes.extend(state.to_le_bytes()),
            1..4 => bytes.extend(format!("word-{} ", state >> 54).bytes()),
            _ => bytes.extend(format!("{:03}=0;\n", state >> 58).bytes()),
        }
    }
    bytes.truncate(len);
    bytes
}

/// Bytes that `rust-fs-ext4` can write to.
struct Memory(Mutex<Vec<u8>>);

impl Memory {
    fn part<T>(&self, offset: u64, len: usize, with: impl FnOnce(&mut [u8]) -> T) -> fs_ext4::Result<T> {
        let mut bytes = self.0.lock().expect("nobody else panics");
        let start = usize::try_from(offset).expect("an address");
        bytes.get_mut(start..start + len).map(with).ok_or(fs_ext4::Error::Corrupt("past the end"))
    }
}

impl BlockDevice for Memory {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> fs_ext4::Result<()> {
        self.part(offset, buffer.len(), |bytes| buffer.copy_from_slice(bytes))
    }

    fn size_bytes(&self) -> u64 {
        LARGE_BYTES as u64
    }

    fn write_at(&self, offset: u64, buffer: &[u8]) -> fs_ext4::Result<()> {
        self.part(offset, buffer.len(), |bytes| bytes.copy_from_slice(buffer))
    }

    fn is_writable(&self) -> bool {
        true
    }
}
