//! How many nodes Redis's radix tree would have: XINFO STREAM shows that number, and clients compare it.
//!
//! In that tree a run of bytes without a branch is one node, a branch is one, and so is every end. All keys have the
//! same length, so none is inside another, and the shape depends only on the keys. So the number is counted: a key that
//! is added makes an end and perhaps a branch, and its neighbours in order tell which.

use super::id::StreamId;
use super::map::ChunkMap;

/// Nodes of the tree without keys.
pub(super) const EMPTY: usize = 1;
/// Bytes of a key.
const LEN: u32 = StreamId::BYTES as u32;

fn number(id: &StreamId) -> u128 {
    u128::from_be_bytes(id.to_bytes())
}

/// How many bytes two keys share at their beginning.
fn shared(a: u128, b: u128) -> u32 {
    (a ^ b).leading_zeros() / 8
}

/// How many nodes the tree of these keys has because of one of them.
pub(super) fn nodes_of<V: Clone>(keys: &ChunkMap<StreamId, V>, key: StreamId) -> usize {
    let place = keys.seek(&key);
    let key = number(&key);
    let at = |place| keys.at(place).map(|(id, _)| number(id));
    let before = |place| keys.before(place).and_then(at);
    let (lower, upper) = (before(place), at(keys.after(place)));
    let (with_lower, with_upper) = (lower.map(|lower| shared(lower, key)), upper.map(|upper| shared(key, upper)));
    // Where the key leaves the others; a run leads from there to its end.
    let Some(depth) = with_lower.max(with_upper) else { return 1 };
    let end = 1 + usize::from(LEN > depth + 1);
    if with_lower == with_upper {
        return end;
    }
    // The others below this place are all at one side: from the neighbour at that side to the furthest one.
    let is_last = with_lower > with_upper;
    let (near, next) =
        if is_last { (lower, keys.before(place).and_then(before)) } else { (upper, at(keys.after(keys.after(place)))) };
    let near = near.unwrap_or(key);
    let (far, beyond) = match next {
        // Mostly this tells enough, and nothing has to be searched.
        Some(next) if shared(near, next) == depth => return end,
        Some(next) if shared(near, next) > depth => {
            let rest = u128::MAX >> (8 * depth);
            let bound = |number: u128| StreamId::from_bytes(number.to_be_bytes());
            if is_last {
                let far = keys.seek(&bound(key & !rest));
                (at(far).unwrap_or(near), before(far))
            } else {
                let far = keys.seek_back(&bound(key | rest)).unwrap_or(place);
                (at(far).unwrap_or(near), at(keys.after(far)))
            }
        }
        next => (near, next),
    };
    let inner = if near == far { LEN } else { shared(near, far) };
    if inner == depth {
        // They branch here without this key.
        return end;
    }
    // The key makes a branch, between the one above and what is below.
    let other = if is_last { with_upper } else { with_lower };
    let above = beyond.map(|beyond| shared(far, beyond)).max(other).map_or(0, |above| above + 1);
    end + usize::from(depth > above) + usize::from(inner > depth + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    type Key = [u8; StreamId::BYTES];

    /// The tree itself, made without cleverness.
    fn walked(keys: &[Key], depth: usize) -> usize {
        let Some(first) = keys.first() else { return EMPTY };
        let mut run = 0;
        while depth + run < first.len() && keys.iter().all(|key| key[depth + run] == first[depth + run]) {
            run += 1;
        }
        let below = depth + run;
        let here = usize::from(run > 0) + 1;
        if below == first.len() {
            return here;
        }
        let heads: BTreeSet<u8> = keys.iter().map(|key| key[below]).collect();
        let branch = |head: &u8| {
            let keys: Vec<Key> = keys.iter().copied().filter(|key| key[below] == *head).collect();
            walked(&keys, below + 1)
        };
        here + heads.iter().map(branch).sum::<usize>()
    }

    /// Keys that branch often, at neighbouring and at distant bytes.
    fn key() -> impl Strategy<Value = Key> {
        prop::array::uniform5(0..3u8).prop_map(|[a, b, c, d, e]| {
            let mut key = [0; StreamId::BYTES];
            (key[0], key[6], key[7], key[8], key[15]) = (a, b, c, d, e);
            key
        })
    }

    #[test]
    fn few_keys_give_what_redis_shows() {
        assert_eq!(walked(&[], 0), 1);
        assert_eq!(walked(&[Key::default()], 0), 2);
    }

    proptest! {
        #[test]
        fn the_count_is_that_of_the_tree(changes in prop::collection::vec((key(), any::<bool>()), 1..200)) {
            let (mut keys, mut model, mut count) = (ChunkMap::default(), BTreeSet::new(), EMPTY);
            for (key, goes) in changes {
                let id = StreamId::from_bytes(key);
                if goes && model.remove(&key) {
                    count -= nodes_of(&keys, id);
                    keys.remove(&id);
                } else if !goes && model.insert(key) {
                    keys.insert(id, ());
                    count += nodes_of(&keys, id);
                }
                let model: Vec<Key> = model.iter().copied().collect();
                prop_assert_eq!(count, walked(&model, 0));
            }
        }
    }
}
