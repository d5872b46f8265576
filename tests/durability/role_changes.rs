//! Changes of role: a client that reads the reply finds the new role, on any connection; and a primary may send
//! anything.

use std::io::{BufReader, Write as _};
use std::net::TcpListener;

use integration::node::NodeSpec;
use integration::oracle::{Binary, slotd_is_stock};
use integration::wait::secs;

use crate::psync::request;

/// The commands that change the role.
type Script<'a> = &'a dyn Fn(&str) -> Vec<String>;

/// Another client's write after the reply is refused by the replica, or accepted by the primary: none is acknowledged
/// and lost.
#[test]
fn a_role_has_changed_when_its_command_is_answered() {
    let node = NodeSpec::new(Binary::Slotd).start();
    let (mut asker, mut writer) = (node.client(), node.client());
    writer.ok("SET k v");
    let plain = |change: &str| vec![change.to_owned()];
    let queued = |change: &str| ["MULTI", "PING", change, "PING", "EXEC"].map(str::to_owned).to_vec();
    let twice = |change: &str| ["MULTI", "REPLICAOF 127.0.0.1 2", change, "EXEC"].map(str::to_owned).to_vec();
    let alone = |change: &str| ["MULTI", change, "EXEC"].map(str::to_owned).to_vec();
    let scripts: [Script<'_>; 4] = [&plain, &queued, &twice, &alone];
    for round in 0..50 {
        for script in scripts {
            for (change, role) in [("REPLICAOF 127.0.0.1 1", "slave"), ("REPLICAOF NO ONE", "master")] {
                let lines = script(change);
                let bytes: Vec<u8> = lines
                    .iter()
                    .flat_map(|line| integration::resp::encode(&integration::resp::split_line(line)))
                    .collect();
                asker.send_raw(&bytes).expect("sent");
                let replies: Vec<_> = lines.iter().map(|_| asker.reply(secs(10)).expect("a reply")).collect();
                let written = writer.cmd("SET k v");
                assert_eq!(written.is_ok(), role == "master", "{round}: {lines:?}: {written:?}");
                assert_eq!(asker.cmd("ROLE").items()[0].text(), role, "{round}: {lines:?}");
                let last = replies.last().expect("at least one");
                let answers = if lines.len() == 1 { vec![last.clone()] } else { last.items().to_vec() };
                assert_eq!(answers.len(), lines.len().saturating_sub(2).max(1), "{last:?}");
                assert!(answers.iter().all(|answer| answer.is_ok() || answer.text() == "PONG"), "{last:?}");
            }
        }
    }
}

/// Offsets at the limit of the numbers, ids of the wrong length, invalid answers: the replica keeps its data and goes
/// on retrying.
#[test]
fn odd_answers_of_a_primary_cost_nothing() {
    if slotd_is_stock() {
        return; // It believes such offsets, and wraps.
    }
    let id = "a".repeat(40);
    let mark = "m".repeat(40);
    let answers = [
        format!("+FULLRESYNC {id} 9223372036854775807\r\n"),
        format!("+FULLRESYNC {id} 9223372036854775800\r\n"),
        format!("+FULLRESYNC {id} 9223372036854775808\r\n"),
        format!("+FULLRESYNC {id} -1\r\n"),
        format!("+FULLRESYNC {id} -9223372036854775808\r\n"),
        format!("+FULLRESYNC {id}\r\n"),
        "+FULLRESYNC short 1\r\n".to_owned(),
        format!("+FULLRESYNC {id} 7\r\n$99999999999999999999\r\n"),
        format!("+FULLRESYNC {id} 7\r\n$-1\r\n"),
        format!("+FULLRESYNC {id} 7\r\n$18446744073709551615\r\nREDIS0010junk"),
        format!("+FULLRESYNC {id} 7\r\n$0\r\n"),
        format!("+FULLRESYNC {id} 7\r\n$EOF:{mark}\r\nnonsense"),
        format!("+FULLRESYNC {id} 7\r\n$5\r\nREDIS"),
        "-ERR no\r\n".to_owned(),
        ":12\r\n".to_owned(),
    ];
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let node = NodeSpec::new(Binary::Slotd).start();
    node.cmd("SET k v");
    assert!(node.cmd(&format!("REPLICAOF 127.0.0.1 {}", listener.local_addr().expect("bound").port())).is_ok());
    for answer in answers {
        let (mut socket, _) = listener.accept().expect("the replica connects");
        socket.set_read_timeout(Some(secs(20))).expect("an option of every socket");
        let mut requests = BufReader::new(socket.try_clone().expect("a second handle"));
        loop {
            let reply = match request(&mut requests)[0].to_ascii_lowercase().as_str() {
                "ping" => "+PONG\r\n",
                "replconf" => "+OK\r\n",
                "psync" => break,
                other => panic!("{other} in a handshake"),
            };
            socket.write_all(reply.as_bytes()).expect("the replica listens");
        }
        let _ = socket.write_all(answer.as_bytes());
        drop((socket, requests));
        assert_eq!(node.cmd("GET k").text(), "v", "{answer}");
        assert_eq!(node.info("master_link_status"), "down", "{answer}");
    }
    assert!(node.cmd("REPLICAOF NO ONE").is_ok());
    assert_eq!(node.cmd("GET k").text(), "v");
}
