//! HyperLogLogs: the estimates, and every byte of the strings that they are.

use std::fmt::Write as _;

use crate::{check, check_with};

#[test]
fn strings_are_equal_after_the_same_additions() {
    let mut script = String::new();
    for (count, limit) in [(20, 3000), (700, 3000), (2500, 3000), (5, 18), (60, 100), (4000, 20_000), (3, 0)] {
        let _ = writeln!(script, "== {count} elements, at most {limit} bytes\nCONFIG SET hll-sparse-max-bytes {limit}");
        for at in 0..count {
            let _ = writeln!(script, "PFADD h element:{at}");
            if at % (count / 10).max(1) == 0 {
                let _ = writeln!(script, "GET h\nPFDEBUG ENCODING h\nPFCOUNT h\nGET h\nPFCOUNT h\nOBJECT ENCODING h");
            }
        }
        let _ = writeln!(
            script,
            "PFADD h element:1 element:2\nGET h\nPFDEBUG DECODE h\nPFDEBUG GETREG h\nPFDEBUG DECODE h"
        );
        let _ = writeln!(script, "GET h\nDUMP h\nPFCOUNT h\nPFADD i a b c\nPFMERGE i h\nGET i\nPFCOUNT h i\nPFCOUNT i");
    }
    script.push_str("CONFIG SET hll-sparse-max-bytes 3000");
    check(&script);
}

#[test]
fn merging_takes_the_greatest_of_each_register() {
    let mut script = String::new();
    for limit in [3000, 60, 0, 16_000] {
        let _ = writeln!(script, "== at most {limit} bytes\nCONFIG SET hll-sparse-max-bytes {limit}");
        for (key, from, to) in [("a", 0, 30), ("b", 20, 60), ("c", 0, 900), ("d", 500, 1500)] {
            let elements: Vec<String> = (from..to).map(|at| format!("e{at}")).collect();
            let _ = writeln!(script, "PFADD {key} {}", elements.join(" "));
        }
        script.push_str(
            "PFMERGE m\nGET m\nPFMERGE m a\nGET m\nPFCOUNT m\nPFMERGE m a b none\nGET m\nPFCOUNT a b none\nPFMERGE m m m
            PFMERGE a b\nGET a\nPFMERGE c d\nGET c\nPFCOUNT c\nPFDEBUG TODENSE b\nGET b\nPFMERGE n b\nGET n
            PFMERGE a n\nGET a\nPFCOUNT a b c d\nPFCOUNT none\nPFCOUNT none none\nOBJECT ENCODING n\nEXPIRE n 100
            PFADD n x\nPFMERGE n a\n{near 1} TTL n\nCOPY n o\nPFADD o 1 2 3\nGET o\nSTRLEN n\nDEBUG RELOAD\nGET o\nPFCOUNT o\n",
        );
    }
    script.push_str("CONFIG SET hll-sparse-max-bytes 3000");
    check(&script);
}

#[test]
fn what_is_no_hyperloglog_is_refused() {
    let mut script =
        String::from("RPUSH l x\nSET n 5\nSET t text\nSET e \"\"\nSET short HYLL\nSET long HYLLx23456789012345678\n");
    script.push_str("PFADD h a\nPFADD d a\nPFDEBUG TODENSE d\nAPPEND d x\nPFADD c a\n");
    for key in ["l", "n", "t", "e", "short", "long", "d", "none"] {
        for line in [
            "PFCOUNT #",
            "PFCOUNT h #",
            "PFMERGE #",
            "PFMERGE # h",
            "PFMERGE m # h",
            "PFADD #",
            "PFADD # x",
            "PFDEBUG GETREG #",
            "PFDEBUG DECODE #",
            "PFDEBUG ENCODING #",
            "PFDEBUG TODENSE #",
            "PFDEBUG nonsense #",
        ] {
            if key == "none" && line.ends_with('#') && !line.starts_with("PFDEBUG") {
                continue;
            }
            let _ = writeln!(script, "{}", line.replace('#', key));
        }
    }
    script.push_str(
        "PFADD\nPFCOUNT\nPFMERGE\nPFDEBUG\nPFDEBUG GETREG\nPFDEBUG GETREG h x\nPFSELFTEST x\nPFSELFTEST\nEXISTS m
        PFDEBUG getreg h\nPFDEBUG \"toDENSE\\x00x\" h\nINCR h\nAPPEND h x\nPFCOUNT h\nSETBIT c 0 1\nPFADD c x\n",
    );
    check(&script);
}

#[test]
fn a_corrupted_one_is_found_out() {
    let header = r"HYLL\x01\x00\x00\x00";
    let mut script = String::new();
    for cache in [r"\x00\x00\x00\x00\x00\x00\x00\x80", r"\x05\x00\x00\x00\x00\x00\x00\x00"] {
        for runs in [
            "",
            r"\x7f",
            r"\x7f\xfe",
            r"\x7f\xff",
            r"\x7f\xff\x00",
            r"\x7f\xfe\x84",
            r"\x7f\xfe\x87",
            r"\x7f\xfe\x84\x84",
            r"\x40\x00\x7f\xfe",
            r"\x00\x7f\xfe",
            r"\x80\x80\x80\x80\x80\x80\x7f\xf9",
            r"\xff\xff\xff",
            r"\x7f\xff\x7f\xff",
            r"\x83\x83\x7f\xf7\x83\x83",
            r"\x3f\x3f",
        ] {
            let set = format!("SET h \"{header}{cache}{runs}\"");
            for line in [
                "PFCOUNT h",
                "PFCOUNT h h",
                "PFMERGE m h",
                "PFMERGE h",
                "PFDEBUG DECODE h",
                "PFDEBUG GETREG h",
                "PFDEBUG TODENSE h",
                "PFDEBUG ENCODING h",
                "PFADD h",
                "PFADD h a",
                "PFADD h q",
                "PFADD h o",
                "PFADD h z",
            ] {
                let _ = writeln!(script, "{set}\n{line}\nGET h\nOBJECT ENCODING h\nEXISTS m\nDEL m");
            }
        }
    }
    check(&script);
}

#[test]
fn registers_beyond_the_possible_are_counted_as_redis_counts_them() {
    let mut script = String::from("PFADD d a\nPFDEBUG TODENSE d\n");
    for bytes in [r"\xff", r"\xcf", r"\xd3\x34\x4d", r"\x33"] {
        let _ = writeln!(script, "COPY d e REPLACE");
        let len = bytes.len() / 4;
        let whole = bytes.repeat(12_288 / len);
        let _ = writeln!(
            script,
            "SETRANGE e 16 \"{whole}\"\nPFCOUNT e\nPFCOUNT e d\nPFCOUNT e\nPFADD e x y z\nPFMERGE f e d\nGET f"
        );
    }
    check(&script);
}

#[test]
fn keys_of_several_slots_are_refused_by_a_cluster() {
    check_with(
        &[("cluster-enabled", "yes")],
        "
CLUSTER ADDSLOTSRANGE 0 16383
!sleep 2500
PFADD {a}1 x
PFMERGE a b
PFMERGE {a}1 {a}2 {a}3
PFCOUNT a b
PFCOUNT {a}1 {a}2
PFCOUNT {a}1
",
    );
}

#[test]
fn a_count_that_is_kept_is_a_change() {
    check(
        "
PFADD h a b
WATCH h
@b PFCOUNT h
MULTI
PING
EXEC
WATCH h
@b PFCOUNT h
MULTI
PFADD h c
PFCOUNT h
EXEC
GET h
!config notify-keyspace-events KEA
@s SUBSCRIBE __keyevent@0__:pfadd
PFADD h d
@s !read
PFADD h d
@s !silent
PFMERGE h
@s !read
PFCOUNT h
@s !silent
CLIENT PAUSE 100000 WRITE
@c !send PFCOUNT h
@c !silent
CLIENT UNPAUSE
@c !read
",
    );
}
