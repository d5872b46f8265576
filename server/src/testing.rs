//! An engine without sockets, for unit tests of commands: bytes in, bytes out, and a clock that moves only when told
//! to.
//!
//! ```ignore
//! let mut bench = Bench::new();
//! assert_eq!(bench.run("SET k v EX 10"), "+OK");
//! assert_eq!(bench.propagated(), ["SET k v PXAT 1000000010000"]);
//! assert_eq!(bench.events(), ["set k", "expire k"]);
//! ```
//! Every command goes through [`Engine::process`], as a client's would. What it propagates and publishes as keyspace
//! events is collected, so that a test can check everything that a command leaves behind besides its reply.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;
use protocol::resp::Args;
use protocol::slot::key_slot;

use crate::base::clock::ManualClock;
use crate::command::{Declared, KeyedFn};
use crate::config::Config;
use crate::config::file::Sources;
use crate::engine::handler::Subsystem;
use crate::engine::ports::Feed;
use crate::engine::registry::{Registry, Table};
use crate::engine::{Engine, dispatch::Next, intake::Intake};
use crate::logging::NodeLog;
use crate::session::Session;
use crate::session::client::{ClientHandle, Mail};
use crate::store::{WatchFlag, payload};

/// The time at which every bench starts, Unix milliseconds.
pub(crate) const START: i64 = 1_000_000_000_000;

/// Collects what is propagated. Units of more than one command are enclosed in `MULTI` and `EXEC`.
#[derive(Default)]
pub(crate) struct Recorder {
    ops: Mutex<Vec<String>>,
    appended: AtomicI64,
    engine: OnceLock<Weak<Engine>>,
}

impl Recorder {
    /// What is propagated leaves in the order of the changes, so the slots of its keys are locked, or nobody else runs.
    fn check_order(&self, ops: &[(usize, Args<'_>)]) {
        let Some(engine) = self.engine.get().and_then(Weak::upgrade) else { return };
        for (db, args) in ops {
            let Some(command) = engine.registry.find_first(*args) else { continue };
            for known in engine.keys_of(command, *args, *db).iter().filter(|known| !known.is_channel) {
                let is_locked = engine.keyspace.try_lock(*db, known.slot).is_none();
                let (barrier, gate) = (&engine.barrier, engine.barrier.gates() - 1);
                let is_alone = || barrier.is_held_by(gate, barrier.entered(gate)) || barrier.has_suspended();
                assert!(is_locked || is_alone(), "{args:?} is propagated when others may change its keys");
            }
        }
    }
}

impl Feed for Recorder {
    fn append(&self, ops: &[(usize, Args<'_>)]) {
        self.check_order(ops);
        let mut log = self.ops.lock();
        let text = |(db, args): &(usize, Args<'_>)| {
            let words: Vec<String> = args.iter().map(|word| word.escape_ascii().to_string()).collect();
            if *db == 0 { words.join(" ") } else { format!("{db}: {}", words.join(" ")) }
        };
        match ops {
            [only] => log.push(text(only)),
            several => {
                log.push("MULTI".to_owned());
                log.extend(several.iter().map(text));
                log.push("EXEC".to_owned());
            }
        }
        self.appended.fetch_add(1, Ordering::Relaxed);
    }

    fn offset(&self) -> i64 {
        self.appended.load(Ordering::Relaxed)
    }

    fn replicas(&self) -> usize {
        1
    }

    fn good_replicas(&self, _max_lag_s: i64) -> usize {
        0
    }
}

/// A request as clients send it.
pub(crate) fn bulks(words: &[&str]) -> Vec<u8> {
    let mut request = format!("*{}\r\n", words.len());
    words.iter().for_each(|word| request.push_str(&format!("${}\r\n{word}\r\n", word.len())));
    request.into_bytes()
}

/// A client of a bench.
pub(crate) struct Client {
    pub(crate) session: Session,
    intake: Intake,
}

/// An engine with one client, a recorder of what is propagated, and a listener to all keyspace events.
pub(crate) struct Bench {
    pub(crate) engine: Arc<Engine>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) client: Client,
    feed: Arc<Recorder>,
    listener: Client,
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

impl Bench {
    /// With the default configuration.
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// With these directives.
    pub(crate) fn with(directives: &[(&str, &str)]) -> Self {
        Self::with_commands(directives, &[])
    }

    /// With these directives, and with test commands in addition to the real ones.
    pub(crate) fn with_commands(directives: &[(&str, &str)], more: &'static [Declared<KeyedFn>]) -> Self {
        let config = Config::new("/");
        let events = [("notify-keyspace-events", "KEAnm")];
        let options: String =
            events.iter().chain(directives).map(|(name, value)| [name, " ", value, "\n"].concat()).collect();
        let sources = Sources { options: options.into_bytes(), ..Sources::default() };
        config.load(&sources).expect("a test's directives are valid");
        let clock = Arc::new(ManualClock::new(START));
        let engine =
            Engine::new(Arc::new(Registry::new(tables(more))), config, clock.clone(), 1, 7, NodeLog::new(None));
        let feed = Arc::new(Recorder::default());
        let weak: Weak<dyn Feed> = Arc::downgrade(&(feed.clone() as Arc<dyn Feed>));
        engine.set_feed(weak);
        let _first = feed.engine.set(Arc::downgrade(&engine));
        engine.state.propagating.store(true, Ordering::Relaxed);
        let mut listener = Client::connect(&engine);
        listener.run(&engine, "PSUBSCRIBE __keyevent@*");
        let client = Client::connect(&engine);
        Self { engine, clock, client, feed, listener }
    }

    /// Runs one inline command (words may be quoted as in a configuration file); returns the reply without its last
    /// line break.
    pub(crate) fn run(&mut self, line: &str) -> String {
        self.client.run(&self.engine, line)
    }

    /// One more client.
    pub(crate) fn connect(&self) -> Client {
        Client::connect(&self.engine)
    }

    /// What was propagated since the last call; a database other than 0 is shown as a prefix, `1: `.
    pub(crate) fn propagated(&self) -> Vec<String> {
        std::mem::take(&mut *self.feed.ops.lock())
    }

    /// The keyspace events since the last call, as `event key`; `event key @1` in another database than 0.
    pub(crate) fn events(&mut self) -> Vec<String> {
        let mail = self.listener.session.handle.take_mail();
        mail.iter().filter_map(|mail| if let Mail::Push(bytes) = mail { event_of(bytes) } else { None }).collect()
    }

    /// Runs a command and returns reply, propagation and events at once. Whoever would move one of its keys at the same
    /// time has to learn of every change.
    #[track_caller]
    pub(crate) fn trace(&mut self, line: &str) -> (String, Vec<String>, Vec<String>) {
        self.propagated();
        self.events();
        let moving: Vec<_> = line.split(' ').skip(1).filter_map(|word| Moving::begin(&self.engine, word)).collect();
        let reply = self.run(line);
        moving.into_iter().for_each(|moving| moving.end(&self.engine, line));
        (reply, self.propagated(), self.events())
    }
}

/// A key of database 0 as MIGRATE has it while it sends a copy.
struct Moving {
    key: Box<[u8]>,
    payload: Vec<u8>,
    changed: Arc<WatchFlag>,
}

impl Moving {
    fn payload(engine: &Engine, key: &[u8]) -> Option<Vec<u8>> {
        let slot = engine.keyspace.lock(0, key_slot(key));
        slot.get(engine.keyspace.hash(key), key).map(|entry| payload::dump(&entry.value()))
    }

    fn begin(engine: &Engine, key: &str) -> Option<Self> {
        let key = key.as_bytes();
        let (payload, changed) = (Self::payload(engine, key)?, Arc::new(WatchFlag::new()));
        engine.keyspace.lock(0, key_slot(key)).watch(key, &changed);
        Some(Self { key: key.into(), payload, changed })
    }

    #[track_caller]
    fn end(self, engine: &Engine, line: &str) {
        let now = Self::payload(engine, &self.key);
        let is_same = now.is_none_or(|now| now == self.payload);
        let is_known = self.changed.is_raised() || self.changed.has_lost_fields();
        assert!(is_same || is_known, "{line} changes a key of which MIGRATE sends a copy");
        engine.keyspace.lock(0, key_slot(&self.key)).unwatch(&self.key, &self.changed);
    }
}

/// Runs commands, then one more whose propagation and events are compared.
#[track_caller]
pub(crate) fn check_effects(before: &[&str], line: &str, propagated: &[&str], events: &[&str]) {
    let mut bench = Bench::new();
    for line in before {
        bench.run(line);
    }
    let (_, got_propagated, got_events) = bench.trace(line);
    assert_eq!(got_propagated, propagated, "propagated by {line}");
    assert_eq!(got_events, events, "events of {line}");
}

/// `*4 $8 pmessage $n pattern $n __keyevent@db__:event $n key`
fn event_of(push: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(push);
    let lines: Vec<&str> = text.split("\r\n").collect();
    let (db, event) = lines.get(6)?.strip_prefix("__keyevent@")?.split_once("__:")?;
    let key = lines.get(8)?;
    Some(if db == "0" { format!("{event} {key}") } else { format!("{event} {key} @{db}") })
}

impl Client {
    fn connect(engine: &Arc<Engine>) -> Self {
        let id = engine.clients.next_id();
        let handle = ClientHandle::new(id, "127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned(), 3, START);
        engine.clients.add(handle.clone());
        Self { session: Session::new(handle, 0, true, id), intake: Intake::default() }
    }

    /// See [`Bench::run`]. Empty if the client is parked.
    pub(crate) fn run(&mut self, engine: &Arc<Engine>, line: &str) -> String {
        let mut input = format!("{line}\r\n").into_bytes();
        let mut out = Vec::new();
        let (used, next) = engine.process(&mut self.session, &mut self.intake, &mut input, &mut out);
        assert_eq!(used, input.len(), "the whole line is one command");
        assert!(matches!(next, Next::Input { .. } | Next::Blocked), "a test's command neither closes nor waits");
        let text = String::from_utf8_lossy(&out).into_owned();
        text.strip_suffix("\r\n").map(str::to_owned).unwrap_or(text)
    }

    /// Feeds raw bytes in two reads, the second appended to what the first left over; returns all replies.
    pub(crate) fn feed_split(&mut self, engine: &Arc<Engine>, bytes: &[u8], at: usize) -> String {
        let (mut held, mut replies) = (Vec::new(), String::new());
        for part in [&bytes[..at], &bytes[at..]] {
            held.extend_from_slice(part);
            replies.push_str(&self.feed(engine, &mut held));
        }
        assert!(held.is_empty(), "nothing is left of whole requests");
        replies
    }

    /// One read: executes what is complete and leaves the rest in `held`. Returns the replies.
    pub(crate) fn feed(&mut self, engine: &Arc<Engine>, held: &mut Vec<u8>) -> String {
        self.process(engine, held).1
    }

    /// As [`Client::feed`], and why processing stopped.
    pub(crate) fn process(&mut self, engine: &Arc<Engine>, held: &mut Vec<u8>) -> (Next, String) {
        let mut out = Vec::new();
        let (used, next) = engine.process(&mut self.session, &mut self.intake, held, &mut out);
        held.drain(..used);
        (next, String::from_utf8_lossy(&out).into_owned())
    }

    /// The reply that a parked command has got since.
    pub(crate) fn late_reply(&mut self, engine: &Arc<Engine>) -> Option<String> {
        let mail = self.session.handle.take_mail();
        let reply = mail.iter().find_map(|mail| if let Mail::Reply(bytes) = mail { Some(bytes) } else { None })?;
        engine.unpark(&mut self.session);
        Some(String::from_utf8_lossy(reply).trim_end().to_owned())
    }
}

/// The tables of all commands that need nothing above the engine.
fn tables(more: &'static [Declared<KeyedFn>]) -> Vec<Table> {
    let mut tables = crate::commands::keyed().into_iter().map(Table::Keyed).collect::<Vec<_>>();
    tables.push(Table::Keyed(more));
    tables.extend(crate::commands::keyspace().into_iter().map(Table::Keyspace));
    tables.push(Table::Session(crate::clients::connection::COMMANDS));
    tables.push(Table::Session(crate::clients::client::COMMANDS));
    tables.push(Table::Session(crate::engine::transaction::COMMANDS));
    tables.push(Table::Session(crate::engine::scripts::commands::COMMANDS));
    tables.push(Table::Session(crate::engine::scripts::function_commands::COMMANDS));
    tables.push(Table::Session(crate::clients::pubsub::COMMANDS));
    tables.push(Table::Session(crate::clients::monitor::COMMANDS));
    tables.push(Table::Session(crate::cluster::migrate::COMMANDS));
    tables.push(Table::Service(Subsystem::Cluster, crate::cluster::commands::specs()));
    tables.push(Table::Session(crate::ops::config::COMMANDS));
    tables.push(Table::Session(crate::ops::info::COMMANDS));
    tables.push(Table::Session(crate::ops::latency::COMMANDS));
    tables.push(Table::Session(crate::ops::introspect::commands::COMMANDS));
    tables
}
