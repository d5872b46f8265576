//! A primary that comes back without its data makes way for a replica that has it (redis issue 6434, valkey issue 579).

use gossip::{Config, Effect, Gossip};

use crate::net::{BUS_PORT, TIMEOUT, TestNet, range};

/// The text of nodes.conf, if the effects save it.
fn saved(core: &mut Gossip) -> Option<String> {
    let effects: Vec<Effect> = std::iter::from_fn(|| core.poll_effect()).collect();
    let texts = effects.into_iter().filter_map(|effect| match effect {
        Effect::PersistNodesConf { text, .. } => Some(text),
        _ => None,
    });
    texts.last()
}

fn has_mark(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("vars ") && line.contains(" slotd-data 1"))
}

/// Three shards with data everywhere; the primary 0 was killed and starts again at this offset.
fn restarted_at(offset: u64) -> TestNet {
    let mut net = TestNet::three_shards();
    net.nodes[0].offset = 1_000;
    net.run(TIMEOUT);
    for node in 0..6 {
        net.command(node, |core, now| core.note_data(true, now));
    }
    net.run(TIMEOUT);
    net.crash(0);
    net.nodes[0].offset = offset;
    net.restart(0, 99);
    net.command(0, |core, now| {
        core.set_replication(gossip::Replication { primary: None, offset, last_contact: 0 }, now);
        core.note_data(offset > 0, now);
    });
    net
}

fn feeds(net: &TestNet, node: usize) -> bool {
    net.nodes[node].core.as_ref().is_some_and(Gossip::feeds_replicas)
}

#[test]
fn a_replica_with_more_data_takes_over_and_is_never_fed_less() {
    for offset in [0, 999] {
        let mut net = restarted_at(offset);
        assert!(!feeds(&net, 0), "not before the replica was heard");
        net.nodes[3].no_sync = true;
        let mut fed = false;
        for _ in 0..20 * TIMEOUT {
            net.run(1);
            fed |= feeds(&net, 0) && net.view(0).myself().is_primary();
            assert!(!net.view(0).ok || !net.view(0).myself().is_primary(), "served");
            if net.view(3).myself().is_primary() {
                break;
            }
        }
        assert!(!fed && net.view(3).myself().is_primary(), "offset {offset}");
        net.run_until("the old primary follows", 5 * TIMEOUT, |net| !net.view(0).myself().is_primary());
        net.run_until("the cluster is ok", 5 * TIMEOUT, TestNet::settled);
    }
}

#[test]
fn a_primary_that_has_all_data_goes_on() {
    let mut net = restarted_at(1_000);
    assert!(!feeds(&net, 0));
    net.run_until("the replica was heard", TIMEOUT, |net| feeds(net, 0));
    net.run_until("the cluster is ok", 5 * TIMEOUT, TestNet::settled);
    assert!(net.view(0).myself().is_primary());
}

#[test]
fn a_replica_that_does_not_answer_is_not_waited_for() {
    let mut net = restarted_at(0);
    net.crash(3);
    net.run(1_990);
    assert!(!feeds(&net, 0));
    net.run(200);
    assert!(feeds(&net, 0) && net.view(0).myself().is_primary());
}

/// No replica can win, so the wait is limited to the time of a failure and some elections.
#[test]
fn a_primary_held_back_gives_up_after_four_timeouts() {
    let mut net = restarted_at(0);
    net.nodes[3].no_sync = true;
    net.run(100);
    for voter in [1, 2] {
        net.cut.extend([(3, voter), (voter, 3)]);
    }
    net.run(4 * TIMEOUT - 200);
    assert!(!feeds(&net, 0));
    net.run_until("it gives up", 500, |net| feeds(net, 0));
    net.cut.clear();
    net.run_until("the cluster is ok", 10 * TIMEOUT, TestNet::settled);
    assert!(net.view(0).myself().is_primary());
}

#[test]
fn where_nobody_can_be_elected_nobody_waits() {
    let mut net = TestNet::new(2);
    net.form(1);
    net.nodes[0].offset = 50;
    net.command(0, |core, now| core.note_data(true, now));
    net.run(TIMEOUT);
    net.crash(0);
    net.nodes[0].offset = 0;
    net.restart(0, 99);
    assert!(feeds(&net, 0));
}

#[test]
fn the_mark_comes_with_the_first_key_and_goes_when_the_node_stays_empty() {
    let now = 1_700_000_000_000;
    let mut core = Gossip::new(Config::new(7_000, BUS_PORT), 7, now);
    core.add_slots(&[range(0, 16_383)], now).expect("free slots");
    assert!(!has_mark(&saved(&mut core).expect("saved")));
    core.note_data(false, now);
    assert_eq!(saved(&mut core), None);
    core.note_data(true, now);
    assert!(has_mark(&saved(&mut core).expect("saved")));
    core.note_data(true, now + 1);
    core.note_data(false, now + 2);
    core.note_data(true, now + 9_000);
    core.note_data(false, now + 9_001);
    core.note_data(false, now + 19_000);
    assert_eq!(saved(&mut core), None, "a cache that is flushed and filled is not written about each time");
    core.note_data(false, now + 19_001);
    assert!(!has_mark(&saved(&mut core).expect("saved")));
}
