//! What one archive is made of, the archive, and what the kernel says that must be in it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::archive::{Archive, Compression};
use super::kernel::{self, Holds, Mount, Partition};
use super::record::Tree;
use super::tree;

/// A disk, a filesystem without a partition table, or one partition of a disk.
pub struct Subject {
    /// For messages: `guest`, or `guest partition 2`.
    pub name: String,
    image: PathBuf,
    partition: Option<u32>,
    scope: Scope,
    view: OnceLock<Tree>,
    archives: [OnceLock<Archive>; 2],
}

enum Scope {
    Disk(Vec<Partition>),
    Filesystem { start_bytes: u64, len_bytes: u64 },
}

impl Subject {
    /// The whole image, and each of its ext partitions alone.
    pub fn all_of(name: &str, image: &Path) -> Vec<Self> {
        let new = |name: String, partition, scope| Self {
            name,
            image: image.to_owned(),
            partition,
            scope,
            view: OnceLock::new(),
            archives: [OnceLock::new(), OnceLock::new()],
        };
        let partitions = kernel::partitions(image);
        if partitions.is_empty() {
            let len_bytes = image.metadata().expect("the image").len();
            return vec![new(name.to_owned(), None, Scope::Filesystem { start_bytes: 0, len_bytes })];
        }
        let ext = partitions.iter().filter(|partition| holds(image, partition) == Holds::Ext);
        let mut subjects: Vec<Self> = ext
            .map(|&Partition { number, start_bytes, len_bytes }| {
                let scope = Scope::Filesystem { start_bytes, len_bytes };
                new(format!("{name} partition {number}"), Some(number), scope)
            })
            .collect();
        subjects.insert(0, new(name.to_owned(), None, Scope::Disk(partitions)));
        subjects
    }

    /// The kernel's view, with the paths that the archive must have.
    pub fn kernel_view(&self) -> &Tree {
        self.view.get_or_init(|| match &self.scope {
            Scope::Filesystem { start_bytes, len_bytes } => mounted(&self.image, *start_bytes, *len_bytes),
            Scope::Disk(partitions) => {
                partitions.iter().flat_map(|partition| self.partition_view(partition)).collect()
            }
        })
    }

    /// The archive, made when it is first asked for.
    pub fn archive(&self, compression: Compression) -> &Archive {
        self.archives[compression as usize]
            .get_or_init(|| Archive::make(&self.image, self.partition, compression))
    }

    /// The names of the members that the archive must have.
    pub fn members(&self) -> impl Iterator<Item = Vec<u8>> {
        let prefix: &[u8] = if matches!(self.scope, Scope::Disk(_)) { b"" } else { b"./" };
        self.kernel_view().keys().map(move |path| [prefix, path].concat())
    }

    /// The part of a tree that the archive can hold: where it has folders for partitions, the root is not in it.
    pub fn without_root_of_disk(&self, mut tree: Tree) -> Tree {
        if matches!(self.scope, Scope::Disk(_)) {
            tree.remove(&b""[..]);
        }
        tree
    }

    fn partition_view(&self, partition: &Partition) -> Tree {
        let &Partition { number, start_bytes, len_bytes } = partition;
        let name = format!("p{number}");
        match holds(&self.image, partition) {
            Holds::Nothing => Tree::new(),
            Holds::Other => {
                let record = tree::range_of_image(&self.image, start_bytes, len_bytes);
                Tree::from([(format!("{name}.img").into_bytes(), record)])
            }
            Holds::Ext => {
                let prefixed = |path: &[u8]| {
                    if path.is_empty() {
                        name.clone().into_bytes()
                    } else {
                        [name.as_bytes(), b"/", path].concat()
                    }
                };
                mounted(&self.image, start_bytes, len_bytes)
                    .into_iter()
                    .map(|(path, mut record)| {
                        record.linked = record.linked.map(|first| prefixed(&first));
                        (prefixed(&path), record)
                    })
                    .collect()
            }
        }
    }
}

fn holds(image: &Path, partition: &Partition) -> Holds {
    kernel::holds(image, partition.start_bytes, partition.len_bytes)
}

fn mounted(image: &Path, start_bytes: u64, len_bytes: u64) -> Tree {
    let mount = if kernel::needs_recovery(image, start_bytes) {
        Mount::recovered(image, start_bytes, len_bytes)
    } else {
        Mount::read_only(image, start_bytes, len_bytes)
    };
    tree::read(mount.path())
}
