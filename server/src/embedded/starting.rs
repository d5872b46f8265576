//! A cluster that starts while its program does something else.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::process::Process;
use super::{Cluster, ClusterError, Options};
use crate::base::thread;

/// A cluster that is starting ([`Cluster::start_async`]). Dropping it cancels the start, and returns when everything of
/// it is gone.
#[must_use = "the cluster stops when this is dropped"]
pub struct Starting {
    outcome: oneshot::Receiver<Result<Cluster, ClusterError>>,
    process: Option<Arc<Process>>,
    thread: Option<JoinHandle<()>>,
}

impl Starting {
    pub(super) fn new(options: Options) -> Self {
        let (told, outcome) = oneshot::channel();
        let process = match Process::new(&options) {
            Ok(process) => Arc::new(process),
            Err(problem) => return Self::failed(problem),
        };
        let starting = process.clone();
        let start = move || {
            let result = Cluster::start_in(starting, &options);
            // If the receiver is gone, the start was cancelled and the cluster ends here.
            let _ = told.send(result);
        };
        match thread::spawn("cluster-start", start) {
            Ok(thread) => Self { outcome, process: Some(process), thread: Some(thread) },
            Err(error) => Self::failed(ClusterError::System { what: "starting a thread".to_owned(), error }),
        }
    }

    /// The directory of a cluster that is not ready yet.
    #[cfg(test)]
    pub(super) fn directory(&self) -> Option<std::path::PathBuf> {
        self.process.as_ref().map(|process| process.directory.path().to_owned())
    }

    fn failed(problem: ClusterError) -> Self {
        let (told, outcome) = oneshot::channel();
        let _ = told.send(Err(problem));
        Self { outcome, process: None, thread: None }
    }
}

impl Future for Starting {
    type Output = Result<Cluster, ClusterError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = std::task::ready!(Pin::new(&mut self.outcome).poll(cx));
        // The cluster owns it now.
        self.process = None;
        Poll::Ready(outcome.unwrap_or(Err(ClusterError::Closed)))
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        let Some(process) = self.process.take() else { return };
        process.cancelled.store(true, Ordering::SeqCst);
        drop(process);
        self.outcome.close();
        if let Some(thread) = self.thread.take() {
            // A start that panicked has already reported it.
            let _ = thread.join();
        }
        // It may have succeeded at that very moment.
        let _ = self.outcome.try_recv();
    }
}
