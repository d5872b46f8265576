//! The link to one replica, from PSYNC on: a task on the control thread that owns its socket.
//!
//! It writes what the snapshot's thread supplies, then what the stream holds. It reads acknowledgements and nothing
//! else, so a replica's link never runs a command here.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, Bytes};
use protocol::resp::limits::Limits;
use protocol::resp::request::{Parsed, RequestParser};
use protocol::resp::{ArgVec, Args};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::Replication;
use super::core::{Ack, Phase, Replica};
use super::supply::{Reader, SyncPart};
use crate::config::ids;
use crate::session::client::ClientHandle;

/// Bytes taken from the stream at once.
const OUTPUT_AT_ONCE: usize = 256 * 1024;
/// Buffers in one write.
const SLICES: usize = 64;
/// A replica sends little; a longer incomplete request is invalid.
const MAX_INPUT: usize = 64 * 1024;

/// A connection that became a replica's link.
pub(super) struct Link {
    pub replication: Arc<Replication>,
    pub handle: Arc<ClientHandle>,
    pub stream: TcpStream,
    /// Bytes read after PSYNC.
    pub input: Vec<u8>,
    /// Parts of the snapshot, if it needs one.
    pub source: Option<Reader>,
    pub wake: Arc<Notify>,
    pub out: VecDeque<Bytes>,
}

/// The parser continues where it stopped, with the words it has.
struct Intake {
    parser: RequestParser,
    words: ArgVec,
}

enum Event {
    Readable,
    Writable,
    Part(SyncPart),
    Woken,
    Tick,
    Killed,
}

/// Resolves when the client is killed (CLIENT KILL, output limit, role change).
pub(super) async fn killed(handle: &ClientHandle) {
    poll_fn(|cx| {
        handle.register(cx.waker());
        if handle.is_killed() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

impl Link {
    /// Serves the replica until either side closes the link.
    pub(super) async fn run(mut self) {
        let batch = self.replication.engine.config.bool(ids::REPL_DISABLE_TCP_NODELAY);
        let _ = self.stream.set_nodelay(!batch);
        let mut ended = false;
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut progress = tokio::time::Instant::now();
        let mut intake = Intake { parser: RequestParser::new(), words: ArgVec::new() };
        if !self.read_acks(&mut intake) {
            ended = true;
        }
        while !ended {
            if self.out.is_empty()
                && !self.replication.core.lock().output(self.handle.id, OUTPUT_AT_ONCE, &mut self.out)
            {
                break;
            }
            match self.next(&mut ticks).await {
                Event::Killed => ended = true,
                Event::Readable => ended = !self.read(&mut intake),
                Event::Writable => match self.write() {
                    Ok(()) => progress = tokio::time::Instant::now(),
                    Err(_) => ended = true,
                },
                Event::Part(SyncPart::Bytes(bytes)) => self.out.push_back(bytes),
                Event::Part(SyncPart::End) => {
                    self.source = None;
                    self.snapshot_sent().await;
                }
                Event::Part(SyncPart::Failed) => ended = true,
                Event::Woken => {}
                Event::Tick => {
                    let timeout = self.replication.engine.config.int(ids::REPL_TIMEOUT) as u64;
                    if self.out.is_empty() {
                        progress = tokio::time::Instant::now();
                        self.keep_alive();
                    } else if progress.elapsed() > Duration::from_secs(timeout) {
                        self.log_timeout();
                        ended = true;
                    }
                }
            }
        }
        self.replication.lost_replica(self.handle.id);
    }

    async fn next(&mut self, ticks: &mut tokio::time::Interval) -> Event {
        let (source, has_source) = (&self.source, self.out.len() < 4);
        tokio::select! {
            () = killed(&self.handle) => Event::Killed,
            ready = self.stream.readable() => if ready.is_ok() { Event::Readable } else { Event::Killed },
            ready = self.stream.writable(), if !self.out.is_empty() => {
                if ready.is_ok() { Event::Writable } else { Event::Killed }
            }
            part = next_part(source.as_ref()), if has_source => Event::Part(part),
            () = self.wake.notified(), if self.out.is_empty() => Event::Woken,
            _ = ticks.tick() => Event::Tick,
        }
    }

    fn log_timeout(&self) {
        let core = self.replication.core.lock();
        if let Some(replica) = core.replicas.get(&self.handle.id) {
            let name = replica.name();
            self.replication.engine.log.warning(format_args!("Disconnecting timedout replica (full sync): {name}"));
        }
    }

    /// While the replica waits for its snapshot to begin, it gets a newline from time to time.
    fn keep_alive(&mut self) {
        let waiting = |replica: &Replica| replica.phase == Phase::Waiting;
        if self.replication.core.lock().replicas.get(&self.handle.id).is_some_and(waiting) {
            self.out.push_back(Bytes::from_static(b"\n"));
        }
    }

    /// All parts of the snapshot are in `out`: write them, then let the stream follow.
    async fn snapshot_sent(&mut self) {
        while !self.out.is_empty() {
            let timeout = Duration::from_secs(self.replication.engine.config.int(ids::REPL_TIMEOUT) as u64);
            let ready = tokio::select! {
                () = killed(&self.handle) => return,
                ready = tokio::time::timeout(timeout, self.stream.writable()) => matches!(ready, Ok(Ok(()))),
            };
            if !ready || self.write().is_err() {
                self.handle.kill();
                return;
            }
        }
        self.replication.snapshot_sent(self.handle.id);
    }

    fn write(&mut self) -> io::Result<()> {
        loop {
            self.out.retain(|bytes| !bytes.is_empty());
            if self.out.is_empty() {
                return Ok(());
            }
            let result = {
                let slices: smallvec::SmallVec<[IoSlice<'_>; SLICES]> =
                    self.out.iter().take(SLICES).map(|bytes| IoSlice::new(bytes)).collect();
                self.stream.try_write_vectored(&slices)
            };
            let mut written = match result {
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            self.replication.engine.stats.net_repl_output_bytes.fetch_add(written as u64, Ordering::Relaxed);
            while written > 0 {
                let Some(first) = self.out.front_mut() else { break };
                let part = written.min(first.len());
                first.advance(part);
                written -= part;
                if first.is_empty() {
                    self.out.pop_front();
                }
            }
        }
    }

    /// Reads what has arrived. `false`: the link is over.
    fn read(&mut self, intake: &mut Intake) -> bool {
        let mut chunk = [0; 4096];
        match self.stream.try_read(&mut chunk) {
            Ok(0) => false,
            Ok(count) => {
                self.input.extend_from_slice(&chunk[..count]);
                let now = self.replication.engine.clock.now_ms();
                self.handle.stats.last_interaction_ms.store(now, Ordering::Relaxed);
                self.read_acks(intake)
            }
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }

    /// Takes the acknowledgements out of the input. `false`: the peer is not a replica.
    fn read_acks(&mut self, intake: &mut Intake) -> bool {
        let mut used = 0;
        loop {
            let rest = &mut self.input[used..];
            match intake.parser.parse(rest, &Limits::authenticated(MAX_INPUT as u64), &mut intake.words) {
                Ok(Parsed::Command { consumed }) => {
                    let args = Args::new(&rest[..consumed], &intake.words);
                    if let Some(command) = self.replication.engine.registry.find_first(args) {
                        self.handle.stats.last_command.store(command.index as u32 + 1, Ordering::Relaxed);
                    }
                    if let Some(ack) = acknowledged(args) {
                        self.replication.acknowledge(self.handle.id, ack);
                    }
                    used += consumed;
                }
                // A newline shows that the replica is alive: it is loading.
                Ok(Parsed::Empty { consumed }) => {
                    used += consumed;
                    self.replication.heard_of(self.handle.id);
                }
                Ok(Parsed::Incomplete { .. }) => break,
                Err(_) => return false,
            }
        }
        self.input.drain(..used);
        self.input.len() <= MAX_INPUT
    }
}

async fn next_part(source: Option<&Reader>) -> SyncPart {
    match source {
        Some(reader) => reader.0.next().await,
        None => std::future::pending().await,
    }
}

/// What `REPLCONF ACK <offset> [FACK <offset>]` says.
fn acknowledged(args: Args<'_>) -> Option<Ack> {
    let is = |index, word: &[u8]| args.get(index).is_some_and(|arg: &[u8]| arg.eq_ignore_ascii_case(word));
    let number = |index| std::str::from_utf8(args.get(index)?).ok()?.parse().ok();
    if !is(0, b"replconf") || !is(1, b"ack") {
        return None;
    }
    Some(Ack { offset: number(2)?, in_file: if is(3, b"fack") { number(4) } else { None } })
}
