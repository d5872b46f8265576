//! The feed as writers meet it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::resp::OwnedArgs;

use super::*;
use crate::testing::Bench;

#[test]
fn a_change_that_waits_for_the_feed_is_counted_and_one_that_does_not_is_not() {
    let bench = Bench::new();
    let pool = Arc::new(Threads::start(1).expect("threads"));
    let threads = pool.of_group(&bench.engine.state.tasks);
    let replication = Replication::new(bench.engine.clone(), Persistence::new(bench.engine.clone()), &threads);
    let waits = || bench.engine.contention.feed_waits.get();
    let append = || replication.append(&[(0, OwnedArgs::from_slices(&["SET", "key", "1"]).view())]);
    append();
    assert_eq!(waits(), 0);
    std::thread::scope(|scope| {
        let core = replication.core.lock();
        let writer = scope.spawn(append);
        let began = Instant::now();
        while waits() == 0 && began.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(core);
        writer.join().expect("no panic");
    });
    assert_eq!(waits(), 1);
}
