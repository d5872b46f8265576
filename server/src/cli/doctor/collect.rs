//! Asking the nodes: whoever is named, and whoever these know, all at once.
//!
//! Only commands are used that any Redis Cluster node has, so nodes of other servers can be asked as well. A node that
//! hides CONFIG (a renamed command) is not asked for what only CONFIG tells.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use gossip::nodes_conf::NodeLine;
use protocol::bus::{NodeFlags, NodeId};
use protocol::resp::Value;

use super::super::node_list::Address;
use super::facts::{Disk, Facts, Link, Report, own_line};
use super::strangers::of_one_cluster;
use crate::base::clock::{Clock, SystemClock};
use crate::base::thread;
use crate::healthcheck::{Connection, field};

/// How long one node may take to answer everything.
const ANSWER: Duration = Duration::from_secs(3);
/// More nodes than a cluster has.
const NODES_MAX: usize = 2000;
/// How the errors of a node end that was started without cluster mode.
const NO_CLUSTER: &str = "cluster support disabled";
/// What is said of such a node.
const OTHER_SERVER: &str = "a server that is not in cluster mode is there";

/// Who is asked, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asking {
    pub(super) nodes: Vec<Address>,
    pub(super) password: Option<OsString>,
}

impl Asking {
    /// Asks the nodes that are named, and those that they know. Whom strangers know is not asked.
    ///
    /// # Errors
    /// None answers that is in cluster mode, or those that are named are in different clusters.
    pub(super) fn look(&self) -> Result<Facts, String> {
        let mut facts = Facts::default();
        let (mut asked, mut found) = (BTreeSet::new(), BTreeSet::<NodeId>::new());
        let mut next = self.nodes.clone();
        while !next.is_empty() && asked.len() < NODES_MAX {
            asked.extend(next.iter().cloned());
            for (address, answer) in self.ask_all(&next) {
                match answer {
                    Err(reason) => facts.silent.push((address, reason)),
                    Ok(report) if own_line(&report.lines).is_some_and(|own| found.insert(own.id)) => {
                        facts.reports.push(report);
                    }
                    Ok(report) => {
                        let found = twin(&facts, &report);
                        facts.twins.extend(found);
                    }
                }
            }
            let ours = facts.reports.iter().zip(of_one_cluster(&facts.reports)).filter(|(_, is_ours)| *is_ours);
            let known = ours.flat_map(|(report, _)| &report.lines);
            let fresh = known.filter(|line| !found.contains(&line.id)).filter_map(address_of);
            next = fresh.filter(|address| !asked.contains(address)).collect::<BTreeSet<_>>().into_iter().collect();
        }
        if facts.reports.is_empty() {
            let reason = |(address, reason): &(Address, String)| {
                if reason == OTHER_SERVER {
                    format!("{address} is not in cluster mode: there is nothing to examine")
                } else {
                    reason.clone()
                }
            };
            return Err(facts.silent.iter().map(reason).collect::<Vec<_>>().join("\n"));
        }
        facts.apart(&self.nodes)
    }

    /// Also asks wherever nodes have been seen that were asked elsewhere: another process may have the id of one. Who
    /// does not answer does not matter.
    pub(super) fn look_for_twins(&self, facts: &mut Facts) {
        let asked: BTreeSet<Address> = facts.reports.iter().map(|report| report.address.clone()).collect();
        let silent: BTreeSet<&Address> = facts.silent.iter().map(|(address, _)| address).collect();
        let lines = facts.reports.iter().flat_map(|report| &report.lines);
        let others = lines.filter(|line| !line.flags.intersects(NodeFlags::MYSELF)).filter_map(address_of);
        let others: BTreeSet<Address> =
            others.filter(|address| !asked.contains(address) && !silent.contains(address)).collect();
        for (_, answer) in self.ask_all(&others.into_iter().collect::<Vec<_>>()) {
            let found = answer.ok().and_then(|report| twin(facts, &report));
            facts.twins.extend(found);
        }
    }

    /// Asks all of these at once; the answers in the order of the addresses.
    fn ask_all(&self, addresses: &[Address]) -> Vec<(Address, Result<Report, String>)> {
        let (answer, answers) = mpsc::channel();
        for (at, address) in addresses.iter().enumerate() {
            let (answer, failed) = (answer.clone(), answer.clone());
            let (asking, address) = (Self { nodes: Vec::new(), ..self.clone() }, address.clone());
            let ask = move || {
                // The receiver waits for every node.
                let _ = answer.send((at, asking.ask(&address)));
            };
            if let Err(error) = thread::spawn("doctor", ask) {
                let _ = failed.send((at, Err(format!("starting a thread: {error}"))));
            }
        }
        drop(answer);
        let mut found: Vec<(usize, Result<Report, String>)> = answers.iter().collect();
        found.sort_unstable_by_key(|(at, _)| *at);
        found.into_iter().map(|(at, answer)| (addresses[at].clone(), answer)).collect()
    }

    /// A connection to a node that has seen the password.
    pub(super) fn connect(&self, address: &Address) -> Result<Connection, String> {
        let mut node = Connection::open(&address.host, address.port, Instant::now() + ANSWER)?;
        node.authenticate(self.password.as_deref().unwrap_or_default())?;
        Ok(node)
    }

    fn ask(&self, address: &Address) -> Result<Report, String> {
        let mut node = self.connect(address)?;
        let nodes = node.text(&[b"CLUSTER", b"NODES"]);
        let nodes = nodes.map_err(|why| if why.ends_with(NO_CLUSTER) { OTHER_SERVER.to_owned() } else { why })?;
        let lines = read_lines(&nodes).map_err(|why| format!("{address}: {why}"))?;
        let (ahead_ms, unsure_ms) = compare_clocks(&mut node)?;
        let info = node.text(&[b"INFO"])?;
        let number = |name: &str| field(&info, name).and_then(|text| text.parse().ok()).unwrap_or(0);
        let is = |name: &str, value: &str| field(&info, name) == Some(value);
        let link = match (is("role", "slave"), is("master_link_status", "up"), is("master_sync_in_progress", "1")) {
            (false, ..) | (true, true, _) => Link::Up,
            (true, false, true) => Link::Syncing,
            (true, false, false) => Link::Down,
        };
        let offset = number(if is("role", "slave") { "slave_repl_offset" } else { "master_repl_offset" });
        let saves = setting(&mut node, b"save")?.map(|points| !points.is_empty() || is("aof_enabled", "1"));
        let (dir, file) = (setting(&mut node, b"dir")?, setting(&mut node, b"dbfilename")?);
        Ok(Report {
            address: address.clone(),
            ip: node.ip()?,
            lines,
            ok: is_in_order(&node.text(&[b"CLUSTER", b"INFO"])?),
            version: version(&info),
            run_id: field(&info, "run_id").unwrap_or_default().to_owned(),
            ahead_ms,
            unsure_ms,
            offset,
            backlog: number("repl_backlog_size"),
            link,
            disk: Disk {
                saves,
                failed: is("rdb_last_bgsave_status", "err") || is("aof_last_write_status", "err"),
                file: dir.zip(file).map_or_else(String::new, |(dir, file)| format!("{dir}/{file}")),
                process: number("process_id"),
            },
        })
    }
}

/// The process that was found before with the id of this one, if it is another one: a node with two addresses is not.
fn twin(facts: &Facts, report: &Report) -> Option<(NodeId, Address, Address)> {
    let id = own_line(&report.lines)?.id;
    let other = facts.of(id).filter(|other| other.run_id != report.run_id)?;
    Some((id, other.address.clone(), report.address.clone()))
}

fn is_in_order(info: &str) -> bool {
    field(info, "cluster_state") == Some("ok")
}

/// Where a node is that another one knows.
fn address_of(line: &NodeLine) -> Option<Address> {
    let host = if line.ip.is_empty() { line.hostname.as_str() } else { line.ip.as_str() };
    let unknown = line.flags.intersects(NodeFlags::HANDSHAKE | NodeFlags::NOADDR);
    let known = !unknown && !host.is_empty() && host != "?" && line.port > 0;
    known.then(|| Address { host: host.to_owned(), port: line.port })
}

/// The lines of CLUSTER NODES.
fn read_lines(text: &str) -> Result<Vec<NodeLine>, String> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let lines: Vec<NodeLine> = lines.map(str::parse).collect::<Result<_, _>>()?;
    if own_line(&lines).is_none() { Err("it does not know itself".to_owned()) } else { Ok(lines) }
}

/// By how many milliseconds the node's clock is ahead of this machine's, and by how much that may be wrong.
fn compare_clocks(node: &mut Connection) -> Result<(i64, i64), String> {
    let clock = SystemClock::new();
    let (before, began) = (clock.now_ms(), Instant::now());
    let reply = node.ask(&[b"TIME"])?;
    let took = began.elapsed().as_millis() as i64;
    let number = |part: &Value| std::str::from_utf8(part.as_bytes()?).ok()?.parse::<i64>().ok();
    let parts: Vec<i64> = reply.as_array().unwrap_or_default().iter().filter_map(number).collect();
    match parts.as_slice() {
        [seconds, micros] => Ok((seconds.saturating_mul(1000) + micros / 1000 - before - took / 2, took / 2 + 1)),
        _ => Ok((0, i64::MAX / 4)),
    }
}

/// The value of a directive; `None` if the node does not say.
pub(super) fn setting(node: &mut Connection, name: &[u8]) -> Result<Option<String>, String> {
    let reply = node.ask(&[b"CONFIG", b"GET", name])?;
    let value = reply.as_array().and_then(|pair| pair.get(1)).and_then(Value::as_bytes);
    Ok(value.map(|value| String::from_utf8_lossy(value).into_owned()))
}

/// The server and its version: Valkey says that it is Redis 7.2.4, too.
fn version(info: &str) -> String {
    match field(info, "valkey_version") {
        Some(version) => format!("valkey {version}"),
        None => format!("redis {}", field(info, "redis_version").unwrap_or("?")),
    }
}
