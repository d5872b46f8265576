//! Tests of `waiters`: first in, first served; one winner per client.

use super::*;

fn waiter(name: &'static str) -> Waiter {
    Waiter { token: Arc::new(BlockToken::new()), request: Arc::new(name) }
}

fn names<'a>(queue: impl Iterator<Item = &'a Waiter>) -> Vec<&'static str> {
    queue.map(|waiter| *waiter.request.downcast_ref::<&'static str>().expect("the engine's type")).collect()
}

#[test]
fn waiters_are_served_in_the_order_in_which_they_came() {
    let mut waiters = Waiters::default();
    for name in ["a", "b", "c"] {
        waiters.push(b"k", waiter(name));
    }
    assert_eq!(names(waiters.queue(b"k")), ["a", "b", "c"]);
    assert_eq!(names(waiters.queue(b"other")), [""; 0]);
}

#[test]
fn exactly_one_of_claim_and_abandon_wins() {
    let token = BlockToken::new();
    assert!(token.is_waiting() && token.claim());
    assert!(!token.abandon() && !token.claim() && !token.is_waiting());
    let token = BlockToken::new();
    assert!(token.abandon() && !token.claim());
}

#[test]
fn who_left_is_dropped_from_the_queue() {
    let mut waiters = Waiters::default();
    let (a, b) = (waiter("a"), waiter("b"));
    for key in [b"k", b"l"] {
        waiters.push(key, a.clone());
        waiters.push(key, b.clone());
    }
    assert!(a.token.abandon());
    assert_eq!(names(waiters.queue(b"k")), ["b"]);
    waiters.remove(b"k", &b.token);
    assert_eq!(waiters.keys().collect::<Vec<_>>(), [b"l"]);
    assert!(b.token.claim());
    assert!(waiters.queue(b"l").next().is_none() && waiters.is_empty(), "an emptied queue is not kept");
}

#[test]
fn who_left_in_the_middle_is_not_kept_for_long_and_the_order_stays() {
    let mut waiters = Waiters::default();
    let all: Vec<Waiter> = (0..100).map(|_| waiter("w")).collect();
    all.iter().for_each(|waiter| waiters.push(b"k", waiter.clone()));
    for (number, gone) in all.iter().enumerate().filter(|(number, _)| number % 10 != 0) {
        assert!(gone.token.abandon());
        waiters.remove(b"k", &gone.token);
        let kept = waiters.queues[b"k".as_slice()].waiters.len();
        let waiting = all.iter().filter(|waiter| waiter.token.is_waiting()).count();
        assert!(kept <= 2 * waiting, "{kept} are kept for {waiting} after {number} left");
    }
    let stayed: Vec<_> = all.iter().step_by(10).map(|waiter| Arc::as_ptr(&waiter.token)).collect();
    assert_eq!(waiters.queue(b"k").map(|waiter| Arc::as_ptr(&waiter.token)).collect::<Vec<_>>(), stayed);
    for waiter in all.iter().step_by(10) {
        assert!(waiter.token.claim());
        waiters.remove(b"k", &waiter.token);
    }
    assert!(waiters.is_empty());
}

#[test]
fn draining_gives_everybody_back() {
    let mut waiters = Waiters::default();
    waiters.push(b"k", waiter("a"));
    waiters.push(b"l", waiter("b"));
    assert_eq!(waiters.drain().len(), 2);
    assert!(waiters.is_empty());
}
