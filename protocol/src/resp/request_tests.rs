//! The request parser against the texts of Redis 7.0, and against itself at every split.

use super::*;
use crate::resp::{Args, Limits, OwnedArgs};

const LIMITS: Limits = Limits::authenticated(512 * 1024 * 1024);

/// The first request in `input`, given whole.
fn parse(input: &[u8], limits: &Limits) -> Result<(Parsed, OwnedArgs), ProtocolError> {
    let (mut buf, mut args) = (input.to_vec(), ArgVec::new());
    let parsed = RequestParser::new().parse(&mut buf, limits, &mut args)?;
    Ok((parsed, Args::new(&buf, &args).to_owned()))
}

fn words(input: &[u8]) -> OwnedArgs {
    let (parsed, args) = parse(input, &LIMITS).expect("no protocol error");
    assert_eq!(parsed, Parsed::Command { consumed: input.len() });
    args
}

fn error(input: &[u8]) -> String {
    parse(input, &LIMITS).expect_err("a protocol error").to_string()
}

#[test]
fn arrays_and_lines_give_their_words() {
    assert_eq!(words(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"), OwnedArgs::from_slices(&["GET", "k"]));
    assert_eq!(words(b"*1\r\n$0\r\n\r\n"), OwnedArgs::from_slices(&[""]));
    assert_eq!(words(b"PING\r\n"), OwnedArgs::from_slices(&["PING"]));
    assert_eq!(words(b"  SET\tk   v \n"), OwnedArgs::from_slices(&["SET", "k", "v"]));
}

#[test]
fn errors_have_the_texts_of_redis() {
    assert_eq!(error(b"*3000000000\r\n"), "Protocol error: invalid multibulk length");
    assert_eq!(error(b"*1\r\nfoo\r\n"), "Protocol error: expected '$', got 'f'");
}
