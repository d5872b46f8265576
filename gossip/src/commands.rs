//! The administrator's commands. (FAILOVER is in `manual_failover.rs`, PUBLISH in `receive/publish.rs`.)
//!
//! Node ids are passed as text, because the error for an unknown one repeats what was typed. What a rule needs to know
//! about keys is an argument, since the core has no data.

use core::net::IpAddr;

use protocol::bus::{IpText, NodeFlags, NodeId};
use protocol::slot::{SlotBitmap, SlotId, SlotRange};

use crate::config::{BAN_MS, UnixMillis};
use crate::error::Error;
use crate::event::{Effect, Level};
use crate::node::NodeKey;
use crate::state::Gossip;

/// Outcome of CLUSTER BUMPEPOCH, with the epoch that the node has now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bump {
    Bumped(u64),
    Still(u64),
}

impl Gossip {
    // ----- getters -----

    pub fn my_id(&self) -> NodeId {
        self.nodes[self.me].id
    }

    /// CLUSTER MYSHARDID.
    pub fn my_shard_id(&self) -> NodeId {
        self.nodes[self.me].shard_id
    }

    /// The primary that this node replicates.
    pub fn my_primary(&self) -> Option<NodeId> {
        self.nodes[self.me].primary.map(|primary| self.nodes[primary].id)
    }

    pub fn is_primary(&self) -> bool {
        self.nodes[self.me].is_primary()
    }

    /// `cluster_state:ok`.
    pub fn is_ok(&self) -> bool {
        self.health.ok
    }

    pub fn config(&self) -> &crate::Config {
        &self.config
    }

    /// Bytes that wait in the core for links which are not up yet. Those of other links are queued in the driver.
    pub fn queued_bytes(&self) -> usize {
        self.links.queued_bytes()
    }

    /// CLUSTER COUNT-FAILURE-REPORTS: valid reports about a node.
    pub fn count_failure_reports(&mut self, id: &str, now: UnixMillis) -> Result<usize, Error> {
        let key = self.known(id)?;
        Ok(self.count_reports(key, now))
    }

    fn find_text(&self, id: &str) -> Option<NodeKey> {
        self.nodes.find(&id.parse().ok()?)
    }

    fn known(&self, id: &str) -> Result<NodeKey, Error> {
        self.find_text(id).ok_or_else(|| Error::UnknownNode(id.to_owned()))
    }

    // ----- membership -----

    /// CLUSTER MEET: starts a handshake, unless one is under way for the same address.
    pub fn meet(&mut self, ip: &str, port: i64, bus_port: i64, now: UnixMillis) -> Result<(), Error> {
        let invalid = || Error::InvalidAddress(ip.to_owned(), port);
        let address: IpAddr = ip.parse().map_err(|_| invalid())?;
        let text: IpText = address.to_string().parse().map_err(|_| invalid())?;
        let valid = |port: i64| u16::try_from(port).ok().filter(|port| *port != 0).ok_or_else(invalid);
        let (port, bus_port) = (valid(port)?, valid(bus_port)?);
        self.begin(now);
        self.start_handshake(text, port, bus_port, NodeFlags::HANDSHAKE | NodeFlags::MEET, now);
        self.finish(now);
        Ok(())
    }

    /// CLUSTER FORGET: removes a node and keeps it away for a minute. An administrator tells every node, and the nodes
    /// tell each other as well; if the node is already forgotten, that is no error (Redis 7.2).
    pub fn forget(&mut self, id: &str, now: UnixMillis) -> Result<(), Error> {
        if self.find_text(id).is_none() && id.parse().is_ok_and(|id| self.is_banned(&id, now)) {
            return Ok(());
        }
        let key = self.known(id)?;
        if self.is_me(key) {
            return Err(Error::ForgetMyself);
        }
        if self.nodes[self.me].primary == Some(key) {
            return Err(Error::ForgetMyPrimary);
        }
        self.begin(now);
        self.ban(self.nodes[key].id, now + BAN_MS, now);
        self.remove_node(key);
        self.finish(now);
        Ok(())
    }

    /// CLUSTER REPLICATE. `has_keys`: the data set is not empty.
    pub fn replicate(&mut self, id: &str, has_keys: bool, now: UnixMillis) -> Result<(), Error> {
        let key = self.known(id)?;
        if self.is_me(key) {
            return Err(Error::ReplicateMyself);
        }
        if self.nodes[key].is_replica() {
            return Err(Error::ReplicateReplica);
        }
        let me = &self.nodes[self.me];
        if me.is_primary() && (me.slot_count > 0 || has_keys) {
            return Err(Error::NotEmpty);
        }
        self.begin(now);
        self.replicate_node(key);
        self.finish(now);
        Ok(())
    }

    /// CLUSTER RESET. A primary must have no keys.
    pub fn reset(&mut self, hard: bool, has_keys: bool, now: UnixMillis) -> Result<(), Error> {
        if self.is_primary() && has_keys {
            return Err(Error::ResetWithKeys);
        }
        self.begin(now);
        if self.nodes[self.me].is_replica() {
            if let Some(primary) = self.nodes[self.me].primary {
                self.lost_channels = self.nodes[primary].slots.clone();
            }
            self.stop_replicating();
            self.pending.push(Effect::FlushData);
            let shard_id = self.rng.node_id();
            self.nodes[self.me].shard_id = shard_id;
        }
        self.slots.close_all();
        self.reset_manual_failover();
        self.election.reset();
        for slot in SlotId::all() {
            self.unassign(slot);
        }
        let me = self.me;
        for key in self.nodes.keys().into_iter().filter(|key| *key != me) {
            self.remove_node(key);
        }
        self.bans.clear();
        if hard {
            self.become_new_node();
        }
        self.reconfigured();
        self.save_durably();
        self.finish(now);
        Ok(())
    }

    fn become_new_node(&mut self) {
        self.epochs = crate::state::Epochs::default();
        self.nodes[self.me].config_epoch = 0;
        self.log(Level::Warning, "configEpoch set to 0 via CLUSTER RESET HARD".into());
        let (id, shard_id) = (self.rng.node_id(), self.rng.node_id());
        self.nodes.rename(self.me, id);
        self.nodes[self.me].shard_id = shard_id;
        self.log(Level::Notice, format!("Node hard reset, now I'm {id}"));
    }

    /// CLUSTER SAVECONFIG.
    pub fn save_config(&mut self, now: UnixMillis) {
        self.begin(now);
        self.save();
        self.todo.fsync_now = true;
        self.finish(now);
    }

    // ----- epochs -----

    /// CLUSTER BUMPEPOCH.
    pub fn bump_epoch(&mut self, now: UnixMillis) -> Bump {
        self.begin(now);
        let bumped = self.bump_config_epoch();
        if bumped {
            self.announce_changes(now);
        }
        self.finish(now);
        let epoch = self.nodes[self.me].config_epoch;
        if bumped { Bump::Bumped(epoch) } else { Bump::Still(epoch) }
    }

    /// CLUSTER SET-CONFIG-EPOCH: only for a node that knows no others and has no epoch yet.
    pub fn set_config_epoch(&mut self, epoch: u64, now: UnixMillis) -> Result<(), Error> {
        if self.nodes.len() > 1 {
            return Err(Error::EpochWithPeers);
        }
        if self.nodes[self.me].config_epoch != 0 {
            return Err(Error::EpochAlreadySet);
        }
        self.begin(now);
        self.nodes[self.me].config_epoch = epoch;
        self.epochs.current = self.epochs.current.max(epoch);
        self.log(Level::Warning, format!("configEpoch set to {epoch} via CLUSTER SET-CONFIG-EPOCH"));
        self.todo.update_state = true;
        self.save_durably();
        self.finish(now);
        Ok(())
    }

    // ----- slots -----

    /// CLUSTER ADDSLOTS and ADDSLOTSRANGE: takes slots without an owner. All or none.
    pub fn add_slots(&mut self, ranges: &[SlotRange], now: UnixMillis) -> Result<(), Error> {
        self.check_slots(ranges, |core, slot| match core.slots.owner(slot) {
            Some(_) => Err(Error::SlotBusy(slot)),
            None => Ok(()),
        })?;
        self.begin(now);
        for slot in ranges.iter().flat_map(|range| range.iter()) {
            self.slots.importing.remove(&slot);
            self.assign(self.me, slot);
        }
        self.save();
        self.slots_changed_by_command(now);
        Ok(())
    }

    /// CLUSTER DELSLOTS and DELSLOTSRANGE: removes the owners of slots in this node's view. All or none. If the slots
    /// belonged to other nodes, this is saved with the next announcement, a moment later: no node relies on slots
    /// without an owner, and tools that repair clusters call this slot by slot. mend clusters call this slot by slot.
    pub fn del_slots(&mut self, ranges: &[SlotRange], now: UnixMillis) -> Result<(), Error> {
        self.check_slots(ranges, |core, slot| match core.slots.owner(slot) {
            Some(_) => Ok(()),
            None => Err(Error::SlotUnassigned(slot)),
        })?;
        self.begin(now);
        let mut mine = false;
        for slot in ranges.iter().flat_map(|range| range.iter()) {
            mine |= self.slots.owner(slot) == Some(self.me);
            self.slots.importing.remove(&slot);
            self.unassign(slot);
        }
        self.todo.save |= mine;
        self.slots_changed_by_command(now);
        Ok(())
    }

    fn check_slots(
        &self,
        ranges: &[SlotRange],
        check: impl Fn(&Self, SlotId) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut seen = SlotBitmap::new();
        for slot in ranges.iter().flat_map(|range| range.iter()) {
            check(self, slot)?;
            if !seen.set(slot) {
                return Err(Error::SlotRepeated(slot));
            }
        }
        Ok(())
    }

    fn slots_changed_by_command(&mut self, now: UnixMillis) {
        self.todo.view = true;
        self.todo.update_state = true;
        self.todo.fsync = true;
        self.announce_changes(now);
        self.finish(now);
    }

    /// Others will be told soon, so this node must not have forgotten it after a power failure: no other node would
    /// claim the slots.
    fn reassigned_by_command(&mut self) {
        self.reconfigured();
        self.todo.fsync = true;
    }

    /// CLUSTER FLUSHSLOTS.
    pub fn flush_slots(&mut self, has_keys: bool, now: UnixMillis) -> Result<(), Error> {
        if has_keys {
            return Err(Error::FlushWithKeys);
        }
        self.begin(now);
        self.unassign_all_of(self.me);
        self.save();
        self.slots_changed_by_command(now);
        Ok(())
    }

    /// CLUSTER SETSLOT ... MIGRATING.
    pub fn set_slot_migrating(&mut self, slot: SlotId, to: &str, now: UnixMillis) -> Result<(), Error> {
        self.check_set_slot()?;
        if self.slots.owner(slot) != Some(self.me) {
            return Err(Error::NotOwner(slot));
        }
        let key = self.other_end(to)?;
        self.begin(now);
        self.slots.migrating.insert(slot, key);
        self.reconfigured();
        self.finish(now);
        Ok(())
    }

    /// CLUSTER SETSLOT ... IMPORTING.
    pub fn set_slot_importing(&mut self, slot: SlotId, from: &str, now: UnixMillis) -> Result<(), Error> {
        self.check_set_slot()?;
        if self.slots.owner(slot) == Some(self.me) {
            return Err(Error::AlreadyOwner(slot));
        }
        let key = self.other_end(from)?;
        self.begin(now);
        self.slots.importing.insert(slot, key);
        self.reconfigured();
        self.finish(now);
        Ok(())
    }

    /// CLUSTER SETSLOT ... STABLE.
    pub fn set_slot_stable(&mut self, slot: SlotId, now: UnixMillis) -> Result<(), Error> {
        self.check_set_slot()?;
        self.begin(now);
        self.slots.importing.remove(&slot);
        self.slots.migrating.remove(&slot);
        self.reconfigured();
        self.finish(now);
        Ok(())
    }

    /// CLUSTER SETSLOT ... NODE. `has_keys`: there are keys in the slot here.
    pub fn set_slot_node(&mut self, slot: SlotId, owner: &str, has_keys: bool, now: UnixMillis) -> Result<(), Error> {
        self.check_set_slot()?;
        let key = self.known(owner)?;
        if self.nodes[key].is_replica() {
            return Err(Error::TargetNotPrimary);
        }
        let was_mine = self.slots.owner(slot) == Some(self.me);
        let stays_mine = self.is_me(key);
        if was_mine && !stays_mine && has_keys {
            return Err(Error::SlotHasKeys(slot));
        }
        self.begin(now);
        if !has_keys {
            self.slots.migrating.remove(&slot);
        }
        self.reassign(key, slot);
        if !stays_mine {
            self.slots.awaited.set(slot);
        }
        if was_mine && !stays_mine && self.nodes[self.me].slot_count == 0 && self.config.allow_replica_migration {
            self.follow_new_owner(key);
        }
        if stays_mine && self.slots.importing.remove(&slot).is_some() {
            // Slots moved by hand need an epoch that makes the others accept the new owner.
            if self.bump_config_epoch() {
                self.log(Level::Warning, format!("configEpoch updated after importing slot {slot}"));
            }
            self.broadcast_pong();
        }
        self.reassigned_by_command();
        self.finish(now);
        Ok(())
    }

    fn check_set_slot(&self) -> Result<(), Error> {
        if self.nodes[self.me].is_replica() { Err(Error::SetSlotOnReplica) } else { Ok(()) }
    }

    /// The other end of a migration.
    fn other_end(&self, id: &str) -> Result<NodeKey, Error> {
        let key = self.find_text(id).ok_or_else(|| Error::UnfamiliarNode(id.to_owned()))?;
        if self.nodes[key].is_replica() { Err(Error::TargetNotPrimary) } else { Ok(key) }
    }

    /// After the data was loaded: slots with keys that this primary does not own (`verifyClusterConfigWithData`). Slots
    /// without an owner are taken; those of others are marked as importing, so that `redis-cli --cluster fix` sees
    /// them.
    pub fn adopt_loaded_slots(&mut self, populated: &SlotBitmap, now: UnixMillis) {
        if self.nodes[self.me].is_replica() {
            return;
        }
        self.begin(now);
        for slot in populated.iter() {
            match self.slots.owner(slot) {
                Some(owner) if self.is_me(owner) || self.slots.importing.contains_key(&slot) => {}
                Some(owner) => {
                    self.log(
                        Level::Warning,
                        format!(
                            "I have keys for slot {slot}, but the slot is assigned to another node. \
                             Setting it to importing state."
                        ),
                    );
                    self.slots.importing.insert(slot, owner);
                    self.save();
                }
                None => {
                    self.log(
                        Level::Warning,
                        format!("I have keys for unassigned slot {slot}. Taking responsibility for it."),
                    );
                    self.assign(self.me, slot);
                    self.save();
                }
            }
        }
        self.finish(now);
    }
}
