//! SLOTD CONTENTION: how often threads of this node were in each other's way, for who wants to know whether more cores would help.
//!
//! It has no place in INFO, whose fields are Redis's, and it takes no permission beside that for administration: it only reads.

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
