//! Waiting for the writes that are under way, on a thread of its own.

use super::Ops;

impl Ops {
    /// Waits until every write that passed its gates before the pause is in the stream. On another thread: the control thread serves
    /// the bus and must not wait for a long command.
    pub(super) async fn settle_writes(&self) {
        let (engine, (told, settled)) = (self.engine.clone(), tokio::sync::oneshot::channel());
        let settle = move || {
            engine.barrier.enter(engine.loader_gate()).exclusive(|_| ());
            // What the thread held of the node goes before anybody is told.
            drop(engine);
            let _ = told.send(());
        };
        // Without a thread for it there is nothing better than to go on.
        if std::thread::Builder::new().name("settle".to_owned()).spawn(settle).is_ok() {
            let _ = settled.await;
        }
    }
}
