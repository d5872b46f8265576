//! The 80-bit extended float of x86, in software, as far as INCRBYFLOAT and HINCRBYFLOAT need it.
//!
//! Redis adds in C's `long double` and prints with `%.17Lf`. Clients see the digits, so a server that adds in `f64`
//! replies differently: `SET k 10.50` + `INCRBYFLOAT k 0.1` must give `10.6`, not `10.59999999999999964`. Rust has no
//! such type, and inline assembly would tie the server to one processor. So this file has the three operations that are
//! visible: read a text, add, write the text. Each rounds once, to nearest with ties to even, from the exact result.
//!
//! A finite value that is not zero is `mantissa * 2^exponent` with the mantissa's top bit set, so every such value has
//! one representation. Numbers too small for a full mantissa (denormals) lose precision only when they are rounded.
//! Texts are read as glibc's `strtold` reads them for Redis's `string2ld`; see [`LongDouble::parse`].

/// The longest text that is parsed (Redis: MAX_LONG_DOUBLE_CHARS, less its terminator).
const MAX_CHARS: usize = 5 * 1024 - 1;

/// A software `long double`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LongDouble {
    negative: bool,
    magnitude: Magnitude,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Magnitude {
    Zero,
    /// `mantissa * 2^exponent`, the mantissa's top bit set.
    Finite {
        mantissa: u64,
        exponent: i32,
    },
    Infinite,
    NotANumber,
}

/// A non-negative number before rounding: `value * 2^exponent`. The lowest bit is set if anything non-zero was cut off
/// below it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unrounded {
    value: u128,
    exponent: i32,
}

/// What a float format can hold.
#[derive(Clone, Copy)]
struct Format {
    mantissa_bits: i32,
    /// Exponent of the lowest bit of the smallest denormal.
    exponent_min: i32,
    /// Exponent of the lowest mantissa bit of the largest numbers.
    exponent_max: i32,
}

const EXTENDED: Format = Format { mantissa_bits: 64, exponent_min: -16_445, exponent_max: 16_320 };
const DOUBLE: Format = Format { mantissa_bits: 53, exponent_min: -1_074, exponent_max: 971 };

/// Exponents in a text beyond this decide the result alone: 10^5000 overflows, and with at most [`MAX_CHARS`] digits
/// 10^-20000 underflows.
const TEXT_EXPONENT_BOUND: i64 = 20_000;

impl LongDouble {
    /// Reads a decimal or hexadecimal float, `inf` or `infinity` in any case, each with an optional sign. `None` for
    /// what Redis refuses: an empty or overlong text, spaces or anything else around the number, NaN, and a number
    /// that is out of range or reads as zero without being written as zero.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > MAX_CHARS {
            return None;
        }
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") {
            return Some(LongDouble { negative, magnitude: Magnitude::Infinite });
        }
        let exact = match rest {
            [b'0', b'x' | b'X', hex @ ..] => parse_hex(hex)?,
            _ => parse_decimal(rest)?,
        };
        let magnitude = round_extended(exact);
        let out_of_range = match magnitude {
            Magnitude::Zero => exact.value != 0,
            Magnitude::Finite { .. } => false,
            Magnitude::Infinite | Magnitude::NotANumber => true,
        };
        (!out_of_range).then_some(LongDouble { negative, magnitude })
    }

    /// The integer `value`, exactly.
    pub(crate) fn from_i64(value: i64) -> Self {
        let magnitude = round_extended(Unrounded { value: u128::from(value.unsigned_abs()), exponent: 0 });
        LongDouble { negative: value < 0, magnitude }
    }

    /// Whether this is neither infinite nor the result of adding opposite infinities.
    pub(crate) fn is_finite(self) -> bool {
        matches!(self.magnitude, Magnitude::Zero | Magnitude::Finite { .. })
    }

    /// The text of Redis's `ld2string(LD_STR_HUMAN)`: `%.17Lf` without the zeros that end the fraction; never an
    /// exponent.
    pub(crate) fn to_text(self) -> String {
        let digits = match self.magnitude {
            Magnitude::Zero => return "0".into(),
            Magnitude::Infinite => "inf".into(),
            Magnitude::NotANumber => "nan".into(),
            Magnitude::Finite { mantissa, exponent } if exponent >= 0 => big_decimal(mantissa, exponent as u32),
            Magnitude::Finite { mantissa, exponent } => fixed_17(mantissa, exponent.unsigned_abs()),
        };
        if self.negative && digits != "0" { format!("-{digits}") } else { digits }
    }
}

impl std::ops::Add for LongDouble {
    type Output = Self;

    /// The sum, rounded once.
    fn add(self, other: Self) -> Self {
        use Magnitude::{Finite, Infinite, NotANumber, Zero};
        match (self.magnitude, other.magnitude) {
            (NotANumber, _) | (_, NotANumber) => LongDouble { negative: false, magnitude: NotANumber },
            (Infinite, Infinite) if self.negative != other.negative => {
                LongDouble { negative: false, magnitude: NotANumber }
            }
            (Infinite, _) => self,
            (_, Infinite) => other,
            (Zero, Zero) => LongDouble { negative: self.negative && other.negative, magnitude: Zero },
            (Zero, Finite { .. }) => other,
            (Finite { .. }, Zero) => self,
            (Finite { mantissa: m1, exponent: e1 }, Finite { mantissa: m2, exponent: e2 }) => {
                // With the top bits set, the larger exponent (then mantissa) is the larger magnitude.
                if (e1, m1) >= (e2, m2) {
                    add_ordered((self.negative, m1, e1), (other.negative, m2, e2))
                } else {
                    add_ordered((other.negative, m2, e2), (self.negative, m1, e1))
                }
            }
        }
    }
}

/// Adds two finite numbers `(negative, mantissa, exponent)`, the first of which has the larger magnitude.
fn add_ordered((neg_a, m_a, e_a): (bool, u64, i32), (neg_b, m_b, e_b): (bool, u64, i32)) -> LongDouble {
    // 62 bits below the larger mantissa: nothing is cut off unless the exponents differ by more. Then at most one
    // leading bit can cancel, so the sticky bit stays far below the rounding position.
    const GUARD_BITS: i32 = 62;
    let a = u128::from(m_a) << GUARD_BITS;
    let b = shift_right_sticky(u128::from(m_b) << GUARD_BITS, e_a - e_b);
    let value = if neg_a == neg_b { a + b } else { a - b };
    let magnitude = round_extended(Unrounded { value, exponent: e_a - GUARD_BITS });
    // An exact zero of opposite signs is positive when rounding to nearest.
    LongDouble { negative: neg_a && value != 0, magnitude }
}

/// `value >> by`, with the lowest bit set if a set bit was cut off.
fn shift_right_sticky(value: u128, by: i32) -> u128 {
    match by {
        ..=0 => value,
        1..=127 => (value >> by) | u128::from(value << (128 - by) != 0),
        _ => u128::from(value != 0),
    }
}

/// Rounds to nearest, ties to even: `(mantissa, exponent)` with a mantissa of at most the format's bits, not
/// normalised; `None` when it is beyond the largest number.
fn round_to(exact: Unrounded, format: Format) -> Option<(u64, i32)> {
    let Unrounded { value, exponent } = exact;
    if value == 0 {
        return Some((0, 0));
    }
    let bits = 128 - value.leading_zeros() as i32;
    let cut = (bits - format.mantissa_bits).max(format.exponent_min - exponent);
    let (mut mantissa, mut exponent) = match cut {
        ..=0 => (value, exponent),
        1..=127 => {
            let (kept, rest, half) = (value >> cut, value & ((1 << cut) - 1), 1u128 << (cut - 1));
            (kept + u128::from(rest > half || (rest == half && kept & 1 == 1)), exponent + cut)
        }
        // 128 and more: below half of the smallest denormal, except that a cut of exactly 128 can be above half.
        128 => (u128::from(value > 1 << 127), exponent + cut),
        _ => (0, 0),
    };
    if mantissa == 1 << format.mantissa_bits {
        // Rounding up carried into a new top bit; the cut bit is zero.
        mantissa >>= 1;
        exponent += 1;
    }
    let mantissa = mantissa as u64;
    // The exponent of the mantissa shifted all the way up shows whether the number is too large.
    let top = 64 - mantissa.leading_zeros() as i32 - format.mantissa_bits;
    (mantissa == 0 || exponent + top <= format.exponent_max).then_some((mantissa, exponent))
}

fn round_extended(exact: Unrounded) -> Magnitude {
    match round_to(exact, EXTENDED) {
        None => Magnitude::Infinite,
        Some((0, _)) => Magnitude::Zero,
        Some((mantissa, exponent)) => {
            let up = mantissa.leading_zeros();
            Magnitude::Finite { mantissa: mantissa << up, exponent: exponent - up as i32 }
        }
    }
}

impl Unrounded {
    /// The nearest `f64`; `None` when it is out of range or reads as zero without being zero.
    pub(super) fn to_f64(self) -> Option<f64> {
        let (mantissa, exponent) = round_to(self, DOUBLE)?;
        if mantissa == 0 {
            return (self.value == 0).then_some(0.0);
        }
        // Both factors are exact, and so is the product, because the mantissa already fits the format.
        let up = (mantissa.leading_zeros() as i32 - 11).min(exponent - DOUBLE.exponent_min);
        let (mantissa, exponent) = (mantissa << up, exponent - up);
        let biased = if mantissa >> 52 == 0 { 0 } else { (exponent - DOUBLE.exponent_min + 1) as u64 };
        Some(f64::from_bits(biased << 52 | (mantissa & ((1 << 52) - 1))))
    }
}

/// Reads `digits[.digits][p[sign]digits]` with hexadecimal digits: what follows `0x`.
pub(super) fn parse_hex(text: &[u8]) -> Option<Unrounded> {
    let (digits, point, exponent) = split_number(text, b'p', |b| (b as char).to_digit(16))?;
    let (mut value, mut scale) = (0u128, exponent - 4 * point as i64);
    for &digit in &digits {
        if value >> 120 == 0 {
            value = value << 4 | u128::from(digit);
        } else {
            value |= u128::from(digit != 0);
            scale += 4;
        }
    }
    let bound = 4 * TEXT_EXPONENT_BOUND;
    Some(Unrounded { value, exponent: scale.clamp(-bound, bound) as i32 })
}

/// Reads `digits[.digits][e[sign]digits]`.
fn parse_decimal(text: &[u8]) -> Option<Unrounded> {
    let (digits, point, exponent) = split_number(text, b'e', |b| (b as char).to_digit(10))?;
    let first = digits.iter().position(|&d| d != 0);
    let Some(first) = first else { return Some(Unrounded { value: 0, exponent: 0 }) };
    let scale = exponent - point as i64;
    let highest = scale + (digits.len() - first) as i64;
    // Such numbers are decided by magnitude alone; the others keep the big integers below at some 17,000 bits.
    if highest > 5_000 {
        return Some(Unrounded { value: 1, exponent: 1 << 20 });
    }
    if highest < -5_000 {
        return Some(Unrounded { value: 1, exponent: -(1 << 20) });
    }
    let mut number = Big::default();
    for &digit in &digits[first..] {
        number.multiply_add(10, digit);
    }
    if scale >= 0 {
        (0..scale).for_each(|_| number.multiply_add(10, 0));
        return Some(number.truncate(0));
    }
    let mut divisor = Big(vec![1]);
    (0..-scale).for_each(|_| divisor.multiply_add(10, 0));
    Some(number.divide(&divisor))
}

/// Splits a number into its digits, how many of them follow the point, and the exponent (bounded). `None` unless the
/// whole text is a number with at least one digit.
fn split_number(text: &[u8], mark: u8, digit: impl Fn(u8) -> Option<u32>) -> Option<(Vec<u32>, usize, i64)> {
    let mut digits = Vec::with_capacity(text.len());
    let mut point = None;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match digit(byte) {
            Some(value) => digits.push(value),
            None if byte == b'.' && point.is_none() => point = Some(digits.len()),
            None => break,
        }
        at += 1;
    }
    if digits.is_empty() {
        return None;
    }
    let fraction = point.map_or(0, |p| digits.len() - p);
    let exponent = match &text[at..] {
        [] => 0,
        [m, rest @ ..] if m.eq_ignore_ascii_case(&mark) => parse_exponent(rest)?,
        _ => return None,
    };
    Some((digits, fraction, exponent))
}

fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0i64, |v, d| (v * 10 + i64::from(d - b'0')).min(4 * TEXT_EXPONENT_BOUND));
    Some(if negative { -value } else { value })
}

/// `mantissa * 2^-shift` with 17 digits after the point, rounded to nearest and ties to even, ending zeros dropped.
fn fixed_17(mantissa: u64, shift: u32) -> String {
    const SCALE: u128 = 100_000_000_000_000_000;
    // The mantissa is below 2^121, so a shift of 122 or more leaves less than a half.
    let scaled = u128::from(mantissa) * SCALE;
    let rounded = if shift > 122 {
        0
    } else {
        let (kept, rest, half) = (scaled >> shift, scaled & ((1 << shift) - 1), 1u128 << (shift - 1));
        kept + u128::from(rest > half || (rest == half && kept & 1 == 1))
    };
    trim_fraction(&format!("{}.{:017}", rounded / SCALE, rounded % SCALE)).to_owned()
}

/// The decimal digits of `mantissa << shift`.
fn big_decimal(mantissa: u64, shift: u32) -> String {
    let mut number = Big(vec![mantissa as u32, (mantissa >> 32) as u32]);
    number.shift_left(shift);
    let mut groups = Vec::new();
    while !number.0.is_empty() {
        groups.push(number.divide_small(1_000_000_000));
    }
    let mut text = groups.pop().map_or_else(String::new, |g| g.to_string());
    for group in groups.iter().rev() {
        text.push_str(&format!("{group:09}"));
    }
    text
}

/// Drops the zeros that end a fraction, and the point if nothing follows it.
pub(crate) fn trim_fraction(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// A natural number in 32-bit limbs, lowest first, without leading zero limbs.
#[derive(Clone, Debug, Default)]
struct Big(Vec<u32>);

impl Big {
    fn multiply_add(&mut self, factor: u32, addend: u32) {
        let mut carry = u64::from(addend);
        for limb in &mut self.0 {
            carry += u64::from(*limb) * u64::from(factor);
            *limb = carry as u32;
            carry >>= 32;
        }
        if carry != 0 {
            self.0.push(carry as u32);
        }
    }

    fn bits(&self) -> u32 {
        self.0.last().map_or(0, |top| self.0.len() as u32 * 32 - top.leading_zeros())
    }

    fn shift_left(&mut self, by: u32) {
        let (limbs, bits) = ((by / 32) as usize, by % 32);
        if bits > 0 {
            let mut carry = 0;
            for limb in &mut self.0 {
                let next = *limb >> (32 - bits);
                *limb = *limb << bits | carry;
                carry = next;
            }
            if carry != 0 {
                self.0.push(carry);
            }
        }
        self.0.splice(0..0, std::iter::repeat_n(0, limbs));
    }

    fn divide_small(&mut self, divisor: u32) -> u32 {
        let mut rest = 0u64;
        for limb in self.0.iter_mut().rev() {
            rest = rest << 32 | u64::from(*limb);
            *limb = (rest / u64::from(divisor)) as u32;
            rest %= u64::from(divisor);
        }
        self.trim();
        rest as u32
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    fn at_least(&self, other: &Big) -> bool {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.iter().rev().cmp(other.0.iter().rev())).is_ge()
    }

    /// Subtracts `other`, which is not larger.
    fn subtract(&mut self, other: &Big) {
        let mut borrow = 0i64;
        for (i, limb) in self.0.iter_mut().enumerate() {
            let value = i64::from(*limb) - i64::from(other.0.get(i).copied().unwrap_or(0)) + borrow;
            *limb = value as u32;
            borrow = value >> 32;
        }
        self.trim();
    }

    /// The top 128 bits of `self * 2^exponent`; the lowest bit marks whether anything was cut off.
    fn truncate(&self, exponent: i32) -> Unrounded {
        let mut value = 0u128;
        let cut = self.bits().saturating_sub(127);
        for (i, &limb) in self.0.iter().enumerate() {
            let place = i as i32 * 32 - cut as i32;
            value |= match place {
                0.. => u128::from(limb) << place,
                -31..=-1 => u128::from(limb >> -place) | u128::from(limb << (32 + place) != 0),
                _ => u128::from(limb != 0),
            };
        }
        Unrounded { value, exponent: exponent + cut as i32 }
    }

    /// The quotient by `divisor` to more bits than any rounding needs, one bit at a time: texts are short, and even the
    /// longest one allowed takes only microseconds.
    fn divide(mut self, divisor: &Big) -> Unrounded {
        const QUOTIENT_BITS: i32 = 100;
        let mut divisor = divisor.clone();
        let mut exponent = 0;
        // Bring both to the same length, so that the first quotient bit is the top one or the one below it.
        match self.bits() as i32 - divisor.bits() as i32 {
            up @ 1.. => {
                divisor.shift_left(up as u32);
                exponent += up;
            }
            down => {
                self.shift_left(-down as u32);
                exponent += down;
            }
        }
        let mut value = 0u128;
        for _ in 0..QUOTIENT_BITS {
            value <<= 1;
            if self.at_least(&divisor) {
                self.subtract(&divisor);
                value |= 1;
            }
            self.shift_left(1);
        }
        let sticky = u128::from(!self.0.is_empty());
        Unrounded { value: value << 1 | sticky, exponent: exponent - QUOTIENT_BITS }
    }
}

#[cfg(test)]
#[path = "longdouble_tests.rs"]
mod tests;
