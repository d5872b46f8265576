//! A node's history, stream, replicas and primary: a state machine without sockets, clock or files.
//!
//! One lock guards it ([`super::Replication`]), which is always taken last: commands append under their slots' locks,
//! links read and acknowledge, and the control task checks it periodically.
//!
//! Invariants: a replica's position never leaves the stream's window while the replica is known (one that falls too far
//! behind is dropped). While the node is a replica, the stream holds its primary's bytes and nothing else.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use protocol::resp::{Args, OwnedArgs};
use tokio::sync::Notify;

use super::facts::ReplicaFacts;
use super::history::{History, Refusal, ReplId};
use super::stream::Stream;
use crate::session::client::{ClientHandle, ClientId};

/// The progress of a replica towards the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Needs a snapshot that has not begun.
    Waiting,
    /// A snapshot is being sent to it.
    Sending,
    /// A snapshot was sent; its first acknowledgement means that it has loaded it.
    Sent,
    Online,
}

/// What a replica acknowledges: bytes of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ack {
    pub offset: i64,
    /// Those that are in its append-only file, if it has one.
    pub in_file: Option<i64>,
}

/// One replica.
pub(crate) struct Replica {
    pub handle: Arc<ClientHandle>,
    /// Address without port.
    pub ip: String,
    pub facts: ReplicaFacts,
    /// It sent SYNC, and knows no acknowledgements and no ids.
    pub old_protocol: bool,
    pub phase: Phase,
    /// Bytes of the stream that its link has taken.
    pub position: i64,
    /// Bytes that it acknowledged.
    pub ack: i64,
    /// Bytes that it has in an append-only file on its disk, as Redis 7.2 says with each acknowledgement.
    pub file_ack: i64,
    pub ack_ms: i64,
    /// Since when it has been over the soft limit.
    pub soft_since_ms: Option<i64>,
    /// Since when it has been connected.
    pub since_ms: i64,
    pub wake: Arc<Notify>,
}

impl Replica {
    /// Its port for clients, if it announced one.
    pub(crate) fn port(&self) -> Option<u16> {
        u16::try_from(self.facts.listening_port).ok().filter(|port| *port != 0)
    }

    /// Its name in logs.
    pub(crate) fn name(&self) -> String {
        if self.facts.listening_port != 0 {
            format!("{}:{}", self.ip, self.facts.listening_port)
        } else {
            format!("client id #{}", self.handle.id)
        }
    }
}

/// The state of the link to the primary, with ROLE's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkPhase {
    Connect,
    Connecting,
    Handshake,
    Transfer,
    Connected,
}

impl LinkPhase {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Connecting => "connecting",
            Self::Handshake => "handshake",
            Self::Transfer => "sync",
            Self::Connected => "connected",
        }
    }
}

/// The primary that this node follows.
pub(crate) struct Following {
    pub host: String,
    pub port: u16,
    pub phase: LinkPhase,
    /// Our history may be continued there.
    pub resume: bool,
    /// The database that its stream has selected.
    pub db: usize,
    /// A sync with this primary was completed.
    pub synced: bool,
    pub down_since_ms: Option<i64>,
    /// The progress of the full sync, if there is one.
    pub transfer: Transfer,
    pub stop: Arc<Notify>,
    /// It is told to take over from us (FAILOVER).
    pub failover: bool,
}

/// A full sync that is being received.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Transfer {
    /// Bytes that were announced; 0 if a mark ends it.
    pub total: u64,
    pub read: u64,
    /// When something last came, unix milliseconds.
    pub io_ms: i64,
}

/// How far a replica may be behind, bytes and seconds; zero is no limit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LagLimit {
    pub hard: u64,
    pub soft: u64,
    pub soft_seconds: i64,
}

/// See the top of the file.
pub(crate) struct Core {
    pub history: History,
    pub stream: Option<Stream>,
    /// The database that our own stream has selected.
    pub selected: Option<usize>,
    /// The database that the stream of the last primary had selected, or the one in the file that was loaded.
    pub former_db: usize,
    pub replicas: BTreeMap<ClientId, Replica>,
    pub following: Option<Following>,
    pub backlog_size: i64,
    pub no_replicas_since_ms: i64,
    /// Position after the last request for acknowledgements.
    asked_at: i64,
    /// A snapshot for the waiting replicas has been ordered.
    pub sync_ordered: bool,
}

pub(super) fn is_at(replica: &Replica, target: &(String, u16)) -> bool {
    replica.ip.eq_ignore_ascii_case(&target.0) && replica.facts.listening_port == i32::from(target.1)
}

impl Core {
    pub(crate) fn new(id: ReplId, backlog_size: i64, now: i64) -> Self {
        Self {
            history: History::new(id),
            stream: None,
            selected: None,
            former_db: 0,
            replicas: BTreeMap::new(),
            following: None,
            backlog_size,
            no_replicas_since_ms: now,
            asked_at: -1,
            sync_ordered: false,
        }
    }

    /// Begins to keep the stream. `true` if it was not kept before.
    pub(crate) fn open_stream(&mut self) -> bool {
        if self.stream.is_some() {
            return false;
        }
        self.stream = Some(Stream::new(self.history.offset));
        self.selected = None;
        true
    }

    /// Appends commands as one unit. Does nothing for a replica, whose stream is its primary's.
    pub(crate) fn append(&mut self, ops: &[(usize, Args<'_>)]) {
        if self.following.is_some() {
            return;
        }
        let Some(stream) = &mut self.stream else { return };
        let unit = ops.len() > 1;
        for (index, (db, args)) in ops.iter().enumerate() {
            if self.selected != Some(*db) {
                self.selected = Some(*db);
                stream.append_command(OwnedArgs::from_slices(&["SELECT", &db.to_string()]).view());
            }
            // Redis selects the first command's database before MULTI.
            if unit && index == 0 {
                stream.append(b"*1\r\n$5\r\nMULTI\r\n");
            }
            stream.append_command(*args);
        }
        if unit {
            stream.append(b"*1\r\n$4\r\nEXEC\r\n");
        }
        self.history.offset = stream.end();
        self.after_append();
    }

    /// Appends a command of our own that belongs to no database.
    pub(crate) fn append_plain(&mut self, bytes: &[u8]) {
        if self.following.is_none() {
            self.append_applied(bytes);
        }
    }

    /// Appends bytes of the primary's stream that were applied here.
    pub(crate) fn append_applied(&mut self, bytes: &[u8]) {
        let Some(stream) = &mut self.stream else { return };
        stream.append(bytes);
        self.history.offset = stream.end();
        self.after_append();
    }

    /// Asks all replicas for acknowledgements, unless nothing was added since the last request.
    pub(crate) fn request_acks(&mut self) {
        if self.asked_at == self.history.offset || self.following.is_some() {
            return;
        }
        if let Some(stream) = &mut self.stream {
            stream.append_command(OwnedArgs::from_slices(&["REPLCONF", "GETACK", "*"]).view());
            self.history.offset = stream.end();
            self.asked_at = self.history.offset;
            self.after_append();
        }
    }

    fn after_append(&mut self) {
        for replica in self.replicas.values() {
            if replica.phase == Phase::Online {
                replica.wake.notify_one();
            }
        }
        self.trim();
    }

    /// Drops what neither the backlog nor a replica needs.
    pub(crate) fn trim(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        if (stream.len() as i64) <= self.backlog_size {
            return;
        }
        let needed =
            self.replicas.values().filter(|replica| replica.needs_stream()).map(|replica| replica.position).min();
        let keep = (stream.end() - self.backlog_size).min(needed.unwrap_or(i64::MAX));
        stream.trim(keep);
    }

    /// Whether a replica with this history and position can continue.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn can_continue(&self, id: &[u8], position: i64) -> Result<(), Refusal> {
        self.history.accepts(id, position)?;
        match &self.stream {
            Some(stream) if stream.holds(position) => Ok(()),
            _ => Err(Refusal::NotHeld),
        }
    }

    /// Adds a replica.
    pub(crate) fn attach(&mut self, replica: Replica) {
        self.replicas.insert(replica.handle.id, replica);
        self.history.told = true;
    }

    /// Removes a replica that has disconnected.
    pub(crate) fn detach(&mut self, id: ClientId, now: i64) -> Option<Replica> {
        let gone = self.replicas.remove(&id);
        if gone.is_some() && self.replicas.is_empty() {
            self.no_replicas_since_ms = now;
        }
        gone
    }

    /// The cut of a snapshot for all waiting replicas: from here on the stream is kept for them. Returns their ids.
    pub(crate) fn cut(&mut self) -> Vec<ClientId> {
        self.sync_ordered = false;
        // The snapshot does not say which database is selected.
        if self.following.is_none() {
            self.selected = None;
        }
        let offset = self.history.offset;
        let mut ids = Vec::new();
        for (id, replica) in &mut self.replicas {
            if replica.phase == Phase::Waiting {
                replica.phase = Phase::Sending;
                replica.position = offset;
                ids.push(*id);
            }
        }
        ids
    }

    /// The snapshot was sent to a replica. `at_once`: the stream may follow without an acknowledgement.
    pub(crate) fn sent(&mut self, id: ClientId, at_once: bool, now: i64) {
        if let Some(replica) = self.replicas.get_mut(&id)
            && replica.phase == Phase::Sending
        {
            replica.phase = if at_once { Phase::Online } else { Phase::Sent };
            replica.ack_ms = now;
            replica.wake.notify_one();
        }
    }

    /// A replica acknowledges bytes. `true` if that brings it online.
    pub(crate) fn acknowledge(&mut self, id: ClientId, ack: Ack, now: i64) -> bool {
        let Some(replica) = self.replicas.get_mut(&id) else { return false };
        replica.ack = replica.ack.max(ack.offset);
        replica.file_ack = replica.file_ack.max(ack.in_file.unwrap_or(0));
        replica.ack_ms = now;
        if replica.phase != Phase::Sent || replica.facts.rdb_only {
            return false;
        }
        replica.phase = Phase::Online;
        replica.wake.notify_one();
        true
    }

    /// The next output for a replica. `false`: the replica is no longer known.
    pub(crate) fn output(&mut self, id: ClientId, limit: usize, out: &mut VecDeque<Bytes>) -> bool {
        let Some(replica) = self.replicas.get_mut(&id) else { return false };
        if replica.phase == Phase::Online
            && let Some(stream) = &mut self.stream
            && replica.position < stream.end()
        {
            replica.position = stream.read(replica.position, limit, out);
        }
        true
    }

    /// Online replicas that have at least `offset`.
    pub(crate) fn acknowledged_by(&self, offset: i64) -> usize {
        self.online().filter(|replica| replica.ack >= offset).count()
    }

    /// Online replicas that have at least `offset` on disk.
    pub(crate) fn filed_by(&self, offset: i64) -> usize {
        self.online().filter(|replica| replica.file_ack >= offset).count()
    }

    /// Online replicas.
    pub(crate) fn online(&self) -> impl Iterator<Item = &Replica> {
        self.replicas.values().filter(|replica| replica.phase == Phase::Online)
    }

    /// Online replicas that were heard from within `max_lag_s` seconds.
    pub(crate) fn good(&self, max_lag_s: i64, now: i64) -> usize {
        self.online().filter(|replica| (now - replica.ack_ms) / 1000 <= max_lag_s).count()
    }

    /// Replicas that must be dropped, and why.
    pub(crate) fn overdue(&mut self, now: i64, timeout_ms: i64, limit: LagLimit) -> Vec<(ClientId, String)> {
        let end = self.history.offset;
        let mut dropped = Vec::new();
        for (id, replica) in &mut self.replicas {
            let name = replica.name();
            let streams = matches!(replica.phase, Phase::Sent | Phase::Online) && !replica.facts.rdb_only;
            if streams && !replica.old_protocol && now - replica.ack_ms > timeout_ms {
                dropped.push((*id, format!("Disconnecting timedout replica (streaming sync): {name}")));
                continue;
            }
            if !replica.needs_stream() {
                continue;
            }
            let lag = (end - replica.position) as u64;
            let over_soft = limit.soft != 0 && lag > limit.soft;
            let since = if over_soft { Some(replica.soft_since_ms.unwrap_or(now)) } else { None };
            replica.soft_since_ms = since;
            let soft = since.is_some_and(|since| now - since > limit.soft_seconds.saturating_mul(1000));
            if soft || (limit.hard != 0 && lag > limit.hard) {
                dropped.push((
                    *id,
                    format!("Client {name} scheduled to be closed ASAP for overcoming of output buffer limits."),
                ));
            }
        }
        dropped
    }

    /// Whether the backlog has not been needed for `ttl_s` seconds (zero: it is kept for ever).
    pub(crate) fn backlog_is_stale(&self, now: i64, ttl_s: i64) -> bool {
        ttl_s > 0
            && self.following.is_none()
            && self.replicas.is_empty()
            && self.stream.is_some()
            && now - self.no_replicas_since_ms > ttl_s.saturating_mul(1000)
    }

    /// Drops the backlog; later replicas need a full sync.
    pub(crate) fn drop_backlog(&mut self, id: ReplId) {
        self.history.restart(id);
        self.stream = None;
        self.selected = None;
    }
}

impl Replica {
    fn needs_stream(&self) -> bool {
        self.phase != Phase::Waiting && !self.facts.rdb_only
    }
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;
