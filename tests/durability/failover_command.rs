//! FAILOVER hands over to a replica that has everything, and causes no full sync, whatever happened to the history
//! before.

use integration::node::{Node, NodeSpec};
use integration::wait::{secs, wait_until};

use crate::{PAIRS, wait_link_up, wait_same_data};

fn full_syncs(nodes: &[&Node]) -> Vec<String> {
    nodes.iter().map(|node| node.info("sync_full")).collect()
}

/// The primary was a replica for a moment, and nothing was written since: its replica knows the new id, and only that
/// may be used.
#[test]
fn a_handover_right_after_a_change_of_role_continues_the_history() {
    for (first, second) in PAIRS {
        let spec = |binary| NodeSpec::new(binary).with("repl-diskless-sync-delay", "0");
        let (one, other) = (spec(first).start(), spec(second).start());
        assert!(one.cmd("SET k v").is_ok());
        assert!(other.cmd(&format!("REPLICAOF 127.0.0.1 {}", one.port())).is_ok());
        wait_link_up(&other);
        let below = spec(second).with("replicaof", &format!("127.0.0.1 {}", other.port())).start();
        wait_link_up(&below);
        let nodes = [&one, &other, &below];
        let before = full_syncs(&nodes);
        let id = one.info("master_replid");
        assert!(one.cmd("REPLICAOF 127.0.0.1 1").is_ok());
        assert!(one.cmd("REPLICAOF NO ONE").is_ok());
        wait_until("all to go by the new id", secs(20), || {
            let new = one.info("master_replid");
            new != id && nodes[1..].iter().all(|node| node.info("master_replid") == new)
        });
        wait_until("the handover to begin", secs(20), || one.cmd("FAILOVER").is_ok());
        wait_until("the roles to change", secs(20), || {
            other.info("role") == "master"
                && one.info("role") == "slave"
                && one.info("master_failover_state") == "no-failover"
        });
        wait_link_up(&one);
        assert!(other.cmd("SET k2 v").is_ok());
        wait_same_data(&one, &other);
        wait_same_data(&one, &below);
        assert_eq!(full_syncs(&nodes), before, "{first:?} and {second:?}");
    }
}
