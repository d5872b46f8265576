//! Consumer groups of streams: XGROUP, XACK and XPENDING.
//!
//! What changes in a group is counted and has its event, but is no change of the key to those who watch it: Redis does
//! not tell them either. Redis: t_stream.c.

use protocol::resp::Args;

use super::integer;
use super::stream_words::{BAD_ID, changed, interval, stream_of, strict_id, strict_ids, write_id};
use crate::command::error::c_string;
use crate::command::outcome::DONE;
use crate::command::{
    Arity, CmdError, CmdResult, Declared, Edit, Flags, Group as CommandGroup, Key, KeySpec, KeyedCtx, KeyedFn,
    NotifyClass, error, help as container_help,
};
use crate::store::types::stream::{Group, Pending, Stream, StreamId, UNKNOWN};

const STREAM: CommandGroup = CommandGroup::Stream;
const WRITE: Flags = Flags::WRITE;

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("XGROUP", Arity::at_least(2), STREAM, Flags::CONTAINER, help as KeyedFn)
        .since("5.0.0")
        .summary("A container for consumer groups commands")
        .complexity("Depends on subcommand."),
    Declared::sub("XGROUP", "CREATE", Arity::at_least(5), STREAM, WRITE.and(Flags::DENYOOM), create as KeyedFn)
        .since("5.0.0")
        .summary("Create a consumer group.")
        .keys(&[KeySpec::at(2).rw().insert()])
        .syntax("key:key groupname:string id:<id:string|$='new_id> ['mkstream] [ENTRIESREAD=entries_read:integer]")
        .history(&[("7.0.0", "Added the `entries_read` named argument.")]),
    Declared::sub("XGROUP", "CREATECONSUMER", Arity::exactly(5), STREAM, WRITE.and(Flags::DENYOOM), create_consumer as KeyedFn)
        .since("6.2.0")
        .summary("Create a consumer in a consumer group.")
        .keys(&[KeySpec::at(2).rw().insert()])
        .syntax("key:key groupname:string consumername:string"),
    Declared::sub("XGROUP", "DELCONSUMER", Arity::exactly(5), STREAM, WRITE, delete_consumer as KeyedFn)
        .since("5.0.0")
        .summary("Delete a consumer from a consumer group.")
        .keys(&[KeySpec::at(2).rw().delete()])
        .syntax("key:key groupname:string consumername:string"),
    Declared::sub("XGROUP", "DESTROY", Arity::exactly(4), STREAM, WRITE, destroy as KeyedFn)
        .since("5.0.0")
        .summary("Destroy a consumer group.")
        .complexity("O(N) where N is the number of entries in the group's pending entries list (PEL).")
        .keys(&[KeySpec::at(2).rw().delete()])
        .syntax("key:key groupname:string"),
    Declared::sub("XGROUP", "HELP", Arity::exactly(2), STREAM, Flags::LOADING.and(Flags::STALE), help as KeyedFn)
        .since("5.0.0")
        .summary("Show helpful text about the different subcommands"),
    Declared::sub("XGROUP", "SETID", Arity::at_least(5), STREAM, WRITE, set_id as KeyedFn)
        .since("5.0.0")
        .summary("Set a consumer group to an arbitrary last delivered ID value.")
        .keys(&[KeySpec::at(2).rw().update()])
        .syntax("key:key groupname:string id:<id:string|$='new_id> [ENTRIESREAD=entries_read:integer]")
        .history(&[("7.0.0", "Added the optional `entries_read` argument.")]),
    Declared::new("XACK", Arity::at_least(4), STREAM, WRITE.and(Flags::FAST), xack as KeyedFn)
        .since("5.0.0")
        .summary("Marks a pending message as correctly processed, effectively removing it from the pending entries list of the consumer group. Return value of the command is the number of messages successfully acknowledged, that is, the IDs we were actually able to resolve in the PEL.")
        .complexity("O(1) for each message ID processed.")
        .keys(&[KeySpec::at(1).rw().update()])
        .syntax("key:key group:string id:string+"),
    Declared::new("XPENDING", Arity::at_least(3), STREAM, Flags::READONLY, xpending as KeyedFn)
        .since("5.0.0")
        .summary("Return information and entries from a stream consumer group pending entries list, that are messages fetched but never acknowledged.")
        .complexity("O(N) with N being the number of elements returned, so asking for a small fixed number of entries per call is O(1). O(M), where M is the total number of entries scanned when used with the IDLE filter. When the command returns just the summary and the list of consumers is small, it runs in O(1) time; otherwise, an additional O(N) time for iterating every consumer.")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key group:string [filters:{[IDLE=min-idle-time:integer@6.2.0] start:string end:string count:integer [consumer:string]}]")
        .tips(&["nondeterministic_output"])
        .history(&[("6.2.0", "Added the `IDLE` option and exclusive range intervals.")]),
];

const NO_KEY: CmdError = CmdError::text(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option \
     to create an empty stream automatically.",
);

/// `NOGROUP No such key 'x' or consumer group 'y'`, and what follows.
pub(super) fn no_such_group(key: &[u8], group: &[u8], end: &str) -> CmdError {
    let text =
        [b"NOGROUP No such key '", c_string(key), b"' or consumer group '", c_string(group), b"'", end.as_bytes()];
    CmdError::of_bytes(text.concat())
}

/// `NOGROUP No such consumer group 'x' for key name 'y'`.
pub(super) fn no_group_at(key: &[u8], group: &[u8]) -> CmdError {
    let text = [b"NOGROUP No such consumer group '", c_string(group), b"' for key name '", c_string(key), b"'"];
    CmdError::of_bytes(text.concat())
}

fn help(ctx: &mut KeyedCtx<'_>, _args: Args<'_>) -> CmdResult {
    const LINES: &[&str] = &[
        "CREATE <key> <groupname> <id|$> [option]",
        "    Create a new consumer group. Options are:",
        "    * MKSTREAM",
        "      Create the empty stream if it does not exist.",
        "    * ENTRIESREAD entries_read",
        "      Set the group's entries_read counter (internal use).",
        "CREATECONSUMER <key> <groupname> <consumer>",
        "    Create a new consumer in the specified group.",
        "DELCONSUMER <key> <groupname> <consumer>",
        "    Remove the specified consumer.",
        "DESTROY <key> <groupname>",
        "    Remove the specified group.",
        "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
        "    Set the current group ID and entries_read counter.",
    ];
    container_help::write(&mut ctx.reply, "XGROUP", LINES);
    DONE
}

/// The options of XGROUP CREATE and SETID.
#[derive(Clone, Copy, Debug)]
struct GroupOptions {
    mkstream: bool,
    entries_read: i64,
}

impl GroupOptions {
    fn parse(args: Args<'_>, may_make: bool) -> Result<Self, CmdError> {
        let mut options = Self { mkstream: false, entries_read: UNKNOWN };
        let mut at = 5;
        while let Some(option) = args.get(at) {
            if may_make && option.eq_ignore_ascii_case(b"mkstream") {
                options.mkstream = true;
                at += 1;
            } else if option.eq_ignore_ascii_case(b"entriesread") && at + 1 < args.len() {
                options.entries_read = integer(&args[at + 1])?;
                if options.entries_read < UNKNOWN {
                    return Err(CmdError::text("ERR value for ENTRIESREAD must be positive or -1"));
                }
                at += 2;
            } else {
                return Err(error::unknown_or_arity("XGROUP", &args[1]));
            }
        }
        Ok(options)
    }
}

/// Checks that the key holds a stream, and, if it must, that this has the group.
fn expect_group(ctx: &mut KeyedCtx<'_>, key: &Key<'_>, group: &[u8], must_exist: bool) -> Result<(), CmdError> {
    let stream = ctx.data.peek(key).map(stream_of).transpose()?.ok_or(NO_KEY)?;
    if must_exist && stream.group(group).is_none() {
        return Err(no_group_at(key.bytes, group));
    }
    Ok(())
}

/// Counts a change that watchers are not told of, and notes its event.
fn count(ctx: &mut KeyedCtx<'_>, key: &Key<'_>, event: &'static str) {
    ctx.data.effects.count(NotifyClass::Stream, event, ctx.data.db, key.bytes);
}

fn create(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let options = GroupOptions::parse(args, true)?;
    let key = ctx.data.key(&args[2]);
    let stream = ctx.data.peek(&key).map(stream_of).transpose()?;
    let exists = stream.is_some();
    if !exists && !options.mkstream {
        return Err(NO_KEY);
    }
    let last_id = stream.map(|stream| stream.log().counters().last_id);
    if args.len() > 8 {
        return Err(error::unknown_or_arity("XGROUP", &args[1]));
    }
    let id = if args[4] == *b"$" { last_id.unwrap_or_default() } else { strict_id(&args[4])? };
    let group = Group::new(id, options.entries_read);
    let added = ctx.data.edit_or_create(&key, Stream::new, |stream: &mut Stream| {
        let added = stream.add_group(&args[3], group);
        // A new key is news to watchers, another group is not.
        if exists { Edit::unseen(added) } else { changed("xgroup-create", 1, added) }
    })?;
    if !added {
        return Err(CmdError::text("BUSYGROUP Consumer Group name already exists"));
    }
    if exists {
        count(ctx, &key, "xgroup-create");
    }
    ctx.reply.ok();
    DONE
}

fn set_id(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let options = GroupOptions::parse(args, false)?;
    let key = ctx.data.key(&args[2]);
    expect_group(ctx, &key, &args[3], true)?;
    if args.len() != 5 && args.len() != 7 {
        return Err(error::unknown_or_arity("XGROUP", &args[1]));
    }
    let wanted = match &args[4] {
        b"$" => None,
        word => Some(StreamId::parse_or_end(word, 0).ok_or(BAD_ID)?),
    };
    ctx.data.edit(&key, |stream: &mut Stream| {
        stream.edit_group(&args[3], |group, log| {
            group.last_id = wanted.unwrap_or(log.counters().last_id);
            group.entries_read = options.entries_read;
        });
        Edit::unseen(())
    })?;
    count(ctx, &key, "xgroup-setid");
    ctx.reply.ok();
    DONE
}

fn destroy(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[2]);
    expect_group(ctx, &key, &args[3], false)?;
    let removed = ctx.data.edit(&key, |stream: &mut Stream| Edit::unseen(stream.remove_group(&args[3])))?;
    let removed = removed.unwrap_or(false);
    if removed {
        count(ctx, &key, "xgroup-destroy");
        // Its readers wait in vain.
        ctx.data.wake(&key);
    }
    ctx.reply.int(i64::from(removed));
    DONE
}

fn create_consumer(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[2]);
    expect_group(ctx, &key, &args[3], true)?;
    let now = ctx.data.now;
    let added = ctx.data.edit(&key, |stream: &mut Stream| {
        let added = stream.edit_group(&args[3], |group, _| group.add_consumer(&args[4], now).is_some());
        Edit::unseen(added.unwrap_or(false))
    })?;
    let added = added.unwrap_or(false);
    if added {
        count(ctx, &key, "xgroup-createconsumer");
    }
    ctx.reply.int(i64::from(added));
    DONE
}

fn delete_consumer(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[2]);
    expect_group(ctx, &key, &args[3], true)?;
    let pending = ctx.data.edit(&key, |stream: &mut Stream| {
        Edit::unseen(stream.edit_group(&args[3], |group, _| group.remove_consumer(&args[4])).flatten())
    })?;
    let pending = pending.flatten();
    if pending.is_some() {
        count(ctx, &key, "xgroup-delconsumer");
    }
    ctx.reply.int(pending.unwrap_or(0) as i64);
    DONE
}

fn xack(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    let stream = ctx.data.read(&key).map(stream_of).transpose()?;
    if stream.and_then(|stream| stream.group(&args[2])).is_none() {
        ctx.reply.int(0);
        return DONE;
    }
    let ids = strict_ids(args.skip(3))?;
    let acknowledged = ctx.data.edit(&key, |stream: &mut Stream| {
        let acknowledged =
            stream.edit_group(&args[2], |group, _| ids.iter().filter(|id| group.acknowledge(**id)).count());
        Edit::unseen(acknowledged.unwrap_or(0))
    })?;
    let acknowledged = acknowledged.unwrap_or(0);
    ctx.data.effects.dirty += acknowledged as u64;
    ctx.reply.int(acknowledged as i64);
    DONE
}

/// The words of XPENDING that say which entries are shown.
#[derive(Clone, Copy, Debug)]
struct PendingFilter<'a> {
    start: StreamId,
    end: StreamId,
    count: usize,
    min_idle: i64,
    consumer: Option<&'a [u8]>,
}

impl<'a> PendingFilter<'a> {
    fn parse(args: Args<'a>) -> Result<Self, CmdError> {
        let (mut at, mut min_idle) = (3, 0);
        if args[3].eq_ignore_ascii_case(b"idle") {
            min_idle = integer(&args[4])?;
            if args.len() < 8 {
                return Err(error::SYNTAX);
            }
            at = 5;
        }
        let count = integer(&args[at + 2])?.max(0) as usize;
        let (start, end) = interval(&args[at], &args[at + 1])?;
        Ok(Self { start, end, count, min_idle, consumer: args.get(at + 3) })
    }
}

fn xpending(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    if args.len() != 3 && !(6..=9).contains(&args.len()) {
        return Err(error::SYNTAX);
    }
    let filter = if args.len() > 3 { Some(PendingFilter::parse(args)?) } else { None };
    let (key, now) = (ctx.data.key(&args[1]), ctx.data.now);
    let stream = ctx.data.read(&key).map(stream_of).transpose()?;
    let Some(group) = stream.and_then(|stream| stream.group(&args[2])) else {
        return Err(no_such_group(key.bytes, &args[2], ""));
    };
    let reply = &mut ctx.reply;
    let Some(filter) = filter else {
        reply.array(4);
        reply.int(group.pending_count() as i64);
        let Some((first, last)) = group.pending_ends() else {
            reply.null();
            reply.null();
            reply.null_array();
            return DONE;
        };
        write_id(reply, first);
        write_id(reply, last);
        let busy = || group.consumers().filter(|(_, consumer)| consumer.pending_count() > 0);
        reply.array(busy().count());
        for (name, consumer) in busy() {
            reply.array(2);
            reply.bulk(name);
            reply.bulk_int(consumer.pending_count() as i64);
        }
        return DONE;
    };
    let deferred = reply.deferred_array();
    let mut shown = 0;
    let mut show = |id: StreamId, pending: &Pending| {
        if shown == filter.count || id > filter.end {
            return false;
        }
        let idle = now.wrapping_sub(pending.time);
        if filter.min_idle == 0 || idle >= filter.min_idle {
            reply.array(4);
            write_id(reply, id);
            reply.bulk(&pending.owner);
            reply.int(idle.max(0));
            reply.int(pending.deliveries as i64);
            shown += 1;
        }
        true
    };
    match filter.consumer {
        None => _ = group.pending_from(filter.start).all(|(id, pending)| show(id, pending)),
        Some(name) => {
            let own = group.consumer(name).into_iter().flat_map(|(_, consumer)| consumer.pending_from(filter.start));
            _ = own.filter_map(|id| Some((id, group.pending(id)?))).all(|(id, pending)| show(id, pending));
        }
    }
    ctx.reply.set_len(deferred, shown);
    DONE
}
