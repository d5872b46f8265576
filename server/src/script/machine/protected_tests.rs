//! Protected calls and coroutines against what Redis 7.0.15 makes of them, and against scripts that do not want to end.

use crate::script::libs::testing::{check, check_pauses, run};

#[test]
fn a_handler_gets_the_error_and_replaces_it() {
    check(&[
        ("xpcall(function() return 1, 2 end, tostring)", "true true 1 2"),
        (r#"xpcall(function() error("x") end, function(e) return e .. "!" end)"#, r#"true false "user_script:17: x!""#),
        (r#"xpcall(function() error({1}) end, function(e) return e[1], 7 end)"#, "true false 1"),
        (r#"xpcall(function() error("x") end, tostring)"#, r#"true false "user_script:17: x""#),
        (r#"xpcall(function() error("x") end, pcall)"#, "true false false"),
        (
            r#"xpcall(function() error("x") end, coroutine.wrap(function(e) return e .. "?" end))"#,
            r#"true false "user_script:17: x?""#,
        ),
        (
            "xpcall(function() local function f() return 1 + f() end f() end, function(e) return string.sub(e, -60) end)",
            r#"true false "user_script:17: stack overflow""#,
        ),
        (r##"xpcall(function(...) return select("#", ...) end, tostring, 1, 2)"##, "true true 0"),
        ("xpcall(nil, tostring)", r#"true false "attempt to call a nil value""#),
        ("xpcall(1)", r#"false "user_script:17: bad argument #2 to 'xpcall' (value expected)""#),
        (
            r#"xpcall(function() return xpcall(function() error("in") end, function(e) return "h:" .. e end) end, tostring)"#,
            r#"true true false "h:user_script:17: in""#,
        ),
    ]);
}

#[test]
fn a_handler_that_fails_gets_its_own_error() {
    check(&[
        (
            r#"(function() local n = 0 return xpcall(function() error("x") end, function(e) n = n + 1 if n < 3 then error("y" .. n) end return e end) end)()"#,
            r#"true false "user_script:17: y2""#,
        ),
        (
            r#"(function() local n = 0 local a, b = xpcall(function() error("x") end, function(e) n = n + 1 error("y") end) return a, b, n end)()"#,
            r#"true false "error in error handling" 221"#,
        ),
        (r#"xpcall(function() error("x") end, nil)"#, r#"true false "error in error handling""#),
        (r#"xpcall(function() error("x") end, 5)"#, r#"true false "error in error handling""#),
    ]);
}

#[test]
fn coroutines_hand_over_values_and_errors() {
    check(&[
        (
            "(function() local c = coroutine.create(function(a) local b = coroutine.yield(a + 1) return b * 2 end) \
             return coroutine.resume(c, 5), select(2, coroutine.resume(c, 4)), coroutine.resume(c), coroutine.status(c) end)()",
            r#"true true 8 false "dead""#,
        ),
        ("coroutine.resume(5)", r#"false "user_script:17: bad argument #1 to 'resume' (coroutine expected)""#),
        ("coroutine.resume()", r#"false "user_script:17: bad argument #1 to 'resume' (coroutine expected)""#),
        ("coroutine.wrap(tostring)", r#"false "user_script:17: bad argument #1 to 'wrap' (Lua function expected)""#),
        ("coroutine.wrap()", r#"false "user_script:17: bad argument #1 to 'wrap' (Lua function expected)""#),
        (r#"coroutine.wrap(function() error("x") end)()"#, r#"false "user_script:17: user_script:17: x""#),
        (r#"coroutine.wrap(function() error("x", 0) end)()"#, r#"false "user_script:17: x""#),
        ("coroutine.wrap(function() error(5, 0) end)()", r#"false "user_script:17: 5""#),
        ("coroutine.wrap(function() error({1}) end)()", "false {1=1} nil"),
        ("coroutine.wrap(function(...) return ... end)(1, nil, 3)", "true 1 nil 3"),
        (
            "(function() local f = coroutine.wrap(function() return 1 end) return f(), f() end)()",
            r#"false "user_script:17: cannot resume dead coroutine""#,
        ),
        (
            "(function() local c c = coroutine.create(function() return coroutine.resume(c) end) return coroutine.resume(c) end)()",
            r#"true true false "cannot resume running coroutine""#,
        ),
        (
            "(function() local c local d = coroutine.create(function() return coroutine.status(c), coroutine.resume(c) end) \
             c = coroutine.create(function() return coroutine.resume(d) end) return coroutine.resume(c) end)()",
            r#"true true true "normal" false "cannot resume normal coroutine""#,
        ),
        (
            "coroutine.wrap(function() return pcall(coroutine.yield, 1) end)()",
            r#"true false "attempt to yield across metamethod/C-call boundary""#,
        ),
        (
            r##"coroutine.resume(coroutine.create(function(...) return select("#", ...) end), unpack({}, 1, 7000))"##,
            "true true 7000",
        ),
    ]);
}

#[test]
fn coroutines_nest_as_deep_as_in_redis() {
    check(&[
        (
            "(function() local d, f = 0 f = function() d = d + 1 return coroutine.wrap(f)() end local ok, e = pcall(f) return d, string.sub(e, -40) end)()",
            r#"true 198 "ipt:17: user_script:17: C stack overflow""#,
        ),
        (
            "(function() local d, f = 0 f = function() d = d + 1 return select(2, coroutine.resume(coroutine.create(f))) end return d, f(), d end)()",
            r#"true 0 "C stack overflow" 199"#,
        ),
    ]);
}

#[test]
fn a_reader_that_fails_is_an_error_of_load() {
    check(&[
        (r#"load(function() error("x") end)"#, r#"true nil "user_script:17: x""#),
        ("load(function() error({}) end)", "true nil {}"),
        ("load(function() return {} end)", r#"true nil "user_script:17: reader function must return a string""#),
        ("pcall(load, function() return {} end)", r#"true true nil "reader function must return a string""#),
    ]);
}

/// Scripts that catch every error and go on.
const STUBBORN: &[&str] = &[
    "xpcall(function() while true do end end, function() while true do end end)",
    "while true do xpcall(function() while true do end end, function() while true do end end) end",
    "xpcall(function() error('x') end, function() while true do end end)",
    "xpcall(function() error('x') end, function(e) while true do pcall(error, e) end end)",
    "local function h() return xpcall(function() while true do end end, h) end h()",
    "xpcall(function() while true do end end, coroutine.wrap(function() while true do coroutine.yield() end end))",
    "local function l(n) if n == 0 then while true do end end while true do pcall(coroutine.wrap(function() l(n - 1) end)) end end l(4)",
    "local function l(n) while true do coroutine.resume(coroutine.create(function() if n > 0 then l(n - 1) end while true do end end)) end end l(30)",
    "local c = coroutine.wrap(function() while true do pcall(function() while true do end end) end end) while true do pcall(c) end",
    "while true do load(function() while true do end end) end",
    "while true do pcall(string.gsub, 'a', 'a', function() while true do end end) end",
    "while true do pcall(table.sort, {1, 2, 3}, function() while true do end end) end",
    "local t = setmetatable({}, {__index = function() while true do end end}) while true do pcall(function() return t.x end) end",
    "while true do pcall(redis.call, 'x') xpcall(function() redis.call('x') end, function() redis.call('x') end) end",
    "while true do redis.pcall('x') coroutine.wrap(function() redis.call('x') end)() end",
    "while true do pcall(string.rep, 'x', 1e7) end",
];

#[test]
fn nothing_catches_the_end_of_a_script() {
    for source in STUBBORN {
        let (reply, pauses) = run(source, 3);
        assert!(reply.starts_with("-ERR killed"), "{source}: {reply:.200}");
        // It ends at once, whatever it is in.
        assert_eq!(pauses, 4, "{source}");
    }
}

#[test]
fn nothing_catches_that_the_memory_is_used_up() {
    for source in [
        "local t = {} while true do pcall(function() while true do t[#t + 1] = {} end end) end",
        "local t = {} xpcall(function() while true do t[#t + 1] = {} end end, function() while true do end end)",
        "local t = {} while true do pcall(coroutine.wrap(function() while true do t[#t + 1] = {} end end)) end",
    ] {
        let (reply, _) = run(source, 100_000);
        assert!(reply.contains("not enough memory"), "{source}: {reply:.200}");
    }
}

/// Each coroutine counts its own instructions.
#[test]
fn coroutines_that_run_for_a_moment_pause_together() {
    check_pauses(&[
        ("local function f() for i = 1, 4000 do end end for i = 1, 20000 do coroutine.wrap(f)() end", 100),
        ("local function f(n) for i = 1, 30 do if n > 0 then coroutine.wrap(f)(n - 1) end end end f(3)", 100),
    ]);
}
