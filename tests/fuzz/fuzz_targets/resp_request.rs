//! Requests: any bytes are parsed or refused without a panic, arguments lie within what was consumed, and bytes that
//! come in pieces give the same commands as the whole.
//!
//! The first byte of the input chooses the limits and the length of the pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::resp::{ArgRange, ArgVec, Args, Limits, OwnedArgs, Parsed, ProtocolError, RequestParser};

/// Commands up to the end or the first error.
fn parse_stream(input: &[u8], piece: usize, limits: &Limits) -> (Vec<OwnedArgs>, Option<ProtocolError>) {
    let (mut parser, mut args) = (RequestParser::new(), ArgVec::new());
    let (mut buf, mut arrived, mut commands) = (Vec::new(), 0, Vec::new());
    loop {
        match parser.parse(&mut buf, limits, &mut args) {
            Err(error) => return (commands, Some(error)),
            Ok(Parsed::Command { consumed }) => {
                assert!(
                    args.iter().all(|arg| (arg.start + arg.len) as usize <= consumed),
                    "an argument lies beyond the command"
                );
                commands.push(Args::new(&buf, &args).to_owned());
                buf.drain(..consumed);
            }
            Ok(Parsed::Empty { consumed }) => {
                assert!(consumed > 0, "an empty request that takes no bytes");
                buf.drain(..consumed);
            }
            Ok(Parsed::Incomplete { need }) => {
                assert!(need > buf.len(), "asked for what is there already");
                if arrived == input.len() {
                    return (commands, None);
                }
                let end = (arrived + piece).min(input.len());
                buf.extend_from_slice(&input[arrived..end]);
                arrived = end;
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&choice, input)) = data.split_first() else { return };
    let limits = match choice & 3 {
        0 => Limits::authenticated(512 * 1024 * 1024),
        1 => Limits::authenticated(16),
        2 => Limits::unauthenticated(512 * 1024 * 1024),
        _ => Limits::primary(),
    };
    // Whether an endless line is refused depends on how much of it arrives at once, so these are left out.
    if input.len() > limits.max_inline {
        return;
    }
    let whole = parse_stream(input, input.len().max(1), &limits);
    let mut words = [ArgRange { start: 0, len: 0 }; 16];
    if let Some((count, consumed)) = RequestParser::whole(input, &limits, &mut words) {
        let first = Args::new(&input[..consumed], &words[..count]).to_owned();
        assert_eq!(whole.0.first(), Some(&first), "the short way and the long way disagree");
    }
    let pieces = parse_stream(input, usize::from(choice >> 2) + 1, &limits);
    assert_eq!(whole, pieces);
});
