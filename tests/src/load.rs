//! Writers that run while a test breaks things, and remember what was acknowledged.
//!
//! A write counts only when the reply (and `WAIT`, if requested) confirmed it; all others are *unknown*: they may or
//! may not be there. The check at the end is simple: each counted write must be readable.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::cluster_client::ClusterClient;
use crate::wait::{secs, wait_until};

/// Acknowledged writes: key to value.
pub type Acknowledged = BTreeMap<String, String>;

/// A writer in a thread of its own.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    worker: Option<JoinHandle<Acknowledged>>,
}

impl Load {
    /// Starts writing new keys `prefix:n`, one after the other. With `replicas > 0` a write counts only if WAIT returns
    /// at least so many.
    pub fn start(mut client: ClusterClient, prefix: &str, replicas: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let (stopped, counted, prefix) = (Arc::clone(&stop), Arc::clone(&acknowledged), prefix.to_owned());
        client.attempt_limit = Duration::from_millis(1_500);
        let worker = thread::spawn(move || {
            let mut seen = Acknowledged::new();
            let mut n = 0_u64;
            while !stopped.load(Ordering::Relaxed) {
                let (key, value) = (format!("{prefix}:{n}"), format!("v{n}"));
                n += 1;
                let args = ["SET", &key, &value];
                let counts = if replicas == 0 {
                    client.call_within(&args, secs(2)).is_ok_and(|v| v.is_ok())
                } else {
                    client.write_and_wait(&args, replicas, secs(2))
                };
                if counts {
                    seen.insert(key, value);
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                // Slow enough to leave the two cores to the servers.
                thread::sleep(Duration::from_millis(1));
            }
            seen
        });
        Self { stop, acknowledged, worker: Some(worker) }
    }

    /// Writes acknowledged so far.
    pub fn count(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until `more` further writes have been acknowledged.
    #[track_caller]
    pub fn wait_more(&self, more: u64, limit: Duration) {
        let goal = self.count() + more;
        wait_until(&format!("{more} more acknowledged writes"), limit, || self.count() >= goal);
    }

    /// Stops the writer and returns what counted.
    #[track_caller]
    pub fn finish(mut self) -> Acknowledged {
        self.stop.store(true, Ordering::Relaxed);
        self.worker.take().expect("finished once").join().expect("the writer does not panic")
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Asserts that every acknowledged write can be read.
///
/// # Panics
/// When one is gone or has another value.
#[track_caller]
pub fn assert_all_there(client: &mut ClusterClient, acknowledged: &Acknowledged) {
    let lost: Vec<&String> = acknowledged
        .iter()
        .filter(|(key, value)| client.call(&["GET", key]).text() != **value)
        .map(|(key, _)| key)
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {} acknowledged writes are gone, such as {:?}",
        lost.len(),
        acknowledged.len(),
        lost.first()
    );
}
