//! Moving slots: the steps of a reshard, and the effects of losing slots.

use gossip::{Effect, Error};
use protocol::slot::SlotId;

use crate::net::{TIMEOUT, TestNet, range};

fn slot(number: u16) -> SlotId {
    SlotId::new(number).expect("slot")
}

#[test]
fn a_slot_moves_in_the_steps_of_redis_cli() {
    let mut net = TestNet::three_shards();
    let (from, to) = (net.id(0), net.id(1));
    net.command(1, |core, now| core.set_slot_importing(slot(5), from.as_str(), now).expect("valid"));
    net.command(0, |core, now| core.set_slot_migrating(slot(5), to.as_str(), now).expect("valid"));
    assert!(net.view(0).nodes_text(false).contains(&format!(" [5->-{to}]")));
    assert!(net.view(1).nodes_text(false).contains(&format!(" [5-<-{from}]")));
    net.command(1, |core, now| core.set_slot_node(slot(5), to.as_str(), true, now).expect("valid"));
    net.command(0, |core, now| core.set_slot_node(slot(5), to.as_str(), false, now).expect("no keys left"));
    net.run_until("all know", 2 * TIMEOUT, |net| {
        net.views().all(|view| view.owner(slot(5)).expect("owned").id == to && view.migrating.is_empty())
    });
    assert!(net.view(1).importing.is_empty());
    assert!(net.views().all(|view| view.ok));
}

/// `redis-cli --cluster fix` covers a slot with three commands in one transaction.
#[test]
fn a_batch_of_commands_is_saved_and_shown_once() {
    let mut net = TestNet::new(1);
    let effects = |net: &TestNet| net.nodes[0].effects.len();
    let before = effects(&net);
    net.command(0, |core, now| {
        for number in 0..3 {
            core.in_batch(|core| core.add_slots(&[range(number, number)], now)).expect("free slots");
        }
        core.in_batch(|core| core.bump_epoch(now));
        assert_eq!(core.poll_effect(), None, "only noted");
        assert!(core.view().nodes_text(false).contains("connected 0-2"), "and known to the core");
        core.end_batch(now);
    });
    let made = &net.nodes[0].effects[before..];
    let count = |wanted: fn(&Effect) -> bool| made.iter().filter(|effect| wanted(effect)).count();
    assert_eq!(count(|effect| matches!(effect, Effect::PersistNodesConf { .. })), 1, "{made:?}");
    assert_eq!(count(|effect| matches!(effect, Effect::ViewChanged)), 1, "{made:?}");
    let saved = made.iter().find_map(|effect| match effect {
        Effect::PersistNodesConf { text, .. } => Some(text),
        _ => None,
    });
    assert!(saved.is_some_and(|text| text.contains("connected 0-2")), "{made:?}");
}

/// A packet or a tick may come between two commands of a transaction.
#[test]
fn any_other_input_works_off_what_a_batch_has_noted() {
    let mut net = TestNet::new(1);
    let before = net.nodes[0].effects.len();
    net.command(0, |core, now| {
        core.in_batch(|core| core.add_slots(&[range(0, 9)], now)).expect("free slots");
        core.save_config(now);
    });
    let after = net.nodes[0].effects.len();
    assert!(net.nodes[0].effects[before..].iter().any(|effect| matches!(effect, Effect::ViewChanged)));
    net.command(0, gossip::Gossip::end_batch);
    assert_eq!(net.nodes[0].effects.len(), after, "nothing is left");
}

#[test]
fn a_slot_with_keys_is_not_given_away() {
    let mut net = TestNet::three_shards();
    let to = net.id(1);
    net.command(0, |core, now| {
        assert_eq!(core.set_slot_node(slot(5), to.as_str(), true, now), Err(Error::SlotHasKeys(slot(5))));
        assert_eq!(core.set_slot_importing(slot(5), to.as_str(), now), Err(Error::AlreadyOwner(slot(5))));
        assert_eq!(core.add_slots(&[range(5, 6)], now), Err(Error::SlotBusy(slot(5))));
        assert_eq!(
            core.set_slot_migrating(slot(5), "x", now).expect_err("unknown").to_string(),
            "I don't know about node x"
        );
    });
    net.command(3, |core, now| assert_eq!(core.set_slot_stable(slot(5), now), Err(Error::SetSlotOnReplica)));
}

#[test]
fn a_primary_that_gives_away_its_last_slot_replicates_the_new_owner_and_so_does_its_replica() {
    let mut net = TestNet::three_shards();
    let to = net.id(1);
    let from = net.id(0);
    for number in 0..5_461 {
        net.command(1, |core, now| core.set_slot_importing(slot(number), from.as_str(), now).expect("valid"));
        net.command(1, |core, now| core.set_slot_node(slot(number), to.as_str(), false, now).expect("valid"));
    }
    net.run_until("both follow", 10 * TIMEOUT, |net| {
        [0, 3].iter().all(|node| net.view(*node).myself().primary == Some(net.id(1))) && net.settled()
    });
    assert!(net.logged(0, "Configuration change detected. Reconfiguring myself as a replica of"));
}

#[test]
fn keys_of_slots_lost_to_a_greater_epoch_are_deleted() {
    let mut net = TestNet::three_shards();
    let (from, to) = (net.id(0), net.id(1));
    net.command(1, |core, now| core.set_slot_importing(slot(9), from.as_str(), now).expect("valid"));
    net.command(1, |core, now| core.set_slot_node(slot(9), to.as_str(), false, now).expect("valid"));
    net.run(20);
    let lost =
        |effect: &Effect| matches!(effect, Effect::SlotsLost(slots) if slots.contains(slot(9)) && slots.count() == 1);
    assert!(net.nodes[0].effects.iter().any(lost));
    let channels = |effect: &Effect| matches!(effect, Effect::ShardChannelsLost(slots) if slots.contains(slot(9)));
    assert!(net.nodes[0].effects.iter().any(channels));
    assert!(net.nodes[3].effects.iter().any(channels), "the replica's subscribers too");
    assert!(!net.nodes[3].effects.iter().any(lost), "its keys go with the replication stream");
}

#[test]
fn keys_of_a_slot_that_was_being_moved_stay_where_they_are() {
    let mut net = TestNet::three_shards();
    let (from, to) = (net.id(0), net.id(1));
    net.command(1, |core, now| core.set_slot_importing(slot(9), from.as_str(), now).expect("valid"));
    net.command(0, |core, now| core.set_slot_migrating(slot(9), to.as_str(), now).expect("valid"));
    // The other side claims the slot although keys may be left, as `redis-cli --cluster fix` does before it moves them.
    net.command(1, |core, now| core.set_slot_node(slot(9), to.as_str(), false, now).expect("valid"));
    net.run_until("the old owner knows", 2 * TIMEOUT, |net| {
        net.view(0).owner(slot(9)).is_some_and(|owner| owner.id == to)
    });
    assert!(!net.nodes[0].effects.iter().any(|effect| matches!(effect, Effect::SlotsLost(_))));
}

#[test]
fn an_owner_that_drops_a_slot_keeps_it_until_somebody_claims_it() {
    let mut net = TestNet::three_shards();
    let (from, to) = (net.id(0), net.id(1));
    net.command(0, |core, now| core.set_slot_node(slot(3), to.as_str(), false, now).expect("no keys"));
    net.run(200);
    assert_eq!(net.view(2).owner(slot(3)).expect("still bound").id, from);
    net.command(1, |core, now| core.set_slot_importing(slot(3), from.as_str(), now).ok());
    net.command(1, |core, now| core.set_slot_node(slot(3), to.as_str(), false, now).expect("valid"));
    net.run_until("moved", 2 * TIMEOUT, |net| net.views().all(|view| view.owner(slot(3)).expect("owned").id == to));
}

#[test]
fn loaded_keys_in_foreign_slots_are_marked_not_served() {
    let mut net = TestNet::three_shards();
    let populated = [slot(1), slot(9_000)].into_iter().collect();
    net.command(0, |core, now| core.adopt_loaded_slots(&populated, now));
    assert_eq!(net.view(0).importing.keys().copied().collect::<Vec<_>>(), vec![slot(9_000)]);
    assert_eq!(net.view(0).importing_from(slot(9_000)).expect("known").id, net.id(1));
}
