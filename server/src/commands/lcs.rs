//! LCS: the longest common subsequence of two strings.
//!
//! The textbook table of (len + 1) * (len + 1) numbers, walked back from its end. The order of that walk is visible in
//! the reply (which of several equally long subsequences is found, and the ranges from last to first), so it follows
//! Redis's. The table may not be larger than `proto-max-bulk-len`, and a failed allocation is an error, not the end of
//! the node.

use protocol::resp::Args;

use super::integer;
use crate::command::outcome::DONE;
use crate::command::{Arity, CmdError, CmdResult, Declared, Flags, Group, KeySpec, KeyedCtx, KeyedFn, error};

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] =
    &[Declared::new("LCS", Arity::at_least(3), Group::String, Flags::READONLY, lcs as KeyedFn)
        .since("7.0.0")
        .summary("Find longest common substring")
        .complexity("O(N*M) where N and M are the lengths of s1 and s2, respectively")
        .keys(&[KeySpec::range(1, 1, 1).ro().access()])
        .syntax("key1:key key2:key ['LEN] ['IDX] [MINMATCHLEN=len:integer] ['WITHMATCHLEN]")];

/// The requested form of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Text,
    /// LEN
    Length,
    /// IDX
    Ranges,
}

struct Request {
    wanted: Wanted,
    /// MINMATCHLEN: shorter ranges are left out.
    min_len: usize,
    /// WITHMATCHLEN
    with_len: bool,
}

impl Request {
    fn parse(words: Args<'_>) -> Result<Self, CmdError> {
        let (mut length, mut ranges) = (false, false);
        let mut request = Self { wanted: Wanted::Text, min_len: 0, with_len: false };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word.eq_ignore_ascii_case(b"IDX") {
                ranges = true;
            } else if word.eq_ignore_ascii_case(b"LEN") {
                length = true;
            } else if word.eq_ignore_ascii_case(b"WITHMATCHLEN") {
                request.with_len = true;
            } else if word.eq_ignore_ascii_case(b"MINMATCHLEN") {
                let number = integer(words.next().ok_or(error::SYNTAX)?)?;
                request.min_len = usize::try_from(number).unwrap_or(0);
            } else {
                return Err(error::SYNTAX);
            }
        }
        request.wanted = match (length, ranges) {
            (true, true) => return Err(error::LCS_LENGTH_AND_RANGES),
            (true, false) => Wanted::Length,
            (false, true) => Wanted::Ranges,
            (false, false) => Wanted::Text,
        };
        Ok(request)
    }
}

fn lcs(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let mut a = string_at(ctx, &args[1]);
    let mut b = string_at(ctx, &args[2]);
    let (Ok(a), Ok(b)) = (&mut a, &mut b) else { return Err(error::LCS_NOT_STRINGS) };
    let request = Request::parse(args.skip(3))?;
    let table = Table::build(a, b, ctx.limits.max_string)?;
    if request.wanted == Wanted::Length {
        ctx.reply.int(i64::from(table.len()));
        return DONE;
    }
    let (text, ranges) = table.walk(a, b);
    if request.wanted == Wanted::Text {
        ctx.reply.bulk(&text);
        return DONE;
    }
    let shown: Vec<&Range> = ranges.iter().filter(|range| range.len >= request.min_len).collect();
    ctx.reply.map(2);
    ctx.reply.bulk(b"matches");
    ctx.reply.array(shown.len());
    for range in shown {
        ctx.reply.array(if request.with_len { 3 } else { 2 });
        for start in [range.a, range.b] {
            ctx.reply.array(2);
            ctx.reply.int(start as i64);
            ctx.reply.int((start + range.len - 1) as i64);
        }
        if request.with_len {
            ctx.reply.int(range.len as i64);
        }
    }
    ctx.reply.bulk(b"len");
    ctx.reply.int(i64::from(table.len()));
    DONE
}

/// A copy of the string at a key (the table needs two at once); empty for a missing key. `Err` for another type.
fn string_at(ctx: &mut KeyedCtx<'_>, word: &[u8]) -> Result<Vec<u8>, ()> {
    let key = ctx.data.key(word);
    match ctx.data.read(&key) {
        None => Ok(Vec::new()),
        Some(entry) => entry.value().string_bytes(&mut itoa::Buffer::new()).map(<[u8]>::to_vec).ok_or(()),
    }
}

/// A run of bytes that both strings contain and that belongs to the subsequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    /// Where it begins in each string.
    a: usize,
    b: usize,
    len: usize,
}

/// Lengths of the longest common subsequences of all pairs of prefixes.
struct Table {
    cells: Vec<u32>,
    /// Cells per row, one row for each prefix of the first string.
    width: usize,
}

impl Table {
    fn build(a: &[u8], b: &[u8], max_bytes: usize) -> Result<Self, CmdError> {
        if a.len().max(b.len()) >= u32::MAX as usize - 1 {
            return Err(error::LCS_TOO_LONG);
        }
        let width = b.len() + 1;
        let size = (a.len() + 1).checked_mul(width).ok_or(error::LCS_NO_MEMORY)?;
        if size.checked_mul(size_of::<u32>()).is_none_or(|bytes| bytes > max_bytes) {
            return Err(error::LCS_OVER_LIMIT);
        }
        let mut cells = Vec::new();
        cells.try_reserve_exact(size).map_err(|_| error::LCS_NO_MEMORY)?;
        cells.resize(size, 0u32);
        for (i, x) in a.iter().enumerate() {
            let (above, row) = cells[i * width..][..2 * width].split_at_mut(width);
            for (j, y) in b.iter().enumerate() {
                row[j + 1] = if x == y { above[j] + 1 } else { above[j + 1].max(row[j]) };
            }
        }
        Ok(Self { cells, width })
    }

    fn at(&self, i: usize, j: usize) -> u32 {
        self.cells[i * self.width + j]
    }

    /// Length of the subsequence of the whole strings.
    fn len(&self) -> u32 {
        self.cells.last().copied().unwrap_or(0)
    }

    /// The subsequence, and the ranges it is made of, the last one first.
    fn walk(&self, a: &[u8], b: &[u8]) -> (Vec<u8>, Vec<Range>) {
        let (mut i, mut j) = (a.len(), b.len());
        let mut text = Vec::with_capacity(self.len() as usize);
        let mut ranges: Vec<Range> = Vec::new();
        // Whether the last range may still grow to the left.
        let mut open = false;
        while i > 0 && j > 0 {
            if a[i - 1] != b[j - 1] {
                open = false;
                if self.at(i - 1, j) > self.at(i, j - 1) {
                    i -= 1;
                } else {
                    j -= 1;
                }
                continue;
            }
            text.push(a[i - 1]);
            i -= 1;
            j -= 1;
            match ranges.last_mut().filter(|_| open) {
                // Matches follow each other diagonally, so an open range always continues here.
                Some(range) => *range = Range { a: i, b: j, len: range.len + 1 },
                None => ranges.push(Range { a: i, b: j, len: 1 }),
            }
            open = true;
        }
        text.reverse();
        (text, ranges)
    }
}

#[cfg(test)]
#[path = "lcs_tests.rs"]
mod tests;
