//! Manual failover in its three forms.

use gossip::{Effect, Error, FailoverMode};

use crate::net::{TIMEOUT, TestNet};

#[test]
fn manual_failover_hands_over_at_the_final_offset_and_lifts_the_pause() {
    let mut net = TestNet::three_shards();
    net.run(100);
    assert!(net.write(0));
    net.failover(3, FailoverMode::Default);
    net.run_until("roles are swapped", TIMEOUT, |net| {
        net.view(3).myself().is_primary() && net.view(0).myself().primary == Some(net.id(3))
    });
    assert_eq!(net.nodes[3].offset, net.nodes[0].offset);
    let paused = net.nodes[0].effects.iter().position(|e| matches!(e, Effect::PauseWrites { .. })).expect("paused");
    let lifted = net.nodes[0].effects.iter().position(|e| *e == Effect::UnpauseWrites).expect("lifted");
    assert!(paused < lifted);
    for line in [
        "Manual failover user request accepted.",
        "Received replication offset for paused master manual failover:",
        "All master replication stream processed, manual failover can start.",
        "Failover election won: I'm the new master.",
    ] {
        assert!(net.logged(3, line), "{line}");
    }
    assert!(net.logged(0, "Manual failover requested by replica"));
}

#[test]
fn manual_failover_back_and_forth_is_not_held_up_by_earlier_votes() {
    let mut net = TestNet::three_shards();
    for round in 0..4 {
        let (replica, primary) = if round % 2 == 0 { (3, 0) } else { (0, 3) };
        net.run(50);
        net.failover(replica, FailoverMode::Default);
        net.run_until("roles are swapped", TIMEOUT, |net| {
            net.view(replica).myself().is_primary() && net.view(primary).myself().is_replica()
        });
        net.run_until("settled", TIMEOUT, TestNet::settled);
    }
}

#[test]
fn manual_failover_of_a_silent_primary_is_given_up() {
    let mut net = TestNet::three_shards();
    net.cut.insert((0, 3));
    net.failover(3, FailoverMode::Default);
    net.run(5_200);
    assert!(net.view(3).myself().is_replica());
    assert!(net.logged(3, "Manual failover timed out."));
}

#[test]
fn force_needs_the_majority_but_not_the_primary() {
    let mut net = TestNet::three_shards();
    net.freeze(0);
    net.failover(3, FailoverMode::Force);
    let took = net.run_until("promoted", TIMEOUT, |net| net.view(3).myself().is_primary());
    assert!(took < 100, "took {took} ms");
    net.thaw(0);
    net.run_until("healed", 5 * TIMEOUT, TestNet::settled);
}

#[test]
fn takeover_needs_nobody() {
    let mut net = TestNet::three_shards();
    net.crash(0);
    net.crash(1);
    net.run(3 * TIMEOUT);
    assert!(net.view(3).myself().is_replica(), "no majority, no election");
    net.failover(3, FailoverMode::Takeover);
    net.failover(4, FailoverMode::Takeover);
    net.run_until("the cluster is up", 10 * TIMEOUT, |net| net.views().all(|view| view.ok));
    net.restart(0, 5);
    net.restart(1, 6);
    net.run_until("the old ones follow", 10 * TIMEOUT, |net| {
        net.settled() && net.view(0).myself().is_replica() && net.view(1).myself().is_replica()
    });
}

#[test]
fn two_replicas_asked_at_once_cannot_both_win() {
    let mut net = TestNet::new(9);
    net.form(3);
    net.run(100);
    net.failover(3, FailoverMode::Default);
    net.failover(6, FailoverMode::Default);
    net.run(3 * TIMEOUT);
    let winners = [3, 6].into_iter().filter(|node| net.logged(*node, "Failover election won")).count();
    assert_eq!(winners, 1);
    net.run_until("settled", 10 * TIMEOUT, TestNet::settled);
}

#[test]
fn failover_is_refused_where_it_makes_no_sense() {
    let mut net = TestNet::three_shards();
    net.command(0, |core, now| assert_eq!(core.failover(FailoverMode::Force, now), Err(Error::FailoverOnPrimary)));
    net.crash(0);
    net.run(10);
    net.command(3, |core, now| assert_eq!(core.failover(FailoverMode::Default, now), Err(Error::PrimaryDown)));
}

/// The simulator's seed 3079: the pause ended with the process, and writes of the new process are not covered by the
/// agreed offset.
#[test]
fn a_primary_that_restarts_ends_the_agreement_on_its_final_offset() {
    let mut net = TestNet::three_shards();
    net.run(TIMEOUT);
    for voter in [1, 2] {
        net.cut.extend([(3, voter), (voter, 3)]);
    }
    net.command(3, |core, now| core.failover(FailoverMode::Default, now).expect("a replica of a live primary"));
    net.run(20);
    assert!(net.nodes[3].log.iter().any(|line| line.contains("manual failover can start")), "{:?}", net.nodes[3].log);
    net.crash(0);
    net.run(5);
    net.restart(0, 99);
    net.run(20);
    net.cut.clear();
    net.run(3 * TIMEOUT);
    assert!(net.nodes[3].log.iter().any(|line| line.contains("Manual failover aborted")), "{:?}", net.nodes[3].log);
    assert!(net.view(0).myself().is_primary() && !net.view(3).myself().is_primary());
}
