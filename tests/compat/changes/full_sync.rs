//! A full sync, and sessions that watch keys of the replica whose data is replaced.

use integration::node::NodeSpec;
use integration::oracle::Binary;
use integration::wait::{secs, wait_until};

/// A full sync replaces everything: what was watched is gone, even if it comes back with the same value.
#[test]
fn exec_aborts_when_a_full_sync_takes_the_watched_key() {
    let primary = NodeSpec::new(Binary::Stock).with("repl-diskless-sync-delay", "0").start();
    assert!(primary.cmd("SET shared v").is_ok());
    let replica = NodeSpec::new(Binary::Slotd).start();
    for line in ["SET shared v", "SET gone v"] {
        assert!(replica.cmd(line).is_ok());
    }
    let mut watchers = ["shared", "gone", "none"].map(|key| {
        let mut client = replica.client();
        client.ok(&format!("WATCH {key}"));
        client.ok("MULTI");
        client.cmd("PING");
        client
    });
    assert!(replica.cmd(&format!("REPLICAOF 127.0.0.1 {}", primary.port())).is_ok());
    wait_until("the link to be up", secs(20), || replica.info("master_link_status") == "up");
    let [shared, gone, none] = watchers.each_mut().map(|client| client.cmd("EXEC"));
    assert_eq!(shared, integration::resp::Value::Null, "it was taken");
    assert_eq!(gone, integration::resp::Value::Null, "it was taken");
    assert_eq!(none.items().len(), 1, "nothing has happened to it: {none:?}");
    // A promotion changes no keys.
    let mut watcher = replica.client();
    watcher.ok("WATCH shared");
    watcher.ok("MULTI");
    watcher.cmd("PING");
    assert!(replica.cmd("REPLICAOF NO ONE").is_ok());
    assert_eq!(watcher.cmd("EXEC").items().len(), 1);
}
