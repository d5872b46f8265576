//! Entry ids: 128-bit numbers, written as `milliseconds-sequence`.
//!
//! The parser takes what Redis takes, oddities included: each half is read by `strtoull`, which passes over white space
//! and knows signs and leading zeros. Text ends at the first zero byte. Redis: t_stream.c,
//! `streamGenericParseIDOrReply`.

use crate::base::number::parse_i64;

/// Texts of this length and more are no ids (Redis reads into 128 bytes).
const TEXT_MAX: usize = 128;

/// The id of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Unix time in milliseconds, by convention.
    pub ms: u64,
    /// Distinguishes entries of the same millisecond.
    pub seq: u64,
}

/// An id as a client writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrittenId {
    /// The id; the sequence is 0 if it is to be found.
    pub id: StreamId,
    /// `false` for `ms-*`: the sequence is to be found.
    pub has_seq: bool,
}

impl StreamId {
    /// The least id. No entry has it.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    /// The greatest id.
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };
    /// Bytes of the form that files use.
    pub const BYTES: usize = 16;
    /// The longest text.
    pub const TEXT_MAX: usize = 41;

    /// An id of its halves.
    pub const fn new(ms: u64, seq: u64) -> Self {
        StreamId { ms, seq }
    }

    /// The following id; `None` after the greatest.
    pub fn next(self) -> Option<Self> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => self.ms.checked_add(1).map(|ms| StreamId { ms, seq: 0 }),
        }
    }

    /// The preceding id; `None` before the least.
    pub fn previous(self) -> Option<Self> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => self.ms.checked_sub(1).map(|ms| StreamId { ms, seq: u64::MAX }),
        }
    }

    /// The form that files use: both halves, most significant byte first.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }

    /// Reads [`StreamId::to_bytes`].
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let number = u128::from_be_bytes(bytes);
        StreamId { ms: (number >> 64) as u64, seq: number as u64 }
    }

    /// Hands the text to `f` without allocating.
    #[inline]
    pub fn with_text<R>(self, f: impl FnOnce(&[u8]) -> R) -> R {
        let (mut ms, mut seq) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (ms, seq) = (ms.format(self.ms).as_bytes(), seq.format(self.seq).as_bytes());
        let mut text = [0; Self::TEXT_MAX];
        text[..ms.len()].copy_from_slice(ms);
        text[ms.len()] = b'-';
        let len = ms.len() + 1 + seq.len();
        text[ms.len() + 1..len].copy_from_slice(seq);
        f(&text[..len])
    }

    /// Reads a complete id; `missing_seq` is the sequence of a text without one.
    pub fn parse(text: &[u8], missing_seq: u64) -> Option<Self> {
        let (id, star) = halves(text, missing_seq)?;
        (!star).then_some(id)
    }

    /// As [`StreamId::parse`], where `-` is the least id and `+` the greatest.
    pub fn parse_or_end(text: &[u8], missing_seq: u64) -> Option<Self> {
        match text {
            b"-" => Some(Self::MIN),
            b"+" => Some(Self::MAX),
            _ => Self::parse(text, missing_seq),
        }
    }
}

impl WrittenId {
    /// Reads `ms`, `ms-seq` or `ms-*`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (id, star) = halves(text, 0)?;
        Some(WrittenId { id, has_seq: !star })
    }
}

/// The id, and whether its sequence is `*`.
fn halves(text: &[u8], missing_seq: u64) -> Option<(StreamId, bool)> {
    if text.len() >= TEXT_MAX {
        return None;
    }
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if matches!(text, b"-" | b"+") {
        return None;
    }
    let Some(dash) = text.iter().position(|byte| *byte == b'-') else {
        return Some((StreamId { ms: half(text)?, seq: missing_seq }, false));
    };
    let ms = half(&text[..dash])?;
    match &text[dash + 1..] {
        b"*" => Some((StreamId { ms, seq: 0 }, true)),
        seq => Some((StreamId { ms, seq: half(seq)? }, false)),
    }
}

/// A number as Redis's `string2ull` reads it: its own strict parser, then `strtoull`.
#[inline]
fn half(text: &[u8]) -> Option<u64> {
    if let Some(number) = parse_i64(text) {
        return u64::try_from(number).ok();
    }
    let digits = text.iter().position(|byte| !matches!(byte, b' ' | b'\t'..=b'\r')).map(|at| &text[at..])?;
    let (negative, digits) = match digits.split_first() {
        None => return None,
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        Some(_) => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let number = digits.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })?;
    Some(if negative { number.wrapping_neg() } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(u64, u64)> {
        StreamId::parse(text.as_bytes(), 7).map(|id| (id.ms, id.seq))
    }

    #[test]
    fn ids_are_read_as_redis_reads_them() {
        assert_eq!(parsed("5-3"), Some((5, 3)));
        assert_eq!(parsed("5"), Some((5, 7)));
        assert_eq!(parsed("+5-007"), Some((5, 7)));
        assert_eq!(parsed(" 5-\t3"), Some((5, 3)));
        assert_eq!(parsed("5--0"), Some((5, 0)));
        assert_eq!(parsed("5--18446744073709551615"), Some((5, 1)));
        assert_eq!(parsed("18446744073709551615-18446744073709551615"), Some((u64::MAX, u64::MAX)));
        for bad in
            ["-", "+", "a", "5-a", "5--3", "5--", "-5", "5-", "", "5 ", "5-*", "*", "18446744073709551616", "5-3-2"]
        {
            assert_eq!(parsed(bad), None, "{bad}");
        }
        assert_eq!(parsed(&"0".repeat(127)), Some((0, 7)));
        assert_eq!(parsed(&"0".repeat(128)), None);
    }

    #[test]
    fn neighbours_and_forms_agree() {
        let ids = [StreamId::MIN, StreamId::new(0, u64::MAX), StreamId::new(1, 0), StreamId::MAX];
        for id in ids {
            assert_eq!(StreamId::from_bytes(id.to_bytes()), id);
            assert_eq!(id.with_text(|text| StreamId::parse(text, 0)), Some(id));
            assert_eq!(id.next().map(StreamId::previous), (id != StreamId::MAX).then_some(Some(id)));
        }
        assert_eq!(StreamId::MIN.previous(), None);
    }
}
