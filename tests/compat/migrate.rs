//! MIGRATE of several keys: each key has its own result.

use integration::node::{Node, NodeSpec, info_field};
use integration::oracle::{Binary, slotd_is_stock};

/// Which of the keys a node has.
fn present(node: &Node, keys: &[&str]) -> Vec<String> {
    keys.iter().filter(|key| node.cmd(&format!("EXISTS {key}")).int() == 1).map(|key| (*key).to_owned()).collect()
}

/// Moves a, b and c to a node that already has `busy`; returns the reply, and where the keys are then.
fn move_all(binary: Binary, busy: &str, options: &str) -> (String, Vec<String>, Vec<String>, Vec<String>) {
    let (source, target) = (NodeSpec::new(binary).start(), NodeSpec::new(Binary::Stock).start());
    assert!(source.cmd("MSET a ours b ours c ours").is_ok());
    for key in busy.split(' ').filter(|key| !key.is_empty()) {
        assert!(target.cmd(&format!("SET {key} theirs")).is_ok());
    }
    let said = source.cmd(&format!("MIGRATE 127.0.0.1 {} \"\" 0 5000 {options} KEYS a b none c", target.port())).text();
    let values = target.cmd("MGET a b c").items().iter().map(integration::resp::Value::text).collect();
    (said, present(&source, &["a", "b", "c"]), present(&target, &["a", "b", "c"]), values)
}

#[test]
fn a_key_stays_only_if_the_target_did_not_take_it() {
    for busy in ["", "a", "b", "c", "a b", "a c", "a b c"] {
        for options in ["", "COPY", "REPLACE", "AUTH wrong"] {
            let redis = move_all(Binary::Stock, busy, options);
            assert_eq!(move_all(Binary::Slotd, busy, options), redis, "busy: {busy}; options: {options}");
        }
    }
}

#[test]
fn a_transaction_does_not_wait_for_another_node() {
    if slotd_is_stock() {
        return;
    }
    let (source, target) = (NodeSpec::new(Binary::Slotd).start(), NodeSpec::new(Binary::Slotd).start());
    let mut client = source.client();
    client.ok("SET a ours");
    client.ok("MULTI");
    for line in ["SET b ours", &format!("MIGRATE 127.0.0.1 {} a 0 5000", target.port()), "SET c ours"] {
        assert_eq!(client.cmd(line).text(), "QUEUED");
    }
    let replies: Vec<String> = client.cmd("EXEC").items().iter().map(integration::resp::Value::text).collect();
    assert_eq!(replies, ["OK", "ERR Command not allowed inside a transaction", "OK"]);
    assert_eq!(present(&source, &["a", "b", "c"]), ["a", "b", "c"]);
    assert!(present(&target, &["a"]).is_empty());
}

/// What MIGRATE says, and how many connections are kept, as keys go to two databases of a target that closes its
/// connections meanwhile and then changes its password.
fn move_one_by_one(binary: Binary) -> Vec<String> {
    let (source, target) = (NodeSpec::new(binary).start(), NodeSpec::new(Binary::Stock).start());
    let mut told = Vec::new();
    let mut go = |key: &str, db: u32, options: &str| {
        assert!(source.cmd(&format!("SET {key} ours")).is_ok());
        let said = source.cmd(&format!("MIGRATE 127.0.0.1 {} {key} {db} 5000 {options}", target.port())).text();
        let info = source.cmd("INFO stats").text();
        told.push(format!("{key}: {said}, {} kept", info_field(&info, "migrate_cached_sockets").unwrap_or_default()));
    };
    go("a", 0, "");
    go("b", 3, "");
    go("c", 3, "");
    target.cmd("CLIENT KILL TYPE normal SKIPME yes");
    go("d", 0, "");
    target.cmd("CONFIG SET requirepass one");
    go("e", 0, "AUTH one");
    go("f", 0, "AUTH one");
    let mut client = target.client();
    client.ok("AUTH one");
    client.ok("CONFIG SET requirepass two");
    go("g", 0, "AUTH one");
    go("h", 0, "AUTH two");
    told.push(client.cmd("MGET a b c d e f g h").items().iter().map(integration::resp::Value::text).collect());
    client.ok("SELECT 3");
    told.push(client.cmd("MGET a b c d e f g h").items().iter().map(integration::resp::Value::text).collect());
    told
}

#[test]
fn a_connection_to_the_target_is_kept() {
    let (redis, slotd) = (move_one_by_one(Binary::Stock), move_one_by_one(Binary::Slotd));
    // Here a connection belongs to those who know the same password, so there may be several to one target.
    let but_counts = |told: &[String]| -> Vec<String> {
        told.iter().map(|line| line.split(',').next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(but_counts(&slotd), but_counts(&redis));
    assert_eq!(slotd[..4], redis[..4], "one connection, also after the target has closed it");
}
