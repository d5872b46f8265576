//! Facts about the node that many places read and few change.
//!
//! All of them are atomics, so that a gate costs one load. Each field says what may change it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::base::rng::Rng;
use crate::command::Role;
use crate::runtime::task_group::TaskGroup;

/// What CLIENT PAUSE (or a manual failover) holds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum PauseKind {
    None = 0,
    /// Commands that may change data.
    Writes = 1,
    /// Everything.
    All = 2,
}

/// The node's state.
pub(crate) struct NodeState {
    /// 40 hex digits, new at every start (INFO run_id).
    pub run_id: String,
    pub started_ms: i64,
    /// This node is a replica. Changed by replication only.
    pub replica: AtomicBool,
    /// The link to the primary is up. Changed by replication only.
    pub primary_link_up: AtomicBool,
    /// Replicas may not copy this node's data, since they may have data that it lacks. Changed by the cluster only.
    pub withholding: AtomicBool,
    /// A data set is being loaded. Changed by persistence and replication.
    pub loading: AtomicBool,
    /// Loading goes on beside the old data set, which may still be read.
    pub async_loading: AtomicBool,
    /// Changes have a reader (a backlog exists). Changed by the feed only.
    pub propagating: AtomicBool,
    /// Changes since the last successful save. Added to by the engine, lowered by persistence.
    pub dirty: AtomicI64,
    /// The last background save failed. Changed by persistence only.
    pub save_failed: AtomicBool,
    /// DEBUG SET-ACTIVE-EXPIRE.
    pub active_expire: AtomicBool,
    /// Where the expiry cycle continues: database and slot. Changed by the cycle only.
    pub expire_cursor: AtomicU32,
    /// Slots that were locked when the expiry cycle reached them, encoded like the cursor. Changed by the cycle only.
    pub expire_missed: Mutex<Vec<u32>>,
    /// DEBUG PAUSE-CRON.
    pub cron_paused: AtomicBool,
    /// DEBUG QUICKLIST-PACKED-THRESHOLD, bytes; 0 is the default.
    pub list_packed_threshold: AtomicU64,
    /// DEBUG SET-SKIP-CHECKSUM-VALIDATION.
    pub skip_checksums: AtomicBool,
    /// The node is shutting down.
    pub stopping: AtomicBool,
    /// Every background task of this node.
    pub tasks: Arc<TaskGroup>,
    /// A requested stop, with its exit status.
    stop: watch::Sender<Option<i32>>,
    /// The packed pause of each purpose ([`pack_pause`]); 0 is none. One word each, so that no reader sees half of a
    /// change.
    pauses: [AtomicI64; PURPOSES],
    /// Wakes paused connections.
    pub unpaused: Notify,
    seeds: Mutex<Rng>,
}

/// What a pause is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum PausePurpose {
    /// CLIENT PAUSE.
    Client = 0,
    /// A failover (manual failover in a cluster, FAILOVER).
    Failover = 1,
    /// A shutdown: from the wait for replicas, or the start of its save, until the node has ended.
    Shutdown = 2,
    /// DEBUG SLEEP, which stops the cluster bus as well.
    Sleep = 3,
    /// DEBUG RELOAD: anything written between its save and its load would be lost.
    Reload = 4,
}

/// The number of purposes.
const PURPOSES: usize = 5;

/// The end of a pause (unix milliseconds) above its kind. An end that does not fit counts as never.
fn pack_pause(kind: PauseKind, until_ms: i64) -> i64 {
    until_ms.clamp(0, i64::MAX >> 2) << 2 | kind as i64
}

/// The kind's bits, and the end.
fn unpack_pause(packed: i64) -> (u8, i64) {
    ((packed & 3) as u8, packed >> 2)
}

impl NodeState {
    pub(crate) fn new(seed: u64, started_ms: i64) -> Self {
        let mut rng = Rng::new(seed);
        let mut raw = [0u8; 20];
        rng.fill(&mut raw);
        let run_id = raw.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            run_id,
            started_ms,
            replica: AtomicBool::new(false),
            primary_link_up: AtomicBool::new(false),
            withholding: AtomicBool::new(false),
            loading: AtomicBool::new(false),
            async_loading: AtomicBool::new(false),
            propagating: AtomicBool::new(false),
            dirty: AtomicI64::new(0),
            save_failed: AtomicBool::new(false),
            active_expire: AtomicBool::new(true),
            expire_cursor: AtomicU32::new(0),
            expire_missed: Mutex::default(),
            cron_paused: AtomicBool::new(false),
            list_packed_threshold: AtomicU64::new(0),
            skip_checksums: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            tasks: TaskGroup::new(),
            stop: watch::Sender::new(None),
            pauses: std::array::from_fn(|_| AtomicI64::new(0)),
            unpaused: Notify::new(),
            seeds: Mutex::new(rng),
        }
    }

    /// A fresh seed for a session or a service.
    pub(crate) fn seed(&self) -> u64 {
        self.seeds.lock().next_u64()
    }

    /// Asks the runtime to stop the node with this exit status. The first request counts.
    pub(crate) fn request_stop(&self, status: i32) {
        self.stop.send_if_modified(|asked| {
            let is_first = asked.is_none();
            if is_first {
                *asked = Some(status);
            }
            is_first
        });
    }

    /// A receiver of that request, for a task that must not keep the node alive.
    pub(crate) fn watch_stop(&self) -> watch::Receiver<Option<i32>> {
        self.stop.subscribe()
    }

    /// Waits until a stop is requested; returns the exit status.
    pub(crate) async fn stop_requested(&self) -> i32 {
        let mut asked = self.stop.subscribe();
        match asked.wait_for(Option::is_some).await {
            Ok(status) => status.unwrap_or(0),
            // The sender lives as long as this state.
            Err(_) => 0,
        }
    }

    pub(crate) fn is_replica(&self) -> bool {
        self.replica.load(Ordering::Relaxed)
    }

    /// Pauses for `purpose`. A longer or stricter pause in force is kept (Redis: `pauseClients`).
    pub(crate) fn pause(&self, purpose: PausePurpose, kind: PauseKind, until_ms: i64) {
        let (new_kind, new_until) = unpack_pause(pack_pause(kind, until_ms));
        let merge = |old| {
            let (old_kind, old_until) = unpack_pause(old);
            Some(new_until.max(old_until) << 2 | i64::from(new_kind.max(old_kind)))
        };
        // Cannot fail: `merge` always has an answer.
        let _ = self.pauses[purpose as usize].fetch_update(Ordering::SeqCst, Ordering::SeqCst, merge);
    }

    /// Ends the pause for `purpose` and wakes the commands that it held.
    pub(crate) fn unpause(&self, purpose: PausePurpose) {
        self.pauses[purpose as usize].store(0, Ordering::SeqCst);
        self.unpaused.notify_waiters();
    }

    /// What is paused now, and until when. Several pauses may be in force at once; the strictest kind and the latest
    /// end count.
    #[inline(always)]
    pub(crate) fn paused(&self, now: i64) -> (PauseKind, i64) {
        let [a, b, c, d, e] = &self.pauses;
        let any = [a, b, c, d, e].map(|pause| pause.load(Ordering::Relaxed)).iter().fold(0, |any, pause| any | pause);
        if any == 0 { (PauseKind::None, 0) } else { self.strictest_pause(now) }
    }

    #[cold]
    fn strictest_pause(&self, now: i64) -> (PauseKind, i64) {
        let (mut kind, mut until) = (0, 0);
        for pause in &self.pauses {
            let packed = pause.load(Ordering::Relaxed);
            let (this_kind, this_until) = unpack_pause(packed);
            if packed != 0 && this_until <= now {
                // The pause is over. Only this very pause is cleared, not one that begins meanwhile.
                let _ = pause.compare_exchange(packed, 0, Ordering::SeqCst, Ordering::Relaxed);
                continue;
            }
            kind = kind.max(this_kind);
            until = until.max(this_until);
        }
        let kind = match kind {
            0 => PauseKind::None,
            1 => PauseKind::Writes,
            _ => PauseKind::All,
        };
        (kind, until)
    }

    /// How long DEBUG SLEEP still lasts, milliseconds; 0 if the node is awake.
    pub(crate) fn asleep_ms(&self, now: i64) -> i64 {
        (unpack_pause(self.pauses[PausePurpose::Sleep as usize].load(Ordering::Relaxed)).1 - now).max(0)
    }

    /// How a client's commands treat expired keys: while writes are paused nothing may change, not even by expiry.
    #[inline(always)]
    pub(crate) fn role(&self, now: i64) -> Role {
        if self.is_replica() || self.paused(now).0 != PauseKind::None { Role::Replica } else { Role::Primary }
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
