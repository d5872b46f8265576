//! String commands that act if a value is what the client believes it to be: compare and set, compare and delete.
//!
//! IFEQ and DELIFEQ are Valkey's, the other conditions are Redis's. What was done is propagated without the condition,
//! since other servers do not know it. MSETEX sets several keys with one condition and one expiry.

use protocol::resp::{Args, OwnedArgs};

use super::comparison::{Comparison, digest_of};
use super::integer;
use super::string_options::{Condition, SetExpiry, SetRequest};
use super::strings::{delete, store};
use crate::command::outcome::DONE;
use crate::command::spec::FindKeys;
use crate::command::{Arity, CmdError, CmdResult, Declared, Flags, Group, KeyFlags, KeySpec, KeyedCtx, KeyedFn, error};
use crate::store::{EntryRef, Ttl};

/// Keys and values behind their number.
const PAIRS: FindKeys = FindKeys::KeyNum { keynum: 0, first: 1, step: 2 };

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("DELIFEQ", Arity::exactly(3), Group::String, Flags::WRITE.and(Flags::FAST), delifeq as KeyedFn)
        .since("9.0.0")
        .summary("Delete key if value matches string.")
        .keys(&[KeySpec::at(1).rm().delete()])
        .syntax("key:key value:string"),
    Declared::new("DELEX", Arity::at_least(2), Group::String, Flags::WRITE.and(Flags::FAST), delex as KeyedFn)
        .since("8.4.0")
        .summary("Conditionally removes the specified key based on value or digest comparison.")
        .complexity("O(1) for IFEQ/IFNE, O(N) for IFDEQ/IFDNE where N is the length of the string value.")
        .keys(&[KeySpec::at(1).rw().delete().flags(KeyFlags::VARIABLE_FLAGS)])
        .key_flags_fn(delex_key_flags)
        .syntax("key:key [condition:<IFEQ=ifeq-value:string|IFNE=ifne-value:string|IFDEQ=ifdeq-digest:string|IFDNE=ifdne-digest:string>]"),
    Declared::new("DIGEST", Arity::exactly(2), Group::String, Flags::READONLY.and(Flags::FAST), digest as KeyedFn)
        .since("8.4.0")
        .summary("Returns the XXH3 hash of a string value.")
        .complexity("O(N) where N is the length of the string value.")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key"),
    Declared::new("MSETEX", Arity::at_least(4), Group::String, Flags::WRITE.and(Flags::DENYOOM), msetex as KeyedFn)
        .since("8.4.0")
        .summary("Atomically creates or modifies the string values of one or more keys, and optionally set their expiration.")
        .complexity("O(N) where N is the number of keys to set.")
        .keys(&[KeySpec::at(1).ow().update().find(PAIRS)])
        .syntax("numkeys:integer data:{key:key value:string}+ [condition:<'nx|'xx>] [expiration:<EX=seconds:integer|PX=milliseconds:integer|EXAT=unix-time-seconds:unix-time|PXAT=unix-time-milliseconds:unix-time|'keepttl>]")
        .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"]),
];

/// Deletes a key if the comparison allows it, and replies whether it did.
fn delete_if(ctx: &mut KeyedCtx<'_>, word: &[u8], comparison: Option<Comparison<'_>>) -> CmdResult {
    let key = ctx.data.key(word);
    let deletes = match (ctx.data.peek(&key).map(EntryRef::value), comparison) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(value), Some(comparison)) => comparison.admits(Some(value))?,
    };
    if deletes {
        delete(ctx, &key, ctx.limits.lazy_user_del);
    }
    ctx.reply.int(i64::from(deletes));
    DONE
}

fn delifeq(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    delete_if(ctx, &args[1], Some(Comparison::Equal(&args[2])))
}

fn delex(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let comparison = match args.len() {
        2 => None,
        4 => Some(Comparison::parse(&args[2], args.get(3))?),
        _ => return Err(error::wrong_arity(ctx.name)),
    };
    delete_if(ctx, &args[1], comparison)
}

/// DELEX reads the value only for a comparison.
fn delex_key_flags(args: Args<'_>) -> KeyFlags {
    let access = if args.len() > 2 { KeyFlags::RW.and(KeyFlags::ACCESS) } else { KeyFlags::RM };
    access.and(KeyFlags::DELETE)
}

fn digest(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    match ctx.data.read(&key) {
        None => ctx.reply.null(),
        Some(entry) => {
            let mut digits = itoa::Buffer::new();
            let text = entry.value().string_bytes(&mut digits).ok_or(error::WRONG_TYPE)?;
            ctx.reply.bulk_str(&format!("{:016x}", digest_of(text)));
        }
    }
    DONE
}

fn msetex(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let number = integer(&args[1]).ok().and_then(|number| i32::try_from(number).ok()).filter(|number| *number > 0);
    let number = number.ok_or(CmdError::text("ERR invalid numkeys value or out of range"))?;
    let end = 2 + 2 * number as usize;
    if end > args.len() {
        return Err(error::SYNTAX);
    }
    let request = SetRequest::parse(args.skip(end))?;
    let ttl = match request.expiry {
        SetExpiry::Clear => Ttl::Clear,
        SetExpiry::Keep => Ttl::Keep,
        SetExpiry::At(when) => Ttl::At(when.resolve(ctx.data.now, ctx.name)?),
    };
    let wanted = match request.condition {
        Condition::If(_) => return Err(error::SYNTAX),
        _ if request.get => return Err(error::SYNTAX),
        Condition::Always => None,
        Condition::IfAbsent => Some(false),
        Condition::IfPresent => Some(true),
    };
    let pairs = args.slice(2..end);
    for at in (0..pairs.len()).step_by(2) {
        let key = ctx.data.key(&pairs[at]);
        if wanted.is_some_and(|wanted| ctx.data.peek(&key).is_some() != wanted) {
            ctx.reply.int(0);
            return DONE;
        }
    }
    for at in (0..pairs.len()).step_by(2) {
        let key = ctx.data.key(&pairs[at]);
        store(ctx, &key, &pairs[at + 1], ttl);
    }
    if ctx.data.effects.propagating {
        propagate(ctx, pairs, ttl);
    }
    ctx.reply.int(1);
    DONE
}

/// Propagates what MSETEX has set in words that every server knows.
fn propagate(ctx: &mut KeyedCtx<'_>, pairs: Args<'_>, ttl: Ttl) {
    let mut digits = itoa::Buffer::new();
    let options: &[&[u8]] = match ttl {
        Ttl::Clear => {
            let command: Vec<&[u8]> = std::iter::once(&b"MSET"[..]).chain(pairs.iter()).collect();
            return ctx.data.effects.propagate_instead(&command);
        }
        Ttl::Keep => &[b"KEEPTTL"],
        Ttl::At(at) => &[b"PXAT", digits.format(at).as_bytes()],
    };
    let set = |at: usize| OwnedArgs::from_slices(&[&[b"SET", &pairs[at], &pairs[at + 1]], options].concat());
    ctx.data.effects.propagate_all_instead((0..pairs.len()).step_by(2).map(set));
}

#[cfg(test)]
#[path = "string_conditions_tests.rs"]
mod tests;
