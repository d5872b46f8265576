//! XINFO: what a stream, its groups and their consumers are made of. Redis: t_stream.c.

use protocol::resp::Args;
use protocol::resp::reply::Reply;

use super::integer;
use super::stream_groups::no_group_at;
use super::stream_words::{stream_of, write_entries, write_entry, write_id};
use crate::command::outcome::DONE;
use crate::command::{
    Arity, CmdError, CmdResult, Declared, Flags, Group as CommandGroup, KeySpec, KeyedCtx, KeyedFn, error,
    help as container_help,
};
use crate::store::types::stream::{Consumer, Counters, Group, Log, NEVER, Stream, StreamId, UNKNOWN};

const STREAM: CommandGroup = CommandGroup::Stream;

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("XINFO", Arity::at_least(2), STREAM, Flags::CONTAINER, help as KeyedFn)
        .since("5.0.0")
        .summary("A container for stream introspection commands")
        .complexity("Depends on subcommand."),
    Declared::sub("XINFO", "CONSUMERS", Arity::exactly(4), STREAM, Flags::READONLY, consumers as KeyedFn)
        .since("5.0.0")
        .summary("List the consumers in a consumer group")
        .keys(&[KeySpec::at(2).ro().access()])
        .syntax("key:key groupname:string")
        .tips(&["nondeterministic_output"]),
    Declared::sub("XINFO", "GROUPS", Arity::exactly(3), STREAM, Flags::READONLY, groups as KeyedFn)
        .since("5.0.0")
        .summary("List the consumer groups of a stream")
        .keys(&[KeySpec::at(2).ro().access()])
        .syntax("key:key")
        .history(&[("7.0.0", "Added the `entries-read` and `lag` fields")]),
    Declared::sub("XINFO", "HELP", Arity::exactly(2), STREAM, Flags::LOADING.and(Flags::STALE), help as KeyedFn)
        .since("5.0.0")
        .summary("Show helpful text about the different subcommands"),
    Declared::sub("XINFO", "STREAM", Arity::at_least(3), STREAM, Flags::READONLY, stream as KeyedFn)
        .since("5.0.0")
        .summary("Get information about a stream")
        .keys(&[KeySpec::at(2).ro().access()])
        .syntax("key:key [FULL=full:{[COUNT=count:integer]}]")
        .history(&[("6.0.0", "Added the `FULL` modifier."), ("7.0.0", "Added the `max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, `entries-read` and `lag` fields")]),
];

/// So many entries FULL shows of each kind.
const COUNT_DEFAULT: usize = 10;

fn help(ctx: &mut KeyedCtx<'_>, _args: Args<'_>) -> CmdResult {
    const LINES: &[&str] = &[
        "CONSUMERS <key> <groupname>",
        "    Show consumers of <groupname>.",
        "GROUPS <key>",
        "    Show the stream consumer groups.",
        "STREAM <key> [FULL [COUNT <count>]",
        "    Show information about the stream.",
    ];
    container_help::write(&mut ctx.reply, "XINFO", LINES);
    DONE
}

fn consumers(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let (key, now) = (ctx.data.key(&args[2]), ctx.data.now);
    let stream = ctx.data.read(&key).map(stream_of).transpose()?.ok_or(error::NO_SUCH_KEY)?;
    let group = stream.group(&args[3]).ok_or_else(|| no_group_at(key.bytes, &args[3]))?;
    let reply = &mut ctx.reply;
    reply.array(group.consumer_count());
    for (name, consumer) in group.consumers() {
        reply.map(4);
        reply.bulk_str("name");
        reply.bulk(name);
        reply.bulk_str("pending");
        reply.int(consumer.pending_count() as i64);
        reply.bulk_str("idle");
        reply.int(now.wrapping_sub(consumer.seen).max(0));
        reply.bulk_str("inactive");
        reply.int(if consumer.active == NEVER { NEVER } else { now.wrapping_sub(consumer.active).max(0) });
    }
    DONE
}

/// Writes how far a group has read, and how much it has not.
fn write_progress(reply: &mut Reply<'_>, group: &Group, log: &Log) {
    reply.bulk_str("entries-read");
    match group.entries_read {
        UNKNOWN => reply.null(),
        read => reply.int(read),
    }
    reply.bulk_str("lag");
    match group.lag(log) {
        None => reply.null(),
        Some(lag) => reply.int(lag),
    }
}

fn groups(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[2]);
    let stream = ctx.data.read(&key).map(stream_of).transpose()?.ok_or(error::NO_SUCH_KEY)?;
    let reply = &mut ctx.reply;
    reply.array(stream.group_count());
    for (name, group) in stream.groups() {
        reply.map(6);
        reply.bulk_str("name");
        reply.bulk(name);
        reply.bulk_str("consumers");
        reply.int(group.consumer_count() as i64);
        reply.bulk_str("pending");
        reply.int(group.pending_count() as i64);
        reply.bulk_str("last-delivered-id");
        write_id(reply, group.last_id);
        write_progress(reply, group, stream.log());
    }
    DONE
}

/// How many entries FULL shows; `None` without FULL.
fn full_count(args: Args<'_>) -> Result<Option<usize>, CmdError> {
    let wrong = || error::unknown_or_arity("XINFO", &args[1]);
    let options = args.skip(3);
    match options.len() {
        0 => return Ok(None),
        1 | 3 if options[0].eq_ignore_ascii_case(b"full") => {}
        _ => return Err(wrong()),
    }
    if options.len() == 1 {
        return Ok(Some(COUNT_DEFAULT));
    }
    if !options[1].eq_ignore_ascii_case(b"count") {
        return Err(wrong());
    }
    Ok(Some(match integer(&options[2])? {
        ..0 => COUNT_DEFAULT,
        0 => usize::MAX,
        count => count as usize,
    }))
}

fn stream(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[2]);
    let stream = ctx.data.read(&key).map(stream_of).transpose()?.ok_or(error::NO_SUCH_KEY)?;
    let full = full_count(args)?;
    let reply = &mut ctx.reply;
    reply.map(if full.is_some() { 9 } else { 10 });
    let log = stream.log();
    let Counters { last_id, first_id, max_deleted, added } = *log.counters();
    reply.bulk_str("length");
    reply.int(log.len() as i64);
    reply.bulk_str("radix-tree-keys");
    reply.int(log.node_count() as i64);
    reply.bulk_str("radix-tree-nodes");
    reply.int(log.radix_tree_nodes() as i64);
    reply.bulk_str("last-generated-id");
    write_id(reply, last_id);
    reply.bulk_str("max-deleted-entry-id");
    write_id(reply, max_deleted);
    reply.bulk_str("entries-added");
    reply.int(added as i64);
    reply.bulk_str("recorded-first-entry-id");
    write_id(reply, first_id);
    match full {
        None => write_ends(reply, stream),
        Some(count) => write_full(reply, stream, count),
    }
    DONE
}

/// The end of XINFO STREAM.
fn write_ends(reply: &mut Reply<'_>, stream: &Stream) {
    reply.bulk_str("groups");
    reply.int(stream.group_count() as i64);
    let log = stream.log();
    let ends = [
        ("first-entry", log.range(StreamId::MIN, StreamId::MAX).next()),
        ("last-entry", log.range_back(StreamId::MIN, StreamId::MAX).next()),
    ];
    for (name, entry) in ends {
        reply.bulk_str(name);
        match entry {
            Some(entry) => write_entry(reply, &entry),
            None => reply.null(),
        }
    }
}

/// The end of XINFO STREAM FULL.
fn write_full(reply: &mut Reply<'_>, stream: &Stream, count: usize) {
    let log = stream.log();
    reply.bulk_str("entries");
    write_entries(reply, log.range(StreamId::MIN, StreamId::MAX).take(count));
    reply.bulk_str("groups");
    reply.array(stream.group_count());
    for (name, group) in stream.groups() {
        reply.map(7);
        reply.bulk_str("name");
        reply.bulk(name);
        reply.bulk_str("last-delivered-id");
        write_id(reply, group.last_id);
        write_progress(reply, group, log);
        reply.bulk_str("pel-count");
        reply.int(group.pending_count() as i64);
        reply.bulk_str("pending");
        reply.array(group.pending_count().min(count));
        for (id, pending) in group.pending_from(StreamId::MIN).take(count) {
            reply.array(4);
            write_id(reply, id);
            reply.bulk(&pending.owner);
            reply.int(pending.time);
            reply.int(pending.deliveries as i64);
        }
        reply.bulk_str("consumers");
        reply.array(group.consumer_count());
        for (name, consumer) in group.consumers() {
            write_consumer(reply, (name, consumer), group, count);
        }
    }
}

fn write_consumer(reply: &mut Reply<'_>, (name, consumer): (&[u8], &Consumer), group: &Group, count: usize) {
    reply.map(5);
    reply.bulk_str("name");
    reply.bulk(name);
    reply.bulk_str("seen-time");
    reply.int(consumer.seen);
    reply.bulk_str("active-time");
    reply.int(consumer.active);
    reply.bulk_str("pel-count");
    reply.int(consumer.pending_count() as i64);
    reply.bulk_str("pending");
    reply.array(consumer.pending_count().min(count));
    for (id, pending) in
        consumer.pending_from(StreamId::MIN).take(count).filter_map(|id| Some((id, group.pending(id)?)))
    {
        reply.array(3);
        write_id(reply, id);
        reply.int(pending.time);
        reply.int(pending.deliveries as i64);
    }
}
