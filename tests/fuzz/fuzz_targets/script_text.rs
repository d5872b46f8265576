//! Scripts: any text is compiled and run, or refused, and leaves a machine that runs the next one; its answer is one
//! whole reply in either protocol.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use protocol::resp::{Protocol, ReplyError, ReplyParser};
use slotd::parts::Script;

thread_local! {
    static MACHINE: RefCell<Script> = RefCell::new(Script::new(16 << 20, 20).expect("there is memory"));
}

fuzz_target!(|text: &[u8]| {
    MACHINE.with_borrow_mut(|machine| {
        for protocol in [Protocol::Resp2, Protocol::Resp3] {
            let reply = machine.run(text, &[text, b"2"], protocol);
            match ReplyParser::new().parse(&reply) {
                Ok(Some((_, len))) => assert_eq!(len, reply.len()),
                Err(ReplyError::TooDeep) => {}
                broken => panic!("{broken:?}: {}", reply.escape_ascii()),
            }
        }
        assert_eq!(machine.run(b"return 7", &[], Protocol::Resp2), b":7\r\n");
    });
});
