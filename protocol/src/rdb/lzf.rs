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
//! A copy may overlap what it produces: that is how a run of one byte is written. Any compressor may choose its copies as it
//! likes; this one chooses as the LibLZF that Redis is built with does (hash of three bytes into 65,536 places, the latest
//! occurrence only, two positions entered after a copy), so that a DUMP equals Redis's byte for byte.
//!
//! LibLZF leaves its table uninitialised and checks each candidate. Here the table is kept from call to call and entries
//! carry a base that grows with every input: older entries are seen to be stale without clearing 256 KiB each time, and the
//! output depends on the input alone.

/// log2 of the places in the table.
const HASH_BITS: u32 = 16;
const MAX_LITERALS: usize = 32;
const MAX_OFFSET: usize = 1 << 13;
const MAX_COPY: usize = (1 << 8) + (1 << 3);

/// Most plain bytes that a byte of compressed input can stand for: three bytes make a copy of 264.
const MAX_EXPANSION: usize = MAX_COPY / 3;

/// A compressor with its table.
#[derive(Debug)]
pub struct Compressor {
    /// For each hash of three bytes, `base` plus the position where they were met last.
    table: Box<[u32]>,
    /// Added to positions in the current input; entries up to it are of earlier inputs (or of position 0, which LibLZF
    /// never copies from).
    base: u32,
}

impl Default for Compressor {
    fn default() -> Self {
        Self::new()
    }
}

impl Compressor {
    /// A compressor; its 256 KiB table costs memory only where it is touched.
    pub fn new() -> Self {
        Self { table: vec![0; 1 << HASH_BITS].into_boxed_slice(), base: 0 }
    }

    /// The compressed form of `input` if it fits `max_len` bytes.
    pub fn compress(&mut self, input: &[u8], max_len: usize) -> Option<Vec<u8>> {
        // Fewer than three bytes cannot hold a copy, and a literal chunk is a byte longer than what it holds.
        if input.len() < 3 || max_len == 0 {
            return None;
        }
        let base = self.reserve_positions(input.len())?;
        let mut out = Output::new(input.len().min(max_len), max_len);
        let mut at = 0;
        while at + 2 < input.len() {
            let place = hash(input, at);
            let candidate = std::mem::replace(&mut self.table[place], base + at as u32);
            match usable(candidate, base, input, at) {
                None => {
                    out.literal(input[at])?;
                    at += 1;
                }
                Some(from) => {
                    let len = copy_len(input, from, at);
                    out.copy(at - from, len)?;
                    at += len;
                    if at + 2 >= input.len() {
                        break;
                    }
                    for position in [at - 2, at - 1] {
                        self.table[hash(input, position)] = base + position as u32;
                    }
                }
            }
        }
        out.finish(&input[at..])
    }

    /// The base for an input of `len` bytes; `None` if it is too long to have positions.
    fn reserve_positions(&mut self, len: usize) -> Option<u32> {
        let len = u32::try_from(len).ok()?;
        let base = if self.base.checked_add(len).is_some() {
            self.base
        } else {
            self.table.fill(0);
            0
        };
        self.base = base + len;
        Some(base)
    }
}

/// The place of the three bytes at `at`.
#[inline]
fn hash(input: &[u8], at: usize) -> usize {
    let bytes = [0, input[at], input[at + 1], input[at + 2]];
    let value = u32::from_be_bytes(bytes);
    ((value >> (24 - HASH_BITS)).wrapping_sub(value.wrapping_mul(5)) & ((1 << HASH_BITS) - 1)) as usize
}

/// The position of a table entry if it is of this input, near enough, and really holds the three bytes at `at`.
#[inline]
fn usable(entry: u32, base: u32, input: &[u8], at: usize) -> Option<usize> {
    let from = entry.checked_sub(base).filter(|&from| from > 0)? as usize;
    (at - from <= MAX_OFFSET && input[from..from + 3] == input[at..at + 3]).then_some(from)
}

/// How many bytes to copy, given that the first three agree. The bounds are LibLZF's: it compares 16 bytes before it looks
/// at where to stop, and stops two bytes before the end otherwise.
#[inline]
fn copy_len(input: &[u8], from: usize, at: usize) -> usize {
    let bound = (input.len() - at - 2).min(MAX_COPY);
    let bound = if bound > 16 { bound.max(19) } else { bound.max(3) };
    let agree = input[from + 3..].iter().zip(&input[at + 3..at + bound]).take_while(|(a, b)| a == b).count();
    3 + agree
}

/// Compressed bytes with an open literal chunk at the end, whose first byte is filled in when it is closed.
struct Output {
    bytes: Vec<u8>,
    literals: usize,
    max_len: usize,
}

impl Output {
    fn new(capacity: usize, max_len: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.push(0);
        Self { bytes, literals: 0, max_len }
    }

    /// `None` if there is no room. (The checks of room are LibLZF's, which asks for a little more than it needs.)
    #[inline]
    fn literal(&mut self, byte: u8) -> Option<()> {
        if self.bytes.len() >= self.max_len {
            return None;
        }
        self.push_literal(byte);
        Some(())
    }

    #[inline]
    fn push_literal(&mut self, byte: u8) {
        self.bytes.push(byte);
        self.literals += 1;
        if self.literals == MAX_LITERALS {
            self.close_literals();
            self.bytes.push(0);
        }
    }

    /// Fills in the length of the open literal chunk, or removes the chunk if it is empty.
    fn close_literals(&mut self) {
        if self.literals == 0 {
            self.bytes.pop();
        } else {
            let chunk = self.bytes.len() - self.literals - 1;
            self.bytes[chunk] = (self.literals - 1) as u8;
            self.literals = 0;
        }
    }

    fn copy(&mut self, distance: usize, len: usize) -> Option<()> {
        if self.bytes.len() - usize::from(self.literals == 0) + 4 >= self.max_len {
            return None;
        }
        self.close_literals();
        let (offset, len) = (distance - 1, len - 2);
        if len < 7 {
            self.bytes.push((offset >> 8) as u8 | (len << 5) as u8);
        } else {
            self.bytes.extend_from_slice(&[(offset >> 8) as u8 | 7 << 5, (len - 7) as u8]);
        }
        self.bytes.extend_from_slice(&[offset as u8, 0]);
        Some(())
    }

    /// Adds the last bytes (at most two) as literals.
    fn finish(mut self, tail: &[u8]) -> Option<Vec<u8>> {
        if self.bytes.len() + 3 > self.max_len {
            return None;
        }
        for &byte in tail {
            self.push_literal(byte);
        }
        self.close_literals();
        Some(self.bytes)
    }
}

/// The compressed form of `input` if it fits `max_len` bytes. Who compresses often keeps a [`Compressor`].
pub fn compress(input: &[u8], max_len: usize) -> Option<Vec<u8>> {
    Compressor::new().compress(input, max_len)
}

/// The plain form of `input`, which must be exactly `plain_len` bytes; `None` if it is anything else. Allocates no more
/// than the compressed bytes can possibly stand for.
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

/// Appends `len` bytes from `distance` back, which may overlap: then what repeats is the last `distance` bytes.
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
