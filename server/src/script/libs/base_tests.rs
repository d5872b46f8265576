//! `unpack` against what Redis replies: 8.0.6, since 7.0.15 has the overflow.

use crate::script::libs::testing::{check, check_stops};

#[test]
fn an_element_that_is_put_far_below_the_others_can_be_stopped() {
    check_stops(&["table.insert({1}, -2^31, 2)", "local t = {} for i = 1, 1e5 do table.insert(t, 1, i) end"]);
}

#[test]
fn values_are_unpacked() {
    check(&[
        ("unpack({1, 2, 3})", "true 1 2 3"),
        ("unpack({1, 2, 3}, 2)", "true 2 3"),
        ("unpack({1, nil, 3}, 1, 4)", "true 1 nil 3 nil"),
        ("unpack({[-1] = 5}, -1, 0)", "true 5 nil"),
        ("unpack({}, 1, 0)", "true"),
        (r#"unpack({1, 2}, "2"), unpack({1, 2}, nil, 1)"#, "true 2 1"),
        ("unpack({}, 2^31 - 1, 2^31 - 1)", "true nil"),
        (r##"select("#", unpack({}, 1, 7000))"##, "true 7000"),
    ]);
}

/// CVE-2025-46817.
#[test]
fn too_many_values_are_refused() {
    check(&[
        ("unpack({}, 1, 8001)", r#"false "user_script:17: too many results to unpack""#),
        ("unpack({}, 1, 1e7)", r#"false "user_script:17: too many results to unpack""#),
        ("unpack({}, -2^31)", r#"false "user_script:17: too many results to unpack""#),
        ("unpack({}, -2^31, 2^31 - 1)", r#"false "user_script:17: too many results to unpack""#),
        ("unpack({}, 0, 2^31 - 1)", r#"false "user_script:17: too many results to unpack""#),
        ("unpack({}, -2147483647, 2147483647)", r#"false "user_script:17: too many results to unpack""#),
        ("unpack({}, 1, 2^31)", "true"),
    ]);
}

#[test]
fn wrong_arguments_are_named() {
    check(&[
        ("unpack()", r#"false "user_script:17: bad argument #1 to 'unpack' (table expected, got no value)""#),
        ("unpack(1)", r#"false "user_script:17: bad argument #1 to 'unpack' (table expected, got number)""#),
        ("unpack({}, {})", r#"false "user_script:17: bad argument #2 to 'unpack' (number expected, got table)""#),
        (
            r#"unpack({}, 1, "x")"#,
            r#"false "user_script:17: bad argument #3 to 'unpack' (number expected, got string)""#,
        ),
    ]);
}
