//! RDB primitives: any bytes are read or refused without a panic and without more memory than LZF can make of them; LZF
//! and the forms of strings round-trip.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::rdb::{Reader, Writer, lzf};

fuzz_target!(|data: &[u8]| {
    let Some((&choice, input)) = data.split_first() else { return };

    let mut reader = Reader::new(input);
    loop {
        let read = match choice & 3 {
            0 => reader.string().map(drop),
            1 => reader.length().map(drop),
            2 => reader.text_double().map(drop),
            _ => reader.f64_le().map(drop),
        };
        assert!(reader.position() <= input.len());
        if read.is_err() {
            break;
        }
    }

    let announced = usize::from(choice) * input.len() / 4;
    if let Some(plain) = lzf::decompress(input, announced) {
        assert_eq!(plain.len(), announced);
    }

    let mut writer = Writer::new();
    writer.string(input);
    let mut reader = Reader::new(writer.as_slice());
    assert_eq!(reader.string().as_deref(), Ok(input));
    assert!(reader.is_empty());
});
