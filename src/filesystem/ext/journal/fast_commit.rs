//! Fast commits: changes since the last transaction, by inode, name and range instead of by block.

use super::checksum::crc32c;
use super::fault::FastCommitFault;
use super::log::Blocks;
use super::superblock::Superblock;
use crate::error::Result;
use crate::fields::{Short, slice_at, u16_at, u32_at, wide};

/// Bytes of the fast commit area that are read at most: 64 times its usual size with blocks of 4 KiB.
const MAX_AREA_BYTES: u32 = 64 << 20;
/// Changes that are taken at most; the kernel writes three for a new file, in 200 bytes or more.
const MAX_CHANGES: usize = 1 << 18;
/// Bytes of a tag before its value.
const TAG_BYTES: usize = 4;
/// Longest name (`EXT4_NAME_LEN`).
const MAX_NAME_BYTES: usize = 255;
/// Shortest record of an inode (`EXT4_GOOD_OLD_INODE_SIZE`).
const MIN_INODE_BYTES: usize = 128;
/// Longest extent of written blocks (`EXT_INIT_MAX_LEN`); a longer one is unwritten, and so much shorter.
const MAX_WRITTEN_BLOCKS: u16 = 32768;

const ADD_RANGE: u16 = 1;
const DEL_RANGE: u16 = 2;
const CREAT: u16 = 3;
const LINK: u16 = 4;
const UNLINK: u16 = 5;
const INODE: u16 = 6;
const PAD: u16 = 7;
const TAIL: u16 = 8;
const HEAD: u16 = 9;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::filesystem::ext) enum FastCommit {
    /// The inode is as in `record`, but for its map of blocks.
    Inode {
        /// Its number.
        number: u32,
        /// The inode as on the disk, possibly without its last fields.
        record: Vec<u8>,
    },
    /// Blocks of an inode are at a place.
    AddRange {
        /// The inode's number.
        inode: u32,
        /// First block of the file.
        block: u32,
        /// Number of blocks, at most 32768.
        len_blocks: u32,
        /// First block on the device.
        device_block: u64,
        /// Whether the blocks were never written, and so read as zeros.
        is_unwritten: bool,
    },
    /// Blocks of an inode are a hole.
    DelRange {
        /// The inode's number.
        inode: u32,
        /// First block of the file.
        block: u32,
        /// Number of blocks.
        len_blocks: u32,
    },
    /// A new inode got its first name.
    Create(Name),
    /// An inode got a further name.
    Link(Name),
    /// A name is gone.
    Unlink(Name),
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::filesystem::ext) struct Name {
    /// The directory's inode.
    pub(in crate::filesystem::ext) parent: u32,
    /// The inode that has the name.
    pub(in crate::filesystem::ext) inode: u32,
    /// The name: 1 to 255 bytes, not checked further.
    pub(in crate::filesystem::ext) name: Vec<u8>,
}

/// Reads the fast commits that follow the last transaction; `tid` is the number that the next would have.
///
/// Layout: <https://docs.kernel.org/filesystems/ext4/journal.html#fast-commits>; all fields are little-endian. What
/// comes after the last complete fast commit is left out, as in `ext4_fc_replay_scan` in `fs/ext4/fast_commit.c`;
/// when not even the first is complete, that is a fault.
pub(super) fn read(
    blocks: &mut Blocks<'_>,
    journal: &Superblock,
    tid: u32,
    inode_bytes: u16,
) -> Result<(Vec<FastCommit>, Option<FastCommitFault>)> {
    let mut area = Area { tid, inode_bytes: inode_bytes.into(), crc: 0, complete: 0, commits: Vec::new() };
    // The block between the log and this area is not used: `j_fc_first` is `j_last` + 1.
    let first = journal.end.saturating_add(1);
    let limit = MAX_AREA_BYTES.checked_div(journal.block_bytes).unwrap_or(0);
    let mut fault = None;
    for log_block in first..journal.blocks {
        if log_block.saturating_sub(first) >= limit || area.commits.len() > MAX_CHANGES {
            fault = Some(FastCommitFault::TooMany { changes: MAX_CHANGES, bytes: MAX_AREA_BYTES });
            break;
        }
        let block = blocks.get(log_block)?;
        if log_block == first && u16_at(block, 0) != Ok(HEAD) {
            break;
        }
        match area.block(block, log_block) {
            Ok(()) => {}
            Err(Stop::End) => break,
            Err(Stop::Fault(found)) => {
                fault = Some(found);
                break;
            }
        }
    }
    let is_complete = area.complete > 0;
    area.commits.truncate(area.complete);
    Ok((area.commits, fault.filter(|fault| !is_complete || matches!(fault, FastCommitFault::TooMany { .. }))))
}

/// Why no further tags are read.
enum Stop {
    /// Here something else begins.
    End,
    /// Something is wrong; after a complete fast commit it is only the end.
    Fault(FastCommitFault),
}

struct Area {
    tid: u32,
    inode_bytes: usize,
    /// Checksum since the last tail.
    crc: u32,
    /// Number of changes that were followed by a tail.
    complete: usize,
    commits: Vec<FastCommit>,
}

impl Area {
    fn block(&mut self, block: &[u8], log_block: u32) -> Result<(), Stop> {
        let mut at = 0_usize;
        while at.saturating_add(TAG_BYTES) <= block.len() {
            at = self.tag(block, at, log_block)?;
        }
        Ok(())
    }

    /// Takes the tag at `at`; gives the place of the next.
    fn tag(&mut self, block: &[u8], at: usize, log_block: u32) -> Result<usize, Stop> {
        let tag = u16_at(block, at).unwrap_or(0);
        let len = u16_at(block, at.saturating_add(2)).unwrap_or(0);
        let wrong = FastCommitFault::Tag { log_block, at, tag, len };
        let wrong = |_: Short| Stop::Fault(wrong);
        let whole_len = TAG_BYTES.saturating_add(len.into());
        let whole = slice_at(block, at, whole_len).map_err(wrong)?;
        let value = slice_at(whole, TAG_BYTES, len.into()).map_err(wrong)?;
        match tag {
            HEAD => self.head(value).map_err(wrong)??,
            TAIL => {
                let covered = slice_at(whole, 0, TAG_BYTES.saturating_add(4)).map_err(wrong)?;
                self.crc = crc32c(self.crc, covered);
                return self.tail(value, log_block).map_err(wrong)?.map(|()| at.saturating_add(whole_len));
            }
            PAD => {}
            _ => self.commits.push(change(tag, value, self.inode_bytes).map_err(wrong)?),
        }
        self.crc = crc32c(self.crc, whole);
        Ok(at.saturating_add(whole_len))
    }

    fn head(&self, value: &[u8]) -> Result<Result<(), Stop>, Short> {
        let fc_features = u32_at(value, 0)?;
        let fc_tid = u32_at(value, 4)?;
        if value.len() != 8 {
            return Err(Short { at: 8, have: value.len() });
        }
        if fc_features != 0 {
            return Ok(Err(Stop::Fault(FastCommitFault::Features(fc_features))));
        }
        Ok(if fc_tid == self.tid { Ok(()) } else { Err(Stop::End) })
    }

    fn tail(&mut self, value: &[u8], log_block: u32) -> Result<Result<(), Stop>, Short> {
        let fc_tid = u32_at(value, 0)?;
        let stored = u32_at(value, 4)?;
        let (computed, expected) = (self.crc, self.tid);
        if fc_tid != expected || stored != computed {
            let fault = FastCommitFault::Tail { log_block, fc_tid, expected, stored, computed };
            return Ok(Err(Stop::Fault(fault)));
        }
        self.complete = self.commits.len();
        self.crc = 0;
        Ok(Ok(()))
    }
}

/// The change that a tag describes; the lengths are those of `ext4_fc_value_len_isvalid`.
fn change(tag: u16, value: &[u8], inode_bytes: usize) -> Result<FastCommit, Short> {
    let len_is = |right: bool| if right { Ok(()) } else { Err(Short { at: value.len(), have: value.len() }) };
    let inode = u32_at(value, 0)?;
    match tag {
        ADD_RANGE => {
            len_is(value.len() == 16)?;
            let (ee_block, ee_len) = (u32_at(value, 4)?, u16_at(value, 8)?);
            let (ee_start_hi, ee_start_lo) = (u16_at(value, 10)?, u32_at(value, 12)?);
            let is_unwritten = ee_len > MAX_WRITTEN_BLOCKS;
            let len = if is_unwritten { ee_len.saturating_sub(MAX_WRITTEN_BLOCKS) } else { ee_len };
            let device_block = wide(ee_start_hi.into(), ee_start_lo);
            Ok(FastCommit::AddRange {
                inode,
                block: ee_block,
                len_blocks: len.into(),
                device_block,
                is_unwritten,
            })
        }
        DEL_RANGE => {
            len_is(value.len() == 12)?;
            Ok(FastCommit::DelRange { inode, block: u32_at(value, 4)?, len_blocks: u32_at(value, 8)? })
        }
        INODE => {
            let record = value.get(4..).unwrap_or_default();
            len_is((MIN_INODE_BYTES..=inode_bytes).contains(&record.len()))?;
            Ok(FastCommit::Inode { number: inode, record: record.to_vec() })
        }
        CREAT | LINK | UNLINK => {
            let name = value.get(8..).unwrap_or_default();
            len_is((1..=MAX_NAME_BYTES).contains(&name.len()))?;
            let name = Name { parent: inode, inode: u32_at(value, 4)?, name: name.to_vec() };
            Ok(match tag {
                CREAT => FastCommit::Create(name),
                LINK => FastCommit::Link(name),
                _ => FastCommit::Unlink(name),
            })
        }
        _ => Err(Short { at: 0, have: value.len() }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::recover;
    use super::super::superblock::Checksums;
    use super::super::writer::{BLOCKS, FILESYSTEM_BLOCKS, Format, Writer};
    use super::*;

    /// The transaction that the fast commits come after is number 7.
    const TID: u32 = 8;
    const AREA: u32 = BLOCKS + 1;
    const BLOCK_BYTES: usize = 1024;

    /// Tags, one after the other; a tail fills its block.
    #[derive(Default)]
    struct Tags {
        bytes: Vec<u8>,
        crc: u32,
    }

    impl Tags {
        fn tag(mut self, tag: u16, value: &[u8]) -> Self {
            let whole = [&tag.to_le_bytes(), &(value.len() as u16).to_le_bytes(), value].concat();
            self.crc = crc32c(self.crc, &whole);
            self.bytes.extend(whole);
            self
        }

        fn words(self, tag: u16, words: &[u32]) -> Self {
            let value: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            self.tag(tag, &value)
        }

        fn head(self) -> Self {
            self.words(HEAD, &[0, TID])
        }

        fn name(self, tag: u16, parent: u32, inode: u32, name: &[u8]) -> Self {
            self.tag(tag, &[&parent.to_le_bytes(), &inode.to_le_bytes(), name].concat())
        }

        fn tail(mut self, tid: u32) -> Self {
            let left = BLOCK_BYTES - self.bytes.len() % BLOCK_BYTES;
            let start = [TAIL.to_le_bytes(), ((left - TAG_BYTES) as u16).to_le_bytes()].concat();
            let start = [start.as_slice(), &tid.to_le_bytes()].concat();
            let crc = crc32c(self.crc, &start);
            self.bytes.extend([start.as_slice(), &crc.to_le_bytes(), &vec![0; left - 12]].concat());
            self.crc = 0;
            self
        }

        fn read(&self) -> (Vec<FastCommit>, Option<FastCommitFault>) {
            let format = Format { fast_commit_blocks: Some(8), ..Format::new(Checksums::V3, true) };
            let mut writer = Writer::new(format);
            writer.blocks(&[(3, 1)]).commit();
            writer.put(AREA, 0, &self.bytes);
            let (_, log) = writer.finish();
            let recovery = recover(&log, FILESYSTEM_BLOCKS, 256).unwrap();
            let fault = recovery.faults.first().map(|error| *error.cause().downcast_ref().unwrap());
            (recovery.fast_commits, fault)
        }
    }

    fn link() -> FastCommit {
        FastCommit::Link(Name { parent: 2, inode: 12, name: b"name".to_vec() })
    }

    #[test]
    fn every_tag_is_read_up_to_the_last_tail() {
        let record = vec![5; 160];
        let tags = Tags::default()
            .head()
            .tag(INODE, &[&12_u32.to_le_bytes(), record.as_slice()].concat())
            .words(ADD_RANGE, &[12, 5, 0x0001_0003, 9])
            .words(ADD_RANGE, &[12, 8, 0x8004, 90])
            .tail(TID)
            .words(DEL_RANGE, &[12, 1, 2])
            .tag(PAD, &[0; 7])
            .name(CREAT, 2, 12, b"new")
            .name(LINK, 2, 12, b"name")
            .name(UNLINK, 2, 12, &[b'x'; 255])
            .tail(TID)
            .name(LINK, 2, 12, b"not complete");
        let add = |block, len_blocks, device_block, is_unwritten| FastCommit::AddRange {
            inode: 12,
            block,
            len_blocks,
            device_block,
            is_unwritten,
        };
        let name = |name: &[u8]| Name { parent: 2, inode: 12, name: name.to_vec() };
        let expected = vec![
            FastCommit::Inode { number: 12, record },
            add(5, 3, 1 << 32 | 9, false),
            add(8, 4, 90, true),
            FastCommit::DelRange { inode: 12, block: 1, len_blocks: 2 },
            FastCommit::Create(name(b"new")),
            link(),
            FastCommit::Unlink(name(&[b'x'; 255])),
        ];
        assert_eq!(tags.read(), (expected, None));
    }

    #[test]
    fn what_belongs_to_another_transaction_is_the_end() {
        let old = Tags::default().words(HEAD, &[0, TID - 1]).name(LINK, 2, 12, b"old").tail(TID - 1);
        assert_eq!(old.read(), (vec![], None));
        let nothing = Tags::default().name(LINK, 2, 12, b"no head").tail(TID);
        assert_eq!(nothing.read(), (vec![], None));
        let followed = Tags::default().head().name(LINK, 2, 12, b"name").tail(TID).tail(TID - 1);
        assert_eq!(followed.read(), (vec![link()], None));
    }

    #[test]
    fn after_a_complete_fast_commit_anything_wrong_is_the_end() {
        let first = || Tags::default().head().name(LINK, 2, 12, b"name").tail(TID);
        for later in [
            first().tag(77, &[1, 2]),
            first().name(LINK, 2, 12, b""),
            first().words(DEL_RANGE, &[12, 1]),
            first().words(HEAD, &[1, TID]),
            first().tag(INODE, &[0; 4 + 127]),
        ] {
            assert_eq!(later.tail(TID).read(), (vec![link()], None));
        }
    }

    #[test]
    fn when_the_first_fast_commit_is_wrong_that_is_a_fault() {
        let tag = |tag, len| Some(FastCommitFault::Tag { log_block: AREA, at: 12, tag, len });
        let first = || Tags::default().head();
        let cases = [
            (first().tag(77, &[1, 2]), tag(77, 2)),
            (first().name(LINK, 2, 12, &[b'x'; 256]), tag(LINK, 264)),
            (first().name(LINK, 2, 12, b""), tag(LINK, 8)),
            (first().words(ADD_RANGE, &[12, 1, 1]), tag(ADD_RANGE, 12)),
            (first().words(DEL_RANGE, &[12, 1, 1, 1]), tag(DEL_RANGE, 16)),
            (first().tag(INODE, &[0; 4 + 257]), tag(INODE, 261)),
            (first().tag(TAIL, &[0; 7]), tag(TAIL, 7)),
            (first().words(HEAD, &[0, TID, 0]), tag(HEAD, 12)),
            (Tags::default().words(HEAD, &[2, TID]), Some(FastCommitFault::Features(2))),
        ];
        for (tags, fault) in cases {
            assert_eq!(tags.tail(TID).read(), (vec![], fault));
        }
        let mut torn = Tags::default().head().name(LINK, 2, 12, b"name").tail(TID);
        torn.bytes[25] ^= 1;
        let (commits, fault) = torn.read();
        assert!(commits.is_empty());
        assert!(
            matches!(fault, Some(FastCommitFault::Tail { log_block: AREA, fc_tid: TID, .. })),
            "{fault:?}"
        );
    }
}
