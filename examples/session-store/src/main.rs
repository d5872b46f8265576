//! A web application whose logins live in a slotd cluster, and which shows where.
//!
//!   SESSION_NODES=127.0.0.1:7000 session-store      serves http://127.0.0.1:8080
//!   session-store healthcheck                        asks the one that runs here; for containers without curl
//!
//! Whoever signs in gets a session, which is a hash with an expiry in the cluster. The page shows the slot of its key,
//! the shard that has the slot and the nodes of the shard, and has a button that makes the replica the primary. The
//! session lives on, which is what the whole is meant to show. Several of these can serve the same users: none of them
//! keeps anything.
//!
//! `config` reads the environment, `cluster` is the connection and the shards, `sessions` what is stored, `pages` the
//! HTML, `web` the requests.

mod cluster;
mod config;
mod pages;
mod sessions;
mod web;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::cluster::Cluster;
use crate::config::Config;
use crate::sessions::Sessions;

fn main() -> ExitCode {
    let config = match Config::from_environment() {
        Ok(config) => config,
        Err(error) => return fail(&error),
    };
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("healthcheck") => return if is_ready(config.listen) { ExitCode::SUCCESS } else { ExitCode::FAILURE },
        Some(other) => return fail(&format!("'{other}' is not understood; the configuration is in the environment")),
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("no threads: {error}")),
    };
    match runtime.block_on(serve(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &str) -> ExitCode {
    eprintln!("session-store: {error}");
    ExitCode::FAILURE
}

/// Serves until it is told to end, and then what it has begun. It does not wait for the cluster: whoever comes before
/// it is told so.
async fn serve(config: Config) -> Result<(), String> {
    let cluster = Cluster::new(&config).map_err(|error| format!("SESSION_NODES: {error}"))?;
    let listener = TcpListener::bind(config.listen).await;
    let listener = listener.map_err(|error| format!("SESSION_LISTEN: {}: {error}", config.listen))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let sessions = Arc::new(Sessions::new(cluster, config.ttl));
    println!("http://{address}");
    let end = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    let served = axum::serve(listener, web::routes(sessions, config)).with_graceful_shutdown(end).await;
    served.map_err(|error| error.to_string())
}

/// Whether the one that listens there reaches its cluster.
fn is_ready(listen: SocketAddr) -> bool {
    let mut address = listen;
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let patience = Duration::from_secs(4);
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(4096).read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200 "))
    };
    ask().unwrap_or(false)
}
