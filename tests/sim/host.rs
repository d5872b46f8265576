//! One simulated machine: the process that runs a core, its disk, its clock and its data.
//!
//! A process can be paused (SIGSTOP), killed, or lose power together with its machine. The cases differ in what the
//! peers notice and what the disk keeps: a killed process leaves everything that it wrote, and its sockets are closed
//! for it; a power failure may lose what was not synced, and peers are not notified.

use std::collections::BTreeMap;

use gossip::nodes_conf::NodesConf;
use gossip::{Gossip, LinkId};
use protocol::bus::{IpText, NodeFlags, NodeId};

use crate::checks::Knowledge;
use crate::data::Data;
use crate::net::ConnId;

/// Client port of every host; they differ in their address.
pub(crate) const PORT: u16 = 7000;
/// Bus port of every host.
pub(crate) const BUS_PORT: u16 = 17000;

/// Where the next save is to end in a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CrashPlan {
    /// The save does not happen.
    BeforePersist,
    /// The save happens, but nothing after it.
    BeforeSend,
}

/// What the administrator is doing at the moment: it explains changes that the rules of the cluster would not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admin {
    Nothing,
    Takeover,
    MoveSlots,
    Other,
}

/// The promises of a saved `nodes.conf`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Saved {
    pub(crate) current_epoch: u64,
    pub(crate) last_vote_epoch: u64,
    /// The greatest config epoch that the node had as a primary.
    pub(crate) config_epoch: u64,
}

impl Saved {
    fn of(conf: &NodesConf, before: Self) -> Self {
        let own = conf.nodes.iter().find(|node| node.flags.contains(NodeFlags::MYSELF | NodeFlags::MASTER));
        Self {
            current_epoch: conf.current_epoch,
            last_vote_epoch: conf.last_vote_epoch,
            config_epoch: own.map_or(0, |node| node.config_epoch).max(before.config_epoch),
        }
    }
}

/// The disk's `nodes.conf`.
#[derive(Default)]
pub(crate) struct Disk {
    /// What a reader sees now.
    pub(crate) written: Option<String>,
    /// What is certainly there after a power failure.
    pub(crate) durable: Option<String>,
    /// The promises of `durable`.
    pub(crate) saved: Saved,
}

impl Disk {
    pub(crate) fn write(&mut self, text: String, fsync: bool) {
        if fsync {
            let conf = NodesConf::parse(text.as_bytes()).expect("the core writes what it can read");
            self.saved = Saved::of(&conf, self.saved);
            self.durable = Some(text.clone());
        }
        self.written = Some(text);
    }
}

pub(crate) struct Host {
    pub(crate) ip: IpText,
    /// `None`: the process does not run.
    pub(crate) core: Option<Gossip>,
    /// Counts the processes that ran here.
    pub(crate) incarnation: u32,
    /// The machine is off: connections are not even refused.
    pub(crate) off: bool,
    pub(crate) paused: bool,
    /// How far the host's clock is ahead of the world's, in milliseconds.
    pub(crate) skew: i64,
    pub(crate) disk: Disk,
    pub(crate) crash_plan: Option<CrashPlan>,
    pub(crate) admin: Admin,
    /// A manual failover that this replica was told to do: whether by force, and until when (host's clock).
    pub(crate) failover: Option<(bool, i64)>,
    /// Connections of the running process, by the core's names.
    pub(crate) links: BTreeMap<LinkId, (ConnId, usize)>,
    /// When the next tick is due, on the world's clock. Events for other times are void.
    pub(crate) tick_at: Option<i64>,
    pub(crate) data: Data,
    /// What the core last reported about the cluster.
    pub(crate) known: Knowledge,
    /// Whether it is a member of the cluster: not from an empty restart until it is let in again.
    pub(crate) member: bool,
}

impl Host {
    pub(crate) fn new(index: usize, skew: i64, history: u64) -> Self {
        Self {
            ip: format!("10.0.0.{}", index + 1).parse().expect("an address"),
            core: None,
            incarnation: 0,
            off: false,
            paused: false,
            skew,
            disk: Disk::default(),
            crash_plan: None,
            admin: Admin::Nothing,
            failover: None,
            links: BTreeMap::new(),
            tick_at: None,
            data: Data::new(history),
            known: Knowledge::default(),
            member: true,
        }
    }

    /// The process exists and may run.
    pub(crate) fn runs(&self) -> bool {
        self.core.is_some() && !self.paused
    }

    pub(crate) fn id(&self) -> Option<NodeId> {
        self.known.me
    }

    pub(crate) fn is_primary_with_slots(&self) -> bool {
        self.core.is_some() && self.known.own().is_some_and(|me| me.primary && me.slots > 0)
    }

    pub(crate) fn replica_of(&self) -> Option<NodeId> {
        self.known.own().filter(|_| self.core.is_some()).and_then(|me| me.replica_of)
    }
}
