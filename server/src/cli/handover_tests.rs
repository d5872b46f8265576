//! Handing over, with scripted nodes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::super::scripted::{bulk, node};
use super::*;

const ME: &str = "1111111111111111111111111111111111111111";
const OTHER: &str = "2222222222222222222222222222222222222222";

/// A primary with slots, until somebody has taken over.
fn primary(taken: Arc<AtomicBool>, replicas: String) -> u16 {
    node(move |words| {
        if words.contains("NODES") {
            let mine = format!("{ME} 127.0.0.1:1@2 myself,master - 0 0 1 connected 0-5460\n");
            return bulk(&format!("{mine}{OTHER} 127.0.0.1:3@4 slave {ME} 0 0 1 connected\n"));
        }
        let role = if taken.load(Ordering::Relaxed) { "slave" } else { "master" };
        bulk(&format!("role:{role}\r\n{replicas}cluster_enabled:1\r\n"))
    })
}

fn hand_over(port: u16, patience_ms: u64) -> Result<String, String> {
    let patience = Duration::from_millis(patience_ms);
    let takeover = Duration::from_millis(300);
    Handover { host: "127.0.0.1".to_owned(), port, patience, takeover, password: None }.run()
}

#[test]
fn the_replica_that_has_most_takes_over() {
    let taken = Arc::new(AtomicBool::new(false));
    let takes = taken.clone();
    let behind = node(|_| "-ERR the wrong one was asked\r\n".to_owned());
    let ahead = node(move |words| {
        takes.store(words.contains("FAILOVER"), Ordering::Relaxed);
        "+OK\r\n".to_owned()
    });
    let line = |number, port, offset, state| {
        format!("slave{number}:ip=127.0.0.1,port={port},state={state},offset={offset},lag=0\r\n")
    };
    let replicas = line(0, behind, 9, "online") + &line(1, ahead, 10, "online") + &line(2, behind, 11, "send_bulk");
    let said = hand_over(primary(taken, replicas), 10_000).expect("it is handed over");
    assert!(said.contains(&format!("handed over to 127.0.0.1:{ahead} in ")), "{said}");
}

#[test]
fn a_replica_that_refuses_is_named_at_the_end() {
    let refuses = node(|_| "-ERR not today\r\n".to_owned());
    let replicas = format!("slave0:ip=127.0.0.1,port={refuses},state=online,offset=9,lag=0\r\n");
    let error = hand_over(primary(Arc::default(), replicas), 1000).expect_err("nobody takes over");
    assert!(error.contains("not handed over in 1 s: 127.0.0.1:") && error.ends_with("not today"), "{error}");
    let error = hand_over(primary(Arc::default(), String::new()), 300).expect_err("nobody is there");
    assert!(error.ends_with("none of its replicas is online"), "{error}");
}

#[test]
fn a_node_that_is_busy_for_a_moment_is_asked_again() {
    let asked = AtomicUsize::new(0);
    let port = node(move |words| match asked.fetch_add(1, Ordering::Relaxed) {
        0 => "-BUSY Redis is busy running a script.\r\n".to_owned(),
        1 => "-LOADING Redis is loading the dataset in memory\r\n".to_owned(),
        _ if words.contains("INFO") => bulk("role:slave\r\ncluster_enabled:1\r\n"),
        _ => "-ERR\r\n".to_owned(),
    });
    let said = hand_over(port, 10_000).expect("there is nothing to do");
    assert!(said.ends_with("nothing to hand over, it is a replica"), "{said}");

    let error =
        hand_over(node(|_| "-NOAUTH Authentication required.\r\n".to_owned()), 10_000).expect_err("no password");
    assert!(error.ends_with(": not handed over: NOAUTH Authentication required."), "{error}");
    let error = hand_over(node(|_| String::new()), 300).expect_err("it says nothing");
    assert!(error.contains(": not handed over in 0 s: ") && error.ends_with(NO_ANSWER), "{error}");
}

/// A replica that obeys; what it was told.
fn replica(answers: bool) -> (u16, Arc<AtomicUsize>) {
    let ordered = Arc::<AtomicUsize>::default();
    let count = ordered.clone();
    let port = node(move |words| {
        count.fetch_add(usize::from(words.contains("FAILOVER")), Ordering::Relaxed);
        if answers { "+OK\r\n".to_owned() } else { String::new() }
    });
    (port, ordered)
}

/// A primary that stays one, and says this when no script may run.
fn primary_that_stays(replica: u16, says: &'static str) -> u16 {
    let line = format!("slave0:ip=127.0.0.1,port={replica},state=online,offset=9,lag=0\r\n");
    node(move |words| match words {
        _ if words.contains("SWAPDB") => says.to_owned(),
        _ if words.contains("NODES") => {
            let mine = format!("{ME} 127.0.0.1:1@2 myself,master - 0 0 1 connected 0-5460\n");
            bulk(&format!("{mine}{OTHER} 127.0.0.1:3@4 slave {ME} 0 0 1 connected\n"))
        }
        _ => bulk(&format!("role:master\r\n{line}cluster_enabled:1\r\n")),
    })
}

#[test]
fn a_replica_that_does_not_answer_gets_no_order_that_it_could_follow_later() {
    let (frozen, ordered) = replica(false);
    let error = hand_over(primary_that_stays(frozen, ":1\r\n"), 3000).expect_err("nobody takes over");
    assert!(error.ends_with(NO_ANSWER), "{error}");
    assert_eq!(ordered.load(Ordering::Relaxed), 0);
}

#[test]
fn a_primary_that_is_busy_holds_its_writes_for_one_vain_try_and_another_one_for_two() {
    for (says, tries, why) in [
        ("-BUSY Redis is busy running a script.\r\n", 1, "cannot take over: BUSY Redis is busy running a script."),
        ("-ERR SWAPDB is not allowed in cluster mode\r\n", 2, "did not take over"),
    ] {
        let (obeys, ordered) = replica(true);
        let began = Instant::now();
        let error = hand_over(primary_that_stays(obeys, says), 60_000).expect_err("nobody takes over");
        assert!(error.ends_with(why) && error.contains(": not handed over in "), "{error}");
        assert_eq!(ordered.load(Ordering::Relaxed), tries);
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    }
}

#[test]
fn who_has_nothing_to_hand_over_is_left_alone() {
    for (role, enabled, line, reason) in [
        ("slave", 1, "slave 2 0 0 1 connected", "is a replica"),
        ("master", 0, "master - 0 0 1 connected 0-5460", "is in no cluster"),
        ("master", 1, "master - 0 0 1 connected", "has no slots"),
        ("master", 1, "master - 0 0 1 connected 0-5460", "has no replica"),
    ] {
        let port = node(move |words| {
            if words.contains("NODES") {
                bulk(&format!("{ME} 127.0.0.1:1@2 myself,{line}\n"))
            } else {
                bulk(&format!("role:{role}\r\ncluster_enabled:{enabled}\r\n"))
            }
        });
        let said = hand_over(port, 5000).expect("there is nothing to do");
        assert!(said.ends_with(&format!("nothing to hand over, it {reason}")), "{said}");
    }
}

#[test]
fn the_command_line_and_the_environment_name_the_node() {
    let read = |pairs: &[(&str, &str)], words: &[&str]| {
        let variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        parse(&words, &variables, None).expect("usage has a status of its own")
    };
    for (pairs, words, port) in [
        (&[][..], &[][..], NODE_PORT),
        (&[("SLOTD_PORT", "7000-7005")], &[], 7000),
        (&[("SLOTD_PORT", "7000")], &["--port", "7001"], 7001),
    ] {
        assert!(matches!(read(pairs, words), Invocation::Handover(handover) if handover.port == port), "{words:?}");
    }
    for words in [&["--port", "0"][..], &["--timeout", "0"], &["now"]] {
        assert!(matches!(read(&[], words), Invocation::Refused { status: WRONG_USAGE, .. }), "{words:?}");
    }
}
