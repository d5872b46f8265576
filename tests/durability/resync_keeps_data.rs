//! A full resynchronisation drops a replica's old data only when the new data is complete.
//!
//! Whatever happens to the primary or the link in the middle of a transfer, the replica goes on serving its old data,
//! keeps it when it becomes a primary, and stands for election with it in a cluster. A proxy stops the transfer where
//! the test wants it.

use std::fs;

use integration::client::Client;
use integration::cluster::{Cluster, ClusterSpec};
use integration::node::{Node, NodeSpec};
use integration::oracle::{Binary, slotd_is_stock};
use integration::proxy::Proxy;
use integration::wait::{secs, wait_ok, wait_until};

use crate::{PAIRS, wait_link_up, wait_same_data};

/// Size of the data set's values, which are random enough not to be compressible.
const SIZE: usize = 20_000_000;
pub(crate) const VALUE: usize = 2_000;
/// Where a transfer is stopped: in its first lines, below and above the size that is kept in memory, and before its
/// last bytes.
const POINTS: [u64; 4] = [2_000, 600_000, 9_000_000, 19_900_000];

fn value(seed: usize) -> String {
    let mut state = seed as u64 * 2 + 1;
    let letter = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + (state >> 33) as u8 % 90)
    };
    (0..VALUE).map(letter).collect()
}

/// Fills a server with about `bytes`; all keys are in the slot of `tag`.
pub(crate) fn fill(client: &mut Client, tag: &str, bytes: usize, seed: usize) {
    let count = bytes / VALUE;
    for first in (0..count).step_by(500) {
        let last = (first + 500).min(count);
        for i in first..last {
            client.send(&["SET", &format!("{{{tag}}}:{i}"), &value(seed + i)]).expect("sent");
        }
        (first..last).for_each(|_| assert!(client.reply(secs(20)).expect("a reply").is_ok()));
    }
}

/// The values of `repl-diskless-load` with which a replica serves during the transfer. A stock replica with `swapdb`
/// blocks on the socket in the middle of a key, and does not respond while its primary sends nothing.
fn modes(replica: Binary) -> &'static [&'static str] {
    if replica.is_stock() { &["disabled"] } else { &["disabled", "swapdb"] }
}

/// A replica in sync through a proxy. `what` is part of every assertion's message.
struct Pair {
    primary: Node,
    replica: Node,
    proxy: Proxy,
    what: String,
}

impl Pair {
    fn start(primary: Binary, replica: Binary, load: &str) -> Self {
        let spec = |binary| {
            NodeSpec::new(binary)
                .with("repl-diskless-sync-delay", "0")
                .with("repl-backlog-size", "16kb")
                .with("repl-diskless-load", load)
        };
        let what = format!("{primary:?} feeds {replica:?}, repl-diskless-load {load}");
        let (primary, replica) = (spec(primary).start(), spec(replica).start());
        fill(&mut primary.client(), "a", SIZE, 0);
        let proxy = Proxy::start(primary.port());
        assert!(replica.cmd(&format!("REPLICAOF 127.0.0.1 {}", proxy.port())).is_ok());
        wait_link_up(&replica);
        wait_same_data(&primary, &replica);
        Self { primary, replica, proxy, what }
    }

    /// Breaks the link, writes more than the backlog holds, and stops the following transfer after so many bytes.
    /// Returns the digest of the replica's data.
    fn stop_at(&self, bytes: u64) -> String {
        let old = digest(&self.replica);
        self.proxy.cut();
        wait_until("the link to be down", secs(20), || self.replica.info("master_link_status") == "down");
        fill(&mut self.primary.client(), "a", 200_000, bytes as usize);
        assert_ne!(digest(&self.primary), old);
        self.proxy.let_pass(bytes);
        self.proxy.accept();
        wait_until("the transfer to come so far", secs(60), || {
            self.proxy.is_holding() && self.replica.info("master_sync_in_progress") == "1"
        });
        old
    }

    fn serves(&self, old: &str) {
        assert_eq!(self.replica.cmd("GET {a}:7777").text(), value(7777), "{}", self.what);
        assert_eq!(digest(&self.replica), old, "{}", self.what);
        assert_eq!(self.replica.info("loading"), "0", "{}", self.what);
    }

    fn leaves_no_file(&self) {
        wait_ok("the temporary file to be gone", secs(10), || {
            let names = fs::read_dir(self.replica.dir()).expect("its directory").flatten();
            let left: Vec<_> =
                names.map(|f| f.file_name()).filter(|n| n.to_string_lossy().starts_with("temp-")).collect();
            if left.is_empty() { Ok(()) } else { Err(left) }
        });
    }
}

fn digest(node: &Node) -> String {
    let digest = node.cmd("DEBUG DIGEST").text();
    assert_eq!(digest.len(), 40, "DEBUG DIGEST: {digest}");
    digest
}

/// The primary dies: the old data stays, and a new attempt brings the new data.
#[test]
fn a_transfer_that_breaks_off_costs_nothing() {
    for (primary, replica) in PAIRS {
        for load in modes(replica) {
            let pair = Pair::start(primary, replica, load);
            for point in POINTS {
                let old = pair.stop_at(point);
                pair.serves(&old);
                pair.proxy.cut();
                wait_until("the replica to notice", secs(20), || pair.replica.info("master_sync_in_progress") == "0");
                pair.serves(&old);
            }
            pair.leaves_no_file();
            pair.proxy.open();
            wait_link_up(&pair.replica);
            wait_same_data(&pair.primary, &pair.replica);
            pair.leaves_no_file();
        }
    }
}

/// The primary hangs: the replica serves its old data, and keeps it as a primary.
#[test]
fn replicaof_no_one_in_the_middle_of_a_transfer_keeps_the_old_data() {
    for (primary, replica) in PAIRS {
        for load in modes(replica) {
            let pair = Pair::start(primary, replica, load);
            for (round, point) in [600_000, 9_000_000].into_iter().enumerate() {
                let (old, id) = (pair.stop_at(point), pair.replica.info("master_replid"));
                let offset = pair.replica.info("master_repl_offset");
                pair.primary.freeze();
                pair.serves(&old);
                assert!(pair.replica.cmd("REPLICAOF NO ONE").is_ok(), "{}", pair.what);
                assert_eq!(pair.replica.info("role"), "master");
                pair.serves(&old);
                assert_eq!(pair.replica.info("master_replid2"), id, "{}", pair.what);
                assert_eq!(pair.replica.info("master_repl_offset"), offset, "{}", pair.what);
                assert!(pair.replica.cmd(&format!("SET own{round} v")).is_ok());
                pair.leaves_no_file();
                pair.primary.thaw();
                pair.proxy.open();
                assert!(pair.replica.cmd(&format!("REPLICAOF 127.0.0.1 {}", pair.proxy.port())).is_ok());
                wait_link_up(&pair.replica);
                wait_same_data(&pair.primary, &pair.replica);
            }
        }
    }
}

/// A replica that dies in the middle of a transfer leaves no partial snapshot behind, not even until its next start.
#[test]
fn a_replica_killed_in_the_middle_of_a_transfer_leaves_no_file() {
    if slotd_is_stock() {
        return; // It leaves it.
    }
    let mut pair = Pair::start(Binary::Slotd, Binary::Slotd, "disabled");
    pair.stop_at(9_000_000);
    pair.replica.kill();
    pair.leaves_no_file();
}

/// Shards; the first has a primary of this kind, and a replica of it is in the middle of a transfer.
fn in_transfer(primary: Binary) -> (Cluster, usize, String) {
    let spec = ClusterSpec::new(3, 1).binary(0, primary).with("repl-backlog-size", "16kb");
    let cluster = spec.create();
    let mut client = cluster.connect(0);
    let tag = (0..)
        .map(|i| format!("tag{i}"))
        .find(|tag| {
            let slot = client.call(&["CLUSTER", "KEYSLOT", tag]).int();
            cluster.owner_of(u16::try_from(slot).expect("a slot")) == 0
        })
        .expect("one of three");
    fill(&mut client, &tag, SIZE, 0);
    let replica = cluster.replicas_of(0)[0];
    wait_same_data(&cluster.nodes[0], &cluster.nodes[replica]);
    let old = digest(&cluster.nodes[replica]);
    // Now ten thousand keys take half a minute.
    assert!(client.cmd("CONFIG SET rdb-key-save-delay 3000").is_ok());
    assert!(client.cmd("DEBUG CHANGE-REPL-ID").is_ok());
    client.cmd("CLIENT KILL TYPE replica");
    wait_ok("the transfer to be under way", secs(30), || {
        let read = cluster.nodes[replica].info("master_sync_read_bytes");
        if read.parse().is_ok_and(|bytes: u64| bytes > 2_000_000) { Ok(()) } else { Err(read) }
    });
    (cluster, replica, old)
}

/// The shard's primary dies in the middle of a transfer to its only replica: the replica is elected, with its old data.
#[test]
fn a_replica_in_the_middle_of_a_transfer_is_elected_with_its_old_data() {
    for (kind, frozen) in [(Binary::Slotd, false), (Binary::Slotd, true), (Binary::Stock, false)] {
        let (mut cluster, replica, old) = in_transfer(kind);
        if frozen {
            cluster.nodes[0].freeze();
        } else {
            cluster.nodes[0].kill();
        }
        cluster.wait_promotion(&[replica], secs(30));
        assert_eq!(digest(&cluster.nodes[replica]), old, "{kind:?}, frozen: {frozen}");
        wait_until("the shard to serve", secs(20), || {
            cluster.nodes[replica].cmd("CLUSTER INFO").text().contains("cluster_state:ok")
        });
    }
}
