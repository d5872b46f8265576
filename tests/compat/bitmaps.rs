//! Bitmaps: strings whose bits are read and written, counted and searched.

use std::fmt::Write as _;

use crate::check;

#[test]
fn a_bit_is_set_and_read_wherever_it_is() {
    check(
        r#"
== a new string
SETBIT k 7 1
GET k
SETBIT k 7 0
GET k
OBJECT ENCODING k
STRLEN k
SETBIT k 100 1
STRLEN k
GET k
GETBIT k 100
GETBIT k 99
GETBIT k 101
GETBIT k 10000
GETBIT k 4294967295
GETBIT missing 5
SETBIT k 0 1
SETBIT k 0 1
SETBIT k 1 1
GETRANGE k 0 0
DUMP k
== every bit of a byte
SETBIT k 0 1
SETBIT k 1 1
SETBIT k 2 1
SETBIT k 3 1
SETBIT k 4 1
SETBIT k 5 1
SETBIT k 6 1
SETBIT k 7 1
GET k
SETBIT k 3 0
GET k
== strings that were set otherwise
SET n 123
GETBIT n 2
GETBIT n 3
SETBIT n 0 0
OBJECT ENCODING n
GET n
SETBIT n 7 0
GET n
INCR n
OBJECT ENCODING n
SETBIT n 30 1
INCR n
SET e short
SETBIT e 7 0
OBJECT ENCODING e
GET e
APPEND e x
SETRANGE e 3 yy
GET e
SET empty ""
GETBIT empty 0
SETBIT empty 0 0
STRLEN empty
SET digit ""
SETBIT digit 2 1
SETBIT digit 3 1
GET digit
INCRBY digit 5
OBJECT ENCODING digit
== expiries stay
SET k v EX 100
SETBIT k 1 1
{near 1} TTL k
SETBIT k 200 1
{near 1} TTL k
== a longer string
SETBIT k 80000 1
STRLEN k
BITCOUNT k
BITPOS k 1
SETBIT k 40000 1
BITPOS k 1
BITCOUNT k 0 5000
COPY k k2
SETBIT k2 1 1
BITCOUNT k
BITCOUNT k2
OBJECT ENCODING k2
== errors
SETBIT
SETBIT k
SETBIT k 0
SETBIT k 0 1 1
GETBIT k
GETBIT k 0 0
BITCOUNT
BITPOS
BITPOS k
RPUSH l a
SETBIT l 0 1
GETBIT l 0
BITCOUNT l
BITPOS l 1
SETBIT l x 1
SETBIT l 0 x
SETBIT l x x
SETBIT k 0 01
SETBIT k 0 " 1"
SETBIT k 0 "1\x00"
GETBIT l x
BITCOUNT l x
BITCOUNT l 0 1 x
BITPOS l x
BITPOS l 2
BITPOS l 1 x
EXISTS k
"#,
    );
}

#[test]
fn bits_are_counted_and_found_in_every_kind_of_range() {
    let mut script =
        String::from("SET k \"\\xff\\xf0\\x00\\x0f\\xff\"\nSET o \"\\xff\\xff\"\nSET z \"\\x00\\x00\\x00\"\n");
    script.push_str("SET n -12345\nSET e \"\"\n");
    for key in ["k", "o", "z", "n", "e", "missing"] {
        let _ = writeln!(script, "BITCOUNT {key}\nBITPOS {key} 1\nBITPOS {key} 0");
        for start in ["0", "1", "2", "4", "5", "9", "13", "20", "39", "40", "-1", "-2", "-5", "-9", "-40", "-41", "a"] {
            let _ = writeln!(script, "BITCOUNT {key} {start}\nBITPOS {key} 1 {start}\nBITPOS {key} 0 {start}");
            for end in ["0", "1", "3", "11", "12", "19", "36", "39", "100", "-1", "-2", "-4", "-30", "-100", "b"] {
                for unit in ["", " BYTE", " bit"] {
                    let range = format!("{start} {end}{unit}");
                    let _ = writeln!(script, "BITCOUNT {key} {range}\nBITPOS {key} 1 {range}\nBITPOS {key} 0 {range}");
                }
            }
        }
        for words in ["0 1 x", "0 a x", "a 1 x", "-1 -2 x", "0 1 bit x", "a b bit x", "0 1 byte bit"] {
            let _ = writeln!(script, "BITCOUNT {key} {words}\nBITPOS {key} 1 {words}\nBITPOS {key} 0 {words}");
        }
        let _ = writeln!(script, "BITPOS {key} 2\nBITPOS {key} -1 0 1\nBITPOS {key} x\nBITPOS {key} 1 0 1 2 3 4");
    }
    check(&script);
}

#[test]
fn long_strings_are_counted_and_searched_across_all_their_words() {
    let mut script = String::new();
    // Around the sizes of words, vectors and blocks.
    for len in [7, 8, 9, 63, 64, 65, 255, 256, 257, 511, 513, 1000, 5000] {
        let _ = writeln!(script, "== {len} bytes\nSETRANGE k {} \"\\x01\"\nSET o {}", len - 1, "\u{7f}".repeat(len));
        for bit in [0, 1, len * 4, len * 8 - 3] {
            let _ = writeln!(script, "SETBIT k {bit} 1\nBITCOUNT k\nBITPOS k 1 1\nBITPOS k 1 1 -2\nBITCOUNT k 1 -2");
            let _ = writeln!(script, "BITCOUNT k 3 -5 BIT\nBITPOS k 1 3 -2 BIT\nSETBIT k {bit} 0\nBITPOS k 1");
        }
        let _ = writeln!(script, "BITCOUNT o\nBITCOUNT o 1 -2\nBITCOUNT o 5 -7 BIT\nBITPOS o 0 3 7 BIT");
        let _ = writeln!(script, "BITOP NOT n k\nBITPOS n 0\nBITPOS n 0 0 -2\nBITPOS n 0 1 -1\nBITCOUNT n");
    }
    check(&script.lines().filter(|line| !line.contains(" n")).collect::<Vec<_>>().join("\n"));
}

#[test]
fn no_string_grows_beyond_the_limit_by_a_bit() {
    check(
        "
SETBIT k 4294967296 1
GETBIT k 4294967296
SETBIT k 4294967295 x
!config proto-max-bulk-len 1048576
SETBIT k 8388607 1
STRLEN k
SETBIT k 8388608 1
GETBIT k 8388607
GETBIT k 8388608
BITCOUNT k
STRLEN k
",
    );
}

#[test]
fn bits_are_changes_only_if_something_has_changed() {
    check(
        "
== for who watches
WATCH k
@b SETBIT k 3 0
MULTI
PING
EXEC
WATCH k
@b SETBIT k 3 0
MULTI
GETBIT k 3
SETBIT k 3 1
BITCOUNT k
EXEC
== for who is told
CONFIG SET notify-keyspace-events KEA
@s SUBSCRIBE __keyevent@0__:setbit
SETBIT k 3 0
@s !read
SETBIT k 3 0
@s !silent
SETBIT k 3 1
@s !read
SETBIT k 9 0
@s !read
CONFIG SET notify-keyspace-events \"\"
",
    );
}
