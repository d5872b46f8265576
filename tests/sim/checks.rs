//! Safety: rules that hold at every instant of every run, whatever fails.
//!
//! Each rule is a few lines over what can be seen from outside a core: the packets that it sends and receives, its
//! saved state, and its published view. None of them asks the core whether it was right. The names are those of the
//! project's list of invariants:
//!
//! * S1 an election epoch has at most one winner, who holds votes given in that epoch by a majority;
//! * S2 no node votes twice in an epoch, restarts included;
//! * S3 what a node sends about epochs and votes is already on its disk;
//! * S4 epochs never decrease: a node's own as it sends them, and those that it knows of others;
//! * S5 no config epoch is above the current epoch;
//! * S6 a slot moves to another node only by a greater config epoch, or because its owner dropped it, or by hand;
//! * S8 a node that was replaced acknowledges no write (nor does one whose cluster is down or that is a replica: that
//!   gate is the driver's, in `data.rs`). One case is beyond the protocol, since the old and the new primary of a shard
//!   each count themselves as its voter: a partition right after the election may leave the old one, which was down or
//!   frozen until then, with a majority of voters none of which has heard of the winner;
//! * D2 a replica does not copy a primary that has just come back without data that the replica has;
//! * D1 a manual failover that both sides agreed on loses nothing.

use std::collections::{BTreeMap, BTreeSet};

use gossip::{Gossip, View};
use protocol::bus::{HEADER_LEN, NodeFlags, NodeId, PacketType};
use protocol::slot::{SlotBitmap, SlotRange};

use crate::host::Admin;
use crate::scenario::Fault;
use crate::trace::Sometimes;
use crate::world::World;

/// An observer's knowledge of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) primary: bool,
    pub(crate) replica_of: Option<NodeId>,
    pub(crate) epoch: u64,
    pub(crate) slots: usize,
    pub(crate) suspected: bool,
    pub(crate) failed: bool,
    pub(crate) handshake: bool,
}

/// What a core last reported about its cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Knowledge {
    pub(crate) me: Option<NodeId>,
    pub(crate) ok: bool,
    pub(crate) current_epoch: u64,
    /// Number of primaries with slots.
    pub(crate) size: usize,
    pub(crate) nodes: BTreeMap<NodeId, Known>,
    /// Runs of slots and their owners, ascending.
    pub(crate) owners: Vec<(SlotRange, NodeId)>,
    /// What each primary claimed when this node last heard of it, and its current epoch then. Older claims do not
    /// count: packets of the two links between a pair of nodes may overtake each other.
    claims: BTreeMap<NodeId, (u64, SlotBitmap)>,
}

impl Knowledge {
    fn of(view: &View) -> Self {
        let known = |node: &gossip::NodeView| Known {
            primary: node.is_primary(),
            replica_of: node.primary,
            epoch: node.config_epoch,
            slots: node.slots.iter().map(|range| range.len()).sum(),
            suspected: node.flags.contains(NodeFlags::PFAIL),
            failed: node.flags.contains(NodeFlags::FAIL),
            handshake: node.flags.contains(NodeFlags::HANDSHAKE),
        };
        let owned = |node: &gossip::NodeView| node.slots.iter().map(|range| (*range, node.id)).collect::<Vec<_>>();
        let mut owners: Vec<_> = view.nodes.iter().flat_map(owned).collect();
        owners.sort_unstable();
        Self {
            me: Some(view.myself().id),
            ok: view.ok,
            current_epoch: view.current_epoch,
            size: view.size,
            nodes: view.nodes.iter().map(|node| (node.id, known(node))).collect(),
            owners,
            claims: BTreeMap::new(),
        }
    }

    pub(crate) fn slots_of(&self, id: &NodeId) -> SlotBitmap {
        let mut slots = SlotBitmap::new();
        self.owners.iter().filter(|(_, owner)| owner == id).for_each(|(range, _)| slots.set_range(*range));
        slots
    }

    pub(crate) fn own(&self) -> Option<&Known> {
        self.nodes.get(self.me.as_ref()?)
    }
}

/// The state of the rules.
#[derive(Default)]
pub(crate) struct Checks {
    /// The first broken rule; the run ends with it.
    pub(crate) violation: Option<String>,
    /// S1: votes that reached a candidate, by candidate and epoch.
    ballots: BTreeMap<(NodeId, u64), BTreeSet<NodeId>>,
    /// S1: the winner of each epoch.
    winners: BTreeMap<u64, NodeId>,
    /// S2: each voter's vote, by epoch.
    votes: BTreeMap<(NodeId, u64), NodeId>,
    /// S4: highest current and own config epoch that each node has sent.
    sent: BTreeMap<NodeId, (u64, u64)>,
    /// S8: replaced primaries, the epoch of their successor and what it took over.
    replaced: BTreeMap<NodeId, (u64, SlotBitmap)>,
    /// Elections that were started and not won so far.
    open_elections: BTreeSet<(NodeId, u64)>,
}

/// The fields of a packet that rules look at, straight from the bytes.
struct Peek<'a>(&'a [u8]);

impl Peek<'_> {
    fn number<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0[at..at + N].try_into().expect("inside the header")
    }

    fn is(&self, kind: PacketType) -> bool {
        u16::from_be_bytes(self.number(12)) == kind as u16
    }

    fn current_epoch(&self) -> u64 {
        u64::from_be_bytes(self.number(16))
    }

    fn config_epoch(&self) -> u64 {
        u64::from_be_bytes(self.number(24))
    }

    fn sender(&self) -> Option<NodeId> {
        NodeId::from_bytes(&self.0[40..80])
    }

    fn slots(&self) -> SlotBitmap {
        SlotBitmap::from_bytes(self.number(80))
    }

    /// For an UPDATE: whose slots it describes, with which config epoch, and which slots.
    fn update(&self) -> Option<(NodeId, u64, SlotBitmap)> {
        let about = NodeId::from_bytes(&self.0[HEADER_LEN + 8..HEADER_LEN + 48])?;
        let epoch = u64::from_be_bytes(self.number(HEADER_LEN));
        Some((about, epoch, SlotBitmap::from_bytes(self.number(HEADER_LEN + 48))))
    }

    fn is_from_primary(&self) -> bool {
        NodeFlags(u16::from_be_bytes(self.number(2250))).contains(NodeFlags::MASTER)
    }
}

impl World {
    /// Ends the run unless the rule holds.
    pub(crate) fn require(&mut self, rule: &str, holds: bool, text: impl FnOnce() -> String) {
        if !holds && self.checks.violation.is_none() {
            let violation = format!("{rule} at {}: {}", self.now, text());
            self.trace.line(self.now, 99, || format!("VIOLATION {violation}"));
            self.checks.violation = Some(violation);
        }
    }

    pub(crate) fn check_sent(&mut self, host: usize, to: Option<usize>, bytes: &[u8]) {
        let peek = Peek(bytes);
        self.require("framing", bytes.len() >= HEADER_LEN, || "a packet shorter than its header".into());
        let Some(sender) = peek.sender() else { return };
        let (current, own) = (peek.current_epoch(), if peek.is_from_primary() { peek.config_epoch() } else { 0 });

        let saved = self.hosts[host].disk.saved;
        let durable = saved.current_epoch >= current && saved.config_epoch >= own;
        self.require("S3", durable, || {
            format!("n{host} sends current epoch {current}, config epoch {own}; its disk says {saved:?}")
        });
        // Not compared with what was sent before: a packet may have waited for its link to come up.
        let highest = self.checks.sent.entry(sender).or_default();
        *highest = (current.max(highest.0), own.max(highest.1));

        if peek.is(PacketType::AuthAck) {
            self.require("S3", saved.last_vote_epoch >= current, || {
                format!("n{host} votes in epoch {current}; its disk says {saved:?}")
            });
            self.check_vote(host, sender, current, to);
        } else if peek.is(PacketType::AuthRequest) {
            self.checks.open_elections.insert((sender, current));
        } else if peek.is(PacketType::Fail) {
            self.trace.count(Sometimes::FailBroadcast);
        } else if peek.is(PacketType::Update) {
            self.trace.count(Sometimes::UpdateSent);
        }
    }

    /// A node restarted from its disk: it must remember everything that it has sent.
    pub(crate) fn check_restarted(&mut self, host: usize) {
        let known = &self.hosts[host].known;
        let (Some(me), current) = (known.me, known.current_epoch) else { return };
        let own = known.own().filter(|own| own.primary).map(|own| own.epoch);
        let said = self.checks.sent.get(&me).copied().unwrap_or_default();
        let remembers = current >= said.0 && own.is_none_or(|own| own >= said.1);
        self.require("S4", remembers, || {
            format!("n{host} restarts with current epoch {current}, config epoch {own:?}; it had sent {said:?}")
        });
    }

    fn check_vote(&mut self, host: usize, voter: NodeId, epoch: u64, to: Option<usize>) {
        let Some(candidate) = to.and_then(|to| self.hosts[to].id()) else { return };
        let before = self.checks.votes.insert((voter, epoch), candidate);
        self.require("S2", before.is_none(), || {
            format!("n{host} votes for {candidate} in epoch {epoch}, in which it voted for {before:?}")
        });
    }

    pub(crate) fn check_delivered(&mut self, host: usize, bytes: &[u8]) {
        let peek = Peek(bytes);
        let (Some(sender), Some(me)) = (peek.sender(), self.hosts[host].id()) else { return };
        if peek.is(PacketType::AuthAck) {
            self.checks.ballots.entry((me, peek.current_epoch())).or_default().insert(sender);
        }
        let known = &mut self.hosts[host].known;
        let told_at = |claims: &BTreeMap<NodeId, (u64, SlotBitmap)>, id| claims.get(id).map_or(0, |(epoch, _)| *epoch);
        if peek.is_from_primary() && peek.current_epoch() >= told_at(&known.claims, &sender) {
            known.claims.insert(sender, (peek.current_epoch(), peek.slots()));
        }
        if peek.is(PacketType::Update)
            && let Some((about, epoch, slots)) = peek.update()
            && known.nodes.get(&about).is_some_and(|node| node.epoch < epoch)
        {
            known.claims.insert(about, (told_at(&known.claims, &about), slots));
        }
    }

    /// A core announced that its node is now a primary; its view still shows the state before.
    pub(crate) fn check_promoted(&mut self, host: usize) {
        let Some(core) = &self.hosts[host].core else { return };
        let epoch = core.view().myself().config_epoch;
        let known = &self.hosts[host].known;
        let (Some(me), Some(old)) = (known.me, known.own().and_then(|own| own.replica_of)) else { return };
        let needed = known.size / 2 + 1;
        let replaced_alive = known.nodes.get(&old).is_some_and(|old| !old.failed);
        self.trace.line(self.now, host, || format!("is promoted with epoch {epoch} in place of {old}"));
        match self.hosts[host].admin {
            Admin::Takeover => {
                self.trace.count(Sometimes::Takeover);
                return;
            }
            Admin::Nothing | Admin::MoveSlots => {}
            Admin::Other => return,
        }
        self.check_winner(host, me, epoch, needed);
        self.checks.open_elections.remove(&(me, epoch));
        let now = self.host_now(host);
        let asked_for = self.hosts[host].failover.take().filter(|(_, until)| now <= *until).map(|(forced, _)| forced);
        match asked_for {
            Some(true) => {
                self.trace.count(Sometimes::ForcedFailover);
                return; // FORCE gives up what the primary has more
            }
            Some(false) if replaced_alive => {
                self.trace.count(Sometimes::ManualFailover);
                self.check_nothing_lost(host, old);
            }
            _ => self.trace.count(Sometimes::ElectionWon),
        }
        if self.hosts.iter().any(|other| other.id() == Some(old) && other.core.is_some()) {
            self.trace.count(Sometimes::ReplacedWhileAlive);
        }
        // This is not certain after a TAKEOVER; see `check_winner`.
        if !self.settings.faults.contains(&Fault::Takeover) {
            let taken = self.hosts[host].known.slots_of(&old);
            self.checks.replaced.insert(old, (epoch, taken));
        }
    }

    fn check_winner(&mut self, host: usize, me: NodeId, epoch: u64, needed: usize) {
        let voters = self.checks.ballots.get(&(me, epoch)).map_or(0, BTreeSet::len);
        self.require("S1", voters >= needed, || {
            format!("n{host} won epoch {epoch} with {voters} votes given in it; {needed} are a majority")
        });
        // TAKEOVER moves votes without the voters' consent; after that two majorities need not share a member.
        if self.settings.faults.contains(&Fault::Takeover) {
            return;
        }
        let winner = *self.checks.winners.entry(epoch).or_insert(me);
        self.require("S1", winner == me, || format!("n{host} won epoch {epoch}, which {winner} had won"));
    }

    fn check_nothing_lost(&mut self, host: usize, old: NodeId) {
        let Some(primary) = self.hosts.iter().position(|other| other.id() == Some(old) && other.core.is_some()) else {
            return;
        };
        let (mine, its) = (self.hosts[host].data.offset(), self.hosts[primary].data.offset());
        self.require("D1", mine >= its, || {
            format!("n{host} took over by agreement at offset {mine}; n{primary} had acknowledged up to {its}")
        });
    }

    /// Whether this host is connected to a majority of the voters that it knows, none of which knows of a winner of
    /// that epoch or a later one.
    fn majority_without_the_news(&self, host: usize, epoch: u64) -> bool {
        let known = &self.hosts[host].known;
        let reachable: Vec<usize> = (0..self.hosts.len())
            .filter(|other| self.hosts[*other].runs() && self.net.connected(host, *other))
            .collect();
        let there = |id: &NodeId| reachable.iter().any(|other| self.hosts[*other].id().as_ref() == Some(id));
        let voters = known.nodes.iter().filter(|(_, node)| node.primary && node.slots > 0);
        let present = voters.filter(|(id, _)| there(id) || known.me.as_ref() == Some(id)).count();
        let news =
            |other: &usize| self.hosts[*other].known.nodes.values().any(|node| node.primary && node.epoch >= epoch);
        present > known.size / 2 && !reachable.iter().any(news)
    }

    /// A primary is about to acknowledge a write.
    pub(crate) fn check_write(&mut self, host: usize) {
        let Some(me) = self.hosts[host].id() else { return };
        let known = &self.hosts[host].known;
        let own_epoch = known.own().map_or(0, |own| own.epoch);
        let Some((successor, taken)) = self.checks.replaced.get(&me).filter(|(epoch, _)| *epoch > own_epoch) else {
            return;
        };
        let (epoch, unaware) = (*successor, known.slots_of(&me).intersects(taken));
        let in_the_dark = unaware && self.majority_without_the_news(host, epoch);
        if in_the_dark {
            self.trace.count(Sometimes::ReplacedInTheDark);
        }
        self.require("S8", !unaware || in_the_dark, || {
            format!("n{host}, config epoch {own_epoch}, acknowledges writes to slots that epoch {epoch} took from it")
        });
    }

    /// Takes a core's new view and compares it with the one before.
    pub(crate) fn look(&mut self, host: usize) {
        let Some(view) = self.hosts[host].core.as_ref().map(Gossip::view) else { return };
        let new = Knowledge::of(&view);
        let old = std::mem::take(&mut self.hosts[host].known);
        self.check_epochs(host, &old, &new);
        if old.owners != new.owners && self.hosts[host].admin == Admin::Nothing {
            self.check_owners(host, &old, &new);
        }
        let collided = new.own().zip(old.own()).is_some_and(|(new, old)| {
            new.primary && old.primary && new.epoch > old.epoch && self.hosts[host].admin == Admin::Nothing
        });
        if collided {
            self.trace.count(Sometimes::EpochCollisionResolved);
        }
        self.hosts[host].known = Knowledge { claims: old.claims, ..new };
    }

    fn check_epochs(&mut self, host: usize, old: &Knowledge, new: &Knowledge) {
        let (before, after) = (old.current_epoch, new.current_epoch);
        let same_node = old.me == new.me;
        self.require("S4", !same_node || before <= after, || {
            format!("current epoch of n{host} went from {before} to {after}")
        });
        for (id, node) in new.nodes.iter().filter(|(_, node)| node.primary) {
            let epoch = node.epoch;
            self.require("S5", epoch <= after, || {
                format!("n{host} knows config epoch {epoch} of {id}, its current epoch is {after}")
            });
            let known = old.nodes.get(id).filter(|old| same_node && old.primary).map_or(0, |old| old.epoch);
            self.require("S4", known <= epoch, || {
                format!("n{host} knew config epoch {known} of {id}, and now {epoch}")
            });
        }
    }

    fn check_owners(&mut self, host: usize, old: &Knowledge, new: &Knowledge) {
        for (range, to) in &new.owners {
            for (before, from) in old.owners.iter().filter(|(before, from)| from != to && overlap(before, range)) {
                let (Some(loser), Some(winner)) = (old.nodes.get(from), new.nodes.get(to)) else { continue };
                let first = before.first.max(range.first);
                let dropped = old.claims.get(from).is_some_and(|(_, claims)| !claims.contains(first));
                let follows = new.nodes.get(from).is_none_or(|now| now.replica_of == Some(*to));
                let greater = winner.epoch > loser.epoch || (follows && winner.epoch == loser.epoch);
                let (lost, won) = (loser.epoch, winner.epoch);
                self.require("S6", greater || dropped, || {
                    format!("at n{host} slot {first} went from {from} (epoch {lost}) to {to} (epoch {won})")
                });
            }
        }
    }

    /// Counts the elections without a winner.
    pub(crate) fn count_lost_elections(&mut self) {
        for _ in 0..self.checks.open_elections.len() {
            self.trace.count(Sometimes::ElectionLost);
        }
    }
}

fn overlap(a: &SlotRange, b: &SlotRange) -> bool {
    a.first <= b.last && b.first <= a.last
}
