//! The map against the standard library's, under random operations, and its bytes.

use std::collections::BTreeMap;

use super::*;
use proptest::prelude::*;

/// Checks the invariants that the module's essay states, and the bytes.
fn check(map: &ChunkMap<u32, u64>, model: &BTreeMap<u32, u64>) {
    assert_eq!(map.len(), model.len());
    assert!(map.iter().eq(model.iter()));
    assert_eq!(map.first(), model.first_key_value());
    assert_eq!(map.last(), model.last_key_value());
    if let ChunkMap::Chunked(many) = map {
        assert!(many.chunks.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= CHUNK));
        assert_eq!(many.bytes, many.chunks.iter().map(|chunk| weight(chunk)).sum::<usize>());
        assert!(many.chunks.len() > 1 || many.len > FLAT_AGAIN);
    }
}

fn step(map: &mut ChunkMap<u32, u64>, model: &mut BTreeMap<u32, u64>, op: u8, key: u32) {
    match op {
        0..=3 => assert_eq!(map.insert(key, u64::from(key)), model.insert(key, u64::from(key)).is_none()),
        4 => {
            let next = model.last_key_value().map_or(0, |(last, _)| last + 1);
            for key in next..next + 40 {
                assert!(map.insert(key, 1));
                model.insert(key, 1);
            }
        }
        5 => assert_eq!(map.remove(&key), model.remove_entry(&key)),
        6 => {
            for _ in 0..30 {
                let Some((first, _)) = model.pop_first() else { break };
                assert!(map.remove(&first).is_some());
            }
        }
        _ => {
            assert_eq!(map.get_mut(&key).map(|value| std::mem::replace(value, 9)), model.get(&key).copied());
            model.entry(key).and_modify(|value| *value = 9);
        }
    }
    assert_eq!(map.get(&key), model.get(&key));
    assert!(map.iter_from(map.seek(&key)).eq(model.range(key..)));
    let back = map.seek_back(&key).and_then(|place| map.at(place));
    assert_eq!(back, model.range(..=key).next_back());
}

proptest! {
    #[test]
    fn it_is_an_ordered_map(steps in prop::collection::vec((0..9u8, 0..600u32), 1..200)) {
        let (mut map, mut model) = (ChunkMap::default(), BTreeMap::new());
        for (op, key) in steps {
            let (shared, before) = (map.clone(), model.clone());
            step(&mut map, &mut model, op, key);
            check(&map, &model);
            check(&shared, &before);
        }
    }
}

#[test]
fn pairs_in_order_fill_their_chunks_and_small_maps_take_little() {
    let mut map = ChunkMap::default();
    assert_eq!(map.memory(), 0);
    map.insert(0u32, 0u64);
    assert_eq!(map.memory(), 16);
    (1..6400).for_each(|key| _ = map.insert(key, 0));
    let ChunkMap::Chunked(many) = &map else { panic!("it is big") };
    assert_eq!(many.chunks.len(), 100);
    assert!(map.memory() < 6400 * 16 * 3 / 2);
    (0..6390).for_each(|key| _ = map.remove(&key));
    assert!(map.memory() < 1000, "{}", map.memory());
    assert_eq!(map.iter().count(), 10);
}
