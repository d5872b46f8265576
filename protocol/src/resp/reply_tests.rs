//! Every reply type in both protocols, byte for byte as Redis 7.0 writes it.

use super::*;

/// What `write` writes in RESP2 and in RESP3.
fn both(write: impl Fn(&mut Reply<'_>)) -> [String; 2] {
    [Protocol::Resp2, Protocol::Resp3].map(|protocol| {
        let mut out = Vec::new();
        write(&mut Reply::new(&mut out, protocol));
        String::from_utf8(out).expect("test replies are UTF-8")
    })
}

/// What `write` writes, which must not depend on the protocol.
fn same(write: impl Fn(&mut Reply<'_>)) -> String {
    let [resp2, resp3] = both(write);
    assert_eq!(resp2, resp3);
    resp2
}

#[test]
fn what_resp2_has_is_the_same_in_both() {
    assert_eq!(
        same(|r| {
            r.ok();
        }),
        "+OK\r\n"
    );
    assert_eq!(same(|r| r.simple("PONG")), "+PONG\r\n");
    assert_eq!(same(|r| r.bulk(b"")), "$0\r\n\r\n");
    assert_eq!(same(|r| r.bulk_str("abc")), "$3\r\nabc\r\n");
    assert_eq!(same(|r| r.bulk_int(-12)), "$3\r\n-12\r\n");
    assert_eq!(same(|r| r.array(0)), "*0\r\n");
    assert_eq!(same(|r| r.raw(b"+raw\r\n")), "+raw\r\n");
    for len in [9, 10, 99, 100, 12345] {
        let text = "x".repeat(len);
        assert_eq!(same(|r| r.bulk_str(&text)), format!("${len}\r\n{text}\r\n"));
        assert_eq!(same(|r| r.array(len)), format!("*{len}\r\n"));
    }
    for value in [0, 9, 10, -1, i64::MAX, i64::MIN] {
        assert_eq!(same(|r| r.int(value)), format!(":{value}\r\n"));
    }
}

#[test]
fn what_resp2_lacks_it_gets_in_the_older_form() {
    assert_eq!(
        both(|r| {
            r.null();
        }),
        ["$-1\r\n", "_\r\n"]
    );
    assert_eq!(
        both(|r| {
            r.null_array();
        }),
        ["*-1\r\n", "_\r\n"]
    );
    assert_eq!(both(|r| r.map(7)), ["*14\r\n", "%7\r\n"]);
    assert_eq!(both(|r| r.set(2)), ["*2\r\n", "~2\r\n"]);
    assert_eq!(both(|r| r.push(3)), ["*3\r\n", ">3\r\n"]);
    assert_eq!(both(|r| r.boolean(true)), [":1\r\n", "#t\r\n"]);
    assert_eq!(both(|r| r.boolean(false)), [":0\r\n", "#f\r\n"]);
    assert_eq!(both(|r| r.double(3.1)), ["$18\r\n3.1000000000000001\r\n", ",3.1000000000000001\r\n"]);
    assert_eq!(both(|r| r.double(f64::NEG_INFINITY)), ["$4\r\n-inf\r\n", ",-inf\r\n"]);
    assert_eq!(both(|r| r.double_text(b"5.0e3")), ["$5\r\n5.0e3\r\n", ",5.0e3\r\n"]);
    assert_eq!(both(|r| r.big_number("123")), ["$3\r\n123\r\n", "(123\r\n"]);
    assert_eq!(both(|r| r.verbatim(*b"txt", b"hi")), ["$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"]);
}

#[test]
fn an_error_stays_one_line_whatever_it_quotes() {
    assert_eq!(same(|r| r.error("ERR no")), "-ERR no\r\n");
    assert_eq!(same(|r| r.error("\r\nERR a\r\nb\n")), "-ERR a  b\r\n");
    assert_eq!(same(|r| r.error("\n")), "-\r\n");
    let mut out = Vec::new();
    Reply::new(&mut out, Protocol::Resp2).error(b"ERR \xff");
    assert_eq!(out, b"-ERR \xff\r\n");
}

#[test]
fn a_deferred_length_may_have_any_number_of_digits() {
    for len in [0, 1, 9, 10, 1234] {
        let written = same(|r| {
            let outer = r.deferred_array();
            for _ in 0..len {
                let inner = r.deferred_array();
                r.int(5);
                r.set_len(inner, 1);
            }
            r.set_len(outer, len);
        });
        assert_eq!(written, format!("*{len}\r\n{}", "*1\r\n:5\r\n".repeat(len)));
    }
    let map = |r: &mut Reply<'_>| {
        let map = r.deferred_map();
        (0..12).for_each(|i| r.int(i % 10));
        r.set_len(map, 6);
    };
    let [resp2, resp3] = both(map);
    assert!(resp2.starts_with("*12\r\n:0\r\n") && resp3.starts_with("%6\r\n:0\r\n"));
    assert_eq!(
        both(|r| {
            let set = r.deferred_set();
            r.ok();
            r.set_len(set, 1);
        }),
        ["*1\r\n+OK\r\n", "~1\r\n+OK\r\n"]
    );
}

#[test]
fn a_half_written_reply_can_be_taken_back() {
    let mut out = b"+OK\r\n".to_vec();
    let mut reply = Reply::new(&mut out, Protocol::Resp2);
    let mark = reply.out_len();
    reply.array(3);
    assert_eq!(reply.written_since(mark), b"*3\r\n");
    reply.truncate(mark);
    reply.reborrow().error("ERR oops");
    assert_eq!(out, b"+OK\r\n-ERR oops\r\n");
}

#[test]
fn a_reply_does_not_grow_beyond_its_limit() {
    let mut out = Vec::with_capacity(64);
    let mut reply = Reply::new(&mut out, Protocol::Resp2).limited(1000);
    let deferred = reply.deferred_array();
    for _ in 0..9 {
        reply.bulk(&[b'x'; 80]);
    }
    assert!(!reply.is_full());
    for _ in 0..100 {
        reply.bulk(&[b'x'; 80]);
        reply.raw(&[b'y'; 80]);
    }
    reply.set_len(deferred, 109);
    reply.int(7);
    assert!(reply.is_full());
    assert!(out.capacity() < 1000, "what it held is dropped: {}", out.capacity());
}
