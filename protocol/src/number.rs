//! Numbers as text, by the rules that the formats here share.
//!
//! - [`parse_i64`] is Redis's `string2ll`: only the one canonical spelling of an integer is an integer. `+1`, `01`,
//!   `-0` and ` 1` are not. Length fields of RESP and the integer encodings of RDB both follow it.
//! - [`format_f64`] is C's `printf("%.17g")`, which Redis 7.0 prints doubles with: 17 significant digits, correctly
//!   rounded, trailing zeros removed, exponent form below 1e-4 and from 1e17 up. 17 digits always read back as the same
//!   double.

use std::io::Write;
use std::ops::Deref;

/// Longest decimal spelling of an `i64`, sign included.
pub const MAX_I64_LEN: usize = 20;

/// The integer `text` spells canonically, or `None`.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'0'] => return Some(0),
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.len() >= MAX_I64_LEN || !matches!(digits.first(), Some(b'1'..=b'9')) {
        return None;
    }
    let mut magnitude = 0u64; // at most 19 digits: below 10^19, which fits
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        magnitude = magnitude * 10 + u64::from(digit - b'0');
    }
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// The text of a double, held on the stack.
#[derive(Clone, Copy, Debug)]
pub struct F64Text {
    bytes: [u8; 32],
    len: u8,
}

impl F64Text {
    fn new() -> Self {
        Self { bytes: [0; 32], len: 0 }
    }

    fn push(&mut self, bytes: &[u8]) {
        let from = self.len as usize;
        self.bytes[from..from + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len() as u8;
    }

    /// The text as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len as usize]
    }
}

impl Deref for F64Text {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// `value` as `printf("%.17g")` prints it. Infinities are `inf` and `-inf`; every NaN is `nan` (C would print its sign
/// bit, which is meaningless).
pub fn format_f64(value: f64) -> F64Text {
    let mut text = F64Text::new();
    if value.is_nan() {
        text.push(b"nan");
    } else if value.is_infinite() {
        text.push(if value > 0.0 { b"inf" } else { b"-inf" });
    } else if value.fract() == 0.0 && value.abs() < 1e17 && !(value == 0.0 && value.is_sign_negative()) {
        // Integers of up to 17 digits print as such: by far the most common scores.
        text.push(itoa::Buffer::new().format(value as i64).as_bytes());
    } else {
        format_general(value, &mut text);
    }
    text
}

/// `%.17g` of a finite value, from its 17 correctly rounded digits and decimal exponent.
fn format_general(value: f64, text: &mut F64Text) {
    // Always "d.dddddddddddddddde[-]x": sign apart, 1 + 1 + 16 bytes before the 'e'.
    let mut scientific = [0u8; 32];
    let mut rest = &mut scientific[..];
    write!(rest, "{:.16e}", value.abs()).expect("17 digits, a point and an exponent of at most 4 bytes fit in 32");
    let unused = rest.len();
    let printed = &scientific[..32 - unused];
    let exponent: i32 =
        std::str::from_utf8(&printed[19..]).ok().and_then(|e| e.parse().ok()).expect("the exponent just printed");
    let mut digits = [b'0'; 17];
    digits[0] = printed[0];
    digits[1..].copy_from_slice(&printed[2..18]);
    let significant = digits.iter().rposition(|&d| d != b'0').map_or(1, |last| last + 1);

    if value.is_sign_negative() {
        text.push(b"-");
    }
    if !(-4..17).contains(&exponent) {
        text.push(&digits[..1]);
        if significant > 1 {
            text.push(b".");
            text.push(&digits[1..significant]);
        }
        text.push(if exponent < 0 { b"e-" } else { b"e+" });
        if exponent.abs() < 10 {
            text.push(b"0");
        }
        text.push(itoa::Buffer::new().format(exponent.abs()).as_bytes());
    } else if exponent < 0 {
        text.push(b"0.");
        text.push(&b"000"[..(-exponent - 1) as usize]);
        text.push(&digits[..significant]);
    } else {
        let whole = exponent as usize + 1;
        text.push(&digits[..whole]);
        if significant > whole {
            text.push(b".");
            text.push(&digits[whole..significant]);
        }
    }
}

#[cfg(test)]
#[path = "number_tests.rs"]
mod tests;
