//! XCLAIM and XAUTOCLAIM: taking over what is pending for another consumer.
//!
//! Pending entries that are deleted from the stream cannot be taken over; they are removed from what is pending
//! instead. Each change is propagated as the XCLAIM that has exactly this outcome. Redis: t_stream.c.

use protocol::resp::Args;

use super::stream_groups::no_such_group;
use super::stream_reads::Propagated;
use super::stream_words::{interval, stream_of, strict_id, write_entry, write_id};
use crate::base::number::parse_i64;
use crate::command::outcome::DONE;
use crate::command::{
    Arity, CmdError, CmdResult, Declared, Edit, Flags, Group as CommandGroup, Key, KeySpec, KeyedCtx, KeyedFn,
    NotifyClass, error,
};
use crate::store::types::stream::{Group, Log, Name, Pending, Stream, StreamId};

const CLAIM: Flags = Flags::WRITE.and(Flags::FAST);

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("XCLAIM", Arity::at_least(6), CommandGroup::Stream, CLAIM, xclaim as KeyedFn)
        .since("5.0.0")
        .summary("Changes (or acquires) ownership of a message in a consumer group, as if the message was delivered to the specified consumer.")
        .complexity("O(log N) with N being the number of messages in the PEL of the consumer group.")
        .keys(&[KeySpec::at(1).rw().update()])
        .syntax("key:key group:string consumer:string min-idle-time:string id:string+ [IDLE=ms:integer] [TIME=unix-time-milliseconds:unix-time] [RETRYCOUNT=count:integer] ['force] ['justid] [LASTID=id:string]")
        .tips(&["nondeterministic_output"]),
    Declared::new("XAUTOCLAIM", Arity::at_least(6), CommandGroup::Stream, CLAIM, xautoclaim as KeyedFn)
        .since("6.2.0")
        .summary("Changes (or acquires) ownership of messages in a consumer group, as if the messages were delivered to the specified consumer.")
        .complexity("O(1) if COUNT is small.")
        .keys(&[KeySpec::at(1).rw().delete()])
        .syntax("key:key group:string consumer:string min-idle-time:string start:string [COUNT=count:integer] ['justid]")
        .tips(&["nondeterministic_output"])
        .history(&[("7.0.0", "Added an element to the reply array, containing deleted entries the command cleared from the PEL")]),
];

/// XAUTOCLAIM looks at so many pending entries for each that it may return.
const ATTEMPTS: u64 = 10;
/// XAUTOCLAIM's COUNT, and the greatest one.
const COUNT_DEFAULT: i64 = 100;
const COUNT_MAX: i64 = i64::MAX / 16;

/// How entries are taken over.
#[derive(Clone, Copy, Debug)]
struct Claim {
    min_idle: i64,
    /// The time of delivery that they get.
    time: i64,
    /// The number of deliveries that they get.
    retries: Option<u64>,
    /// Entries that are not pending become so.
    force: bool,
    justid: bool,
    /// The group is at least here.
    last_id: StreamId,
}

impl Claim {
    fn new(min_idle: i64, now: i64) -> Self {
        let min_idle = min_idle.max(0);
        Self { min_idle, time: now, retries: None, force: false, justid: false, last_id: StreamId::MIN }
    }

    /// Reads the options of XCLAIM.
    fn parse(args: Args<'_>, first: usize, mut claim: Self, now: i64) -> Result<Self, CmdError> {
        let number = |at: usize, option: &str| {
            let invalid = || CmdError::new(format!("ERR Invalid {option} option argument for XCLAIM"));
            parse_i64(&args[at]).ok_or_else(invalid)
        };
        let mut time = None;
        let mut at = first;
        while let Some(option) = args.get(at) {
            let has_more = at + 1 < args.len();
            at += 1;
            if option.eq_ignore_ascii_case(b"force") {
                claim.force = true;
                continue;
            } else if option.eq_ignore_ascii_case(b"justid") {
                claim.justid = true;
                continue;
            } else if has_more && option.eq_ignore_ascii_case(b"idle") {
                time = Some(now.wrapping_sub(number(at, "IDLE")?));
            } else if has_more && option.eq_ignore_ascii_case(b"time") {
                time = Some(number(at, "TIME")?);
            } else if has_more && option.eq_ignore_ascii_case(b"retrycount") {
                claim.retries = u64::try_from(number(at, "RETRYCOUNT")?).ok();
            } else if has_more && option.eq_ignore_ascii_case(b"lastid") {
                claim.last_id = strict_id(&args[at])?;
            } else {
                return Err(CmdError::quoting("ERR Unrecognized XCLAIM option '", option, "'"));
            }
            at += 1;
        }
        // A client's clock may be ahead.
        claim.time = time.filter(|time| (0..=now).contains(time)).unwrap_or(now);
        Ok(claim)
    }
}

/// What became of an entry.
enum Outcome {
    /// It is the consumer's now.
    Taken,
    /// It is deleted from the stream, and not pending any more.
    Gone(Pending),
    /// It stays as it is.
    Left,
}

/// Who takes entries over. It is heard of with the attempt, and a consumer from then on, even if it gets nothing (Redis
/// 7.2).
struct Taker {
    name: Name,
    is_new: bool,
    took: bool,
}

impl Taker {
    fn new(group: &mut Group, word: &[u8], now: i64) -> Self {
        let (name, is_new) = match group.add_consumer(word, now) {
            Some(name) => (name, true),
            None => (group.consumer(word).expect("it was not added because it exists").0.clone(), false),
        };
        group.edit_consumer(&name, |consumer| consumer.seen = now);
        Self { name, is_new, took: false }
    }

    /// The owner of an entry from now on.
    fn takes(&mut self, group: &mut Group, now: i64) -> Name {
        if !self.took {
            group.edit_consumer(&self.name, |consumer| consumer.active = now);
            self.took = true;
        }
        self.name.clone()
    }

    /// Tells replicas of a new consumer if nothing else does. Returns whether it is new.
    fn settle(self, key: &[u8], propagated: &mut Propagated<'_>) -> bool {
        if self.is_new && !self.took {
            propagated.consumer(key);
        }
        self.is_new
    }
}

/// Takes an entry over.
fn take(group: &mut Group, log: &Log, id: StreamId, taker: &mut Taker, claim: &Claim, now: i64) -> Outcome {
    let pending = group.pending(id).cloned();
    if log.get(id).is_none() {
        group.acknowledge(id);
        return pending.map_or(Outcome::Left, Outcome::Gone);
    }
    let old = match pending {
        Some(pending) if claim.min_idle > 0 && now.wrapping_sub(pending.time) < claim.min_idle => return Outcome::Left,
        Some(pending) => pending.deliveries,
        None if claim.force => 1,
        None => return Outcome::Left,
    };
    let deliveries = claim.retries.unwrap_or(if claim.justid { old } else { old.wrapping_add(1) });
    let owner = taker.takes(group, now);
    group.set_pending(id, Pending { time: claim.time, deliveries, owner });
    Outcome::Taken
}

/// Checks that the key holds a stream with the group.
fn expect_group(ctx: &mut KeyedCtx<'_>, key: &Key<'_>, group: &[u8]) -> Result<(), CmdError> {
    let stream = ctx.data.read(key).map(stream_of).transpose()?;
    if stream.and_then(|stream| stream.group(group)).is_none() {
        return Err(no_such_group(key.bytes, group, ""));
    }
    Ok(())
}

/// Counts the changes of a claim, and propagates them.
fn settle(ctx: &mut KeyedCtx<'_>, key: &Key<'_>, is_new: bool, changes: u64, propagated: Propagated<'_>) {
    if is_new {
        ctx.data.effects.count(NotifyClass::Stream, "xgroup-createconsumer", ctx.data.db, key.bytes);
    }
    ctx.data.effects.dirty += changes;
    ctx.data.effects.propagate_all_instead(propagated.commands);
}

fn xclaim(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let (key, now) = (ctx.data.key(&args[1]), ctx.data.now);
    expect_group(ctx, &key, &args[2])?;
    let min_idle = parse_i64(&args[4]).ok_or(CmdError::text("ERR Invalid min-idle-time argument for XCLAIM"))?;
    let ids: Vec<StreamId> = args.skip(5).iter().map_while(|word| StreamId::parse(word, 0)).collect();
    let claim = Claim::parse(args, 5 + ids.len(), Claim::new(min_idle, now), now)?;
    let mut propagated = Propagated::of(ctx.data.effects.propagating, &args[2], &args[3]);
    let reply = &mut ctx.reply;
    let done = ctx.data.edit(&key, |stream: &mut Stream| {
        let done = stream.edit_group(&args[2], |group, log| {
            let mut tell_last_id = claim.last_id > group.last_id;
            group.last_id = group.last_id.max(claim.last_id);
            let mut taker = Taker::new(group, &args[3], now);
            let deferred = reply.deferred_array();
            let (mut taken, mut changes) = (0, 0);
            for (id, word) in ids.iter().zip(args.skip(5)) {
                let pending = match take(group, log, *id, &mut taker, &claim, now) {
                    Outcome::Left => continue,
                    Outcome::Gone(pending) => pending,
                    Outcome::Taken => {
                        write_taken(reply, log, *id, claim.justid);
                        taken += 1;
                        group.pending(*id).cloned().expect("it was just taken")
                    }
                };
                propagated.claim(key.bytes, word, &pending, group.last_id);
                tell_last_id = false;
                changes += 1;
            }
            reply.set_len(deferred, taken);
            if tell_last_id {
                propagated.group_id(key.bytes, group);
                changes += 1;
            }
            (taker.settle(key.bytes, &mut propagated), changes)
        });
        Edit::unseen(done)
    })?;
    let (is_new, changes) = done.flatten().unwrap_or_default();
    settle(ctx, &key, is_new, changes, propagated);
    DONE
}

fn write_taken(reply: &mut protocol::resp::reply::Reply<'_>, log: &Log, id: StreamId, justid: bool) {
    match log.get(id) {
        Some(entry) if !justid => write_entry(reply, &entry),
        Some(_) | None => write_id(reply, id),
    }
}

/// The words of XAUTOCLAIM.
#[derive(Clone, Copy, Debug)]
struct AutoClaim {
    claim: Claim,
    start: StreamId,
    count: u64,
}

impl AutoClaim {
    fn parse(args: Args<'_>, now: i64) -> Result<Self, CmdError> {
        let min_idle =
            parse_i64(&args[4]).ok_or(CmdError::text("ERR Invalid min-idle-time argument for XAUTOCLAIM"))?;
        let (start, _) = interval(&args[5], b"+")?;
        let mut claim = Claim::new(min_idle, now);
        let mut count = COUNT_DEFAULT;
        let mut at = 6;
        while let Some(option) = args.get(at) {
            if option.eq_ignore_ascii_case(b"count") && at + 1 < args.len() {
                at += 1;
                let wanted = parse_i64(&args[at]).filter(|count| (1..=COUNT_MAX).contains(count));
                count = wanted.ok_or(error::COUNT_NOT_POSITIVE)?;
            } else if option.eq_ignore_ascii_case(b"justid") {
                claim.justid = true;
            } else {
                return Err(error::SYNTAX);
            }
            at += 1;
        }
        Ok(Self { claim, start, count: count as u64 })
    }
}

fn xautoclaim(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let (key, now) = (ctx.data.key(&args[1]), ctx.data.now);
    let wanted = AutoClaim::parse(args, now)?;
    expect_group(ctx, &key, &args[2])?;
    let mut propagated = Propagated::of(ctx.data.effects.propagating, &args[2], &args[3]);
    let mut found = Found::default();
    let done = ctx.data.edit(&key, |stream: &mut Stream| {
        let done = stream.edit_group(&args[2], |group, log| {
            let mut taker = Taker::new(group, &args[3], now);
            found.search(group, log, &mut taker, &wanted, |id, pending, last_id| {
                id.with_text(|id| propagated.claim(key.bytes, id, pending, last_id));
            });
            taker.settle(key.bytes, &mut propagated)
        });
        Edit::unseen(done.unwrap_or(false))
    })?;
    found.write(ctx, &key, wanted.claim.justid)?;
    let changes = (found.taken.len() + found.gone.len()) as u64;
    settle(ctx, &key, done.unwrap_or(false), changes, propagated);
    DONE
}

/// What XAUTOCLAIM has found.
#[derive(Debug, Default)]
struct Found {
    taken: Vec<StreamId>,
    /// Pending entries that were deleted from the stream.
    gone: Vec<StreamId>,
    /// Where the next call goes on; zero at the end.
    next: StreamId,
}

impl Found {
    fn search(
        &mut self,
        group: &mut Group,
        log: &Log,
        taker: &mut Taker,
        wanted: &AutoClaim,
        mut tell: impl FnMut(StreamId, &Pending, StreamId),
    ) {
        let now = wanted.claim.time;
        let mut attempts = wanted.count.saturating_mul(ATTEMPTS);
        let mut cursor = Some(wanted.start);
        loop {
            let Some(id) = cursor.and_then(|start| group.pending_from(start).next()).map(|(id, _)| id) else {
                self.next = StreamId::MIN;
                return;
            };
            if attempts == 0 || (self.taken.len() + self.gone.len()) as u64 == wanted.count {
                self.next = id;
                return;
            }
            attempts -= 1;
            cursor = id.next();
            match take(group, log, id, taker, &wanted.claim, now) {
                Outcome::Left => {}
                Outcome::Gone(pending) => {
                    self.gone.push(id);
                    tell(id, &pending, group.last_id);
                }
                Outcome::Taken => {
                    self.taken.push(id);
                    tell(id, group.pending(id).expect("it was just taken"), group.last_id);
                }
            }
        }
    }

    fn write(&self, ctx: &mut KeyedCtx<'_>, key: &Key<'_>, justid: bool) -> Result<(), CmdError> {
        let Some(entry) = ctx.data.found(key) else { return Ok(()) };
        let (log, reply) = (stream_of(entry)?.log(), &mut ctx.reply);
        reply.array(3);
        write_id(reply, self.next);
        reply.array(self.taken.len());
        self.taken.iter().for_each(|id| write_taken(reply, log, *id, justid));
        reply.array(self.gone.len());
        self.gone.iter().for_each(|id| write_id(reply, *id));
        Ok(())
    }
}
