//! The link to the primary: connect, introduce, take a snapshot or continue, apply the stream; again and again until
//! the role changes.
//!
//! ```text
//! wire     the socket, with bytes that were read and not used
//! receive  a snapshot as it arrives: checked, and kept in memory or in a file
//! place    a complete snapshot replaces the old data
//! apply    the stream
//! pace     the wait before the next attempt
//! ```
//!
//! It is a task on a worker, because applying runs commands. It belongs to one generation of the role. All its changes
//! of data or offset are made under `applying` and only while that generation is the current one. So a promotion cannot
//! be followed by one more command of the old primary, and data and offset always agree.

mod apply;
mod pace;
mod place;
mod receive;
mod wire;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use self::pace::Pace;
use self::wire::{End, Wire, connect};
use super::Replication;
use super::core::{Following, LinkPhase};
use super::handshake::{Answer, Handshake, Introduction, Step};
use super::history::ReplId;
use crate::config::ids;
use crate::engine::Engine;
use crate::logging::NodeLog;
use crate::session::client::{ClientHandle, ClientKind};
use crate::session::{Origin, Session};

/// When the link tries again to continue, after it has found a change of the role under way.
const APPLYING_AGAIN: Duration = Duration::from_millis(2);

/// The primary to follow, and for which generation.
pub(super) struct Target {
    pub host: String,
    pub port: u16,
    pub generation: u64,
    pub stop: Arc<Notify>,
}

struct FollowTask {
    replication: Arc<Replication>,
    target: Target,
    gate: usize,
}

/// Starts following, on the least loaded worker.
pub(super) fn start(replication: &Arc<Replication>, target: Target) {
    let Some(threads) = replication.threads.upgrade() else { return };
    let (gate, worker) = threads.least_loaded();
    let replication = replication.clone();
    worker.spawn(move |_| async move {
        let stop = target.stop.clone();
        let mut task = FollowTask { replication, target, gate };
        tokio::select! {
            () = stop.notified() => {}
            () = task.run() => {}
        }
    });
}

/// The link in the node's list of clients, as long as it lives: a change of role drops the task wherever it waits.
struct Listed {
    engine: Arc<Engine>,
    handle: Arc<ClientHandle>,
}

impl Listed {
    fn new(engine: &Arc<Engine>, handle: Arc<ClientHandle>) -> Self {
        engine.clients.add(handle.clone());
        Self { engine: engine.clone(), handle }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.engine.clients.remove(self.handle.id);
    }
}

impl FollowTask {
    async fn run(&mut self) {
        let mut pace = Pace::new();
        loop {
            let mut came_up = None;
            match self.attempt(&mut came_up).await {
                Ok(()) | Err(End::Stale) => return,
                Err(End::Lost(text)) if came_up.is_some() => {
                    self.replication.engine.log.notice(format_args!("Connection with master lost. ({text})"));
                    self.replication.engine.log.notice(format_args!("Caching the disconnected master state."));
                }
                Err(End::Lost(text)) => {
                    self.replication.engine.log.warning(format_args!("Error condition on socket for SYNC: {text}"));
                }
                Err(End::Refused(text)) => {
                    self.replication.engine.log.warning(format_args!("{text}"));
                    if self.with_following(|following| following.failover).unwrap_or(false) {
                        self.replication.abort_failover("Failover target rejected psync request");
                    }
                }
            }
            if self
                .with_following(|following| {
                    following.phase = LinkPhase::Connect;
                })
                .is_err()
            {
                return;
            }
            tokio::time::sleep(pace.after(came_up.map(|at: Instant| at.elapsed()))).await;
        }
    }

    /// Changes the facts about the primary, if it is still ours.
    fn with_following<R>(&self, f: impl FnOnce(&mut Following) -> R) -> Result<R, End> {
        self.replication.with_following(self.target.generation, f)
    }

    /// Follows the primary until the link ends. `came_up`: when the link came up.
    async fn attempt(&mut self, came_up: &mut Option<Instant>) -> Result<(), End> {
        let (host, port) = (&self.target.host, self.target.port);
        let patience = Duration::from_secs(self.replication.engine.config.int(ids::REPL_TIMEOUT).max(1) as u64);
        self.with_following(|following| following.phase = LinkPhase::Connecting)?;
        self.replication.engine.log.notice(format_args!("MASTER <-> REPLICA sync started"));
        let source = self.replication.engine.config.string(ids::BIND_SOURCE_ADDR).parse().ok();
        let stream = timeout(patience, connect(host, port, source))
            .await
            .map_err(|_| End::Lost("Timeout connecting to the MASTER...".to_owned()))??;
        let _ = stream.set_nodelay(true);
        self.replication.engine.log.notice(format_args!("Non blocking connect for SYNC fired the event."));
        let mut wire = Wire::new(stream, patience);
        let answer = self.shake_hands(&mut wire).await?;
        let (failover, engine) =
            (self.with_following(|following| std::mem::take(&mut following.failover))?, &self.replication.engine);
        if failover {
            self.replication.failover_done();
        }
        let handle = self.handle(&wire.stream);
        let mut session = Session::new(handle.clone(), self.gate, true, engine.state.seed());
        session.origin = Origin::Primary;
        match answer {
            Answer::Full { id, offset } => {
                self.full_sync(&mut wire, id, offset).await?;
                session.db = self.with_following(|following| following.db)?;
            }
            Answer::Continue { id } => {
                while !self.resume(id, &mut session)? {
                    tokio::time::sleep(APPLYING_AGAIN).await;
                }
            }
        }
        *came_up = Some(Instant::now());
        handle.set_kind(ClientKind::Primary);
        let _listed = Listed::new(engine, handle);
        let end = self.stream(&mut wire, &mut session).await;
        engine.end_session(&mut session);
        self.link_down();
        match end {
            Err(error) => Err(error),
            Ok(never) => match never {},
        }
    }

    /// The connection as CLIENT LIST shows it.
    fn handle(&self, stream: &TcpStream) -> Arc<ClientHandle> {
        use std::os::fd::AsRawFd;
        let engine = &self.replication.engine;
        let text =
            |addr: io::Result<std::net::SocketAddr>| addr.map_or_else(|_| String::new(), |addr| addr.to_string());
        let (peer, local) = (text(stream.peer_addr()), text(stream.local_addr()));
        ClientHandle::new(engine.clients.next_id(), peer, local, stream.as_raw_fd(), engine.clock.now_ms())
    }

    fn introduction(&self) -> Result<Introduction, End> {
        let config = &self.replication.engine.config;
        let text = |id| Some(config.string(id).as_bytes().to_vec()).filter(|text| !text.is_empty());
        let port = match config.int(ids::REPLICA_ANNOUNCE_PORT) {
            0 => self.replication.port.load(Ordering::Relaxed),
            port => port as u16,
        };
        let core = self.replication.core.lock();
        let following = core.following.as_ref().ok_or(End::Stale)?;
        Ok(Introduction {
            auth: text(ids::MASTERAUTH).map(|password| (text(ids::MASTERUSER), password)),
            port,
            announce_ip: Some(config.string(ids::REPLICA_ANNOUNCE_IP).to_string()).filter(|ip| !ip.is_empty()),
            resume: following.resume.then_some((core.history.id, core.history.offset)),
            failover: following.failover,
            primary_id: self.replication.primary_id.lock().clone(),
        })
    }

    async fn shake_hands(&self, wire: &mut Wire) -> Result<Answer, End> {
        let introduction = self.introduction()?;
        let resume = introduction.resume;
        let (mut handshake, first) = Handshake::start(introduction);
        wire.stream.write_all(&first).await?;
        self.with_following(|following| following.phase = LinkPhase::Handshake)?;
        let mut first_line = true;
        loop {
            let line = wire.line().await?;
            if std::mem::take(&mut first_line) {
                self.replication.engine.log.notice(format_args!("Master replied to PING, replication can continue..."));
            }
            match handshake.line(&line) {
                Step::Wait => {}
                Step::Send(bytes) => {
                    if handshake.is_waiting_for_psync() {
                        log_request(&self.replication.engine.log, resume);
                    }
                    wire.stream.write_all(&bytes).await?;
                }
                Step::Done(answer) => return Ok(answer),
                Step::Fail { text, later: true } => {
                    self.replication.engine.log.notice(format_args!("{text}"));
                    return Err(End::Refused("Retrying with SYNC later".to_owned()));
                }
                Step::Fail { text, later: false } => return Err(End::Refused(text)),
            }
        }
    }

    /// +CONTINUE: the stream continues at our offset. Returns `false` if a change of the role, or a cut, is under way:
    /// it may wait for a long command, and this worker has other clients.
    fn resume(&self, id: Option<ReplId>, session: &mut Session) -> Result<bool, End> {
        let replication = &self.replication;
        let Some(_held) = replication.applying.try_lock() else { return Ok(false) };
        session.db = self.with_following(|following| {
            following.phase = LinkPhase::Connected;
            following.synced = true;
            following.db
        })?;
        let mut core = replication.core.lock();
        self.replication.engine.log.notice(format_args!("Successful partial resynchronization with master."));
        if let Some(id) = id
            && core.history.rename(id)
        {
            self.replication
                .engine
                .log
                .warning(format_args!("Master replication ID changed to {}", String::from_utf8_lossy(&id)));
            replication.disconnect_replicas(&core);
        }
        core.open_stream();
        replication.publish(&core);
        drop(core);
        replication.touch_link();
        replication.engine.state.primary_link_up.store(true, Ordering::SeqCst);
        replication.synced();
        self.replication
            .engine
            .log
            .notice(format_args!("MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization."));
        Ok(true)
    }

    fn link_down(&self) {
        let now = self.replication.now();
        // A stale link must not change the state.
        let _ = self.with_following(|following| {
            following.phase = LinkPhase::Connect;
            following.down_since_ms = Some(now);
            self.replication.engine.state.primary_link_up.store(false, Ordering::SeqCst);
        });
    }
}

fn log_request(log: &NodeLog, resume: Option<(ReplId, i64)>) {
    match resume {
        Some((id, offset)) => log.notice(format_args!(
            "Trying a partial resynchronization (request {}:{}).",
            String::from_utf8_lossy(&id),
            offset + 1
        )),
        None => log.notice(format_args!("Partial resynchronization not possible (no cached master)")),
    }
}

impl Replication {
    /// Changes the facts about the primary, unless the role has changed since this generation.
    fn with_following<R>(&self, generation: u64, f: impl FnOnce(&mut Following) -> R) -> Result<R, End> {
        let mut core = self.core.lock();
        if self.generation.load(Ordering::SeqCst) != generation {
            return Err(End::Stale);
        }
        core.following.as_mut().map(f).ok_or(End::Stale)
    }

    /// Data came from the primary: notes the time, which is the age of this node's data.
    fn touch_link(&self) {
        self.last_io_ms.store(self.now(), Ordering::Relaxed);
    }
}
