//! Set commands that pick members at random or walk over them: SPOP, SRANDMEMBER and SSCAN. Redis: t_set.c, db.c.

use protocol::resp::{Args, OwnedArgs};

use super::hash_picks::{Count, parse_count};
use super::lists::write_element;
use super::member_scan::{self, MemberScan};
use super::sets::{changed, read, set_of};
use crate::base::limits::RANDOM_PICKS_MAX;
use crate::base::number::parse_i64;
use crate::command::outcome::DONE;
use crate::command::{
    Arity, CmdError, CmdResult, Declared, Flags, Group, Key, KeySpec, KeyedCtx, KeyedFn, NotifyClass, error,
};
use crate::store::types::set::{Set, SetRef};

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("SPOP", Arity::at_least(2), Group::Set, Flags::WRITE.and(Flags::FAST), spop as KeyedFn)
        .since("1.0.0")
        .summary("Remove and return one or multiple random members from a set")
        .complexity("Without the count argument O(1), otherwise O(N) where N is the value of the passed count.")
        .keys(&[KeySpec::at(1).rw().access().delete()])
        .syntax("key:key [count:integer@3.2.0]")
        .tips(&["nondeterministic_output"])
        .history(&[("3.2.0", "Added the `count` argument.")]),
    Declared::new("SRANDMEMBER", Arity::at_least(2), Group::Set, Flags::READONLY, srandmember as KeyedFn)
        .since("1.0.0")
        .summary("Get one or multiple random members from a set")
        .complexity("Without the count argument O(1), otherwise O(N) where N is the absolute value of the passed count.")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key [count:integer]")
        .tips(&["nondeterministic_output"])
        .history(&[("2.6.0", "Added the optional `count` argument.")]),
    Declared::new("SSCAN", Arity::at_least(3), Group::Set, Flags::READONLY, sscan as KeyedFn)
        .since("2.8.0")
        .summary("Incrementally iterate Set elements")
        .complexity("O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection..")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key cursor:integer [MATCH=pattern:pattern] [COUNT=count:integer]")
        .tips(&["nondeterministic_output"]),
];

fn spop(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let Some(word) = args.get(2) else { return pop_one(ctx, args) };
    if args.len() > 3 {
        return Err(error::SYNTAX);
    }
    let count = parse_i64(word).and_then(|count| usize::try_from(count).ok()).ok_or(error::OUT_OF_RANGE_POSITIVE)?;
    let key = ctx.data.key(&args[1]);
    let len = ctx.data.get_mut(&key).map(|entry| set_of(entry.as_ref()).map(SetRef::len)).transpose()?.unwrap_or(0);
    if count == 0 || len == 0 {
        ctx.reply.set(0);
    } else if count < len {
        pop_many(ctx, &key, count)?;
    } else {
        pop_all(ctx, &key, len)?;
    }
    DONE
}

fn pop_one(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    let rng = &mut *ctx.rng;
    let member = ctx.data.edit(&key, |set: &mut Set| {
        let member = set.pop(|| rng.next_u64()).expect("a set that a key holds has a member");
        changed("spop", 1, member)
    })?;
    match member {
        None => ctx.reply.null(),
        Some(member) => {
            let effects = &mut *ctx.data.effects;
            member.as_element().with_text(|text| effects.propagate_instead(&[b"SREM", key.bytes, text]));
            write_element(&mut ctx.reply, member.as_element());
        }
    }
    DONE
}

/// What SPOP leaves becomes a new set if it takes at least so many times as many members.
const MADE_ANEW: usize = 5;

/// Pops some members, but not all. A replica is told which.
fn pop_many(ctx: &mut KeyedCtx<'_>, key: &Key<'_>, count: usize) -> Result<(), CmdError> {
    let (reply, rng, limits) = (&mut ctx.reply, &mut *ctx.rng, &ctx.limits.set);
    let propagating = ctx.data.effects.propagating;
    let mut removals = Vec::new();
    reply.set(count);
    ctx.data.edit(key, |set: &mut Set| {
        set.pop_many(
            count,
            || rng.next_u64(),
            |member| {
                write_element(reply, member);
                if propagating {
                    member.with_text(|text| removals.push(OwnedArgs::from_slices(&[b"SREM", key.bytes, text])));
                }
            },
        );
        // If little is left, Redis makes a new set of that, which shows in the encoding.
        if set.len().saturating_mul(MADE_ANEW) <= count {
            *set = std::mem::take(set).remade(limits);
        }
        changed("spop", count, ())
    })?;
    ctx.data.effects.propagate_all_instead(removals);
    Ok(())
}

/// Pops all members, which removes the key.
fn pop_all(ctx: &mut KeyedCtx<'_>, key: &Key<'_>, len: usize) -> Result<(), CmdError> {
    ctx.reply.set(len);
    if let Some(entry) = ctx.data.peek(key) {
        set_of(entry)?.iter().for_each(|member| write_element(&mut ctx.reply, member));
    }
    ctx.data.emptied_at_once(key, NotifyClass::Set, "spop", len);
    ctx.data.effects.propagate_instead(&[b"DEL", key.bytes]);
    Ok(())
}

fn srandmember(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let Some(word) = args.get(2) else { return random_member(ctx, args) };
    if args.len() > 3 {
        return Err(error::SYNTAX);
    }
    let count = Count::of(parse_count(word)?);
    let Some(set) = read(&mut ctx.data, &args[1])? else {
        ctx.reply.array(0);
        return DONE;
    };
    let (reply, rng) = (&mut ctx.reply, &mut *ctx.rng);
    match count {
        Count::Any(count) if count > RANDOM_PICKS_MAX => return Err(error::OUT_OF_RANGE),
        Count::Any(count) => {
            reply.array(count);
            set.pick_many(
                count,
                || rng.next_u64(),
                |member| {
                    write_element(reply, member);
                    !reply.is_full()
                },
            );
        }
        Count::Distinct(count) if count >= set.len() => {
            reply.array(set.len());
            set.iter().for_each(|member| write_element(reply, member));
        }
        Count::Distinct(count) => {
            reply.array(count);
            set.pick_distinct(count, || rng.next_u64(), |member| write_element(reply, member));
        }
    }
    DONE
}

fn random_member(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    match read(&mut ctx.data, &args[1])? {
        Some(set) => _ = set.pick(|| ctx.rng.next_u64(), |member| write_element(&mut ctx.reply, member)),
        None => ctx.reply.null(),
    }
    DONE
}

fn sscan(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let from = member_scan::cursor(&args[2])?;
    let Some(set) = read(&mut ctx.data, &args[1])? else {
        member_scan::write_none(&mut ctx.reply);
        return DONE;
    };
    let request = MemberScan::parse(args.skip(3), false)?;
    let mut found = Vec::new();
    let next = set.visit(from, request.count, |member| {
        if request.wants(member) {
            found.push(member);
        }
    });
    member_scan::write_cursor(&mut ctx.reply, next);
    ctx.reply.array(found.len());
    found.into_iter().for_each(|member| write_element(&mut ctx.reply, member));
    DONE
}
