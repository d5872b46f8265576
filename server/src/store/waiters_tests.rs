//! Tests of `waiters`: first in, first served; one winner per client; a waiter that waits on keeps its place.

use super::*;

const LIST: Wake = Wake { ty: Type::List, on_gone: false };
const LIST_OR_GONE: Wake = Wake { ty: Type::List, on_gone: true };

fn waiter(name: &'static str) -> Waiter {
    Waiter { token: Arc::new(BlockToken::new(LIST)), request: Arc::new(name) }
}

fn name(waiter: &Waiter) -> &'static str {
    waiter.request.downcast_ref::<&'static str>().expect("the engine's type")
}

fn names(waiters: &mut Waiters, key: &[u8], after: u64) -> Vec<&'static str> {
    waiters.queue_after(key, after).map(|(_, waiter)| name(waiter)).collect()
}

#[test]
fn waiters_are_served_in_the_order_in_which_they_came() {
    let mut waiters = Waiters::default();
    for name in ["a", "b", "c"] {
        waiters.push(b"k", waiter(name));
    }
    assert_eq!(names(&mut waiters, b"k", 0), ["a", "b", "c"]);
    assert_eq!(names(&mut waiters, b"other", 0), [""; 0]);
}

#[test]
fn exactly_one_of_claim_and_abandon_wins() {
    let token = BlockToken::new(LIST);
    assert!(token.is_waiting() && token.claim());
    assert!(!token.abandon() && !token.claim() && !token.is_waiting());
    let token = BlockToken::new(LIST);
    assert!(token.abandon() && !token.claim());
}

#[test]
fn who_is_claimed_in_vain_keeps_its_place() {
    let mut waiters = Waiters::default();
    let (a, b) = (waiter("a"), waiter("b"));
    waiters.push(b"k", a.clone());
    waiters.push(b"k", b.clone());
    let (first, _) = waiters.queue_after(b"k", 0).next().expect("a waits");
    assert!(a.token.claim());
    assert_eq!(names(&mut waiters, b"k", 0), ["b"], "nobody else tries to serve it meanwhile");
    assert_eq!(names(&mut waiters, b"k", first), ["b"]);
    assert!(a.token.stay() && a.token.is_waiting());
    assert_eq!(names(&mut waiters, b"k", 0), ["a", "b"]);
    assert_eq!(names(&mut waiters, b"k", first), ["b"], "it has had its turn");
}

#[test]
fn who_is_to_leave_while_it_is_claimed_leaves_unless_it_is_served() {
    let token = BlockToken::new(LIST);
    assert!(token.claim() && !token.leave() && !token.stay());
    assert!(!token.is_waiting() && !token.claim() && token.has_left());
    let token = BlockToken::new(LIST);
    assert!(token.claim() && !token.leave());
    token.serve();
    assert!(token.is_served() && !token.leave() && !token.abandon());
    let token = BlockToken::new(LIST);
    assert!(token.leave() && !token.claim());
}

#[test]
fn a_change_concerns_those_who_wait_for_it() {
    let mut waiters = Waiters::default();
    let (plain, other) =
        (waiter("plain"), Waiter { token: Arc::new(BlockToken::new(LIST_OR_GONE)), ..waiter("other") });
    let concerned =
        |waiters: &Waiters| [Some(Type::List), Some(Type::String), None].map(|ty| waiters.concerns(b"k", ty));
    assert_eq!(concerned(&waiters), [false; 3]);
    waiters.push(b"k", plain.clone());
    assert_eq!(concerned(&waiters), [true, false, false]);
    waiters.push(b"k", other.clone());
    assert_eq!(concerned(&waiters), [true; 3]);
    assert!(other.token.abandon());
    waiters.remove(b"k", &other.token);
    waiters.remove(b"k", &plain.token);
    assert_eq!(concerned(&waiters), [false; 3]);
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
    assert_eq!(names(&mut waiters, b"k", 0), ["b"]);
    waiters.remove(b"k", &b.token);
    assert_eq!(waiters.keys().collect::<Vec<_>>(), [b"l"]);
    assert!(b.token.claim());
    b.token.serve();
    assert!(names(&mut waiters, b"l", 0).is_empty() && waiters.is_empty(), "an emptied queue is not kept");
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
    let queued: Vec<_> = waiters.queue_after(b"k", 0).map(|(_, waiter)| Arc::as_ptr(&waiter.token)).collect();
    assert_eq!(queued, stayed);
    for waiter in all.iter().step_by(10) {
        assert!(waiter.token.claim());
        waiter.token.serve();
        waiters.remove(b"k", &waiter.token);
    }
    assert!(waiters.is_empty());
}
