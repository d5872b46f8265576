//! Places on hosts.

use proptest::prelude::*;

use super::*;

#[test]
fn three_hosts_with_two_nodes_each_have_primary_and_replica_apart() {
    let hosts = ["a", "a", "b", "b", "c", "c"];
    let placement = place(&hosts, 1).expect("enough");
    assert_eq!(placement.primaries, [0, 2, 4]);
    assert_eq!(placement.together, 0);
    assert_eq!(placement.replicates.iter().flatten().count(), 3);
    assert_eq!(placement.slots_of(0), Some((0, 5460)));
    assert_eq!(placement.slots_of(4), Some((10922, 16383)));
    assert_eq!(placement.slots_of(1), None);
}

#[test]
fn a_host_for_each_node_needs_no_care() {
    let hosts = ["1", "2", "3", "4", "5", "6", "7"];
    let placement = place(&hosts, 1).expect("enough");
    assert_eq!(placement.primaries, [0, 1, 2]);
    assert_eq!(placement.replicates, [None, None, None, Some(0), Some(1), Some(2), Some(0)], "one is left over");
}

#[test]
fn one_host_is_said_to_hold_replicas_beside_their_primaries() {
    assert_eq!(place(&["a"; 6], 1).map(|placement| placement.together), Ok(3));
    assert_eq!(place(&["a"; 3], 0).map(|placement| placement.together), Ok(0));
}

#[test]
fn too_few_nodes_are_refused_with_the_number_that_is_needed() {
    for (nodes, replicas, part) in [(5, 1, "make 2 primaries"), (5, 1, "name 6 nodes"), (2, 0, "name 3 nodes")] {
        assert!(place(&vec!["a"; nodes], replicas).is_err_and(|error| error.contains(part)), "{part}");
    }
}

proptest! {
    #[test]
    fn every_node_has_a_place_and_none_is_beside_its_primary_needlessly(
        hosts in prop::collection::vec(0_u16..6, 3..40), replicas in 0_usize..3,
    ) {
        let names: Vec<String> = hosts.iter().map(u16::to_string).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let Ok(placement) = place(&names, replicas) else { return Ok(()) };
        prop_assert_eq!(&placement, &place(&names, replicas).expect("as before"));
        let count = placement.primaries.len();
        prop_assert_eq!(placement.replicates.iter().filter(|primary| primary.is_none()).count(), count);
        for primary in &placement.primaries {
            let own = placement.replicates.iter().filter(|of| **of == Some(*primary)).count();
            prop_assert!(own >= replicas && own <= replicas + 1 + names.len() / count);
        }
        let slots: usize = placement.primaries.iter().filter_map(|p| placement.slots_of(*p)).map(|(a, b)| b - a + 1).sum();
        prop_assert_eq!(slots, SLOT_COUNT);
        // With as many nodes on each of several hosts there is always a way.
        let on = |host: u16| hosts.iter().filter(|other| **other == host).count();
        let even = (0..3).all(|host| on(host) > 0 && on(host) == on(0)) && (3..6).all(|host| on(host) == 0);
        if even && replicas <= 2 {
            prop_assert_eq!(placement.together, 0);
        }
    }
}
