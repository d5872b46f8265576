//! Config epochs and elections: what makes winners unique.

use gossip::{Bump, Gossip};

use crate::net::{TIMEOUT, TestNet, range};

fn epochs(net: &TestNet) -> Vec<u64> {
    let mut epochs: Vec<u64> = net.view(0).nodes.iter().filter(|n| n.is_primary()).map(|n| n.config_epoch).collect();
    epochs.sort_unstable();
    epochs
}

#[test]
fn colliding_config_epochs_are_told_apart() {
    let mut net = TestNet::new(3);
    for (node, slots) in [(0, range(0, 5_000)), (1, range(5_001, 10_000)), (2, range(10_001, 16_383))] {
        net.command(node, |core, now| core.set_config_epoch(4, now).expect("fresh"));
        net.command(node, |core, now| core.add_slots(&[slots], now).expect("free"));
    }
    for node in 1..3 {
        net.command(node, |core, now| core.meet("10.0.0.1", 7_000, 17_000, now).expect("valid"));
    }
    net.run_until("all differ, everywhere", 10 * TIMEOUT, |net| {
        net.settled() && {
            let found = epochs(net);
            found.len() == 3 && found.windows(2).all(|pair| pair[0] != pair[1])
        }
    });
    let largest = (0..3).map(|node| net.id(node)).max().expect("three");
    assert_eq!(net.view(0).node(&largest).expect("known").config_epoch, 4, "the greatest id stays");
}

#[test]
fn bumpepoch_makes_the_epoch_strictly_the_greatest() {
    let mut net = TestNet::three_shards();
    let Bump::Bumped(epoch) = net.command(0, Gossip::bump_epoch) else { panic!("not the greatest yet") };
    assert!(
        net.view(0)
            .nodes
            .iter()
            .filter(|n| n.config_epoch >= epoch)
            .all(|n| n.shard_id == net.view(0).myself().shard_id)
    );
    assert_eq!(net.command(0, Gossip::bump_epoch), Bump::Still(epoch));
    net.run(20);
    assert!(net.views().all(|view| view.current_epoch == epoch), "told shortly");
}

#[test]
fn a_primary_that_bumped_and_died_is_replaced_all_the_same() {
    let mut net = TestNet::three_shards();
    net.run(100);
    // The replica does not hear of the new epoch, the voters do.
    net.cut.insert((0, 3));
    net.command(0, Gossip::bump_epoch);
    net.run(20);
    net.crash(0);
    net.run_until("promoted", 5 * TIMEOUT, |net| net.view(3).myself().is_primary());
}

#[test]
fn several_shards_that_fail_at_once_all_recover() {
    let mut net = TestNet::new(14);
    net.form(7);
    net.run(100);
    for node in 0..3 {
        net.crash(node);
    }
    let took = net.run_until("all promoted", 10 * TIMEOUT, |net| {
        (7..10).all(|node| net.view(node).myself().is_primary()) && net.views().all(|view| view.ok)
    });
    assert!(took < 3 * TIMEOUT, "took {took} ms");
}

#[test]
fn two_primaries_with_the_same_epoch_in_one_shard_the_one_with_more_data_wins() {
    let mut net = TestNet::three_shards();
    net.run(100);
    net.partition(&[0]);
    net.run_until("promoted", 5 * TIMEOUT, |net| net.view(3).myself().is_primary());
    for _ in 0..5 {
        net.run(TIMEOUT / 2);
        net.write(3);
    }
    // The administrator of the lost side bumps, and both have the same epoch.
    net.command(0, Gossip::bump_epoch);
    assert_eq!(net.view(0).myself().config_epoch, net.view(3).myself().config_epoch);
    net.cut.clear();
    net.run_until("healed", 20 * TIMEOUT, TestNet::settled);
    assert!(net.view(3).myself().is_primary(), "{}", net.dump());
}
