//! Sessions: a hash in the cluster for each login, which ends by itself when nobody has come for a while.
//!
//! What the browser gets is a token of 128 random bits, and nothing else is needed to be somebody: it is made here,
//! never taken from outside, replaced at every login, and not shown in pages. Each step is one script on one key. So no
//! session can be without an expiry, and one that has just ended is not brought back by the visit that came too late.
//!
//! A script that is repeated because its reply was lost in a failover counts a visit twice. That is what "at least
//! once" means; a login is repeated with the same token, and does no harm.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::Script;
use tokio::time::Instant;

use crate::cluster::{Cluster, Unavailable, deadline};
use crate::config::Node;

/// Writes a session with its expiry.
const CREATE: &str = "\
redis.call('HSET', KEYS[1], 'name', ARGV[2], 'created', ARGV[3], 'visits', 0, 'failovers', 0)
redis.call('EXPIRE', KEYS[1], ARGV[1])";

/// Counts a visit and lets the session live on, if it still does.
const VISIT: &str = "\
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
redis.call('HINCRBY', KEYS[1], 'visits', 1)
redis.call('EXPIRE', KEYS[1], ARGV[1])
return redis.call('HGETALL', KEYS[1])";

/// Remembers a failover, if the session is still there.
const MOVED: &str = "\
if redis.call('EXISTS', KEYS[1]) == 0 then return end
redis.call('HINCRBY', KEYS[1], 'failovers', 1)
redis.call('HSET', KEYS[1], 'moved_from', ARGV[1], 'moved_to', ARGV[2])";

/// What a browser shows to be somebody: 32 hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

impl Token {
    /// A new one from the system's random numbers. Without them there is no safe way to go on.
    pub(crate) fn random() -> Self {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits).expect("the system has random numbers");
        Self(bits.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Only what [`Token::random`] could have made: nothing else gets into a key.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_digit = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        (text.len() == 32 && text.bytes().all(is_digit)).then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn key(&self) -> String {
        format!("session:{}", self.0)
    }

    /// The key without what would let its reader in.
    pub(crate) fn key_for_people(&self) -> String {
        format!("session:{}…", &self.0[..6])
    }
}

/// A session as it was at a visit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) name: String,
    pub(crate) age: Duration,
    pub(crate) visits: u64,
    pub(crate) failovers: u64,
    /// From which node to which the last failover went.
    pub(crate) moved: Option<(String, String)>,
}

impl Session {
    fn read(mut fields: HashMap<String, String>, now: u64) -> Self {
        let mut number = |name: &str| fields.remove(name).and_then(|text| text.parse().ok()).unwrap_or(0);
        let (created, visits, failovers): (u64, u64, u64) = (number("created"), number("visits"), number("failovers"));
        Self {
            name: fields.remove("name").unwrap_or_default(),
            age: Duration::from_secs(now.saturating_sub(created)),
            visits,
            failovers,
            moved: fields.remove("moved_from").zip(fields.remove("moved_to")),
        }
    }
}

/// All sessions, which is to say: the cluster.
pub(crate) struct Sessions {
    cluster: Cluster,
    ttl: Duration,
}

impl Sessions {
    pub(crate) fn new(cluster: Cluster, ttl: Duration) -> Self {
        Self { cluster, ttl }
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub(crate) fn ttl(&self) -> Duration {
        self.ttl
    }

    /// A session for somebody. When this returns, a replica has it, too, so that it outlives a crash of the primary; if
    /// none has, the login is good all the same, and the log says so.
    pub(crate) async fn create(&self, name: &str, until: Instant) -> Result<Token, Unavailable> {
        let token = Token::random();
        let key = token.key();
        let (of, ttl, name) = (key.clone(), self.ttl.as_secs(), name.to_owned());
        self.cluster
            .run(until, |mut connection| async move {
                let script = Script::new(CREATE);
                script.key(of).arg(ttl).arg(name).arg(now()).invoke_async::<()>(&mut connection).await
            })
            .await?;
        if !self.cluster.wait_for_a_copy(&key, until).await? {
            eprintln!("a login is on no replica yet");
        }
        Ok(token)
    }

    /// The session of a token, if there is one. It lives on for as long as a new one would.
    pub(crate) async fn visit(&self, token: &Token, until: Instant) -> Result<Option<Session>, Unavailable> {
        let (key, ttl) = (token.key(), self.ttl.as_secs());
        let fields: Option<HashMap<String, String>> = self
            .cluster
            .run(until, |mut connection| async move {
                Script::new(VISIT).key(key).arg(ttl).invoke_async(&mut connection).await
            })
            .await?;
        Ok(fields.map(|fields| Session::read(fields, now())))
    }

    pub(crate) async fn remember_failover(&self, token: &Token, from: &Node, to: &Node) -> Result<(), Unavailable> {
        let (key, from, to) = (token.key(), from.address(), to.address());
        self.cluster
            .run(deadline(), |mut connection| async move {
                Script::new(MOVED).key(key).arg(from).arg(to).invoke_async::<()>(&mut connection).await
            })
            .await
    }

    pub(crate) async fn end(&self, token: &Token, until: Instant) -> Result<(), Unavailable> {
        let key = token.key();
        self.cluster
            .run(until, |mut connection| async move { redis::cmd("UNLINK").arg(key).exec_async(&mut connection).await })
            .await
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
