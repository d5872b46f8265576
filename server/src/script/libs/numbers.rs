//! Numbers as C reads, writes and converts them.

use std::io::Write;

/// 2^63.
const TWO_63: f64 = 9_223_372_036_854_775_808.0;

/// A number without its fraction; what does not fit is the least integer, as the processor has it.
pub(super) fn to_i64(number: f64) -> i64 {
    if (-TWO_63..TWO_63).contains(&number) { number as i64 } else { i64::MIN }
}

/// The same for 32 bits.
pub(super) fn to_i32(number: f64) -> i32 {
    let number = number.trunc();
    if (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number) { number as i32 } else { i32::MIN }
}

/// Whether a number has no fraction. Infinite ones have none.
pub(super) fn is_integral(number: f64) -> bool {
    number.is_infinite() || number.fract() == 0.0
}

/// An integral number that fits in 32 bits.
pub(super) fn exact_i32(number: f64) -> Option<i32> {
    let fits = (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number);
    (fits && number.fract() == 0.0).then_some(number as i32)
}

/// An integral number that fits in 64 bits.
pub(super) fn exact_i64(number: f64) -> Option<i64> {
    ((-TWO_63..TWO_63).contains(&number) && number.fract() == 0.0).then_some(number as i64)
}

/// The same as [`to_i64`] without a sign: what is not below 2^64 is 0.
pub(super) fn to_u64(number: f64) -> u64 {
    if number >= TWO_63 { (to_i64(number - TWO_63) as u64) ^ (1 << 63) } else { to_i64(number) as u64 }
}

/// Writes a number with so many significant digits (`%.*g`).
pub(super) fn write_number(out: &mut Vec<u8>, number: f64, precision: usize) {
    /// Integers of fewer digits than these are exact, and cast without loss.
    const EXACT: usize = 15;
    let limit = 10f64.powi(precision.min(EXACT) as i32);
    if number.fract() == 0.0 && number.abs() < limit && (number != 0.0 || number.is_sign_positive()) {
        out.extend_from_slice(itoa_text(number as i64, &mut [0; 20]));
        return;
    }
    if !number.is_finite() || number == 0.0 {
        if number.is_sign_negative() {
            out.push(b'-');
        }
        let word: &[u8] = if number.is_nan() {
            b"nan"
        } else if number == 0.0 {
            b"0"
        } else {
            b"inf"
        };
        return out.extend_from_slice(word);
    }
    write_rounded(out, number, precision);
}

/// Decimal digits of an integer.
fn itoa_text(number: i64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut rest = number.unsigned_abs();
    let mut at = buffer.len();
    loop {
        at -= 1;
        buffer[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        at -= 1;
        buffer[at] = b'-';
    }
    &buffer[at..]
}

fn write_rounded(out: &mut Vec<u8>, number: f64, precision: usize) {
    let text = format!("{:.*e}", precision - 1, number.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    let significant = digits.iter().rposition(|digit| *digit != b'0').map_or(1, |last| last + 1);
    let digits = &digits[..significant];
    if number < 0.0 {
        out.push(b'-');
    }
    if exponent < -4 || exponent >= precision as i32 {
        write_with_point(out, digits, 1);
        let sign = if exponent < 0 { '-' } else { '+' };
        let _cannot_fail = write!(out, "e{sign}{:02}", exponent.abs());
    } else if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', (-exponent - 1) as usize));
        out.extend_from_slice(digits);
    } else {
        write_with_point(out, digits, exponent as usize + 1);
    }
}

/// Writes digits, so many of them before the point.
fn write_with_point(out: &mut Vec<u8>, digits: &[u8], before: usize) {
    if digits.len() <= before {
        out.extend_from_slice(digits);
        out.extend(std::iter::repeat_n(b'0', before - digits.len()));
    } else {
        out.extend_from_slice(&digits[..before]);
        out.push(b'.');
        out.extend_from_slice(&digits[before..]);
    }
}

/// Reads the number that a text begins with (`strtod`), and how long it is. `None`: it begins with none.
pub(super) fn read_number(text: &[u8]) -> Option<(f64, usize)> {
    let sign = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let rest = &text[sign..];
    let begins = |word: &[u8]| rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    let (value, len) = if begins(b"infinity") {
        (f64::INFINITY, 8)
    } else if begins(b"inf") {
        (f64::INFINITY, 3)
    } else if begins(b"nan") {
        (f64::NAN.abs(), 3 + payload_len(&rest[3..]))
    } else if let Some(read) = begins(b"0x").then(|| read_hexadecimal(&rest[2..])).flatten() {
        (read.0, read.1 + 2)
    } else {
        read_decimal(rest)?
    };
    Some((if text.first() == Some(&b'-') { -value } else { value }, sign + len))
}

/// Length of what may follow `nan`: letters in parentheses.
fn payload_len(text: &[u8]) -> usize {
    if text.first() != Some(&b'(') {
        return 0;
    }
    let letters = text[1..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    if text.get(1 + letters) == Some(&b')') { letters + 2 } else { 0 }
}

fn digits_len(text: &[u8], is_digit: fn(&u8) -> bool) -> usize {
    text.iter().take_while(|byte| is_digit(byte)).count()
}

/// Length of digits with or without a point. `None`: there is no digit.
fn mantissa_len(text: &[u8], is_digit: fn(&u8) -> bool) -> Option<usize> {
    let before = digits_len(text, is_digit);
    let after = match text.get(before) {
        Some(b'.') => digits_len(&text[before + 1..], is_digit) + 1,
        _ => 0,
    };
    (before > 0 || after > 1).then_some(before + after)
}

/// Length of an exponent, whose letter is one of these. 0: there is none.
fn exponent_len(text: &[u8], letters: [u8; 2]) -> usize {
    if !text.first().is_some_and(|letter| letters.contains(letter)) {
        return 0;
    }
    let sign = usize::from(matches!(text.get(1), Some(b'-' | b'+')));
    match digits_len(&text[1 + sign..], u8::is_ascii_digit) {
        0 => 0,
        digits => 1 + sign + digits,
    }
}

fn read_decimal(text: &[u8]) -> Option<(f64, usize)> {
    let mantissa = mantissa_len(text, u8::is_ascii_digit)?;
    let len = mantissa + exponent_len(&text[mantissa..], *b"eE");
    let value = std::str::from_utf8(&text[..len]).ok()?.parse().ok()?;
    Some((value, len))
}

/// Reads what follows `0x`.
fn read_hexadecimal(text: &[u8]) -> Option<(f64, usize)> {
    let mantissa = mantissa_len(text, u8::is_ascii_hexdigit)?;
    let exponent = exponent_len(&text[mantissa..], *b"pP");
    let (mut value, mut is_inexact, mut scale, mut is_fraction) = (0u64, false, 0i64, false);
    for byte in &text[..mantissa] {
        let Some(digit) = char::from(*byte).to_digit(16) else {
            is_fraction = true;
            continue;
        };
        if value >> 60 == 0 {
            value = value << 4 | u64::from(digit);
            scale -= 4 * i64::from(is_fraction);
        } else {
            is_inexact |= digit != 0;
            scale += 4 * i64::from(!is_fraction);
        }
    }
    if exponent > 0 {
        let digits = &text[mantissa + 1..mantissa + exponent];
        let is_negative = digits[0] == b'-';
        let number = digits.iter().filter(|byte| byte.is_ascii_digit());
        // So far from 0 there are no numbers, whatever the mantissa.
        let number = number.fold(0i64, |number, digit| (number * 10 + i64::from(digit - b'0')).min(1 << 40));
        scale += if is_negative { -number } else { number };
    }
    Some((scaled(value, is_inexact, scale), mantissa + exponent))
}

/// `value * 2^scale`, rounded once, halves to even. `is_inexact`: it is a little more.
fn scaled(value: u64, is_inexact: bool, scale: i64) -> f64 {
    if value == 0 {
        return 0.0;
    }
    let bits = 64 - i64::from(value.leading_zeros());
    let exponent = scale + bits - 1;
    if exponent > 1023 {
        return f64::INFINITY;
    }
    // Numbers below 2^-1022 have fewer bits.
    let kept = 53 - (-1022 - exponent).max(0);
    if kept < 0 {
        return 0.0;
    }
    let dropped = (bits - kept).max(0);
    let wide = u128::from(value);
    let (mut whole, rest, half) = (wide >> dropped, wide & ((1 << dropped) - 1), (1u128 << dropped) >> 1);
    if dropped > 0 && (rest > half || rest == half && (is_inexact || whole & 1 == 1)) {
        whole += 1;
    }
    let scale = scale + dropped;
    // In two steps, each of which is exact.
    let (first, second) = (scale / 2, scale - scale / 2);
    let power = |exponent: i64| f64::from_bits(((exponent.clamp(-1022, 1023) + 1023) as u64) << 52);
    whole as f64 * power(first) * power(second)
}

#[cfg(test)]
#[path = "numbers_tests.rs"]
mod tests;
