//! Replies: any bytes are parsed or refused without a panic; pieces give what the whole gives; and what was read,
//! written again in either protocol, is a reply.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::resp::{Protocol, Reply, ReplyError, ReplyParser, Value};

/// The first reply, from bytes that come `piece` at a time.
fn parse(input: &[u8], piece: usize) -> Result<Option<(Value, usize)>, ReplyError> {
    let mut parser = ReplyParser::new();
    let mut arrived = 0;
    loop {
        let parsed = parser.parse(&input[..arrived])?;
        if parsed.is_some() || arrived == input.len() {
            return Ok(parsed);
        }
        arrived = (arrived + piece).min(input.len());
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&choice, input)) = data.split_first() else { return };
    let whole = parse(input, input.len().max(1));
    // Compared by their text: a NaN is no equal of itself.
    assert_eq!(format!("{whole:?}"), format!("{:?}", parse(input, usize::from(choice) + 1)));
    let Ok(Some((value, consumed))) = whole else { return };
    assert!(consumed <= input.len());
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let mut out = Vec::new();
        value.write(&mut Reply::new(&mut out, protocol));
        let len = out.len();
        let again = parse(&out, len).expect("what is written is a reply").expect("what is written is whole");
        assert_eq!(again.1, len);
    }
});
