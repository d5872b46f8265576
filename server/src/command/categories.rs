//! ACL categories of a command: those that follow from its flags and its group, and those that it declares.
//!
//! Redis lists some categories with each command and derives others (`setImplicitACLCategories`). Almost all follow
//! from the [`Spec`]; a command declares the few that do not ([`Spec::categories`]).

use super::spec::bits;
use super::{Flags, Group, Spec};

bits! {
    /// A set of ACL categories, in the order in which COMMAND INFO prints them.
    Categories: u32 {
        KEYSPACE = 0,
        READ = 1,
        WRITE = 2,
        SET = 3,
        SORTED_SET = 4,
        LIST = 5,
        HASH = 6,
        STRING = 7,
        BITMAP = 8,
        HYPERLOGLOG = 9,
        GEO = 10,
        STREAM = 11,
        PUBSUB = 12,
        ADMIN = 13,
        FAST = 14,
        SLOW = 15,
        BLOCKING = 16,
        DANGEROUS = 17,
        CONNECTION = 18,
        TRANSACTION = 19,
        SCRIPTING = 20,
    }
}

/// The names of the categories, in the order of their bits.
const NAMES: [&str; 21] = [
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

impl Categories {
    /// The category with this name, in lower case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        NAMES.iter().position(|known| *known == name).map(|bit| Self(1 << bit))
    }

    /// The names of the categories in the set.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES.into_iter().enumerate().filter(move |(bit, _)| self.0 & 1 << bit != 0).map(|(_, name)| name)
    }

    /// The categories of a command.
    pub(crate) fn of(spec: &Spec) -> Self {
        let flags = spec.flags;
        let when = |applies: bool, categories: Self| if applies { categories } else { Self::NONE };
        // Commands on the whole data set (FLUSHALL, SWAPDB), or on behalf of another server (RESTORE-ASKING).
        let writes_as_server = spec.group == Group::Server && flags.has(Flags::WRITE);
        // A container itself does nothing. WAIT concerns the connection, not keys; SORT has the categories of types.
        let group = when(!flags.has(Flags::CONTAINER), of_group(spec.group));
        let group = when(!(group == Self::KEYSPACE && spec.categories.any(Self::CONNECTION.and(Self::LIST))), group);
        spec.categories
            .and(group)
            .and(when(flags.has(Flags::READONLY) && spec.group != Group::Scripting, Self::READ))
            .and(when(flags.has(Flags::WRITE), Self::WRITE))
            .and(when(flags.has(Flags::PUBSUB), Self::PUBSUB))
            .and(when(flags.has(Flags::ADMIN), Self::ADMIN))
            .and(when(flags.has(Flags::ADMIN) || spec.categories.has(Self::ADMIN), Self::DANGEROUS))
            .and(when(flags.has(Flags::FAST), Self::FAST))
            .and(when(!flags.has(Flags::FAST), Self::SLOW))
            .and(when(flags.has(Flags::BLOCKING), Self::BLOCKING))
            .and(when(writes_as_server, Self::KEYSPACE.and(Self::DANGEROUS)))
    }
}

/// The category that a group stands for, if any.
fn of_group(group: Group) -> Categories {
    match group {
        Group::Generic => Categories::KEYSPACE,
        Group::String => Categories::STRING,
        Group::List => Categories::LIST,
        Group::Set => Categories::SET,
        Group::SortedSet => Categories::SORTED_SET,
        Group::Hash => Categories::HASH,
        Group::Transactions => Categories::TRANSACTION,
        Group::Connection => Categories::CONNECTION,
        Group::Scripting => Categories::SCRIPTING,
        Group::HyperLogLog => Categories::HYPERLOGLOG,
        Group::Geo => Categories::GEO,
        Group::Stream => Categories::STREAM,
        Group::Bitmap => Categories::BITMAP,
        Group::PubSub | Group::Server | Group::Cluster => Categories::NONE,
    }
}

#[cfg(test)]
#[path = "categories_tests.rs"]
mod tests;
