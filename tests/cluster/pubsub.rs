//! Messages across a cluster: PUBLISH reaches everyone over the bus, SPUBLISH stays in its shard.

use integration::cluster::ClusterSpec;
use integration::resp::key_slot;
use integration::wait::secs;

#[test]
fn a_message_reaches_every_node_once() {
    let cluster = ClusterSpec::new(3, 1).create();
    let mut listeners: Vec<_> = (0..6).map(|i| cluster.connect(i)).collect();
    for (i, listener) in listeners.iter_mut().enumerate() {
        listener.cmd(if i % 2 == 0 { "SUBSCRIBE news" } else { "PSUBSCRIBE n*" });
    }
    for publisher in 0..6 {
        cluster.nodes[publisher].cmd(&format!("PUBLISH news from-{publisher}"));
        for (i, listener) in listeners.iter_mut().enumerate() {
            let message = listener.reply(secs(5)).unwrap_or_else(|e| panic!("{publisher} to {i}: {e:?}"));
            assert_eq!(message.items().last().expect("a payload").text(), format!("from-{publisher}"));
        }
    }
    for listener in &mut listeners {
        assert!(listener.reply(std::time::Duration::from_millis(100)).is_err(), "nobody gets a message twice");
    }
}

#[test]
fn a_sharded_message_stays_in_its_shard() {
    let cluster = ClusterSpec::new(3, 1).create();
    let channel = "foo";
    let owner = cluster.owner_of(key_slot(channel.as_bytes()));
    let replica = cluster.replicas_of(owner)[0];
    let mut at_owner = cluster.connect(owner);
    let mut at_replica = cluster.connect(replica);
    at_owner.cmd("SSUBSCRIBE foo");
    let confirmed = at_replica.cmd("SSUBSCRIBE foo");
    assert_eq!(confirmed.items()[0].text(), "ssubscribe", "a replica serves its shard's channels: {confirmed:?}");
    cluster.nodes[owner].cmd("SPUBLISH foo hello");
    for listener in [&mut at_owner, &mut at_replica] {
        assert_eq!(listener.reply(secs(5)).expect("a message").items()[2].text(), "hello");
    }
    let elsewhere = (owner + 1) % 3;
    let moved = format!("MOVED 12182 127.0.0.1:{}", cluster.nodes[owner].port());
    assert_eq!(cluster.nodes[elsewhere].cmd("SPUBLISH foo x").text(), moved);
    assert_eq!(cluster.nodes[elsewhere].cmd("SSUBSCRIBE foo").text(), moved);
    assert_eq!(
        cluster.nodes[owner].cmd("SSUBSCRIBE foo bar").text(),
        "CROSSSLOT Keys in request don't hash to the same slot"
    );
}

/// When the slot of a sharded channel leaves, its subscribers are told so.
#[test]
fn subscribers_of_a_leaving_slot_are_unsubscribed() {
    let cluster = ClusterSpec::new(3, 0).create();
    let owner = cluster.owner_of(12_182);
    let to = (owner + 1) % 3;
    let mut listener = cluster.connect(owner);
    listener.cmd("SSUBSCRIBE foo");
    let id = cluster.id(to);
    for node in [to, owner] {
        assert!(cluster.nodes[node].cmd(&format!("CLUSTER SETSLOT 12182 NODE {id}")).is_ok());
    }
    let farewell = listener.reply(secs(5)).expect("an unsubscription");
    assert_eq!(farewell.items()[0].text(), "sunsubscribe", "{farewell:?}");
    assert_eq!(farewell.items()[1].text(), "foo");
}
