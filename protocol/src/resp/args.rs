//! The arguments of a command: borrowed from the read buffer, or owned.
//!
//! An argument is a range of 32-bit offsets rather than a slice, for two reasons. Ranges can be kept beside the buffer
//! they point into and reused from command to command without fighting the borrow checker. And at 8 bytes each, the
//! ranges of a usual command fit into the [`ArgVec`] without heap memory. The price is that one command cannot span
//! more than 4 GiB; the parser refuses it.

use std::fmt;
use std::ops::{Index, Range};

use smallvec::SmallVec;

/// The position of an argument, in bytes from the start of its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgRange {
    pub start: u32,
    pub len: u32,
}

impl ArgRange {
    /// The bytes of `buf` that the range names; none if it lies outside, which only happens if it belongs to another
    /// buffer.
    #[inline]
    pub fn of(self, buf: &[u8]) -> &[u8] {
        let start = self.start as usize;
        buf.get(start..start + self.len as usize).unwrap_or_default()
    }
}

/// The ranges of one command, the command's name first.
pub type ArgVec = SmallVec<[ArgRange; 8]>;

/// The arguments of one command, by reference. The command's name is argument 0, as everywhere in Redis.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    buf: &'a [u8],
    ranges: &'a [ArgRange],
}

impl<'a> Args<'a> {
    /// The arguments at `ranges` of `buf`: the buffer given to the parser, from the byte where the command began.
    #[inline]
    pub fn new(buf: &'a [u8], ranges: &'a [ArgRange]) -> Self {
        Self { buf, ranges }
    }

    /// Number of arguments, the command's name included.
    #[inline]
    pub fn len(self) -> usize {
        self.ranges.len()
    }

    /// Whether there is no argument at all.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.ranges.is_empty()
    }

    /// Argument `index`, if there are so many.
    #[inline]
    pub fn get(self, index: usize) -> Option<&'a [u8]> {
        self.ranges.get(index).map(|range| range.of(self.buf))
    }

    /// The first eight bytes of argument `index` as a little-endian number, padded with zeros; and its length. For
    /// comparing short words, such as the names of commands, without looking at every byte.
    #[inline]
    pub fn head(self, index: usize) -> Option<(u64, usize)> {
        let range = self.ranges.get(index)?;
        let len = range.len as usize;
        let behind = self.buf.get(range.start as usize..).unwrap_or_default();
        // The bytes after the argument are masked off, which is cheaper than not loading them.
        let head = match behind.first_chunk::<8>() {
            Some(eight) => u64::from_le_bytes(*eight),
            None => behind.iter().rev().fold(0, |head, &byte| head << 8 | u64::from(byte)),
        };
        Some((if len < 8 { head & ((1 << (8 * len)) - 1) } else { head }, len))
    }

    /// The last argument, if any.
    #[inline]
    pub fn last(self) -> Option<&'a [u8]> {
        self.ranges.last().map(|range| range.of(self.buf))
    }

    /// The arguments in order.
    #[inline]
    pub fn iter(self) -> Iter<'a> {
        Iter { buf: self.buf, ranges: self.ranges.iter() }
    }

    /// All but the first `count`; none if there are fewer.
    #[inline]
    pub fn skip(self, count: usize) -> Args<'a> {
        Args { buf: self.buf, ranges: self.ranges.get(count..).unwrap_or_default() }
    }

    /// The arguments at these indices; a range that reaches past the end is cut there.
    #[inline]
    pub fn slice(self, range: Range<usize>) -> Args<'a> {
        let end = range.end.min(self.ranges.len());
        Args { buf: self.buf, ranges: self.ranges.get(range.start..end).unwrap_or_default() }
    }

    /// Bytes of all arguments together.
    pub fn total_len(self) -> usize {
        self.ranges.iter().map(|range| range.len as usize).sum()
    }

    /// A copy that does not depend on the buffer. It holds only the bytes of these arguments, however large the buffer
    /// is.
    pub fn to_owned(self) -> OwnedArgs {
        let mut owned = OwnedArgs::with_capacity(self.len(), self.total_len());
        for arg in self {
            owned.push(arg);
        }
        owned
    }
}

/// Panics when there are not so many, as indexing a slice does. For indices that the command's arity vouches for.
impl Index<usize> for Args<'_> {
    type Output = [u8];

    #[inline]
    fn index(&self, index: usize) -> &[u8] {
        self.ranges[index].of(self.buf)
    }
}

impl<'a> IntoIterator for Args<'a> {
    type Item = &'a [u8];
    type IntoIter = Iter<'a>;

    #[inline]
    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|arg| String::from_utf8_lossy(arg).into_owned())).finish()
    }
}

/// Iterates over [`Args`].
#[derive(Clone)]
pub struct Iter<'a> {
    buf: &'a [u8],
    ranges: std::slice::Iter<'a, ArgRange>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.ranges.next().map(|range| range.of(self.buf))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ranges.size_hint()
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.ranges.next_back().map(|range| range.of(self.buf))
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// The arguments of a command with their own bytes: one allocation, two if there are more than eight arguments.
///
/// Together they may not exceed 4 GiB, which the parser guarantees for whatever a client sent.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OwnedArgs {
    bytes: Vec<u8>,
    ranges: ArgVec,
}

impl OwnedArgs {
    /// No arguments yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// No arguments yet, with room for `args` of them of `bytes` bytes in all.
    pub fn with_capacity(args: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ranges: ArgVec::with_capacity(args) }
    }

    /// These arguments.
    pub fn from_slices<T: AsRef<[u8]>>(args: &[T]) -> Self {
        let mut owned = Self::with_capacity(args.len(), args.iter().map(|arg| arg.as_ref().len()).sum());
        for arg in args {
            owned.push(arg.as_ref());
        }
        owned
    }

    /// Adds an argument at the end.
    pub fn push(&mut self, arg: &[u8]) {
        let start = u32::try_from(self.bytes.len()).expect("the arguments of one command stay below 4 GiB");
        let len = u32::try_from(arg.len()).expect("an argument stays below 4 GiB");
        self.bytes.extend_from_slice(arg);
        self.ranges.push(ArgRange { start, len });
    }

    /// The arguments.
    #[inline]
    pub fn view(&self) -> Args<'_> {
        Args::new(&self.bytes, &self.ranges)
    }

    /// Number of arguments.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether there is no argument at all.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Heap bytes held, for memory accounting.
    pub fn heap_len(&self) -> usize {
        let spilled = if self.ranges.spilled() { self.ranges.capacity() * size_of::<ArgRange>() } else { 0 };
        self.bytes.capacity() + spilled
    }
}

/// Panics when there are not so many, as indexing a slice does.
impl Index<usize> for OwnedArgs {
    type Output = [u8];

    fn index(&self, index: usize) -> &[u8] {
        self.ranges[index].of(&self.bytes)
    }
}

impl<T: AsRef<[u8]>> FromIterator<T> for OwnedArgs {
    fn from_iter<I: IntoIterator<Item = T>>(args: I) -> Self {
        let mut owned = Self::new();
        for arg in args {
            owned.push(arg.as_ref());
        }
        owned
    }
}

impl fmt::Debug for OwnedArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;
