//! XREAD and XREADGROUP: new entries of several streams, at once or as soon as there are any.
//!
//! A client that waits is served from the key that became ready. What it waited for stands in its words: a `$` was
//! replaced by the id it meant, while `>` means at any time what the group has not delivered. A waiting XREADGROUP ends
//! with an error if its group or its stream is gone.
//!
//! XREADGROUP is propagated as what it did: an XCLAIM of each entry that is pending now, or, with NOACK, where the
//! group is. Its changes are not announced to watchers. Redis: t_stream.c, blocked.c.

use std::ops::Range;

use protocol::resp::reply::{DeferredLen, Protocol, Reply};
use protocol::resp::{Args, OwnedArgs};
use smallvec::SmallVec;

use super::integer;
use super::stream_groups::no_such_group;
use super::stream_words::{stream_of, strict_id, write_entries, write_entry, write_id};
use crate::command::keys::KeyPositions;
use crate::command::outcome::DONE;
use crate::command::spec::{FindKeys, KeyFlags};
use crate::command::{
    Arity, BlockSpec, CmdError, CmdResult, Declared, Edit, Flags, Group, Key, KeySpec, KeyedCtx, KeyedFn, NotifyClass,
    Outcome, TimeoutReply, error,
};
use crate::store::types::stream::{self, Delivery, Log, Stream, StreamId};
use crate::store::{Type, Wake};

const STREAMS: FindKeys = FindKeys::Range { last: -1, step: 1, limit: 2 };

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("XREAD", Arity::at_least(4), Group::Stream, Flags::READONLY.and(Flags::BLOCKING), xread as KeyedFn)
        .since("5.0.0")
        .summary("Return never seen elements in multiple streams, with IDs greater than the ones reported by the caller for each stream. Can block.")
        .complexity("For each stream mentioned: O(N) with N being the number of elements being returned, it means that XREAD-ing with a fixed COUNT is O(1). Note that when the BLOCK option is used, XADD will pay O(M) time in order to serve the M clients blocked on the stream getting new data.")
        .keys(&[KeySpec::after("STREAMS", 1).find(STREAMS).ro().access()])
        .keys_fn(read_keys)
        .syntax("[COUNT=count:integer] [BLOCK=milliseconds:integer] STREAMS=streams:{key:key+ id:string+}"),
    Declared::new("XREADGROUP", Arity::at_least(7), Group::Stream, Flags::WRITE.and(Flags::BLOCKING), xreadgroup as KeyedFn)
        .since("5.0.0")
        .summary("Return new entries from a stream using a consumer group, or access the history of the pending entries for a given consumer. Can block.")
        .complexity("For each stream mentioned: O(M) with M being the number of elements returned. If M is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1). On the other side when XREADGROUP blocks, XADD will pay the O(N) time in order to serve the N clients blocked on the stream getting new data.")
        .keys(&[KeySpec::after("STREAMS", 4).find(STREAMS).ro().access()])
        .keys_fn(read_keys)
        .syntax("GROUP=group_consumer:{group:string consumer:string} [COUNT=count:integer] [BLOCK=milliseconds:integer] ['noack] STREAMS=streams:{key:key+ id:string+}"),
];

/// The keys behind STREAMS, found as Redis routes these commands: a group or consumer may be called `streams` too.
fn read_keys(args: Args<'_>, out: &mut KeyPositions) {
    let mut at = 1;
    while let Some(word) = args.get(at) {
        at += 1;
        if word.eq_ignore_ascii_case(b"block") || word.eq_ignore_ascii_case(b"count") {
            at += 1;
        } else if word.eq_ignore_ascii_case(b"group") {
            at += 2;
        } else if word.eq_ignore_ascii_case(b"streams") {
            let rest = args.len() - at;
            if rest.is_multiple_of(2) {
                out.extend((at..at + rest / 2).map(|position| (position as u32, KeyFlags::RO.and(KeyFlags::ACCESS))));
            }
            return;
        } else if !word.eq_ignore_ascii_case(b"noack") {
            return;
        }
    }
}

/// Entries for a client that has waited and gave no count (Redis: XREAD_BLOCKED_DEFAULT_COUNT).
const COUNT_AFTER_WAITING: usize = 1000;

/// Stands for `>`: what the group has not delivered.
const UNDELIVERED: StreamId = StreamId::MAX;

const GROUP_GONE: CmdError = CmdError::text("NOGROUP the consumer group this client was blocked on no longer exists");
const UNBALANCED: CmdError =
    CmdError::text("ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.");
const KEY_GONE: CmdError = CmdError::text("UNBLOCKED the stream key no longer exists");
const DOLLAR_IN_GROUP: CmdError = CmdError::text(
    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by \
     specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
);
const UNDELIVERED_WITHOUT_GROUP: CmdError = CmdError::text(
    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
);

/// A group and a consumer of it.
#[derive(Clone, Copy, Debug)]
struct Reader<'a> {
    group: &'a [u8],
    consumer: &'a [u8],
}

/// The words of XREAD and XREADGROUP.
#[derive(Clone, Debug)]
struct ReadOptions<'a> {
    /// Entries per stream; 0 for all.
    count: usize,
    /// `BLOCK`: how long, in milliseconds; `None` in it is for ever.
    block: Option<Option<u64>>,
    reader: Option<Reader<'a>>,
    /// Position of the group's name.
    group_at: usize,
    noack: bool,
    /// Positions of the keys; so many ids follow.
    keys: Range<usize>,
}

impl<'a> ReadOptions<'a> {
    fn parse(args: Args<'a>, in_group: bool, in_script: bool) -> Result<Self, CmdError> {
        let mut options = Self { count: 0, block: None, reader: None, group_at: 0, noack: false, keys: 0..0 };
        let mut at = 1;
        while let Some(word) = args.get(at) {
            let more = args.len() - at - 1;
            if more > 0 && word.eq_ignore_ascii_case(b"block") {
                if in_script {
                    let name = String::from_utf8_lossy(&args[0]);
                    let text = format!("ERR {name} command is not allowed with BLOCK option from scripts");
                    return Err(CmdError::new(text));
                }
                at += 1;
                options.block = Some(timeout(&args[at])?);
            } else if more > 0 && word.eq_ignore_ascii_case(b"count") {
                at += 1;
                options.count = integer(&args[at])?.max(0) as usize;
            } else if more > 0 && word.eq_ignore_ascii_case(b"streams") {
                if !more.is_multiple_of(2) {
                    return Err(UNBALANCED);
                }
                options.keys = at + 1..at + 1 + more / 2;
                break;
            } else if more > 1 && word.eq_ignore_ascii_case(b"group") {
                if !in_group {
                    return Err(only_in_group("GROUP"));
                }
                options.reader = Some(Reader {
                    group: args.get(at + 1).unwrap_or_default(),
                    consumer: args.get(at + 2).unwrap_or_default(),
                });
                options.group_at = at + 1;
                at += 2;
            } else if word.eq_ignore_ascii_case(b"noack") {
                if !in_group {
                    return Err(only_in_group("NOACK"));
                }
                options.noack = true;
            } else {
                return Err(error::SYNTAX);
            }
            at += 1;
        }
        if options.keys.is_empty() {
            return Err(error::SYNTAX);
        }
        if in_group && options.reader.is_none() {
            return Err(CmdError::text("ERR Missing GROUP option for XREADGROUP"));
        }
        Ok(options)
    }

    /// The words that decide whether a command that waits finds anything: of XREADGROUP, which waits for what is not
    /// delivered to its group, the group; of XREAD, the streams and the ids.
    fn alike(&self) -> Range<usize> {
        match self.reader {
            Some(_) => self.group_at..self.group_at + 1,
            None => self.keys.start..self.keys.end + self.keys.len(),
        }
    }

    /// Most entries of a stream.
    fn most(&self, is_served: bool) -> usize {
        match self.count {
            0 if is_served => COUNT_AFTER_WAITING,
            0 => usize::MAX,
            count => count,
        }
    }
}

fn only_in_group(option: &str) -> CmdError {
    CmdError::new(format!("ERR The {option} option is only supported by XREADGROUP. You called XREAD instead."))
}

/// A timeout in milliseconds; `None` waits for ever.
fn timeout(word: &[u8]) -> Result<Option<u64>, CmdError> {
    let ms = integer(word).map_err(|_| error::TIMEOUT_NOT_INTEGER)?;
    if ms < 0 {
        return Err(error::TIMEOUT_NEGATIVE);
    }
    Ok((ms > 0).then_some(ms as u64))
}

/// The reply: a map from streams to entries, or pairs in RESP2. It begins with the first stream that has any.
#[derive(Default)]
struct Answer {
    header: Option<DeferredLen>,
    streams: usize,
}

impl Answer {
    /// Begins the part of a stream.
    fn stream(&mut self, reply: &mut Reply<'_>, key: &[u8]) {
        let is_map = reply.protocol() == Protocol::Resp3;
        if self.header.is_none() {
            self.header = Some(if is_map { reply.deferred_map() } else { reply.deferred_array() });
        }
        self.streams += 1;
        if !is_map {
            reply.array(2);
        }
        reply.bulk(key);
    }

    /// Ends the reply; `false` if there is none.
    fn end(self, reply: &mut Reply<'_>) -> bool {
        let Some(header) = self.header else { return false };
        reply.set_len(header, self.streams);
        true
    }
}

/// Waits, or says that there is nothing.
fn block(ctx: &mut KeyedCtx<'_>, options: &ReadOptions<'_>, resume: Option<OwnedArgs>, on_gone: bool) -> CmdResult {
    let Some(timeout_ms) = options.block.filter(|_| ctx.may_block) else {
        ctx.reply.null_array();
        return DONE;
    };
    Ok(Outcome::Block(Box::new(BlockSpec {
        keys: options.keys.clone().map(|position| position as u32).collect(),
        timeout_ms,
        wake: Wake { ty: Type::Stream, on_gone },
        resume,
        alike: Some(options.alike()),
        on_timeout: TimeoutReply::NullArray,
    })))
}

/// The id behind which XREAD reads; also whether the word means something else later.
fn read_after(word: &[u8], log: Option<&Log>) -> Result<(StreamId, bool), CmdError> {
    match word {
        b"$" => Ok((log.map_or(StreamId::MIN, |log| log.counters().last_id), true)),
        b"+" => {
            let last = log.and_then(Log::last_live);
            Ok((last.and_then(StreamId::previous).unwrap_or(StreamId::MIN), true))
        }
        b">" => Err(UNDELIVERED_WITHOUT_GROUP),
        word => Ok((strict_id(word)?, false)),
    }
}

fn xread(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let options = ReadOptions::parse(args, false, ctx.in_script)?;
    if let Some(ready) = ctx.serving {
        return serve_read(ctx, args, &options, ready);
    }
    let mut wanted: SmallVec<[(Key<'_>, StreamId, bool); 4]> = SmallVec::new();
    let mut means_now = false;
    for position in options.keys.clone() {
        let key = ctx.data.key(args.get(position).unwrap_or_default());
        let log = ctx.data.read(&key).map(stream_of).transpose()?.map(Stream::log);
        let (after, is_symbol) = read_after(&args[position + options.keys.len()], log)?;
        means_now |= is_symbol;
        wanted.push((key, after, log.is_some()));
    }
    let mut answer = Answer::default();
    for (key, after, exists) in &wanted {
        // Redis looks a second time.
        if !exists {
            ctx.data.read(key);
            continue;
        }
        ctx.data.effects.hits += 1;
        let Some(log) = ctx.data.found(key).map(stream_of).transpose()?.map(Stream::log) else { continue };
        let Some(start) = after.next().filter(|start| *start <= log.counters().last_id) else { continue };
        let mut entries = log.range(start, StreamId::MAX).take(options.most(false)).peekable();
        if entries.peek().is_some() {
            answer.stream(&mut ctx.reply, key.bytes);
            write_entries(&mut ctx.reply, entries);
        }
    }
    if answer.end(&mut ctx.reply) {
        return DONE;
    }
    let resume = (means_now && options.block.is_some() && ctx.may_block).then(|| {
        let mut words = OwnedArgs::with_capacity(args.len(), args.total_len() + wanted.len() * StreamId::TEXT_MAX);
        args.iter().take(options.keys.end).for_each(|word| words.push(word));
        wanted.iter().for_each(|(_, after, _)| after.with_text(|text| words.push(text)));
        words
    });
    block(ctx, &options, resume, false)
}

/// Serves a client that has waited, if the stream got an entry, even one that is deleted by now. Of a stream that is
/// named twice, the client waits for the first id, as in Redis.
fn serve_read(ctx: &mut KeyedCtx<'_>, args: Args<'_>, options: &ReadOptions<'_>, ready: &[u8]) -> CmdResult {
    let position = options.keys.clone().find(|position| args[*position] == *ready);
    let position = position.expect("a command is served because of one of its keys");
    let key = ctx.data.key(args.get(position).unwrap_or_default());
    let (after, _) = read_after(&args[position + options.keys.len()], None)?;
    let log = ctx.data.peek(&key).and_then(|entry| stream_of(entry).ok()).map(Stream::log);
    let start = after.next();
    match log.zip(start).filter(|(log, start)| *start <= log.counters().last_id) {
        None => block(ctx, options, None, false),
        Some((log, start)) => {
            let mut answer = Answer::default();
            answer.stream(&mut ctx.reply, key.bytes);
            write_entries(&mut ctx.reply, log.range(start, StreamId::MAX).take(options.most(true)));
            answer.end(&mut ctx.reply);
            DONE
        }
    }
}

/// The id behind which XREADGROUP reads what is pending, or [`UNDELIVERED`].
fn group_read_after(word: &[u8]) -> Result<StreamId, CmdError> {
    match word {
        b"$" => Err(DOLLAR_IN_GROUP),
        b">" => Ok(UNDELIVERED),
        word => strict_id(word),
    }
}

fn xreadgroup(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let options = ReadOptions::parse(args, true, ctx.in_script)?;
    let Some(reader) = options.reader else { return Err(error::SYNTAX) };
    let ready = ctx.serving;
    let mut wanted: SmallVec<[(Key<'_>, StreamId); 4]> = SmallVec::new();
    for position in options.keys.clone().filter(|position| ready.is_none_or(|ready| args[*position] == *ready)) {
        let key = ctx.data.key(args.get(position).unwrap_or_default());
        let stream = match ready {
            None => ctx.data.read(&key).map(stream_of).transpose()?,
            Some(_) => {
                Some(ctx.data.peek(&key).ok_or(KEY_GONE).and_then(|entry| stream_of(entry).map_err(|_| KEY_GONE))?)
            }
        };
        if stream.and_then(|stream| stream.group(reader.group)).is_none() {
            let text = " in XREADGROUP with GROUP option";
            return Err(if ready.is_some() { GROUP_GONE } else { no_such_group(key.bytes, reader.group, text) });
        }
        let after = group_read_after(&args[position + options.keys.len()])?;
        wanted.push((key, after));
        if ready.is_some() {
            break;
        }
    }
    let mut log = Propagated::new(ctx.data.effects.propagating, reader);
    let mut answer = Answer::default();
    for (key, after) in &wanted {
        if ready.is_none() {
            ctx.data.effects.hits += 1;
        }
        read_stream(ctx, &options, (key, *after), &mut log, &mut answer)?;
    }
    ctx.data.effects.propagate_all_instead(log.commands);
    if answer.end(&mut ctx.reply) {
        return DONE;
    }
    block(ctx, &options, None, true)
}

/// What XREADGROUP propagates.
pub(super) struct Propagated<'a> {
    propagating: bool,
    reader: Reader<'a>,
    pub commands: Vec<OwnedArgs>,
}

impl<'a> Propagated<'a> {
    fn new(propagating: bool, reader: Reader<'a>) -> Self {
        Self { propagating, reader, commands: Vec::new() }
    }

    /// For the claims of a consumer.
    pub(super) fn of(propagating: bool, group: &'a [u8], consumer: &'a [u8]) -> Self {
        Self::new(propagating, Reader { group, consumer })
    }

    /// An entry that is pending, and where the group is.
    pub(super) fn claim(&mut self, key: &[u8], id: &[u8], pending: &stream::Pending, last_id: StreamId) {
        if !self.propagating {
            return;
        }
        let (mut time, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
        let mut words = OwnedArgs::with_capacity(14, 128 + key.len());
        words.push(b"XCLAIM");
        words.push(key);
        words.push(self.reader.group);
        words.push(&pending.owner);
        words.push(b"0");
        words.push(id);
        words.push(b"TIME");
        words.push(time.format(pending.time).as_bytes());
        words.push(b"RETRYCOUNT");
        words.push(count.format(pending.deliveries as i64).as_bytes());
        words.push(b"FORCE");
        words.push(b"JUSTID");
        words.push(b"LASTID");
        last_id.with_text(|text| words.push(text));
        self.commands.push(words);
    }

    /// Where the group is.
    pub(super) fn group_id(&mut self, key: &[u8], group: &stream::Group) {
        if !self.propagating {
            return;
        }
        let mut read = itoa::Buffer::new();
        let mut words = OwnedArgs::with_capacity(7, 96 + key.len());
        [b"XGROUP", &b"SETID"[..], key, self.reader.group].into_iter().for_each(|word| words.push(word));
        group.last_id.with_text(|text| words.push(text));
        words.push(b"ENTRIESREAD");
        words.push(read.format(group.entries_read).as_bytes());
        self.commands.push(words);
    }

    /// The consumer exists now.
    pub(super) fn consumer(&mut self, key: &[u8]) {
        if self.propagating {
            let words = [b"XGROUP", &b"CREATECONSUMER"[..], key, self.reader.group, self.reader.consumer];
            self.commands.push(OwnedArgs::from_slices(&words));
        }
    }
}

/// Reads from one stream, whose group exists.
fn read_stream(
    ctx: &mut KeyedCtx<'_>,
    options: &ReadOptions<'_>,
    (key, after): (&Key<'_>, StreamId),
    propagated: &mut Propagated<'_>,
    answer: &mut Answer,
) -> Result<(), CmdError> {
    let (now, is_served, reader) = (ctx.data.now, ctx.serving.is_some(), propagated.reader);
    let reply = &mut ctx.reply;
    let mut is_new = false;
    let read = ctx.data.edit(key, |stream: &mut Stream| {
        let read = stream.edit_group(reader.group, |group, log| {
            let has_more = group.last_id < log.counters().last_id
                && (is_served
                    || group.last_id.next().is_some_and(|start| log.range(start, StreamId::MAX).next().is_some()));
            // A consumer is one from its first attempt on, and is heard of with each (Redis 7.2).
            let consumer = match group.consumer(reader.consumer) {
                Some((name, _)) => name.clone(),
                None => {
                    is_new = true;
                    if options.noack || after != UNDELIVERED || !has_more {
                        propagated.consumer(key.bytes);
                    }
                    group.add_consumer(reader.consumer, now).expect("it does not exist")
                }
            };
            group.edit_consumer(&consumer, |consumer| consumer.seen = now);
            if after == UNDELIVERED && !has_more {
                return false;
            }
            answer.stream(reply, key.bytes);
            let count = options.most(is_served);
            if after == UNDELIVERED {
                let delivery = Delivery { consumer: &consumer, count, noack: options.noack, now };
                deliver(reply, key, (group, log), delivery, propagated);
            } else {
                write_history(reply, (group, log), reader.consumer, (after, count), now);
            }
            true
        });
        Edit::unseen(read.unwrap_or(false))
    })?;
    if is_new {
        ctx.data.effects.count(NotifyClass::Stream, "xgroup-createconsumer", ctx.data.db, key.bytes);
    }
    ctx.data.effects.dirty += u64::from(read.unwrap_or(false));
    Ok(())
}

/// Writes what the group has not delivered.
fn deliver(
    reply: &mut Reply<'_>,
    key: &Key<'_>,
    (group, log): (&mut stream::Group, &Log),
    delivery: Delivery<'_>,
    propagated: &mut Propagated<'_>,
) {
    let before = group.last_id;
    let deferred = reply.deferred_array();
    let delivered = group.deliver(log, delivery, |entry, last_id| {
        write_entry(reply, entry);
        if !delivery.noack {
            let pending = stream::Pending::new(delivery.now, 1, delivery.consumer);
            entry.id.with_text(|id| propagated.claim(key.bytes, id, &pending, last_id));
        }
    });
    reply.set_len(deferred, delivered);
    if delivered > 0 && !delivery.noack {
        group.edit_consumer(delivery.consumer, |consumer| consumer.active = delivery.now);
    }
    if delivery.noack && group.last_id != before {
        propagated.group_id(key.bytes, group);
    }
}

/// Writes what is pending for a consumer behind an id, and counts a delivery of each.
fn write_history(
    reply: &mut Reply<'_>,
    (group, log): (&mut stream::Group, &Log),
    consumer: &[u8],
    (after, count): (StreamId, usize),
    now: i64,
) {
    let ids: Vec<StreamId> = match (group.consumer(consumer), after.next()) {
        (Some((_, consumer)), Some(start)) => consumer.pending_from(start).take(count).collect(),
        _ => Vec::new(),
    };
    reply.array(ids.len());
    for id in ids {
        match log.get(id) {
            Some(entry) => {
                write_entry(reply, &entry);
                group.redelivered(id, now);
            }
            None => {
                reply.array(2);
                write_id(reply, id);
                reply.null_array();
            }
        }
    }
}
