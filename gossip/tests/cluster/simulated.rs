//! Rules whose violation the simulator found, each as the shortest history that shows it.

use gossip::{Config, Effect, FailoverMode, Gossip};
use protocol::bus::{NodeFlags, NodeId};
use protocol::slot::SlotId;

use crate::net::{BUS_PORT, TIMEOUT, TestNet, range};

fn slot(number: u16) -> SlotId {
    SlotId::new(number).expect("slot")
}

/// The node loses its disk and comes back with a new id; returns the old one.
fn replace_by_stranger(net: &mut TestNet, node: usize) -> NodeId {
    let before = net.id(node);
    net.crash(node);
    net.nodes[node].core = Some(Gossip::new(net.nodes[node].config.clone(), 4_711, net.now));
    net.nodes[node].primary = None;
    net.run(1);
    before
}

fn move_slot(net: &mut TestNet, number: u16, from: usize, to: usize) {
    let (giver, taker) = (net.id(from), net.id(to));
    net.command(to, |core, now| core.set_slot_importing(slot(number), giver.as_str(), now).expect("valid"));
    net.command(from, |core, now| core.set_slot_migrating(slot(number), taker.as_str(), now).expect("valid"));
    net.command(to, |core, now| core.set_slot_node(slot(number), taker.as_str(), false, now).expect("valid"));
    net.command(from, |core, now| core.set_slot_node(slot(number), taker.as_str(), false, now).expect("valid"));
}

/// The primary 0 reaches the voter 1, but not the voter 2, which marks it failed with the help of an old report of 1.
/// `meanwhile` happens when the replica 3 has just lost the primary.
fn check_that_the_voter_refuses(meanwhile: impl FnOnce(&mut TestNet)) {
    let mut net = TestNet::three_shards();
    net.run(2 * TIMEOUT);
    let state = |net: &TestNet, by: usize| net.view(by).node(&net.id(0)).expect("known").flags;
    net.cut.extend([(0, 1), (1, 0)]);
    net.run_until("1 suspects", 3 * TIMEOUT, |net| state(net, 1).intersects(NodeFlags::PFAIL | NodeFlags::FAIL));
    net.run(5);
    net.cut.clear();
    net.cut.extend([(1, 2), (0, 2), (2, 0), (0, 3), (3, 0), (0, 4), (4, 0), (0, 5), (5, 0)]);
    meanwhile(&mut net);
    net.run_until("2 calls it failed", 2 * TIMEOUT, |net| state(net, 2).contains(NodeFlags::FAIL));
    for _ in 0..TIMEOUT / 2 {
        net.run(1);
        let replaced = net.view(3).myself().is_primary();
        assert!(
            !(replaced && net.write(0)),
            "the primary serves on a lease that its successor ignored\n{}",
            net.dump()
        );
    }
    assert!(net.logged(1, "I heard from its master"), "{}", net.dump());
}

#[test]
fn a_voter_that_heard_the_primary_within_a_node_timeout_does_not_vote_against_it() {
    check_that_the_voter_refuses(|_| {});
}

#[test]
fn an_attempt_that_waits_for_the_primary_asks_for_no_more_than_ordinary_votes_when_it_fails() {
    check_that_the_voter_refuses(|net| net.failover(3, FailoverMode::Default));
}

#[test]
fn a_final_offset_of_an_earlier_attempt_is_not_believed() {
    let mut net = TestNet::three_shards();
    net.run(2 * TIMEOUT);
    net.failover(3, FailoverMode::Default);
    net.freeze(3);
    // The primary pauses, announces that, gives up and writes again; its announcement still waits for the replica.
    net.run(6 * TIMEOUT);
    assert!(net.write(0));
    net.nodes[3].frozen = false;
    net.failover(3, FailoverMode::Default);
    net.thaw(3);
    net.run_until("promoted", 6 * TIMEOUT, |net| net.view(3).myself().is_primary());
    assert_eq!(net.nodes[3].offset, net.nodes[0].offset, "{}", net.dump());
}

#[test]
fn votes_that_waited_over_a_freeze_do_not_win_an_attempt_that_is_over() {
    let mut net = TestNet::three_shards();
    net.run(2 * TIMEOUT);
    net.failover(3, FailoverMode::Force);
    net.freeze(3);
    net.run(6 * TIMEOUT);
    net.thaw(3);
    assert!(net.logged(3, "Manual failover timed out."));
    assert!(net.view(3).myself().is_replica());
}

#[test]
fn a_primary_that_came_back_as_somebody_else_is_replaced() {
    let mut net = TestNet::three_shards();
    net.run(2 * TIMEOUT);
    replace_by_stranger(&mut net, 0);
    net.run_until("the replica took over", 10 * TIMEOUT, |net| net.view(3).myself().is_primary());
}

#[test]
fn who_missed_the_fail_message_about_a_node_without_address_learns_it_from_gossip() {
    let mut net = TestNet::three_shards();
    net.run(2 * TIMEOUT);
    net.partition(&[3]);
    let lost = replace_by_stranger(&mut net, 0);
    net.run_until("the others know", 5 * TIMEOUT, |net| net.view(1).node(&lost).expect("known").has_failed());
    net.run(TIMEOUT);
    net.cut.clear();
    net.run_until("the replica took over", 20 * TIMEOUT, |net| net.view(3).myself().is_primary());
}

#[test]
fn a_claim_that_returns_is_not_free_for_older_claims() {
    let mut net = TestNet::three_shards();
    net.run(2 * TIMEOUT);
    net.crash(0);
    net.run_until("the replica took over", 5 * TIMEOUT, |net| net.view(3).myself().is_primary());
    net.run(TIMEOUT);
    net.command(3, |core, now| core.del_slots(&[range(6, 6)], now).expect("owned"));
    net.run(5);
    net.command(3, |core, now| core.add_slots(&[range(6, 6)], now).expect("free"));
    net.run(5);
    // The old primary returns and claims the slot with its old epoch.
    net.restart(0, 77);
    let owner = net.id(3);
    for _ in 0..TIMEOUT {
        net.run(1);
        for observer in [1, 2] {
            assert_eq!(net.view(observer).owner(slot(6)).map(|node| node.id), Some(owner), "at {observer}");
        }
    }
}

#[test]
fn slots_moved_by_hand_are_on_disk_before_others_are_told() {
    let mut net = TestNet::three_shards();
    net.run(TIMEOUT);
    move_slot(&mut net, 5, 0, 1);
    net.nodes[1].effects.clear();
    // The second needs no new epoch, which would be saved durably anyway.
    move_slot(&mut net, 6, 0, 1);
    let effects = &net.nodes[1].effects;
    let told = effects.iter().position(|effect| matches!(effect, Effect::Send { .. })).expect("others are told");
    let saved = effects.iter().rposition(|effect| matches!(effect, Effect::PersistNodesConf { fsync: true, .. }));
    assert!(saved.is_some_and(|saved| saved < told), "{saved:?} {told}");
}

/// How the effects save nodes.conf: `None` not at all, otherwise whether it is on disk afterwards.
fn saved(core: &mut Gossip) -> Option<bool> {
    let effects: Vec<Effect> = std::iter::from_fn(|| core.poll_effect()).collect();
    let mut on_disk = None;
    for effect in effects {
        match effect {
            Effect::PersistNodesConf { fsync, .. } => on_disk = Some(fsync),
            Effect::Send { .. } => assert_ne!(on_disk, Some(false), "told before it is on disk"),
            _ => {}
        }
    }
    on_disk
}

#[test]
fn what_nobody_is_told_is_on_disk_with_the_next_periodic_work() {
    let now = 1_700_000_000_000;
    let mut core = Gossip::new(Config::new(7_000, BUS_PORT), 7, now);
    saved(&mut core);
    core.set_config_epoch(3, now).expect("fresh node");
    assert_eq!(saved(&mut core), Some(false));
    core.add_slots(&[range(0, 5_460)], now).expect("free slots");
    assert_eq!(saved(&mut core), Some(false));
    core.handle_tick(now + 1_000);
    assert_eq!(saved(&mut core), Some(true));
    core.handle_tick(now + 2_000);
    assert_eq!(saved(&mut core), None, "once is enough");
    core.del_slots(&[range(0, 0)], now + 2_000).expect("owned");
    assert_eq!(saved(&mut core), Some(false));
    core.save_config(now + 2_000);
    assert_eq!(saved(&mut core), Some(true), "SAVECONFIG waits for the disk");
}

/// A killed process may leave a file that the system has not written to disk yet; the next process must not rely on it.
#[test]
fn a_file_found_at_start_is_not_taken_for_durable() {
    let now = 1_700_000_000_000;
    let mut core = Gossip::new(Config::new(7_000, BUS_PORT), 7, now);
    core.set_config_epoch(3, now).expect("fresh node");
    let text = std::iter::from_fn(|| core.poll_effect()).filter_map(|effect| match effect {
        Effect::PersistNodesConf { text, fsync: false } => Some(text),
        _ => None,
    });
    let text = text.last().expect("saved");
    let mut next = Gossip::load(Config::new(7_000, BUS_PORT), 8, text.as_bytes(), now + 1).expect("what we wrote");
    next.handle_tick(now + 1_000);
    assert_eq!(saved(&mut next), Some(true));
}

#[test]
fn the_first_packet_after_a_change_that_nobody_was_told_waits_for_the_disk() {
    let mut net = TestNet::new(2);
    net.run(TIMEOUT);
    net.nodes[1].effects.clear();
    net.command(1, |core, now| core.set_config_epoch(9, now).expect("fresh node"));
    net.command(1, |core, now| core.meet("10.0.0.1", 7_000, i64::from(BUS_PORT), now).expect("valid"));
    net.run(20);
    let effects = &net.nodes[1].effects;
    let told = effects.iter().position(|effect| matches!(effect, Effect::Send { .. })).expect("the other is told");
    let saved = effects.iter().position(|effect| matches!(effect, Effect::PersistNodesConf { fsync: true, .. }));
    assert!(saved.is_some_and(|saved| saved < told), "{saved:?} {told}");
}
