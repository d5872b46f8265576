//! What the environment says. There is no file and there are no flags: a container has neither.
//!
//! The password may come in a file, since environments are easily read by others (`docker inspect`, `/proc`).

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

/// The configuration of the whole application.
pub(crate) struct Config {
    /// Some nodes of the cluster. One that answers is enough.
    pub(crate) nodes: Vec<Node>,
    pub(crate) password: Option<String>,
    pub(crate) listen: SocketAddr,
    /// How long a session lives after its last visit.
    pub(crate) ttl: Duration,
    /// Whether browsers shall send the cookie over TLS only: yes wherever something in front of this speaks it.
    pub(crate) secure: bool,
}

/// Where a node serves clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Node {
    /// As people write it: an IPv6 address stands in brackets.
    pub(crate) fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Node {
    type Err = String;

    /// `host:port`, or `host` with the usual port.
    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port),
            _ => (text, "6379"),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse().ok().filter(|port| *port != 0);
        match port {
            Some(port) if !host.is_empty() => Ok(Self { host: host.to_owned(), port }),
            _ => Err(format!("'{text}' is no host:port")),
        }
    }
}

impl Config {
    /// Reads the environment. The error is for the one who starts this.
    pub(crate) fn from_environment() -> Result<Self, String> {
        let nodes = variable("SESSION_NODES").unwrap_or_else(|| "127.0.0.1:7000".to_owned());
        let listen = variable("SESSION_LISTEN").unwrap_or_else(|| "127.0.0.1:8080".to_owned());
        let ttl = variable("SESSION_TTL").unwrap_or_else(|| "1800".to_owned());
        let secure = variable("SESSION_SECURE").unwrap_or_else(|| "no".to_owned());
        Ok(Self {
            nodes: parse_nodes(&nodes).map_err(|error| format!("SESSION_NODES: {error}"))?,
            password: password()?,
            listen: listen.parse().map_err(|_| format!("SESSION_LISTEN: '{listen}' is no address:port"))?,
            ttl: match ttl.parse() {
                Ok(seconds @ 1..=31_536_000) => Duration::from_secs(seconds),
                _ => return Err(format!("SESSION_TTL: '{ttl}' is no number of seconds between 1 and a year")),
            },
            secure: match secure.as_str() {
                "yes" => true,
                "no" => false,
                other => return Err(format!("SESSION_SECURE: '{other}' is neither yes nor no")),
            },
        })
    }
}

/// A variable that is set to something. Compose sets those that its file only names to nothing.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn password() -> Result<Option<String>, String> {
    let Some(path) = variable("SESSION_PASSWORD_FILE") else { return Ok(variable("SESSION_PASSWORD")) };
    if variable("SESSION_PASSWORD").is_some() {
        return Err("SESSION_PASSWORD and SESSION_PASSWORD_FILE are both set: set one".to_owned());
    }
    let text = fs::read_to_string(&path).map_err(|error| format!("SESSION_PASSWORD_FILE: {path}: {error}"))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(format!("SESSION_PASSWORD_FILE: {path} is empty")),
        password => Ok(Some(password.to_owned())),
    }
}

fn parse_nodes(text: &str) -> Result<Vec<Node>, String> {
    let words = text.split([',', ' ']).filter(|word| !word.is_empty());
    let nodes = words.map(str::parse).collect::<Result<Vec<Node>, String>>()?;
    if nodes.is_empty() { Err("it names no node".to_owned()) } else { Ok(nodes) }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
