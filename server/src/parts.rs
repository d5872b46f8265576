//! Parts that fuzz targets and tests outside the crate use directly. Not a public interface.

pub use crate::base::rng::Rng;
pub use crate::persistence::rdb_loader::{LoadError, Loader, Record};
/// Scripts that run without a node.
pub use crate::script::Alone as Script;
pub use crate::store::payload::digest::Digest;
pub use crate::store::payload::{PayloadLimits, dump, restore};
pub use crate::store::types::hash::{Hash, HashLimits};
/// HyperLogLogs, which are strings.
pub mod hyperloglog {
    pub use crate::store::types::hyperloglog::{
        Corrupted, Form, Place, cached, count, empty, make_stale, raise, to_dense,
    };
}
pub use crate::store::types::list::{List, ListOptions};
pub use crate::store::types::set::{Set, SetLimits};
/// Streams.
pub mod stream {
    pub use crate::store::types::stream::{
        Consumer, Counters, Delivery, Entry, Fields, Group, Keep, Log, NotAdded, Pairs, Pending, References, Removal,
        Removed, Stream, StreamId, StreamLimits, Trim, WrittenId,
    };
}
pub use crate::store::types::zset::{ZSet, ZSetOptions};
pub use crate::store::{Collection, Value, ValueRef};
