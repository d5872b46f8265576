//! What MIGRATE sends along with a key.

use super::*;
use crate::testing::{Bench, START};

/// RESTORE takes 0 for "no expiry" (Redis: `migrateCommand` sends at least 1).
#[tokio::test]
async fn a_key_in_its_last_millisecond_keeps_its_expiry() {
    let mut bench = Bench::new();
    for (key, at) in [("last", START), ("later", START + 5), ("gone", START - 1)] {
        assert_eq!(bench.run(&format!("SET {key} v")), "+OK");
        let (slot, hash) = (key_slot(key.as_bytes()), bench.engine.keyspace.hash(key.as_bytes()));
        bench.engine.keyspace.lock(0, slot).set_expire(hash, key.as_bytes(), Some(at));
    }
    bench.run("SET for-ever v");
    let request = ["MIGRATE", "127.0.0.1", "1", "", "0", "1000", "KEYS", "last", "later", "gone", "for-ever"];
    let request = parse(OwnedArgs::from_slices(&request.map(str::as_bytes)).view()).expect("it is well formed");
    let (engine, client) = (bench.engine.clone(), bench.client.session.handle.clone());
    let mover = Mover { engine, client, gate: 0, db: 0, request, own_copies: Mutex::default() };
    let copies = mover.copies(&mover.request.keys).await;
    let found: Vec<(&[u8], i64)> = copies.iter().map(|copy| (&*copy.key, copy.ttl)).collect();
    assert_eq!(found, [(b"last".as_slice(), 1), (b"later", 5), (b"for-ever", 0)]);
}
