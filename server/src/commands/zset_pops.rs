//! Sorted sets: removing the first or last members, at once or as soon as there are any.
//!
//! A blocking command is its plain form with one more outcome, see [`super::list_moves`]. What is propagated never
//! waits: a pop that took something from a set is a ZPOPMIN or ZPOPMAX of that set. Redis: t_zset.c, blocked.c.

use protocol::resp::Args;
use protocol::resp::reply::{Protocol, Reply};

use super::lists::write_element;
use super::multi_pop::{MultiPop, block, first_that_holds, parse_timeout};
use super::zsets::changed;
use crate::base::number::parse_i64;
use crate::command::outcome::DONE;
use crate::command::spec::FindKeys;
use crate::command::{Arity, CmdError, CmdResult, Declared, Flags, Group, KeySpec, KeyedCtx, KeyedFn, error};
use crate::store::Type;
use crate::store::types::zset::ZSet;

const ANY_OF: KeySpec = KeySpec::at(1).rw().access().delete().find(FindKeys::Range { last: -2, step: 1, limit: 0 });

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("ZPOPMIN", Arity::at_least(2), Group::SortedSet, Flags::WRITE.and(Flags::FAST), zpopmin as KeyedFn)
        .since("5.0.0")
        .summary("Remove and return members with the lowest scores in a sorted set")
        .complexity("O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements popped.")
        .keys(&[KeySpec::at(1).rw().access().delete()])
        .syntax("key:key [count:integer]"),
    Declared::new("ZPOPMAX", Arity::at_least(2), Group::SortedSet, Flags::WRITE.and(Flags::FAST), zpopmax as KeyedFn)
        .since("5.0.0")
        .summary("Remove and return members with the highest scores in a sorted set")
        .complexity("O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements popped.")
        .keys(&[KeySpec::at(1).rw().access().delete()])
        .syntax("key:key [count:integer]"),
    Declared::new("ZMPOP", Arity::at_least(4), Group::SortedSet, Flags::WRITE, zmpop as KeyedFn)
        .since("7.0.0")
        .summary("Remove and return members with scores in a sorted set")
        .complexity("O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the sorted set, and M being the number of elements popped.")
        .keys(&[KeySpec::numkeys(1).rw().access().delete()])
        .syntax("numkeys:integer key:key+ where:<'min|'max> [COUNT=count:integer]"),
    Declared::new("BZPOPMIN", Arity::at_least(3), Group::SortedSet, Flags::WRITE.and(Flags::NOSCRIPT).and(Flags::BLOCKING).and(Flags::FAST), bzpopmin as KeyedFn)
        .since("5.0.0")
        .summary("Remove and return the member with the lowest score from one or more sorted sets, or block until one is available")
        .complexity("O(log(N)) with N being the number of elements in the sorted set.")
        .keys(&[ANY_OF])
        .syntax("key:key+ timeout:double")
        .history(&[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")]),
    Declared::new("BZPOPMAX", Arity::at_least(3), Group::SortedSet, Flags::WRITE.and(Flags::NOSCRIPT).and(Flags::BLOCKING).and(Flags::FAST), bzpopmax as KeyedFn)
        .since("5.0.0")
        .summary("Remove and return the member with the highest score from one or more sorted sets, or block until one is available")
        .complexity("O(log(N)) with N being the number of elements in the sorted set.")
        .keys(&[ANY_OF])
        .syntax("key:key+ timeout:double")
        .history(&[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")]),
    Declared::new("BZMPOP", Arity::at_least(5), Group::SortedSet, Flags::WRITE.and(Flags::BLOCKING), bzmpop as KeyedFn)
        .since("7.0.0")
        .summary("Remove and return members with scores in a sorted set or block until one is available")
        .complexity("O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the sorted set, and M being the number of elements popped.")
        .keys(&[KeySpec::numkeys(2).rw().access().delete()])
        .syntax("timeout:double numkeys:integer key:key+ where:<'min|'max> [COUNT=count:integer]"),
];

/// An end of a sorted set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extreme {
    Min,
    Max,
}

impl Extreme {
    /// Reads MIN or MAX.
    fn parse(word: &[u8]) -> Result<Self, CmdError> {
        if word.eq_ignore_ascii_case(b"min") {
            Ok(Self::Min)
        } else if word.eq_ignore_ascii_case(b"max") {
            Ok(Self::Max)
        } else {
            Err(error::SYNTAX)
        }
    }
    fn event(self) -> &'static str {
        match self {
            Self::Min => "zpopmin",
            Self::Max => "zpopmax",
        }
    }
    fn verb(self) -> &'static [u8] {
        match self {
            Self::Min => b"ZPOPMIN",
            Self::Max => b"ZPOPMAX",
        }
    }
}

/// Writes up to `count` elements from an end and removes them. Returns how many there were.
fn pop(zset: &mut ZSet, end: Extreme, count: usize, nested: bool, reply: &mut Reply<'_>) -> usize {
    let count = count.min(zset.len());
    zset.range(0, count, end == Extreme::Max, |member, score| {
        if nested {
            reply.array(2);
        }
        write_element(reply, member);
        reply.double(score);
    });
    let start = if end == Extreme::Max { zset.len() - count } else { 0 };
    zset.remove_range(start..start + count);
    count
}

fn pop_one_set(ctx: &mut KeyedCtx<'_>, args: Args<'_>, end: Extreme) -> CmdResult {
    if args.len() > 3 {
        return Err(error::SYNTAX);
    }
    let count = match args.get(2) {
        None => None,
        Some(word) => {
            let count = parse_i64(word).and_then(|count| usize::try_from(count).ok());
            Some(count.ok_or(error::OUT_OF_RANGE_POSITIVE)?)
        }
    };
    let nested = count.is_some() && ctx.reply.protocol() == Protocol::Resp3;
    let key = ctx.data.key(&args[1]);
    let reply = &mut ctx.reply;
    let found = ctx.data.edit(&key, |zset: &mut ZSet| {
        let count = count.unwrap_or(1).min(zset.len());
        reply.array(if nested { count } else { count * 2 });
        let popped = pop(zset, end, count, nested, reply);
        changed(end.event(), popped, ())
    })?;
    if found.is_none() {
        ctx.reply.array(0);
    }
    DONE
}

fn zpopmin(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    pop_one_set(ctx, args, Extreme::Min)
}

fn zpopmax(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    pop_one_set(ctx, args, Extreme::Max)
}

fn pop_first_or_block(ctx: &mut KeyedCtx<'_>, args: Args<'_>, end: Extreme) -> CmdResult {
    let last = args.len() - 1;
    let timeout_ms = parse_timeout(&args[last])?;
    let Some(position) = first_that_holds::<ZSet>(ctx, args, 1..last)? else {
        if !ctx.may_block {
            ctx.reply.null_array();
            return DONE;
        }
        return Ok(block(1..last, timeout_ms, Type::ZSet));
    };
    let key = ctx.data.key(&args[position]);
    let reply = &mut ctx.reply;
    ctx.data.edit(&key, |zset: &mut ZSet| {
        reply.array(3);
        reply.bulk(key.bytes);
        let popped = pop(zset, end, 1, false, reply);
        changed(end.event(), popped, ())
    })?;
    ctx.data.effects.propagate_instead(&[end.verb(), key.bytes]);
    DONE
}

fn bzpopmin(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    pop_first_or_block(ctx, args, Extreme::Min)
}

fn bzpopmax(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    pop_first_or_block(ctx, args, Extreme::Max)
}

/// Pops from the first sorted set; `false` if there is none.
fn multi_pop(ctx: &mut KeyedCtx<'_>, args: Args<'_>, wanted: &MultiPop<Extreme>) -> Result<bool, CmdError> {
    let Some(position) = first_that_holds::<ZSet>(ctx, args, wanted.keys.clone())? else { return Ok(false) };
    let key = ctx.data.key(&args[position]);
    let reply = &mut ctx.reply;
    let popped = ctx.data.edit(&key, |zset: &mut ZSet| {
        reply.array(2);
        reply.bulk(key.bytes);
        reply.array(wanted.count.min(zset.len()));
        let popped = pop(zset, wanted.end, wanted.count, true, reply);
        changed(wanted.end.event(), popped, popped)
    })?;
    let Some(count) = popped else { return Ok(false) };
    ctx.data.effects.propagate_instead(&[wanted.end.verb(), key.bytes, count.to_string().as_bytes()]);
    Ok(true)
}

fn zmpop(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let wanted = MultiPop::parse(args, 1, Extreme::parse)?;
    if !multi_pop(ctx, args, &wanted)? {
        ctx.reply.null_array();
    }
    DONE
}

fn bzmpop(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let wanted = MultiPop::parse(args, 2, Extreme::parse)?;
    let timeout_ms = parse_timeout(&args[1])?;
    if multi_pop(ctx, args, &wanted)? {
        return DONE;
    }
    if !ctx.may_block {
        ctx.reply.null_array();
        return DONE;
    }
    Ok(block(wanted.keys, timeout_ms, Type::ZSet))
}
