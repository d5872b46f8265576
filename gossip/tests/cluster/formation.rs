//! Forming a cluster: MEET, gossip, roles, and agreement on slot owners.

use gossip::nodes_conf::NodesConf;
use gossip::{Effect, Gossip};
use protocol::bus::PacketType;

use crate::net::{TIMEOUT, TestNet, range};

#[test]
fn meet_spreads_by_gossip_until_all_agree() {
    let net = TestNet::three_shards();
    for view in net.views() {
        assert!(view.ok);
        assert_eq!((view.nodes.len(), view.size, view.slot_runs().len()), (6, 3, 3));
        assert!(view.nodes.iter().all(|node| node.connected && !node.has_failed()));
    }
}

#[test]
fn a_fresh_cluster_is_ready_within_half_a_second() {
    let start = TestNet::new(1).now;
    let net = TestNet::three_shards();
    assert!(net.now - start < 400, "took {} ms", net.now - start);
}

#[test]
fn a_lost_meet_is_repeated_until_it_is_answered() {
    let mut net = TestNet::new(2);
    net.command(0, |core, _| core.set_drop_filter(Some(PacketType::Meet)));
    net.command(1, |core, now| core.meet("10.0.0.1", 7_000, 17_000, now).expect("valid"));
    net.run(100);
    assert_eq!(net.view(0).nodes.len(), 1);
    net.command(0, |core, _| core.set_drop_filter(None));
    net.run_until("they know each other", 2 * TIMEOUT, |net| {
        net.views().all(|view| view.nodes.len() == 2 && view.primaries().count() == 2)
    });
}

#[test]
fn a_handshake_that_nobody_answers_ends() {
    let mut net = TestNet::new(1);
    net.command(0, |core, now| core.meet("10.9.9.9", 7_000, 17_000, now).expect("valid"));
    assert_eq!(net.view(0).nodes.len(), 2);
    assert!(!net.view(0).nodes_text(false).contains(" master - 0 0 0 connected\n\n"));
    let conf = net.nodes[0].conf.clone().expect("saved");
    assert_eq!(NodesConf::parse(conf.as_bytes()).expect("valid").nodes.len(), 1, "a handshake is not saved");
    net.run(TIMEOUT + 300);
    assert_eq!(net.view(0).nodes.len(), 1);
}

#[test]
fn meeting_oneself_changes_nothing() {
    let mut net = TestNet::new(1);
    net.command(0, |core, now| core.meet("10.0.0.1", 7_000, 17_000, now).expect("valid"));
    net.run(2 * TIMEOUT);
    assert_eq!(net.view(0).nodes.len(), 1);
}

#[test]
fn own_address_is_learnt_from_those_who_reach_us() {
    let mut net = TestNet::new(2);
    assert!(net.view(0).myself().ip.is_empty());
    net.command(1, |core, now| core.meet("10.0.0.1", 7_000, 17_000, now).expect("valid"));
    net.run(50);
    assert_eq!(net.view(0).myself().ip.as_str(), "10.0.0.1");
    assert!(net.logged(0, "IP address for this node updated to 10.0.0.1"));
}

#[test]
fn a_restarted_node_remembers_its_cluster() {
    let mut net = TestNet::three_shards();
    net.run(200);
    let before = net.view(1);
    net.crash(1);
    net.restart(1, 99);
    let after = net.view(1);
    assert_eq!(after.myself().id, before.myself().id);
    assert_eq!(after.myself().shard_id, before.myself().shard_id);
    assert_eq!(after.slot_runs(), before.slot_runs());
    assert_eq!(after.current_epoch, before.current_epoch);
    assert!(!after.ok, "a restarted primary waits before it serves");
    let took = net.run_until("it is back", 10 * TIMEOUT, TestNet::settled);
    assert!((1_900..2_500).contains(&took), "back after {took} ms");
}

#[test]
fn nodes_conf_written_after_loading_says_the_same() {
    let mut net = TestNet::three_shards();
    for node in 0..6 {
        net.command(node, Gossip::save_config);
        let saved = NodesConf::parse(net.nodes[node].conf.clone().expect("saved").as_bytes()).expect("valid");
        net.crash(node);
        net.restart(node, 55);
        net.command(node, Gossip::save_config);
        let again = NodesConf::parse(net.nodes[node].conf.clone().expect("saved").as_bytes()).expect("valid");
        let essence = |conf: &NodesConf| {
            let lines = conf.nodes.iter().map(|n| (n.id, n.ip, n.port, n.replica_of, n.config_epoch, n.slots.clone()));
            (lines.collect::<Vec<_>>(), conf.current_epoch, conf.last_vote_epoch, conf.other_vars.clone())
        };
        assert_eq!(essence(&saved), essence(&again));
    }
}

#[test]
fn all_nodes_of_a_shard_share_the_primary_s_shard_id() {
    let net = TestNet::three_shards();
    for view in net.views() {
        for node in &view.nodes {
            let leader = node.primary.and_then(|id| view.node(&id)).unwrap_or(node);
            assert_eq!(node.shard_id, net.view(0).node(&leader.id).expect("known").shard_id);
        }
    }
}

#[test]
fn hostnames_travel_with_pings() {
    let mut net = TestNet::three_shards();
    net.command(2, |core, now| {
        let mut config = core.config().clone();
        config.announce.hostname = "two.example".into();
        core.set_config(config, now);
    });
    let id = net.id(2);
    net.run_until("all know the name", 2 * TIMEOUT, |net| {
        net.views().all(|view| view.node(&id).expect("known").hostname == "two.example")
    });
    assert!(net.view(0).nodes_text(false).contains(",two.example master"));
}

#[test]
fn published_messages_reach_every_node_once_and_sharded_ones_only_the_shard() {
    let mut net = TestNet::three_shards();
    net.command(0, |core, _| core.publish(b"news".to_vec(), b"hello".to_vec(), false));
    net.command(0, |core, _| core.publish(b"shard".to_vec(), b"hi".to_vec(), true));
    net.run(10);
    for node in 0..6 {
        let heard = |sharded: bool| {
            let matches = |effect: &&Effect| matches!(effect, Effect::Publish { sharded: s, .. } if *s == sharded);
            net.nodes[node].effects.iter().filter(matches).count()
        };
        assert_eq!(heard(false), usize::from(node != 0));
        assert_eq!(heard(true), usize::from(node == 3));
    }
}

#[test]
fn a_peer_that_changes_its_port_is_found_again() {
    let mut net = TestNet::three_shards();
    let id = net.id(0);
    net.command(0, |core, now| {
        let mut config = core.config().clone();
        config.announce.port = 7_777;
        core.set_config(config, now);
    });
    net.run_until("all know the new port", 2 * TIMEOUT, |net| {
        net.views().all(|view| view.node(&id).is_some_and(|node| node.port == 7_777))
    });
    let followed = |effect: &Effect| matches!(effect, Effect::ReplicateFrom { port: 7_777, .. });
    assert!(net.nodes[3].effects.iter().any(followed), "its replica follows the new address");
}

#[test]
fn of_two_nodes_with_one_id_the_log_tells_three_times_a_minute() {
    let mut net = TestNet::three_shards();
    // A copy of the files of the last node, at another address.
    let config = net.nodes[5].config.clone();
    let (id, copy) = (net.id(5), net.add_node(config, 99));
    net.crash(copy);
    net.nodes[copy].conf = net.nodes[5].conf.clone();
    net.restart(copy, 100);
    assert_eq!(net.id(copy), id);
    let told = |net: &TestNet, node: usize| {
        let text = format!("Address updated for node {id}, now ");
        net.nodes[node].log.iter().filter(|line| line.contains(&text)).cloned().collect::<Vec<_>>()
    };
    net.run(50_000);
    let lines = told(&net, 0);
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[2].ends_with("as if two nodes had this id: not told again in this minute"), "{lines:?}");
    net.run(60_000);
    assert_eq!(told(&net, 0).len(), 6);
    // One that moves is told of at once.
    net.crash(copy);
    net.run(120_000);
    let before = told(&net, 0).len();
    let mut config = net.nodes[5].config.clone();
    config.announce.port = 7_777;
    net.command(5, |core, now| core.set_config(config, now));
    net.run_until("it is told", 2 * TIMEOUT, |net| told(net, 0).len() > before);
    assert!(told(&net, 0).last().is_some_and(|line| line.ends_with(":7777")), "{:?}", told(&net, 0));
}

#[test]
fn slots_without_owner_close_the_cluster_if_full_coverage_is_required() {
    let mut net = TestNet::three_shards();
    for node in 0..6 {
        net.command(node, |core, now| core.del_slots(&[range(7, 7)], now).expect("owned"));
    }
    net.run(20);
    assert!(net.views().all(|view| !view.ok || view.owner(protocol::slot::SlotId::FIRST).is_none()));
    for node in 0..6 {
        net.command(node, |core, now| {
            let mut config = core.config().clone();
            config.require_full_coverage = false;
            core.set_config(config, now);
        });
    }
    net.run_until("open again", 10 * TIMEOUT, |net| net.views().all(|view| view.ok));
}
