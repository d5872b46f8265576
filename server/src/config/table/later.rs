//! Directives that came after Redis 7.0: in 7.2, in 8, and in Valkey up to 9.1.
//!
//! Their tools ask for them (`valkey-cli --cluster reshard` wants `cluster-databases`) and their configuration files
//! contain them. So they are known, with the ranges and texts of the version that introduced them. They are hidden:
//! `CONFIG GET *` stays that of Redis 7.0. New names for older directives are declared with those (`also`).

use super::{checks, cluster};
use crate::base::limits::DATABASES_MAX;
use crate::config::directive::{boolean, choice, directives, int, memory, optional, text};

const INT_MAX: i64 = i32::MAX as i64;
const LONG_MAX: u64 = i64::MAX as u64;

directives! {
    first = cluster::END;
    /// Valkey 9: number of databases of a cluster node.
    CLUSTER_DATABASES = int("cluster-databases", 1, DATABASES_MAX, 1).immutable().hidden();
    /// Valkey 9: milliseconds that CLUSTER FAILOVER may take.
    CLUSTER_MANUAL_FAILOVER_TIMEOUT = int("cluster-manual-failover-timeout", 1, INT_MAX, 5000).hidden();
    /// Valkey 8.1: seconds that CLUSTER FORGET keeps a node away. slotd's are 60.
    CLUSTER_BLACKLIST_TTL = int("cluster-blacklist-ttl", 0, i64::MAX, 60).hidden().no_effect();
    /// Valkey 9: what happens when nodes.conf cannot be written. slotd ends, as Redis does.
    CLUSTER_CONFIG_SAVE_BEHAVIOR =
        choice("cluster-config-save-behavior", &[("sync", 0), ("best-effort", 1)], 0).hidden().no_effect();
    /// Valkey 8.1: IPv4 address that clients are given.
    CLUSTER_ANNOUNCE_CLIENT_IPV4 =
        optional("cluster-announce-client-ipv4").hidden().check_text(checks::ipv4_address).no_effect();
    /// Valkey 8.1: IPv6 address that clients are given.
    CLUSTER_ANNOUNCE_CLIENT_IPV6 =
        optional("cluster-announce-client-ipv6").hidden().check_text(checks::ipv6_address).no_effect();
    /// Valkey 9: port that clients are given.
    CLUSTER_ANNOUNCE_CLIENT_PORT = int("cluster-announce-client-port", 0, 65535, 0).hidden().no_effect();
    /// Valkey 9: TLS port that clients are given.
    CLUSTER_ANNOUNCE_CLIENT_TLS_PORT = int("cluster-announce-client-tls-port", 0, 65535, 0).hidden().no_effect();
    /// Valkey 8: count CPU time and traffic of every slot, for CLUSTER SLOT-STATS.
    CLUSTER_SLOT_STATS_ENABLED = boolean("cluster-slot-stats-enabled", false).hidden();
    /// Valkey 9: length of the log of atomic slot migrations.
    CLUSTER_SLOT_MIGRATION_LOG_MAX_LEN =
        int("cluster-slot-migration-log-max-len", 0, i64::MAX, 1000).hidden().no_effect();
    /// Valkey 9: bytes that may be left to send when an atomic slot migration pauses its source.
    SLOT_MIGRATION_MAX_FAILOVER_REPL_BYTES =
        memory("slot-migration-max-failover-repl-bytes", 0, LONG_MAX, 0).hidden().no_effect();
    /// Redis 7.4: milliseconds between two random pings of the bus; 0 for the default.
    CLUSTER_PING_INTERVAL = int("cluster-ping-interval", 0, i64::MAX, 0).hidden().no_effect();
    /// Valkey 9: percentage of the nodes that a packet of the bus mentions.
    CLUSTER_MESSAGE_GOSSIP_PERC = int("cluster-message-gossip-perc", 1, 100, 10).hidden().no_effect();
    /// Redis 8: share of commands that are checked for being fit for a cluster.
    CLUSTER_COMPATIBILITY_SAMPLE_RATIO = int("cluster-compatibility-sample-ratio", 0, 100, 0).hidden().no_effect();
    /// Valkey 8: send a full sync over a connection of its own.
    DUAL_CHANNEL_REPLICATION_ENABLED = boolean("dual-channel-replication-enabled", false).hidden().no_effect();
    /// Redis 8: the same.
    REPL_RDB_CHANNEL = boolean("repl-rdb-channel", false).hidden().no_effect();
    /// Redis 8: the most bytes of the stream that a replica keeps while it receives a full sync.
    REPLICA_FULL_SYNC_BUFFER_LIMIT = memory("replica-full-sync-buffer-limit", 0, LONG_MAX, 0).hidden().no_effect();
    /// Valkey 9: multipath TCP for clients.
    MPTCP = boolean("mptcp", false).immutable().hidden().no_effect();
    /// Valkey 9: multipath TCP for replication.
    REPL_MPTCP = boolean("repl-mptcp", false).immutable().hidden().no_effect();
    /// Redis 8: connections that are accepted at a time.
    MAX_NEW_CONNECTIONS_PER_CYCLE = int("max-new-connections-per-cycle", 1, 1000, 10).hidden().no_effect();
    /// Redis 8: TLS connections that are accepted at a time.
    MAX_NEW_TLS_CONNECTIONS_PER_CYCLE = int("max-new-tls-connections-per-cycle", 1, 1000, 1).hidden().no_effect();
    /// Valkey 8: requests whose keys are fetched ahead at a time.
    PREFETCH_BATCH_MAX_SIZE = int("prefetch-batch-max-size", 0, 128, 16).hidden().no_effect();
    /// Valkey 8: keep all I/O threads running.
    IO_THREADS_ALWAYS_ACTIVE = boolean("io-threads-always-active", false).hidden().no_effect();
    /// Valkey 9: I/O threads from which on replies are not copied.
    MIN_IO_THREADS_AVOID_COPY_REPLY = int("min-io-threads-avoid-copy-reply", 0, INT_MAX, 7).hidden().no_effect();
    /// Valkey 9: length from which on a string is not copied into a reply.
    MIN_STRING_SIZE_AVOID_COPY_REPLY = int("min-string-size-avoid-copy-reply", 0, INT_MAX, 16384).hidden().no_effect();
    /// Valkey 9: the same with I/O threads.
    MIN_STRING_SIZE_AVOID_COPY_REPLY_THREADED =
        int("min-string-size-avoid-copy-reply-threaded", 0, INT_MAX, 65536).hidden().no_effect();
    /// Redis 8, Valkey 8: leave what users stored out of the log. slotd never logs it.
    HIDE_USER_DATA_FROM_LOG = boolean("hide-user-data-from-log", true).hidden().no_effect();
    /// Valkey 8.1: form of the time in a line of the log.
    LOG_TIMESTAMP_FORMAT =
        choice("log-timestamp-format", &[("legacy", 0), ("iso8601", 1), ("milliseconds", 2)], 0).hidden().no_effect();
    /// Valkey 8.1: bytes from which on a request is logged; -1 for never.
    COMMANDLOG_REQUEST_LARGER_THAN =
        int("commandlog-request-larger-than", -1, i64::MAX, 1 << 20).hidden().no_effect();
    /// Valkey 8.1: length of the log of large requests.
    COMMANDLOG_LARGE_REQUEST_MAX_LEN =
        int("commandlog-large-request-max-len", 0, i64::MAX, 128).hidden().no_effect();
    /// Valkey 8.1: bytes from which on a reply is logged; -1 for never.
    COMMANDLOG_REPLY_LARGER_THAN = int("commandlog-reply-larger-than", -1, i64::MAX, 1 << 20).hidden().no_effect();
    /// Valkey 8.1: length of the log of large replies.
    COMMANDLOG_LARGE_REPLY_MAX_LEN = int("commandlog-large-reply-max-len", 0, i64::MAX, 128).hidden().no_effect();
    /// Valkey 8: where this node stands, for clients.
    AVAILABILITY_ZONE = text("availability-zone", "").hidden().no_effect();
    /// Valkey 8: say "redis" where Valkey would say its own name. slotd says what Redis says.
    EXTENDED_REDIS_COMPATIBILITY = boolean("extended-redis-compatibility", false).hidden().no_effect();
    /// Valkey 8.1: data are being imported, so nothing expires.
    IMPORT_MODE = boolean("import-mode", false).hidden().no_effect();
    /// Valkey 8.1: whether files of newer versions are loaded.
    RDB_VERSION_CHECK = choice("rdb-version-check", &[("strict", 0), ("relaxed", 1)], 0).hidden().no_effect();
    /// Valkey 9: seed of the hash function.
    HASH_SEED = text("hash-seed", "").immutable().hidden().sensitive().no_effect();
    /// Valkey 8: microseconds of one cycle of defragmentation.
    ACTIVE_DEFRAG_CYCLE_US = int("active-defrag-cycle-us", 0, 100_000, 500).hidden().no_effect();
    /// Redis 7.4: functions that scripts should not use any more.
    LUA_ENABLE_DEPRECATED_API = boolean("lua-enable-deprecated-api", false).immutable().hidden().no_effect();
    /// Valkey 8: functions that scripts must not use.
    LUA_ENABLE_INSECURE_API = boolean("lua-enable-insecure-api", false).protected().hidden().no_effect();
    /// Valkey 8.1: group of the Unix socket.
    UNIXSOCKETGROUP = optional("unixsocketgroup").immutable().hidden().no_effect();
    /// Valkey 9: take a TLS client's user from its certificate.
    TLS_AUTH_CLIENTS_USER =
        choice("tls-auth-clients-user", &[("CN", 1), ("URI", 2), ("off", 0)], 0).hidden().no_effect();
    /// Valkey 9: seconds after which certificates are read again; 0 for never.
    TLS_AUTO_RELOAD_INTERVAL = int("tls-auto-reload-interval", 0, INT_MAX, 0).hidden().no_effect();
    /// Valkey 8.1: port for RDMA; 0 for none.
    RDMA_PORT = int("rdma-port", 0, 65535, 0).hidden().no_effect();
    /// Valkey 8.1: addresses for RDMA.
    RDMA_BIND = optional("rdma-bind").hidden().no_effect();
    /// Valkey 8.1: bytes of an RDMA buffer.
    RDMA_RX_SIZE = int("rdma-rx-size", 64 * 1024, 16 << 20, 1 << 20).immutable().hidden().no_effect();
    /// Valkey 8.1: completion vector for RDMA; -1 for any.
    RDMA_COMPLETION_VECTOR = int("rdma-completion-vector", -1, 1024, -1).immutable().hidden().no_effect();
}
