//! Tests of task groups, on real threads.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::runtime::threads::Threads;

const SOON: Duration = Duration::from_secs(20);

struct Gone(Arc<AtomicU64>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Starts a task that counts as fast as it may run.
fn counter(threads: &Threads, gone: &Arc<AtomicU64>) -> Arc<AtomicU64> {
    let count = Arc::new(AtomicU64::new(0));
    let (counting, gone) = (count.clone(), Gone(gone.clone()));
    threads.control().spawn(move |_| async move {
        let _gone = gone;
        loop {
            counting.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
        }
    });
    count
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < SOON, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_held_group_has_no_turn_while_another_one_on_the_same_threads_goes_on() {
    let threads = Threads::start(1).expect("threads");
    let (mine, others) = (TaskGroup::new(), TaskGroup::new());
    let gone = Arc::default();
    let held = counter(&threads.of_group(&mine), &gone);
    let free = counter(&threads.of_group(&others), &gone);
    wait_for("both count", || held.load(Ordering::SeqCst) > 0 && free.load(Ordering::SeqCst) > 0);

    mine.hold();
    threads.settle();
    let (before, free_before) = (held.load(Ordering::SeqCst), free.load(Ordering::SeqCst));
    wait_for("the other counts on", || free.load(Ordering::SeqCst) > free_before + 1000);
    assert_eq!(held.load(Ordering::SeqCst), before, "a turn after settling");

    mine.resume();
    wait_for("it goes on", || held.load(Ordering::SeqCst) > before);
}

#[test]
fn an_ended_group_drops_every_task_even_those_that_wait_for_ever() {
    let threads = Threads::start(2).expect("threads");
    let group = TaskGroup::new();
    let of_group = threads.of_group(&group);
    let gone = Arc::<AtomicU64>::default();
    for worker in [0, 1, 0] {
        let gone = Gone(gone.clone());
        of_group.worker(worker).spawn(move |_| async move {
            let _gone = gone;
            std::future::pending::<()>().await;
        });
    }
    let _ = counter(&of_group, &gone);
    threads.settle();
    assert_eq!(group.len(), 4);
    group.end();
    assert!(group.wait_empty(SOON), "{} tasks are left", group.len());
    assert_eq!(gone.load(Ordering::SeqCst), 4);
}

#[test]
fn a_held_group_can_be_ended_and_an_ended_one_is_not_resumed() {
    let threads = Threads::start(1).expect("threads");
    let group = TaskGroup::new();
    let gone = Arc::<AtomicU64>::default();
    let _ = counter(&threads.of_group(&group), &gone);
    group.hold();
    threads.settle();
    group.end();
    assert!(group.wait_empty(SOON));
    assert_eq!(gone.load(Ordering::SeqCst), 1);
    group.resume();
    group.hold();
    assert_eq!(group.phase(), Phase::Over);
    assert!(!group.wait_turn());
    // A task that is spawned into it is dropped without a turn.
    let late = counter(&threads.of_group(&group), &gone);
    assert!(group.wait_empty(SOON));
    assert_eq!(late.load(Ordering::SeqCst), 0);
}

#[test]
fn a_thread_of_a_held_group_waits_for_its_turn() {
    let group = TaskGroup::new();
    group.hold();
    let (waiting, ticket) = (group.clone(), group.enter());
    let thread = std::thread::spawn(move || {
        let _ticket = ticket;
        waiting.wait_turn()
    });
    assert!(!group.wait_empty(Duration::from_millis(20)), "it counts as long as it lives");
    group.resume();
    assert!(thread.join().expect("no panic"));
    assert!(group.wait_empty(SOON));
}

#[test]
fn seats_are_used_again() {
    let group = TaskGroup::new();
    for _ in 0..100 {
        drop((group.enter(), group.enter()));
    }
    assert_eq!(group.seats.lock().wakers.len(), 2);
}
