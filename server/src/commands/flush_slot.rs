//! CLUSTER FLUSHSLOT: removes the keys of one slot, in all databases. Valkey 9.
//!
//! Replicas are told of each key, as Valkey tells them, since those of Redis do not know the command. As a slot that
//! moves to another node is emptied, no keyspace event is published. Values are freed after the slot is unlocked, so
//! ASYNC and SYNC do the same. The slot need not be this node's: keys that a broken migration left behind can be
//! removed so.

use protocol::resp::Args;

use crate::command::keys::slot_of;
use crate::command::outcome::DONE;
use crate::command::{Arity, CmdResult, Declared, Flags, Group, KeyspaceCtx, KeyspaceFn, error};
use crate::store::Cause;

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyspaceFn>] = &[Declared::sub(
    "CLUSTER",
    "FLUSHSLOT",
    Arity::at_least(3),
    Group::Cluster,
    Flags::WRITE.and(Flags::ADMIN).and(Flags::NO_ASYNC_LOADING),
    flush_slot as KeyspaceFn,
)
.since("9.0.0")
.summary("Removes all keys from the target slot.")
.complexity("O(N) where N is the number of keys in the target slot")
.syntax("slot:integer [flush-type:<'async|'sync>]")];

/// Keys that are removed before their deletion is propagated.
const BATCH: usize = 256;

fn flush_slot(ctx: &mut KeyspaceCtx<'_>, args: Args<'_>) -> CmdResult {
    if !ctx.limits.cluster_enabled {
        return Err(error::CLUSTER_DISABLED);
    }
    if args.len() > 4 {
        return Err(error::unknown_or_arity("CLUSTER", &args[1]));
    }
    let id = slot_of(&args[2])?;
    match args.get(3) {
        None => {}
        Some(word) if word.eq_ignore_ascii_case(b"ASYNC") || word.eq_ignore_ascii_case(b"SYNC") => {}
        Some(_) => return Err(error::SYNTAX),
    }
    let keyspace = ctx.keyspace;
    // All at once, in the order of locks: a command that is held has done nothing.
    let mut slots = Vec::new();
    for db in keyspace.used() {
        slots.push((db, ctx.lock(db, id)?));
    }
    for (db, slot) in &mut slots {
        loop {
            let hash = |key: &[u8]| keyspace.hash(key);
            let removed = slot.remove_some(BATCH, hash, (*db, id), Cause::Moved, ctx.effects);
            ctx.effects.dirty += removed as u64;
            ctx.effects.propagate_nothing();
            (ctx.settle)(ctx.effects);
            if removed == 0 {
                break;
            }
        }
    }
    ctx.reply.ok();
    DONE
}

#[cfg(test)]
#[path = "flush_slot_tests.rs"]
mod tests;
