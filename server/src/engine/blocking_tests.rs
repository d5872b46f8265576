//! Blocking, with a test command that waits as commands on streams and sorted sets do: it may find too little and wait
//! on, its request is resolved when it blocks, and the end of its key is an answer.
//!
//! `TAKE key count` removes so many elements of a list, once there are so many; `+1` means one more than there are when
//! the command arrives.

use protocol::resp::{Args, OwnedArgs};
use protocol::slot::key_slot;
use smallvec::smallvec;

use super::*;
use crate::command::outcome::DONE;
use crate::command::{
    Arity, CmdResult, Declared, Edit, Flags, Group, KeySpec, KeyedCtx, KeyedFn, NotifyClass, Outcome, error,
};
use crate::engine::dispatch::Next;
use crate::store::types::list::List;
use crate::testing::{Bench, Client, bulks};

static COMMANDS: &[Declared<KeyedFn>] =
    &[Declared::new("TAKE", Arity::exactly(3), Group::List, Flags::WRITE.and(Flags::BLOCKING), take as KeyedFn)
        .summary("Take elements once there are so many")
        .keys(&[KeySpec::at(1).rw().access().delete()])
        .syntax("key:key count:string")];

fn take(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    let there = ctx.data.peek(&key).map(EntryRef::collection::<List>);
    if there.is_none() && ctx.serving.is_some() {
        ctx.reply.simple("GONE");
        return DONE;
    }
    let len = there.map_or(Ok(0), |list| list.map(List::len).ok_or(error::WRONG_TYPE))?;
    let wanted = match &args[2] {
        b"+1" => len + 1,
        number => std::str::from_utf8(number).ok().and_then(|text| text.parse().ok()).ok_or(error::NOT_INTEGER)?,
    };
    if len < wanted {
        ctx.data.notify(NotifyClass::Generic, "tried", &key);
        return Ok(Outcome::Block(Box::new(BlockSpec {
            keys: smallvec![1],
            timeout_ms: None,
            wake: Wake { ty: Type::List, on_gone: true },
            resume: Some(OwnedArgs::from_slices(&[&args[0], &args[1], wanted.to_string().as_bytes()])),
            alike: Some(2..3),
            on_timeout: TimeoutReply::Null,
        })));
    }
    ctx.reply.int(wanted as i64);
    ctx.data.edit(&key, |list: &mut List| {
        list.remove_range(0, wanted);
        Edit::of(NotifyClass::List, "take", wanted, ())
    })?;
    DONE
}

struct Scene {
    bench: Bench,
    waiting: Vec<Client>,
}

impl Scene {
    /// Clients that are blocked in these commands, in this order, after some others.
    fn new(before: &[&str], blocked: &[&str]) -> Self {
        let mut scene = Self { bench: Bench::with_commands(&[], COMMANDS), waiting: Vec::new() };
        before.iter().for_each(|line| drop(scene.bench.run(line)));
        blocked.iter().for_each(|line| scene.block(line));
        scene
    }

    fn block(&mut self, line: &str) {
        let mut client = self.bench.connect();
        assert_eq!(client.run(&self.bench.engine, line), "", "{line} waits");
        self.waiting.push(client);
    }

    /// The reply that each client has got.
    fn replies(&mut self) -> Vec<Option<String>> {
        let engine = &self.bench.engine;
        self.waiting.iter_mut().map(|client| client.late_reply(engine)).collect()
    }

    fn is_awaited(&self, key: &[u8]) -> bool {
        self.bench.engine.keyspace.lock(0, key_slot(key)).has_waiters()
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn who_finds_too_little_keeps_its_place_and_whoever_is_behind_has_a_turn() {
    let mut scene = Scene::new(&[], &["TAKE l 3", "TAKE l 1"]);
    scene.bench.run("RPUSH l x y");
    assert_eq!(scene.replies(), [None, some(":1")]);
    scene.block("TAKE l 3");
    scene.bench.run("RPUSH l x y z");
    assert_eq!(scene.replies(), [some(":3"), None, None], "the first that came, not the last");
    scene.bench.run("RPUSH l x y z");
    assert_eq!(scene.replies(), [None, None, some(":3")]);
    assert_eq!(scene.bench.run("LLEN l"), ":1");
    assert!(!scene.is_awaited(b"l"));
}

#[test]
fn who_waits_for_the_same_as_another_does_not_look_in_vain_after_it() {
    let mut scene = Scene::new(&[], &["TAKE l 9", "TAKE l 3", "TAKE l 9", "TAKE l 9", "TAKE l 3", "TAKE l 1"]);
    let tried = |scene: &mut Scene| scene.bench.events().iter().filter(|event| *event == "tried l").count();
    tried(&mut scene);
    scene.bench.run("RPUSH l x y");
    assert_eq!(tried(&mut scene), 4, "one of each that found nothing, and again after one was served");
    assert_eq!(scene.replies(), [None, None, None, None, None, some(":1")]);
    scene.bench.run("RPUSH l x y z x y z");
    assert_eq!(scene.replies(), [None, some(":3"), None, None, some(":3"), None]);
    assert_eq!(tried(&mut scene), 4, "once more whenever somebody was served");
}

#[test]
fn a_command_resumes_with_what_its_words_meant_when_it_blocked() {
    let mut scene = Scene::new(&["RPUSH l a b"], &["TAKE l +1"]);
    let parked = scene.waiting[0].session.parked.clone().expect("it waits");
    assert_eq!(parked.args.view().iter().collect::<Vec<_>>(), [b"TAKE".as_slice(), b"l", b"3"]);
    scene.bench.propagated();
    scene.bench.run("RPUSH l c");
    assert_eq!(scene.replies(), [some(":3")]);
    assert_eq!(scene.bench.propagated(), ["RPUSH l c", "TAKE l 3"]);
}

#[test]
fn the_end_of_a_key_and_its_change_of_type_wake_whom_they_concern() {
    for (line, answer) in [
        ("DEL l", "+GONE"),
        ("RENAME l other", "+GONE"),
        ("LPOP l 5", "+GONE"),
        ("FLUSHALL", "+GONE"),
        ("SWAPDB 0 1", "+GONE"),
        ("SET l v", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ] {
        let mut scene = Scene::new(&["RPUSH l a"], &["TAKE l 2", "TAKE l 3", "BLPOP none 0"]);
        scene.bench.run(line);
        assert_eq!(scene.replies(), [some(answer), some(answer), None], "{line}");
        assert!(!scene.is_awaited(b"l"), "{line}");
    }
}

#[test]
fn who_waits_for_a_type_only_is_not_woken_by_an_end() {
    let mut scene = Scene::new(&[], &["BLPOP l 0", "BLPOP l 0"]);
    scene.bench.run("MULTI");
    for line in ["RPUSH l a", "DEL l", "SET l v", "DEL l"] {
        scene.bench.run(line);
    }
    scene.bench.run("EXEC");
    assert_eq!(scene.replies(), [None, None]);
    scene.bench.run("RPUSH l a b");
    assert_eq!(scene.replies(), [some("*2\r\n$1\r\nl\r\n$1\r\na"), some("*2\r\n$1\r\nl\r\n$1\r\nb")]);
}

#[test]
fn who_waits_for_a_key_that_expires_goes_through_the_gates_again() {
    let scene = Scene::new(&["RPUSH l a", "PEXPIRE l 100"], &["TAKE l 2", "BLPOP none 0"]);
    scene.bench.clock.advance_ms(200);
    assert_eq!(scene.bench.engine.expire_cycle(10), 1);
    let mail = scene.waiting[0].session.handle.take_mail();
    assert!(matches!(mail[..], [Mail::Retry]), "its own connection runs it again");
    assert!(scene.waiting[1].session.handle.take_mail().is_empty());
}

#[test]
fn who_is_to_leave_while_it_is_served_in_vain_is_answered_then() {
    let mut scene = Scene::new(&["RPUSH l a"], &["TAKE l 3"]);
    let parked = scene.waiting[0].session.parked.clone().expect("it waits");
    assert!(parked.token.claim(), "as by a write in another thread");
    assert!(parked.leave(Mail::Reply(parked.timeout_reply())).is_none(), "nobody knows yet whether it is served");
    assert!(!parked.token.stay());
    assert!(matches!(&*parked.leaving.lock(), Some(Mail::Reply(bytes)) if bytes == b"$-1\r\n"));
    scene.bench.engine.unpark(&mut scene.waiting[0].session);
    assert!(!scene.is_awaited(b"l"));
}

#[test]
fn who_is_unblocked_while_it_is_served_in_vain_has_one_reply_and_the_other_client_is_told_so() {
    for (fails, unblocked, reply) in [(true, ":1", some("$-1")), (false, ":0", None)] {
        let mut scene = Scene::new(&["RPUSH l a"], &["TAKE l 3"]);
        let parked = scene.waiting[0].session.parked.clone().expect("it waits");
        let id = scene.waiting[0].session.handle.id.to_string();
        let order = format!("CLIENT UNBLOCK {id}");
        assert!(parked.token.claim(), "as by a write in another thread, which has the slot");
        let Bench { client, engine, .. } = &mut scene.bench;
        let (next, said) = client.process(engine, &mut bulks(&["CLIENT", "UNBLOCK", &id]));
        let slot = Held::Slot(0, key_slot(b"l"));
        assert!(matches!(next, Next::Held(held) if held == slot) && said.is_empty(), "it depends on that thread");
        assert_eq!(scene.replies(), [None]);
        let words = scene.bench.client.session.postponed.take().expect("it is held back until the slot is unlocked");
        if fails {
            assert!(parked.token.stay(), "nobody wanted it to leave");
        } else {
            parked.token.serve();
        }
        let mut out = Vec::new();
        scene.bench.engine.retry(&mut scene.bench.client.session, words.view(), &mut out);
        assert_eq!(String::from_utf8_lossy(&out).trim_end(), unblocked);
        assert_eq!(scene.replies(), [reply], "{unblocked}");
        assert_eq!(scene.bench.run(&order), ":0", "it does not wait any more");
        assert_eq!(scene.replies(), [None]);
    }
}

#[test]
fn who_was_served_is_unlinked_before_its_connection_notices() {
    let mut scene = Scene::new(&[], &["TAKE l 1"]);
    scene.bench.run("RPUSH l a");
    assert!(!scene.is_awaited(b"l"));
    scene.block("TAKE l 1");
    assert_eq!(scene.replies(), [some(":1"), None]);
    assert!(scene.is_awaited(b"l"), "who came later stays");
}
