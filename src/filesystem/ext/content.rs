//! Where the bytes of a file or directory are: in extents, in block lists, or in its inode.

use super::inode::Private;
use super::map::Runs;
use super::metadata::Metadata;
use super::{attribute, extent, indirect};
use crate::error::{Error, Result};
use crate::filesystem::{Content, Inode};

impl Metadata {
    /// Where the bytes of a file or directory are.
    pub(super) fn content(&self, inode: &Inode) -> Result<Content> {
        self.map(inode).map_err(|error| error.in_inode(inode.id.number))
    }

    fn map(&self, inode: &Inode) -> Result<Content> {
        let private = Private::of(inode);
        if private.has_inline_data() {
            return self.inline(inode).map(Content::Inline);
        }
        let i_block = private.i_block().map_err(Error::corrupt)?;
        let mut runs = Runs::new(&self.superblock);
        if let Some(edited) = self.edits.runs(inode.id.number) {
            for run in edited {
                runs.push(run).map_err(Error::corrupt)?;
            }
        } else if private.has_extents() {
            extent::walk(self, i_block, private.seed(&self.superblock, inode.id.number), &mut runs)?;
        } else {
            let blocks = inode.size_bytes.div_ceil(u64::from(self.superblock.block_size));
            indirect::walk(self, i_block, blocks, &mut runs)?;
        }
        Ok(Content::Extents(runs.into_extents(inode.size_bytes)))
    }

    /// The bytes of a file whose content is in the inode (feature `inline_data`): the first 60 in `i_block`, the others in
    /// an attribute.
    ///
    /// <https://docs.kernel.org/filesystems/ext4/inlinedata.html>
    fn inline(&self, inode: &Inode) -> Result<Vec<u8>> {
        let mut bytes = Private::of(inode).i_block().map_err(Error::corrupt)?.to_vec();
        bytes.extend(attribute::inline_data(self, inode)?);
        // A file that was made longer without being written to is longer than what is here: the rest is a hole.
        bytes.truncate(usize::try_from(inode.size_bytes).unwrap_or(usize::MAX));
        Ok(bytes)
    }
}
