//! FORGET, RESET and REPLICATE.

use gossip::Error;

use crate::net::{TIMEOUT, TestNet};

#[test]
fn a_forgotten_node_is_forgotten_by_all_and_stays_away() {
    let mut net = TestNet::three_shards();
    let gone = net.id(5);
    net.crash(5);
    net.run(50);
    net.command(0, |core, now| core.forget(gone.as_str(), now).expect("known"));
    net.run_until("all forgot it", 2 * TIMEOUT, |net| net.views().all(|view| view.node(&gone).is_none()));
    net.run(10 * TIMEOUT);
    assert!(net.views().all(|view| view.node(&gone).is_none()));
}

/// `redis-cli --cluster del-node` tells one node after the other and gives up at the first error.
#[test]
fn whoever_was_told_by_a_peer_to_forget_a_node_takes_the_command_as_well() {
    let mut net = TestNet::three_shards();
    let gone = net.id(5);
    net.crash(5);
    net.command(0, |core, now| core.forget(gone.as_str(), now).expect("known"));
    net.run_until("all forgot it", 2 * TIMEOUT, |net| net.views().all(|view| view.node(&gone).is_none()));
    for node in 0..5 {
        net.command(node, |core, now| assert_eq!(core.forget(gone.as_str(), now), Ok(())));
    }
}

#[test]
fn a_ban_survives_a_restart() {
    let mut net = TestNet::three_shards();
    let gone = net.id(5);
    net.command(0, |core, now| core.forget(gone.as_str(), now).expect("known"));
    net.crash(0);
    net.restart(0, 3);
    assert!(net.view(0).node(&gone).is_none());
    net.run(3 * TIMEOUT);
    assert!(net.view(0).node(&gone).is_none());
}

#[test]
fn forget_refuses_oneself_the_own_primary_and_strangers() {
    let mut net = TestNet::three_shards();
    let (mine, primary) = (net.id(3), net.id(0));
    net.command(3, |core, now| {
        assert_eq!(core.forget(mine.as_str(), now), Err(Error::ForgetMyself));
        assert_eq!(core.forget(primary.as_str(), now), Err(Error::ForgetMyPrimary));
        assert_eq!(core.forget("nobody", now), Err(Error::UnknownNode("nobody".into())));
    });
}

#[test]
fn a_hard_reset_gives_a_new_node_that_can_join_again() {
    let mut net = TestNet::three_shards();
    let old = net.id(5);
    net.command(5, |core, now| core.reset(true, true, now).expect("replicas may hold data"));
    assert_ne!(net.id(5), old);
    assert!(net.nodes[5].effects.contains(&gossip::Effect::FlushData));
    let view = net.view(5);
    assert_eq!((view.nodes.len(), view.current_epoch, view.myself().is_primary()), (1, 0, true));
    for node in 0..5 {
        net.command(node, |core, now| core.forget(old.as_str(), now).expect("known"));
    }
    net.command(5, |core, now| core.meet("10.0.0.1", 7_000, 17_000, now).expect("valid"));
    net.run_until("joined", 5 * TIMEOUT, |net| net.views().all(|view| view.nodes.len() == 6));
}

#[test]
fn a_soft_reset_keeps_the_id_and_the_node_is_taken_for_what_it_became() {
    let mut net = TestNet::three_shards();
    let id = net.id(5);
    net.command(5, |core, now| core.reset(false, false, now).expect("a replica"));
    net.command(5, |core, now| core.meet("10.0.0.1", 7_000, 17_000, now).expect("valid"));
    net.run_until("seen as a primary", 5 * TIMEOUT, |net| {
        net.views().all(|view| view.node(&id).is_some_and(gossip::NodeView::is_primary) && view.nodes.len() == 6)
    });
}

#[test]
fn a_primary_with_slots_or_keys_replicates_nobody() {
    let mut net = TestNet::three_shards();
    let (one, three) = (net.id(1), net.id(3));
    net.command(0, |core, now| {
        assert_eq!(core.replicate(one.as_str(), false, now), Err(Error::NotEmpty));
        assert_eq!(core.replicate(three.as_str(), false, now), Err(Error::ReplicateReplica));
        assert_eq!(core.reset(false, true, now), Err(Error::ResetWithKeys));
    });
}

#[test]
fn a_spare_replica_moves_to_an_orphaned_primary() {
    let mut net = TestNet::new(7);
    net.form(3); // nodes 3 and 6 replicate 0
    net.run(200);
    net.crash(4); // the only replica of 1
    net.run_until("a spare one moved", 20 * TIMEOUT, |net| {
        [3, 6].iter().any(|node| net.view(*node).myself().primary == Some(net.id(1)))
    });
    let moved = [3, 6].iter().filter(|node| net.view(**node).myself().primary == Some(net.id(1))).count();
    assert_eq!(moved, 1);
}

#[test]
fn replica_migration_can_be_turned_off() {
    let mut net = TestNet::new(7);
    for node in 0..7 {
        net.command(node, |core, now| {
            let mut config = core.config().clone();
            config.allow_replica_migration = false;
            core.set_config(config, now);
        });
    }
    net.form(3);
    net.crash(4);
    net.run(15 * TIMEOUT);
    assert!([3, 6].iter().all(|node| net.view(*node).myself().primary == Some(net.id(0))));
}
