//! The write lease: primaries that were frozen or cut off don't serve writes; healthy ones always do.

use gossip::Config;

use crate::net::{TIMEOUT, TestNet};

/// Three shards of two nodes, with a node timeout in milliseconds.
fn three_shards_with(timeout: i64) -> TestNet {
    let mut net = TestNet::new(0);
    for seed in 0..6 {
        let mut config = Config::new(7_000, crate::net::BUS_PORT);
        config.node_timeout_ms = timeout;
        net.add_node(config, seed);
    }
    net.form(3);
    net
}

#[test]
fn lease_never_lapses_in_a_healthy_cluster() {
    for timeout in [300, 1_000, 5_000, 15_000] {
        let mut net = three_shards_with(timeout);
        for _ in 0..200 {
            net.run(50);
            for primary in 0..3 {
                assert!(net.write(primary), "timeout {timeout}: lease lapsed\n{}", net.dump());
                let left = net.core(primary).serve_until_ms() - net.now;
                assert!(left > timeout / 5, "timeout {timeout}: only {left} ms left");
            }
        }
    }
}

#[test]
fn a_frozen_primary_serves_no_write_when_it_wakes() {
    let mut net = TestNet::three_shards();
    net.run(2 * TIMEOUT);
    net.freeze(0);
    net.run_until("the replica took over", 5 * TIMEOUT, |net| net.view(3).myself().is_primary());
    net.run(200);
    net.nodes[0].frozen = false;
    assert!(!net.write(0), "a write queued over the freeze, before anything else");
    net.thaw(0);
    assert!(!net.write(0), "after the pongs that waited in the sockets");
    for _ in 0..3 * TIMEOUT {
        net.run(1);
        assert!(!net.write(0), "while the news arrives");
    }
    assert_eq!(net.view(0).myself().primary, Some(net.id(3)));
}

#[test]
fn pongs_that_waited_over_a_freeze_extend_nothing() {
    let mut net = TestNet::three_shards();
    // Freeze right after pings left, so that their answers wait in the sockets.
    let sent = |net: &TestNet| net.view(0).stats.sent[0];
    let before = sent(&net);
    net.run_until("a ping is on its way", TIMEOUT, |net| sent(net) > before);
    net.freeze(0);
    net.run(TIMEOUT + 1);
    net.thaw(0);
    assert!(net.core(0).serve_until_ms() <= net.now);
    assert!(!net.core(0).is_ok());
}

#[test]
fn a_primary_that_slept_unnoticed_serves_again_after_hearing_a_majority() {
    let mut net = TestNet::new(3);
    net.form(3);
    net.run(2 * TIMEOUT);
    net.freeze(0);
    net.run(TIMEOUT + 50);
    net.thaw(0);
    assert!(!net.write(0));
    let back = net.run_until("it serves again", 5 * TIMEOUT, |net| net.core(0).is_ok());
    assert!(net.write(0));
    assert!(back <= 150, "nobody was elected, so it is back after a round trip: {back}");
}

#[test]
fn a_short_freeze_goes_unnoticed() {
    let mut net = TestNet::three_shards();
    net.run(2 * TIMEOUT);
    net.freeze(0);
    net.run(TIMEOUT / 4);
    net.thaw(0);
    net.run(20);
    assert!(net.write(0));
}

#[test]
fn a_woken_node_suspects_nobody() {
    let mut net = TestNet::three_shards();
    net.freeze(4);
    net.run(3 * TIMEOUT);
    net.thaw(4);
    net.run(20);
    assert!(net.view(4).nodes.iter().all(|node| !node.flags.contains(protocol::bus::NodeFlags::PFAIL)));
}

#[test]
fn a_primary_in_the_minority_stops_within_a_node_timeout() {
    let mut net = TestNet::three_shards();
    net.run(2 * TIMEOUT);
    net.partition(&[0]);
    let start = net.now;
    let mut last_served = start;
    net.run(1);
    while net.now < start + 3 * TIMEOUT {
        if net.write(0) {
            last_served = net.now;
        }
        net.run(1);
    }
    assert!(last_served - start <= TIMEOUT, "served for {} ms", last_served - start);
    assert!(net.view(3).myself().is_primary(), "the majority went on");
    net.cut.clear();
    net.run_until("the cluster heals", 10 * TIMEOUT, TestNet::settled);
    assert_eq!(net.view(0).myself().primary, Some(net.id(3)));
}

#[test]
fn no_write_is_served_by_two_nodes_of_a_shard_at_once() {
    let mut net = TestNet::three_shards();
    net.run(2 * TIMEOUT);
    net.partition(&[0, 4]);
    for _ in 0..5 * TIMEOUT {
        net.run(1);
        let old = net.write(0);
        let new = net.write(3);
        assert!(!(old && new), "both served at {}", net.now);
    }
}

#[test]
fn a_single_primary_needs_no_lease() {
    let mut net = TestNet::new(2);
    net.form(1);
    assert_eq!(net.core(0).serve_until_ms(), i64::MAX);
    net.crash(1);
    net.run(3 * TIMEOUT);
    assert!(net.write(0));
}

#[test]
fn freezes_are_told_once_a_second_and_counted_meanwhile() {
    let timeout = 100;
    let mut net = three_shards_with(timeout);
    let (began, freezes) = (net.now, 30);
    for _ in 0..freezes {
        net.freeze(0);
        net.run(timeout + 10);
        net.thaw(0);
        net.run(20);
    }
    let told: Vec<&String> = net.nodes[0].log.iter().filter(|line| line.contains("Frozen for ")).collect();
    let seconds = (net.now - began) as usize / 1000;
    assert!((2..=seconds + 1).contains(&told.len()), "{told:?}");
    assert!(told.iter().skip(1).all(|line| line.ends_with(" times more since this was last said.")), "{told:?}");
}
