//! Compares two trees field by field.

use std::collections::BTreeSet;
use std::fmt;

use super::record::{Kind, Record, Tree, shown};
use super::{acl, flags};

/// A field of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// Whether the entry is there.
    Presence,
    Kind,
    Mode,
    Uid,
    Gid,
    Size,
    Mtime,
    Atime,
    Ctime,
    Btime,
    Device,
    Target,
    /// Which paths are links of one file.
    Linked,
    Links,
    Content,
    Sha1,
    /// Digest of the stored data.
    DataSha1,
    /// Bytes stored: more than the data of the original means that holes were filled.
    Stored,
    Xattr(Vec<u8>),
    Flags,
}

/// One field of one entry that is not what the kernel shows.
#[derive(Clone, Debug)]
pub struct Difference {
    pub path: Vec<u8>,
    pub field: Field,
    pub kernel: String,
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = match &self.field {
            Field::Xattr(name) => format!("xattr {}", name.escape_ascii()),
            field => format!("{field:?}").to_lowercase(),
        };
        write!(f, "{}: {field}: kernel {}, found {}", shown(&self.path), self.kernel, self.found)
    }
}

/// All differences of `found` from the kernel's view. A field that either does not know is left out.
pub fn differences(kernel: &Tree, found: &Tree) -> Vec<Difference> {
    let paths: BTreeSet<&Vec<u8>> = kernel.keys().chain(found.keys()).collect();
    let mut all = Vec::new();
    for path in paths {
        let mut differ = Comparison { path, all: &mut all };
        match (kernel.get(path), found.get(path)) {
            (Some(kernel), Some(found)) => differ.records(kernel, found),
            (kernel, found) => {
                let there = |record: Option<&Record>| {
                    record.map_or("nothing".to_owned(), |r| format!("{:?}", r.kind))
                };
                differ.put(Field::Presence, there(kernel), there(found));
            }
        }
    }
    all
}

/// Panics with the first differences, when there are any.
pub fn assert_none(what: &str, differences: &[Difference]) {
    const SHOWN: usize = 40;
    let lines: Vec<String> = differences.iter().take(SHOWN).map(ToString::to_string).collect();
    assert!(differences.is_empty(), "{what}: {} differences\n{}", differences.len(), lines.join("\n"));
}

struct Comparison<'a> {
    path: &'a [u8],
    all: &'a mut Vec<Difference>,
}

impl Comparison<'_> {
    fn records(&mut self, kernel: &Record, found: &Record) {
        self.field(Field::Kind, Some(kernel.kind), Some(found.kind));
        // Linux gives symbolic links all permission bits and lets nobody change them.
        let mode = |record: &Record| record.mode.filter(|_| kernel.kind != Kind::Symlink);
        self.field(Field::Mode, mode(kernel), mode(found));
        self.field(Field::Uid, kernel.uid, found.uid);
        self.field(Field::Gid, kernel.gid, found.gid);
        self.field(Field::Size, kernel.size_bytes, found.size_bytes);
        self.field(Field::Mtime, kernel.mtime, found.mtime);
        self.field(Field::Atime, kernel.atime, found.atime);
        self.field(Field::Ctime, kernel.ctime, found.ctime);
        self.field(Field::Btime, kernel.btime, found.btime);
        self.field(Field::Device, kernel.device, found.device);
        let text = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| shown(bytes));
        if kernel.target != found.target {
            self.put(
                Field::Target,
                format!("{:?}", text(&kernel.target)),
                format!("{:?}", text(&found.target)),
            );
        }
        if kernel.linked != found.linked {
            self.put(
                Field::Linked,
                format!("{:?}", text(&kernel.linked)),
                format!("{:?}", text(&found.linked)),
            );
        }
        self.field(Field::Links, kernel.links, found.links);
        self.field(Field::Content, kernel.content, found.content);
        let hex =
            |digest: Option<[u8; 20]>| digest.map(|digest| digest.map(|byte| format!("{byte:02x}")).concat());
        self.field(Field::Sha1, hex(kernel.sha1), hex(found.sha1));
        self.field(Field::DataSha1, hex(kernel.data_sha1), hex(found.data_sha1));
        if let (Some(most), Some(stored)) = (kernel.most_stored_bytes, found.stored_bytes)
            && stored > most
        {
            self.put(Field::Stored, format!("at most {most} bytes"), format!("{stored} bytes"));
        }
        self.xattrs(kernel, found);
        let archived = |record: &Record| record.flags.map(flags::archived);
        if let (Some(kernel), Some(found)) = (archived(kernel), archived(found))
            && kernel != found
        {
            self.put(Field::Flags, format!("{kernel:#x}"), format!("{found:#x}"));
        }
    }

    fn xattrs(&mut self, kernel: &Record, found: &Record) {
        let (Some(kernel), Some(found)) = (&kernel.xattrs, &found.xattrs) else { return };
        let names: BTreeSet<&Vec<u8>> = kernel.keys().chain(found.keys()).collect();
        for name in names {
            let (kernel, found) = (kernel.get(name), found.get(name));
            let same = if name.starts_with(b"system.posix_acl_") {
                kernel.map(|value| acl::entries(value)) == found.map(|value| acl::entries(value))
            } else {
                kernel == found
            };
            if !same {
                let value = |value: Option<&Vec<u8>>| value.map_or("none".to_owned(), |value| shown(value));
                self.put(Field::Xattr(name.clone()), value(kernel), value(found));
            }
        }
    }

    fn field<T: PartialEq + fmt::Debug>(&mut self, field: Field, kernel: Option<T>, found: Option<T>) {
        if let (Some(kernel), Some(found)) = (kernel, found)
            && kernel != found
        {
            self.put(field, format!("{kernel:?}"), format!("{found:?}"));
        }
    }

    fn put(&mut self, field: Field, kernel: String, found: String) {
        self.all.push(Difference { path: self.path.to_vec(), field, kernel, found });
    }
}
