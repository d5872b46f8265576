//! Commands on keys of any type: delete, inspect, rename, copy, move.
//!
//! RENAME and MOVE change two keys ([`crate::command::Data::take`] and [`crate::command::Data::changed`]), which count
//! as one change. Redis: db.c.

use protocol::resp::Args;

use super::{database, integer};
use crate::command::outcome::DONE;
use crate::command::{
    Arity, CmdError, CmdResult, Declared, Flags, Group, KeySpec, KeyedCtx, KeyedFn, NotifyClass, error,
};
use crate::store::Removed;

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("COPY", Arity::at_least(3), Group::Generic, Flags::WRITE.and(Flags::DENYOOM), copy as KeyedFn)
        .since("6.2.0")
        .summary("Copy a key")
        .complexity("O(N) worst case for collections, where N is the number of nested items. O(1) for string values.")
        .keys(&[KeySpec::at(1).ro().access(), KeySpec::at(2).ow().update()])
        .other_db(copy_target)
        .syntax("source:key destination:key [DB=destination-db:integer] ['REPLACE]"),
    Declared::new("DEL", Arity::at_least(2), Group::Generic, Flags::WRITE, del as KeyedFn)
        .summary("Delete a key")
        .complexity("O(N) where N is the number of keys that will be removed. When a key to remove holds a value other than a string, the individual complexity for this key is O(M) where M is the number of elements in the list, set, sorted set or hash. Removing a single key that holds a string value is O(1).")
        .keys(&[KeySpec::range(1, -1, 1).rm().delete()])
        .syntax("key:key+")
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    Declared::new("EXISTS", Arity::at_least(2), Group::Generic, Flags::READONLY.and(Flags::FAST), exists as KeyedFn)
        .summary("Determine if a key exists")
        .complexity("O(N) where N is the number of keys to check.")
        .keys(&[KeySpec::range(1, -1, 1).ro()])
        .syntax("key:key+")
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .history(&[("3.0.3", "Accepts multiple `key` arguments.")]),
    Declared::new("MOVE", Arity::exactly(3), Group::Generic, Flags::WRITE.and(Flags::FAST), move_key as KeyedFn)
        .summary("Move a key to another database")
        .keys(&[KeySpec::at(1).rw().access().update()])
        .other_db(move_target)
        .syntax("key:key db:integer"),
    Declared::new("RENAME", Arity::exactly(3), Group::Generic, Flags::WRITE, rename as KeyedFn)
        .summary("Rename a key")
        .keys(&[KeySpec::at(1).rw().access().delete(), KeySpec::at(2).ow().update()])
        .syntax("key:key newkey:key"),
    Declared::new("RENAMENX", Arity::exactly(3), Group::Generic, Flags::WRITE.and(Flags::FAST), renamenx as KeyedFn)
        .summary("Rename a key, only if the new key does not exist")
        .keys(&[KeySpec::at(1).rw().access().delete(), KeySpec::at(2).ow().insert()])
        .syntax("key:key newkey:key")
        .history(&[("3.2.0", "The command no longer returns an error when source and destination names are the same.")]),
    Declared::new("TOUCH", Arity::at_least(2), Group::Generic, Flags::READONLY.and(Flags::FAST), touch as KeyedFn)
        .since("3.2.1")
        .summary("Alters the last access time of a key(s). Returns the number of existing keys specified.")
        .complexity("O(N) where N is the number of keys that will be touched.")
        .keys(&[KeySpec::range(1, -1, 1).ro()])
        .syntax("key:key+")
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    Declared::new("TYPE", Arity::exactly(2), Group::Generic, Flags::READONLY.and(Flags::FAST), type_of as KeyedFn)
        .summary("Determine the type stored at key")
        .keys(&[KeySpec::at(1).ro()])
        .syntax("key:key"),
    Declared::new("UNLINK", Arity::at_least(2), Group::Generic, Flags::WRITE.and(Flags::FAST), unlink as KeyedFn)
        .since("4.0.0")
        .summary("Delete a key asynchronously in another thread. Otherwise it is just as DEL, but non blocking.")
        .complexity("O(1) for each key removed regardless of its size. Then the command does O(N) work in a different thread in order to reclaim memory, where N is the number of allocations the deleted objects where composed of.")
        .keys(&[KeySpec::range(1, -1, 1).rm().delete()])
        .syntax("key:key+")
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
];

fn del(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    delete(ctx, args, ctx.limits.lazy_user_del)
}

fn unlink(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    delete(ctx, args, true)
}

/// DEL and UNLINK: both drop large values after the slot is unlocked. Only INFO tells them apart.
fn delete(ctx: &mut KeyedCtx<'_>, args: Args<'_>, lazily: bool) -> CmdResult {
    let mut deleted = 0;
    for word in args.skip(1) {
        let key = ctx.data.key(word);
        deleted += i64::from(ctx.data.delete(&key, lazily));
    }
    ctx.reply.int(deleted);
    DONE
}

fn exists(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let mut found = 0;
    for word in args.skip(1) {
        let key = ctx.data.key(word);
        found += i64::from(ctx.data.look(&key).is_some());
    }
    ctx.reply.int(found);
    DONE
}

fn touch(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    // This command is meant to touch, whatever CLIENT NO-TOUCH says.
    ctx.data.no_touch = false;
    let mut touched = 0;
    for word in args.skip(1) {
        let key = ctx.data.key(word);
        touched += i64::from(ctx.data.read(&key).is_some());
    }
    ctx.reply.int(touched);
    DONE
}

fn type_of(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    ctx.reply.simple(ctx.data.look(&key).map_or("none", |entry| entry.ty().name()));
    DONE
}

fn rename(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    rename_if(ctx, args, false)?;
    ctx.reply.ok();
    DONE
}

fn renamenx(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let renamed = rename_if(ctx, args, true)?;
    ctx.reply.int(i64::from(renamed));
    DONE
}

/// Renames; with `only_free` not onto an existing key. Returns whether anything was done.
fn rename_if(ctx: &mut KeyedCtx<'_>, args: Args<'_>, only_free: bool) -> Result<bool, CmdError> {
    let (from, to) = (ctx.data.key(&args[1]), ctx.data.key(&args[2]));
    if ctx.data.get_mut(&from).is_none() {
        return Err(error::NO_SUCH_KEY);
    }
    if from.bytes == to.bytes {
        return Ok(false);
    }
    // Looked up even if it is replaced: an expired target is removed first, with its events.
    if ctx.data.peek(&to).is_some() && only_free {
        return Ok(false);
    }
    let moved = ctx.data.take(&from).expect("the key was found");
    ctx.data.put_in(ctx.data.db, &to, moved);
    // Both keys change, but that counts as one change.
    ctx.data.notify(NotifyClass::Generic, "rename_from", &from);
    ctx.data.changed(&to, NotifyClass::Generic, "rename_to");
    Ok(true)
}

/// The database that MOVE names, for the locks. The handler reports invalid words.
fn move_target(args: Args<'_>) -> Option<usize> {
    args.get(2).and_then(|word| usize::try_from(integer(word).ok()?).ok())
}

fn move_key(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    if ctx.limits.has_one_database {
        return Err(error::MOVE_IN_CLUSTER);
    }
    let target = database(&args[2], ctx.limits.databases)?;
    let source = ctx.data.db;
    if target == source {
        return Err(error::SAME_OBJECT);
    }
    let key = ctx.data.key(&args[1]);
    if ctx.data.get_mut(&key).is_none() || ctx.data.peek_in(target, &key).is_some() {
        ctx.reply.int(0);
        return DONE;
    }
    let moved = ctx.data.take(&key).expect("the key was found");
    ctx.data.put_in(target, &key, moved);
    ctx.data.notify(NotifyClass::Generic, "move_from", &key);
    ctx.data.changed_in(target, &key, NotifyClass::Generic, "move_to");
    ctx.reply.int(1);
    DONE
}

/// The options of COPY.
struct CopyRequest<'a> {
    /// The last database that is named, as the client wrote it.
    database: Option<&'a [u8]>,
    replace: bool,
}

impl<'a> CopyRequest<'a> {
    /// Parses what follows the keys; `check` checks each database that is named, in the order of the words.
    fn parse(words: Args<'a>, check: impl Fn(&[u8]) -> Result<(), CmdError>) -> Result<Self, CmdError> {
        let mut request = Self { database: None, replace: false };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word.eq_ignore_ascii_case(b"REPLACE") {
                request.replace = true;
            } else if word.eq_ignore_ascii_case(b"DB") {
                let word = words.next().ok_or(error::SYNTAX)?;
                check(word)?;
                request.database = Some(word);
            } else {
                return Err(error::SYNTAX);
            }
        }
        Ok(request)
    }
}

/// The database that COPY names, for the locks.
fn copy_target(args: Args<'_>) -> Option<usize> {
    let request = CopyRequest::parse(args.skip(3), |_| Ok(())).ok()?;
    usize::try_from(integer(request.database?).ok()?).ok()
}

fn copy(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let databases = ctx.limits.databases;
    let request = CopyRequest::parse(args.skip(3), |word| database(word, databases).map(drop))?;
    let source_db = ctx.data.db;
    let target_db = request.database.map_or(Ok(source_db), |word| database(word, databases))?;
    if ctx.limits.has_one_database && target_db != 0 {
        return Err(error::COPY_IN_CLUSTER);
    }
    let (from, to) = (ctx.data.key(&args[1]), ctx.data.key(&args[2]));
    if source_db == target_db && from.bytes == to.bytes {
        return Err(error::SAME_OBJECT);
    }
    if ctx.data.read(&from).is_none() || (ctx.data.peek_in(target_db, &to).is_some() && !request.replace) {
        ctx.reply.int(0);
        return DONE;
    }
    let copy = ctx.data.peek(&from).map(|entry| Removed::copy_of(entry, to.bytes)).expect("the key was found");
    ctx.data.put_in(target_db, &to, copy);
    ctx.data.changed_in(target_db, &to, NotifyClass::Generic, "copy_to");
    ctx.reply.int(1);
    DONE
}
