//! A small slot-aware client: follows MOVED and ASK, retries while a shard is without a primary.

use std::collections::HashMap;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::resp::{Value, key_slot};

/// How long `call` keeps trying.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// See the module's essay. Addresses are local ports.
#[derive(Debug)]
pub struct ClusterClient {
    seeds: Vec<u16>,
    owners: HashMap<u16, u16>,
    links: HashMap<u16, Client>,
    /// How long one attempt may stay silent; short in tests that freeze nodes.
    pub attempt_limit: Duration,
    /// Redirections followed so far.
    pub redirects: usize,
}

impl ClusterClient {
    /// A client that may start at any of these ports.
    pub fn new(seeds: Vec<u16>) -> Self {
        assert!(!seeds.is_empty(), "a cluster client needs a node to start at");
        Self {
            seeds,
            owners: HashMap::new(),
            links: HashMap::new(),
            attempt_limit: Duration::from_secs(3),
            redirects: 0,
        }
    }

    /// Sends a keyed command (key = first argument) and follows redirections until there is an answer.
    ///
    /// # Panics
    /// When there is none within 30 seconds.
    #[track_caller]
    pub fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Value {
        self.call_within(args, CALL_LIMIT).unwrap_or_else(|last| {
            panic!("no answer to {} {}: {last}", args[0].as_ref().escape_ascii(), args[1].as_ref().escape_ascii())
        })
    }

    /// Like [`ClusterClient::call`]; returns the last error if no reply came in time.
    pub fn call_within<A: AsRef<[u8]>>(&mut self, args: &[A], limit: Duration) -> Result<Value, String> {
        let deadline = Instant::now() + limit;
        let slot = key_slot(args[1].as_ref());
        let mut turn = 0;
        loop {
            let port = self.owners.get(&slot).copied().unwrap_or(self.seeds[turn % self.seeds.len()]);
            turn += 1;
            let trouble = match self.attempt(port, slot, args) {
                Ok(Some(value)) => return Ok(value),
                Ok(None) => continue,
                Err(trouble) => trouble,
            };
            self.owners.remove(&slot);
            if Instant::now() > deadline {
                return Err(trouble);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// One attempt. `Ok(None)`: redirected, try again at once. `Err`: no reply, or one that asks to try later.
    fn attempt<A: AsRef<[u8]>>(&mut self, port: u16, slot: u16, args: &[A]) -> Result<Option<Value>, String> {
        let value = self.once(port, args, false).map_err(|e| format!("{port}: {e}"))?;
        let Value::Error(text) = &value else { return Ok(Some(value)) };
        let words: Vec<&str> = text.split(' ').collect();
        let target = words.get(2).and_then(|a| a.rsplit(':').next()).and_then(|p| p.parse().ok());
        match (words[0], target) {
            ("MOVED", Some(target)) => {
                self.redirects += 1;
                // A redirection back to where we came from would be an endless loop: it counts as an error.
                let looped = target == port;
                self.owners.insert(slot, target);
                if looped { Err(text.clone()) } else { Ok(None) }
            }
            ("ASK", Some(target)) => {
                self.redirects += 1;
                let value = self.once(target, args, true).map_err(|e| format!("{target}: {e}"))?;
                match &value {
                    Value::Error(text) if is_transient(text) => Err(text.clone()),
                    _ => Ok(Some(value)),
                }
            }
            _ if is_transient(text) => Err(text.clone()),
            _ => Ok(Some(value)),
        }
    }

    fn once<A: AsRef<[u8]>>(&mut self, port: u16, args: &[A], asking: bool) -> io::Result<Value> {
        let limit = self.attempt_limit;
        let result = (|| {
            let link = match self.links.entry(port) {
                std::collections::hash_map::Entry::Occupied(link) => link.into_mut(),
                std::collections::hash_map::Entry::Vacant(place) => place.insert(Client::connect(port)?),
            };
            if asking {
                link.try_call_within(&["ASKING"], limit)?;
            }
            link.try_call_within(args, limit)
        })();
        if result.is_err() {
            // A late reply on this link would be taken for the next command's.
            self.links.remove(&port);
        }
        result
    }

    /// The connection on which the last reply for this key came, to send WAIT on it.
    pub fn link_of(&mut self, key: &[u8]) -> Option<&mut Client> {
        let port = self.owners.get(&key_slot(key)).copied();
        match port {
            Some(port) => self.links.get_mut(&port),
            None => self.links.get_mut(&self.seeds[0]),
        }
    }

    /// Like [`ClusterClient::call_within`], then `WAIT replicas` on the same connection. True only if that many
    /// replicas have the write.
    pub fn write_and_wait<A: AsRef<[u8]>>(&mut self, args: &[A], replicas: usize, limit: Duration) -> bool {
        if !self.call_within(args, limit).is_ok_and(|v| !v.is_error()) {
            return false;
        }
        let attempt_limit = self.attempt_limit;
        let Some(link) = self.link_of(args[1].as_ref()) else { return false };
        let replicas_text = replicas.to_string();
        let wait_ms = (attempt_limit.as_millis() / 2).to_string();
        let reply = link.try_call_within(&["WAIT", &replicas_text, &wait_ms], attempt_limit);
        match reply {
            Ok(Value::Int(n)) => n >= replicas as i64,
            _ => {
                self.links.clear();
                false
            }
        }
    }
}

fn is_transient(text: &str) -> bool {
    ["CLUSTERDOWN", "TRYAGAIN", "LOADING", "MASTERDOWN", "READONLY", "MOVED", "ASK"].iter().any(|w| text.starts_with(w))
}
