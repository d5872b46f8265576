//! Replication: one ordered stream of bytes, the replicas that follow it, and the primary that this node follows.
//!
//! ```text
//! history    ids and offsets, who may continue (pure)        handshake  the replica's first lines (pure)
//! stream     the window of bytes that is kept (pure)         transfer   the frame around a snapshot (pure)
//! core       all of a node's state, as primary and replica   full_sync  a snapshot for replicas
//! serve      the link to a replica (control thread)          follow     the link to the primary (a worker)
//! supply     a snapshot on its way into replicas' sockets    failover   FAILOVER
//! roles      changes of role, one at a time                  commands   PSYNC, REPLCONF, WAIT, ROLE, REPLICAOF, ...
//! ```
//!
//! Lock order: [`Replication::applying`], then the barrier, then slots, then `core`, then `sources`. The first is held
//! while one command of the primary's stream is applied and counted, and by code that needs data and offset to agree: a
//! cut, a change of role. It must not be requested while holding a gate of the barrier.
//!
//! Rank 8.

#![forbid(unsafe_code)]

pub(crate) mod commands;
pub(crate) mod core;
pub(crate) mod facts;
pub(crate) mod failover;
mod follow;
mod full_sync;
pub(crate) mod handshake;
pub(crate) mod history;
mod info;
mod roles;
mod serve;
pub(crate) mod stream;
mod supply;
pub(crate) mod transfer;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use protocol::resp::Args;
use tokio::sync::Notify;

use self::core::{Ack, Core, LagLimit, LinkPhase, Phase, Transfer};
use crate::base::rng::Rng;
use crate::config::ids;
use crate::engine::Engine;
use crate::engine::handler::{Service, SessionCtx, SessionResult};
use crate::engine::ports::Feed;
use crate::logging::Role;
use crate::persistence::Persistence;
use crate::persistence::rdb_writer::SavedHistory;
use crate::persistence::snapshot::StreamPosition;
use crate::runtime::threads::Threads;
use crate::session::client::ClientId;
use failover::Failover;
use full_sync::SyncJob;
use history::ReplId;
use roles::{RoleChange, Roles};
use supply::Outlet;

/// A data set of at most this many keys is sent without waiting for more replicas (`repl-diskless-sync-delay`): without
/// a fork, a second snapshot costs less than the wait. Larger ones wait, so that one snapshot serves all.
const SMALL_DATA_SET: usize = 100_000;
/// How often the control task checks everything.
const CRON_PERIOD: Duration = Duration::from_millis(100);

/// The state of the data, for the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Bytes written (primary) or applied (replica).
    pub offset: i64,
    /// A sync with the primary that is followed now was completed.
    pub synced: bool,
    /// Milliseconds since something last came from the primary; `None`: never, or there is no primary.
    pub silent_ms: Option<i64>,
}

/// One replica, for INFO and ROLE.
#[derive(Clone, Debug)]
pub(crate) struct ReplicaInfo {
    pub ip: String,
    /// As it announced; any number.
    pub port: i32,
    /// The word that INFO shows: wait_bgsave, send_bulk, online.
    pub state: &'static str,
    pub offset: i64,
    /// Seconds since its last acknowledgement.
    pub lag_s: i64,
}

/// The primary, for INFO and ROLE.
#[derive(Clone, Debug)]
pub(crate) struct PrimaryInfo {
    pub host: String,
    pub port: u16,
    pub link_up: bool,
    /// The word that ROLE shows.
    pub state: &'static str,
    /// -1 if nothing has come yet.
    pub last_io_seconds_ago: i64,
    /// The full sync that is being received.
    pub sync: Option<Transfer>,
    /// Seconds since a part of it came.
    pub sync_last_io_s: i64,
    /// The link is up, or may be resumed: the node's offset is one of the primary's history.
    pub offset_known: bool,
    /// Bytes applied, or -1 before the first sync.
    pub read_offset: i64,
    /// Bytes read beyond those that are applied.
    pub unapplied: usize,
    /// Only while the link is down; -1 if it has never been up.
    pub link_down_since_s: Option<i64>,
}

/// The facts of INFO replication.
#[derive(Clone, Debug)]
pub(crate) struct ReplicationInfo {
    pub primary: Option<PrimaryInfo>,
    pub replicas: Vec<ReplicaInfo>,
    pub good_replicas: usize,
    pub id: ReplId,
    pub id2: ReplId,
    pub offset: i64,
    pub second_offset: i64,
    pub backlog_active: bool,
    pub backlog_size: i64,
    /// Number of the first byte that is held.
    pub backlog_first_byte: i64,
    pub backlog_held: i64,
    /// The word that INFO shows.
    pub failover_state: &'static str,
}

/// Replication of one node.
pub(crate) struct Replication {
    me: Weak<Replication>,
    pub(crate) engine: Arc<Engine>,
    persistence: Arc<Persistence>,
    threads: Weak<Threads>,
    port: AtomicU16,
    pub(crate) core: Mutex<Core>,
    /// Outlets to the links of replicas that wait for a snapshot.
    sources: Mutex<HashMap<ClientId, Arc<Outlet>>>,
    /// See the lock order at the top.
    applying: Mutex<()>,
    /// Incremented by every change of role, under `applying`: a link of an older generation applies nothing more.
    generation: AtomicU64,
    /// The id of the node in the cluster that is followed.
    primary_id: Mutex<Option<String>>,
    offset: AtomicI64,
    last_io_ms: AtomicI64,
    /// Bytes of the primary's stream that were read and are not applied yet: a pause holds them back.
    unapplied: AtomicUsize,
    roles: Roles,
    failover: Mutex<Option<Failover>>,
    /// A replica has acknowledged.
    acknowledged: Notify,
    /// Called whenever this node has finished a sync with its primary.
    on_synced: OnceLock<Box<dyn Fn() + Send + Sync>>,
    rng: Mutex<Rng>,
}

impl Replication {
    pub(crate) fn new(engine: Arc<Engine>, persistence: Arc<Persistence>, threads: &Arc<Threads>) -> Arc<Self> {
        let mut rng = Rng::new(engine.state.seed());
        let backlog = engine.config.memory(ids::REPL_BACKLOG_SIZE) as i64;
        let core = Core::new(rng.hex(), backlog, engine.clock.now_ms());
        // A node with a configured primary is a replica from its first moment.
        if engine.config.replica_of().is_some() {
            engine.state.replica.store(true, Ordering::SeqCst);
            engine.log.set_role(Role::Replica);
        }
        let this = Arc::new_cyclic(|me| Self {
            me: me.clone(),
            persistence,
            threads: Arc::downgrade(threads),
            port: AtomicU16::new(0),
            core: Mutex::new(core),
            sources: Mutex::default(),
            applying: Mutex::new(()),
            generation: AtomicU64::new(0),
            primary_id: Mutex::default(),
            offset: AtomicI64::new(0),
            last_io_ms: AtomicI64::new(0),
            unapplied: AtomicUsize::new(0),
            roles: Roles::default(),
            failover: Mutex::default(),
            acknowledged: Notify::new(),
            on_synced: OnceLock::new(),
            rng: Mutex::new(rng),
            engine,
        });
        this.watch_config();
        this
    }

    fn watch_config(self: &Arc<Self>) {
        let weak = Arc::downgrade(self);
        self.engine.config.on_change(&[ids::REPL_BACKLOG_SIZE], move |config, _| {
            if let Some(this) = weak.upgrade() {
                this.core.lock().backlog_size = config.memory(ids::REPL_BACKLOG_SIZE) as i64;
            }
            Ok(())
        });
    }

    /// The port for clients has changed.
    pub(crate) fn note_port(&self, port: u16) {
        self.port.store(port, Ordering::Relaxed);
    }

    /// Starts after the data was loaded and the port is known: continues the saved history, follows the configured
    /// primary, and runs the periodic work until the node stops.
    pub(crate) fn start(self: &Arc<Self>, port: u16) {
        self.note_port(port);
        let saved = self.persistence.take_loaded().and_then(|loaded| loaded.history);
        let saved = saved.filter(|saved| (0..=history::MAX_OFFSET).contains(&saved.repl_offset));
        if let Some(saved) = saved {
            self.continue_saved(&saved);
        }
        if let Some((host, port)) = self.engine.config.replica_of() {
            self.follow(&host, port);
        }
        let Some(threads) = self.threads.upgrade() else { return };
        let this = Arc::downgrade(self);
        threads.control().spawn(move |_| async move {
            let mut ticks = tokio::time::interval(CRON_PERIOD);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut last_ping = 0;
            loop {
                ticks.tick().await;
                let Some(this) = this.upgrade() else { return };
                if this.engine.state.stopping.load(Ordering::Relaxed) {
                    return;
                }
                this.cron(&mut last_ping);
            }
        });
    }

    /// The data came from a file that names its position in a history.
    fn continue_saved(&self, saved: &SavedHistory) {
        let mut core = self.core.lock();
        // As a primary this node begins its own history; replicas with the same bytes may continue (Redis 7). If it
        // becomes a replica before it has written anything, it goes back to the saved history.
        core.history.former = Some((saved.repl_id, saved.repl_offset));
        core.history.offset = saved.repl_offset;
        core.former_db = saved.db();
        core.open_stream();
        core.no_replicas_since_ms = self.engine.clock.now_ms();
        self.publish(&core);
    }

    /// Publishes the parts of `core` that hot paths read.
    fn publish(&self, core: &Core) {
        self.offset.store(core.history.offset, Ordering::Release);
        let state = &self.engine.state;
        state.propagating.store(core.following.is_none() && core.stream.is_some(), Ordering::SeqCst);
    }

    fn new_id(&self) -> ReplId {
        self.rng.lock().hex()
    }

    fn now(&self) -> i64 {
        self.engine.clock.now_ms()
    }

    // --- For the cluster and others, from any thread; nothing here waits ---

    /// Follows the primary at this address from now on; does nothing if it is followed already.
    pub(crate) fn follow(&self, host: &str, port: u16) {
        let known = |core: &Core| core.following.as_ref().is_some_and(|old| old.host == host && old.port == port);
        if !self.is_changing() && known(&self.core.lock()) {
            return;
        }
        self.request(RoleChange::Follow { host: host.to_owned(), port }, None);
    }

    /// Follows a node of the cluster. Whoever else is at its address is not followed.
    pub(crate) fn follow_node(&self, id: &str, host: &str, port: u16) {
        *self.primary_id.lock() = Some(id.to_owned());
        self.follow(host, port);
    }

    /// Stops following: keeps the data and continues its history under a new id.
    pub(crate) fn promote(&self) {
        self.request(RoleChange::Promote, None);
    }

    /// Sets a callback for every completed sync with a primary; it must not wait. Only the first call has an effect.
    pub(crate) fn on_synced(&self, call: Box<dyn Fn() + Send + Sync>) {
        let _ = self.on_synced.set(call);
    }

    /// A sync is complete: data and offset are the primary's.
    fn synced(&self) {
        if let Some(call) = self.on_synced.get() {
            call();
        }
    }

    /// Bytes of the stream: written as a primary, applied as a replica.
    pub(crate) fn offset(&self) -> i64 {
        self.offset.load(Ordering::Acquire)
    }

    /// Whether the link to the primary is up.
    pub(crate) fn link_up(&self) -> bool {
        self.engine.state.primary_link_up.load(Ordering::Relaxed)
    }

    /// Milliseconds since something last came from the primary.
    pub(crate) fn silent_ms(&self) -> Option<i64> {
        match self.last_io_ms.load(Ordering::Relaxed) {
            0 => None,
            at => Some((self.now() - at).max(0)),
        }
    }

    /// The state of the data.
    pub(crate) fn position(&self) -> Position {
        // A requested change counts as made: the data that is in sync now may be that of another primary.
        let changing = self.is_changing();
        let core = self.core.lock();
        let synced = !changing && core.following.as_ref().is_some_and(|following| following.synced);
        Position {
            offset: core.history.offset,
            synced,
            silent_ms: core.following.as_ref().and_then(|_| self.silent_ms()),
        }
    }

    /// DEBUG CHANGE-REPL-ID.
    pub(crate) fn change_id(&self) {
        let id = self.new_id();
        self.core.lock().history.restart(id);
    }

    /// Facts for INFO and ROLE.
    pub(crate) fn info(&self) -> ReplicationInfo {
        let now = self.now();
        let failover_state = self.failover.lock().as_ref().map_or("no-failover", Failover::state_name);
        let core = self.core.lock();
        let replicas = core.replicas.values().map(|replica| ReplicaInfo {
            ip: replica.ip.clone(),
            port: replica.facts.listening_port,
            state: match replica.phase {
                Phase::Waiting => "wait_bgsave",
                Phase::Sending => "send_bulk",
                Phase::Sent | Phase::Online => "online",
            },
            offset: replica.ack,
            lag_s: (now - replica.ack_ms) / 1000,
        });
        let (start, held) = core.stream.as_ref().map_or((0, 0), |stream| (stream.start() + 1, stream.len() as i64));
        ReplicationInfo {
            primary: core.following.as_ref().map(|following| PrimaryInfo {
                host: following.host.clone(),
                port: following.port,
                link_up: following.phase == LinkPhase::Connected,
                state: following.phase.name(),
                last_io_seconds_ago: if following.phase == LinkPhase::Connected {
                    self.silent_ms().map_or(-1, |ms| ms / 1000)
                } else {
                    -1
                },
                sync: (following.phase == LinkPhase::Transfer).then_some(following.transfer),
                sync_last_io_s: (now - following.transfer.io_ms) / 1000,
                offset_known: following.phase == LinkPhase::Connected || following.resume,
                read_offset: if following.phase == LinkPhase::Connected { core.history.offset } else { -1 },
                unapplied: if following.phase == LinkPhase::Connected {
                    self.unapplied.load(Ordering::Relaxed)
                } else {
                    0
                },
                link_down_since_s: (following.phase != LinkPhase::Connected)
                    .then(|| following.down_since_ms.map_or(-1, |since| (now - since) / 1000)),
            }),
            replicas: replicas.collect(),
            good_replicas: core.good(self.engine.config.int(ids::MIN_REPLICAS_MAX_LAG), now),
            id: core.history.id,
            id2: core.history.former_id(),
            offset: core.history.offset,
            second_offset: core.history.former_offset(),
            backlog_active: core.stream.is_some(),
            backlog_size: core.backlog_size,
            backlog_first_byte: start,
            backlog_held: held,
            failover_state,
        }
    }

    // --- Replicas ---

    fn acknowledge(&self, id: ClientId, ack: Ack) {
        let now = self.now();
        let online = {
            let mut core = self.core.lock();
            core.acknowledge(id, ack, now).then(|| core.replicas.get(&id).map(core::Replica::name))
        };
        if let Some(Some(name)) = online {
            self.engine.log.notice(format_args!("Synchronization with replica {name} succeeded"));
        }
        self.acknowledged.notify_waiters();
    }

    /// A replica shows that it is alive, and nothing else.
    fn heard_of(&self, id: ClientId) {
        let now = self.now();
        if let Some(replica) = self.core.lock().replicas.get_mut(&id) {
            replica.ack_ms = now;
        }
    }

    fn snapshot_sent(&self, id: ClientId) {
        let now = self.now();
        let mut core = self.core.lock();
        let Some(replica) = core.replicas.get(&id) else { return };
        let (name, at_once) = (replica.name(), !replica.facts.capa_eof && !replica.facts.rdb_only);
        core.sent(id, at_once, now);
        drop(core);
        if at_once {
            self.engine.log.notice(format_args!("Synchronization with replica {name} succeeded"));
        } else {
            self.engine.log.notice(format_args!("Streamed RDB transfer with replica {name} succeeded (socket). Waiting for REPLCONF ACK from slave to enable streaming"));
        }
    }

    /// The link of a replica has ended.
    fn lost_replica(&self, id: ClientId) {
        self.sources.lock().remove(&id);
        self.engine.clients.remove(id);
        let gone = self.core.lock().detach(id, self.now());
        if let Some(replica) = gone {
            self.engine.log.notice(format_args!("Connection with replica {} lost.", replica.name()));
        }
        self.core.lock().trim();
    }

    /// Closes the link of a replica.
    fn drop_replica(&self, id: ClientId) {
        if let Some(client) = self.engine.clients.get(id) {
            client.kill();
        }
    }

    /// Orders a snapshot for waiting replicas, unless one is ordered. With `now` false a large data set waits for more
    /// of them.
    fn order_sync(&self, now: bool) {
        let Some(this) = self.me.upgrade() else { return };
        let mut core = self.core.lock();
        let waiting: Vec<i64> =
            core.replicas.values().filter(|r| r.phase == Phase::Waiting).map(|replica| replica.since_ms).collect();
        let Some(first) = waiting.iter().min() else { return };
        // A partial data set is not sent; the next tick checks again.
        if core.sync_ordered || self.engine.state.loading.load(Ordering::Relaxed) {
            return;
        }
        let config = &self.engine.config;
        let delay_ms = config.int(ids::REPL_DISKLESS_SYNC_DELAY) * 1000;
        let enough = config.int(ids::REPL_DISKLESS_SYNC_MAX_REPLICAS) as usize;
        let keyspace = &self.engine.keyspace;
        let small = (0..keyspace.databases()).map(|db| keyspace.len(db)).sum::<usize>() <= SMALL_DATA_SET;
        let due = now || small || self.now() - first >= delay_ms || (enough > 0 && waiting.len() >= enough);
        if !due {
            return;
        }
        core.sync_ordered = true;
        drop(core);
        let mark = self.new_id();
        self.persistence.snapshots.submit(Box::new(SyncJob::new(this, mark)));
    }

    fn cron(&self, last_ping: &mut i64) {
        let now = self.now();
        let config = &self.engine.config;
        let limits = config.buffer_limits().replica;
        // A hard limit below the backlog would end every partial resynchronisation at once (Redis).
        let hard =
            if limits.hard_bytes == 0 { 0 } else { limits.hard_bytes.max(config.memory(ids::REPL_BACKLOG_SIZE)) };
        let limit = LagLimit { hard, soft: limits.soft_bytes, soft_seconds: limits.soft_seconds };
        let timeout_ms = config.int(ids::REPL_TIMEOUT) * 1000;
        self.make_changes();
        self.check_failover(now);
        let mut core = self.core.lock();
        let overdue = core.overdue(now, timeout_ms, limit);
        let quiet = self.writes_are_paused(now);
        if now - *last_ping >= config.int(ids::REPL_PING_REPLICA_PERIOD) * 1000 && core.following.is_none() && !quiet {
            *last_ping = now;
            if !core.replicas.is_empty() {
                self.append_ping(&mut core);
            }
        }
        let ttl = config.int(ids::REPL_BACKLOG_TTL);
        if core.backlog_is_stale(now, ttl) {
            let id = self.new_id();
            core.drop_backlog(id);
            self.engine
                .log
                .notice(format_args!("Replication backlog freed after {ttl} seconds without connected replicas."));
        }
        self.publish(&core);
        drop(core);
        for (id, why) in overdue {
            self.engine.log.warning(format_args!("{why}"));
            self.drop_replica(id);
        }
        self.order_sync(false);
    }

    /// A ping in the stream; it needs no database.
    fn append_ping(&self, core: &mut Core) {
        core.append_plain(b"*1\r\n$4\r\nPING\r\n");
    }

    fn writes_are_paused(&self, now: i64) -> bool {
        self.engine.state.paused(now).0 != crate::engine::state::PauseKind::None
    }

    /// Ends all links; the node stops.
    pub(crate) fn stop(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        let core = self.core.lock();
        if let Some(following) = &core.following {
            following.stop.notify_one();
        }
        for replica in core.replicas.values() {
            replica.handle.kill();
        }
    }
}

impl Feed for Replication {
    fn append(&self, ops: &[(usize, Args<'_>)]) {
        let mut core = self.engine.contention.feed_waits.lock(&self.core);
        core.append(ops);
        self.offset.store(core.history.offset, Ordering::Release);
    }

    fn offset(&self) -> i64 {
        self.offset.load(Ordering::Acquire)
    }

    fn replicas(&self) -> usize {
        self.core.lock().replicas.len()
    }

    fn good_replicas(&self, max_lag_s: i64) -> usize {
        self.core.lock().good(max_lag_s, self.now())
    }
}

impl StreamPosition for Replication {
    fn hold(&self) -> MutexGuard<'_, ()> {
        self.applying.lock()
    }

    fn saved(&self) -> Option<SavedHistory> {
        let core = self.core.lock();
        core.stream.as_ref()?;
        let stream_db = match &core.following {
            Some(following) => following.db as i64,
            None => core.selected.unwrap_or(0) as i64,
        };
        Some(SavedHistory { stream_db, repl_id: core.history.id, repl_offset: core.history.offset })
    }
}

impl Service for Replication {
    fn call(&self, index: usize, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
        (commands::COMMANDS[index].handler)(self, ctx, args)
    }
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
