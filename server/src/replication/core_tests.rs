//! Rules of the primary: units are not split, a replica gets every byte after its snapshot, one that is too far behind
//! is dropped, and acknowledgements count only for what was acknowledged.

use super::*;

const A: ReplId = [b'a'; 40];

fn core(backlog: i64) -> Core {
    let mut core = Core::new(A, backlog, 0);
    core.open_stream();
    core
}

fn replica(id: ClientId, phase: Phase, position: i64) -> Replica {
    Replica {
        handle: ClientHandle::new(id, "127.0.0.1:1".to_owned(), String::new(), 0, 0),
        ip: "127.0.0.1".to_owned(),
        facts: ReplicaFacts::default(),
        old_protocol: false,
        phase,
        position,
        ack: 0,
        file_ack: 0,
        ack_ms: 0,
        soft_since_ms: None,
        since_ms: 0,
        wake: Arc::new(Notify::new()),
    }
}

fn set(core: &mut Core, db: usize, key: &str) {
    core.append(&[(db, OwnedArgs::from_slices(&["SET", key, "v"]).view())]);
}

fn sent_to(core: &mut Core, id: ClientId) -> String {
    let mut out = VecDeque::new();
    assert!(core.output(id, usize::MAX, &mut out));
    let bytes: Vec<u8> = out.into_iter().flatten().collect();
    let text = String::from_utf8(bytes).expect("text");
    text.split("\r\n").filter(|part| !part.is_empty() && !part.starts_with(['*', '$'])).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_database_is_selected_when_it_changes_and_after_a_cut() {
    let mut core = core(1 << 20);
    core.attach(replica(1, Phase::Online, 0));
    set(&mut core, 0, "a");
    set(&mut core, 0, "b");
    set(&mut core, 3, "c");
    assert_eq!(sent_to(&mut core, 1), "SELECT 0 SET a v SET b v SELECT 3 SET c v");
    core.cut();
    set(&mut core, 3, "d");
    assert_eq!(sent_to(&mut core, 1), "SELECT 3 SET d v", "who loaded the snapshot has selected nothing");
}

#[test]
fn several_commands_of_one_unit_are_wrapped() {
    let mut core = core(1 << 20);
    core.attach(replica(1, Phase::Online, 0));
    let (del, push) = (OwnedArgs::from_slices(&["DEL", "a"]), OwnedArgs::from_slices(&["RPUSH", "l", "x"]));
    core.append(&[(0, del.view()), (0, push.view())]);
    assert_eq!(sent_to(&mut core, 1), "SELECT 0 MULTI DEL a RPUSH l x EXEC");
}

#[test]
fn a_waiting_replica_gets_what_follows_the_cut_and_only_after_its_first_acknowledgement() {
    let mut core = core(10);
    core.attach(replica(1, Phase::Waiting, 0));
    set(&mut core, 0, "before");
    assert_eq!(core.cut(), [1]);
    for n in 0..10_000 {
        set(&mut core, 0, &format!("after{n}"));
    }
    assert_eq!(sent_to(&mut core, 1), "", "it is loading");
    core.sent(1, false, 5);
    assert_eq!(sent_to(&mut core, 1), "", "it has not said that it has loaded");
    assert!(core.acknowledge(1, Ack { offset: 0, in_file: None }, 6));
    let text = sent_to(&mut core, 1);
    assert!(text.starts_with("SELECT 0 SET after0 v") && text.ends_with("SET after9999 v"));
}

#[test]
fn who_is_too_far_behind_is_dropped_and_the_backlog_shrinks_again() {
    let mut core = core(1000);
    core.attach(replica(1, Phase::Sending, 0));
    for n in 0..20_000 {
        set(&mut core, 0, &format!("key{n}"));
    }
    let limit = LagLimit { hard: 100_000, soft: 0, soft_seconds: 0 };
    assert!(core.can_continue(&A, 0).is_ok(), "kept for the replica");
    let dropped = core.overdue(0, 60_000, limit);
    assert_eq!(dropped.len(), 1);
    core.detach(1, 7);
    core.trim();
    assert_eq!(core.can_continue(&A, 0), Err(Refusal::NotHeld));
    assert_eq!(core.no_replicas_since_ms, 7);
}

#[test]
fn the_soft_limit_needs_time() {
    let mut core = core(1000);
    core.attach(replica(1, Phase::Sending, 0));
    set(&mut core, 0, "key");
    let limit = LagLimit { hard: 0, soft: 5, soft_seconds: 60 };
    assert!(core.overdue(1_000, 600_000, limit).is_empty());
    assert!(core.overdue(60_000, 600_000, limit).is_empty());
    let never = LagLimit { soft_seconds: i64::MAX, ..limit };
    assert!(core.overdue(62_000, 600_000, never).is_empty());
    assert_eq!(core.overdue(62_000, 600_000, limit).len(), 1);
}

#[test]
fn silent_replicas_are_dropped_but_those_that_never_speak_are_not() {
    let mut core = core(1000);
    core.attach(replica(1, Phase::Online, 0));
    core.attach(Replica { old_protocol: true, ..replica(2, Phase::Online, 0) });
    let dropped = core.overdue(61_000, 60_000, LagLimit::default());
    assert_eq!(dropped.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1]);
}

#[test]
fn only_online_replicas_acknowledge_and_lag_is_counted_in_seconds() {
    let mut core = core(1000);
    core.attach(replica(1, Phase::Online, 0));
    core.attach(replica(2, Phase::Sending, 0));
    set(&mut core, 0, "key");
    let offset = core.history.offset;
    core.acknowledge(1, Ack { offset, in_file: Some(offset - 1) }, 2_000);
    core.acknowledge(2, Ack { offset, in_file: Some(offset) }, 2_000);
    assert_eq!(core.acknowledged_by(offset), 1);
    assert_eq!(core.acknowledged_by(offset + 1), 0);
    assert_eq!((core.filed_by(offset - 1), core.filed_by(offset)), (1, 0));
    core.acknowledge(1, Ack { offset, in_file: None }, 2_000);
    assert_eq!(core.filed_by(offset - 1), 1, "a replica that says nothing of its file has lost nothing of it");
    assert_eq!((core.good(10, 12_999), core.good(10, 13_000)), (1, 0));
}

#[test]
fn acknowledgements_are_requested_once_for_the_same_offset() {
    let mut core = core(1000);
    set(&mut core, 0, "key");
    core.request_acks();
    let offset = core.history.offset;
    core.request_acks();
    assert_eq!(core.history.offset, offset);
    set(&mut core, 0, "key");
    core.request_acks();
    assert!(core.history.offset > offset);
}

#[test]
fn an_unused_backlog_is_dropped_with_its_history() {
    let mut core = core(1000);
    assert!(!core.backlog_is_stale(999, 1) && core.backlog_is_stale(1001, 1) && !core.backlog_is_stale(1001, 0));
    assert!(!core.backlog_is_stale(1001, i64::MAX), "no time is that long");
    set(&mut core, 0, "key");
    let offset = core.history.offset;
    core.drop_backlog([b'b'; 40]);
    assert_eq!(core.can_continue(&A, offset), Err(Refusal::Foreign));
    assert_eq!(core.history.offset, offset, "offsets are never taken back");
}
