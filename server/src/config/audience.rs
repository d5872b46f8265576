//! The rules of `announce-client`: who is told what of the nodes of this machine.
//!
//! A rule is `WHO=WHAT`, and rules are separated by commas or blanks. The first one that fits a client counts; without
//! any it is told what every client is told. `auto` stands for three rules: the address that a client has used is right
//! for it, unless somebody on the way has put another one in its place.

use crate::base::network::Network;

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub who: Who,
    pub what: What,
}

/// The clients that a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Those with an address of this network.
    Network(Network),
    /// The routers of this machine; to a container, that is the host, and whoever comes through it by another address.
    Router,
    /// These, and all who are neither on this machine nor in a network that it is part of.
    Outside,
}

/// What they are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The address that the client has reached this node at.
    Used,
    /// That the address is not known: clients go on with the one that they use.
    Unknown,
    /// This host.
    Host(String),
}

/// What `auto` stands for.
const AUTO: &str = "router=unknown,0.0.0.0/0=used,::/0=used";

/// Redis's longest host name, its terminator included.
const HOST_MAX: usize = 256;

/// Reads the rules.
///
/// # Errors
/// What is wrong, in the words that follow "CONFIG SET failed".
pub(crate) fn parse(text: &str) -> Result<Vec<Rule>, &'static str> {
    let words = text.split([',', ' ', '\t']).filter(|word| !word.is_empty());
    let words = words.flat_map(|word| if word == "auto" { AUTO } else { word }.split(','));
    words.map(rule).collect()
}

/// What is said of a word that is no rule, with one that is.
const NO_RULE: &str = "announce-client must be 'auto' or rules WHO=WHAT, separated by commas: outside=127.0.0.1,auto";
const NO_CLIENTS: &str =
    "announce-client: before = stands an address, a network, 'router' or 'outside', as in outside=127.0.0.1,auto";
const NO_HOST: &str =
    "announce-client: behind = stands the host for these clients, 'used' or 'unknown', as in outside=127.0.0.1,auto";

fn rule(word: &str) -> Result<Rule, &'static str> {
    let (who, what) = word.split_once('=').ok_or(NO_RULE)?;
    let who = match who {
        "router" => Who::Router,
        "outside" => Who::Outside,
        network => Who::Network(network.parse().map_err(|()| NO_CLIENTS)?),
    };
    let is_name = |text: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':' | b'_');
        (1..HOST_MAX).contains(&text.len()) && text.bytes().all(allowed)
    };
    let what = match what {
        "used" => What::Used,
        "unknown" => What::Unknown,
        host if is_name(host) => What::Host(host.to_owned()),
        _ => return Err(NO_HOST),
    };
    Ok(Rule { who, what })
}

#[cfg(test)]
#[path = "audience_tests.rs"]
mod tests;
