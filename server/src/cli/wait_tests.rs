//! Waiting for scripted nodes.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// A node that is not in order until it has been asked this often, and then knows so many nodes; its address.
fn node(rounds: usize, known: usize) -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let asked = Arc::new(AtomicUsize::new(0));
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let state = if asked.fetch_add(1, Ordering::Relaxed) < rounds { "fail" } else { "ok" };
            let info = "role:master\r\nloading:0\r\ncluster_enabled:1\r\n".to_owned();
            let cluster = format!("cluster_state:{state}\r\ncluster_slots_ok:16384\r\ncluster_known_nodes:{known}\r\n");
            for answer in ["+PONG\r\n".to_owned(), bulk(&info), bulk(&cluster)] {
                let _ = stream.read(&mut [0; 4096]).and_then(|_| stream.write_all(answer.as_bytes()));
            }
        }
    });
    Address { host: "127.0.0.1".to_owned(), port }
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

fn wait(nodes: Vec<Address>, patience_ms: u64) -> (Result<String, String>, Vec<String>) {
    let mut told = Vec::new();
    let waiting = Waiting { nodes, patience: Duration::from_millis(patience_ms), password: None };
    (waiting.run(|line| told.push(line)), told)
}

#[test]
fn all_nodes_must_be_ready_and_each_change_is_told_once() {
    let (outcome, told) = wait(vec![node(0, 2), node(3, 2)], 20_000);
    assert!(outcome.expect("both are ready in the end").starts_with("2 nodes are ready after "));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("1 of 2 ready; 127.0.0.1:") && told[0].ends_with("cluster_state:fail"), "{told:?}");
}

#[test]
fn who_is_not_ready_in_time_is_named() {
    let (silent, lonely) = (node(usize::MAX, 3), node(0, 1));
    let (outcome, _) = wait(vec![node(0, 3), silent.clone(), lonely.clone()], 600);
    let error = outcome.expect_err("two are not ready");
    assert!(error.contains(&format!("\n  {silent} is not ready: cluster_state:fail")), "{error}");
    assert!(error.contains(&format!("\n  {lonely} is not ready: it knows 1 of 3 nodes")), "{error}");
    assert_eq!(error.lines().count(), 3, "{error}");
}

#[test]
fn a_look_up_that_lasts_is_not_waited_for() {
    let waiting = Waiting { nodes: vec![node(0, 2), node(0, 2)], patience: secs(1), password: None };
    let mut asked = Asked::new(2);
    // The thread of an earlier round looks up the name.
    asked.busy[1] = true;
    let (began, late) = (Instant::now(), asked.answer.clone());
    let problems = waiting.problems(0, &mut asked);
    assert_eq!(problems, [format!("{}: its name is being looked up", waiting.nodes[1])]);
    assert!(began.elapsed() < secs(5) && asked.busy == [false, true]);
    late.send((1, Some("no such host".to_owned()))).expect("the next round listens");
    assert_eq!(waiting.problems(0, &mut asked), ["no such host"]);
    assert_eq!(waiting.problems(0, &mut asked), [""; 0], "it is asked again");
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_command_line_and_the_environment_name_the_nodes() {
    let read = |pairs: &[(&str, &str)], words: &[&str]| {
        let variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        parse(&words, &variables, None).expect("usage has a status of its own")
    };
    let Invocation::Wait(waiting) = read(&[], &["--nodes", "a:7000,b", "--timeout", "5"]) else { panic!("waits") };
    assert_eq!((waiting.nodes.len(), waiting.patience), (2, Duration::from_secs(5)));
    let pairs = [("SLOTD_CLUSTER_NODES", "a b c"), ("SLOTD_PORT", "7000")];
    let Invocation::Wait(waiting) = read(&pairs, &[]) else { panic!("waits") };
    assert_eq!(waiting.nodes.iter().map(|node| node.port).collect::<Vec<_>>(), [7000; 3]);
    // What a server would be that is started here.
    for (pairs, at) in [
        (&[][..], "127.0.0.1:6379"),
        (&[("SLOTD_PORT", "7001")], "127.0.0.1:7001"),
        (&[("SLOTD_MODE", "cluster")], "127.0.0.1:7000"),
        (&[("SLOTD_MODE", "cluster"), ("SLOTD_PORT", "7100-7105")], "127.0.0.1:7100"),
        (&[("SLOTD_PORT", "7001"), ("SLOTD_NONSENSE", "1")], "127.0.0.1:7001"),
        (&[("SLOTD_CONTAINER", "yes"), ("REDIS_NODES", "a b c d e f")], "a:6379"),
    ] {
        let Invocation::Wait(waiting) = read(pairs, &[]) else { panic!("waits") };
        assert_eq!(waiting.nodes[0].to_string(), at, "{pairs:?}");
    }
    for (pairs, words) in [
        (&[][..], &["--nodes", ""][..]),
        (&[], &["--nodes", "a:b"]),
        (&[], &["--nodes", "a", "--timeout", "0"]),
        (&[("SLOTD_CLUSTER_NODES", "a,a")], &[]),
    ] {
        assert!(matches!(read(pairs, words), Invocation::Refused { status: WRONG_USAGE, .. }), "{words:?}");
    }
    assert!(matches!(read(&[], &["--help"]), Invocation::Print(text) if text.contains("--timeout <SECONDS>")));
}
