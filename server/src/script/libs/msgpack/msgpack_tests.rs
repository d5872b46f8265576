//! `cmsgpack` against what Redis 7.0.15 replies.

use crate::script::libs::testing::{check, check_memory, check_stops};

#[test]
fn what_takes_long_can_be_stopped_and_is_no_larger_than_the_memory() {
    check_stops(&[
        "local t = {} for i = 1, 1e4 do t[i] = t[i - 1] or 1 end return #cmsgpack.pack({t, t, t, t, t, t}, {t, t, t, t})",
        "return #cmsgpack.unpack('\\221\\0\\15\\66\\64' .. string.rep('\\1', 1e6))",
    ]);
    check_memory(&[
        "local t = {string.rep('x', 1e6)} for i = 2, 100 do t[i] = t[1] end return #cmsgpack.pack(t)",
        "return #cmsgpack.unpack('\\221\\0\\76\\75\\64' .. string.rep('\\144', 5e6))",
    ]);
}

#[test]
fn values_take_as_few_bytes_as_they_need() {
    check(&[
        (
            "cmsgpack.pack(nil, true, false, cjson.null, print or string.find)",
            r#"false "user_script:17: Script attempted to access nonexistent global variable 'print'""#,
        ),
        (
            "cmsgpack.pack(0, 127, 128, 255, 256, 65535, 65536, 2^32 - 1, 2^32, 2^53)",
            r#"true "\000\127\204\128\204\255\205\001\000\205\255\255\206\000\001\000\000\206\255\255\255\255\207\000\000\000\001\000\000\000\000\207\000 \000\000\000\000\000\000""#,
        ),
        (
            "cmsgpack.pack(-1, -32, -33, -128, -129, -32768, -32769, -2^31, -2^31 - 1, -2^63)",
            r#"true "\255\224\208\223\208\128\209\255\127\209\128\000\210\255\255\127\255\210\128\000\000\000\211\255\255\255\255\127\255\255\255\211\128\000\000\000\000\000\000\000""#,
        ),
        (
            "cmsgpack.pack(2^62, 2^63, 2^64, -2^64, -0, 1e300)",
            r#"true "\207@\000\000\000\000\000\000\000\202_\000\000\000\202_\128\000\000\202\223\128\000\000\000\203~7\228<\136\000u\156""#,
        ),
        (
            "cmsgpack.pack(1.5, 0.1, 1/0, -1/0, 1/3, 3.5e38)",
            r#"true "\202?\192\000\000\203?\185\153\153\153\153\153\154\202\127\128\000\000\202\255\128\000\000\203?\213UUUUUU\203G\240t\248\196\211\205{""#,
        ),
        (
            r#"cmsgpack.pack("", "abc", string.rep("x", 31))"#,
            r#"true "\160\163abc\191xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx""#,
        ),
        (
            r#"#cmsgpack.pack(string.rep("x", 32)), #cmsgpack.pack(string.rep("x", 255)), #cmsgpack.pack(string.rep("x", 256))"#,
            "true 34 257 259",
        ),
        (r#"#cmsgpack.pack(string.rep("x", 65535)), #cmsgpack.pack(string.rep("x", 65536))"#, "true 65538 65541"),
    ]);
}

#[test]
fn tables_are_arrays_or_maps() {
    check(&[
        (
            "cmsgpack.pack({}, {1, 2, 3}, {1, nil, 3}, {a = 1}, {1, a = 2})",
            r#"true "\144\147\001\002\003\130\001\001\003\003\129\161a\001\130\001\001\161a\002""#,
        ),
        (
            "cmsgpack.pack({[2] = 1}, {[0] = 1}, {[1.5] = 1}, {[2^31] = 1}, {[-1] = 1})",
            r#"true "\129\002\001\129\000\001\129\202?\192\000\000\001\129\206\128\000\000\000\001\129\255\001""#,
        ),
        (
            "cmsgpack.pack({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})",
            r#"true "\220\000\016\001\002\003\004\005\006\007\008\009\010\011\012\013\014\015\016""#,
        ),
    ]);
}

/// CVE-2018-11218.
#[test]
fn what_nests_too_deep_is_nil() {
    check(&[
        (
            "(function() local t = {} t[1] = t return cmsgpack.pack(t) end)()",
            r#"true "\145\145\145\145\145\145\145\145\145\145\145\145\145\145\145\145\192""#,
        ),
        (
            "(function() local t = {} t.x = t return cmsgpack.pack(t) end)()",
            r#"true "\129\161x\129\161x\129\161x\129\161x\129\161x\129\161x\129\161x\129\161x\129\161x\129\161x\129\161x\129\161x\129\161x\129\161x\129\161x\129\161x\192""#,
        ),
    ]);
}

#[test]
fn bytes_become_values() {
    check(&[
        (r#"cmsgpack.unpack("\1\127\224\255\192\194\195")"#, "true 1 127 -32 -1 nil false true"),
        (
            r#"cmsgpack.unpack("\204\255\205\255\255\206\255\255\255\255\208\128\209\128\0\210\128\0\0\0")"#,
            "true 255 65535 4294967295 -128 -32768 -2147483648",
        ),
        (
            r#"cmsgpack.unpack("\207\255\255\255\255\255\255\255\255\207\127\255\255\255\255\255\255\255\211\128\0\0\0\0\0\0\0")"#,
            "true -1 9.2233720368547758e+18 -9.2233720368547758e+18",
        ),
        (r#"cmsgpack.unpack("\202\63\192\0\0\203\63\248\0\0\0\0\0\0")"#, "true 1.5 1.5"),
        (r#"cmsgpack.unpack("\163abc\217\1a\218\0\1b\219\0\0\0\1c")"#, r#"true "abc" "a" "b" "c""#),
        (r#"cmsgpack.unpack("\147\1\192\3\220\0\1\5\221\0\0\0\0")"#, "true {1=1,3=3} {1=5} {}"),
        (r#"cmsgpack.unpack("\129\161a\1\222\0\1\1\2\223\0\0\0\1\195\144")"#, r#"true {"a"=1} {1=2} {true={}}"#),
        (r#"cmsgpack.unpack("\146\129\161a\147\1\2\3\144")"#, r#"true {1={"a"={1=1,2=2,3=3}},2={}}"#),
        ("cmsgpack.unpack(cmsgpack.pack({a = {b = {1, 2, {c = 3}}}}))", r#"true {"a"={"b"={1=1,2=2,3={"c"=3}}}}"#),
        (r#"cmsgpack.unpack("")"#, "true"),
        ("cmsgpack.unpack(5)", "true 53"),
    ]);
}

#[test]
fn some_values_are_read_from_an_offset() {
    check(&[
        (r#"cmsgpack.unpack_one("\1\2\3")"#, "true 1 1"),
        (r#"cmsgpack.unpack_one("\1\2\3", 1)"#, "true 2 2"),
        (r#"cmsgpack.unpack_one("\1\2\3", 2)"#, "true -1 3"),
        (r#"cmsgpack.unpack_one("\1\2\3", 3)"#, "true -1"),
        (r#"cmsgpack.unpack_limit("\1\2\3", 2)"#, "true 2 1 2"),
        (r#"cmsgpack.unpack_limit("\1\2\3", 2, 1)"#, "true -1 2 3"),
        (r#"cmsgpack.unpack_limit("\1\2\3", 0, 1)"#, "true 1"),
        (r#"cmsgpack.unpack_limit("\1\2\3", 0, 0)"#, "true 1 2 3"),
        (
            r#"cmsgpack.unpack_limit("\1\2\3", -1, 5)"#,
            r#"false "user_script:17: Invalid request to unpack with offset of 5 and limit of 3.""#,
        ),
        (
            r#"cmsgpack.unpack_one("\1\2\3", -1)"#,
            r#"false "user_script:17: Invalid request to unpack with offset of -1 and limit of 3.""#,
        ),
        (
            r#"cmsgpack.unpack_one("\1\2\3", 2^32)"#,
            r#"false "user_script:17: Start offset 0 greater than input length 3.""#,
        ),
        (
            r#"cmsgpack.unpack_one("\1\2\3", 1e20)"#,
            r#"false "user_script:17: Invalid request to unpack with offset of 0 and limit of 3.""#,
        ),
        (r#"cmsgpack.unpack_limit("\1\2\3", 2^32)"#, "true -1 1 2 3"),
        (
            r#"cmsgpack.unpack_one("\1\2\3", 50)"#,
            r#"false "user_script:17: Start offset 50 greater than input length 3.""#,
        ),
    ]);
}

#[test]
fn wrong_bytes_are_refused() {
    check(&[
        (r#"cmsgpack.unpack("\193")"#, r#"false "user_script:17: Bad data format in input.""#),
        (r#"cmsgpack.unpack("\1\196")"#, r#"false "user_script:17: Bad data format in input.""#),
        (r#"cmsgpack.unpack("\146")"#, r#"false "user_script:17: Missing bytes in input.""#),
        (r#"cmsgpack.unpack("\146\1")"#, r#"false "user_script:17: Missing bytes in input.""#),
        (r#"cmsgpack.unpack("\129\1")"#, r#"false "user_script:17: Missing bytes in input.""#),
        (r#"cmsgpack.unpack("\165abc")"#, r#"false "user_script:17: Missing bytes in input.""#),
        (r#"cmsgpack.unpack("\219\255\255\255\255abc")"#, r#"false "user_script:17: Missing bytes in input.""#),
        (r#"cmsgpack.unpack("\221\255\255\255\255")"#, r#"false "user_script:17: Missing bytes in input.""#),
        (r#"cmsgpack.unpack("\223\255\255\255\255\1")"#, r#"false "user_script:17: Missing bytes in input.""#),
        (r#"cmsgpack.unpack("\205\1")"#, r#"false "user_script:17: Missing bytes in input.""#),
        (r#"cmsgpack.unpack("\129\192\1")"#, r#"false "table index is nil""#),
        (r#"cmsgpack.unpack("\129" .. cmsgpack.pack(0/0) .. "\1")"#, r#"false "table index is NaN""#),
    ]);
}

/// CVE-2018-11218.
#[test]
fn nesting_and_results_fit_on_the_stack() {
    check(&[
        (
            r#"cmsgpack.unpack(string.rep("\145", 9000) .. "\1")"#,
            r#"false "user_script:17: stack overflow (in function mp_decode_to_lua_array)""#,
        ),
        (
            r#"cmsgpack.unpack(string.rep("\129\1", 9000) .. "\1")"#,
            r#"false "user_script:17: stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)""#,
        ),
        (
            r#"cmsgpack.unpack(string.rep("\1", 9000))"#,
            r#"false "user_script:17: stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)""#,
        ),
        (r##"select("#", cmsgpack.unpack(string.rep("\1", 7990)))"##, "true 7990"),
        (r#"type(cmsgpack.unpack(string.rep("\145", 3900) .. "\1"))"#, r#"true "table""#),
    ]);
}

#[test]
fn wrong_arguments_are_named() {
    check(&[
        ("cmsgpack.pack()", r#"false "user_script:17: bad argument #0 to 'pack' (MessagePack pack needs input.)""#),
        (
            "cmsgpack.pack(unpack({}, 1, 5000))",
            r#"false "user_script:17: bad argument #0 to 'pack' (Too many arguments for MessagePack pack.)""#,
        ),
        ("cmsgpack.unpack()", r#"false "user_script:17: bad argument #1 to 'unpack' (string expected, got no value)""#),
        ("cmsgpack.unpack({})", r#"false "user_script:17: bad argument #1 to 'unpack' (string expected, got table)""#),
        (
            r#"cmsgpack.unpack_limit("\1")"#,
            r#"false "user_script:17: bad argument #2 to 'unpack_limit' (number expected, got no value)""#,
        ),
        (
            r#"cmsgpack.unpack_one("\1", "x")"#,
            r#"false "user_script:17: bad argument #2 to 'unpack_one' (number expected, got string)""#,
        ),
    ]);
}

#[test]
fn the_library_names_itself() {
    check(&[(
        "cmsgpack._NAME, cmsgpack._VERSION, cmsgpack._COPYRIGHT, cmsgpack._DESCRIPTION",
        r#"true "cmsgpack" "lua-cmsgpack 0.4.0" "Copyright (C) 2012, Salvatore Sanfilippo" "MessagePack C implementation for Lua""#,
    )]);
}
