//! Ziplist reading: a hand-made ziplist of every header, and what is refused.

use super::*;
use proptest::prelude::*;

/// Builds a ziplist from encoded entries (header and data, without the length of the previous entry).
fn build(entries: &[Vec<u8>]) -> Vec<u8> {
    let (mut body, mut previous, mut tail) = (Vec::new(), 0usize, HEADER_BYTES);
    for entry in entries {
        tail = HEADER_BYTES + body.len();
        let before = body.len();
        if previous < 254 {
            body.push(previous as u8);
        } else {
            body.push(BIG_PREVIOUS);
            body.extend_from_slice(&(previous as u32).to_le_bytes());
        }
        body.extend_from_slice(entry);
        previous = body.len() - before;
    }
    let mut out = ((HEADER_BYTES + body.len() + 1) as u32).to_le_bytes().to_vec();
    out.extend_from_slice(&(tail as u32).to_le_bytes());
    out.extend_from_slice(&(entries.len() as u16).to_le_bytes());
    out.extend_from_slice(&body);
    out.push(TERMINATOR);
    out
}

fn sample() -> Vec<u8> {
    let mut long = vec![0x41, 0x2c];
    long.extend_from_slice(&[b'x'; 300]);
    let mut longest = vec![0x80, 0, 0, 0x40, 0];
    longest.extend_from_slice(&[b'y'; 0x4000]);
    build(&[
        b"\x02hi".to_vec(),
        long,
        longest,
        vec![0xc0, 0x00, 0x80],
        vec![0xd0, 0xff, 0xff, 0xff, 0xff],
        vec![0xe0, 1, 0, 0, 0, 0, 0, 0, 0x80],
        vec![0xf0, 0xff, 0xff, 0x7f],
        vec![0xfe, 0x80],
        vec![0xf1],
        vec![0xfd],
        b"\x00".to_vec(),
        b"\x0242".to_vec(),
    ])
}

#[test]
fn every_header_is_read() {
    let listpack = to_listpack(&sample()).expect("it is well formed");
    let got: Vec<Vec<u8>> = listpack.iter().map(Element::to_vec).collect();
    let mut want: Vec<Vec<u8>> = vec![b"hi".to_vec(), vec![b'x'; 300], vec![b'y'; 0x4000]];
    for text in ["-32768", "-1", "-9223372036854775807", "8388607", "-128", "0", "12", "", "42"] {
        want.push(text.into());
    }
    assert_eq!(got, want);
}

#[test]
fn an_empty_ziplist_is_an_empty_listpack() {
    assert!(to_listpack(&build(&[])).expect("it is well formed").is_empty());
}

#[test]
fn each_broken_rule_is_named() {
    let check = |damage: &dyn Fn(&mut Vec<u8>), want: &str| {
        let mut bytes = build(&[b"\x02hi".to_vec(), vec![0xf3]]);
        damage(&mut bytes);
        assert_eq!(to_listpack(&bytes).map(|_| ()), Err(Corrupt(want.to_owned().leak())));
    };
    check(&|b| b.truncate(5), "ziplist too short");
    check(&|b| b[0] += 1, "ziplist size differs from its header");
    check(&|b| *b.last_mut().expect("not empty") = 0, "ziplist without terminator");
    check(&|b| b[4] += 1, "ziplist tail differs from its header");
    check(&|b| b[8] += 1, "ziplist count differs from its header");
    check(&|b| b[11] = 0x3f, "ziplist entry reaches outside");
    check(&|b| b[14] = 3, "ziplist back length differs from the entry");
    check(&|b| b[15] = 0xff, "ziplist entry reaches outside");
}

proptest! {
    #[test]
    fn damaged_bytes_never_panic(flips in proptest::collection::vec((0usize..400, any::<u8>()), 1..4)) {
        let mut bytes = sample();
        for (at, value) in flips {
            bytes[at] = value;
        }
        let _ = to_listpack(&bytes);
    }

    #[test]
    fn random_entries_never_panic(body in proptest::collection::vec(any::<u8>(), 0..60)) {
        let mut bytes = ((HEADER_BYTES + body.len() + 1) as u32).to_le_bytes().to_vec();
        bytes.extend_from_slice(&[10, 0, 0, 0, 0xff, 0xff]);
        bytes.extend_from_slice(&body);
        bytes.push(TERMINATOR);
        let _ = to_listpack(&bytes);
    }
}
