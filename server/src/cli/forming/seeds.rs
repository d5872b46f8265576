//! Finding nodes again by name: for the list of `SLOTD_CLUSTER_NODES`, and for `cluster-seeds`.
//!
//! A node that was moved (a container or a pod that was started anew) has another address than the others know; if all
//! were moved at once, no node knows any. Names stay. So a node that lacks a link to one that it knows asks who answers
//! at the names that it was given, at every address that a name has. Whom it knows there it meets again, and both sides
//! learn the new addresses from that, since a MEET says who sends it. Nobody joins a cluster in this way who was not
//! in it: only ids that are known count. Not every node has to have a name in the list: once a link is there, gossip
//! brings the addresses of the others.
//!
//! A name server or a node that does not answer can hold a look-up up for many seconds. Several names are looked up at
//! once, and meanwhile nothing of this node is held, so that it can end.

use std::ffi::OsString;
use std::net::ToSocketAddrs;
use std::os::unix::ffi::OsStringExt;
use std::sync::{Arc, Weak, mpsc};
use std::time::{Duration, Instant};

use super::super::node_list::{Address, NodeList};
use super::view::read_nodes;
use crate::base::thread;
use crate::cluster::Cluster;
use crate::config::{Config, ids};
use crate::engine::Engine;
use crate::healthcheck::Connection;
use crate::logging::NodeLog;
use crate::node::Node;

/// The time between two looks at first, and at most.
pub(super) const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));
/// How long one node may take to answer.
const ANSWER: Duration = Duration::from_secs(2);
/// How many names are looked up at once.
const AT_ONCE: usize = 32;

/// The nodes that `cluster-seeds` names; a node without port has that of this one.
///
/// # Errors
/// What is wrong with the directive.
pub(in crate::cli) fn seeds_of(config: &Config) -> Result<Vec<Address>, String> {
    let text = config.string(ids::CLUSTER_SEEDS);
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let port = u16::try_from(config.int(ids::PORT)).unwrap_or_default();
    NodeList::parse(&text, port).map(|NodeList(nodes)| nodes).map_err(|reason| format!("cluster-seeds: {reason}"))
}

/// Looks at the seeds whenever the node lacks a link, as long as it runs.
///
/// # Errors
/// No thread can be started.
pub(in crate::cli) fn seek(seeds: Vec<Address>, node: &Node, log: &NodeLog) -> std::io::Result<()> {
    let Some(cluster) = node.cluster().filter(|_| !seeds.is_empty()) else { return Ok(()) };
    let places = Places::new(seeds, node.engine(), cluster, log);
    let work = move || {
        let mut pause = PAUSES.0;
        while places.engine.strong_count() > 0 {
            pause = if places.find_known() { PAUSES.1 } else { (pause * 5 / 4).min(PAUSES.1) };
            std::thread::sleep(pause);
        }
    };
    thread::spawn("cluster-seeds", work).map(drop)
}

/// Where nodes of the cluster are to be found, and who looks for them.
#[derive(Clone)]
pub(super) struct Places {
    names: Arc<Vec<Address>>,
    pub(super) engine: Weak<Engine>,
    pub(super) cluster: Weak<Cluster>,
    log: NodeLog,
}

impl Places {
    pub(super) fn new(names: Vec<Address>, engine: &Arc<Engine>, cluster: &Arc<Cluster>, log: &NodeLog) -> Self {
        Self {
            names: Arc::new(names),
            engine: Arc::downgrade(engine),
            cluster: Arc::downgrade(cluster),
            log: log.clone(),
        }
    }

    /// A connection to a node, which has seen the password that this one asks for.
    pub(super) fn connect(&self, address: &Address) -> Result<Connection, String> {
        let mut node = Connection::open(&address.host, address.port, Instant::now() + ANSWER)?;
        node.authenticate(&self.password())?;
        Ok(node)
    }

    /// The password that this node asks for; empty: none.
    pub(super) fn password(&self) -> OsString {
        let password = self.engine.upgrade().map(|engine| engine.config.bytes(ids::REQUIREPASS).to_vec());
        OsString::from_vec(password.unwrap_or_default())
    }

    /// Meets again the nodes that are known, have no link, and answer at one of the names. Whether other nodes are
    /// known, and there is a link to each.
    pub(super) fn find_known(&self) -> bool {
        let Some((lost, has_company)) = self.lost() else { return true };
        if lost.is_empty() {
            return has_company;
        }
        for names in self.names.chunks(AT_ONCE) {
            // Those who were found by names before may have told of the others.
            let Some((lost, _)) = self.lost() else { return true };
            if lost.is_empty() {
                break;
            }
            for (there, name) in self.who_is_at_any(names) {
                if lost.contains(&there.id) {
                    self.meet(&there, name);
                }
            }
        }
        false
    }

    /// The ids of known nodes without a link, and whether any other node is known; `None`: this node has ended.
    fn lost(&self) -> Option<(Vec<String>, bool)> {
        let view = self.cluster.upgrade().filter(|_| self.engine.strong_count() > 0)?.view();
        let lost = view.nodes.iter().filter(|node| !node.connected).map(|node| node.id.to_string());
        Some((lost.collect(), view.nodes.len() > 1))
    }

    /// Asks at all addresses of these names, at once; who answers, as soon as he does, with the name.
    fn who_is_at_any<'n>(&self, names: &'n [Address]) -> impl Iterator<Item = (There, &'n Address)> {
        let (tell, told) = mpsc::channel();
        for (at, name) in names.iter().enumerate() {
            let (places, tell, name) = (self.clone(), tell.clone(), name.clone());
            let look_up = move || {
                for address in addresses_of(&name) {
                    if places.engine.strong_count() == 0 {
                        return;
                    }
                    // The receiver waits for every name.
                    let _ = places.who_is_at(&address).map(|there| tell.send((there, at)));
                }
            };
            // Without a thread the name is looked up the next time.
            let _ = thread::spawn("cluster-seed", look_up);
        }
        told.into_iter().map(|(there, at)| (there, &names[at]))
    }

    /// Who answers at an address.
    fn who_is_at(&self, address: &Address) -> Option<There> {
        let mut node = self.connect(address).ok()?;
        let ip = node.ip().ok()?;
        let known = read_nodes(&node.text(&[b"CLUSTER", b"NODES"]).ok()?);
        let own = known.into_iter().find(|known| known.myself)?;
        Some(There { id: own.id, ip, port: address.port, bus_port: own.bus_port })
    }

    /// Meets a node, unless it is known to be there: then a link is on its way.
    fn meet(&self, there: &There, name: &Address) {
        let There { id, ip, port, bus_port } = there;
        let Some(cluster) = self.cluster.upgrade() else { return };
        let is_there =
            |node: &gossip::NodeView| node.id.to_string() == *id && node.ip.to_string() == *ip && node.port == *port;
        if !cluster.view().nodes.iter().any(is_there) {
            self.log.notice(format_args!("Node {id} is at {ip}:{port} now ({name})"));
            // An address that is not valid would not have answered.
            let _ = cluster.with_core(|core, now| core.meet(ip, i64::from(*port), i64::from(*bus_port), now));
        }
    }
}

/// A node that answers.
struct There {
    id: String,
    ip: String,
    port: u16,
    bus_port: u16,
}

/// All addresses that a name has: one name may stand for many nodes, as that of a headless service does.
fn addresses_of(name: &Address) -> Vec<Address> {
    let Ok(found) = (name.host.as_str(), name.port).to_socket_addrs() else { return Vec::new() };
    let mut found: Vec<Address> =
        found.map(|address| Address { host: address.ip().to_string(), port: address.port() }).collect();
    found.sort_unstable();
    found.dedup();
    found
}
