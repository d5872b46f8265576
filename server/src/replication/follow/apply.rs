//! The stream of the primary: its commands are applied and counted, and acknowledgements are sent back.
//!
//! Bytes are counted once everything they belong to is applied: a transaction as a whole. Commands held back by a pause
//! stay in the buffer. A link that was killed (CLIENT KILL) applies nothing more, whatever it has read before: the
//! replica must not get ahead of the offset at which it was cut off, since that decides who wins an election.

use std::sync::atomic::Ordering;
use std::time::Duration;

use protocol::resp::limits::Limits;
use protocol::resp::request::{Parsed, RequestParser};
use protocol::resp::{ArgVec, Args};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::FollowTask;
use super::wire::{End, READ_CHUNK, Wire};
use crate::base::number::parse_i64;
use crate::command::error::BAD_DATA_FORMAT;
use crate::engine::Engine;
use crate::engine::held::Held;
use crate::logging::NodeLog;
use crate::replication::serve::killed;
use crate::session::Session;

/// Interval between unsolicited acknowledgements.
const ACK_PERIOD: Duration = Duration::from_secs(1);
/// The same until the primary has sent something, for the first [`EARLY_ACKS`] of them. A stock primary accepts
/// acknowledgements only after it has noticed, within its 100 ms, that the process which wrote the snapshot has ended.
/// The acknowledgement after loading a small snapshot comes too early for it, and until the next one the replica would
/// get no writes.
const EARLY_ACK_PERIOD: Duration = Duration::from_millis(100);
const EARLY_ACKS: u32 = 10;
/// How many bytes of the stream are read while a pause holds it back.
const MAX_HELD: usize = 16 * 1024 * 1024;

impl FollowTask {
    /// Applies the stream until the link ends.
    pub(super) async fn stream(&self, wire: &mut Wire, session: &mut Session) -> Result<std::convert::Infallible, End> {
        let mut applier = Applier::default();
        let mut early_acks = EARLY_ACKS;
        let mut ticks = tokio::time::interval(ACK_PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        // After a full sync, the primary waits for this acknowledgement before it sends the stream.
        self.send_ack(wire).await?;
        let handle = session.handle.clone();
        loop {
            let run = applier.run(self, wire, session)?;
            self.replication.unapplied.store(wire.buffer.len(), Ordering::Relaxed);
            if run.asked {
                self.send_ack(wire).await?;
            }
            let full = run.held.is_some() && wire.buffer.len() > MAX_HELD;
            if full {
                // The primary takes care of its own buffer meanwhile; but its silence is due to us.
                heard = Instant::now();
            }
            wire.buffer.reserve(READ_CHUNK);
            let engine = &self.replication.engine;
            tokio::select! {
                () = killed(&handle) => return Err(End::killed()),
                () = engine.held_over(run.held.unwrap_or(Held::Pause(0))), if run.held.is_some() => {}
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

    pub(super) async fn send_ack(&self, wire: &mut Wire) -> Result<(), End> {
        let offset = self.replication.offset().to_string();
        let ack = format!("*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n${}\r\n{offset}\r\n", offset.len());
        wire.stream.write_all(ack.as_bytes()).await?;
        Ok(())
    }
}

/// Takes commands out of the stream. Bytes are counted once everything they belong to is applied: a transaction as a
/// whole.
#[derive(Default)]
struct Applier {
    parser: RequestParser,
    /// Words of a command that is incomplete or held; the parser continues with them.
    words: ArgVec,
    /// Bytes of the buffer that were executed or queued, but are not counted yet.
    parsed: usize,
    /// Length of the next command, which is held back.
    held: Option<usize>,
}

/// The result of applying.
struct Run {
    /// The primary asked for an acknowledgement.
    asked: bool,
    /// What holds the next command back.
    held: Option<Held>,
}

impl Applier {
    /// Applies all complete commands that are not held back.
    fn run(&mut self, task: &FollowTask, wire: &mut Wire, session: &mut Session) -> Result<Run, End> {
        let replication = &task.replication;
        let engine = &replication.engine;
        let mut scratch = Vec::new();
        let mut run = Run { asked: false, held: None };
        // Bytes that are already counted.
        let mut counted = 0;
        let limits = Limits::authenticated(engine.hot.load().proto_max_bulk_len);
        loop {
            let rest = &mut wire.buffer[self.parsed..];
            let Some(used) = self.next_command(rest, &limits)? else { break };
            let args = Args::new(&rest[..used], &self.words);
            // A change of the role, or a cut, has it, and may be waiting for a long command. This worker has other
            // clients.
            let Some(_applying) = replication.applying.try_lock() else {
                self.held = Some(used);
                run.held = Some(Held::Gate(session.gate));
                break;
            };
            if replication.generation.load(Ordering::SeqCst) != task.target.generation {
                return Err(End::Stale);
            }
            if session.handle.is_killed() {
                return Err(End::killed());
            }
            if is_getack(args) {
                run.asked = true;
            } else if !args.is_empty() {
                require_database(engine, args)?;
                scratch.clear();
                run.held = engine.apply(session, args, &mut scratch);
                if run.held.is_some() {
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

/// A command of the stream was refused, so the data sets differ from here on; logged in Redis's words
/// (`afterErrorReply`). A command that this server does not know must not be skipped, since its primary goes on to
/// build upon it: the link is closed, and as the command was not counted, it comes first in the next stream.
fn differ(log: &NodeLog, error: &str, args: Args<'_>) -> Result<(), End> {
    let name = String::from_utf8_lossy(args.get(0).unwrap_or_default()).to_lowercase();
    log.warning(format_args!(
        "== CRITICAL == This replica is sending an error to its master: '{error}' after processing the command '{name}'"
    ));
    if error.starts_with("ERR unknown command")
        || error.starts_with("ERR unknown subcommand")
        || error.as_bytes() == BAD_DATA_FORMAT.as_bytes()
    {
        return Err(End::Refused(format!("The master's command '{name}' cannot be applied here")));
    }
    Ok(())
}

/// Ends the link if the primary selects a database that this node does not have: what follows must not get into another
/// one. (In Redis and Valkey it does.)
fn require_database(engine: &Engine, args: Args<'_>) -> Result<(), End> {
    let Some(number) = args.get(1).filter(|_| args[0].eq_ignore_ascii_case(b"select")) else { return Ok(()) };
    let databases = engine.keyspace.databases();
    if parse_i64(number).and_then(|number| usize::try_from(number).ok()).is_some_and(|db| db < databases) {
        return Ok(());
    }
    let shown = String::from_utf8_lossy(number);
    Err(End::Refused(format!("== CRITICAL == The master writes to database {shown}, and this server has {databases}")))
}

/// `REPLCONF GETACK *`.
fn is_getack(args: Args<'_>) -> bool {
    let is = |index, word: &[u8]| args.get(index).is_some_and(|arg: &[u8]| arg.eq_ignore_ascii_case(word));
    is(0, b"replconf") && is(1, b"getack")
}
