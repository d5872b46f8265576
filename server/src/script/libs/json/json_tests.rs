//! `cjson` against what Redis 7.0.15 replies.

use crate::script::libs::testing::{check, check_memory, check_stops};

#[test]
fn what_takes_long_can_be_stopped_and_is_no_larger_than_the_memory() {
    check_stops(&[
        "local s = string.rep('a', 5e6) return #cjson.encode(s)",
        "local t = {} for i = 1, 1e4 do t[i] = 1 end return #cjson.encode({t, t, t, t, t, t, t, t, t, t})",
        "return #cjson.decode('[' .. string.rep('1,', 1e6) .. '1]')",
        "return #cjson.decode(string.rep(' ', 4e6) .. '[]')",
        "return #cjson.decode('\"' .. string.rep('a', 1e7) .. '\"')",
    ]);
    check_memory(&[
        "local t = {string.rep('x', 1e6)} for i = 2, 100 do t[i] = t[1] end return #cjson.encode(t)",
        "return #cjson.encode(string.rep('\\0', 2e7))",
        "return #cjson.decode('[' .. string.rep('[],', 1e6) .. '1]')",
        "cjson.encode_sparse_array(false, 0) return cjson.encode({[2147483647] = 1})",
    ]);
}

#[test]
fn a_table_that_is_its_own_part_does_not_overflow_anything() {
    check(&[(
        "cjson.encode_max_depth(2147483647) == 2147483647 and (function() local t = {} t[1] = t return cjson.encode(t) end)()",
        r#"false "user_script:17: Cannot serialise, excessive nesting (7998)""#,
    )]);
}

#[test]
fn values_become_json() {
    check(&[
        (r#"cjson.encode({1, "a", true, false, cjson.null, {}})"#, r#"true "[1,"a",true,false,null,{}]""#),
        (
            r#"cjson.encode("a/b\"\\\b\f\n\r\t\1\31\127\128\255")"#,
            r#"true ""a\/b\"\\\b\f\n\r\t\u0001\u001f\u007f\128\255"""#,
        ),
        (
            r#"cjson.encode({a = {b = {c = {}}}}), cjson.encode(nil), cjson.encode(5), cjson.encode("")"#,
            r#"true "{"a":{"b":{"c":{}}}}" "null" "5" """""#,
        ),
        (
            "cjson.encode({1, 2, a = 3}), cjson.encode({[1.5] = 1}), cjson.encode({[-1] = 1}), cjson.encode({[0] = 1})",
            r#"true "{"1":1,"2":2,"a":3}" "{"1.5":1}" "{"-1":1}" "{"0":1}""#,
        ),
    ]);
}

#[test]
fn numbers_have_14_digits() {
    check(&[
        (
            "cjson.encode({0, -0, 1/3, 1e14, 1e15, 123456789012345, 99999999999999, 1e-4, 1e-5, 5e-324, 1e300, 2^53, -1.5})",
            r#"true "[0,0,0.33333333333333,1e+14,1e+15,1.2345678901234e+14,99999999999999,0.0001,1e-05,4.9406564584125e-324,1e+300,9.007199254741e+15,-1.5]""#,
        ),
        (
            "cjson.encode({12345678901234.5, 1234567890123.25, 0.1, 100, 1e21, 0.00012345, 123456.789})",
            r#"true "[12345678901234,1234567890123.2,0.1,100,1e+21,0.00012345,123456.789]""#,
        ),
    ]);
}

#[test]
fn arrays_may_have_holes_if_they_are_few() {
    check(&[
        (
            "cjson.encode({[1] = 1, [2] = 2, [4] = 4}), cjson.encode({[10] = 1})",
            r#"true "[1,2,null,4]" "[null,null,null,null,null,null,null,null,null,1]""#,
        ),
        ("cjson.encode({[11] = 1})", r#"false "user_script:17: Cannot serialise table: excessively sparse array""#),
        ("cjson.encode({[20] = 1})", r#"false "user_script:17: Cannot serialise table: excessively sparse array""#),
        (
            "cjson.encode({[2^31] = 1}), cjson.encode({1, [2^31] = 1}), cjson.encode({[2^53] = 1})",
            r#"true "{"2147483648":1}" "{"1":1,"2147483648":1}" "{"9.007199254741e+15":1}""#,
        ),
    ]);
}

#[test]
fn what_json_cannot_say_is_refused() {
    check(&[
        ("cjson.encode({0/0})", r#"false "user_script:17: Cannot serialise number: must not be NaN or Inf""#),
        ("cjson.encode({1/0})", r#"false "user_script:17: Cannot serialise number: must not be NaN or Inf""#),
        ("cjson.encode(string.find)", r#"false "user_script:17: Cannot serialise function: type not supported""#),
        (
            "cjson.encode(coroutine.create(string.find))",
            r#"false "user_script:17: bad argument #1 to 'create' (Lua function expected)""#,
        ),
        (
            "cjson.encode({[true] = 1})",
            r#"false "user_script:17: Cannot serialise boolean: table key must be a number or string""#,
        ),
    ]);
}

#[test]
fn texts_become_values() {
    check(&[
        (
            r#"cjson.decode('{"a":1,"b":[1,2,{"c":null}],"d":{},"e":[]}')"#,
            r#"true {"a"=1,"d"={},"e"={},"b"={1=1,2=2,3={"c"=userdata: (nil)}}}"#,
        ),
        (
            "cjson.decode('[1,-1,0.5,1e5,1E+5,-0,1.,1.e5,-.5]')",
            "true {1=1,2=-1,3=0.5,4=100000,5=100000,6=-0,7=1,8=100000,9=-0.5}",
        ),
        (
            "cjson.decode('[0x1F,0x1.8p1,+1,01,inf,-inf,Infinity,nan,-nan,nan(a),1e999,1e-999]')",
            "true {1=31,2=3,3=1,4=1,5=inf,6=-inf,7=inf,8=nan,9=-nan,10=nan,11=inf,12=0}",
        ),
        (
            "cjson.decode('[0x1p-1074,0x1.8p-1074,0x1.fffffffffffff8p0,0x123456789abcdef123456789,0x.8]')",
            "true {1=4.9406564584124654e-324,2=9.8813129168249309e-324,3=2,4=5.6340026676810196e+27,5=0.5}",
        ),
        (
            r#"cjson.decode('"\\u00e9\\u20ac\\u0041\\u0000\\ud83d\\ude00\\"\\\\\\/\\b\\f\\n\\r\\t"')"#,
            r#"true "\195\169\226\130\172A\000\240\159\152\128"\/\008\012\010\013\009""#,
        ),
        (
            r#"cjson.decode('"a\nb"'), cjson.decode('"\\u0041"'), cjson.decode(" true "), cjson.decode("12"), cjson.decode(12)"#,
            r#"true "a\010b" "A" true 12 12"#,
        ),
        (r#"cjson.decode("[1]\0xyz")"#, "true {1=1}"),
    ]);
}

#[test]
fn errors_say_what_was_found_where() {
    check(&[
        (r#"cjson.decode("")"#, r#"false "user_script:17: Expected value but found T_END at character 1""#),
        (r#"cjson.decode(" ")"#, r#"false "user_script:17: Expected value but found T_END at character 2""#),
        (
            r#"cjson.decode("{")"#,
            r#"false "user_script:17: Expected object key string but found T_END at character 2""#,
        ),
        (r#"cjson.decode('{"a"')"#, r#"false "user_script:17: Expected colon but found T_END at character 5""#),
        (r#"cjson.decode('{"a":')"#, r#"false "user_script:17: Expected value but found T_END at character 6""#),
        (
            r#"cjson.decode('{"a":1')"#,
            r#"false "user_script:17: Expected comma or object end but found T_END at character 7""#,
        ),
        (
            r#"cjson.decode('{"a":1,}')"#,
            r#"false "user_script:17: Expected object key string but found T_OBJ_END at character 8""#,
        ),
        (
            r#"cjson.decode("{a:1}")"#,
            r#"false "user_script:17: Expected object key string but found invalid token at character 2""#,
        ),
        (
            r#"cjson.decode("{1:1}")"#,
            r#"false "user_script:17: Expected object key string but found T_NUMBER at character 2""#,
        ),
        (
            r#"cjson.decode("[1,2")"#,
            r#"false "user_script:17: Expected comma or array end but found T_END at character 5""#,
        ),
        (r#"cjson.decode("[1,]")"#, r#"false "user_script:17: Expected value but found T_ARR_END at character 4""#),
        (
            r#"cjson.decode("[1 2]")"#,
            r#"false "user_script:17: Expected comma or array end but found T_NUMBER at character 4""#,
        ),
        (r#"cjson.decode("tru")"#, r#"false "user_script:17: Expected value but found invalid token at character 1""#),
    ]);
}

#[test]
fn errors_in_strings_and_numbers_say_where_they_are() {
    check(&[
        (
            r#"cjson.decode('"abc')"#,
            r#"false "user_script:17: Expected value but found unexpected end of string at character 5""#,
        ),
        (
            r#"cjson.decode('"a\0b"')"#,
            r#"false "user_script:17: Expected value but found unexpected end of string at character 3""#,
        ),
        (
            r#"cjson.decode('"ab\\x"')"#,
            r#"false "user_script:17: Expected value but found invalid escape code at character 4""#,
        ),
        (
            r#"cjson.decode('"ab\\u12"')"#,
            r#"false "user_script:17: Expected value but found invalid unicode escape code at character 4""#,
        ),
        (
            r#"cjson.decode('"\\ud800"')"#,
            r#"false "user_script:17: Expected value but found invalid unicode escape code at character 2""#,
        ),
        (
            r#"cjson.decode('"\\udc00"')"#,
            r#"false "user_script:17: Expected value but found invalid unicode escape code at character 2""#,
        ),
    ]);
}

#[test]
fn errors_say_which_character_is_wrong() {
    check(&[
        (
            r#"cjson.decode('"\\ud800\\u0041"')"#,
            r#"false "user_script:17: Expected value but found invalid unicode escape code at character 2""#,
        ),
        (r#"cjson.decode("1 2")"#, r#"false "user_script:17: Expected the end but found T_NUMBER at character 3""#),
        (r#"cjson.decode("a\0")"#, r#"false "user_script:17: JSON parser does not support UTF-16 or UTF-32""#),
        (r#"cjson.decode("-")"#, r#"false "user_script:17: Expected value but found invalid number at character 1""#),
        (r#"cjson.decode("1e")"#, r#"false "user_script:17: Expected the end but found invalid token at character 2""#),
        (
            r#"cjson.decode("nan(a")"#,
            r#"false "user_script:17: Expected the end but found invalid token at character 4""#,
        ),
    ]);
}

/// CVE-2018-11218.
#[test]
fn nesting_is_limited() {
    check(&[
        (
            r#"cjson.decode(string.rep("[", 1001))"#,
            r#"false "user_script:17: Found too many nested data structures (1001) at character 1001""#,
        ),
        (
            r#"cjson.decode(string.rep("[", 1000))"#,
            r#"false "user_script:17: Expected value but found T_END at character 1001""#,
        ),
        (
            "(function() local t = {} t[1] = t return cjson.encode(t) end)()",
            r#"false "user_script:17: Cannot serialise, excessive nesting (1001)""#,
        ),
        ("cjson.encode_max_depth(2), pcall(cjson.encode, {{{}}}), cjson.encode_max_depth(1000)", "true 2 false 1000"),
        (
            r#"cjson.decode_max_depth(2), pcall(cjson.decode, "[[[]]]"), cjson.decode_max_depth(1000)"#,
            "true 2 false 1000",
        ),
        (
            r#"cjson.decode_max_depth(1e6), pcall(cjson.decode, string.rep("[", 20000)), cjson.decode_max_depth(1000)"#,
            "true 1000000 false 1000",
        ),
        (
            r#"cjson.decode_max_depth(1e6), pcall(cjson.decode, string.rep('{"a":', 20000)), cjson.decode_max_depth(1000)"#,
            "true 1000000 false 1000",
        ),
    ]);
}

#[test]
fn settings_change_how_values_are_written() {
    check(&[
        (
            "cjson.encode_sparse_array(true), cjson.encode({[1000] = 1}), cjson.encode_sparse_array(false)",
            r#"true true "{"1000":1}" false 2 10"#,
        ),
        (
            "cjson.encode_sparse_array(true, 1, 1), cjson.encode({1, [3] = 3}), cjson.encode_sparse_array(false, 2, 10)",
            r#"true true "{"1":1,"3":3}" false 2 10"#,
        ),
        (
            "cjson.encode_sparse_array(false, 0), #cjson.encode({[1000] = 1}), cjson.encode_sparse_array(false, 2, 10)",
            "true false 4998 false 2 10",
        ),
        (
            "cjson.encode_number_precision(3), cjson.encode({1/3, 1234567, 1000, 999.6, 1e-5}), cjson.encode_number_precision(14)",
            r#"true 3 "[0.333,1.23e+06,1e+03,1e+03,1e-05]" 14"#,
        ),
        (
            "cjson.encode_invalid_numbers(true), cjson.encode({0/0, 1/0, -1/0}), cjson.encode_invalid_numbers(false)",
            r#"true true "[nan,inf,-inf]" false"#,
        ),
        (
            r#"cjson.encode_invalid_numbers("null"), cjson.encode({0/0, 1/0}), cjson.encode_invalid_numbers("off")"#,
            r#"true "null" "[null,null]" false"#,
        ),
        (
            r#"cjson.decode_invalid_numbers(false), pcall(cjson.decode, "[0x10]"), cjson.decode_invalid_numbers(true)"#,
            "true false false true",
        ),
        (
            r#"cjson.decode_invalid_numbers(false), pcall(cjson.decode, "[nan]"), cjson.decode_invalid_numbers(true)"#,
            "true false false true",
        ),
        (
            r#"cjson.decode_invalid_numbers(false), pcall(cjson.decode, "[-01]"), cjson.decode_invalid_numbers(true)"#,
            "true false false true",
        ),
        (
            "cjson.encode_keep_buffer(), cjson.encode_number_precision(), cjson.decode_max_depth(), cjson.encode_max_depth()",
            "true true 14 1000 1000",
        ),
        ("cjson.encode_sparse_array()", "true false 2 10"),
    ]);
}

#[test]
fn a_new_library_has_settings_of_its_own() {
    check(&[
        (
            "(function() local c = cjson.new() c.encode_max_depth(2) return c.encode_max_depth(), cjson.encode_max_depth(), c._NAME end)()",
            r#"true 2 1000 "cjson""#,
        ),
        (
            r#"cjson._NAME, cjson._VERSION, tostring(cjson.null), cjson.null == cjson.new().null, cjson.null == cjson.decode("null")"#,
            r#"true "cjson" "2.1.0" "userdata: (nil)" true true"#,
        ),
    ]);
}

#[test]
fn wrong_arguments_are_named() {
    check(&[
        ("cjson.encode()", r#"false "user_script:17: bad argument #1 to 'encode' (expected 1 argument)""#),
        ("cjson.encode(1, 2)", r#"false "user_script:17: bad argument #1 to 'encode' (expected 1 argument)""#),
        (r#"cjson.decode("[1]", 1)"#, r#"false "user_script:17: bad argument #1 to 'decode' (expected 1 argument)""#),
        ("cjson.decode({})", r#"false "user_script:17: bad argument #1 to 'decode' (string expected, got table)""#),
        ("cjson.decode(nil)", r#"false "user_script:17: bad argument #1 to 'decode' (string expected, got nil)""#),
        (
            "cjson.encode_max_depth(0)",
            r#"false "user_script:17: bad argument #1 to 'encode_max_depth' (expected integer between 1 and 2147483647)""#,
        ),
        (
            "cjson.encode_max_depth(1, 2)",
            r#"false "user_script:17: bad argument #2 to 'encode_max_depth' (found too many arguments)""#,
        ),
        (
            r#"cjson.encode_max_depth("a")"#,
            r#"false "user_script:17: bad argument #1 to 'encode_max_depth' (number expected, got string)""#,
        ),
        (
            "cjson.encode_sparse_array(true, -1)",
            r#"false "user_script:17: bad argument #1 to 'encode_sparse_array' (expected integer between 0 and 2147483647)""#,
        ),
        (
            "cjson.encode_number_precision(15)",
            r#"false "user_script:17: bad argument #1 to 'encode_number_precision' (expected integer between 1 and 14)""#,
        ),
        (
            r#"cjson.encode_invalid_numbers("x")"#,
            r#"false "user_script:17: bad argument #1 to 'encode_invalid_numbers' (invalid option 'x')""#,
        ),
        (
            "cjson.encode_invalid_numbers({})",
            r#"false "user_script:17: bad argument #1 to 'encode_invalid_numbers' (string expected, got table)""#,
        ),
        (
            r#"cjson.decode_invalid_numbers("null")"#,
            r#"false "user_script:17: bad argument #1 to 'decode_invalid_numbers' (invalid option 'null')""#,
        ),
    ]);
}
