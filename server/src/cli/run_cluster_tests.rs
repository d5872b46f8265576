//! Tests of what `slotd cluster` says when it is ready.

use super::failover_note;

#[test]
fn a_cluster_in_which_nobody_can_be_elected_says_so() {
    assert!(failover_note(3, 0).is_some_and(|note| note.contains("no replicas")));
    assert!(failover_note(1, 0).is_some_and(|note| note.contains("no replicas")));
    for primaries in [1, 2] {
        let note = failover_note(primaries, 4).unwrap_or_default();
        assert!(note.contains(&format!("{primaries} of the 3 primaries")) && note.contains("TAKEOVER"), "{note}");
    }
    assert_eq!(failover_note(3, 3), None);
    assert_eq!(failover_note(34, 1), None);
}
