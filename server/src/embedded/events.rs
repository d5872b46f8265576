//! What happens to the nodes of a running cluster, for those who listen.
//!
//! A node may end by SHUTDOWN, or because it cannot save its nodes.conf, while the process goes on: that should be
//! visible. The queue is bounded; a listener that is too slow loses the oldest events.

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

/// How many events a listener may lag behind.
pub(super) const QUEUE: usize = 256;

/// What happened to a node.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase", tag = "event")]
#[non_exhaustive]
pub enum EventKind {
    /// It ended by itself: SHUTDOWN (status 0), or a fault that it cannot survive.
    Ended {
        /// Its exit status, as a process would have.
        status: i32,
    },
    /// It was killed, as by kill -9.
    Killed,
    /// It was stopped in order, as by SIGTERM.
    Stopped,
    /// It was started again.
    Started,
    /// It is paused: nothing of it runs.
    Paused,
    /// It was resumed.
    Resumed,
}

/// Something that happened to a node.
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct Event {
    /// The node's number in the order of ports.
    pub node: usize,
    /// `host:port` for clients.
    pub address: String,
    /// The node's id.
    pub id: String,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

impl std::fmt::Display for Event {
    /// One line in the form of those that `slotd cluster` prints when it is ready.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (word, what) = match &self.kind {
            EventKind::Ended { status: 0 } => ("down", "shut down".to_owned()),
            EventKind::Ended { status } => ("down", format!("ended with status {status}")),
            EventKind::Killed => ("down", "killed".to_owned()),
            EventKind::Stopped => ("down", "stopped".to_owned()),
            EventKind::Started => ("up", "started again".to_owned()),
            EventKind::Paused => ("paused", "nothing of it runs".to_owned()),
            EventKind::Resumed => ("up", "goes on".to_owned()),
        };
        let id = self.id.get(..8).unwrap_or(&self.id);
        write!(f, "{word:7} {:21} {id} {what}", self.address)
    }
}

/// The events of a cluster since the call of [`super::Cluster::events`].
pub struct Events(pub(super) broadcast::Receiver<Event>);

impl Events {
    /// The next event; `None` when the cluster is gone.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.0.recv().await {
                Ok(event) => return Some(event),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// The next event, if there is one already.
    pub fn next_now(&mut self) -> Option<Event> {
        loop {
            match self.0.try_recv() {
                Ok(event) => return Some(event),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return None,
            }
        }
    }
}
