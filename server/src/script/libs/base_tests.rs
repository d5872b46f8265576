//! `unpack` against what Redis replies: 8.0.6, since 7.0.15 has the overflow; `collectgarbage` against 7.0.15.

use crate::script::libs::testing::{check, check_pauses, check_stops};

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

#[test]
fn garbage_is_collected_as_in_lua() {
    check(&[
        ("collectgarbage()", "true 0"),
        (r#"collectgarbage("collect")"#, "true 0"),
        (r#"collectgarbage("stop"), collectgarbage("restart")"#, "true 0 0"),
        (r#"collectgarbage("setpause", 200), collectgarbage("setstepmul", 200)"#, "true 200 200"),
        (r#"type(collectgarbage("count")), collectgarbage("step", 1e6)"#, r#"true "number" true"#),
        (
            r#"collectgarbage("x")"#,
            r#"false "user_script:17: bad argument #1 to 'collectgarbage' (invalid option 'x')""#,
        ),
        (
            "collectgarbage({})",
            r#"false "user_script:17: bad argument #1 to 'collectgarbage' (string expected, got table)""#,
        ),
        (
            r#"collectgarbage("step", "x")"#,
            r#"false "user_script:17: bad argument #2 to 'collectgarbage' (number expected, got string)""#,
        ),
        (
            r#"(function() local t = setmetatable({}, {__mode = "k"}) for i = 1, 9 do t[{}] = i end collectgarbage() return next(t) end)()"#,
            "true nil",
        ),
    ]);
}

#[test]
fn a_collection_of_garbage_pauses_and_can_be_stopped() {
    let heap = "local t = {} for i = 1, 2e5 do t[i] = {} end ";
    check_stops(&[&format!("{heap} while true do collectgarbage() end")]);
    check_pauses(&[
        (&format!("{heap} collectgarbage()"), 120),
        (&format!("{heap} for i = 1, 20 do collectgarbage('step', 1e6) end"), 120),
    ]);
}

/// The collector belongs to the machine.
#[test]
fn a_script_cannot_stop_the_collector_for_those_after_it() {
    check_pauses(&[(
        "collectgarbage('stop') collectgarbage('setpause', 1e6) local t for i = 1, 3e6 do t = {i} end \
         assert(collectgarbage('count') < 8192)",
        1,
    )]);
}
