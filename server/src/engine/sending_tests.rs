//! Writes to a key that is being sent wait; everything else is served.

use std::time::Duration;

use super::*;
use crate::command::error;
use crate::engine::dispatch::Next;
use crate::engine::ports::{Route, RouteAsk, Router};
use crate::testing::{Bench, Client, bulks};

/// A cluster whose slots all leave.
struct Leaving;

impl Router for Leaving {
    fn route(&self, _: &RouteAsk<'_>) -> Route {
        Route::Migrating(error::ask(1, "127.0.0.1", 7001))
    }

    fn serves(&self, _: SlotId) -> bool {
        true
    }

    fn conclude(&self) {}

    fn relay(&self, _: &[u8], _: &[u8], _: Option<SlotId>) {}
}

/// What holds a client's commands back, if anything does, and the replies.
fn send(bench: &Bench, client: &mut Client, commands: &[&[&str]]) -> (Option<Held>, String) {
    let mut input = commands.iter().map(|words| bulks(words)).collect::<Vec<_>>().concat();
    let (next, replies) = client.process(&bench.engine, &mut input);
    (if let Next::Held(held) = next { Some(held) } else { None }, replies)
}

#[tokio::test]
async fn writes_to_a_key_that_is_being_sent_wait_until_it_has_gone() {
    let mut bench = Bench::new();
    for line in ["SET {t}sent 1", "SET {t}other 1"] {
        assert_eq!(bench.run(line), "+OK");
    }
    let router: Arc<dyn Router> = Arc::new(Leaving);
    bench.engine.set_router(Arc::downgrade(&router));
    let slot = key_slot(b"t");
    let keys: [Box<[u8]>; 2] = [(*b"{t}sent").into(), (*b"{t}gone").into()];
    let sent = bench.engine.hold_writes(0, &keys).await;
    for (commands, held) in [
        (&[&["SET", "{t}sent", "2"][..]][..], true),
        (&[&["MSET", "{t}other", "2", "{t}sent", "2"]], true),
        (&[&["MULTI"], &["SET", "{t}sent", "2"], &["EXEC"]], true),
        (&[&["MULTI"], &["INCR", "{t}sent"], &["DBSIZE"], &["EXEC"]], true),
        (&[&["SET", "{t}gone", "2"]], true),
        (&[&["EVAL", "return redis.call('SET', KEYS[1], '2')", "1", "{t}sent"]], true),
        (&[&["EVAL", "return redis.call('SET', KEYS[1], '2')", "1", "{t}other"]], false),
        (&[&["EVAL_RO", "return redis.call('GET', KEYS[1])", "1", "{t}sent"]], false),
        (&[&["GET", "{t}sent"]], false),
        (&[&["MULTI"], &["GET", "{t}sent"], &["EXEC"]], false),
        (&[&["SET", "{t}other", "2"]], false),
    ] {
        let mut client = bench.connect();
        assert_eq!(send(&bench, &mut client, commands).0, held.then_some(Held::Sent(0, slot)), "{commands:?}");
    }
    let mut second = Box::pin(bench.engine.hold_writes(0, &keys[..1]));
    assert!(tokio::time::timeout(Duration::from_millis(20), second.as_mut()).await.is_err(), "one sends it at a time");
    drop(sent);
    let second = tokio::time::timeout(Duration::from_secs(5), second).await.expect("the first has sent it");
    assert_eq!(send(&bench, &mut bench.connect(), &[&["SET", "{t}gone", "2"]]).0, None, "it is not sent any more");
    drop(second);
    assert!(!bench.engine.sending.is_busy((0, slot)));
    assert_eq!(send(&bench, &mut bench.connect(), &[&["SET", "{t}sent", "2"]]), (None, "+OK\r\n".to_owned()));
}
