//! The command line of `slotd cluster` and of `slotd`: what cannot work is refused at once, with an error that names
//! what is wrong.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use integration::client::Client;
use integration::node::{NodeSpec, info_field};
use integration::oracle::{Binary, slotd_is_stock};
use integration::ports;
use integration::program::{Ended, run};
use integration::wait::{secs, wait_for, wait_until};

/// How long a refusal may take.
const AT_ONCE: Duration = Duration::from_secs(2);

fn slotd(words: &str) -> Ended {
    let words: Vec<&str> = words.split_whitespace().collect();
    run(&Binary::Slotd.path(), &words, &std::env::temp_dir())
}

#[track_caller]
fn refused(words: &str, parts: &[&str]) {
    let ended = slotd(words);
    assert_eq!(ended.code, Some(1), "{words}: {ended:?}");
    for part in parts {
        assert!(ended.stderr.contains(part), "{words}: {part:?} is not in {:?}", ended.stderr);
    }
    for wrong in ["FATAL CONFIG FILE", "panicked", "at line"] {
        assert!(!ended.stderr.contains(wrong), "{words}: {:?}", ended.stderr);
    }
    assert!(ended.took < AT_ONCE, "{words}: {:?}", ended.took);
}

#[test]
fn options_that_contradict_each_other_are_refused_with_both_names() {
    if slotd_is_stock() {
        return;
    }
    refused("cluster --cluster-enabled no", &["slotd cluster", "--cluster-enabled no"]);
    refused("cluster --password a --requirepass b", &["--password", "--requirepass"]);
    refused("cluster --host 127.0.0.1 --bind 127.0.0.2", &["--host", "--bind"]);
    refused("cluster --requirepass a --masterauth b", &["--masterauth", "--requirepass"]);
    refused("cluster --cluster-port 17000", &["--cluster-port 17000", "--shards 3 --replicas 1"]);
    refused("cluster --cluster-announce-port 7000", &["--cluster-announce-port 7000", "6 nodes"]);
    refused("cluster --replicaof 127.0.0.1 7000", &["replicaof", "cluster"]);
    refused("cluster --cluster-config-file /a/nodes.conf", &["--cluster-config-file /a/nodes.conf", "6 nodes"]);
    refused("--port 17999 --cluster-enabled yes --replicaof 127.0.0.1 1", &["replicaof", "cluster mode"]);
}

#[test]
fn an_unknown_option_is_refused_with_its_name_and_the_nearest_that_exists() {
    if slotd_is_stock() {
        return;
    }
    refused("cluster --shard 3", &["'--shard'", "Did you mean '--shards'?"]);
    refused("cluster --max-memory 1", &["'--max-memory'", "Did you mean '--maxmemory'?"]);
    refused("cluster --frobnicate", &["'--frobnicate'", "neither an option of slotd cluster nor a directive"]);
    refused("cluster --hz x", &["--hz \"x\"", "couldn't be parsed"]);
    refused("cluster redis.conf", &["'redis.conf'", "--include FILE"]);
    refused("cluster -", &["'-'", "--include FILE"]);
    refused("cluster --hz 20 -", &["'-'", "--include FILE"]);
    refused("clutser", &["clutser", "Did you mean 'slotd cluster'?"]);
    refused("--prot 7000", &["prot \"7000\"", "Did you mean 'port'?"]);
    refused("--shards 3", &["shards \"3\"", "--shards is an option of slotd cluster"]);
    refused("--port x", &["port \"x\"", "couldn't be parsed"]);
}

#[test]
fn who_asks_for_help_or_the_version_gets_it() {
    if slotd_is_stock() {
        return;
    }
    for words in ["help", "--help", "cluster --help", "cluster help"] {
        let ended = slotd(words);
        assert!(ended.code == Some(0) && ended.stdout.contains("--password"), "{words}: {ended:?}");
    }
    assert!(slotd("cluster --help").stdout.contains("--cluster-node-timeout 2000"));
    for words in ["version", "--version", "-v", "cluster --version"] {
        let ended = slotd(words);
        assert!(ended.code == Some(0) && ended.stdout.contains("slotd="), "{words}: {ended:?}");
    }
}

#[test]
fn numbers_that_cannot_work_are_refused_with_the_range_that_does() {
    if slotd_is_stock() {
        return;
    }
    refused("cluster --replicas -1", &["'-1'", "--replicas", "from 0 to 100"]);
    refused("cluster --shards 0", &["'0'", "--shards", "from 1 to 1000"]);
    refused("cluster --port abc", &["'abc'", "--port", "from 0 to 65535"]);
    refused("cluster --port 65536", &["'65536'", "--port", "from 0 to 65535"]);
    refused("cluster --port 0 --cluster-node-timeout 1", &["--cluster-node-timeout 1", "50"]);
    refused("cluster --port 0 --maxclients 1", &["--maxclients 1", "12 is the least"]);
    refused("healthcheck --port abc", &["'abc'", "from 1 to 65535", "7000-7005"]);
}

#[test]
fn addresses_and_limits_that_cannot_work_are_refused() {
    if slotd_is_stock() {
        return;
    }
    for own in ["--host", "--bind"] {
        let words = format!("cluster --port 0 {own} 198.51.100.1");
        refused(&words, &["198.51.100.1: this machine has no such address"]);
        assert!(!slotd(&words).stderr.contains("rotected mode"), "{words}");
    }
    refused("cluster --port 0 --host nohost.invalid", &["nohost.invalid: not an IP address"]);
    refused("cluster --port 0 --cluster-announce-ip nohost.invalid", &["--cluster-announce-ip nohost.invalid"]);
    refused(
        "cluster --port 0 --cluster-announce-ip 198.51.100.1",
        &["--cluster-announce-ip 198.51.100.1", "no such address"],
    );
    refused(
        "cluster --port 0 --cluster-announce-ip 127.0.0.2",
        &["--cluster-announce-ip 127.0.0.2", "--bind 127.0.0.1"],
    );
    let program = Binary::Slotd.path();
    let limited = format!("ulimit -n 100; exec {} cluster --port 0", program.display());
    let ended = run(Path::new("/bin/sh"), &["-c", &limited], &std::env::temp_dir());
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("6 nodes need about") && ended.stderr.contains("ulimit -n allows 100"), "{ended:?}");
    assert!(ended.took < AT_ONCE, "{:?}", ended.took);
}

/// A directory that is removed with the test.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("slotd-command-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("the temporary directory is writable");
        Self(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running `slotd cluster --json`, ended with SIGTERM.
struct Running {
    child: Child,
    dir: Dir,
    nodes: Vec<serde_json::Value>,
}

impl Running {
    #[track_caller]
    fn start(name: &str, words: &[&str]) -> Self {
        let dir = Dir::new(name);
        let errors = fs::File::create(dir.0.join("stderr")).expect("ours");
        let mut child = Command::new(Binary::Slotd.path())
            .args(["cluster", "--port", "0", "--json"])
            .args(words)
            .current_dir(&dir.0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .expect("slotd is built");
        let mut line = String::new();
        let pipe = child.stdout.take().expect("piped");
        BufReader::new(pipe).read_line(&mut line).expect("a pipe can be read");
        let errors = fs::read_to_string(dir.0.join("stderr")).unwrap_or_default();
        let json: serde_json::Value = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("{words:?}: {line:?}, and on standard error: {errors}"));
        let nodes = json["nodes"].as_array().expect("a list").clone();
        Self { child, dir, nodes }
    }

    fn stderr(&self) -> String {
        fs::read_to_string(self.dir.0.join("stderr")).expect("ours")
    }

    fn address(&self, index: usize) -> &str {
        self.nodes[index]["address"].as_str().expect("a text")
    }

    #[track_caller]
    fn cli(&self, index: usize, words: &[&str]) -> String {
        let (host, port) = self.address(index).rsplit_once(':').expect("host:port");
        let host = host.trim_matches(['[', ']']);
        let mut all = vec!["-h", host, "-p", port];
        all.extend_from_slice(words);
        integration::redis_cli::redis_cli(&all).expect_success().stdout
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

#[test]
fn a_cluster_forms_on_the_address_that_it_is_told() {
    if slotd_is_stock() {
        return;
    }
    for (words, host) in [
        (&["--bind", "127.0.0.2"][..], "127.0.0.2"),
        (&["--host", "127.0.0.3"], "127.0.0.3"),
        (&["--bind", "0.0.0.0"], "127.0.0.1"),
        (&["--bind", "127.0.0.1", "127.0.0.2", "--cluster-announce-ip", "127.0.0.2"], "127.0.0.2"),
    ] {
        let cluster = Running::start("bind", words);
        assert!(cluster.address(0).starts_with(&format!("{host}:")), "{words:?}: {}", cluster.address(0));
        assert!(cluster.cli(3, &["cluster", "info"]).contains("cluster_state:ok"), "{words:?}");
        for line in cluster.cli(1, &["cluster", "nodes"]).lines().filter(|line| !line.is_empty()) {
            assert!(line.contains(&format!(" {host}:")), "{words:?}: {line}");
        }
        if words.contains(&"0.0.0.0") {
            assert!(cluster.stderr().contains("Protected mode"), "{}", cluster.stderr());
        }
    }
}

#[test]
fn a_password_is_that_of_all_nodes_and_is_not_seen_in_the_process_list() {
    if slotd_is_stock() {
        return;
    }
    for option in ["--password", "--requirepass"] {
        let cluster = Running::start("password", &[option, "open-sesame", "--cluster-node-timeout", "3000"]);
        let line = fs::read(format!("/proc/{}/cmdline", cluster.child.id())).expect("own child");
        let line = String::from_utf8_lossy(&line).into_owned();
        assert!(!line.contains("open-sesame"), "{line}");
        assert!(line.contains(&format!("cluster {} [cluster]", cluster.address(0))), "{line}");
        assert!(cluster.cli(0, &["ping"]).contains("NOAUTH"));
        let auth = ["-a", "open-sesame", "--no-auth-warning"];
        let info = cluster.cli(3, &[&auth[..], &["info", "replication"]].concat());
        assert_eq!(info_field(&info, "master_link_status").as_deref(), Some("up"), "{info}");
        assert!(cluster.cli(0, &[&auth[..], &["config", "get", "requirepass"]].concat()).contains("open-sesame"));
    }
}

/// Paths are relative to where the command was given, not to the directories of the nodes; also when a node comes back.
#[test]
fn a_file_with_more_directives_is_found_by_its_relative_path() {
    if slotd_is_stock() {
        return;
    }
    let dir = Dir::new("included");
    fs::write(dir.0.join("more.conf"), "requirepass open-sesame\ninclude ../*included*/even-*.conf\n").expect("ours");
    fs::write(dir.0.join("even-more.conf"), "maxmemory 77mb\n").expect("ours");
    let name = dir.0.file_name().expect("it has one").to_str().expect("ours");
    let cluster = Running::start("including", &["--include", &format!("../{name}/more.conf")]);
    let auth = ["-a", "open-sesame", "--no-auth-warning"];
    let says = |node, words: &[&str]| cluster.cli(node, &[&auth[..], words].concat());
    let restart = says(0, &["slotd", "node", "restart", cluster.nodes[1]["id"].as_str().expect("a text")]);
    assert!(restart.contains("OK"), "{restart}");
    for node in [0, 1] {
        assert!(says(node, &["config", "get", "maxmemory"]).contains("80740352"), "node {node}");
    }
}

#[test]
fn a_node_hides_its_passwords_too() {
    if slotd_is_stock() {
        return;
    }
    let lease = ports::lease();
    let dir = Dir::new("hidden");
    let port = lease.port().to_string();
    let mut child = Command::new(Binary::Slotd.path())
        .args(["--port", &port, "--requirepass", "open-sesame", "--masterauth open-sesame", "--set-proc-title", "no"])
        .current_dir(&dir.0)
        .stdout(Stdio::null())
        .spawn()
        .expect("slotd is built");
    wait_until("the node to answer", secs(20), || Client::connect(lease.port()).is_ok());
    let line = fs::read(format!("/proc/{}/cmdline", child.id())).expect("own child");
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    let _ = child.kill();
    let _ = child.wait();
    assert!(line.contains(&format!("--port {port} --requirepass *********** --masterauth ***********")), "{line}");
}

#[test]
fn a_cluster_logs_to_standard_error_or_to_a_file_of_each_node() {
    if slotd_is_stock() {
        return;
    }
    let cluster = Running::start("log", &["--loglevel", "notice", "--maxmemory-clients", "1mb"]);
    let log = cluster.stderr();
    assert!(log.contains("# WARNING 'maxmemory-clients 1048576' has no effect"), "{log}");
    assert_eq!(log.matches("has no effect").count(), 1, "told once, not by each node: {log}");
    assert!((0..6).all(|node| log.contains(&format!("[node-{node}] "))), "{log}");
    assert!(log.contains(":S ") && log.contains(":M "), "{log}");
    drop(cluster);

    let cluster = Running::start("json", &["--loglevel", "notice", "--log-format", "json"]);
    let log = cluster.stderr();
    let line = log.lines().find(|line| line.contains("node-0")).expect("node 0 says something");
    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(line["node"].as_str(), Some("node-0"));
    drop(cluster);

    let cluster = Running::start("files", &["--loglevel", "notice", "--logfile", "log", "--dir", "data"]);
    for node in 0..6 {
        let log = cluster.dir.0.join(format!("data/node-{node}/log"));
        let log = fs::read_to_string(&log).unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        assert!(
            log.contains(&format!("[node-{node}] ")) && log.matches("[node-").count() == log.lines().count(),
            "{log}"
        );
    }
    assert!(!cluster.dir.0.join("log").exists(), "nor anywhere else");
    assert_eq!(cluster.stderr(), "");
}

/// The fields of /proc/PID/stat behind the name: state, parent, group, session.
fn session(pid: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(") ")?.1.split(' ').nth(3)?.to_owned())
}

#[test]
fn daemonize_ends_the_command_when_the_server_serves() {
    let lease = ports::lease();
    let (dir, port) = (Dir::new("daemon"), lease.port().to_string());
    let words = ["--port", &port, "--daemonize", "yes", "--pidfile", "pid", "--logfile", "log", "--save", ""];
    let ended = run(&Binary::Slotd.path(), &words, &dir.0);
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "", ""), "{ended:?}");
    let mut client = wait_for("the server to answer", secs(10), || Client::connect(lease.port()).ok());
    assert_eq!(client.cmd("PING").text(), "PONG");
    let pid = wait_for("the pid file", secs(10), || fs::read_to_string(dir.0.join("pid")).ok());
    let pid = pid.trim();
    assert!(client.cmd("INFO server").text().contains(&format!("process_id:{pid}\r\n")), "{pid}");
    assert_eq!(session(pid).as_deref(), Some(pid), "a session of its own");
    for fd in 0..3 {
        let file = fs::read_link(format!("/proc/{pid}/fd/{fd}")).expect("an open file");
        assert_eq!(file, Path::new("/dev/null"), "{fd}");
    }
    client.send(&["SHUTDOWN", "NOSAVE"]).expect("it listens");
    wait_until("the pid file to go", secs(10), || !dir.0.join("pid").exists());
}

#[test]
fn a_start_in_the_background_that_fails_says_why() {
    if slotd_is_stock() {
        return;
    }
    let lease = ports::lease();
    let _taken = std::net::TcpListener::bind(("0.0.0.0", lease.port())).expect("leased");
    let dir = Dir::new("daemon-fails");
    let ended = run(&Binary::Slotd.path(), &["--port", &lease.port().to_string(), "--daemonize", "yes"], &dir.0);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains(&format!("Failed listening on port {} (TCP)", lease.port())), "{ended:?}");
}

/// Redis says nothing: it has gone to the background by then.
#[test]
fn a_start_in_the_background_that_fails_says_why_although_its_log_is_a_file() {
    if slotd_is_stock() {
        return;
    }
    let lease = ports::lease();
    let _taken = std::net::TcpListener::bind(("0.0.0.0", lease.port())).expect("leased");
    let (dir, port) = (Dir::new("daemon-fails-log"), lease.port().to_string());
    let ended = run(&Binary::Slotd.path(), &["--port", &port, "--daemonize", "yes", "--logfile", "log"], &dir.0);
    assert_eq!(ended.code, Some(1));
    let why = format!("Failed listening on port {port} (TCP), aborting.\n");
    assert!(ended.stderr.ends_with(&why) && ended.stderr.lines().count() == 2, "no more than the reason: {ended:?}");
    let log = fs::read_to_string(dir.0.join("log")).expect("it is a file");
    assert!(log.ends_with(&why), "{log}");
}

#[test]
fn a_cluster_whose_port_is_taken_names_the_node_what_the_port_is_for_and_a_way_out() {
    if slotd_is_stock() {
        return;
    }
    let row = ports::lease_row(3);
    let words = format!("cluster --replicas 0 --port {}", row[0].port());
    let ways = "--port 0 takes free ports, and another --port moves those of all nodes.";
    let (clients, bus) = (row[1].port(), row[1].bus_port());
    let taken = std::net::TcpListener::bind(("127.0.0.1", bus)).expect("leased");
    let what = format!("{bus} is its bus port, 10000 above {clients} for clients. {ways}");
    refused(&words, &[&format!("node-1: Could not create server TCP listening socket 127.0.0.1:{bus}: "), &what]);
    drop(taken);
    let clients = row[2].port();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", clients)).expect("leased");
    refused(&words, &["node-2: ", &format!("{clients} is its port for clients. {ways}")]);
}

/// The first part of each is Redis's text.
#[test]
fn a_file_that_cannot_be_used_is_named_with_the_directive_or_the_reason() {
    if slotd_is_stock() {
        return;
    }
    let (dir, lease) = (Dir::new("files"), ports::lease());
    fs::write(dir.0.join("bad.rdb"), "no dump file").expect("ours");
    fs::create_dir(dir.0.join("folder")).expect("ours");
    let (port, here) = (lease.port(), fs::canonicalize(&dir.0).expect("it is there"));
    let bad = format!("Fatal error loading the DB from {}: Wrong signature", here.join("bad.rdb").display());
    let folder = format!("from {}: it cannot be read: Is a directory", here.join("folder").display());
    let cases = [
        ("--logfile no/log", "Can't open the log file: No such file or directory\nlogfile ".to_owned()),
        ("--logfile no/log", format!("{}: give a file in a directory that exists", here.join("no/log").display())),
        ("--include no.conf", format!("can't open config file '{}': No such", here.join("no.conf").display())),
        ("--dir no", "'dir \"no\"'\nNo such file or directory".to_owned()),
        ("--dbfilename bad.rdb", bad.clone()),
        ("--dbfilename folder", folder),
        ("--bind 198.51.100.1", "bind 198.51.100.1: give an address of this machine".to_owned()),
        ("--bind no.invalid", "bind no.invalid: give an address of this machine".to_owned()),
        ("--cluster-enabled yes --cluster-config-file no/conf", format!("{}", here.join("no/conf").display())),
    ];
    for (words, said) in &cases {
        let words: Vec<&str> = words.split(' ').collect();
        let ended = run(&Binary::Slotd.path(), &[&["--port", &port.to_string()], &words[..]].concat(), &dir.0);
        let all = format!("{}{}", ended.stdout, ended.stderr);
        assert_eq!(ended.code, Some(1), "{words:?}: {all}");
        assert!(all.contains(said) && !all.contains("os error"), "{words:?}: {said:?} is not in {all}");
    }
    fs::create_dir_all(dir.0.join("cluster/node-2")).expect("ours");
    fs::rename(dir.0.join("bad.rdb"), dir.0.join("cluster/node-2/dump.rdb")).expect("ours");
    let of_cluster = [
        ("--logfile /no/log", "node-0: its logfile /no/log cannot be opened: No such file or directory"),
        ("--dir cluster", "node-2: Fatal error loading the DB from "),
        ("--dir /proc/1/no", "node-0: its directory /proc/1/no/node-0 cannot be made: No such file or directory"),
    ];
    for (words, said) in of_cluster {
        let words: Vec<&str> = words.split(' ').collect();
        let ended = run(&Binary::Slotd.path(), &[&["cluster", "--port", "0"], &words[..]].concat(), &dir.0);
        assert!(ended.code == Some(1) && ended.stderr.contains(said), "{words:?}: {said:?} is not in {ended:?}");
    }
}

#[test]
fn a_pid_file_that_cannot_be_written_is_named_and_stops_nobody() {
    let node = NodeSpec::new(Binary::Slotd).with("pidfile", "/no/pid").start();
    let said = "# Failed to write PID file /no/pid: No such file or directory";
    assert!(slotd_is_stock() || node.log().contains(said), "{}", node.log());
}

#[test]
fn a_cluster_goes_to_the_background_when_it_is_ready() {
    if slotd_is_stock() {
        return;
    }
    let dir = Dir::new("daemon-cluster");
    let words = ["cluster", "--port", "0", "--json", "--daemonize", "yes", "--pidfile", "pid"];
    let ended = run(&Binary::Slotd.path(), &words, &dir.0);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let json: serde_json::Value = serde_json::from_str(&ended.stdout).expect("one line of JSON");
    let pid = fs::read_to_string(dir.0.join("pid")).expect("written before it is ready");
    let pid = pid.trim();
    assert_eq!(json["pid"].to_string(), pid);
    let port = json["nodes"][0]["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
    let info = Client::connect(port).expect("it serves").cmd("CLUSTER INFO").text();
    assert!(info.contains("cluster_state:ok"), "{info}");
    assert!(Command::new("kill").arg(pid).status().expect("kill runs").success());
    wait_until("the cluster to end", secs(20), || !dir.0.join("pid").exists());
}
