//! Waiting for the writes that are under way, on a thread of its own.

use super::Ops;
use crate::base::thread;

impl Ops {
    /// Waits until every write that passed its gates before the pause is in the stream. On a thread of its own: the
    /// control thread serves the bus and must not wait for a long command.
    pub(super) async fn settle_writes(&self) {
        let (engine, (told, settled)) = (self.engine.clone(), tokio::sync::oneshot::channel());
        let settle = move || {
            engine.barrier.enter(engine.loader_gate()).exclusive(|_| ());
            // Dropped before the result is sent, so that the thread holds nothing of the node by then.
            drop(engine);
            let _ = told.send(());
        };
        // If no thread can be started, the shutdown goes on without waiting.
        if thread::spawn("settle", settle).is_ok() {
            let _ = settled.await;
        }
    }
}
