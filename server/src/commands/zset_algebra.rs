//! Unions, intersections and differences of sorted sets.
//!
//! The inputs are clones of the sets, which cost little ([`crate::store::types::zset`]) and stay as they are while the
//! target is written, even if it is one of them. As in Redis, they are taken from the smallest to the largest, which
//! shows in the last digits of sums. Redis: t_zset.c (`zunionInterDiffGenericCommand`).

use std::collections::HashMap;
use std::ops::ControlFlow;

use protocol::resp::Args;
use protocol::resp::reply::Protocol;

use super::integer;
use super::zset_ranges::store;
use super::zsets::zset_of;
use crate::base::number::{parse_f64, parse_i64};
use crate::command::outcome::DONE;
use crate::command::{Arity, CmdError, CmdResult, Declared, Flags, Group, KeySpec, KeyedCtx, KeyedFn, error};
use crate::store::EntryRef;
use crate::store::types::set::Set;
use crate::store::types::zset::{ZSet, ZSetOptions, ZSetRef};

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("ZUNION", Arity::at_least(3), Group::SortedSet, Flags::READONLY, zunion as KeyedFn)
        .since("6.2.0")
        .summary("Add multiple sorted sets")
        .complexity("O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of elements in the resulting sorted set.")
        .keys(&[KeySpec::numkeys(1).ro().access()])
        .syntax("numkeys:integer key:key+ [WEIGHTS=weight:integer+] [AGGREGATE=aggregate:<'sum|'min|'max>] ['withscores]"),
    Declared::new("ZINTER", Arity::at_least(3), Group::SortedSet, Flags::READONLY, zinter as KeyedFn)
        .since("6.2.0")
        .summary("Intersect multiple sorted sets")
        .complexity("O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of input sorted sets and M being the number of elements in the resulting sorted set.")
        .keys(&[KeySpec::numkeys(1).ro().access()])
        .syntax("numkeys:integer key:key+ [WEIGHTS=weight:integer+] [AGGREGATE=aggregate:<'sum|'min|'max>] ['withscores]"),
    Declared::new("ZDIFF", Arity::at_least(3), Group::SortedSet, Flags::READONLY, zdiff as KeyedFn)
        .since("6.2.0")
        .summary("Subtract multiple sorted sets")
        .complexity("O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the size of the first set, and K is the size of the result set.")
        .keys(&[KeySpec::numkeys(1).ro().access()])
        .syntax("numkeys:integer key:key+ ['withscores]"),
    Declared::new("ZUNIONSTORE", Arity::at_least(4), Group::SortedSet, Flags::WRITE.and(Flags::DENYOOM), zunionstore as KeyedFn)
        .since("2.0.0")
        .summary("Add multiple sorted sets and store the resulting sorted set in a new key")
        .complexity("O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of elements in the resulting sorted set.")
        .keys(&[KeySpec::at(1).ow().update(), KeySpec::numkeys(2).ro().access()])
        .syntax("destination:key numkeys:integer key:key+ [WEIGHTS=weight:integer+] [AGGREGATE=aggregate:<'sum|'min|'max>]"),
    Declared::new("ZINTERSTORE", Arity::at_least(4), Group::SortedSet, Flags::WRITE.and(Flags::DENYOOM), zinterstore as KeyedFn)
        .since("2.0.0")
        .summary("Intersect multiple sorted sets and store the resulting sorted set in a new key")
        .complexity("O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of input sorted sets and M being the number of elements in the resulting sorted set.")
        .keys(&[KeySpec::at(1).ow().update(), KeySpec::numkeys(2).ro().access()])
        .syntax("destination:key numkeys:integer key:key+ [WEIGHTS=weight:integer+] [AGGREGATE=aggregate:<'sum|'min|'max>]"),
    Declared::new("ZDIFFSTORE", Arity::at_least(4), Group::SortedSet, Flags::WRITE.and(Flags::DENYOOM), zdiffstore as KeyedFn)
        .since("6.2.0")
        .summary("Subtract multiple sorted sets and store the resulting sorted set in a new key")
        .complexity("O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the size of the first set, and K is the size of the result set.")
        .keys(&[KeySpec::at(1).ow().update(), KeySpec::numkeys(2).ro().access()])
        .syntax("destination:key numkeys:integer key:key+"),
    Declared::new("ZINTERCARD", Arity::at_least(3), Group::SortedSet, Flags::READONLY, zintercard as KeyedFn)
        .since("7.0.0")
        .summary("Intersect multiple sorted sets and return the cardinality of the result")
        .complexity("O(N*K) worst case with N being the smallest input sorted set, K being the number of input sorted sets.")
        .keys(&[KeySpec::numkeys(1).ro().access()])
        .syntax("numkeys:integer key:key+ [LIMIT=limit:integer]"),
];

/// Members of the smallest input that are looked up in the others before the limit is asked.
const LOOKED_UP_AT_ONCE: usize = 256;

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Union,
    Inter,
    Diff,
}

impl Operation {
    fn event(self) -> &'static str {
        match self {
            Self::Union => "zunionstore",
            Self::Inter => "zinterstore",
            Self::Diff => "zdiffstore",
        }
    }
}

/// How the scores of one member become one.
#[derive(Clone, Copy, Debug)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn parse(word: &[u8]) -> Result<Self, CmdError> {
        [(&b"sum"[..], Self::Sum), (b"min", Self::Min), (b"max", Self::Max)]
            .into_iter()
            .find(|(name, _)| word.eq_ignore_ascii_case(name))
            .map(|(_, aggregate)| aggregate)
            .ok_or(error::SYNTAX)
    }

    fn of(self, score: f64, other: f64) -> f64 {
        match self {
            // Of infinities with different signs the sum is zero, by Redis's convention.
            Self::Sum => Some(score + other).filter(|sum| !sum.is_nan()).unwrap_or(0.0),
            Self::Min if other < score => other,
            Self::Max if other > score => other,
            Self::Min | Self::Max => score,
        }
    }
}

/// An input: the elements of a key.
struct Input {
    zset: ZSet,
    weight: f64,
}

impl Input {
    /// A score with the weight of this input.
    fn weighed(&self, score: f64) -> f64 {
        Some(score * self.weight).filter(|score| !score.is_nan()).unwrap_or(0.0)
    }
}

/// A parsed command.
struct Request {
    /// In the order of the words.
    inputs: Vec<Input>,
    aggregate: Aggregate,
    with_scores: bool,
    /// Of ZINTERCARD; `usize::MAX` is no limit.
    limit: usize,
}

/// What of a command's words may follow the keys.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reads,
    Stores,
    Counts,
}

fn parse(
    ctx: &mut KeyedCtx<'_>,
    args: Args<'_>,
    numkeys_at: usize,
    operation: Operation,
    kind: Kind,
) -> Result<Request, CmdError> {
    let numkeys = integer(&args[numkeys_at])?;
    if numkeys < 1 {
        return Err(CmdError::new(format!("ERR at least 1 input key is needed for '{}' command", ctx.name)));
    }
    let end = usize::try_from(numkeys).ok().and_then(|keys| keys.checked_add(numkeys_at + 1));
    let end = end.filter(|end| *end <= args.len()).ok_or(error::SYNTAX)?;
    let mut inputs = Vec::new();
    for word in args.slice(numkeys_at + 1..end) {
        let key = ctx.data.key(word);
        let limits = &ctx.limits.zset;
        let zset = ctx.data.read(&key).map(|entry| input_of(entry, limits)).transpose()?.unwrap_or_default();
        inputs.push(Input { zset, weight: 1.0 });
    }
    let mut request = Request { inputs, aggregate: Aggregate::Sum, with_scores: false, limit: usize::MAX };
    let mut next = end;
    while let Some(word) = args.get(next) {
        next = request.option(args, next, word, operation, kind)?;
    }
    Ok(request)
}

/// The sorted set in an entry; a set is one of members with the score 1.
fn input_of(entry: EntryRef<'_>, options: &ZSetOptions) -> Result<ZSet, CmdError> {
    let Some(set) = entry.collection::<Set>() else { return zset_of(entry).map(ZSetRef::to_zset) };
    let elements: Vec<(f64, Vec<u8>)> = set.iter().map(|member| (1.0, member.to_vec())).collect();
    Ok(ZSet::of_elements(elements, options))
}

impl Request {
    /// Reads the option at `at`; returns what comes after it.
    fn option(
        &mut self,
        args: Args<'_>,
        at: usize,
        word: &[u8],
        operation: Operation,
        kind: Kind,
    ) -> Result<usize, CmdError> {
        let aggregates = operation != Operation::Diff && kind != Kind::Counts;
        let (count, left) = (self.inputs.len(), args.len() - at);
        if aggregates && left > count && word.eq_ignore_ascii_case(b"weights") {
            for (input, weight) in self.inputs.iter_mut().zip(args.skip(at + 1)) {
                input.weight = parse_f64(weight).ok_or(CmdError::text("ERR weight value is not a float"))?;
            }
            return Ok(at + 1 + count);
        }
        match args.get(at + 1) {
            Some(value) if aggregates && word.eq_ignore_ascii_case(b"aggregate") => {
                self.aggregate = Aggregate::parse(value)?;
                Ok(at + 2)
            }
            Some(value) if kind == Kind::Counts && word.eq_ignore_ascii_case(b"limit") => {
                let limit = parse_i64(value).and_then(|limit| usize::try_from(limit).ok());
                let limit = limit.ok_or(error::LIMIT_NEGATIVE)?;
                self.limit = if limit == 0 { usize::MAX } else { limit };
                Ok(at + 2)
            }
            _ if kind == Kind::Reads && word.eq_ignore_ascii_case(b"withscores") => {
                self.with_scores = true;
                Ok(at + 1)
            }
            _ => Err(error::SYNTAX),
        }
    }

    /// The elements of the result, in no order.
    fn elements(mut self, operation: Operation) -> Vec<(f64, Vec<u8>)> {
        match operation {
            Operation::Union => self.union(),
            Operation::Inter => {
                let mut found = Vec::new();
                self.intersect(|member, score| {
                    found.push((score, member.to_vec()));
                    ControlFlow::Continue(())
                });
                found
            }
            Operation::Diff => self.difference(),
        }
    }

    fn union(&mut self) -> Vec<(f64, Vec<u8>)> {
        self.inputs.sort_by_key(|input| input.zset.len());
        let mut elements: Vec<(f64, Vec<u8>)> = Vec::new();
        if let [only] = self.inputs.as_slice() {
            only.zset.for_each(|member, score| elements.push((only.weighed(score), member.to_vec())));
            return elements;
        }
        let mut scores: HashMap<Vec<u8>, f64> = HashMap::new();
        for input in &self.inputs {
            input.zset.for_each(|member, score| {
                let score = input.weighed(score);
                member.with_text(|text| match scores.get_mut(text) {
                    Some(old) => *old = self.aggregate.of(*old, score),
                    None => _ = scores.insert(text.to_vec(), score),
                });
            });
        }
        elements.extend(scores.into_iter().map(|(member, score)| (score, member)));
        elements
    }

    /// Passes on the members of all inputs, in the order of the smallest one, until `f` has enough.
    fn intersect(&mut self, mut f: impl FnMut(&[u8], f64) -> ControlFlow<()>) {
        self.inputs.sort_by_key(|input| input.zset.len());
        let Some((first, others)) = self.inputs.split_first() else { return };
        let (aggregate, mut flow) = (self.aggregate, ControlFlow::Continue(()));
        for start in (0..first.zset.len()).step_by(LOOKED_UP_AT_ONCE) {
            first.zset.range(start, LOOKED_UP_AT_ONCE, false, |member, score| {
                let sum = member.with_text(|text| {
                    others.iter().try_fold(first.weighed(score), |sum, other| {
                        Some(aggregate.of(sum, other.zset.score(text)? * other.weight))
                    })
                });
                if let (Some(score), ControlFlow::Continue(())) = (sum, flow) {
                    flow = member.with_text(|text| f(text, score));
                }
            });
            if flow.is_break() {
                return;
            }
        }
    }

    fn difference(&self) -> Vec<(f64, Vec<u8>)> {
        let mut elements = Vec::new();
        let Some((first, others)) = self.inputs.split_first() else { return elements };
        first.zset.for_each(|member, score| {
            member.with_text(|text| {
                if others.iter().all(|other| other.zset.score(text).is_none()) {
                    elements.push((score, text.to_vec()));
                }
            });
        });
        elements
    }
}

fn read(ctx: &mut KeyedCtx<'_>, args: Args<'_>, operation: Operation) -> CmdResult {
    let request = parse(ctx, args, 1, operation, Kind::Reads)?;
    let with_scores = request.with_scores;
    let mut elements = request.elements(operation);
    ZSet::sort(&mut elements);
    let nested = with_scores && ctx.reply.protocol() == Protocol::Resp3;
    ctx.reply.array(if with_scores && !nested { elements.len() * 2 } else { elements.len() });
    for (score, member) in &elements {
        if nested {
            ctx.reply.array(2);
        }
        ctx.reply.bulk(member);
        if with_scores {
            ctx.reply.double(*score);
        }
    }
    DONE
}

fn compute_and_store(ctx: &mut KeyedCtx<'_>, args: Args<'_>, operation: Operation) -> CmdResult {
    let target = ctx.data.key(&args[1]);
    let request = parse(ctx, args, 2, operation, Kind::Stores)?;
    store(ctx, &target, operation.event(), request.elements(operation));
    DONE
}

fn zunion(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    read(ctx, args, Operation::Union)
}

fn zinter(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    read(ctx, args, Operation::Inter)
}

fn zdiff(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    read(ctx, args, Operation::Diff)
}

fn zunionstore(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    compute_and_store(ctx, args, Operation::Union)
}

fn zinterstore(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    compute_and_store(ctx, args, Operation::Inter)
}

fn zdiffstore(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    compute_and_store(ctx, args, Operation::Diff)
}

fn zintercard(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let mut request = parse(ctx, args, 1, Operation::Inter, Kind::Counts)?;
    let mut count = 0;
    let limit = request.limit;
    request.intersect(|_, _| {
        count += 1;
        if count < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    ctx.reply.int(count as i64);
    DONE
}
