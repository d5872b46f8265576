//! Where a node listens: the addresses of `bind` on one port, and changing them at run time.
//!
//! CONFIG SET of `port` or `bind` runs on a worker, but accepting is done by the control thread, which a worker must
//! not wait for. So the old sockets are not closed but shut down: a socket that no longer listens frees its port at
//! once for other sockets with the same address (`SO_REUSEADDR`, set on all of ours), and its acceptor notices by
//! itself.
//!
//! Invariant: either all addresses are bound, or [`Listening::rebind`] has failed and the caller binds the old ones
//! again.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::sync::watch;

use super::listener;
use crate::config::{ids, os_reason};
use crate::engine::Engine;
use crate::runtime::threads::Threads;

/// An address could not be bound. The text is Redis's, without the prefix `Warning: ` of its log.
#[derive(Debug, thiserror::Error)]
#[error("Could not create server TCP listening socket {name}:{port}: {}{}", if *.found { "bind: " } else { "" }, os_reason(.error))]
pub struct BindError {
    /// The address as written in `bind`.
    pub name: String,
    /// The port.
    pub port: u16,
    /// The name is an address, or was resolved.
    pub found: bool,
    /// The reason.
    pub error: io::Error,
}

impl BindError {
    /// Whether somebody else listens there.
    pub(crate) fn is_taken(&self) -> bool {
        self.error.kind() == io::ErrorKind::AddrInUse
    }
}

/// Listening sockets on one port.
pub(crate) struct Sockets {
    pub sockets: Vec<std::net::TcpListener>,
    /// The port, which the system chose if it was asked for 0.
    pub port: u16,
}

impl Sockets {
    /// Binds every address of `bind`. Redis: `listenToPort`.
    ///
    /// # Errors
    /// The first address that cannot be bound and is not optional, or all of them if none can.
    pub(crate) fn bind(engine: &Engine, mut port: u16) -> Result<Self, BindError> {
        let backlog = engine.config.int(ids::TCP_BACKLOG) as i32;
        let mut sockets = Vec::new();
        for name in engine.config.bind_addresses() {
            let (optional, name) = match name.strip_prefix('-') {
                Some(rest) => (true, rest.to_owned()),
                None => (false, name),
            };
            let ip = match address_of(&name) {
                Ok(ip) => ip,
                Err(_) if optional => continue,
                Err(error) => return Err(BindError { name, port, found: false, error }),
            };
            match listener::bind(SocketAddr::new(ip, port), backlog) {
                Ok(socket) => {
                    port = socket.local_addr().map_or(port, |addr| addr.port());
                    sockets.push(socket);
                }
                // An optional address may not exist here; but a port in use is always an error.
                Err(error) if optional && error.kind() != io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(BindError { name, port, found: true, error }),
            }
        }
        if sockets.is_empty() {
            let error = io::Error::new(io::ErrorKind::AddrNotAvailable, "no address could be bound");
            return Err(BindError { name: "*".to_owned(), port, found: true, error });
        }
        Ok(Self { sockets, port })
    }
}

/// The address that a word of `bind` means. Names are resolved synchronously, as in Redis: they come from the
/// configuration of the node that starts or is changed. Names mean IPv4.
fn address_of(name: &str) -> io::Result<IpAddr> {
    match name {
        "*" => Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        "::*" => Ok(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        "localhost" => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        other => other.parse().or_else(|_| look_up(other)),
    }
}

fn look_up(name: &str) -> io::Result<IpAddr> {
    const UNKNOWN: &str = "Name or service not known";
    let unknown = || io::Error::new(io::ErrorKind::NotFound, UNKNOWN);
    let mut found = (name, 0).to_socket_addrs().map_err(|error| {
        // The library's prefix before the resolver's message is not useful here.
        let text = error.to_string();
        text.rsplit_once(": ").map_or(error, |(_, reason)| io::Error::new(io::ErrorKind::NotFound, reason.to_owned()))
    })?;
    found.find(SocketAddr::is_ipv4).map(|address| address.ip()).ok_or_else(unknown)
}

/// Keeps a port from others without listening on it: connections are refused, and our own listener may still bind it. 0
/// takes any port. Addresses that cannot be bound are skipped.
pub(crate) fn keep_port(names: &[String], mut port: u16) -> Vec<Socket> {
    let mut kept = Vec::new();
    for ip in names.iter().filter_map(|name| address_of(name.trim_start_matches('-')).ok()) {
        let bind = || {
            let socket =
                Socket::new(Domain::for_address(SocketAddr::new(ip, port)), Type::STREAM, Some(Protocol::TCP))?;
            if ip.is_ipv6() {
                socket.set_only_v6(true)?;
            }
            socket.set_reuse_address(true)?;
            socket.bind(&SocketAddr::new(ip, port).into())?;
            Ok::<_, io::Error>(socket)
        };
        let Ok(socket) = bind() else { continue };
        port = socket.local_addr().ok().and_then(|addr| addr.as_socket()).map_or(port, |addr| addr.port());
        kept.push(socket);
    }
    kept
}

/// A socket that is accepted from, and how to end that.
struct Open {
    socket: std::net::TcpListener,
    end: watch::Sender<bool>,
}

/// The client listeners of a node.
pub(crate) struct Listening {
    threads: Weak<Threads>,
    stopped: watch::Receiver<bool>,
    open: Mutex<Vec<Open>>,
}

impl Listening {
    /// Starts accepting clients from these sockets, until the node stops.
    pub(crate) fn start(
        engine: &Arc<Engine>,
        threads: &Arc<Threads>,
        clients: Sockets,
        stopped: watch::Receiver<bool>,
    ) -> Arc<Self> {
        let this = Self { threads: Arc::downgrade(threads), stopped, open: Mutex::default() };
        this.accept_from(engine, clients, &mut this.open.lock());
        Arc::new(this)
    }

    /// Listens at the present `bind` and `port`, and no longer at the old ones; returns the port. With `port 0` the
    /// node does not listen.
    ///
    /// # Errors
    /// The address that cannot be bound. The node does not listen then.
    pub(crate) fn rebind(&self, engine: &Arc<Engine>) -> Result<u16, BindError> {
        let mut open = self.open.lock();
        close_all(&mut open);
        let port = engine.config.int(ids::PORT) as u16;
        if port == 0 {
            return Ok(0);
        }
        let sockets = Sockets::bind(engine, port)?;
        self.accept_from(engine, sockets, &mut open);
        Ok(port)
    }

    /// Stops listening.
    pub(crate) fn close(&self) {
        close_all(&mut self.open.lock());
    }

    fn accept_from(&self, engine: &Arc<Engine>, sockets: Sockets, open: &mut Vec<Open>) {
        let Some(threads) = self.threads.upgrade() else { return };
        for socket in sockets.sockets {
            let (end, mut ended) = watch::channel(false);
            // Out of descriptors: the socket is used all the same; only CONFIG SET will find the port in use.
            if let Ok(socket) = socket.try_clone() {
                open.push(Open { socket, end });
            }
            let (engine, pool, mut stopped) = (engine.clone(), self.threads.clone(), self.stopped.clone());
            threads.control().spawn(move |_| async move {
                let Ok(listener) = tokio::net::TcpListener::from_std(socket) else { return };
                tokio::select! {
                    biased;
                    _ = stopped.wait_for(|stop| *stop) => {}
                    Ok(_) = ended.wait_for(|end| *end) => {}
                    () = listener::accept_loop(listener, engine, pool) => {}
                }
            });
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.close();
    }
}

fn close_all(open: &mut Vec<Open>) {
    for Open { socket, end } in open.drain(..) {
        // An acceptor that has ended needs no signal.
        let _ = end.send(true);
        let _ = SockRef::from(&socket).shutdown(Shutdown::Both);
    }
}
