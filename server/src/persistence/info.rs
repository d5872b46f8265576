//! INFO's section about persistence.
//!
//! Snapshots do not fork, so the fields about a child process (copied memory, its share of time) are zero; so are those
//! about the append-only file, which slotd does not write yet.

use super::{Persistence, PersistenceInfo};
use crate::engine::info::{InfoSource, InfoWriter};

impl InfoSource for Persistence {
    fn section(&self, section: &str, out: &mut InfoWriter) -> bool {
        if section != "persistence" {
            return false;
        }
        let facts = self.info();
        write_state(&facts, out);
        write_append_only(out);
        if facts.loading || facts.async_loading {
            write_loading(&facts, self.now_s(), out);
        }
        true
    }
}

fn percent(part: u64, whole: u64) -> String {
    let percent = if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 };
    format!("{percent:.2}")
}

fn write_state(facts: &PersistenceInfo, out: &mut InfoWriter) {
    let (processed, total) = (facts.current_save_keys_processed, facts.current_save_keys_total);
    out.field("loading", u8::from(facts.loading && !facts.async_loading));
    out.field("async_loading", u8::from(facts.async_loading));
    for name in ["current_cow_peak", "current_cow_size", "current_cow_size_age"] {
        out.field(name, 0);
    }
    out.field("current_fork_perc", percent(processed, total));
    out.field("current_save_keys_processed", processed);
    out.field("current_save_keys_total", total);
    out.field("rdb_changes_since_last_save", facts.changes_since_last_save);
    out.field("rdb_bgsave_in_progress", u8::from(facts.bgsave_in_progress));
    out.field("rdb_last_save_time", facts.last_save_time);
    out.field("rdb_last_bgsave_status", if facts.last_bgsave_ok { "ok" } else { "err" });
    out.field("rdb_last_bgsave_time_sec", facts.last_bgsave_time_s);
    out.field("rdb_current_bgsave_time_sec", facts.current_bgsave_time_s);
    out.field("rdb_saves", facts.saves);
    out.field("rdb_last_cow_size", 0);
    out.field("rdb_last_load_keys_expired", facts.last_load_keys_expired);
    out.field("rdb_last_load_keys_loaded", facts.last_load_keys_loaded);
}

fn write_append_only(out: &mut InfoWriter) {
    for name in ["aof_enabled", "aof_rewrite_in_progress", "aof_rewrite_scheduled"] {
        out.field(name, 0);
    }
    out.field("aof_last_rewrite_time_sec", -1);
    out.field("aof_current_rewrite_time_sec", -1);
    out.field("aof_last_bgrewrite_status", "ok");
    out.field("aof_rewrites", 0);
    out.field("aof_rewrites_consecutive_failures", 0);
    out.field("aof_last_write_status", "ok");
    for name in ["aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size"] {
        out.field(name, 0);
    }
}

fn write_loading(facts: &PersistenceInfo, now_s: i64, out: &mut InfoWriter) {
    let (loaded, total) = (facts.loading_loaded_bytes, facts.loading_total_bytes);
    let left = total.saturating_sub(loaded).max(1);
    let elapsed = (now_s - facts.loading_start_time).max(0) as u64;
    // There is no estimate in the first second (Redis says 1).
    let eta = if elapsed == 0 { 1 } else { elapsed.saturating_mul(left) / (loaded + 1) };
    out.field("loading_start_time", facts.loading_start_time);
    out.field("loading_total_bytes", total);
    out.field("loading_rdb_used_mem", 0);
    out.field("loading_loaded_bytes", loaded);
    out.field("loading_loaded_perc", percent(loaded, total));
    out.field("loading_eta_seconds", eta);
}
