//! The networks that this machine is part of, and its routers, from the kernel's tables.
//!
//! They tell whether a client that connects can have meant the address at which it arrived. From the same machine or
//! network, it can. If it comes from a router, or from behind one, somebody may have put another address in the place
//! of the one that it meant: that is what a published port of a container does. Where there are no tables, nobody is
//! beside us.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::base::network::Network;

/// What is around this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Routes {
    direct: Vec<Network>,
    routers: Vec<IpAddr>,
}

/// Flags of a route (`RTF_UP`, `RTF_GATEWAY`, `RTF_REJECT`).
const UP: u32 = 1;
const THROUGH_ROUTER: u32 = 2;
const REFUSED: u32 = 0x200;

impl Routes {
    /// Those of now.
    pub(crate) fn read() -> Self {
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        Self::of(&text("/proc/net/route"), &text("/proc/net/ipv6_route"))
    }

    /// From the text of both tables.
    pub(crate) fn of(v4: &str, v6: &str) -> Self {
        let mut routes = Self::default();
        for (network, router) in v4.lines().filter_map(v4_route).chain(v6.lines().filter_map(v6_route)) {
            match router {
                Some(router) => routes.routers.push(router),
                None => routes.direct.extend(network),
            }
        }
        routes
    }

    /// Whether `peer` is a router of this machine.
    pub(crate) fn is_router(&self, peer: IpAddr) -> bool {
        self.routers.contains(&peer)
    }

    /// Whether `peer` is this machine, or another one of the same network and no router. `local` is the address that it
    /// has reached.
    pub(crate) fn is_beside(&self, peer: IpAddr, local: IpAddr) -> bool {
        peer.is_loopback()
            || peer == local
            || !self.is_router(peer) && self.direct.iter().any(|network| network.contains(peer))
    }
}

/// A line of /proc/net/route: the network, if it is not all there is, and the router on the way to it.
fn v4_route(line: &str) -> Option<(Option<Network>, Option<IpAddr>)> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let &[_, destination, router, flags, _, _, _, mask, ..] = words.as_slice() else { return None };
    // The bytes of an address are in their order, printed as a number of this machine.
    let address = |text| u32::from_str_radix(text, 16).ok().map(|number| Ipv4Addr::from(number.to_ne_bytes()));
    let flags = u32::from_str_radix(flags, 16).ok()?;
    let bits = address(mask)?.to_bits().leading_ones() as u8;
    let network = Network::new(address(destination)?.into(), bits).filter(|_| bits > 0);
    usable(flags).then_some((network, router_of(flags, address(router)?.into())))
}

/// A line of /proc/net/ipv6_route.
fn v6_route(line: &str) -> Option<(Option<Network>, Option<IpAddr>)> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let &[destination, bits, _, _, router, _, _, _, flags, device] = words.as_slice() else { return None };
    let address = |text| u128::from_str_radix(text, 16).ok().map(Ipv6Addr::from);
    let (flags, bits) = (u32::from_str_radix(flags, 16).ok()?, u8::from_str_radix(bits, 16).ok()?);
    let destination = address(destination)?;
    let is_network = bits > 0 && device != "lo" && !destination.is_multicast();
    let network = Network::new(destination.into(), bits).filter(|_| is_network);
    usable(flags).then_some((network, router_of(flags, address(router)?.into())))
}

fn usable(flags: u32) -> bool {
    flags & UP != 0 && flags & REFUSED == 0
}

fn router_of(flags: u32, address: IpAddr) -> Option<IpAddr> {
    (flags & THROUGH_ROUTER != 0 && !address.is_unspecified()).then_some(address)
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
