//! What commands on streams leave behind besides the reply. The expected lines were recorded from Redis 7.0.15: its
//! append-only file, and its events with `notify-keyspace-events KEAnm`.

use crate::testing::check_effects as check;

const S: [&str; 3] = ["XADD s 1-1 f v", "XADD s 1-2 f v", "XADD s 2-1 f v"];
const G: [&str; 4] = [S[0], S[1], S[2], "XGROUP CREATE s g 0"];
const D: [&str; 5] = [S[0], S[1], S[2], G[3], "XREADGROUP GROUP g a COUNT 2 STREAMS s >"];

#[test]
fn an_entry_is_propagated_with_its_id_and_with_what_a_trim_came_to() {
    check(&[], "XADD s 1-1 f v", &["XADD s 1-1 f v"], &["new s", "xadd s"]);
    check(&[], "XADD s 1-* f v", &["XADD s 1-0 f v"], &["new s", "xadd s"]);
    check(&[], "XADD s * f v", &["XADD s 1000000000000-0 f v"], &["new s", "xadd s"]);
    check(&[], "XADD s NOMKSTREAM 1-1 f v", &[], &[]);
    check(&S, "XADD s 1-1 f v", &[], &[]);
    check(&S, "XADD s MAXLEN 2 5-* f v", &["XADD s MAXLEN 2 5-0 f v"], &["xadd s", "xtrim s"]);
    check(&S, "XADD s MAXLEN ~ 2 LIMIT 9 5-1 f v", &["XADD s MAXLEN = 4 LIMIT 9 5-1 f v"], &["xadd s"]);
    check(&S, "XADD s MINID ~ 1-2 5-1 f v", &["XADD s MINID = 1-1 5-1 f v"], &["xadd s"]);
    check(&S, "XDEL s 1-1 9-9", &["XDEL s 1-1 9-9"], &["xdel s"]);
    check(&S, "XDEL s 9-9", &[], &[]);
    check(&S, "XDEL s 1-1 1-2 2-1", &["XDEL s 1-1 1-2 2-1"], &["xdel s"]);
    check(&S, "XTRIM s MAXLEN 1", &["XTRIM s MAXLEN 1"], &["xtrim s"]);
    check(&S, "XTRIM s MAXLEN ~ 1", &[], &[]);
    check(&S, "XTRIM s MAXLEN ~ 0", &["XTRIM s MAXLEN = 0"], &["xtrim s"]);
    let all = "XTRIM s MINID = 18446744073709551615-18446744073709551615";
    check(&S, "XTRIM s MINID ~ 9", &[all], &["xtrim s"]);
    check(&S, "XSETID s 9-9", &["XSETID s 9-9"], &["xsetid s"]);
}

#[test]
fn groups_are_propagated_as_they_are_made() {
    let created = ["new s", "xgroup-create s"];
    check(&[], "XGROUP CREATE s g $ MKSTREAM", &["XGROUP CREATE s g $ MKSTREAM"], &created);
    check(&S, "XGROUP CREATE s g $", &["XGROUP CREATE s g $"], &created[1..]);
    check(&G, "XGROUP CREATE s g $", &[], &[]);
    check(&G, "XGROUP SETID s g $", &["XGROUP SETID s g $"], &["xgroup-setid s"]);
    check(&G, "XGROUP CREATECONSUMER s g a", &["XGROUP CREATECONSUMER s g a"], &["xgroup-createconsumer s"]);
    check(&D, "XGROUP CREATECONSUMER s g a", &[], &[]);
    check(&D, "XGROUP DELCONSUMER s g a", &["XGROUP DELCONSUMER s g a"], &["xgroup-delconsumer s"]);
    check(&D, "XGROUP DELCONSUMER s g x", &[], &[]);
    check(&D, "XGROUP DESTROY s g", &["XGROUP DESTROY s g"], &["xgroup-destroy s"]);
    check(&D, "XGROUP DESTROY s x", &[], &[]);
    check(&D, "XACK s g 1-1 9-9", &["XACK s g 1-1 9-9"], &[]);
    check(&D, "XACK s g 9-9", &[], &[]);
}

#[test]
fn a_delivery_is_propagated_as_claims() {
    let claim = |consumer: &str, id: &str, count: u32, last: &str| {
        format!("XCLAIM s g {consumer} 0 {id} TIME 1000000000000 RETRYCOUNT {count} FORCE JUSTID LASTID {last}")
    };
    let new = ["xgroup-createconsumer s"];
    let two = [claim("a", "1-1", 1, "1-1"), claim("a", "1-2", 1, "1-2")];
    check(&G, D[4], &["MULTI", &two[0], &two[1], "EXEC"], &new);
    check(&D, "XREADGROUP GROUP g a STREAMS s >", &[&claim("a", "2-1", 1, "2-1")], &[]);
    let place = ["MULTI", "XGROUP CREATECONSUMER s g b", "XGROUP SETID s g 2-1 ENTRIESREAD 3", "EXEC"];
    check(&D, "XREADGROUP GROUP g b NOACK STREAMS s >", &place, &new);
    check(&D, "XREADGROUP GROUP g a STREAMS s 0", &[], &[]);
    // A consumer that gets nothing is one since Redis 7.2, which does not tell its replicas unless NOACK is given.
    check(&D, "XREADGROUP GROUP g b STREAMS s 0", &place[1..2], &new);
    let read = [D[0], D[1], D[2], D[3], "XREADGROUP GROUP g a STREAMS s >"];
    check(&read, "XREADGROUP GROUP g b STREAMS s >", &place[1..2], &new);
    check(&read, "XREADGROUP GROUP g b NOACK STREAMS s >", &place[1..2], &new);
    check(&read, "XREADGROUP GROUP g b BLOCK 1 STREAMS s >", &place[1..2], &new);
    check(&read, "XREADGROUP GROUP g a STREAMS s >", &[], &[]);
    check(&D, "XREADGROUP GROUP g b NOACK STREAMS s 0", &place[1..2], &new);
    check(&D, "XCLAIM s g b 0 1-1", &[&claim("b", "1-1", 2, "1-2")], &new);
    let aged = |id: &str| format!("XCLAIM s g b 0 {id} TIME 1000 RETRYCOUNT 7 FORCE JUSTID LASTID 9-9");
    let line = "XCLAIM s g b 0 1-1 1-2 RETRYCOUNT 7 TIME 1000 LASTID 9-9";
    check(&D, line, &["MULTI", &aged("1-1"), &aged("1-2"), "EXEC"], &new);
    let told = ["MULTI", "XGROUP SETID s g 9-9 ENTRIESREAD 2", place[1], "EXEC"];
    check(&D, "XCLAIM s g b 0 7-7 LASTID 9-9", &told, &new);
    check(&D, "XCLAIM s g b 0 7-7", &place[1..2], &new);
    check(&D, "XCLAIM s g a 0 7-7", &[], &[]);
    let deleted = [D[0], D[1], D[2], D[3], D[4], "XDEL s 1-1"];
    check(&deleted, "XCLAIM s g b 0 1-1", &["MULTI", &claim("a", "1-1", 1, "1-2"), place[1], "EXEC"], &new);
    let both = [claim("a", "1-1", 1, "1-2"), claim("b", "1-2", 2, "1-2")];
    check(&deleted, "XAUTOCLAIM s g b 0 0", &["MULTI", &both[0], &both[1], "EXEC"], &new);
    check(&D, "XAUTOCLAIM s g b 999999 0", &place[1..2], &new);
    check(&D, "XAUTOCLAIM s g a 999999 0", &[], &[]);
}

/// The commands of Redis 8.2 have no oracle here: a replica of any version must come to the same.
#[test]
fn a_removal_by_references_is_propagated_as_acknowledgements_and_deletions() {
    check(&D, "XDELEX s IDS 2 1-1 9-9", &["XDEL s 1-1"], &["xdel s"]);
    check(&D, "XDELEX s IDS 1 9-9", &[], &[]);
    check(&D, "XDELEX s DELREF IDS 2 1-1 2-1", &["MULTI", "XACK s g 1-1", "XDEL s 1-1 2-1", "EXEC"], &["xdel s"]);
    check(&D, "XDELEX s ACKED IDS 2 1-1 2-1", &[], &[]);
    let acked = [D[0], D[1], D[2], D[3], D[4], "XACK s g 1-1", "XDEL s 1-2"];
    check(&acked, "XDELEX s ACKED IDS 2 1-1 2-1", &["XDEL s 1-1"], &["xdel s"]);
    check(&acked, "XDELEX s DELREF IDS 1 1-2", &["XACK s g 1-2"], &[]);
    check(&D, "XACKDEL s g IDS 2 1-1 2-1", &["MULTI", "XACK s g 1-1", "XDEL s 1-1", "EXEC"], &["xdel s"]);
    let two = [D[0], D[1], D[2], D[3], "XGROUP CREATE s f 0", D[4], "XREADGROUP GROUP f a COUNT 1 STREAMS s >"];
    let all = ["MULTI", "XACK s f 1-1", "XACK s g 1-1 1-2", "XDEL s 1-1 1-2", "EXEC"];
    check(&two, "XACKDEL s g DELREF IDS 2 1-1 1-2", &all, &["xdel s"]);
    check(&two, "XACKDEL s g ACKED IDS 2 1-1 1-2", &["XACK s g 1-1 1-2"], &[]);
    check(&two, "XACKDEL s x IDS 1 1-1", &[], &[]);
}

#[test]
fn a_trim_by_references_is_propagated_without_the_words_of_redis_8_2() {
    check(&S, "XADD s KEEPREF MAXLEN 2 5-* f v", &["XADD s MAXLEN 2 5-0 f v"], &["xadd s", "xtrim s"]);
    check(&S, "XADD s ACKED MAXLEN 2 5-1 f v", &["XADD s MAXLEN 2 5-1 f v"], &["xadd s", "xtrim s"]);
    check(&S, "XADD s DELREF 5-1 f v", &["XADD s 5-1 f v"], &["xadd s"]);
    let both = ["xadd s", "xtrim s"];
    check(
        &D,
        "XADD s DELREF MAXLEN = 2 5-1 f v",
        &["MULTI", "XADD s MAXLEN = 2 5-1 f v", "XACK s g 1-1 1-2", "EXEC"],
        &both,
    );
    check(&D, "XADD s MAXLEN ~ 2 LIMIT 9 ACKED 5-1 f v", &["XADD s 5-1 f v"], &["xadd s"]);
    let acked = [D[0], D[1], D[2], D[3], D[4], "XACK s g 1-2"];
    check(&acked, "XADD s ACKED MAXLEN 1 5-* f v", &["MULTI", "XADD s 5-0 f v", "XDEL s 1-2", "EXEC"], &both);
    check(&acked, "XTRIM s MINID 2-1 ACKED", &["XDEL s 1-2"], &["xtrim s"]);
    check(&acked, "XTRIM s MINID 2-1 DELREF", &["MULTI", "XTRIM s MINID 2-1", "XACK s g 1-1", "EXEC"], &["xtrim s"]);
    check(&acked, "XTRIM s KEEPREF MAXLEN ~ 0", &["XTRIM s MAXLEN = 0"], &["xtrim s"]);
    check(&acked, "XTRIM s MAXLEN 5 ACKED", &[], &[]);
}
