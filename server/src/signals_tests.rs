//! A start while another thread watches for signals.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::*;

/// Starts in a thread; `None`: it panicked.
fn attended(start: impl FnOnce() -> u8 + Send + 'static) -> Option<u8> {
    let (told, outcome) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let room = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let inside = room.enter();
        let mut signals = Signals::new().expect("handlers");
        drop(inside);
        let log = NodeLog::new(None);
        let outcome = catch_unwind(AssertUnwindSafe(|| signals.attend_start(&room, &log, || (), start)));
        told.send(outcome.ok().map(|started| started.expect("a thread for the signals"))).expect("the test waits");
    });
    outcome.recv_timeout(Duration::from_secs(30)).expect("it ends")
}

#[test]
fn a_start_that_panics_ends() {
    assert_eq!(attended(|| panic!("a fault of the start")), None);
    assert_eq!(attended(|| 7), Some(7));
}
