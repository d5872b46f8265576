//! What a creator does next, as a function of what all nodes say.
//!
//! Between two looks it is remembered which nodes were taken, and nothing else: whatever a creator that was interrupted
//! has left behind, the next one sees, and goes on. Orders are such that nothing is served half made. The nodes are
//! taken first, then they meet, then replicas get their primaries, and slots come last; so `cluster_state` becomes ok
//! when everything is in its place.
//!
//! A cluster that is there already is left alone, whatever it looks like by now. The creator refuses only before it has
//! done anything: if a node that it is to take belongs elsewhere or holds data.

use std::collections::BTreeSet;

use super::placement::{Placement, place};
use super::view::{Known, View};
use crate::healthcheck::address_of;

/// The order that takes a node.
pub(super) const CLAIM: &str = "SET-CONFIG-EPOCH";

/// The outcome of one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The cluster is in order.
    Done(String),
    /// There is a cluster already, and something about it should be known.
    Warn(String),
    /// Not everything is there yet.
    Wait(String),
    /// No cluster can be made of these nodes.
    Refuse(String),
    /// Orders to give.
    Act(Vec<Order>),
}

/// An order to one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// The node, by its position in the list.
    pub(super) to: usize,
    /// The words of the command.
    pub(super) words: Vec<String>,
}

impl Order {
    fn new(to: usize, words: &str) -> Self {
        Self { to, words: words.split(' ').map(str::to_owned).collect() }
    }
}

/// What to do next. `seen` is what each node of the list says, or why it says nothing; `own` is the creator's id, and
/// `taken` are those of the nodes that it has taken.
pub(super) fn next(seen: &[Result<View, String>], own: &str, replicas: usize, taken: &BTreeSet<String>) -> Next {
    let all: Vec<&View> = seen.iter().flatten().collect();
    let silent: Vec<&String> = seen.iter().filter_map(|one| one.as_ref().err()).collect();
    if let Some(me) = all.iter().find(|view| view.id() == own) {
        if let Some(done) = exists(me, &all) {
            return done;
        }
    } else if all.len() == seen.len() {
        return Next::Refuse(
            "this node is none of those in SLOTD_CLUSTER_NODES: name it there, as the other nodes reach it".to_owned(),
        );
    }
    if let Some(first) = silent.first() {
        let more = silent.len() - 1;
        let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
        return Next::Wait(format!("waiting for {} of {} nodes: {first}{more}", silent.len(), seen.len()));
    }
    if let Some(problem) = unfit(&all, own) {
        return problem;
    }
    let hosts: Vec<&str> = all.iter().map(|view| view.ip.as_str()).collect();
    let placement = match place(&hosts, replicas) {
        Ok(placement) => placement,
        Err(problem) => return Next::Refuse(problem),
    };
    if let Some(name) = all.iter().enumerate().find_map(|(node, view)| misplaced(node, view, &placement, &all)) {
        return Next::Warn(format!(
            "the cluster is not in order, and {name} is not where it would have been put at first: see redis-cli --cluster \
             check, and --cluster fix"
        ));
    }
    if let Some(view) = all.iter().find(|view| is_taken(view) && !taken.contains(view.id())) {
        return Next::Wait(format!("another creator has taken {}, as it seems: looking again", view.name));
    }
    let orders = [Some(claims(&all)), meetings(&all, own), adoptions(&all, &placement), shares(&all, &placement)];
    match orders.into_iter().find(|orders| !orders.as_ref().is_some_and(Vec::is_empty)) {
        Some(Some(orders)) => Next::Act(orders),
        Some(None) => Next::Wait("the nodes get to know each other".to_owned()),
        None => Next::Wait("waiting for cluster_state:ok".to_owned()),
    }
}

/// Whether there is a cluster with all slots already, and what to say of it.
fn exists(me: &View, all: &[&View]) -> Option<Next> {
    let members = me.members().count();
    if members < 2 || !me.covered() {
        return None;
    }
    if let Some(stranger) = all.iter().find(|view| !me.knows(view.id())) {
        let (name, ip, port, near) = (&stranger.name, &stranger.ip, stranger.port, me.port);
        return Some(Next::Warn(format!(
            "{name} is no member of the cluster, which has {members} nodes. Add it with redis-cli --cluster add-node \
             {ip}:{port} {}:{near}",
            me.ip
        )));
    }
    if !me.ok {
        return Some(Next::Wait("waiting for cluster_state:ok".to_owned()));
    }
    let lonely: Vec<&str> = all.iter().filter(|view| view.link_down).map(|view| view.name.as_str()).collect();
    if !lonely.is_empty() {
        return Some(Next::Wait(format!(
            "all slots are served; without a link to their primaries, and their logs say why: {}",
            lonely.join(", ")
        )));
    }
    Some(Next::Done(format!("the cluster has {members} nodes and serves all slots")))
}

/// What keeps the nodes from becoming a cluster.
fn unfit(all: &[&View], own: &str) -> Option<Next> {
    let ids: BTreeSet<&str> = all.iter().map(|view| view.id()).collect();
    if ids.len() < all.len() {
        let twice = all.iter().enumerate().find_map(|(at, view)| {
            let other = all[..at].iter().find(|other| other.id() == view.id())?;
            Some(format!("{} and {} are one node: name each node once", other.name, view.name))
        });
        return Some(Next::Refuse(twice.unwrap_or_default()));
    }
    let me = all.iter().copied().find(|view| view.id() == own);
    if let Some(text) = me.and_then(|me| newcomer(me, all)) {
        return Some(Next::Warn(text));
    }
    for view in all {
        if let Some(other) = view.members().find(|known| !ids.contains(known.id.as_str())) {
            return Some(belongs_elsewhere(view, other, me));
        }
        if view.keys > 0 && view.members().count() == 1 {
            return Some(Next::Refuse(format!(
                "{} holds {} keys and is in no cluster: a new cluster is made of empty nodes",
                view.name, view.keys
            )));
        }
    }
    None
}

/// What to say if the creator alone is new, and all others are a cluster that serves: it has lost its files.
fn newcomer(me: &View, all: &[&View]) -> Option<String> {
    let others: Vec<&View> = all.iter().copied().filter(|view| view.id() != me.id()).collect();
    let near = others.first().filter(|_| others.len() > 1)?;
    let are_one = others.iter().all(|view| others.iter().all(|other| view.knows(other.id())));
    (me.members().count() == 1 && are_one && near.serves()).then(|| {
        format!(
            "this node is new, and the other {} nodes are a cluster already. Add it with redis-cli --cluster add-node {} {}",
            others.len(),
            address_of(&me.ip, me.port),
            address_of(&near.ip, near.port)
        )
    })
}

/// What to say of a node that knows another one, which the list does not name.
fn belongs_elsewhere(view: &View, other: &Known, me: Option<&View>) -> Next {
    let name = &view.name;
    let whom = if other.address.starts_with(':') { "a node that is gone" } else { &other.address };
    let what = format!("{name} is in a cluster with {whom}, which SLOTD_CLUSTER_NODES does not name");
    if me.is_some_and(|me| me.serves() && me.knows(view.id())) {
        return Next::Warn(format!("{what}, and not all of its slots are served: see redis-cli --cluster check"));
    }
    // Nobody is told to delete what a cluster serves.
    let else_do = if view.serves() {
        "name other nodes for a new one".to_owned()
    } else {
        format!("to make a new one, name all of these nodes, or remove the files of {name} (nodes.conf)")
    };
    Next::Refuse(format!(
        "{what}. To join that cluster, start without SLOTD_CLUSTER_NODES and use redis-cli --cluster add-node; {else_do}"
    ))
}

/// The name of a node that has slots or a primary, and other ones than planned.
fn misplaced(node: usize, view: &View, placement: &Placement, all: &[&View]) -> Option<String> {
    let me = view.myself()?;
    let planned = placement.replicates[node].map(|primary| all[primary].id());
    let share = placement.slots_of(node);
    let other_primary = me.primary.is_some() && me.primary.as_deref() != planned;
    let other_slots = !me.slots.is_empty() && Some(me.slots.as_slice()) != share.as_ref().map(std::slice::from_ref);
    (other_primary || other_slots).then(|| view.name.clone())
}

/// Whether a creator has taken this node, which is in no cluster yet.
pub(super) fn is_taken(view: &View) -> bool {
    view.members().count() == 1 && view.myself().is_some_and(|myself| myself.epoch > 0)
}

/// Whether a node has got to know others than those of the list since it was seen: while this creator was frozen,
/// another one has taken it.
pub(super) fn was_taken(now: &View, seen: &[Result<View, String>]) -> bool {
    let is_listed = |id: &str| seen.iter().flatten().any(|view| view.id() == id);
    now.members().any(|known| !is_listed(&known.id))
}

/// Orders that take the new nodes. A node accepts its first epoch once and while it is alone, so of two creators whose
/// lists have a node in common one gets it, and the other one has not introduced anybody yet. All go by the order of
/// the ids: else each could have what the other one lacks. That the epochs differ spares the nodes to settle it later.
fn claims(all: &[&View]) -> Vec<Order> {
    let is_free = |view: &View| view.members().count() == 1 && view.myself().is_some_and(|myself| myself.epoch == 0);
    let mut free: Vec<(usize, &&View)> = all.iter().enumerate().filter(|(_, view)| is_free(view)).collect();
    free.sort_unstable_by_key(|(_, view)| view.id());
    free.into_iter().map(|(node, _)| Order::new(node, &format!("CLUSTER {CLAIM} {}", node + 1))).collect()
}

/// Orders until all nodes know each other; `None`: they are about to.
fn meetings(all: &[&View], own: &str) -> Option<Vec<Order>> {
    let me = all.iter().position(|view| view.id() == own)?;
    let knows_all = |view: &&View| all.iter().all(|other| view.knows(other.id()));
    if all.iter().all(knows_all) {
        return Some(Vec::new());
    }
    let introduce = |view: &&View| {
        let bus_port = view.myself().map_or(0, |myself| myself.bus_port);
        Order::new(me, &format!("CLUSTER MEET {} {} {bus_port}", view.ip, view.port))
    };
    let orders: Vec<Order> = all.iter().filter(|view| !all[me].knows(view.id())).map(introduce).collect();
    (!orders.is_empty()).then_some(orders)
}

/// Orders that make replicas of nodes.
fn adoptions(all: &[&View], placement: &Placement) -> Option<Vec<Order>> {
    let order = |(node, view): (usize, &&View)| {
        let primary = all[placement.replicates[node]?].id();
        let is_done = view.myself()?.primary.as_deref() == Some(primary);
        (!is_done).then(|| Order::new(node, &format!("CLUSTER REPLICATE {primary}")))
    };
    Some(all.iter().enumerate().filter_map(order).collect())
}

/// Orders that give the primaries their slots.
fn shares(all: &[&View], placement: &Placement) -> Option<Vec<Order>> {
    let order = |(node, view): (usize, &&View)| {
        let (first, last) = placement.slots_of(node)?;
        let has_none = view.myself()?.slots.is_empty();
        has_none.then(|| Order::new(node, &format!("CLUSTER ADDSLOTSRANGE {first} {last}")))
    };
    Some(all.iter().enumerate().filter_map(order).collect())
}

/// Nodes of the list that do not know each other, and what may keep them apart; `None`: there are none, or not all
/// nodes answer.
pub(super) fn apart(seen: &[Result<View, String>], own: &str) -> Option<String> {
    let all: Vec<&View> = seen.iter().map(|one| one.as_ref().ok()).collect::<Option<_>>()?;
    let me = all.iter().find(|view| view.id() == own)?;
    let bus = |view: &View| address_of(&view.ip, view.myself().map_or(0, |node| node.bus_port));
    let more = |count: usize| if count == 0 { String::new() } else { format!(" (and {count} more)") };
    let unmet: Vec<&&View> = all.iter().filter(|view| !me.knows(view.id())).collect();
    if let Some(first) = unmet.first() {
        let (name, more, bus) = (&first.name, more(unmet.len() - 1), bus(first));
        return Some(format!("{name} has not been met{more}: is its bus port reachable from every node, at {bus}?"));
    }
    let pairs = all.iter().flat_map(|view| all.iter().map(move |other| (view, other)));
    let apart: Vec<_> = pairs.filter(|(view, other)| !view.knows(other.id())).collect();
    let (view, other) = apart.first()?;
    let (name, more, bus) = (&view.name, more(apart.len() - 1), bus(other));
    Some(format!("{name} does not know {}{more}: is the bus port of that reachable from it, at {bus}?", other.name))
}

/// A warning about places that are worse than they could be with more hosts.
pub(super) fn shared_hosts(seen: &[Result<View, String>], replicas: usize) -> Option<String> {
    let hosts: Vec<&str> = seen.iter().flatten().map(|view| view.ip.as_str()).collect();
    let together = place(&hosts, replicas).ok()?.together;
    (together > 0).then(|| format!("{together} replicas are on the host of their primary: there are too few hosts"))
}

#[cfg(test)]
#[path = "steps_tests.rs"]
mod tests;
