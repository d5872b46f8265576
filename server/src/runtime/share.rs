//! How a process's memory is attributed to the nodes that live in it.
//!
//! The allocator counts for the process. A node knows what is its own: the bytes of its keys
//! ([`crate::store::Keyspace::bytes`]), and what no memory limit counts, the stream that its replicas have yet to read
//! and values that only its snapshot needs. The rest (other buffers, threads, empty tables) is divided equally among
//! the nodes. So `used_memory` of a node grows with its own data and not with that of the others, and a replica that
//! does not read costs the node that it belongs to. A node alone in its process has all of it.
//!
//! What is the nodes' own is counted at the same time, or what one has added since it was counted last would be taken
//! for a part of the rest. Counting walks through the slots. It is done for INFO and once a second; between two counts,
//! which a node's memory limit asks for with every command, the process's memory tells: as long as that has hardly
//! changed, nothing is counted anew.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::process::Memory;

/// A node that knows which memory is its own.
pub(crate) trait OwnMemory: Send + Sync {
    /// How many bytes that is now.
    fn own_bytes(&self) -> u64;
}

/// The nodes of a process.
#[derive(Default)]
pub(crate) struct ProcessMemory {
    nodes: Mutex<Vec<Weak<dyn OwnMemory>>>,
    /// How many there are.
    count: AtomicUsize,
}

/// One node's part.
pub(crate) struct Share {
    all: Arc<ProcessMemory>,
    node: Weak<dyn OwnMemory>,
    /// The last count, if there was one.
    last: Mutex<Option<Count>>,
}

/// A node's memory, as it was counted.
#[derive(Clone, Copy)]
struct Count {
    /// Bytes in use by the process then.
    process: u64,
    /// Bytes of them that are the node's.
    node: u64,
}

/// By how much the process's memory may change until what is the nodes' own is counted anew.
const STEP: u64 = 32 * 1024;

impl Share {
    /// Adds a node to those of its process, until the result is dropped.
    pub(crate) fn join(all: &Arc<ProcessMemory>, node: Weak<dyn OwnMemory>) -> Self {
        all.nodes.lock().push(node.clone());
        all.count.fetch_add(1, Ordering::Relaxed);
        Self { all: all.clone(), node, last: Mutex::default() }
    }

    /// The node's part of the process's memory.
    pub(crate) fn of(&self, process: Memory) -> Memory {
        if self.is_alone() {
            return process;
        }
        let used = self.count(process.used);
        let resident = u128::from(process.resident) * u128::from(used) / u128::from(process.used.max(1));
        Memory { used, resident: resident as u64 }
    }

    /// The node's part of these bytes in use, which costs little if there was a count not long ago.
    pub(crate) fn used(&self, process: u64) -> u64 {
        if self.is_alone() {
            return process;
        }
        let last = *self.last.lock();
        match last.filter(|last| last.process.abs_diff(process) < STEP) {
            // The little that has changed since is taken for the node's.
            Some(last) => (last.node + process).saturating_sub(last.process),
            None => self.count(process),
        }
    }

    fn is_alone(&self) -> bool {
        self.all.count.load(Ordering::Relaxed) < 2
    }

    fn count(&self, process: u64) -> u64 {
        // Without the lock: what is dropped here last may be a node, with the share that it has.
        let nodes = self.all.nodes.lock().clone();
        let (mut mine, mut all) = (0, 0);
        for node in &nodes {
            let bytes = node.upgrade().map_or(0, |node| node.own_bytes());
            all += bytes;
            mine += if Weak::ptr_eq(node, &self.node) { bytes } else { 0 };
        }
        let node = mine + process.saturating_sub(all) / nodes.len().max(1) as u64;
        *self.last.lock() = Some(Count { process, node });
        node
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.all.nodes.lock().retain(|node| !Weak::ptr_eq(node, &self.node));
        self.all.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    struct Node(AtomicU64);

    impl OwnMemory for Node {
        fn own_bytes(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    fn node(bytes: u64) -> Arc<Node> {
        Arc::new(Node(AtomicU64::new(bytes)))
    }

    fn join(all: &Arc<ProcessMemory>, node: &Arc<Node>) -> Share {
        let node: Weak<dyn OwnMemory> = Arc::downgrade(&(node.clone() as Arc<dyn OwnMemory>));
        Share::join(all, node)
    }

    #[test]
    fn nodes_of_a_process_have_their_own_keys_and_a_fair_share_of_the_rest() {
        let all = Arc::<ProcessMemory>::default();
        let process = Memory { used: 1000, resident: 2000 };
        let (first, second) = (node(400), node(100));
        let one = join(&all, &first);
        assert_eq!(one.of(process).used, 1000, "a node alone has everything");
        let two = join(&all, &second);
        assert_eq!(one.of(process).used, 400 + 250);
        assert_eq!(two.of(process).used, 100 + 250);
        assert_eq!(one.of(process).resident, 1300);
        drop(two);
        assert_eq!(one.of(process).used, 1000, "a node that ended has no part");
    }

    #[test]
    fn keys_are_counted_anew_when_the_memory_of_the_process_has_changed() {
        let all = Arc::<ProcessMemory>::default();
        let (first, second) = (node(400_000), node(100_000));
        let (one, _two) = (join(&all, &first), join(&all, &second));
        assert_eq!(one.used(1_000_000), 650_000);
        first.0.store(500_000, Ordering::Relaxed);
        assert_eq!(one.used(1_010_000), 660_000, "not yet");
        assert_eq!(one.used(990_000), 640_000);
        assert_eq!(one.used(1_100_000), 500_000 + 250_000);
        second.0.store(200_000, Ordering::Relaxed);
        assert_eq!(one.used(1_200_000), 750_000, "what the other node adds is its own");
    }
}
