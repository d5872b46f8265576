//! Measures the store alone: bytes per key and nanoseconds per operation.
//!
//! `cargo run --release --example store_footprint [keys] [ttl]` fills a keyspace with 16-byte keys and values (the
//! shape of the memory figures in docs/performance.md), tells the growth of the resident set per key, then times SET over
//! existing keys, GET, and misses in random order, one lock per operation as the engine takes it.

use protocol::slot::key_slot;
use slotd::store::{AccessClock, EntryRef, Keyspace, StringValue, Ttl, ValueRef};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn rss_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has /proc");
    let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("the field is always there");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok()).expect("a number of KiB") * 1024
}

fn key(i: u64) -> [u8; 16] {
    let mut key = *b"key:000000000000";
    let mut n = i;
    for digit in key[4..].iter_mut().rev() {
        *digit = b'0' + (n % 10) as u8;
        n /= 10;
    }
    key
}

/// Nanoseconds that this thread has run: the machine may be shared.
fn cpu_ns() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has /proc");
    stat.split_whitespace().next().and_then(|ns| ns.parse().ok()).expect("a number of nanoseconds")
}

fn time(name: &str, operations: u64, mut f: impl FnMut(u64)) {
    let start = cpu_ns();
    let mut state = 1u64;
    for _ in 0..operations {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        f(state >> 33);
    }
    println!("{name:<24} {:7.1} ns", (cpu_ns() - start) / operations as f64);
}

fn main() {
    let keys: u64 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let ttl = if std::env::args().nth(2).as_deref() == Some("ttl") { Ttl::At(4_000_000_000_000) } else { Ttl::Clear };
    let keyspace = Keyspace::new(16, 42);
    let before = rss_bytes();
    let start = cpu_ns();
    for i in 0..keys {
        let key = key(i);
        let hash = keyspace.hash(&key);
        keyspace.lock(0, key_slot(&key)).set_string(hash, &key, StringValue::Bytes(b"val:000000000000"), ttl);
    }
    let filled = (cpu_ns() - start) / keys as f64;
    let grown = rss_bytes() - before;
    println!("{keys} keys, {ttl:?}: {:.2} bytes per key; filling {filled:.1} ns", grown as f64 / keys as f64);

    let operations = 2_000_000;
    time("set, same size", operations, |r| {
        let key = key(r % keys);
        let hash = keyspace.hash(&key);
        keyspace.lock(0, key_slot(&key)).set_string(hash, &key, StringValue::Bytes(b"VAL:000000000000"), ttl);
    });
    let mut bytes = 0;
    time("get", operations, |r| {
        let key = key(r % keys);
        let hash = keyspace.hash(&key);
        let mut slot = keyspace.lock(0, key_slot(&key));
        slot.set_clock(AccessClock::at(1_700_000_000_000));
        if let Some(ValueRef::Str(value)) = slot.access(hash, &key).map(EntryRef::value) {
            bytes += value.len();
        }
    });
    time("get, absent", operations, |r| {
        let key = key(keys + r % keys);
        let hash = keyspace.hash(&key);
        bytes += usize::from(keyspace.lock(0, key_slot(&key)).contains(hash, &key));
    });
    time("slot of the key only", operations, |r| bytes += key_slot(&key(r % keys)).index());
    println!("read {bytes} bytes");
}
