//! Tokens, and what is read from a hash.

use super::*;

#[test]
fn tokens_are_long_differ_and_can_be_read_back() {
    let (one, other) = (Token::random(), Token::random());
    assert!(one != other);
    assert_eq!(one.as_str().len(), 32);
    assert!(Token::parse(one.as_str()) == Some(one));
}

#[test]
fn what_was_never_a_token_gets_into_no_key() {
    for text in [
        "",
        "abc",
        &"A".repeat(32),
        &"{".repeat(32),
        &"0".repeat(33),
        &format!("{}\r\n", "0".repeat(30)),
        &"é".repeat(16),
    ] {
        assert!(Token::parse(text).is_none(), "{text:?}");
    }
}

#[test]
fn people_see_too_little_of_a_key_to_use_it() {
    let token = Token::parse(&"0123456789abcdef".repeat(2)).expect("it has the form");
    assert_eq!(token.key_for_people(), "session:012345…");
}

#[test]
fn a_session_with_fields_missing_is_still_one() {
    let fields = HashMap::from([("name".to_owned(), "ada".to_owned()), ("created".to_owned(), "90".to_owned())]);
    let session = Session::read(fields, 100);
    assert_eq!((session.age, session.visits, session.moved), (Duration::from_secs(10), 0, None));
}
