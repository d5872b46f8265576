//! Nodes as people write them: `node1:7000,node2,[::1]:7001`.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::healthcheck::{NODE_PORT, address_of};

/// The port of a node that names none.
pub(crate) const PORT: u16 = NODE_PORT;
/// The most nodes in one list; a cluster has at most 1000.
const NODES_MAX: usize = 1000;

/// Where a node is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    /// A name, or an address without brackets.
    pub host: String,
    /// The port for clients.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&address_of(&self.host, self.port))
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text, PORT)
    }
}

impl Address {
    /// Reads `host`, `host:port`, `[address]:port` or an IPv6 address without port.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str, default_port: u16) -> Result<Self, String> {
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, Some(rest.strip_prefix(':').unwrap_or("no port"))),
            // An address of IPv6, perhaps with the name of an interface. Two colons alone may be a typing error.
            None if is_ipv6(text) => (text, None),
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Ok(default_port), str::parse).ok().filter(|port| *port > 0);
        match port {
            Some(port) if is_ipv6(host) || (!host.is_empty() && !host.contains([':', '/', '[', ']'])) => {
                Ok(Self { host: host.to_owned(), port })
            }
            _ => Err(format!("'{text}' is no node: write host:port")),
        }
    }
}

fn is_ipv6(host: &str) -> bool {
    host.split('%').next().is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

/// Several nodes, each named once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeList(pub(crate) Vec<Address>);

impl FromStr for NodeList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text, PORT)
    }
}

impl NodeList {
    /// Reads nodes separated by commas, blanks or both.
    ///
    /// # Errors
    /// The first that cannot be read or is named twice; or there is none, or there are too many.
    pub(crate) fn parse(text: &str, default_port: u16) -> Result<Self, String> {
        let words = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
        let nodes: Vec<Address> = words.map(|word| Address::parse(word, default_port)).collect::<Result<_, _>>()?;
        let mut sorted: Vec<&Address> = nodes.iter().collect();
        sorted.sort_unstable();
        if let Some([twice, _]) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("{twice} is named twice"));
        }
        match nodes.len() {
            0 => Err("no node is named: write host:port,host:port".to_owned()),
            1..=NODES_MAX => Ok(Self(nodes)),
            many => Err(format!("{many} nodes are more than a cluster has ({NODES_MAX})")),
        }
    }
}

#[cfg(test)]
#[path = "node_list_tests.rs"]
mod tests;
