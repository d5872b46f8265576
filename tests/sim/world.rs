//! The world: hosts, network and time, and the loop that runs one event after the other.
//!
//! The world is the driver of the cores, like the server's cluster driver in production: it passes them bytes, link
//! events and ticks, and performs the effects in order. Crashes use that order: a core may die at any
//! `PersistNodesConf`, before it or between it and the packets that depend on it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use gossip::{Config, Effect, Gossip, LinkId};

use crate::checks::{Checks, Knowledge};
use crate::host::{Admin, BUS_PORT, CrashPlan, Host, PORT};
use crate::net::{ACCEPTOR, Chunk, ConnId, Net, OPENER};
use crate::rng::Rng;
use crate::scenario::{Action, Settings};
use crate::trace::{Sometimes, Trace};

/// An unanswered SYN is sent again after this time.
const SYN_RETRY_MS: i64 = 250;
/// How often data moves and clients write.
pub(crate) const DATA_STEP_MS: i64 = 50;

/// What can happen.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Tick {
        host: usize,
    },
    Syn {
        conn: ConnId,
    },
    Arrive {
        conn: ConnId,
        side: usize,
    },
    /// A connection to an address without a host.
    Unreachable {
        host: usize,
        incarnation: u32,
        link: LinkId,
    },
    DataStep,
    Act(Action),
}

struct Scheduled {
    at: i64,
    order: u64,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

pub(crate) struct World {
    pub(crate) now: i64,
    queue: BinaryHeap<Reverse<Scheduled>>,
    scheduled: u64,
    pub(crate) hosts: Vec<Host>,
    pub(crate) net: Net,
    pub(crate) rng: Rng,
    pub(crate) settings: Settings,
    pub(crate) trace: Trace,
    pub(crate) checks: Checks,
}

impl World {
    pub(crate) fn new(settings: Settings, mut rng: Rng, verbose: bool) -> Self {
        let hosts = (0..settings.hosts)
            .map(|index| {
                let skew = rng.between(-settings.max_skew, settings.max_skew);
                Host::new(index, skew, rng.next())
            })
            .collect();
        let net = Net::new(settings.hosts, settings.delay);
        let mut world = Self {
            now: 1_000_000,
            queue: BinaryHeap::new(),
            scheduled: 0,
            hosts,
            net,
            rng,
            settings,
            trace: Trace::new(verbose),
            checks: Checks::default(),
        };
        world.schedule(DATA_STEP_MS, Event::DataStep);
        world
    }

    pub(crate) fn schedule(&mut self, after: i64, event: Event) {
        self.schedule_at(self.now + after, event);
    }

    fn schedule_at(&mut self, at: i64, event: Event) {
        self.scheduled += 1;
        self.queue.push(Reverse(Scheduled { at, order: self.scheduled, event }));
    }

    /// Lets `millis` pass, or less if a rule is broken meanwhile.
    pub(crate) fn run_for(&mut self, millis: i64) {
        let until = self.now + millis;
        while self.checks.violation.is_none() {
            match self.queue.peek() {
                Some(Reverse(next)) if next.at <= until => {}
                _ => break,
            }
            let Some(Reverse(next)) = self.queue.pop() else { break };
            self.now = self.now.max(next.at);
            self.happen(next.event);
        }
        self.now = self.now.max(until);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Tick { host } => {
                if self.hosts[host].tick_at == Some(self.now) && self.hosts[host].runs() {
                    self.hosts[host].tick_at = None;
                    self.report_data(host);
                    self.input(host, Gossip::handle_tick);
                }
            }
            Event::Syn { conn } => self.syn(conn),
            Event::Arrive { conn, side } => self.arrive(conn, side),
            Event::Unreachable { host, incarnation, link } => {
                if self.hosts[host].incarnation == incarnation {
                    self.input(host, |core, now| core.handle_link_closed(link, now));
                }
            }
            Event::DataStep => {
                self.data_step();
                self.schedule(DATA_STEP_MS, Event::DataStep);
            }
            Event::Act(action) => self.act(action),
        }
    }

    // ----- processes -----

    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new(PORT, BUS_PORT);
        config.node_timeout_ms = self.settings.timeout;
        config.writable_delay_ms = self.settings.writable_delay;
        config.replica_validity_factor = self.settings.validity_factor;
        config.chaos_count_stale_votes = self.settings.count_stale_votes;
        config
    }

    /// Starts the process from what is on the disk.
    pub(crate) fn start(&mut self, host: usize) {
        if self.hosts[host].core.is_some() {
            return;
        }
        let (config, seed, now) = (self.config(), self.rng.next(), self.host_now(host));
        let entry = &mut self.hosts[host];
        entry.off = false;
        entry.paused = false;
        entry.incarnation += 1;
        let mut core = match &entry.disk.written {
            None => Gossip::new(config, seed, now),
            Some(text) => Gossip::load(config, seed, text.as_bytes(), now).expect("what a core saved loads"),
        };
        entry.data.started(&core.view(), self.now);
        core.set_replication(entry.data.facts(), now);
        core.note_data(entry.data.offset() > 0, now);
        entry.core = Some(core);
        entry.known = Knowledge::default();
        self.trace.line(self.now, host, || "starts".into());
        self.look(host);
        self.check_restarted(host);
        self.drain(host);
        self.arm_tick(host);
        // Bytes that peers sent to the previous process are now answered with resets.
        self.wake_inboxes(|to, _| to == host);
    }

    /// Ends the process; with `off` the machine with it.
    pub(crate) fn crash(&mut self, host: usize, off: bool) {
        if self.hosts[host].core.is_none() {
            return;
        }
        self.trace.line(self.now, host, || format!("dies{}", if off { " with its machine" } else { "" }));
        let entry = &mut self.hosts[host];
        entry.core = None;
        entry.off = off;
        entry.paused = false;
        entry.tick_at = None;
        entry.crash_plan = None;
        entry.admin = Admin::Nothing;
        entry.failover = None;
        entry.data.crashed(self.now + entry.skew);
        let links = std::mem::take(&mut entry.links);
        if off && self.rng.chance(50) {
            let disk = &mut self.hosts[host].disk;
            disk.written.clone_from(&disk.durable);
        }
        for (conn, side) in links.into_values() {
            if let Some(end) = self.net.end_mut(conn, side) {
                end.gone = true;
                end.inbox.clear();
            }
            if !off {
                self.send(conn, 1 - side, Chunk::Closed);
            }
        }
        // Connections that the process has not accepted yet are lost with it.
        let unaccepted = self.net.ends(|end, _| end.host == host && end.link.is_none() && !end.inbox.is_empty());
        for (conn, side) in unaccepted {
            if off { self.finish(conn, side) } else { self.reset(conn, side) }
        }
    }

    pub(crate) fn pause(&mut self, host: usize) {
        self.hosts[host].paused = true;
        self.trace.line(self.now, host, || "is paused".into());
    }

    pub(crate) fn resume(&mut self, host: usize) {
        if !std::mem::take(&mut self.hosts[host].paused) {
            return;
        }
        self.trace.line(self.now, host, || "resumes".into());
        self.wake_inboxes(|to, _| to == host);
        // Sockets and timers race for the first turn.
        if self.hosts[host].core.is_some() {
            let after = self.rng.between(0, 3);
            self.hosts[host].tick_at = Some(self.now + after);
            self.schedule(after, Event::Tick { host });
        }
    }

    /// Delivers what waited for a path or a process; `wanted` gets the receiver and the sender.
    pub(crate) fn wake_inboxes(&mut self, wanted: impl Fn(usize, usize) -> bool) {
        let waiting = self.net.ends(|end, other| !end.inbox.is_empty() && wanted(end.host, other.host));
        for (conn, side) in waiting {
            let after = self.rng.between(0, 3);
            self.schedule(after, Event::Arrive { conn, side });
        }
    }

    pub(crate) fn host_now(&self, host: usize) -> i64 {
        self.now + self.hosts[host].skew
    }

    /// One input to a core, and everything that follows from it.
    pub(crate) fn input<R>(&mut self, host: usize, input: impl FnOnce(&mut Gossip, i64) -> R) -> Option<R> {
        let now = self.host_now(host);
        let result = input(self.hosts[host].core.as_mut()?, now);
        self.drain(host);
        self.arm_tick(host);
        Some(result)
    }

    /// An administrator's command: like [`World::input`], but its consequences are attributed to the administrator, who
    /// gets no answer if the process dies meanwhile.
    pub(crate) fn command<R>(
        &mut self,
        host: usize,
        admin: Admin,
        input: impl FnOnce(&mut Gossip, i64) -> R,
    ) -> Option<R> {
        self.hosts[host].admin = admin;
        let result = self.input(host, input);
        self.hosts[host].admin = Admin::Nothing;
        result.filter(|_| self.hosts[host].core.is_some())
    }

    fn arm_tick(&mut self, host: usize) {
        let Some(core) = &self.hosts[host].core else { return };
        let at = (core.next_timeout() - self.hosts[host].skew).max(self.now + 1);
        if self.hosts[host].tick_at.is_none_or(|armed| at < armed) {
            self.hosts[host].tick_at = Some(at);
            self.schedule_at(at, Event::Tick { host });
        }
    }

    // ----- effects -----

    fn drain(&mut self, host: usize) {
        while let Some(effect) = self.hosts[host].core.as_mut().and_then(Gossip::poll_effect) {
            self.perform(host, effect);
        }
    }

    fn perform(&mut self, host: usize, effect: Effect) {
        match effect {
            Effect::PersistNodesConf { text, fsync } => self.persist(host, text, fsync),
            Effect::Connect { link, ip, port } => self.connect(host, link, ip, port),
            Effect::Send { link, bytes } => {
                self.trace.bytes(self.now, host, b'>', &bytes);
                let Some(&(conn, side)) = self.hosts[host].links.get(&link) else { return };
                let to = self.net.get(conn).map(|conn| conn.ends[1 - side].host);
                self.check_sent(host, to, &bytes);
                self.send(conn, 1 - side, Chunk::Data(bytes));
            }
            Effect::Close { link } => {
                if let Some((conn, side)) = self.hosts[host].links.remove(&link) {
                    self.close(conn, side);
                }
            }
            Effect::Promoted => self.promoted(host),
            Effect::Demoted => {
                self.trace.count(Sometimes::Demoted);
                self.trace.line(self.now, host, || "is demoted".into());
            }
            Effect::ReplicateFrom { id, ip, port } => self.replicate_from(host, id, ip, port),
            Effect::FlushData => self.hosts[host].data.flush(),
            Effect::PauseWrites { until } => {
                self.hosts[host].data.pause_writes(Some(until));
                let (incarnation, after) = (self.hosts[host].incarnation, self.rng.between(0, 3));
                self.schedule(after, Event::Act(Action::WritesPaused { host, incarnation }));
            }
            Effect::UnpauseWrites => self.hosts[host].data.pause_writes(None),
            Effect::ViewChanged => self.look(host),
            Effect::StateChanged { ok } => {
                self.trace.line(self.now, host, || format!("cluster state {}", if ok { "ok" } else { "fail" }));
            }
            Effect::Log { text, .. } => self.trace.line(self.now, host, || format!("  {text}")),
            Effect::SlotsLost(_) | Effect::ShardChannelsLost(_) | Effect::Publish { .. } => {}
        }
    }

    fn persist(&mut self, host: usize, text: String, fsync: bool) {
        let plan = self.hosts[host].crash_plan.filter(|_| fsync);
        if plan == Some(CrashPlan::BeforePersist) {
            self.trace.count(Sometimes::CrashBeforePersist);
            self.crash(host, false);
            return;
        }
        self.trace.bytes(self.now, host, b'p', text.as_bytes());
        self.hosts[host].disk.write(text, fsync);
        if plan == Some(CrashPlan::BeforeSend) {
            self.trace.count(Sometimes::CrashBetweenPersistAndSend);
            self.crash(host, false);
        }
    }

    // ----- connections -----

    fn connect(&mut self, host: usize, link: LinkId, ip: protocol::bus::IpText, port: u16) {
        let target = self.hosts.iter().position(|other| other.ip == ip && port == BUS_PORT);
        let incarnation = self.hosts[host].incarnation;
        let Some(target) = target.filter(|target| *target != host) else {
            self.schedule(1, Event::Unreachable { host, incarnation, link });
            return;
        };
        let conn = self.net.open((host, incarnation, link), target);
        self.hosts[host].links.insert(link, (conn, OPENER));
        let delay = self.net.delay(host, target, &mut self.rng);
        self.schedule(delay, Event::Syn { conn });
    }

    fn syn(&mut self, conn: ConnId) {
        let Some(entry) = self.net.get(conn) else { return };
        if entry.ends[OPENER].gone {
            if let Some(end) = self.net.end_mut(conn, ACCEPTOR) {
                end.gone = true;
            }
            self.net.sweep(conn);
            return;
        }
        let (opener, acceptor) = (entry.ends[OPENER].host, entry.ends[ACCEPTOR].host);
        if self.net.is_cut(opener, acceptor) || self.hosts[acceptor].off {
            self.schedule(SYN_RETRY_MS, Event::Syn { conn });
        } else if self.hosts[acceptor].core.is_none() {
            self.reset(conn, ACCEPTOR);
        } else {
            let incarnation = self.hosts[acceptor].incarnation;
            if let Some(end) = self.net.end_mut(conn, ACCEPTOR) {
                end.incarnation = incarnation;
            }
            self.send(conn, ACCEPTOR, Chunk::Accepted);
            self.send(conn, OPENER, Chunk::Established);
        }
    }

    /// Sends a chunk to a side and schedules its arrival.
    fn send(&mut self, conn: ConnId, side: usize, chunk: Chunk) {
        if let Some(at) = self.net.send(conn, side, chunk, self.now, &mut self.rng) {
            self.schedule_at(at, Event::Arrive { conn, side });
        }
    }

    /// This side closes the connection; the other learns of it.
    fn close(&mut self, conn: ConnId, side: usize) {
        if let Some(end) = self.net.end_mut(conn, side) {
            end.gone = true;
            end.inbox.clear();
        }
        self.send(conn, 1 - side, Chunk::Closed);
        self.net.sweep(conn);
    }

    /// The machine at this side answers for a process that is gone (RST).
    fn reset(&mut self, conn: ConnId, side: usize) {
        self.close(conn, side);
    }

    /// Breaks a connection: chunks in flight are lost, and both sides are told.
    pub(crate) fn break_connection(&mut self, conn: ConnId) {
        for side in [OPENER, ACCEPTOR] {
            if let Some(end) = self.net.end_mut(conn, side) {
                end.inbox.retain(|(_, chunk)| !matches!(chunk, Chunk::Data(_)));
            }
            self.send(conn, side, Chunk::Closed);
        }
    }

    fn arrive(&mut self, conn: ConnId, side: usize) {
        while let Some(entry) = self.net.get(conn) {
            let (from, host) = (entry.ends[1 - side].host, entry.ends[side].host);
            let (gone, incarnation) = (entry.ends[side].gone, entry.ends[side].incarnation);
            let due = entry.ends[side].inbox.front().is_some_and(|(at, _)| *at <= self.now);
            let machine = &self.hosts[host];
            if !due || self.net.is_cut(from, host) || machine.off || machine.paused {
                return;
            }
            let absent = gone || machine.core.is_none() || machine.incarnation != incarnation;
            let chunk = self.net.end_mut(conn, side).and_then(|end| end.inbox.pop_front());
            let Some((_, chunk)) = chunk else { return };
            if absent {
                // Data without a receiver: the kernel answers with a reset, unless this is the end of the connection
                // anyway.
                if matches!(chunk, Chunk::Closed) {
                    self.finish(conn, side);
                } else {
                    self.reset(conn, side);
                }
                return;
            }
            self.deliver(conn, side, host, from, chunk);
        }
    }

    fn finish(&mut self, conn: ConnId, side: usize) {
        if let Some(end) = self.net.end_mut(conn, side) {
            end.gone = true;
            end.inbox.clear();
        }
        self.net.sweep(conn);
    }

    fn deliver(&mut self, conn: ConnId, side: usize, host: usize, from: usize, chunk: Chunk) {
        let (own_ip, peer_ip) = (self.hosts[host].ip, self.hosts[from].ip);
        let link = self.net.get(conn).and_then(|entry| entry.ends[side].link);
        match (chunk, link) {
            (Chunk::Accepted, _) => {
                let link = self.input(host, |core, now| core.handle_link_accepted(peer_ip, own_ip, now));
                if let (Some(end), Some(link)) = (self.net.end_mut(conn, side), link) {
                    end.link = Some(link);
                    self.hosts[host].links.insert(link, (conn, side));
                }
            }
            (Chunk::Established, Some(link)) => {
                self.input(host, |core, now| core.handle_link_connected(link, own_ip, now));
            }
            (Chunk::Data(bytes), Some(link)) => {
                self.trace.bytes(self.now, host, b'<', &bytes);
                self.check_delivered(host, &bytes);
                self.input(host, |core, now| core.handle_packet(link, &bytes, now));
            }
            (Chunk::Closed, link) => {
                self.finish(conn, side);
                if let Some(link) = link {
                    self.hosts[host].links.remove(&link);
                    self.input(host, |core, now| core.handle_link_closed(link, now));
                }
            }
            (Chunk::Established | Chunk::Data(_), None) => {}
        }
    }
}
