//! Commands on parts of strings: length, ranges, appending and overwriting.
//!
//! A string that APPEND or SETRANGE changed is `raw` to OBJECT ENCODING, whatever it holds, as in Redis. Redis:
//! t_string.c.

use protocol::resp::Args;

use super::integer;
use crate::command::outcome::DONE;
use crate::command::{
    Arity, CmdError, CmdResult, Declared, Flags, Group, KeySpec, KeyedCtx, KeyedFn, NotifyClass, Role, error,
};
use crate::store::{StringValue, Ttl};

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("APPEND", Arity::exactly(3), Group::String, Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST), append as KeyedFn)
        .since("2.0.0")
        .summary("Append a value to a key")
        .complexity("O(1). The amortized time complexity is O(1) assuming the appended value is small and the already present value is of any size, since the dynamic string library used by Redis will double the free space available on every reallocation.")
        .keys(&[KeySpec::at(1).rw().insert()])
        .syntax("key:key value:string"),
    Declared::new("GETRANGE", Arity::exactly(4), Group::String, Flags::READONLY, getrange as KeyedFn)
        .since("2.4.0")
        .summary("Get a substring of the string stored at a key")
        .complexity("O(N) where N is the length of the returned string. The complexity is ultimately determined by the returned length, but because creating a substring from an existing string is very cheap, it can be considered O(1) for small strings.")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key start:integer end:integer"),
    Declared::new("SETRANGE", Arity::exactly(4), Group::String, Flags::WRITE.and(Flags::DENYOOM), setrange as KeyedFn)
        .since("2.2.0")
        .summary("Overwrite part of a string at key starting at the specified offset")
        .complexity("O(1), not counting the time taken to copy the new string in place. Usually, this string is very small so the amortized complexity is O(1). Otherwise, complexity is O(M) with M being the length of the value argument.")
        .keys(&[KeySpec::at(1).rw().update()])
        .syntax("key:key offset:integer value:string"),
    Declared::new("STRLEN", Arity::exactly(2), Group::String, Flags::READONLY.and(Flags::FAST), strlen as KeyedFn)
        .since("2.2.0")
        .summary("Get the length of the value stored in a key")
        .keys(&[KeySpec::at(1).ro()])
        .syntax("key:key"),
    Declared::new("SUBSTR", Arity::exactly(4), Group::String, Flags::READONLY, getrange as KeyedFn)
        .summary("Get a substring of the string stored at a key")
        .complexity("O(N) where N is the length of the returned string. The complexity is ultimately determined by the returned length, but because creating a substring from an existing string is very cheap, it can be considered O(1) for small strings.")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key start:integer end:integer")
        .deprecated("2.0.0", "`GETRANGE`"),
];

/// Checks the length of a string that has `len` bytes after adding `added`.
///
/// # Errors
/// It would be longer than `proto-max-bulk-len`. A primary's stream is exempt: the primary has already
/// accepted it.
fn check_length(ctx: &KeyedCtx<'_>, len: usize, added: usize) -> Result<(), CmdError> {
    let fits = len.checked_add(added).is_some_and(|total| total <= ctx.limits.max_string);
    if fits || ctx.data.role == Role::Stream { Ok(()) } else { Err(error::STRING_TOO_LONG) }
}

fn strlen(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    let mut digits = itoa::Buffer::new();
    let len = match ctx.data.read(&key) {
        None => 0,
        Some(entry) => entry.value().string_bytes(&mut digits).ok_or(error::WRONG_TYPE)?.len(),
    };
    ctx.reply.int(len as i64);
    DONE
}

fn getrange(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let (start, end) = (integer(&args[2])?, integer(&args[3])?);
    let key = ctx.data.key(&args[1]);
    let mut digits = itoa::Buffer::new();
    let bytes = match ctx.data.read(&key) {
        None => &[][..],
        Some(entry) => entry.value().string_bytes(&mut digits).ok_or(error::WRONG_TYPE)?,
    };
    ctx.reply.bulk(range_of(bytes, start, end));
    DONE
}

/// The bytes from `start` to `end`, both included; negative positions count from the end (-1 is the last byte).
fn range_of(bytes: &[u8], start: i64, end: i64) -> &[u8] {
    // Redis: two positions from the end in the wrong order are empty even if clamping would make them meet.
    if start < 0 && end < 0 && start > end {
        return &[];
    }
    let len = bytes.len() as i64;
    let from_front = |at: i64| if at < 0 { (len + at).max(0) } else { at };
    let (start, end) = (from_front(start), from_front(end).min(len - 1));
    if start > end { &[] } else { &bytes[start as usize..=end as usize] }
}

fn setrange(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let offset = integer(&args[2])?;
    let offset = usize::try_from(offset).map_err(|_| error::OFFSET_OUT_OF_RANGE)?;
    let value = &args[3];
    let key = ctx.data.key(&args[1]);
    let mut digits = itoa::Buffer::new();
    let len = match ctx.data.peek(&key) {
        None => None,
        Some(entry) => Some(entry.value().string_bytes(&mut digits).ok_or(error::WRONG_TYPE)?.len()),
    };
    if value.is_empty() {
        ctx.reply.int(len.unwrap_or(0) as i64);
        return DONE;
    }
    check_length(ctx, offset, value.len())?;
    if len.is_none() {
        ctx.data.set_string(&key, StringValue::Bytes(b""), Ttl::Clear);
    }
    let end = offset + value.len();
    let mut entry = ctx.data.get_mut(&key).expect("the string was found or made");
    let bytes = entry.bytes_mut(end).expect("the type was checked");
    bytes[offset..end].copy_from_slice(value);
    let len = bytes.len();
    ctx.data.changed(&key, NotifyClass::String, "setrange");
    ctx.reply.int(len as i64);
    DONE
}

fn append(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let (key, value) = (ctx.data.key(&args[1]), &args[2]);
    let mut digits = itoa::Buffer::new();
    let old = match ctx.data.peek(&key) {
        None => None,
        Some(entry) => Some(entry.value().string_bytes(&mut digits).ok_or(error::WRONG_TYPE)?.len()),
    };
    let len = match old {
        None => {
            ctx.data.set_string(&key, StringValue::encode(value), Ttl::Clear);
            value.len()
        }
        Some(old) => {
            check_length(ctx, old, value.len())?;
            let mut entry = ctx.data.get_mut(&key).expect("the string was found");
            entry.append(value).expect("the type was checked")
        }
    };
    ctx.data.changed(&key, NotifyClass::String, "append");
    ctx.reply.int(len as i64);
    DONE
}

#[cfg(test)]
#[path = "string_ranges_tests.rs"]
mod tests;
