//! ACL categories, derived from flags and group.
//!
//! Redis lists some categories with each command and derives others (`setImplicitACLCategories`). Almost all follow
//! from what a [`Spec`] already says; the few others have flags of their own (`Flags::ACL_*`).

use crate::command::{Flags, Group, Spec};

/// All categories, in the order in which COMMAND INFO prints them.
pub(crate) const CATEGORIES: [&str; 21] = [
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

/// Whether a command belongs to a category; `false` for an unknown category.
pub(crate) fn belongs(spec: &Spec, category: &str) -> bool {
    let flags = spec.flags;
    match category {
        "read" => flags.has(Flags::READONLY) && spec.group != Group::Scripting,
        "write" => flags.has(Flags::WRITE),
        "pubsub" => flags.has(Flags::PUBSUB),
        "admin" => flags.any(Flags::ADMIN.and(Flags::ACL_ADMIN)),
        "fast" => flags.has(Flags::FAST),
        "slow" => !flags.has(Flags::FAST),
        "blocking" => flags.has(Flags::BLOCKING),
        "dangerous" => {
            flags.any(Flags::ADMIN.and(Flags::ACL_ADMIN).and(Flags::ACL_DANGEROUS)) || writes_keyspace_as_server(spec)
        }
        "keyspace" => {
            flags.has(Flags::ACL_KEYSPACE)
                || writes_keyspace_as_server(spec)
                || by_group(spec) == Some(category) && !flags.has(Flags::ACL_CONNECTION)
        }
        "connection" => flags.has(Flags::ACL_CONNECTION) || by_group(spec) == Some(category),
        "transaction" => flags.has(Flags::ACL_TRANSACTION) || by_group(spec) == Some(category),
        _ => by_group(spec) == Some(category),
    }
}

/// The categories of a command, in the order of [`CATEGORIES`].
pub(crate) fn categories(spec: &Spec) -> impl Iterator<Item = &'static str> {
    CATEGORIES.into_iter().filter(move |category| belongs(spec, category))
}

/// Commands on the whole data set (FLUSHALL, SWAPDB) and on behalf of another server (RESTORE-ASKING).
fn writes_keyspace_as_server(spec: &Spec) -> bool {
    spec.group == Group::Server && spec.flags.has(Flags::WRITE)
}

/// The category that a group stands for. A container does nothing itself and has none.
fn by_group(spec: &Spec) -> Option<&'static str> {
    if spec.flags.has(Flags::CONTAINER) {
        return None;
    }
    Some(match spec.group {
        Group::Generic => "keyspace",
        Group::String => "string",
        Group::List => "list",
        Group::Set => "set",
        Group::SortedSet => "sortedset",
        Group::Hash => "hash",
        Group::Transactions => "transaction",
        Group::Connection => "connection",
        Group::Scripting => "scripting",
        Group::HyperLogLog => "hyperloglog",
        Group::Geo => "geo",
        Group::Stream => "stream",
        Group::Bitmap => "bitmap",
        Group::PubSub | Group::Server | Group::Cluster => return None,
    })
}
