//! SLOTD CONTENTION: how often threads of this node waited for each other, which shows whether more cores would help.
//!
//! It is not part of INFO, whose fields are Redis's. It needs no permission beyond the one for administration, since it
//! only reads.

use protocol::resp::reply::Reply;

use crate::engine::Engine;

/// Writes every counter with its name.
pub(super) fn write(engine: &Engine, reply: &mut Reply<'_>) {
    let counters = engine.contention();
    reply.map(counters.len());
    for (name, waits) in counters {
        reply.bulk(name.as_bytes());
        reply.int(i64::try_from(waits.get()).unwrap_or(i64::MAX));
    }
}
