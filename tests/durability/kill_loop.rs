//! Kill a random primary under load, again and again: no write that all replicas had acknowledged is ever lost.

use integration::cluster::ClusterSpec;
use integration::load::{Load, assert_all_there};
use integration::wait::{secs, wait_until};

use crate::rounds;

/// Three shards with two replicas each. A write counts only after `WAIT 2`, so whichever replica wins the election has
/// it.
#[test]
fn no_counted_write_is_lost_when_primaries_are_killed() {
    let mut cluster = ClusterSpec::new(3, 2).node_timeout_ms(1_500).create();
    let load = Load::start(cluster.client(), "counted", 2);
    load.wait_more(20, secs(30));
    let mut random = u64::from(std::process::id());
    for round in 1..=rounds("KILL_ROUNDS") {
        let primaries = cluster.primaries();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let victim = primaries[(random >> 33) as usize % primaries.len()];
        let replicas = cluster.replicas_of(victim);
        cluster.nodes[victim].kill();
        let promoted = cluster.wait_promotion(&replicas, secs(40));
        cluster.nodes[victim].restart();
        wait_until("both others to follow the winner", secs(60), || cluster.replicas_of(promoted).len() == 2);
        cluster.wait_stable();
        load.wait_more(20, secs(40));
        println!("round {round}: node {victim} killed, node {promoted} took over, {} writes count", load.count());
    }
    let acknowledged = load.finish();
    cluster.wait_stable();
    assert_all_there(&mut cluster.client(), &acknowledged);
    cluster.check().expect_success();
    println!("{} counted writes, none lost", acknowledged.len());
}
