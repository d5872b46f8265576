//! Number texts, byte for byte as Redis reads and writes them.
//!
//! Integers are *canonical*: `+1`, `01`, `-0`, spaces and an empty text are not integers. So a string can be stored as
//! an integer and be given back unchanged. The byte formats share that rule and the printing of floats, so both are in
//! `protocol` and only re-exported here. Floats are what C's `strtod` accepts if it uses the whole text: `inf`,
//! hexadecimal floats, `.5` and `1.`; but no leading space, no NaN and nothing out of range.

pub(crate) use protocol::number::{MAX_I64_LEN as I64_MAX_CHARS, format_f64, parse_i64};

/// Parses a canonical unsigned decimal integer (Redis: string2ull for texts that are not negative).
#[cfg(test)]
pub(crate) fn parse_u64(text: &[u8]) -> Option<u64> {
    if let Some(value) = parse_i64(text) {
        return u64::try_from(value).ok();
    }
    let canonical = text.len() == I64_MAX_CHARS && text[0] != b'0' && text.iter().all(u8::is_ascii_digit);
    if canonical { std::str::from_utf8(text).ok()?.parse().ok() } else { None }
}

/// Parses a float as C's `strtod` reads it if it takes the whole text (Redis: string2d). `None` for NaN, for a text
/// that starts with a space, and for a value beyond the range of `f64` or so small that it reads as zero.
pub(crate) fn parse_f64(text: &[u8]) -> Option<f64> {
    if let Some(value) = parse_short_digits(text) {
        return Some(value);
    }
    let (negative, magnitude) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let value = if let [b'0', b'x' | b'X', hex @ ..] = magnitude {
        super::longdouble::parse_hex(hex)?.to_f64()?
    } else if magnitude.eq_ignore_ascii_case(b"inf") || magnitude.eq_ignore_ascii_case(b"infinity") {
        f64::INFINITY
    } else {
        parse_decimal_f64(magnitude)?
    };
    Some(if negative { -value } else { value })
}

/// Parses a float as C's `strtod` does for a caller who only checks that it stopped at the end: space in front is
/// allowed, an empty text is zero, and what is too large or too small becomes infinite or zero.
pub(crate) fn parse_c_double(text: &[u8]) -> Option<f64> {
    if text.is_empty() {
        return Some(0.0);
    }
    let blanks = text.iter().take_while(|b| b.is_ascii_whitespace() || **b == 0x0b).count();
    let text = &text[blanks..];
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let is_decimal = digits.first().is_some_and(|b| b.is_ascii_digit() || *b == b'.');
    parse_f64(text).or_else(|| is_decimal.then(|| std::str::from_utf8(text).ok()?.parse().ok())?)
}

/// Reads a float from the beginning of a text, as C's `strtod` does for a caller who does not ask where it stopped:
/// what begins with no number is zero. `None` for NaN.
pub(crate) fn parse_c_prefix(text: &[u8]) -> Option<f64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let blanks = text.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == 0x0b).count();
    let text = &text[blanks..];
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let begins_with =
        |word: &[u8]| text[sign..].get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if begins_with(b"nan") {
        return None;
    }
    if begins_with(b"inf") {
        return parse_f64(&text[..sign + 3]);
    }
    let is_hex = begins_with(b"0x");
    let start = sign + if is_hex { 2 } else { 0 };
    let is_digit = |byte: &u8| if is_hex { byte.is_ascii_hexdigit() } else { byte.is_ascii_digit() };
    let digits = |from: usize| text[from..].iter().take_while(|byte| is_digit(byte)).count();
    let whole = digits(start);
    let mut end = start + whole;
    let mut fraction = 0;
    if text.get(end) == Some(&b'.') {
        fraction = digits(end + 1);
        end += if whole + fraction > 0 { 1 + fraction } else { 0 };
    }
    if whole + fraction == 0 {
        // Of `0x` without digits, only the zero is a number.
        return Some(if is_hex && text[0] == b'-' { -0.0 } else { 0.0 });
    }
    if text.get(end).is_some_and(|byte| byte.eq_ignore_ascii_case(if is_hex { &b'p' } else { &b'e' })) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        let exponent = text[end + 1 + sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        end += if exponent > 0 { 1 + sign + exponent } else { 0 };
    }
    let number = &text[..end];
    parse_c_double(number).or_else(|| {
        // A hexadecimal number out of range; its exponent tells where.
        let is_small = number.iter().skip_while(|byte| !byte.eq_ignore_ascii_case(&b'p')).nth(1) == Some(&b'-');
        let magnitude = if is_small { 0.0 } else { f64::INFINITY };
        is_hex.then_some(if number[0] == b'-' { -magnitude } else { magnitude })
    })
}

/// The usual case, a few digits: no more than a float holds exactly.
#[inline]
fn parse_short_digits(text: &[u8]) -> Option<f64> {
    const EXACT: usize = 15;
    if text.is_empty() || text.len() > EXACT {
        return None;
    }
    let mut value = 0u64;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    Some(value as f64)
}

fn parse_decimal_f64(text: &[u8]) -> Option<f64> {
    // Signs, words and NaN are handled above; the rest of the grammar is the same in C and Rust.
    if !text.first().is_some_and(|b| b.is_ascii_digit() || *b == b'.') {
        return None;
    }
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let mantissa = text.iter().take_while(|b| !matches!(b, b'e' | b'E'));
    let underflow = value == 0.0 && mantissa.clone().any(|b| matches!(b, b'1'..=b'9'));
    (value.is_finite() && !underflow).then_some(value)
}

/// Parses an amount of memory: digits and an optional unit `b`, `k`, `kb`, `m`, `mb`, `g`, `gb` in any case; with `b` a
/// unit is a power of 1024, without it of 1000 (Redis: memtoull). `None` for anything else and for numbers beyond 64
/// bits.
pub(crate) fn parse_memory(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    // Redis (`memtoull`) reads no digits at all as zero.
    if number.is_empty() {
        return Some(0);
    }
    std::str::from_utf8(number).ok()?.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
#[path = "number_tests.rs"]
mod tests;
