//! Replicas that get another primary must not be elected before they have its data.
//!
//! They keep the data of their former primary until the copy begins. If the new one is lost in between, Redis and
//! Valkey elect such a replica, and a shard is left with the keys of another. So the directive that forbids it to begin
//! an election is set before it is moved, and set back when it is in sync.

use std::time::{Duration, Instant};

use super::super::node_list::Address;
use super::collect::{Asking, setting};
use crate::healthcheck::field;

/// The directive; it is live in all servers that have it.
const NO_FAILOVER: &str = "cluster-replica-no-failover";
/// The time between two looks at a replica's link.
const PAUSE: Duration = Duration::from_millis(200);

/// Replicas at which the directive was set.
#[derive(Debug, Default)]
pub(super) struct Held(Vec<Address>);

impl Asking {
    /// Forbids replicas to be elected; those that may not be already stay so.
    ///
    /// # Errors
    /// One does not let it be forbidden; it is allowed to all again.
    pub(super) fn hold(&self, replicas: &[Address]) -> Result<Held, String> {
        let mut held = Held::default();
        for replica in replicas {
            match self.forbid(replica) {
                Ok(true) => held.0.push(replica.clone()),
                Ok(false) => {}
                Err(reason) => {
                    // The error that is reported is the first one.
                    for before in &held.0 {
                        let _ = self.set(before, "no");
                    }
                    return Err(reason);
                }
            }
        }
        Ok(held)
    }

    /// Allows them to be elected again, each as soon as it is in sync.
    ///
    /// # Errors
    /// One is not in sync by then: it stays as it is.
    pub(super) fn release(&self, held: Held, until: Instant) -> Result<(), String> {
        let mut left = Vec::new();
        for replica in held.0 {
            while !self.free(&replica).unwrap_or(false) {
                if Instant::now() >= until {
                    left.push(replica.to_string());
                    break;
                }
                std::thread::sleep(PAUSE);
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        let left = left.join(", ");
        Err(format!("{left} may not be elected before the data is copied: then CONFIG SET {NO_FAILOVER} no there"))
    }

    /// Forbids it at one replica; whether it was allowed before.
    fn forbid(&self, replica: &Address) -> Result<bool, String> {
        let before = setting(&mut self.connect(replica)?, NO_FAILOVER.as_bytes())?;
        match before.as_deref() {
            Some("yes") => Ok(false),
            Some(_) => self.set(replica, "yes").map(|()| true),
            None => Err(format!("{replica} does not tell {NO_FAILOVER}, and could be elected before it has the data")),
        }
    }

    fn set(&self, replica: &Address, value: &str) -> Result<(), String> {
        let reply = self.connect(replica)?.ask(&[b"CONFIG", b"SET", NO_FAILOVER.as_bytes(), value.as_bytes()])?;
        match reply.as_error() {
            Some(error) => Err(format!("{replica}: {}", String::from_utf8_lossy(error))),
            None => Ok(()),
        }
    }

    /// Allows it again at a replica that is in sync; whether it is.
    fn free(&self, replica: &Address) -> Result<bool, String> {
        let info = self.connect(replica)?.text(&[b"INFO", b"replication"])?;
        if field(&info, "role") == Some("slave") && field(&info, "master_link_status") != Some("up") {
            return Ok(false);
        }
        self.set(replica, "no").map(|()| true)
    }
}

#[cfg(test)]
#[path = "hold_tests.rs"]
mod tests;
