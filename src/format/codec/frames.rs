//! Where each frame of an archive lies: in the archive, and in the tar stream.

use crate::error::{Error, Kind, Result};
use crate::units::ByteRange;

/// Bytes of the tar stream that one frame may hold to be unpacked on its own; there are 4 MiB in those made here. An archive
/// with longer ones is read from front to back.
pub(crate) const RAW_MOST: u64 = 16 << 20;

/// Bytes of such a frame in the archive: what can't be compressed grows a little.
const PACKED_MOST: u64 = RAW_MOST + (1 << 20);

/// The pieces in which a plain tar is read in parallel.
const PLAIN_BYTES: u64 = 4 << 20;

/// Length of the longest plain tar that is read in pieces: 2²² of them.
const PLAIN_MOST: u64 = PLAIN_BYTES << 22;

/// One frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where it is in the archive.
    pub packed: ByteRange,
    /// Which bytes of the tar stream it holds.
    pub raw: ByteRange,
}

/// All frames of an archive, in order, without gaps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frames {
    spans: Vec<Span>,
}

impl Frames {
    /// Frames with these lengths, packed and raw, which together fill the first `packed_bytes` of the archive.
    pub(crate) fn of_lengths(
        lengths: impl IntoIterator<Item = (u64, u64)>,
        packed_bytes: u64,
    ) -> Result<Self> {
        let (mut spans, mut packed_end, mut raw_end) = (Vec::new(), 0, 0);
        for (index, (packed_len, raw_len)) in lengths.into_iter().enumerate() {
            if raw_len > RAW_MOST || packed_len > PACKED_MOST {
                let message = format!(
                    "frame {index} holds {raw_len} bytes in {packed_len}, too many to be unpacked at once"
                );
                return Err(Error::new(Kind::Limit, message));
            }
            let long = || Error::corrupt("the frames are longer than an archive can be");
            let packed = ByteRange::new(packed_end, packed_len).ok_or_else(long)?;
            let raw = ByteRange::new(raw_end, raw_len).ok_or_else(long)?;
            (packed_end, raw_end) = (packed.end(), raw.end());
            if packed_end > packed_bytes {
                break;
            }
            spans.push(Span { packed, raw });
        }
        if packed_end != packed_bytes {
            let message = format!(
                "the frames take {packed_end} bytes or more, the archive has {packed_bytes} for them"
            );
            return Err(Error::corrupt(message));
        }
        Ok(Self { spans })
    }

    /// A plain tar of `len_bytes`, in pieces; `None` when there would be too many of them.
    pub(crate) fn plain(len_bytes: u64) -> Option<Self> {
        if len_bytes > PLAIN_MOST {
            return None;
        }
        let mut spans = Vec::new();
        let mut start = 0;
        while start < len_bytes {
            let len = PLAIN_BYTES.min(len_bytes.saturating_sub(start));
            let Some(range) = ByteRange::new(start, len) else { break };
            spans.push(Span { packed: range, raw: range });
            start = range.end();
        }
        Some(Self { spans })
    }

    /// The frames.
    #[must_use]
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Length of the tar stream in bytes.
    #[must_use]
    pub fn raw_bytes(&self) -> u64 {
        self.spans.last().map_or(0, |span| span.raw.end())
    }

    /// Bytes of the archive that the frames take.
    #[must_use]
    pub fn packed_bytes(&self) -> u64 {
        self.spans.last().map_or(0, |span| span.packed.end())
    }

    /// The frame that holds this position of the tar stream, and its number.
    #[must_use]
    pub fn at(&self, raw_bytes: u64) -> Option<(usize, Span)> {
        let index = self.spans.partition_point(|span| span.raw.end() <= raw_bytes);
        self.spans.get(index).map(|span| (index, *span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_position_is_in_one_frame_also_where_some_are_empty() {
        let frames = Frames::of_lengths([(10, 100), (5, 0), (20, 50)], 35).unwrap();
        assert_eq!(frames.raw_bytes(), 150);
        let index = |raw| frames.at(raw).map(|(index, _)| index);
        assert_eq!(
            [index(0), index(99), index(100), index(149), index(150)],
            [Some(0), Some(0), Some(2), Some(2), None]
        );
    }

    #[test]
    fn a_plain_tar_is_in_as_many_pieces_as_memory_has_room_for() {
        assert_eq!(Frames::plain(9 << 20).unwrap().spans().len(), 3);
        assert_eq!(Frames::plain(u64::MAX), None);
    }

    #[test]
    fn lengths_that_do_not_add_up_are_refused() {
        for (lengths, packed) in [
            (vec![(10, 1)], 11),
            (vec![(10, 1), (2, 1)], 11),
            (vec![(u64::MAX, 1)], u64::MAX),
            (vec![(1, RAW_MOST + 1)], 1),
        ] {
            assert!(Frames::of_lengths(lengths, packed).is_err());
        }
    }
}
