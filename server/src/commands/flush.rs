//! Commands on whole databases: FLUSHDB, FLUSHALL, SWAPDB. They run alone, between everyone else's commands.
//!
//! Tables are taken out of their slots and dropped afterwards; with ASYNC in a thread of their own. FLUSHALL also asks for the file
//! on disk to be emptied, since a crash must not bring back what is acknowledged as removed. Redis: db.c.

use protocol::resp::Args;
use protocol::slot::{SlotBitmap, SlotId};

use super::integer;
use crate::command::outcome::DONE;
use crate::command::{Arity, CmdError, CmdResult, Declared, Flags, Group, KeyspaceCtx, KeyspaceFn, error};

/// The commands of this file.
pub static COMMANDS: &[Declared<KeyspaceFn>] = &[
    Declared::new(
        "FLUSHALL",
        Arity::at_least(1),
        Group::Server,
        Flags::WRITE.and(Flags::ACL_DANGEROUS).and(Flags::ACL_KEYSPACE).and(Flags::EXCLUSIVE),
        flushall as KeyspaceFn,
    )
    .summary("Remove all keys from all databases")
    .complexity("O(N) where N is the total number of keys in all databases")
    .syntax("[async:<'ASYNC@4.0.0|'SYNC@6.2.0>]")
    .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
    .history(&[
        ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
        ("6.2.0", "Added the `SYNC` flushing mode modifier."),
    ]),
    Declared::new(
        "FLUSHDB",
        Arity::at_least(1),
        Group::Server,
        Flags::WRITE.and(Flags::ACL_DANGEROUS).and(Flags::ACL_KEYSPACE).and(Flags::EXCLUSIVE),
        flushdb as KeyspaceFn,
    )
    .summary("Remove all keys from the current database")
    .complexity("O(N) where N is the number of keys in the selected database")
    .syntax("[async:<'ASYNC@4.0.0|'SYNC@6.2.0>]")
    .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
    .history(&[
        ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
        ("6.2.0", "Added the `SYNC` flushing mode modifier."),
    ]),
    Declared::new(
        "SWAPDB",
        Arity::exactly(3),
        Group::Server,
        Flags::WRITE.and(Flags::FAST).and(Flags::ACL_DANGEROUS).and(Flags::ACL_KEYSPACE).and(Flags::EXCLUSIVE),
        swapdb as KeyspaceFn,
    )
    .since("4.0.0")
    .summary("Swaps two Redis databases")
    .complexity("O(N) where N is the count of clients watching or blocking on keys from both databases.")
    .syntax("index1:integer index2:integer"),
];

fn flushdb(ctx: &mut KeyspaceCtx<'_>, args: Args<'_>) -> CmdResult {
    flush(ctx, args, ctx.db..ctx.db + 1)
}

fn flushall(ctx: &mut KeyspaceCtx<'_>, args: Args<'_>) -> CmdResult {
    let outcome = flush(ctx, args, 0..ctx.keyspace.databases())?;
    ctx.flushed_all = true;
    Ok(outcome)
}

fn flush(ctx: &mut KeyspaceCtx<'_>, args: Args<'_>, databases: std::ops::Range<usize>) -> CmdResult {
    ctx.drop_elsewhere = match args.get(1) {
        _ if args.len() > 2 => return Err(error::SYNTAX),
        None => false,
        Some(word) if word.eq_ignore_ascii_case(b"SYNC") => false,
        Some(word) if word.eq_ignore_ascii_case(b"ASYNC") => true,
        Some(_) => return Err(error::SYNTAX),
    };
    for db in databases {
        ctx.effects.dirty += empty(ctx, db);
    }
    ctx.flushed = true;
    // Propagated even if nothing was there: a replica may hold what is logically expired here.
    if ctx.effects.propagating {
        ctx.effects.propagate_before(ctx.db, Args::to_owned(args));
        ctx.effects.propagate_nothing();
    }
    ctx.reply.ok();
    DONE
}

/// Removes all keys of a database; returns how many there were.
fn empty(ctx: &mut KeyspaceCtx<'_>, db: usize) -> u64 {
    let keyspace = ctx.keyspace;
    let mut removed = 0;
    for id in keyspace.occupied(db) {
        let mut slot = keyspace.lock(db, id);
        removed += slot.len() as u64;
        ctx.garbage.push(Box::new(slot.clear(|key| keyspace.hash(key))));
    }
    removed
}

fn swapdb(ctx: &mut KeyspaceCtx<'_>, args: Args<'_>) -> CmdResult {
    if ctx.limits.cluster_enabled {
        return Err(error::SWAPDB_IN_CLUSTER);
    }
    let number = |word: &[u8], problem: CmdError| integer(word).ok().and_then(|n| i32::try_from(n).ok()).ok_or(problem);
    let first = number(&args[1], error::INVALID_FIRST_DB)?;
    let second = number(&args[2], error::INVALID_SECOND_DB)?;
    let known = |number: i32| usize::try_from(number).ok().filter(|db| *db < ctx.limits.databases);
    let (Some(first), Some(second)) = (known(first), known(second)) else { return Err(error::DB_OUT_OF_RANGE) };
    if first != second {
        let mut slots = SlotBitmap::new();
        for id in ctx.keyspace.occupied(first).chain(ctx.keyspace.occupied(second)) {
            slots.set(id);
        }
        for id in slots.iter() {
            raise_watchers(ctx, [first, second], id);
            raise_watchers(ctx, [second, first], id);
        }
        ctx.keyspace.swap_databases(first, second);
        for id in slots.iter() {
            note_ready(ctx, first, id);
            note_ready(ctx, second, id);
        }
    }
    ctx.effects.dirty += 1;
    ctx.reply.ok();
    DONE
}

/// Whoever watches a key in `ours` is told, if the key is there or is about to be.
fn raise_watchers(ctx: &mut KeyspaceCtx<'_>, [ours, theirs]: [usize; 2], id: SlotId) {
    let keyspace = ctx.keyspace;
    let watched: Vec<Box<[u8]>> = keyspace.lock(ours, id).watched_keys().map(Into::into).collect();
    for key in watched {
        let hash = keyspace.hash(&key);
        let coming =
            keyspace.lock(theirs, id).get(hash, &key).map(|entry| entry.expire_at().is_some_and(|at| at < ctx.now));
        let slot = keyspace.lock(ours, id);
        let here = slot.contains(hash, &key);
        slot.watch_flags(&key).iter().for_each(|flag| flag.swap(here, coming));
    }
}

/// Clients that wait for a key may find it now.
fn note_ready(ctx: &mut KeyspaceCtx<'_>, db: usize, id: SlotId) {
    let slot = ctx.keyspace.lock(db, id);
    for key in slot.waited_keys() {
        if slot.contains(ctx.keyspace.hash(key), key) {
            ctx.effects.ready(db, key);
        }
    }
}
