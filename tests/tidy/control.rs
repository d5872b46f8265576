//! The control thread never waits: the modules that run on it name no call that does.
//!
//! It carries the cluster bus of every node of the process, so while it waits, peers believe that all of them are dead.
//! It accesses the data through `engine/tries.rs`, which only tries. The type system cannot forbid a detour through the
//! engine, a file or a sleep, so this check does. A module with work that has to wait hands that work to a thread, and
//! the thread's code is in another module. White space does not count: a call may be wrapped.

use crate::source::{Squeezed, files};
use crate::{Finding, assert_none};

/// The modules of the control thread.
const MODULES: &[&str] = &[
    "server/src/cluster/driver.rs",
    "server/src/cluster/effects.rs",
    "server/src/cluster/links.rs",
    "server/src/cluster/local_buses.rs",
    "server/src/cluster/outbox.rs",
    "server/src/cluster/pipe.rs",
    "server/src/engine/expire_cycle.rs",
    "server/src/engine/tracking.rs",
    "server/src/engine/tries.rs",
    "server/src/net/listener.rs",
    "server/src/ops/cron.rs",
    "server/src/ops/shutdown.rs",
    "server/src/persistence/mod.rs",
    "server/src/replication/failover.rs",
    "server/src/replication/mod.rs",
    "server/src/replication/serve.rs",
    "server/src/session/pubsub.rs",
];

/// Calls that wait, and what to use instead.
const WAITS: &[(&str, &str)] = &[
    ("keyspace.lock(", "Tries: a slot may be held by a long command"),
    ("engine.lock(", "Tries: a slot may be held by a long command"),
    (".lock_within(", "Tries: a slot may be held by a long command"),
    (".wait_within(", "Tries: a slot may be held by a long command"),
    ("lock_soon(", "Tries: a slot may be held by a long command"),
    ("enter_soon(", "Tries: somebody may be exclusive"),
    (".lock_cut(", "a thread: a slot may be held by a long command"),
    ("barrier.enter(", "Tries: somebody may be exclusive"),
    ("with_core_saved(", "with_core: a save waits for the disk"),
    (".settle()", "with_core: a save waits for the disk"),
    (".exclusive(", "a thread: it waits for every command that is under way"),
    (".wait_turn(", "a task of the group"),
    (".wait_while(", "an `.await`"),
    (".wait_until(", "an `.await`"),
    (".wait_for(&mut", "an `.await`"),
    ("thread::sleep", "`tokio::time::sleep`"),
    (".blocking_", "an `.await`"),
    (".recv_timeout(", "an `.await`"),
    (".recv()", "an `.await`"),
    (".join()", "a task of the group: a thread may take long to end"),
    ("fs::", "a thread: a disk may take long"),
    ("File::", "a thread: a disk may take long"),
    (".sync_all(", "a thread: a disk may take long"),
    ("_exact_at(", "a thread: a disk may take long"),
    ("_all_at(", "a thread: a disk may take long"),
];

/// Calls of the same names that do not wait.
const NO_WAITS: &[&str] = &[
    // Joins a shutdown that has begun: the verdict comes later.
    "self.progress.join()",
];

/// Whether this stands behind a call that is awaited: by itself, or as an arm of `select!`.
fn is_awaited(after: &str) -> bool {
    after.starts_with(".await") || after.starts_with("=>")
}

fn check(path: &str, text: &str) -> Vec<Finding> {
    let squeezed = Squeezed::new(text);
    let mut findings = Vec::new();
    for (call, instead) in WAITS {
        for (place, line) in squeezed.find(call) {
            let end = place.end;
            let is_harmless = NO_WAITS.iter().any(|other| squeezed.code[..end].ends_with(other));
            if !is_harmless && !is_awaited(&squeezed.code[end..]) {
                findings.push(Finding::new(path, line, format!("{call} on the control thread: take {instead}")));
            }
        }
    }
    findings
}

#[test]
fn modules_of_the_control_thread_do_not_wait() {
    let sources = files(|path| MODULES.contains(&path));
    let missing: Vec<_> = MODULES.iter().filter(|path| !sources.iter().any(|file| file.path == **path)).collect();
    assert!(missing.is_empty(), "modules that have moved: {missing:?}");
    let findings: Vec<Finding> = sources.iter().flat_map(|file| check(&file.path, &file.text)).collect();
    assert_none(&findings);
}

#[test]
fn the_check_fires_on_a_bad_sample() {
    for text in [
        "let guard = engine.keyspace.lock(0, slot);",
        "let pass = engine.barrier.enter(gate);",
        "pass.exclusive(|_| ());",
        "std::thread::sleep(PAUSE);",
        "cluster.with_core_saved(|core, now| core.handle_tick(now));",
        "let text = std::fs::read(path);",
        "file.read_exact_at(&mut bytes, 0)?;",
        "let guard = engine.lock(plan);",
        "keyspace.lock_within(0, slot, PATIENCE)",
        "keyspace.wait_within(0, slot, PATIENCE)",
        "engine.lock_soon(session, 0, slot)",
        "barrier.enter_soon(gate)",
        "let change = queue.recv();",
        "thread.join();",
    ] {
        assert_eq!(check("server/src/ops/cron.rs", text).len(), 1, "{text}");
    }
    let wrapped = "let guard = engine\n    .keyspace\n    // The first slot.\n    .lock(0, slot);";
    let found = check("server/src/ops/cron.rs", wrapped);
    assert_eq!(found.iter().map(|f| f.place.as_str()).collect::<Vec<_>>(), ["server/src/ops/cron.rs:2"]);
    for text in [
        "let guard = tries.enter()?.slot(0, slot)?;",
        "// engine.keyspace.lock(0, slot)",
        "tokio::time::sleep(PAUSE).await;",
        "self.core.lock();",
        "while let Some(call) = self.calls.recv().await {}",
        "tokio::select! { call = calls\n.recv() => {} }",
        "match self.progress.join() {}",
    ] {
        assert_eq!(check("server/src/ops/cron.rs", text), [], "{text}");
    }
}
