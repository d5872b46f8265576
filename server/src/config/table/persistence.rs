//! Directives about what is on disk.

use super::{checks, data};
use crate::config::directive::{Default, Directive, Kind, boolean, choice, directives, int, memory, text};

const INT_MIN: i64 = i32::MIN as i64;
const INT_MAX: i64 = i32::MAX as i64;
const LONG_MAX: u64 = i64::MAX as u64;

directives! {
    first = data::END;
    /// The node's directory: dump.rdb, nodes.conf, and every relative path. Unlike Redis the process does not change
    /// into it.
    DIR = Directive::new("dir", Kind::Directory, Default::Text("")).protected().deny_loading();
    /// Save after so many seconds if there were so many changes.
    SAVE = Directive::new("save", Kind::SavePoints, Default::Text("3600 1 300 100 60 10000"));
    /// Name of the snapshot.
    DBFILENAME = text("dbfilename", "dump.rdb").protected().check_text(checks::rdb_file_name);
    /// Compress strings in snapshots.
    RDBCOMPRESSION = boolean("rdbcompression", true);
    /// Put a checksum at the end of snapshots, and check it when one is loaded.
    RDBCHECKSUM = boolean("rdbchecksum", true).immutable();
    /// Delete snapshots that only replication needed.
    RDB_DEL_SYNC_FILES = boolean("rdb-del-sync-files", false).no_effect();
    /// Write the snapshot to disk little by little.
    RDB_SAVE_INCREMENTAL_FSYNC = boolean("rdb-save-incremental-fsync", true).no_effect();
    /// Refuse writes while the last save has failed.
    STOP_WRITES_ON_BGSAVE_ERROR = boolean("stop-writes-on-bgsave-error", true);
    /// For tests: microseconds of delay per saved key.
    RDB_KEY_SAVE_DELAY = int("rdb-key-save-delay", INT_MIN, INT_MAX, 0).hidden();
    /// For tests: microseconds of delay per loaded key.
    KEY_LOAD_DELAY = int("key-load-delay", INT_MIN, INT_MAX, 0).hidden().no_effect();
    /// Bytes of loading between two looks at the sockets. slotd's sockets do not wait for loading.
    LOADING_PROCESS_EVENTS_INTERVAL_BYTES =
        int("loading-process-events-interval-bytes", 1024, INT_MAX, 2 * 1024 * 1024).hidden().no_effect();
    /// Keep an append-only file.
    APPENDONLY = boolean("appendonly", false).deny_loading().no_effect();
    /// When the append-only file is forced to disk.
    APPENDFSYNC = choice("appendfsync", &[("everysec", 2), ("always", 1), ("no", 0)], 2).no_effect();
    /// First part of the names of append-only files.
    APPENDFILENAME = text("appendfilename", "appendonly.aof").immutable().no_effect().check_text(checks::aof_file_name);
    /// Directory of append-only files.
    APPENDDIRNAME = text("appenddirname", "appendonlydir").immutable().no_effect().check_text(checks::aof_directory_name);
    /// Do not force the append-only file to disk while something is being saved.
    NO_APPENDFSYNC_ON_REWRITE = boolean("no-appendfsync-on-rewrite", false).no_effect();
    /// Growth in percent after which the append-only file is rewritten.
    AUTO_AOF_REWRITE_PERCENTAGE = int("auto-aof-rewrite-percentage", 0, INT_MAX, 100).no_effect();
    /// Least size of an append-only file that is rewritten.
    AUTO_AOF_REWRITE_MIN_SIZE = memory("auto-aof-rewrite-min-size", 0, LONG_MAX, 64 << 20).no_effect();
    /// Accept an append-only file whose last command is cut off.
    AOF_LOAD_TRUNCATED = boolean("aof-load-truncated", true).no_effect();
    /// Start rewritten append-only files with a snapshot.
    AOF_USE_RDB_PREAMBLE = boolean("aof-use-rdb-preamble", true).no_effect();
    /// Put times into the append-only file.
    AOF_TIMESTAMP_ENABLED = boolean("aof-timestamp-enabled", false).no_effect();
    /// Write the rewritten append-only file to disk little by little.
    AOF_REWRITE_INCREMENTAL_FSYNC = boolean("aof-rewrite-incremental-fsync", true).no_effect();
    /// For tests: keep outdated append-only files.
    AOF_DISABLE_AUTO_GC = boolean("aof-disable-auto-gc", false).no_effect();
}
