//! Rules of the writer: a large key is passed on in chunks, which together are what it is as a whole.

use protocol::slot::key_slot;

use super::*;
use crate::store::AtCut;
use crate::testing::{Bench, bulks};

/// What a chunk may have: the rest of another, and an element or a piece of a long string.
const LARGEST: usize = 2 * CHUNK + 64;

/// Letters that hardly compress; those of an alphabet of two do.
fn letters(count: usize, alphabet: u64, seed: usize) -> String {
    let mut state = seed as u64;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'A' + (state >> 33).wrapping_rem(alphabet) as u8)
    };
    (0..count).map(|_| letter()).collect()
}

/// A large key of every form that is not one block.
fn filled() -> (Bench, Vec<&'static str>) {
    let mut bench = Bench::new();
    bench.run("XGROUP CREATE stream group 0 MKSTREAM");
    let all: Vec<usize> = (0..24_000).collect();
    for part in all.chunks(1000) {
        let words = |word: &dyn Fn(usize) -> String| part.iter().map(|n| word(*n)).collect::<Vec<_>>().join(" ");
        for key in ["hash", "timed"] {
            bench.run(&format!("HSET {key} {}", words(&|n| format!("field:{n:08} value:{n:08}"))));
        }
        bench.run(&format!("SADD set {}", words(&|n| format!("a-longer-member:{n:08}"))));
        bench.run(&format!("ZADD zset {}", words(&|n| format!("{n} member:{n:08}"))));
        bench.run(&format!("RPUSH list {}", words(&|n| letters(30, 26, n))));
        for n in part {
            bench.run(&format!("XADD stream {}-1 field {}", n + 1, letters(30 + n % 9, 26, *n)));
            // Few at once: a long reply ends a turn.
            if n % 200 == 199 {
                bench.run("XREADGROUP GROUP group consumer COUNT 200 STREAMS stream >");
            }
        }
    }
    bench.run("HPEXPIRE timed 1000000 FIELDS 1 field:00000077");
    // Longer than a line may be.
    let (plain, compressed) = (letters(700_000, 26, 1), letters(2_000_000, 2, 1));
    for words in [["SET", "plain", &plain], ["SET", "compressed", &compressed], ["RPUSH", "elements", &plain]] {
        bench.client.feed(&bench.engine, &mut bulks(&words));
    }
    (bench, vec!["hash", "timed", "set", "zset", "list", "stream", "plain", "compressed", "elements"])
}

fn with_entry<T>(bench: &Bench, key: &str, f: impl FnOnce(EntryRef<'_>) -> T) -> T {
    let keyspace = &bench.engine.keyspace;
    let slot = keyspace.lock(0, key_slot(key.as_bytes()));
    f(slot.get(keyspace.hash(key.as_bytes()), key.as_bytes()).expect("it was written"))
}

/// The key as a snapshot gets it.
fn set_apart(bench: &Bench, key: &str) -> Apart {
    with_entry(bench, key, |entry| AtCut::Present(entry).set_apart())
}

fn writer(format: u16, compress: bool) -> RdbWriter {
    let mut out = RdbWriter::new(compress, true);
    out.header(format, "7.2.4", 1_700_000_000, 1, None);
    out
}

/// A buffer of the size of a key would make writers of other keys wait while the system gives and takes its pages.
#[test]
fn no_chunk_is_as_large_as_a_key() {
    let (bench, keys) = filled();
    for key in keys {
        for (format, compress) in [(opcode::VERSION, true), (opcode::VERSION_7_2, false)] {
            let mut out = writer(format, compress);
            with_entry(&bench, key, |entry| out.entry(entry));
            let whole = out.finish();
            let (mut out, mut pieces, mut chunks) = (writer(format, compress), Vec::new(), 0);
            let mut pass = |chunk: Vec<u8>| {
                assert!(chunk.len() <= LARGEST, "{key}: a chunk of {} bytes", chunk.len());
                assert!(chunk.capacity() <= 2 * LARGEST, "{key}: a buffer of {} bytes", chunk.capacity());
                pieces.extend(chunk);
                chunks += 1;
                Ok::<(), ()>(())
            };
            out.entry_by(set_apart(&bench, key), &mut pass).expect("nothing fails");
            let last = out.finish();
            assert!(last.len() <= LARGEST, "{key}: {} bytes are left", last.len());
            pieces.extend(last);
            assert!(whole.len() > 4 * CHUNK && chunks >= whole.len() / LARGEST, "{key}: {chunks} of {}", whole.len());
            assert!(pieces == whole, "{key}: the chunks are not the key");
        }
    }
}

#[test]
fn an_error_within_a_large_key_ends_it() {
    let (bench, keys) = filled();
    for key in keys {
        let (mut out, mut calls) = (writer(opcode::VERSION, true), 0);
        let result = out.entry_by(set_apart(&bench, key), |_| {
            calls += 1;
            if calls < 3 { Ok(()) } else { Err("the disk is full") }
        });
        assert_eq!((result, calls), (Err("the disk is full"), 3), "{key}");
    }
}
