//! Number texts against the standard library and against what C prints.

use proptest::prelude::*;

use super::*;

fn printed(value: f64) -> String {
    String::from_utf8(format_f64(value).to_vec()).expect("ASCII")
}

#[test]
fn only_canonical_integers_are_integers() {
    for (text, value) in [("0", 0), ("-1", -1), ("9223372036854775807", i64::MAX), ("-9223372036854775808", i64::MIN)] {
        assert_eq!(parse_i64(text.as_bytes()), Some(value), "{text}");
    }
    for text in [
        "",
        "-",
        "+1",
        "01",
        "-0",
        "00",
        " 1",
        "1 ",
        "1a",
        "0x1",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "99999999999999999999",
        "100000000000000000000000",
    ] {
        assert_eq!(parse_i64(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn doubles_print_as_printf_17g() {
    // The right-hand sides are the output of C's printf("%.17g").
    for (value, text) in [
        (0.0, "0"),
        (-0.0, "-0"),
        (3.0, "3"),
        (-17.0, "-17"),
        (3.1, "3.1000000000000001"),
        (0.1, "0.10000000000000001"),
        (-2.5, "-2.5"),
        (1.0 / 3.0, "0.33333333333333331"),
        (0.0001, "0.0001"),
        (0.00001, "1.0000000000000001e-05"),
        (1e16, "10000000000000000"),
        (99999999999999990.0, "99999999999999984"),
        (1e17, "1e+17"),
        (1.5e300, "1.5000000000000001e+300"),
        (5e-324, "4.9406564584124654e-324"),
        (f64::MAX, "1.7976931348623157e+308"),
        (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        (123456789.123, "123456789.123"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
        (f64::NAN, "nan"),
    ] {
        assert_eq!(printed(value), text);
    }
}

proptest! {
    #[test]
    fn every_integer_reads_back(value in any::<i64>()) {
        prop_assert_eq!(parse_i64(value.to_string().as_bytes()), Some(value));
    }

    #[test]
    fn an_integer_is_accepted_only_as_it_would_be_printed(text in "[-+]?[0-9 ]{0,21}") {
        let canonical = text.parse::<i64>().ok().filter(|value| value.to_string() == text);
        prop_assert_eq!(parse_i64(text.as_bytes()), canonical);
    }

    #[test]
    fn every_double_reads_back(bits in any::<u64>()) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite());
        prop_assert_eq!(printed(value).parse::<f64>().expect("a number").to_bits(), bits);
    }
}
