//! Two ordered sequences, each read in pages, side by side.
//!
//! Whoever copies or compares what two stores hold reads a page of each from the same place on and
//! lays them beside each other here. Memory is bounded by the pages, however long the sequences are.

/// A part of an ordered sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<K, T> {
    /// What it holds, in the order of the keys, each key once.
    pub items: Vec<(K, T)>,
    /// The last key that was looked at, after which the sequence goes on; `None` at its end.
    pub next: Option<K>,
}

impl<K: Clone, T> Page<K, T> {
    /// A page of at most `limit` items, of one item more, which tells whether there are more.
    pub fn of_one_more(mut items: Vec<(K, T)>, limit: usize) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().map(|(key, _)| key.clone());
        Self {
            next: last.filter(|_| more),
            items,
        }
    }
}

/// What each side holds under a key; at least one of them holds something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair<K, T> {
    /// The key.
    pub key: K,
    /// What the source has.
    pub source: Option<T>,
    /// What the target has.
    pub target: Option<T>,
}

/// Two pages, side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideBySide<K, T> {
    /// In the order of the keys.
    pub pairs: Vec<Pair<K, T>>,
    /// After which key both sides are read next; `None` at the end of both.
    pub next: Option<K>,
}

/// Lays two pages that begin after the same key side by side, as far as both of them tell.
pub fn side_by_side<K: Ord + Clone, T>(source: Page<K, T>, target: Page<K, T>) -> SideBySide<K, T> {
    // Beyond the last key of a page with more to come nothing is known of that side.
    let next = match (source.next, target.next) {
        (Some(source), Some(target)) => Some(source.min(target)),
        (source, target) => source.or(target),
    };
    let known = |key: &K| next.as_ref().is_none_or(|next| key <= next);
    let mut source = source.items.into_iter().peekable();
    let mut target = target.items.into_iter().peekable();
    let mut pairs = Vec::new();
    loop {
        let key = match (source.peek(), target.peek()) {
            (Some((source, _)), Some((target, _))) => source.min(target),
            (Some((key, _)), None) | (None, Some((key, _))) => key,
            (None, None) => break,
        };
        if !known(key) {
            break;
        }
        let key = key.clone();
        pairs.push(Pair {
            source: source
                .next_if(|(other, _)| *other == key)
                .map(|(_, item)| item),
            target: target
                .next_if(|(other, _)| *other == key)
                .map(|(_, item)| item),
            key,
        });
    }
    SideBySide { pairs, next }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn page(of: &BTreeMap<u8, u8>, after: Option<u8>, limit: usize) -> Page<u8, u8> {
        let rest = of
            .iter()
            .filter(|(key, _)| after.is_none_or(|after| **key > after));
        let rest: Vec<_> = rest.map(|(key, value)| (*key, *value)).collect();
        Page::of_one_more(rest.into_iter().take(limit + 1).collect(), limit)
    }

    proptest! {
        #[test]
        fn every_key_of_either_side_is_met_once_with_what_both_have(
            source in prop::collection::btree_map(any::<u8>(), any::<u8>(), 0..40),
            target in prop::collection::btree_map(any::<u8>(), any::<u8>(), 0..40),
            limits in (1_usize..9, 1_usize..9),
        ) {
            let mut met = Vec::new();
            let mut after = None;
            loop {
                let merged =
                    side_by_side(page(&source, after, limits.0), page(&target, after, limits.1));
                met.extend(merged.pairs);
                match merged.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
            let keys: BTreeSet<u8> = source.keys().chain(target.keys()).copied().collect();
            let expected: Vec<_> = keys
                .into_iter()
                .map(|key| Pair {
                    key,
                    source: source.get(&key).copied(),
                    target: target.get(&key).copied(),
                })
                .collect();
            prop_assert_eq!(met, expected);
        }
    }
}
