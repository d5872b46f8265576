//! Nodes of one process: the memory that each reports is its own.

use integration::one_process::{OneProcess, TestDir};
use integration::oracle::slotd_is_stock;

fn used(cluster: &OneProcess, node: usize) -> i64 {
    let info = cluster.cmd(node, "INFO memory").text();
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).expect("INFO tells it");
    line.parse().expect("a number")
}

#[test]
fn used_memory_of_nodes_in_one_process_grows_with_their_own_data() {
    const MIB: i64 = 1 << 20;
    if slotd_is_stock() {
        return;
    }
    let temporary = TestDir::new();
    let cluster = OneProcess::start(&temporary, &["--replicas", "0"]);
    let before: Vec<i64> = (0..3).map(|node| used(&cluster, node)).collect();
    // A key of 30 MiB in slot 0, which the first node owns.
    let mut client = cluster.client(0);
    let value = "v".repeat(100_000);
    for _ in 0..315 {
        assert!(!client.call(&["RPUSH", "{06S}", &value]).is_error());
    }
    let grown: Vec<i64> = (0..3).map(|node| used(&cluster, node) - before[node]).collect();
    assert!((30 * MIB..34 * MIB).contains(&grown[0]), "{grown:?}");
    assert!(grown[1..].iter().all(|grown| grown.abs() < 4 * MIB), "the others report theirs alone: {grown:?}");
}
