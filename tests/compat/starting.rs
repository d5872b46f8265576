//! What the log says about a refused start, about directives, and about CONFIG REWRITE, compared with stock's.

use std::net::TcpListener;
use std::path::PathBuf;

use integration::client::Client;
use integration::node::NodeSpec;
use integration::oracle::{Binary, slotd_is_stock};
use integration::ports;
use integration::program::{Ended, run};
use integration::wait::{secs, wait_until};

/// A directory that is removed with the test.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("slotd-starting-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary directory is writable");
        Self(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Starts each server with these words, and returns how it ended.
fn both(name: &str, words: &[&str]) -> [Ended; 2] {
    [Binary::Stock, Binary::Slotd].map(|binary| {
        let dir = Dir::new(&format!("{name}-{binary:?}"));
        run(&binary.path(), words, &dir.0)
    })
}

/// Both refuse, with the same last lines in their logs.
#[track_caller]
fn same_end(name: &str, words: &[&str], lines: usize) -> String {
    let ends = both(name, words);
    let last = |ended: &Ended| {
        let messages = ended.messages();
        messages[messages.len().saturating_sub(lines)..].join("\n")
    };
    assert_eq!(last(&ends[0]), last(&ends[1]), "{words:?}");
    assert_eq!(ends.each_ref().map(|ended| ended.code), [Some(1), Some(1)], "{words:?}");
    assert!(!ends[1].stdout.contains("Ready to accept"), "{}", ends[1].stdout);
    last(&ends[1])
}

#[test]
fn a_port_that_is_taken_ends_the_start_in_stocks_words() {
    let lease = ports::lease();
    let port = lease.port().to_string();
    let node = ["--port", &port, "--cluster-enabled", "yes", "--bind", "127.0.0.1"];
    let taken = TcpListener::bind(("127.0.0.1", lease.bus_port())).expect("leased");
    let end = same_end("bus", &node, 2);
    assert!(end.contains(&lease.bus_port().to_string()), "the bus port is named: {end}");
    drop(taken);
    let _taken = TcpListener::bind(("0.0.0.0", lease.port())).expect("leased");
    same_end("client", &node, 2);
    same_end("client-any", &["--port", &port], 2);
}

#[test]
fn a_node_that_would_listen_nowhere_does_not_start() {
    let end = same_end("nowhere", &["--port", "0"], 1);
    assert_eq!(end, "Configured to not listen anywhere, exiting.");
    same_end("nowhere-cluster", &["--port", "0", "--cluster-enabled", "yes"], 1);
}

#[test]
fn a_port_of_zero_at_run_time_closes_the_listener() {
    for binary in [Binary::Stock, Binary::Slotd] {
        let node = NodeSpec::new(binary).start();
        let mut client = node.client();
        assert_eq!(client.cmd("CONFIG SET port 0").text(), "OK");
        assert_eq!(client.cmd("CONFIG GET port").items()[1].text(), "0");
        wait_until("the listener to be gone", secs(5), || Client::connect(node.port()).is_err());
        let all = std::fs::read_to_string(format!("/proc/{}/net/tcp", node.pid())).expect("Linux");
        let own = std::fs::read_dir(format!("/proc/{}/fd", node.pid())).expect("own child");
        let links = own.flatten().filter_map(|fd| std::fs::read_link(fd.path()).ok());
        let sockets: Vec<String> = links.map(|link| link.display().to_string()).collect();
        let listens = all.lines().any(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            fields.get(3) == Some(&"0A") && sockets.contains(&format!("socket:[{}]", fields[9]))
        });
        assert!(!listens, "{binary:?} listens somewhere:\n{all}");
        assert_eq!(client.cmd(&format!("CONFIG SET port {}", node.port())).text(), "OK");
        wait_until("the listener to be back", secs(5), || Client::connect(node.port()).is_ok());
    }
}

#[test]
fn a_nodes_conf_that_cannot_be_written_ends_the_start_with_one_line() {
    if slotd_is_stock() {
        return;
    }
    // The name has the maximum length, so the temporary file beside it cannot be created.
    let (dir, lease) = (Dir::new("conf"), ports::lease());
    let (port, file) = (lease.port().to_string(), "n".repeat(255));
    let words = ["--port", &port, "--cluster-enabled", "yes", "--cluster-config-file", &file];
    let ended = run(&Binary::Slotd.path(), &words, &dir.0);
    assert_eq!(ended.code, Some(1));
    let fatal: Vec<&str> = ended.messages().into_iter().filter(|line| line.starts_with("Fatal")).collect();
    assert!(matches!(fatal[..], [line] if line.contains("can't update cluster config file")), "{}", ended.stdout);
    assert!(!ended.stdout.contains("Ready to accept"), "{}", ended.stdout);
    assert!(ended.took < secs(2), "{:?}", ended.took);
}

#[test]
fn config_rewrite_is_told_in_the_log() {
    let logs = [Binary::Stock, Binary::Slotd].map(|binary| {
        let dir = Dir::new(&format!("rewrite-{binary:?}"));
        let file = dir.0.join("a.conf");
        let mut node = NodeSpec::new(binary).prepare();
        std::fs::write(&file, format!("port {}\ndir {}\n", node.port(), node.dir().display())).expect("ours");
        node.set_file(&file);
        node.spawn();
        node.wait_ready();
        assert_eq!(node.cmd("CONFIG REWRITE").text(), "OK");
        std::fs::remove_file(&file).and_then(|()| std::fs::create_dir(&file)).expect("ours");
        assert_eq!(node.cmd("CONFIG REWRITE").text(), "ERR Rewriting config file: Is a directory");
        let log = node.log();
        let lines = log.lines().filter(|line| line.contains("CONFIG REWRITE"));
        lines.filter_map(|line| line.splitn(6, ' ').nth(5)).collect::<Vec<_>>().join("\n")
    });
    assert_eq!(logs[0], logs[1]);
    assert_eq!(logs[1], "# CONFIG REWRITE executed with success.\n# CONFIG REWRITE failed: Is a directory");
}

#[test]
fn a_directive_that_is_set_and_has_no_effect_is_told_in_the_log() {
    if slotd_is_stock() {
        return;
    }
    let node = NodeSpec::new(Binary::Slotd).with("appendonly", "yes").with("io-threads", "1").start();
    let log = node.log();
    assert!(log.contains("# WARNING 'appendonly yes' has no effect in slotd"), "{log}");
    assert!(!log.contains("io-threads"), "its default: {log}");
    node.cmd("CONFIG SET maxmemory-clients 10mb hz 20");
    let log = node.log();
    assert!(log.contains("# WARNING 'maxmemory-clients 10485760' has no effect in slotd"), "{log}");
    assert_eq!(log.matches("has no effect").count(), 2, "{log}");
}

#[test]
fn a_file_of_users_is_refused_rather_than_ignored() {
    if slotd_is_stock() {
        return;
    }
    let dir = Dir::new("acl");
    let ended = run(&Binary::Slotd.path(), &["--aclfile", "users.acl"], &dir.0);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("ACL users are not supported by slotd; use requirepass"), "{ended:?}");
}
