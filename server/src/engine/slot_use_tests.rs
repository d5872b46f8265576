//! What slots are charged with.

use protocol::slot::key_slot;

use super::*;
use crate::testing::{Bench, bulks};

fn traffic(bench: &Bench, key: &str) -> (u64, u64) {
    let used = bench.engine.slot_use.of(key_slot(key.as_bytes()));
    (used.bytes_in, used.bytes_out)
}

#[test]
fn lengths_are_those_of_the_wire() {
    for words in [&["SET", "key", "value"][..], &["GET", "0123456789"], &["x"; 12]] {
        let wire = wire_len(words.iter().map(|word| word.as_bytes()));
        assert_eq!(wire, bulks(words).len() as u64, "{words:?}");
    }
    assert_eq!(AROUND, (bulks(&["MULTI"]).len() + bulks(&["EXEC"]).len()) as u64);
}

#[test]
fn counters_add_up_until_they_are_reset() {
    let all = SlotUse::default();
    let (one, other) = (key_slot(b"a"), key_slot(b"b"));
    assert_eq!(all.of(one), Used::default(), "nothing is counted yet");
    all.add(one, Used { cpu_us: 1, bytes_in: 2, bytes_out: 3 });
    all.add(one, Used { cpu_us: 1, ..Used::default() });
    all.add(other, Used { bytes_in: 9, ..Used::default() });
    assert_eq!(all.of(one), Used { cpu_us: 2, bytes_in: 2, bytes_out: 3 });
    all.reset(|slot| slot == one);
    assert_eq!((all.of(one), all.of(other).bytes_in), (Used::default(), 9));
}

#[test]
fn a_node_that_is_not_told_to_counts_nothing() {
    let mut bench = Bench::new();
    bench.run("SET key value");
    assert_eq!(traffic(&bench, "key"), (0, 0));
}
