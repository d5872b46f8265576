//! One thread alone, and what becomes of the others.

use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn the_control_thread_does_not_wait_for_an_exclusive_command() {
    let barrier = Barrier::new(1, 1);
    barrier.enter(0).exclusive(|_| assert!(barrier.try_enter(1).is_none()));
    assert!(barrier.try_enter(1).is_some());
}

#[test]
fn exclusive_holder_runs_alone() {
    let barrier = Arc::new(Barrier::new(3, 0));
    let inside = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..3)
        .map(|gate| {
            let (barrier, inside) = (barrier.clone(), inside.clone());
            std::thread::spawn(move || {
                let mut pass = barrier.enter(gate);
                for round in 0..200 {
                    inside.fetch_add(1, Ordering::SeqCst);
                    inside.fetch_sub(1, Ordering::SeqCst);
                    if round % 20 == gate {
                        pass.exclusive(|_| {
                            assert_eq!(
                                inside.fetch_add(10, Ordering::SeqCst),
                                0,
                                "nobody else is between two commands"
                            );
                            inside.fetch_sub(10, Ordering::SeqCst);
                        });
                    }
                    pass.yield_now();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no thread panicked");
    }
}

/// A worker whose batches all take long, one after the other.
fn busy_worker(barrier: &Arc<Barrier>, gate: usize, ended: &Arc<AtomicUsize>) -> std::thread::JoinHandle<usize> {
    let (barrier, ended) = (barrier.clone(), ended.clone());
    std::thread::spawn(move || {
        let mut batches = 0;
        while ended.load(Ordering::SeqCst) == 0 {
            let Some(pass) = barrier.enter_soon(gate) else {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            };
            batches += 1;
            std::thread::sleep(PATIENCE * 20);
            drop(pass);
        }
        batches
    })
}

#[test]
fn a_series_of_long_batches_starves_nobody_who_wants_to_be_alone() {
    let barrier = Arc::new(Barrier::new(2, 0));
    let ended = Arc::new(AtomicUsize::new(0));
    let worker = busy_worker(&barrier, 0, &ended);
    for _ in 0..20 {
        while !barrier.gates[0].is_locked() {
            std::thread::yield_now();
        }
        let mut pass = barrier.enter(1);
        let mut refused = 0;
        while let Err(gate) = pass.try_exclusive(|_| ()) {
            assert_eq!(gate, 0);
            refused += 1;
            assert!(refused <= 100, "it never comes to its turn");
            let entered = barrier.entered(gate);
            barrier.want(gate);
            // The end of the batch, as it is seen by a command that is parked.
            while barrier.is_held_by(gate, entered) {
                std::thread::sleep(Duration::from_micros(100));
            }
        }
    }
    ended.store(1, Ordering::SeqCst);
    assert!(worker.join().expect("no panic") > 10, "the worker goes on after each");
}

/// Thousands of commands may come while one takes long, and each attempt blocks their worker.
#[test]
fn who_is_known_to_take_long_is_waited_for_once() {
    let barrier = Barrier::new(2, 0);
    let long = barrier.enter(0);
    // Waiting each time would take five seconds.
    let begun = Instant::now();
    for _ in 0..5_000 {
        assert!(barrier.enter(1).try_exclusive(|_| ()).is_err());
    }
    drop(long);
    barrier.enter(0).exclusive(|_| {
        for _ in 0..5_000 {
            assert!(barrier.enter_soon(1).is_none());
        }
    });
    assert!(barrier.enter_soon(1).is_some());
    assert!(begun.elapsed() < PATIENCE * 5_000, "{:?}", begun.elapsed());
}

/// After its long batch a helper may not come again for hours.
#[test]
fn who_took_long_once_is_waited_for_again() {
    let barrier = Barrier::new(2, 1);
    let long = barrier.enter(2);
    assert!(barrier.enter(0).try_exclusive(|_| ()).is_err());
    assert!(barrier.gates[2].is_held_for_long());
    drop(long);
    assert!(barrier.enter(0).try_exclusive(|_| assert!(!barrier.gates[2].is_held_for_long())).is_ok());
}
