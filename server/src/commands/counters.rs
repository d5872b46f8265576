//! Strings as numbers: INCR, DECR and their kin, and INCRBYFLOAT.
//!
//! An integer is stored as one, so that counting changes eight bytes in place. Floats are added as x86's 80-bit
//! `long double` (see [`crate::base::longdouble`]) and stored as text. The result is propagated, so that a replica does
//! not depend on its own rounding. Redis: t_string.c.

use protocol::resp::Args;

use super::integer;
use crate::base::longdouble::LongDouble;
use crate::base::number::parse_i64;
use crate::command::outcome::DONE;
use crate::command::{
    Arity, CmdError, CmdResult, Declared, Flags, Group, KeySpec, KeyedCtx, KeyedFn, NotifyClass, error,
};
use crate::store::{StringValue, Ttl, ValueRef};

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new(
        "DECR",
        Arity::exactly(2),
        Group::String,
        Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        decr as KeyedFn,
    )
    .summary("Decrement the integer value of a key by one")
    .keys(&[KeySpec::at(1).rw().access().update()])
    .syntax("key:key"),
    Declared::new(
        "DECRBY",
        Arity::exactly(3),
        Group::String,
        Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        decrby as KeyedFn,
    )
    .summary("Decrement the integer value of a key by the given number")
    .keys(&[KeySpec::at(1).rw().access().update()])
    .syntax("key:key decrement:integer"),
    Declared::new(
        "INCR",
        Arity::exactly(2),
        Group::String,
        Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        incr as KeyedFn,
    )
    .summary("Increment the integer value of a key by one")
    .keys(&[KeySpec::at(1).rw().access().update()])
    .syntax("key:key"),
    Declared::new(
        "INCRBY",
        Arity::exactly(3),
        Group::String,
        Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        incrby as KeyedFn,
    )
    .summary("Increment the integer value of a key by the given amount")
    .keys(&[KeySpec::at(1).rw().access().update()])
    .syntax("key:key increment:integer"),
    Declared::new(
        "INCRBYFLOAT",
        Arity::exactly(3),
        Group::String,
        Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        incrbyfloat as KeyedFn,
    )
    .since("2.6.0")
    .summary("Increment the float value of a key by the given amount")
    .keys(&[KeySpec::at(1).rw().access().update()])
    .syntax("key:key increment:double"),
];

fn incr(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    add(ctx, &args[1], 1)
}

fn decr(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    add(ctx, &args[1], -1)
}

fn incrby(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    add(ctx, &args[1], integer(&args[2])?)
}

fn decrby(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let delta = integer(&args[2])?.checked_neg().ok_or(error::DECR_OVERFLOW)?;
    add(ctx, &args[1], delta)
}

#[inline]
fn add(ctx: &mut KeyedCtx<'_>, word: &[u8], delta: i64) -> CmdResult {
    let key = ctx.data.key(word);
    let sum = match ctx.data.get_mut(&key) {
        None => {
            ctx.data.set_string(&key, StringValue::Int(delta), Ttl::Clear);
            delta
        }
        Some(mut entry) => {
            let old = match entry.value() {
                ValueRef::Int(number) => number,
                ValueRef::Str(bytes) => parse_i64(bytes).ok_or(error::NOT_INTEGER)?,
                ValueRef::Collection(_) => return Err(error::WRONG_TYPE),
            };
            let sum = old.checked_add(delta).ok_or(error::OVERFLOW)?;
            entry.set_string(StringValue::Int(sum));
            sum
        }
    };
    ctx.data.changed(&key, NotifyClass::String, "incrby");
    ctx.reply.int(sum);
    DONE
}

fn incrbyfloat(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    let old = match ctx.data.get_mut(&key).as_ref().map(|entry| float_of(entry.value())) {
        None => LongDouble::from_i64(0),
        Some(number) => number?,
    };
    let sum = old + LongDouble::parse(&args[2]).ok_or(error::NOT_FLOAT)?;
    if !sum.is_finite() {
        return Err(error::NAN_OR_INF);
    }
    let text = sum.to_text();
    // Always text, even for an integral sum: OBJECT ENCODING shows that in Redis.
    ctx.data.set_string(&key, StringValue::Bytes(text.as_bytes()), Ttl::Keep);
    ctx.data.effects.propagate_instead(&[b"SET", key.bytes, text.as_bytes(), b"KEEPTTL"]);
    ctx.data.changed(&key, NotifyClass::String, "incrbyfloat");
    ctx.reply.bulk(text.as_bytes());
    DONE
}

fn float_of(value: ValueRef<'_>) -> Result<LongDouble, CmdError> {
    match value {
        ValueRef::Int(number) => Ok(LongDouble::from_i64(number)),
        ValueRef::Str(bytes) => LongDouble::parse(bytes).ok_or(error::NOT_FLOAT),
        ValueRef::Collection(_) => Err(error::WRONG_TYPE),
    }
}
