//! Lists and maps of a bounded length: two bytes of text may stand for a hundred of memory.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::format::tar::member::ATTRIBUTES_MOST;

/// Elements of the longest list that is read: the frames of an archive, the holes of a file.
const LIST_MOST: usize = 1 << 22;

/// Volumes of one disk. A GPT has at most 32,768.
const VOLUMES_MOST: usize = 1 << 16;

/// Bytes of the names and values of one entry's attributes, as text.
const ATTRIBUTES_BYTES_MOST: usize = 72 << 20;

/// Types of entries that are counted.
const COUNTS_MOST: usize = 64;

/// A list, unless it is too long.
pub(crate) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    from.deserialize_seq(List { most: LIST_MOST, element: PhantomData })
}

/// The volumes of a disk.
pub(crate) fn volumes<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    from.deserialize_seq(List { most: VOLUMES_MOST, element: PhantomData })
}

/// The attributes of an entry.
pub(crate) fn attributes<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    let len = |name: &String, value: &String| name.len().saturating_add(value.len());
    from.deserialize_map(Map { most: ATTRIBUTES_MOST, len, bytes_most: ATTRIBUTES_BYTES_MOST })
}

/// Numbers of entries by type.
pub(crate) fn counts<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, u64>, D::Error> {
    let len = |name: &String, _: &u64| name.len();
    from.deserialize_map(Map { most: COUNTS_MOST, len, bytes_most: ATTRIBUTES_BYTES_MOST })
}

struct List<T> {
    most: usize,
    element: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {}", self.most)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = from.next_element()? {
            if list.len() >= self.most {
                return Err(A::Error::custom(format_args!("a list has more than {} elements", self.most)));
            }
            list.push(element);
        }
        Ok(list)
    }
}

struct Map<T> {
    most: usize,
    len: fn(&String, &T) -> usize,
    bytes_most: usize,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Map<T> {
    type Value = BTreeMap<String, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map of at most {}", self.most)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<BTreeMap<String, T>, A::Error> {
        let (mut map, mut bytes) = (BTreeMap::new(), 0_usize);
        while let Some((name, value)) = from.next_entry()? {
            bytes = bytes.saturating_add((self.len)(&name, &value));
            if map.len() >= self.most || bytes > self.bytes_most {
                let (most, bytes) = (self.most, self.bytes_most);
                let message = format_args!("a map has more than {most} elements or {bytes} bytes");
                return Err(A::Error::custom(message));
            }
            map.insert(name, value);
        }
        Ok(map)
    }
}
