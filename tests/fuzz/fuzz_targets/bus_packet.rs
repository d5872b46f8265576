//! Cluster bus packets: no bytes may panic the decoder, and what it accepts must survive encoding and decoding again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::bus::{decode, encode, frame_len};

fuzz_target!(|data: &[u8]| {
    let _ = frame_len(data);
    if let Ok(packet) = decode(data) {
        // Reserved bytes and damaged entries are dropped, so only the second round has to be exact.
        let bytes = encode(&packet);
        assert_eq!(frame_len(&bytes), Ok(Some(bytes.len())));
        assert_eq!(decode(&bytes), Ok(packet));
    }
});
