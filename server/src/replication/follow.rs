//! The link to the primary: connect, introduce, take a snapshot or continue, apply the stream; again and again until the role
//! changes.
//!
//! A task on a worker, because applying runs commands. It belongs to one generation of the role; whatever it does to data or
//! offset, it does under `applying` and only while that generation is the current one. So a promotion cannot be followed by one
//! more command of the old primary, and what was applied is what was counted.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use protocol::resp::limits::Limits;
use protocol::resp::request::{Parsed, RequestParser};
use protocol::resp::{ArgVec, Args};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::Replication;
use super::core::{Following, LinkPhase};
use super::handshake::{Answer, Handshake, Introduction, Step};
use super::history::ReplId;
use super::serve::killed;
use super::stream::Stream;
use super::transfer::{Framing, framing};
use crate::engine::Engine;
use crate::engine::client::{ClientHandle, ClientKind};
use crate::engine::config::ids;
use crate::engine::session::{Origin, Session};
use crate::logging::NodeLog;
use crate::persistence::load::{self, Load};
use crate::persistence::rdb_loader::LoadError;
use crate::store::Cleared;

/// Bytes read at once.
const READ_CHUNK: usize = 128 * 1024;
/// Snapshots up to this size are taken in as a whole before they are loaded, bytes.
const GATHERED: usize = 1024 * 1024;
/// The longest line of a handshake, bytes.
const MAX_LINE: usize = 64 * 1024;
/// Waits between attempts grow from the first to the last of these, milliseconds.
const FIRST_WAIT_MS: u64 = 50;
const LAST_WAIT_MS: u64 = 1000;
/// Between two acknowledgements that nobody asked for.
const ACK_PERIOD: Duration = Duration::from_secs(1);
/// The same until the primary has sent something, for the first [`EARLY_ACKS`] of them: a stock primary takes no acknowledgement
/// before it has noticed, within its 100 ms, that the process which wrote the snapshot has ended. The one sent after loading a
/// small snapshot comes too early for it, and until the next the replica would get no write.
const EARLY_ACK_PERIOD: Duration = Duration::from_millis(100);
const EARLY_ACKS: u32 = 10;
/// Bytes of the stream that are read on while a pause holds it back.
const MAX_HELD: usize = 16 * 1024 * 1024;

/// Whom to follow, and until when.
pub(super) struct Target {
    pub host: String,
    pub port: u16,
    pub generation: u64,
    pub stop: Arc<Notify>,
}

/// Data that are gone, to be dropped when nobody waits for it.
type Garbage = Vec<Cleared>;

/// Why a link ended.
enum End {
    /// The role has changed.
    Stale,
    Lost(String),
    Refused(String),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Lost(error.to_string())
    }
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

/// The link among the node's clients, as long as it lives: a change of role drops the task wherever it waits.
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

/// A connection to the primary, with what was read and not used.
struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    patience: Duration,
}

impl Wire {
    /// Reads more behind what is there.
    async fn more(&mut self) -> Result<(), End> {
        self.buffer.reserve(READ_CHUNK);
        match timeout(self.patience, self.stream.read_buf(&mut self.buffer)).await {
            Ok(Ok(0)) => Err(End::Lost("Connection closed".to_owned())),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(End::Lost("Timeout".to_owned())),
        }
    }

    /// The next line, without its end.
    async fn line(&mut self) -> Result<Vec<u8>, End> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.buffer) {
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            if self.buffer.len() > MAX_LINE {
                return Err(End::Refused("Bad protocol from MASTER: line too long".to_owned()));
            }
            self.more().await?;
        }
    }
}

impl FollowTask {
    async fn run(&mut self) {
        let mut wait = FIRST_WAIT_MS;
        loop {
            let mut came_up = false;
            // Only a link that was up and broke is made anew at once; what was refused will most likely be refused again.
            let mut at_once = false;
            match self.attempt(&mut came_up).await {
                Ok(()) | Err(End::Stale) => return,
                Err(End::Lost(text)) if came_up => {
                    at_once = true;
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
            if at_once {
                wait = FIRST_WAIT_MS;
                continue;
            }
            tokio::time::sleep(Duration::from_millis(wait)).await;
            wait = (wait * 2).min(LAST_WAIT_MS);
        }
    }

    /// Changes what is known of the primary, if it is still ours.
    fn with_following<R>(&self, f: impl FnOnce(&mut Following) -> R) -> Result<R, End> {
        let mut core = self.replication.core.lock();
        if self.replication.generation.load(Ordering::SeqCst) != self.target.generation {
            return Err(End::Stale);
        }
        core.following.as_mut().map(f).ok_or(End::Stale)
    }

    async fn attempt(&mut self, came_up: &mut bool) -> Result<(), End> {
        let (host, port) = (&self.target.host, self.target.port);
        let patience = Duration::from_secs(self.replication.engine.config.int(ids::REPL_TIMEOUT).max(1) as u64);
        self.with_following(|following| following.phase = LinkPhase::Connecting)?;
        self.replication.engine.log.notice(format_args!("MASTER <-> REPLICA sync started"));
        let connect = TcpStream::connect((host.as_str(), port));
        let stream = timeout(patience, connect)
            .await
            .map_err(|_| End::Lost("Timeout connecting to the MASTER...".to_owned()))??;
        let _ = stream.set_nodelay(true);
        self.replication.engine.log.notice(format_args!("Non blocking connect for SYNC fired the event."));
        let mut wire = Wire { stream, buffer: Vec::new(), patience };
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
            Answer::Full { id, offset } => self.full_sync(&mut wire, id, offset).await?,
            Answer::Continue { id } => self.resume(id, &mut session)?,
        }
        *came_up = true;
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

    /// +CONTINUE: the stream goes on where we are.
    fn resume(&self, id: Option<ReplId>, session: &mut Session) -> Result<(), End> {
        let replication = &self.replication;
        let _held = replication.applying.lock();
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
        self.replication
            .engine
            .log
            .notice(format_args!("MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization."));
        Ok(())
    }

    /// +FULLRESYNC: everything follows.
    async fn full_sync(&self, wire: &mut Wire, id: ReplId, offset: i64) -> Result<(), End> {
        self.replication
            .engine
            .log
            .notice(format_args!("Full resync from master: {}:{offset}", String::from_utf8_lossy(&id)));
        self.with_following(|following| following.phase = LinkPhase::Transfer)?;
        let framing = loop {
            let line = wire.line().await?;
            self.replication.touch_link();
            if let Some(framing) = framing(&line).map_err(End::Refused)? {
                break framing;
            }
        };
        match &framing {
            Framing::Mark(_) => {
                self.replication.engine.log.notice(format_args!(
                    "MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF to parser"
                ));
            }
            Framing::Length(length) => {
                self.replication
                    .engine
                    .log
                    .notice(format_args!("MASTER <-> REPLICA sync: receiving {length} bytes from master to parser"));
            }
        }
        if self.gather(wire, &framing).await? {
            self.load_at_once(wire, &framing, id, offset)?;
        } else {
            self.begin_load()?;
            let loaded = self.load(wire, &framing).await;
            if loaded.is_err() {
                self.abort_load();
            }
            loaded?;
            let _held = self.replication.applying.lock();
            self.end_load(id, offset)?;
        }
        self.replication.engine.log.notice(format_args!("MASTER <-> REPLICA sync: Finished with success"));
        // The primary waits for this word before it sends the stream.
        self.send_ack(wire).await
    }

    /// Takes in a small snapshot as a whole (`true`) before the old data go, so that a link which breaks meanwhile costs nothing.
    /// A large one is loaded as it comes.
    async fn gather(&self, wire: &mut Wire, framing: &Framing) -> Result<bool, End> {
        loop {
            let is_whole = match framing {
                Framing::Length(length) => wire.buffer.len() as u64 >= *length,
                // Nothing follows the mark before we have acknowledged.
                Framing::Mark(mark) => wire.buffer.ends_with(mark),
            };
            if is_whole || wire.buffer.len() >= GATHERED {
                return Ok(is_whole);
            }
            wire.more().await?;
            self.replication.touch_link();
        }
    }

    /// Loads a snapshot that is here as a whole, between two commands: no client reads half of it, and none is told LOADING, as
    /// with Redis, whose one thread does nothing else while it loads so little.
    fn load_at_once(&self, wire: &mut Wire, framing: &Framing, id: ReplId, offset: i64) -> Result<(), End> {
        let replication = &self.replication;
        let mut garbage = Vec::new();
        let _held = replication.applying.lock();
        replication.engine.barrier.enter(self.gate).exclusive(|_| {
            garbage.push(self.make_room()?);
            let loaded = self.load_whole(wire, framing).and_then(|()| self.end_load(id, offset));
            if loaded.is_err() {
                garbage.extend(self.drop_loaded());
            }
            loaded
        })
    }

    fn load_whole(&self, wire: &mut Wire, framing: &Framing) -> Result<(), End> {
        let replication = &self.replication;
        let refused = |error: LoadError| End::Refused(error.to_string());
        let mut load = Load::new(replication.engine.clone(), false);
        let take = match framing {
            Framing::Length(length) => *length as usize,
            Framing::Mark(_) => wire.buffer.len(),
        };
        let bytes: Vec<u8> = wire.buffer.drain(..take).collect();
        load.feed(&bytes, replication.engine.clock.now_ms()).map_err(refused)?;
        let (loaded, mut rest) = load.finish().map_err(refused)?;
        replication.persistence.note_load(&loaded);
        rest.append(&mut wire.buffer);
        wire.buffer = rest;
        take_mark(wire, framing)
    }

    fn begin_load(&self) -> Result<(), End> {
        let old = {
            let _held = self.replication.applying.lock();
            self.replication.engine.barrier.enter(self.gate).exclusive(|_| self.make_room())?
        };
        drop(old);
        Ok(())
    }

    /// Takes the old data away, to be dropped without any lock. The caller holds `applying` and the barrier.
    fn make_room(&self) -> Result<Garbage, End> {
        let replication = &self.replication;
        let engine = &replication.engine;
        engine.log.notice(format_args!("MASTER <-> REPLICA sync: Flushing old data"));
        self.with_following(|following| {
            following.resume = false;
            following.synced = false;
            following.loading = true;
        })?;
        let mut core = replication.core.lock();
        // Our replicas have to load the new data set, too.
        replication.disconnect_replicas(&core);
        core.stream = None;
        drop(core);
        engine.state.loading.store(true, Ordering::SeqCst);
        let old = load::empty(engine);
        replication.persistence.note_loading(0, 0);
        engine.log.notice(format_args!("MASTER <-> REPLICA sync: Loading DB in memory"));
        Ok(old)
    }

    async fn load(&self, wire: &mut Wire, framing: &Framing) -> Result<(), End> {
        let replication = &self.replication;
        let mut load = Load::new(replication.engine.clone(), false);
        let mut left = match framing {
            Framing::Length(length) => *length,
            Framing::Mark(_) => u64::MAX,
        };
        let mut done = false;
        while !done && left > 0 {
            if wire.buffer.is_empty() {
                wire.more().await?;
                replication.touch_link();
            }
            let take = (wire.buffer.len() as u64).min(left) as usize;
            let bytes: Vec<u8> = wire.buffer.drain(..take).collect();
            left -= take as u64;
            let _held = replication.applying.lock();
            self.with_following(|_| ())?;
            let _pass = replication.engine.barrier.enter(self.gate);
            let now = replication.engine.clock.now_ms();
            done = load.feed(&bytes, now).map_err(|error| End::Refused(error.to_string()))?;
            replication.persistence.note_loading(load.offset(), 0);
        }
        let (loaded, mut rest) = load.finish().map_err(|error| End::Refused(error.to_string()))?;
        replication.persistence.note_load(&loaded);
        rest.extend_from_slice(&wire.buffer);
        wire.buffer = rest;
        if let Framing::Mark(mark) = framing {
            while wire.buffer.len() < mark.len() {
                wire.more().await?;
            }
        }
        take_mark(wire, framing)
    }

    /// Removes what was loaded so far, unless a change of role has done so.
    fn abort_load(&self) {
        let _held = self.replication.applying.lock();
        let garbage = self.replication.engine.barrier.enter(self.gate).exclusive(|_| self.drop_loaded());
        drop(garbage);
    }

    /// [`Self::abort_load`] by one who holds `applying` and the barrier.
    fn drop_loaded(&self) -> Option<Garbage> {
        let engine = &self.replication.engine;
        engine.log.warning(format_args!(
            "Failed trying to load the MASTER synchronization DB from socket, check server logs."
        ));
        self.with_following(|following| following.loading = false).ok().map(|()| {
            engine.state.loading.store(false, Ordering::SeqCst);
            load::empty(engine)
        })
    }

    /// The caller holds `applying`.
    fn end_load(&self, id: ReplId, offset: i64) -> Result<(), End> {
        let replication = &self.replication;
        self.with_following(|following| {
            following.loading = false;
            following.resume = true;
            following.synced = true;
            following.db = 0;
            following.down_since_ms = None;
            following.phase = LinkPhase::Connected;
        })?;
        let mut core = replication.core.lock();
        core.history.adopt(id, offset);
        core.stream = Some(Stream::new(offset));
        replication.publish(&core);
        drop(core);
        let state = &replication.engine.state;
        state.loading.store(false, Ordering::SeqCst);
        state.primary_link_up.store(true, Ordering::SeqCst);
        replication.touch_link();
        Ok(())
    }

    fn link_down(&self) {
        let now = self.replication.now();
        // A stale link has nothing to say about the state.
        let _ = self.with_following(|following| {
            following.phase = LinkPhase::Connect;
            following.down_since_ms = Some(now);
            self.replication.engine.state.primary_link_up.store(false, Ordering::SeqCst);
        });
    }

    /// Applies the stream until the link ends.
    async fn stream(&self, wire: &mut Wire, session: &mut Session) -> Result<std::convert::Infallible, End> {
        let mut applier = Applier::default();
        let mut early_acks = EARLY_ACKS;
        let mut ticks = tokio::time::interval(ACK_PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        let handle = session.handle.clone();
        loop {
            let run = applier.run(self, wire, session)?;
            if run.asked {
                self.send_ack(wire).await?;
            }
            let full = run.held_until.is_some() && wire.buffer.len() > MAX_HELD;
            if full {
                // What the primary has to keep meanwhile is its business, and that it is silent is ours.
                heard = Instant::now();
            }
            wire.buffer.reserve(READ_CHUNK);
            let engine = &self.replication.engine;
            tokio::select! {
                () = killed(&handle) => return Err(End::Lost("killed".to_owned())),
                () = engine.pause_over(run.held_until.unwrap_or_default()), if run.held_until.is_some() => {}
                read = wire.stream.read_buf(&mut wire.buffer), if !full => match read? {
                    0 => return Err(End::Lost("Connection closed".to_owned())),
                    count => {
                        heard = Instant::now();
                        early_acks = 0;
                        self.replication.touch_link();
                        engine.stats.net_repl_input_bytes.fetch_add(count as u64, Ordering::Relaxed);
                    }
                },
                _ = ticks.tick() => {
                    if heard.elapsed() > wire.patience {
                        return Err(End::Lost("MASTER timeout: no data nor PING received...".to_owned()));
                    }
                    if early_acks > 0 {
                        early_acks -= 1;
                        ticks.reset_after(EARLY_ACK_PERIOD);
                    }
                    if engine.state.asleep_ms(engine.clock.now_ms()) == 0 {
                        self.send_ack(wire).await?;
                    }
                }
            }
        }
    }

    async fn send_ack(&self, wire: &mut Wire) -> Result<(), End> {
        let offset = self.replication.offset().to_string();
        let ack = format!("*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n${}\r\n{offset}\r\n", offset.len());
        wire.stream.write_all(ack.as_bytes()).await?;
        Ok(())
    }
}

/// Takes the mark behind a snapshot out of the buffer, which holds it as a whole.
fn take_mark(wire: &mut Wire, framing: &Framing) -> Result<(), End> {
    let Framing::Mark(mark) = framing else { return Ok(()) };
    if !wire.buffer.starts_with(mark) {
        return Err(End::Refused("Replication stream EOF marker is broken".to_owned()));
    }
    wire.buffer.drain(..mark.len());
    Ok(())
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

/// Takes commands out of the stream. Bytes are counted when all they belong to was applied: a transaction as a whole.
#[derive(Default)]
struct Applier {
    parser: RequestParser,
    /// Words of a command that is not complete, or is held: the parser goes on with them.
    words: ArgVec,
    /// Bytes of the buffer that were executed or queued, but are not counted yet.
    parsed: usize,
    /// Bytes of the next command, which a pause holds back.
    held: Option<usize>,
}

/// What came of applying.
struct Run {
    /// The primary wants to know how far we are.
    asked: bool,
    /// A pause holds the next command back until then, unix milliseconds.
    held_until: Option<i64>,
}

impl Applier {
    /// Applies what is complete and not held back.
    fn run(&mut self, task: &FollowTask, wire: &mut Wire, session: &mut Session) -> Result<Run, End> {
        let replication = &task.replication;
        let engine = &replication.engine;
        let mut scratch = Vec::new();
        let mut run = Run { asked: false, held_until: None };
        // Bytes that are counted already.
        let mut counted = 0;
        let limits = Limits::authenticated(engine.hot.load().proto_max_bulk_len);
        loop {
            let rest = &mut wire.buffer[self.parsed..];
            let Some(used) = self.next_command(rest, &limits)? else { break };
            let args = Args::new(&rest[..used], &self.words);
            let _held = replication.applying.lock();
            if replication.generation.load(Ordering::SeqCst) != task.target.generation {
                return Err(End::Stale);
            }
            if is_getack(args) {
                run.asked = true;
            } else if !args.is_empty() {
                scratch.clear();
                run.held_until = engine.apply(session, args, &mut scratch);
                if run.held_until.is_some() {
                    self.held = Some(used);
                    break;
                }
                if let Some(error) = session.stream_error.take() {
                    differ(&engine.log, &error, args)?;
                }
            }
            self.parsed += used;
            if !session.in_multi() {
                let mut core = replication.core.lock();
                core.append_applied(&wire.buffer[counted..self.parsed]);
                replication.offset.store(core.history.offset, Ordering::Release);
                if let Some(following) = &mut core.following {
                    following.db = session.db;
                }
                counted = self.parsed;
            }
        }
        wire.buffer.drain(..counted);
        self.parsed -= counted;
        Ok(run)
    }

    /// Bytes of the next command, with its words in `words`; `None` if it is not complete.
    fn next_command(&mut self, rest: &mut [u8], limits: &Limits) -> Result<Option<usize>, End> {
        if let Some(held) = self.held.take() {
            return Ok(Some(held));
        }
        match self.parser.parse(rest, limits, &mut self.words) {
            Ok(Parsed::Command { consumed }) => Ok(Some(consumed)),
            Ok(Parsed::Empty { consumed }) => {
                self.words.clear();
                Ok(Some(consumed))
            }
            Ok(Parsed::Incomplete { .. }) => Ok(None),
            Err(error) => {
                let text = String::from_utf8_lossy(&error.text()).into_owned();
                Err(End::Refused(format!("Protocol error from master: {text}")))
            }
        }
    }
}

/// A command of the stream was refused, so the data sets differ from here on. Said in Redis's words (`afterErrorReply`). What this
/// server does not know at all it must not skip, as its primary goes on to build upon it: the link is given up, and as the command
/// was not counted, it stands first in the stream of the next one.
fn differ(log: &NodeLog, error: &str, args: Args<'_>) -> Result<(), End> {
    let name = String::from_utf8_lossy(args.get(0).unwrap_or_default()).to_lowercase();
    log.warning(format_args!(
        "== CRITICAL == This replica is sending an error to its master: '{error}' after processing the command '{name}'"
    ));
    if error.starts_with("ERR unknown ") || error.starts_with("ERR Bad data format") {
        return Err(End::Refused(format!("The master's command '{name}' cannot be applied here")));
    }
    Ok(())
}

/// `REPLCONF GETACK *`.
fn is_getack(args: Args<'_>) -> bool {
    let is = |index, word: &[u8]| args.get(index).is_some_and(|arg: &[u8]| arg.eq_ignore_ascii_case(word));
    is(0, b"replconf") && is(1, b"getack")
}

impl Replication {
    /// Something came from the primary.
    fn touch_link(&self) {
        self.last_io_ms.store(self.now(), Ordering::Relaxed);
    }
}
