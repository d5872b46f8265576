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
//! entries carry a base that grows with every input, by more than a copy can reach back. So older entries are too far
//! away to be copied from, without clearing the table each time, and the output depends on the input alone.
//!
//! For a value of a few bytes even making the table once costs too much: clearing 256 KiB takes as long as compressing
//! two thousand bytes. So as long as inputs are short, the table has only twice as many places as they have bytes. In
//! the full table each hash has its own place; in a smaller one, an entry whose place is taken by another hash is in
//! the next free place. The entry found for a hash, and so the output, is the same in all of them.

use std::hint::black_box;
use std::ops::Range;

/// log2 of the places in the table.
const HASH_BITS: u32 = 16;
const MAX_LITERALS: usize = 32;
const MAX_OFFSET: usize = 1 << 13;
const MAX_COPY: usize = (1 << 8) + (1 << 3);

/// A longer output is not kept from one input to the next.
const KEPT: usize = 1 << 20;

/// A full chunk of literals and a copy.
const STEP: usize = 1 + MAX_LITERALS + 3;

/// The base of the first input: the zeros of a new table are farther away than a copy can reach.
const FIRST_BASE: u32 = MAX_OFFSET as u32 + 1;

/// Most plain bytes that a byte of compressed input can stand for: three bytes make a copy of 264.
const MAX_EXPANSION: usize = MAX_COPY / 3;

/// The table has at least so many places.
const FEWEST_PLACES: usize = 64;
/// And at most so many: one for each hash.
const PLACES: usize = 1 << HASH_BITS;
/// For inputs of up to so many bytes a smaller table is enough. For longer ones, clearing the full table is the smaller
/// part of the work.
const SHORT: usize = 4096;

/// A compressor with its table and its output.
#[derive(Debug, Default)]
pub struct Compressor {
    /// For hashes of three bytes, `base` plus the position of their last occurrence. Its length is a power of two, or
    /// 0.
    table: Vec<u32>,
    /// Added to positions in the current input. Entries of earlier inputs are less by more than [`MAX_OFFSET`].
    base: u32,
    /// The output, with room behind it: see [`Output`]. Kept up to [`KEPT`].
    out: Vec<u8>,
}

impl Compressor {
    /// A compressor; its table, of up to 256 KiB, is made for the first input.
    pub fn new() -> Self {
        Self::default()
    }

    /// The compressed form of `input` if it fits `max_len` bytes.
    pub fn compress(&mut self, input: &[u8], max_len: usize) -> Option<&[u8]> {
        // Fewer than three bytes cannot hold a copy, and a literal chunk is a byte longer than what it holds.
        if input.len() < 3 || max_len == 0 {
            return None;
        }
        let base = self.reserve_positions(input.len())?;
        let longest = (input.len() + input.len() / MAX_LITERALS + 1).min(max_len) + STEP;
        if self.out.len() < longest {
            // What is in it is of no use, so it need not be copied to the new place.
            self.out = vec![0; if longest <= KEPT { longest.next_power_of_two() } else { longest }];
        }
        let out = Output { bytes: &mut self.out, len: 0, max_len };
        let len = match <&mut [u32; PLACES]>::try_from(&mut self.table[..]) {
            Ok(table) => compress_with(&mut Full { table, base }, input, out),
            Err(_) => compress_with(&mut Small { table: &mut self.table, base }, input, out),
        }?;
        Some(&self.out[..len])
    }

    /// Gives back the memory of a long output that was used.
    pub fn release(&mut self) {
        if self.out.len() > KEPT {
            self.out = Vec::new();
        }
    }

    /// Room for an input of `len` bytes, and its base; `None` if it is too long to have positions.
    fn reserve_positions(&mut self, len: usize) -> Option<u32> {
        let places = if len <= SHORT { len.next_power_of_two() * 2 } else { PLACES };
        let taken = u32::try_from(len + MAX_OFFSET).ok()?;
        if places > self.table.len() {
            self.table = vec![0; places.max(FEWEST_PLACES)];
            self.base = FIRST_BASE;
        } else if self.base.checked_add(taken).is_none() {
            self.table.fill(0);
            self.base = FIRST_BASE;
        }
        let base = self.base;
        self.base = base.checked_add(taken)?;
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
        let here = self.base + at as u32;
        let entry = std::mem::replace(&mut self.table[hash(value)], here);
        let back = (here - entry) as usize;
        (back <= MAX_OFFSET).then(|| at - back)
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
            let back = (self.base + at as u32 - self.table[place]) as usize;
            // Short inputs are shorter than the longest copy reaches back.
            let from = (back <= MAX_OFFSET).then(|| at - back);
            if from.is_none_or(|from| four(input, from).is_some_and(|four| hash(four >> 8) == hash_here)) {
                self.table[place] = self.base + at as u32;
                return from;
            }
            place = (place + 1) & mask;
        }
    }
}

/// Compresses to `out`; returns the length of the output, or `None` if it does not fit.
fn compress_with(met: &mut impl Positions, input: &[u8], mut out: Output<'_>) -> Option<usize> {
    // What is before `at` and has not been written begins at `literals`. LibLZF never copies from position 0, so that
    // is not noted.
    let (mut literals, mut at) = (0, 1);
    let mut before = u32::from(input[1]) << 8 | u32::from(input[2]);
    let mut lengths = Lengths::new();
    while at + 2 < input.len() {
        let value = before << 8 | u32::from(input[at + 2]);
        if let Some(from) = met.meet(input, value, at)
            && begins_with(input, from, value)
        {
            let len = lengths.foresee(copy_len(input, from, at));
            out.copy(input, literals..at, at - from, len)?;
            at += len;
            literals = at;
            if at + 2 >= input.len() {
                break;
            }
            // There are always four.
            before = four(input, at - 2)?;
            met.meet(input, before >> 8, at - 2);
            met.meet(input, before, at - 1);
        } else {
            before = value;
            at += 1;
        }
    }
    out.finish(input, literals, at)
}

/// Breaks a chain of dependencies. The place of the next look-up depends on the length of this copy, which depends on a
/// comparison, which depends on this look-up: the processor cannot begin with one before it has ended the other. In
/// regular input, as the entries of a list, lengths repeat. The length before is known early, and that it is the right
/// one is only verified, which the processor predicts. (Lists: 1.14 -> 0.85 ns a byte; text: the same.)
struct Lengths {
    last: usize,
    /// Equals `last`. The compiler does not know that, or else it would use the computed length again.
    known: usize,
}

impl Lengths {
    fn new() -> Self {
        Self { last: 0, known: black_box(0) }
    }

    /// The same `len`, known earlier if it is that of the copy before.
    #[inline(always)]
    fn foresee(&mut self, len: usize) -> usize {
        if len == self.last {
            return self.known;
        }
        *self = Self { last: len, known: black_box(len) };
        len
    }
}

/// The four bytes at `at` as a number, if there are so many.
#[inline(always)]
fn four(input: &[u8], at: usize) -> Option<u32> {
    input.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// Whether the three bytes at `at`, which are not the last three, are those of `value`. Bits above them are ignored.
#[inline(always)]
fn begins_with(input: &[u8], at: usize, value: u32) -> bool {
    four(input, at).is_some_and(|found| (found >> 8 ^ value) << 8 == 0)
}

/// The hash of three bytes. Bits above them are ignored.
#[inline(always)]
fn hash(value: u32) -> usize {
    (value >> (24 - HASH_BITS)).wrapping_sub(value.wrapping_mul(5)) as usize & (PLACES - 1)
}

/// How many bytes to copy, given that the first three agree. The bounds are LibLZF's: it compares 16 bytes before it
/// checks where to stop, and otherwise stops two bytes before the end.
#[inline(always)]
fn copy_len(input: &[u8], from: usize, at: usize) -> usize {
    // Most copies are short, and far from the end.
    if at + 21 < input.len()
        && let (Some(a), Some(b)) = (sixteen(input, from + 3), sixteen(input, at + 3))
    {
        let ([a, more_a], [b, more_b]) = (a.map(u64::from_le_bytes), b.map(u64::from_le_bytes));
        if a != b {
            return 3 + agreeing(a, b);
        }
        if more_a != more_b {
            return 11 + agreeing(more_a, more_b);
        }
    }
    long_copy_len(input, from, at)
}

#[inline(never)]
fn long_copy_len(input: &[u8], from: usize, at: usize) -> usize {
    let bound = (input.len() - at - 2).min(MAX_COPY);
    let bound = if bound > 16 { bound.max(19) } else { bound.max(3) };
    let mut len = 3;
    while let (Some(a), Some(b)) = (eight(input, from + len), eight(input, at + len)) {
        if a != b {
            return (len + agreeing(a, b)).min(bound);
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

/// The sixteen bytes at `at`, if there are so many.
#[inline(always)]
fn sixteen(input: &[u8], at: usize) -> Option<[[u8; 8]; 2]> {
    let (halves, _) = input.get(at..)?.first_chunk::<16>()?.as_chunks();
    halves.try_into().ok()
}

/// The eight bytes at `at` as a number, if there are so many, the first one least.
#[inline(always)]
fn eight(input: &[u8], at: usize) -> Option<u64> {
    input.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// How many bytes agree before the first that does not.
#[inline(always)]
fn agreeing(a: u64, b: u64) -> usize {
    ((a ^ b).trailing_zeros() / 8) as usize
}

/// Compressed bytes.
struct Output<'a> {
    /// With [`STEP`] bytes of room behind what fits, so that a chunk of literals is copied at its full length whatever
    /// it has.
    bytes: &'a mut [u8],
    len: usize,
    max_len: usize,
}

impl Output<'_> {
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
        let count = literals.len();
        // Mostly a few literals that are not the last bytes.
        if count < MAX_LITERALS
            && let Some(chunk) = input.get(literals.start..literals.start + MAX_LITERALS)
        {
            let control = usize::from(count > 0);
            if self.len + control + count + 4 >= self.max_len {
                return None;
            }
            let room = self.bytes.get_mut(self.len..self.len + STEP)?;
            room[1..=MAX_LITERALS].copy_from_slice(chunk);
            room[0] = count.wrapping_sub(1) as u8;
            self.len += put_copy(room, control + count, distance, len);
            return Some(());
        }
        self.copy_after_many(input, literals, distance, len)
    }

    #[inline(never)]
    fn copy_after_many(&mut self, input: &[u8], literals: Range<usize>, distance: usize, len: usize) -> Option<()> {
        let is_chunk_empty = literals.len().is_multiple_of(MAX_LITERALS);
        if self.len_with(literals.len()) - usize::from(is_chunk_empty) + 4 >= self.max_len {
            return None;
        }
        self.push_literals(input, literals.start, literals.end);
        self.len = put_copy(self.bytes, self.len, distance, len);
        Some(())
    }

    /// Adds the last literals, of which those before `looked_at` could have begun a copy. Returns the whole length.
    fn finish(mut self, input: &[u8], literals: usize, looked_at: usize) -> Option<usize> {
        if self.len_with(looked_at - literals) + 3 > self.max_len {
            return None;
        }
        self.push_literals(input, literals, input.len());
        Some(self.len)
    }
}

/// Writes a copy of `len` bytes from `distance` back to `room`, at `at`; returns the end of what is written.
#[inline(always)]
fn put_copy(room: &mut [u8], mut at: usize, distance: usize, len: usize) -> usize {
    let (offset, len) = (distance - 1, len - 2);
    if len < 7 {
        room[at] = (offset >> 8) as u8 | (len << 5) as u8;
    } else {
        room[at] = (offset >> 8) as u8 | 7 << 5;
        at += 1;
        room[at] = (len - 7) as u8;
    }
    room[at + 1] = offset as u8;
    at + 2
}

/// The compressed form of `input` if it fits `max_len` bytes. For frequent use keep a [`Compressor`].
pub fn compress(input: &[u8], max_len: usize) -> Option<Vec<u8>> {
    Compressor::new().compress(input, max_len).map(<[u8]>::to_vec)
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
