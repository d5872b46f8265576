//! The end of a session, and what RESET undoes.

use super::Engine;
use super::client::ClientHandle;
use super::session::{ReplyMode, Session};
use super::transaction::end_multi;

impl Engine {
    /// Asks whoever runs the node to stop it, with this exit status (SHUTDOWN, a signal, a file that cannot be saved).
    pub fn request_stop(&self, status: i32) {
        self.state.request_stop(status);
    }

    /// Undoes everything that a session holds elsewhere: waiters, watched keys, subscriptions, its place in the registry.
    pub fn end_session(&self, session: &mut Session) {
        if let Some(parked) = &session.parked {
            // If a write served it in this very moment, the element goes down with the connection, as it would have on the wire.
            parked.token.abandon();
        }
        self.unpark(session);
        end_multi(self, session);
        self.pubsub.forget(&session.handle);
        self.clients.remove(session.handle.id);
    }

    /// Closes another client's connection. From here on it is no client any more, although its worker has yet to notice: it is in no
    /// list, and no write serves it.
    pub fn kill_client(&self, client: &ClientHandle) {
        if let Some(parked) = client.parked() {
            parked.token.abandon();
        }
        client.kill();
        self.clients.remove(client.id);
    }

    /// RESET: the session becomes as it was when the connection was made. Authentication is the caller's.
    pub fn reset_session(&self, session: &mut Session) {
        end_multi(self, session);
        self.pubsub.forget(&session.handle);
        session.db = 0;
        session.readonly = false;
        session.asking = false;
        session.reply_mode = ReplyMode::On;
        session.no_touch = false;
        session.protocol = protocol::resp::reply::Protocol::Resp2;
        session.handle.stats.protocol.store(2, std::sync::atomic::Ordering::Relaxed);
        session.handle.stats.db.store(0, std::sync::atomic::Ordering::Relaxed);
        session.handle.stats.no_evict.store(false, std::sync::atomic::Ordering::Relaxed);
        session.handle.stats.no_touch.store(false, std::sync::atomic::Ordering::Relaxed);
        session.handle.stats.readonly.store(false, std::sync::atomic::Ordering::Relaxed);
        session.handle.texts.lock().name.clear();
    }
}
