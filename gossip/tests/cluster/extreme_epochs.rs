//! An impossible epoch is not believed, and the greatest that an administrator can set leaves room for elections.

use gossip::{Bump, Gossip};
use protocol::bus::{Body, Packet};
use protocol::slot::SlotBitmap;

use crate::net::{TIMEOUT, TestNet};

/// The greatest epoch that CLUSTER SET-CONFIG-EPOCH accepts.
const GREATEST_SET: u64 = (1 << 63) - 1;

/// The cluster still elects and counts: node 1 dies and node 4 takes its place, node 0 bumps its epoch.
fn elects(net: &mut TestNet) {
    let before = net.view(0).current_epoch;
    let bumped = net.command(0, Gossip::bump_epoch);
    assert!(matches!(bumped, Bump::Bumped(epoch) if epoch > before), "{bumped:?}");
    net.run(100);
    net.crash(1);
    net.run_until("promoted", 5 * TIMEOUT, |net| net.view(4).myself().is_primary());
    net.run_until("settled", 10 * TIMEOUT, |net| net.views().all(|view| view.ok));
    let epoch = net.view(4).myself().config_epoch;
    assert!(epoch > before);
    assert!(net.views().all(|view| view.current_epoch == epoch), "{}", net.dump());
}

#[test]
fn an_epoch_that_nobody_can_have_counted_is_not_believed() {
    for epoch in [GREATEST_SET + 1, u64::MAX - 1, u64::MAX] {
        let mut net = TestNet::three_shards();
        net.run(2 * TIMEOUT);
        let (about, before) = (net.id(2), net.view(0));
        let ranges = before.node(&about).expect("known").slots.clone();
        let slots: SlotBitmap = ranges.iter().flat_map(|range| range.iter()).collect();
        let claims: [fn(&mut Packet, u64); 3] = [
            |packet, epoch| packet.header.current_epoch = epoch,
            |packet, epoch| packet.header.config_epoch = epoch,
            |packet, epoch| (packet.header.current_epoch, packet.header.config_epoch) = (epoch, epoch),
        ];
        for claim in claims {
            net.forge(1, 0, |packet| claim(packet, epoch));
        }
        net.forge(1, 0, |packet| {
            packet.body = Body::Update { node: about, config_epoch: epoch, slots: Box::new(slots) }
        });
        net.forge(4, 0, |packet| {
            (packet.header.current_epoch, packet.body) = (epoch, Body::AuthRequest);
        });
        let after = net.view(0);
        assert_eq!(after.current_epoch, before.current_epoch, "{epoch}");
        for node in &before.nodes {
            let now = after.node(&node.id).expect("still known");
            assert_eq!((now.config_epoch, &now.slots), (node.config_epoch, &node.slots), "{epoch}");
        }
        elects(&mut net);
    }
}

#[test]
fn the_greatest_epoch_that_can_be_set_leaves_room_for_elections() {
    let mut net = TestNet::three_shards();
    net.run(2 * TIMEOUT);
    net.forge(1, 0, |packet| (packet.header.current_epoch, packet.header.config_epoch) = (GREATEST_SET, GREATEST_SET));
    assert_eq!(net.view(0).current_epoch, GREATEST_SET);
    net.run_until("all know", 10 * TIMEOUT, |net| net.views().all(|view| view.current_epoch == GREATEST_SET));
    elects(&mut net);
}
