//! The operator's settings for a node, and the constants that Redis compiles in.
//!
//! A `Config` is a plain value: the server builds it from its directives and passes a changed copy to
//! [`crate::Gossip::set_config`] after CONFIG SET. Times are milliseconds. The comments of the constants give Redis's
//! names, because the rules that use them are known by those names.

use protocol::bus::IpText;

/// Milliseconds on the node's own clock: Unix time at start, then only forward.
///
/// The server derives it from a clock that goes on while the machine sleeps and that cannot be set back (wall clock at
/// start + boot time since). Everything below depends on that: a clock that jumps looks like a freeze.
pub type UnixMillis = i64;

/// How this node presents itself to the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announce {
    /// `cluster-announce-ip`; `None`: the node learns its address from the links of its peers.
    pub ip: Option<IpText>,
    /// The client port to announce (the TLS port in a TLS cluster).
    pub port: u16,
    /// The other client port: the plaintext one in a TLS cluster, else 0.
    pub secondary_port: u16,
    /// The cluster bus port to announce.
    pub bus_port: u16,
    /// `cluster-announce-hostname`; empty: none.
    pub hostname: String,
    /// `cluster-announce-human-nodename`; empty: none.
    pub human_nodename: String,
}

/// Directives that the cluster core reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub announce: Announce,
    /// `cluster-node-timeout`.
    pub node_timeout_ms: i64,
    /// `cluster-require-full-coverage`.
    pub require_full_coverage: bool,
    /// `cluster-allow-replica-migration`.
    pub allow_replica_migration: bool,
    /// `cluster-migration-barrier`.
    pub migration_barrier: usize,
    /// `cluster-replica-no-failover`.
    pub replica_no_failover: bool,
    /// `cluster-replica-validity-factor`; 0: replicas with data of any age may be elected.
    pub replica_validity_factor: i64,
    /// `repl-ping-replica-period`, in milliseconds.
    pub replica_ping_period_ms: i64,
    /// How long a manual failover may take (CLUSTER_MF_TIMEOUT).
    pub manual_failover_timeout_ms: i64,
    /// How long a primary that restarted with a known configuration waits before it serves (CLUSTER_WRITABLE_DELAY).
    /// May be 0 if the whole cluster restarts at once, so that no replica can have been promoted meanwhile.
    pub writable_delay_ms: i64,
    /// Test only: also counts votes of earlier elections, as Redis does. It lets the simulator prove that it detects a
    /// cluster with two winners.
    #[doc(hidden)]
    pub chaos_count_stale_votes: bool,
}

impl Config {
    /// Redis's defaults for a node that listens at `port` and `bus_port`.
    pub fn new(port: u16, bus_port: u16) -> Self {
        Self {
            announce: Announce {
                ip: None,
                port,
                secondary_port: 0,
                bus_port,
                hostname: String::new(),
                human_nodename: String::new(),
            },
            node_timeout_ms: 15_000,
            require_full_coverage: true,
            allow_replica_migration: true,
            migration_barrier: 1,
            replica_no_failover: false,
            replica_validity_factor: 10,
            replica_ping_period_ms: 10_000,
            manual_failover_timeout_ms: 5_000,
            writable_delay_ms: 2_000,
            chaos_count_stale_votes: false,
        }
    }

    /// How often the periodic work runs: ten times a second like `clusterCron`, more often with a short node timeout,
    /// so that the delay of a suspicion is a small part of the timeout.
    pub(crate) fn cron_period_ms(&self) -> i64 {
        (self.node_timeout_ms / 10).clamp(10, CRON_PERIOD_MS)
    }

    /// How long a node may stay in handshake.
    pub(crate) fn handshake_timeout_ms(&self) -> i64 {
        self.node_timeout_ms.max(MIN_HANDSHAKE_TIMEOUT_MS)
    }

    /// How long the votes of one election are awaited (`auth_timeout`).
    pub(crate) fn election_timeout_ms(&self) -> i64 {
        self.node_timeout_ms.saturating_mul(2).max(2_000)
    }

    /// How long a primary that had lost the majority refuses to serve after it found it again.
    pub(crate) fn rejoin_delay_ms(&self) -> i64 {
        self.node_timeout_ms.clamp(MIN_REJOIN_DELAY_MS, MAX_REJOIN_DELAY_MS)
    }
}

/// Period of `clusterCron`.
pub(crate) const CRON_PERIOD_MS: i64 = 100;
/// One random node is pinged this often, whatever the timeout.
pub(crate) const RANDOM_PING_PERIOD_MS: i64 = 1_000;
const MIN_HANDSHAKE_TIMEOUT_MS: i64 = 1_000;
/// CLUSTER_FAIL_REPORT_VALIDITY_MULT.
pub(crate) const FAIL_REPORT_VALIDITY_MULT: i64 = 2;
/// CLUSTER_FAIL_UNDO_TIME_MULT.
pub(crate) const FAIL_UNDO_TIME_MULT: i64 = 2;
/// CLUSTER_MF_PAUSE_MULT.
pub(crate) const MF_PAUSE_MULT: i64 = 2;
/// CLUSTER_SLAVE_MIGRATION_DELAY.
pub(crate) const REPLICA_MIGRATION_DELAY_MS: i64 = 5_000;
const MAX_REJOIN_DELAY_MS: i64 = 5_000;
const MIN_REJOIN_DELAY_MS: i64 = 500;
/// CLUSTER_BLACKLIST_TTL.
pub(crate) const BAN_MS: i64 = 60_000;
/// CLUSTER_CANT_FAILOVER_RELOG_PERIOD.
pub(crate) const CANT_FAILOVER_RELOG_MS: i64 = 300_000;

/// Bounds on what peers can make this node store. No working cluster reaches them (Redis recommends at most 1,000
/// nodes).
pub(crate) const MAX_NODES: usize = 16_384;
pub(crate) const MAX_HANDSHAKES: usize = 1_024;
pub(crate) const MAX_BANS: usize = 1_024;
/// How many unanswered pings a link remembers; only a few are ever in flight.
pub(crate) const MAX_PINGS_IN_FLIGHT: usize = 64;
/// Bytes that wait for a link that is still connecting.
pub(crate) const MAX_LINK_QUEUE_BYTES: usize = 1 << 20;
