//! `SLOTD_CLUSTER_NODES`: plain nodes become a cluster by themselves, without a service that creates it.
//!
//! Every node gets the same list. One of them is the creator: the first, or the one that `SLOTD_CLUSTER_CREATOR` names.
//! It waits until all answer and then does what `redis-cli --cluster create` does, by the commands that any node has
//! ([`steps`]); so nodes of other servers can be in the list. The creator is found by its id: each node asks who
//! answers at that place, and compares. After that the creator has no role.
//!
//! All nodes also look after their addresses, by the names in the list ([`seeds`]): containers that are started anew,
//! all at once, may have other addresses than those in `nodes.conf`.
//!
//! A thread does this, with blocking sockets, as a client would. It ends when the cluster is in order.
//! ```text
//! view   what one node says             steps      what the creator does next
//! seeds  where nodes are found again    placement  which node becomes what
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::node_list::Address;
use crate::base::readable::readable;
use crate::base::thread;
use crate::healthcheck::{Connection, field};
use crate::logging::NodeLog;
use crate::node::Node;
use seeds::{PAUSES, Places};
pub(super) use seeds::{seeds_of, seek};
use steps::{CLAIM, Next, Order, apart, is_taken, next, shared_hosts, was_taken};
use view::{View, read_nodes};

mod placement;
mod seeds;
mod steps;
mod view;

/// Who makes the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Creator {
    /// The first node of the list.
    #[default]
    First,
    /// The node at this place of the list.
    Named(Address),
    /// This node.
    Me,
    /// Another node, or somebody else.
    NotMe,
}

/// The cluster that a node is to be in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Formation {
    /// All its nodes, this one included; there is at least one.
    pub nodes: Vec<Address>,
    /// Replicas of each primary.
    pub replicas: usize,
    /// Who makes it.
    pub creator: Creator,
}

/// How long known nodes are looked for at the places of the list after a start.
const LOOK_FOR: Duration = Duration::from_secs(600);
/// How long nodes may take to get to know each other before the log says who does not.
const ACQUAINTANCE: Duration = Duration::from_secs(5);

/// How long a node that another creator has taken may be in no cluster. Then that creator was interrupted; it may have
/// been this node itself, before a restart.
const HESITATION: Duration = Duration::from_secs(4);

/// What the log has been told last, and since when nodes that answer do not know each other.
#[derive(Default)]
struct Told {
    last: String,
    apart: Option<Instant>,
    /// Orders were given: what comes next need not wait long.
    acted: bool,
}

/// The nodes that this creator has taken, and since when others are seen to be taken.
#[derive(Default)]
struct Taken {
    ids: BTreeSet<String>,
    seen: BTreeMap<String, Instant>,
}

/// Why a node does not say what it knows.
enum Silence {
    /// It may come.
    NotYet(String),
    /// It never will.
    Never(String),
}

/// Begins to form the cluster; returns at once.
///
/// # Errors
/// No thread can be started.
pub(super) fn start(formation: Formation, node: &Node, log: &NodeLog) -> std::io::Result<()> {
    let Some(cluster) = node.cluster() else { return Ok(()) };
    let former = Former {
        places: Places::new(formation.nodes.clone(), node.engine(), cluster, log),
        formation,
        own: cluster.identity().0.to_string(),
        log: log.clone(),
    };
    thread::spawn("cluster-form", move || former.run()).map(drop)
}

/// The work of one node.
struct Former {
    formation: Formation,
    places: Places,
    /// The id of this node.
    own: String,
    log: NodeLog,
}

impl Former {
    fn run(&self) {
        let (began, mut pause) = (Instant::now(), PAUSES.0);
        let (mut told, mut taken, mut creates) = (Told::default(), Taken::default(), None);
        // Whether there is nothing to create any more.
        let mut created = false;
        let is_alone = || self.places.cluster.upgrade().is_some_and(|cluster| cluster.view().nodes.len() < 2);
        if self.formation.creator == Creator::NotMe && is_alone() {
            let text = "waiting for the node whose SLOTD_CLUSTER_CREATOR is yes, or for redis-cli --cluster create";
            self.say(&mut told, text.to_owned());
        }
        while self.places.engine.strong_count() > 0 {
            if creates.is_none() {
                creates = self
                    .am_creator()
                    .map_err(|why| self.say(&mut told, format!("waiting for the creator: {why}")))
                    .ok();
            }
            created |= match creates {
                Some(true) if !created => self.create(&mut told, &mut taken),
                other => other == Some(false),
            };
            let found = self.places.find_known();
            if created && (found || began.elapsed() > LOOK_FOR) {
                return;
            }
            pause = if std::mem::take(&mut told.acted) { PAUSES.0 } else { pause };
            std::thread::sleep(pause);
            pause = (pause * 5 / 4).min(PAUSES.1);
        }
    }

    /// Whether this node is the creator.
    ///
    /// # Errors
    /// Why that is not known yet.
    fn am_creator(&self) -> Result<bool, String> {
        let address = match &self.formation.creator {
            Creator::Me => return Ok(true),
            Creator::NotMe => return Ok(false),
            Creator::Named(address) => address,
            Creator::First => &self.formation.nodes[0],
        };
        Ok(self.connect(address)?.text(&[b"CLUSTER", b"MYID"])? == self.own)
    }

    /// Logs what has not been said last.
    fn say(&self, told: &mut Told, text: String) {
        if told.last != text {
            self.log.notice(format_args!("Cluster formation: {text}"));
            told.last = text;
        }
    }

    /// One look at all nodes, and what follows from it. Whether the work is over.
    fn create(&self, told: &mut Told, taken: &mut Taken) -> bool {
        let (mut seen, mut never) = (Vec::new(), None);
        for address in &self.formation.nodes {
            match self.look(address) {
                Ok(view) => seen.push(Ok(view)),
                Err(Silence::NotYet(reason)) => seen.push(Err(reason)),
                Err(Silence::Never(reason)) => {
                    seen.push(Err(reason.clone()));
                    never = Some(reason);
                }
            }
        }
        let apart = told.apart(apart(&seen, &self.own));
        taken.note(&seen);
        let text = match next(&seen, &self.own, self.formation.replicas, &taken.ids) {
            Next::Done(text) => {
                self.log.notice(format_args!("Cluster formation: {text}"));
                never.iter().for_each(|reason| self.log.warning(format_args!("Cluster formation: {reason}")));
                return true;
            }
            Next::Warn(text) => {
                self.log.warning(format_args!("Cluster formation: {text}"));
                return true;
            }
            Next::Refuse(text) => {
                self.refuse(&text);
                return true;
            }
            Next::Wait(text) => match never {
                Some(reason) => {
                    self.refuse(&reason);
                    return true;
                }
                None => apart.unwrap_or(text),
            },
            Next::Act(orders) => {
                let doing = what_is_done(&orders);
                let begins =
                    orders.iter().any(|order| order.words[1] == "MEET") && told.last != doing && apart.is_none();
                if let Some(warning) = shared_hosts(&seen, self.formation.replicas).filter(|_| begins) {
                    self.log.warning(format_args!("Cluster formation: {warning}"));
                }
                told.acted = true;
                let failed = self.give(&orders, &seen, taken).err();
                failed.or(apart).unwrap_or_else(|| doing.to_owned())
            }
        };
        self.say(told, text);
        false
    }

    /// Says why there can be no cluster, and ends the node: as long as it runs, it looks as if it would become one. A
    /// node that is in a cluster with slots already goes on serving it.
    fn refuse(&self, reason: &str) {
        self.log.warning(format_args!("Cluster formation refused: {reason}"));
        let Places { engine, cluster, .. } = &self.places;
        let (Some(engine), Some(cluster)) = (engine.upgrade(), cluster.upgrade()) else { return };
        let view = cluster.view();
        if view.nodes.len() < 2 || view.nodes.iter().all(|node| node.slots.is_empty()) {
            engine.state.request_stop(1);
        }
    }

    fn connect(&self, address: &Address) -> Result<Connection, String> {
        self.places.connect(address)
    }

    /// What a node says of its cluster.
    fn look(&self, address: &Address) -> Result<View, Silence> {
        let mut node = self.connect(address).map_err(Silence::NotYet)?;
        if node.asks_for_none(&self.places.password()).map_err(Silence::NotYet)? {
            return Err(Silence::Never(format!(
                "{address} asks for no password, and this node has one: give it the same"
            )));
        }
        let ip = node.ip().map_err(Silence::NotYet)?;
        let text = node.text(&[b"CLUSTER", b"NODES"]).map_err(|error| {
            if error.contains("cluster support disabled") {
                Silence::Never(format!("{address} is not in cluster mode: start it with SLOTD_CLUSTER_ENABLED=yes"))
            } else {
                Silence::NotYet(error)
            }
        })?;
        let info = node.text(&[b"CLUSTER", b"INFO"]).map_err(Silence::NotYet)?;
        let keys = node.ask(&[b"DBSIZE"]).map_err(Silence::NotYet)?;
        let replication = node.text(&[b"INFO", b"replication"]).map_err(Silence::NotYet)?;
        Ok(View {
            name: address.to_string(),
            ip,
            port: address.port,
            known: read_nodes(&text),
            ok: info.contains("cluster_state:ok"),
            keys: keys.as_int().unwrap_or(0).unsigned_abs(),
            link_down: field(&replication, "master_link_status").is_some_and(|status| status != "up"),
        })
    }

    /// Gives orders, and notes which nodes are taken by them.
    ///
    /// # Errors
    /// The first that was not obeyed; those behind it were not given.
    fn give(&self, orders: &[Order], seen: &[Result<View, String>], taken: &mut Taken) -> Result<(), String> {
        for order in orders {
            if order.words[1] == "MEET" {
                self.look_again(order, seen)?;
            }
            self.order(order)?;
            if let Ok(view) = &seen[order.to]
                && order.words[1] == CLAIM
            {
                taken.ids.insert(view.id().to_owned());
            }
        }
        Ok(())
    }

    /// Looks at a node right before it is met. This process may have been frozen since the last look, and two clusters
    /// that meet become one.
    fn look_again(&self, order: &Order, seen: &[Result<View, String>]) -> Result<(), String> {
        let is_met = |view: &View| order.words[2] == view.ip && order.words[3] == view.port.to_string();
        let met = seen.iter().position(|one| one.as_ref().is_ok_and(is_met));
        let Some(address) = met.and_then(|at| self.formation.nodes.get(at)) else { return Ok(()) };
        match self.look(address) {
            Ok(now) if was_taken(&now, seen) => {
                Err(format!("another creator has taken {address}, as it seems: looking again"))
            }
            Ok(_) => Ok(()),
            Err(Silence::NotYet(reason) | Silence::Never(reason)) => Err(reason),
        }
    }

    /// Gives an order.
    fn order(&self, order: &Order) -> Result<(), String> {
        let mut node = self.connect(&self.formation.nodes[order.to])?;
        let words: Vec<&[u8]> = order.words.iter().map(String::as_bytes).collect();
        let reply = node.ask(&words)?;
        match reply.as_error() {
            Some(error) => {
                Err(format!("{}: {}: {}", self.formation.nodes[order.to], order.words.join(" "), readable(error)))
            }
            None => Ok(()),
        }
    }
}

impl Taken {
    /// Takes nodes that somebody else has taken and left alone for too long.
    fn note(&mut self, seen: &[Result<View, String>]) {
        let others = seen.iter().flatten().filter(|view| is_taken(view)).map(|view| view.id().to_owned());
        let now = Instant::now();
        self.seen = others.map(|id| (id.clone(), self.seen.get(&id).copied().unwrap_or(now))).collect();
        let left_alone = self.seen.iter().filter(|(_, since)| since.elapsed() > HESITATION);
        self.ids.extend(left_alone.map(|(id, _)| id.clone()));
    }
}

impl Told {
    /// Takes who does not know whom; gives it back when that has been so for too long.
    fn apart(&mut self, found: Option<String>) -> Option<String> {
        let since = found.as_ref().map(|_| self.apart.unwrap_or_else(Instant::now));
        self.apart = since;
        found.filter(|_| since.is_some_and(|since| since.elapsed() > ACQUAINTANCE))
    }
}

/// Orders in words, for the log.
fn what_is_done(orders: &[Order]) -> &'static str {
    match orders.last().and_then(|order| order.words.get(1)).map_or("", String::as_str) {
        "MEET" => "the nodes meet",
        "REPLICATE" => "replicas get their primaries",
        "ADDSLOTSRANGE" => "primaries get their slots",
        _ => "the nodes are prepared",
    }
}
