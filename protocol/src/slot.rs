//! Hash slots: which of the 16,384 a key falls into, ranges of them, and sets of them.
//!
//! A slot is `CRC16(key) mod 16384` with the XMODEM polynomial. If the key holds a `{` and a `}` after it with at least
//! one byte between (the first such pair), only the bytes between count: the *hash tag*, by which users group keys.
//!
//! [`SlotId`] can only hold a valid slot, so code that indexes by slot needs no bounds check of its own. [`SlotBitmap`]
//! is the 2,048-byte set exactly as the cluster bus carries it (slot `i` is bit `i % 8` of byte `i / 8`), so that
//! packets are read and written by copying it.

use std::fmt;

use crc16::{State, XMODEM};

/// Number of hash slots. Fixed by the cluster protocol: the bus header has room for this bitmap and no other.
pub const SLOT_COUNT: usize = 16_384;

/// Bytes of a [`SlotBitmap`].
pub const SLOT_BITMAP_LEN: usize = SLOT_COUNT / 8;

/// One hash slot, 0 to 16383.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SlotId(u16);

impl SlotId {
    /// The first slot.
    pub const FIRST: SlotId = SlotId(0);
    /// The last slot, 16383.
    pub const LAST: SlotId = SlotId(SLOT_COUNT as u16 - 1);

    /// The slot with this number, or `None` from 16384 up.
    #[inline]
    pub const fn new(slot: u16) -> Option<Self> {
        if (slot as usize) < SLOT_COUNT { Some(Self(slot)) } else { None }
    }

    /// The number of the slot.
    #[inline]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The number of the slot, as an index into arrays of [`SLOT_COUNT`]. The mask tells the compiler what the
    /// constructor guarantees, so that indexing such an array costs no bounds check.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize & (SLOT_COUNT - 1)
    }

    /// The slot after this one, or `None` after the last.
    #[inline]
    pub const fn next(self) -> Option<Self> {
        Self::new(self.0 + 1)
    }

    /// Every slot in ascending order.
    pub fn all() -> impl DoubleEndedIterator<Item = SlotId> + ExactSizeIterator {
        (0..SLOT_COUNT as u16).map(SlotId)
    }
}

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slot {}", self.0)
    }
}

/// The slot a key belongs to (`keyHashSlot` of the cluster specification).
#[inline]
pub fn key_slot(key: &[u8]) -> SlotId {
    SlotId(crc16(hash_tag(key)) & (SLOT_COUNT as u16 - 1))
}

/// `TABLES[i][b]` is the checksum of byte `b` followed by `i` zero bytes: eight bytes are eight independent look-ups,
/// where a byte-wise loop would wait for each result (a twentieth of a pipelined GET).
static TABLES: [[u16; 256]; 8] = tables();

const fn tables() -> [[u16; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            // The XMODEM polynomial, x^16 + x^12 + x^5 + 1.
            crc = if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < 8 {
        let mut byte = 0;
        while byte < 256 {
            let shorter = tables[zeros - 1][byte];
            tables[zeros][byte] = (shorter << 8) ^ tables[0][(shorter >> 8) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
}

/// CRC16/XMODEM. Bytes that do not fill a group of eight come first, where the checksum so far is zero.
#[inline]
fn crc16(bytes: &[u8]) -> u16 {
    let (odd, rest) = bytes.split_at(bytes.len() % 8);
    let mut crc = if odd.is_empty() { 0 } else { State::<XMODEM>::calculate(odd) };
    for group in rest.as_chunks::<8>().0 {
        let [high, low] = crc.to_be_bytes();
        let at = |place: usize, byte: u8| TABLES[place][byte as usize];
        crc = at(7, group[0] ^ high)
            ^ at(6, group[1] ^ low)
            ^ at(5, group[2])
            ^ at(4, group[3])
            ^ at(3, group[4])
            ^ at(2, group[5])
            ^ at(1, group[6])
            ^ at(0, group[7]);
    }
    crc
}

/// The part of the key that is hashed: the bytes between the first `{` and the first `}` after it, or the whole key if
/// there is no such pair or nothing between.
#[inline]
pub fn hash_tag(key: &[u8]) -> &[u8] {
    if has_open_brace(key) { between_braces(key) } else { key }
}

/// Most keys have no tag, and most keys are short: a call of `memchr` costs more than checking their few words.
#[inline]
fn has_open_brace(key: &[u8]) -> bool {
    if key.len() > 64 {
        return true;
    }
    // A brace becomes a zero byte; no byte of the result has its top bit set unless a byte is zero (Hacker's Delight,
    // 6-1).
    let zeros = |word: &[u8; 8]| {
        let differs = u64::from_le_bytes(*word) ^ (u64::from(b'{') * 0x0101_0101_0101_0101);
        differs.wrapping_sub(0x0101_0101_0101_0101) & !differs & 0x8080_8080_8080_8080
    };
    match key.last_chunk::<8>() {
        // The last eight bytes may overlap the words before them.
        Some(last) => key.as_chunks::<8>().0.iter().fold(zeros(last), |found, word| found | zeros(word)) != 0,
        None => key.contains(&b'{'),
    }
}

/// The hash tag of a key that may have one.
#[inline(never)]
fn between_braces(key: &[u8]) -> &[u8] {
    let Some(open) = memchr::memchr(b'{', key) else { return key };
    let tail = &key[open + 1..];
    match memchr::memchr(b'}', tail) {
        Some(close) if close > 0 => &tail[..close],
        _ => key,
    }
}

/// A run of slots, both ends included, `first <= last`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotRange {
    pub first: SlotId,
    pub last: SlotId,
}

impl SlotRange {
    /// The run from `first` to `last`, or `None` if they are the wrong way round.
    pub fn new(first: SlotId, last: SlotId) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// Number of slots in it, at least 1.
    #[allow(clippy::len_without_is_empty)] // a range is never empty
    pub fn len(self) -> usize {
        self.last.index() - self.first.index() + 1
    }

    /// Whether `slot` lies in it.
    pub fn contains(self, slot: SlotId) -> bool {
        self.first <= slot && slot <= self.last
    }

    /// Its slots in ascending order.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = SlotId> {
        (self.first.0..=self.last.0).map(SlotId)
    }
}

/// `5461-10922`, or `5` for a run of one: the form of CLUSTER NODES and of nodes.conf.
impl fmt::Display for SlotRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Formatted by hand: a cluster that was repaired slot by slot writes thousands of these into each nodes.conf.
        let mut text = [0; 11];
        let mut start = digits(&mut text, 11, self.last);
        if self.first != self.last {
            start -= 1;
            text[start] = b'-';
            start = digits(&mut text, start, self.first);
        }
        f.write_str(core::str::from_utf8(&text[start..]).expect("digits and a dash are ASCII"))
    }
}

/// Writes a slot so that it ends before `end`; returns its start. It has at most five digits.
fn digits(text: &mut [u8], end: usize, slot: SlotId) -> usize {
    let (mut start, mut rest) = (end, slot.0);
    loop {
        start -= 1;
        text[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            return start;
        }
    }
}

impl fmt::Debug for SlotRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A set of slots in the bit order of the cluster bus.
#[derive(Clone, PartialEq, Eq)]
pub struct SlotBitmap([u8; SLOT_BITMAP_LEN]);

impl SlotBitmap {
    /// The empty set.
    pub const fn new() -> Self {
        Self([0; SLOT_BITMAP_LEN])
    }

    /// The set of all slots.
    pub const fn full() -> Self {
        Self([0xff; SLOT_BITMAP_LEN])
    }

    /// The set a bus packet carries. Every bit pattern is a valid set.
    pub const fn from_bytes(bytes: [u8; SLOT_BITMAP_LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes a bus packet carries.
    pub const fn as_bytes(&self) -> &[u8; SLOT_BITMAP_LEN] {
        &self.0
    }

    /// Adds a slot; true if it was not in the set before.
    #[inline]
    pub fn set(&mut self, slot: SlotId) -> bool {
        let (byte, mask) = Self::place(slot);
        let was_clear = self.0[byte] & mask == 0;
        self.0[byte] |= mask;
        was_clear
    }

    /// Removes a slot; true if it was in the set before.
    #[inline]
    pub fn clear(&mut self, slot: SlotId) -> bool {
        let (byte, mask) = Self::place(slot);
        let was_set = self.0[byte] & mask != 0;
        self.0[byte] &= !mask;
        was_set
    }

    /// Whether the slot is in the set.
    #[inline]
    pub fn contains(&self, slot: SlotId) -> bool {
        let (byte, mask) = Self::place(slot);
        self.0[byte] & mask != 0
    }

    /// Adds every slot of a range.
    pub fn set_range(&mut self, range: SlotRange) {
        for slot in range.iter() {
            self.set(slot);
        }
    }

    /// Adds every slot of `other`.
    pub fn union_with(&mut self, other: &SlotBitmap) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine |= theirs;
        }
    }

    /// Removes every slot.
    pub fn clear_all(&mut self) {
        self.0.fill(0);
    }

    /// Whether no slot is in the set.
    pub fn is_empty(&self) -> bool {
        self.words().fold(0, |all, word| all | word) == 0
    }

    /// Whether any slot is in both sets.
    pub fn intersects(&self, other: &SlotBitmap) -> bool {
        self.words().zip(other.words()).fold(0, |all, (mine, theirs)| all | (mine & theirs)) != 0
    }

    /// Number of slots in the set.
    pub fn count(&self) -> usize {
        self.words().map(|word| word.count_ones() as usize).sum()
    }

    /// Its slots in ascending order. Empty stretches cost a step per 64 slots.
    pub fn iter(&self) -> impl Iterator<Item = SlotId> + '_ {
        self.words().enumerate().flat_map(|(index, mut word)| {
            std::iter::from_fn(move || {
                let bit = word.trailing_zeros();
                word &= word.wrapping_sub(1);
                (bit < 64).then(|| SlotId(index as u16 * 64 + bit as u16))
            })
        })
    }

    /// Its slots as maximal runs in ascending order. Costs a step per run and one per 64 slots, however many slots
    /// there are.
    pub fn ranges(&self) -> impl Iterator<Item = SlotRange> + '_ {
        let mut at = 0;
        std::iter::from_fn(move || {
            let first = self.next_that_is(true, at)?;
            at = self.next_that_is(false, first).unwrap_or(SLOT_COUNT);
            Some(SlotRange { first: SlotId(first as u16), last: SlotId(at as u16 - 1) })
        })
    }

    /// Number of the first slot from `from` on that is in the set, or is not.
    fn next_that_is(&self, in_the_set: bool, from: usize) -> Option<usize> {
        let words = self.0.as_chunks::<8>().0;
        let flip = if in_the_set { 0 } else { u64::MAX };
        let mut mask = u64::MAX << (from % 64);
        for (index, word) in words.iter().enumerate().skip(from / 64) {
            let candidates = (u64::from_le_bytes(*word) ^ flip) & mask;
            if candidates != 0 {
                return Some(index * 64 + candidates.trailing_zeros() as usize);
            }
            mask = u64::MAX;
        }
        None
    }

    #[inline]
    fn place(slot: SlotId) -> (usize, u8) {
        (slot.index() / 8, 1 << (slot.index() % 8))
    }

    /// The set as little-endian words: bit `b` of word `w` is slot `64 w + b`.
    fn words(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.as_chunks::<8>().0.iter().map(|chunk| u64::from_le_bytes(*chunk))
    }
}

impl Default for SlotBitmap {
    fn default() -> Self {
        Self::new()
    }
}

impl FromIterator<SlotId> for SlotBitmap {
    fn from_iter<I: IntoIterator<Item = SlotId>>(slots: I) -> Self {
        let mut set = Self::new();
        for slot in slots {
            set.set(slot);
        }
        set
    }
}

impl fmt::Debug for SlotBitmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.ranges()).finish()
    }
}

#[cfg(test)]
#[path = "slot_tests.rs"]
mod tests;
