//! CLUSTER SLOT-STATS: how many keys the slots of this shard have, and, with `cluster-slot-stats-enabled`, what they
//! use. Valkey 8.
//!
//! Key counts are as they were published, so no slot is locked. The other figures are counted in
//! [`crate::engine::slot_use`].

use std::cmp::Reverse;
use std::sync::Arc;

use protocol::resp::Args;
use protocol::slot::SlotId;

use super::driver::Cluster;
use crate::base::number::parse_i64;
use crate::command::keys::slot_of;
use crate::command::{CmdError, error};
use crate::engine::handler::{Handled, SessionCtx, SessionResult};

/// The names of the figures; without the directive there is only the first.
const METRICS: [&str; 4] = ["key-count", "cpu-usec", "network-bytes-in", "network-bytes-out"];

/// A slot and its figures.
type Stats = (SlotId, [u64; METRICS.len()]);

pub(super) fn slot_stats(_: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let is = |word: &[u8]| args[2].eq_ignore_ascii_case(word);
    let metrics = if ctx.engine.hot.load().slot_stats { &METRICS[..] } else { &METRICS[..1] };
    let stats = if is(b"SLOTSRANGE") && args.len() == 5 {
        let (first, last) = (slot_of(&args[3])?, slot_of(&args[4])?);
        if first > last {
            return Err(CmdError::new(format!("ERR Start slot number {first} is greater than end slot number {last}")));
        }
        served(ctx).filter(|(slot, _)| (first..=last).contains(slot)).collect()
    } else if is(b"ORDERBY") {
        let order = Order::parse(args, metrics)?;
        order.apply(served(ctx).collect())
    } else {
        return Err(error::unknown_or_arity("CLUSTER", &args[1]));
    };
    ctx.reply.array(stats.len());
    for (slot, figures) in stats {
        ctx.reply.array(2);
        ctx.reply.int(i64::from(slot.get()));
        ctx.reply.map(metrics.len());
        for (name, figure) in metrics.iter().zip(figures) {
            ctx.reply.bulk_str(name);
            ctx.reply.int(figure as i64);
        }
    }
    Ok(Handled::Done)
}

/// The slots of this node's shard, in ascending order.
fn served<'a>(ctx: &SessionCtx<'a, '_>) -> impl Iterator<Item = Stats> + use<'a> {
    let (engine, router) = (ctx.engine, ctx.engine.router());
    let databases: Vec<usize> = engine.keyspace.used().collect();
    SlotId::all().filter(move |slot| router.as_ref().is_none_or(|router| router.serves(*slot))).map(move |slot| {
        let used = engine.slot_use.of(slot);
        let keys: usize = databases.iter().map(|db| engine.keyspace.slot_len(*db, slot)).sum();
        (slot, [keys as u64, used.cpu_us, used.bytes_in, used.bytes_out])
    })
}

/// What follows ORDERBY.
struct Order {
    /// Number of the figure.
    metric: usize,
    limit: usize,
    ascending: bool,
}

impl Order {
    fn parse(args: Args<'_>, metrics: &[&str]) -> Result<Self, CmdError> {
        const ALL: i64 = protocol::slot::SLOT_COUNT as i64;
        let metric = metrics
            .iter()
            .position(|name| args[3].eq_ignore_ascii_case(name.as_bytes()))
            .ok_or(CmdError::text("ERR Unrecognized sort metric for ORDERBY."))?;
        let (mut limit, mut ascending) = (None, None);
        let mut at = 4;
        while let Some(word) = args.get(at) {
            let is_second = if let Some(value) = args.get(at + 1).filter(|_| word.eq_ignore_ascii_case(b"LIMIT")) {
                at += 1;
                let value = parse_i64(value)
                    .filter(|value| (1..=ALL).contains(value))
                    .ok_or(CmdError::text("ERR Limit has to lie in between 1 and 16384 (maximum number of slots)."))?;
                limit.replace(value as usize).is_some()
            } else if word.eq_ignore_ascii_case(b"ASC") || word.eq_ignore_ascii_case(b"DESC") {
                ascending.replace(word.eq_ignore_ascii_case(b"ASC")).is_some()
            } else {
                return Err(error::SYNTAX);
            };
            if is_second {
                return Err(CmdError::text("ERR Multiple filters of the same type are disallowed."));
            }
            at += 1;
        }
        Ok(Self { metric, limit: limit.unwrap_or(ALL as usize), ascending: ascending.unwrap_or(false) })
    }

    /// Slots with the same figure stay in ascending order.
    fn apply(&self, mut stats: Vec<Stats>) -> Vec<Stats> {
        if self.ascending {
            stats.sort_by_key(|(_, figures)| figures[self.metric]);
        } else {
            stats.sort_by_key(|(_, figures)| Reverse(figures[self.metric]));
        }
        stats.truncate(self.limit);
        stats
    }
}
