//! The fields of INFO's fixed sections: each a name and the function that finds its value.

use std::cell::OnceCell;
use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::resource::UsageWho;

use super::human_bytes;
use crate::config::ids;
use crate::engine::Engine;
use crate::engine::info::samples::Metric;
use crate::engine::info::{InfoSource, InfoWriter};
use crate::engine::scripts::ScriptMemory;
use crate::runtime::process::{Memory, Process};
use crate::session::client::subscriptions::Kind;
use crate::session::client::{ClientHandle, ClientKind};

/// A field: its name and where its value comes from.
pub(super) type Field = (&'static str, fn(&Facts<'_>) -> Value);

/// A value, with its print format.
pub(super) enum Value {
    Int(i64),
    Text(String),
    /// With two digits after the point.
    Decimal(f64),
    /// With two digits after the point and a percent sign.
    Percent(f64),
    /// With microseconds after the point.
    Seconds(f64),
}

impl Value {
    fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    fn path(path: Option<PathBuf>) -> Self {
        Self::Text(path.map(|path| path.display().to_string()).unwrap_or_default())
    }

    fn bytes(bytes: u64) -> Self {
        Self::Int(bytes as i64)
    }

    fn human(bytes: u64) -> Self {
        Self::Text(human_bytes(bytes))
    }

    fn kilobytes(bytes: u64) -> Self {
        Self::Decimal(bytes as f64 / 1024.0)
    }

    fn ratio(part: u64, whole: u64) -> Self {
        Self::Decimal(if whole == 0 { 0.0 } else { part as f64 / whole as f64 })
    }

    fn percent(part: u64, whole: u64) -> Self {
        Self::Percent(if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 })
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
            Self::Decimal(number) => write!(f, "{number:.2}"),
            Self::Percent(number) => write!(f, "{number:.2}%"),
            Self::Seconds(number) => write!(f, "{number:.6}"),
        }
    }
}

/// What fields are computed from; made for one INFO.
pub(super) struct Facts<'a> {
    engine: &'a Engine,
    now: i64,
    sources: &'a [Arc<dyn InfoSource>],
    pub(super) memory: Memory,
    clients: OnceCell<Vec<Arc<ClientHandle>>>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(engine: &'a Engine, now: i64, sources: &'a [Arc<dyn InfoSource>]) -> Self {
        Self { engine, now, sources, memory: engine.info.memory(), clients: OnceCell::new() }
    }

    /// Writes a table of fields.
    pub(super) fn write(&self, table: &[Field], out: &mut InfoWriter) {
        for (name, value) in table {
            out.field(name, value(self));
        }
    }

    pub(super) fn scripts(&self) -> ScriptMemory {
        self.engine.scripts.memory()
    }

    fn cluster_enabled(&self) -> bool {
        self.engine.config.bool(ids::CLUSTER_ENABLED)
    }

    fn uptime_s(&self) -> i64 {
        (self.now - self.engine.state.started_ms).max(0) / 1000
    }

    pub(super) fn clients(&self) -> &[Arc<ClientHandle>] {
        self.clients.get_or_init(|| self.engine.clients.all())
    }

    /// Clients that are not replicas.
    fn connected_clients(&self) -> i64 {
        self.clients().iter().filter(|client| client.kind() != ClientKind::Replica).count() as i64
    }

    fn longest(&self, of: fn(&ClientHandle) -> usize) -> i64 {
        self.clients().iter().map(|client| of(client)).max().unwrap_or(0) as i64
    }

    pub(super) fn client_buffers(&self) -> i64 {
        let buffers = |client: &Arc<ClientHandle>| {
            let stats = &client.stats;
            stats.query_buffer.load(Ordering::Relaxed)
                + stats.query_buffer_free.load(Ordering::Relaxed)
                + stats.output_buffer.load(Ordering::Relaxed)
                + client.mail_bytes()
                + size_of::<ClientHandle>()
        };
        self.clients().iter().map(buffers).sum::<usize>() as i64
    }

    pub(super) fn told_by_source(&self, field: &str) -> i64 {
        self.sources.iter().find_map(|source| source.number(field)).unwrap_or(0)
    }

    /// For how long memory has been above its limit: at present, and in all.
    fn eviction_exceeded_ms(&self) -> (u64, u64) {
        self.engine.eviction.exceeded_ms(self.engine.clock.monotonic_us())
    }

    fn rate(&self, metric: Metric) -> u64 {
        self.engine.info.rate(metric)
    }

    fn sum(&self, counters: &[&AtomicU64]) -> Value {
        Value::bytes(counters.iter().map(|counter| counter.load(Ordering::Relaxed)).sum())
    }

    pub(super) fn peak(&self) -> u64 {
        self.engine.info.peak_memory().max(self.memory.used)
    }

    pub(super) fn startup(&self) -> u64 {
        self.engine.info.startup_memory()
    }

    /// Resident memory that is not in use; negative if more is in use than was ever touched.
    fn beyond_use(&self) -> Value {
        Value::Int(self.memory.resident as i64 - self.memory.used as i64)
    }

    pub(super) fn dataset(&self) -> u64 {
        self.memory.used.saturating_sub(self.startup())
    }
}

/// For a mechanism that slotd does not have.
fn zero(_: &Facts<'_>) -> Value {
    Value::Int(0)
}

/// For the ratio of two things that slotd does not distinguish.
fn one(_: &Facts<'_>) -> Value {
    Value::Decimal(1.0)
}

macro_rules! counter {
    ($name:ident) => {
        |facts| facts.sum(&[&facts.engine.stats.$name])
    };
}

pub(super) static SERVER: &[Field] = &[
    ("redis_version", |facts| Value::text(&facts.engine.config.string(ids::SERVER_VERSION_ANNOUNCED))),
    ("redis_git_sha1", |_| Value::text("00000000")),
    ("redis_git_dirty", zero),
    ("redis_build_id", |_| Value::text("0")),
    ("redis_mode", |facts| Value::text(if facts.cluster_enabled() { "cluster" } else { "standalone" })),
    ("os", |_| Value::Text(Process::os())),
    ("arch_bits", |_| Value::Int(i64::from(usize::BITS))),
    ("monotonic_clock", |_| Value::text("POSIX clock_gettime")),
    ("multiplexing_api", |_| Value::text("epoll")),
    ("atomicvar_api", |_| Value::text("rust-core")),
    ("gcc_version", |_| Value::text("0.0.0")),
    ("process_id", |_| Value::Int(i64::from(std::process::id()))),
    ("process_supervised", |_| Value::text("no")),
    ("run_id", |facts| Value::Text(facts.engine.state.run_id.clone())),
    ("tcp_port", |facts| Value::Int(i64::from(facts.engine.info.port()))),
    ("server_time_usec", |facts| Value::Int(facts.engine.clock.now_us())),
    ("uptime_in_seconds", |facts| Value::Int(facts.uptime_s())),
    ("uptime_in_days", |facts| Value::Int(facts.uptime_s() / 86_400)),
    ("hz", |facts| Value::Int(facts.engine.config.int(ids::HZ))),
    ("configured_hz", |facts| Value::Int(facts.engine.config.int(ids::HZ))),
    ("lru_clock", |facts| Value::Int((facts.now / 1000) & 0x00ff_ffff)),
    ("executable", |_| Value::path(std::env::current_exe().ok())),
    ("config_file", |facts| Value::path(facts.engine.config.file())),
    ("io_threads_active", zero),
];

pub(super) static CLIENTS: &[Field] = &[
    ("connected_clients", |facts| Value::Int(facts.connected_clients())),
    ("cluster_connections", |facts| Value::Int(facts.told_by_source("cluster_connections"))),
    ("maxclients", |facts| Value::Int(facts.engine.config.int(ids::MAXCLIENTS))),
    ("client_recent_max_input_buffer", |facts| {
        let longest = facts.longest(|client| client.stats.query_buffer.load(Ordering::Relaxed));
        Value::Int(longest.max(facts.engine.info.recent_input.get(facts.now) as i64))
    }),
    ("client_recent_max_output_buffer", |facts| {
        let longest = facts.longest(|client| client.stats.output_buffer.load(Ordering::Relaxed) + client.mail_bytes());
        Value::Int(longest.max(facts.engine.info.recent_output.get(facts.now) as i64))
    }),
    ("blocked_clients", |facts| Value::Int(facts.engine.clients.blocked.load(Ordering::Relaxed) as i64)),
    ("tracking_clients", |facts| Value::Int(facts.engine.tracking.clients() as i64)),
    ("clients_in_timeout_table", zero),
];

pub(super) static MEMORY: &[Field] = &[
    ("used_memory", |facts| Value::bytes(facts.memory.used)),
    ("used_memory_human", |facts| Value::human(facts.memory.used)),
    ("used_memory_rss", |facts| Value::bytes(facts.memory.resident)),
    ("used_memory_rss_human", |facts| Value::human(facts.memory.resident)),
    ("used_memory_peak", |facts| Value::bytes(facts.peak())),
    ("used_memory_peak_human", |facts| Value::human(facts.peak())),
    ("used_memory_peak_perc", |facts| Value::percent(facts.memory.used, facts.peak())),
    ("used_memory_overhead", |facts| Value::bytes(facts.startup())),
    ("used_memory_startup", |facts| Value::bytes(facts.startup())),
    ("used_memory_dataset", |facts| Value::bytes(facts.dataset())),
    ("used_memory_dataset_perc", |facts| Value::percent(facts.dataset(), facts.memory.used)),
    ("allocator_allocated", |facts| Value::bytes(facts.memory.used)),
    ("allocator_active", |facts| Value::bytes(facts.memory.used)),
    ("allocator_resident", |facts| Value::bytes(facts.memory.resident)),
    ("total_system_memory", |_| Value::bytes(Process::system_memory())),
    ("total_system_memory_human", |_| Value::human(Process::system_memory())),
    ("used_memory_lua", |facts| Value::bytes(facts.scripts().machine_bytes[0])),
    ("used_memory_vm_eval", |facts| Value::bytes(facts.scripts().machine_bytes[0])),
    ("used_memory_lua_human", |facts| Value::human(facts.scripts().machine_bytes[0])),
    ("used_memory_scripts_eval", |facts| Value::bytes(facts.scripts().script_bytes)),
    ("number_of_cached_scripts", |facts| Value::bytes(facts.scripts().scripts)),
    ("number_of_functions", |facts| Value::bytes(facts.scripts().functions)),
    ("number_of_libraries", |facts| Value::bytes(facts.scripts().libraries)),
    ("used_memory_vm_functions", |facts| Value::bytes(facts.scripts().machine_bytes[1])),
    ("used_memory_vm_total", |facts| Value::bytes(facts.scripts().machine_bytes.iter().sum())),
    ("used_memory_vm_total_human", |facts| Value::human(facts.scripts().machine_bytes.iter().sum())),
    ("used_memory_functions", |facts| Value::bytes(facts.scripts().function_bytes)),
    ("used_memory_scripts", |facts| Value::bytes(facts.scripts().bytes())),
    ("used_memory_scripts_human", |facts| Value::human(facts.scripts().bytes())),
    ("maxmemory", |facts| Value::bytes(facts.engine.config.memory(ids::MAXMEMORY))),
    ("maxmemory_human", |facts| Value::human(facts.engine.config.memory(ids::MAXMEMORY))),
    ("maxmemory_policy", |facts| Value::text(facts.engine.config.choice(ids::MAXMEMORY_POLICY))),
    ("allocator_frag_ratio", one),
    ("allocator_frag_bytes", zero),
    ("allocator_rss_ratio", |facts| Value::ratio(facts.memory.resident, facts.memory.used)),
    ("allocator_rss_bytes", |facts| facts.beyond_use()),
    ("rss_overhead_ratio", one),
    ("rss_overhead_bytes", zero),
    ("mem_fragmentation_ratio", |facts| Value::ratio(facts.memory.resident, facts.memory.used)),
    ("mem_fragmentation_bytes", |facts| facts.beyond_use()),
    ("mem_not_counted_for_evict", |facts| Value::bytes(facts.engine.uncounted_memory())),
    ("mem_replication_backlog", |facts| Value::Int(facts.told_by_source("mem_replication_backlog"))),
    ("mem_total_replication_buffers", |facts| Value::Int(facts.told_by_source("mem_total_replication_buffers"))),
    ("mem_clients_slaves", |facts| Value::Int(facts.told_by_source("mem_clients_slaves"))),
    ("mem_clients_normal", |facts| Value::Int(facts.client_buffers())),
    ("mem_cluster_links", |facts| Value::Int(facts.told_by_source("mem_cluster_links"))),
    ("mem_aof_buffer", zero),
    ("mem_allocator", |_| Value::text("mimalloc")),
    ("active_defrag_running", zero),
    ("lazyfree_pending_objects", |facts| Value::bytes(facts.engine.freeing.pending())),
    ("lazyfreed_objects", |facts| Value::bytes(facts.engine.freeing.freed())),
];

pub(super) static STATS: &[Field] = &[
    ("total_connections_received", counter!(connections_received)),
    ("total_commands_processed", counter!(commands_processed)),
    ("instantaneous_ops_per_sec", |facts| Value::Int(facts.rate(Metric::Commands) as i64)),
    ("total_net_input_bytes", |facts| {
        facts.sum(&[&facts.engine.stats.net_input_bytes, &facts.engine.stats.net_repl_input_bytes])
    }),
    ("total_net_output_bytes", |facts| {
        facts.sum(&[&facts.engine.stats.net_output_bytes, &facts.engine.stats.net_repl_output_bytes])
    }),
    ("total_net_repl_input_bytes", counter!(net_repl_input_bytes)),
    ("total_net_repl_output_bytes", counter!(net_repl_output_bytes)),
    ("instantaneous_input_kbps", |facts| Value::kilobytes(facts.rate(Metric::NetInput))),
    ("instantaneous_output_kbps", |facts| Value::kilobytes(facts.rate(Metric::NetOutput))),
    ("instantaneous_input_repl_kbps", |facts| Value::kilobytes(facts.rate(Metric::ReplicationInput))),
    ("instantaneous_output_repl_kbps", |facts| Value::kilobytes(facts.rate(Metric::ReplicationOutput))),
    ("rejected_connections", counter!(rejected_connections)),
    ("sync_full", counter!(sync_full)),
    ("sync_partial_ok", counter!(sync_partial_ok)),
    ("sync_partial_err", counter!(sync_partial_err)),
    ("expired_subkeys", counter!(expired_subkeys)),
    ("expired_keys", counter!(expired_keys)),
    ("expired_stale_perc", |facts| {
        Value::Decimal(facts.engine.stats.expired_stale_perc_x100.load(Ordering::Relaxed) as f64 / 100.0)
    }),
    ("expired_time_cap_reached_count", counter!(expired_time_cap_reached)),
    ("expire_cycle_cpu_milliseconds", zero),
    ("evicted_keys", counter!(evicted_keys)),
    ("evicted_clients", zero),
    ("evicted_scripts", |facts| Value::bytes(facts.engine.scripts.cache.evicted.load(Ordering::Relaxed))),
    ("total_eviction_exceeded_time", |facts| Value::bytes(facts.eviction_exceeded_ms().1)),
    ("current_eviction_exceeded_time", |facts| Value::bytes(facts.eviction_exceeded_ms().0)),
    ("keyspace_hits", counter!(keyspace_hits)),
    ("keyspace_misses", counter!(keyspace_misses)),
    ("pubsub_channels", |facts| Value::Int(facts.engine.pubsub.channel_count(Kind::Channel) as i64)),
    ("pubsub_patterns", |facts| Value::Int(facts.engine.pubsub.pattern_count() as i64)),
    ("pubsubshard_channels", |facts| Value::Int(facts.engine.pubsub.channel_count(Kind::Shard) as i64)),
    ("latest_fork_usec", counter!(latest_fork_usec)),
    ("total_forks", counter!(total_forks)),
    ("migrate_cached_sockets", |facts| Value::Int(facts.engine.kept_links.len() as i64)),
    ("slave_expires_tracked_keys", |facts| Value::Int(facts.engine.local_expiries.len() as i64)),
    ("active_defrag_hits", zero),
    ("active_defrag_misses", zero),
    ("active_defrag_key_hits", zero),
    ("active_defrag_key_misses", zero),
    ("total_active_defrag_time", zero),
    ("current_active_defrag_time", zero),
    ("tracking_total_keys", |facts| Value::Int(facts.engine.tracking.keys() as i64)),
    ("tracking_total_items", |facts| Value::Int(facts.engine.tracking.items() as i64)),
    ("tracking_total_prefixes", |facts| Value::Int(facts.engine.tracking.prefixes() as i64)),
    ("unexpected_error_replies", counter!(unexpected_error_replies)),
    ("total_error_replies", counter!(total_error_replies)),
    ("dump_payload_sanitizations", counter!(dump_payload_sanitizations)),
    ("total_reads_processed", counter!(reads_processed)),
    ("total_writes_processed", counter!(writes_processed)),
    ("io_threaded_reads_processed", zero),
    ("io_threaded_writes_processed", zero),
    ("reply_buffer_shrinks", zero),
    ("reply_buffer_expands", zero),
];

pub(super) static CPU: &[Field] = &[
    ("used_cpu_sys", |_| Value::Seconds(Process::cpu(UsageWho::RUSAGE_SELF).system)),
    ("used_cpu_user", |_| Value::Seconds(Process::cpu(UsageWho::RUSAGE_SELF).user)),
    ("used_cpu_sys_children", |_| Value::Seconds(Process::cpu(UsageWho::RUSAGE_CHILDREN).system)),
    ("used_cpu_user_children", |_| Value::Seconds(Process::cpu(UsageWho::RUSAGE_CHILDREN).user)),
    ("used_cpu_sys_main_thread", |_| Value::Seconds(Process::thread_cpu().system)),
    ("used_cpu_user_main_thread", |_| Value::Seconds(Process::thread_cpu().user)),
];

pub(super) static CLUSTER: &[Field] = &[("cluster_enabled", |facts| Value::Int(i64::from(facts.cluster_enabled())))];
