//! BITOP: strings combined bit by bit into another one.
//!
//! The result is as long as the longest source, and shorter ones are followed by zeros. It is computed block by block,
//! each from all sources, so that a block stays in the processor's cache while they are folded into it; every string is
//! read once, and the result is written once. A result is stored as it is, without a copy.
//!
//! DIFF, DIFF1, ANDOR and ONE are those of Redis 8.2, by its documentation. Older servers do not know them, so their
//! result is propagated instead. Redis: bitops.c.

use bytes::Bytes;
use protocol::resp::Args;

use crate::command::error::c_string;
use crate::command::outcome::DONE;
use crate::command::{
    Arity, CmdError, CmdResult, Data, Declared, Flags, Group, Key, KeySpec, KeyedCtx, KeyedFn, NotifyClass, error,
};
use crate::store::{StringValue, Ttl};

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] =
    &[Declared::new("BITOP", Arity::at_least(4), Group::Bitmap, Flags::WRITE.and(Flags::DENYOOM), bitop as KeyedFn)
        .since("2.6.0")
        .summary("Perform bitwise operations between strings")
        .complexity("O(N)")
        .keys(&[KeySpec::at(2).ow().update(), KeySpec::range(3, -1, 1).ro().access()])
        .syntax("operation:string destkey:key key:key+")];

const NOT_OF_MANY: CmdError = CmdError::text("ERR BITOP NOT must be called with a single source key.");

/// Bytes of the result that are computed at a time.
const BLOCK: usize = 32 * 1024;
/// Results from this length on are stored in the buffer in which they were made.
const LONG: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    And,
    Or,
    Xor,
    Not,
    /// In the first source and in no other.
    Diff,
    /// In another source and not in the first.
    Diff1,
    /// In the first source and in another.
    AndOr,
    /// In exactly one.
    One,
}

impl Operation {
    fn parse(word: &[u8]) -> Result<Self, CmdError> {
        Ok(match c_string(word).to_ascii_lowercase().as_slice() {
            b"and" => Self::And,
            b"or" => Self::Or,
            b"xor" => Self::Xor,
            b"not" => Self::Not,
            b"diff" => Self::Diff,
            b"diff1" => Self::Diff1,
            b"andor" => Self::AndOr,
            b"one" => Self::One,
            _ => return Err(error::SYNTAX),
        })
    }

    /// Whether the first source is set against all others.
    fn is_against(self) -> bool {
        matches!(self, Self::Diff | Self::Diff1 | Self::AndOr)
    }

    /// Whether every server knows it.
    fn is_old(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Xor | Self::Not)
    }

    fn check_sources(self, count: usize) -> Result<(), CmdError> {
        if self == Self::Not && count != 1 {
            return Err(NOT_OF_MANY);
        }
        if self.is_against() && count < 2 {
            let name = format!("{self:?}").to_ascii_uppercase();
            return Err(CmdError::new(format!("ERR BITOP {name} must be called with at least two source keys.")));
        }
        Ok(())
    }
}

/// A string to be combined.
struct Source<'k> {
    key: Key<'k>,
    /// In bytes; 0 if there is none.
    len: usize,
}

impl Source<'_> {
    /// Lends its bytes from `start` on, at most a block of them.
    fn with_block<R>(&self, data: &mut Data<'_>, start: usize, take: impl FnOnce(&[u8]) -> R) -> R {
        if self.len <= start {
            return take(&[]);
        }
        let mut digits = itoa::Buffer::new();
        let bytes = data.peek(&self.key).and_then(|entry| entry.value().string_bytes(&mut digits)).unwrap_or_default();
        let end = bytes.len().min(start + BLOCK);
        take(bytes.get(start..end).unwrap_or_default())
    }
}

/// Applies `each` to the bytes of a block and those of a source, which is followed by zeros.
fn fold(block: &mut [u8], source: &[u8], each: impl Fn(u8, u8) -> u8) {
    let (within, beyond) = block.split_at_mut(source.len().min(block.len()));
    within.iter_mut().zip(source).for_each(|(byte, other)| *byte = each(*byte, *other));
    // The compiler leaves this out where zeros change nothing.
    beyond.iter_mut().for_each(|byte| *byte = each(*byte, 0));
}

/// Adds a source to a block; `repeated` are the bits that were set more than once.
fn fold_one(block: &mut [u8], repeated: &mut [u8], source: &[u8]) {
    for ((byte, repeated), other) in block.iter_mut().zip(repeated).zip(source) {
        *repeated |= *byte & other;
        *byte |= other;
    }
}

/// Combines sources into a string of `len` bytes.
fn combine(data: &mut Data<'_>, operation: Operation, mut sources: Vec<Source<'_>>, len: usize) -> Vec<u8> {
    if operation.is_against() {
        // The others are united first.
        sources.rotate_left(1);
    }
    let Some((first, rest)) = sources.split_first() else { return Vec::new() };
    let (mut result, mut repeated) = (Vec::with_capacity(len), Vec::new());
    for start in (0..len).step_by(BLOCK) {
        first.with_block(data, start, |bytes| result.extend_from_slice(bytes));
        result.resize(len.min(start + BLOCK), 0);
        let block = &mut result[start..];
        if operation == Operation::One {
            repeated.clear();
            repeated.resize(block.len(), 0);
        }
        for (left, source) in (0..rest.len()).rev().zip(rest) {
            let operation = if operation.is_against() && left > 0 { Operation::Or } else { operation };
            source.with_block(data, start, |bytes| match operation {
                Operation::And | Operation::AndOr => fold(block, bytes, |a, b| a & b),
                Operation::Or => fold(block, bytes, |a, b| a | b),
                Operation::Xor => fold(block, bytes, |a, b| a ^ b),
                Operation::Diff => fold(block, bytes, |a, b| b & !a),
                Operation::Diff1 => fold(block, bytes, |a, b| a & !b),
                Operation::One => fold_one(block, &mut repeated, bytes),
                Operation::Not => {}
            });
        }
        if operation == Operation::One {
            fold(block, &repeated, |a, b| a & !b);
        } else if operation == Operation::Not {
            block.iter_mut().for_each(|byte| *byte = !*byte);
        }
    }
    result
}

fn bitop(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let operation = Operation::parse(&args[1])?;
    operation.check_sources(args.len() - 3)?;
    let target = ctx.data.key(&args[2]);
    let mut sources = Vec::with_capacity(args.len() - 3);
    for word in args.skip(3) {
        let key = ctx.data.key(word);
        let len = match ctx.data.read(&key) {
            None => 0,
            Some(entry) => entry.value().string_len().ok_or(error::WRONG_TYPE)?,
        };
        sources.push(Source { key, len });
    }
    let len = sources.iter().map(|source| source.len).max().unwrap_or(0);
    if len == 0 {
        let existed = ctx.data.delete_even_expired(&target);
        if existed && !operation.is_old() {
            ctx.data.effects.propagate_instead(&[b"DEL", target.bytes]);
        }
    } else {
        let result = combine(&mut ctx.data, operation, sources, len);
        if !operation.is_old() {
            ctx.data.effects.propagate_instead(&[b"SET", target.bytes, &result]);
        }
        store(&mut ctx.data, &target, result);
    }
    ctx.reply.int(len as i64);
    DONE
}

/// Sets a key to a result, which is `raw` to OBJECT ENCODING even if it is short.
fn store(data: &mut Data<'_>, key: &Key<'_>, result: Vec<u8>) {
    if result.len() < LONG {
        data.set_string(key, StringValue::Bytes(&result), Ttl::Clear);
        if let Some(mut entry) = data.get_mut(key) {
            entry.bytes_mut(0);
        }
    } else {
        data.set_string(key, StringValue::Lent(&Bytes::from(result)), Ttl::Clear);
    }
    data.changed(key, NotifyClass::String, "set");
}

#[cfg(test)]
#[path = "bitop_tests.rs"]
mod tests;
