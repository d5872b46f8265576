//! Values that have left their slots and wait to be dropped, and how many of them Redis would free lazily.
//!
//! Here every collection is dropped after the locks of its command were released. Redis frees a value beside its
//! commands only if UNLINK or a `lazyfree-lazy-*` directive asks for that, and only if the value consists of many
//! pieces; INFO shows how many there were. So what is counted here is not more than Redis counts, although more is
//! freed that way. Redis: lazyfree.c.

use super::collection::CollectionRef;
use super::slot::Removed;
use super::value::{Encoding, ValueRef};

/// Values of at most so many pieces are freed at once in Redis (`LAZYFREE_THRESHOLD`).
const FEW_PIECES: usize = 64;

/// See the top of the file.
#[derive(Debug, Default)]
pub(crate) struct Garbage {
    values: Vec<Removed>,
    objects: u64,
}

impl Garbage {
    /// Adds a value; `lazily`: Redis would free it beside its commands if it has many pieces.
    pub(crate) fn push(&mut self, removed: Removed, lazily: bool) {
        self.objects += u64::from(lazily && pieces(removed.value()) > FEW_PIECES);
        self.values.push(removed);
    }

    /// Takes over what another has.
    pub(crate) fn append(&mut self, other: Garbage) {
        self.objects += other.objects;
        self.values.extend(other.values);
    }

    /// Whether there is nothing to drop.
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The values.
    pub(crate) fn values(&self) -> &[Removed] {
        &self.values
    }

    /// How many of them Redis would have freed lazily.
    pub(crate) fn objects(&self) -> u64 {
        self.objects
    }
}

/// Redis's estimate of the allocations that a value consists of (`lazyfreeGetFreeEffort`).
fn pieces(value: ValueRef<'_>) -> usize {
    let ValueRef::Collection(collection) = value else { return 1 };
    match collection {
        CollectionRef::List(list) => list.node_count(),
        // All groups count like the first one.
        CollectionRef::Stream(stream) => {
            let group = stream.groups().next().map_or(0, |(_, group)| 1 + group.pending_count());
            stream.log().radix_tree_nodes() + stream.group_count() * group
        }
        CollectionRef::Hash(_) | CollectionRef::Set(_) | CollectionRef::ZSet(_) => match collection.encoding() {
            Encoding::HashTable | Encoding::SkipList => collection.len(),
            Encoding::Int
            | Encoding::EmbStr
            | Encoding::Raw
            | Encoding::QuickList
            | Encoding::ListPack
            | Encoding::ListPackEx
            | Encoding::IntSet
            | Encoding::Stream => 1,
        },
    }
}

#[cfg(test)]
#[path = "garbage_tests.rs"]
mod tests;
