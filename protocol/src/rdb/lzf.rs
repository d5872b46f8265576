//! LZF, the compression of RDB strings and of inner quicklist nodes.
//!
//! The format is a sequence of two kinds of chunks, told apart by the top three bits of the first byte:
//!
//! ```text
//! 000lllll                    l + 1 literal bytes follow (1 to 32)
//! lllooooo oooooooo           copy l + 2 bytes (3 to 8) from o + 1 bytes back (1 to 8192)
//! 111ooooo llllllll oooooooo  copy l + 9 bytes (9 to 264) from o + 1 bytes back
//! ```
//!
//! A copy may overlap the bytes that it produces, which is how a run of one byte is written. A compressor is free in
//! its choice of copies; this one chooses as the LibLZF that Redis is built with does (hash of three bytes into 65,536
//! places, the latest occurrence only, two positions entered after a copy), so that a DUMP equals Redis's byte for
//! byte.
//!
//! LibLZF leaves its table uninitialised and checks each candidate. Here the table is kept from call to call and
//! entries carry a base that grows with every input. So older entries are recognised as stale without clearing the
//! table each time, and the output depends on the input alone.
//!
//! For a value of a few bytes even making the table once costs too much: clearing 256 KiB takes as long as compressing
//! two thousand bytes. So as long as inputs are short, the table has only twice as many places as they have bytes. In
//! the full table each hash has its own place; in a smaller one, an entry whose place is taken by another hash is in
//! the next free place. The entry found for a hash, and so the output, is the same in all of them.

use std::ops::Range;

/// log2 of the places in the table.
const HASH_BITS: u32 = 16;
const MAX_LITERALS: usize = 32;
const MAX_OFFSET: usize = 1 << 13;
const MAX_COPY: usize = (1 << 8) + (1 << 3);

/// Most plain bytes that a byte of compressed input can stand for: three bytes make a copy of 264.
const MAX_EXPANSION: usize = MAX_COPY / 3;

/// The table has at least so many places.
const FEWEST_PLACES: usize = 64;
/// And at most so many: one for each hash.
const PLACES: usize = 1 << HASH_BITS;
/// For inputs of up to so many bytes a smaller table is enough. For longer ones, clearing the full table is the smaller
/// part of the work.
const SHORT: usize = 4096;

/// A compressor with its table.
#[derive(Debug, Default)]
pub struct Compressor {
    /// For hashes of three bytes, `base` plus the position of their last occurrence. Its length is a power of two, or
    /// 0.
    table: Vec<u32>,
    /// Added to positions in the current input; entries up to it belong to earlier inputs (or to position 0, which
    /// LibLZF never copies from).
    base: u32,
}

impl Compressor {
    /// A compressor; its table, of up to 256 KiB, is made for the first input.
    pub fn new() -> Self {
        Self::default()
    }

    /// The compressed form of `input` if it fits `max_len` bytes.
    pub fn compress(&mut self, input: &[u8], max_len: usize) -> Option<Vec<u8>> {
        // Fewer than three bytes cannot hold a copy, and a literal chunk is a byte longer than what it holds.
        if input.len() < 3 || max_len == 0 {
            return None;
        }
        let base = self.reserve_positions(input.len())?;
        match <&mut [u32; PLACES]>::try_from(&mut self.table[..]) {
            Ok(table) => compress_with(&mut Full { table, base }, input, max_len),
            Err(_) => compress_with(&mut Small { table: &mut self.table, base }, input, max_len),
        }
    }

    /// Room for an input of `len` bytes, and its base; `None` if it is too long to have positions.
    fn reserve_positions(&mut self, len: usize) -> Option<u32> {
        let places = if len <= SHORT { len.next_power_of_two() * 2 } else { PLACES };
        let len = u32::try_from(len).ok()?;
        if places > self.table.len() {
            self.table = vec![0; places.max(FEWEST_PLACES)];
            self.base = 0;
        } else if self.base.checked_add(len).is_none() {
            self.table.fill(0);
            self.base = 0;
        }
        let base = self.base;
        self.base += len;
        Some(base)
    }
}

/// The last occurrence of each three bytes.
trait Positions {
    /// Notes that the three bytes `value` occur at `at`. Returns the position noted before for their hash, if a copy
    /// may start there; it may be that of other bytes.
    fn meet(&mut self, input: &[u8], value: u32, at: usize) -> Option<usize>;
}

/// A table with a place for each hash.
struct Full<'a> {
    table: &'a mut [u32; PLACES],
    base: u32,
}

impl Positions for Full<'_> {
    #[inline(always)]
    fn meet(&mut self, _input: &[u8], value: u32, at: usize) -> Option<usize> {
        let entry = std::mem::replace(&mut self.table[hash(value)], self.base + at as u32);
        (entry > self.base).then(|| (entry - self.base) as usize)
    }
}

/// A table of fewer places, at least twice as many as there are positions: there is always a free one.
struct Small<'a> {
    table: &'a mut [u32],
    base: u32,
}

impl Positions for Small<'_> {
    #[inline(always)]
    fn meet(&mut self, input: &[u8], value: u32, at: usize) -> Option<usize> {
        let (hash_here, mask) = (hash(value), self.table.len() - 1);
        let mut place = hash_here & mask;
        loop {
            let entry = self.table[place];
            // An occurrence at position 0 counts as none: it is never copied from, so its place is free.
            let from = (entry > self.base).then(|| (entry - self.base) as usize);
            if from.is_none_or(|from| hash(three(input, from)) == hash_here) {
                self.table[place] = self.base + at as u32;
                return from;
            }
            place = (place + 1) & mask;
        }
    }
}

fn compress_with(met: &mut impl Positions, input: &[u8], max_len: usize) -> Option<Vec<u8>> {
    let mut out = Output::new(input.len(), max_len);
    // What is before `at` and has not been written begins at `literals`.
    let (mut literals, mut at) = (0, 0);
    let mut before = u32::from(input[0]) << 8 | u32::from(input[1]);
    while at + 2 < input.len() {
        let value = before << 8 | u32::from(input[at + 2]);
        let from = met.meet(input, value, at);
        let Some(from) = from.filter(|&from| at - from <= MAX_OFFSET && is_same(three(input, from), value)) else {
            before = value;
            at += 1;
            continue;
        };
        let len = copy_len(input, from, at);
        out.copy(input, literals..at, at - from, len)?;
        at += len;
        literals = at;
        if at + 2 >= input.len() {
            break;
        }
        let value = three(input, at - 2);
        met.meet(input, value, at - 2);
        before = value << 8 | u32::from(input[at + 1]);
        met.meet(input, before, at - 1);
    }
    out.finish(input, literals, at)
}

/// The three bytes at `at`, which are not the last three, as a number. Bits above the third byte are ignored where the
/// number is shifted on byte by byte.
#[inline(always)]
fn three(input: &[u8], at: usize) -> u32 {
    let four = input[at..].first_chunk().expect("another three bytes begin behind them");
    u32::from_be_bytes(*four) >> 8
}

/// Whether two numbers are those of the same three bytes.
#[inline(always)]
fn is_same(a: u32, b: u32) -> bool {
    (a ^ b) << 8 == 0
}

/// The hash of three bytes.
#[inline(always)]
fn hash(value: u32) -> usize {
    (value >> (24 - HASH_BITS)).wrapping_sub(value.wrapping_mul(5)) as usize & (PLACES - 1)
}

/// How many bytes to copy, given that the first three agree. The bounds are LibLZF's: it compares 16 bytes before it
/// checks where to stop, and otherwise stops two bytes before the end.
#[inline]
fn copy_len(input: &[u8], from: usize, at: usize) -> usize {
    let bound = (input.len() - at - 2).min(MAX_COPY);
    let bound = if bound > 16 { bound.max(19) } else { bound.max(3) };
    let mut len = 3;
    while let (Some(a), Some(b)) = (eight(input, from + len), eight(input, at + len)) {
        let differing = a ^ b;
        if differing != 0 {
            return (len + (differing.trailing_zeros() / 8) as usize).min(bound);
        }
        len += 8;
        if len >= bound {
            return bound;
        }
    }
    while len < bound && input[from + len] == input[at + len] {
        len += 1;
    }
    len
}

/// The eight bytes at `at` as a number, if there are eight, the first one least.
#[inline(always)]
fn eight(input: &[u8], at: usize) -> Option<u64> {
    input.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// Compressed bytes.
struct Output {
    /// With room behind them, so that a chunk of literals is copied at its full length whatever it has.
    bytes: Vec<u8>,
    len: usize,
    max_len: usize,
}

impl Output {
    fn new(plain_len: usize, max_len: usize) -> Self {
        let longest = plain_len + plain_len / MAX_LITERALS + 1;
        Self { bytes: vec![0; longest.min(max_len) + MAX_LITERALS], len: 0, max_len }
    }

    /// The length of the output with so many more literals, as LibLZF counts it: it begins a chunk when the one before
    /// is full. (Its checks for room ask for a little more than is needed. It also checks at each literal, but the
    /// checks after that are stricter, so they alone decide.)
    #[inline(always)]
    fn len_with(&self, literals: usize) -> usize {
        self.len + 1 + literals + literals / MAX_LITERALS
    }

    /// Adds what is in `input` from `from` to `to`.
    #[inline(always)]
    fn push_literals(&mut self, input: &[u8], mut from: usize, to: usize) {
        while from < to {
            let count = (to - from).min(MAX_LITERALS);
            let room = &mut self.bytes[self.len..];
            room[0] = (count - 1) as u8;
            match (room[1..].first_chunk_mut::<MAX_LITERALS>(), input[from..].first_chunk()) {
                (Some(room), Some(chunk)) => *room = *chunk,
                _ => room[1..=count].copy_from_slice(&input[from..from + count]),
            }
            self.len += 1 + count;
            from += count;
        }
    }

    /// Adds literals and then a copy. `None` if there is no room.
    #[inline(always)]
    fn copy(&mut self, input: &[u8], literals: Range<usize>, distance: usize, len: usize) -> Option<()> {
        let is_chunk_empty = literals.len().is_multiple_of(MAX_LITERALS);
        if self.len_with(literals.len()) - usize::from(is_chunk_empty) + 4 >= self.max_len {
            return None;
        }
        self.push_literals(input, literals.start, literals.end);
        let (offset, len) = (distance - 1, len - 2);
        let (control, more) = if len < 7 { (len, None) } else { (7, Some((len - 7) as u8)) };
        let room = &mut self.bytes[self.len..];
        room[0] = (offset >> 8) as u8 | (control << 5) as u8;
        match more {
            None => room[1] = offset as u8,
            Some(more) => room[1..3].copy_from_slice(&[more, offset as u8]),
        }
        self.len += 2 + usize::from(more.is_some());
        Some(())
    }

    /// Adds the last literals, of which those before `looked_at` could have begun a copy.
    fn finish(mut self, input: &[u8], literals: usize, looked_at: usize) -> Option<Vec<u8>> {
        if self.len_with(looked_at - literals) + 3 > self.max_len {
            return None;
        }
        self.push_literals(input, literals, input.len());
        self.bytes.truncate(self.len);
        Some(self.bytes)
    }
}

/// The compressed form of `input` if it fits `max_len` bytes. For frequent use keep a [`Compressor`].
pub fn compress(input: &[u8], max_len: usize) -> Option<Vec<u8>> {
    Compressor::new().compress(input, max_len)
}

/// The plain form of `input`, which must be exactly `plain_len` bytes; `None` otherwise. Allocates no more than the
/// compressed bytes can possibly expand to.
pub fn decompress(input: &[u8], plain_len: usize) -> Option<Vec<u8>> {
    if plain_len > input.len().saturating_mul(MAX_EXPANSION) {
        return None;
    }
    let mut out = Vec::with_capacity(plain_len);
    let mut rest = input;
    while let Some((&control, tail)) = rest.split_first() {
        let control = control as usize;
        if control < MAX_LITERALS {
            let (literals, tail) = tail.split_at_checked(control + 1)?;
            out.extend_from_slice(literals);
            rest = tail;
        } else {
            let (len, tail) = match control >> 5 {
                7 => tail.split_first().map(|(&more, tail)| (more as usize + 9, tail))?,
                short => (short + 2, tail),
            };
            let (&low, tail) = tail.split_first()?;
            let distance = ((control & 0x1f) << 8 | low as usize) + 1;
            if out.len() + len > plain_len {
                return None;
            }
            copy_back(&mut out, distance, len)?;
            rest = tail;
        }
        if out.len() > plain_len {
            return None;
        }
    }
    (out.len() == plain_len).then_some(out)
}

/// Appends `len` bytes from `distance` back. They may overlap: then the last `distance` bytes repeat.
fn copy_back(out: &mut Vec<u8>, distance: usize, len: usize) -> Option<()> {
    let from = out.len().checked_sub(distance)?;
    let end = out.len() + len;
    while out.len() < end {
        let ready = (out.len() - from).min(end - out.len());
        out.extend_from_within(from..from + ready);
    }
    Some(())
}

#[cfg(test)]
#[path = "lzf_tests.rs"]
mod tests;
