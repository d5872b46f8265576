//! Is a slot served here? A pure function of the published view.
//!
//! Redis: `getNodeByQuery`. The order of the checks is Redis's, because a client can tell from the reply which came
//! first. Checks that depend on whether keys exist (ASK, TRYAGAIN) are left to the engine, which makes them under the
//! slot's lock.

use gossip::{NodeView, View};

use crate::command::{CmdError, error};
use crate::engine::ports::{Route, RouteAsk};

/// How nodes are named in redirections (`cluster-preferred-endpoint-type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Ip,
    Hostname,
    Unknown,
}

/// Directives that routing depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoutePolicy {
    pub endpoint: Endpoint,
    /// `cluster-allow-reads-when-down`.
    pub reads_when_down: bool,
    /// `cluster-allow-pubsubshard-when-down`.
    pub shard_channels_when_down: bool,
}

/// The host of a node in redirections, CLUSTER SLOTS and SHARDS; `?` if its hostname is not known.
pub(crate) fn endpoint_of(node: &NodeView, endpoint: Endpoint) -> String {
    match endpoint {
        Endpoint::Ip => node.ip.to_string(),
        Endpoint::Hostname if node.hostname.is_empty() => "?".to_owned(),
        Endpoint::Hostname => node.hostname.clone(),
        Endpoint::Unknown => String::new(),
    }
}

/// Decides where a command is served. `lease_held`: this node may serve writes (see
/// [`gossip::Gossip::serve_until_ms`]).
pub(crate) fn route(view: &View, ask: &RouteAsk, policy: &RoutePolicy, lease_held: bool) -> Route {
    let Some(owner) = view.owner(ask.slot) else { return Route::Refuse(error::CLUSTER_DOWN_UNBOUND) };
    if let Some(problem) = when_down(view, ask, policy) {
        return Route::Refuse(problem);
    }
    let mine = view.owns(ask.slot);
    if mine {
        // In a cluster that is down, such a script may read if reads are allowed.
        if (ask.write || ask.may_write && view.ok) && !lease_held {
            return Route::Refuse(error::CLUSTER_DOWN);
        }
        return match view.migrating_to(ask.slot) {
            Some(_) if ask.migrate => Route::Serve,
            Some(target) => {
                Route::Migrating(error::ask(ask.slot.get(), &endpoint_of(target, policy.endpoint), target.port))
            }
            None => Route::Serve,
        };
    }
    if view.importing_from(ask.slot).is_some() {
        if ask.migrate {
            return Route::Serve;
        }
        if ask.asking {
            return Route::Importing;
        }
    }
    let me = view.myself();
    if (ask.readonly || ask.channel) && !ask.write && me.primary == Some(owner.id) {
        return Route::Serve;
    }
    Route::Refuse(error::moved(ask.slot.get(), &endpoint_of(owner, policy.endpoint), owner.port))
}

fn when_down(view: &View, ask: &RouteAsk, policy: &RoutePolicy) -> Option<CmdError> {
    if view.ok {
        return None;
    }
    if ask.channel {
        return (!policy.shard_channels_when_down).then_some(error::CLUSTER_DOWN);
    }
    if !policy.reads_when_down {
        return Some(error::CLUSTER_DOWN);
    }
    ask.write.then_some(error::CLUSTER_DOWN_RO)
}
