//! Clusters that are founded as a whole, and the cost of announcements in large ones.

use gossip::{Bump, Effect, Founder, Gossip, LinkId};
use protocol::bus::{Body, Packet, decode, encode};

use crate::net::{TIMEOUT, TestNet, ip, range};

/// Founds a cluster of `primaries` shards; node n replicates node n % primaries.
fn found(net: &mut TestNet, primaries: usize) {
    let mut founders: Vec<Founder> = (0..net.nodes.len()).map(|node| net.core(node).founder(ip(node))).collect();
    let share = 16_384 / primaries;
    for index in 0..founders.len() {
        if index < primaries {
            let last = if index + 1 == primaries { 16_383 } else { (index + 1) * share - 1 };
            founders[index].config_epoch = index as u64 + 1;
            founders[index].slots.push(range((index * share) as u16, last as u16));
        } else {
            founders[index].primary = Some(founders[index % primaries].id);
        }
    }
    for node in 0..net.nodes.len() {
        net.command(node, |core, now| core.found(&founders, now).expect("a fresh node"));
    }
    for node in 0..net.nodes.len() {
        net.command(node, Gossip::open_links);
    }
}

fn saves(net: &TestNet, node: usize) -> usize {
    net.nodes[node].effects.iter().filter(|effect| matches!(effect, Effect::PersistNodesConf { .. })).count()
}

fn packets(net: &TestNet) -> u64 {
    net.views().map(|view| view.stats.sent.iter().sum::<u64>()).sum()
}

#[test]
fn a_founded_cluster_agrees_as_soon_as_its_links_are_up() {
    let mut net = TestNet::new(12);
    found(&mut net, 4);
    net.run(10);
    assert!(net.settled(), "{}", net.dump());
    for view in net.views() {
        assert!(view.ok);
        assert_eq!((view.nodes.len(), view.size, view.current_epoch), (12, 4, 4));
        assert!(view.nodes.iter().all(|node| node.connected && !node.has_failed() && !node.ip.is_empty()));
    }
    net.run(3 * TIMEOUT);
    assert!(net.settled() && net.views().all(|view| view.current_epoch == 4), "{}", net.dump());
}

#[test]
fn founding_costs_a_round_trip_for_each_pair_and_a_few_saves_for_each_node() {
    const NODES: u64 = 30;
    let mut net = TestNet::new(NODES as usize);
    let before: Vec<usize> = (0..net.nodes.len()).map(|node| saves(&net, node)).collect();
    found(&mut net, 15);
    net.run(10);
    assert!(net.settled(), "{}", net.dump());
    let pairs = NODES * (NODES - 1);
    assert!(packets(&net) <= 3 * pairs, "{} packets for {pairs} links", packets(&net));
    for (node, before) in before.iter().enumerate() {
        assert!(saves(&net, node) - before <= 3, "node {node} saved {} times", saves(&net, node) - before);
    }
}

/// Two links join each pair of nodes, so a packet that a replica sent before it had data may arrive after one that
/// reports data.
#[test]
fn a_packet_that_was_overtaken_does_not_take_back_that_a_replica_has_data() {
    let mut net = TestNet::new(2);
    found(&mut net, 1);
    net.run(10);
    let replica = net.id(1);
    let sent = net.nodes[1].effects.iter().rev().find_map(|effect| match effect {
        Effect::Send { bytes, .. } => decode(bytes).ok(),
        _ => None,
    });
    let Some(Packet { header, body: Body::Ping(ping) | Body::Pong(ping) }) = sent else { panic!("its last packet") };
    let tell = |net: &mut TestNet, link: LinkId, offset: u64| {
        let mut header = header.clone();
        header.offset = offset;
        let bytes = encode(&Packet { header, body: Body::Pong(ping.clone()) });
        net.command(0, |core, now| core.handle_packet(link, &bytes, now));
        net.view(0).node(&replica).is_some_and(gossip::NodeView::is_available_replica)
    };
    let link = |inbound: bool| {
        let links = net.view(0).links;
        links.iter().find(|link| link.node == replica && link.inbound == inbound).expect("a link each way").id
    };
    let (from, to) = (link(true), link(false));
    assert!(tell(&mut net, from, 5));
    assert!(tell(&mut net, to, 0), "this may be older");
    assert!(!tell(&mut net, from, 0), "this is not");
    assert!(tell(&mut net, to, 7) && tell(&mut net, from, 0));
    // It was restarted.
    net.command(0, |core, now| core.handle_link_closed(to, now));
    assert!(!tell(&mut net, from, 0));
}

#[test]
fn only_a_node_that_is_alone_and_owns_nothing_can_be_a_founder() {
    let mut net = TestNet::new(3);
    let founders: Vec<Founder> = (0..3).map(|node| net.core(node).founder(ip(node))).collect();
    net.command(0, |core, now| core.add_slots(&[range(0, 9)], now).expect("free slots"));
    assert!(net.command(0, |core, now| core.found(&founders, now)).is_err());
    assert_eq!(net.view(0).nodes.len(), 1);
    net.command(1, |core, now| core.found(&founders, now).expect("a fresh node"));
    assert!(net.command(1, |core, now| core.found(&founders, now)).is_err());
}

/// Each of n nodes learns of the others one by one; announcing each to all at once would take n cubed packets.
#[test]
fn nodes_that_meet_tell_the_others_a_few_times_only() {
    const NODES: u64 = 30;
    let mut net = TestNet::new(NODES as usize);
    net.form(15);
    let pairs = NODES * (NODES - 1);
    assert!(packets(&net) <= 20 * pairs, "{} packets for {pairs} links", packets(&net));
}

#[test]
fn every_node_lists_the_replicas_of_a_shard_in_the_order_of_their_ids() {
    let mut net = TestNet::new(15);
    net.form(3);
    let listed: Vec<_> = net
        .views()
        .map(|view| {
            let ids = |node: &gossip::NodeView| node.replicas.iter().map(|at| view.nodes[*at].id).collect::<Vec<_>>();
            view.primaries().map(|node| (node.id, ids(node))).collect::<Vec<_>>()
        })
        .collect();
    assert!(listed[0].iter().all(|(_, replicas)| replicas.len() == 4 && replicas.is_sorted()), "{listed:?}");
    assert!(listed.iter().all(|of_node| *of_node == listed[0]), "{listed:?}");
}

#[test]
fn everybody_hears_at_once_that_a_replica_has_got_its_data() {
    let mut net = TestNet::three_shards();
    let replica = net.id(3);
    net.nodes[3].no_sync = true;
    assert!(net.views().all(|view| !view.node(&replica).expect("known").is_available_replica()));
    net.command(3, |core, now| {
        let primary = core.my_primary();
        core.set_replication(gossip::Replication { primary, offset: 1, last_contact: now }, now);
    });
    net.run(3);
    assert!(net.views().all(|view| view.node(&replica).expect("known").is_available_replica()), "{}", net.dump());
}

/// `redis-cli --cluster fix` gives the slots of a dead shard one by one to the survivors in turn.
#[test]
fn slots_that_are_given_one_by_one_are_told_and_flushed_together() {
    let mut net = TestNet::three_shards();
    net.run(TIMEOUT);
    net.crash(2);
    net.crash(5);
    net.run_until("it has failed", 5 * TIMEOUT, |net| !net.view(0).ok && !net.view(1).ok);
    let began = net.now;
    let flushes = |net: &TestNet| {
        let flush = |effect: &&Effect| matches!(effect, Effect::PersistNodesConf { fsync: true, .. });
        (0..2).map(|node| net.nodes[node].effects.iter().filter(flush).count()).sum::<usize>()
    };
    let (flushed, epoch) = (flushes(&net), net.view(0).current_epoch);
    let mut bumps = 0;
    for slot in 10_922..=13_921_u16 {
        let node = usize::from(slot.is_multiple_of(3));
        let range = range(slot, slot);
        net.command(node, |core, now| core.del_slots(&[range], now).expect("the dead node's"));
        net.command(node, |core, now| core.add_slots(&[range], now).expect("nobody's"));
        bumps += u64::from(matches!(net.command(node, Gossip::bump_epoch), Bump::Bumped(_)));
        net.run(1);
    }
    let seconds = (net.now - began) as u64 / 1_000;
    assert!(bumps <= 4 + 8 * seconds, "{bumps} epochs in {seconds} s");
    assert!(flushes(&net) - flushed <= 10 + 40 * seconds as usize, "{} flushes", flushes(&net) - flushed);
    net.run(3 * TIMEOUT);
    for node in 0..2 {
        let view = net.view(node);
        assert!(view.current_epoch <= epoch + bumps + 2, "{}", net.dump());
        for slot in 10_922..=13_921_u16 {
            let slot = protocol::slot::SlotId::new(slot).expect("a slot");
            let owner = net.id(usize::from(slot.get().is_multiple_of(3)));
            assert_eq!(view.owner(slot).map(|owner| owner.id), Some(owner));
        }
    }
}
