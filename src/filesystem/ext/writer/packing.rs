//! Which attributes of an inode lie in it, which in its block, and whose values go to inodes of their own. Pure arithmetic.
//!
//! The two spaces are small, and what an inode had in one order may not fit in another: whatever can be placed at all is.

/// Lengths are multiples of this.
const UNIT: usize = 4;

/// The space that one attribute takes, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    /// Its entry with the name.
    pub entry_len: usize,
    /// Its value, where that is beside the entry.
    pub value_len: usize,
}

/// What there is for all of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spaces {
    /// Bytes in the inode.
    pub inode: usize,
    /// Bytes in the block.
    pub block: usize,
    /// Whether values may have inodes of their own.
    pub values_apart: bool,
}

/// Where an attribute goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    /// Whether its entry is in the inode; otherwise it is in the block.
    pub in_inode: bool,
    /// Whether its value has an inode of its own.
    pub value_apart: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Whole,
    ValueApart,
    LeftOut,
}

impl State {
    fn len_of(self, item: &Item) -> usize {
        match self {
            Self::Whole => item.entry_len.saturating_add(item.value_len),
            Self::ValueApart => item.entry_len,
            Self::LeftOut => 0,
        }
    }
}

/// A spot for each; `None` for what has no space beside the others. As many as needed have their values apart, the longest first; then, or
/// where values can't be apart, as many as needed are left out, again the longest first.
pub(super) fn pack(items: &[Item], spaces: &Spaces) -> Vec<Option<Spot>> {
    let mut states = vec![State::Whole; items.len()];
    let capacity = spaces.inode.saturating_add(spaces.block);
    let mut total = items.iter().fold(0_usize, |sum, item| sum.saturating_add(State::Whole.len_of(item)));
    let mut steps = steps(items, spaces.values_apart).into_iter();
    loop {
        if total <= capacity
            && let Some(spots) = spots(items, &states, spaces)
        {
            return spots;
        }
        // After the last step nothing is left that would need space.
        let Some((index, next)) = steps.next() else { return vec![None; items.len()] };
        if let (Some(item), Some(state)) = (items.get(index), states.get_mut(index)) {
            total = total.saturating_sub(state.len_of(item)).saturating_add(next.len_of(item));
            *state = next;
        }
    }
}

/// What is given up, in order.
fn steps(items: &[Item], values_apart: bool) -> Vec<(usize, State)> {
    let longest_first = |state: State| {
        let mut order: Vec<(usize, &Item)> = items.iter().enumerate().collect();
        order.sort_by_key(|(_, item)| std::cmp::Reverse(state.len_of(item)));
        order
    };
    let apart =
        longest_first(State::Whole).into_iter().filter(|(_, item)| values_apart && item.value_len > 0);
    let steps = apart.map(|(index, _)| (index, State::ValueApart));
    let left = if values_apart { State::ValueApart } else { State::Whole };
    steps.chain(longest_first(left).into_iter().map(|(index, _)| (index, State::LeftOut))).collect()
}

/// The spots, where all that is not left out has one.
fn spots(items: &[Item], states: &[State], spaces: &Spaces) -> Option<Vec<Option<Spot>>> {
    let lens: Vec<usize> = items.iter().zip(states).map(|(item, state)| state.len_of(item)).collect();
    let in_inode = in_order(&lens, spaces).or_else(|| by_all_sums(&lens, spaces))?;
    let spot = |(in_inode, state): (bool, &State)| {
        let value_apart = *state == State::ValueApart;
        (*state != State::LeftOut).then_some(Spot { in_inode, value_apart })
    };
    Some(in_inode.into_iter().zip(states).map(spot).collect())
}

/// Each into the inode as long as it fits, else into the block: mostly that is all it takes.
fn in_order(lens: &[usize], spaces: &Spaces) -> Option<Vec<bool>> {
    let (mut inode, mut block) = (spaces.inode, spaces.block);
    let place = |len: &usize| {
        let fits = *len <= inode;
        let space = if fits { &mut inode } else { &mut block };
        *space = space.checked_sub(*len)?;
        Some(fits)
    };
    lens.iter().map(place).collect()
}

/// The choice that fills the inode best, out of all choices there are: where it leaves too much for the block, each does.
fn by_all_sums(lens: &[usize], spaces: &Spaces) -> Option<Vec<bool>> {
    // For each sum in units: the length that completed it. Lengths before that one make the rest.
    let mut made_by: Vec<Option<usize>> = vec![None; (spaces.inode / UNIT).saturating_add(1)];
    for (index, len) in lens.iter().enumerate().filter(|(_, len)| **len > 0) {
        let units = len.div_ceil(UNIT);
        // From the top: a sum that this length makes is not yet there when it would be used for a larger one.
        for sum in (units..made_by.len()).rev() {
            let rest = sum.saturating_sub(units);
            let is_made = rest == 0 || made_by.get(rest).is_some_and(Option::is_some);
            if let Some(made_by @ None) = made_by.get_mut(sum)
                && is_made
            {
                *made_by = Some(index);
            }
        }
    }
    let mut sum = made_by.iter().rposition(Option::is_some).unwrap_or(0);
    let mut in_inode = vec![false; lens.len()];
    while let Some(index) = made_by.get(sum).copied().flatten() {
        if let Some(in_inode) = in_inode.get_mut(index) {
            *in_inode = true;
        }
        sum = sum.saturating_sub(lens.get(index)?.div_ceil(UNIT));
    }
    let outside = lens.iter().zip(&in_inode).filter(|(_, in_inode)| !**in_inode);
    let outside = outside.fold(0_usize, |sum, (len, _)| sum.saturating_add(*len));
    (outside <= spaces.block).then_some(in_inode)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn item(entry_len: usize, value_len: usize) -> Item {
        Item { entry_len, value_len }
    }

    /// Bytes in the inode and in the block.
    fn used(items: &[Item], spots: &[Option<Spot>]) -> (usize, usize) {
        items.iter().zip(spots).fold((0, 0), |(inode, block), (item, spot)| {
            let len =
                spot.map_or(0, |spot| item.entry_len + if spot.value_apart { 0 } else { item.value_len });
            if spot.is_some_and(|spot| spot.in_inode) { (inode + len, block) } else { (inode, block + len) }
        })
    }

    #[test]
    fn what_fits_in_another_order_is_placed() {
        let items = [item(20, 40), item(20, 80), item(20, 3880)];
        let spaces = Spaces { inode: 100, block: 3960, values_apart: false };
        let spots = pack(&items, &spaces);
        assert!(spots.iter().all(Option::is_some), "{spots:?}");
        assert_eq!(used(&items, &spots), (100, 3960));
    }

    #[test]
    fn values_go_apart_before_anything_is_left_out_and_the_longest_first() {
        let items = [item(20, 900), item(20, 900), item(20, 3000), item(20, 3000), item(20, 0)];
        let spaces = Spaces { inode: 100, block: 4032, values_apart: true };
        let apart =
            |spots: Vec<Option<Spot>>| spots.iter().map(|spot| spot.unwrap().value_apart).collect::<Vec<_>>();
        assert_eq!(apart(pack(&items, &spaces)), [false, false, true, true, false]);
        let left_out = pack(&items, &Spaces { values_apart: false, ..spaces });
        assert_eq!(
            left_out.iter().map(Option::is_some).collect::<Vec<_>>(),
            [true, true, false, false, true]
        );
    }

    #[test]
    fn very_many_attributes_take_no_time() {
        let items = vec![item(20, 64 << 10); 100_000];
        let spots = pack(&items, &Spaces { inode: 60, block: 4032, values_apart: true });
        assert_eq!(spots.iter().flatten().count(), 3 + 4032 / 20);
    }

    proptest! {
        #[test]
        fn whatever_any_choice_places_is_placed(
            lens in prop::collection::vec((5_usize..20, 0_usize..60), 0..9),
            (inode, block, values_apart) in (0_usize..60, 0_usize..120, any::<bool>()),
        ) {
            let items: Vec<Item> = lens.iter().map(|(entry, value)| item(entry * 4, value * 4)).collect();
            let spaces = Spaces { inode: inode * 4, block: block * 4, values_apart };
            let spots = pack(&items, &spaces);
            let (in_inode, in_block) = used(&items, &spots);
            prop_assert!(in_inode <= spaces.inode && in_block <= spaces.block);
            prop_assert!(values_apart || spots.iter().flatten().all(|spot| !spot.value_apart));
            let least = |item: &Item| item.entry_len + if values_apart { 0 } else { item.value_len };
            let some_choice_fits = (0..1_u32 << items.len()).any(|choice| {
                let sum = |inside: bool| {
                    let chosen = items.iter().enumerate().filter(|(index, _)| (choice >> index & 1 == 1) == inside);
                    chosen.map(|(_, item)| least(item)).sum::<usize>()
                };
                sum(true) <= spaces.inode && sum(false) <= spaces.block
            });
            prop_assert_eq!(spots.iter().all(Option::is_some), some_choice_fits);
        }
    }
}
