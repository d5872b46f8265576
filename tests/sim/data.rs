//! The data behind the cores, reduced to what elections depend on: a history and an offset in it.
//!
//! A primary's offset grows with every write that it accepts; it accepts what the server would accept (state ok, within
//! the lease, not paused). A replica follows while its link is up. A link is made when both hosts run and reach each
//! other: data of the same history that is not ahead continues (partial sync), other data is replaced after a while
//! (full sync). So ranks, "no data" and the age of data mean the same in a run as in production.

use gossip::{Replication, View};
use protocol::bus::{IpText, NodeId};

use crate::trace::Sometimes;
use crate::world::World;

/// Silence after which a side closes a replication link, in milliseconds (`repl-timeout`, scaled to the runs).
const REPL_TIMEOUT_MS: i64 = 3_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Down,
    /// A full sync is under way until then (world's clock).
    Syncing {
        until: i64,
    },
    Up,
}

/// One host's data set.
#[derive(Clone, Debug)]
pub(crate) struct Data {
    history: u64,
    offset: u64,
    /// The history that this one continues, and the offset up to which they are the same.
    previous: Option<(u64, u64)>,
    /// The node that the core told us to replicate.
    target: Option<(NodeId, IpText)>,
    link: Link,
    /// A sync with the target has succeeded.
    synced: bool,
    /// Last traffic on the link, or when it went down; the host's clock; 0: never.
    last_contact: i64,
    /// The data was lost, and since when (world's clock) a process runs without it.
    lost: bool,
    runs_without_since: Option<i64>,
    /// The replicas that the process found in its nodes.conf.
    known_replicas: Vec<NodeId>,
    /// Manual failover: no writes until then, on the host's clock.
    paused_until: Option<i64>,
}

impl Data {
    pub(crate) fn new(history: u64) -> Self {
        Self {
            history,
            offset: 0,
            previous: None,
            target: None,
            link: Link::Down,
            synced: false,
            last_contact: 0,
            lost: false,
            runs_without_since: None,
            known_replicas: Vec::new(),
            paused_until: None,
        }
    }

    /// What the server reports to the core.
    pub(crate) fn facts(&self) -> Replication {
        let offset = if self.target.is_none() || self.synced { self.offset } else { 0 };
        Replication {
            primary: self.target.map(|(id, _)| id),
            offset,
            last_contact: if self.synced { self.last_contact } else { 0 },
        }
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether this data could stand in for the primary's: it is in sync.
    pub(crate) fn in_sync(&self) -> bool {
        self.link == Link::Up && self.offset > 0
    }

    /// Whether this is a copy of the target's data, even an old one.
    pub(crate) fn is_copy(&self) -> bool {
        self.synced && self.offset > 0
    }

    pub(crate) fn flush(&mut self) {
        self.offset = 0;
        self.synced = false;
    }

    pub(crate) fn pause_writes(&mut self, until: Option<i64>) {
        self.paused_until = until;
    }

    /// The process starts, at `now` of the world's clock.
    pub(crate) fn started(&mut self, view: &View, now: i64) {
        let me = view.myself();
        if me.is_primary() {
            self.target = None;
        }
        self.known_replicas = me.replicas.iter().map(|index| view.nodes[*index].id).collect();
        self.runs_without_since = std::mem::take(&mut self.lost).then_some(now);
    }

    /// The process died: the data survives on the disk (the simulator has no other kind), the link does not.
    pub(crate) fn crashed(&mut self, host_now: i64) {
        self.drop_link(host_now);
        self.paused_until = None;
    }

    /// The process starts without its data, as one that never saved any.
    pub(crate) fn lose(&mut self, history: u64) {
        let target = self.target;
        *self = Self { target, lost: true, ..Self::new(history) };
    }

    /// The disk is gone.
    pub(crate) fn wiped(&mut self, history: u64) {
        *self = Self::new(history);
    }

    fn drop_link(&mut self, host_now: i64) {
        if self.link == Link::Up {
            self.last_contact = host_now;
        }
        self.link = Link::Down;
    }

    fn retarget(&mut self, id: NodeId, ip: IpText, host_now: i64) {
        self.drop_link(host_now);
        if self.target.is_none_or(|(old, _)| old != id) {
            self.synced = false;
        }
        self.target = Some((id, ip));
    }

    /// A new history begins where the old one is now.
    fn promote(&mut self, history: u64) {
        self.previous = Some((self.history, self.offset));
        self.history = history;
        self.target = None;
        self.link = Link::Down;
        self.synced = false;
    }

    /// Whether a replica with this data can go on from `primary`'s without a full sync.
    fn continues(&self, primary: &Data) -> bool {
        let same = self.history == primary.history && self.offset <= primary.offset;
        let before = primary.previous.is_some_and(|(history, upto)| history == self.history && self.offset <= upto);
        same || before
    }
}

impl World {
    /// D2: a replica must not receive less data than it has. Exceptions: a primary that heard nothing from the replica
    /// may give up waiting after two seconds; one without which there is no majority does not wait; and one that died
    /// before it learned of this replica cannot ask it.
    fn check_sync(&mut self, host: usize, primary: usize) {
        let (replica, source) = (&self.hosts[host].data, &self.hosts[primary].data);
        let recent = source.runs_without_since.is_some_and(|since| self.now - since < 1_900);
        let (has, gets) = (replica.offset, source.offset);
        let replaceable = self.hosts[primary].known.size >= 3;
        let asked = self.hosts[host].id().is_some_and(|id| source.known_replicas.contains(&id));
        let lossy = recent && replaceable && asked && replica.synced && has > gets;
        self.require("D2", !lossy, || {
            format!("n{host} has data up to {has} and copies n{primary}, which lost its own")
        });
    }

    pub(crate) fn replicate_from(&mut self, host: usize, id: NodeId, ip: IpText, _port: u16) {
        let now = self.host_now(host);
        self.trace.line(self.now, host, || format!("replicates {id}"));
        let shard_changed = self.hosts[host].admin == crate::host::Admin::Nothing && self.left_shard(host, id);
        if shard_changed {
            self.trace.count(Sometimes::ReplicaMigrated);
        }
        self.hosts[host].data.retarget(id, ip, now);
    }

    /// The new primary did not take over from the old one: it already owned its slots before.
    fn left_shard(&self, host: usize, to: NodeId) -> bool {
        let known = &self.hosts[host].known;
        let old = known.own().and_then(|me| me.replica_of).filter(|old| *old != to);
        let old_serves = old.and_then(|old| known.nodes.get(&old)).is_some_and(|old| old.primary && old.slots > 0);
        old_serves && known.nodes.get(&to).is_some_and(|new| new.primary)
    }

    /// This node became a primary.
    pub(crate) fn promoted(&mut self, host: usize) {
        self.check_promoted(host);
        let history = self.rng.next();
        self.hosts[host].data.promote(history);
    }

    /// Reports the offset to the core.
    pub(crate) fn report_data(&mut self, host: usize) {
        let facts = self.hosts[host].data.facts();
        if self.hosts[host].runs() {
            let present = self.hosts[host].data.offset > 0;
            self.input(host, |core, now| {
                core.set_replication(facts, now);
                core.note_data(present, now);
            });
        }
    }

    /// Clients write, replicas follow.
    pub(crate) fn data_step(&mut self) {
        for host in 0..self.hosts.len() {
            if self.hosts[host].runs() {
                self.write(host);
                self.follow(host);
                self.report_data(host);
            }
        }
    }

    /// A client writes to a primary; the gate is that of the server.
    fn write(&mut self, host: usize) {
        if !self.hosts[host].is_primary_with_slots() || self.hosts[host].data.target.is_some() {
            return;
        }
        let now = self.host_now(host);
        let Some(core) = &self.hosts[host].core else { return };
        let (leased, ok) = (now < core.serve_until_ms(), self.hosts[host].known.ok);
        let paused = self.hosts[host].data.paused_until.is_some_and(|until| now < until);
        if !ok {
            self.trace.count(Sometimes::WriteRefusedByState);
        } else if !leased {
            self.trace.count(Sometimes::WriteRefusedByLease);
        } else if !paused {
            self.check_write(host);
            let bytes = self.rng.between(1, 60) as u64;
            self.hosts[host].data.offset += bytes;
        }
    }

    fn follow(&mut self, host: usize) {
        let Some((id, ip)) = self.hosts[host].data.target else { return };
        let now = self.host_now(host);
        let primary = self.hosts.iter().position(|other| other.ip == ip).filter(|p| *p != host);
        let there = primary.filter(|p| self.hosts[*p].core.is_some() && self.hosts[*p].id() == Some(id));
        let Some(primary) = there else {
            self.hosts[host].data.drop_link(now);
            return;
        };
        if self.hosts[primary].paused || !self.net.connected(host, primary) {
            let data = &mut self.hosts[host].data;
            if now - data.last_contact > REPL_TIMEOUT_MS {
                data.link = Link::Down; // silence: the last contact stays what it was
            }
            return;
        }
        let withheld = self.hosts[primary].core.as_ref().is_some_and(|core| !core.feeds_replicas());
        if withheld {
            self.trace.count(Sometimes::SyncWithheld);
            self.hosts[host].data.drop_link(now);
            return;
        }
        self.check_sync(host, primary);
        // Only a node that does not itself wait for data can be a source.
        let source = self.hosts[primary].data.clone();
        let lag = self.rng.chance(20);
        let sync_time = self.rng.between(50, 800);
        let data = &mut self.hosts[host].data;
        match data.link {
            Link::Down if source.target.is_some() && !source.synced => {}
            Link::Down if data.continues(&source) => {
                data.link = Link::Up;
                self.trace.count(Sometimes::PartialSync);
            }
            Link::Down => data.link = Link::Syncing { until: self.now + sync_time },
            Link::Syncing { until } if self.now < until => {}
            Link::Syncing { .. } => {
                data.link = Link::Up;
                data.offset = source.offset;
                self.trace.count(Sometimes::FullSync);
            }
            Link::Up if !data.continues(&source) => data.drop_link(now),
            Link::Up => {}
        }
        let data = &mut self.hosts[host].data;
        if data.link == Link::Up {
            data.synced = true;
            data.last_contact = now;
            data.history = source.history;
            data.previous = source.previous;
            if !lag {
                data.offset = source.offset;
            }
        }
    }
}
