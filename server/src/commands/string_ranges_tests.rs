//! Ranges as Redis clamps them.

use super::*;

#[test]
fn positions_are_clamped_as_redis_clamps_them() {
    let text = b"Hello World";
    for (start, end, expected) in [
        (0, 3, &b"Hell"[..]),
        (0, -1, text),
        (-4, -1, b"orld"),
        (5, 3, b""),
        (5, 5000, b" World"),
        (-5000, 10000, text),
        (-1, -5, b""),
        (-100, -50, b"H"),
        (100, 200, b""),
        (i64::MIN, i64::MAX, text),
        (i64::MAX, i64::MAX, b""),
    ] {
        assert_eq!(range_of(text, start, end), expected, "{start} {end}");
    }
    assert_eq!(range_of(b"", 0, -1), b"");
}
