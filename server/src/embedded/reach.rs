//! Where the nodes listen, and under which address they and their clients find each other.
//!
//! By default all of that is 127.0.0.1. With another `bind` the nodes announce an address that they listen on, since the one that a peer
//! sees a connection come from need not be. What cannot work is said before anything is started: an announced address that is not
//! of this machine or that nobody listens on, and one from which protected mode would turn the nodes away from each other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, ToSocketAddrs, UdpSocket};

use super::ClusterError;
use crate::config::{Config, ids};

/// The addresses of a cluster; one for all nodes, which differ by their ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// Where the nodes are introduced to each other.
    pub(super) dial: IpAddr,
    /// What they must announce; `None` if they announce what they were told, or need not.
    pub(super) announce: Option<IpAddr>,
    /// Where clients find them.
    pub(super) shown: IpAddr,
    /// Nobody else can reach them.
    pub(super) local: bool,
    /// How many addresses each node listens on.
    pub(super) addresses: usize,
}

impl Reach {
    /// What the configuration of every node makes of it.
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
                // A name is resolved by the nodes, again and again; one that nobody knows would never bring them together.
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

    /// What the nodes have in their configuration of this.
    pub(super) fn directives(&self) -> String {
        self.announce.map_or_else(String::new, |ip| format!("cluster-announce-ip {ip}\n"))
    }
}

/// Whether all that `bind` names is of this machine. An address that may be missing is left to the nodes.
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

/// Whether nodes that announce `ip` reach each other there.
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

/// The address of this machine that others see, of the same family: that of the way out. Nothing is sent.
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
