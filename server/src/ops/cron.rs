//! The node's periodic work, ten times a second, on the control thread: rates for INFO, expiry and eviction of keys,
//! idle clients, and clients that do not read their output.
//!
//! An idle node must cost next to nothing, so a tick is a few loads of atomics. Work that visits every client runs once
//! a second, and only if a directive asks for it. Expiry is done in small portions, with the thread's other tasks in
//! between.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Ops;
use crate::config::{BufferLimit, BufferLimits, ids};
use crate::engine::stats::bump;
use crate::runtime::threads::Spawner;
use crate::session::client::{ClientHandle, ClientId, ClientKind};

const PERIOD: Duration = Duration::from_millis(100);
/// Ticks between checks of memory and clients.
const SLOW: u32 = 10;
/// How long eviction waits for what is being freed.
const FREEING: Duration = Duration::from_millis(1);
/// Keys that expire before other tasks run.
const EXPIRE_BUDGET: usize = 256;
/// How long expiry may take per tick: a quarter of it, as in Redis.
const EXPIRE_TIME: Duration = Duration::from_millis(25);

/// Since when a client has been above its soft limit, milliseconds.
type Above = HashMap<ClientId, i64>;

impl Ops {
    /// Starts the ticks; they end with the node.
    pub(crate) fn start(self: &Arc<Self>, control: &Spawner) {
        assert!(self.control.set(control.clone()).is_ok(), "a node is started once");
        let this = Arc::downgrade(self);
        control.spawn(move |_| async move {
            let mut ticks = tokio::time::interval(PERIOD);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut above = Above::new();
            for tick in 0_u32.. {
                ticks.tick().await;
                let Some(this) = this.upgrade() else { return };
                let now = this.engine.clock.now_ms();
                if this.engine.state.stopping.load(Ordering::Relaxed) {
                    return;
                }
                if this.rests() {
                    continue;
                }
                this.engine.info.sample(&this.engine);
                this.expire().await;
                this.evict();
                this.engine.settle_tracking();
                if tick % SLOW == 0 {
                    this.engine.info.sample_memory();
                    this.close_idle(now);
                    this.engine.kept_links.tidy(now);
                    this.close_slow_readers(now, &mut above);
                }
            }
        });
    }

    async fn expire(&self) {
        let started = Instant::now();
        while self.engine.expire_cycle(EXPIRE_BUDGET) >= EXPIRE_BUDGET {
            if started.elapsed() > EXPIRE_TIME {
                bump(&self.engine.stats.expired_time_cap_reached);
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Whether nothing is done at present.
    fn rests(&self) -> bool {
        let state = &self.engine.state;
        state.cron_paused.load(Ordering::Relaxed)
            || state.stopping.load(Ordering::Relaxed)
            || state.asleep_ms(self.engine.clock.now_ms()) > 0
    }

    /// Has room made that commands had to leave, until there is enough, without a pause: when the limit was lowered,
    /// nobody else may come to do it (Redis: `evictionTimeProc`). The other tasks of the thread have their turns in
    /// between, the next ticks among them.
    fn evict(self: &Arc<Self>) {
        let Some(control) = self.control.get() else { return };
        if !self.engine.eviction_is_due() || self.evicting.swap(true, Ordering::Relaxed) {
            return;
        }
        let this = Arc::downgrade(self);
        control.spawn(move |_| async move {
            while let Some(this) = this.upgrade() {
                let goes_on = !this.rests() && this.engine.evict_cycle();
                this.engine.settle_tracking();
                let waits = !goes_on && !this.rests() && this.engine.eviction_awaits_freeing();
                if !goes_on && !waits {
                    this.evicting.store(false, Ordering::Relaxed);
                    return;
                }
                drop(this);
                if waits {
                    tokio::time::sleep(FREEING).await;
                } else {
                    tokio::task::yield_now().await;
                }
            }
        });
    }

    /// `timeout`: closes ordinary clients that were idle for so long.
    fn close_idle(&self, now: i64) {
        let limit_ms = self.engine.config.int(ids::TIMEOUT).saturating_mul(1000);
        if limit_ms == 0 {
            return;
        }
        for client in self.engine.clients.all() {
            let stats = &client.stats;
            let waits = stats.is_owed.load(Ordering::Relaxed) || client.subscription_count() > 0;
            let idle_ms = now - stats.last_interaction_ms.load(Ordering::Relaxed);
            let is_ordinary = client.kind() == ClientKind::Normal && !stats.monitor.load(Ordering::Relaxed);
            if is_ordinary && !waits && idle_ms > limit_ms {
                self.engine.kill_client(&client);
            }
        }
    }

    /// `client-output-buffer-limit`: closes clients that leave too much output unread, or much for too long.
    fn close_slow_readers(&self, now: i64, above: &mut Above) {
        let limits = self.engine.config.buffer_limits();
        if [limits.normal, limits.replica, limits.pubsub]
            .iter()
            .all(|limit| limit.hard_bytes == 0 && limit.soft_bytes == 0)
        {
            above.clear();
            return;
        }
        let mut still = Above::new();
        for client in self.engine.clients.all() {
            let unread = (client.stats.output_buffer.load(Ordering::Relaxed) + client.mail_bytes()) as u64;
            if unread == 0 {
                continue;
            }
            let since = above.get(&client.id).copied();
            match judge(limit_of(&client, &limits), unread, since, now) {
                Verdict::Fine => {}
                Verdict::Above(since) => {
                    still.insert(client.id, since);
                }
                Verdict::Close => self.engine.close_slow_reader(&client),
            }
        }
        *above = still;
    }
}

fn limit_of(client: &ClientHandle, limits: &BufferLimits) -> BufferLimit {
    match client.kind() {
        // The primary's stream is not a client that may be disconnected.
        ClientKind::Primary => BufferLimit { hard_bytes: 0, soft_bytes: 0, soft_seconds: 0 },
        ClientKind::Replica => limits.replica,
        ClientKind::PubSub => limits.pubsub,
        ClientKind::Normal if client.subscription_count() > 0 => limits.pubsub,
        ClientKind::Normal if client.stats.monitor.load(Ordering::Relaxed) => limits.of_monitors(),
        ClientKind::Normal => limits.normal,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Fine,
    /// Above the soft limit since then.
    Above(i64),
    Close,
}

/// Redis: `checkClientOutputBufferLimits`.
fn judge(limit: BufferLimit, unread: u64, since: Option<i64>, now: i64) -> Verdict {
    if limit.hard_bytes != 0 && unread >= limit.hard_bytes {
        return Verdict::Close;
    }
    if limit.soft_bytes == 0 || unread < limit.soft_bytes {
        return Verdict::Fine;
    }
    match since {
        Some(since) if now - since > limit.soft_seconds.saturating_mul(1000) => Verdict::Close,
        since => Verdict::Above(since.unwrap_or(now)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_soft_limit_must_be_exceeded_without_a_break() {
        let limit = BufferLimit { hard_bytes: 100, soft_bytes: 10, soft_seconds: 2 };
        assert_eq!(judge(limit, 9, Some(0), 9999), Verdict::Fine);
        assert_eq!(judge(limit, 10, None, 1000), Verdict::Above(1000));
        assert_eq!(judge(limit, 10, Some(1000), 3000), Verdict::Above(1000));
        assert_eq!(judge(limit, 10, Some(1000), 3001), Verdict::Close);
        assert_eq!(judge(limit, 100, None, 0), Verdict::Close);
    }

    #[test]
    fn zero_is_no_limit() {
        let limit = BufferLimit { hard_bytes: 0, soft_bytes: 0, soft_seconds: 0 };
        assert_eq!(judge(limit, u64::MAX, Some(0), i64::MAX), Verdict::Fine);
    }
}
