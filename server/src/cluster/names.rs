//! By which name a client is told a node, in redirections, CLUSTER SLOTS and CLUSTER SHARDS.
//!
//! Every client is told what `cluster-preferred-endpoint-type` says, as in Redis. With `announce-client` the nodes of
//! this machine, which are those with the address of this node, get names that fit the client: behind a published port,
//! on a machine with several addresses, and from a container beside it no single name is right. CLUSTER NODES and the
//! bus keep to what is announced: nodes and administrators mean the same node by it wherever they ask.

use std::net::IpAddr;

use gossip::{NodeView, View};

use crate::config::audience::{Rule, What, Who};
use crate::runtime::routes::Routes;
use crate::session::client::ClientHandle;

/// How nodes are named (`cluster-preferred-endpoint-type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Ip,
    Hostname,
    Unknown,
}

/// The rules of `announce-client`, and what they are judged by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Audiences {
    rules: Vec<Rule>,
    routes: Routes,
}

impl Audiences {
    /// Rules, and the networks of this machine.
    pub(crate) fn new(rules: Vec<Rule>, routes: Routes) -> Self {
        Self { rules, routes }
    }

    /// What a client that has reached `local` from `peer` is told, by the first rule that fits it.
    fn told(&self, peer: IpAddr, local: IpAddr) -> Option<Told> {
        let (peer, local) = (peer.to_canonical(), local.to_canonical());
        let fits = |rule: &&Rule| match rule.who {
            Who::Network(network) => network.contains(peer),
            Who::Router => self.routes.is_router(peer),
            Who::Outside => !self.routes.is_beside(peer, local),
        };
        Some(match &self.rules.iter().find(fits)?.what {
            What::Used => Told::Host(local.to_string()),
            What::Unknown => Told::Unknown,
            What::Host(host) => Told::Host(host.clone()),
        })
    }

    /// The same for a client, unless it has come by something else than TCP.
    fn told_to(&self, client: &ClientHandle) -> Option<Told> {
        if self.rules.is_empty() {
            return None;
        }
        let (peer, local) = client.ends?;
        self.told(peer, local)
    }
}

/// What a client is told of the nodes of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Unknown,
    Host(String),
}

/// By which of its names a node is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name<'a> {
    Ip,
    Hostname,
    Unknown,
    /// One that is for this client.
    Own(&'a str),
}

/// How nodes are named for one client.
pub(super) struct Names<'v> {
    endpoint: Endpoint,
    /// This node, and what the client is told of the nodes at its address.
    here: Option<(&'v NodeView, Told)>,
}

impl<'v> Names<'v> {
    /// For this client, if there is one.
    pub(super) fn of(endpoint: Endpoint, audiences: &Audiences, view: &'v View, client: Option<&ClientHandle>) -> Self {
        let told = client.and_then(|client| audiences.told_to(client));
        Self { endpoint, here: told.map(|told| (view.myself(), told)) }
    }

    pub(super) fn name(&self, node: &NodeView) -> Name<'_> {
        match &self.here {
            Some((me, told)) if node.id == me.id || node.ip == me.ip && !me.ip.is_empty() => match told {
                Told::Unknown => Name::Unknown,
                Told::Host(host) => Name::Own(host),
            },
            _ => match self.endpoint {
                Endpoint::Ip => Name::Ip,
                Endpoint::Hostname => Name::Hostname,
                Endpoint::Unknown => Name::Unknown,
            },
        }
    }

    /// The host of a node: empty if it is not to be known, and `?` for a host name that it does not have.
    pub(super) fn host(&self, node: &NodeView) -> String {
        match self.name(node) {
            Name::Ip => node.ip.to_string(),
            Name::Hostname if node.hostname.is_empty() => "?".to_owned(),
            Name::Hostname => node.hostname.clone(),
            Name::Unknown => String::new(),
            Name::Own(host) => host.to_owned(),
        }
    }
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
