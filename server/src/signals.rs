//! The signals that end the process: SIGINT and SIGTERM. SIGHUP is ignored, as in Redis.
//!
//! A signal asks the node to prepare for its end (`ops::shutdown`). If it cannot, for example because its disk is full,
//! it goes on serving, and the next signal tries again. A second SIGINT during a shutdown ends the process without
//! waiting (Redis: `sigShutdownHandler`).

use std::io;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use crate::logging::NodeLog;
use crate::node::{Node, StopSignal};

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With this status, after all acknowledged writes are safe.
    InOrder(i32),
    /// At once, without waiting for anything.
    AtOnce,
}

/// Signals that a start is over, even by a panic: the other thread would wait for ever otherwise.
struct AtLast<'a>(&'a Notify);

impl Drop for AtLast<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// The signals of the process.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    _hang_up: Signal,
}

impl Signals {
    /// From here on the process handles these signals. Must be called within a runtime.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            _hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.interrupt.recv() => StopSignal::Interrupt,
            _ = self.terminate.recv() => StopSignal::Terminate,
        }
    }

    /// Waits for SIGINT.
    pub(crate) async fn interrupted(&mut self) {
        self.interrupt.recv().await;
    }

    /// Runs `start` on this thread, while another thread watches for signals. A signal before `start` is done ends the
    /// process: there is nothing to save yet, and what is being loaded is on disk. `start` runs on this thread because
    /// this thread later returns the memory that the load leaves free. `before_exit` is called last before the process
    /// ends.
    ///
    /// # Errors
    /// No thread could be started for the signals.
    pub(crate) fn attend_start<T>(
        &mut self,
        room: &Runtime,
        log: &NodeLog,
        before_exit: impl Fn() + Sync,
        start: impl FnOnce() -> T,
    ) -> io::Result<T> {
        let over = Notify::new();
        let until_over = async {
            tokio::select! {
                () = over.notified() => {}
                _ = self.next() => {
                    log.warning(format_args!("Received shutdown signal during loading, exiting now."));
                    before_exit();
                    std::process::exit(0);
                }
            }
        };
        std::thread::scope(|scope| {
            std::thread::Builder::new().name("signals".to_owned()).spawn_scoped(scope, || room.block_on(until_over))?;
            let _told = AtLast(&over);
            Ok(start())
        })
    }

    /// Waits until the node is ready to end because of a signal, or until `ended` reports that it ends otherwise.
    pub(crate) async fn attend(&mut self, node: &Node, log: &NodeLog, ended: impl Future<Output = i32>) -> Ending {
        tokio::pin!(ended);
        loop {
            let received = tokio::select! {
                status = &mut ended => return Ending::InOrder(status),
                received = self.next() => received,
            };
            log.warning(format_args!("Received {received} scheduling shutdown..."));
            let verdict = node.shutdown(received).wait();
            tokio::pin!(verdict);
            loop {
                let again = tokio::select! {
                    status = &mut ended => return Ending::InOrder(status),
                    ready = &mut verdict => {
                        if ready {
                            return Ending::InOrder(0);
                        }
                        break;
                    }
                    again = self.next() => again,
                };
                if again == StopSignal::Interrupt {
                    log.warning(format_args!("You insist... exiting now."));
                    return Ending::AtOnce;
                }
                log.warning(format_args!("Received {again} scheduling shutdown..."));
            }
            log.warning(format_args!("Errors trying to shut down the server. Check the logs for more information."));
        }
    }
}

#[cfg(test)]
#[path = "signals_tests.rs"]
mod tests;
