//! What the environment says: every directive as a variable, for containers.
//!
//! `SLOTD_MAXMEMORY=100mb` is `maxmemory 100mb`: the directive's name in capitals, with underscores. A variable wins
//! over the configuration file, and an option of the command line over both. A secret can be in a file that a variable
//! names: `SLOTD_REQUIREPASS_FILE=/run/secrets/password`. Some variables are no directives ([`OWN`]); those of other
//! images have a file of their own ([`aliases`]).
//!
//! A variable that starts with `SLOTD_` and means nothing is refused, as an unknown directive is: a typing error in
//! `SLOTD_REQUIREPASS` must not leave a server without a password. Two kinds are passed over. Kubernetes tells every
//! pod of the services in its namespace; if one is called slotd, its variables start the same way ([`is_injected`]).
//! And the project's own scripts have variables for themselves ([`OF_SCRIPTS`]).
//!
//! `SLOTD_CLUSTER_NODES` is no configuration of the node but an order: the nodes of the list become a cluster
//! ([`Formation`]).
//!
//! Reading has no effect but that it reads the files of secrets. A secret is in no error text.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::aliases;
use super::forming::{Creator, Formation};
use super::node_list::{Address, NodeList, PORT};
use super::variables::{Meant, Variables, flag, is_injected, is_on, set};
use crate::base::nearest::nearest;
use crate::config::directive::{Directive, DirectiveId, Kind};
use crate::config::file::{Variable, is_known};
use crate::config::{Config, ids, os_reason, table, words};
use crate::healthcheck::{CLUSTER_PORTS, Ports};

/// How the names of variables start.
const PREFIX: &str = "SLOTD_";
/// How the names of variables end that name a file with a secret.
const FILE: &str = "_FILE";
/// Set by the image: this is a container of its own. So variables of other images are understood, and protected mode is
/// off unless something else is said, since a container is reached only over its network.
const CONTAINER: &str = "SLOTD_CONTAINER";
/// Allows an empty password, if it is on; demands a password, if it is off.
const ALLOW_EMPTY: &str = "ALLOW_EMPTY_PASSWORD";
/// Variables that are no directives, without their prefix.
const OWN: [&str; 10] = [
    "MODE",
    "CONTAINER",
    "PASSWORD",
    "PASSWORD_FILE",
    "SHARDS",
    "REPLICAS",
    "INCLUDE",
    "CLUSTER_NODES",
    "CLUSTER_REPLICAS",
    "CLUSTER_CREATOR",
];
/// Variables of the project's scripts and compose files, without their prefix. A server that they start inherits them.
const OF_SCRIPTS: [&str; 6] = ["BIN", "BINARY", "IMAGE", "NET", "HOST_PORT", "DEBIAN_ROOT"];
/// The longest secret, bytes.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Primaries of a cluster in one process, if nothing is said.
pub(super) const SHARDS: u16 = 3;
/// Replicas of each of them, if nothing is said.
pub(super) const REPLICAS: u16 = 1;

/// What the environment says about a node, or about the nodes of a cluster in one process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    /// Directives, in the order in which they are loaded.
    pub directives: Vec<Variable>,
    /// `SLOTD_PORT`: that of a node, or those of a cluster.
    pub port: Option<Ports>,
    /// `SLOTD_PORT` as it is, and how many ports it names, if those are several.
    pub range: Option<(String, usize)>,
    /// `SLOTD_SHARDS`
    pub shards: Option<u16>,
    /// `SLOTD_REPLICAS`
    pub replicas: Option<u16>,
    /// `SLOTD_DIR` of a cluster; that of a node is a directive.
    pub dir: Option<PathBuf>,
    /// `SLOTD_CLUSTER_NODES`: the cluster that this node is to be in.
    pub formation: Option<Formation>,
    /// This is the container of an image.
    pub container: bool,
    /// A start without a password is refused.
    pub needs_password: bool,
    /// The names of the variables that were used.
    pub names: Vec<String>,
}

/// Whether `SLOTD_MODE`, or a variable of another image, asks for a whole cluster in this process.
///
/// # Errors
/// Another mode than `node` or `cluster`.
pub(crate) fn asks_for_cluster(variables: &Variables) -> Result<bool, String> {
    match variables.get("SLOTD_MODE").map(|mode| mode.to_ascii_lowercase()) {
        None => Ok(is_container(variables) && aliases::ask_for_cluster(variables)),
        Some(mode) if mode == b"cluster" => Ok(true),
        Some(mode) if mode == b"node" => Ok(false),
        Some(mode) => Err(format!("SLOTD_MODE={}: the modes are 'node' and 'cluster'", String::from_utf8_lossy(&mode))),
    }
}

/// What the environment says to whoever asks nodes. It is not for them to complain of variables: a node that could not
/// start for them does not answer.
pub(super) fn of_nodes(variables: &Variables) -> Environment {
    Environment::read(variables, asks_for_cluster(variables).unwrap_or(false)).unwrap_or_default()
}

/// `SLOTD_PORT` alone: a node's port, or those of a cluster.
///
/// # Errors
/// It is not readable.
pub(super) fn said_port(variables: &Variables) -> Result<Option<Ports>, String> {
    let said = variables.get("SLOTD_PORT").filter(|value| !is_injected("SLOTD_PORT", value));
    said.map(|text| parse_ports("SLOTD_PORT", text)).transpose()
}

/// `SLOTD_CLUSTER_NODES`, or what stands for it in a container; for whoever asks nodes.
pub(super) fn said_nodes(variables: &Variables) -> Option<Result<NodeList, String>> {
    match set(variables, "SLOTD_CLUSTER_NODES") {
        Some(text) => {
            let port = said_port(variables).ok().flatten().map_or(PORT, Ports::first);
            Some(NodeList::parse(&String::from_utf8_lossy(text), port))
        }
        None => of_nodes(variables).formation.map(|formation| Ok(NodeList(formation.nodes))),
    }
}

/// The node of this machine that a server would be which is started in this environment, or its first one; where
/// nothing is said, at the port that it has by itself.
pub(super) fn own_node(variables: &Variables) -> Address {
    let default = if asks_for_cluster(variables).unwrap_or(false) { CLUSTER_PORTS.first() } else { PORT };
    let said = of_nodes(variables).port.or_else(|| said_port(variables).ok().flatten());
    let port = said.map_or(default, Ports::first);
    Address { host: "127.0.0.1".to_owned(), port }
}

impl Environment {
    /// Reads the variables; `cluster`: for a cluster in one process.
    ///
    /// # Errors
    /// The text for standard error: an unknown variable, a value that cannot be read, a file that is missing or empty,
    /// two variables that contradict each other.
    pub(crate) fn read(variables: &Variables, cluster: bool) -> Result<Self, String> {
        let container = is_container(variables);
        let mut known = Self { container, ..Self::default() };
        let own = |(name, value): (&String, &Vec<u8>)| {
            let rest = name.strip_prefix(PREFIX)?;
            let skip = OF_SCRIPTS.contains(&rest) || is_injected(name, value);
            (!skip).then(|| Meant { name: name.clone(), stands_for: rest.to_ascii_uppercase(), value: value.clone() })
        };
        let mut meant: Vec<Meant> = variables.iter().filter_map(own).collect();
        if let Some(twice) = written_twice(&meant) {
            return Err(twice);
        }
        let mut allow_empty = false;
        if container {
            let allow = flag(variables, ALLOW_EMPTY)?;
            (allow_empty, known.needs_password) = (allow == Some(true), allow == Some(false));
            for alias in aliases::read(variables, cluster)? {
                // What is said under slotd's own name wins.
                let bare = |name: &str| name.strip_suffix(FILE).unwrap_or(name).to_owned();
                if !meant.iter().any(|other| bare(&other.stands_for) == bare(&alias.stands_for)) {
                    meant.push(alias);
                }
            }
        }
        // Included lines come first, so that every variable wins over them.
        meant.sort_by_key(|one| one.stands_for != "INCLUDE");
        for one in &meant {
            if let Some(file) = meant.iter().find(|other| other.stands_for == format!("{}{FILE}", one.stands_for))
                && table::find(directive_name(&file.stands_for).as_bytes()).is_none()
            {
                return Err(format!("{} and {} contradict each other: give one of them", one.name, file.name));
            }
        }
        known.formation = if cluster { None } else { formation(&meant)? };
        if known.formation.is_some() {
            let yes =
                Meant { name: "SLOTD_CLUSTER_NODES".to_owned(), stands_for: String::new(), value: b"yes".to_vec() };
            known.set(&yes, ids::CLUSTER_ENABLED.directive(), b"yes");
            known.announce_host(variables);
        }
        for one in meant {
            known.take(&one, cluster, allow_empty)?;
            known.names.push(one.name);
        }
        if cluster && let Some(port) = known.port.filter(|port| port.count() == 1) {
            known.port = Some(Ports::starting_at(port.first(), known.nodes()));
        }
        Ok(known)
    }

    /// A container whose host name is in the list is called by it. Elsewhere the variable is of a shell.
    fn announce_host(&mut self, variables: &Variables) {
        let Some(host) = variables.get("HOSTNAME").filter(|_| self.container) else { return };
        let nodes = self.formation.iter().flat_map(|formation| &formation.nodes);
        if nodes.into_iter().any(|node| node.host.as_bytes() == host) {
            let one = Meant { name: "HOSTNAME".to_owned(), stands_for: String::new(), value: host.clone() };
            self.set(&one, ids::CLUSTER_ANNOUNCE_HOSTNAME.directive(), host);
        }
    }

    /// How many nodes a cluster of this shape has.
    pub(super) fn nodes(&self) -> usize {
        let (shards, replicas) = (self.shards.unwrap_or(SHARDS), self.replicas.unwrap_or(REPLICAS));
        usize::from(shards) * (usize::from(replicas) + 1)
    }

    /// Takes one variable.
    fn take(&mut self, one: &Meant, cluster: bool, allow_empty: bool) -> Result<(), String> {
        match (one.stands_for.as_str(), cluster) {
            ("MODE" | "CONTAINER", _) => {}
            ("SHARDS", true) => self.shards = Some(number(one, 1, 1000)?),
            ("REPLICAS", true) => self.replicas = Some(number(one, 0, 100)?),
            ("SHARDS" | "REPLICAS", false) => {
                return Err(format!("{} is for a whole cluster in this process: SLOTD_MODE=cluster", one.name));
            }
            ("PORT", _) => {
                let ports = parse_ports(&one.name, &one.value)?;
                if !cluster && ports.count() > 1 {
                    let text = String::from_utf8_lossy(&one.value);
                    return Err(format!("{}={text}: a node has one port; SLOTD_MODE=cluster has several", one.name));
                }
                self.port = Some(ports);
                let range = || (format!("{}={}", one.name, String::from_utf8_lossy(&one.value)), ports.count());
                self.range = (ports.count() > 1).then(range);
                if !cluster {
                    self.set(one, ids::PORT.directive(), &one.value);
                }
            }
            ("DIR", true) => self.dir = Some(Path::new(OsStr::from_bytes(&one.value)).to_owned()),
            ("INCLUDE", _) if one.value.is_empty() => {
                return Err(format!("{} is empty: it names a file with directives", one.name));
            }
            ("INCLUDE", _) => {
                let line = [b"include ", words::quote(&one.value).as_slice()].concat();
                self.directives.push(Variable {
                    name: one.name.clone(),
                    shown: shown(one),
                    directive: "include",
                    line,
                });
            }
            ("CLUSTER_NODES" | "CLUSTER_REPLICAS" | "CLUSTER_CREATOR", true) => {
                return Err(format!(
                    "{} is for nodes that find each other; SLOTD_MODE=cluster has all in one",
                    one.name
                ));
            }
            ("CLUSTER_NODES" | "CLUSTER_REPLICAS" | "CLUSTER_CREATOR", false) => {}
            ("PASSWORD", _) => self.set_secret(one, ids::REQUIREPASS.directive(), &one.value, allow_empty)?,
            ("PASSWORD_FILE", _) => {
                self.set_secret(one, ids::REQUIREPASS.directive(), &secret_of(one)?, allow_empty)?;
            }
            (name, _) => return self.take_directive(one, &directive_name(name), allow_empty),
        }
        Ok(())
    }

    /// Takes a variable that is named after a directive.
    fn take_directive(&mut self, one: &Meant, name: &str, allow_empty: bool) -> Result<(), String> {
        if let Some(id) = table::find(name.as_bytes()) {
            let directive = id.directive();
            if directive.sensitive {
                return self.set_secret(one, directive, &one.value, allow_empty);
            }
            // YAML makes these words of yes and no.
            let value: &[u8] = match (directive.kind, one.value.to_ascii_lowercase().as_slice()) {
                (Kind::Bool, b"true") => b"yes",
                (Kind::Bool, b"false") => b"no",
                _ => &one.value,
            };
            self.set(one, directive, value);
            return Ok(());
        }
        match name.strip_suffix("-file").and_then(|name| table::find(name.as_bytes())).map(DirectiveId::directive) {
            Some(directive) if directive.sensitive => self.set_secret(one, directive, &secret_of(one)?, allow_empty),
            None if is_known(name.as_bytes()) => {
                Err(format!("{}: {name} is not supported by slotd. Leave it out", one.name))
            }
            Some(directive) => Err(format!(
                "{}: only secrets are read from files, and {} is none. SLOTD_INCLUDE names a file with directives",
                one.name, directive.name
            )),
            None => Err(unknown(&one.name)),
        }
    }

    fn set_secret(
        &mut self,
        one: &Meant,
        directive: &'static Directive,
        secret: &[u8],
        allow_empty: bool,
    ) -> Result<(), String> {
        let is_password = [ids::REQUIREPASS, ids::MASTERAUTH].iter().any(|id| id.directive().name == directive.name);
        if is_password && secret.is_empty() && !allow_empty {
            let file = if one.stands_for.ends_with(FILE) {
                format!(" (the file {})", String::from_utf8_lossy(&one.value))
            } else {
                String::new()
            };
            return Err(format!(
                "{}{file} is an empty password. Give one, or leave the variable out if none is to be asked for",
                one.name
            ));
        }
        let line = line_of(directive, secret);
        self.directives.push(Variable { name: one.name.clone(), shown: None, directive: directive.name, line });
        Ok(())
    }

    fn set(&mut self, one: &Meant, directive: &'static Directive, value: &[u8]) {
        let line = line_of(directive, value);
        let shown = shown(one);
        self.directives.push(Variable { name: one.name.clone(), shown, directive: directive.name, line });
    }

    /// `SLOTD_PASSWORD` is also the password among nodes, unless another one is said.
    fn share_password(&mut self) {
        let (own, among) = (ids::REQUIREPASS.directive(), ids::MASTERAUTH.directive());
        let is_short = |variable: &&Variable| variable.directive == own.name && !variable.name.contains("REQUIREPASS");
        let said = self.directives.iter().any(|variable| variable.directive == among.name);
        if let Some(variable) = self.directives.iter().find(is_short).filter(|_| !said) {
            let secret = words::split(&variable.line).and_then(|mut words| words.pop()).unwrap_or_default();
            let shared = Variable { directive: among.name, line: line_of(among, &secret), ..variable.clone() };
            self.directives.push(shared);
        }
    }

    /// Takes out what the options of the command line say otherwise. What remains is complete then: the password is
    /// also that among nodes.
    pub(super) fn yield_to(&mut self, options: &[u8]) {
        let names: Vec<Vec<u8>> = options
            .split(|byte| *byte == b'\n')
            .filter_map(|line| words::split(line)?.into_iter().next())
            .map(|name| name.to_ascii_lowercase())
            .collect();
        self.directives.retain(|variable| {
            let named = |name: &Vec<u8>| table::find(name).is_some_and(|id| id.directive().name == variable.directive);
            !names.iter().any(named)
        });
        self.share_password();
    }

    /// Refuses a configuration without a password, if one is demanded.
    ///
    /// # Errors
    /// The text for standard error.
    pub(super) fn check_password(&self, config: &Config) -> Result<(), String> {
        if self.needs_password && config.bytes(ids::REQUIREPASS).is_empty() {
            return Err(format!(
                "{ALLOW_EMPTY} is off and there is no password: set SLOTD_PASSWORD or SLOTD_PASSWORD_FILE"
            ));
        }
        Ok(())
    }

    /// The password of clients.
    pub(super) fn password(&self) -> Option<Vec<u8>> {
        let own = ids::REQUIREPASS.directive().name;
        let line = &self.directives.iter().find(|variable| variable.directive == own)?.line;
        words::split(line)?.pop()
    }

    /// A line for the log that says what was read, without values; `None`: nothing.
    pub(super) fn summary(&self) -> Option<String> {
        (!self.names.is_empty()).then(|| format!("Configuration from the environment: {}", self.names.join(", ")))
    }
}

/// What is wrong if a variable is there in capitals and in small letters.
fn written_twice(meant: &[Meant]) -> Option<String> {
    meant.iter().enumerate().find_map(|(at, one)| {
        let other = meant[..at].iter().find(|other| other.stands_for == one.stands_for)?;
        Some(format!("{} and {} are the same variable: give one of them", other.name, one.name))
    })
}

/// The cluster that the variables describe.
fn formation(meant: &[Meant]) -> Result<Option<Formation>, String> {
    let find = |name: &str| meant.iter().find(|one| one.stands_for == name && !one.value.is_empty());
    let text = |one: &Meant| String::from_utf8_lossy(&one.value).into_owned();
    let Some(list) = find("CLUSTER_NODES") else {
        return match find("CLUSTER_REPLICAS").or_else(|| find("CLUSTER_CREATOR")) {
            Some(one) => {
                Err(format!("{} goes with SLOTD_CLUSTER_NODES, which names all nodes of the cluster", one.name))
            }
            None => Ok(None),
        };
    };
    let port = find("PORT").map(|one| parse_ports(&one.name, &one.value)).transpose()?.map_or(PORT, Ports::first);
    let NodeList(nodes) = NodeList::parse(&text(list), port).map_err(|reason| format!("{}: {reason}", list.name))?;
    let replicas = find("CLUSTER_REPLICAS").map(|one| number(one, 0, 100)).transpose()?.unwrap_or(REPLICAS);
    let creator = match find("CLUSTER_CREATOR") {
        None if list.name.starts_with(PREFIX) => Creator::First,
        // In Bitnami's image nobody creates unless told to.
        None => Creator::NotMe,
        Some(one) => match is_on(&one.value) {
            Some(true) => Creator::Me,
            Some(false) => Creator::NotMe,
            None => {
                let address = Address::parse(&text(one), port).map_err(|reason| format!("{}: {reason}", one.name))?;
                if !nodes.contains(&address) {
                    return Err(format!("{}: {address} is none of the nodes in {}", one.name, list.name));
                }
                Creator::Named(address)
            }
        },
    };
    Ok(Some(Formation { nodes, replicas: usize::from(replicas), creator }))
}

fn is_container(variables: &Variables) -> bool {
    variables.get(CONTAINER).is_some_and(|value| value == b"yes")
}

/// `MAXMEMORY_POLICY` is `maxmemory-policy`.
fn directive_name(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

fn line_of(directive: &Directive, value: &[u8]) -> Vec<u8> {
    [directive.name.as_bytes(), b" ", &words::quote(value)].concat()
}

fn shown(one: &Meant) -> Option<String> {
    Some(String::from_utf8_lossy(&one.value).into_owned())
}

fn parse_ports(name: &str, text: &[u8]) -> Result<Ports, String> {
    let text = String::from_utf8_lossy(text);
    if text == "0" {
        return Err(format!(
            "{name}=0: give a port from 1 to 65535. Health checks take it from {name}, so it has to be known; slotd cluster \
             --port 0 takes free ones"
        ));
    }
    text.parse().map_err(|reason| format!("{name}={text}: {reason}"))
}

fn number(one: &Meant, least: u16, most: u16) -> Result<u16, String> {
    let text = String::from_utf8_lossy(&one.value);
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("{}={text}: give a number from {least} to {most}", one.name))
}

/// The secret in the file that a variable names, without the line end that editors and `echo` add.
fn secret_of(one: &Meant) -> Result<Vec<u8>, String> {
    let path = Path::new(OsStr::from_bytes(&one.value));
    if one.value.is_empty() {
        return Err(format!("{} is empty: it names the file of a secret", one.name));
    }
    let failed = |error: std::io::Error| {
        let reason = os_reason(&error);
        format!("{}: the file {} cannot be read: {reason}", one.name, path.display())
    };
    // Reading a pipe lasts until somebody writes to it, and a program that only asks has to end in time.
    let found = std::fs::metadata(path).map_err(failed)?;
    if found.is_dir() {
        return Err(is_a_directory(one, path));
    }
    if !found.is_file() {
        return Err(format!("{}: {} is no regular file", one.name, path.display()));
    }
    let mut secret = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(SECRET_BYTES_MAX + 1).read_to_end(&mut secret).map_err(failed)?;
    if secret.len() as u64 > SECRET_BYTES_MAX {
        return Err(format!("{}: the file {} is longer than {SECRET_BYTES_MAX} bytes", one.name, path.display()));
    }
    if secret.last() == Some(&b'\n') {
        secret.pop();
        if secret.last() == Some(&b'\r') {
            secret.pop();
        }
    }
    Ok(secret)
}

/// The error for a directory in the place of a secret's file. Docker makes one in the container, and on the host, if
/// the file that is to be mounted is not there.
fn is_a_directory(one: &Meant, path: &Path) -> String {
    let (name, at) = (&one.name, path.display());
    let is_empty = std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    let cure = if is_empty {
        "it is empty, as Docker makes one where the file to be mounted is missing: on the host, remove the directory of that \
         name, write the secret into a file there, and make the container anew"
    } else {
        "name the file in it that holds the secret"
    };
    format!("{name}: {at} is a directory, and should be a file with nothing but the secret; {cure}")
}

/// The error for a variable that means nothing.
fn unknown(name: &str) -> String {
    let directives = table::all().filter(|(_, directive)| !directive.hidden).flat_map(|(_, directive)| {
        let secret = directive.sensitive.then(|| format!("{}-file", directive.name));
        directive.names().map(str::to_owned).chain(secret)
    });
    let known = directives.chain(OWN.iter().map(|name| (*name).to_owned()));
    let known: Vec<String> = known.map(|name| name.to_ascii_lowercase().replace('_', "-")).collect();
    let rest = directive_name(name.strip_prefix(PREFIX).unwrap_or(name));
    let meant = nearest(&rest, known.iter().map(String::as_str));
    let hint = meant.map_or_else(
        || "SLOTD_ and a directive's name in capitals, with underscores, sets that directive".to_owned(),
        |meant| format!("Did you mean {PREFIX}{}?", meant.to_ascii_uppercase().replace('-', "_")),
    );
    format!("unknown variable {} in the environment. {hint}", name.escape_debug())
}

#[cfg(test)]
#[path = "environment_tests.rs"]
mod tests;
