//! A primary fails and its replica takes its place.

use crate::net::{TIMEOUT, TestNet};

#[test]
fn replica_takes_over_a_killed_primary_and_the_primary_returns_as_its_replica() {
    let mut net = TestNet::three_shards();
    assert!(net.write(0));
    net.run(300);
    net.crash(0);
    let took = net.run_until("the replica is promoted", 4 * TIMEOUT, |net| {
        net.view(3).myself().is_primary() && net.views().all(|view| view.ok)
    });
    assert!(took < TIMEOUT + 500, "took {took} ms");
    assert!(net.logged(3, "Failover election won: I'm the new master."));
    net.restart(0, 77);
    net.run_until("the old primary replicates it", 10 * TIMEOUT, |net| {
        net.view(0).myself().primary == Some(net.id(3)) && net.settled()
    });
}

#[test]
fn replica_of_a_primary_that_never_had_data_takes_over() {
    let mut net = TestNet::three_shards();
    net.run(300);
    assert_eq!(net.nodes[3].offset, 0);
    net.crash(0);
    net.run_until("promoted", 4 * TIMEOUT, |net| net.view(3).myself().is_primary());
}

#[test]
fn replica_without_the_data_that_the_primary_had_does_not_stand() {
    let mut net = TestNet::three_shards();
    // Its replica loses its data and cannot sync again, but the link looks fine.
    net.write(0);
    net.run(TIMEOUT);
    net.nodes[3].no_sync = true;
    net.nodes[3].offset = 0;
    net.nodes[3].last_contact = net.now;
    net.run(300);
    net.crash(0);
    net.run(5 * TIMEOUT);
    assert!(net.view(3).myself().is_replica(), "{}", net.dump());
}

#[test]
fn data_of_an_earlier_primary_of_the_shard_is_better_than_nothing_but_comes_last() {
    let mut net = TestNet::new(9);
    net.form(3);
    net.write(0);
    net.run(TIMEOUT);
    net.crash(0);
    net.run_until("promoted", 5 * TIMEOUT, |net| [3, 6].iter().any(|node| net.view(*node).myself().is_primary()));
    let (new, other) = if net.view(3).myself().is_primary() { (3, 6) } else { (6, 3) };
    net.nodes[other].no_sync = true;
    net.run_until("followed", TIMEOUT, |net| net.view(other).myself().primary == Some(net.id(new)));
    net.crash(new);
    net.nodes[other].may_lack_data = true;
    let took = net.run_until("it stands at last", 8 * TIMEOUT, |net| net.view(other).myself().is_primary());
    assert!(took > TIMEOUT + 600, "took only {took} ms");
}

#[test]
fn replica_with_the_most_data_wins() {
    for seed_shift in 0..5 {
        let mut net = TestNet::new(9);
        net.form(3);
        net.run(200 + seed_shift * 37);
        // Node 3 stops receiving data; node 6 goes on.
        net.cut.insert((0, 3));
        net.write(0);
        net.run(250);
        assert!(net.nodes[6].offset > net.nodes[3].offset);
        net.cut.clear();
        net.crash(0);
        net.run_until("one is promoted", 5 * TIMEOUT, |net| {
            net.view(6).myself().is_primary() || net.view(3).myself().is_primary()
        });
        assert!(net.view(6).myself().is_primary());
        net.run_until("the other follows", 5 * TIMEOUT, |net| net.view(3).myself().primary == Some(net.id(6)));
    }
}

#[test]
fn replica_that_hears_a_sibling_ask_stands_back_for_one_election() {
    const STARTS: &str = "Starting a failover election";
    let mut apart = 0;
    for shift in 0..10 {
        let mut net = TestNet::new(9);
        net.form(3);
        net.write(0);
        net.run(TIMEOUT + shift * 7);
        // Only one vote can be given.
        net.cut.extend([(3, 2), (6, 2)]);
        net.crash(0);
        net.run_until("one asks", 4 * TIMEOUT, |net| net.logged(3, STARTS) || net.logged(6, STARTS));
        net.run(20);
        let other = if net.logged(3, STARTS) { 6 } else { 3 };
        if net.logged(other, STARTS) {
            // It had asked before it heard.
            continue;
        }
        apart += 1;
        net.run(2 * TIMEOUT - 200);
        assert!(!net.logged(other, STARTS), "two candidates at a time");
        net.run_until("it takes its turn", TIMEOUT, |net| net.logged(other, STARTS));
        net.cut.clear();
        net.run_until("one is promoted", 3 * 2 * TIMEOUT, |net| {
            [3, 6].iter().any(|node| net.view(*node).myself().is_primary())
        });
    }
    assert!(apart >= 5, "only {apart} of 10 tell anything");
}

#[test]
fn replica_with_data_too_old_does_not_stand() {
    let mut net = TestNet::three_shards();
    net.command(3, |core, now| {
        let mut config = core.config().clone();
        config.replica_validity_factor = 2;
        config.replica_ping_period_ms = 1_000;
        core.set_config(config, now);
    });
    net.nodes[3].config = net.core(3).config().clone();
    net.crash(3);
    net.run(8 * TIMEOUT);
    net.crash(0);
    net.restart(3, 5);
    net.nodes[3].primary = Some(net.view(3).myself().primary.expect("a replica"));
    net.run(8 * TIMEOUT);
    assert!(net.view(3).myself().is_replica());
}

#[test]
fn no_failover_option_keeps_a_replica_a_replica_and_others_know() {
    let mut net = TestNet::three_shards();
    net.command(3, |core, now| {
        let mut config = core.config().clone();
        config.replica_no_failover = true;
        core.set_config(config, now);
    });
    let id = net.id(3);
    net.run(TIMEOUT);
    assert!(
        net.view(1).nodes_text(false).lines().any(|l| l.starts_with(id.as_str()) && l.contains("slave,nofailover"))
    );
    net.crash(0);
    net.run(5 * TIMEOUT);
    assert!(net.view(3).myself().is_replica());
    assert!(!net.core(1).is_ok());
}

#[test]
fn without_a_majority_of_primaries_nobody_is_elected() {
    let mut net = TestNet::three_shards();
    net.crash(0);
    net.crash(1);
    net.run(10 * TIMEOUT);
    assert!((3..6).all(|node| net.view(node).myself().is_replica()));
    assert!(net.views().all(|view| !view.ok));
}

#[test]
fn dead_replicas_do_not_close_the_cluster() {
    let mut net = TestNet::three_shards();
    for node in 3..6 {
        net.crash(node);
    }
    net.run(5 * TIMEOUT);
    assert!(net.views().all(|view| view.ok));
    let failed = |view: &gossip::View| view.nodes.iter().filter(|node| node.has_failed()).count() == 3;
    assert!(net.views().all(|view| failed(&view)));
    for node in 3..6 {
        net.restart(node, 40 + node as u64);
    }
    net.run_until("all are back", 5 * TIMEOUT, |net| {
        net.settled() && net.views().all(|view| view.nodes.iter().all(|node| !node.has_failed()))
    });
}

#[test]
fn one_primary_alone_marks_its_dead_replica_as_failed() {
    let mut net = TestNet::new(2);
    net.form(1);
    net.crash(1);
    net.run(2 * TIMEOUT);
    assert!(net.view(0).nodes.iter().any(gossip::NodeView::has_failed));
}

#[test]
fn a_failed_primary_without_replica_is_taken_back_when_it_returns() {
    let mut net = TestNet::new(3);
    net.form(3);
    net.crash(0);
    net.run(3 * TIMEOUT);
    assert!(!net.core(1).is_ok());
    assert!(net.logged(1, "as failing (quorum reached).") || net.logged(1, "FAIL message received from"));
    net.restart(0, 9);
    net.run_until("up again", 10 * TIMEOUT, TestNet::settled);
}

#[test]
fn replicas_killed_one_after_the_other_are_replaced_until_none_is_left() {
    let mut net = TestNet::new(12);
    net.form(3);
    let mut left = vec![3, 6, 9];
    let mut current = 0;
    while !left.is_empty() {
        net.run(300);
        net.crash(current);
        net.run_until("another one takes over", 5 * TIMEOUT, |net| {
            left.iter().any(|node| net.view(*node).myself().is_primary())
        });
        current = *left.iter().find(|node| net.view(**node).myself().is_primary()).expect("promoted");
        left.retain(|node| *node != current);
        net.run_until("ok", 10 * TIMEOUT, |net| net.views().all(|view| view.ok));
    }
}

#[test]
fn a_stale_primary_is_corrected_by_third_nodes() {
    let mut net = TestNet::three_shards();
    net.crash(0);
    net.run_until("promoted", 5 * TIMEOUT, |net| net.view(3).myself().is_primary());
    net.run_until("all know", TIMEOUT, |net| net.views().all(|view| view.ok));
    net.crash(3);
    net.restart(0, 12);
    let id = net
        .view(1)
        .nodes
        .iter()
        .find(|n| n.is_primary() && n.slots == vec![crate::net::range(0, 5_460)])
        .expect("new")
        .id;
    net.run_until("it learns of its successor although that one is away", 10 * TIMEOUT, |net| {
        net.view(0).myself().primary == Some(id)
    });
}

#[test]
fn twenty_random_kills_and_restarts_end_in_a_cluster_that_agrees() {
    let mut net = TestNet::new(9);
    net.form(3);
    let mut random = 12_345_u64;
    for round in 0..20 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let primaries: Vec<usize> = (0..9).filter(|node| net.view(*node).myself().is_primary()).collect();
        let victim = primaries[(random >> 33) as usize % primaries.len()];
        let epoch = net.view(victim).current_epoch;
        net.write(victim);
        net.run(300);
        net.crash(victim);
        net.run_until("somebody took over", 10 * TIMEOUT, |net| {
            net.views().all(|view| view.ok && view.current_epoch > epoch)
        });
        net.restart(victim, 1_000 + round);
        net.run_until("all agree", 20 * TIMEOUT, TestNet::settled);
    }
}
