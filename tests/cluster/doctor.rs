//! `slotd doctor`: what it finds in real clusters, and that `--fix` cures it, with slotd's nodes and with stock ones.
//!
//! All nodes are on one address here; labels say which of them are to count as one host.

use integration::cluster::{Cluster, ClusterSpec};
use integration::node::NodeSpec;
use integration::oracle::{Binary, slotd_is_stock};
use integration::program::{Ended, run};
use integration::wait::{secs, wait_until};

use crate::FAILOVER_LIMIT;

/// Three shards with a replica each, all nodes being of one kind.
fn cluster_of(binary: Binary) -> Cluster {
    (0..6).fold(ClusterSpec::new(3, 1), |spec, node| spec.binary(node, binary)).create()
}

/// Its primaries, each with its replica.
fn shards(cluster: &Cluster) -> Vec<(usize, usize)> {
    cluster.primaries().into_iter().map(|primary| (primary, cluster.replicas_of(primary)[0])).collect()
}

/// Labels for three hosts: the primary of each shard, and the replica of the shard so many further.
fn labels(cluster: &Cluster, distance: usize) -> Vec<String> {
    let shards = shards(cluster);
    let addr = |node: usize| cluster.nodes[node].addr();
    let host = |at: usize| format!("vm{at}={},{}", addr(shards[at].0), addr(shards[(at + distance) % 3].1));
    (0..3).map(host).collect()
}

fn doctor(cluster: &Cluster, labels: &[String], words: &[&str]) -> Ended {
    let nodes = cluster.live().next().expect("a live node").addr();
    let mut all = vec!["doctor", "--nodes", &nodes];
    labels.iter().for_each(|label| all.extend(["--host", label]));
    all.extend(words);
    run(&Binary::Slotd.path(), &all, &std::env::temp_dir())
}

/// The object that `--json` prints.
fn json(ended: &Ended) -> serde_json::Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

fn codes(ended: &Ended) -> Vec<String> {
    let found = json(ended);
    let findings = found["findings"].as_array().expect("a list");
    findings.iter().map(|finding| finding["code"].as_str().expect("a code").to_owned()).collect()
}

/// The nodes of tests save nothing.
const KNOWN: [&str; 2] = ["--ignore", "no-persistence"];

/// A role that a failover has moved goes back, once, and no key is lost.
fn roles_go_back_after_a_failover(binary: Binary) {
    let cluster = cluster_of(binary);
    let labels = labels(&cluster, 1);
    let found = doctor(&cluster, &labels, &["--json"]);
    assert_eq!((found.code, codes(&found)), (Some(1), vec!["no-persistence".to_owned()]), "{found:?}");
    let healthy = doctor(&cluster, &labels, &KNOWN);
    assert_eq!((healthy.code, healthy.stdout.as_str()), (Some(0), "6 nodes in 3 shards on 3 hosts: nothing found\n"));

    let keys = cluster.fill("key", 300);
    let (primary, replica) = shards(&cluster)[1];
    assert!(cluster.nodes[replica].cmd("CLUSTER FAILOVER").is_ok());
    cluster.wait_promotion(&[replica], FAILOVER_LIMIT);
    cluster.wait_stable();
    let found = doctor(&cluster, &labels, &KNOWN);
    assert_eq!(found.code, Some(1), "{found:?}");
    let (addr, new) = (cluster.nodes[primary].addr(), cluster.nodes[replica].addr());
    for text in
        ["majority-on-host: losing host vm0 loses the majority: 2 of 3 primaries are on it", "--fix would do this"]
    {
        assert!(found.stdout.contains(text), "{found:?}");
    }
    let fixed = doctor(&cluster, &labels, &[&KNOWN[..], &["--fix"]].concat());
    assert_eq!(fixed.code, Some(0), "{fixed:?}");
    assert!(fixed.stdout.starts_with(&format!("{addr} takes over slots ")), "{fixed:?}");
    assert!(fixed.stdout.contains(&format!(" from {new} (CLUSTER FAILOVER) ...\n  done after ")), "{fixed:?}");
    assert_eq!(cluster.replicas_of(primary), [replica]);
    let again = doctor(&cluster, &labels, &[&KNOWN[..], &["--fix", "--json"]].concat());
    assert_eq!((again.code, json(&again)["done"].as_array().map(Vec::len)), (Some(0), Some(0)), "{again:?}");
    cluster.verify("key", keys);
}

/// Primary and replica on one host: replicas change places until no shard is on one host, and no key is lost.
fn replicas_leave_the_hosts_of_their_primaries(binary: Binary) {
    let cluster = cluster_of(binary);
    let labels = labels(&cluster, 0);
    let keys = cluster.fill("key", 300);
    let found = doctor(&cluster, &labels, &[&KNOWN[..], &["--json"]].concat());
    assert_eq!((found.code, codes(&found)), (Some(1), vec!["shard-on-one-host".to_owned(); 3]), "{found:?}");
    assert_eq!(json(&found)["plan"].as_array().map(Vec::len), Some(1), "{found:?}");
    let before = shards(&cluster);
    let fixed = doctor(&cluster, &labels, &[&KNOWN[..], &["--fix", "--json"]].concat());
    assert_eq!((fixed.code, json(&fixed)["healthy"].as_bool()), (Some(0), Some(true)), "{fixed:?}");
    assert!(fixed.stderr.contains("(CLUSTER REPLICATE) ...\n  done after "), "{fixed:?}");
    let after = shards(&cluster);
    assert!(before.iter().zip(&after).all(|(old, new)| old.0 == new.0 && old.1 != new.1), "{before:?} {after:?}");
    cluster.wait_stable();
    cluster.check().expect_success();
    cluster.verify("key", keys);
}

#[test]
fn roles_of_slotd_go_back_after_a_failover() {
    if !slotd_is_stock() {
        roles_go_back_after_a_failover(Binary::Slotd);
    }
}

#[test]
fn roles_of_stock_nodes_go_back_after_a_failover() {
    if !slotd_is_stock() {
        roles_go_back_after_a_failover(Binary::Stock);
    }
}

#[test]
fn replicas_of_slotd_leave_the_hosts_of_their_primaries() {
    if !slotd_is_stock() {
        replicas_leave_the_hosts_of_their_primaries(Binary::Slotd);
    }
}

#[test]
fn replicas_of_stock_nodes_leave_the_hosts_of_their_primaries() {
    if !slotd_is_stock() {
        replicas_leave_the_hosts_of_their_primaries(Binary::Stock);
    }
}

#[test]
fn a_dead_replica_is_found_and_kept_a_replaced_one_is_forgotten() {
    if slotd_is_stock() {
        return;
    }
    let mut cluster = cluster_of(Binary::Slotd);
    let labels = labels(&cluster, 1);
    let (_, replica) = shards(&cluster)[2];
    let (addr, id) = (cluster.nodes[replica].addr(), cluster.id(replica));
    cluster.nodes[replica].kill();
    let given_up = |cluster: &Cluster| {
        cluster.live().all(|node| {
            let text = node.cmd("CLUSTER NODES").text();
            text.lines().any(|line| line.starts_with(&id) && line.contains("slave,fail "))
        })
    };
    wait_until("all nodes to give the replica up", secs(30), || given_up(&cluster));
    let fix = [&KNOWN[..], &["--fix"]].concat();
    let found = doctor(&cluster, &labels, &fix);
    assert_eq!(found.code, Some(1), "{found:?}");
    for text in [
        &format!("stale-node: {addr} is down: "),
        "no-replica: ",
        &format!("{addr} is not forgotten: it may come back"),
    ] {
        assert!(found.stdout.contains(text), "{found:?}");
    }
    // A new node takes the place of the one that is gone.
    std::fs::remove_file(cluster.nodes[replica].dir().join("nodes.conf")).expect("the file is there");
    cluster.nodes[replica].restart();
    let (port, bus_port) = (cluster.nodes[replica].port(), cluster.nodes[replica].bus_port());
    let primary = cluster.primaries().into_iter().find(|primary| cluster.replicas_of(*primary).is_empty());
    let primary = primary.expect("one has no replica");
    cluster.nodes[primary].cmd(&format!("CLUSTER MEET 127.0.0.1 {port} {bus_port}"));
    let of = cluster.id(primary);
    wait_until("the new node to be a replica", secs(20), || {
        cluster.nodes[replica].cmd(&format!("CLUSTER REPLICATE {of}")).is_ok()
    });
    let new = cluster.id(replica);
    let knows = |cluster: &Cluster| cluster.live().all(|node| node.cmd("CLUSTER NODES").text().contains(&new));
    wait_until("all nodes to know the new one", secs(20), || knows(&cluster));
    let fixed = doctor(&cluster, &labels, &fix);
    assert_eq!(fixed.code, Some(0), "{fixed:?}");
    assert!(fixed.stdout.contains(&format!("all nodes forget {id}")), "{fixed:?}");
    assert!(cluster.live().all(|node| !node.cmd("CLUSTER NODES").text().contains(&id)));
}

#[test]
fn what_cannot_be_found_out_has_a_status_of_its_own() {
    if slotd_is_stock() {
        return;
    }
    let ended = |words: &[&str]| run(&Binary::Slotd.path(), words, &std::env::temp_dir());
    let lone = NodeSpec::new(Binary::Slotd).start();
    let locked = NodeSpec::cluster(Binary::Slotd, 2000).with("requirepass", "secret").start();
    let nobody = NodeSpec::new(Binary::Slotd).prepare();
    for (node, why) in [
        (&lone, "is not in cluster mode: there is nothing to examine"),
        (&locked, "NOAUTH"),
        (&nobody, "Connection refused"),
    ] {
        let unknown = ended(&["doctor", "--nodes", &node.addr()]);
        assert_eq!((unknown.code, unknown.stdout.as_str()), (Some(2), ""), "{unknown:?}");
        assert!(unknown.stderr.contains(why), "{unknown:?}");
        // As an object, if that is wanted.
        let unknown = ended(&["doctor", "--nodes", &node.addr(), "--json"]);
        assert_eq!(unknown.code, Some(2), "{unknown:?}");
        assert!(json(&unknown)["error"].as_str().is_some_and(|error| error.contains(why)), "{unknown:?}");
    }
    for words in [&["doctor", "--nodes", "a:b"][..], &["doctor", "--nodes", "a", "--ignore", "nonsense"]] {
        assert_eq!(ended(words).code, Some(2), "{words:?}");
        let with_json = ended(&[words, &["--json"]].concat());
        assert!(with_json.code == Some(2) && json(&with_json)["error"].is_string(), "{with_json:?}");
    }
    assert!(ended(&["doctor", "--help"]).stdout.contains("majority-on-host"));
}

#[test]
fn a_label_that_fits_no_node_has_the_status_of_what_cannot_be_found_out() {
    if slotd_is_stock() {
        return;
    }
    let cluster = ClusterSpec::new(3, 0).create();
    let id = cluster.id(0);
    let found = doctor(&cluster, &[format!("vm1={}", &id[..8])], &[]);
    assert_eq!((found.code, found.stdout.as_str()), (Some(2), ""), "{found:?}");
    assert!(found.stderr.contains(&format!("--host vm1={}: no node of the cluster is that", &id[..8])), "{found:?}");
    let found = doctor(&cluster, &[format!("vm1={id}")], &["--json"]);
    assert!(json(&found)["hosts"].to_string().contains("vm1"), "{found:?}");
}

/// The exit status of a command of slotd whose standard output takes nothing.
fn status_with_full_output(words: &[&str]) -> Option<i32> {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let mut command = std::process::Command::new(Binary::Slotd.path());
    let ended = command.args(words).stdout(full).stderr(std::process::Stdio::null()).status();
    ended.expect("it starts").code()
}

#[test]
fn an_outcome_that_cannot_be_written_has_a_status_of_its_own() {
    if slotd_is_stock() {
        return;
    }
    let cluster = ClusterSpec::new(3, 0).create();
    let (addr, port) = (cluster.nodes[0].addr(), cluster.nodes[0].port().to_string());
    assert_eq!(status_with_full_output(&["doctor", "--nodes", &addr]), Some(3));
    assert_eq!(status_with_full_output(&["doctor", "--nodes", "127.0.0.1:1", "--json"]), Some(3));
    assert_eq!(status_with_full_output(&["handover", "--port", &port]), Some(3));
    assert_eq!(status_with_full_output(&["--version"]), Some(1));
}
