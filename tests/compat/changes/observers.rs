//! The observers of a change: all at once, each over its own connection.
//!
//! Nothing here waits for silence. Messages that were published or pushed come before the reply to a later command, and
//! CLIENT UNBLOCK tells whether a blocked client was served.

use std::fmt::Write as _;

use integration::client::Client;
use integration::node::Node;
use integration::resp::Value;
use integration::wait::secs;

/// The keys that are watched and cached: (database, key).
const WATCHED: [(usize, &str); 5] = [(0, "k"), (0, "l"), (0, "t"), (0, "none"), (1, "l")];
/// The keys that clients wait for.
const AWAITED: [(usize, &str); 2] = [(0, "none"), (1, "l")];
/// The reply to this ends what was sent before.
const MARK: &[&str] = &["ECHO", "mark"];

/// All observers of a node.
pub(super) struct Observers {
    watchers: Vec<((usize, &'static str), Client)>,
    blocked: Vec<((usize, &'static str), String, Client)>,
    listener: Client,
    cachers: Vec<(&'static str, Client)>,
    changes: i64,
}

/// How many changes were made since the last save.
fn changes(node: &Node) -> i64 {
    node.info("rdb_changes_since_last_save").parse().expect("a count")
}

fn client_in(node: &Node, db: usize) -> Client {
    let mut client = node.client();
    client.ok(&format!("SELECT {db}"));
    client
}

impl Observers {
    pub(super) fn new(node: &Node, blocked: bool) -> Self {
        let watcher = |(db, key)| {
            let mut client = client_in(node, db);
            client.ok(&format!("WATCH {key}"));
            client.ok("MULTI");
            client.cmd("PING");
            ((db, key), client)
        };
        let waiter = |(db, key): (usize, &'static str)| {
            let mut client = client_in(node, db);
            let id = client.cmd("CLIENT ID").text();
            client.send(&["BLPOP", key, "0"]).expect("sent");
            let mut admin = node.client();
            let parked = || admin.cmd(&format!("CLIENT LIST ID {id}")).text().contains("cmd=blpop");
            integration::wait::wait_until("the client to wait", secs(10), parked);
            ((db, key), id, client)
        };
        let cacher = |(name, options): (&'static str, &str)| {
            let mut client = node.client();
            assert!(!client.cmd("HELLO 3").is_error());
            client.ok(&format!("CLIENT TRACKING ON {options}"));
            client.cmd("EXISTS k l t none other z");
            (name, client)
        };
        let mut listener = node.client();
        assert!(!listener.cmd("HELLO 3").is_error());
        listener.cmd("PSUBSCRIBE __key*");
        Self {
            blocked: if blocked { AWAITED.map(waiter).into() } else { Vec::new() },
            watchers: WATCHED.map(watcher).into(),
            cachers: [("reads", ""), ("broadcast", "BCAST")].map(cacher).into(),
            listener,
            changes: changes(node),
        }
    }

    /// All reports so far, one line each.
    pub(super) fn told(&mut self, node: &Node) -> String {
        // A save in between resets the count.
        let now = changes(node);
        let mut changes = if now < self.changes { now } else { now - self.changes };
        let (mut text, mut admin) = (String::new(), node.client());
        for ((db, key), id, client) in &mut self.blocked {
            let still = admin.cmd(&format!("CLIENT UNBLOCK {id}")).int() == 1;
            let reply = client.reply(secs(10)).expect("a reply");
            let _ = writeln!(text, "waits for {key} in {db}: {}", if still { "still".into() } else { shown(&reply) });
            // Redis 7.0 does not count elements popped for a blocked client; Redis 8 does, and so does slotd.
            changes -= i64::from(!still && !node.binary().is_stock());
        }
        let _ = writeln!(text, "changes: {changes}");
        for ((db, key), client) in &mut self.watchers {
            let ran = client.cmd("EXEC") != Value::Null;
            let _ = writeln!(text, "watches {key} in {db}: {}", if ran { "runs" } else { "aborts" });
        }
        for (name, client) in &mut self.cachers {
            let _ = writeln!(text, "caches by {name}: {}", heard(client, &|_| true));
        }
        let _ = writeln!(text, "hears: {}", heard(&mut self.listener, &|message| !message.contains("mark")));
        text
    }
}

/// All pushes that have arrived.
fn heard(client: &mut Client, which: &dyn Fn(&str) -> bool) -> String {
    client.send(MARK).expect("sent");
    let mut messages = Vec::new();
    loop {
        match client.reply(secs(10)).expect("a reply") {
            Value::Bulk(mark) if mark == b"mark" => return messages.join(", "),
            push => messages.push(shown(&push)),
        }
        messages.retain(|message| which(message));
    }
}

/// A reply in one line.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Array(items) | Value::Push(items) => {
            format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" "))
        }
        other => other.text(),
    }
}

/// The keys of the first two databases of a node, with their values.
pub(super) fn contents(node: &Node) -> String {
    let mut text = String::new();
    for db in [0, 1] {
        let mut client = client_in(node, db);
        let mut keys: Vec<String> = client.cmd("KEYS *").items().iter().map(Value::text).collect();
        keys.sort();
        for key in keys {
            let value = match client.cmd(&format!("TYPE {key}")).text().as_str() {
                "list" => client.cmd(&format!("LRANGE {key} 0 -1")),
                "zset" => client.cmd(&format!("ZRANGE {key} 0 -1 WITHSCORES")),
                _ => client.cmd(&format!("GET {key}")),
            };
            let lasts = if client.cmd(&format!("TTL {key}")).int() < 0 { "" } else { " for a time" };
            let _ = write!(text, "{db}:{key}={}{lasts}; ", shown(&value));
        }
    }
    text
}
