//! Clusters formed by the stock `redis-cli --cluster create`, and readers for what their nodes report.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::client::Client;
use crate::cluster_client::ClusterClient;
use crate::node::{Node, NodeSpec, info_field};
use crate::oracle::Binary;
use crate::redis_cli::{CliOutput, redis_cli};
use crate::wait::{secs, wait_ok};

/// Node timeout of test clusters: short enough for quick failovers, long enough for two busy cores.
pub const NODE_TIMEOUT_MS: u32 = 2_000;
/// How long it may take until all nodes have the same view.
pub const AGREE_LIMIT: Duration = secs(60);

/// One line of CLUSTER NODES.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLine {
    pub id: String,
    pub port: u16,
    pub bus_port: u16,
    pub flags: Vec<String>,
    /// Id of the primary, for replicas.
    pub primary: Option<String>,
    pub epoch: u64,
    pub connected: bool,
    /// Closed ranges of owned slots.
    pub slots: Vec<(u16, u16)>,
    /// `[slot->-id]` and `[slot-<-id]`, as printed.
    pub open_slots: Vec<String>,
}

impl NodeLine {
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|f| f == flag)
    }

    pub fn is_primary(&self) -> bool {
        self.has("master")
    }

    /// A primary that is not known to have failed.
    pub fn is_live_primary(&self) -> bool {
        self.is_primary() && !self.has("fail")
    }

    pub fn slot_count(&self) -> usize {
        self.slots.iter().map(|(first, last)| usize::from(last - first) + 1).sum()
    }

    pub fn owns(&self, slot: u16) -> bool {
        self.slots.iter().any(|&(first, last)| (first..=last).contains(&slot))
    }
}

/// Reads the text of CLUSTER NODES.
///
/// # Panics
/// When a line is not in Redis's documented form: that is a finding.
#[track_caller]
pub fn parse_nodes(text: &str) -> Vec<NodeLine> {
    text.lines().filter(|l| !l.trim().is_empty()).map(parse_node_line).collect()
}

#[track_caller]
fn parse_node_line(line: &str) -> NodeLine {
    let fields: Vec<&str> = line.split(' ').collect();
    assert!(fields.len() >= 8, "CLUSTER NODES line has {} fields: {line}", fields.len());
    assert_eq!(fields[0].len(), 40, "node id: {line}");
    let address = fields[1].split(',').next().expect("split gives one part");
    let (ip_port, bus) = address.split_once('@').unwrap_or_else(|| panic!("address without @bus port: {line}"));
    let port = ip_port.rsplit(':').next().and_then(|p| p.parse().ok()).unwrap_or_else(|| panic!("port: {line}"));
    let mut slots = Vec::new();
    let mut open_slots = Vec::new();
    for field in &fields[8..] {
        if field.starts_with('[') {
            open_slots.push((*field).to_owned());
        } else {
            let (first, last) = field.split_once('-').unwrap_or((field, field));
            let number = |s: &str| s.parse().unwrap_or_else(|_| panic!("slot range: {line}"));
            slots.push((number(first), number(last)));
        }
    }
    NodeLine {
        id: fields[0].to_owned(),
        port,
        bus_port: bus.parse().unwrap_or_else(|_| panic!("bus port: {line}")),
        flags: fields[2].split(',').map(str::to_owned).collect(),
        primary: (fields[3] != "-").then(|| fields[3].to_owned()),
        epoch: fields[6].parse().unwrap_or_else(|_| panic!("epoch: {line}")),
        connected: fields[7] == "connected",
        slots,
        open_slots,
    }
}

/// How to build a cluster.
#[derive(Clone, Debug)]
pub struct ClusterSpec {
    shards: usize,
    replicas: usize,
    node_timeout_ms: u32,
    binaries: Vec<Binary>,
    directives: Vec<(String, String)>,
}

impl ClusterSpec {
    /// So many primaries with so many replicas each, all of them slotd.
    pub fn new(shards: usize, replicas: usize) -> Self {
        let binaries = vec![Binary::Slotd; shards * (replicas + 1)];
        Self { shards, replicas, node_timeout_ms: NODE_TIMEOUT_MS, binaries, directives: Vec::new() }
    }

    /// Node timeout in milliseconds.
    #[must_use]
    pub fn node_timeout_ms(mut self, ms: u32) -> Self {
        self.node_timeout_ms = ms;
        self
    }

    /// Makes node `index` run this program. redis-cli makes the first `shards` nodes primaries.
    #[must_use]
    pub fn binary(mut self, index: usize, binary: Binary) -> Self {
        self.binaries[index] = binary;
        self
    }

    /// A directive for every node.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.directives.push((name.to_owned(), value.to_owned()));
        self
    }

    fn node(&self, index: usize) -> NodeSpec {
        let base = NodeSpec::cluster(self.binaries[index], self.node_timeout_ms);
        self.directives.iter().fold(base, |spec, (name, value)| spec.with(name, value))
    }

    /// Starts the nodes as empty cluster members that do not know each other.
    #[track_caller]
    pub fn start_nodes(&self) -> Cluster {
        let mut nodes: Vec<Node> = (0..self.binaries.len()).map(|i| self.node(i).prepare()).collect();
        nodes.iter_mut().for_each(Node::spawn);
        nodes.iter_mut().for_each(Node::wait_ready);
        Cluster { nodes, spec: self.clone() }
    }

    /// Starts the nodes, runs `redis-cli --cluster create`, and waits until all agree and replicas are in sync.
    #[track_caller]
    pub fn create(&self) -> Cluster {
        let cluster = self.start_nodes();
        cluster.run_create().expect_success().expect("[OK] All 16384 slots covered.");
        cluster.wait_stable();
        cluster
    }
}

/// Running nodes that were made to be one cluster.
#[derive(Debug)]
pub struct Cluster {
    pub nodes: Vec<Node>,
    spec: ClusterSpec,
}

impl Cluster {
    /// `redis-cli --cluster create` over all nodes.
    pub fn run_create(&self) -> CliOutput {
        let mut args = vec!["--cluster".to_owned(), "create".to_owned()];
        args.extend(self.nodes.iter().map(Node::addr));
        args.extend(["--cluster-replicas".to_owned(), self.spec.replicas.to_string(), "--cluster-yes".to_owned()]);
        redis_cli(&args)
    }

    /// Starts one more node, which the others do not know yet, and returns its index.
    #[track_caller]
    pub fn add_empty_node(&mut self, binary: Binary) -> usize {
        self.spec.binaries.push(binary);
        let node = self.spec.node(self.spec.binaries.len() - 1).start();
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// The node timeout.
    pub fn node_timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.spec.node_timeout_ms))
    }

    /// How many primaries it was built with.
    pub fn shards(&self) -> usize {
        self.spec.shards
    }

    /// Runs `redis-cli --cluster <args>` and answers yes to every question.
    pub fn cli(&self, args: &[&str]) -> CliOutput {
        crate::redis_cli::cluster_cli(args)
    }

    /// `redis-cli --cluster check` on a live node.
    pub fn check(&self) -> CliOutput {
        self.cli(&["check", &self.live().next().expect("a live node").addr()])
    }

    /// Nodes whose process runs.
    pub fn live(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|n| n.is_running())
    }

    /// A slot-aware client that starts at the live nodes.
    pub fn client(&self) -> ClusterClient {
        ClusterClient::new(self.live().map(Node::port).collect())
    }

    /// The view of one node.
    #[track_caller]
    pub fn view(&self, index: usize) -> Vec<NodeLine> {
        parse_nodes(&self.ask(index, "CLUSTER NODES"))
    }

    /// The text of a reply, once the node has loaded its dataset: Redis refuses CLUSTER before that.
    #[track_caller]
    fn ask(&self, index: usize, line: &str) -> String {
        wait_ok("the node to have loaded its dataset", secs(20), || {
            let text = self.nodes[index].cmd(line).text();
            if text.starts_with("LOADING") { Err(text) } else { Ok(text) }
        })
    }

    /// What a node reports about itself.
    #[track_caller]
    pub fn myself(&self, index: usize) -> NodeLine {
        self.view(index).into_iter().find(|l| l.has("myself")).expect("CLUSTER NODES has a line of `myself`")
    }

    /// The id of a node.
    #[track_caller]
    pub fn id(&self, index: usize) -> String {
        self.ask(index, "CLUSTER MYID")
    }

    /// The index of the node with this port.
    #[track_caller]
    pub fn index_of(&self, port: u16) -> usize {
        self.nodes.iter().position(|n| n.port() == port).unwrap_or_else(|| panic!("no node has port {port}"))
    }

    /// Indices of the running nodes that report themselves as primaries with slots.
    #[track_caller]
    pub fn primaries(&self) -> Vec<usize> {
        self.indices(|line| line.is_primary() && !line.slots.is_empty())
    }

    /// Indices of the running replicas of node `primary`.
    #[track_caller]
    pub fn replicas_of(&self, primary: usize) -> Vec<usize> {
        let id = self.id(primary);
        self.indices(|line| line.primary.as_deref() == Some(&id))
    }

    #[track_caller]
    fn indices(&self, wanted: impl Fn(&NodeLine) -> bool) -> Vec<usize> {
        (0..self.nodes.len()).filter(|&i| self.nodes[i].is_running() && wanted(&self.myself(i))).collect()
    }

    /// Index of the running node that reports itself as the owner of a slot.
    #[track_caller]
    pub fn owner_of(&self, slot: u16) -> usize {
        let owners = self.indices(|line| line.is_primary() && line.owns(slot));
        assert_eq!(owners.len(), 1, "owners of slot {slot}: {owners:?}");
        owners[0]
    }

    /// Waits until every running node reports ok, all agree on slots and roles, and every replica's link is up.
    #[track_caller]
    pub fn wait_stable(&self) {
        wait_ok("all nodes to agree, say ok and be in sync", AGREE_LIMIT, || self.disagreement().map_or(Ok(()), Err));
    }

    /// Why the cluster is not stable, or `None`.
    pub fn disagreement(&self) -> Option<String> {
        let mut first: Option<(u16, BTreeMap<String, String>)> = None;
        for node in self.live() {
            let port = node.port();
            let Some(info) = node.try_cmd("CLUSTER INFO") else { return Some(format!("{port} does not answer")) };
            if info_field(&info.text(), "cluster_state").as_deref() != Some("ok") {
                return Some(format!("{port}: {:?}", info.text()));
            }
            let Some(nodes) = node.try_cmd("CLUSTER NODES") else { return Some(format!("{port} does not answer")) };
            if nodes.is_error() {
                return Some(format!("{port}: {nodes:?}"));
            }
            let lines = parse_nodes(&nodes.text());
            let shape = shape(&lines);
            match &first {
                None => first = Some((port, shape)),
                Some((other, expected)) if *expected != shape => {
                    return Some(format!("{port} sees {shape:?}\n{other} sees {expected:?}"));
                }
                Some(_) => {}
            }
            if lines.iter().any(|l| l.has("myself") && !l.is_primary())
                && let Some(trouble) = replica_trouble(node)
            {
                return Some(trouble);
            }
        }
        first.is_none().then(|| "no node runs".to_owned())
    }

    /// Waits until every running node reports `cluster_state:ok`.
    #[track_caller]
    pub fn wait_all_ok(&self) {
        self.wait_state("ok", AGREE_LIMIT);
    }

    /// Waits until every running node reports this `cluster_state`.
    #[track_caller]
    pub fn wait_state(&self, state: &str, limit: Duration) {
        wait_ok(&format!("all nodes to say cluster_state:{state}"), limit, || {
            let wrong = self.live().find(|n| {
                n.try_cmd("CLUSTER INFO").and_then(|i| info_field(&i.text(), "cluster_state")).as_deref() != Some(state)
            });
            wrong.map_or(Ok(()), |n| Err(n.port()))
        });
    }

    /// Waits until one of `candidates` reports itself as a primary with slots; returns its index.
    #[track_caller]
    pub fn wait_promotion(&self, candidates: &[usize], limit: Duration) -> usize {
        wait_ok(&format!("one of {candidates:?} to be promoted"), limit, || {
            let won = candidates.iter().copied().find(|&i| {
                let Some(text) = self.nodes[i].try_cmd("CLUSTER NODES").filter(|t| !t.is_error()) else { return false };
                parse_nodes(&text.text()).iter().any(|l| l.has("myself") && l.is_primary() && !l.slots.is_empty())
            });
            won.ok_or(())
        })
    }

    /// Writes so many keys, spread over all slots, and returns how many there are.
    #[track_caller]
    pub fn fill(&self, prefix: &str, count: usize) -> usize {
        let mut client = self.client();
        for i in 0..count {
            let reply = client.call(&["SET", &format!("{prefix}:{i}"), &format!("value-{i}")]);
            assert!(reply.is_ok(), "{reply:?}");
        }
        count
    }

    /// Asserts that the keys of [`Cluster::fill`] are all there.
    #[track_caller]
    pub fn verify(&self, prefix: &str, count: usize) {
        let mut client = self.client();
        for i in 0..count {
            let reply = client.call(&["GET", &format!("{prefix}:{i}")]);
            assert_eq!(reply.text(), format!("value-{i}"), "{prefix}:{i}");
        }
    }

    /// A connection to node `index`.
    #[track_caller]
    pub fn connect(&self, index: usize) -> Client {
        self.nodes[index].client()
    }
}

/// What must be the same in all views: per live node its role, primary and slots. Failed nodes are left out, since
/// their last known states differ.
fn shape(lines: &[NodeLine]) -> BTreeMap<String, String> {
    let gone: BTreeSet<&str> = lines
        .iter()
        .filter(|l| l.has("fail") || l.has("noaddr") || l.has("handshake"))
        .map(|l| l.id.as_str())
        .collect();
    let live = lines.iter().filter(|l| !gone.contains(l.id.as_str()));
    live.map(|l| {
        let role = if l.is_primary() { "primary" } else { "replica" };
        let suspect = if l.has("fail?") { " suspected" } else { "" };
        (format!("{} {}", l.port, &l.id[..8]), format!("{role} of {:?} {:?}{suspect}", l.primary, l.slots))
    })
    .collect()
}

/// Why a node that is a replica, by CLUSTER NODES, is not in sync with a live primary, or `None`. Its data may still be
/// those of a primary: a script that runs has a second before the node changes its role.
fn replica_trouble(node: &Node) -> Option<String> {
    let port = node.port();
    let Some(info) = node.try_cmd("INFO replication") else { return Some(format!("{port} does not answer")) };
    let field = |name| info_field(&info.text(), name);
    if field("role").as_deref() != Some("slave") {
        return Some(format!("{port}: has not become a replica yet"));
    }
    (field("master_link_status").as_deref() != Some("up")).then(|| format!("{port}: link to its primary is down"))
}
