//! Directives about primaries and replicas.

use super::persistence;
use crate::config::directive::{
    Default, Directive, Kind, LATER, Names, boolean, choice, directives, int, memory, optional, secret,
};

const INT_MAX: i64 = i32::MAX as i64;
const LONG_MAX: u64 = i64::MAX as u64;

/// Valkey's `flush-before-load` allows the memory of one data set only, so it is the file here.
const DISKLESS_LOAD: Names = &[("disabled", 0), ("on-empty-db", 1), ("swapdb", 2), LATER, ("flush-before-load", 3)];

directives! {
    first = persistence::END;
    /// The primary that this node copies; `no one` for none. REPLICAOF and CLUSTER REPLICATE change it.
    REPLICAOF = Directive::new("replicaof", Kind::Primary, Default::Unset).alias("slaveof").immutable();
    /// Password for the primary.
    MASTERAUTH = secret("masterauth").also("primaryauth");
    /// User for the primary.
    MASTERUSER = optional("masteruser").sensitive().also("primaryuser");
    /// Replicas refuse writes of clients.
    REPLICA_READ_ONLY = boolean("replica-read-only", true).alias("slave-read-only");
    /// Replicas that have lost their primary serve what they have.
    REPLICA_SERVE_STALE_DATA = boolean("replica-serve-stale-data", true).alias("slave-serve-stale-data");
    /// Lower values are preferred by Sentinel; 0 is never promoted.
    REPLICA_PRIORITY = int("replica-priority", 0, INT_MAX, 100).alias("slave-priority");
    /// Address that a replica tells its primary.
    REPLICA_ANNOUNCE_IP = optional("replica-announce-ip").alias("slave-announce-ip");
    /// Port that a replica tells its primary; 0 for its real one.
    REPLICA_ANNOUNCE_PORT = int("replica-announce-port", 0, 65535, 0).alias("slave-announce-port");
    /// Whether Sentinel shows this replica.
    REPLICA_ANNOUNCED = boolean("replica-announced", true);
    /// Free the old data in the background when a full sync replaces it.
    REPLICA_LAZY_FLUSH = boolean("replica-lazy-flush", false).alias("slave-lazy-flush");
    /// Whether a writable replica accepts writes of its clients beyond maxmemory. Replicas leave eviction to their
    /// primary.
    REPLICA_IGNORE_MAXMEMORY = boolean("replica-ignore-maxmemory", true).alias("slave-ignore-maxmemory");
    /// Replicas go on although they cannot write to disk.
    REPLICA_IGNORE_DISK_WRITE_ERRORS = boolean("replica-ignore-disk-write-errors", false).no_effect();
    /// Bytes of the stream that are kept for replicas that come back.
    REPL_BACKLOG_SIZE = memory("repl-backlog-size", 1, LONG_MAX, 1 << 20);
    /// Seconds without replicas after which the backlog is dropped; 0 keeps it.
    REPL_BACKLOG_TTL = int("repl-backlog-ttl", 0, i64::MAX, 3600);
    /// Seconds of silence after which a replication link counts as dead.
    REPL_TIMEOUT = int("repl-timeout", 1, INT_MAX, 60);
    /// Seconds between pings to replicas.
    REPL_PING_REPLICA_PERIOD = int("repl-ping-replica-period", 1, INT_MAX, 10).alias("repl-ping-slave-period");
    /// Save bandwidth on replication links at the price of delay.
    REPL_DISABLE_TCP_NODELAY = boolean("repl-disable-tcp-nodelay", false);
    /// Send full syncs without a file. slotd does, to replicas that are fast enough, and keeps a file for the others.
    REPL_DISKLESS_SYNC = boolean("repl-diskless-sync", true).no_effect();
    /// Seconds that a full sync waits for more replicas.
    REPL_DISKLESS_SYNC_DELAY = int("repl-diskless-sync-delay", 0, INT_MAX, 5);
    /// Start the full sync as soon as so many replicas wait; 0 for no limit.
    REPL_DISKLESS_SYNC_MAX_REPLICAS = int("repl-diskless-sync-max-replicas", 0, INT_MAX, 0);
    /// Where a full sync waits until all of it is there: in a file, or (`swapdb`; `on-empty-db` if there are no keys)
    /// as keys beside the old ones.
    REPL_DISKLESS_LOAD = choice("repl-diskless-load", DISKLESS_LOAD, 0).deny_loading();
    /// Refuse writes with fewer good replicas than this.
    MIN_REPLICAS_TO_WRITE = int("min-replicas-to-write", 0, INT_MAX, 0).alias("min-slaves-to-write");
    /// Seconds of silence after which a replica is no good one.
    MIN_REPLICAS_MAX_LAG = int("min-replicas-max-lag", 0, INT_MAX, 10).alias("min-slaves-max-lag");
}
