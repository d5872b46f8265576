//! Names of peers: a node may announce a host name instead of an address (`cluster-announce-ip` takes either).
//!
//! Redis asks the system's resolver whenever it connects, on its one thread; a name server that does not answer then stops the
//! bus. Here the question is put on a thread of its own, whoever wants the same name waits for the same question, and an answer
//! is good for a second: the cluster tries again ten times a second to reach a node that it has no link to.
//!
//! Bounds: so many questions at a time, so many names remembered. Names come from packets, so anybody on the bus can invent some.
//!
//! Invariant: a name is either being asked for, by exactly one thread, or known with the time of its answer.

use std::collections::BTreeMap;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long an answer is taken as it is.
const FRESH: Duration = Duration::from_secs(1);
/// A name that goes on failing is reported again after this time.
const REPORT_AGAIN: Duration = Duration::from_secs(60);
/// Questions under way.
const MAX_QUESTIONS: usize = 32;
/// Names remembered, those that are being asked for included.
const MAX_NAMES: usize = 1_024;

/// The addresses of a name, in the order in which they are to be tried, or why there are none.
pub(crate) type Answer = Result<Arc<[IpAddr]>, Arc<str>>;

enum Name {
    Asking(watch::Receiver<Option<Answer>>),
    Known { answer: Answer, at: Instant, reported: Option<Instant> },
}

/// The names that were asked for lately.
#[derive(Clone, Default)]
pub(crate) struct Resolver {
    names: Arc<Mutex<BTreeMap<String, Name>>>,
}

impl Resolver {
    /// The addresses of `host`. A number is its own address, and nobody is asked.
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

    /// The answer, if it is known, else where it will arrive.
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
        // The system's resolver cannot be called off: the question outlives whoever asked it.
        let spawned = std::thread::Builder::new().name("resolve".to_owned()).spawn(move || {
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

    /// Whether the failure of this name is to be reported now: when it begins, and from time to time while it lasts.
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
