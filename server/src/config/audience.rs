//! The rules of `announce-client`: who is told what of the nodes of this machine.
//!
//! A rule is `WHO=WHAT`, and rules are separated by commas or blanks. The first one that fits a client counts; without
//! any it is told what every client is told. `auto` stands for three rules: the address that a client has used is right
//! for it, unless somebody on the way has put another one in its place.

use std::net::IpAddr;

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
/// The longest part of a name (RFC 1123).
const LABEL_MAX: usize = 63;

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
const NO_HOST: &str = "announce-client: behind = stands an address or a host name without a port, 'used' or 'unknown', \
                       as in outside=127.0.0.1,auto";

fn rule(word: &str) -> Result<Rule, &'static str> {
    let (who, what) = word.split_once('=').ok_or(NO_RULE)?;
    let who = match who {
        "router" => Who::Router,
        "outside" => Who::Outside,
        network => Who::Network(network.parse().map_err(|()| NO_CLIENTS)?),
    };
    let what = match what {
        "used" => What::Used,
        "unknown" => What::Unknown,
        host if host.parse::<IpAddr>().is_ok() || is_host_name(host) => What::Host(host.to_owned()),
        _ => return Err(NO_HOST),
    };
    Ok(Rule { who, what })
}

/// Whether clients can look this up. Underscores are used in names of containers. A name that ends with a number is an
/// address with a mistake; a point at the end keeps resolvers from trying other domains.
fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=LABEL_MAX).contains(&label.len())
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let labels = text.strip_suffix('.').unwrap_or(text);
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    text.len() < HOST_MAX && labels.split('.').all(is_label) && !labels.rsplit('.').next().is_some_and(is_number)
}

#[cfg(test)]
#[path = "audience_tests.rs"]
mod tests;
