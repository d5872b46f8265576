//! A formed cluster shows the same to its clients whichever node they ask, and the time that forming takes hardly grows
//! with the number of nodes.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use integration::client::Client;
use integration::cluster::{ClusterSpec, parse_nodes};
use integration::oracle::{Binary, slotd_is_stock};
use integration::resp::Value;
use integration::wait::{secs, wait_until};

/// What a client learns from CLUSTER SLOTS: each range with its nodes, the primary first.
type Slots = Vec<(i64, i64, Vec<String>)>;

fn slots_of(client: &mut Client) -> Slots {
    let reply = client.cmd("CLUSTER SLOTS");
    let node = |node: &Value| node.items()[2].text();
    let range = |range: &Value| {
        let items = range.items();
        (items[0].int(), items[1].int(), items[2..].iter().map(node).collect())
    };
    reply.items().iter().map(range).collect()
}

/// What CLUSTER SHARDS says of each shard: role and health of its nodes, the primary first.
fn shards_of(client: &mut Client) -> Vec<Vec<(String, String, String)>> {
    let field = |map: &Value, name: &str| {
        let items = map.items();
        let at = items.iter().step_by(2).position(|key| key.text() == name).expect("a field of the map");
        items[at * 2 + 1].clone()
    };
    let node = |node: &Value| (field(node, "id").text(), field(node, "role").text(), field(node, "health").text());
    client
        .cmd("CLUSTER SHARDS")
        .items()
        .iter()
        .map(|shard| field(shard, "nodes").items().iter().map(node).collect())
        .collect()
}

/// Why a client of this node does not see so many nodes of so many shards, all online; `None` if it does.
fn gap(client: &mut Client, shards: usize, nodes: usize) -> Option<String> {
    let slots = slots_of(client);
    let listed: usize = slots.iter().map(|(_, _, nodes)| nodes.len()).sum();
    if slots.len() != shards || listed != nodes {
        return Some(format!("CLUSTER SLOTS lists {listed} nodes in {} ranges", slots.len()));
    }
    let mut seen = shards_of(client).into_iter().flatten();
    if let Some(node) = seen.find(|(_, _, health)| health != "online") {
        return Some(format!("CLUSTER SHARDS: {node:?}"));
    }
    let lines = parse_nodes(&client.cmd("CLUSTER NODES").text());
    let whole = lines.iter().filter(|line| line.connected && !line.has("handshake") && !line.has("fail?")).count();
    let replicas = lines.iter().filter(|line| line.has("slave") && line.primary.is_some()).count();
    (whole != nodes || replicas != nodes - shards).then(|| format!("CLUSTER NODES: {lines:?}"))
}

/// The replicas of each primary in the order in which this node lists them.
fn order(client: &mut Client) -> BTreeMap<String, Vec<Vec<String>>> {
    let mut lists: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    for (_, _, mut nodes) in slots_of(client) {
        let primary = nodes.remove(0);
        lists.entry(primary).or_default().push(nodes);
    }
    for shard in shards_of(client) {
        let mut ids: Vec<String> = shard.into_iter().map(|(id, _, _)| id).collect();
        let primary = ids.remove(0);
        lists.entry(primary).or_default().push(ids);
    }
    for line in parse_nodes(&client.cmd("CLUSTER NODES").text()) {
        if let Some(primary) = line.primary {
            let lists = lists.entry(primary).or_default();
            if lists.len() < 3 {
                lists.push(Vec::new());
            }
            lists[2].push(line.id);
        }
    }
    for (primary, lists) in &mut lists {
        let text = client.cmd(&format!("CLUSTER REPLICAS {primary}"));
        lists.push(text.items().iter().map(|line| parse_nodes(&line.text())[0].id.clone()).collect());
    }
    lists
}

/// A `slotd cluster`, ended when dropped.
struct OneProcess {
    child: Child,
    ports: Vec<u16>,
}

impl OneProcess {
    fn start(shards: usize, replicas: usize) -> Self {
        let mut child = Command::new(Binary::Slotd.path())
            .args(["cluster", "--port", "0", "--json"])
            .args(["--shards", &shards.to_string(), "--replicas", &replicas.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("slotd runs");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let read = out.read_line(&mut line);
        assert!(read.is_ok_and(|bytes| bytes > 0), "slotd cluster ended before it was ready: {:?}", child.wait());
        let ready: serde_json::Value = serde_json::from_str(&line).expect("one line of JSON");
        let ports = ready["nodes"].as_array().expect("nodes").iter();
        let ports = ports.map(|node| node["port"].as_u64().expect("a port") as u16).collect();
        Self { child, ports }
    }

    fn clients(&self) -> Vec<Client> {
        self.ports.iter().map(|port| Client::connect(*port).expect("a node that is ready")).collect()
    }
}

impl Drop for OneProcess {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

#[test]
fn ready_means_that_every_node_lists_every_node_in_its_role() {
    if slotd_is_stock() {
        return;
    }
    for (shards, replicas) in [(3, 1), (1, 0), (3, 3)] {
        let cluster = OneProcess::start(shards, replicas);
        let nodes = shards * (replicas + 1);
        assert_eq!(cluster.ports.len(), nodes);
        for client in &mut cluster.clients() {
            assert_eq!(gap(client, shards, nodes), None);
        }
    }
}

#[test]
fn replicas_are_listed_in_one_order_by_every_node_and_command() {
    if slotd_is_stock() {
        return;
    }
    let cluster = OneProcess::start(3, 4);
    for client in &mut cluster.clients() {
        for (primary, lists) in order(client) {
            assert_eq!(lists.len(), 4, "{primary} is listed by SLOTS, SHARDS, NODES and REPLICAS");
            assert!(lists.iter().all(|list| list.len() == 4 && list.is_sorted() && *list == lists[0]), "{lists:?}");
        }
    }
}

/// Every pair of nodes has two links, so the work grows with the square of their number, but not faster.
#[test]
fn sixty_nodes_of_one_process_get_ready() {
    if slotd_is_stock() {
        return;
    }
    let cluster = OneProcess::start(30, 1);
    for client in &mut cluster.clients() {
        assert_eq!(gap(client, 30, 60), None);
    }
}

/// A replica of an empty primary is in sync although no byte was replicated. Redis shows it only after the first ping
/// of the stream.
#[test]
fn replicas_of_a_new_cluster_are_listed_before_anything_was_written() {
    let cluster = ClusterSpec::new(3, 1).start_nodes();
    cluster.run_create().expect_success();
    let limit: Duration = if slotd_is_stock() { secs(40) } else { secs(8) };
    wait_until("all nodes to list all replicas", limit, || {
        (0..6).all(|node| gap(&mut cluster.connect(node), 3, 6).is_none())
    });
}

/// Each of 5,461 slots costs a transaction of three commands. The survivors bump their epochs in turn, but only when
/// they have heard of each other.
#[test]
fn mending_a_lost_shard_bumps_few_epochs() {
    let mut cluster = ClusterSpec::new(3, 0).create();
    let lost = cluster.id(2);
    cluster.nodes[2].kill();
    wait_until("the shard to be lost", secs(30), || {
        (0..2).all(|node| cluster.view(node).iter().any(|line| line.id == lost && line.has("fail")))
    });
    let began = std::time::Instant::now();
    let seed = cluster.nodes[0].addr();
    cluster.cli(&["fix", &seed, "--cluster-fix-with-unreachable-masters"]).expect_success();
    let seconds = began.elapsed().as_secs();
    wait_until("the survivors to agree", secs(30), || {
        (0..2).all(|node| {
            let view = cluster.view(node);
            view.iter().filter(|line| line.id != lost).map(integration::cluster::NodeLine::slot_count).sum::<usize>()
                == 16_384
        })
    });
    let epoch = cluster.view(0).iter().map(|line| line.epoch).max().expect("three nodes");
    assert!(epoch <= 8 + 4 * seconds, "epoch {epoch} after {seconds} s");
}
