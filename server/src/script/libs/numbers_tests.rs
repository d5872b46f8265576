//! Numbers against what C makes of them.

use super::*;

fn written(number: f64, precision: usize) -> String {
    let mut out = Vec::new();
    write_number(&mut out, number, precision);
    String::from_utf8(out).expect("digits are text")
}

#[test]
fn digits_are_rounded_and_zeros_left_out() {
    for (number, precision, text) in [
        (0.0, 14, "0"),
        (-0.0, 14, "-0"),
        (1.0 / 3.0, 14, "0.33333333333333"),
        (2.0 / 3.0, 3, "0.667"),
        (100.0, 1, "1e+02"),
        (99_999_999_999_999.0, 14, "99999999999999"),
        (1e14, 14, "1e+14"),
        (123_456_789_012_345.0, 14, "1.2345678901234e+14"),
        (12_345_678_901_234.5, 14, "12345678901234"),
        (999.6, 3, "1e+03"),
        (0.0001, 14, "0.0001"),
        (0.00001, 14, "1e-05"),
        (-1.5, 14, "-1.5"),
        (5e-324, 14, "4.9406564584125e-324"),
        (1e300, 14, "1e+300"),
        (f64::INFINITY, 14, "inf"),
        (f64::NEG_INFINITY, 14, "-inf"),
        (f64::NAN.copysign(-1.0), 14, "-nan"),
    ] {
        assert_eq!(written(number, precision), text);
    }
}

#[test]
fn a_number_is_read_as_far_as_it_goes() {
    for (text, number, len) in [
        ("12abc", 12.0, 2),
        ("1e5", 1e5, 3),
        ("1e", 1.0, 1),
        ("1e+", 1.0, 1),
        ("1.x", 1.0, 2),
        (".5", 0.5, 2),
        ("-.5", -0.5, 3),
        ("0x", 0.0, 1),
        ("0x.", 0.0, 1),
        ("0x1F", 31.0, 4),
        ("0x1.8p1", 3.0, 7),
        ("0x1p", 1.0, 3),
        ("0x1p-1074", 5e-324, 9),
        ("0x1p-1075", 0.0, 9),
        ("0x1.8p-1075", 5e-324, 11),
        ("0x1p1024", f64::INFINITY, 8),
        ("0x1.fffffffffffff8p1023", f64::INFINITY, 23),
        ("0x1.00000000000008p0", 1.0, 20),
        ("0x1.000000000000080000001p0", 1.000_000_000_000_000_2, 27),
        ("infinity", f64::INFINITY, 8),
        ("-INFx", f64::NEG_INFINITY, 4),
        ("1e999", f64::INFINITY, 5),
    ] {
        assert_eq!(read_number(text.as_bytes()), Some((number, len)), "{text}");
    }
    for text in ["", "-", "+", ".", "x", "e5"] {
        assert_eq!(read_number(text.as_bytes()), None, "{text}");
    }
    for (text, len) in [("nan", 3), ("-nan(a_1)", 9), ("nan(-)", 3), ("nan(a", 3)] {
        let (number, read) = read_number(text.as_bytes()).expect("it is a number of a kind");
        assert!(number.is_nan() && number.is_sign_negative() == text.starts_with('-') && read == len, "{text}");
    }
}

#[test]
fn what_does_not_fit_is_the_least_integer() {
    assert_eq!(to_i64(-1.9), -1);
    for number in [f64::NAN, 1e300, -1e300, f64::INFINITY, 9_223_372_036_854_775_808.0] {
        assert_eq!(to_i64(number), i64::MIN);
    }
    assert_eq!((to_i32(2_147_483_647.9), to_i32(2_147_483_648.0), to_i32(f64::NAN)), (i32::MAX, i32::MIN, i32::MIN));
    assert_eq!(to_u64(9_223_372_036_854_775_808.0), 1 << 63);
    assert_eq!((to_u64(18_446_744_073_709_549_568.0), to_u64(18_446_744_073_709_551_616.0)), (u64::MAX - 2047, 0));
}
