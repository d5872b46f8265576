//! What a replica says about the link to its primary, and where the link comes from.

use integration::node::{Node, NodeSpec};
use integration::oracle::Binary;
use integration::wait::{secs, wait_until};

fn pair(directives: &[(&str, &str)]) -> (Node, Node) {
    // Redis takes no other loopback address for this machine.
    let primary = NodeSpec::new(Binary::Stock).with("protected-mode", "no").start();
    let spec = NodeSpec::new(Binary::Slotd).with("replicaof", &format!("127.0.0.1 {}", primary.port()));
    let replica = directives.iter().fold(spec, |spec, (name, value)| spec.with(name, value)).start();
    wait_until("the replica is in sync", secs(20), || replica.info("master_link_status") == "up");
    (primary, replica)
}

/// What a pause holds back was read, and is not applied.
#[test]
fn a_paused_replica_tells_what_it_has_read_and_what_it_has_applied() {
    let (primary, replica) = pair(&[]);
    let offset = |node: &Node, field: &str| -> i64 { node.info(field).parse().expect("a number") };
    let same = || offset(&replica, "slave_repl_offset") == offset(&primary, "master_repl_offset");
    assert!(primary.cmd("SET a 1").is_ok());
    wait_until("the replica has all", secs(20), same);
    assert!(replica.cmd("CLIENT PAUSE 100000 WRITE").is_ok());
    let applied = offset(&replica, "slave_repl_offset");
    assert!(primary.cmd("SET b 2").is_ok());
    wait_until("the replica to have read all", secs(20), || {
        offset(&replica, "slave_read_repl_offset") == offset(&primary, "master_repl_offset")
    });
    assert_eq!(offset(&replica, "slave_repl_offset"), applied);
    assert!(replica.cmd("CLIENT UNPAUSE").is_ok());
    wait_until("the replica has all", secs(20), same);
    assert_eq!(replica.cmd("GET b").text(), "2");
    assert_eq!(replica.info("slave_read_repl_offset"), replica.info("slave_repl_offset"));
}

#[test]
fn a_replica_connects_from_its_source_address() {
    let (primary, _replica) = pair(&[("bind-source-addr", "127.0.0.2")]);
    assert!(primary.info("slave0").starts_with("ip=127.0.0.2,"), "{}", primary.info("slave0"));
    // An address of another machine is no hindrance.
    let (primary, _replica) = pair(&[("bind-source-addr", "192.0.2.1")]);
    assert!(primary.info("slave0").starts_with("ip=127.0.0.1,"), "{}", primary.info("slave0"));
}
