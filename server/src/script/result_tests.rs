//! Results against their bounds, and against how deep they nest in Redis 7.0.15.

use std::fmt::Write;

use crate::script::libs::testing::{check_stops, run, run_within};

fn reply_to(source: &str) -> String {
    run(source, usize::MAX).0
}

/// Tables that are in each other so often that no memory holds what they are as a reply.
const ENDLESS: &[&str] = &[
    "local t = {} t[1] = t t[2] = t return t",
    "local t = {1} for i = 1, 60 do t = {t, t} end return t",
    "local t = {1} for i = 1, 60 do t = {map = {a = t, b = t}} end return t",
    "local t = {1} for i = 1, 60 do t = {map = {[t] = t}} end return t",
    "local t = {1} for i = 1, 60 do t = {set = {[t] = 1, x = 1, [{t, t}] = 1}} end return t",
    "local t = {} for i = 1, 1000 do t[i] = 1 end for l = 1, 3 do local u = {} for i = 1, 1000 do u[i] = t end t = u end return t",
    "local s, t = ('x'):rep(1e6), {} for i = 1, 5000 do t[i] = s end return t",
    "local s, t = ('x'):rep(1e6), {} for i = 1, 5000 do t[i] = {err = s} end return t",
    "local s, t = ('x'):rep(1e6), {} for i = 1, 5000 do t[i] = {verbatim_string = {format = 'txt', string = s}} end return t",
];

#[test]
fn a_result_is_no_larger_than_the_memory_of_a_script() {
    for source in ENDLESS {
        let (reply, _) = run_within(4 << 20, source, usize::MAX);
        assert_eq!(reply, "-ERR not enough memory (script-memory-limit)\r\n", "{source}");
    }
}

#[test]
fn a_result_that_is_written_can_be_stopped() {
    check_stops(ENDLESS);
}

#[test]
fn a_large_result_is_written_as_a_small_one() {
    for count in [10, 999, 1000, 1001, 5000] {
        let source = format!(
            "local t = {{}} for i = 1, {count} do t[i] = {{i, 'x' .. i, {{map = {{[i] = false}}}}, {{ok = 'y'}}, nil, 5}} end return t"
        );
        let mut wanted = format!("*{count}\r\n");
        for number in 1..=count {
            let text = format!("x{number}");
            let _ = write!(wanted, "*4\r\n:{number}\r\n${}\r\n{text}\r\n*2\r\n:{number}\r\n$-1\r\n+y\r\n", text.len());
        }
        assert!(reply_to(&source) == wanted, "{count}");
    }
    let long = reply_to("local s = ('x'):rep(1e6) return {s, {s}}");
    assert_eq!(long.len(), 2_000_000 + "*2\r\n$1000000\r\n\r\n*1\r\n$1000000\r\n\r\n".len());
}

#[test]
fn results_nest_as_deep_as_in_redis() {
    let nested = |table: &str, levels: usize| {
        reply_to(&format!("local t = {{1}} for i = 1, {levels} do t = {table} end return t"))
    };
    let cut = "-ERR reached lua stack limit\r\n";
    for levels in [0, 1, 30, 31, 32, 33, 255, 256, 257, 7993] {
        assert_eq!(nested("{t}", levels), "*1\r\n".repeat(levels + 1) + ":1\r\n");
    }
    for levels in [7994, 7995, 9000] {
        assert_eq!(nested("{t}", levels), "*1\r\n".repeat(7995) + cut);
    }
    let maps = nested("{map = {a = t}}", 3000);
    assert_eq!(maps.matches("$1\r\na\r\n").count(), 2664);
    assert!(maps.ends_with(&format!("*2\r\n{cut}{cut}")));
    assert_eq!(nested("{set = {[t] = 1}}", 3000), "*1\r\n".repeat(2665) + cut);
}

#[test]
fn a_result_that_failed_leaves_nothing_for_the_next_script() {
    assert_eq!(reply_to("return {1, {2}}"), "*2\r\n:1\r\n*1\r\n:2\r\n");
    assert_eq!(reply_to("return {err = 'MY error'}"), "-MY error\r\n");
    assert_eq!(
        reply_to("return {{err = 'MY error'}, {ok = 'a\\r\\nb'}, {big_number = '12'}, {double = 1.5}}"),
        "*4\r\n-MY error\r\n+a  b\r\n$2\r\n12\r\n$3\r\n1.5\r\n"
    );
}
