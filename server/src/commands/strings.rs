//! String commands that read and set whole values.
//!
//! GET, SET, MGET and MSET are what most clients send most of the time: they cost one look-up per key, no allocation,
//! and nothing for absent listeners. The options of SET and GETEX are parsed in [`super::string_options`] into a form
//! that cannot express nonsense; parts of strings are in [`super::string_ranges`], numbers in [`super::counters`].
//! Redis: t_string.c.

use protocol::resp::Args;
use protocol::resp::reply::Reply;
use smallvec::SmallVec;

use super::comparison::is_comparison;
use super::string_options::{Condition, GetExRequest, SetExpiry, SetRequest, When};
use crate::command::outcome::DONE;
use crate::command::{
    Arity, CmdError, CmdResult, Declared, Flags, Group, Key, KeyFlags, KeySpec, KeyedCtx, KeyedFn, NotifyClass, Role,
    error,
};
use crate::store::{EntryRef, StringValue, Ttl, ValueRef};

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("GET", Arity::exactly(2), Group::String, Flags::READONLY.and(Flags::FAST), get as KeyedFn)
        .summary("Get the value of a key")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key"),
    Declared::new("GETDEL", Arity::exactly(2), Group::String, Flags::WRITE.and(Flags::FAST), getdel as KeyedFn)
        .since("6.2.0")
        .summary("Get the value of a key and delete the key")
        .keys(&[KeySpec::at(1).rw().access().delete()])
        .syntax("key:key"),
    Declared::new("GETEX", Arity::at_least(2), Group::String, Flags::WRITE.and(Flags::FAST), getex as KeyedFn)
        .since("6.2.0")
        .summary("Get the value of a key and optionally set its expiration")
        .keys(&[KeySpec::at(1).rw().access().update().notes("RW and UPDATE because it changes the TTL")])
        .syntax("key:key [expiration:<EX=seconds:integer|PX=milliseconds:integer|EXAT=unix-time-seconds:unix-time|PXAT=unix-time-milliseconds:unix-time|'PERSIST>]"),
    Declared::new("GETSET", Arity::exactly(3), Group::String, Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST), getset as KeyedFn)
        .summary("Set the string value of a key and return its old value")
        .keys(&[KeySpec::at(1).rw().access().update()])
        .syntax("key:key value:string")
        .deprecated("6.2.0", "`SET` with the `!GET` argument"),
    Declared::new("MGET", Arity::at_least(2), Group::String, Flags::READONLY.and(Flags::FAST), mget as KeyedFn)
        .summary("Get the values of all the given keys")
        .complexity("O(N) where N is the number of keys to retrieve.")
        .keys(&[KeySpec::range(1, -1, 1).ro().access()])
        .syntax("key:key+")
        .tips(&["request_policy:multi_shard"]),
    Declared::new("MSET", Arity::at_least(3), Group::String, Flags::WRITE.and(Flags::DENYOOM), mset as KeyedFn)
        .since("1.0.1")
        .summary("Set multiple keys to multiple values")
        .complexity("O(N) where N is the number of keys to set.")
        .keys(&[KeySpec::range(1, -1, 2).ow().update()])
        .syntax("key_value:{key:key value:string}+")
        .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"]),
    Declared::new("MSETNX", Arity::at_least(3), Group::String, Flags::WRITE.and(Flags::DENYOOM), msetnx as KeyedFn)
        .since("1.0.1")
        .summary("Set multiple keys to multiple values, only if none of the keys exist")
        .complexity("O(N) where N is the number of keys to set.")
        .keys(&[KeySpec::range(1, -1, 2).ow().insert()])
        .syntax("key_value:{key:key value:string}+")
        .tips(&["request_policy:multi_shard", "response_policy:agg_min"]),
    Declared::new("PSETEX", Arity::exactly(4), Group::String, Flags::WRITE.and(Flags::DENYOOM), psetex as KeyedFn)
        .since("2.6.0")
        .summary("Set the value and expiration in milliseconds of a key")
        .keys(&[KeySpec::at(1).ow().update()])
        .syntax("key:key milliseconds:integer value:string"),
    Declared::new("SET", Arity::at_least(3), Group::String, Flags::WRITE.and(Flags::DENYOOM), set as KeyedFn)
        .summary("Set the string value of a key")
        .keys(&[KeySpec::at(1).rw().access().update().flags(KeyFlags::VARIABLE_FLAGS).notes("RW and ACCESS due to the optional `GET` argument")])
        .key_flags_fn(set_key_flags)
        .syntax("key:key value:string [condition:<'NX@2.6.12|'XX@2.6.12|IFEQ=ifeq-value:string@8.1.0|IFNE=ifne-value:string@8.4.0|IFDEQ=ifdeq-digest:string@8.4.0|IFDNE=ifdne-digest:string@8.4.0>] ['GET@6.2.0] [expiration:<EX=seconds:integer@2.6.12|PX=milliseconds:integer@2.6.12|EXAT=unix-time-seconds:unix-time@6.2.0|PXAT=unix-time-milliseconds:unix-time@6.2.0|'KEEPTTL@6.0.0>]")
        .history(&[("2.6.12", "Added the `EX`, `PX`, `NX` and `XX` options."), ("6.0.0", "Added the `KEEPTTL` option."), ("6.2.0", "Added the `GET`, `EXAT` and `PXAT` option."), ("7.0.0", "Allowed the `NX` and `GET` options to be used together."), ("8.1.0", "Added the `IFEQ` option."), ("8.4.0", "Added the `IFNE`, `IFDEQ` and `IFDNE` options.")]),
    Declared::new("SETEX", Arity::exactly(4), Group::String, Flags::WRITE.and(Flags::DENYOOM), setex as KeyedFn)
        .since("2.0.0")
        .summary("Set the value and expiration of a key")
        .keys(&[KeySpec::at(1).ow().update()])
        .syntax("key:key seconds:integer value:string"),
    Declared::new("SETNX", Arity::exactly(3), Group::String, Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST), setnx as KeyedFn)
        .summary("Set the value of a key, only if the key does not exist")
        .keys(&[KeySpec::at(1).ow().insert()])
        .syntax("key:key value:string"),
];

/// Writes a string value.
///
/// # Errors
/// `WRONGTYPE` for any other value; nothing is written then.
#[inline]
pub(super) fn write_string(reply: &mut Reply<'_>, value: ValueRef<'_>) -> Result<(), CmdError> {
    match value {
        ValueRef::Int(number) => reply.bulk_int(number),
        ValueRef::Str(bytes) => reply.bulk(bytes),
        ValueRef::Collection(_) => return Err(error::WRONG_TYPE),
    }
    Ok(())
}

/// Replies with the string at a key, or null; returns whether the key exists.
#[inline(always)]
fn answer_value(ctx: &mut KeyedCtx<'_>, key: &Key<'_>) -> Result<bool, CmdError> {
    match ctx.data.read(key) {
        None => {
            ctx.reply.null();
            Ok(false)
        }
        Some(entry) => write_string(&mut ctx.reply, entry.value()).map(|()| true),
    }
}

fn get(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    answer_value(ctx, &key)?;
    DONE
}

/// Sets a key and announces it; an expiry is propagated as absolute milliseconds.
#[inline]
pub(super) fn store(ctx: &mut KeyedCtx<'_>, key: &Key<'_>, value: &[u8], ttl: Ttl) {
    ctx.data.set_string(key, StringValue::encode(value), ttl);
    ctx.data.changed(key, NotifyClass::String, "set");
    if let Ttl::At(at) = ttl {
        announce_expiring(ctx, key, value, at);
    }
}

fn announce_expiring(ctx: &mut KeyedCtx<'_>, key: &Key<'_>, value: &[u8], at: i64) {
    if ctx.data.effects.propagating {
        let mut digits = itoa::Buffer::new();
        ctx.data.effects.propagate_instead(&[b"SET", key.bytes, value, b"PXAT", digits.format(at).as_bytes()]);
    }
    ctx.data.notify(NotifyClass::Generic, "expire", key);
}

fn set(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    if args.len() > 3 {
        return set_with_options(ctx, args);
    }
    let key = ctx.data.key(&args[1]);
    store(ctx, &key, &args[2], Ttl::Clear);
    ctx.reply.ok();
    DONE
}

/// SET overwrites without reading, unless GET asks for the old value, or a condition about it is made.
fn set_key_flags(args: Args<'_>) -> KeyFlags {
    let is_read = |word: &[u8]| word.eq_ignore_ascii_case(b"GET") || is_comparison(word);
    let gets = args.skip(3).iter().any(is_read);
    if gets { KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::UPDATE) } else { KeyFlags::OW.and(KeyFlags::UPDATE) }
}

fn set_with_options(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let request = SetRequest::parse(args.skip(3))?;
    let ttl = match request.expiry {
        SetExpiry::Clear => Ttl::Clear,
        SetExpiry::Keep => Ttl::Keep,
        SetExpiry::At(when) => Ttl::At(when.resolve(ctx.data.now, ctx.name)?),
    };
    let key = ctx.data.key(&args[1]);
    if request.get {
        answer_value(ctx, &key)?;
    }
    let may_set = match request.condition {
        Condition::Always => true,
        Condition::IfAbsent => ctx.data.peek(&key).is_none(),
        Condition::IfPresent => ctx.data.peek(&key).is_some(),
        Condition::If(comparison) => comparison.admits(ctx.data.peek(&key).map(EntryRef::value))?,
    };
    if !may_set {
        if !request.get {
            ctx.reply.null();
        }
        return DONE;
    }
    store(ctx, &key, &args[2], ttl);
    if !request.get {
        ctx.reply.ok();
    }
    if ctx.data.effects.propagating && !matches!(ttl, Ttl::At(_)) {
        if matches!(request.condition, Condition::If(_)) {
            // It held, and replicas may not know it.
            let keep: &[&[u8]] = if ttl == Ttl::Keep { &[b"KEEPTTL"] } else { &[] };
            ctx.data.effects.propagate_instead(&[&[b"SET", key.bytes, &args[2]], keep].concat());
            return DONE;
        }
        if !request.get {
            return DONE;
        }
        // The reply of GET is of no use to a replica.
        let is_get = |word: &[u8]| word.eq_ignore_ascii_case(b"GET");
        let words = args.iter().enumerate().filter(|(at, word)| *at < 3 || !is_get(word)).map(|(_, word)| word);
        ctx.data.effects.propagate_instead(&words.collect::<SmallVec<[&[u8]; 8]>>());
    }
    DONE
}

fn setnx(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    let absent = ctx.data.peek(&key).is_none();
    if absent {
        store(ctx, &key, &args[2], Ttl::Clear);
    }
    ctx.reply.int(i64::from(absent));
    DONE
}

fn setex(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    set_for(ctx, args, When::in_seconds)
}

fn psetex(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    set_for(ctx, args, When::in_millis)
}

fn set_for<'a>(ctx: &mut KeyedCtx<'_>, args: Args<'a>, when: impl FnOnce(&'a [u8]) -> When<'a>) -> CmdResult {
    let word = args.get(2).expect("the arity was checked");
    let at = when(word).resolve(ctx.data.now, ctx.name)?;
    let key = ctx.data.key(&args[1]);
    store(ctx, &key, &args[3], Ttl::At(at));
    ctx.reply.ok();
    DONE
}

fn getset(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    answer_value(ctx, &key)?;
    store(ctx, &key, &args[2], Ttl::Clear);
    ctx.data.effects.propagate_instead(&[b"SET", key.bytes, &args[2]]);
    DONE
}

fn getdel(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    if answer_value(ctx, &key)? {
        delete(ctx, &key, ctx.limits.lazy_user_del);
    }
    DONE
}

/// Deletes an existing key, and propagates only that instead of the command.
pub(super) fn delete(ctx: &mut KeyedCtx<'_>, key: &Key<'_>, lazy: bool) {
    ctx.data.delete(key, lazy);
    let verb: &[u8] = if lazy { b"UNLINK" } else { b"DEL" };
    ctx.data.effects.propagate_instead(&[verb, key.bytes]);
}

/// Whether this expiry deletes the key at once. Not in a primary's stream or a file: their DEL follows by itself.
pub(super) fn is_past(ctx: &KeyedCtx<'_>, at: i64) -> bool {
    at <= ctx.data.now && ctx.data.role == Role::Primary
}

fn getex(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let request = GetExRequest::parse(args.skip(2))?;
    let key = ctx.data.key(&args[1]);
    if !answer_value(ctx, &key)? {
        return DONE;
    }
    match request {
        GetExRequest::Read => {}
        GetExRequest::Persist => {
            if let Some(mut entry) = ctx.data.get_mut(&key).filter(|entry| entry.expire_at().is_some()) {
                entry.set_expire(None);
                ctx.data.effects.propagate_instead(&[b"PERSIST", key.bytes]);
                ctx.data.changed(&key, NotifyClass::Generic, "persist");
            }
        }
        GetExRequest::At(when) => {
            let at = when.resolve(ctx.data.now, ctx.name)?;
            if when.is_absolute() && is_past(ctx, at) {
                delete(ctx, &key, ctx.limits.lazy_expire);
                return DONE;
            }
            if let Some(mut entry) = ctx.data.get_mut(&key) {
                entry.set_expire(Some(at));
            }
            let mut digits = itoa::Buffer::new();
            ctx.data.effects.propagate_instead(&[b"PEXPIREAT", key.bytes, digits.format(at).as_bytes()]);
            ctx.data.changed(&key, NotifyClass::Generic, "expire");
        }
    }
    DONE
}

fn mget(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    ctx.reply.array(args.len() - 1);
    for word in args.skip(1) {
        let key = ctx.data.key(word);
        match ctx.data.read(&key).map(EntryRef::value) {
            Some(ValueRef::Int(number)) => ctx.reply.bulk_int(number),
            Some(ValueRef::Str(bytes)) => ctx.reply.bulk(bytes),
            Some(ValueRef::Collection(_)) | None => ctx.reply.null(),
        }
    }
    DONE
}

fn mset(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    if args.len().is_multiple_of(2) {
        return Err(error::wrong_arity(ctx.name));
    }
    set_all(ctx, args);
    ctx.reply.ok();
    DONE
}

fn msetnx(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    if args.len().is_multiple_of(2) {
        return Err(error::wrong_arity(ctx.name));
    }
    for word in args.skip(1).iter().step_by(2) {
        let key = ctx.data.key(word);
        if ctx.data.peek(&key).is_some() {
            ctx.reply.int(0);
            return DONE;
        }
    }
    set_all(ctx, args);
    ctx.reply.int(1);
    DONE
}

fn set_all(ctx: &mut KeyedCtx<'_>, args: Args<'_>) {
    let mut words = args.skip(1).iter();
    while let (Some(word), Some(value)) = (words.next(), words.next()) {
        let key = ctx.data.key(word);
        store(ctx, &key, value, Ttl::Clear);
    }
}
