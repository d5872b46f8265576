//! Accepting clients.
//!
//! There is one acceptor per address, on the control thread; an accepted socket goes to a worker ([`place`] decides
//! which) and stays there. When the process is out of file descriptors, accepting backs off instead of spinning, and
//! resumes later (the lesson of Redis CVE-2025-48367).

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Weak};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};

use super::connection::serve;
use crate::config::os_reason;
use crate::engine::Engine;
use crate::engine::stats::bump;
use crate::runtime::threads::{Spawner, Threads};
use crate::session::client::ClientHandle;

/// Up to so many clients of one node share a worker. That covers a program with a handful of connections, and heavy
/// loads with more connections are still spread over all workers.
const CLIENTS_TOGETHER: usize = 8;
/// Accept failures are logged at most once in this time, microseconds.
const COMPLAINT_PERIOD_US: u64 = 1_000_000;

/// Binds a listening socket.
///
/// # Errors
/// As the system says; the caller names the address.
pub(crate) fn bind(addr: SocketAddr, backlog: i32) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// Accepts clients until the future is dropped.
pub(crate) async fn accept_loop(listener: TcpListener, engine: Arc<Engine>, threads: Weak<Threads>) {
    let mut told_us = None;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let Some(threads) = threads.upgrade() else { return };
                admit(stream, peer, &engine, &threads);
            }
            // The socket was shut down (`listening::close_all`); the end is about to be signalled.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
            Err(error) => {
                let now_us = engine.clock.monotonic_us();
                if told_us.is_none_or(|told| now_us - told >= COMPLAINT_PERIOD_US) {
                    told_us = Some(now_us);
                    engine.log.warning(format_args!("Accepting client connection: {}", os_reason(&error)));
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

fn admit(stream: TcpStream, peer: SocketAddr, engine: &Arc<Engine>, threads: &Arc<Threads>) {
    bump(&engine.stats.connections_received);
    let hot = engine.hot.load();
    // Redis counts the links of the bus among the clients.
    let links = if hot.cluster_enabled { engine.info.number("cluster_connections").unwrap_or(0) } else { 0 };
    let too_many = engine.clients.len() + links as usize >= hot.max_clients;
    if too_many || !engine.clients.have_room(stream.as_raw_fd()) {
        bump(&engine.stats.rejected_connections);
        if !too_many && let Some(why) = engine.clients.explain_lack() {
            engine.log.warning(format_args!("{why}"));
        }
        let what = if hot.cluster_enabled { "clients + cluster connections" } else { "clients" };
        // Best effort, as Redis does: the socket's buffer is empty, so one short line fits.
        let _ = stream.try_write(format!("-ERR max number of {what} reached\r\n").as_bytes());
        return;
    }
    if hot.protected && !peer.ip().is_loopback() {
        bump(&engine.stats.rejected_connections);
        let _ = stream.try_write(PROTECTED_MODE.as_bytes());
        return;
    }
    let _ = stream.set_nodelay(true);
    if hot.tcp_keepalive > 0 {
        let keepalive = TcpKeepalive::new()
            .with_time(Duration::from_secs(hot.tcp_keepalive))
            .with_interval(Duration::from_secs((hot.tcp_keepalive / 3).max(1)))
            .with_retries(3);
        let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
    }
    let local = stream.local_addr().map_or_else(|_| String::new(), |addr| addr.to_string());
    let handle =
        ClientHandle::new(engine.clients.next_id(), peer.to_string(), local, stream.as_raw_fd(), engine.clock.now_ms());
    let Ok(stream) = stream.into_std() else { return };
    engine.clients.add(handle.clone());
    let (gate, worker) = place(engine, threads);
    let engine = engine.clone();
    worker.spawn(move |shared| {
        let shared = shared.clone();
        async move {
            match TcpStream::from_std(stream) {
                Ok(stream) => serve(stream, engine, handle, gate, shared).await,
                Err(_) => engine.clients.remove(handle.id),
            }
        }
    });
}

/// Chooses a connection's worker. A node with few clients serves them all on one worker, which handles sockets in the
/// order in which they became readable. So a program that sends on two connections without waiting in between is served
/// in that order, as by Redis's one thread. With more clients, all workers are used; and as long as a script takes its
/// time on one of them, new clients go to the others, where they do not wait for its turns.
fn place<'t>(engine: &Engine, threads: &'t Threads) -> (usize, &'t Spawner) {
    let least = threads.least_loaded();
    if engine.clients.len() > CLIENTS_TOGETHER {
        return least;
    }
    let home = *engine.clients.home.get_or_init(|| least.0);
    let worker = threads.worker(home);
    if worker.has_long() { least } else { (home, worker) }
}

/// Redis: protected mode's refusal.
const PROTECTED_MODE: &str = "-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user. In this mode connections are only accepted from the loopback interface. If you want to connect from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' option. 4) Setup a an authentication password for the default user. NOTE: You only need to do one of the above things in order for the server to start accepting connections from the outside.\r\n";
