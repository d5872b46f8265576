//! A number within a directive of several words is kept as given, or refused with Redis's text; it never becomes
//! another number.
//!
//! Redis lets some of these wrap around: where it shows another number than was given, slotd must refuse.

use integration::client::Client;
use integration::node::NodeSpec;
use integration::oracle::Binary;

/// The directive, the words before the number, and those after it.
const PLACES: &[(&str, &str, &str)] = &[
    ("client-output-buffer-limit", "pubsub 1 1 1 replica 1 1 1 normal ", " 0 0"),
    ("client-output-buffer-limit", "pubsub 1 1 1 replica 1 1 1 normal 0 ", " 0"),
    ("client-output-buffer-limit", "pubsub 1 1 1 replica 1 1 1 normal 0 0 ", ""),
    ("client-output-buffer-limit", "normal 1 1 1 replica 0 0 ", " pubsub 1 1 1"),
    ("save", "", " 1"),
    ("save", "1 ", ""),
    ("save", "1 1 5 ", ""),
    ("oom-score-adj-values", "", " 1 2"),
    ("oom-score-adj-values", "1 ", " 2"),
    ("oom-score-adj-values", "1 2 ", ""),
    ("latency-tracking-info-percentiles", "", ""),
    ("latency-tracking-info-percentiles", "1 ", " 2"),
];

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "-0",
    "+1",
    "010",
    "0x10",
    "1e3",
    "1.5",
    "x",
    "1x",
    "1mb",
    "-5",
    "100",
    "100.0001",
    "nan",
    "inf",
    "2000",
    "-2000",
    "2001",
    "-2001",
    "2147483647",
    "2147483648",
    "-2147483649",
    "4294967296",
    "4294967297",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999",
];

/// Sets the directive and returns its value, or the reason of a refusal.
fn set(client: &mut Client, directive: &str, value: &str) -> Result<String, String> {
    let reply = client.call(&["CONFIG", "SET", directive, value]);
    if reply.is_error() {
        return Err(reply.text());
    }
    Ok(client.call(&["CONFIG", "GET", directive]).items()[1].text())
}

#[test]
fn a_number_within_a_directive_is_kept_as_it_was_said_or_refused() {
    let (ours, stock) = (NodeSpec::new(Binary::Slotd).start(), NodeSpec::new(Binary::Stock).start());
    let (mut ours, mut stock) = (ours.client(), stock.client());
    for (directive, before, behind) in PLACES {
        // A refusal with a text of our own, for numbers that only Redis accepts.
        let refused = set(&mut stock, directive, &format!("{before}x{behind}")).expect_err("no number");
        for number in NUMBERS {
            let value = format!("{before}{number}{behind}");
            let (got, expected) = (set(&mut ours, directive, &value), set(&mut stock, directive, &value));
            if got == expected {
                continue;
            }
            let wraps =
                number.len() > 9 && expected.as_ref().is_ok_and(|shown| !shown.split(' ').any(|word| word == *number));
            assert!(wraps, "{directive} {value}: {got:?}, Redis {expected:?}");
            assert_eq!(got, Err(refused.clone()), "{directive} {value}: Redis makes {expected:?} of it");
        }
    }
}
