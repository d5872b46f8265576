//! Ranges of sorted sets: by rank, score or member; read, counted, stored and removed.
//!
//! All of them go through a [`Query`]: it is parsed from the words of ZRANGE and its older kin, and turned into ranks
//! of one set. Redis: t_zset.c (`zrangeGenericCommand`).

use std::ops::Range;

use protocol::resp::Args;
use protocol::resp::reply::Protocol;

use super::integer;
use super::lists::write_element;
use super::zsets::{changed, zset_of};
use crate::base::number::parse_c_double;
use crate::command::outcome::DONE;
use crate::command::{
    Arity, CmdError, CmdResult, Declared, Flags, Group, Key, KeySpec, KeyedCtx, KeyedFn, NotifyClass, error,
};
use crate::store::Value;
use crate::store::types::zset::{LexBound, LexBounds, ScoreBounds, ZSet, ZSetRef};

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("ZRANGE", Arity::at_least(4), Group::SortedSet, Flags::READONLY, zrange as KeyedFn)
        .since("1.2.0")
        .summary("Return a range of members in a sorted set")
        .complexity("O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements returned.")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key start:string stop:string [sortby:<'byscore|'bylex>@6.2.0] ['rev@6.2.0] [LIMIT=offset_count:{offset:integer count:integer}@6.2.0] ['withscores]")
        .history(&[("6.2.0", "Added the `REV`, `BYSCORE`, `BYLEX` and `LIMIT` options.")]),
    Declared::new("ZRANGESTORE", Arity::at_least(5), Group::SortedSet, Flags::WRITE.and(Flags::DENYOOM), zrangestore as KeyedFn)
        .since("6.2.0")
        .summary("Store a range of members from sorted set into another key")
        .complexity("O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements stored into the destination key.")
        .keys(&[KeySpec::at(1).ow().update(), KeySpec::at(2).ro().access()])
        .syntax("dst:key src:key min:string max:string [sortby:<'byscore|'bylex>] ['rev] [LIMIT=offset_count:{offset:integer count:integer}]"),
    Declared::new("ZRANGEBYSCORE", Arity::at_least(4), Group::SortedSet, Flags::READONLY, zrangebyscore as KeyedFn)
        .since("1.0.5")
        .summary("Return a range of members in a sorted set, by score")
        .complexity("O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it O(log(N)).")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key min:double max:double ['withscores@2.0.0] [LIMIT=offset_count:{offset:integer count:integer}]")
        .history(&[("2.0.0", "Added the `WITHSCORES` modifier.")])
        .deprecated("6.2.0", "`ZRANGE` with the `BYSCORE` argument"),
    Declared::new("ZREVRANGE", Arity::at_least(4), Group::SortedSet, Flags::READONLY, zrevrange as KeyedFn)
        .since("1.2.0")
        .summary("Return a range of members in a sorted set, by index, with scores ordered from high to low")
        .complexity("O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements returned.")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key start:integer stop:integer ['withscores]")
        .deprecated("6.2.0", "`ZRANGE` with the `REV` argument"),
    Declared::new("ZREVRANGEBYSCORE", Arity::at_least(4), Group::SortedSet, Flags::READONLY, zrevrangebyscore as KeyedFn)
        .since("2.2.0")
        .summary("Return a range of members in a sorted set, by score, with scores ordered from high to low")
        .complexity("O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it O(log(N)).")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key max:double min:double ['withscores] [LIMIT=offset_count:{offset:integer count:integer}]")
        .history(&[("2.1.6", "`min` and `max` can be exclusive.")])
        .deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments"),
    Declared::new("ZRANGEBYLEX", Arity::at_least(4), Group::SortedSet, Flags::READONLY, zrangebylex as KeyedFn)
        .since("2.8.9")
        .summary("Return a range of members in a sorted set, by lexicographical range")
        .complexity("O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it O(log(N)).")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key min:string max:string [LIMIT=offset_count:{offset:integer count:integer}]")
        .deprecated("6.2.0", "`ZRANGE` with the `BYLEX` argument"),
    Declared::new("ZREVRANGEBYLEX", Arity::at_least(4), Group::SortedSet, Flags::READONLY, zrevrangebylex as KeyedFn)
        .since("2.8.9")
        .summary("Return a range of members in a sorted set, by lexicographical range, ordered from higher to lower strings.")
        .complexity("O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it O(log(N)).")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key max:string min:string [LIMIT=offset_count:{offset:integer count:integer}]")
        .deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments"),
    Declared::new("ZCOUNT", Arity::exactly(4), Group::SortedSet, Flags::READONLY.and(Flags::FAST), zcount as KeyedFn)
        .since("2.0.0")
        .summary("Count the members in a sorted set with scores within the given values")
        .complexity("O(log(N)) with N being the number of elements in the sorted set.")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key min:double max:double"),
    Declared::new("ZLEXCOUNT", Arity::exactly(4), Group::SortedSet, Flags::READONLY.and(Flags::FAST), zlexcount as KeyedFn)
        .since("2.8.9")
        .summary("Count the number of members in a sorted set between a given lexicographical range")
        .complexity("O(log(N)) with N being the number of elements in the sorted set.")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key min:string max:string"),
    Declared::new("ZRANK", Arity::at_least(3), Group::SortedSet, Flags::READONLY.and(Flags::FAST), zrank as KeyedFn)
        .since("2.0.0")
        .summary("Determine the index of a member in a sorted set")
        .complexity("O(log(N))")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key member:string ['withscore@7.2.0]")
        .history(&[("7.2.0", "Added the optional `WITHSCORE` argument.")]),
    Declared::new("ZREVRANK", Arity::at_least(3), Group::SortedSet, Flags::READONLY.and(Flags::FAST), zrevrank as KeyedFn)
        .since("2.0.0")
        .summary("Determine the index of a member in a sorted set, with scores ordered from high to low")
        .complexity("O(log(N))")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key member:string ['withscore@7.2.0]")
        .history(&[("7.2.0", "Added the optional `WITHSCORE` argument.")]),
    Declared::new("ZREMRANGEBYRANK", Arity::exactly(4), Group::SortedSet, Flags::WRITE, zremrangebyrank as KeyedFn)
        .since("2.0.0")
        .summary("Remove all members in a sorted set within the given indexes")
        .complexity("O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements removed by the operation.")
        .keys(&[KeySpec::at(1).rw().delete()])
        .syntax("key:key start:integer stop:integer"),
    Declared::new("ZREMRANGEBYSCORE", Arity::exactly(4), Group::SortedSet, Flags::WRITE, zremrangebyscore as KeyedFn)
        .since("1.2.0")
        .summary("Remove all members in a sorted set within the given scores")
        .complexity("O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements removed by the operation.")
        .keys(&[KeySpec::at(1).rw().delete()])
        .syntax("key:key min:double max:double"),
    Declared::new("ZREMRANGEBYLEX", Arity::exactly(4), Group::SortedSet, Flags::WRITE, zremrangebylex as KeyedFn)
        .since("2.8.9")
        .summary("Remove all members in a sorted set between the given lexicographical range")
        .complexity("O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements removed by the operation.")
        .keys(&[KeySpec::at(1).rw().delete()])
        .syntax("key:key min:string max:string"),
];

const NOT_SCORES: CmdError = CmdError::text("ERR min or max is not a float");
const NOT_MEMBERS: CmdError = CmdError::text("ERR min or max not valid string range item");
const LIMIT_OF_RANKS: CmdError =
    CmdError::text("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
const SCORES_BY_LEX: CmdError = CmdError::text("ERR syntax error, WITHSCORES not supported in combination with BYLEX");

/// What bounds are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// The bounds of a range.
#[derive(Clone, Copy, Debug)]
enum Bounds<'a> {
    Ranks(i64, i64),
    Scores(ScoreBounds),
    Members(LexBounds<'a>),
}

impl<'a> Bounds<'a> {
    fn parse(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Self, CmdError> {
        Ok(match by {
            By::Rank => Bounds::Ranks(integer(min)?, integer(max)?),
            By::Score => {
                let (min, min_excluded) = parse_score_bound(min)?;
                let (max, max_excluded) = parse_score_bound(max)?;
                Bounds::Scores(ScoreBounds { min, max, min_excluded, max_excluded })
            }
            By::Lex => Bounds::Members(LexBounds { min: parse_lex_bound(min)?, max: parse_lex_bound(max)? }),
        })
    }

    /// The ranks of the elements within, in a set that is read from one end.
    fn ranks(&self, zset: ZSetRef<'_>, reversed: bool) -> Range<usize> {
        match self {
            Bounds::Ranks(start, stop) => rank_range(*start, *stop, zset.len()),
            Bounds::Scores(bounds) => zset.score_range(bounds),
            Bounds::Members(bounds) => zset.lex_range(bounds, reversed),
        }
    }
}

/// A score, which is excluded if `(` stands before it. Redis reads it by `strtod` and takes anything that ends there.
fn parse_score_bound(word: &[u8]) -> Result<(f64, bool), CmdError> {
    let (text, excluded) = match word {
        [b'(', rest @ ..] => (rest, true),
        _ => (word, false),
    };
    Ok((parse_c_double(error::c_string(text)).filter(|score| !score.is_nan()).ok_or(NOT_SCORES)?, excluded))
}

/// `-`, `+`, `[member` or `(member`.
fn parse_lex_bound(word: &[u8]) -> Result<LexBound<'_>, CmdError> {
    match word {
        [b'-'] | [b'-', 0, ..] => Ok(LexBound::Least),
        [b'+'] | [b'+', 0, ..] => Ok(LexBound::Greatest),
        [b'[', member @ ..] => Ok(LexBound::Including(member)),
        [b'(', member @ ..] => Ok(LexBound::Excluding(member)),
        _ => Err(NOT_MEMBERS),
    }
}

/// The ranks from one index to another in a set of `len` elements; negative ones count from the end.
fn rank_range(start: i64, stop: i64, len: usize) -> Range<usize> {
    let len = len as i64;
    let start = if start < 0 { (len + start).max(0) } else { start };
    let stop = if stop < 0 { len + stop } else { stop.min(len - 1) };
    if start > stop || start >= len { 0..0 } else { start as usize..stop as usize + 1 }
}

/// A range of ZRANGE and its kin.
#[derive(Clone, Copy, Debug)]
struct Query<'a> {
    bounds: Bounds<'a>,
    reversed: bool,
    with_scores: bool,
    offset: i64,
    /// Negative is no limit.
    limit: i64,
}

impl<'a> Query<'a> {
    /// Reads two bounds from word `at` on and the options behind them. Where `by` and `reversed` are given, the words
    /// for them are not.
    fn parse(
        args: Args<'a>,
        at: usize,
        by: Option<By>,
        reversed: Option<bool>,
        stores: bool,
    ) -> Result<Self, CmdError> {
        let (mut said_by, mut said_reversed) = (by, reversed);
        let (mut with_scores, mut offset, mut limit) = (false, 0, -1);
        let mut next = at + 2;
        while let Some(word) = args.get(next) {
            if !stores && word.eq_ignore_ascii_case(b"withscores") {
                with_scores = true;
            } else if word.eq_ignore_ascii_case(b"limit") && next + 2 < args.len() {
                (offset, limit) = (integer(&args[next + 1])?, integer(&args[next + 2])?);
                next += 2;
            } else if said_reversed.is_none() && word.eq_ignore_ascii_case(b"rev") {
                said_reversed = Some(true);
            } else if said_by.is_none() && word.eq_ignore_ascii_case(b"bylex") {
                said_by = Some(By::Lex);
            } else if said_by.is_none() && word.eq_ignore_ascii_case(b"byscore") {
                said_by = Some(By::Score);
            } else {
                return Err(error::SYNTAX);
            }
            next += 1;
        }
        let (by, reversed) = (said_by.unwrap_or(By::Rank), said_reversed.unwrap_or(false));
        if limit != -1 && by == By::Rank {
            return Err(LIMIT_OF_RANKS);
        }
        if with_scores && by == By::Lex {
            return Err(SCORES_BY_LEX);
        }
        let (Some(mut min), Some(mut max)) = (args.get(at), args.get(at + 1)) else { return Err(error::SYNTAX) };
        if reversed && by != By::Rank {
            std::mem::swap(&mut min, &mut max);
        }
        Ok(Query { bounds: Bounds::parse(by, min, max)?, reversed, with_scores, offset, limit })
    }

    /// The first element, counted from the end at which reading begins, and how many there are.
    fn part_of(&self, zset: ZSetRef<'_>) -> (usize, usize) {
        let ranks = self.bounds.ranks(zset, self.reversed);
        let (start, count) = match self.bounds {
            // These ranks are counted from that end already.
            Bounds::Ranks(..) => return (ranks.start, ranks.len()),
            Bounds::Scores(_) | Bounds::Members(_) if self.reversed => {
                (zset.len() - ranks.end.max(ranks.start), ranks.len())
            }
            Bounds::Scores(_) | Bounds::Members(_) => (ranks.start, ranks.len()),
        };
        // A negative offset is never reached.
        let offset = usize::try_from(self.offset).unwrap_or(usize::MAX).min(count);
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        (start + offset, (count - offset).min(limit))
    }
}

fn range(ctx: &mut KeyedCtx<'_>, args: Args<'_>, by: Option<By>, reversed: Option<bool>) -> CmdResult {
    let query = Query::parse(args, 2, by, reversed, false)?;
    let key = ctx.data.key(&args[1]);
    let Some(entry) = ctx.data.read(&key) else {
        ctx.reply.array(0);
        return DONE;
    };
    let zset = zset_of(entry)?;
    let (start, count) = query.part_of(zset);
    let nested = ctx.reply.protocol() == Protocol::Resp3;
    let reply = &mut ctx.reply;
    if !query.with_scores {
        reply.array(count);
        zset.range(start, count, query.reversed, |member, _| write_element(reply, member));
        return DONE;
    }
    reply.array(if nested { count } else { count * 2 });
    zset.range(start, count, query.reversed, |member, score| {
        if nested {
            reply.array(2);
        }
        write_element(reply, member);
        reply.double(score);
    });
    DONE
}

fn zrange(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    range(ctx, args, None, None)
}

fn zrevrange(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    range(ctx, args, Some(By::Rank), Some(true))
}

fn zrangebyscore(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    range(ctx, args, Some(By::Score), Some(false))
}

fn zrevrangebyscore(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    range(ctx, args, Some(By::Score), Some(true))
}

fn zrangebylex(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    range(ctx, args, Some(By::Lex), Some(false))
}

fn zrevrangebylex(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    range(ctx, args, Some(By::Lex), Some(true))
}

fn zrangestore(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let query = Query::parse(args, 3, None, None, true)?;
    let source = ctx.data.key(&args[2]);
    let mut elements = Vec::new();
    if let Some(entry) = ctx.data.read(&source) {
        let zset = zset_of(entry)?;
        let (start, count) = query.part_of(zset);
        zset.range(start, count, query.reversed, |member, score| elements.push((score, member.to_vec())));
    }
    let target = ctx.data.key(&args[1]);
    store(ctx, &target, "zrangestore", elements);
    DONE
}

/// Stores a result, replies with the number of elements, and removes the key if there are none.
pub(super) fn store<M: AsRef<[u8]>>(
    ctx: &mut KeyedCtx<'_>,
    target: &Key<'_>,
    event: &'static str,
    elements: Vec<(f64, M)>,
) {
    let len = elements.len();
    if len == 0 {
        ctx.data.delete_even_expired(target);
    } else {
        let zset = ZSet::of_elements(elements, &ctx.limits.zset);
        ctx.data.set_result(target, Value::from(zset));
        ctx.data.changed(target, NotifyClass::Zset, event);
    }
    ctx.reply.int(len as i64);
}

fn count(ctx: &mut KeyedCtx<'_>, args: Args<'_>, by: By) -> CmdResult {
    let bounds = Bounds::parse(by, &args[2], &args[3])?;
    let key = ctx.data.key(&args[1]);
    let count = match ctx.data.read(&key) {
        Some(entry) => bounds.ranks(zset_of(entry)?, false).len(),
        None => 0,
    };
    ctx.reply.int(count as i64);
    DONE
}

fn zcount(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    count(ctx, args, By::Score)
}

fn zlexcount(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    count(ctx, args, By::Lex)
}

fn rank(ctx: &mut KeyedCtx<'_>, args: Args<'_>, reversed: bool) -> CmdResult {
    let with_score = match args.get(3) {
        _ if args.len() > 4 => return Err(error::wrong_arity(ctx.name)),
        Some(word) if word.eq_ignore_ascii_case(b"withscore") => true,
        Some(_) => return Err(error::SYNTAX),
        None => false,
    };
    let key = ctx.data.key(&args[1]);
    let mut found = None;
    if let Some(entry) = ctx.data.read(&key) {
        let zset = zset_of(entry)?;
        found = zset.rank(&args[2]).map(|(rank, score)| (if reversed { zset.len() - 1 - rank } else { rank }, score));
    }
    match found {
        None if with_score => ctx.reply.null_array(),
        None => ctx.reply.null(),
        Some((rank, score)) => {
            if with_score {
                ctx.reply.array(2);
            }
            ctx.reply.int(rank as i64);
            if with_score {
                ctx.reply.double(score);
            }
        }
    }
    DONE
}

fn zrank(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    rank(ctx, args, false)
}

fn zrevrank(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    rank(ctx, args, true)
}

fn remove_range(ctx: &mut KeyedCtx<'_>, args: Args<'_>, by: By, event: &'static str) -> CmdResult {
    let bounds = Bounds::parse(by, &args[2], &args[3])?;
    let key = ctx.data.key(&args[1]);
    let removed = ctx.data.edit(&key, |zset: &mut ZSet| {
        let ranks = bounds.ranks(zset.view(), false);
        zset.remove_range(ranks.clone());
        changed(event, ranks.len(), ranks.len())
    })?;
    ctx.reply.int(removed.unwrap_or(0) as i64);
    DONE
}

fn zremrangebyrank(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    remove_range(ctx, args, By::Rank, "zremrangebyrank")
}

fn zremrangebyscore(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    remove_range(ctx, args, By::Score, "zremrangebyscore")
}

fn zremrangebylex(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    remove_range(ctx, args, By::Lex, "zremrangebylex")
}
