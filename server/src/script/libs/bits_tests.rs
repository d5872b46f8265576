//! `bit` against what Redis 7.0.15 replies.

use crate::script::libs::testing::check;

#[test]
fn numbers_are_taken_by_their_low_bits() {
    check(&[
        (
            "bit.tobit(0xffffffff), bit.tobit(2^31), bit.tobit(2^32 + 5), bit.tobit(-2^31 - 1)",
            "true -1 -2147483648 5 2147483647",
        ),
        ("bit.tobit(0.5), bit.tobit(1.5), bit.tobit(2.5), bit.tobit(-0.5), bit.tobit(-1.5)", "true 0 2 2 0 -2"),
        (
            r#"bit.tobit(1e20), bit.tobit(0/0), bit.tobit(1/0), bit.tobit("12"), bit.tobit("0x10")"#,
            "true 2025163840 0 0 12 16",
        ),
    ]);
}

#[test]
fn operations_have_32_bits() {
    check(&[
        (
            "bit.bnot(0), bit.bnot(0x12345678), bit.bswap(0x12345678), bit.bswap(0x78563412)",
            "true -1 -305419897 2018915346 305419896",
        ),
        ("bit.bor(1, 2, 4, 8), bit.bxor(0xff, 0x0f, 1), bit.band(0xff, 0x0f, 3), bit.band(7)", "true 15 241 3 7"),
        (
            "bit.lshift(1, 31), bit.lshift(1, 32), bit.lshift(1, -1), bit.rshift(-256, 8), bit.arshift(-256, 8)",
            "true -2147483648 1 -2147483648 16777215 -1",
        ),
        ("bit.rol(0x12345678, 12), bit.ror(0x12345678, 12)", "true 1164411171 1736516421"),
    ]);
}

/// CVE-2024-31449.
#[test]
fn hexadecimal_digits_are_at_most_eight() {
    check(&[
        (
            "bit.tohex(255), bit.tohex(-1), bit.tohex(0xffff, 4), bit.tohex(0x123456789, 2), bit.tohex(255, 0)",
            r#"true "000000ff" "ffffffff" "ffff" "89" """#,
        ),
        (
            "bit.tohex(-1, -3), bit.tohex(255, 100), bit.tohex(255, -100), bit.tohex(255, -2147483648), bit.tohex(1, 2^31)",
            r#"true "FFF" "000000ff" "000000FF" "000000FF" "00000001""#,
        ),
    ]);
}

#[test]
fn wrong_arguments_are_named() {
    check(&[
        ("bit.tohex({})", r#"false "user_script:17: bad argument #1 to 'tohex' (number expected, got table)""#),
        ("bit.tohex(255, nil)", r#"false "user_script:17: bad argument #2 to 'tohex' (number expected, got nil)""#),
        ("bit.band()", r#"false "user_script:17: bad argument #1 to 'band' (number expected, got no value)""#),
        (
            r#"bit.band(1, {}, "x")"#,
            r#"false "user_script:17: bad argument #3 to 'band' (number expected, got string)""#,
        ),
        ("bit.lshift(1)", r#"false "user_script:17: bad argument #2 to 'lshift' (number expected, got no value)""#),
        (
            r#"(function() local f = bit.bnot return f("x") end)()"#,
            r#"false "user_script:17: bad argument #1 to 'f' (number expected, got string)""#,
        ),
    ]);
}
