//! A cluster with a memory limit: primaries evict, and their replicas have the same keys.

use integration::one_process::{OneProcess, TestDir};
use integration::oracle::slotd_is_stock;
use integration::resp::encode;
use integration::wait::{secs, wait_ok};

fn field(cluster: &OneProcess, node: usize, name: &str) -> i64 {
    let info = cluster.cmd(node, "INFO everything").text();
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("INFO tells it");
    line.trim().parse().expect("a number")
}

#[test]
fn replicas_follow_what_their_primaries_evict() {
    const MIB: i64 = 1 << 20;
    if slotd_is_stock() {
        return;
    }
    let temporary = TestDir::new();
    let arguments =
        ["--shards", "3", "--replicas", "1", "--maxmemory-policy", "allkeys-lru", "--enable-debug-command", "yes"];
    let cluster = OneProcess::start(&temporary, &arguments);
    let primaries: Vec<usize> =
        (0..6).filter(|node| cluster.cmd(*node, "ROLE").items()[0].text() == "master").collect();
    assert_eq!(primaries.len(), 3);
    let limits: Vec<i64> = (0..6).map(|node| field(&cluster, node, "used_memory") + 3 * MIB).collect();
    for (node, limit) in limits.iter().enumerate() {
        cluster.cmd(node, &format!("CONFIG SET maxmemory {limit}"));
    }
    let value = "v".repeat(1000);
    for &primary in &primaries {
        let mut client = cluster.client(primary);
        for part in 0..300 {
            let requests: Vec<Vec<u8>> =
                (0..100).map(|number| encode(&["SET", &format!("k{}", part * 100 + number), &value])).collect();
            client.send_raw(&requests.concat()).expect("sent");
            for _ in &requests {
                let reply = client.reply(secs(20)).expect("a reply");
                // Keys of other nodes are left to these.
                assert!(!reply.is_error() || reply.text().starts_with("MOVED"), "{reply:?}");
            }
        }
    }
    for &primary in &primaries {
        let evicted = field(&cluster, primary, "evicted_keys");
        assert!(evicted > 5000, "node {primary} evicted {evicted}");
        // The backlogs and buffers of all nodes are shared out among them, and each INFO makes room for its part.
        wait_ok("the node to keep its limit", secs(20), || {
            let used = field(&cluster, primary, "used_memory");
            if used < limits[primary] + MIB / 2 { Ok(()) } else { Err((primary, used, limits[primary])) }
        });
    }
    for replica in (0..6).filter(|node| !primaries.contains(node)) {
        let port = field(&cluster, replica, "master_port");
        let primary = cluster.ports.iter().position(|one| i64::from(*one) == port).expect("a node of the cluster");
        wait_ok("the replica to have the same keys", secs(20), || {
            let state = |node| (cluster.cmd(node, "DBSIZE"), cluster.cmd(node, "DEBUG DIGEST").text());
            let (ours, theirs) = (state(replica), state(primary));
            if ours == theirs { Ok(()) } else { Err((ours, theirs)) }
        });
        assert_eq!(field(&cluster, replica, "evicted_keys"), 0, "replica {replica} evicts nothing by itself");
    }
}
