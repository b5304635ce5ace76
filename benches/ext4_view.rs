//! A tar of an ext4 filesystem, made with the crate `ext4-view`: one of the ways that `benches/versus` compares.
//!
//! ```text
//! cargo bench --bench ext4_view -- IMAGE START_BYTES > out.tar
//! ```
//!
//! It is what one writes with that crate in an hour: every file by its path, in the order of the directories, read through a window of the image.
//! Links, attributes and devices' numbers are not in its interface, nor holes.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::ExitCode;

use ext4_view::{Ext4, Ext4Read, FileType, Metadata};

/// A partition of an image.
struct Window {
    image: File,
    start_bytes: u64,
}

impl Ext4Read for Window {
    fn read(
        &mut self,
        start_byte: u64,
        to: &mut [u8],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync + 'static>> {
        Ok(self.image.read_exact_at(to, self.start_bytes + start_byte)?)
    }
}

fn main() -> ExitCode {
    // cargo adds --bench.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [image, start] = arguments.as_slice() else {
        eprintln!("ext4_view: IMAGE START_BYTES > out.tar");
        // `cargo bench` runs all benches, and this one has nothing to do then.
        return ExitCode::from(if arguments.is_empty() { 0 } else { 2 });
    };
    match archive(image, start) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ext4_view: {image}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn archive(image: &str, start: &str) -> Result<(), Box<dyn std::error::Error>> {
    let start_bytes = start.parse()?;
    let filesystem = Ext4::load(Box::new(Window { image: File::open(image)?, start_bytes }))?;
    let mut tar = tar::Builder::new(BufWriter::with_capacity(1 << 20, io::stdout().lock()));
    let mut to_do = vec![b"/".to_vec()];
    while let Some(folder) = to_do.pop() {
        for entry in filesystem.read_dir(folder.as_slice())? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.as_ref(), b"." | b"..") {
                continue;
            }
            let path = entry.path();
            let path: &[u8] = path.as_ref();
            let metadata = filesystem.symlink_metadata(path)?;
            add(&mut tar, &filesystem, path, &metadata)?;
            if metadata.file_type() == FileType::Directory {
                to_do.push(path.to_vec());
            }
        }
    }
    tar.into_inner()?.flush()?;
    Ok(())
}

fn add(
    tar: &mut tar::Builder<impl Write>,
    filesystem: &Ext4,
    path: &[u8],
    metadata: &Metadata,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(u32::from(metadata.mode()));
    header.set_uid(u64::from(metadata.uid()));
    header.set_gid(u64::from(metadata.gid()));
    header.set_mtime(u64::try_from(metadata.modified().seconds()).unwrap_or(0));
    header.set_size(0);
    let name = Path::new(std::ffi::OsStr::from_bytes(&path[1..]));
    match metadata.file_type() {
        FileType::Regular => {
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(metadata.len());
            tar.append_data(&mut header, name, Content(filesystem.open(path)?).take(metadata.len()))?;
        }
        FileType::Directory => {
            header.set_entry_type(tar::EntryType::Directory);
            tar.append_data(&mut header, name, io::empty())?;
        }
        FileType::Symlink => {
            header.set_entry_type(tar::EntryType::Symlink);
            let target = filesystem.read_link(path)?;
            let target: &[u8] = target.as_ref();
            tar.append_link(&mut header, name, Path::new(std::ffi::OsStr::from_bytes(target)))?;
        }
        // A device's number is not to be had.
        FileType::CharacterDevice | FileType::BlockDevice | FileType::Fifo | FileType::Socket => {}
    }
    Ok(())
}

/// A file of the filesystem as a stream.
struct Content(ext4_view::File);

impl Read for Content {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.0.read_bytes(to).map_err(io::Error::other)
    }
}
