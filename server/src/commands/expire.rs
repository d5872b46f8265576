//! When keys expire: the EXPIRE family and the commands that read expiries.
//!
//! A time is stored, and propagated, as absolute Unix milliseconds. On a primary, a time that has already passed
//! deletes the key at once. In a primary's stream or a file it is only stored, since the deletion follows there by
//! itself. Redis: expire.c.

use protocol::resp::Args;
use smallvec::SmallVec;

use super::integer;
use super::strings::{delete, is_past};
use crate::command::outcome::DONE;
use crate::command::{
    Arity, CmdError, CmdResult, Declared, Flags, Group, KeySpec, KeyedCtx, KeyedFn, NotifyClass, error,
};

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("EXPIRE", Arity::at_least(3), Group::Generic, Flags::WRITE.and(Flags::FAST), expire as KeyedFn)
        .summary("Set a key's time to live in seconds")
        .keys(&[KeySpec::at(1).rw().update()])
        .syntax("key:key seconds:integer [condition:<'NX|'XX|'GT|'LT>@7.0.0]")
        .history(&[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")]),
    Declared::new("EXPIREAT", Arity::at_least(3), Group::Generic, Flags::WRITE.and(Flags::FAST), expireat as KeyedFn)
        .since("1.2.0")
        .summary("Set the expiration for a key as a UNIX timestamp")
        .keys(&[KeySpec::at(1).rw().update()])
        .syntax("key:key unix-time-seconds:unix-time [condition:<'NX|'XX|'GT|'LT>@7.0.0]")
        .history(&[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")]),
    Declared::new(
        "EXPIRETIME",
        Arity::exactly(2),
        Group::Generic,
        Flags::READONLY.and(Flags::FAST),
        expiretime as KeyedFn,
    )
    .since("7.0.0")
    .summary("Get the expiration Unix timestamp for a key")
    .keys(&[KeySpec::at(1).ro().access()])
    .syntax("key:key"),
    Declared::new("PERSIST", Arity::exactly(2), Group::Generic, Flags::WRITE.and(Flags::FAST), persist as KeyedFn)
        .since("2.2.0")
        .summary("Remove the expiration from a key")
        .keys(&[KeySpec::at(1).rw().update()])
        .syntax("key:key"),
    Declared::new("PEXPIRE", Arity::at_least(3), Group::Generic, Flags::WRITE.and(Flags::FAST), pexpire as KeyedFn)
        .since("2.6.0")
        .summary("Set a key's time to live in milliseconds")
        .keys(&[KeySpec::at(1).rw().update()])
        .syntax("key:key milliseconds:integer [condition:<'NX|'XX|'GT|'LT>@7.0.0]")
        .history(&[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")]),
    Declared::new("PEXPIREAT", Arity::at_least(3), Group::Generic, Flags::WRITE.and(Flags::FAST), pexpireat as KeyedFn)
        .since("2.6.0")
        .summary("Set the expiration for a key as a UNIX timestamp specified in milliseconds")
        .keys(&[KeySpec::at(1).rw().update()])
        .syntax("key:key unix-time-milliseconds:unix-time [condition:<'NX|'XX|'GT|'LT>@7.0.0]")
        .history(&[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")]),
    Declared::new(
        "PEXPIRETIME",
        Arity::exactly(2),
        Group::Generic,
        Flags::READONLY.and(Flags::FAST),
        pexpiretime as KeyedFn,
    )
    .since("7.0.0")
    .summary("Get the expiration Unix timestamp for a key in milliseconds")
    .keys(&[KeySpec::at(1).ro().access()])
    .syntax("key:key"),
    Declared::new("PTTL", Arity::exactly(2), Group::Generic, Flags::READONLY.and(Flags::FAST), pttl as KeyedFn)
        .since("2.6.0")
        .summary("Get the time to live for a key in milliseconds")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key")
        .tips(&["nondeterministic_output"])
        .history(&[("2.8.0", "Added the -2 reply.")]),
    Declared::new("TTL", Arity::exactly(2), Group::Generic, Flags::READONLY.and(Flags::FAST), ttl as KeyedFn)
        .summary("Get the time to live for a key in seconds")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key")
        .tips(&["nondeterministic_output"])
        .history(&[("2.8.0", "Added the -2 reply.")]),
];

/// NX, XX, GT, LT: the conditions of EXPIRE and its kin. GT and LT may be combined with XX; with LT, XX makes a
/// difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Conditions {
    only_persistent: bool,
    only_volatile: bool,
    only_later: bool,
    only_earlier: bool,
}

impl Conditions {
    fn parse(words: Args<'_>) -> Result<Self, CmdError> {
        let mut conditions = Self::default();
        for word in words {
            let flag = match word.to_ascii_uppercase().as_slice() {
                b"NX" => &mut conditions.only_persistent,
                b"XX" => &mut conditions.only_volatile,
                b"GT" => &mut conditions.only_later,
                b"LT" => &mut conditions.only_earlier,
                _ => return Err(error::unsupported_option(word)),
            };
            *flag = true;
        }
        let others = conditions.only_volatile || conditions.only_later || conditions.only_earlier;
        if conditions.only_persistent && others {
            return Err(error::EXPIRE_NX_WITH_OTHERS);
        }
        if conditions.only_later && conditions.only_earlier {
            return Err(error::EXPIRE_GT_WITH_LT);
        }
        Ok(conditions)
    }

    /// Whether a key that expires at `old` may expire at `new`. A key without expiry counts as expiring infinitely
    /// late.
    fn admit(self, old: Option<i64>, new: i64) -> bool {
        !(self.only_persistent && old.is_some()
            || self.only_volatile && old.is_none()
            || self.only_later && old.is_none_or(|old| new <= old)
            || self.only_earlier && old.is_some_and(|old| new >= old))
    }
}

fn expire(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let now = ctx.data.now;
    expire_at(ctx, args, 1000, now)
}

fn pexpire(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let now = ctx.data.now;
    expire_at(ctx, args, 1, now)
}

fn expireat(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    expire_at(ctx, args, 1000, 0)
}

fn pexpireat(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    expire_at(ctx, args, 1, 0)
}

/// `unit`: milliseconds per unit of the client's number; `from`: the time that it is relative to.
fn expire_at(ctx: &mut KeyedCtx<'_>, args: Args<'_>, unit: i64, from: i64) -> CmdResult {
    let conditions = Conditions::parse(args.skip(3))?;
    let number = integer(&args[2])?;
    let at = number.checked_mul(unit).and_then(|number| number.checked_add(from));
    let at = at.ok_or_else(|| error::invalid_expire(ctx.name))?;
    let key = ctx.data.key(&args[1]);
    let past = is_past(ctx, at);
    let Some(mut entry) = ctx.data.get_mut(&key).filter(|entry| conditions.admit(entry.expire_at(), at)) else {
        ctx.reply.int(0);
        return DONE;
    };
    ctx.reply.int(1);
    if past {
        delete(ctx, &key, ctx.limits.lazy_expire);
        return DONE;
    }
    entry.set_expire(Some(at));
    if ctx.data.effects.propagating {
        let mut digits = itoa::Buffer::new();
        let mut words: SmallVec<[&[u8]; 4]> = args.iter().collect();
        words[0] = b"PEXPIREAT";
        words[2] = digits.format(at).as_bytes();
        ctx.data.effects.propagate_instead(&words);
    }
    ctx.data.lessened(&key, NotifyClass::Generic, "expire");
    DONE
}

fn persist(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    let Some(mut entry) = ctx.data.get_mut(&key).filter(|entry| entry.expire_at().is_some()) else {
        ctx.reply.int(0);
        return DONE;
    };
    entry.set_expire(None);
    ctx.data.lessened(&key, NotifyClass::Generic, "persist");
    ctx.reply.int(1);
    DONE
}

fn ttl(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let now = ctx.data.now;
    answer_time(ctx, args, |at| to_seconds((at - now).max(0)))
}

fn pttl(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let now = ctx.data.now;
    answer_time(ctx, args, |at| (at - now).max(0))
}

fn expiretime(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    answer_time(ctx, args, |at| to_seconds(at.max(0)))
}

fn pexpiretime(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    answer_time(ctx, args, |at| at.max(0))
}

/// Seconds, rounded to the nearest as Redis does; `millis` is not negative.
fn to_seconds(millis: i64) -> i64 {
    ((millis as u64 + 500) / 1000) as i64
}

/// -2 for a missing key, -1 for one that does not expire.
fn answer_time(ctx: &mut KeyedCtx<'_>, args: Args<'_>, show: impl FnOnce(i64) -> i64) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    let answer = match ctx.data.look(&key) {
        None => -2,
        Some(entry) => entry.expire_at().map_or(-1, show),
    };
    ctx.reply.int(answer);
    DONE
}
