//! Getting together: MEET, gossip, roles, and agreement on who owns what.

use crate::net::TestNet;

#[test]
fn meet_spreads_by_gossip_until_all_agree() {
    let net = TestNet::three_shards();
    for view in net.views() {
        assert!(view.ok);
        assert_eq!((view.nodes.len(), view.size, view.slot_runs().len()), (6, 3, 3));
        assert!(view.nodes.iter().all(|node| node.connected && !node.has_failed()));
    }
}
