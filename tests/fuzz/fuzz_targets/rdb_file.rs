//! RDB files: any bytes are refused or loaded, and what comes out does not depend on the pieces in which they came.
#![no_main]

use libfuzzer_sys::fuzz_target;
use slotd::parts::{LoadError, Loader, PayloadLimits, Record};

fuzz_target!(|data: &[u8]| {
    let Some((&piece, bytes)) = data.split_first() else { return };
    // Nobody guesses nine bytes: what follows them is tried behind a header, too.
    for file in [bytes.to_vec(), [b"REDIS0011", bytes].concat()] {
        let whole = load(&file, file.len().max(1));
        let pieces = load(&file, usize::from(piece).max(1));
        assert_eq!(whole, pieces);
    }
});

fn load(bytes: &[u8], piece: usize) -> Result<Vec<String>, LoadError> {
    let limits = PayloadLimits { max_string: 1 << 20, ..PayloadLimits::default() };
    let mut loader = Loader::new(16, limits);
    let mut seen = Vec::new();
    for chunk in bytes.chunks(piece) {
        loader.feed(chunk);
        while let Some(record) = loader.next_record()? {
            let ends = matches!(record, Record::End { .. });
            seen.push(format!("{record:?}"));
            if ends {
                return Ok(seen);
            }
        }
    }
    Ok(seen)
}
