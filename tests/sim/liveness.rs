//! Liveness: once the faults have ended, the cluster must recover and stay stable.
//!
//! * L1 all nodes have the same slot map and the same epochs within ten node timeouts;
//! * L2 a slot whose primary dies is served by its replica within twice the time of a failure and an election;
//! * L3 after that no node is suspected for five node timeouts;
//! * L4 no two primaries with slots have the same config epoch.

use std::collections::{BTreeMap, BTreeSet};

use protocol::bus::NodeId;
use protocol::slot::{SLOT_COUNT, SlotBitmap, SlotId, SlotRange};

use crate::checks::Knowledge;
use crate::trace::Sometimes;
use crate::world::World;

/// Fixed delays of the rules that do not shrink with the node timeout: a restarted primary's 2 s, a handshake's retry.
const FIXED_DELAYS_MS: i64 = 5_000;

impl World {
    /// After the faults: L1, L4, L3, L2, in this order.
    pub(crate) fn check_liveness(&mut self) {
        self.heal_everything();
        let limit = 10 * self.settings.timeout + FIXED_DELAYS_MS;
        self.await_agreement("L1", limit);
        self.stay_calm();
        self.check_last_failover();
    }

    /// Waits until all nodes agree and still do so a node timeout later, at most `limit` milliseconds.
    pub(crate) fn await_agreement(&mut self, rule: &str, limit: i64) {
        let deadline = self.now + limit;
        let mut since = None;
        while self.checks.violation.is_none() {
            match self.agreement() {
                Ok(()) if self.now - *since.get_or_insert(self.now) >= self.settings.timeout => return,
                Ok(()) => {}
                Err(problem) => {
                    since = None;
                    self.require(rule, self.now < deadline, || format!("no agreement after {limit} ms: {problem}"));
                }
            }
            self.run_for(100);
        }
    }

    /// L3. Roles may still change meanwhile: replicas migrate to primaries that have none.
    fn stay_calm(&mut self) {
        let until = self.now + 5 * self.settings.timeout;
        while self.now < until && self.checks.violation.is_none() {
            self.run_for(100);
            let suspicion = self.suspicion();
            self.require("L3", suspicion.is_none(), || suspicion.unwrap_or_default());
        }
    }

    /// A running node that another running node suspects.
    fn suspicion(&self) -> Option<String> {
        let running: BTreeSet<NodeId> = self.members().filter_map(|host| self.hosts[host].id()).collect();
        self.members().find_map(|host| {
            let known = &self.hosts[host].known.nodes;
            let (id, _) = known.iter().find(|(id, node)| (node.suspected || node.failed) && running.contains(id))?;
            Some(format!("n{host} suspects {id}, which runs"))
        })
    }

    /// Running hosts that belong to the cluster.
    fn members(&self) -> impl Iterator<Item = usize> {
        (0..self.hosts.len()).filter(|host| self.hosts[*host].runs() && self.hosts[*host].member)
    }

    /// L2: one more primary dies, one with a replica in sync, and stays dead.
    fn check_last_failover(&mut self) {
        let running: Vec<usize> = self.members().collect();
        let covered: BTreeSet<NodeId> = running
            .iter()
            .filter(|host| self.hosts[**host].data.in_sync())
            .filter_map(|host| self.hosts[*host].replica_of())
            .collect();
        let heirs = |host: &usize| self.hosts[*host].id().is_some_and(|id| covered.contains(&id));
        let candidates: Vec<usize> =
            running.into_iter().filter(|host| self.hosts[*host].is_primary_with_slots()).filter(heirs).collect();
        // A majority must remain to vote.
        if self.checks.violation.is_some() || !self.members().all(|host| self.all_voters_run(host)) {
            return;
        }
        let Some(victim) = self.rng.pick(&candidates) else { return };
        let Some(dead) = self.hosts[victim].id() else { return };
        self.crash(victim, false);
        self.trace.count(Sometimes::FailoverAfterHeal);
        let election = 4 * self.settings.timeout.max(1_000);
        let deadline = self.now + 2 * (self.settings.timeout + election);
        loop {
            let behind = (0..self.hosts.len()).find(|host| {
                self.hosts[*host].runs() && self.hosts[*host].known.owners.iter().any(|(_, o)| *o == dead)
            });
            let Some(behind) = behind else { return };
            if self.checks.violation.is_some() {
                return;
            }
            self.require("L2", self.now < deadline, || format!("n{behind} still sees slots at the dead {dead}"));
            self.run_for(100);
        }
    }

    /// At least three primaries with slots, all running, in this host's view.
    fn all_voters_run(&self, host: usize) -> bool {
        let running: BTreeSet<NodeId> = self.members().filter_map(|host| self.hosts[host].id()).collect();
        let known = &self.hosts[host].known;
        let voters = || known.nodes.iter().filter(|(_, node)| node.primary && node.slots > 0);
        voters().count() >= 3 && voters().all(|(id, _)| running.contains(id))
    }

    /// The slots of `owners` that the owner itself, which runs, claims.
    fn claimed(&self, owners: &[(SlotRange, NodeId)], running: &BTreeMap<NodeId, usize>) -> BTreeSet<(SlotId, NodeId)> {
        let claims = |id: &NodeId| self.hosts[running[id]].known.slots_of(id);
        let claims: BTreeMap<NodeId, SlotBitmap> = owners.iter().map(|(_, id)| (*id, claims(id))).collect();
        let each = owners.iter().flat_map(|(range, id)| range.iter().map(move |slot| (slot, *id)));
        each.filter(|(slot, id)| claims[id].contains(*slot)).collect()
    }

    /// Whether all nodes see the same, healthy cluster; otherwise what is wrong.
    fn agreement(&self) -> Result<(), String> {
        let running: BTreeMap<NodeId, usize> =
            self.members().filter_map(|host| Some((self.hosts[host].id()?, host))).collect();
        let reference = running.values().next().map(|host| &self.hosts[*host].known);
        let Some(reference) = reference else { return Ok(()) };
        for host in running.values() {
            let known = &self.hosts[*host].known;
            let (mine, theirs) = (living_owners(known, &running), living_owners(reference, &running));
            // A slot that its owner does not claim has no owner, whether a node keeps it assigned (`gossip::ownership`)
            // or never assigned it.
            if mine != theirs && self.claimed(&mine, &running) != self.claimed(&theirs, &running) {
                return Err(format!("n{host} has another slot map: {mine:?} and {theirs:?}"));
            }
            self.sees_everybody(*host, known, reference, &running)?;
        }
        distinct_epochs(reference)?;
        self.heirs_took_over(reference, &running)?;
        let closed = running.values().find(|host| !self.hosts[**host].known.ok);
        let served = || self.claimed(&living_owners(reference, &running), &running).len();
        match closed {
            Some(host) if served() == SLOT_COUNT => Err(format!("n{host} says that the cluster is down")),
            _ => Ok(()),
        }
    }

    /// L2 in its general form: no slot stays with a dead node if a replica with its data is there.
    fn heirs_took_over(&self, reference: &Knowledge, running: &BTreeMap<NodeId, usize>) -> Result<(), String> {
        if self.settings.validity_factor > 0 {
            return Ok(()); // data may have become too old meanwhile
        }
        for (_, owner) in reference.owners.iter().filter(|(_, owner)| !running.contains_key(owner)) {
            let has_data =
                |host: &usize| self.hosts[*host].replica_of() == Some(*owner) && self.hosts[*host].data.is_copy();
            if let Some(heir) = running.values().find(|host| has_data(host)) {
                return Err(format!("n{heir} has not taken over from {owner}, which is gone"));
            }
        }
        Ok(())
    }

    fn sees_everybody(
        &self,
        host: usize,
        known: &Knowledge,
        reference: &Knowledge,
        running: &BTreeMap<NodeId, usize>,
    ) -> Result<(), String> {
        for (id, other) in running {
            let Some(seen) = known.nodes.get(id) else { return Err(format!("n{host} does not know n{other}")) };
            if seen.suspected || seen.failed {
                return Err(format!("n{host} suspects n{other}"));
            }
            let own = self.hosts[*other].known.own();
            // A node that joined later knows nothing of a primary that is gone for good.
            let living = |id: Option<NodeId>| id.filter(|id| running.contains_key(id));
            let role = own.map(|own| (own.primary, living(own.replica_of)));
            if role != Some((seen.primary, living(seen.replica_of))) {
                return Err(format!("n{host} sees n{other} as {seen:?}, which sees itself as {own:?}"));
            }
            let agreed = reference.nodes.get(id).is_some_and(|reference| reference.epoch == seen.epoch);
            if seen.primary && seen.slots > 0 && !agreed {
                return Err(format!("n{host} has epoch {} of n{other}", seen.epoch));
            }
        }
        Ok(())
    }
}

/// The slot map without the slots of nodes that are gone for good: nodes that joined later never heard of those.
fn living_owners(known: &Knowledge, running: &BTreeMap<NodeId, usize>) -> Vec<(SlotRange, NodeId)> {
    known.owners.iter().filter(|(_, owner)| running.contains_key(owner)).copied().collect()
}

/// L4.
fn distinct_epochs(known: &Knowledge) -> Result<(), String> {
    let mut seen = BTreeMap::new();
    for (id, node) in known.nodes.iter().filter(|(_, node)| node.primary && node.slots > 0) {
        if let Some(other) = seen.insert(node.epoch, id) {
            return Err(format!("{id} and {other} both have config epoch {}", node.epoch));
        }
    }
    Ok(())
}
