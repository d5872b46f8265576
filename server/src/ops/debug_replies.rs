//! DEBUG subcommands that look at no data: replies of every type, and a test of patterns.
//!
//! Client libraries test their parsers with DEBUG PROTOCOL. Redis: debug.c, util.c.

use protocol::resp::reply::Protocol;

use crate::base::glob;
use crate::base::rng::Rng;
use crate::command::CmdError;
use crate::engine::handler::SessionCtx;

const NO_RESP2: CmdError = CmdError::text("ERR RESP2 is not supported by this command");
const NO_SUCH_TYPE: CmdError = CmdError::text(
    "ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
);

/// Pairs of texts that DEBUG STRINGMATCH-TEST compares.
const PAIRS: usize = 100_000;

/// DEBUG PROTOCOL: one reply of the type that is named.
pub(super) fn protocol(ctx: &mut SessionCtx<'_, '_>, word: &[u8]) -> Result<(), CmdError> {
    let is_resp3 = ctx.reply.protocol() == Protocol::Resp3;
    let reply = &mut ctx.reply;
    match word.to_ascii_lowercase().as_slice() {
        b"string" => reply.bulk_str("Hello World"),
        b"integer" => reply.int(12345),
        b"double" => reply.double_text(b"3.141"),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|number| reply.int(number));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|number| reply.int(number));
        }
        b"map" => {
            reply.map(3);
            for number in 0..3 {
                reply.int(number);
                reply.boolean(number == 1);
            }
        }
        b"attrib" => {
            if is_resp3 {
                reply.raw(b"|1\r\n");
                reply.bulk_str("key-popularity");
                reply.array(2);
                reply.bulk_str("key:123");
                reply.int(90);
            }
            // An attribute is no reply: one has to follow.
            reply.bulk_str("Some real reply following the attribute");
        }
        b"push" => {
            if !is_resp3 {
                return Err(NO_RESP2);
            }
            reply.push(2);
            reply.bulk_str("server-cpu-usage");
            reply.int(42);
            reply.bulk_str("Some real reply following the push reply");
        }
        b"verbatim" => reply.verbatim(*b"txt", b"This is a verbatim\nstring"),
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        b"bignum" => reply.big_number("1234567999999999999999999999999999999"),
        _ => return Err(NO_SUCH_TYPE),
    }
    Ok(())
}

/// DEBUG STRINGMATCH-TEST: compares random texts with random patterns, for whoever wants to see that nothing breaks.
pub(super) fn match_strings(rng: &mut Rng) -> &'static str {
    const LETTERS: &[u8] = b"ab*?[]^-\\\0";
    let mut text = |longest: u64| -> Vec<u8> {
        (0..rng.below(longest)).map(|_| LETTERS[rng.below(LETTERS.len() as u64) as usize]).collect()
    };
    let matching = (0..PAIRS).filter(|_| glob::matches(&text(8), &text(16), false)).count();
    debug_assert!(matching < PAIRS, "not every pattern matches every text");
    "Apparently Redis did not crash: test passed"
}
