//! Sections with one line per item.

use std::sync::atomic::Ordering;
use std::time::Duration;

use protocol::slot::SlotId;

use super::safe_name;
use crate::base::number::parse_f64;
use crate::config::ids;
use crate::engine::Engine;
use crate::engine::info::InfoWriter;

/// Keys whose time to live is read for `avg_ttl`.
const TTL_SAMPLES: usize = 64;
/// Slots that are locked for it, and how long the caller waits for each.
const TTL_SLOTS: usize = 16;
const TTL_PATIENCE: Duration = Duration::from_millis(1);

/// Commands that were called or refused.
pub(super) fn command_stats(engine: &Engine, out: &mut InfoWriter) {
    for command in engine.registry.iter() {
        let stats = engine.stats.command(command.index);
        let [calls, usec, rejected, failed] =
            [&stats.calls, &stats.usec, &stats.rejected, &stats.failed].map(|counter| counter.load(Ordering::Relaxed));
        if calls == 0 && rejected == 0 && failed == 0 {
            continue;
        }
        let per_call = if calls == 0 { 0.0 } else { usec as f64 / calls as f64 };
        out.field(
            &format!("cmdstat_{}", safe_name(&command.full_name)),
            format_args!(
                "calls={calls},usec={usec},usec_per_call={per_call:.2},rejected_calls={rejected},failed_calls={failed}"
            ),
        );
    }
}

/// Error codes that were sent to clients.
pub(super) fn error_stats(engine: &Engine, out: &mut InfoWriter) {
    for (code, count) in engine.stats.errors() {
        out.field(&format!("errorstat_{}", safe_name(&code)), format_args!("count={count}"));
    }
}

/// Percentiles of the latencies of commands that were called, in microseconds.
pub(super) fn latency_stats(engine: &Engine, out: &mut InfoWriter) {
    if !engine.latencies.is_on() {
        return;
    }
    let percents = engine.config.string(ids::LATENCY_TRACKING_INFO_PERCENTILES);
    let percents: Vec<(&str, f64)> =
        percents.split(' ').filter_map(|text| Some((text, parse_f64(text.as_bytes())?))).collect();
    for command in engine.registry.iter() {
        let Some(latencies) = engine.latencies.of(command.index) else { continue };
        let shown = percents.iter().map(|(text, percent)| {
            let us = latencies.percentile(*percent) as f64 / 1000.0;
            format!("p{text}={us:.3}")
        });
        let shown: Vec<String> = shown.collect();
        out.field(&format!("latency_percentiles_usec_{}", safe_name(&command.full_name)), shown.join(","));
    }
}

/// Databases that hold keys.
pub(super) fn keyspace(engine: &Engine, out: &mut InfoWriter) {
    let now = engine.clock.now_ms();
    for db in 0..engine.keyspace.databases() {
        let keys = engine.keyspace.len(db);
        if keys > 0 {
            let expires = engine.keyspace.expires_len(db);
            let ttl = average_ttl(engine, db, now);
            let name = format!("db{db}");
            // As Redis 7.4 and later say it.
            let timed = match engine.keyspace.timed_len(db) {
                0 => String::new(),
                timed => format!(",subexpiry={timed}"),
            };
            out.field(&name, format_args!("keys={keys},expires={expires},avg_ttl={ttl}{timed}"));
        }
    }
}

/// The average time to live of some keys that have one, milliseconds.
fn average_ttl(engine: &Engine, db: usize, now: i64) -> i64 {
    // Expiry times span all of i64, so their sum needs a wider type.
    let (mut sum, mut count) = (0i128, 0i128);
    'slots: for slot in engine.keyspace.with_expiry(db, SlotId::FIRST).take(TTL_SLOTS) {
        // This is an estimate: a slot that a long command holds is left out.
        let Some(slot) = engine.keyspace.lock_within(db, slot, TTL_PATIENCE) else { continue };
        // A big slot is not searched to its end, since others wait for its lock meanwhile.
        for at in slot.iter().take(TTL_SAMPLES * 4).filter_map(crate::store::EntryRef::expire_at) {
            sum += i128::from(at.saturating_sub(now).max(0));
            count += 1;
            if count == TTL_SAMPLES as i128 {
                break 'slots;
            }
        }
    }
    (sum / count.max(1)) as i64
}
