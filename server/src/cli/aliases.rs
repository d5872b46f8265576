//! Variables of two other images, understood in slotd's: `grokzen/redis-cluster`, which runs a whole cluster in one
//! container, and those of Bitnami. Who used them keeps their compose file and changes the image.
//!
//! They are read only in the image (`SLOTD_CONTAINER=yes`). Elsewhere, names like `PASSWORD` and `REDIS_PASSWORD` mean
//! something else: a program beside the server may have them for itself. What slotd cannot do is refused, as in a
//! configuration file. An empty variable is one that is not set, as in those images.

use super::variables::{Meant, Variables, flag, is_on, set};

/// Names of Bitnami's images, and the names without prefix that they stand for.
const BITNAMI: [(&str, &str); 20] = [
    ("REDIS_PASSWORD", "PASSWORD"),
    ("REDIS_PASSWORD_FILE", "PASSWORD_FILE"),
    ("REDIS_MASTER_PASSWORD", "MASTERAUTH"),
    ("REDIS_MASTER_PASSWORD_FILE", "MASTERAUTH_FILE"),
    ("REDIS_PORT_NUMBER", "PORT"),
    ("REDIS_DATA_DIR", "DIR"),
    ("REDIS_OVERRIDES_FILE", "INCLUDE"),
    ("REDIS_AOF_ENABLED", "APPENDONLY"),
    ("REDIS_IO_THREADS", "IO_THREADS"),
    ("REDIS_IO_THREADS_DO_READS", "IO_THREADS_DO_READS"),
    ("REDIS_REPLICA_IP", "REPLICA_ANNOUNCE_IP"),
    ("REDIS_REPLICA_PORT", "REPLICA_ANNOUNCE_PORT"),
    ("REDIS_NODES", "CLUSTER_NODES"),
    ("REDIS_CLUSTER_REPLICAS", "CLUSTER_REPLICAS"),
    ("REDIS_CLUSTER_CREATOR", "CLUSTER_CREATOR"),
    ("REDIS_CLUSTER_PREFERRED_ENDPOINT_TYPE", "CLUSTER_PREFERRED_ENDPOINT_TYPE"),
    ("REDIS_CLUSTER_ANNOUNCE_IP", "CLUSTER_ANNOUNCE_IP"),
    ("REDIS_CLUSTER_ANNOUNCE_PORT", "CLUSTER_ANNOUNCE_PORT"),
    ("REDIS_CLUSTER_ANNOUNCE_BUS_PORT", "CLUSTER_ANNOUNCE_BUS_PORT"),
    ("REDIS_CLUSTER_ANNOUNCE_HOSTNAME", "CLUSTER_ANNOUNCE_HOSTNAME"),
];

/// Names of `grokzen/redis-cluster` for the shape of a cluster, and the names without prefix that they stand for.
const GROKZEN: [(&str, &str); 3] = [("INITIAL_PORT", "PORT"), ("MASTERS", "SHARDS"), ("SLAVES_PER_MASTER", "REPLICAS")];
/// Those of its names that say who may connect. They are those of a node, too: one that is passed over leaves it open.
const GROKZEN_ACCESS: [(&str, &str); 2] = [("BIND_ADDRESS", "BIND"), ("PASSWORD", "PASSWORD")];

/// What slotd has not, with what to do instead: refused if it is on.
const REFUSED: [(&str, &str); 3] = [
    ("REDIS_TLS_ENABLED", "slotd has no TLS yet"),
    ("SENTINEL", "slotd has no Sentinel"),
    ("STANDALONE", "start a second container for a node outside the cluster"),
];
/// The same, refused whatever it says.
const REFUSED_IF_SET: [(&str, &str); 4] = [
    ("REDIS_DISABLE_COMMANDS", "slotd does not rename commands"),
    ("REDIS_ACLFILE", "ACL users are not supported by slotd; use REDIS_PASSWORD"),
    ("REDIS_SENTINEL_HOST", "slotd has no Sentinel"),
    ("REDIS_EXTRA_FLAGS", "write the options behind the name of the image"),
];

/// Whether these variables are those of a cluster in one container. `IP` may mean anything but for the address with
/// which everyone starts that image on a desktop.
pub(super) fn ask_for_cluster(variables: &Variables) -> bool {
    let shape = ["INITIAL_PORT", "MASTERS", "SLAVES_PER_MASTER"];
    shape.iter().any(|name| set(variables, name).is_some()) || set(variables, "IP") == Some(b"0.0.0.0")
}

/// The variables of other images under the names of slotd; `cluster`: for a cluster in one process.
///
/// # Errors
/// One of them asks for what slotd cannot do, or has a value that cannot be read.
pub(super) fn read(variables: &Variables, cluster: bool) -> Result<Vec<Meant>, String> {
    let mut found = Vec::new();
    let mut say = |name: &str, stands_for: &str, value: &[u8]| {
        found.push(Meant { name: name.to_owned(), stands_for: stands_for.to_owned(), value: value.to_vec() });
    };
    for (name, instead) in REFUSED {
        let of_cluster = !name.starts_with("REDIS_");
        if (cluster || !of_cluster) && set(variables, name).is_some_and(|value| is_on(value).unwrap_or(value != b"0")) {
            return Err(format!("{name} is not supported: {instead}"));
        }
    }
    for (name, instead) in REFUSED_IF_SET {
        if set(variables, name).is_some() {
            return Err(format!("{name} is not supported: {instead}"));
        }
    }
    for (name, stands_for) in BITNAMI {
        // Without nodes these say nothing.
        if ["CLUSTER_REPLICAS", "CLUSTER_CREATOR"].contains(&stands_for) && set(variables, "REDIS_NODES").is_none() {
            continue;
        }
        // An empty password is an error rather than none.
        let value = variables.get(name).filter(|value| !value.is_empty() || name == "REDIS_PASSWORD");
        if let Some(value) = value {
            say(name, stands_for, value);
        }
    }
    persistence(variables, &mut say)?;
    if flag(variables, "REDIS_ALLOW_REMOTE_CONNECTIONS")? == Some(false) {
        say("REDIS_ALLOW_REMOTE_CONNECTIONS", "BIND", b"127.0.0.1 -::1");
    }
    replication(variables, &mut say)?;
    access(variables, &mut say)?;
    if cluster {
        shape(variables, &mut say);
    }
    Ok(found)
}

/// `REDIS_RDB_POLICY=900#1 60#1000`
fn persistence(variables: &Variables, say: &mut impl FnMut(&str, &str, &[u8])) -> Result<(), String> {
    if let Some(policy) = set(variables, "REDIS_RDB_POLICY") {
        let points: Vec<u8> = policy.iter().map(|byte| if *byte == b'#' { b' ' } else { *byte }).collect();
        say("REDIS_RDB_POLICY", "SAVE", &points);
    } else if flag(variables, "REDIS_RDB_POLICY_DISABLED")? == Some(true) {
        say("REDIS_RDB_POLICY_DISABLED", "SAVE", b"");
    }
    Ok(())
}

/// `REDIS_REPLICATION_MODE=replica` with `REDIS_MASTER_HOST`
fn replication(variables: &Variables, say: &mut impl FnMut(&str, &str, &[u8])) -> Result<(), String> {
    let name = "REDIS_REPLICATION_MODE";
    match set(variables, name).map(<[u8]>::to_ascii_lowercase).as_deref() {
        None | Some(b"master" | b"primary") => Ok(()),
        Some(b"slave" | b"replica") => {
            let host = set(variables, "REDIS_MASTER_HOST");
            let host = host.ok_or_else(|| format!("{name} asks for a replica: REDIS_MASTER_HOST names its primary"))?;
            let port = set(variables, "REDIS_MASTER_PORT_NUMBER").unwrap_or(b"6379");
            say("REDIS_MASTER_HOST", "REPLICAOF", &[host, b" ", port].concat());
            Ok(())
        }
        Some(other) => Err(format!("{name}={}: give master or replica", String::from_utf8_lossy(other))),
    }
}

/// Who may connect, in the words of `grokzen/redis-cluster`.
fn access(variables: &Variables, say: &mut impl FnMut(&str, &str, &[u8])) -> Result<(), String> {
    for (name, stands_for) in GROKZEN_ACCESS {
        if let Some(value) = set(variables, name) {
            say(name, stands_for, value);
        }
    }
    if let Some(on) = flag(variables, "PROTECTED_MODE")? {
        say("PROTECTED_MODE", "PROTECTED_MODE", if on { b"yes" } else { b"no" });
    }
    Ok(())
}

/// The cluster that `grokzen/redis-cluster` would start.
fn shape(variables: &Variables, say: &mut impl FnMut(&str, &str, &[u8])) {
    for (name, stands_for) in GROKZEN {
        if let Some(value) = set(variables, name) {
            say(name, stands_for, value);
        }
    }
    match set(variables, "IP") {
        // To a client it means its own machine. Nodes cannot be called by it.
        Some(b"0.0.0.0") => say("IP", "CLUSTER_ANNOUNCE_IP", b"127.0.0.1"),
        Some(address) => say("IP", "CLUSTER_ANNOUNCE_IP", address),
        None => {}
    }
}

#[cfg(test)]
#[path = "aliases_tests.rs"]
mod tests;
