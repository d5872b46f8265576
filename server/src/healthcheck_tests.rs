//! The probe against scripted peers, since its behaviour with strange ones matters.

use std::net::TcpListener;

use super::*;

/// A peer that answers each request with the next of these, and goes on reading after the last one.
fn peer(answers: &'static [&'static str]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the probe connects");
        let mut input = [0; 4096];
        for answer in answers {
            if stream.read(&mut input).is_err() {
                return;
            }
            // The probe may have disconnected: it has seen enough.
            let _ = stream.write_all(answer.as_bytes());
        }
        while matches!(stream.read(&mut input), Ok(1..)) {}
    });
    port
}

fn probe(port: u16, ready: bool) -> Result<String, String> {
    let probe = Probe {
        host: "127.0.0.1".to_owned(),
        port: Some(ports(port, port)),
        ready,
        timeout: 500,
        password: None,
        members: 0,
    };
    probe.run()
}

fn ports(first: u16, last: u16) -> Ports {
    Ports { first, last }
}

fn bulk(text: &str) -> &'static str {
    Box::leak(format!("${}\r\n{text}\r\n", text.len()).into_boxed_str())
}

fn answers(list: Vec<&'static str>) -> &'static [&'static str] {
    list.leak()
}

const REPLICA: &str = "role:slave\r\nmaster_link_status:up\r\nloading:0\r\ncluster_enabled:1\r\n";

#[test]
fn a_node_that_says_why_it_does_not_serve_is_alive_and_not_ready() {
    for error in ["-NOAUTH Authentication required.\r\n", "-LOADING Redis is loading the dataset in memory\r\n"] {
        assert!(probe(peer(answers(vec![error])), false).is_ok_and(|line| line.contains("is alive: ")));
        assert!(probe(peer(answers(vec![error])), true).is_err_and(|line| line.contains(&error[1..8])));
    }
}

#[test]
fn ready_needs_the_cluster_its_slots_and_the_link() {
    let ok = "cluster_state:ok\r\ncluster_slots_ok:16384\r\n";
    let replies = |info: &str, cluster: &str| answers(vec!["+PONG\r\n", bulk(info), bulk(cluster)]);
    assert!(probe(peer(replies(REPLICA, ok)), true).is_ok_and(|line| line.ends_with("is ready")));
    let cases = [
        (REPLICA.replace(":up", ":down"), ok, "its link to the primary is down"),
        (REPLICA.replace("loading:0", "loading:1"), ok, "it loads its snapshot"),
        (REPLICA.to_owned(), "cluster_state:fail\r\ncluster_slots_ok:16384\r\n", "cluster_state:fail"),
        (REPLICA.to_owned(), "cluster_state:ok\r\ncluster_slots_ok:16383\r\n", "16383 of 16384 slots are served"),
        (REPLICA.to_owned(), "nonsense", "cluster_state:unknown"),
    ];
    for (info, cluster, reason) in cases {
        let line = probe(peer(replies(&info, cluster)), true).expect_err(reason);
        assert!(line.ends_with(&format!("is not ready: {reason}")), "{line}");
    }
    let alone = answers(vec!["+PONG\r\n", bulk("role:master\r\nloading:0\r\ncluster_enabled:0\r\n")]);
    assert!(probe(peer(alone), true).is_ok());
}

#[test]
fn an_answer_comes_in_time_whatever_the_peer_does() {
    let began = Instant::now();
    let silent = probe(peer(&[""]), false).expect_err("silence");
    assert!(silent.ends_with("no answer in time"), "{silent}");
    assert!(began.elapsed() < Duration::from_secs(5));
    let web = probe(peer(&["HTTP/1.1 400 Bad Request\r\n\r\n"]), false).expect_err("no node");
    assert!(web.contains("no node's answer"), "{web}");
    let refused = {
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
        probe(port, false).expect_err("nobody listens")
    };
    assert!(refused.contains("refused"), "{refused}");
}

#[test]
fn a_terminal_obeys_no_error_of_a_peer() {
    let error = format!("-ERR \x1b[31mred {}\r\n", "x".repeat(5000));
    let error: &'static str = Box::leak(error.into_boxed_str());
    let line = probe(peer(answers(vec![error])), true).expect_err("an error is not ready");
    assert!(line.contains("ERR \\u{1b}[31mred xxx") && line.ends_with("..."), "{line}");
    assert!(line.len() < 600 && !line.contains(char::is_control), "{line}");
    assert_eq!(readable("NOAUTH ä".as_bytes()), "NOAUTH ä");
}

#[test]
fn what_says_pong_to_everything_is_no_node() {
    let line = probe(peer(answers(vec!["+PONG\r\n", "+PONG\r\n"])), true).expect_err("INFO is a bulk string");
    assert!(line.ends_with("does not answer as a node does"), "{line}");
}

#[test]
fn an_address_may_stand_in_brackets() {
    let of = |words: &[&str]| Probe::try_parse_from(words).map(|probe| probe.host).map_err(|error| error.to_string());
    assert_eq!(of(&["--host", "[::1]"]), Ok("::1".to_owned()));
    assert_eq!(of(&["--host", "node1"]), Ok("node1".to_owned()));
}

#[test]
fn a_wrong_password_is_called_wrong() {
    let replies =
        &["-WRONGPASS invalid username-password pair or user is disabled.\r\n", "-NOAUTH Authentication required.\r\n"];
    let ask = |ready| {
        let port = peer(replies);
        let password = Some("wrong".into());
        Probe { host: "127.0.0.1".to_owned(), port: Some(ports(port, port)), ready, timeout: 500, password, members: 0 }
            .run()
    };
    assert!(ask(true).is_err_and(|line| line.contains(": WRONGPASS invalid")));
    assert!(ask(false).is_ok_and(|line| line.contains("is alive: WRONGPASS invalid")));
}

/// Two adjacent ports, with their listeners.
fn neighbours() -> (TcpListener, TcpListener) {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = first.local_addr().expect("bound").port();
        if let Some(second) = port.checked_add(1).and_then(|port| TcpListener::bind(("127.0.0.1", port)).ok()) {
            return (first, second);
        }
    }
}

#[test]
fn a_cluster_is_alive_if_any_of_its_nodes_is_and_ready_if_all_are() {
    let (frozen, node) = neighbours();
    let port = frozen.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = node.accept() {
            let _ = stream.read(&mut [0; 4096]).and_then(|_| stream.write_all(b"+PONG\r\n"));
        }
    });
    let ask = |ready| {
        let port = Some(ports(port, port + 1));
        Probe { host: "127.0.0.1".to_owned(), port, ready, timeout: 500, password: None, members: 0 }.run()
    };
    assert_eq!(ask(false), Ok(format!("127.0.0.1:{} is alive", port + 1)));
    assert!(ask(true).is_err());
    drop(frozen);
    assert_eq!(ask(false), Ok(format!("127.0.0.1:{} is alive", port + 1)), "nobody listens at the other");
    let nobody = neighbours().0.local_addr().expect("bound").port();
    let probe = Probe {
        host: "127.0.0.1".to_owned(),
        port: Some(ports(nobody, nobody + 1)),
        ready: false,
        timeout: 500,
        password: None,
        members: 0,
    };
    assert_eq!(probe.run(), Err(format!("127.0.0.1: Connection refused at {nobody}, {}", nobody + 1)));
}

#[test]
fn ports_are_read_and_refused_with_their_range() {
    assert_eq!("7000".parse(), Ok(ports(7000, 7000)));
    assert_eq!("7000-7005".parse(), Ok(ports(7000, 7005)));
    for wrong in ["", "abc", "-1", "0", "65536", "7005-7000", "7000-", "1-65535", "7000-7005-7010"] {
        assert!(wrong.parse::<Ports>().is_err_and(|text| text.contains("1 to 65535")), "{wrong}");
    }
}
