//! Losing a primary and getting its replica in its place.

use crate::net::{TIMEOUT, TestNet};

#[test]
fn replica_takes_over_a_killed_primary_and_the_primary_returns_as_its_replica() {
    let mut net = TestNet::three_shards();
    assert!(net.write(0));
    net.run(300);
    net.crash(0);
    let took = net.run_until("the replica is promoted", 4 * TIMEOUT, |net| {
        net.view(3).myself().is_primary() && net.views().all(|view| view.ok)
    });
    assert!(took < TIMEOUT + 500, "took {took} ms");
    assert!(net.logged(3, "Failover election won: I'm the new master."));
    net.restart(0, 77);
    net.run_until("the old primary replicates it", 10 * TIMEOUT, |net| {
        net.view(0).myself().primary == Some(net.id(3)) && net.settled()
    });
}
