//! Strings as arrays of bits: SETBIT, GETBIT, BITCOUNT, BITPOS.
//!
//! A bit is written in place: the string grows, filled up with zeros, only if the bit is beyond its end, and nothing
//! else of it is copied. Whatever the string was, it is `raw` to OBJECT ENCODING afterwards, even if no bit has
//! changed. A write that changes neither a bit nor the length is no change: nothing is propagated or announced.
//!
//! The order in which arguments are checked is Redis's and not quite regular: a missing key answers before the words of
//! a range are looked at. Redis: bitops.c.

use protocol::resp::Args;

use super::integer;
use crate::base::bits;
use crate::base::number::parse_i64;
use crate::command::error::c_string;
use crate::command::outcome::DONE;
use crate::command::{
    Arity, CmdError, CmdResult, Data, Declared, Flags, Group, Key, KeySpec, KeyedCtx, KeyedFn, NotifyClass, Role, error,
};
use crate::store::{StringValue, Ttl, Value};

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("BITCOUNT", Arity::at_least(2), Group::Bitmap, Flags::READONLY, bitcount as KeyedFn)
        .since("2.6.0")
        .summary("Count set bits in a string")
        .complexity("O(N)")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key [index:{start:integer end:integer [index_unit:<'byte|'bit>@7.0.0]}]")
        .history(&[("7.0.0", "Added the `BYTE|BIT` option.")]),
    Declared::new("BITPOS", Arity::at_least(3), Group::Bitmap, Flags::READONLY, bitpos as KeyedFn)
        .since("2.8.7")
        .summary("Find first bit set or clear in a string")
        .complexity("O(N)")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key bit:integer [index:{start:integer [end_index:{end:integer [index_unit:<'byte|'bit>@7.0.0]}]}]")
        .history(&[("7.0.0", "Added the `BYTE|BIT` option.")]),
    Declared::new("GETBIT", Arity::exactly(3), Group::Bitmap, Flags::READONLY.and(Flags::FAST), getbit as KeyedFn)
        .since("2.2.0")
        .summary("Returns the bit value at offset in the string value stored at key")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key offset:integer"),
    Declared::new("SETBIT", Arity::exactly(4), Group::Bitmap, Flags::WRITE.and(Flags::DENYOOM), setbit as KeyedFn)
        .since("2.2.0")
        .summary("Sets or clears the bit at offset in the string value stored at key")
        .keys(&[KeySpec::at(1).rw().access().update()])
        .syntax("key:key offset:integer value:integer"),
];

const BAD_OFFSET: CmdError = CmdError::text("ERR bit offset is not an integer or out of range");
const BAD_BIT: CmdError = CmdError::text("ERR bit is not an integer or out of range");
const BAD_BIT_TO_FIND: CmdError = CmdError::text("ERR The bit argument must be 1 or 0.");

/// The offset of a bit in a string that may have `max_string` bytes.
///
/// # Errors
/// No integer, negative, or beyond the longest string. A primary's stream is exempt from its limit: the primary has
/// already accepted it.
pub(super) fn bit_offset(ctx: &KeyedCtx<'_>, offset: Option<i64>) -> Result<u64, CmdError> {
    let offset = offset.and_then(|offset| u64::try_from(offset).ok()).ok_or(BAD_OFFSET)?;
    let fits = bits::byte_of(offset) < ctx.limits.max_string || ctx.data.role == Role::Stream;
    if fits { Ok(offset) } else { Err(BAD_OFFSET) }
}

/// Lends the bytes of the string at a key, filled up with zeros to at least `len`, and whether they were filled up. The
/// key is made if there is none. The string is `raw` afterwards.
///
/// # Errors
/// `WRONGTYPE` if the key holds no string.
pub(super) fn edit_bytes<R>(
    data: &mut Data<'_>,
    key: &Key<'_>,
    len: usize,
    edit: impl FnOnce(&mut [u8], bool) -> R,
) -> Result<R, CmdError> {
    if let Some(mut entry) = data.get_mut(key) {
        let old = entry.value().string_len().ok_or(error::WRONG_TYPE)?;
        let bytes = entry.bytes_mut(len).ok_or(error::WRONG_TYPE)?;
        return Ok(edit(bytes, old < len));
    }
    create_zeros(data, key, len);
    let mut entry = data.get_mut(key).expect("it was made");
    Ok(edit(entry.bytes_mut(len).expect("it is a string"), true))
}

/// Makes a string of zeros. The memory of a long one comes from the system as zeros, and is not touched.
#[cold]
fn create_zeros(data: &mut Data<'_>, key: &Key<'_>, len: usize) {
    const SHORT: [u8; 64] = [0; 64];
    match SHORT.get(..len) {
        Some(zeros) => data.set_string(key, StringValue::Bytes(zeros), Ttl::Clear),
        None => data.insert(key, Value::Str(vec![0; len]), None),
    }
}

fn setbit(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let offset = bit_offset(ctx, parse_i64(&args[2]))?;
    let on = match &args[3] {
        b"0" => false,
        b"1" => true,
        _ => return Err(BAD_BIT),
    };
    let key = ctx.data.key(&args[1]);
    let len = bits::byte_of(offset) + 1;
    let (was, grown) = edit_bytes(&mut ctx.data, &key, len, |bytes, grown| (bits::set(bytes, offset, on), grown))?;
    if grown || was != on {
        ctx.data.changed(&key, NotifyClass::String, "setbit");
    }
    ctx.reply.int(i64::from(was));
    DONE
}

fn getbit(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let offset = bit_offset(ctx, parse_i64(&args[2]))?;
    let key = ctx.data.key(&args[1]);
    let mut digits = itoa::Buffer::new();
    let bit = match ctx.data.read(&key) {
        None => false,
        Some(entry) => bits::get(entry.value().string_bytes(&mut digits).ok_or(error::WRONG_TYPE)?, offset),
    };
    ctx.reply.int(i64::from(bit));
    DONE
}

/// What the ends of a range count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Byte,
    Bit,
}

impl Unit {
    fn parse(word: &[u8]) -> Result<Self, CmdError> {
        let word = c_string(word);
        if word.eq_ignore_ascii_case(b"BIT") {
            Ok(Self::Bit)
        } else if word.eq_ignore_ascii_case(b"BYTE") {
            Ok(Self::Byte)
        } else {
            Err(error::SYNTAX)
        }
    }

    /// How many of them a string of `len` bytes has.
    fn total(self, len: usize) -> i64 {
        match self {
            Self::Byte => len as i64,
            Self::Bit => len as i64 * 8,
        }
    }

    /// The first and the last bit from `start` to `end`, both included, in a string of `len` bytes; negative positions
    /// count from its end. `None` if there are none.
    fn range(self, len: usize, start: i64, end: i64) -> Option<(u64, u64)> {
        let total = self.total(len);
        let from_front = |at: i64| if at < 0 { (total + at).max(0) } else { at };
        let (start, end) = (from_front(start), from_front(end).min(total - 1));
        if start > end {
            return None;
        }
        Some(match self {
            Self::Byte => (start as u64 * 8, end as u64 * 8 + 7),
            Self::Bit => (start as u64, end as u64),
        })
    }
}

fn bitcount(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    let mut digits = itoa::Buffer::new();
    let count = match ctx.data.read(&key) {
        None => 0,
        Some(entry) => {
            let bytes = entry.value().string_bytes(&mut digits).ok_or(error::WRONG_TYPE)?;
            match args.len() {
                2 => bits::count(bytes),
                4 | 5 => count_range(bytes, args)?,
                _ => return Err(error::SYNTAX),
            }
        }
    };
    ctx.reply.int(count as i64);
    DONE
}

fn count_range(bytes: &[u8], args: Args<'_>) -> Result<u64, CmdError> {
    let (start, end) = (integer(&args[2])?, integer(&args[3])?);
    // Two positions from the end in the wrong order are empty even if clamping would make them meet.
    if start < 0 && end < 0 && start > end {
        return Ok(0);
    }
    let unit = args.get(4).map_or(Ok(Unit::Byte), Unit::parse)?;
    let range = unit.range(bytes.len(), start, end);
    Ok(range.map_or(0, |(first, last)| bits::count_between(bytes, first, last)))
}

fn bitpos(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let wanted = match integer(&args[2])? {
        0 => false,
        1 => true,
        _ => return Err(BAD_BIT_TO_FIND),
    };
    let key = ctx.data.key(&args[1]);
    let mut digits = itoa::Buffer::new();
    let position = match ctx.data.read(&key) {
        // As if it were an endless row of zeros.
        None => -i64::from(wanted),
        Some(entry) => {
            let bytes = entry.value().string_bytes(&mut digits).ok_or(error::WRONG_TYPE)?;
            find_in_range(bytes, wanted, args)?
        }
    };
    ctx.reply.int(position);
    DONE
}

fn find_in_range(bytes: &[u8], wanted: bool, args: Args<'_>) -> Result<i64, CmdError> {
    if args.len() > 6 {
        return Err(error::SYNTAX);
    }
    let start = args.get(3).map_or(Ok(0), integer)?;
    let unit = args.get(5).map_or(Ok(Unit::Byte), Unit::parse)?;
    let end = args.get(4).map(integer).transpose()?;
    let Some((first, last)) = unit.range(bytes.len(), start, end.unwrap_or(-1)) else { return Ok(-1) };
    Ok(match bits::find_between(bytes, first, last, wanted) {
        Some(at) => at as i64,
        // Without an end, the string is followed by zeros.
        None if !wanted && end.is_none() => last as i64 + 1,
        None => -1,
    })
}
