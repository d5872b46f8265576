//! INFO's section about replication, with Redis's old words on the wire.

use super::{PrimaryInfo, Replication, ReplicationInfo};
use crate::config::ids;
use crate::engine::info::{InfoSource, InfoWriter};

impl InfoSource for Replication {
    fn section(&self, section: &str, out: &mut InfoWriter) -> bool {
        if section != "replication" {
            return false;
        }
        let (facts, config) = (self.info(), &self.engine.config);
        out.field("role", if facts.primary.is_some() { "slave" } else { "master" });
        if let Some(primary) = &facts.primary {
            write_primary(primary, &facts, out);
            out.field("slave_priority", config.int(ids::REPLICA_PRIORITY));
            out.field("slave_read_only", u8::from(config.bool(ids::REPLICA_READ_ONLY)));
            out.field("replica_announced", u8::from(config.bool(ids::REPLICA_ANNOUNCED)));
        }
        out.field("connected_slaves", facts.replicas.len());
        if config.int(ids::MIN_REPLICAS_TO_WRITE) != 0 && config.int(ids::MIN_REPLICAS_MAX_LAG) != 0 {
            out.field("min_slaves_good_slaves", facts.good_replicas);
        }
        for (number, replica) in facts.replicas.iter().enumerate() {
            let (ip, port, state) = (&replica.ip, replica.port, replica.state);
            // Only online replicas acknowledge, so only they can lag behind.
            let lag = if state == "online" { replica.lag_s } else { 0 };
            let line = format_args!("ip={ip},port={port},state={state},offset={},lag={lag}", replica.offset);
            out.field(&format!("slave{number}"), line);
        }
        write_stream(&facts, out);
        true
    }

    fn number(&self, field: &str) -> Option<i64> {
        match field {
            "mem_replication_backlog" => Some(self.buffered().0),
            // What the slowest replica has yet to read, beyond the backlog.
            "mem_clients_slaves" => Some(self.buffered().1),
            "mem_total_replication_buffers" => {
                let (backlog, beyond) = self.buffered();
                Some(backlog + beyond)
            }
            _ => None,
        }
    }
}

impl Replication {
    /// Bytes of the stream that are held: for the backlog, and beyond it for replicas that are behind.
    fn buffered(&self) -> (i64, i64) {
        let core = self.core.lock();
        let held = core.stream.as_ref().map_or(0, |stream| stream.len() as i64);
        let backlog = held.min(core.backlog_size);
        (backlog, held - backlog)
    }
}

fn write_primary(primary: &PrimaryInfo, facts: &ReplicationInfo, out: &mut InfoWriter) {
    // Redis shows 1 while it has neither a primary nor a cached state of one; otherwise 0 is an offset as well.
    let offset = if primary.offset_known { facts.offset } else { 1 };
    out.field("master_host", &primary.host);
    out.field("master_port", primary.port);
    out.field("master_link_status", if primary.link_up { "up" } else { "down" });
    out.field("master_last_io_seconds_ago", primary.last_io_seconds_ago);
    out.field("master_sync_in_progress", u8::from(primary.sync.is_some()));
    out.field("slave_read_repl_offset", offset + primary.unapplied as i64);
    out.field("slave_repl_offset", offset);
    if let Some(sync) = primary.sync {
        let share = if sync.total == 0 { 0.0 } else { sync.read as f64 * 100.0 / sync.total as f64 };
        out.field("master_sync_total_bytes", sync.total);
        out.field("master_sync_read_bytes", sync.read);
        // Without an announced length Redis counts down from zero.
        out.field("master_sync_left_bytes", i128::from(sync.total) - i128::from(sync.read));
        out.field("master_sync_perc", format_args!("{share:.2}"));
        out.field("master_sync_last_io_seconds_ago", primary.sync_last_io_s);
    }
    if let Some(seconds) = primary.link_down_since_s {
        out.field("master_link_down_since_seconds", seconds);
    }
}

fn write_stream(facts: &ReplicationInfo, out: &mut InfoWriter) {
    out.field("master_failover_state", facts.failover_state);
    out.field("master_replid", String::from_utf8_lossy(&facts.id));
    out.field("master_replid2", String::from_utf8_lossy(&facts.id2));
    out.field("master_repl_offset", facts.offset);
    out.field("second_repl_offset", facts.second_offset);
    out.field("repl_backlog_active", u8::from(facts.backlog_active));
    out.field("repl_backlog_size", facts.backlog_size);
    out.field("repl_backlog_first_byte_offset", facts.backlog_first_byte);
    out.field("repl_backlog_histlen", facts.backlog_held);
}
