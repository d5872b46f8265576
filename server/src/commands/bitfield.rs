//! BITFIELD: a string as an array of integers of any width.
//!
//! All words are parsed before anything is looked up: a command is a list of [`Step`]s, each of which reads one field
//! and perhaps writes it. The string grows at once to the end of the farthest field that is written, even if that write
//! then fails because of its overflow. What overflows, and to what a number saturates, is Redis's arithmetic to the
//! bit: setting an `i8` to the least 64-bit number saturates to 127. Redis: bitops.c.

use protocol::resp::Args;
use protocol::resp::reply::Reply;

use super::bitmaps::{bit_offset, edit_bytes};
use super::integer;
use crate::base::bits;
use crate::base::number::parse_i64;
use crate::command::error::c_string;
use crate::command::outcome::DONE;
use crate::command::{
    Arity, CmdError, CmdResult, Declared, Flags, Group, KeyFlags, KeySpec, KeyedCtx, KeyedFn, NotifyClass, error,
};

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("BITFIELD", Arity::at_least(2), Group::Bitmap, Flags::WRITE.and(Flags::DENYOOM), bitfield as KeyedFn)
        .since("3.2.0")
        .summary("Perform arbitrary bitfield integer operations on strings")
        .complexity("O(1) for each subcommand specified")
        .keys(&[KeySpec::at(1)
            .rw()
            .access()
            .update()
            .flags(KeyFlags::VARIABLE_FLAGS)
            .notes("This command allows both access and modification of the key")])
        .key_flags_fn(key_flags)
        .syntax("key:key [operation:<GET=encoding_offset:{encoding:string offset:integer}|write:{[OVERFLOW=wrap_sat_fail:<'wrap|'sat|'fail>] write_operation:<SET=encoding_offset_value:{encoding:string offset:integer value:integer}|INCRBY=encoding_offset_increment:{encoding:string offset:integer increment:integer}>}>+]"),
    Declared::new("BITFIELD_RO", Arity::at_least(2), Group::Bitmap, Flags::READONLY.and(Flags::FAST), bitfield_ro as KeyedFn)
        .since("6.0.0")
        .summary("Perform arbitrary bitfield integer operations on strings. Read-only variant of BITFIELD")
        .complexity("O(1) for each subcommand specified")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key [GET=encoding_offset:{encoding:string offset:integer}++]"),
];

const BAD_TYPE: CmdError =
    CmdError::text("ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.");
const BAD_OVERFLOW: CmdError = CmdError::text("ERR Invalid OVERFLOW type specified");
const READS_ONLY: CmdError = CmdError::text("ERR BITFIELD_RO only supports the GET subcommand");

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Type {
    signed: bool,
    /// Bits: up to 64 if signed, else up to 63.
    width: u32,
}

/// What is done about a number that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Get,
    Set(i64),
    Add(i64),
}

/// One field, and what is done with it.
#[derive(Clone, Copy, Debug)]
struct Step {
    ty: Type,
    /// Its first bit.
    offset: u64,
    action: Action,
    overflow: Overflow,
}

impl Type {
    fn parse(word: &[u8]) -> Result<Self, CmdError> {
        let (signed, digits, most) = match word {
            [b'i', digits @ ..] => (true, digits, 64),
            [b'u', digits @ ..] => (false, digits, 63),
            _ => return Err(BAD_TYPE),
        };
        match parse_i64(c_string(digits)) {
            Some(width) if (1..=most).contains(&width) => Ok(Self { signed, width: width as u32 }),
            _ => Err(BAD_TYPE),
        }
    }

    /// The number that these bits are; what is above the width is ignored.
    fn number(self, bits: u64) -> i64 {
        let unused = 64 - self.width;
        if self.signed { ((bits << unused) as i64) >> unused } else { ((bits << unused) >> unused) as i64 }
    }

    /// The number that is stored for `value + by`, and whether that does not fit. `None` if it does not and must.
    fn sum(self, value: i64, by: i64, overflow: Overflow) -> Option<i64> {
        let limit = if self.signed { self.signed_limit(value, by) } else { self.unsigned_limit(value as u64, by) };
        match (limit, overflow) {
            (None, _) | (_, Overflow::Wrap) => Some(self.number((value as u64).wrapping_add(by as u64))),
            (Some(limit), Overflow::Saturate) => Some(limit),
            (Some(_), Overflow::Fail) => None,
        }
    }

    /// The limit that a sum is beyond.
    fn signed_limit(self, value: i64, by: i64) -> Option<i64> {
        let max = i64::MAX >> (64 - self.width);
        let min = !max;
        // They wrap around for a value that is itself far outside, and the comparisons are made nevertheless.
        let (up, down) = (max.wrapping_sub(value), min.wrapping_sub(value));
        let is_narrow = self.width < 64;
        if value > max || (is_narrow || value >= 0 && by > 0) && by > up {
            Some(max)
        } else if value < min || (is_narrow || value < 0 && by < 0) && by < down {
            Some(min)
        } else {
            None
        }
    }

    /// The limit that a sum is beyond.
    fn unsigned_limit(self, value: u64, by: i64) -> Option<i64> {
        let max = u64::MAX >> (64 - self.width);
        if value > max || by > 0 && by > (max - value) as i64 {
            Some(max as i64)
        } else if by < 0 && by < (value as i64).wrapping_neg() {
            Some(0)
        } else {
            None
        }
    }
}

impl Step {
    /// Writes the field, if that is the action. Returns the number to reply with (`None` if the write failed), and
    /// whether the field has changed.
    fn write(self, bytes: &mut [u8]) -> (Option<i64>, bool) {
        let Self { ty, offset, action, overflow } = self;
        let old = ty.number(bits::field(bytes, offset, ty.width));
        let (new, reply) = match action {
            Action::Get => return (Some(old), false),
            Action::Set(value) => (ty.sum(value, 0, overflow), Some(old)),
            Action::Add(by) => {
                let sum = ty.sum(old, by, overflow);
                (sum, sum)
            }
        };
        let Some(new) = new else { return (None, false) };
        bits::set_field(bytes, offset, ty.width, new as u64);
        (reply, old != new)
    }
}

/// The steps of a command.
fn parse(ctx: &KeyedCtx<'_>, args: Args<'_>) -> Result<Vec<Step>, CmdError> {
    let (mut steps, mut overflow) = (Vec::new(), Overflow::Wrap);
    let mut words = args.skip(2);
    while !words.is_empty() {
        let (name, operands) = (c_string(&words[0]), words.len() - 1);
        if name.eq_ignore_ascii_case(b"OVERFLOW") && operands >= 1 {
            overflow = match c_string(&words[1]).to_ascii_lowercase().as_slice() {
                b"wrap" => Overflow::Wrap,
                b"sat" => Overflow::Saturate,
                b"fail" => Overflow::Fail,
                _ => return Err(BAD_OVERFLOW),
            };
            words = words.skip(2);
            continue;
        }
        let (action, count): (fn(i64) -> Action, _) = if name.eq_ignore_ascii_case(b"GET") && operands >= 2 {
            (|_| Action::Get, 2)
        } else if name.eq_ignore_ascii_case(b"SET") && operands >= 3 {
            (Action::Set, 3)
        } else if name.eq_ignore_ascii_case(b"INCRBY") && operands >= 3 {
            (Action::Add, 3)
        } else {
            return Err(error::SYNTAX);
        };
        let ty = Type::parse(&words[1])?;
        let offset = match words[2].strip_prefix(b"#") {
            // Counted in fields of this width.
            Some(index) => parse_i64(index).and_then(|index| index.checked_mul(i64::from(ty.width))),
            None => parse_i64(&words[2]),
        };
        let offset = bit_offset(ctx, offset)?;
        let operand = if count == 3 { integer(&words[3])? } else { 0 };
        steps.push(Step { ty, offset, action: action(operand), overflow });
        words = words.skip(1 + count);
    }
    Ok(steps)
}

fn answer(reply: &mut Reply<'_>, number: Option<i64>) {
    match number {
        Some(number) => reply.int(number),
        None => reply.null(),
    }
}

fn bitfield(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let steps = parse(ctx, args)?;
    let end = |step: &Step| step.offset + u64::from(step.ty.width);
    let Some(end) = steps.iter().filter(|step| step.action != Action::Get).map(end).max() else {
        return read(ctx, args, &steps);
    };
    let key = ctx.data.key(&args[1]);
    let KeyedCtx { data, reply, .. } = ctx;
    let (changes, grown) = edit_bytes(data, &key, end.div_ceil(8) as usize, |bytes, grown| {
        let mut changes = 0;
        reply.array(steps.len());
        for step in &steps {
            let (number, changed) = step.write(bytes);
            let wrote = step.action != Action::Get && number.is_some();
            changes += u64::from(changed || grown && wrote);
            answer(reply, number);
        }
        (changes, grown)
    })?;
    if changes > 0 {
        ctx.data.changed(&key, NotifyClass::String, "setbit");
        ctx.data.effects.dirty += changes - 1;
    } else if grown {
        // Redis tells nobody, not even its replicas, which then lack the key or its zeros.
        ctx.data.changed_silently(&key);
    }
    DONE
}

fn bitfield_ro(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let steps = parse(ctx, args)?;
    if steps.iter().any(|step| step.action != Action::Get) {
        return Err(READS_ONLY);
    }
    read(ctx, args, &steps)
}

/// Steps that only read.
fn read(ctx: &mut KeyedCtx<'_>, args: Args<'_>, steps: &[Step]) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    let mut digits = itoa::Buffer::new();
    let bytes = match ctx.data.read(&key) {
        None => &[][..],
        Some(entry) => entry.value().string_bytes(&mut digits).ok_or(error::WRONG_TYPE)?,
    };
    ctx.reply.array(steps.len());
    for step in steps {
        ctx.reply.int(step.ty.number(bits::field(bytes, step.offset, step.ty.width)));
    }
    DONE
}

/// A command that only reads fields only reads its key. One that is not understood might do anything.
fn key_flags(args: Args<'_>) -> KeyFlags {
    let mut words = args.skip(2);
    while !words.is_empty() {
        let (name, operands) = (c_string(&words[0]), words.len() - 1);
        let taken = if name.eq_ignore_ascii_case(b"GET") && operands >= 2 {
            3
        } else if name.eq_ignore_ascii_case(b"OVERFLOW") && operands >= 1 {
            2
        } else {
            return KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::UPDATE);
        };
        words = words.skip(taken);
    }
    KeyFlags::RO.and(KeyFlags::ACCESS)
}
