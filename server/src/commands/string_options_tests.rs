//! Which options may be combined, and which expiry times are valid.

use protocol::resp::OwnedArgs;

use super::*;

fn set(words: &[&str]) -> Result<String, CmdError> {
    SetRequest::parse(OwnedArgs::from_slices(words).view())
        .map(|request| format!("{:?} {:?} {}", request.condition, request.expiry.kind(), request.get))
}

impl SetExpiry<'_> {
    fn kind(&self) -> &'static str {
        match self {
            SetExpiry::Clear => "clear",
            SetExpiry::Keep => "keep",
            SetExpiry::At(_) => "at",
        }
    }
}

#[test]
fn options_that_contradict_each_other_are_syntax_errors() {
    for words in [&["NX", "XX"][..], &["KEEPTTL", "EX", "1"], &["EX", "1", "KEEPTTL"], &["EX", "1", "PX", "1"], &["PX"]]
    {
        assert_eq!(set(words), Err(error::SYNTAX), "{words:?}");
    }
    for words in
        [&["PERSIST", "EX", "1"][..], &["EX", "1", "PERSIST"], &["EX", "1", "EXAT", "1"], &["NX"], &["KEEPTTL"]]
    {
        assert_eq!(GetExRequest::parse(OwnedArgs::from_slices(words).view()), Err(error::SYNTAX), "{words:?}");
    }
}

#[test]
fn the_same_option_may_come_twice() {
    assert_eq!(set(&["nx", "NX", "get", "GET"]).as_deref(), Ok("IfAbsent \"clear\" true"));
    assert_eq!(set(&["KEEPTTL", "keepttl"]).as_deref(), Ok("Always \"keep\" false"));
    let words = OwnedArgs::from_slices(&["EX", "bad", "ex", "2"]);
    let request = GetExRequest::parse(words.view()).expect("valid");
    let GetExRequest::At(when) = request else { panic!("a time") };
    assert_eq!(when.resolve(5, "getex"), Ok(2005), "the last one counts");
}

#[test]
fn times_must_be_positive_and_fit() {
    let bad = |name: &str| Err(error::invalid_expire(name));
    assert_eq!(When::in_seconds(b"10").resolve(1, "setex"), Ok(10_001));
    for word in ["0", "-1", "9223372036854775807", "9223372036854776"] {
        assert_eq!(When::in_seconds(word.as_bytes()).resolve(1, "setex"), bad("setex"), "{word}");
    }
    assert_eq!(When::in_millis(b"9223372036854775807").resolve(1, "psetex"), bad("psetex"));
    assert_eq!(When { unit: Unit::AtMilli, word: b"9223372036854775807" }.resolve(1, "set"), Ok(i64::MAX));
    assert_eq!(When::in_seconds(b"1.5").resolve(1, "setex"), Err(error::NOT_INTEGER));
}
