//! Which of several scripted nodes are taken for one cluster.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::super::super::scripted::{bulk, serve, socket};
use super::super::collect::{Asking, Visit};
use super::*;

/// A node of a scripted cluster that has not begun to answer.
struct Member {
    id: char,
    port: u16,
    socket: TcpListener,
}

fn members(ids: &str) -> Vec<Member> {
    let member = |id| {
        let (socket, port) = socket();
        Member { id, port, socket }
    };
    ids.chars().map(member).collect()
}

/// `a` as an id, forty times.
fn line(id: char, port: u16, rest: &str) -> String {
    format!("{} 127.0.0.1:{port}@1 {rest}\n", id.to_string().repeat(40))
}

/// Lets nodes answer that know each other, and these besides; how often one of them was asked.
fn begin(members: Vec<Member>, also: &[(char, u16)]) -> Arc<AtomicUsize> {
    let asked = Arc::new(AtomicUsize::new(0));
    let known: Vec<(char, u16)> = members.iter().map(|member| (member.id, member.port)).collect();
    for Member { id, socket, .. } in members {
        let one = |(other, port): &(char, u16)| {
            let is_me = *other == id;
            line(*other, *port, if is_me { "myself,master - 0 0 1 connected 0-5" } else { "master - 0 0 1 connected" })
        };
        let (nodes, asked) = (known.iter().chain(also).map(one).collect::<String>(), asked.clone());
        serve(socket, move |words| {
            asked.fetch_add(1, Ordering::Relaxed);
            answer(words, &nodes)
        });
    }
    asked
}

fn answer(words: &str, nodes: &str) -> String {
    answer_of(words, nodes, "1")
}

/// The answer of a process with this run id.
fn answer_of(words: &str, nodes: &str, run: &str) -> String {
    match words {
        _ if words.contains("NODES") => bulk(nodes),
        _ if words.contains("TIME") => "*2\r\n$1\r\n1\r\n$1\r\n1\r\n".to_owned(),
        _ if words.contains("CONFIG") => "*0\r\n".to_owned(),
        _ => bulk(&format!("run_id:{run}\r\nrole:master\r\ncluster_enabled:1\r\ncluster_state:ok\r\n")),
    }
}

fn visit() -> Visit {
    Visit::new(Instant::now() + Duration::from_secs(60))
}

fn look(ports: &[u16]) -> Result<Facts, String> {
    let address = |port: &u16| Address { host: "127.0.0.1".to_owned(), port: *port };
    let asking = Asking { nodes: ports.iter().map(address).collect(), ..Asking::default() };
    asking.look(&mut visit())
}

#[test]
fn named_nodes_of_two_clusters_are_refused() {
    let (ours, theirs) = (members("ab"), members("cd"));
    let (one, other) = (ours[0].port, theirs[1].port);
    begin(ours, &[]);
    begin(theirs, &[]);
    let error = look(&[one, other]).expect_err("they are two clusters");
    assert!(error.starts_with(&format!("127.0.0.1:{one} and 127.0.0.1:{other} are in different clusters")), "{error}");
    assert_eq!(look(&[other]).expect("they answer").reports.len(), 2);
}

#[test]
fn a_node_of_another_cluster_at_the_address_of_a_member_is_left_out_and_whom_it_knows_is_not_asked() {
    let (ours, theirs, beyond) = (members("ab"), members("c"), members("d"));
    let (one, there, far) = (ours[0].port, theirs[0].port, beyond[0].port);
    let asked = begin(beyond, &[('c', there)]);
    begin(ours, &[('f', there)]);
    begin(theirs, &[('d', far)]);
    let facts = look(&[one]).expect("they answer");
    assert_eq!(facts.reports.len(), 2);
    assert_eq!(facts.strangers.len(), 1, "{:?}", facts.strangers);
    assert_eq!((facts.strangers[0].address.port, facts.strangers[0].is_alone), (there, false));
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[test]
fn a_node_in_no_cluster_is_a_stranger_whether_it_was_named_or_not() {
    let (ours, (new, port)) = (members("ab"), socket());
    let one = ours[0].port;
    begin(ours, &[('f', port)]);
    serve(new, move |words| answer(words, &line('c', port, "myself,master - 0 0 0 connected")));
    for named in [&[one][..], &[port, one]] {
        let facts = look(named).expect("they answer");
        assert_eq!(facts.reports.len(), 2);
        assert_eq!(
            facts.strangers.iter().map(|one| (one.address.port, one.is_alone)).collect::<Vec<_>>(),
            [(port, true)]
        );
    }
}

#[test]
fn a_node_that_was_forgotten_and_knows_the_others_still_is_of_the_cluster() {
    let (ours, forgotten) = (members("ab"), members("c"));
    let (one, other, away) = (ours[0].port, ours[1].port, forgotten[0].port);
    begin(ours, &[]);
    begin(forgotten, &[('a', one), ('b', other)]);
    for named in [[one, away], [away, one]] {
        let facts = look(&named).expect("they answer");
        assert_eq!((facts.reports.len(), facts.strangers.len()), (3, 0));
    }
}

#[test]
fn a_server_without_cluster_mode_is_silent_unless_no_other_node_answers() {
    let (ours, (plain, port)) = (members("ab"), socket());
    let one = ours[0].port;
    begin(ours, &[('f', port)]);
    serve(plain, |_| "-ERR This instance has cluster support disabled\r\n".to_owned());
    for named in [&[one][..], &[port, one]] {
        let facts = look(named).expect("two answer");
        assert_eq!((facts.reports.len(), facts.silent.len()), (2, 1));
        assert!(facts.silent[0].1.contains("not in cluster mode"), "{:?}", facts.silent);
    }
    let error = look(&[port]).expect_err("there is no cluster");
    assert_eq!(error, format!("127.0.0.1:{port} is not in cluster mode: there is nothing to examine"));
}

#[test]
fn another_process_with_the_id_of_a_node_is_found_but_not_another_address_of_it() {
    for (run, found) in [("2", 1), ("1", 0)] {
        let (first, second, third) = (socket(), socket(), socket());
        let (one, copy, other) = (first.1, second.1, third.1);
        let me = |port| line('a', port, "myself,master - 0 0 1 connected 0-5");
        let b = line('b', other, "master - 0 0 1 connected");
        let (original, copied) = (me(one) + &b, me(copy) + &b);
        serve(first.0, move |words| answer_of(words, &original, "1"));
        serve(second.0, move |words| answer_of(words, &copied, run));
        let view = line('b', other, "myself,master - 0 0 1 connected") + &line('a', copy, "master - 0 0 1 connected");
        serve(third.0, move |words| answer_of(words, &view, "3"));
        // Whether both are named, or one is only seen by others.
        for named in [&[one, copy][..], &[one]] {
            let address = |port: &u16| Address { host: "127.0.0.1".to_owned(), port: *port };
            let asking = Asking { nodes: named.iter().map(address).collect(), ..Asking::default() };
            let mut facts = asking.look(&mut visit()).expect("they answer");
            asking.look_for_twins(&mut facts, &mut visit());
            facts.twins.dedup();
            assert_eq!((facts.reports.len(), facts.twins.len()), (2, found), "{named:?} {:?}", facts.twins);
        }
    }
}

/// A node that takes connections and never answers; how many it has taken.
fn mute() -> (u16, Arc<AtomicUsize>) {
    let (listener, port) = socket();
    let taken = Arc::<AtomicUsize>::default();
    let count = taken.clone();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept() {
            held.push(stream);
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    (port, taken)
}

#[test]
fn who_was_silent_is_asked_once_and_nobody_when_the_time_is_over() {
    let ours = members("ab");
    let (one, (port, taken)) = (ours[0].port, mute());
    let asked = begin(ours, &[('f', port)]);
    let asking = Asking { nodes: vec![Address { host: "127.0.0.1".to_owned(), port: one }], ..Asking::default() };
    let mut visit = visit();
    for _ in 0..3 {
        let facts = asking.look(&mut visit).expect("two answer");
        assert_eq!((facts.reports.len(), facts.silent.len()), (2, 1));
        assert!(facts.silent[0].1.ends_with("no answer in time"), "{:?}", facts.silent);
    }
    assert_eq!(taken.load(Ordering::Relaxed), 1);
    // What was done since is looked at without it, too.
    let facts = asking.look(&mut visit).expect("two answer");
    asking.look(&mut Visit::after(&facts, Instant::now() + Duration::from_secs(60))).expect("two answer");
    assert_eq!(taken.load(Ordering::Relaxed), 1);
    let before = asked.load(Ordering::Relaxed);
    let error = asking.look(&mut Visit::new(Instant::now())).expect_err("there is no time");
    assert!(error.ends_with("there was no time left to ask it"), "{error}");
    assert_eq!(asked.load(Ordering::Relaxed), before);
}

#[test]
fn nodes_that_answered_before_are_asked_if_the_named_one_is_silent() {
    let ours = members("ab");
    let address = |port: u16| Address { host: "127.0.0.1".to_owned(), port };
    let (one, other, gone) = (ours[0].port, ours[1].port, socket().1);
    begin(ours, &[]);
    let known = vec![address(one), address(other), address(socket().1)];
    let asking = Asking { nodes: vec![address(gone)], known, ..Asking::default() };
    let facts = asking.look(&mut visit()).expect("they answer");
    assert_eq!(facts.reports.len(), 2);
    // The named one is silent; the one that nobody knows any more is not spoken of.
    assert_eq!(facts.silent.iter().map(|(address, _)| address.port).collect::<Vec<_>>(), [gone]);
}
