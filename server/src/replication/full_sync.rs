//! A snapshot for replicas: the same bytes for all that waited at the cut, each at its own pace ([`super::supply`]).

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use protocol::rdb::opcode;

use super::Replication;
use super::core::{Core, Replica};
use super::history::ReplId;
use super::supply::{Outlet, Supply};
use crate::config::ids;
use crate::engine::Engine;
use crate::persistence::rdb_writer::{RdbWriter, SavedHistory};
use crate::persistence::snapshot::{Announce, SnapshotJob};
use crate::persistence::temporary;
use crate::runtime::process::Process;
use crate::session::client::ClientId;

/// How often a snapshot without a file checks whether its replicas have taken the bytes in memory.
const LOOK: Duration = Duration::from_millis(5);

struct Target {
    id: ClientId,
    outlet: Arc<Outlet>,
    /// A mark ends the snapshot. Otherwise the length comes first, so the bytes are held back until it is known.
    marked: bool,
    /// The newest version of a file that the replica is known to read.
    readable: u16,
}

/// One full sync.
pub(super) struct SyncJob {
    replication: Arc<Replication>,
    targets: Vec<Target>,
    mark: ReplId,
    supply: Arc<Supply>,
}

/// The line before a snapshot.
fn head(core: &Core, replica: &Replica, mark: &ReplId) -> Vec<u8> {
    let mut head = Vec::new();
    if !replica.old_protocol {
        head.extend_from_slice(b"+FULLRESYNC ");
        head.extend_from_slice(&core.history.id);
        head.extend_from_slice(format!(" {}\r\n", core.history.offset).as_bytes());
    }
    if replica.facts.capa_eof {
        head.extend_from_slice(b"$EOF:");
        head.extend_from_slice(mark);
        head.extend_from_slice(b"\r\n");
    }
    head
}

/// The whole snapshot for a replica that wants no keys (REPLCONF rdb-filter-only): functions, if it wants these.
pub(super) fn without_keys(engine: &Engine, core: &Core, replica: &Replica, mark: ReplId, outlet: &Outlet) {
    let config = &engine.config;
    let mut out = RdbWriter::new(config.bool(ids::RDBCOMPRESSION), config.bool(ids::RDBCHECKSUM));
    let stream_db = match &core.following {
        Some(following) => following.db,
        None => core.selected.unwrap_or(0),
    };
    let history =
        SavedHistory { stream_db: stream_db as i64, repl_id: core.history.id, repl_offset: core.history.offset };
    let version = engine.config.string(ids::SERVER_VERSION_ANNOUNCED);
    out.header(opcode::VERSION, &version, engine.clock.now_ms() / 1000, Process::memory().resident, Some(&history));
    if replica.facts.rdb_filter_functions {
        out.functions(&engine.scripts.functions.current());
    }
    let all = [head(core, replica, &mark), out.finish(), mark.to_vec()].concat();
    outlet.head(Bytes::from(all));
    outlet.open(&Arc::default());
    outlet.end([]);
}

impl SyncJob {
    pub(super) fn new(replication: Arc<Replication>, mark: ReplId) -> Self {
        Self { replication, targets: Vec::new(), mark, supply: Arc::default() }
    }

    /// The first byte that any link still wants; `None`: no link is left.
    fn wanted(&self) -> Option<u64> {
        self.targets.iter().filter_map(|target| target.outlet.wanted()).min()
    }

    /// Keeps memory within its bound: with a file, or by waiting for the slowest replica.
    fn make_room(&self) -> io::Result<()> {
        let engine = &self.replication.engine;
        loop {
            let wanted = self.wanted();
            if wanted.is_none() {
                return Err(io::Error::new(io::ErrorKind::BrokenPipe, "no replica is left"));
            }
            if self.supply.shrink(wanted, || temporary::nameless(&engine.config.path(ids::DBFILENAME))) {
                return Ok(());
            }
            // A replica that needs the length first takes nothing until the end; without a file, it could never be
            // served.
            let unserved = |target: &&Target| !target.marked && target.outlet.wanted().is_some();
            for target in self.targets.iter().filter(unserved) {
                engine.log.warning(format_args!("Can't keep a snapshot on disk for a replica that needs its length"));
                target.outlet.fail();
                target.outlet.leave();
            }
            self.replication.persistence.snapshots.is_cancelled()?;
            if engine.state.stopping.load(Ordering::Relaxed) || !engine.state.tasks.wait_turn() {
                return Err(io::Error::new(io::ErrorKind::Interrupted, "cancelled"));
            }
            std::thread::sleep(LOOK);
        }
    }

    fn end(&self) {
        for target in &self.targets {
            if target.marked {
                target.outlet.end([Bytes::copy_from_slice(&self.mark)]);
            } else {
                target.outlet.head(Bytes::from(format!("${}\r\n", self.supply.len())));
                target.outlet.open(&self.supply);
                target.outlet.end([]);
            }
        }
    }
}

impl SnapshotJob for SyncJob {
    fn is_save(&self) -> bool {
        false
    }

    fn at_cut(&mut self) {
        let replication = &self.replication;
        let mut core = replication.core.lock();
        let mut sources = replication.sources.lock();
        for id in core.cut() {
            let (Some(replica), Some(outlet)) = (core.replicas.get(&id), sources.remove(&id)) else { continue };
            let marked = replica.facts.capa_eof;
            outlet.head(Bytes::from(head(&core, replica, &self.mark)));
            if marked {
                outlet.open(&self.supply);
            }
            self.targets.push(Target { id, outlet, marked, readable: replica.facts.readable() });
        }
        self.replication.engine.log.notice(format_args!("Starting BGSAVE for SYNC with target: replicas sockets"));
    }

    fn readable(&self) -> u16 {
        self.targets.iter().map(|target| target.readable).min().unwrap_or(opcode::VERSION)
    }

    fn chunk(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        self.supply.push(Bytes::from(bytes));
        for target in self.targets.iter().filter(|target| target.marked) {
            target.outlet.wake();
        }
        self.make_room()
    }

    fn finish(self: Box<Self>, result: io::Result<()>) -> Announce {
        match result {
            Ok(()) => {
                self.end();
                self.replication.engine.log.notice(format_args!("Background RDB transfer terminated with success"));
            }
            Err(error) => {
                self.replication.engine.log.warning(format_args!("Background transfer error: {error}"));
                for target in &self.targets {
                    target.outlet.fail();
                    self.replication.drop_replica(target.id);
                }
            }
        }
        let replication = self.replication.clone();
        if self.targets.is_empty() {
            // It ended before its cut: no replica was served, and another one may be ordered.
            replication.core.lock().sync_ordered = false;
        }
        drop(self);
        Box::new(move || {
            // Replicas that came too late for this one.
            if !replication.engine.state.stopping.load(Ordering::Relaxed) {
                replication.order_sync(true);
            }
        })
    }
}
