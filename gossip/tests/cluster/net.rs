//! `TestNet`: several cores on one virtual network in virtual time.
//!
//! Every packet takes a millisecond; connections keep order, as TCP does. Nodes can be crashed (what was persisted
//! stays), restarted, frozen (events wait for them, as in socket buffers) and cut off. The "server" of each node is a
//! counter: a replication offset that a primary increments by writing and that its replicas copy while they can reach
//! it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gossip::nodes_conf::NodesConf;
use gossip::{Config, Effect, FailoverMode, Gossip, LinkId, Replication, View};
use protocol::bus::{Body, IpText, NodeId, Packet, decode, encode};
use protocol::slot::{SlotId, SlotRange};

pub(crate) const TIMEOUT: i64 = 1_000;
const LATENCY: i64 = 1;
pub(crate) const BUS_PORT: u16 = 17_000;

/// An event on its way to a node.
#[derive(Clone, Debug)]
enum Event {
    Accept { from: usize, their_link: LinkId },
    Connected { link: LinkId },
    Closed { link: LinkId },
    Packet { link: LinkId, bytes: std::sync::Arc<[u8]> },
}

pub(crate) struct TestNode {
    pub(crate) core: Option<Gossip>,
    /// nodes.conf as it is on disk.
    pub(crate) conf: Option<String>,
    pub(crate) frozen: bool,
    waiting: VecDeque<Event>,
    pub(crate) config: Config,
    pub(crate) offset: u64,
    pub(crate) last_contact: i64,
    pub(crate) primary: Option<NodeId>,
    synced: bool,
    /// The replication link is broken for good.
    pub(crate) no_sync: bool,
    /// It may be promoted although it never synced with its last primary.
    pub(crate) may_lack_data: bool,
    pub(crate) log: Vec<String>,
    pub(crate) effects: Vec<Effect>,
}

pub(crate) struct TestNet {
    pub(crate) now: i64,
    pub(crate) nodes: Vec<TestNode>,
    events: BTreeMap<(i64, u64), (usize, Event)>,
    sequence: u64,
    /// The other end of each connection.
    ends: BTreeMap<(usize, LinkId), (usize, LinkId)>,
    /// Pairs (from, to) that no packet may pass.
    pub(crate) cut: BTreeSet<(usize, usize)>,
}

pub(crate) fn ip(node: usize) -> IpText {
    format!("10.0.0.{}", node + 1).parse().expect("an address")
}

pub(crate) fn range(first: u16, last: u16) -> SlotRange {
    SlotRange::new(SlotId::new(first).expect("slot"), SlotId::new(last).expect("slot")).expect("ascending")
}

impl TestNet {
    pub(crate) fn new(count: usize) -> Self {
        let mut net = Self {
            now: 1_700_000_000_000,
            nodes: Vec::new(),
            events: BTreeMap::new(),
            sequence: 0,
            ends: BTreeMap::new(),
            cut: BTreeSet::new(),
        };
        for index in 0..count {
            let mut config = Config::new(7_000, BUS_PORT);
            config.node_timeout_ms = TIMEOUT;
            net.add_node(config, index as u64 + 1);
        }
        net
    }

    pub(crate) fn add_node(&mut self, config: Config, seed: u64) -> usize {
        let core = Gossip::new(config.clone(), seed, self.now);
        self.nodes.push(TestNode {
            core: Some(core),
            conf: None,
            frozen: false,
            waiting: VecDeque::new(),
            config,
            offset: 0,
            last_contact: 0,
            primary: None,
            synced: true,
            no_sync: false,
            may_lack_data: false,
            log: Vec::new(),
            effects: Vec::new(),
        });
        let index = self.nodes.len() - 1;
        self.drain(index);
        index
    }

    /// Three shards with a replica each, as `redis-cli --cluster create` builds them. Nodes 3, 4, 5 replicate 0, 1, 2.
    pub(crate) fn three_shards() -> Self {
        let mut net = Self::new(6);
        net.form(3);
        net
    }

    /// Makes the first `primaries` nodes own all slots, and the others their replicas in turn.
    pub(crate) fn form(&mut self, primaries: usize) {
        let share = 16_384 / primaries;
        for index in 0..self.nodes.len() {
            self.command(index, |core, now| core.set_config_epoch(index as u64 + 1, now).expect("fresh node"));
        }
        for index in 0..primaries {
            let last = if index + 1 == primaries { 16_383 } else { (index + 1) * share - 1 };
            let slots = range((index * share) as u16, last as u16);
            self.command(index, |core, now| core.add_slots(&[slots], now).expect("free slots"));
        }
        for index in 1..self.nodes.len() {
            self.command(index, |core, now| core.meet("10.0.0.1", 7_000, i64::from(BUS_PORT), now).expect("valid"));
        }
        self.run_until("all know all", 10_000, |net| {
            net.views().all(|view| view.nodes.len() == net.nodes.len() && view.nodes.iter().all(|n| n.connected))
        });
        for index in primaries..self.nodes.len() {
            let primary = self.id(index % primaries);
            self.command(index, |core, now| core.replicate(primary.as_str(), false, now).expect("empty node"));
        }
        self.run_until("the cluster is ok", 10_000, TestNet::settled);
    }

    /// Every running node says ok, and all agree on owners and roles.
    pub(crate) fn settled(&self) -> bool {
        let summary = |view: &View| {
            let roles: Vec<_> = view.nodes.iter().map(|n| (n.id, n.is_primary(), n.primary)).collect();
            (view.slot_runs(), roles)
        };
        let mut views = self.views();
        let Some(first) = views.next().filter(|view| view.ok) else { return false };
        let expected = summary(&first);
        self.views().all(|view| view.ok && summary(&view) == expected)
            && self.nodes.iter().filter(|n| n.core.is_some()).all(|n| n.synced)
    }

    pub(crate) fn views(&self) -> impl Iterator<Item = View> {
        self.nodes.iter().filter(|node| !node.frozen).filter_map(|node| node.core.as_ref()).map(Gossip::view)
    }

    pub(crate) fn core(&self, node: usize) -> &Gossip {
        self.nodes[node].core.as_ref().expect("running")
    }

    pub(crate) fn id(&self, node: usize) -> NodeId {
        self.core(node).my_id()
    }

    pub(crate) fn view(&self, node: usize) -> View {
        self.core(node).view()
    }

    pub(crate) fn command<T>(&mut self, node: usize, run: impl FnOnce(&mut Gossip, i64) -> T) -> T {
        let now = self.now;
        let result = run(self.nodes[node].core.as_mut().expect("running"), now);
        self.drain(node);
        result
    }

    pub(crate) fn failover(&mut self, node: usize, mode: FailoverMode) {
        self.command(node, |core, now| core.failover(mode, now).expect("accepted"));
    }

    /// A client's write, if the node would serve it.
    pub(crate) fn write(&mut self, node: usize) -> bool {
        let now = self.now;
        let core = self.core(node);
        let served = core.is_primary() && core.is_ok() && now < core.serve_until_ms();
        if served {
            self.nodes[node].offset += 10;
            self.push_facts(node);
        }
        served
    }

    pub(crate) fn crash(&mut self, node: usize) {
        self.nodes[node].core = None;
        self.nodes[node].waiting.clear();
        let mine: Vec<_> = self.ends.keys().filter(|(owner, _)| *owner == node).copied().collect();
        for end in mine {
            self.hang_up(end);
        }
    }

    pub(crate) fn restart(&mut self, node: usize, seed: u64) {
        let conf = self.nodes[node].conf.clone().expect("saved before");
        let core =
            Gossip::load(self.nodes[node].config.clone(), seed, conf.as_bytes(), self.now).expect("our own file");
        self.nodes[node].core = Some(core);
        self.nodes[node].primary = None;
        self.drain(node);
    }

    pub(crate) fn freeze(&mut self, node: usize) {
        self.nodes[node].frozen = true;
    }

    /// Wakes a node: packets that waited in its sockets arrive at once, before its next tick.
    pub(crate) fn thaw(&mut self, node: usize) {
        self.nodes[node].frozen = false;
        for event in std::mem::take(&mut self.nodes[node].waiting) {
            self.deliver(node, event);
        }
    }

    /// No packet passes between the two groups, in either direction.
    pub(crate) fn partition(&mut self, group: &[usize]) {
        for a in 0..self.nodes.len() {
            for b in 0..self.nodes.len() {
                if group.contains(&a) != group.contains(&b) {
                    self.cut.insert((a, b));
                }
            }
        }
    }

    pub(crate) fn run(&mut self, millis: i64) {
        let end = self.now + millis;
        while self.now < end {
            self.step(end);
        }
    }

    pub(crate) fn run_until(&mut self, what: &str, limit: i64, done: impl Fn(&Self) -> bool) -> i64 {
        let start = self.now;
        while !done(self) {
            assert!(self.now - start < limit, "gave up waiting until {what}\n{}", self.dump());
            self.step(start + limit);
        }
        self.now - start
    }

    pub(crate) fn dump(&self) -> String {
        let mut text = String::new();
        for (index, node) in self.nodes.iter().enumerate() {
            if let Some(core) = &node.core {
                text += &format!("--- {index} ok={}\n{}", core.is_ok(), core.view().nodes_text(false));
            }
            for line in node.log.iter().rev().take(12).rev() {
                text += &format!("    {line}\n");
            }
        }
        text
    }

    pub(crate) fn logged(&self, node: usize, text: &str) -> bool {
        self.nodes[node].log.iter().any(|line| line.contains(text))
    }

    /// Node `to` receives the last ping or pong that `from` sent it once more, with a change.
    pub(crate) fn forge(&mut self, from: usize, to: usize, change: impl FnOnce(&mut Packet)) {
        let found = self.nodes[from].effects.iter().rev().find_map(|effect| {
            let Effect::Send { link, bytes } = effect else { return None };
            let (peer, link) = *self.ends.get(&(from, *link))?;
            let packet = decode(bytes).expect("we send what can be read");
            let is_ping = matches!(packet.body, Body::Ping(_) | Body::Pong(_));
            (peer == to && is_ping).then_some((link, packet))
        });
        let (link, mut packet) = found.expect("the two have spoken");
        change(&mut packet);
        self.deliver(to, Event::Packet { link, bytes: encode(&packet).into() });
    }

    /// Goes to the next moment at which anything happens, at most to `end`.
    fn step(&mut self, end: i64) {
        let event = self.events.keys().next().map(|(at, _)| *at);
        let awake = self.nodes.iter().filter(|node| !node.frozen).filter_map(|node| node.core.as_ref());
        let tick = awake.map(Gossip::next_timeout).min();
        let next = event.into_iter().chain(tick).min().unwrap_or(end);
        self.now = next.clamp(self.now + 1, end.max(self.now + 1));
        while let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (node, event) = entry.remove();
            self.deliver(node, event);
        }
        for node in 0..self.nodes.len() {
            let due = self.nodes[node].core.as_ref().is_some_and(|core| core.next_timeout() <= self.now);
            if due && !self.nodes[node].frozen {
                self.push_facts(node);
                let now = self.now;
                self.command(node, |core, _| core.handle_tick(now));
            }
        }
    }

    fn deliver(&mut self, node: usize, event: Event) {
        if self.nodes[node].frozen {
            return self.nodes[node].waiting.push_back(event);
        }
        let now = self.now;
        let Some(core) = self.nodes[node].core.as_mut() else {
            if let Event::Accept { from, their_link } = event {
                self.schedule(from, Event::Closed { link: their_link });
            }
            return;
        };
        match event {
            Event::Accept { from, their_link } => {
                let link = core.handle_link_accepted(ip(from), ip(node), now);
                self.ends.insert((node, link), (from, their_link));
                self.ends.insert((from, their_link), (node, link));
                self.schedule(from, Event::Connected { link: their_link });
            }
            Event::Connected { link } => core.handle_link_connected(link, ip(node), now),
            Event::Closed { link } => core.handle_link_closed(link, now),
            Event::Packet { link, bytes } => core.handle_packet(link, &bytes, now),
        }
        self.drain(node);
    }

    fn schedule(&mut self, node: usize, event: Event) {
        self.sequence += 1;
        self.events.insert((self.now + LATENCY, self.sequence), (node, event));
    }

    fn hang_up(&mut self, end: (usize, LinkId)) {
        if let Some((peer, link)) = self.ends.remove(&end) {
            self.ends.remove(&(peer, link));
            self.schedule(peer, Event::Closed { link });
        }
    }

    fn drain(&mut self, node: usize) {
        while let Some(effect) = self.nodes[node].core.as_mut().and_then(Gossip::poll_effect) {
            self.perform(node, effect);
        }
    }

    fn perform(&mut self, node: usize, effect: Effect) {
        match &effect {
            Effect::PersistNodesConf { text, .. } => self.nodes[node].conf = Some(text.clone()),
            Effect::Connect { link, ip: address, .. } => {
                let target = (0..self.nodes.len()).find(|index| ip(*index) == *address);
                match target.filter(|target| !self.cut.contains(&(node, *target))) {
                    Some(target) => self.schedule(target, Event::Accept { from: node, their_link: *link }),
                    None => self.schedule(node, Event::Closed { link: *link }),
                }
            }
            Effect::Send { link, bytes } => {
                self.check_durable(node, bytes);
                let other_end = self.ends.get(&(node, *link)).copied();
                if let Some((peer, link)) = other_end.filter(|(peer, _)| !self.cut.contains(&(node, *peer))) {
                    self.schedule(peer, Event::Packet { link, bytes: bytes.clone() });
                }
            }
            Effect::Close { link } => self.hang_up((node, *link)),
            Effect::ReplicateFrom { id, .. } => {
                let server = &mut self.nodes[node];
                server.synced &= server.primary == Some(*id);
                server.primary = Some(*id);
            }
            Effect::Promoted => {
                let server = &self.nodes[node];
                assert!(server.synced || server.may_lack_data, "{node} was promoted without data\n{}", self.dump());
                self.nodes[node].primary = None;
            }
            Effect::PauseWrites { .. } => {
                let offset = self.nodes[node].offset;
                let now = self.now;
                self.nodes[node].core.as_mut().expect("running").handle_writes_paused(offset, now);
            }
            Effect::Log { text, .. } => {
                let line = format!("{} {text}", self.now);
                self.nodes[node].log.push(line);
            }
            _ => {}
        }
        self.nodes[node].effects.push(effect);
    }

    /// An epoch or vote in a packet must be on disk before the packet leaves.
    fn check_durable(&self, node: usize, bytes: &[u8]) {
        let packet = decode(bytes).expect("we send what can be read");
        let conf = self.nodes[node].conf.as_ref().expect("saved before anything is sent");
        let conf = NodesConf::parse(conf.as_bytes()).expect("our own file");
        assert!(packet.header.current_epoch <= conf.current_epoch, "current epoch sent before it was saved");
        if packet.body == Body::AuthAck {
            assert_eq!(packet.header.current_epoch, conf.last_vote_epoch, "vote sent before it was saved");
        }
    }

    /// Copies the primary's offset if the node can reach it, and tells the core.
    fn push_facts(&mut self, node: usize) {
        let now = self.now;
        if let Some(id) = self.nodes[node].primary.filter(|_| !self.nodes[node].no_sync) {
            let source = (0..self.nodes.len()).find(|other| {
                let running =
                    self.nodes[*other].core.as_ref().is_some_and(|core| core.my_id() == id && core.is_primary());
                running && !self.nodes[*other].frozen && !self.cut.contains(&(*other, node))
            });
            if let Some(source) = source {
                self.nodes[node].offset = self.nodes[source].offset;
                self.nodes[node].last_contact = now;
                self.nodes[node].synced = true;
            }
        }
        let server = &mut self.nodes[node];
        let offset = if server.synced { server.offset } else { 0 };
        let facts = Replication { primary: server.primary, offset, last_contact: server.last_contact };
        if let Some(core) = server.core.as_mut() {
            core.set_replication(facts, now);
        }
        self.drain(node);
    }
}
