//! `table.remove` against what Redis 7.0.15 makes of it.

use crate::script::libs::testing::{check, check_pauses, check_stops};

#[test]
fn an_element_is_removed_and_those_behind_it_move() {
    check(&[
        (
            "table.remove({1, 2, 3}), table.remove({1, 2, 3}, 1), table.remove({1, 2, 3}, 3), table.remove({1, 2, 3}, 4)",
            "true 3 1 3",
        ),
        ("(function() local t = {1, 2, 3, 4} return table.remove(t, 2), t, #t end)()", "true 2 {1=1,2=3,3=4} 3"),
        (
            r#"(function() local t = {1, 2, 3, 4} return table.remove(t, "2"), table.remove(t, 0), table.remove(t, -1), t end)()"#,
            "true 2 nil nil {1=1,2=3,3=4}",
        ),
        ("table.remove({})", "true"),
        ("table.remove({}, 1)", "true"),
        ("table.remove({1, 2, 3}, 1.9)", "true 1"),
        ("table.remove(redis)", "true"),
        ("table.remove()", r#"false "user_script:17: bad argument #1 to 'remove' (table expected, got no value)""#),
        ("table.remove(5)", r#"false "user_script:17: bad argument #1 to 'remove' (table expected, got number)""#),
        (
            "table.remove({1}, {})",
            r#"false "user_script:17: bad argument #2 to 'remove' (number expected, got table)""#,
        ),
    ]);
}

#[test]
fn the_removal_of_an_early_element_can_be_stopped() {
    check_stops(&["local t = {} for i = 1, 1e6 do t[i] = 1 end while true do table.remove(t, 1) end"]);
    check_pauses(&[("local t = {} for i = 1, 1e6 do t[i] = 1 end for i = 1, 3 do table.remove(t, 1) end", 500)]);
}
