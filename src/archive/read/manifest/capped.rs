//! Lists of a bounded length: two bytes of text may stand for many of memory.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};

/// Elements of the longest list that is read.
const MOST: usize = 1 << 22;

/// A list, unless it is too long.
pub(super) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    from.deserialize_seq(Capped(PhantomData))
}

struct Capped<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Capped<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MOST}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = from.next_element()? {
            if list.len() >= MOST {
                return Err(A::Error::custom(format_args!("a list has more than {MOST} elements")));
            }
            list.push(element);
        }
        Ok(list)
    }
}
