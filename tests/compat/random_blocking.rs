//! Random blocking: several clients wait for lists, sorted sets and streams that others fill, move, rename and replace,
//! on both servers in lock-step.
//!
//! Which client is served, in which order and with what, depends on the order of events, so the two servers are driven
//! together. A step is one command of one client that is free on both; then both servers must come to rest with the
//! same clients served. A server is at rest when as many clients wait for a reply as it counts as blocked. SWAPDB is
//! left out: Redis serves the keys that it makes ready in the order of a hash table. In the end the waiting clients
//! disconnect, and the same elements must be left.
//!
//! `RANDOM_FIRST` and `RANDOM_SEEDS` are those of `random.rs`.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use integration::client::Client;
use integration::node::{Node, NodeSpec};
use integration::oracle::Binary;
use integration::wait::{secs, wait_until};
use slotd::parts::Rng;

use super::random::{Command, Grammar, number_from_env, shown};

/// Clients of one seed. The first never waits, so that one is always free.
const CLIENTS: usize = 5;
/// Commands of one seed.
const STEPS: usize = 150;
/// How long the servers may need to come to the same rest.
const REST_LIMIT: Duration = secs(10);

/// One server with its clients.
struct Side<'n> {
    node: &'n Node,
    admin: Client,
    clients: Vec<Client>,
    ids: Vec<i64>,
    /// The reply to each client's last command, if it has come.
    replies: Vec<Option<Vec<u8>>>,
}

impl<'n> Side<'n> {
    fn new(node: &'n Node) -> Self {
        let mut admin = node.client();
        admin.ok("FLUSHALL");
        let mut clients: Vec<Client> = (0..CLIENTS).map(|_| node.client()).collect();
        let ids = clients.iter_mut().map(|client| client.cmd("CLIENT ID").int()).collect();
        Self { node, admin, clients, ids, replies: vec![Some(Vec::new()); CLIENTS] }
    }

    fn send(&mut self, client: usize, command: &Command) {
        // The one word that differs between the servers.
        let words: Vec<Vec<u8>> = command
            .iter()
            .map(|word| match word.strip_prefix(b"$") {
                Some([number @ b'0'..=b'9']) => self.ids[usize::from(number - b'0')].to_string().into_bytes(),
                Some(_) | None => word.clone(),
            })
            .collect();
        self.clients[client].send(&words).expect("the server reads");
        self.replies[client] = None;
    }

    /// Takes what has arrived, unless the server is at rest; returns whether it is.
    fn look(&mut self) -> bool {
        let rests = |side: &mut Self| side.replies.iter().filter(|reply| reply.is_none()).count() == side.blocked();
        if rests(self) {
            return true;
        }
        for (client, reply) in self.clients.iter_mut().zip(&mut self.replies) {
            if reply.is_none() {
                *reply = client.arrived();
            }
        }
        rests(self)
    }

    fn blocked(&mut self) -> usize {
        let text = self.admin.cmd("INFO clients").text();
        let blocked = integration::node::info_field(&text, "blocked_clients").expect("INFO counts them");
        blocked.parse().expect("a number")
    }

    fn answered(&self) -> Vec<bool> {
        self.replies.iter().map(Option::is_some).collect()
    }

    /// Disconnects the clients and reports what is left.
    fn end(mut self) -> Vec<String> {
        self.clients.clear();
        wait_until("clients that are gone to be no longer blocked", REST_LIMIT, || self.blocked() == 0);
        let mut left = Vec::new();
        let mut client = self.node.client();
        for db in 0..2 {
            client.ok(&format!("SELECT {db}"));
            for key in ["a", "b", "c", "d"] {
                left.push(format!(
                    "database {db}: {key} {:?} {:?} {:?} {:?} {:?}",
                    client.cmd(&format!("LRANGE {key} 0 -1")),
                    client.cmd(&format!("ZRANGE {key} 0 -1 WITHSCORES")),
                    client.cmd(&format!("GET {key}")),
                    client.cmd(&format!("XRANGE {key} - +")),
                    client.cmd(&format!("XPENDING {key} g"))
                ));
            }
        }
        left
    }
}

fn command(grammar: &mut Grammar, may_wait: bool) -> Command {
    let mut words = Vec::new();
    if grammar.rarely(12) {
        let client = grammar.0.below(CLIENTS as u64);
        words.extend([b"CLIENT".to_vec(), b"UNBLOCK".to_vec(), format!("${client}").into_bytes()]);
        words.extend(grammar.pick(&[None, Some("TIMEOUT"), Some("ERROR")]).map(|word| word.as_bytes().to_vec()));
    } else {
        let waits = may_wait && !grammar.rarely(3);
        grammar.class(if waits { "waiting" } else { "ending" }, &mut words);
    }
    words
}

/// Plays one seed; returns the difference, if there is one.
fn play(oracle: &Node, slotd: &Node, seed: u64) -> Option<String> {
    let mut grammar = Grammar(Rng::new(seed));
    let mut sides = [Side::new(oracle), Side::new(slotd)];
    let mut history: Vec<String> = Vec::new();
    for _ in 0..STEPS {
        let free: Vec<usize> = (0..CLIENTS).filter(|client| sides[0].replies[*client].is_some()).collect();
        let client = grammar.pick(&free);
        let command = command(&mut grammar, client != 0);
        history.push(format!("client {client}: {}", shown(&command)));
        let before = sides[0].answered();
        for side in &mut sides {
            side.send(client, &command);
        }
        let until = Instant::now() + REST_LIMIT;
        loop {
            let [theirs, ours] = &mut sides;
            if theirs.look() && ours.look() && theirs.answered() == ours.answered() {
                break;
            }
            if Instant::now() > until {
                let state = sides.map(|mut side| format!("answered {:?}, blocked {}", side.answered(), side.blocked()));
                return Some(told(seed, &history, "no common rest", &state));
            }
        }
        for (other, had_an_answer) in before.iter().enumerate() {
            let [theirs, ours] = [0, 1].map(|side| sides[side].replies[other].clone().unwrap_or_default());
            if sides[0].replies[other].is_some() && (other == client || !had_an_answer) {
                history.push(format!("    client {other} is told {}", super::shown(&theirs)));
            }
            if theirs != ours {
                let said = [theirs, ours].map(|reply| super::shown(&reply));
                return Some(told(seed, &history, &format!("client {other}"), &said));
            }
        }
    }
    let [theirs, ours] = sides.map(Side::end);
    (theirs != ours).then(|| told(seed, &history, "what is left", &[theirs.join("\n"), ours.join("\n")]))
}

fn told(seed: u64, history: &[String], what: &str, said: &[String; 2]) -> String {
    let mut text = format!("seed {seed}, {what}\n   redis: {}\n   slotd: {}\n", said[0], said[1]);
    for line in &history[history.len().saturating_sub(60)..] {
        let _ = writeln!(text, "      {line}");
    }
    text
}

#[test]
fn random_waits_are_served_alike() {
    let [oracle, slotd] = [Binary::Stock, Binary::Slotd].map(|binary| NodeSpec::new(binary).start());
    let (first, seeds) = (number_from_env("RANDOM_FIRST", 0), number_from_env("RANDOM_SEEDS", 30));
    let report: String = (first..first + seeds).filter_map(|seed| play(&oracle, &slotd, seed)).take(5).collect();
    assert!(report.is_empty(), "{report}");
}
