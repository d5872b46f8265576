//! The few directives that every command reads, copied out of the configuration when one changes.
//!
//! Workers load one `Arc<Hot>` per batch instead of taking a lock per directive.

use std::sync::Arc;

use crate::command::DataLimits;
use crate::config::{Config, ids};
use crate::session::client::ClientHandle;
use crate::store::Lfu;
use crate::store::evict::Policy;
use crate::store::types::hash::HashLimits;
use crate::store::types::set::SetLimits;
use crate::store::types::stream::StreamLimits;
use crate::store::types::zset::ZSetOptions;

/// A snapshot of hot directives.
#[derive(Clone, Debug)]
pub(crate) struct Hot {
    pub limits: DataLimits,
    /// `notify-keyspace-events`, bits of [`crate::command::NotifyClass`].
    pub notify_mask: u32,
    /// `requirepass`; empty is none.
    pub password: Arc<[u8]>,
    pub proto_max_bulk_len: u64,
    pub client_query_buffer_limit: usize,
    pub replica_read_only: bool,
    pub replica_serve_stale_data: bool,
    pub min_replicas_to_write: usize,
    pub min_replicas_max_lag: i64,
    pub stop_writes_on_bgsave_error: bool,
    /// `maxmemory`, bytes; 0 is no limit.
    pub max_memory: u64,
    pub eviction: EvictionSettings,
    /// Hard limit of unread pushes of a subscriber, bytes; 0 is none.
    pub pubsub_output_limit: usize,
    /// Hard limit of the output an ordinary client may have pending, bytes; 0 is none.
    pub normal_output_limit: usize,
    /// Hard limit of the output a monitor may leave unread, bytes; 0 is none.
    pub monitor_output_limit: usize,
    /// Keys that client-side caching remembers; 0 is no limit.
    pub tracking_table_max_keys: usize,
    pub cluster_enabled: bool,
    /// What each slot uses is counted (`cluster-slot-stats-enabled`).
    pub slot_stats: bool,
    pub max_clients: usize,
    /// Protected mode is in force: on, and no password.
    pub protected: bool,
    /// `tcp-keepalive`, seconds; 0 is off.
    pub tcp_keepalive: u64,
}

/// What is done when `maxmemory` is exceeded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EvictionSettings {
    /// Which keys make room; `None` if no key does.
    pub policy: Option<Policy>,
    /// Keys that are looked at to find one to evict.
    pub samples: usize,
    /// For how long a command may evict, microseconds.
    pub time_us: u64,
    pub lazily: bool,
    /// A replica does not look at the limit.
    pub replica_ignores: bool,
}

impl EvictionSettings {
    fn read(config: &Config, lfu: Lfu) -> Self {
        Self {
            policy: Policy::of(config.choice(ids::MAXMEMORY_POLICY), lfu),
            samples: usize::try_from(config.int(ids::MAXMEMORY_SAMPLES)).unwrap_or(1),
            time_us: eviction_time_us(config.int(ids::MAXMEMORY_EVICTION_TENACITY)),
            lazily: config.bool(ids::LAZYFREE_LAZY_EVICTION),
            replica_ignores: config.bool(ids::REPLICA_IGNORE_MAXMEMORY),
        }
    }
}

fn lfu(config: &Config) -> Lfu {
    Lfu { log_factor: config.int(ids::LFU_LOG_FACTOR) as u32, decay_minutes: config.int(ids::LFU_DECAY_TIME) as u32 }
}

/// Whether Redis would share small integers: not if the use of each key counts, to evict the right ones.
fn shares_integers(config: &Config) -> bool {
    let policy = config.choice(ids::MAXMEMORY_POLICY);
    config.memory(ids::MAXMEMORY) == 0 || !(policy.ends_with("lru") || policy.ends_with("lfu"))
}

/// For how long a command may evict: 50 microseconds per step of the tenacity up to ten, 15 percent more with each
/// further step, and without a limit at 100 (Redis: `evictionTimeLimitUs`).
fn eviction_time_us(tenacity: i64) -> u64 {
    match tenacity {
        ..=10 => 50 * tenacity.max(0).unsigned_abs(),
        11..=99 => (500.0 * 1.15_f64.powi(tenacity as i32 - 10)) as u64,
        _ => u64::MAX,
    }
}

impl Hot {
    /// Reads the directives. `seed` makes hashes inside values unpredictable.
    pub(crate) fn read(config: &Config, list_packed_threshold: usize, seed: u64) -> Self {
        let cluster_enabled = config.bool(ids::CLUSTER_ENABLED);
        let cluster_databases = config.int(ids::CLUSTER_DATABASES);
        let has_one_database = cluster_enabled && cluster_databases == 1;
        // What Redis says about one that it does not have in cluster mode depends on `databases`.
        let is_counted_apart = cluster_enabled && !has_one_database;
        let databases = if is_counted_apart { cluster_databases } else { config.int(ids::DATABASES) };
        let password = config.bytes(ids::REQUIREPASS);
        let lfu = lfu(config);
        Self {
            limits: DataLimits {
                list_max_listpack_size: config.int(ids::LIST_MAX_LISTPACK_SIZE),
                list_compress_depth: config.int(ids::LIST_COMPRESS_DEPTH) as usize,
                list_packed_threshold,
                zset: ZSetOptions {
                    max_entries: config.int(ids::ZSET_MAX_LISTPACK_ENTRIES) as usize,
                    max_value: config.memory(ids::ZSET_MAX_LISTPACK_VALUE) as usize,
                    seed,
                },
                hash: HashLimits {
                    max_entries: usize::try_from(config.int(ids::HASH_MAX_LISTPACK_ENTRIES)).unwrap_or(0),
                    max_value: usize::try_from(config.memory(ids::HASH_MAX_LISTPACK_VALUE)).unwrap_or(usize::MAX),
                    seed,
                },
                set: SetLimits {
                    max_ints: usize::try_from(config.int(ids::SET_MAX_INTSET_ENTRIES)).unwrap_or(0),
                    max_packed: usize::try_from(config.int(ids::SET_MAX_LISTPACK_ENTRIES)).unwrap_or(0),
                    max_value: usize::try_from(config.int(ids::SET_MAX_LISTPACK_VALUE)).unwrap_or(0),
                    seed,
                },
                stream: StreamLimits {
                    node_bytes: usize::try_from(config.memory(ids::STREAM_NODE_MAX_BYTES)).unwrap_or(usize::MAX),
                    node_entries: u64::try_from(config.int(ids::STREAM_NODE_MAX_ENTRIES)).unwrap_or(0),
                },
                max_string: config.memory(ids::PROTO_MAX_BULK_LEN) as usize,
                hll_sparse_max_bytes: config.memory(ids::HLL_SPARSE_MAX_BYTES) as usize,
                lazy_expire: config.bool(ids::LAZYFREE_LAZY_EXPIRE),
                lazy_user_del: config.bool(ids::LAZYFREE_LAZY_USER_DEL),
                lazy_user_flush: config.bool(ids::LAZYFREE_LAZY_USER_FLUSH),
                lazy_server_del: config.bool(ids::LAZYFREE_LAZY_SERVER_DEL),
                lfu: config.choice(ids::MAXMEMORY_POLICY).ends_with("lfu").then_some(lfu),
                shares_integers: shares_integers(config),
                cluster_enabled,
                databases: databases as usize,
                has_one_database,
                skip_checksums: false,
            },
            notify_mask: config.int(ids::NOTIFY_KEYSPACE_EVENTS) as u32,
            protected: config.bool(ids::PROTECTED_MODE) && password.is_empty(),
            password,
            proto_max_bulk_len: config.memory(ids::PROTO_MAX_BULK_LEN),
            client_query_buffer_limit: config.memory(ids::CLIENT_QUERY_BUFFER_LIMIT) as usize,
            replica_read_only: config.bool(ids::REPLICA_READ_ONLY),
            replica_serve_stale_data: config.bool(ids::REPLICA_SERVE_STALE_DATA),
            min_replicas_to_write: config.int(ids::MIN_REPLICAS_TO_WRITE) as usize,
            min_replicas_max_lag: config.int(ids::MIN_REPLICAS_MAX_LAG),
            stop_writes_on_bgsave_error: config.bool(ids::STOP_WRITES_ON_BGSAVE_ERROR),
            max_memory: config.memory(ids::MAXMEMORY),
            eviction: EvictionSettings::read(config, lfu),
            pubsub_output_limit: config.buffer_limits().pubsub.hard_bytes as usize,
            normal_output_limit: config.buffer_limits().normal.hard_bytes as usize,
            monitor_output_limit: config.buffer_limits().of_monitors().hard_bytes as usize,
            tracking_table_max_keys: config.int(ids::TRACKING_TABLE_MAX_KEYS) as usize,
            cluster_enabled,
            slot_stats: cluster_enabled && config.bool(ids::CLUSTER_SLOT_STATS_ENABLED),
            max_clients: config.int(ids::MAXCLIENTS) as usize,
            tcp_keepalive: config.int(ids::TCP_KEEPALIVE) as u64,
        }
    }
}

/// Bytes of a reply that do not count towards the limits of output buffers: Redis does not count a client's first
/// buffer.
const OUTPUT_FREE: usize = 16 * 1024;

impl Hot {
    /// How many bytes a client may be sent at once.
    #[inline]
    pub(crate) fn output_limit(&self, client: &ClientHandle) -> usize {
        let limit = if client.subscription_count() > 0 { self.pubsub_output_limit } else { self.normal_output_limit };
        if limit == 0 { usize::MAX } else { limit.saturating_add(OUTPUT_FREE) }
    }
}

/// The directives that [`Hot::read`] and [`super::Engine::reload_hot`] read.
pub(crate) const DIRECTIVES: &[crate::config::directive::DirectiveId] = &[
    ids::LIST_MAX_LISTPACK_SIZE,
    ids::LIST_COMPRESS_DEPTH,
    ids::ZSET_MAX_LISTPACK_ENTRIES,
    ids::ZSET_MAX_LISTPACK_VALUE,
    ids::HASH_MAX_LISTPACK_ENTRIES,
    ids::HASH_MAX_LISTPACK_VALUE,
    ids::SET_MAX_INTSET_ENTRIES,
    ids::SET_MAX_LISTPACK_ENTRIES,
    ids::SET_MAX_LISTPACK_VALUE,
    ids::STREAM_NODE_MAX_BYTES,
    ids::STREAM_NODE_MAX_ENTRIES,
    ids::PROTO_MAX_BULK_LEN,
    ids::HLL_SPARSE_MAX_BYTES,
    ids::LAZYFREE_LAZY_EXPIRE,
    ids::LAZYFREE_LAZY_USER_DEL,
    ids::LAZYFREE_LAZY_USER_FLUSH,
    ids::LAZYFREE_LAZY_SERVER_DEL,
    ids::MAXMEMORY,
    ids::MAXMEMORY_POLICY,
    ids::MAXMEMORY_SAMPLES,
    ids::MAXMEMORY_EVICTION_TENACITY,
    ids::LAZYFREE_LAZY_EVICTION,
    ids::REPLICA_IGNORE_MAXMEMORY,
    ids::LFU_LOG_FACTOR,
    ids::LFU_DECAY_TIME,
    ids::NOTIFY_KEYSPACE_EVENTS,
    ids::PROTECTED_MODE,
    ids::REQUIREPASS,
    ids::CLIENT_QUERY_BUFFER_LIMIT,
    ids::REPLICA_READ_ONLY,
    ids::REPLICA_SERVE_STALE_DATA,
    ids::MIN_REPLICAS_TO_WRITE,
    ids::MIN_REPLICAS_MAX_LAG,
    ids::STOP_WRITES_ON_BGSAVE_ERROR,
    ids::CLIENT_OUTPUT_BUFFER_LIMIT,
    ids::MAXCLIENTS,
    ids::TCP_KEEPALIVE,
    ids::TRACKING_TABLE_MAX_KEYS,
    ids::CLUSTER_SLOT_STATS_ENABLED,
    ids::LATENCY_TRACKING,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_for_eviction_grows_slowly_then_fast() {
        assert_eq!([0, 1, 10].map(eviction_time_us), [0, 50, 500]);
        assert_eq!(eviction_time_us(11), 575);
        assert!((100_000_000..200_000_000).contains(&eviction_time_us(99)));
        assert_eq!(eviction_time_us(100), u64::MAX);
    }
}
