//! The end of a session, and what RESET undoes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Engine;
use super::stats::bump;
use super::transaction::end_multi;
use crate::session::client::ClientHandle;
use crate::session::{ReplyMode, Session};

impl Engine {
    /// Asks the runtime to stop the node with this exit status (SHUTDOWN, a signal, a file that cannot be saved).
    pub(crate) fn request_stop(&self, status: i32) {
        self.state.request_stop(status);
    }

    /// Undoes everything that a session holds elsewhere: waiters, watched keys, subscriptions, its registry entry.
    pub(crate) fn end_session(&self, session: &mut Session) {
        if let Some(parked) = &session.parked {
            // If a write serves it at this very moment, the element is lost with the connection, as it could be on the
            // wire.
            parked.token.leave();
        }
        self.unpark(session);
        self.note_pause(session, false);
        end_multi(self, session);
        self.pubsub.forget(&session.handle);
        self.stop_monitoring(session);
        self.tracking.leave(session);
        self.clients.remove(session.handle.id);
    }

    /// Waits until a pause may be over. A pause may also be shortened, so it is checked again now and then.
    pub(crate) async fn pause_over(&self, until_ms: i64) {
        let ms = (until_ms - self.clock.now_ms()).clamp(1, 100) as u64;
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(ms)) => {}
            () = self.state.unpaused.notified() => {}
        }
    }

    /// Notes whether a pause holds a client's command back; the client counts as blocked then.
    pub(crate) fn note_pause(&self, session: &Session, paused: bool) {
        let flag = &session.handle.stats.paused;
        // Only the session's own worker changes the flag.
        if flag.load(Ordering::Relaxed) == paused {
            return;
        }
        flag.store(paused, Ordering::Relaxed);
        if paused {
            self.clients.blocked.fetch_add(1, Ordering::Relaxed);
        } else {
            self.clients.blocked.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Closes another client's connection. From here on it is no client any more, although its worker has yet to
    /// notice: no list contains it, and no write serves it.
    pub(crate) fn kill_client(&self, client: &ClientHandle) {
        if let Some(parked) = client.parked() {
            parked.token.leave();
        }
        client.kill();
        self.clients.remove(client.id);
    }

    /// Closes the connection of another client that has left more output unread than `client-output-buffer-limit`
    /// allows.
    pub(crate) fn close_slow_reader(&self, client: &ClientHandle) {
        self.note_slow_reader(client);
        self.kill_client(client);
    }

    /// Counts and logs that a client has left more output unread than `client-output-buffer-limit` allows.
    pub(crate) fn note_slow_reader(&self, client: &ClientHandle) {
        bump(&self.stats.client_output_limit_disconnections);
        self.log.warning(format_args!(
            "Client id={} addr={} scheduled to be closed ASAP for overcoming of output buffer limits.",
            client.id, client.addr
        ));
    }

    /// RESET: the session becomes as it was when the connection was opened. Authentication is the caller's task.
    pub(crate) fn reset_session(&self, session: &mut Session) {
        end_multi(self, session);
        self.pubsub.forget(&session.handle);
        self.stop_monitoring(session);
        self.tracking.disable(session);
        session.db = 0;
        session.readonly = false;
        session.asking = false;
        // SKIP was for RESET itself.
        if session.reply_mode != ReplyMode::Skip {
            session.reply_mode = ReplyMode::On;
        }
        session.no_touch = false;
        session.protocol = protocol::resp::reply::Protocol::Resp2;
        session.handle.stats.protocol.store(2, Ordering::Relaxed);
        session.handle.stats.db.store(0, Ordering::Relaxed);
        session.handle.stats.no_evict.store(false, Ordering::Relaxed);
        session.handle.stats.no_touch.store(false, Ordering::Relaxed);
        session.handle.stats.readonly.store(false, Ordering::Relaxed);
        session.handle.texts.lock().name.clear();
    }
}
