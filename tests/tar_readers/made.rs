//! The archives that all readers read: of each fixture, and of a tree of names that readers stumble
//! over.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::OnceLock;

use crate::common::images::{self, Image};
use crate::common::tools;
use crate::seen::Seen;

/// Longest file whose content is read, and the longest that the strict reader makes a digest of.
pub const MOST_BYTES: u64 = 64 << 20;

/// Images with files of terabytes, which are skipped when each file is read to its end.
const HUGE: [&str; 3] = ["huge-file", "sparse-1tib", "ext2-indirect"];

/// An archive, and what readers should see in it.
pub struct Made {
    pub name: String,
    pub path: PathBuf,
    expected: OnceLock<Vec<Seen>>,
}

impl Made {
    /// The members, in order.
    pub fn expected(&self) -> &[Seen] {
        self.expected.get_or_init(|| Seen::of_manifest(self))
    }

    /// Whether all its files together are short enough to be read.
    pub fn is_readable(&self) -> bool {
        !HUGE.contains(&self.name.as_str())
    }
}

/// How holes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holes {
    Sparse,
    Zeros,
}

/// All archives of one kind, made when they are first asked for.
pub fn all(holes: Holes) -> &'static [Made] {
    static MADE: [OnceLock<Vec<Made>>; 2] = [const { OnceLock::new() }; 2];
    MADE[usize::from(holes == Holes::Zeros)].get_or_init(|| make(holes))
}

/// The folder of everything that these tests make. It goes when the process ends.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER.get_or_init(tools::temporary_folder).path()
}

/// Removes all that was made.
pub fn remove() {
    let _ = fs::remove_dir_all(folder());
}

fn make(holes: Holes) -> Vec<Made> {
    let odd = odd_names();
    let to = folder().join(format!("{holes:?}"));
    fs::create_dir(&to).unwrap();
    let images: Vec<Image> = images::all();
    let mut work: Vec<(String, &Path)> = images
        .iter()
        // A name that takes no space on a disk may be too long for a tar.
        .filter(|image| holes == Holes::Sparse || !HUGE.contains(&image.name.as_str()))
        .map(|image| (image.name.clone(), image.path()))
        .collect();
    work.push(("odd-names".to_owned(), odd));
    let made = Mutex::new(Vec::new());
    let work = Mutex::new(work.into_iter());
    let next = || work.lock().unwrap().next();
    let archive = |name: String, image: &Path| {
        let folder = to.join(&name);
        fs::create_dir(&folder).unwrap();
        let path = folder.join("archive.tar");
        let sparse = if holes == Holes::Zeros { "no" } else { "yes" };
        let options = ["-q", "-T", "1", "-c", "none", "--file-digest", "sha1", "--sparse", sparse];
        let files = [image.as_os_str(), OsStr::new("-o"), path.as_os_str()];
        tools::voltar(["archive"].iter().chain(&options).map(OsStr::new).chain(files), 0);
        made.lock().unwrap().push(Made { name, path, expected: OnceLock::new() });
    };
    std::thread::scope(|scope| {
        let worker = || {
            while let Some((name, image)) = next() {
                archive(name, image);
            }
        };
        let workers = [scope.spawn(worker), scope.spawn(worker)];
        for worker in workers {
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    let mut made = made.into_inner().unwrap();
    made.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(made.len() > 50, "only {} archives", made.len());
    made
}

/// An image of names, targets and attributes that readers of tars have stumbled over.
fn odd_names() -> &'static Path {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let (tree, image) = (folder().join("odd"), folder().join("odd.img"));
        let at = |name: &[u8]| tree.join(OsStr::from_bytes(name));
        let long = |byte: u8, len: usize| vec![byte; len];
        let sparse = |name: &[u8]| {
            let file = File::create(at(name)).unwrap();
            file.write_all_at(&long(b'q', 5000), 1 << 20).unwrap();
            file
        };
        let deep = [long(b'n', 120), long(b'd', 200)].join(&b'/');
        fs::create_dir_all(at(&deep)).unwrap();
        sparse(&[deep.as_slice(), b"/", &long(b's', 60)].concat());
        sparse(&[long(b'n', 120), b"/".to_vec(), long(b's', 60)].concat());
        sparse(&long(b's', 110));
        sparse("é".as_bytes());
        sparse(b"sparse");
        // A hole at the end, and nothing but a hole.
        sparse(b"hole at the end").set_len(2 << 20).unwrap();
        File::create(at(b"hole")).unwrap().set_len(300_000).unwrap();
        let names: [&[u8]; 14] = [
            &long(b'a', 98),
            &long(b'a', 99),
            &long(b'b', 255),
            "é€".as_bytes(),
            b"bad\xff\xfe",
            b"new\nline",
            b"-dash",
            b"back\\slash",
            b"tab\tand=equals",
            b"esc\x1b[31m",
            b" spaces ",
            b"q'uote\"",
            b"a:b",
            b"*?[x]",
        ];
        names.iter().for_each(|name| fs::write(at(name), name.repeat(3)).unwrap());
        for (name, target) in [(&b"link 101"[..], long(b't', 101)), (b"link 900", long(b'u', 900))] {
            std::os::unix::fs::symlink(OsStr::from_bytes(&target), at(name)).unwrap();
        }
        std::os::unix::fs::symlink(OsStr::from_bytes(b"new\nline\xff"), at(b"odd link")).unwrap();
        fs::hard_link(at(&long(b'b', 255)), at(b"zz further name")).unwrap();
        File::create(&image).unwrap().set_len(32 << 20).unwrap();
        let (mut tree, mut image_path) = (tree.into_os_string(), image.clone().into_os_string());
        let options = ["-q", "-t", "ext4", "-F", "-d"].map(OsString::from);
        let arguments =
            options.into_iter().chain([std::mem::take(&mut tree), std::mem::take(&mut image_path)]);
        tools::run("mke2fs", arguments);
        image
    })
}

/// The archive of a filesystem with an attribute whose name holds a zero byte.
pub fn with_a_bad_attribute() -> Made {
    let folder = folder().join("bad attribute");
    let (tree, image, path) = (folder.join("tree"), folder.join("disk.img"), folder.join("archive.tar"));
    fs::create_dir_all(&tree).unwrap();
    fs::write(tree.join("file"), "content").unwrap();
    File::create(&image).unwrap().set_len(8 << 20).unwrap();
    // Without checksums, what is changed is not repaired.
    let options = ["-q", "-t", "ext4", "-O", "^metadata_csum", "-F", "-d"];
    tools::run("mke2fs", options.map(OsStr::new).into_iter().chain([tree.as_os_str(), image.as_os_str()]));
    let set = ["-w", "-R", "ea_set file user.nameXend value"].map(OsStr::new);
    tools::run("debugfs", set.into_iter().chain([image.as_os_str()]));
    let mut bytes = fs::read(&image).unwrap();
    let places: Vec<usize> = memchr::memmem::find_iter(&bytes, b"nameXend").collect();
    assert!(!places.is_empty(), "the attribute is not on the disk");
    places.iter().for_each(|at| bytes[at + 4] = 0);
    fs::write(&image, bytes).unwrap();
    let files = [image.as_os_str(), OsStr::new("-o"), path.as_os_str()];
    tools::voltar(["archive", "-q", "-c", "none"].map(OsStr::new).into_iter().chain(files), 3);
    Made { name: "bad attribute".to_owned(), path, expected: OnceLock::new() }
}
