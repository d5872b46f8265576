//! The text of `nodes.conf`: what a node must not forget about its cluster.
//!
//! One line per node, in the form that CLUSTER NODES prints, and one line of variables:
//!
//! ```text
//! <id> <ip>:<port>@<bus-port>[,<hostname>[,<aux>=<value>]...] <flags> <primary|-> <ping> <pong> <epoch> <link> <slot>...
//! vars currentEpoch <n> lastVoteEpoch <n>
//! ```
//!
//! Reading: what Redis 7.0 and 7.2 write (7.2 added the `aux` fields). Writing: the 7.0 form, since 7.2 loads it as
//! well, whereas 7.0 would take the aux fields for a part of the host name. Data beyond Redis's goes into further
//! variables, which both versions skip with a log line.
//!
//! Redis is lenient in some fields (`atoi`) and stops with "corrupted" otherwise. This file decides who votes for whom,
//! so here every field must be complete: an error names the line and what is wrong with it, and the caller refuses to
//! start. This module only converts text to plain values and back; the files are the caller's.

use std::fmt;
use std::str::FromStr;

use protocol::bus::{IpText, NodeFlags, NodeId, is_valid_hostname, is_valid_nodename};
use protocol::slot::{SlotBitmap, SlotId, SlotRange};

/// The distance of the bus port from the client port if the line does not name one (files of Redis 3).
const BUS_PORT_OFFSET: u16 = 10_000;
/// Fields in front of the slots.
const FIXED_FIELDS: usize = 8;

/// Everything in a `nodes.conf`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodesConf {
    /// One entry per line, in the order of the file. Exactly one has the flag `myself`.
    pub nodes: Vec<NodeLine>,
    pub current_epoch: u64,
    pub last_vote_epoch: u64,
    /// Variables that Redis does not know, names and values without blanks. Redis skips them.
    pub other_vars: Vec<(String, String)>,
}

/// One node's line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLine {
    pub id: NodeId,
    /// Empty if it is not known (`:0@0`).
    pub ip: IpText,
    pub port: u16,
    pub bus_port: u16,
    /// Announced host name; empty: none.
    pub hostname: String,
    /// From the aux field `shard-id`. Read only.
    pub shard_id: Option<NodeId>,
    /// From the aux field `nodename`; empty: none. Read only.
    pub nodename: String,
    /// From the aux field `tls-port` or `tcp-port`, whichever is not `port`; 0: none. Read only.
    pub secondary_port: u16,
    pub flags: NodeFlags,
    /// The node's primary if it is a replica.
    pub replica_of: Option<NodeId>,
    /// When the unanswered ping was sent, Unix milliseconds; 0: there is none.
    pub ping_sent: i64,
    /// When the last answer came, Unix milliseconds.
    pub pong_received: i64,
    /// The node's config epoch; on the line of a replica its primary's.
    pub config_epoch: u64,
    /// True if the writer had a link to the node. Of no use to a reader.
    pub connected: bool,
    pub slots: SlotBitmap,
    /// Slots on their way to another node. Only on the line of `myself`.
    pub migrating: Vec<(SlotId, NodeId)>,
    /// Slots on their way here. Only on the line of `myself`.
    pub importing: Vec<(SlotId, NodeId)>,
}

/// Where the text is damaged, and how.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct NodesConfError {
    /// From 1; if something is missing in the whole file, the number of its lines.
    pub line: usize,
    pub problem: String,
}

impl NodeLine {
    /// A line about a node of which only the id is known.
    pub fn new(id: NodeId) -> Self {
        Self {
            id,
            ip: IpText::EMPTY,
            port: 0,
            bus_port: 0,
            hostname: String::new(),
            shard_id: None,
            nodename: String::new(),
            secondary_port: 0,
            flags: NodeFlags::NONE,
            replica_of: None,
            ping_sent: 0,
            pong_received: 0,
            config_epoch: 0,
            connected: false,
            slots: SlotBitmap::new(),
            migrating: Vec::new(),
            importing: Vec::new(),
        }
    }
}

/// The line as CLUSTER NODES prints it, without line end.
impl fmt::Display for NodeLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}:{}@{}", self.id, self.ip, self.port, self.bus_port)?;
        if !self.hostname.is_empty() {
            write!(f, ",{}", self.hostname)?;
        }
        match self.replica_of {
            Some(primary) => write!(f, " {} {primary}", self.flags)?,
            None => write!(f, " {} -", self.flags)?,
        }
        let link = if self.connected { "connected" } else { "disconnected" };
        write!(f, " {} {} {} {link}", self.ping_sent, self.pong_received, self.config_epoch)?;
        for range in self.slots.ranges() {
            f.write_str(" ")?;
            range.fmt(f)?;
        }
        // One ascending list of both, since Redis walks the slots.
        let migrating = self.migrating.iter().map(|(slot, node)| (*slot, '>', node));
        let importing = self.importing.iter().map(|(slot, node)| (*slot, '<', node));
        let mut moving: Vec<_> = migrating.chain(importing).collect();
        moving.sort_by_key(|(slot, ..)| *slot);
        for (slot, direction, node) in moving {
            write!(f, " [{slot}-{direction}-{node}]")?;
        }
        Ok(())
    }
}

/// The whole file, as Redis 7.0 writes it.
impl fmt::Display for NodesConf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for node in &self.nodes {
            writeln!(f, "{node}")?;
        }
        write!(f, "vars currentEpoch {} lastVoteEpoch {}", self.current_epoch, self.last_vote_epoch)?;
        for (name, value) in &self.other_vars {
            write!(f, " {name} {value}")?;
        }
        writeln!(f)
    }
}

impl NodesConf {
    /// Reads a whole file. An empty one is an error too: whether it counts as "no file yet" is the caller's decision.
    ///
    /// NUL bytes and blank lines, which Redis leaves behind when it dies while writing, are skipped. A `currentEpoch`
    /// below a config epoch of the file is raised to it, as Redis does.
    ///
    /// # Errors
    /// The first damaged line. A last line without its line end is damaged: a number in it may have lost digits.
    pub fn parse(file: &[u8]) -> Result<Self, NodesConfError> {
        let mut conf = Self::default();
        let padding = file.iter().rev().take_while(|byte| **byte == 0).count();
        let text = &file[..file.len() - padding];
        let mut lines = 0;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            lines += 1;
            conf.parse_line(line).map_err(|problem| NodesConfError { line: lines, problem })?;
        }
        conf.check_whole().map_err(|problem| NodesConfError { line: lines, problem })?;
        let highest = conf.nodes.iter().map(|node| node.config_epoch).max().unwrap_or(0);
        conf.current_epoch = conf.current_epoch.max(highest);
        Ok(conf)
    }

    fn parse_line(&mut self, line: &[u8]) -> Result<(), String> {
        let Some((b'\n', line)) = line.split_last() else {
            return Err("cut off: no line end".into());
        };
        let line = std::str::from_utf8(line).map_err(|_| "not text".to_owned())?;
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        match fields.as_slice() {
            [] => Ok(()),
            [first, vars @ ..] if first.eq_ignore_ascii_case("vars") => self.parse_vars(vars),
            fields => {
                let node = parse_node(fields)?;
                self.check_new(&node)?;
                self.nodes.push(node);
                Ok(())
            }
        }
    }

    fn parse_vars(&mut self, fields: &[&str]) -> Result<(), String> {
        let (pairs, rest) = fields.as_chunks::<2>();
        if let [name] = rest {
            return Err(format!("variable {name} has no value"));
        }
        for [name, value] in pairs {
            if name.eq_ignore_ascii_case("currentEpoch") {
                self.current_epoch = number(value, "currentEpoch")?;
            } else if name.eq_ignore_ascii_case("lastVoteEpoch") {
                self.last_vote_epoch = number(value, "lastVoteEpoch")?;
            } else {
                self.other_vars.push(((*name).to_owned(), (*value).to_owned()));
            }
        }
        Ok(())
    }

    /// Checks a line against the lines before it.
    fn check_new(&self, node: &NodeLine) -> Result<(), String> {
        for other in &self.nodes {
            if other.id == node.id {
                return Err(format!("node {} appears twice", node.id));
            }
            if other.flags.intersects(NodeFlags::MYSELF) && node.flags.intersects(NodeFlags::MYSELF) {
                return Err(format!("both {} and {} are flagged myself", other.id, node.id));
            }
            if other.slots.intersects(&node.slots) {
                return Err(format!("slots of {} belong to {} already", node.id, other.id));
            }
        }
        Ok(())
    }

    fn check_whole(&self) -> Result<(), String> {
        let myself = self.nodes.iter().any(|node| node.flags.intersects(NodeFlags::MYSELF));
        if myself { Ok(()) } else { Err("no node is flagged myself".into()) }
    }
}

impl FromStr for NodeLine {
    type Err = String;

    /// Reads one line of CLUSTER NODES; the error says what is wrong with it.
    fn from_str(line: &str) -> Result<Self, String> {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        parse_node(&fields)
    }
}

fn parse_node(fields: &[&str]) -> Result<NodeLine, String> {
    let [id, address, flags, primary, ping, pong, epoch, link, slots @ ..] = fields else {
        return Err(format!("{} fields, at least {FIXED_FIELDS} expected", fields.len()));
    };
    let mut node = NodeLine::new(node_id(id)?);
    parse_address(&mut node, address)?;
    node.flags = parse_flags(flags)?;
    node.replica_of = if *primary == "-" { None } else { Some(node_id(primary)?) };
    node.ping_sent = number(ping, "ping time")?;
    node.pong_received = number(pong, "pong time")?;
    node.config_epoch = number(epoch, "config epoch")?;
    node.connected = match *link {
        "connected" => true,
        "disconnected" => false,
        other => return Err(format!("unknown link state {other:?}")),
    };
    for slot in slots {
        parse_slots(&mut node, slot)?;
    }
    Ok(node)
}

/// `ip:port[@bus-port][,hostname[,aux=value]...]`. The last colon before the port counts: IPv6 addresses have more.
fn parse_address(node: &mut NodeLine, field: &str) -> Result<(), String> {
    let mut parts = field.split(',');
    let address = parts.next().unwrap_or_default();
    let (ip, ports) = address.rsplit_once(':').ok_or_else(|| format!("address {address:?} has no port"))?;
    node.ip = ip.parse().map_err(|_| format!("malformed address {ip:?}"))?;
    let (port, bus_port) = ports.split_once('@').map_or((ports, None), |(port, bus)| (port, Some(bus)));
    node.port = number(port, "port")?;
    node.bus_port = match bus_port {
        Some(bus_port) => number(bus_port, "bus port")?,
        None => node.port.checked_add(BUS_PORT_OFFSET).ok_or_else(|| format!("no bus port above {port}"))?,
    };
    let hostname = parts.next().unwrap_or_default();
    if !is_valid_hostname(hostname) {
        return Err(format!("malformed host name {hostname:?}"));
    }
    hostname.clone_into(&mut node.hostname);
    parts.try_for_each(|aux| parse_aux(node, aux))
}

fn parse_aux(node: &mut NodeLine, aux: &str) -> Result<(), String> {
    match aux.split_once('=') {
        Some(("shard-id", value)) => node.shard_id = Some(node_id(value)?),
        Some(("nodename", value)) if is_valid_nodename(value) => value.clone_into(&mut node.nodename),
        Some(("tls-port" | "tcp-port", value)) => node.secondary_port = number(value, "secondary port")?,
        _ => return Err(format!("malformed or unknown aux field {aux:?}")),
    }
    Ok(())
}

fn parse_flags(field: &str) -> Result<NodeFlags, String> {
    let mut flags = NodeFlags::NONE;
    for name in field.split(',').filter(|name| *name != "noflags") {
        let known = NodeFlags::NAMES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name));
        let (flag, _) = known.ok_or_else(|| format!("unknown flag {name:?}"))?;
        flags.insert(*flag);
    }
    Ok(flags)
}

/// `5`, `5-9`, `[5->-id]` or `[5-<-id]`.
fn parse_slots(node: &mut NodeLine, field: &str) -> Result<(), String> {
    if let Some(moving) = field.strip_prefix('[') {
        return parse_moving(node, field, moving);
    }
    let (first, last) = field.split_once('-').unwrap_or((field, field));
    let range =
        SlotRange::new(slot(first)?, slot(last)?).ok_or_else(|| format!("slots {field} are the wrong way round"))?;
    node.slots.set_range(range);
    Ok(())
}

fn parse_moving(node: &mut NodeLine, field: &str, moving: &str) -> Result<(), String> {
    let malformed = || format!("malformed slot {field:?}");
    let (number, rest) = moving.strip_suffix(']').and_then(|m| m.split_once('-')).ok_or_else(malformed)?;
    let list = match rest.get(..2) {
        Some(">-") => &mut node.migrating,
        Some("<-") => &mut node.importing,
        _ => return Err(malformed()),
    };
    list.push((slot(number)?, node_id(&rest[2..])?));
    Ok(())
}

fn slot(text: &str) -> Result<SlotId, String> {
    number(text, "slot").ok().and_then(SlotId::new).ok_or_else(|| format!("malformed slot {text:?}"))
}

fn node_id(text: &str) -> Result<NodeId, String> {
    text.parse().map_err(|_| format!("malformed node id {text:?}"))
}

fn number<T: FromStr>(text: &str, what: &str) -> Result<T, String> {
    // `parse` would accept a plus sign, which no number here ever has.
    let digits = !text.starts_with('+');
    text.parse().ok().filter(|_| digits).ok_or_else(|| format!("malformed {what} {text:?}"))
}

#[cfg(test)]
#[path = "nodes_conf_tests.rs"]
mod tests;
