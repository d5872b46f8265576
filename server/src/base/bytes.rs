//! Short texts, compared in place.
//!
//! Keys and members are mostly a few bytes long. To compare them by the C library costs a call, and where it loads
//! with masks, a wait for whatever lies behind the text. Two loads that overlap compare 8 to 32 bytes without either.

/// Whether two texts are equal.
#[inline(always)]
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    match one.len() {
        0..4 => one.iter().zip(other).all(|(a, b)| a == b),
        4..8 => ends::<4>(one) == ends::<4>(other),
        8..16 => ends::<8>(one) == ends::<8>(other),
        16..=32 => ends::<16>(one) == ends::<16>(other),
        _ => one == other,
    }
}

/// The first and the last `N` bytes; together they are the whole text if it has at most twice as many.
#[inline(always)]
fn ends<const N: usize>(text: &[u8]) -> Option<(&[u8; N], &[u8; N])> {
    Some((text.first_chunk()?, text.last_chunk()?))
}

#[cfg(test)]
#[path = "bytes_tests.rs"]
mod tests;
