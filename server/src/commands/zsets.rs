//! Sorted sets: adding, counting up, removing and looking up single members.
//!
//! Ranges are in [`super::zset_ranges`], pops in [`super::zset_pops`], unions and the like in [`super::zset_algebra`].
//! The set itself is in [`crate::store::types::zset`]; these files give its operations words, replies and events.
//! Redis: t_zset.c.

use protocol::resp::Args;
use protocol::resp::reply::Reply;
use smallvec::SmallVec;

use crate::base::number::parse_f64;
use crate::command::outcome::DONE;
use crate::command::{
    Arity, CmdError, CmdResult, Declared, Edit, Flags, Group, Key, KeySpec, KeyedCtx, KeyedFn, NotifyClass, error,
};
use crate::store::EntryRef;
use crate::store::types::zset::{Updated, ZSet, ZSetRef};

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("ZADD", Arity::at_least(4), Group::SortedSet, Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST), zadd as KeyedFn)
        .since("1.2.0")
        .summary("Add one or more members to a sorted set, or update its score if it already exists")
        .complexity("O(log(N)) for each item added, where N is the number of elements in the sorted set.")
        .keys(&[KeySpec::at(1).rw().update()])
        .syntax("key:key [condition:<'nx|'xx>@3.0.2] [comparison:<'gt|'lt>@6.2.0] [CH='change@3.0.2] [INCR='increment@3.0.2] score_member:{score:double member:string}+")
        .history(&[("2.4.0", "Accepts multiple elements."), ("3.0.2", "Added the `XX`, `NX`, `CH` and `INCR` options."), ("6.2.0", "Added the `GT` and `LT` options.")]),
    Declared::new("ZINCRBY", Arity::exactly(4), Group::SortedSet, Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST), zincrby as KeyedFn)
        .since("1.2.0")
        .summary("Increment the score of a member in a sorted set")
        .complexity("O(log(N)) where N is the number of elements in the sorted set.")
        .keys(&[KeySpec::at(1).rw().access().update()])
        .syntax("key:key increment:integer member:string"),
    Declared::new("ZREM", Arity::at_least(3), Group::SortedSet, Flags::WRITE.and(Flags::FAST), zrem as KeyedFn)
        .since("1.2.0")
        .summary("Remove one or more members from a sorted set")
        .complexity("O(M*log(N)) with N being the number of elements in the sorted set and M the number of elements to be removed.")
        .keys(&[KeySpec::at(1).rw().delete()])
        .syntax("key:key member:string+")
        .history(&[("2.4.0", "Accepts multiple elements.")]),
    Declared::new("ZCARD", Arity::exactly(2), Group::SortedSet, Flags::READONLY.and(Flags::FAST), zcard as KeyedFn)
        .since("1.2.0")
        .summary("Get the number of members in a sorted set")
        .complexity("O(1)")
        .keys(&[KeySpec::at(1).ro()])
        .syntax("key:key"),
    Declared::new("ZSCORE", Arity::exactly(3), Group::SortedSet, Flags::READONLY.and(Flags::FAST), zscore as KeyedFn)
        .since("1.2.0")
        .summary("Get the score associated with the given member in a sorted set")
        .complexity("O(1)")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key member:string"),
    Declared::new("ZMSCORE", Arity::at_least(3), Group::SortedSet, Flags::READONLY.and(Flags::FAST), zmscore as KeyedFn)
        .since("6.2.0")
        .summary("Get the score associated with the given members in a sorted set")
        .complexity("O(N) where N is the number of members being requested.")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key member:string+"),
];

const NOT_A_NUMBER: CmdError = CmdError::text("ERR resulting score is not a number (NaN)");

/// The set in an entry, for reading.
pub(super) fn zset_of(entry: EntryRef<'_>) -> Result<ZSetRef<'_>, CmdError> {
    entry.collection::<ZSet>().ok_or(error::WRONG_TYPE)
}

/// The result of an edit: the event, and how many changes it counts as; none if there were none.
pub(super) fn changed<R>(event: &'static str, count: usize, result: R) -> Edit<R> {
    if count == 0 { Edit::none(result) } else { Edit::of(NotifyClass::Zset, event, count, result) }
}

/// The options of ZADD.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AddOptions {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
    ch: bool,
    incr: bool,
}

impl AddOptions {
    /// Reads options from word `at` on; returns where they end.
    fn parse(&mut self, args: Args<'_>, at: usize) -> usize {
        let mut at = at;
        while let Some(word) = args.get(at) {
            let option = match word.len() {
                2 if word.eq_ignore_ascii_case(b"nx") => &mut self.nx,
                2 if word.eq_ignore_ascii_case(b"xx") => &mut self.xx,
                2 if word.eq_ignore_ascii_case(b"gt") => &mut self.gt,
                2 if word.eq_ignore_ascii_case(b"lt") => &mut self.lt,
                2 if word.eq_ignore_ascii_case(b"ch") => &mut self.ch,
                4 if word.eq_ignore_ascii_case(b"incr") => &mut self.incr,
                _ => return at,
            };
            *option = true;
            at += 1;
        }
        at
    }

    /// Reads the options that GEOADD has, from word `at` on; returns where they end.
    pub(super) fn parse_of_places(&mut self, args: Args<'_>, at: usize) -> Result<usize, CmdError> {
        let mut at = at;
        while let Some(word) = args.get(at) {
            let option = match word.len() {
                2 if word.eq_ignore_ascii_case(b"nx") => &mut self.nx,
                2 if word.eq_ignore_ascii_case(b"xx") => &mut self.xx,
                2 if word.eq_ignore_ascii_case(b"ch") => &mut self.ch,
                _ => break,
            };
            *option = true;
            at += 1;
        }
        if self.nx && self.xx { Err(error::SYNTAX) } else { Ok(at) }
    }

    /// Refuses options that contradict each other.
    fn check(self, pairs: usize) -> Result<(), CmdError> {
        if self.nx && self.xx {
            return Err(CmdError::text("ERR XX and NX options at the same time are not compatible"));
        }
        if (self.nx && (self.gt || self.lt)) || (self.gt && self.lt) {
            return Err(CmdError::text("ERR GT, LT, and/or NX options at the same time are not compatible"));
        }
        if self.incr && pairs > 1 {
            return Err(CmdError::text("ERR INCR option supports a single increment-element pair"));
        }
        Ok(())
    }

    /// The score that a member gets; `None` leaves it alone, or out.
    #[inline]
    fn decide(self, old: Option<f64>, score: f64) -> Option<f64> {
        let Some(old) = old else { return (!self.xx).then_some(score) };
        if self.nx {
            return None;
        }
        let new = if self.incr { old + score } else { score };
        let unwanted = (self.lt && new >= old) || (self.gt && new <= old);
        (!unwanted).then_some(new)
    }
}

fn zadd(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    add(ctx, args, AddOptions::default())
}

fn zincrby(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    add(ctx, args, AddOptions { incr: true, ..AddOptions::default() })
}

fn add(ctx: &mut KeyedCtx<'_>, args: Args<'_>, mut options: AddOptions) -> CmdResult {
    let first = options.parse(args, 2);
    let pairs = args.skip(first);
    if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
        return Err(error::SYNTAX);
    }
    options.check(pairs.len() / 2)?;
    // A bad score leaves everything as it was.
    let score = |at: usize| parse_f64(&pairs[at]).ok_or(error::NOT_FLOAT);
    let scores: SmallVec<[f64; 4]> = (0..pairs.len()).step_by(2).map(score).collect::<Result<_, _>>()?;
    let key = ctx.data.key(&args[1]);
    let elements = scores.into_iter().enumerate().map(|(number, score)| (score, &pairs[2 * number + 1]));
    add_elements(ctx, &key, options, elements)?;
    DONE
}

/// Adds scores and members, and replies.
#[inline]
pub(super) fn add_elements<'m>(
    ctx: &mut KeyedCtx<'_>,
    key: &Key<'_>,
    options: AddOptions,
    elements: impl Iterator<Item = (f64, &'m [u8])>,
) -> Result<(), CmdError> {
    let limits = &ctx.limits.zset;
    let Added { added, updated, last, is_nan } = ctx.data.edit_or_create(key, ZSet::new, |zset: &mut ZSet| {
        let mut result = Added::default();
        for (score, member) in elements {
            let updated = zset.update(member, limits, |old| {
                result.last = options.decide(old, score);
                result.is_nan = result.last.is_some_and(f64::is_nan);
                result.last.filter(|score| !score.is_nan())
            });
            match updated {
                Updated::Added => result.added += 1,
                Updated::Changed => result.updated += 1,
                Updated::Same => {}
            }
        }
        let event = if options.incr { "zincr" } else { "zadd" };
        changed(event, result.added + result.updated, result)
    })?;
    if is_nan {
        return Err(NOT_A_NUMBER);
    }
    match last {
        Some(score) if options.incr => ctx.reply.double(score),
        None if options.incr => ctx.reply.null(),
        _ => ctx.reply.int((added + if options.ch { updated } else { 0 }) as i64),
    }
    Ok(())
}

/// What ZADD has done.
#[derive(Clone, Copy, Debug, Default)]
struct Added {
    added: usize,
    updated: usize,
    /// What the last member got.
    last: Option<f64>,
    /// The last member would have got no number.
    is_nan: bool,
}

fn zrem(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    let removed = ctx.data.edit(&key, |zset: &mut ZSet| {
        let mut removed = 0;
        for member in args.skip(2) {
            removed += usize::from(zset.remove(member).is_some());
            if zset.is_empty() {
                break;
            }
        }
        changed("zrem", removed, removed)
    })?;
    ctx.reply.int(removed.unwrap_or(0) as i64);
    DONE
}

fn zcard(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    let len = match ctx.data.read(&key) {
        Some(entry) => zset_of(entry)?.len(),
        None => 0,
    };
    ctx.reply.int(len as i64);
    DONE
}

fn zscore(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    let score = match ctx.data.read(&key) {
        Some(entry) => zset_of(entry)?.score(&args[2]),
        None => None,
    };
    write_score(&mut ctx.reply, score);
    DONE
}

fn zmscore(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    let zset = ctx.data.read(&key).map(zset_of).transpose()?;
    let members = args.skip(2);
    ctx.reply.array(members.len());
    for member in members {
        write_score(&mut ctx.reply, zset.and_then(|zset| zset.score(member)));
    }
    DONE
}

fn write_score(reply: &mut Reply<'_>, score: Option<f64>) {
    match score {
        Some(score) => reply.double(score),
        None => reply.null(),
    }
}
