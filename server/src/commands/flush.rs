//! Commands on whole databases: FLUSHDB, FLUSHALL, SWAPDB. They run alone, while no other command runs.
//!
//! Tables are taken out of their slots and dropped afterwards; with ASYNC on a separate thread. FLUSHALL also empties
//! the file on disk, since a crash must not bring back keys whose removal was acknowledged. Redis: db.c.

use protocol::resp::Args;

use super::integer;
use crate::command::outcome::DONE;
use crate::command::{Arity, CmdError, CmdResult, Declared, Flags, Group, KeyspaceCtx, KeyspaceFn, error};

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyspaceFn>] = &[
    Declared::new(
        "FLUSHALL",
        Arity::at_least(1),
        Group::Server,
        Flags::WRITE.and(Flags::EXCLUSIVE),
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
        Flags::WRITE.and(Flags::EXCLUSIVE),
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
        Flags::WRITE.and(Flags::FAST).and(Flags::EXCLUSIVE),
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
    let elsewhere = match args.get(1) {
        _ if args.len() > 2 => return Err(error::SYNTAX),
        None => ctx.limits.lazy_user_flush,
        Some(word) if word.eq_ignore_ascii_case(b"SYNC") => false,
        Some(word) if word.eq_ignore_ascii_case(b"ASYNC") => true,
        Some(_) => return Err(error::SYNTAX),
    };
    let removed = databases.map(|db| empty(ctx, db)).sum();
    ctx.effects.dirty += removed;
    ctx.drop_elsewhere = elsewhere.then_some(removed);
    // Clients that cache keys are notified even if there were no keys.
    ctx.effects.invalidate_all();
    // Propagated even if there were no keys: a replica may hold keys that are expired here.
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
        ctx.garbage.push(Box::new(slot.clear(db, |key| keyspace.hash(key), ctx.effects)));
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
    ctx.keyspace.swap_databases(first, second, ctx.now, ctx.effects);
    ctx.effects.dirty += 1;
    ctx.reply.ok();
    DONE
}
