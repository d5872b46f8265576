//! Tests of the number texts: tables taken from Redis's rules, and round trips.

use super::*;
use proptest::prelude::*;

#[test]
fn only_canonical_integers_are_integers() {
    for (text, want) in [
        ("0", Some(0)),
        ("-1", Some(-1)),
        ("9223372036854775807", Some(i64::MAX)),
        ("-9223372036854775808", Some(i64::MIN)),
        ("9223372036854775808", None),
        ("-9223372036854775809", None),
        ("18446744073709551616", None),
        ("", None),
        ("-", None),
        ("-0", None),
        ("+1", None),
        ("01", None),
        (" 1", None),
        ("1 ", None),
        ("1a", None),
        ("--1", None),
    ] {
        assert_eq!(parse_i64(text.as_bytes()), want, "{text:?}");
    }
    assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
    assert_eq!(parse_u64(b"18446744073709551616"), None);
    assert_eq!(parse_u64(b"-1"), None);
    assert_eq!(parse_u64(b"99999999999999999999"), None);
}

#[test]
fn floats_are_what_strtod_takes_whole() {
    for (text, want) in [
        ("1", Some(1.0)),
        ("+1.5e3", Some(1500.0)),
        (".5", Some(0.5)),
        ("5.", Some(5.0)),
        ("-0", Some(-0.0)),
        ("inf", Some(f64::INFINITY)),
        ("-Infinity", Some(f64::NEG_INFINITY)),
        ("0x10", Some(16.0)),
        ("-0x.8p1", Some(-1.0)),
        ("0x1.fffffffffffff8p0", Some(2.0)),
        ("0x1p-1074", Some(5e-324)),
        ("0x1p-1075", None),
        ("0x1.fffffffffffffp1023", Some(f64::MAX)),
        ("0x1p1024", None),
        ("0x123456789abcdef0123456789abcdef0123456789", Some(1.6628640851409384e48)),
        ("nan", None),
        ("-nan", None),
        ("1e400", None),
        ("1e-400", None),
        ("0e-400", Some(0.0)),
        ("", None),
        (" 1", None),
        ("1 ", None),
        (".", None),
        ("1e", None),
        ("+-1", None),
        ("0x", None),
        ("infi", None),
        ("1_0", None),
    ] {
        assert_eq!(parse_f64(text.as_bytes()).map(f64::to_bits), want.map(f64::to_bits), "{text:?}");
    }
}

#[test]
fn memory_units_are_decimal_without_and_binary_with_a_b() {
    for (text, want) in [
        ("0", Some(0)),
        ("100b", Some(100)),
        ("1k", Some(1000)),
        ("1KB", Some(1024)),
        ("2m", Some(2_000_000)),
        ("2Mb", Some(2 << 20)),
        ("1g", Some(1_000_000_000)),
        ("1gb", Some(1 << 30)),
        ("-1", None),
        ("1x", None),
        ("", Some(0)),
        ("gb", Some(0)),
        (" ", None),
        ("99999999999gb", None),
    ] {
        assert_eq!(parse_memory(text.as_bytes()), want, "{text:?}");
    }
}

proptest! {
    #[test]
    fn every_finite_float_is_read_back(bits: u64) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite());
        prop_assert_eq!(parse_f64(&format_f64(value)), Some(value));
    }
}

#[test]
fn a_float_is_read_from_the_beginning_of_a_text() {
    for (text, value) in [
        ("", 0.0),
        ("x", 0.0),
        (".", 0.0),
        ("-.e5", 0.0),
        ("3x", 3.0),
        (" \t\x0b3 4", 3.0),
        ("-5.", -5.0),
        (".5.5", 0.5),
        ("1e", 1.0),
        ("1e+", 1.0),
        ("1e+2x", 100.0),
        ("1e400", f64::INFINITY),
        ("-1e400x", f64::NEG_INFINITY),
        ("1e-400", 0.0),
        ("infx", f64::INFINITY),
        ("-Infinity", f64::NEG_INFINITY),
        ("in", 0.0),
        ("0x", 0.0),
        ("0xg", 0.0),
        ("0x1.8p1q", 3.0),
        ("0x1p", 1.0),
        ("-0x1p2000", f64::NEG_INFINITY),
        ("0x1p-2000", 0.0),
        ("7\x008", 7.0),
    ] {
        assert_eq!(parse_c_prefix(text.as_bytes()), Some(value), "{text:?}");
    }
    assert_eq!(["nan", " -NAN(1)", "+nanx"].map(|text| parse_c_prefix(text.as_bytes())), [None; 3]);
}
