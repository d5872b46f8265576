//! Cluster bus packets: no bytes may panic the decoder, and what it accepts must survive encoding and decoding again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::bus::{decode, encode, frame_len};

fuzz_target!(|data: &[u8]| {
    check(data);
    // Nobody guesses signature, length and version: the rest is tried behind right ones, too.
    let mut framed = data.to_vec();
    let len = u32::try_from(data.len()).expect("inputs are short");
    if let Some(head) = framed.first_chunk_mut() {
        let [a, b, c, d] = len.to_be_bytes();
        *head = [b'R', b'C', b'm', b'b', a, b, c, d, 0, 1];
        check(&framed);
    }
});

fn check(data: &[u8]) {
    let _ = frame_len(data);
    if let Ok(packet) = decode(data) {
        // Reserved bytes and damaged entries are dropped, so only the second round has to be exact.
        let bytes = encode(&packet);
        assert_eq!(frame_len(&bytes), Ok(Some(bytes.len())));
        assert_eq!(decode(&bytes), Ok(packet));
    }
}
