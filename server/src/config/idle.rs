//! What a node logs about directives that are set and have no effect.
//!
//! They are kept, so that an existing redis.conf loads. But an operator who sets one expects an effect, and should not
//! have to discover that there is none. Each is logged at start, and again when CONFIG SET changes it, unless it is set
//! to its default.

use super::directive::{DirectiveId, Effect};
use super::value::Value;
use super::{Config, ids, table};

/// What follows from it, for directives where that says more than the general text.
const CONSEQUENCES: &[(DirectiveId, &str)] = &[
    (ids::APPENDONLY, "there is no append-only file, snapshots are all there is"),
    (ids::MAXMEMORY_CLIENTS, "no client is disconnected for the memory it needs"),
    (ids::TLS_PORT, "there is no TLS, and nothing listens on that port"),
    (ids::TLS_CLUSTER, "there is no TLS, the bus is not encrypted"),
    (ids::TLS_REPLICATION, "there is no TLS, replication is not encrypted"),
    (ids::UNIXSOCKET, "nothing listens there"),
];

/// Directives that have none unless the node is part of a cluster, although slotd obeys them. Redis is silent about
/// its own; this one is slotd's, and whoever sets it waits for an effect.
const OF_CLUSTERS: &[DirectiveId] = &[ids::ANNOUNCE_CLIENT];

impl Config {
    /// A line for each directive that is set to something other than its default and has no effect.
    pub(crate) fn without_effect(&self) -> Vec<String> {
        table::all().filter_map(|(id, _)| self.idle(id)).collect()
    }

    /// The same for the directives that a CONFIG SET has named.
    pub(crate) fn without_effect_of<'a>(&self, names: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        names.into_iter().filter_map(|name| self.idle(table::find(name)?)).collect()
    }

    fn idle(&self, id: DirectiveId) -> Option<String> {
        let directive = id.directive();
        let without_cluster = OF_CLUSTERS.contains(&id) && !self.bool(ids::CLUSTER_ENABLED);
        let is_idle = directive.effect == Effect::AcceptedWithoutEffect || without_cluster;
        if !is_idle || self.value(id) == Value::default_of(directive) {
            return None;
        }
        let value = if directive.sensitive { "(redacted)".into() } else { self.print(id) };
        let value = String::from_utf8_lossy(&value).into_owned();
        if without_cluster {
            return Some(format!("WARNING '{} {value}' has no effect: cluster-enabled is no", directive.name));
        }
        let told = CONSEQUENCES.iter().find(|(told, _)| *told == id);
        let what = told.map_or("the directive is accepted and not obeyed", |(_, what)| what);
        Some(format!("WARNING '{} {value}' has no effect in slotd: {what}", directive.name))
    }
}
