//! DUMP and RESTORE: one key as bytes and back.
//!
//! The bytes are those of [`crate::store::payload`], the codec that also writes RDB files. RESTORE validates its
//! payload completely before anything is changed. Redis: cluster.c.

use protocol::resp::Args;
use smallvec::SmallVec;

use super::integer;
use super::strings::is_past;
use crate::command::outcome::DONE;
use crate::command::{
    Arity, Categories, CmdError, CmdResult, Declared, Flags, Group, Key, KeySpec, KeyedCtx, KeyedFn, NotifyClass,
    Traits, error,
};
use crate::store::payload::{self, PayloadError};
use crate::store::{AccessClock, Value};

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("DUMP", Arity::exactly(2), Group::Generic, Flags::READONLY, dump as KeyedFn)
        .since("2.6.0")
        .summary("Return a serialized version of the value stored at the specified key.")
        .complexity("O(1) to access the key and additional O(N*M) to serialize it, where N is the number of Redis objects composing the value and M their average size. For small string values the time complexity is thus O(1)+O(1*M) where M is small, so simply O(1).")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key")
        .tips(&["nondeterministic_output"]),
    Declared::new("RESTORE", Arity::at_least(4), Group::Generic, Flags::WRITE.and(Flags::DENYOOM), restore as KeyedFn)
        .acl(Categories::DANGEROUS)
        .since("2.6.0")
        .summary("Create a key using the provided serialized value, previously obtained using DUMP.")
        .complexity("O(1) to create the new key and additional O(N*M) to reconstruct the serialized value, where N is the number of Redis objects composing the value and M their average size. For small string values the time complexity is thus O(1)+O(1*M) where M is small, so simply O(1). However for sorted set values the complexity is O(N*M*log(N)) because inserting values into sorted sets is O(log(N)).")
        .keys(&[KeySpec::at(1).ow().update()])
        .syntax("key:key ttl:integer serialized-value:string ['REPLACE@3.0.0] ['ABSTTL@5.0.0] [IDLETIME=seconds:integer@5.0.0] [FREQ=frequency:integer@5.0.0]")
        .history(&[("3.0.0", "Added the `REPLACE` modifier."), ("5.0.0", "Added the `ABSTTL` modifier."), ("5.0.0", "Added the `IDLETIME` and `FREQ` options.")]),
    Declared::new("RESTORE-ASKING", Arity::at_least(4), Group::Server, Flags::WRITE.and(Flags::DENYOOM).and(Flags::ASKING), restore as KeyedFn)
        .since("3.0.0")
        .summary("An internal command for migrating keys in a cluster")
        .syscmd()
        .traits(Traits::NEEDS_ITS_SENDER)
        .complexity("O(1) to create the new key and additional O(N*M) to reconstruct the serialized value, where N is the number of Redis objects composing the value and M their average size. For small string values the time complexity is thus O(1)+O(1*M) where M is small, so simply O(1). However for sorted set values the complexity is O(N*M*log(N)) because inserting values into sorted sets is O(log(N)).")
        .keys(&[KeySpec::at(1).ow().update()])
        .syntax("key:key ttl:integer serialized-value:string ['REPLACE@3.0.0] ['ABSTTL@5.0.0] [IDLETIME=seconds:integer@5.0.0] [FREQ=frequency:integer@5.0.0]")
        .history(&[("3.0.0", "Added the `REPLACE` modifier."), ("5.0.0", "Added the `ABSTTL` modifier."), ("5.0.0", "Added the `IDLETIME` and `FREQ` options.")]),
];

fn dump(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    match ctx.data.read(&key) {
        None => ctx.reply.null(),
        Some(entry) => ctx.reply.bulk(&payload::dump(&entry.value())),
    }
    DONE
}

/// When the key was last used, according to RESTORE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Now,
    /// IDLETIME, seconds ago.
    Idle(i64),
    /// FREQ
    Frequency(u8),
}

struct RestoreRequest {
    replace: bool,
    /// The expiry is a point in time.
    absolute: bool,
    used: Use,
}

impl RestoreRequest {
    fn parse(words: Args<'_>) -> Result<Self, CmdError> {
        let mut request = Self { replace: false, absolute: false, used: Use::Now };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word.eq_ignore_ascii_case(b"REPLACE") {
                request.replace = true;
            } else if word.eq_ignore_ascii_case(b"ABSTTL") {
                request.absolute = true;
            } else if word.eq_ignore_ascii_case(b"IDLETIME") && !matches!(request.used, Use::Frequency(_)) {
                let seconds = integer(words.next().ok_or(error::SYNTAX)?)?;
                request.used = Use::Idle(Some(seconds).filter(|s| *s >= 0).ok_or(error::INVALID_IDLETIME)?);
            } else if word.eq_ignore_ascii_case(b"FREQ") && !matches!(request.used, Use::Idle(_)) {
                let frequency = integer(words.next().ok_or(error::SYNTAX)?)?;
                request.used = Use::Frequency(u8::try_from(frequency).map_err(|_| error::INVALID_FREQ)?);
            } else {
                return Err(error::SYNTAX);
            }
        }
        Ok(request)
    }
}

fn restore(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let request = RestoreRequest::parse(args.skip(4))?;
    let key = ctx.data.key(&args[1]);
    if !request.replace && ctx.data.peek(&key).is_some() {
        return Err(error::BUSY_KEY);
    }
    let ttl = integer(&args[2])?;
    if ttl < 0 {
        return Err(error::INVALID_TTL);
    }
    let value = decode(ctx, &args[3])?;
    let relative = ttl != 0 && !request.absolute;
    let at = if relative { ttl.saturating_add(ctx.data.now) } else { ttl };
    if at != 0 && is_past(ctx, at) {
        forget(ctx, &key);
        ctx.reply.ok();
        return DONE;
    }
    put(ctx, &key, value, Some(at).filter(|at| *at != 0), request.used);
    if relative && ctx.data.effects.propagating {
        let mut digits = itoa::Buffer::new();
        let mut words: SmallVec<[&[u8]; 8]> = args.iter().collect();
        words[2] = digits.format(at).as_bytes();
        words.push(b"ABSTTL");
        ctx.data.effects.propagate_instead(&words);
    }
    ctx.data.changed(&key, NotifyClass::Generic, "restore");
    ctx.reply.ok();
    DONE
}

/// The value of a payload.
fn decode(ctx: &KeyedCtx<'_>, bytes: &[u8]) -> Result<Value, CmdError> {
    payload::restore(bytes, &ctx.limits.payload_limits(), !ctx.limits.skip_checksums).map_err(|problem| match problem {
        PayloadError::Footer => error::BAD_PAYLOAD,
        PayloadError::UnknownType(_)
        | PayloadError::Read(_)
        | PayloadError::Corrupt(_)
        | PayloadError::Empty
        | PayloadError::Trailing => error::BAD_DATA_FORMAT,
    })
}

/// The restored key would already be expired: only the key that it replaces is removed.
fn forget(ctx: &mut KeyedCtx<'_>, key: &Key<'_>) {
    if ctx.data.delete_even_expired(key) {
        ctx.data.effects.propagate_instead(&[b"DEL", key.bytes]);
    }
}

fn put(ctx: &mut KeyedCtx<'_>, key: &Key<'_>, value: Value, expire: Option<i64>, used: Use) {
    let now = ctx.data.now;
    let fresh = ctx.data.fresh_clock();
    let clock = match (used, ctx.data.lfu) {
        (Use::Idle(seconds), None) => AccessClock::at(now.saturating_sub(seconds.saturating_mul(1000))),
        (Use::Frequency(frequency), Some(lfu)) => lfu.with_frequency(now, frequency),
        (Use::Now, _) | (Use::Idle(_), Some(_)) | (Use::Frequency(_), None) => fresh,
    };
    ctx.data.slot(key).set_clock(clock);
    ctx.data.insert(key, value, expire);
}
