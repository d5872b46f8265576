//! Plans for placements, by hand and by chance.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::seats::{Seat, loses_majority};
use super::*;

/// Shards as the hosts of their nodes, the primary first.
fn placement(shards: &[&[usize]]) -> Placement {
    let (mut seats, mut primaries) = (Vec::new(), Vec::new());
    for (shard, hosts) in shards.iter().enumerate() {
        primaries.push(seats.len());
        seats.extend(hosts.iter().map(|host| Seat { host: *host, shard, may_lead: true }));
    }
    Placement { seats, primaries }
}

fn outcome(start: &Placement) -> (Vec<Step>, Cost) {
    let steps = plan(start, Moves::All);
    let end = start.after_all(&steps).expect("each step can be taken");
    (steps, end.cost())
}

const GOOD: Cost = Cost { alone: 0, on_one_host: 0, majorities: 0, beside: 0, uneven: 3 };

#[test]
fn a_good_placement_is_left_alone() {
    for shards in
        [&[&[0, 1][..], &[1, 2], &[2, 0]][..], &[&[0, 1], &[1, 0], &[2, 1]], &[&[0, 1, 2], &[1, 2, 0], &[2, 0, 1]]]
    {
        assert_eq!(outcome(&placement(shards)), (vec![], GOOD));
    }
}

#[test]
fn primaries_go_back_to_their_hosts_after_a_failover() {
    // Host 0 was away: its primary's replica has taken over on host 1.
    let start = placement(&[&[1, 0], &[1, 2], &[2, 0]]);
    assert_eq!(outcome(&start), (vec![Step::Promote(1)], GOOD));
}

#[test]
fn a_role_is_passed_on_where_one_move_is_not_enough() {
    // Host 0 has two primaries and host 2 none; the replicas of host 0's are all on host 1.
    let start = placement(&[&[0, 1], &[0, 1], &[1, 2]]);
    let (steps, cost) = outcome(&start);
    assert_eq!((steps.len(), cost), (2, GOOD), "{steps:?}");
    assert!(steps.iter().all(|step| matches!(step, Step::Promote(_))), "{steps:?}");
}

#[test]
fn shards_on_one_host_each_are_spread() {
    let (steps, cost) = outcome(&placement(&[&[0, 0], &[1, 1], &[2, 2]]));
    assert_eq!((steps.len(), cost), (2, GOOD), "{steps:?}");
}

#[test]
fn a_shard_without_replica_gets_one_that_another_can_spare() {
    let (steps, cost) = outcome(&placement(&[&[0], &[1, 0, 2], &[2, 0]]));
    assert_eq!((steps.len(), cost.alone, cost.beside), (1, 0, 0), "{steps:?}");
    // None can be spared.
    assert_eq!(outcome(&placement(&[&[0], &[1, 2], &[2, 0]])).0, []);
}

#[test]
fn what_cannot_be_avoided_moves_nothing() {
    // One host; two hosts, one of which always has the majority.
    assert_eq!(outcome(&placement(&[&[0, 0], &[0, 0], &[0, 0]])).0, []);
    assert_eq!(outcome(&placement(&[&[0, 1], &[0, 1], &[1, 0]])).0, []);
}

#[test]
fn who_may_not_lead_is_not_promoted() {
    let mut start = placement(&[&[1, 0], &[1, 2], &[2, 0]]);
    start.seats[1].may_lead = false;
    let (steps, _) = outcome(&start);
    assert!(!steps.contains(&Step::Promote(1)), "{steps:?}");
}

#[test]
fn the_majority_is_counted_from_three_primaries_on() {
    let lost = |lost, all| loses_majority(lost, all);
    assert!(lost(2, 3) && lost(2, 4) && lost(3, 5) && !lost(2, 5) && !lost(1, 3) && !lost(0, 3));
    assert!(!lost(1, 1) && !lost(2, 2), "that there are too few is another finding");
}

/// Up to `nodes` nodes on up to four hosts, in up to three shards.
fn any_placement(nodes: usize) -> impl Strategy<Value = Placement> {
    let seats = proptest::collection::vec((0..4_usize, 0..3_usize, prop::bool::weighted(0.9)), 1..=nodes);
    seats.prop_map(|seats| {
        let mut used: Vec<usize> = seats.iter().map(|(_, shard, _)| *shard).collect();
        used.sort_unstable();
        used.dedup();
        let number = |shard: usize| used.iter().position(|other| *other == shard).expect("it is used");
        let seats: Vec<Seat> = seats
            .iter()
            .map(|(host, shard, may_lead)| Seat { host: *host, shard: number(*shard), may_lead: *may_lead })
            .collect();
        let first = |shard: usize| seats.iter().position(|seat| seat.shard == shard).expect("it is used");
        Placement { primaries: (0..used.len()).map(first).collect(), seats }
    })
}

/// The least cost of all placements that steps can lead to.
fn least(start: &Placement) -> Cost {
    let (mut known, mut queue, mut least) = (BTreeSet::new(), vec![start.clone()], start.cost());
    while let Some(place) = queue.pop() {
        let key: Vec<(usize, bool)> =
            (0..place.seats.len()).map(|seat| (place.seats[seat].shard, place.is_primary(seat))).collect();
        if !known.insert(key) {
            continue;
        }
        least = least.min(place.cost());
        queue.extend(steps(&place, Moves::All).map(|step| place.after(step)));
    }
    least
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_plan_is_no_worse_than_any_other(start in any_placement(6)) {
        let (steps, cost) = outcome(&start);
        prop_assert_eq!(cost, least(&start), "{:?}", steps);
    }

    #[test]
    fn a_plan_helps_needs_each_step_and_leaves_nothing_to_do(start in any_placement(12)) {
        let (steps, cost) = outcome(&start);
        prop_assert!(steps.is_empty() || cost < start.cost());
        for at in 0..steps.len() {
            let mut fewer = steps.clone();
            fewer.remove(at);
            let without = start.after_all(&fewer).map(|place| place.cost());
            prop_assert!(without.is_none_or(|without| without > cost), "{steps:?} at {at}");
        }
        let end = start.after_all(&steps).expect("each step can be taken");
        prop_assert_eq!(plan(&end, Moves::All), Vec::<Step>::new());
    }

    #[test]
    fn a_step_is_judged_by_what_it_touches_as_the_whole_would_be(start in any_placement(12)) {
        let tally = Tally::new(&start);
        for step in steps(&start, Moves::All) {
            prop_assert_eq!(tally.after(step), start.after(step).cost(), "{:?}", step);
        }
    }

    #[test]
    fn no_step_that_helps_is_passed_over(start in any_placement(12)) {
        let tally = Tally::new(&start);
        let useful: Vec<Step> = useful_copies(&start, &tally).flatten().chain(promotions(&start)).collect();
        for step in steps(&start, Moves::All).filter(|step| tally.after(*step) < tally.cost) {
            prop_assert!(useful.contains(&step), "{:?}", step);
        }
    }

    #[test]
    fn without_copies_only_roles_move(start in any_placement(12)) {
        let steps = plan(&start, Moves::Promotions);
        prop_assert!(steps.iter().all(|step| matches!(step, Step::Promote(_))), "{:?}", steps);
    }
}

/// So many nodes, two in each shard, and three shards on each host.
fn large(nodes: usize, beside: bool) -> Placement {
    let shards = nodes / 2;
    let hosts = shards.div_ceil(3);
    let seat = |at: usize| {
        let (shard, is_replica) = (at / 2, at % 2 == 1);
        let host = if is_replica && !beside { (shard + 1) % hosts } else { shard % hosts };
        Seat { host, shard, may_lead: true }
    };
    Placement { seats: (0..nodes).map(seat).collect(), primaries: (0..shards).map(|shard| shard * 2).collect() }
}

#[test]
fn the_work_for_a_plan_grows_with_the_nodes_times_its_steps() {
    // Every replica is beside its primary: the worst start.
    for nodes in [100, 200, 300, 1000] {
        let start = large(nodes, true);
        let (steps, judged) = planned(&start, Moves::All);
        let end = start.after_all(&steps).expect("each step can be taken");
        assert_eq!((end.cost().on_one_host, end.cost().beside), (0, 0), "{nodes} nodes");
        let most = (steps.len() + 1) * nodes * PORTION * 2;
        assert!(judged <= most, "{nodes} nodes: {judged} candidates for {} steps, not {most}", steps.len());
        // A cluster in order is looked at once.
        let (steps, judged) = planned(&large(nodes, false), Moves::All);
        assert!(steps.is_empty() && judged <= nodes, "{nodes} nodes: {judged} candidates, {steps:?}");
    }
}
