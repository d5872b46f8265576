//! Names of peers: a node may announce a host name instead of an address (`cluster-announce-ip` takes either).
//!
//! Redis asks the system's resolver whenever it connects, on its one thread; a name server that does not answer then
//! stops the bus. Here a separate thread asks. Callers that want the same name share one query, and an answer is valid
//! for a second: the cluster tries ten times a second to reach a node that it has no link to.
//!
//! Bounds: on the number of queries at a time and of names remembered. Names come from packets, so anyone on the bus
//! can invent some.
//!
//! Invariant: a name is either being queried, by exactly one thread, or known with the time of its answer.

use std::collections::BTreeMap;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use crate::base::thread;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long an answer is valid.
const FRESH: Duration = Duration::from_secs(1);
/// A name that keeps failing is reported again after this time.
const REPORT_AGAIN: Duration = Duration::from_secs(60);
/// Queries under way.
const MAX_QUESTIONS: usize = 32;
/// Names remembered, including those being queried.
const MAX_NAMES: usize = 1_024;

/// The addresses of a name, in the order in which to try them, or why there are none.
pub(crate) type Answer = Result<Arc<[IpAddr]>, Arc<str>>;

enum Name {
    Asking(watch::Receiver<Option<Answer>>),
    Known { answer: Answer, at: Instant, reported: Option<Instant> },
}

/// The names that were queried recently.
#[derive(Clone, Default)]
pub(crate) struct Resolver {
    names: Arc<Mutex<BTreeMap<String, Name>>>,
}

impl Resolver {
    /// The addresses of `host`. A numeric address is its own answer, without a query.
    ///
    /// # Errors
    /// The resolver's reason.
    pub(crate) async fn resolve(&self, host: &str) -> Answer {
        if let Ok(address) = host.parse() {
            return Ok(Arc::new([address]));
        }
        self.resolve_by(host, ask_system).await
    }

    async fn resolve_by(&self, host: &str, ask: impl FnOnce(&str) -> Answer + Send + 'static) -> Answer {
        let mut answered = match self.look(host, ask) {
            Ok(answer) => return answer,
            Err(answered) => answered,
        };
        match answered.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone().expect("waited for"),
            Err(_) => Err("the lookup was given up".into()),
        }
    }

    /// The answer, if it is known, or else where it will arrive.
    fn look(
        &self,
        host: &str,
        ask: impl FnOnce(&str) -> Answer + Send + 'static,
    ) -> Result<Answer, watch::Receiver<Option<Answer>>> {
        let mut names = self.names.lock();
        let reported = match names.get(host) {
            Some(Name::Asking(answered)) => return Err(answered.clone()),
            Some(Name::Known { answer, at, .. }) if at.elapsed() < FRESH => return Ok(answer.clone()),
            Some(Name::Known { reported, .. }) => *reported,
            None => None,
        };
        if names.values().filter(|name| matches!(name, Name::Asking(_))).count() >= MAX_QUESTIONS {
            return Ok(Err("too many lookups at a time".into()));
        }
        if names.len() >= MAX_NAMES && !names.contains_key(host) {
            names.retain(|_, name| matches!(name, Name::Asking(_)));
        }
        let (tell, answered) = watch::channel(None);
        names.insert(host.to_owned(), Name::Asking(answered.clone()));
        drop(names);
        let (host, names) = (host.to_owned(), self.names.clone());
        let question = host.clone();
        // A query of the system's resolver cannot be cancelled: it outlives its caller.
        let spawned = thread::spawn("resolve", move || {
            let answer = ask(&question);
            let reported = reported.filter(|_| answer.is_err());
            names.lock().insert(question, Name::Known { answer: answer.clone(), at: Instant::now(), reported });
            let _ = tell.send(Some(answer));
        });
        if let Err(error) = spawned {
            self.names.lock().remove(&host);
            return Ok(Err(format!("no thread to ask on: {error}").into()));
        }
        Err(answered)
    }

    /// Whether to report the failure of this name now: when it begins, and from time to time while it lasts.
    pub(crate) fn is_news(&self, host: &str) -> bool {
        match self.names.lock().get_mut(host) {
            Some(Name::Known { answer: Err(_), reported, .. }) => {
                let news = reported.is_none_or(|at| at.elapsed() >= REPORT_AGAIN);
                if news {
                    *reported = Some(Instant::now());
                }
                news
            }
            Some(Name::Known { .. } | Name::Asking(_)) | None => false,
        }
    }
}

fn ask_system(host: &str) -> Answer {
    match (host, 0).to_socket_addrs() {
        Ok(found) => {
            let addresses: Arc<[IpAddr]> = found.map(|address| address.ip()).collect();
            if addresses.is_empty() { Err("the name has no address".into()) } else { Ok(addresses) }
        }
        Err(error) => Err(error.to_string().into()),
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
