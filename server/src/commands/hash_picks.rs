//! Hash commands that pick fields at random or walk over them: HRANDFIELD and HSCAN. Redis: t_hash.c, db.c.

use protocol::resp::Args;
use protocol::resp::reply::{Protocol, Reply};

use super::hashes::{All, read};
use super::lists::write_element;
use super::member_scan::{self, MemberScan};
use crate::base::limits::RANDOM_PICKS_MAX;
use crate::base::number::parse_i64;
use crate::base::rng::Rng;
use crate::command::outcome::DONE;
use crate::command::{Arity, CmdError, CmdResult, Declared, Flags, Group, KeySpec, KeyedCtx, KeyedFn, error};
use crate::store::types::hash::Element;

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("HRANDFIELD", Arity::at_least(2), Group::Hash, Flags::READONLY, hrandfield as KeyedFn)
        .since("6.2.0")
        .summary("Get one or multiple random fields from a hash")
        .complexity("O(N) where N is the number of fields returned")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key [options:{count:integer ['withvalues]}]")
        .tips(&["nondeterministic_output"]),
    Declared::new("HSCAN", Arity::at_least(3), Group::Hash, Flags::READONLY, hscan as KeyedFn)
        .since("2.8.0")
        .summary("Incrementally iterate hash fields and associated values")
        .complexity("O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection..")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key cursor:integer [MATCH=pattern:pattern] [COUNT=count:integer]")
        .tips(&["nondeterministic_output"]),
];

/// How many fields or members a command picks at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    /// So many different ones, or all.
    Distinct(usize),
    /// So many, any of them more than once.
    Any(usize),
}

impl Count {
    /// The count as clients give it: a negative one allows the same element more than once.
    pub(super) fn of(count: i64) -> Self {
        let size = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        if count < 0 { Count::Any(size) } else { Count::Distinct(size) }
    }
}

/// The count of a command that picks at random, as Redis limits it.
pub(super) fn parse_count(word: &[u8]) -> Result<i64, CmdError> {
    let count = parse_i64(word).ok_or(error::NOT_INTEGER)?;
    if count == i64::MIN { Err(error::OUT_OF_RANGE_LONG) } else { Ok(count) }
}

fn hrandfield(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let Some(word) = args.get(2) else { return random_field(ctx, args) };
    let count = parse_count(word)?;
    let with_values = match args.get(3) {
        None => false,
        Some(word) if args.len() == 4 && word.eq_ignore_ascii_case(b"withvalues") => true,
        Some(_) => return Err(error::SYNTAX),
    };
    if with_values && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(error::OUT_OF_RANGE);
    }
    random_fields(ctx, args, Count::of(count), with_values)
}

fn random_field(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    match read(&mut ctx.data, &args[1])?.map(|seen| All::of(Some(seen))) {
        Some(All::Whole(hash)) => hash.pick(|| ctx.rng.next_u64(), |field, _| write_element(&mut ctx.reply, field)),
        Some(All::Some(pairs)) if !pairs.is_empty() => {
            write_element(&mut ctx.reply, pairs[ctx.rng.below(pairs.len() as u64) as usize].0);
        }
        Some(All::Some(_)) | None => ctx.reply.null(),
    }
    DONE
}

fn random_fields(ctx: &mut KeyedCtx<'_>, args: Args<'_>, count: Count, with_values: bool) -> CmdResult {
    let hash = match All::of(read(&mut ctx.data, &args[1])?) {
        All::Whole(hash) => hash,
        All::Some(pairs) => return pick_from((&mut ctx.reply, &mut *ctx.rng), pairs, count, with_values),
    };
    let (reply, rng) = (&mut ctx.reply, &mut *ctx.rng);
    match count {
        Count::Any(count) if count > RANDOM_PICKS_MAX => return Err(error::OUT_OF_RANGE),
        Count::Any(count) => {
            start(reply, count, with_values);
            hash.pick_many(
                count,
                || rng.next_u64(),
                |field, value| {
                    write_pick(reply, field, with_values.then_some(value));
                    !reply.is_full()
                },
            );
        }
        Count::Distinct(count) if count >= hash.len() => {
            start(reply, hash.len(), with_values);
            hash.for_each(|field, value| write_pick(reply, field, with_values.then_some(value)));
        }
        Count::Distinct(count) => {
            start(reply, count, with_values);
            hash.pick_distinct(
                count,
                || rng.next_u64(),
                |field, value| {
                    write_pick(reply, field, with_values.then_some(value));
                },
            );
        }
    }
    DONE
}

/// [`random_fields`] of a hash some of whose fields are hidden, or of none.
#[cold]
fn pick_from(
    (reply, rng): (&mut Reply<'_>, &mut Rng),
    mut pairs: Vec<(Element<'_>, Element<'_>)>,
    count: Count,
    with_values: bool,
) -> CmdResult {
    let picks = match count {
        _ if pairs.is_empty() => 0,
        Count::Any(count) if count > RANDOM_PICKS_MAX => return Err(error::OUT_OF_RANGE),
        Count::Any(count) => count,
        Count::Distinct(count) => count.min(pairs.len()),
    };
    start(reply, picks, with_values);
    for _ in 0..picks {
        let at = rng.below(pairs.len() as u64) as usize;
        let (field, value) = if let Count::Any(_) = count { pairs[at] } else { pairs.swap_remove(at) };
        write_pick(reply, field, with_values.then_some(value));
        if reply.is_full() {
            break;
        }
    }
    DONE
}

/// Begins the reply: in RESP3 each field with its value is an array of two.
fn start(reply: &mut Reply<'_>, count: usize, with_values: bool) {
    let flat = with_values && reply.protocol() == Protocol::Resp2;
    reply.array(if flat { 2 * count } else { count });
}

fn write_pick(reply: &mut Reply<'_>, field: Element<'_>, value: Option<Element<'_>>) {
    let Some(value) = value else { return write_element(reply, field) };
    if reply.protocol() == Protocol::Resp3 {
        reply.array(2);
    }
    write_element(reply, field);
    write_element(reply, value);
}

fn hscan(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let from = member_scan::cursor(&args[2])?;
    let Some(hash) = read(&mut ctx.data, &args[1])? else {
        member_scan::write_none(&mut ctx.reply);
        return DONE;
    };
    let request = MemberScan::parse(args.skip(3), true)?;
    let mut found = Vec::new();
    let next = hash.visit(from, request.count, |field, value| {
        if request.wants(field) {
            found.push((field, value));
        }
    });
    member_scan::write_cursor(&mut ctx.reply, next);
    ctx.reply.array(if request.values { 2 * found.len() } else { found.len() });
    for (field, value) in found {
        write_element(&mut ctx.reply, field);
        if request.values {
            write_element(&mut ctx.reply, value);
        }
    }
    DONE
}
