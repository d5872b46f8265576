//! Subscriptions to shard channels end, with a message, whenever the node stops serving their slot, in whatever role it
//! is.

use integration::cluster::{Cluster, ClusterSpec};
use integration::oracle::slotd_is_stock;
use integration::resp::Value;
use integration::wait::secs;

use crate::FAILOVER_LIMIT;

/// Subscribes to a shard channel of slot 12182 in both protocols, and to an ordinary channel of the same name.
struct Subscribers(Vec<integration::client::Client>);

impl Subscribers {
    #[track_caller]
    fn at(cluster: &Cluster, node: usize) -> Self {
        let mut clients: Vec<_> = (0..3).map(|_| cluster.connect(node)).collect();
        clients[1].cmd("HELLO 3");
        for (client, line) in clients.iter_mut().zip(["SSUBSCRIBE foo", "SSUBSCRIBE foo", "SUBSCRIBE foo"]) {
            assert!(!client.cmd(line).is_error());
        }
        Self(clients)
    }

    /// All get the message, in both protocols, and no subscription stays listed; the ordinary subscription is not
    /// affected.
    #[track_caller]
    fn expect_farewell(mut self, cluster: &Cluster, node: usize) {
        let words = || vec![Value::Bulk(b"sunsubscribe".to_vec()), Value::Bulk(b"foo".to_vec()), Value::Int(0)];
        assert_eq!(self.0[0].reply(secs(10)).expect("a farewell"), Value::Array(words()));
        assert_eq!(self.0[1].reply(secs(10)).expect("a farewell"), Value::Push(words()));
        assert_eq!(cluster.nodes[node].cmd("PUBSUB SHARDCHANNELS"), Value::Array(vec![]));
        assert_eq!(cluster.nodes[node].cmd("PUBSUB CHANNELS").items().len(), 1);
        cluster.nodes[node].cmd("PUBLISH foo still-here");
        assert_eq!(self.0[2].reply(secs(5)).expect("a message").items()[2].text(), "still-here");
    }
}

fn owner_and_replica(cluster: &Cluster) -> (usize, usize) {
    let owner = cluster.owner_of(12_182);
    (owner, cluster.replicas_of(owner)[0])
}

#[test]
fn a_replica_that_gets_another_primary_says_farewell() {
    if slotd_is_stock() {
        return; // 7.0.15 leaves them subscribed to what never comes again; this is Valkey 9's way
    }
    let cluster = ClusterSpec::new(3, 1).create();
    let (owner, replica) = owner_and_replica(&cluster);
    let subscribers = Subscribers::at(&cluster, replica);
    let other = cluster.id((owner + 1) % 3);
    assert!(cluster.nodes[replica].cmd(&format!("CLUSTER REPLICATE {other}")).is_ok());
    subscribers.expect_farewell(&cluster, replica);
}

#[test]
fn a_replica_that_is_reset_says_farewell() {
    if slotd_is_stock() {
        return; // as above
    }
    let cluster = ClusterSpec::new(3, 1).create();
    let (_, replica) = owner_and_replica(&cluster);
    let subscribers = Subscribers::at(&cluster, replica);
    assert!(cluster.nodes[replica].cmd("CLUSTER RESET").is_ok());
    subscribers.expect_farewell(&cluster, replica);
}

#[test]
fn an_owner_and_its_replica_that_lose_the_slot_say_farewell() {
    let cluster = ClusterSpec::new(3, 1).create();
    let (owner, replica) = owner_and_replica(&cluster);
    let told: Vec<_> = [owner, replica].map(|node| (node, Subscribers::at(&cluster, node))).into();
    let thief = (owner + 1) % 3;
    let id = cluster.id(thief);
    assert!(cluster.nodes[thief].cmd(&format!("CLUSTER SETSLOT 12182 NODE {id}")).is_ok());
    assert!(!cluster.nodes[thief].cmd("CLUSTER BUMPEPOCH").is_error());
    for (node, subscribers) in told {
        subscribers.expect_farewell(&cluster, node);
    }
}

/// Within the shard nothing changes for subscribers: the replica that takes over goes on serving the slot.
#[test]
fn a_failover_within_the_shard_keeps_subscriptions() {
    let cluster = ClusterSpec::new(3, 1).create();
    let (_, replica) = owner_and_replica(&cluster);
    let mut at_replica = cluster.connect(replica);
    at_replica.cmd("SSUBSCRIBE foo");
    assert!(cluster.nodes[replica].cmd("CLUSTER FAILOVER").is_ok());
    cluster.wait_promotion(&[replica], FAILOVER_LIMIT);
    cluster.wait_stable();
    assert_eq!(cluster.nodes[replica].cmd("PUBSUB SHARDCHANNELS").items().len(), 1);
    cluster.nodes[replica].cmd("SPUBLISH foo hello");
    assert_eq!(at_replica.reply(secs(5)).expect("a message").items()[2].text(), "hello");
}
