//! Tests of a node's life: that it ends, and that nothing of it remains. And docs/commands.md is written from the
//! declarations of its commands: the test fails when it is out of date, and with `UPDATE_DOCS=1` in the environment
//! writes it instead.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Instant;

use super::*;
use crate::base::clock::SystemClock;
use crate::base::test_dir::TestDir;
use crate::command::Flags;
use crate::config::file::Sources;
use crate::engine::handler::Command;

const SOON: Duration = Duration::from_secs(20);

fn start(threads: &Arc<Threads>, dir: &TestDir, port: u16, bus: u16) -> Node {
    let config = Config::new(&dir.0);
    let options = format!("bind 127.0.0.1\nport {port}\ncluster-port {bus}\ncluster-enabled yes\nsave \"\"\n");
    config.load(&Sources { options: options.into_bytes(), ..Sources::default() }).expect("the directives are right");
    let environment = Environment {
        threads: threads.clone(),
        clock: Arc::new(SystemClock::new()),
        log: NodeLog::new(None),
        ephemeral: true,
        buses: Arc::default(),
        registry: commands(),
    };
    Node::start(&environment, config).expect("the node starts")
}

fn connect(port: u16) -> TcpStream {
    let client = TcpStream::connect(("127.0.0.1", port)).expect("the node accepts");
    client.set_read_timeout(Some(SOON)).expect("the socket takes a timeout");
    client
}

fn ping(client: &mut TcpStream) {
    client.write_all(b"PING\r\n").expect("the socket takes a line");
    let mut reply = [0; 7];
    client.read_exact(&mut reply).expect("a reply");
    assert_eq!(&reply, b"+PONG\r\n");
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn native_threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

#[test]
fn a_node_that_ended_leaves_nothing_behind_and_its_port_can_be_bound_at_once() {
    let threads = Arc::new(Threads::start(2).expect("threads"));
    let dir = TestDir::new("ends");
    let first = start(&threads, &dir, 0, 0);
    let (port, bus) = (first.port(), first.cluster().expect("cluster mode is on").bus_port());
    drop(first);
    threads.settle();
    let (fds, native) = (descriptors(), native_threads());
    for round in 0..20 {
        let node = start(&threads, &dir, port, bus);
        let mut clients: Vec<TcpStream> = (0..3).map(|_| connect(port)).collect();
        clients.iter_mut().for_each(ping);
        if round % 2 == 1 {
            node.pause();
        }
        let engine = Arc::downgrade(node.engine());
        let tasks = node.engine().state.tasks.clone();
        assert!(tasks.len() >= clients.len());
        drop(node);
        assert!(tasks.is_empty(), "round {round}: {} tasks are left", tasks.len());
        assert_eq!(engine.strong_count(), 0, "round {round}: somebody still holds the engine");
        for client in &mut clients {
            // End of file or a reset, as from a process that was killed.
            assert!(!matches!(client.read(&mut [0; 8]), Ok(1..)), "round {round}: the socket is still open");
        }
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "round {round}: somebody still listens");
    }
    threads.settle();
    for worker in 0..threads.workers() {
        assert_eq!(threads.worker(worker).load(), 0, "tasks on worker {worker}");
    }
    assert_eq!(threads.control().load(), 0, "tasks on the control thread");
    assert!(native_threads() <= native, "{native} threads before, {} now", native_threads());
    assert!(descriptors() <= fds, "{fds} descriptors before, {} now", descriptors());
}

#[test]
fn a_paused_node_accepts_and_takes_in_but_answers_only_when_it_goes_on() {
    let threads = Arc::new(Threads::start(1).expect("threads"));
    let (dir, other_dir) = (TestDir::new("paused"), TestDir::new("awake"));
    let (node, other) = (start(&threads, &dir, 0, 0), start(&threads, &other_dir, 0, 0));
    let (mut before, mut neighbour) = (connect(node.port()), connect(other.port()));
    ping(&mut before);
    node.pause();
    assert!(node.is_paused() && !other.is_paused());
    let mut after = connect(node.port());
    for client in [&mut before, &mut after] {
        client.write_all(b"PING\r\n").expect("the kernel takes it");
        client.set_read_timeout(Some(Duration::from_millis(100))).expect("the socket takes a timeout");
        let problem = client.read(&mut [0; 8]).expect_err("a paused node says nothing");
        assert!(matches!(problem.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut), "{problem}");
    }
    // The thread that they share is free.
    let began = Instant::now();
    ping(&mut neighbour);
    assert!(began.elapsed() < SOON);
    node.resume();
    for client in [&mut before, &mut after] {
        client.set_read_timeout(Some(SOON)).expect("the socket takes a timeout");
        let mut reply = [0; 7];
        client.read_exact(&mut reply).expect("what came meanwhile is answered now");
        assert_eq!(&reply, b"+PONG\r\n");
        ping(client);
    }
}

#[test]
fn new_clients_go_to_a_worker_that_runs_no_long_script() {
    let threads = Arc::new(Threads::start(2).expect("threads"));
    let dir = TestDir::new("long");
    let node = start(&threads, &dir, 0, 0);
    let wait_for = |what: &dyn Fn() -> bool| {
        let began = Instant::now();
        while !what() {
            assert!(began.elapsed() < SOON);
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    let busy = || (0..2).find(|&worker| threads.worker(worker).has_long());
    let mut looping = connect(node.port());
    ping(&mut looping);
    looping.write_all(b"EVAL 'while true do end' 0\r\n").expect("the socket takes a line");
    wait_for(&|| busy().is_some());
    let other = threads.worker(1 - busy().expect("just seen"));
    let load = other.load();
    let mut clients: Vec<TcpStream> = (0..3).map(|_| connect(node.port())).collect();
    clients.iter_mut().for_each(ping);
    assert_eq!(other.load(), load + clients.len());
    clients[0].write_all(b"SCRIPT KILL\r\n").expect("the socket takes a line");
    wait_for(&|| busy().is_none());
    drop(looping);
}

const HEAD: &str = "\
# Commands

<!-- Written from the declarations by `UPDATE_DOCS=1 cargo test -p slotd commands_are_documented`. -->

What slotd knows, by group. *Rule* is the server whose replies decide: slotd is compared with it byte for byte, in RESP2
and RESP3 (where it is a documentation, with what that says). *Later* are the versions under which
[compatibility.md](compatibility.md) says which of their options and habits slotd has; *differs* is where else that page
names the command. What slotd lacks is listed under
[commands that are not there](compatibility.md#commands-that-are-not-there).
";

/// The server that decides what a command does, by the version that brought it.
fn rule(command: &Command) -> &'static str {
    let mut numbers = command.spec.since.split('.').filter_map(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    match version {
        _ if command.full_name.split('|').next() == Some("slotd") => "slotd",
        // Redis took it over from there in 8.2.
        _ if command.full_name == "cluster|slot-stats" => "Valkey 9.1.2",
        (9.., _) => "Valkey 9.1.2",
        (8, 2..) => "Redis's documentation",
        (8, _) | (7, 1..) => "Redis 8.0.6",
        _ => "Redis 7.0.15",
    }
}

/// Whether a text names a command, with or without its container.
fn names(text: &str, command: &Command) -> bool {
    let name = command.full_name.replace('|', " ").to_uppercase();
    text.match_indices(&format!("`{name}")).any(|(at, found)| {
        let behind = text[at + found.len()..].chars().next();
        !behind.is_some_and(|next| next.is_alphanumeric() || matches!(next, '_' | '-'))
    })
}

/// A part of docs/compatibility.md that says how commands differ from those of Redis 7.0.15.
struct Section<'a> {
    /// The heading.
    name: &'a str,
    /// It is about a later version.
    is_later: bool,
    text: &'a str,
}

impl<'a> Section<'a> {
    /// The parts of the page behind its introduction.
    fn all(page: &'a str) -> Vec<Self> {
        let mut sections = Vec::new();
        for chapter in page.split("\n## ").skip(1) {
            let is_later = chapter.starts_with("What comes from later versions\n");
            // Their names stand there as well, but not because they are there.
            let chapter = chapter.strip_prefix("Commands that are not there\n").map_or(chapter, |absent| {
                let part = absent.find("\n### ").expect("it has a part about commands that are there");
                &absent[part + "\n### ".len()..]
            });
            sections.extend(chapter.split("\n### ").map(|section| {
                let (name, text) = section.split_once('\n').expect("a heading ends");
                Section { name, is_later, text }
            }));
        }
        sections
    }

    /// A link to it, by the name that GitHub gives its heading.
    fn link(&self) -> String {
        let kept = |c: &char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-');
        let anchor = self.name.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-");
        format!("[{}](compatibility.md#{anchor})", self.name)
    }
}

fn row(command: &Command, sections: &[Section<'_>]) -> String {
    let name = command.full_name.replace('|', " ").to_uppercase();
    let since = command.spec.since;
    let links = |later: bool| {
        let named = sections.iter().filter(|section| section.is_later == later && names(section.text, command));
        named.map(Section::link).collect::<Vec<_>>().join(", ")
    };
    let complexity = command.spec.complexity.replace('|', "\\|");
    format!("| `{name}` | {since} | {} | {complexity} | {} | {} |\n", rule(command), links(true), links(false))
}

fn reference(registry: &Registry, sections: &[Section<'_>]) -> String {
    let shown = |command: &&Command| !command.spec.flags.has(Flags::HIDDEN);
    let mut groups: Vec<&str> = registry.iter().filter(shown).map(|command| command.spec.group.name()).collect();
    groups.sort_unstable();
    groups.dedup();
    let mut text = HEAD.to_owned();
    for group in groups {
        let columns = "| command | since | rule | complexity | later | differs |\n|---|---|---|---|---|---|\n";
        let _ = write!(text, "\n## {group}\n\n{columns}");
        let mut commands: Vec<&Command> = (registry.iter())
            .filter(shown)
            .filter(|command| command.spec.group.name() == group && command.subcommands.is_empty())
            .collect();
        commands.sort_unstable_by_key(|command| &command.full_name);
        commands.into_iter().for_each(|command| text.push_str(&row(command, sections)));
    }
    text
}

#[test]
fn commands_are_documented() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let compatibility = std::fs::read_to_string(docs.join("compatibility.md")).expect("it is part of the project");
    let text = reference(&commands(), &Section::all(&compatibility));
    let path = docs.join("commands.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).expect("docs/ is writable");
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == text,
        "docs/commands.md is out of date: run UPDATE_DOCS=1 cargo test -p slotd commands_are_documented"
    );
}
