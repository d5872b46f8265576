//! Counters of a node: what INFO stats, commandstats and errorstats print, and CONFIG RESETSTAT clears.
//!
//! All of them are relaxed atomics, since a counter orders nothing. Per-command counters are indexed by the command's
//! number in the registry, so counting needs no look-up.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// How many different error codes are counted at most.
const MAX_ERROR_CODES: usize = 128;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Node-wide counters.
        #[derive(Debug, Default)]
        pub(crate) struct Stats {
            $($(#[$doc])* pub $name: AtomicU64,)*
            commands: Box<[CommandStats]>,
            errors: Mutex<BTreeMap<String, u64>>,
        }
        impl Stats {
            fn reset_counters(&self) {
                $(self.$name.store(0, Ordering::Relaxed);)*
            }
        }
    };
}

counters! {
    connections_received, commands_processed, net_input_bytes, net_output_bytes, rejected_connections,
    sync_full, sync_partial_ok, sync_partial_err, expired_keys, expired_subkeys, expired_stale_perc_x100, expired_time_cap_reached, evicted_keys,
    keyspace_hits, keyspace_misses, pubsub_messages, latest_fork_usec, total_forks,
    unexpected_error_replies, total_error_replies, reads_processed, writes_processed, dump_payload_sanitizations,
    net_repl_input_bytes, net_repl_output_bytes, client_output_limit_disconnections, query_buffer_limit_disconnections,
}

/// Counters of one command.
#[derive(Debug, Default)]
pub(crate) struct CommandStats {
    pub calls: AtomicU64,
    /// Time spent, in microseconds.
    pub usec: AtomicU64,
    pub rejected: AtomicU64,
    pub failed: AtomicU64,
}

impl Stats {
    /// Counters for `commands` commands.
    pub(crate) fn new(commands: usize) -> Self {
        Self { commands: (0..commands).map(|_| CommandStats::default()).collect(), ..Self::default() }
    }

    /// The counters of the command with this number.
    #[inline]
    pub(crate) fn command(&self, index: usize) -> &CommandStats {
        &self.commands[index]
    }

    /// Counts an error reply by its code. The number of distinct codes is bounded, whatever the texts of errors begin
    /// with.
    pub(crate) fn count_error(&self, code: &str) {
        self.total_error_replies.fetch_add(1, Ordering::Relaxed);
        let mut errors = self.errors.lock();
        if let Some(count) = errors.get_mut(code) {
            *count += 1;
        } else if errors.len() < MAX_ERROR_CODES {
            errors.insert(code.to_owned(), 1);
        }
    }

    /// Error codes and how often each was sent.
    pub(crate) fn errors(&self) -> Vec<(String, u64)> {
        self.errors.lock().iter().map(|(code, count)| (code.clone(), *count)).collect()
    }

    /// CONFIG RESETSTAT.
    pub(crate) fn reset(&self) {
        self.reset_counters();
        for command in &self.commands {
            command.calls.store(0, Ordering::Relaxed);
            command.usec.store(0, Ordering::Relaxed);
            command.rejected.store(0, Ordering::Relaxed);
            command.failed.store(0, Ordering::Relaxed);
        }
        self.errors.lock().clear();
    }
}

/// Adds one to a relaxed counter.
#[inline]
pub(crate) fn bump(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
