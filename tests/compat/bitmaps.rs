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

#[test]
fn strings_are_combined_bit_by_bit() {
    let mut script = String::from(
        "SET a \"\\xff\\x0f\\xaa\"\nSET b \"\\x0f\\x55\"\nSET n 1234\nSET e \"\"\nRPUSH l x\nSETBIT long 3000 1\nSET t v EX 100\n",
    );
    for operation in ["AND", "or", "XOR", "NOT", "nand", "\"AND\\x00\"", "\"\""] {
        for sources in [
            "a",
            "b",
            "n",
            "e",
            "none",
            "a b",
            "b a",
            "a b n",
            "a none",
            "e none",
            "a a",
            "long a b",
            "l",
            "a l",
            "none l",
            "none none none",
        ] {
            let _ = writeln!(script, "BITOP {operation} d {sources}\nGET d\nOBJECT ENCODING d\nEXISTS d");
        }
    }
    script.push_str(
        "
== the target
SET a abc
SET b 12
RPUSH l x
SET t v EX 100
BITOP OR l a b
TYPE l
BITOP OR t a
TTL t
BITOP NOT a a
GET a
BITOP XOR a a a
GET a
BITOP AND a none
EXISTS a
RPUSH l2 x
BITOP AND l2 none
EXISTS l2
BITOP NOT num b
BITOP NOT num num
GET num
OBJECT ENCODING num
INCR num
OBJECT ENCODING num
== long ones
SETRANGE a 100000 x
SETRANGE b 40000 y
BITOP OR d a b
BITCOUNT d
BITOP AND d a b
BITCOUNT d
BITOP XOR d a b
BITCOUNT d
STRLEN d
SETBIT d 800020 1
APPEND d x
GETRANGE d 99999 -1
OBJECT ENCODING d
BITOP NOT d d
BITCOUNT d
DUMP d
== arity
BITOP
BITOP AND
BITOP AND d
BITOP NOT d a b
BITOP NOT d l
BITOP NOT d l l
",
    );
    check(&script);
}

#[test]
fn sources_in_other_slots_are_refused_by_a_cluster() {
    let lines = "
BITOP AND a b c
BITOP AND {a}1 {a}2 b
BITOP AND b {a}1 {a}2
BITOP AND {a}1 {a}2 {a}3
";
    crate::check_with(&[("cluster-enabled", "yes")], &format!("CLUSTER ADDSLOTSRANGE 0 16383\n!sleep 2500\n{lines}"));
}

#[test]
fn fields_of_every_type_are_read_and_written_anywhere() {
    let mut script = String::from("SET n 123456\n");
    let values =
        ["0", "1", "-1", "127", "128", "-128", "-129", "255", "256", "9223372036854775807", "-9223372036854775808"];
    for ty in ["u1", "i1", "u7", "i8", "u8", "i13", "u31", "i32", "i63", "u63", "i64"] {
        let _ = writeln!(script, "== {ty}");
        for (step, value) in values.iter().enumerate() {
            for overflow in ["", "OVERFLOW WRAP ", "overflow sat ", "OVERFLOW FAIL "] {
                for offset in [step.to_string(), format!("#{step}"), "77".to_owned()] {
                    let _ = writeln!(script, "BITFIELD k {overflow}SET {ty} {offset} {value} GET {ty} {offset}");
                    let _ = writeln!(script, "BITFIELD k {overflow}INCRBY {ty} {offset} {value}\nGET k");
                }
            }
        }
        let _ =
            writeln!(script, "BITFIELD n GET {ty} 3 GET {ty} #1\nBITFIELD_RO n GET {ty} 40\nBITFIELD none GET {ty} 9");
    }
    check(&script);
}

#[test]
fn fields_are_parsed_before_anything_is_done() {
    check(
        r##"
BITFIELD
BITFIELD k
BITFIELD none
BITFIELD_RO
BITFIELD_RO k
SET k abc
RPUSH l x
BITFIELD l
BITFIELD l GET u8 0
BITFIELD l SET u8 0 1
BITFIELD_RO l GET u8 0
BITFIELD_RO l SET u8 0 1
BITFIELD k GET
BITFIELD k GET u8
BITFIELD k SET u8 0
BITFIELD k INCRBY u8 0
BITFIELD k SET u8 0 1 GET
BITFIELD k SET u8 0 1 nonsense
BITFIELD k SET u8 0 x
BITFIELD k SET u8 x x
BITFIELD k SET x x x
BITFIELD k "get\x00x" u8 0 "OVERFLOW\x00" "sat\x00" "SET\x00" u8 0 97
BITCOUNT k 0 1 "bit\x00x"
BITFIELD k OVERFLOW
BITFIELD k OVERFLOW x
BITFIELD k OVERFLOW x GET x x
BITFIELD k OVERFLOW SAT
BITFIELD k GET u64 0
BITFIELD k GET i65 0
BITFIELD k GET u0 0
BITFIELD k GET U8 0
BITFIELD k GET 8 0
BITFIELD k GET i 0
BITFIELD k GET "" 0
BITFIELD k GET i-8 0
BITFIELD k GET " i8" 0
BITFIELD k GET "i8\x00x" 0
BITFIELD k GET i8 "#"
BITFIELD k GET i8 "#x"
BITFIELD k GET i8 #-1
BITFIELD k GET i8 ##1
BITFIELD k GET i8 #536870911
BITFIELD k GET i8 #536870912
BITFIELD k GET i64 4294967295
BITFIELD k GET i64 4294967296
BITFIELD k GET i8 "0\x00"
GET k
OBJECT ENCODING k
BITFIELD k get u8 0 Set u8 #1 65 incrby u8 #2 1
GET k
OBJECT ENCODING k
BITFIELD_RO k SET u8 0 x
BITFIELD_RO k OVERFLOW SAT GET u8 0
BITFIELD_RO k GET u8 0 INCRBY u8 0 1
SET n 12
BITFIELD n SET u8 0 49
OBJECT ENCODING n
GET n
INCR n
== a failed write makes a string nevertheless
BITFIELD f OVERFLOW FAIL SET u8 80 256
STRLEN f
BITFIELD f OVERFLOW FAIL INCRBY u8 #20 256 SAT
STRLEN f
BITFIELD f OVERFLOW FAIL INCRBY u8 #20 256 OVERFLOW SAT INCRBY u8 #20 256 OVERFLOW WRAP INCRBY u8 #20 2
STRLEN f
COMMAND GETKEYSANDFLAGS BITFIELD k GET u8 0
COMMAND GETKEYSANDFLAGS BITFIELD k GET u8 0 OVERFLOW SAT
COMMAND GETKEYSANDFLAGS BITFIELD k GET u8 0 SET u8 0 1
COMMAND GETKEYSANDFLAGS BITFIELD k INCRBY u8 0 1
COMMAND GETKEYSANDFLAGS BITFIELD k nonsense
COMMAND GETKEYSANDFLAGS BITFIELD k GET u8
COMMAND GETKEYSANDFLAGS BITOP AND a b c
== events
CONFIG SET notify-keyspace-events KEAn
@s PSUBSCRIBE __keyevent@0__:*
BITFIELD g OVERFLOW FAIL SET u8 0 256
@s !read
BITFIELD g SET u8 0 0
@s !silent
BITFIELD g SET u8 0 1 SET u8 8 1
@s !read
BITOP NOT h g
@s !read
@s !read
BITOP NOT h g
@s !read
BITOP NOT h none
@s !read
CONFIG SET notify-keyspace-events ""
"##,
    );
}
