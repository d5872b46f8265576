//! The request parser against Redis 7.0 and against itself at every split.
//!
//! The tables are what redis-server 7.0.15 answered to the same bytes.

use proptest::prelude::*;

use super::*;
use crate::resp::limits::{DEFAULT_MAX_BULK_LEN, MAX_INLINE};
use crate::resp::{Args, Limits, OwnedArgs};

const LIMITS: Limits = Limits::authenticated(DEFAULT_MAX_BULK_LEN);
const UNAUTHENTICATED: Limits = Limits::unauthenticated(DEFAULT_MAX_BULK_LEN);

/// The first request in `input`, given whole.
fn parse(input: &[u8], limits: &Limits) -> Result<(Parsed, OwnedArgs), ProtocolError> {
    let (mut buf, mut args) = (input.to_vec(), ArgVec::new());
    let parsed = RequestParser::new().parse(&mut buf, limits, &mut args)?;
    Ok((parsed, Args::new(&buf, &args).to_owned()))
}

/// All requests in `input`, which comes in pieces of the given lengths (the last one again and again), until the end or
/// an error. Empty requests are left out.
fn parse_stream(input: &[u8], pieces: &[usize], limits: &Limits) -> (Vec<OwnedArgs>, Option<ProtocolError>) {
    parse_with(input, pieces, limits, 0)
}

/// [`parse_stream`] for who takes requests of up to so many words whole, whenever the parser is idle.
fn parse_with(input: &[u8], pieces: &[usize], limits: &Limits, room: usize) -> (Vec<OwnedArgs>, Option<ProtocolError>) {
    let mut room = vec![ArgRange { start: 0, len: 0 }; room];
    let (mut parser, mut args) = (RequestParser::new(), ArgVec::new());
    let (mut buf, mut arrived) = (Vec::new(), 0);
    let mut commands = Vec::new();
    let mut pieces = pieces.iter().chain(std::iter::repeat(pieces.last().unwrap_or(&1)));
    loop {
        if parser.is_idle()
            && let Some((count, consumed)) = RequestParser::whole(&buf, limits, &mut room)
        {
            commands.push(Args::new(&buf, &room[..count]).to_owned());
            buf.drain(..consumed);
            continue;
        }
        match parser.parse(&mut buf, limits, &mut args) {
            Err(error) => return (commands, Some(error)),
            Ok(Parsed::Command { consumed }) => {
                assert!(!args.is_empty() && parser.is_idle());
                commands.push(Args::new(&buf, &args).to_owned());
                buf.drain(..consumed);
            }
            Ok(Parsed::Empty { consumed }) => {
                assert!(args.is_empty() && consumed > 0);
                buf.drain(..consumed);
            }
            Ok(Parsed::Incomplete { need }) => {
                assert!(need > buf.len(), "asked for what is there already");
                if arrived == input.len() {
                    return (commands, None);
                }
                let end = (arrived + pieces.next().expect("endless")).min(input.len());
                buf.extend_from_slice(&input[arrived..end]);
                arrived = end;
            }
        }
    }
}

/// The bytes of a command as clients send it.
fn encode<T: AsRef<[u8]>>(args: &[T]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        out.extend_from_slice(format!("${}\r\n", arg.as_ref().len()).as_bytes());
        out.extend_from_slice(arg.as_ref());
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn assert_error(input: &[u8], limits: &Limits, text: &str) {
    let shown = String::from_utf8_lossy(&input[..input.len().min(40)]).into_owned();
    let error = parse(input, limits).expect_err(&shown);
    assert_eq!(error.to_string(), text, "{shown:?}");
    // The same when the bytes come one by one.
    assert_eq!(parse_stream(input, &[1], limits).1, Some(error), "{shown:?}");
}

#[test]
fn arrays_give_their_arguments() {
    for (input, args) in [
        (&b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"[..], OwnedArgs::from_slices(&["GET", "k"])),
        (b"*1\r\n$0\r\n\r\n", OwnedArgs::from_slices(&[""])),
        (b"*2\r\n$3\r\n\r\n\0\r\n$2\r\n$1\r\n", OwnedArgs::from_slices(&["\r\n\0", "$1"])),
    ] {
        assert_eq!(parse(input, &LIMITS), Ok((Parsed::Command { consumed: input.len() }, args)));
    }
}

#[test]
fn what_redis_does_not_look_at_may_be_anything() {
    for input in [&b"*1\rX$4\rYPINGab"[..], b"*1\r\n$4\r\nPINGab"] {
        let ping = OwnedArgs::from_slices(&["PING"]);
        assert_eq!(parse(input, &LIMITS), Ok((Parsed::Command { consumed: input.len() }, ping)));
    }
}

#[test]
fn requests_without_arguments_are_skipped() {
    for input in [&b"\r\n"[..], b"\n", b" \t \r\n", b"*0\r\n", b"*-1\r\n", b"*-3000000000\r\n"] {
        assert_eq!(parse(input, &LIMITS), Ok((Parsed::Empty { consumed: input.len() }, OwnedArgs::new())));
        assert_eq!(
            parse(input, &UNAUTHENTICATED).map(|(parsed, _)| parsed),
            Ok(Parsed::Empty { consumed: input.len() })
        );
    }
}

#[test]
fn bad_lengths_have_the_texts_of_redis() {
    for input in
        ["*3000000000", "*2147483648", "*", "*+1", "*01", "*1x", "* 1", "*99999999999999999999", "*1\n$4\nPING\n"]
    {
        assert_error(format!("{input}\r\n").as_bytes(), &LIMITS, "Protocol error: invalid multibulk length");
    }
    for input in ["$-1", "$", "$blabla", "$2000000000", "$536870913", "$04", "$+4"] {
        assert_error(format!("*1\r\n{input}\r\n").as_bytes(), &LIMITS, "Protocol error: invalid bulk length");
    }
    assert!(matches!(parse(b"*2147483647\r\n", &LIMITS), Ok((Parsed::Incomplete { .. }, _))));
    assert!(matches!(parse(b"*1\r\n$536870912\r\n", &LIMITS), Ok((Parsed::Incomplete { .. }, _))));
}

#[test]
fn the_limit_on_bulks_is_that_of_the_directive() {
    let limits = Limits::authenticated(3);
    assert!(parse(b"*1\r\n$3\r\nabc\r\n", &limits).is_ok());
    assert_error(b"*1\r\n$4\r\nPING\r\n", &limits, "Protocol error: invalid bulk length");
}

#[test]
fn anything_but_a_bulk_is_named_in_the_error() {
    for (input, byte) in [
        (&b"*1\r\nfoo\r\n"[..], b'f'),
        (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", b'f'),
        (b"*1\r\n:4\r\n", b':'),
        (b"*1\r\n\r\n", b'\r'),
        (b"*1\r\n\n\r\n", b'\n'),
        (b"*1\r\n\xff\r\n", 0xff),
    ] {
        let error = parse(input, &LIMITS).expect_err("not a bulk");
        assert_eq!(error, ProtocolError::ExpectedBulk(byte));
        assert_eq!(error.text(), [&b"Protocol error: expected '$', got '"[..], &[byte], b"'"].concat());
    }
    assert_error(b"*1\r\nfoo\r\n", &LIMITS, "Protocol error: expected '$', got 'f'");
}

#[test]
fn before_authentication_the_limits_are_tighter() {
    assert_error(b"*11\r\n", &UNAUTHENTICATED, "Protocol error: unauthenticated multibulk length");
    assert_error(b"*1000\r\n", &UNAUTHENTICATED, "Protocol error: unauthenticated multibulk length");
    assert_error(b"*2147483648\r\n", &UNAUTHENTICATED, "Protocol error: invalid multibulk length");
    assert_error(b"*1\r\n$16385\r\n", &UNAUTHENTICATED, "Protocol error: unauthenticated bulk length");
    assert_error(b"*1\r\n$600000000\r\n", &UNAUTHENTICATED, "Protocol error: invalid bulk length");
    for input in [&b"*10\r\n"[..], b"*1\r\n$16384\r\n"] {
        assert!(matches!(parse(input, &UNAUTHENTICATED), Ok((Parsed::Incomplete { .. }, _))));
    }
    let many = b"a b c d e f g h i j k l m\r\n"; // lines are not limited in number
    assert_eq!(parse(many, &UNAUTHENTICATED).map(|(_, args)| args.len()), Ok(13));
}

#[test]
fn a_line_that_does_not_end_is_given_up_at_64_kib() {
    for (start, text) in [
        ("*", "Protocol error: too big mbulk count string"),
        ("*1\r\n$", "Protocol error: too big bulk count string"),
        ("", "Protocol error: too big inline request"),
    ] {
        let header = start.find('\n').map_or(0, |newline| newline + 1);
        let fill = MAX_INLINE + header - start.len();
        let longest = format!("{start}{}", "1".repeat(fill));
        assert!(matches!(parse(longest.as_bytes(), &LIMITS), Ok((Parsed::Incomplete { .. }, _))), "{start}");
        assert_eq!(parse((longest + "1").as_bytes(), &LIMITS).expect_err(start).to_string(), text);
        // A NUL hides the end of the line.
        let hidden = format!("{start}\0\r\n{}", "1".repeat(fill));
        assert_eq!(parse(hidden.as_bytes(), &LIMITS).expect_err(start).to_string(), text);
    }
    assert!(matches!(parse(b"PING\0\r\nPING\r\n", &LIMITS), Ok((Parsed::Incomplete { .. }, _))));
}

#[test]
fn lines_are_split_and_unescaped_as_redis_does() {
    for (line, words) in [
        (&b"a b"[..], &[&b"a"[..], b"b"][..]),
        (b"  a\t b  ", &[b"a", b"b"]),
        (b"\"a b\" c", &[b"a b", b"c"]),
        (b"'a b' c", &[b"a b", b"c"]),
        (b"a\"b c\"", &[b"ab c"]),
        (b"a'b c' d", &[b"ab c", b"d"]),
        (b"\"\"", &[b""]),
        (b"''", &[b""]),
        (b"\"\\x41\\x4a\\xfF\"", &[b"AJ\xff"]),
        (b"\"\\x4g\"", &[b"x4g"]),
        (b"\"\\n\\r\\t\\b\\a\\q\\\\\\\"\"", &[b"\n\r\t\x08\x07q\\\""]),
        (b"'\\n\\''", &[b"\\n'"]),
        (b"a\\n", &[b"a\\n"]),
        (b"a\x0bb \x0b c", &[b"a\x0bb", b"c"]),
        (b"a\x0cb", &[b"a\x0cb"]),
        (b"\"a\"\x0b\"b\"", &[b"a", b"b"]),
        (b"a\rb", &[b"a", b"b"]),
        (b"\"a\\x\"", &[b"ax"]),
        (b"\xff\xfe", &[b"\xff\xfe"]),
        (b"\"\\\\x41\"", &[b"\\x41"]),
        (b"\"\\x00\"", &[b"\0"]),
    ] {
        for end in [&b"\r\n"[..], b"\n"] {
            let input = [line, end].concat();
            let expected = (Parsed::Command { consumed: input.len() }, OwnedArgs::from_slices(words));
            assert_eq!(parse(&input, &LIMITS), Ok(expected), "{:?}", String::from_utf8_lossy(line));
        }
    }
}

#[test]
fn unbalanced_quotes_are_refused() {
    for line in ["ECHO \"foo", "ECHO 'foo", "ECHO \"a\"b", "ECHO 'a'b", "ECHO \"\\", "\"\\x4", "'a\\\\'", "\"\\x41"] {
        assert_error(format!("{line}\r\n").as_bytes(), &LIMITS, "Protocol error: unbalanced quotes in request");
    }
}

#[test]
fn a_primary_may_send_bulks_of_any_length_but_no_lines() {
    let limits = Limits::primary();
    assert_eq!(parse(b"PING\r\n", &limits), Err(ProtocolError::InlineFromPrimary));
    assert_eq!(parse(b"\n", &limits), Ok((Parsed::Empty { consumed: 1 }, OwnedArgs::new())));
    let need = b"*1\r\n$4000000000\r\n".len() + 4_000_000_002;
    assert_eq!(parse(b"*1\r\n$4000000000\r\n", &limits).map(|(parsed, _)| parsed), Ok(Parsed::Incomplete { need }));
    assert_eq!(parse(b"*1\r\n$4294967290\r\n", &limits), Err(ProtocolError::RequestTooLong));
    assert_eq!(parse(b"*1\r\n$9223372036854775807\r\n", &limits), Err(ProtocolError::RequestTooLong));
}

#[test]
fn an_unfinished_bulk_tells_the_length_to_wait_for() {
    let whole = encode(&["SET", "key", &"x".repeat(1000)]);
    let header = whole.len() - 1002;
    let mut parser = RequestParser::new();
    let mut args = ArgVec::new();
    for cut in header..whole.len() {
        let parsed = parser.parse(&mut whole[..cut].to_vec(), &LIMITS, &mut args);
        assert_eq!(parsed, Ok(Parsed::Incomplete { need: whole.len() }));
        assert!(!parser.is_idle());
    }
    let parsed = parser.parse(&mut whole.clone(), &LIMITS, &mut args);
    assert_eq!(parsed, Ok(Parsed::Command { consumed: whole.len() }));
}

/// Bytes that are often meant as a request, and often damaged.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        Just(b"*1\r\n".to_vec()),
        Just(b"*2\r\n".to_vec()),
        Just(b"$1\r\n".to_vec()),
        Just(b"$3\r\nabc\r\n".to_vec()),
        Just(b"PING\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        prop::collection::vec(prop::sample::select(&b"*$\r\n\0 \"'\\x0123456789a\xff"[..]), 0..6),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat())
}

fn commands() -> impl Strategy<Value = Vec<Vec<Vec<u8>>>> {
    let arg = prop_oneof![
        9 => prop::collection::vec(any::<u8>(), 0..12),
        1 => (95usize..130, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
        1 => (995usize..1005, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
    ];
    prop::collection::vec(prop::collection::vec(arg, 1..14), 1..5)
}

#[test]
fn a_request_is_not_taken_whole_while_its_first_line_is_searched() {
    for (stream, pieces) in [
        ("*1\r\n$4\r\nPING\r\n\r\n*1\r\n$4\r\nPING\r\n", [2, 12, 16]),
        ("*2\r\n$1\r\na\r\n$1\r\nb\r\n*0\r\nPING\r\n", [3, 15, 10]),
    ] {
        let whole = parse_stream(stream.as_bytes(), &[stream.len()], &LIMITS);
        assert_eq!(whole.0.len(), 2);
        assert_eq!(parse_with(stream.as_bytes(), &pieces, &LIMITS, 4), whole);
    }
}

proptest! {
    #[test]
    fn what_is_encoded_is_parsed_at_every_split(commands in commands(), pieces in prop::collection::vec(1usize..50, 1..20)) {
        let stream: Vec<u8> = commands.iter().flat_map(|command| encode(command)).collect();
        let expected: Vec<OwnedArgs> = commands.iter().map(|command| OwnedArgs::from_slices(command)).collect();
        prop_assert_eq!(parse_stream(&stream, &[stream.len()], &LIMITS), (expected.clone(), None));
        prop_assert_eq!(parse_stream(&stream, &pieces, &LIMITS), (expected, None));
    }

    #[test]
    fn pieces_give_what_the_whole_gives(stream in noise(), pieces in prop::collection::vec(1usize..9, 1..20)) {
        for limits in [LIMITS, UNAUTHENTICATED, Limits::primary()] {
            let whole = parse_stream(&stream, &[stream.len().max(1)], &limits);
            prop_assert_eq!(&parse_stream(&stream, &[1], &limits), &whole);
            prop_assert_eq!(&parse_stream(&stream, &pieces, &limits), &whole);
            prop_assert_eq!(&parse_with(&stream, &[1], &limits, 4), &whole);
            prop_assert_eq!(&parse_with(&stream, &pieces, &limits, 4), &whole);
        }
    }

    #[test]
    fn a_whole_request_is_what_the_parser_finds(stream in noise(), commands in commands(), room in 0usize..16) {
        let encoded: Vec<u8> = commands.iter().flat_map(|command| encode(command)).collect();
        for limits in [LIMITS, UNAUTHENTICATED, Limits::authenticated(7), Limits::primary()] {
            for stream in [&stream, &encoded] {
                let mut words = vec![ArgRange { start: 0, len: 0 }; room];
                let Some((count, consumed)) = RequestParser::whole(stream, &limits, &mut words) else { continue };
                let (mut buf, mut args) = (stream.clone(), ArgVec::new());
                let parsed = RequestParser::new().parse(&mut buf, &limits, &mut args);
                prop_assert_eq!(parsed, Ok(Parsed::Command { consumed }));
                prop_assert_eq!(&words[..count], &args[..]);
            }
        }
    }

    #[test]
    fn usual_requests_are_seen_whole(command in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 1..16), behind in noise()) {
        let mut words = [ArgRange { start: 0, len: 0 }; 16];
        let encoded = encode(&command);
        let found = RequestParser::whole(&[&encoded[..], &behind].concat(), &LIMITS, &mut words);
        prop_assert_eq!(found, Some((command.len(), encoded.len())));
        prop_assert_eq!(RequestParser::whole(&encoded[..encoded.len() - 1], &LIMITS, &mut words), None);
        prop_assert_eq!(RequestParser::whole(&encoded, &LIMITS, &mut words[..command.len() - 1]), None);
    }

    #[test]
    fn a_quoted_line_gives_back_what_was_quoted(words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 1..10)) {
        // redis-cli's spelling of any bytes: every byte that is not plain is escaped.
        let quote = |word: &Vec<u8>| {
            let escaped: String = word.iter().map(|&b| match b {
                b' '..=b'~' if b != b'"' && b != b'\\' => char::from(b).to_string(),
                other => format!("\\x{other:02x}"),
            }).collect();
            format!("\"{escaped}\"")
        };
        let line = words.iter().map(quote).collect::<Vec<_>>().join(" ") + "\r\n";
        let (parsed, args) = parse(line.as_bytes(), &LIMITS).expect("balanced");
        prop_assert_eq!(parsed, Parsed::Command { consumed: line.len() });
        prop_assert_eq!(args, OwnedArgs::from_slices(&words));
    }
}
