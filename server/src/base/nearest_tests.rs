//! Tests of suggestions.

use super::*;

const NAMES: [&str; 6] = ["cluster", "shards", "replicas", "maxmemory", "port", "hz"];

#[test]
fn a_mistyped_name_finds_the_one_that_was_meant() {
    for (word, meant) in [
        ("clutser", "cluster"),
        ("shard", "shards"),
        ("replcas", "replicas"),
        ("max-memory", "maxmemory"),
        ("Prot", "port"),
    ] {
        assert_eq!(nearest(word, NAMES), Some(meant), "{word}");
    }
}

#[test]
fn what_is_far_from_everything_finds_nothing() {
    for word in ["", "foo", "redis.conf", "x", &"cluster".repeat(20)] {
        assert_eq!(nearest(word, NAMES), None, "{word}");
    }
}
