//! `tonumber` against Lua's own, which is what runs when a base is given.

use proptest::prelude::*;

use crate::script::libs::testing::{check, run};

/// The first of these texts that Lua's function takes for another number, `same` if there is none.
fn first_difference(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| format!("[==[{text}]==]")).collect();
    let source = format!(
        "for _, text in ipairs({{{}}}) do
           local ours, luas = tonumber(text), tonumber(text, 10)
           local are_same = ours == luas or ours ~= ours and luas ~= luas
           if not are_same or ours == 0 and 1 / ours ~= 1 / luas then return 'other: ' .. text end
         end
         return 'same'",
        quoted.join(",")
    );
    run(&source, usize::MAX).0
}

proptest! {
    #[test]
    fn texts_are_the_numbers_that_they_are_in_lua(
        short in prop::collection::vec("-?[0-9]{0,17}(\\.[0-9]{0,17})?", 50),
        other in prop::collection::vec("[ -]?[0-9a-fxXeE.+ -]{0,9}", 50),
    ) {
        prop_assert_eq!(first_difference(&[short, other].concat()), "$4\r\nsame\r\n");
    }
}

#[test]
fn what_is_special_about_a_text_is_known() {
    let texts = [
        "",
        "-",
        ".",
        "-.",
        "0",
        "-0",
        "-0.0",
        "00012",
        "5.",
        ".5",
        "-.5",
        "1.2.3",
        "--1",
        "1-",
        "+1",
        " 1",
        "1 ",
        "0x10",
        "1e3",
        "inf",
        "nan",
        "999999999999999",
        "9999999999999999",
        "0.000000000000001",
        "123456789012345678",
        "0.1",
        "0.3",
        "9007199254740993",
        "1\0",
        "1,5",
        "١",
    ];
    assert_eq!(first_difference(&texts.map(str::to_owned)), "$4\r\nsame\r\n");
}

#[test]
fn what_is_no_text_is_left_to_lua() {
    check(&[
        ("tonumber(12.5)", "true 12.5"),
        ("tonumber(nil)", "true nil"),
        ("tonumber({})", "true nil"),
        ("tonumber(true)", "true nil"),
        (r#"tonumber("10", 2), tonumber("z", 36), tonumber("8", 8)"#, "true 2 35 nil"),
        (r#"tonumber("7", nil), tonumber(" 7 "), tonumber("0x1F")"#, "true 7 7 31"),
        ("tonumber()", r#"false "user_script:17: bad argument #1 to 'tonumber' (value expected)""#),
        (r#"tonumber("1", 99)"#, r#"false "user_script:17: bad argument #2 to 'tonumber' (base out of range)""#),
    ]);
}
