//! Brings nodes.conf up to date with the ports: a cluster restarted from its directory may be told to use other ports.
//!
//! A node finds its peers at the addresses in its nodes.conf. If all of them have moved, no node can find another, and
//! gossip cannot help. Here all nodes are ours, so before any of them starts, each file gets the new addresses of all.
//! Entries of other nodes in the file stay as they are.
//!
//! The same pass checks whether the directory holds a cluster of the wanted shape. It comes first, so that a refused
//! start leaves the directory unchanged.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use gossip::nodes_conf::NodesConf;
use protocol::bus::{IpText, NodeFlags, NodeId};

use super::process::Process;
use super::{ClusterError, Options};
use crate::cluster::BUS_PORT_OFFSET;
use crate::cluster::conf_file::{self, ConfFile};
use crate::config::{Config, ids};
use crate::net::listening;

/// The nodes.conf that one of our nodes left.
struct Left {
    file: ConfFile,
    conf: NodesConf,
    id: NodeId,
}

/// Updates the addresses in every nodes.conf. Directories that never held a whole cluster are left alone.
pub(super) fn follow_ports(process: &Arc<Process>, options: &Options) -> Result<(), ClusterError> {
    if options.dir.is_none() {
        return Ok(());
    }
    let mut found = Vec::new();
    let mut announced = false;
    for member in &process.members {
        let config = member.config()?;
        // An address that is announced by our own choice is known below.
        announced |= process.reach.announce.is_none() && !config.string(ids::CLUSTER_ANNOUNCE_IP).is_empty();
        found.push(open(&config, member.index())?);
    }
    check_shape(process, &found)?;
    let whole = |found: Found| if let Found::Node(left) = found { Some(left) } else { None };
    let Some(left) = found.into_iter().map(whole).collect::<Option<Vec<Left>>>() else { return Ok(()) };
    let ports: Vec<(u16, u16)> =
        process.members.iter().map(|member| choose_ports(member, process.reach.dial, options)).collect();
    let moved: BTreeMap<NodeId, (u16, u16)> = left.iter().map(|left| left.id).zip(ports).collect();
    for Left { mut file, mut conf, .. } in left {
        let before = conf.clone();
        for line in &mut conf.nodes {
            let Some(&(port, bus_port)) = moved.get(&line.id) else { continue };
            (line.port, line.bus_port) = (port, bus_port);
            if !announced {
                line.ip = process.reach.shown.to_string().parse().unwrap_or(IpText::EMPTY);
            }
        }
        if conf != before {
            file.save(&conf.to_string(), true).map_err(ClusterError::system("writing nodes.conf"))?;
        }
    }
    Ok(())
}

/// What is found in a node's directory.
enum Found {
    /// No node has run there.
    Nothing,
    /// A file that cannot be read: the node that starts on it reports that.
    Damaged,
    Node(Left),
}

impl Found {
    /// How many nodes the previous node knew, itself included.
    fn known(&self) -> Option<usize> {
        match self {
            Self::Nothing => Some(1),
            Self::Damaged => None,
            Self::Node(left) => Some(left.conf.nodes.len()),
        }
    }
}

/// Either no node has met another yet, or each knows as many nodes as there will be.
fn check_shape(process: &Process, found: &[Found]) -> Result<(), ClusterError> {
    let wanted = found.len();
    if found.iter().all(|found| found.known().is_none_or(|known| known == 1)) {
        return Ok(());
    }
    for (index, known) in found.iter().enumerate().filter_map(|(index, found)| Some((index, found.known()?))) {
        if known != wanted {
            return Err(ClusterError::other_shape(process.directory.path(), index, known, wanted));
        }
    }
    Ok(())
}

/// Opens and locks the file, if this node has left one.
fn open(config: &Config, node: usize) -> Result<Found, ClusterError> {
    let path = config.path(ids::CLUSTER_CONFIG_FILE);
    if !path.exists() {
        return Ok(Found::Nothing);
    }
    let (file, text) =
        ConfFile::open(&path, true).map_err(|problem| ClusterError::Start { node, problem: problem.into() })?;
    if conf_file::is_new(&text) {
        return Ok(Found::Nothing);
    }
    let Ok(conf) = NodesConf::parse(&text) else { return Ok(Found::Damaged) };
    let myself = conf.nodes.iter().find(|line| line.flags.contains(NodeFlags::MYSELF)).map(|line| line.id);
    Ok(myself.map_or(Found::Damaged, |id| Found::Node(Left { file, conf, id })))
}

/// The ports that the node will have. If it may have any, they are chosen now and reserved.
fn choose_ports(member: &super::member::Member, host: IpAddr, options: &Options) -> (u16, u16) {
    if let Some(port) = member.wanted_port() {
        return (port, port.saturating_add(BUS_PORT_OFFSET as u16));
    }
    let names = [host.to_string()];
    let (client, bus) = (listening::keep_port(&names, 0), listening::keep_port(&names, 0));
    let port_of = |kept: &[socket2::Socket]| {
        let address = kept.first().and_then(|socket| socket.local_addr().ok());
        address.and_then(|address| address.as_socket()).map_or(0, |address| address.port())
    };
    let ports = (port_of(&client), port_of(&bus));
    debug_assert_eq!(options.port, 0, "a port that is wanted is not chosen");
    member.reserve(ports, client.into_iter().chain(bus).collect());
    ports
}
