//! What the reports of all nodes add up to: members, shards, hosts.
//!
//! What a node says of itself counts most: its role, its primary, its slots. Of a node that does not answer, the first
//! report that knows it is believed. Where reports contradict each other, `findings` says so, and nothing is moved.

use gossip::nodes_conf::NodeLine;
use protocol::bus::{NodeFlags, NodeId};
use protocol::slot::SlotBitmap;

use super::facts::{Facts, Link, Report};
use super::hosts::{Label, Place, hosts};
use super::seats::{Placement, Seat};
use crate::healthcheck::address_of;

/// One node of the cluster.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) id: NodeId,
    /// Its address, as the cluster knows it.
    pub(super) name: String,
    /// The number of its host.
    pub(super) host: usize,
    /// Whom it replicates.
    pub(super) primary: Option<NodeId>,
    pub(super) slots: SlotBitmap,
    /// Who says that it is down, by address.
    pub(super) doubted_by: Vec<String>,
    /// It answers.
    pub(super) answers: bool,
    pub(super) link: Link,
    /// It should not take over (`cluster-replica-no-failover`).
    pub(super) stays_replica: bool,
}

/// The cluster as a whole.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub(super) facts: Facts,
    /// All nodes but those in handshake, by id.
    pub(super) members: Vec<Member>,
    /// Where each of them is.
    pub(super) places: Vec<Place>,
    /// The names of the hosts.
    pub(super) hosts: Vec<String>,
}

impl Picture {
    pub(super) fn new(facts: Facts, labels: &[Label]) -> Self {
        let in_handshake = |line: &&NodeLine| line.flags.intersects(NodeFlags::HANDSHAKE);
        let all = facts.reports.iter().flat_map(|report| &report.lines).filter(|line| !in_handshake(line));
        let mut ids: Vec<NodeId> = all.map(|line| line.id).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut members: Vec<Member> = ids.iter().filter_map(|id| member(&facts, *id)).collect();
        let places: Vec<Place> = members.iter().map(|member| place(&facts, member.id)).collect();
        let (hosts, of) = hosts(&places, labels);
        members.iter_mut().zip(of).for_each(|(member, host)| member.host = host);
        Self { facts, members, places, hosts }
    }

    pub(super) fn member(&self, id: NodeId) -> Option<&Member> {
        let at = self.members.binary_search_by_key(&id, |member| member.id).ok()?;
        self.members.get(at)
    }

    /// The name of a node, or its id.
    pub(super) fn name(&self, id: NodeId) -> String {
        self.member(id).map_or_else(|| id.to_string(), |member| member.name.clone())
    }

    pub(super) fn host(&self, member: &Member) -> &str {
        &self.hosts[member.host]
    }

    /// The hosts that are known: a node that is gone may have no address any more.
    pub(super) fn known_hosts(&self) -> impl Iterator<Item = usize> {
        (0..self.hosts.len()).filter(|host| !self.hosts[*host].is_empty())
    }

    /// The nodes that serve slots.
    pub(super) fn primaries(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| !member.slots.is_empty())
    }

    /// The replicas of a node.
    pub(super) fn replicas(&self, primary: NodeId) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(move |member| member.primary == Some(primary))
    }

    /// The name of the node that gave a report.
    pub(super) fn reporter(&self, report: &Report) -> String {
        self.name(report.id)
    }

    /// Who serves which shard, without replicas that cannot take part; with the member of each seat.
    pub(super) fn placement(&self) -> (Placement, Vec<&Member>) {
        let (mut seats, mut primaries, mut who) = (Vec::new(), Vec::new(), Vec::new());
        for (shard, primary) in self.primaries().enumerate() {
            primaries.push(seats.len());
            seats.push(Seat { host: primary.host, shard, may_lead: !primary.stays_replica });
            who.push(primary);
            for replica in self.replicas(primary.id).filter(|replica| replica.is_fit()) {
                seats.push(Seat { host: replica.host, shard, may_lead: !replica.stays_replica });
                who.push(replica);
            }
        }
        (Placement { seats, primaries }, who)
    }
}

impl Member {
    /// Whether it can be given another role.
    pub(super) fn is_fit(&self) -> bool {
        self.answers && self.doubted_by.is_empty() && self.link == Link::Up
    }
}

/// All that is known of a node.
fn member(facts: &Facts, id: NodeId) -> Option<Member> {
    let own = facts.of(id);
    let line = own.into_iter().chain(&facts.reports).find_map(|report| report.line(id))?;
    let doubts = facts.reports.iter().filter(|report| report.doubts(id)).map(|report| report.address.to_string());
    let place = place(facts, id);
    let host = if place.ip.is_empty() { &place.hostname } else { &place.ip };
    Some(Member {
        id,
        name: if host.is_empty() { id.to_string() } else { address_of(host, place.port) },
        host: 0,
        primary: line.replica_of,
        slots: line.slots.clone(),
        doubted_by: doubts.collect(),
        answers: own.is_some(),
        link: own.map_or(Link::Down, |report| report.link),
        stays_replica: line.flags.intersects(NodeFlags::NOFAILOVER),
    })
}

/// Where a node is, as the others say, or as it was found: it need not know its own address.
fn place(facts: &Facts, id: NodeId) -> Place {
    let (own, mut place) = (facts.of(id), Place { id: id.to_string(), ..Place::default() });
    let mut lines: Vec<&NodeLine> = facts.reports.iter().filter_map(|report| report.line(id)).collect();
    lines.sort_by_key(|line| line.flags.intersects(NodeFlags::MYSELF));
    for line in lines {
        if place.ip.is_empty() {
            place.ip = line.ip.to_string();
        }
        if place.hostname.is_empty() && line.hostname != "?" {
            place.hostname.clone_from(&line.hostname);
        }
        if place.port == 0 {
            place.port = line.port;
        }
    }
    if let Some(report) = own.filter(|_| place.ip.is_empty()) {
        place.ip.clone_from(&report.ip);
    }
    place
}
