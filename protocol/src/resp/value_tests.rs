//! Replies read back: what the writer writes, at every split, and invalid bytes.

use proptest::prelude::*;

use super::*;
use crate::resp::Protocol;

fn parse(bytes: &[u8]) -> Result<Option<(Value, usize)>, ReplyError> {
    ReplyParser::new().parse(bytes)
}

fn whole(bytes: &[u8]) -> Value {
    let (value, consumed) = parse(bytes).expect("no error").expect("a whole reply");
    assert_eq!(consumed, bytes.len());
    value
}

fn encode(value: &Value, protocol: Protocol) -> Vec<u8> {
    let mut out = Vec::new();
    value.write(&mut Reply::new(&mut out, protocol));
    out
}

fn bulk(text: &str) -> Value {
    Value::Bulk(text.as_bytes().to_vec())
}

#[test]
fn every_type_is_read() {
    assert_eq!(whole(b"+OK\r\n").as_bytes(), Some(&b"OK"[..]));
    assert_eq!(whole(b"-ERR no\r\n").as_error(), Some(&b"ERR no"[..]));
    assert_eq!(whole(b"!6\r\nERR no\r\n").as_error(), Some(&b"ERR no"[..]));
    assert_eq!(whole(b":-5\r\n").as_int(), Some(-5));
    assert_eq!(whole(b"$0\r\n\r\n"), bulk(""));
    assert_eq!(whole(b"*2\r\n$1\r\na\r\n*0\r\n").as_array(), Some(&[bulk("a"), Value::Array(vec![])][..]));
    assert_eq!(whole(b"%1\r\n+a\r\n~1\r\n#t\r\n"), {
        Value::Map(vec![(Value::Simple(b"a".to_vec()), Value::Set(vec![Value::Boolean(true)]))])
    });
    assert!(whole(b"_\r\n").is_null() && whole(b"$-1\r\n").is_null() && whole(b"*-1\r\n").is_null());
    assert_eq!(whole(b",-inf\r\n"), Value::Double(f64::NEG_INFINITY));
    assert_eq!(whole(b"(-12345678901234567890\r\n"), Value::BigNumber(b"-12345678901234567890".to_vec()));
    assert_eq!(whole(b"=6\r\ntxt:hi\r\n"), Value::Verbatim(*b"txt", b"hi".to_vec()));
    assert_eq!(whole(b">1\r\n+x\r\n"), Value::Push(vec![Value::Simple(b"x".to_vec())]));
}

#[test]
fn attributes_are_read_over() {
    assert_eq!(whole(b"|1\r\n+ttl\r\n:3\r\n*1\r\n|0\r\n:1\r\n"), Value::Array(vec![Value::Int(1)]));
}

#[test]
fn what_is_no_reply_is_refused() {
    for (bytes, error) in [
        (&b"?\r\n"[..], ReplyError::UnknownType(b'?')),
        (b"\r\n", ReplyError::BadLine),
        (b"\n", ReplyError::BadLine),
        (b"+OK\n", ReplyError::BadLine),
        (b"+O\rK\r\n", ReplyError::BadLine),
        (b":1x\r\n", ReplyError::BadNumber),
        (b"$-2\r\n", ReplyError::BadLength),
        (b"$?\r\n", ReplyError::BadLength),
        (b"*9999999999\r\n", ReplyError::BadLength),
        (b"$1\r\nabc", ReplyError::BadLine),
        (b"=1\r\na\r\n", ReplyError::BadLength),
        (b"#x\r\n", ReplyError::BadNumber),
        (b"_x\r\n", ReplyError::BadNumber),
        (b"(1.5\r\n", ReplyError::BadNumber),
        (b"(-\r\n", ReplyError::BadNumber),
        (b",one\r\n", ReplyError::BadNumber),
    ] {
        assert_eq!(parse(bytes), Err(error), "{:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn depth_is_bounded() {
    assert!(parse("*1\r\n".repeat(MAX_DEPTH).as_bytes()).expect("deep but allowed").is_none());
    assert_eq!(parse("*1\r\n".repeat(MAX_DEPTH + 1).as_bytes()), Err(ReplyError::TooDeep));
}

/// Trees that RESP3 carries without loss.
fn tree() -> impl Strategy<Value = Value> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..20);
    let leaf = prop_oneof![
        "[ -~]{0,20}".prop_map(|text| Value::Simple(text.into_bytes())),
        "[ -~]{1,20}".prop_map(|text| Value::Error(text.into_bytes())),
        any::<i64>().prop_map(Value::Int),
        bytes().prop_map(Value::Bulk),
        Just(Value::Null),
        any::<f64>().prop_map(Value::Double),
        any::<bool>().prop_map(Value::Boolean),
        "-?[0-9]{1,30}".prop_map(|digits| Value::BigNumber(digits.into_bytes())),
        bytes().prop_map(|text| Value::Verbatim(*b"txt", text)),
    ];
    leaf.prop_recursive(4, 32, 12, |inner| {
        let items = || prop::collection::vec(inner.clone(), 0..12);
        prop_oneof![
            items().prop_map(Value::Array),
            items().prop_map(Value::Set),
            items().prop_map(Value::Push),
            prop::collection::vec((inner.clone(), inner.clone()), 0..12).prop_map(Value::Map),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(value in tree()) {
        let bytes = encode(&value, Protocol::Resp3);
        prop_assert_eq!(parse(&bytes), Ok(Some((value, bytes.len()))));
    }

    #[test]
    fn a_resp2_reply_is_always_whole(value in tree()) {
        let bytes = encode(&value, Protocol::Resp2);
        let (read, consumed) = parse(&bytes).expect("no error").expect("a whole reply");
        prop_assert_eq!(consumed, bytes.len());
        prop_assert_eq!(encode(&read, Protocol::Resp2), bytes);
    }

    #[test]
    fn pieces_give_what_the_whole_gives(value in tree(), step in 1usize..7) {
        let bytes = encode(&value, Protocol::Resp3);
        let mut parser = ReplyParser::new();
        let mut len = 0;
        loop {
            len = (len + step).min(bytes.len());
            if let Some(parsed) = parser.parse(&bytes[..len]).expect("no error") {
                prop_assert_eq!(len, bytes.len());
                prop_assert_eq!(parsed, (value, bytes.len()));
                break;
            }
            prop_assert!(len < bytes.len());
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(prop_oneof![
        any::<u8>(), prop::sample::select(&b"*$+-:_,#(!=%~>|0123456789\r\n"[..])], 0..64))
    {
        if let Ok(Some((_, consumed))) = parse(&bytes) {
            prop_assert!(consumed <= bytes.len());
        }
    }
}
