//! Set commands that combine sets: intersection, union and difference.
//!
//! An intersection walks over the smallest set and stops at the first of the others that lacks a member. A union starts
//! with a clone of a big set, which costs little, and adds the others, unless they are big, too: then the result is
//! made at once of the biggest, which is in order already, and what it lacks ([`Gathered`]). A difference takes the
//! cheaper of two ways, and by the same rule as Redis, since a result that is stored shows by its encoding which one
//! was taken. Redis: t_set.c.

use std::collections::BTreeSet;

use protocol::resp::Args;

use super::lists::write_element;
use super::sets::set_of;
use crate::base::number::parse_i64;
use crate::command::outcome::DONE;
use crate::command::{
    Arity, CmdError, CmdResult, Data, Declared, Flags, Group, Key, KeySpec, KeyedCtx, KeyedFn, NotifyClass, error,
};
use crate::store::encoding::element::Element;
use crate::store::types::set::{Gathered, Set, SetLimits, SetRef};
use crate::store::{Encoding, EntryRef, Value};

const STORE: Flags = Flags::WRITE.and(Flags::DENYOOM);
const SOURCES: KeySpec = KeySpec::range(1, -1, 1).ro().access();
const STORED_SOURCES: KeySpec = KeySpec::range(2, -1, 1).ro().access();
const TIPS: &[&str] = &["nondeterministic_output_order"];
const INTER_COST: &str =
    "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.";
const TOTAL_COST: &str = "O(N) where N is the total number of elements in all given sets.";

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("SINTER", Arity::at_least(2), Group::Set, Flags::READONLY, sinter as KeyedFn)
        .since("1.0.0")
        .summary("Intersect multiple sets")
        .complexity(INTER_COST)
        .keys(&[SOURCES])
        .syntax("key:key+")
        .tips(TIPS),
    Declared::new("SINTERSTORE", Arity::at_least(3), Group::Set, STORE, sinterstore as KeyedFn)
        .since("1.0.0")
        .summary("Intersect multiple sets and store the resulting set in a key")
        .complexity(INTER_COST)
        .keys(&[KeySpec::at(1).rw().update(), STORED_SOURCES])
        .syntax("destination:key key:key+"),
    Declared::new("SINTERCARD", Arity::at_least(3), Group::Set, Flags::READONLY, sintercard as KeyedFn)
        .since("7.0.0")
        .summary("Intersect multiple sets and return the cardinality of the result")
        .complexity(INTER_COST)
        .keys(&[KeySpec::numkeys(1).ro().access()])
        .syntax("numkeys:integer key:key+ [LIMIT=limit:integer]"),
    Declared::new("SUNION", Arity::at_least(2), Group::Set, Flags::READONLY, sunion as KeyedFn)
        .since("1.0.0")
        .summary("Add multiple sets")
        .complexity(TOTAL_COST)
        .keys(&[SOURCES])
        .syntax("key:key+")
        .tips(TIPS),
    Declared::new("SUNIONSTORE", Arity::at_least(3), Group::Set, STORE, sunionstore as KeyedFn)
        .since("1.0.0")
        .summary("Add multiple sets and store the resulting set in a key")
        .complexity(TOTAL_COST)
        .keys(&[KeySpec::at(1).ow().update(), STORED_SOURCES])
        .syntax("destination:key key:key+"),
    Declared::new("SDIFF", Arity::at_least(2), Group::Set, Flags::READONLY, sdiff as KeyedFn)
        .since("1.0.0")
        .summary("Subtract multiple sets")
        .complexity(TOTAL_COST)
        .keys(&[SOURCES])
        .syntax("key:key+")
        .tips(TIPS),
    Declared::new("SDIFFSTORE", Arity::at_least(3), Group::Set, STORE, sdiffstore as KeyedFn)
        .since("1.0.0")
        .summary("Subtract multiple sets and store the resulting set in a key")
        .complexity(TOTAL_COST)
        .keys(&[KeySpec::at(1).ow().update(), STORED_SOURCES])
        .syntax("destination:key key:key+"),
];

/// The sets that a command names, in their order.
struct Operands<'s> {
    /// Those that exist.
    sets: Vec<SetRef<'s>>,
    has_first: bool,
    has_all: bool,
}

/// The sets at these keys.
fn read_all<'d, 'w>(data: &'d mut Data<'_>, words: impl Iterator<Item = &'w [u8]>) -> Result<Operands<'d>, CmdError> {
    // Keys that do not exist take no memory here: there may be many of them.
    let (mut keys, mut count, mut has_first) = (Vec::new(), 0, false);
    for word in words {
        let key = data.key(word);
        if data.read(&key).map(set_of).transpose()?.is_some() {
            has_first |= count == 0;
            keys.push(key);
        }
        count += 1;
    }
    let has_all = keys.len() == count;
    let data = &*data;
    let sets = keys.iter().filter_map(|key| data.found(key).and_then(EntryRef::collection::<Set>)).collect();
    Ok(Operands { sets, has_first, has_all })
}

/// The sets of an intersection, the smallest one first; none if it is empty because a key is missing.
fn to_intersect(operands: Operands<'_>) -> Vec<SetRef<'_>> {
    let Operands { mut sets, has_all: true, .. } = operands else { return Vec::new() };
    // A set that is named many times is asked once. Of sets of one size, the first that is named gives the order.
    let mut seen = BTreeSet::new();
    sets.retain(|set| seen.insert(set.address()));
    sets.sort_by_key(|set| set.len());
    sets
}

/// Passes the members that all sets have on, until `f` says that it is enough.
fn intersect<'s>(sets: &[SetRef<'s>], f: impl FnMut(Element<'s>) -> bool) {
    if let Some((smallest, others)) = sets.split_first() {
        smallest.intersect(others, f);
    }
}

/// The biggest set and the others, if it is a table whose union with anything is one.
fn biggest_first<'s>(sets: &[SetRef<'s>], limits: &SetLimits) -> Option<(SetRef<'s>, Vec<SetRef<'s>>)> {
    let biggest = *sets.iter().max_by_key(|set| set.len())?;
    let is_big = biggest.encoding() == Encoding::HashTable && biggest.len() > limits.max_ints;
    let others = || sets.iter().filter(|set| set.address() != biggest.address()).copied().collect();
    is_big.then(|| (biggest, others()))
}

/// The members of all sets.
fn union(operands: &Operands<'_>, limits: &SetLimits) -> Set {
    let sets = &operands.sets;
    let Some(biggest) = sets.iter().max_by_key(|set| set.len()) else { return Set::new() };
    // A table is cloned for little. But if much is added to it, the result is made at once.
    if let Some((biggest, others)) = biggest_first(sets, limits) {
        let more: usize = others.iter().map(|set| set.len()).sum();
        if more >= biggest.len() / 2
            && let Some(mut result) = Gathered::with_all_of(biggest, limits, more)
        {
            for set in others {
                set.subtract(&[biggest], |member| result.add_element(member));
            }
            return result.finish().0;
        }
    }
    // Otherwise the order of the members shows, and is that of the sets.
    let begun = if biggest.encoding() == Encoding::HashTable { *biggest } else { sets[0] };
    let mut result = Set::copy_of(begun, limits);
    for set in sets.iter().filter(|set| set.address() != begun.address()) {
        set.iter().for_each(|member| _ = result.add_element(member, limits));
    }
    result
}

/// The members of the first set that no other has.
fn difference(operands: &Operands<'_>, limits: &SetLimits) -> Set {
    let Operands { sets, has_first: true, .. } = operands else { return Set::new() };
    let Some((&first, others)) = sets.split_first() else { return Set::new() };
    let mut others = others.to_vec();
    if others.iter().any(|set| set.address() == first.address()) {
        return Set::new();
    }
    let asked = first.len().saturating_mul(others.len() + 1) / 2;
    let removed = first.len() + others.iter().map(|set| set.len()).sum::<usize>();
    if asked > removed {
        let mut result = Set::copy_of(first, limits);
        for member in others.iter().flat_map(|set| set.iter()) {
            member.with_text(|text| result.remove(text));
        }
        return result;
    }
    let mut result = Gathered::new(limits);
    others.sort_by_cached_key(|set| std::cmp::Reverse(set.len()));
    first.subtract(&others, |member| result.add_element(member));
    result.finish().0
}

/// Stores a result, replies with its size, and removes the key if it is empty.
fn store(ctx: &mut KeyedCtx<'_>, key: &Key<'_>, event: &'static str, mut result: Set) -> CmdResult {
    let len = result.len();
    if len == 0 {
        ctx.data.delete_even_expired(key);
    } else {
        result.settle();
        ctx.data.set_result(key, Value::from(result));
        ctx.data.changed(key, NotifyClass::Set, event);
    }
    ctx.reply.int(len as i64);
    DONE
}

fn write_set(ctx: &mut KeyedCtx<'_>, set: &Set) -> CmdResult {
    ctx.reply.set(set.len());
    set.iter().for_each(|member| write_element(&mut ctx.reply, member));
    DONE
}

fn sinter(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let sets = read_all(&mut ctx.data, args.skip(1).iter())?;
    let reply = &mut ctx.reply;
    let (len, mut count) = (reply.deferred_set(), 0);
    intersect(&to_intersect(sets), |member| {
        write_element(reply, member);
        count += 1;
        true
    });
    reply.set_len(len, count);
    DONE
}

fn sinterstore(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let target = ctx.data.key(&args[1]);
    let limits = &ctx.limits.set;
    let sets = to_intersect(read_all(&mut ctx.data, args.skip(2).iter())?);
    let is_of_ints = sets.first().is_some_and(|smallest| smallest.encoding() == Encoding::IntSet);
    let mut result = if is_of_ints { Gathered::new(limits) } else { Gathered::packed(limits) };
    intersect(&sets, |member| {
        result.add_element(member);
        true
    });
    let result = result.finish_with_ints();
    store(ctx, &target, "sinterstore", result)
}

fn sintercard(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let numkeys = parse_i64(&args[1])
        .and_then(|count| usize::try_from(count).ok())
        .filter(|count| *count > 0)
        .ok_or(error::NUMKEYS_NOT_POSITIVE)?;
    if numkeys > args.len() - 2 {
        return Err(CmdError::text("ERR Number of keys can't be greater than number of args"));
    }
    let mut limit = 0;
    let mut options = args.skip(2 + numkeys).iter();
    while let Some(option) = options.next() {
        let value = Some(option).filter(|option| option.eq_ignore_ascii_case(b"limit")).and_then(|_| options.next());
        limit = parse_i64(value.ok_or(error::SYNTAX)?)
            .and_then(|limit| u64::try_from(limit).ok())
            .ok_or(error::LIMIT_NEGATIVE)?;
    }
    let sets = read_all(&mut ctx.data, args.skip(2).iter().take(numkeys))?;
    let mut count = 0;
    intersect(&to_intersect(sets), |_| {
        count += 1;
        count != limit
    });
    ctx.reply.int(count as i64);
    DONE
}

fn sunion(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    /// With more sets, a member is asked for in too many others.
    const FEW: usize = 4;
    let operands = read_all(&mut ctx.data, args.skip(1).iter())?;
    match biggest_first(&operands.sets, &ctx.limits.set) {
        // Redis promises no order (`nondeterministic_output_order`), so no result has to be made.
        Some((biggest, others)) if others.len() < FEW => {
            let reply = &mut ctx.reply;
            let (len, mut count) = (reply.deferred_set(), biggest.len());
            biggest.iter().for_each(|member| write_element(reply, member));
            let mut before = vec![biggest];
            for set in others {
                set.subtract(&before, |member| {
                    write_element(reply, member);
                    count += 1;
                });
                before.push(set);
            }
            reply.set_len(len, count);
            DONE
        }
        _ => {
            let result = union(&operands, &ctx.limits.set);
            write_set(ctx, &result)
        }
    }
}

fn sunionstore(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let target = ctx.data.key(&args[1]);
    let result = union(&read_all(&mut ctx.data, args.skip(2).iter())?, &ctx.limits.set);
    store(ctx, &target, "sunionstore", result)
}

fn sdiff(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let result = difference(&read_all(&mut ctx.data, args.skip(1).iter())?, &ctx.limits.set);
    write_set(ctx, &result)
}

fn sdiffstore(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let target = ctx.data.key(&args[1]);
    let result = difference(&read_all(&mut ctx.data, args.skip(2).iter())?, &ctx.limits.set);
    store(ctx, &target, "sdiffstore", result)
}
