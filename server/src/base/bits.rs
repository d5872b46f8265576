//! Bits of byte strings, as the bitmap commands number them: bit 0 is the highest bit of byte 0.
//!
//! Everything works on words of 64 bits, in loops that the compiler turns into vector code. Bits beyond the end of a
//! string read as 0. Nothing here allocates, and no offset can panic: positions in bits are `u64`, since the longest
//! string has 2^32 of them.
//!
//! Nearly every processor has an instruction that counts the bits of a word, and recent ones have another that counts
//! those of eight words, but the compiler may not use them for every x86-64. So they are asked for while the program
//! runs: [`count`] has calls of `unsafe`, two of the few. Elsewhere bits are added up vertically (Harley and Seal): 15
//! steps of a carry-save adder reduce sixteen vectors to one that counts sixteens, so that only every sixteenth vector
//! is counted bit by bit. A kilobyte takes 1,660 instructions in that way, some 300 with the instruction for a word,
//! and some 70 with that for eight.

/// Words of a vector: 16 bytes, what every x86-64 and ARM64 has.
const LANES: usize = 2;
/// Vectors that are counted together.
const VECTORS: usize = 16;
/// Bytes of a block that is counted at once.
const BLOCK: usize = VECTORS * LANES * 8;

/// A string of so many bytes is worth the instruction for eight words.
#[cfg(target_arch = "x86_64")]
const WIDE: usize = 256;

/// A vector of words.
type Vector = [u64; LANES];

fn vector(bytes: &[u8; 8 * LANES]) -> Vector {
    let (words, _) = bytes.as_chunks::<8>();
    std::array::from_fn(|lane| u64::from_ne_bytes(words[lane]))
}

/// Adds three bits in each position: the sum, and what is carried.
#[inline(always)]
fn add(a: Vector, b: Vector, c: Vector) -> (Vector, Vector) {
    let sum = |lane: usize| a[lane] ^ b[lane] ^ c[lane];
    let carry = |lane: usize| (a[lane] & b[lane]) | ((a[lane] ^ b[lane]) & c[lane]);
    (std::array::from_fn(sum), std::array::from_fn(carry))
}

fn ones_of(vector: Vector) -> u64 {
    vector.iter().map(|word| u64::from(word.count_ones())).sum()
}

/// How many bits are set.
#[inline]
pub(crate) fn count(bytes: &[u8]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if bytes.len() >= WIDE
        && std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512vpopcntdq")
    {
        // SAFETY: the processor has the instructions, which is all that the function asks for.
        return unsafe { count_by_eights(bytes) };
    }
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("popcnt") {
        // SAFETY: the processor has the instruction, which is all that the function asks for.
        return unsafe { count_by_instruction(bytes) };
    }
    count_vertically(bytes)
}

/// [`count`] on a processor that counts the bits of a word by itself.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "popcnt")]
fn count_by_instruction(bytes: &[u8]) -> u64 {
    /// Words whose counts do not wait for each other.
    const WORDS: usize = 4;
    let ones = |word: &[u8; 8]| u64::from(u64::from_ne_bytes(*word).count_ones());
    let (words, tail) = bytes.as_chunks::<8>();
    let (blocks, rest) = words.as_chunks::<WORDS>();
    let mut sums = [0; WORDS];
    for block in blocks {
        sums.iter_mut().zip(block).for_each(|(sum, word)| *sum += ones(word));
    }
    let tail: u64 = tail.iter().map(|byte| u64::from(byte.count_ones())).sum();
    sums.iter().sum::<u64>() + rest.iter().map(ones).sum::<u64>() + tail
}

/// [`count`] on a processor that counts the bits of eight words by one instruction.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vpopcntdq,popcnt")]
fn count_by_eights(bytes: &[u8]) -> u64 {
    let (words, tail) = bytes.as_chunks::<8>();
    // As plain as it is: the compiler makes four sums of eight words of it, which do not wait for each other.
    let ones = words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum::<u64>();
    ones + tail.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

/// [`count`] without such instructions.
fn count_vertically(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    let (mut ones, mut twos, mut fours, mut eights) = ([0; LANES], [0; LANES], [0; LANES], [0; LANES]);
    let mut sixteens = 0;
    for block in blocks {
        let (vectors, _) = block.as_chunks::<{ 8 * LANES }>();
        let at = |index: usize| vector(&vectors[index]);
        let mut eighth = [[0; LANES]; 2];
        for (half, carried) in eighth.iter_mut().enumerate() {
            let mut fourth = [[0; LANES]; 2];
            for (quarter, carried) in fourth.iter_mut().enumerate() {
                let from = half * 8 + quarter * 4;
                let (sum, first) = add(ones, at(from), at(from + 1));
                let (sum, second) = add(sum, at(from + 2), at(from + 3));
                ones = sum;
                (twos, *carried) = add(twos, first, second);
            }
            (fours, *carried) = add(fours, fourth[0], fourth[1]);
        }
        let carried;
        (eights, carried) = add(eights, eighth[0], eighth[1]);
        sixteens += ones_of(carried);
    }
    let (words, tail) = rest.as_chunks::<8>();
    let words: u64 = words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum();
    let tail: u64 = tail.iter().map(|byte| u64::from(byte.count_ones())).sum();
    16 * sixteens + 8 * ones_of(eights) + 4 * ones_of(fours) + 2 * ones_of(twos) + ones_of(ones) + words + tail
}

/// The byte that holds a bit.
#[inline]
pub(crate) fn byte_of(bit: u64) -> usize {
    (bit / 8) as usize
}

/// The bit within its byte.
#[inline]
fn mask_of(bit: u64) -> u8 {
    0x80 >> (bit % 8)
}

/// Whether a bit is set.
#[inline]
pub(crate) fn get(bytes: &[u8], bit: u64) -> bool {
    bytes.get(byte_of(bit)).is_some_and(|byte| byte & mask_of(bit) != 0)
}

/// Sets or clears a bit; returns what it was. Does nothing beyond the end.
#[inline]
pub(crate) fn set(bytes: &mut [u8], bit: u64, on: bool) -> bool {
    let Some(byte) = bytes.get_mut(byte_of(bit)) else { return false };
    let mask = mask_of(bit);
    let was = *byte & mask != 0;
    *byte = if on { *byte | mask } else { *byte & !mask };
    was
}

/// How many bits are set from `first` to `last`, both included. The bits must be within the string.
pub(crate) fn count_between(bytes: &[u8], first: u64, last: u64) -> u64 {
    let Some(range) = bytes.get(byte_of(first)..=byte_of(last)) else { return 0 };
    let (before, after) = edges(first, last);
    let outside = range.first().map_or(0, |byte| (byte & before).count_ones())
        + range.last().map_or(0, |byte| (byte & after).count_ones());
    count(range) - u64::from(outside)
}

/// The bits before `first` in its byte, and those after `last` in its byte.
fn edges(first: u64, last: u64) -> (u8, u8) {
    (!(0xff >> (first % 8)), 0x7f >> (last % 8))
}

/// The first bit with this value between `first` and `last`, both included. The bits must be within the string.
pub(crate) fn find_between(bytes: &[u8], first: u64, last: u64, wanted: bool) -> Option<u64> {
    let range = bytes.get(byte_of(first)..=byte_of(last))?;
    let start = first - first % 8;
    let (before, after) = edges(first, last);
    // The bits at both edges that are not asked for look like those that are not wanted.
    let (head, rest) = range.split_first()?;
    let masked = |byte: u8, mask: u8| if wanted { byte & !mask } else { byte | mask };
    let first_of = |byte: u8| u64::from(if wanted { byte.leading_zeros() } else { byte.leading_ones() });
    let Some((end, middle)) = rest.split_last() else {
        let at = first_of(masked(*head, before | after));
        return (at < 8).then_some(start + at);
    };
    let at = first_of(masked(*head, before));
    if at < 8 {
        return Some(start + at);
    }
    if let Some(at) = find(middle, wanted) {
        return Some(start + 8 + at);
    }
    let at = first_of(masked(*end, after));
    (at < 8).then_some(start + 8 * (1 + middle.len() as u64) + at)
}

/// The first bit with this value.
fn find(bytes: &[u8], wanted: bool) -> Option<u64> {
    const WORDS: usize = 8;
    let dull: u64 = if wanted { 0 } else { u64::MAX };
    let (blocks, rest) = bytes.as_chunks::<{ WORDS * 8 }>();
    let is_dull = |block: &[u8; WORDS * 8]| {
        let (words, _) = block.as_chunks::<8>();
        words.iter().fold(0, |differing, word| differing | (u64::from_ne_bytes(*word) ^ dull)) == 0
    };
    let skipped = blocks.iter().position(|block| !is_dull(block));
    let (skipped, bytes) = match skipped {
        Some(index) => (index * WORDS * 8, &blocks[index][..]),
        None => (blocks.len() * WORDS * 8, rest),
    };
    let at = bytes.iter().position(|byte| *byte != dull as u8)?;
    let within = if wanted { bytes[at].leading_zeros() } else { bytes[at].leading_ones() };
    Some((skipped + at) as u64 * 8 + u64::from(within))
}

/// Bytes that a field of up to 64 bits can touch.
const FIELD: usize = 9;

/// The bytes around a field as one number, whose highest bit is bit 0 of the field's first byte.
fn window(bytes: &[u8], bit: u64) -> u128 {
    let mut window = [0; 16];
    if let Some(part) = bytes.get(byte_of(bit)..) {
        let len = part.len().min(FIELD);
        window[..len].copy_from_slice(&part[..len]);
    }
    u128::from_be_bytes(window)
}

/// The number in the `width` bits (1 to 64) from `bit` on. Bits beyond the end are 0.
pub(crate) fn field(bytes: &[u8], bit: u64, width: u32) -> u64 {
    ((window(bytes, bit) << (bit % 8)) >> (128 - width)) as u64
}

/// Writes a number into the `width` bits (1 to 64) from `bit` on, as far as they are within the string. Higher bits of
/// the number are ignored.
pub(crate) fn set_field(bytes: &mut [u8], bit: u64, width: u32, value: u64) {
    let shift = 128 - width - (bit % 8) as u32;
    let mask = (u128::MAX >> (128 - width)) << shift;
    let window = window(bytes, bit) & !mask | (u128::from(value) << shift) & mask;
    if let Some(part) = bytes.get_mut(byte_of(bit)..) {
        let len = part.len().min(FIELD);
        part[..len].copy_from_slice(&window.to_be_bytes()[..len]);
    }
}

#[cfg(test)]
#[path = "bits_tests.rs"]
mod tests;
