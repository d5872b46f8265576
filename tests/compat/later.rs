//! What Redis 7.2 has changed in commands that 7.0 has: played beside Redis 8.0.6 and Valkey 9.1.2, which must agree.
//! The same is checked without them by the `{7.2}` lines of the other modules.

use integration::oracle::Binary;

use crate::compare;
use crate::streams::FULL;

/// Plays a script beside both.
#[track_caller]
fn check_later(directives: &[(&str, &str)], script: &str) {
    for oracle in ["redis8", "valkey9"] {
        compare(Binary::Later(oracle), directives, script);
    }
}

const DEBUG: (&str, &str) = ("enable-debug-command", "yes");

/// `prefix0 prefix1 ...`, so many of them.
fn many(prefix: &str, count: usize) -> String {
    (0..count).map(|number| format!("{prefix}{number} ")).collect()
}

#[test]
#[ignore = "needs redis 8 and valkey 9: tests/run flows"]
fn encodings_of_sets_with_the_usual_limits() {
    let (x64, x65) = ("x".repeat(64), "x".repeat(65));
    let (a128, a129, one513) = ("a ".repeat(128), "a ".repeat(129), "1 ".repeat(513));
    let (m128, n600, m1000) = (many("m", 128), many("", 600), many("m", 1000));
    let script = format!(
        r#"
== texts
SADD s a
OBJECT ENCODING s
SADD s {x64}
OBJECT ENCODING s
SADD s {x65}
OBJECT ENCODING s
SREM s {x65}
OBJECT ENCODING s
SADD t {x65}
OBJECT ENCODING t
SADD u 1 {x65}
OBJECT ENCODING u
== members keep their order
SADD s c b a 5 4 007 3
SMEMBERS s
SREM s a
SADD s z a
SMEMBERS s
SSCAN s 0
SSCAN s 0 COUNT 2 MATCH [0-9]*
SADD i 5 4 3
OBJECT ENCODING i
SADD i x
OBJECT ENCODING i
SMEMBERS i
SADD i 1
SMEMBERS i
SREM i x
OBJECT ENCODING i
DEBUG LISTPACK i
DEBUG DIGEST-VALUE s i
SADD j 1
DEBUG LISTPACK j
== announced members
SADD s {a128}
OBJECT ENCODING s
SADD t {a129}
OBJECT ENCODING t
SADD u 1 {a129}
OBJECT ENCODING u
SADD v {one513}
OBJECT ENCODING v
SADD s {a129}
OBJECT ENCODING s
SADD w 1
SADD w {a129}
OBJECT ENCODING w
SADD x 1
SADD x {one513}
OBJECT ENCODING x
== many members
SADD s {m128}
OBJECT ENCODING s
SADD s b
OBJECT ENCODING s
SADD i {n600}
OBJECT ENCODING i
SADD t a
!times 140 SADD t %d
OBJECT ENCODING t
!times 520 SADD u %d
OBJECT ENCODING u
== popped to a few
SADD s {m1000}
OBJECT ENCODING s
{{shape}} SPOP s 870
OBJECT ENCODING s
{{shape}} SPOP s 100
OBJECT ENCODING s
SADD i {n600}
{{shape}} SPOP i 440
OBJECT ENCODING i
{{shape}} SPOP i 140
OBJECT ENCODING i
SADD j a 1
SREM j a
OBJECT ENCODING j
== moved and copied
SADD s a b 1
SADD i 1 2 3
SMOVE s d a
OBJECT ENCODING d
SMOVE i e 1
OBJECT ENCODING e
SMOVE s i b
OBJECT ENCODING i
COPY s t
OBJECT ENCODING t
SADD s {x65}
SREM s {x65}
COPY s u
OBJECT ENCODING u
"#
    );
    check_later(&[DEBUG], &script);
}

#[test]
#[ignore = "needs redis 8 and valkey 9: tests/run flows"]
fn encodings_of_stored_sets() {
    let x65 = "x".repeat(65);
    let mut script = format!("== results\nSADD a 1 2\nSADD b 3 x\nSADD c 3 4\nSADD h {x65} q\nSADD e 1 2 y\n");
    for command in ["SUNIONSTORE", "SINTERSTORE", "SDIFFSTORE"] {
        for sources in
            ["a", "b", "h", "a b", "a c", "b c", "c b", "b a", "h a", "a h", "b h", "a b c", "e a", "a e", "h a b"]
        {
            script += &format!("{command} d {sources}\nOBJECT ENCODING d\n");
            if !sources.contains('h') {
                script += "SMEMBERS d\n";
            }
        }
    }
    check_later(&[], &script);
}

#[test]
#[ignore = "needs redis 8 and valkey 9: tests/run flows"]
fn encodings_of_stored_sets_with_other_limits() {
    let mut script = String::new();
    for (ints, packed) in [(4, 8), (20, 8), (0, 8), (4, 0), (512, 128)] {
        script += &format!(
            r#"
== {ints} integers, {packed} entries
!config set-max-intset-entries {ints}
!config set-max-listpack-entries {packed}
SADD p x 1 2 3 4 5 6
SADD q y 6 5 4 3 2 1
SADD r y 3 2 1 z
SADD i 1 2 3 4
SADD j 1 2 3 4 5 6 7 8 9 10
SADD k 10 9 8 7 6 5 4 3 2 1 0
SADD l a 1 2 3 4 5 6 7 8 9 10
"#
        );
        for command in ["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"] {
            for sources in ["p q", "q p", "p r", "p i", "i p", "j k", "k j", "j l", "l k", "p j", "i j k", "p q l"] {
                script += &format!("{command} d {sources}\nOBJECT ENCODING d\n");
            }
        }
        if packed > 0 {
            script += "SINTERSTORE d q p\nSMEMBERS d\nSINTERSTORE d r p\nSMEMBERS d\nSINTER q p\nSINTER p q p\n";
        }
    }
    check_later(&[], &script);
}

#[test]
#[ignore = "needs redis 8 and valkey 9: tests/run flows"]
fn encodings_of_sets_with_other_limits() {
    let limits = |ints, packed, value| {
        format!(
            "!config set-max-intset-entries {ints}\n!config set-max-listpack-entries {packed}\n!config set-max-listpack-value {value}\n"
        )
    };
    let [few, more, no_ints, none] = [limits(4, 8, 10), limits(20, 8, 10), limits(0, 8, 10), limits(0, 0, 0)];
    let [no_packs, no_texts, short] = [limits(4, 0, 0), limits(4, 4, 0), limits(3, 2, 3)];
    let script = format!(
        r#"
== few
{few}SADD s 1 2 3 4
OBJECT ENCODING s
SADD s 5
OBJECT ENCODING s
SADD t 1 2 3 4 5
OBJECT ENCODING t
SADD u 0 1 2 3 4 5 6 7 8
OBJECT ENCODING u
SADD v 12345678901 2
SADD v a
OBJECT ENCODING v
SADD w 1234567890 2
SADD w a
OBJECT ENCODING w
SADD x -1234567890 2
SADD x a
OBJECT ENCODING x
SADD y a
SADD y 12345678901
OBJECT ENCODING y
SADD z a b c d e f g h
OBJECT ENCODING z
SADD z i
OBJECT ENCODING z
SUNIONSTORE d t
OBJECT ENCODING d
SADD a 1 2 3 4
SADD b 5 6
SADD c x
SUNIONSTORE d a b
OBJECT ENCODING d
SUNIONSTORE d a b c
OBJECT ENCODING d
SUNIONSTORE d c a b
OBJECT ENCODING d
SUNIONSTORE d a c b
OBJECT ENCODING d
SMEMBERS d
== more integers
{more}SADD s 0 1 2 3 4 5 6
SADD s a
OBJECT ENCODING s
SADD t 0 1 2 3 4 5 6 7
SADD t a
OBJECT ENCODING t
== no intsets
{no_ints}SADD s 1
OBJECT ENCODING s
SADD s 0 1 2 3 4 5 6 7
OBJECT ENCODING s
SADD s 0 1 2 3 4 5 6 7 8
OBJECT ENCODING s
== neither
{none}SADD s 1
OBJECT ENCODING s
SADD t a
OBJECT ENCODING t
== no listpacks
{no_packs}SADD s 1
OBJECT ENCODING s
SADD s a
OBJECT ENCODING s
== no texts
{no_texts}SADD s ""
OBJECT ENCODING s
SADD s a
OBJECT ENCODING s
== limits that are lowered
SADD s abcdef b c d
SADD i 1 2 3 4 5
{short}OBJECT ENCODING s
SADD s abcdef
OBJECT ENCODING s
SREM s b
OBJECT ENCODING s
SADD s e
OBJECT ENCODING s
SADD i 1
OBJECT ENCODING i
SADD i 6
OBJECT ENCODING i
"#
    );
    check_later(&[], &script);
}

/// The payloads are those of Redis 7.0.15: a set of texts, one of five integers that was a table, an intset.
#[test]
#[ignore = "needs redis 8 and valkey 9: tests/run flows"]
fn encodings_of_sets_that_are_restored() {
    let restored = r#"
RESTORE t 0 "\x02\x01\x01a\x0a\x00b\x96\xe9~D\xd2\x1am"
OBJECT ENCODING t
RESTORE n 0 "\x02\x05\xc0\x01\xc0\x03\xc0\x05\xc0\x04\xc0\x02\n\x00\x98\xcc\xb5\n\xe6,\xa7K"
OBJECT ENCODING n
RESTORE i 0 "\x0b\x0e\x02\x00\x00\x00\x03\x00\x00\x00\x01\x00\x02\x00\x03\x00\n\x00\xa5\x02\\\xe2mnM\x1b"
OBJECT ENCODING i
"#;
    let lowered = "!config set-max-intset-entries 2\n!config set-max-listpack-entries 8";
    check_later(&[], &format!("== usual limits{restored}== lowered limits\n{lowered}{restored}"));
}

#[test]
#[ignore = "needs redis 8 and valkey 9: tests/run flows"]
fn consumers_that_get_nothing() {
    check_later(
        &[],
        &[
            FULL,
            r#"
== reads
XADD s 1-0 a 1
XADD s 2-0 a 1
XGROUP CREATE s g 0
XGROUP CREATECONSUMER s g made
{shape} XINFO CONSUMERS s g
XREADGROUP GROUP g reads COUNT 1 STREAMS s >
XREADGROUP GROUP g noack COUNT 1 NOACK STREAMS s >
XREADGROUP GROUP g late COUNT 1 STREAMS s >
XREADGROUP GROUP g history COUNT 1 STREAMS s 0
XREADGROUP GROUP g waits BLOCK 1 STREAMS s >
XREADGROUP GROUP other late STREAMS s >
XINFO GROUPS s
{shape} XINFO CONSUMERS s g
{shape} XINFO STREAM s FULL
@b !send XREADGROUP GROUP g blocked BLOCK 0 STREAMS s >
!blocked 1
{shape} XINFO CONSUMERS s g
XADD s 3-0 a 1
@b !read
{shape} XINFO CONSUMERS s g
== several streams
XGROUP CREATE s g 0 MKSTREAM
XGROUP CREATE t g 0 MKSTREAM
XADD t 1-0 a 1
XREADGROUP GROUP g c STREAMS s t > >
XINFO GROUPS s
XINFO GROUPS t
MULTI
XREADGROUP GROUP g d BLOCK 0 STREAMS s t > >
EXEC
XINFO GROUPS s
== claims
XADD s 1-0 a 1
XADD s 2-0 a 1
XGROUP CREATE s g 0
XREADGROUP GROUP g a STREAMS s >
XCLAIM s g b 100000 1-0
XCLAIM s g c 0 9-9
XCLAIM s g d 0 1-0 JUSTID
XCLAIM s g e 0 1-0 IDLE x
XAUTOCLAIM s g f 100000 0
XAUTOCLAIM s g h 0 0 COUNT 0
XAUTOCLAIM s g i 0 0 COUNT 1 JUSTID
XDEL s 2-0
XCLAIM s g j 0 2-0
XINFO GROUPS s
{shape} XINFO CONSUMERS s g
{shape} XINFO STREAM s FULL
XPENDING s g
"#,
        ]
        .concat(),
    );
}

#[test]
#[ignore = "needs redis 8 and valkey 9: tests/run flows"]
fn waiting_for_files() {
    check_later(
        &[],
        r#"
== words
WAITAOF
WAITAOF 0 0
WAITAOF 0 0 0 0
WAITAOF 0 0 0
WAITAOF 1 0 0
WAITAOF 2 0 0
WAITAOF -1 0 0
WAITAOF x 0 0
WAITAOF 0 -1 0
WAITAOF 0 x 0
WAITAOF 0 99999999999999999999 0
WAITAOF 0 9223372036854775807 10
WAITAOF 0 0 -1
WAITAOF 0 0 x
WAITAOF 0 1 9223372036854775807
WAITAOF 0 1 99999999999999999999
WAITAOF 1 1 x
WAITAOF 2 1 x
WAITAOF 1 -1 -1
WAITAOF 1 1 10
WAITAOF 0 1 10
COMMAND GETKEYS WAITAOF 0 1 0
COMMAND LIST FILTERBY PATTERN waitaof
== in a transaction
SET k v
MULTI
WAITAOF 0 1 0
WAITAOF 1 0 0
WAITAOF 0 0 0
EXEC
== waits
@b SET k v
@b {any} !let b CLIENT ID
@b !send WAITAOF 0 1 0
!blocked 1
CLIENT UNBLOCK $b
@b !read
== what it is
!resp2
COMMAND INFO WAITAOF
"#,
    );
}

#[test]
#[ignore = "needs redis 8 and valkey 9: tests/run flows"]
fn switches_of_reply_buffers() {
    check_later(
        &[DEBUG],
        r#"
DEBUG REPLYBUFFER
DEBUG REPLYBUFFER RESIZING
DEBUG REPLYBUFFER RESIZING 0
DEBUG replybuffer resizing x
DEBUG REPLYBUFFER PEAK-RESET-TIME 100
DEBUG REPLYBUFFER PEAK-RESET-TIME -1
DEBUG REPLYBUFFER PEAK-RESET-TIME x
DEBUG REPLYBUFFER PEAK-RESET-TIME 99999999999999999999
DEBUG REPLYBUFFER PEAK-RESET-TIME never
DEBUG REPLYBUFFER PEAK-RESET-TIME RESET
DEBUG REPLYBUFFER other 1
DEBUG REPLYBUFFER RESIZING 1 2
"#,
    );
}
