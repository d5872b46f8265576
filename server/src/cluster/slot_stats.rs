//! CLUSTER SLOT-STATS: how many keys the slots of this shard have. Valkey 8.
//!
//! Valkey can also count CPU time and traffic per slot (`cluster-slot-stats-enabled`), which costs every command.
//! slotd does not: the replies are those of Valkey without that directive. Key counts are as they were published, so no
//! slot is locked.

use std::sync::Arc;

use protocol::resp::Args;
use protocol::slot::SlotId;

use super::driver::Cluster;
use crate::base::number::parse_i64;
use crate::command::keys::slot_of;
use crate::command::{CmdError, error};
use crate::engine::handler::{Handled, SessionCtx, SessionResult};

/// A slot and the number of its keys.
type Count = (SlotId, usize);

pub(super) fn slot_stats(_: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let is = |word: &[u8]| args[2].eq_ignore_ascii_case(word);
    let counts = if is(b"SLOTSRANGE") && args.len() == 5 {
        let (first, last) = (slot_of(&args[3])?, slot_of(&args[4])?);
        if first > last {
            return Err(CmdError::new(format!("ERR Start slot number {first} is greater than end slot number {last}")));
        }
        served(ctx).filter(|(slot, _)| (first..=last).contains(slot)).collect()
    } else if is(b"ORDERBY") {
        let order = Order::parse(args)?;
        order.apply(served(ctx).collect())
    } else {
        return Err(error::unknown_or_arity("CLUSTER", &args[1]));
    };
    ctx.reply.array(counts.len());
    for (slot, keys) in counts {
        ctx.reply.array(2);
        ctx.reply.int(i64::from(slot.get()));
        ctx.reply.map(1);
        ctx.reply.bulk_str("key-count");
        ctx.reply.int(keys as i64);
    }
    Ok(Handled::Done)
}

/// The slots of this node's shard, in ascending order.
fn served<'a>(ctx: &SessionCtx<'a, '_>) -> impl Iterator<Item = Count> + use<'a> {
    let (engine, router) = (ctx.engine, ctx.engine.router());
    SlotId::all()
        .filter(move |slot| router.as_ref().is_none_or(|router| router.serves(*slot)))
        .map(move |slot| (slot, engine.keyspace.slot_len(0, slot)))
}

/// What follows ORDERBY.
struct Order {
    limit: usize,
    ascending: bool,
}

impl Order {
    fn parse(args: Args<'_>) -> Result<Self, CmdError> {
        const ALL: i64 = protocol::slot::SLOT_COUNT as i64;
        if !args[3].eq_ignore_ascii_case(b"key-count") {
            return Err(CmdError::text("ERR Unrecognized sort metric for ORDERBY."));
        }
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
        Ok(Self { limit: limit.unwrap_or(ALL as usize), ascending: ascending.unwrap_or(false) })
    }

    /// Slots with as many keys stay in ascending order.
    fn apply(&self, mut counts: Vec<Count>) -> Vec<Count> {
        if self.ascending {
            counts.sort_by_key(|(_, keys)| *keys);
        } else {
            counts.sort_by_key(|(_, keys)| std::cmp::Reverse(*keys));
        }
        counts.truncate(self.limit);
        counts
    }
}
