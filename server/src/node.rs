//! A node: everything wired together, started and stopped in order.
//!
//! Start: registry, engine, subsystems, data from disk, listeners. Stop: listeners, subsystems, connections. Nothing here is static:
//! a process holds as many nodes as it likes, which share the process's [`Threads`].

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;

use crate::base::clock::Clock;
use crate::base::rng::Rng;
use crate::engine::Engine;
use crate::engine::config::{Config, ids};
use crate::engine::registry::{Registry, Subsystem, Table};
use crate::engine::session::Service;
use crate::engine::threads::Threads;
use crate::engine::{config, connection, pubsub, transaction};
use crate::net::listener;
use crate::persistence::{self, Persistence};

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address could not be bound.
    #[error("Could not create server TCP listening socket {addr}: {error}")]
    Bind { addr: String, error: io::Error },
    /// Something else of the system.
    #[error("{what}: {error}")]
    System { what: &'static str, error: io::Error },
    /// The data on disk cannot be loaded.
    #[error("{0}")]
    Load(#[from] persistence::rdb_loader::LoadError),
}

/// A running node. Dropping it stops it.
pub struct Node {
    engine: Arc<Engine>,
    persistence: Arc<Persistence>,
    port: u16,
    stop: watch::Sender<bool>,
}

/// Every command of the server.
fn tables() -> Vec<Table> {
    vec![
        Table::Keyed(crate::commands::strings::COMMANDS),
        Table::Keyed(crate::commands::string_ranges::COMMANDS),
        Table::Keyed(crate::commands::counters::COMMANDS),
        Table::Keyed(crate::commands::lcs::COMMANDS),
        Table::Keyed(crate::commands::keys::COMMANDS),
        Table::Keyed(crate::commands::expire::COMMANDS),
        Table::Keyed(crate::commands::dump::COMMANDS),
        Table::Keyed(crate::commands::object::COMMANDS),
        Table::Keyspace(crate::commands::scan::COMMANDS),
        Table::Keyspace(crate::commands::flush::COMMANDS),
        Table::Keyed(crate::commands::lists::COMMANDS),
        Table::Keyed(crate::commands::list_moves::COMMANDS),
        Table::Session(connection::COMMANDS),
        Table::Session(transaction::COMMANDS),
        Table::Session(pubsub::commands::COMMANDS),
        Table::Session(config::commands::COMMANDS),
        Table::Service(Subsystem::Persistence, persistence::commands::specs()),
    ]
}

impl Node {
    /// Starts a node.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub fn start(threads: &Arc<Threads>, config: Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let seed = Rng::os_seed().map_err(|error| StartError::System { what: "Reading a random seed", error })?;
        let (stop, stopped) = watch::channel(false);
        let engine = Engine::new(Registry::new(tables()), config, clock, threads.workers(), seed);
        keep_hot(&engine);
        let persistence = Persistence::new(engine.clone());
        let service: Arc<dyn Service> = persistence.clone();
        engine.set_service(Subsystem::Persistence, Arc::downgrade(&service));
        persistence.load()?;
        let port = listen(&engine, threads, &stopped)?;
        persistence.start(threads.control());
        Ok(Self { engine, persistence, port, stop })
    }

    /// The data on disk.
    pub fn persistence(&self) -> &Arc<Persistence> {
        &self.persistence
    }

    /// The engine, for whoever embeds a node.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The port that clients reach this node at.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Receivers may be gone already: then there is nothing to stop.
        let _ = self.stop.send(true);
        self.engine.state.stopping.store(true, std::sync::atomic::Ordering::SeqCst);
        self.persistence.stop();
        for client in self.engine.clients.all() {
            client.kill();
        }
    }
}

/// Rebuilds what the hot path reads whenever a directive of it changes.
fn keep_hot(engine: &Arc<Engine>) {
    let weak = Arc::downgrade(engine);
    engine.config.on_change(crate::engine::hot::DIRECTIVES, move |_, _| {
        if let Some(engine) = weak.upgrade() {
            engine.reload_hot();
        }
        Ok(())
    });
}

/// Binds every address and starts accepting. Returns the port, which the system chose if it was 0.
fn listen(engine: &Arc<Engine>, threads: &Arc<Threads>, stopped: &watch::Receiver<bool>) -> Result<u16, StartError> {
    let config = &engine.config;
    let mut port = config.int(ids::PORT) as u16;
    let backlog = config.int(ids::TCP_BACKLOG) as i32;
    let mut bound = 0;
    for name in config.bind_addresses() {
        let (optional, name) = match name.strip_prefix('-') {
            Some(rest) => (true, rest.to_owned()),
            None => (false, name),
        };
        let ip = match name.as_str() {
            "*" => Ok("0.0.0.0".parse().expect("an address")),
            "::*" => Ok("::".parse().expect("an address")),
            other => other.parse(),
        };
        let Ok(ip) = ip else {
            if optional {
                continue;
            }
            let error = io::Error::new(io::ErrorKind::InvalidInput, "not an IP address");
            return Err(StartError::Bind { addr: name, error });
        };
        let addr = SocketAddr::new(ip, port);
        match listener::bind(addr, backlog) {
            Ok(socket) => {
                port = socket.local_addr().map_or(port, |addr| addr.port());
                bound += 1;
                start_accepting(socket, engine, threads, stopped);
            }
            // An optional address may not exist; a taken port is an error all the same (Redis: listenToPort).
            Err(error) if optional && error.kind() != io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(StartError::Bind { addr: addr.to_string(), error }),
        }
    }
    if bound == 0 {
        let error = io::Error::new(io::ErrorKind::AddrNotAvailable, "no address could be bound");
        return Err(StartError::Bind { addr: format!("*:{port}"), error });
    }
    Ok(port)
}

fn start_accepting(
    socket: std::net::TcpListener,
    engine: &Arc<Engine>,
    threads: &Arc<Threads>,
    stopped: &watch::Receiver<bool>,
) {
    let (engine, pool, mut stopped) = (engine.clone(), Arc::downgrade(threads), stopped.clone());
    threads.control().spawn(move |_| async move {
        let Ok(listener) = tokio::net::TcpListener::from_std(socket) else { return };
        tokio::select! {
            () = listener::accept_loop(listener, engine, pool) => {}
            _ = stopped.wait_for(|stop| *stop) => {}
        }
    });
}
