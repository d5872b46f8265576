//! Directives about the process, its log, its shutdown, and what it reports of itself.

use super::{checks, network};
use crate::base::limits::DATABASES_MAX;
use crate::config::directive::{
    Default, Directive, Kind, LATER, Names, boolean, choice, directives, int, memory, optional, text,
};

const INT_MAX: i64 = i32::MAX as i64;
const LONG_MAX: u64 = i64::MAX as u64;

/// Who may use a protected feature.
const PROTECTED_ACTION: Names = &[("no", 0), ("yes", 1), ("local", 2)];

const SYSLOG_FACILITIES: Names = &[
    ("user", 8),
    ("local0", 128),
    ("local1", 136),
    ("local2", 144),
    ("local3", 152),
    ("local4", 160),
    ("local5", 168),
    ("local6", 176),
    ("local7", 184),
];

directives! {
    first = network::END;
    /// Go to the background. The command ends when the server serves, or says why it does not.
    DAEMONIZE = boolean("daemonize", false).immutable();
    /// Which supervisor started the process. slotd does not need it.
    SUPERVISED = choice("supervised", &[("upstart", 3), ("systemd", 2), ("auto", 1), ("no", 0)], 0).immutable().no_effect();
    /// File that gets the process id; in the background `/var/run/redis.pid` unless another is named.
    PIDFILE = optional("pidfile").immutable();
    /// The least important messages that are logged.
    LOGLEVEL =
        choice("loglevel", &[("debug", 0), ("verbose", 1), ("notice", 2), ("warning", 3), LATER, ("nothing", 4)], 2);
    /// File that the log is appended to; empty for standard output.
    LOGFILE = text("logfile", "").immutable();
    /// slotd: form of a log line, Redis's (Valkey calls it `legacy`) or one JSON object.
    LOG_FORMAT = choice("log-format", &[("redis", 0), ("json", 1), ("legacy", 0)], 0).hidden();
    /// Copy the log to syslog.
    SYSLOG_ENABLED = boolean("syslog-enabled", false).immutable().no_effect();
    /// slotd: the version of Redis that clients and tools are told (INFO, HELLO, LOLWUT, the log, `dump.rdb`).
    SERVER_VERSION_ANNOUNCED =
        text("server-version-announced", crate::config::REDIS_VERSION).hidden().check_text(checks::version);
    /// Name in syslog.
    SYSLOG_IDENT = text("syslog-ident", "redis").immutable().no_effect();
    /// Facility in syslog.
    SYSLOG_FACILITY = choice("syslog-facility", SYSLOG_FACILITIES, 128).immutable().no_effect();
    /// Number of databases that SELECT knows; a cluster node has `cluster-databases`.
    DATABASES = int("databases", 1, DATABASES_MAX, 16).immutable();
    /// Log version, mode, port and process id at start in several lines, as Redis does with its logo, although standard
    /// output is no terminal.
    ALWAYS_SHOW_LOGO = boolean("always-show-logo", false).immutable();
    /// Whether the process changes its title, where the command line leaves room. Passwords are covered in any case.
    SET_PROC_TITLE = boolean("set-proc-title", true).immutable();
    /// The process's title.
    PROC_TITLE_TEMPLATE = text("proc-title-template", "{title} {listen-addr} {server-mode}")
        .check_text(checks::process_title);
    /// Times per second that background work looks for something to do; kept between 1 and 500.
    HZ = int("hz", 0, INT_MAX, 10);
    /// Raise hz with the number of clients.
    DYNAMIC_HZ = boolean("dynamic-hz", true).no_effect();
    /// CPUs of the server's threads.
    SERVER_CPULIST = optional("server_cpulist").also("server-cpulist").immutable().no_effect();
    /// CPUs of background threads.
    BIO_CPULIST = optional("bio_cpulist").also("bio-cpulist").immutable().no_effect();
    /// CPUs of the process that rewrites the append-only file.
    AOF_REWRITE_CPULIST = optional("aof_rewrite_cpulist").also("aof-rewrite-cpulist").immutable().no_effect();
    /// CPUs of the process that saves.
    BGSAVE_CPULIST = optional("bgsave_cpulist").also("bgsave-cpulist").immutable().no_effect();
    /// Switch transparent huge pages off for the whole process; an embedded cluster leaves its program's alone.
    DISABLE_THP = boolean("disable-thp", true).immutable();
    /// Whether to tell the kernel which processes to kill first when memory runs out.
    OOM_SCORE_ADJ =
        choice("oom-score-adj", &[("no", 0), ("yes", 1), ("relative", 1), ("absolute", 2)], 0).no_effect();
    /// Kernel scores of a primary, a replica and a child process.
    OOM_SCORE_ADJ_VALUES =
        Directive::new("oom-score-adj-values", Kind::OomScores, Default::Text("0 200 800")).no_effect();
    /// Log a report when the process crashes.
    CRASH_LOG_ENABLED = boolean("crash-log-enabled", true).no_effect();
    /// Test memory when the process crashes.
    CRASH_MEMCHECK_ENABLED = boolean("crash-memcheck-enabled", true).no_effect();
    /// Exit rather than abort after a panic.
    USE_EXIT_ON_PANIC = boolean("use-exit-on-panic", false).hidden().no_effect();
    /// Milliseconds after which Redis's software watchdog reports a stall.
    WATCHDOG_PERIOD = int("watchdog-period", 0, INT_MAX, 0).hidden().no_effect();
    /// What SIGINT does.
    SHUTDOWN_ON_SIGINT = Directive::new("shutdown-on-sigint", Kind::Flags(checks::SHUTDOWN_FLAGS), Default::Number(0))
        .check_number(checks::shutdown_flags);
    /// What SIGTERM does.
    SHUTDOWN_ON_SIGTERM = Directive::new("shutdown-on-sigterm", Kind::Flags(checks::SHUTDOWN_FLAGS), Default::Number(0))
        .check_number(checks::shutdown_flags);
    /// Seconds that a shutdown waits for scripts that have written, and then for replicas to catch up.
    SHUTDOWN_TIMEOUT = int("shutdown-timeout", 0, INT_MAX, 10);
    /// Who may change protected directives with CONFIG SET.
    ENABLE_PROTECTED_CONFIGS = choice("enable-protected-configs", PROTECTED_ACTION, 0).immutable();
    /// Who may use DEBUG.
    ENABLE_DEBUG_COMMAND = choice("enable-debug-command", PROTECTED_ACTION, 0).immutable();
    /// slotd: whether SLOTD NODE may kill, pause and restart the nodes of a one-process cluster. `slotd cluster` says
    /// yes if it is reached from this machine only.
    ENABLE_TEST_COMMANDS = boolean("enable-test-commands", false).hidden().immutable();
    /// Who may use MODULE.
    ENABLE_MODULE_COMMAND = choice("enable-module-command", PROTECTED_ACTION, 0).immutable().no_effect();
    /// Start-up warnings that are not given.
    IGNORE_WARNINGS = text("ignore-warnings", "").no_effect();
    /// What happens when a command from the primary fails on a replica.
    PROPAGATION_ERROR_BEHAVIOR =
        choice("propagation-error-behavior", &[("ignore", 0), ("panic", 1), ("panic-on-replicas", 2)], 0).no_effect();
    /// Microseconds after which a command enters the slow log; -1 for never.
    SLOWLOG_LOG_SLOWER_THAN = int("slowlog-log-slower-than", -1, i64::MAX, 10000).also("commandlog-execution-slower-than").no_effect();
    /// Length of the slow log.
    SLOWLOG_MAX_LEN = int("slowlog-max-len", 0, i64::MAX, 128).also("commandlog-slow-execution-max-len").no_effect();
    /// Milliseconds from which LATENCY records an event; 0 for never.
    LATENCY_MONITOR_THRESHOLD = int("latency-monitor-threshold", 0, i64::MAX, 0).no_effect();
    /// Keep a histogram of every command's latency.
    LATENCY_TRACKING = boolean("latency-tracking", true);
    /// Percentiles that INFO latencystats shows.
    LATENCY_TRACKING_INFO_PERCENTILES =
        Directive::new("latency-tracking-info-percentiles", Kind::Percentiles, Default::Text("50 99 99.9"));
    /// Keys that client-side caching remembers.
    TRACKING_TABLE_MAX_KEYS = int("tracking-table-max-keys", 0, i64::MAX, 1_000_000);
    /// Keyspace events that are published, as letters of `Ag$lshzxeKEtmdn`.
    NOTIFY_KEYSPACE_EVENTS = Directive::new("notify-keyspace-events", Kind::KeyspaceEvents, Default::Number(0));
    /// Milliseconds after which who waits for a script is told so (BUSY); 0 for never.
    BUSY_REPLY_THRESHOLD = int("busy-reply-threshold", 0, i64::MAX, 5000).alias("lua-time-limit");
    /// slotd: memory that the Lua program of a script or function may take, with its libraries. One that takes more
    /// ends with an error.
    SCRIPT_MEMORY_LIMIT = memory("script-memory-limit", 4 << 20, LONG_MAX, 256 << 20).hidden();
    /// Redis 7.2: locale of SORT ALPHA.
    LOCALE_COLLATE = text("locale-collate", "").hidden().no_effect();
}
