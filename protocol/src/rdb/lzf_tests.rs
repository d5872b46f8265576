//! LZF: round trips, hostile input, and equality with what Redis compresses to.

use proptest::prelude::*;

use super::*;

/// Bytes with repetitions in them, so that there is something to compress.
fn repetitive() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec((prop::collection::vec(0u8..4, 1..12), 1usize..60), 0..20)
        .prop_map(|parts| parts.into_iter().flat_map(|(bytes, times)| bytes.repeat(times)).collect())
}

#[test]
fn output_equals_what_redis_writes() {
    // The compressed strings within DUMP payloads of redis 7.0.15.
    for (plain, compressed) in [
        ("a".repeat(21), &b"\x01aa\xe0\x0a\x00"[..]),
        ("a".repeat(1000), b"\x01aa\xe0\xff\x00\xe0\xff\x00\xe0\xff\x00\xe0\xc3\x00\x01aa"),
        ("slot ".repeat(30), b"\x05slot s\xe0\x85\x04\x01t "),
    ] {
        assert_eq!(compress(plain.as_bytes(), plain.len() - 4).as_deref(), Some(compressed), "{}", plain.len());
    }
}

#[test]
fn what_does_not_shrink_is_left_alone() {
    assert_eq!(compress(b"abcdefghijklmnopqrstuvwxyz", 22), None);
    assert_eq!(compress(b"", 10), None);
    assert_eq!(compress(b"aa", 10), None);
    assert_eq!(compress(&[b'a'; 100], 0), None);
}

#[test]
fn the_output_depends_on_the_input_alone() {
    let (one, two) = ("abcabcabcabcabcabcabcabc".repeat(3), "xabcabcxabcabcabcabcabcy".repeat(5));
    let mut kept = Compressor::new();
    for text in [&one, &two, &one, &two] {
        assert_eq!(kept.compress(text.as_bytes(), text.len()), compress(text.as_bytes(), text.len()).as_deref());
    }
    // The same with the table of longer inputs.
    let long = [one.clone(), two.clone(), one.repeat(SHORT)].concat();
    for text in [&long, &one, &two, &long] {
        assert_eq!(kept.compress(text.as_bytes(), text.len()), compress(text.as_bytes(), text.len()).as_deref());
    }
    // The same when positions wrap around.
    kept.base = u32::MAX - 10;
    assert_eq!(kept.compress(one.as_bytes(), one.len()), compress(one.as_bytes(), one.len()).as_deref());
    assert_eq!(kept.base, FIRST_BASE + (one.len() + MAX_OFFSET) as u32);
}

#[test]
fn a_long_output_is_not_kept() {
    let mut kept = Compressor::new();
    for len in [100, 4 * KEPT] {
        assert!(kept.compress(&vec![b'x'; len], len - 4).is_some());
        kept.release();
        assert!(kept.out.len() <= KEPT);
    }
}

#[test]
fn damaged_input_is_refused() {
    for (input, len) in [
        (&b"\x02ab"[..], 3),   // literals cut short
        (b"\x20", 3),          // copy without its offset
        (b"\xe0\x00", 9),      // long copy without its offset
        (b"\x20\x00", 3),      // copy from before the start
        (b"\x00a\x20\x01", 4), // copy from one byte before the start
        (b"\x00a\x20\x00", 3), // more than announced
        (b"\x00a\x20\x00", 5), // less than announced
        (b"\x00a", 1 << 40),   // more than three bytes can stand for
    ] {
        assert_eq!(decompress(input, len), None, "{input:?}");
    }
    assert_eq!(decompress(b"\x00a\x20\x00", 4).as_deref(), Some(&b"aaaa"[..]));
    assert_eq!(decompress(b"", 0).as_deref(), Some(&b""[..]));
}

proptest! {
    #[test]
    fn what_is_compressed_comes_back(plain in prop_oneof![repetitive(), prop::collection::vec(any::<u8>(), 0..300)]) {
        let max_len = plain.len() + plain.len() / 16 + 64;
        if let Some(compressed) = compress(&plain, max_len) {
            prop_assert!(compressed.len() <= max_len);
            prop_assert_eq!(decompress(&compressed, plain.len()), Some(plain));
        } else {
            prop_assert!(plain.len() < 3);
        }
    }

    #[test]
    fn the_output_is_the_same_whatever_the_table(plain in prop_oneof![repetitive(), prop::collection::vec(any::<u8>(), 0..3000)]) {
        let mut full = Compressor::new();
        full.compress(&[0; SHORT + 1], 1);
        prop_assert_eq!(full.table.len(), PLACES);
        let max_len = plain.len().saturating_sub(4);
        let smallest = compress(&plain, max_len);
        prop_assert_eq!(smallest.as_deref(), full.compress(&plain, max_len));
    }

    #[test]
    fn the_bound_is_kept(plain in repetitive(), max_len in 0usize..200) {
        if let Some(compressed) = compress(&plain, max_len) {
            prop_assert!(compressed.len() <= max_len);
            prop_assert_eq!(decompress(&compressed, plain.len()), Some(plain));
        }
    }

    #[test]
    fn any_bytes_decompress_to_the_announced_length_or_not_at_all(input in prop::collection::vec(any::<u8>(), 0..64), len in 0usize..6000) {
        if let Some(plain) = decompress(&input, len) {
            prop_assert_eq!(plain.len(), len);
        }
    }
}
