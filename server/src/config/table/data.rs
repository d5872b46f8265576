//! Directives about values, their encodings, expiry and memory.

use super::{checks, server};
use crate::config::directive::{boolean, choice, directives, int, memory};

const INT_MIN: i64 = i32::MIN as i64;
const INT_MAX: i64 = i32::MAX as i64;
const LONG_MAX: u64 = i64::MAX as u64;

const EVICTION_POLICIES: crate::config::directive::Names = &[
    ("volatile-lru", 0),
    ("volatile-lfu", 1),
    ("volatile-random", 2),
    ("volatile-ttl", 3),
    ("allkeys-lru", 4),
    ("allkeys-lfu", 5),
    ("allkeys-random", 6),
    ("noeviction", 7),
];

directives! {
    first = server::END;
    /// Size of a list's node: bytes as -1 (4 kB) to -5 (64 kB), or a number of elements.
    LIST_MAX_LISTPACK_SIZE = int("list-max-listpack-size", INT_MIN, INT_MAX, -2).alias("list-max-ziplist-size");
    /// How many nodes at each end of a list are never compressed; 0 compresses none.
    LIST_COMPRESS_DEPTH = int("list-compress-depth", 0, INT_MAX, 0);
    /// The most fields of a hash kept as listpack.
    HASH_MAX_LISTPACK_ENTRIES =
        int("hash-max-listpack-entries", 0, i64::MAX, 512).alias("hash-max-ziplist-entries");
    /// The longest field or value of a hash kept as listpack.
    HASH_MAX_LISTPACK_VALUE =
        memory("hash-max-listpack-value", 0, LONG_MAX, 64).alias("hash-max-ziplist-value");
    /// The most members of a set of integers kept as intset.
    SET_MAX_INTSET_ENTRIES = int("set-max-intset-entries", 0, i64::MAX, 512);
    /// Redis 7.2: the most members of a set kept as listpack.
    SET_MAX_LISTPACK_ENTRIES = int("set-max-listpack-entries", 0, i64::MAX, 128).hidden();
    /// Redis 7.2: the longest member of a set kept as listpack.
    SET_MAX_LISTPACK_VALUE = int("set-max-listpack-value", 0, i64::MAX, 64).hidden();
    /// The most members of a sorted set kept as listpack.
    ZSET_MAX_LISTPACK_ENTRIES =
        int("zset-max-listpack-entries", 0, i64::MAX, 128).alias("zset-max-ziplist-entries");
    /// The longest member of a sorted set kept as listpack.
    ZSET_MAX_LISTPACK_VALUE =
        memory("zset-max-listpack-value", 0, LONG_MAX, 64).alias("zset-max-ziplist-value");
    /// The largest HyperLogLog kept in its sparse form.
    HLL_SPARSE_MAX_BYTES = memory("hll-sparse-max-bytes", 0, LONG_MAX, 3000);
    /// Size of a stream's node; 0 for no limit.
    STREAM_NODE_MAX_BYTES = memory("stream-node-max-bytes", 0, LONG_MAX, 4096);
    /// Entries of a stream's node; 0 for no limit.
    STREAM_NODE_MAX_ENTRIES = int("stream-node-max-entries", 0, i64::MAX, 100);
    /// How hard expired keys are searched, from 1 to 10.
    ACTIVE_EXPIRE_EFFORT = int("active-expire-effort", 1, 10, 1).no_effect();
    /// Spend a little time on rehashing when idle. slotd's tables never rehash as a whole.
    ACTIVEREHASHING = boolean("activerehashing", true).no_effect();
    /// Propagate the removal of evicted keys as UNLINK, and free large values in the background.
    LAZYFREE_LAZY_EVICTION = boolean("lazyfree-lazy-eviction", false);
    /// Propagate the removal of expired keys as UNLINK, and count them as lazily freed.
    LAZYFREE_LAZY_EXPIRE = boolean("lazyfree-lazy-expire", false);
    /// Count values that other commands than DEL replace or remove as lazily freed.
    LAZYFREE_LAZY_SERVER_DEL = boolean("lazyfree-lazy-server-del", false);
    /// Make DEL work as UNLINK.
    LAZYFREE_LAZY_USER_DEL = boolean("lazyfree-lazy-user-del", false);
    /// Make FLUSHALL, FLUSHDB and SCRIPT FLUSH asynchronous unless SYNC is given.
    LAZYFREE_LAZY_USER_FLUSH = boolean("lazyfree-lazy-user-flush", false);
    /// The most memory of the node, as `used_memory` of INFO shows it, without the buffers of replicas; 0 is unlimited.
    MAXMEMORY = memory("maxmemory", 0, u64::MAX, 0);
    /// Which keys make room when maxmemory is reached.
    MAXMEMORY_POLICY = choice("maxmemory-policy", EVICTION_POLICIES, 7);
    /// Keys that are compared to find one to evict.
    MAXMEMORY_SAMPLES = int("maxmemory-samples", 1, INT_MAX, 5);
    /// How long eviction may delay clients, from 0 to 100.
    MAXMEMORY_EVICTION_TENACITY = int("maxmemory-eviction-tenacity", 0, 100, 10);
    /// How slowly the counter of LFU grows.
    LFU_LOG_FACTOR = int("lfu-log-factor", 0, INT_MAX, 10);
    /// Minutes after which the counter of LFU is halved.
    LFU_DECAY_TIME = int("lfu-decay-time", 0, INT_MAX, 1);
    /// Move values to defragment memory. Refused, as in every Redis with a stock allocator.
    ACTIVEDEFRAG = boolean("activedefrag", false).check_number(checks::no_defragmentation).no_effect();
    /// Least CPU percentage of defragmentation.
    ACTIVE_DEFRAG_CYCLE_MIN = int("active-defrag-cycle-min", 1, 99, 1).no_effect();
    /// Most CPU percentage of defragmentation.
    ACTIVE_DEFRAG_CYCLE_MAX = int("active-defrag-cycle-max", 1, 99, 25).no_effect();
    /// Fragmentation percentage from which defragmentation works.
    ACTIVE_DEFRAG_THRESHOLD_LOWER = int("active-defrag-threshold-lower", 0, 1000, 10).no_effect();
    /// Fragmentation percentage from which it works hardest.
    ACTIVE_DEFRAG_THRESHOLD_UPPER = int("active-defrag-threshold-upper", 0, 1000, 100).no_effect();
    /// Waste that is not worth defragmentation.
    ACTIVE_DEFRAG_IGNORE_BYTES = memory("active-defrag-ignore-bytes", 1, LONG_MAX, 100 << 20).no_effect();
    /// Collections above this size are defragmented apart.
    ACTIVE_DEFRAG_MAX_SCAN_FIELDS = int("active-defrag-max-scan-fields", 1, i64::MAX, 1000).no_effect();
    /// Let jemalloc purge in the background. slotd does not use jemalloc.
    JEMALLOC_BG_THREAD = boolean("jemalloc-bg-thread", true).no_effect();
    /// Check payloads of RESTORE and of loaded files. slotd always does, whatever this says.
    SANITIZE_DUMP_PAYLOAD = choice("sanitize-dump-payload", &[("no", 0), ("yes", 1), ("clients", 2)], 0).no_effect();
}
