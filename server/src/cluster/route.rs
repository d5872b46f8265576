//! Is a slot served here? A pure function of the published view.
//!
//! Redis: `getNodeByQuery`. The order of the checks is Redis's, because a client can tell from the reply which came
//! first. Checks that depend on whether keys exist (ASK, TRYAGAIN) are left to the engine, which makes them under the
//! slot's lock.

use gossip::View;

use super::names::{Audiences, Endpoint, Names};
use crate::command::{CmdError, error};
use crate::engine::ports::{Route, RouteAsk};
use crate::session::client::ClientHandle;

/// Directives that routing depends on.
#[derive(Clone, Debug)]
pub(crate) struct RoutePolicy {
    pub endpoint: Endpoint,
    /// `announce-client`.
    pub audiences: Audiences,
    /// `cluster-allow-reads-when-down`.
    pub reads_when_down: bool,
    /// `cluster-allow-pubsubshard-when-down`.
    pub shard_channels_when_down: bool,
}

impl RoutePolicy {
    /// How nodes are named for this client, if there is one.
    pub(super) fn names<'v>(&self, view: &'v View, client: Option<&ClientHandle>) -> Names<'v> {
        Names::of(self.endpoint, &self.audiences, view, client)
    }
}

/// Decides where a command is served. `lease_held`: this node may serve writes (see
/// [`gossip::Gossip::serve_until_ms`]).
pub(crate) fn route(view: &View, ask: &RouteAsk<'_>, policy: &RoutePolicy, lease_held: bool) -> Route {
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
                let host = policy.names(view, ask.client).host(target);
                Route::Migrating(error::ask(ask.slot.get(), &host, target.port))
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
    let host = policy.names(view, ask.client).host(owner);
    Route::Refuse(error::moved(ask.slot.get(), &host, owner.port))
}

fn when_down(view: &View, ask: &RouteAsk<'_>, policy: &RoutePolicy) -> Option<CmdError> {
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
