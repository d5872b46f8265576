//! How a process's memory is attributed to the nodes that live in it.
//!
//! The allocator counts for the process. A node knows the bytes of its own keys ([`crate::store::Keyspace::bytes`]);
//! the rest (buffers, threads, empty tables) is divided equally among the nodes. So `used_memory` of a node grows with
//! its own data and not with that of the others. A node alone in its process has all of it.
//!
//! Counting walks through the slots, so each node counts only its own keys, when it is asked and once a second; the
//! others use the number that it found last.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::process::Memory;

/// The nodes of a process.
#[derive(Debug, Default)]
pub(crate) struct ProcessMemory {
    /// Bytes of each node's keys.
    nodes: Mutex<Vec<Weak<AtomicU64>>>,
}

/// One node's part.
#[derive(Debug)]
pub(crate) struct Share {
    keys: Arc<AtomicU64>,
    all: Arc<ProcessMemory>,
}

impl Share {
    /// Adds a node to those of its process, until the result is dropped.
    pub(crate) fn join(all: &Arc<ProcessMemory>) -> Self {
        let keys = Arc::new(AtomicU64::new(0));
        all.nodes.lock().push(Arc::downgrade(&keys));
        Self { keys, all: all.clone() }
    }

    /// The node's part of the process's memory; `count` counts the bytes of its keys.
    pub(crate) fn of(&self, process: Memory, count: impl FnOnce() -> u64) -> Memory {
        if self.nodes_and_keys().0 < 2 {
            return process;
        }
        // Not under the lock: another node may be waiting for it on the control thread.
        let mine = count();
        self.keys.store(mine, Ordering::Relaxed);
        let (nodes, all) = self.nodes_and_keys();
        let used = mine + process.used.saturating_sub(all) / nodes;
        let resident = u128::from(process.resident) * u128::from(used) / u128::from(process.used.max(1));
        Memory { used, resident: resident as u64 }
    }

    /// How many nodes there are, and the bytes of the keys of all of them.
    fn nodes_and_keys(&self) -> (u64, u64) {
        let mut nodes = self.all.nodes.lock();
        nodes.retain(|node| node.strong_count() > 0);
        let keys = nodes.iter().filter_map(Weak::upgrade).map(|node| node.load(Ordering::Relaxed)).sum();
        (nodes.len() as u64, keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_of_a_process_have_their_own_keys_and_a_fair_share_of_the_rest() {
        let all = Arc::<ProcessMemory>::default();
        let process = Memory { used: 1000, resident: 2000 };
        let one = Share::join(&all);
        assert_eq!(one.of(process, || 400).used, 1000, "a node alone has everything");
        let two = Share::join(&all);
        assert_eq!(one.of(process, || 400).used, 400 + 300);
        assert_eq!(two.of(process, || 100).used, 100 + 250);
        let memory = one.of(process, || 400);
        assert_eq!((memory.used, memory.resident), (400 + 250, 1300));
        drop(two);
        assert_eq!(one.of(process, || 400).used, 1000, "a node that ended has no part");
    }
}
