//! The life of a cluster: how it is formed, which faults it meets, how it is healed.
//!
//! Each seed picks a few kinds of fault and lets only those happen, often (swarm testing): a run with all kinds would
//! hide bugs that need one kind many times in a row. The target of every fault is chosen when it happens, in the
//! cluster as it is then.

use gossip::nodes_conf::{NodeLine, NodesConf};
use gossip::{FailoverMode, Gossip};
use protocol::bus::{NodeFlags, NodeId};
use protocol::slot::{SLOT_COUNT, SlotId, SlotRange};

use crate::host::{Admin, BUS_PORT, CrashPlan, PORT};
use crate::rng::Rng;
use crate::trace::Sometimes;
use crate::world::{Event, World};

/// Kinds of fault and of administration, of which each seed mixes some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    BreakConnection,
    CutOneWay,
    Partition,
    /// A partition in which one host reaches both sides.
    Bridge,
    SlowPath,
    Pause,
    Kill,
    PowerLoss,
    CrashAtSave,
    /// 30 to 50 percent of the primaries at once.
    MassKill,
    /// The data is lost, `nodes.conf` is not.
    DataLoss,
    EmptyRestart,
    Failover,
    ForcedFailover,
    Takeover,
    BumpEpoch,
    MoveSlots,
}

const FAULTS: [Fault; 17] = [
    Fault::BreakConnection,
    Fault::CutOneWay,
    Fault::Partition,
    Fault::Bridge,
    Fault::SlowPath,
    Fault::Pause,
    Fault::Kill,
    Fault::PowerLoss,
    Fault::CrashAtSave,
    Fault::MassKill,
    Fault::DataLoss,
    Fault::EmptyRestart,
    Fault::Failover,
    Fault::ForcedFailover,
    Fault::Takeover,
    Fault::BumpEpoch,
    Fault::MoveSlots,
];

/// What is decided for a run in advance.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) hosts: usize,
    pub(crate) primaries: usize,
    /// `cluster-node-timeout`, in milliseconds.
    pub(crate) timeout: i64,
    pub(crate) writable_delay: i64,
    pub(crate) validity_factor: i64,
    /// The broken rule that the simulator must notice.
    pub(crate) count_stale_votes: bool,
    /// Clocks differ by up to this, in milliseconds.
    pub(crate) max_skew: i64,
    /// Bounds of the network's delay, in milliseconds.
    pub(crate) delay: (i64, i64),
    /// The cluster is formed by MEET instead of being started from files.
    pub(crate) by_meet: bool,
    /// All primaries begin with the same config epoch.
    pub(crate) equal_epochs: bool,
    pub(crate) faults: Vec<Fault>,
    pub(crate) fault_count: usize,
}

impl Settings {
    pub(crate) fn choose(rng: &mut Rng) -> Self {
        let primaries = *[3, 3, 3, 3, 4, 5].get(rng.below(6)).unwrap_or(&3);
        let replicas = rng.below(if primaries == 3 { 6 } else { 5 });
        let hosts = (primaries + replicas).min(12);
        let mut faults = FAULTS.to_vec();
        rng.shuffle(&mut faults);
        faults.truncate(2 + rng.below(4));
        let slow_network = rng.chance(25);
        Self {
            hosts,
            primaries,
            timeout: rng.between(10, 20) * 100,
            writable_delay: 2_000,
            validity_factor: if rng.chance(70) { 0 } else { 10 },
            count_stale_votes: false,
            max_skew: if rng.chance(30) { 5_000 } else { 0 },
            delay: if slow_network { (5, 80) } else { (0, 4) },
            by_meet: rng.chance(15),
            equal_epochs: rng.chance(15),
            faults,
            fault_count: 6 + rng.below(14),
        }
    }

    /// The primary that a replica begins with.
    fn first_primary(&self, host: usize) -> Option<usize> {
        (host >= self.primaries).then(|| (host - self.primaries) % self.primaries)
    }

    fn first_slots(&self, primary: usize) -> SlotRange {
        let share = SLOT_COUNT / self.primaries;
        let last = if primary + 1 == self.primaries { SLOT_COUNT - 1 } else { (primary + 1) * share - 1 };
        let slot = |number: usize| SlotId::new(number as u16).expect("below the number of slots");
        SlotRange { first: slot(primary * share), last: slot(last) }
    }

    fn first_epoch(&self, primary: usize) -> u64 {
        if self.equal_epochs { 0 } else { primary as u64 + 1 }
    }
}

/// Actions that are scheduled in the world.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Fault(Fault),
    Heal(Vec<(usize, usize)>),
    Fast(usize, usize),
    Resume(usize),
    /// Starts the process if it is down, and cancels a scheduled crash.
    Start(usize),
    /// The server reports that its clients' writes have stopped.
    WritesPaused {
        host: usize,
        incarnation: u32,
    },
}

impl World {
    // ----- forming -----

    /// Starts the cluster and waits until it works.
    pub(crate) fn form(&mut self) {
        if self.settings.by_meet {
            self.form_by_meet();
        } else {
            self.form_from_files();
        }
        let limit = 30 * self.settings.timeout;
        self.await_agreement("formation", limit);
    }

    fn form_from_files(&mut self) {
        let ids: Vec<NodeId> = self.hosts.iter().map(|_| NodeId::from_random(self.rng.bytes20())).collect();
        for host in 0..self.hosts.len() {
            let nodes = (0..self.hosts.len()).map(|other| self.first_line(&ids, other, host)).collect();
            let conf = NodesConf { nodes, current_epoch: self.settings.primaries as u64, ..NodesConf::default() };
            self.hosts[host].disk.write(conf.to_string(), true);
            self.start(host);
        }
    }

    fn first_line(&self, ids: &[NodeId], node: usize, reader: usize) -> NodeLine {
        let primary = self.settings.first_primary(node);
        let mut line = NodeLine::new(ids[node]);
        line.ip = self.hosts[node].ip;
        line.port = PORT;
        line.bus_port = BUS_PORT;
        line.flags = if primary.is_some() { NodeFlags::SLAVE } else { NodeFlags::MASTER };
        line.flags.set(NodeFlags::MYSELF, node == reader);
        line.replica_of = primary.map(|primary| ids[primary]);
        line.config_epoch = self.settings.first_epoch(primary.unwrap_or(node));
        line.connected = true;
        if primary.is_none() {
            line.slots.set_range(self.settings.first_slots(node));
        }
        line
    }

    /// As `redis-cli --cluster create` does it.
    fn form_by_meet(&mut self) {
        self.trace.count(Sometimes::FormedByMeet);
        for host in 0..self.hosts.len() {
            self.start(host);
        }
        for host in 0..self.settings.primaries {
            let slots = [self.settings.first_slots(host)];
            let epoch = self.settings.first_epoch(host);
            self.command(host, Admin::Other, |core, now| core.add_slots(&slots, now));
            if epoch > 0 {
                self.command(host, Admin::Other, |core, now| core.set_config_epoch(epoch, now));
            }
        }
        for host in 1..self.hosts.len() {
            self.meet(0, host);
        }
        for _ in 0..40 {
            self.run_for(500);
            let complete = |host: &crate::host::Host| {
                let named = host.known.nodes.values().filter(|node| !node.handshake).count();
                named == self.settings.hosts
            };
            if self.hosts.iter().all(complete) {
                break;
            }
        }
        for host in self.settings.primaries..self.hosts.len() {
            let primary = self.settings.first_primary(host).and_then(|primary| self.hosts[primary].id());
            if let Some(primary) = primary {
                let done = self.command(host, Admin::Other, |core, now| core.replicate(primary.as_str(), false, now));
                self.require("formation", matches!(done, Some(Ok(()))), || {
                    format!("n{host} cannot replicate: {done:?}")
                });
            }
        }
    }

    fn meet(&mut self, from: usize, to: usize) {
        let ip = self.hosts[to].ip;
        self.trace.line(self.now, from, || format!("meets n{to}"));
        self.command(from, Admin::Other, |core, now| core.meet(ip.as_str(), PORT.into(), BUS_PORT.into(), now));
    }

    // ----- faults -----

    /// The phase of faults: faults of the seed's kinds at random moments.
    pub(crate) fn suffer(&mut self) {
        let length = self.settings.timeout * 20;
        for _ in 0..self.settings.fault_count {
            let at = self.rng.between(0, length);
            if let Some(fault) = self.rng.pick(&self.settings.faults.clone()) {
                self.schedule(at, Event::Act(Action::Fault(fault)));
            }
        }
        self.run_for(length);
    }

    pub(crate) fn act(&mut self, action: Action) {
        match action {
            Action::Fault(fault) => self.strike(fault),
            Action::Heal(paths) => self.heal(&paths),
            Action::Fast(from, to) => self.net.set_slow(from, to, 0),
            Action::Resume(host) => self.resume(host),
            Action::Start(host) => {
                self.hosts[host].crash_plan = None;
                self.start(host);
            }
            Action::WritesPaused { host, incarnation } => {
                if self.hosts[host].incarnation == incarnation {
                    let offset = self.hosts[host].data.offset();
                    self.input(host, |core, now| core.handle_writes_paused(offset, now));
                }
            }
        }
    }

    /// A span from moments to a few node timeouts.
    fn span(&mut self) -> i64 {
        let timeout = self.settings.timeout;
        match self.rng.below(3) {
            0 => self.rng.between(10, timeout),
            1 => self.rng.between(timeout, timeout * 3),
            _ => self.rng.between(timeout * 2, timeout * 6),
        }
    }

    fn running(&self) -> Vec<usize> {
        (0..self.hosts.len()).filter(|host| self.hosts[*host].runs()).collect()
    }

    fn primaries(&self) -> Vec<usize> {
        self.running().into_iter().filter(|host| self.hosts[*host].is_primary_with_slots()).collect()
    }

    fn replicas(&self) -> Vec<usize> {
        self.running().into_iter().filter(|host| self.hosts[*host].replica_of().is_some()).collect()
    }

    /// Most rules are about primaries, so they are chosen more often.
    fn victim(&mut self) -> Option<usize> {
        let choices = if self.rng.chance(60) { self.primaries() } else { self.running() };
        self.rng.pick(&choices)
    }

    fn strike(&mut self, fault: Fault) {
        match fault {
            Fault::BreakConnection => {
                let alive: Vec<_> = self.net.ends(|end, other| !end.gone && !other.gone).into_iter().collect();
                if let Some((conn, _)) = self.rng.pick(&alive) {
                    self.break_connection(conn);
                }
            }
            Fault::CutOneWay => self.cut_one_way(),
            Fault::Partition | Fault::Bridge => self.partition(fault == Fault::Bridge),
            Fault::SlowPath => self.slow_path(),
            Fault::Pause => {
                if let Some(host) = self.victim() {
                    self.pause(host);
                    let span = self.span();
                    self.schedule(span, Event::Act(Action::Resume(host)));
                }
            }
            Fault::Kill | Fault::PowerLoss => {
                if let Some(host) = self.victim() {
                    self.kill(host, fault == Fault::PowerLoss);
                }
            }
            Fault::CrashAtSave => self.plan_crash(),
            Fault::MassKill => self.kill_many(),
            Fault::DataLoss => {
                if let Some(host) = self.victim() {
                    self.kill(host, false);
                    let history = self.rng.next();
                    self.hosts[host].data.lose(history);
                }
            }
            Fault::EmptyRestart => self.restart_empty(),
            Fault::Failover => self.fail_over(FailoverMode::Default),
            Fault::ForcedFailover => self.fail_over(FailoverMode::Force),
            Fault::Takeover => self.fail_over(FailoverMode::Takeover),
            Fault::BumpEpoch => {
                let primaries = self.primaries();
                if let Some(host) = self.rng.pick(&primaries) {
                    self.trace.line(self.now, host, || "bumps its epoch".into());
                    self.command(host, Admin::Other, Gossip::bump_epoch);
                }
            }
            Fault::MoveSlots => self.move_slots(),
        }
    }

    fn cut_paths(&mut self, paths: Vec<(usize, usize)>) {
        self.trace.line(self.now, 98, || format!("cut {paths:?}"));
        for (from, to) in &paths {
            self.net.cut(*from, *to);
        }
        let span = self.span();
        self.schedule(span, Event::Act(Action::Heal(paths)));
    }

    fn heal(&mut self, paths: &[(usize, usize)]) {
        self.trace.line(self.now, 98, || format!("heal {paths:?}"));
        for (from, to) in paths.iter().copied() {
            if self.net.heal(from, to) {
                self.wake_inboxes(|receiver, sender| receiver == to && sender == from);
            }
        }
    }

    fn cut_one_way(&mut self) {
        let hosts = self.hosts.len();
        let from = self.rng.below(hosts);
        let to = (from + 1 + self.rng.below(hosts - 1)) % hosts;
        // One path, or everything that a host sends, or everything that it receives.
        let paths = match self.rng.below(3) {
            0 => vec![(from, to)],
            1 => (0..hosts).filter(|other| *other != from).map(|other| (from, other)).collect(),
            _ => (0..hosts).filter(|other| *other != to).map(|other| (other, to)).collect(),
        };
        self.cut_paths(paths);
    }

    fn partition(&mut self, bridge: bool) {
        let mut order: Vec<usize> = (0..self.hosts.len()).collect();
        self.rng.shuffle(&mut order);
        if bridge {
            order.pop();
        }
        let cut = 1 + self.rng.below(order.len().saturating_sub(1).max(1));
        let (left, right) = order.split_at(cut.min(order.len()));
        let both = left.iter().flat_map(|a| right.iter().flat_map(move |b| [(*a, *b), (*b, *a)]));
        self.cut_paths(both.collect());
    }

    fn slow_path(&mut self) {
        let hosts = self.hosts.len();
        let from = self.rng.below(hosts);
        let to = (from + 1 + self.rng.below(hosts - 1)) % hosts;
        let extra = self.rng.between(10, self.settings.timeout);
        self.trace.line(self.now, from, || format!("is {extra} ms away from n{to}"));
        self.net.set_slow(from, to, extra);
        let span = self.span();
        self.schedule(span, Event::Act(Action::Fast(from, to)));
    }

    fn kill(&mut self, host: usize, off: bool) {
        if off {
            self.trace.count(Sometimes::PowerLoss);
        }
        self.crash(host, off);
        let span = self.span();
        self.schedule(span, Event::Act(Action::Start(host)));
    }

    fn plan_crash(&mut self) {
        let Some(host) = self.victim() else { return };
        let plan = if self.rng.chance(50) { CrashPlan::BeforePersist } else { CrashPlan::BeforeSend };
        self.hosts[host].crash_plan = Some(plan);
        let span = self.span();
        self.schedule(span, Event::Act(Action::Start(host)));
    }

    fn kill_many(&mut self) {
        let mut primaries = self.primaries();
        self.rng.shuffle(&mut primaries);
        let share = self.rng.between(30, 50) as usize;
        primaries.truncate((primaries.len() * share).div_ceil(100));
        for host in primaries {
            self.kill(host, false);
        }
    }

    /// A host loses everything and comes back with a new id. At most one per run: each costs a voter for good.
    fn restart_empty(&mut self) {
        if self.hosts.iter().any(|host| !host.member) {
            return;
        }
        let Some(host) = self.victim() else { return };
        self.trace.count(Sometimes::EmptyRestart);
        self.kill(host, false);
        let history = self.rng.next();
        let entry = &mut self.hosts[host];
        entry.disk = crate::host::Disk::default();
        entry.data.wiped(history);
        entry.member = false;
    }

    fn fail_over(&mut self, mode: FailoverMode) {
        let replicas = self.replicas();
        let Some(host) = self.rng.pick(&replicas) else { return };
        let admin = if mode == FailoverMode::Takeover { Admin::Takeover } else { Admin::Nothing };
        let until = self.host_now(host) + self.config().manual_failover_timeout_ms;
        let before = self.hosts[host].failover;
        let under_way = before.is_some_and(|(_, until)| self.host_now(host) <= until);
        if mode != FailoverMode::Default || !under_way {
            self.hosts[host].failover = Some((mode == FailoverMode::Force, until));
        }
        self.trace.line(self.now, host, || format!("is told to fail over: {mode:?}"));
        let done = self.command(host, admin, |core, now| core.failover(mode, now));
        if !matches!(done, Some(Ok(()))) {
            self.hosts[host].failover = before;
        }
    }

    /// Some slots change owners by hand, as in `redis-cli --cluster reshard`: first at the new owner, then at the old
    /// one.
    fn move_slots(&mut self) {
        let primaries = self.primaries();
        let (Some(from), Some(to)) = (self.rng.pick(&primaries), self.rng.pick(&primaries)) else { return };
        let (Some(from_id), Some(to_id)) = (self.hosts[from].id(), self.hosts[to].id()) else { return };
        let owned = self.hosts[from].known.owners.iter().find(|(_, owner)| *owner == from_id).map(|(range, _)| *range);
        // redis-cli moves nothing while the nodes disagree, and stops if the new owner does not answer.
        let Some(range) = owned.filter(|_| from != to && self.net.connected(from, to)) else { return };
        let slots: Vec<SlotId> = range.iter().take(1 + self.rng.below(5)).collect();
        self.trace.line(self.now, from, || format!("gives {slots:?} to n{to}"));
        for slot in slots {
            let importing =
                self.command(to, Admin::MoveSlots, |core, now| core.set_slot_importing(slot, from_id.as_str(), now));
            let migrating =
                self.command(from, Admin::MoveSlots, |core, now| core.set_slot_migrating(slot, to_id.as_str(), now));
            if matches!((importing, migrating), (Some(Ok(())), Some(Ok(())))) {
                self.trace.count(Sometimes::SlotsMoved);
                self.command(to, Admin::MoveSlots, |core, now| core.set_slot_node(slot, to_id.as_str(), false, now));
                if self.hosts[to].core.is_none() {
                    return;
                }
                self.command(from, Admin::MoveSlots, |core, now| core.set_slot_node(slot, to_id.as_str(), false, now));
            }
        }
    }

    /// Slots that a move left open are outside the rules; the administrator closes them (`redis-cli --cluster fix`).
    fn close_slots(&mut self, host: usize) {
        let Some(view) = self.hosts[host].core.as_ref().map(Gossip::view) else { return };
        for slot in view.migrating.keys().chain(view.importing.keys()) {
            self.command(host, Admin::MoveSlots, |core, now| core.set_slot_stable(*slot, now));
        }
    }

    // ----- healing -----

    /// The end of the faults: everything runs and reaches everything.
    pub(crate) fn heal_everything(&mut self) {
        self.trace.line(self.now, 98, || "everything heals".into());
        let hosts = self.hosts.len();
        for from in 0..hosts {
            for to in 0..hosts {
                while self.net.is_cut(from, to) {
                    self.net.heal(from, to);
                }
                self.net.set_slow(from, to, 0);
            }
        }
        for host in 0..hosts {
            self.hosts[host].crash_plan = None;
            self.resume(host);
            self.start(host);
        }
        self.wake_inboxes(|_, _| true);
        (0..hosts).for_each(|host| self.close_slots(host));
        // A host that lost everything is added again as a new node.
        if let Some(stranger) = self.hosts.iter().position(|host| !host.member) {
            // Not by a node that stays silent for a while.
            let talks = |host: &usize| self.hosts[*host].core.as_ref().is_some_and(Gossip::feeds_replicas);
            let friend = (0..hosts).find(|host| *host != stranger && talks(host));
            if let Some(friend) = friend {
                self.meet(friend, stranger);
                self.hosts[stranger].member = true;
            }
        }
    }
}
