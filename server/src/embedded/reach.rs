//! Where the nodes listen, and under which address they and their clients find each other.
//!
//! By default everything is at 127.0.0.1. With another `bind` the nodes announce an address that they listen on, since
//! the source address of a connection need not be one. What cannot work is refused before anything is started: an
//! announced address that is not of this machine or that no node listens on, and one from which protected mode would
//! refuse the nodes' own connections.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, ToSocketAddrs, UdpSocket};

use super::ClusterError;
use crate::config::{Config, ids};

/// The addresses of a cluster; one for all nodes, which differ by their ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// Where the nodes are introduced to each other.
    pub(super) dial: IpAddr,
    /// The address that they must announce; `None` if the configuration names one, or none is needed.
    pub(super) announce: Option<IpAddr>,
    /// Where clients find them.
    pub(super) shown: IpAddr,
    /// Other machines cannot reach them.
    pub(super) local: bool,
    /// How many addresses each node listens on.
    pub(super) addresses: usize,
}

impl Reach {
    /// The addresses that follow from the configuration of every node.
    pub(super) fn of(config: &Config) -> Result<Self, ClusterError> {
        let bound: Vec<IpAddr> = config.bind_addresses().iter().filter_map(|name| address_of(name)).collect();
        let first = bound.first().copied().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let dial = match first {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            named => named,
        };
        let guarded = config.bool(ids::PROTECTED_MODE) && config.bytes(ids::REQUIREPASS).is_empty();
        let told = config.string(ids::CLUSTER_ANNOUNCE_IP);
        let local = bound.iter().all(IpAddr::is_loopback);
        let mut reach = Self { dial, announce: None, shown: dial, local, addresses: bound.len().max(1) };
        if !told.is_empty() {
            let Ok(ip) = told.parse() else {
                // The nodes resolve a name again and again; if it cannot be resolved they would never meet.
                return match (&*told, 0).to_socket_addrs() {
                    Ok(_) => Ok(reach),
                    Err(error) => Err(ClusterError::Contradiction(format!("--cluster-announce-ip {told}: {error}"))),
                };
            };
            check_announced(ip, &bound, &config.string(ids::BIND))?;
            reach.shown = ip;
        } else if !first.is_unspecified() {
            reach.announce = (dial != IpAddr::V4(Ipv4Addr::LOCALHOST)).then_some(dial);
        } else if !guarded && let Some(ip) = outgoing(dial) {
            reach.announce = Some(ip);
            reach.shown = ip;
        }
        if guarded && !reach.shown.is_loopback() {
            let name = if told.is_empty() { "--bind" } else { "--cluster-announce-ip" };
            return Err(ClusterError::Contradiction(format!(
                "{name} {} and protected mode contradict each other: without a password only clients of 127.0.0.1 are served, and \
                 the nodes are clients of each other; give --password, or --protected-mode no",
                reach.shown
            )));
        }
        Ok(reach)
    }

    /// The directives that each node's configuration gets for this.
    pub(super) fn directives(&self) -> String {
        self.announce.map_or_else(String::new, |ip| format!("cluster-announce-ip {ip}\n"))
    }
}

/// Checks that all addresses in `bind` are of this machine. An optional address is left to the nodes.
pub(super) fn check_bound(config: &Config) -> Result<(), String> {
    for name in config.bind_addresses().iter().filter(|name| !name.starts_with('-')) {
        let Some(ip) = address_of(name) else {
            return Err(format!("--bind {name}: not an IP address; give one of this machine, or 0.0.0.0 for all"));
        };
        if TcpListener::bind((ip, 0)).is_err_and(|error| error.kind() == std::io::ErrorKind::AddrNotAvailable) {
            return Err(format!("--bind {name}: this machine has no such address"));
        }
    }
    Ok(())
}

/// Checks that nodes that announce `ip` reach each other there.
fn check_announced(ip: IpAddr, bound: &[IpAddr], bind: &str) -> Result<(), ClusterError> {
    if TcpListener::bind((ip, 0)).is_err() {
        return Err(ClusterError::Contradiction(format!(
            "--cluster-announce-ip {ip}: this machine has no such address, so the nodes would not find each other there"
        )));
    }
    let covers = |own: &IpAddr| *own == ip || (own.is_unspecified() && own.is_ipv4() == ip.is_ipv4());
    if !bound.iter().any(covers) {
        return Err(ClusterError::Contradiction(format!(
            "--cluster-announce-ip {ip} and --bind {bind} contradict each other: nobody listens on what is announced"
        )));
    }
    Ok(())
}

fn address_of(name: &str) -> Option<IpAddr> {
    match name.trim_start_matches('-') {
        "*" => Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        "::*" => Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        other => other.parse().ok(),
    }
}

/// The address of this machine that others see, of the same family: the source address of an outgoing packet. Nothing
/// is sent.
fn outgoing(like: IpAddr) -> Option<IpAddr> {
    // Addresses that are reserved for examples; any that is not of this machine would do.
    let (own, other): (IpAddr, IpAddr) = match like {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(198, 51, 100, 1).into()),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()),
    };
    let socket = UdpSocket::bind((own, 0)).ok()?;
    socket.connect((other, 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified()).then_some(ip)
}

#[cfg(test)]
#[path = "reach_tests.rs"]
mod tests;
