//! Hash commands: set, read, count and remove fields.
//!
//! Commands that pick fields or walk over them are in [`super::hash_picks`]. The hash itself is in
//! [`crate::store::types::hash`]; this file gives its operations words, replies and events. A key whose hash becomes
//! empty is removed at once ([`Data::edit`]). Redis: t_hash.c.

use protocol::resp::Args;

use super::integer;
use super::lists::write_element;
use crate::base::longdouble::LongDouble;
use crate::base::number::parse_i64;
use crate::command::outcome::DONE;
use crate::command::{
    Arity, CmdError, CmdResult, Data, Declared, Edit, Flags, Group, KeySpec, KeyedCtx, KeyedFn, NotifyClass, error,
};
use crate::store::EntryRef;
use crate::store::types::hash::{Element, Hash, HashRef, Seen};

const ADD: Flags = Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST);
const READ: Flags = Flags::READONLY.and(Flags::FAST);
const PAIRS: &str = "key:key field_value:{field:string value:string}+";

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("HSET", Arity::at_least(4), Group::Hash, ADD, hset as KeyedFn)
        .since("2.0.0")
        .summary("Set the string value of a hash field")
        .complexity("O(1) for each field/value pair added, so O(N) to add N field/value pairs when the command is called with multiple field/value pairs.")
        .keys(&[KeySpec::at(1).rw().update()])
        .syntax(PAIRS)
        .history(&[("4.0.0", "Accepts multiple `field` and `value` arguments.")]),
    Declared::new("HMSET", Arity::at_least(4), Group::Hash, ADD, hmset as KeyedFn)
        .since("2.0.0")
        .summary("Set multiple hash fields to multiple values")
        .complexity("O(N) where N is the number of fields being set.")
        .keys(&[KeySpec::at(1).rw().update()])
        .syntax(PAIRS)
        .deprecated("4.0.0", "`HSET` with multiple field-value pairs"),
    Declared::new("HSETNX", Arity::exactly(4), Group::Hash, ADD, hsetnx as KeyedFn)
        .since("2.0.0")
        .summary("Set the value of a hash field, only if the field does not exist")
        .complexity("O(1)")
        .keys(&[KeySpec::at(1).rw().insert()])
        .syntax("key:key field:string value:string"),
    Declared::new("HGET", Arity::exactly(3), Group::Hash, READ, hget as KeyedFn)
        .since("2.0.0")
        .summary("Get the value of a hash field")
        .complexity("O(1)")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key field:string"),
    Declared::new("HMGET", Arity::at_least(3), Group::Hash, READ, hmget as KeyedFn)
        .since("2.0.0")
        .summary("Get the values of all the given hash fields")
        .complexity("O(N) where N is the number of fields being requested.")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key field:string+"),
    Declared::new("HDEL", Arity::at_least(3), Group::Hash, Flags::WRITE.and(Flags::FAST), hdel as KeyedFn)
        .since("2.0.0")
        .summary("Delete one or more hash fields")
        .complexity("O(N) where N is the number of fields to be removed.")
        .keys(&[KeySpec::at(1).rw().delete()])
        .syntax("key:key field:string+")
        .history(&[("2.4.0", "Accepts multiple `field` arguments.")]),
    Declared::new("HLEN", Arity::exactly(2), Group::Hash, READ, hlen as KeyedFn)
        .since("2.0.0")
        .summary("Get the number of fields in a hash")
        .complexity("O(1)")
        .keys(&[KeySpec::at(1).ro()])
        .syntax("key:key"),
    Declared::new("HSTRLEN", Arity::exactly(3), Group::Hash, READ, hstrlen as KeyedFn)
        .since("3.2.0")
        .summary("Get the length of the value of a hash field")
        .complexity("O(1)")
        .keys(&[KeySpec::at(1).ro()])
        .syntax("key:key field:string"),
    Declared::new("HEXISTS", Arity::exactly(3), Group::Hash, READ, hexists as KeyedFn)
        .since("2.0.0")
        .summary("Determine if a hash field exists")
        .complexity("O(1)")
        .keys(&[KeySpec::at(1).ro()])
        .syntax("key:key field:string"),
    Declared::new("HGETALL", Arity::exactly(2), Group::Hash, Flags::READONLY, hgetall as KeyedFn)
        .since("2.0.0")
        .summary("Get all the fields and values in a hash")
        .complexity("O(N) where N is the size of the hash.")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key")
        .tips(&["nondeterministic_output_order"]),
    Declared::new("HKEYS", Arity::exactly(2), Group::Hash, Flags::READONLY, hkeys as KeyedFn)
        .since("2.0.0")
        .summary("Get all the fields in a hash")
        .complexity("O(N) where N is the size of the hash.")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key")
        .tips(&["nondeterministic_output_order"]),
    Declared::new("HVALS", Arity::exactly(2), Group::Hash, Flags::READONLY, hvals as KeyedFn)
        .since("2.0.0")
        .summary("Get all the values in a hash")
        .complexity("O(N) where N is the size of the hash.")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key")
        .tips(&["nondeterministic_output_order"]),
    Declared::new("HINCRBY", Arity::exactly(4), Group::Hash, ADD, hincrby as KeyedFn)
        .since("2.0.0")
        .summary("Increment the integer value of a hash field by the given number")
        .complexity("O(1)")
        .keys(&[KeySpec::at(1).rw().access().update()])
        .syntax("key:key field:string increment:integer"),
    Declared::new("HINCRBYFLOAT", Arity::exactly(4), Group::Hash, ADD, hincrbyfloat as KeyedFn)
        .since("2.6.0")
        .summary("Increment the float value of a hash field by the given amount")
        .complexity("O(1)")
        .keys(&[KeySpec::at(1).rw().access().update()])
        .syntax("key:key field:string increment:double"),
];

/// The hash in an entry, for reading.
pub(super) fn hash_of(entry: EntryRef<'_>) -> Result<HashRef<'_>, CmdError> {
    entry.collection::<Hash>().ok_or(error::WRONG_TYPE)
}

/// Finds the hash at the command's key, for reading.
#[inline]
pub(super) fn read<'d>(data: &'d mut Data<'_>, word: &[u8]) -> Result<Option<Seen<'d>>, CmdError> {
    let (key, now) = (data.key(word), data.field_time());
    data.read(&key).map(|entry| hash_of(entry).map(|hash| hash.seen(now))).transpose()
}

/// The fields and values that a command replies with all.
pub(super) enum All<'a> {
    Whole(HashRef<'a>),
    /// Some are hidden.
    Some(Vec<(Element<'a>, Element<'a>)>),
}

impl<'a> All<'a> {
    pub(super) fn of(hash: Option<Seen<'a>>) -> Self {
        match hash.map(|seen| seen.whole().ok_or(seen)) {
            Some(Ok(hash)) => All::Whole(hash),
            Some(Err(seen)) => All::Some(seen.pairs()),
            None => All::Some(Vec::new()),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            All::Whole(hash) => hash.len(),
            All::Some(pairs) => pairs.len(),
        }
    }

    pub(super) fn for_each(&self, mut f: impl FnMut(Element<'a>, Element<'a>)) {
        match self {
            All::Whole(hash) => hash.for_each(f),
            All::Some(pairs) => pairs.iter().for_each(|(field, value)| f(*field, *value)),
        }
    }
}

pub(super) fn changed<R>(event: &'static str, count: usize, result: R) -> Edit<R> {
    Edit::of(NotifyClass::Hash, event, count, result)
}

/// Sets all pairs of the command; returns how many fields are new.
fn set_pairs(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> Result<usize, CmdError> {
    if !args.len().is_multiple_of(2) {
        return Err(error::wrong_arity(ctx.name));
    }
    let key = ctx.data.key(&args[1]);
    let (pairs, limits) = (args.skip(2), &ctx.limits.hash);
    let create = || Hash::for_texts(pairs.iter(), limits);
    ctx.data.edit_or_create(&key, create, |hash: &mut Hash| {
        let count = pairs.len() / 2;
        let created = hash.set_all(count, |at| (&pairs[2 * at], &pairs[2 * at + 1]), limits);
        changed("hset", count, created)
    })
}

fn hset(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let created = set_pairs(ctx, args)?;
    ctx.reply.int(created as i64);
    DONE
}

fn hmset(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    set_pairs(ctx, args)?;
    ctx.reply.ok();
    DONE
}

fn hsetnx(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    let limits = &ctx.limits.hash;
    let is_set = ctx.data.edit_or_create(&key, Hash::new, |hash: &mut Hash| {
        if hash.contains(&args[2]) {
            return Edit::none(false);
        }
        hash.set(&args[2], &args[3], limits);
        changed("hset", 1, true)
    })?;
    ctx.reply.int(i64::from(is_set));
    DONE
}

fn hget(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    match read(&mut ctx.data, &args[1])?.and_then(|hash| hash.get(&args[2])) {
        Some(value) => write_element(&mut ctx.reply, value),
        None => ctx.reply.null(),
    }
    DONE
}

fn hmget(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let hash = read(&mut ctx.data, &args[1])?;
    let fields = args.skip(2);
    ctx.reply.array(fields.len());
    for field in fields {
        match hash.and_then(|hash| hash.get(field)) {
            Some(value) => write_element(&mut ctx.reply, value),
            None => ctx.reply.null(),
        }
    }
    DONE
}

fn hdel(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    let removed = ctx.data.edit(&key, |hash: &mut Hash| {
        match args.skip(2).iter().filter(|field| hash.remove(field)).count() {
            0 => Edit::none(0),
            removed => changed("hdel", removed, removed),
        }
    })?;
    ctx.reply.int(removed.unwrap_or(0) as i64);
    DONE
}

fn hlen(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let len = read(&mut ctx.data, &args[1])?.map_or(0, Seen::len);
    ctx.reply.int(len as i64);
    DONE
}

fn hstrlen(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let value = read(&mut ctx.data, &args[1])?.and_then(|hash| hash.get(&args[2]));
    ctx.reply.int(value.map_or(0, Element::text_len) as i64);
    DONE
}

fn hexists(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let exists = read(&mut ctx.data, &args[1])?.is_some_and(|hash| hash.contains(&args[2]));
    ctx.reply.int(i64::from(exists));
    DONE
}

fn hgetall(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let all = All::of(read(&mut ctx.data, &args[1])?);
    let reply = &mut ctx.reply;
    reply.map(all.len());
    all.for_each(|field, value| {
        write_element(reply, field);
        write_element(reply, value);
    });
    DONE
}

fn hkeys(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let all = All::of(read(&mut ctx.data, &args[1])?);
    let reply = &mut ctx.reply;
    reply.array(all.len());
    all.for_each(|field, _| write_element(reply, field));
    DONE
}

fn hvals(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let all = All::of(read(&mut ctx.data, &args[1])?);
    let reply = &mut ctx.reply;
    reply.array(all.len());
    all.for_each(|_, value| write_element(reply, value));
    DONE
}

fn hincrby(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let delta = integer(&args[3])?;
    let key = ctx.data.key(&args[1]);
    let limits = &ctx.limits.hash;
    let sum = ctx.data.edit_or_create(&key, Hash::new, |hash: &mut Hash| {
        let sum = match hash.get(&args[2]) {
            None => Ok(delta),
            Some(old) => integer_of(old).and_then(|old| old.checked_add(delta).ok_or(error::OVERFLOW)),
        };
        match sum {
            Err(problem) => Edit::none(Err(problem)),
            Ok(sum) => {
                hash.set_keeping(&args[2], itoa::Buffer::new().format(sum).as_bytes(), limits);
                changed("hincrby", 1, Ok(sum))
            }
        }
    })??;
    ctx.reply.int(sum);
    DONE
}

fn integer_of(value: Element<'_>) -> Result<i64, CmdError> {
    match value {
        Element::Int(number) => Ok(number),
        Element::Bytes(text) => parse_i64(text).ok_or(error::HASH_NOT_INTEGER),
    }
}

fn hincrbyfloat(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let delta = LongDouble::parse(&args[3]).ok_or(error::NOT_FLOAT)?;
    if !delta.is_finite() {
        return Err(error::VALUE_NAN_OR_INF);
    }
    let key = ctx.data.key(&args[1]);
    let limits = &ctx.limits.hash;
    let (text, is_timed) = ctx.data.edit_or_create(&key, Hash::new, |hash: &mut Hash| {
        let old = hash.get(&args[2]).map_or(Ok(LongDouble::from_i64(0)), float_of);
        let sum =
            old.map(|old| old + delta).and_then(|sum| if sum.is_finite() { Ok(sum) } else { Err(error::NAN_OR_INF) });
        match sum {
            Err(problem) => Edit::none(Err(problem)),
            Ok(sum) => {
                let text = sum.to_text();
                hash.set_keeping(&args[2], text.as_bytes(), limits);
                changed("hincrbyfloat", 1, Ok((text, hash.next_expiry().is_some())))
            }
        }
    })??;
    // The result, so that a replica does not depend on its own rounding.
    if is_timed {
        let words = [b"HSETEX", key.bytes, b"KEEPTTL", b"FIELDS", b"1", &args[2], text.as_bytes()];
        ctx.data.effects.propagate_instead(&words);
    } else {
        ctx.data.effects.propagate_instead(&[b"HSET", key.bytes, &args[2], text.as_bytes()]);
    }
    ctx.reply.bulk(text.as_bytes());
    DONE
}

fn float_of(value: Element<'_>) -> Result<LongDouble, CmdError> {
    match value {
        Element::Int(number) => Ok(LongDouble::from_i64(number)),
        Element::Bytes(text) => LongDouble::parse(text).ok_or(error::HASH_NOT_FLOAT),
    }
}
