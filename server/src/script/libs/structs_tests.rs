//! `struct` against what Redis 7.0.15 replies.

use crate::script::libs::testing::{check, check_memory, check_stops};

#[test]
fn a_long_format_can_be_stopped_and_is_no_larger_than_the_memory() {
    check_stops(&["return #struct.pack(string.rep('x', 5e6))", "return struct.size(string.rep('b', 5e6))"]);
    check_memory(&["local s = string.rep('a', 3e7) return #struct.pack('ssss', s, s, s, s)"]);
}

#[test]
fn fields_are_laid_out_as_in_c() {
    check(&[
        (
            r#"struct.pack("bBhHlLTiI", -1, 255, -2, 65535, -3, 2^63, 5, -6, 2^31)"#,
            r#"true "\255\255\254\255\255\255\253\255\255\255\255\255\255\255\000\000\000\000\000\000\000\128\005\000\000\000\000\000\000\000\250\255\255\255\000\000\000\128""#,
        ),
        (r#"struct.pack(">i2<i2!4bi", 1, 1, 2, 3)"#, r#"true "\000\001\001\000\002\000\000\000\003\000\000\000""#),
        (
            r#"struct.pack("fd>fd", 1.5, 2.5, 1.5, 2.5)"#,
            r#"true "\000\000\192?\000\000\000\000\000\000\004@?\192\000\000@\004\000\000\000\000\000\000""#,
        ),
        (
            r#"struct.pack("s", "a\0b"), struct.pack("c0", "abc"), struct.pack("c2", "abc"), struct.pack("xx"), struct.pack("i0", 5)"#,
            r#"true "a\000b\000" "abc" "ab" "\000\000" """#,
        ),
        (
            r#"struct.pack("i16", -2), struct.pack(">i3", -2), struct.pack("s", 12), struct.pack("i", "12"), struct.pack("b\0q", 1)"#,
            r#"true "\254\255\255\255\255\255\255\255\000\000\000\000\000\000\000\000" "\255\255\254" "12\000" "\012\000\000\000" "\001""#,
        ),
        (
            r#"struct.size("bhlBHLTfdxc3i"), struct.size("!bhlBHLTfdxc3i"), struct.size("!4bd"), struct.size("q"), struct.size("")"#,
            "true 50 64 12 0 0",
        ),
        (
            r#"struct.size("!8 b i3 b i5 b i7 b i16 b i32"), struct.size("!"), struct.size("c2147483647c2147483647c2147483647")"#,
            "true 80 0 6442450941",
        ),
    ]);
}

#[test]
fn integers_are_cut_to_their_size() {
    check(&[
        (
            r#"struct.pack("l", 1e300), struct.pack("l", -1e300), struct.pack("l", 0/0), struct.pack("l", 1/0)"#,
            r#"true "\000\000\000\000\000\000\000\000" "\000\000\000\000\000\000\000\128" "\000\000\000\000\000\000\000\128" "\000\000\000\000\000\000\000\000""#,
        ),
        (
            r#"struct.pack("L", 2^64), struct.pack("L", 2^64 - 2048), struct.pack("b", 300.7), struct.pack("b", -1.5)"#,
            r#"true "\000\000\000\000\000\000\000\000" "\000\248\255\255\255\255\255\255" "," "\255""#,
        ),
    ]);
}

#[test]
fn fields_are_read() {
    check(&[
        (
            r#"struct.unpack("bBhHlL", "\255\255\255\255\255\255\255\255\255\255\255\255\255\255\255\255\255\255\255\255\255\255")"#,
            "true -1 255 -1 65535 -1 1.8446744073709552e+19 23",
        ),
        (
            r#"struct.unpack("fd>fd", struct.pack("fd>fd", 1.1, 2.5, 1e-40, 2.5))"#,
            "true 1.1000000238418579 2.5 9.9999461011147596e-41 2.5 25",
        ),
        (r#"struct.unpack("i16", string.rep("\255", 16))"#, "true -1 17"),
        (r#"struct.unpack("I16", string.rep("\255", 16))"#, "true 1.8446744073709552e+19 17"),
        (r#"struct.unpack("i9", string.rep("\129", 9))"#, "true -127 10"),
        (r#"struct.unpack(">i9", string.rep("\129", 9))"#, "true -127 10"),
        (r#"struct.unpack("i0", "")"#, "true 0 1"),
        (r#"struct.unpack("<i3", "xxxx", 2)"#, "true 7895160 5"),
        (r#"struct.unpack("bc0", "\3abcd")"#, r#"true "abc" 5"#),
        (r#"struct.unpack("sc0", "2\0abc")"#, r#"true "ab" 5"#),
        (r#"struct.unpack("sss", "a\0b\0\0")"#, r#"true "a" "b" "" 6"#),
        (r#"struct.unpack("!4bi", "\1\0\0\0\2\0\0\0")"#, "true 1 2 9"),
        (r#"struct.unpack("b", "a", nil)"#, "true 97 2"),
        (r#"struct.unpack("", "xxxx", 5)"#, "true 5"),
        (r#"struct.unpack("", "xxxx", 6)"#, "true 6"),
        (r#"struct.unpack("", "xxxx", -1)"#, "true -1"),
    ]);
}

/// CVE-2018-11219, CVE-2020-14147.
#[test]
fn sizes_do_not_overflow() {
    check(&[
        (r#"struct.pack("i33", 1)"#, r#"false "user_script:17: integral size 33 is larger than limit of 32""#),
        (
            r#"struct.pack("i2147483647", 1)"#,
            r#"false "user_script:17: integral size 2147483647 is larger than limit of 32""#,
        ),
        (r#"struct.pack("i2147483648", 1)"#, r#"false "user_script:17: integral size overflow""#),
        (r#"struct.pack("i99999999999", 1)"#, r#"false "user_script:17: integral size overflow""#),
        (
            r#"struct.pack("c2147483647", "x")"#,
            r#"false "user_script:17: bad argument #3 to 'pack' (string too short)""#,
        ),
        (
            r#"struct.unpack("c2147483647", "x")"#,
            r#"false "user_script:17: bad argument #2 to 'unpack' (data string too short)""#,
        ),
        (
            r#"struct.unpack("c2147483647c2147483647", "x")"#,
            r#"false "user_script:17: bad argument #2 to 'unpack' (data string too short)""#,
        ),
        (
            r#"struct.unpack("bc0", "\255abcd")"#,
            r#"false "user_script:17: bad argument #2 to 'unpack' (data string too short)""#,
        ),
        (
            r#"struct.unpack("dc0", struct.pack("d", 0/0) .. "abc")"#,
            r#"false "user_script:17: bad argument #2 to 'unpack' (data string too short)""#,
        ),
        (r#"struct.unpack("dc0", struct.pack("d", 1e300) .. "abc")"#, r#"true "" 9"#),
        (
            r#"struct.unpack("dc0", struct.pack("d", -1) .. "abc")"#,
            r#"false "user_script:17: bad argument #2 to 'unpack' (data string too short)""#,
        ),
        (r#"struct.unpack("dc0", struct.pack("d", 2^64) .. "abc")"#, r#"true "" 9"#),
        (
            r#"struct.unpack("i", "xxxx", -1)"#,
            r#"false "user_script:17: bad argument #2 to 'unpack' (data string too short)""#,
        ),
        (
            r#"struct.unpack("i", "xxxx", 2^62)"#,
            r#"false "user_script:17: bad argument #2 to 'unpack' (data string too short)""#,
        ),
        (r#"struct.size("!i9223372036854775807")"#, r#"false "user_script:17: integral size overflow""#),
    ]);
}

#[test]
fn results_fit_on_the_stack() {
    check(&[
        (
            r#"struct.unpack(string.rep("b", 9000), string.rep("a", 9000))"#,
            r#"false "user_script:17: stack overflow (too many results)""#,
        ),
        (r##"select("#", struct.unpack(string.rep("b", 7990), string.rep("a", 9000)))"##, "true 7991"),
    ]);
}

#[test]
fn wrong_formats_and_arguments_are_named() {
    check(&[
        (r#"struct.pack("i")"#, r#"false "user_script:17: bad argument #2 to 'pack' (number expected, got nil)""#),
        (r#"struct.pack("ii", 1)"#, r#"false "user_script:17: bad argument #3 to 'pack' (number expected, got nil)""#),
        (
            r#"struct.pack("i", "x")"#,
            r#"false "user_script:17: bad argument #2 to 'pack' (number expected, got string)""#,
        ),
        (r#"struct.pack("c5", "x")"#, r#"false "user_script:17: bad argument #3 to 'pack' (string too short)""#),
        (
            r#"struct.pack("c0c0", "a")"#,
            r#"false "user_script:17: bad argument #3 to 'pack' (string expected, got nil)""#,
        ),
        (r#"struct.pack("q")"#, r#"false "user_script:17: bad argument #1 to 'pack' (invalid format option 'q')""#),
        (
            r#"struct.pack("\255")"#,
            r#"false "user_script:17: bad argument #1 to 'pack' (invalid format option '\255')""#,
        ),
        (r#"struct.pack("!3i", 1)"#, r#"false "user_script:17: alignment 3 is not a power of 2""#),
        (r#"struct.pack("!0i", 1)"#, r#"false "user_script:17: alignment 0 is not a power of 2""#),
        ("struct.pack()", r#"false "user_script:17: bad argument #1 to 'pack' (string expected, got no value)""#),
        (
            r#"struct.unpack("i", "x")"#,
            r#"false "user_script:17: bad argument #2 to 'unpack' (data string too short)""#,
        ),
        (
            r#"struct.unpack("i", "xxxx", 0)"#,
            r#"false "user_script:17: bad argument #3 to 'unpack' (offset must be 1 or greater)""#,
        ),
        (r#"struct.unpack("c0", "x")"#, r#"false "user_script:17: format 'c0' needs a previous size""#),
        (r#"struct.unpack("sc0", "x\0abc")"#, r#"false "user_script:17: format 'c0' needs a previous size""#),
        (r#"struct.unpack("s", "xxx")"#, r#"false "user_script:17: unfinished string in data""#),
        (
            r#"struct.unpack("b")"#,
            r#"false "user_script:17: bad argument #2 to 'unpack' (string expected, got no value)""#,
        ),
        (
            r#"struct.unpack("b", "a", "x")"#,
            r#"false "user_script:17: bad argument #3 to 'unpack' (number expected, got string)""#,
        ),
        (r#"struct.size("s")"#, r#"false "user_script:17: bad argument #1 to 'size' (option 's' has no fixed size)""#),
        (
            r#"struct.size("c0")"#,
            r#"false "user_script:17: bad argument #1 to 'size' (option 'c0' has no fixed size)""#,
        ),
        (r##"struct.size("#")"##, r#"false "user_script:17: bad argument #1 to 'size' (invalid format option '#')""#),
    ]);
}
