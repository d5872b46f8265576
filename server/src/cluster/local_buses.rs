//! The buses of the nodes of one process, by the addresses at which they listen.
//!
//! A node that connects to a peer looks here first. If a node of the same process listens at the address, the link is a
//! [`pipe`] and takes no descriptor; all other peers use TCP. To both ends the link looks as it would over TCP: the
//! same addresses, a backlog of links that are not accepted yet, and refusal if no node listens.
//!
//! Invariant: an address is registered exactly while its node accepts: from the binding of its sockets until its
//! [`Listener`] is dropped. The registry knows nothing else of the nodes, so it keeps none alive.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::pipe::{self, End};

/// A link that a peer opens, with the addresses that its connection would have.
pub(super) struct Call {
    pub(super) end: End,
    pub(super) from: IpAddr,
    pub(super) to: IpAddr,
}

/// Where nodes of the process listen.
#[derive(Default)]
pub(crate) struct LocalBuses {
    listening: Mutex<BTreeMap<SocketAddr, mpsc::Sender<Call>>>,
}

impl LocalBuses {
    /// Registers a listener for nodes of the process that connect to these addresses. `backlog` of them may wait for
    /// it.
    pub(crate) fn listen(self: &Arc<Self>, addresses: &[SocketAddr], backlog: usize) -> Listener {
        let (sender, calls) = mpsc::channel(backlog.max(1));
        let mut listening = self.listening.lock();
        for address in addresses {
            listening.insert(*address, sender.clone());
        }
        Listener { buses: self.clone(), addresses: addresses.to_vec(), calls }
    }

    /// A link to the node of the process that listens at `address`, and our own address on it; `None` if no node of the
    /// process listens there. `source` is the address to connect from, if one is required.
    ///
    /// # Errors
    /// There is no route from `source` to the address.
    pub(super) async fn connect(
        &self,
        address: SocketAddr,
        source: Option<IpAddr>,
    ) -> io::Result<Option<(End, IpAddr)>> {
        let Some(listener) = self.find(address) else { return Ok(None) };
        let (to, from) = (address.ip(), source_of(address, source)?);
        let (near, far) = pipe::pair();
        // The listener may have been dropped at this moment: then no node listens.
        let accepted = listener.send(Call { end: far, from, to }).await.is_ok();
        Ok(accepted.then_some((near, from)))
    }

    fn find(&self, address: SocketAddr) -> Option<mpsc::Sender<Call>> {
        let any: IpAddr = match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let listening = self.listening.lock();
        if let Some(listener) = listening.get(&address) {
            return Some(listener.clone());
        }
        let listener = listening.get(&SocketAddr::new(any, address.port())).cloned()?;
        drop(listening);
        // Other machines may have the same port.
        is_own(address.ip()).then_some(listener)
    }
}

/// Receives links from nodes of the same process; dropping it ends that.
pub(crate) struct Listener {
    buses: Arc<LocalBuses>,
    addresses: Vec<SocketAddr>,
    calls: mpsc::Receiver<Call>,
}

impl Listener {
    /// The next link from a node of the process.
    pub(super) async fn accept(&mut self) -> Option<Call> {
        self.calls.recv().await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // A sender that is no longer in the registry finds the receiver closed, which comes first.
        self.calls.close();
        let mut listening = self.buses.listening.lock();
        for address in &self.addresses {
            // A node that registered this address after us stays.
            if listening.get(address).is_some_and(mpsc::Sender::is_closed) {
                listening.remove(address);
            }
        }
    }
}

/// Whether an address is of this machine: a connection to it then also comes from it. (Binding to it proves nothing,
/// since `ip_nonlocal_bind` lets a program bind to any address.)
fn is_own(ip: IpAddr) -> bool {
    /// Any port will do, since nothing is sent.
    const DISCARD: u16 = 9;
    ip.is_loopback() || source_of(SocketAddr::new(ip, DISCARD), None).is_ok_and(|source| source == ip)
}

/// The source address of a connection. The system chooses it; finding out sends nothing.
fn source_of(to: SocketAddr, source: Option<IpAddr>) -> io::Result<IpAddr> {
    let (loopback, any): (IpAddr, IpAddr) = match to {
        SocketAddr::V4(_) => (Ipv4Addr::LOCALHOST.into(), Ipv4Addr::UNSPECIFIED.into()),
        SocketAddr::V6(_) => (Ipv6Addr::LOCALHOST.into(), Ipv6Addr::UNSPECIFIED.into()),
    };
    if source.is_none() && to.ip().is_loopback() {
        return Ok(loopback);
    }
    let socket = UdpSocket::bind((source.unwrap_or(any), 0))?;
    socket.connect(to)?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
#[path = "local_buses_tests.rs"]
mod tests;
