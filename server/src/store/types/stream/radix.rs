//! How many nodes Redis's radix tree would have: XINFO STREAM shows that number, and clients compare it.
//!
//! In that tree a run of bytes without a branch is one node, a branch is one, and so is every end. All keys have the
//! same length, so none is inside another, and the shape depends only on the keys: neighbours in order tell at which
//! depths it branches.

/// The number of nodes for keys in ascending order.
pub(super) fn node_count<const LEN: usize>(keys: impl Iterator<Item = [u8; LEN]>) -> usize {
    // The branches above the present key, each by its depth; and nodes so far, without the runs that lead to branches.
    let mut open: Vec<usize> = Vec::new();
    let (mut nodes, mut previous) = (0, None::<[u8; LEN]>);
    // A branch is complete when a later key leaves its prefix; then it is known what it hangs from.
    let close = |open: &mut Vec<usize>, nodes: &mut usize, shared: usize| {
        while let Some(&depth) = open.last().filter(|depth| **depth > shared) {
            open.pop();
            let above = open.last().copied().filter(|above| *above >= shared);
            let parent = above.unwrap_or(shared);
            *nodes += 1 + usize::from(depth > parent + 1);
        }
    };
    let end = |depth: usize| 1 + usize::from(LEN > depth + 1);
    for key in keys {
        let Some(last) = previous.replace(key) else { continue };
        let shared = key.iter().zip(&last).take_while(|(a, b)| a == b).count();
        // The end of the last key hangs from the deeper of the branches at its two sides.
        let deepest = open.last().copied().map_or(shared, |depth| depth.max(shared));
        nodes += end(deepest);
        close(&mut open, &mut nodes, shared);
        if open.last() != Some(&shared) {
            open.push(shared);
        }
    }
    if previous.is_none() {
        return 1;
    }
    let Some(&deepest) = open.last() else {
        // A single key: a run and an end.
        return 2;
    };
    nodes += end(deepest);
    let root = open[0];
    while open.len() > 1 {
        let depth = open.pop().unwrap_or(0);
        let parent = open.last().copied().unwrap_or(0);
        nodes += 1 + usize::from(depth > parent + 1);
    }
    nodes + 1 + usize::from(root > 0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    /// The tree itself, made without cleverness.
    fn walked(keys: &[[u8; 3]], depth: usize) -> usize {
        let mut run = 0;
        while depth + run < 3 && keys.iter().all(|key| key[depth + run] == keys[0][depth + run]) {
            run += 1;
        }
        let below = depth + run;
        let here = usize::from(run > 0) + 1;
        if below == 3 {
            return here;
        }
        let heads: BTreeSet<u8> = keys.iter().map(|key| key[below]).collect();
        let branch = |head: &u8| {
            let keys: Vec<[u8; 3]> = keys.iter().copied().filter(|key| key[below] == *head).collect();
            walked(&keys, below + 1)
        };
        here + heads.iter().map(branch).sum::<usize>()
    }

    #[test]
    fn few_keys_give_what_redis_shows() {
        assert_eq!(node_count::<16>(std::iter::empty()), 1);
        assert_eq!(node_count([[0u8; 16]].into_iter()), 2);
    }

    proptest! {
        #[test]
        fn the_count_is_that_of_the_tree(keys in prop::collection::btree_set(prop::array::uniform3(0..4u8), 1..40)) {
            let keys: Vec<[u8; 3]> = keys.into_iter().collect();
            prop_assert_eq!(node_count(keys.iter().copied()), walked(&keys, 0));
        }
    }
}
