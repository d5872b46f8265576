//! Patterns against what Redis 7.0.15 makes of them.

use crate::script::libs::testing::{check, check_memory, check_pauses, check_stops, run};

#[test]
fn what_takes_long_can_be_stopped() {
    check_stops(&[
        "return string.find(string.rep('a', 30), '.-.-.-.-.-.-.-.-.-b')",
        "return string.match(string.rep('a', 1e5), '.*.*.*b')",
        "return string.gsub(string.rep('a', 1e6), 'a', 'bb')",
        "for a in string.gmatch(string.rep('a', 1e5), 'a*b') do end",
        "return string.find(string.rep('a', 1e7), 'b', 1, true)",
        "return string.find(string.rep('a', 1e7), '^a*$')",
        "return string.find(string.rep('(', 1e7), '%b()')",
        "return string.find(string.rep('a', 1e4), '[' .. string.rep('b', 1e4) .. ']')",
        "return string.rep('a', 5e7)",
    ]);
}

#[test]
fn many_short_calls_pause_as_often_as_a_long_one() {
    let (_, pauses) = run("for i = 1, 1000 do string.find(string.rep('a', 1000), 'b.') end", usize::MAX);
    assert!(pauses > 10, "{pauses}");
}

#[test]
fn results_are_no_larger_than_the_memory() {
    check_memory(&[
        "return string.rep('x', 1e9)",
        "return string.rep(string.rep('x', 1e6), 1e6)",
        "return #string.gsub(string.rep('x', 1e6), 'x', string.rep('y', 1000))",
        "return #string.gsub('x', 'x', function() return string.rep('y', 7e7) end)",
        "local s = string.rep('a', 4e6) .. 'x' \
         local function nested() return (string.gsub(s, 'x', nested)) end return #nested()",
    ]);
}

#[test]
fn garbage_makes_room_for_a_result() {
    let (reply, _) = run("for i = 1, 10 do string.rep('x', 2e7 + i) end return 1", usize::MAX);
    assert_eq!(reply, ":1\r\n");
}

#[test]
fn a_pattern_has_a_limited_number_of_choices() {
    check(&[("string.find('x', string.rep('a-', 1e5))", r#"false "user_script:17: pattern too complex""#)]);
}

#[test]
fn texts_are_found() {
    check(&[
        (r#"string.find("THE (quick) fox", "%((%a+)%)")"#, r#"true 5 11 "quick""#),
        (r#"string.find("a.b", ".", 1, true)"#, "true 2 2"),
        (r#"string.find("a.b", "%.", -2)"#, "true 2 2"),
        (r#"string.find("a.b", ".", -10)"#, "true 1 1"),
        (r#"string.find("abc", "", 10)"#, "true 4 3"),
        (r#"string.find("abc", "", 4)"#, "true 4 3"),
        (r#"string.find("", "")"#, "true 1 0"),
        (r#"string.find("a\0b", "\0b")"#, "true 2 3"),
        (r#"string.find("a\0.b", "\0.b")"#, "true 2 4"),
        (r#"string.find("a\0b", "a%zb")"#, "true 1 3"),
        ("string.find(123, 2)", "true 2 2"),
        (r#"string.find(string.rep("a", 300000) .. "b", "b")"#, "true 300001 300001"),
        (r#"string.find(string.rep("ab", 300000) .. "c", "bc", 1, true)"#, "true 600000 600001"),
        (r#"string.find(string.rep("a", 300000) .. "b", "a*b")"#, "true 1 300001"),
    ]);
}

#[test]
fn items_repeat_as_often_as_they_can_or_must() {
    check(&[
        (
            r#"string.match("aaab", "a*"), string.match("aaab", "a-b"), string.match("aaab", "a+"), string.match("aaab", "a?a?a?a?b")"#,
            r#"true "aaa" "aaab" "aaa" "aaab""#,
        ),
        (
            r#"string.match("b", "a*b"), string.match("b", "a+b"), string.match("aXb", "a.-b"), string.match("", "a*")"#,
            r#"true "b" nil "aXb" """#,
        ),
        (r#"string.match("abcabc", "(a.-c)"), string.match("abcabc", "(a.*c)")"#, r#"true "abc" "abcabc""#),
        (r#"string.find("x", string.rep("a*", 3000))"#, "true 1 0"),
    ]);
}

#[test]
fn sets_and_classes_match_bytes() {
    check(&[
        (
            r#"string.match("]", "[]]"), string.match("^", "[%^]"), string.match("a-c", "[a%-]+"), string.match("b", "[^a]")"#,
            r#"true "]" "^" "a-" "b""#,
        ),
        (
            r#"string.match("a-z", "[a-]+"), string.match("-", "[+--]"), string.match("5f", "%x+"), string.match("é", "%a")"#,
            r#"true "a-" "-" "5f" nil"#,
        ),
        (
            r#"string.match(" \t\n\v\f\rx", "%s+"), string.match("a_1", "[%w_]+"), string.match("A", "%L"), string.match("\127", "%c")"#,
            r#"true " \009\010\011\012\013" "a_1" "A" "\127""#,
        ),
        (r#"string.match("a%", "%%"), string.match("a.b", "%."), string.match("%d", "%%d")"#, r#"true "%" "." "%d""#),
    ]);
}

#[test]
fn stretches_and_frontiers_are_found() {
    check(&[
        (
            r#"string.match("x(a(b)c)y", "%b()"), string.match("xxaxx", "%bxx"), string.match("(", "%b()")"#,
            r#"true "(a(b)c)" "xx" nil"#,
        ),
        (
            r#"string.match("THE (quick) fox", "%f[%a]%a+", 2), string.gsub("THE (quick) fox", "%f[%a]%a+%f[%A]", "x")"#,
            r#"true "quick" "x (x) x" 3"#,
        ),
    ]);
}

#[test]
fn captures_are_remembered() {
    check(&[
        (r#"string.match("key = value", "^(%w+)%s*=%s*(%w+)$")"#, r#"true "key" "value""#),
        (
            r#"string.match("abc", "()b()"), string.match("abcabc", "(a(b)(c))%1"), string.match("aa", "(a)%1")"#,
            r#"true 2 "abc" "a""#,
        ),
        (
            r#"string.match("hello", "((h)(e))"), string.match("x", string.rep("()", 32))"#,
            r#"true "he" 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"#,
        ),
    ]);
}

#[test]
fn every_match_is_seen_once() {
    check(&[
        (
            r#"(function() local t = {} for w in string.gmatch("one two  three", "%a+") do t[#t + 1] = w end return t end)()"#,
            r#"true {1="one",2="two",3="three"}"#,
        ),
        (
            r#"(function() local t = {} for k, v in string.gmatch("a=1, b=2", "(%w+)=(%w+)") do t[#t + 1] = k .. v end return t end)()"#,
            r#"true {1="a1",2="b2"}"#,
        ),
        (
            r#"(function() local t = {} for w in string.gmatch("abc", "()") do t[#t + 1] = w end return t end)()"#,
            "true {1=1,2=2,3=3,4=4}",
        ),
        (
            r#"(function() local t = {} for w in string.gmatch("^a^a", "^a") do t[#t + 1] = w end return t end)()"#,
            r#"true {1="^a",2="^a"}"#,
        ),
        ("string.gfind == string.gmatch", "true true"),
    ]);
}

#[test]
fn matches_are_replaced() {
    check(&[
        (r#"string.gsub("hello world", "o", "0", 1)"#, r#"true "hell0 world" 1"#),
        (r#"string.gsub("hello world", "(o)", "[%1%0%%%x]")"#, r#"true "hell[oo%x] w[oo%x]rld" 2"#),
        (r#"string.gsub("hello", "", "-")"#, r#"true "-h-e-l-l-o-" 6"#),
        (r#"string.gsub("hello", "^h", "J")"#, r#"true "Jello" 1"#),
        (r#"string.gsub("hello", "l*", "x")"#, r#"true "xhxexxox" 5"#),
        (r#"string.gsub("abc", "%w", "%")"#, r#"true "\000\000\000" 3"#),
        (r#"string.gsub("abc", "(.)(.)", {a = "X"})"#, r#"true "Xc" 1"#),
        (r#"string.gsub("abc", ".", {a = 1, b = false, c = 1.5})"#, r#"true "1b1.5" 3"#),
        (r#"string.gsub("abc", ".", function(x) if x ~= "b" then return x .. x end end)"#, r#"true "aabcc" 3"#),
        (r#"string.gsub("abc", "()", function(x) return x end)"#, r#"true "1a2b3c4" 4"#),
        (r#"string.gsub("abc", "b", 5)"#, r#"true "a5c" 1"#),
        (r#"string.gsub(123, 2, "x")"#, r#"true "1x3" 1"#),
        (r#"string.gsub("aaaa", "a", "b", 2^32 + 1)"#, r#"true "baaa" 1"#),
        (r#"string.gsub("a", "a", "b", -1)"#, r#"true "a" 0"#),
    ]);
}

#[test]
fn metamethods_find_replacements() {
    check(&[
        (
            r#"string.gsub("abc", ".", setmetatable({}, {__index = function(t, k) return "<" .. k .. ">" end}))"#,
            r#"true "<a><b><c>" 3"#,
        ),
        (
            r#"string.gsub("abc", ".", setmetatable({}, {__index = setmetatable({a = 1}, {__index = {b = 2}})}))"#,
            r#"true "12c" 3"#,
        ),
        (r#"string.gsub("abc", ".", setmetatable({}, {__index = 5}))"#, r#"false "attempt to index a number value""#),
        (r#"string.gsub("a", "a", setmetatable({}, {__index = true}))"#, r#"false "attempt to index a boolean value""#),
        (
            r#"(function() local t = {} setmetatable(t, {__index = t}) return string.gsub("a", "a", t) end)()"#,
            r#"false "loop in gettable""#,
        ),
    ]);
}

#[test]
fn errors_of_replacements_are_raised() {
    check(&[
        (r#"string.gsub("a", "a", function() error("x") end)"#, r#"false "user_script:17: x""#),
        (r#"string.gsub("a", "a", function() error({1}) end)"#, "false {1=1} nil"),
        (
            r#"string.gsub("a", "a", function() return {} end)"#,
            r#"false "user_script:17: invalid replacement value (a table)""#,
        ),
        (r#"string.gsub("a", "a", {a = true})"#, r#"false "user_script:17: invalid replacement value (a boolean)""#),
        (r#"string.gsub("a", "a", "%2")"#, r#"false "user_script:17: invalid capture index""#),
    ]);
}

#[test]
fn malformed_patterns_are_refused() {
    check(&[
        (r#"string.find("a", "%")"#, r#"false "user_script:17: malformed pattern (ends with '%')""#),
        (r#"string.find("a", "[")"#, r#"false "user_script:17: malformed pattern (missing ']')""#),
        (r#"string.find("a", "[^")"#, r#"false "user_script:17: malformed pattern (missing ']')""#),
        (r#"string.find("a", "[]")"#, r#"false "user_script:17: malformed pattern (missing ']')""#),
        (r#"string.find("a", "[^]")"#, r#"false "user_script:17: malformed pattern (missing ']')""#),
        (r#"string.find("a", "[%]")"#, r#"false "user_script:17: malformed pattern (missing ']')""#),
        (r#"string.find("a", "[%")"#, r#"false "user_script:17: malformed pattern (missing ']')""#),
        (r#"string.find("a", "[a-")"#, r#"false "user_script:17: malformed pattern (missing ']')""#),
        (r#"string.find("a", "%f")"#, r#"false "user_script:17: missing '[' after '%f' in pattern""#),
        (r#"string.find("a", "%f[")"#, r#"false "user_script:17: malformed pattern (missing ']')""#),
        (r#"string.find("a", "%b")"#, r#"false "user_script:17: unbalanced pattern""#),
        (r#"string.find("a", "%bx")"#, r#"false "user_script:17: unbalanced pattern""#),
        (r#"string.find("a", "(a")"#, r#"false "user_script:17: unfinished capture""#),
        (r#"string.find("a", ".)")"#, r#"false "user_script:17: invalid pattern capture""#),
        (r#"string.find("a", "%1")"#, r#"false "user_script:17: invalid capture index""#),
        (r#"string.find("a", "%0")"#, r#"false "user_script:17: invalid capture index""#),
        (r#"string.find("aa", "(a%1)")"#, r#"false "user_script:17: invalid capture index""#),
        (r#"string.find("aa", "()%1")"#, "true nil"),
        (r#"string.match("x", string.rep("()", 33))"#, r#"false "user_script:17: too many captures""#),
        (r#"string.match("x", string.rep("(", 33))"#, r#"false "user_script:17: too many captures""#),
    ]);
}

#[test]
fn wrong_arguments_are_named() {
    check(&[
        ("string.find()", r#"false "user_script:17: bad argument #1 to 'find' (string expected, got no value)""#),
        (r#"string.find("a")"#, r#"false "user_script:17: bad argument #2 to 'find' (string expected, got no value)""#),
        (
            r#"string.find("a", "b", {})"#,
            r#"false "user_script:17: bad argument #3 to 'find' (number expected, got table)""#,
        ),
        (
            r#"string.gmatch("a")"#,
            r#"false "user_script:17: bad argument #2 to 'gmatch' (string expected, got no value)""#,
        ),
        (
            r#"string.gsub("a", "a")"#,
            r#"false "user_script:17: bad argument #3 to 'gsub' (string/function/table expected)""#,
        ),
        (
            r#"string.gsub("a", "a", true)"#,
            r#"false "user_script:17: bad argument #3 to 'gsub' (string/function/table expected)""#,
        ),
        (
            r#"string.gsub("a", "a", "b", {})"#,
            r#"false "user_script:17: bad argument #4 to 'gsub' (number expected, got table)""#,
        ),
        (r#"("x"):rep({})"#, r#"false "user_script:17: bad argument #1 to 'rep' (number expected, got table)""#),
        ("string.rep({}, 1)", r#"false "user_script:17: bad argument #1 to 'rep' (string expected, got table)""#),
        (r#"string.rep("x")"#, r#"false "user_script:17: bad argument #2 to 'rep' (number expected, got no value)""#),
        (r#"("x").rep()"#, r#"false "user_script:17: bad argument #1 to 'rep' (string expected, got no value)""#),
    ]);
}

#[test]
fn texts_are_repeated() {
    check(&[
        (
            r#"string.rep("ab", 3), string.rep("a", -1), string.rep("a", 2.9), string.rep("", 10), string.rep(5, "2"), string.rep("a", 2^32 + 3)"#,
            r#"true "ababab" "" "aa" "" "55" "aaa""#,
        ),
        (r#"#string.rep("abc", 1e5 + 1)"#, "true 300003"),
    ]);
}

#[test]
fn texts_are_made_of_texts() {
    check(&[
        (
            r#"("x"):upper(), ("aZ\195\164{"):upper(), ("aZ[\200"):lower(), ("abc\0d"):reverse(), (""):reverse()"#,
            r#"true "X" "AZ\195\164{" "az[\200" "d\000cba" """#,
        ),
        ("string.upper(12), string.lower(1e20), string.reverse(-1.5)", r#"true "12" "1e+20" "5.1-""#),
        ("string.upper()", r#"false "user_script:17: bad argument #1 to 'upper' (string expected, got no value)""#),
        ("string.upper({})", r#"false "user_script:17: bad argument #1 to 'upper' (string expected, got table)""#),
        (r#"("x").lower(nil)"#, r#"false "user_script:17: bad argument #1 to 'lower' (string expected, got nil)""#),
        (
            "(function() local s = ('ab'):rep(3e5) return s:reverse() == ('ba'):rep(3e5), s:upper() == ('AB'):rep(3e5) end)()",
            "true true true",
        ),
    ]);
}

/// What is one instruction of Lua takes as long as its texts are.
#[test]
fn work_on_long_texts_pauses_and_can_be_stopped() {
    let texts = "local s, t = ('x'):rep(4e6), ('x'):rep(4e6 - 1) .. 'y' ";
    for work in ["s:upper()", "s:lower()", "s:reverse()", "local _ = s .. 'a'", "redis.sha1hex(s)", "local _ = s < t"] {
        check_stops(&[&format!("{texts} while true do {work} end")]);
        check_pauses(&[(&format!("{texts} for i = 1, 200 do {work} end"), 7)]);
    }
}
