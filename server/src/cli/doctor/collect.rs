//! Asking the nodes: whoever is named, and whoever these know, all at once.
//!
//! Only commands are used that any Redis Cluster node has, so nodes of other servers can be asked as well. A node that
//! hides CONFIG (a renamed command) is not asked for what only CONFIG tells.

use std::collections::{BTreeMap, BTreeSet};
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
/// How much longer a node's own words for its silence may take to arrive: a busy machine starts its thread late.
const GRACE: Duration = Duration::from_secs(1);
/// So much longer for each node that is asked: an answer is as long as the cluster is large.
const GRACE_PER_NODE: Duration = Duration::from_millis(5);
/// What is said of a node for which there was no time left.
const NO_TIME: &str = "there was no time left to ask it";
/// More nodes than a cluster has.
const NODES_MAX: usize = 2000;
/// How the errors of a node end that was started without cluster mode.
const NO_CLUSTER: &str = "cluster support disabled";
/// What is said of such a node.
const OTHER_SERVER: &str = "a server that is not in cluster mode is there";

/// Who is asked, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asking {
    pub(super) nodes: Vec<Address>,
    pub(super) password: Option<OsString>,
    /// Nodes that have answered before. They are asked as well, since a named one may be silent by now.
    pub(super) known: Vec<Address>,
}

/// Several looks that belong together: how long they may last, and who was silent in one of them. Each silent node
/// costs a look the time that it is waited for, so it is not asked again.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    until: Instant,
    silent: BTreeMap<Address, String>,
}

impl Visit {
    /// One that begins no look, and asks nobody, later than this.
    pub(super) fn new(until: Instant) -> Self {
        Self { until, silent: BTreeMap::new() }
    }

    /// One that does not ask those who were silent before.
    pub(super) fn after(facts: &Facts, until: Instant) -> Self {
        Self { until, silent: facts.silent.iter().cloned().collect() }
    }

    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// Whether those who are asked after a pause of so long can also tell of others, who are asked then.
    pub(super) fn has_time_after(&self, pause: Duration) -> bool {
        Instant::now() + pause + ANSWER < self.until
    }
}

impl Asking {
    /// Asks the nodes that are named, and those that they know. Whom strangers know is not asked.
    ///
    /// # Errors
    /// None answers that is in cluster mode, or those that are named are in different clusters.
    pub(super) fn look(&self, visit: &mut Visit) -> Result<Facts, String> {
        let mut facts = Facts::default();
        let (mut asked, mut found) = (BTreeSet::new(), BTreeSet::<NodeId>::new());
        let mut next = self.nodes.clone();
        next.extend(self.known.iter().filter(|address| !self.nodes.contains(address)).cloned());
        while !next.is_empty() && asked.len() < NODES_MAX {
            asked.extend(next.iter().cloned());
            for (address, answer) in self.ask_all(&next, visit) {
                match answer {
                    Err(reason) => facts.silent.push((address, reason)),
                    Ok(report) if found.insert(report.id) => facts.reports.push(report),
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
            return Err(facts.silent.iter().map(why_nothing_is_known).collect::<Vec<_>>().join("\n"));
        }
        let mut facts = facts.apart(&self.nodes)?;
        self.pass_over_the_forgotten(&mut facts);
        Ok(facts)
    }

    /// Leaves out silent nodes that were neither named nor are known any more.
    fn pass_over_the_forgotten(&self, facts: &mut Facts) {
        let is_forgotten = |address: &Address, facts: &Facts| {
            let mut lines = facts.reports.iter().flat_map(|report| &report.lines);
            !lines.any(|line| address_of(line).as_ref() == Some(address))
        };
        let suspects = facts.silent.iter().map(|(address, _)| address);
        let suspects = suspects.filter(|address| self.known.contains(address) && !self.nodes.contains(address));
        let forgotten: Vec<Address> = suspects.filter(|address| is_forgotten(address, facts)).cloned().collect();
        facts.silent.retain(|(address, _)| !forgotten.contains(address));
    }

    /// Also asks wherever nodes have been seen that were asked elsewhere: another process may have the id of one. Who
    /// does not answer does not matter.
    pub(super) fn look_for_twins(&self, facts: &mut Facts, visit: &mut Visit) {
        let asked: BTreeSet<&Address> = facts.reports.iter().map(|report| &report.address).collect();
        let lines = facts.reports.iter().flat_map(|report| &report.lines);
        let others = lines.filter(|line| !line.flags.intersects(NodeFlags::MYSELF)).filter_map(address_of);
        let others: BTreeSet<Address> = others.filter(|address| !asked.contains(address)).collect();
        for (_, answer) in self.ask_all(&others.into_iter().collect::<Vec<_>>(), visit) {
            let found = answer.ok().and_then(|report| twin(facts, &report));
            facts.twins.extend(found);
        }
    }

    /// Asks all of these at once that were not silent before; the answers in the order of the addresses.
    fn ask_all(&self, addresses: &[Address], visit: &mut Visit) -> Vec<(Address, Result<Report, String>)> {
        let (answer, answers) = mpsc::channel();
        let mut found: BTreeMap<&Address, Result<Report, String>> = BTreeMap::new();
        let all = GRACE_PER_NODE.saturating_mul(addresses.len().min(NODES_MAX) as u32);
        let (is_late, until) = (visit.is_over(), Instant::now() + ANSWER + GRACE + all);
        for address in addresses {
            let silence = visit.silent.get(address).cloned();
            if let Some(reason) = silence.or_else(|| is_late.then(|| format!("{address}: {NO_TIME}"))) {
                found.insert(address, Err(reason));
                continue;
            }
            let (answer, asking) = (answer.clone(), Self { password: self.password.clone(), ..Self::default() });
            let asked = address.clone();
            let ask = move || {
                let report = asking.ask(&asked);
                // Nobody waits any more for who took too long.
                let _ = answer.send((asked, report));
            };
            if let Err(error) = thread::spawn("doctor", ask) {
                found.insert(address, Err(format!("starting a thread: {error}")));
            }
        }
        drop(answer);
        while found.len() < addresses.len() {
            let left = until.saturating_duration_since(Instant::now());
            let Ok((address, report)) = answers.recv_timeout(left) else { break };
            if let Some(asked) = addresses.iter().find(|asked| **asked == address) {
                found.insert(asked, report);
            }
        }
        let mut outcome = Vec::new();
        for address in addresses {
            // A thread that looks up a name cannot be stopped.
            let silence = || Err(format!("{address}: its name is still being looked up"));
            let report = found.remove(address).unwrap_or_else(silence);
            if let Err(reason) = &report {
                visit.silent.insert(address.clone(), reason.clone());
            }
            outcome.push((address.clone(), report));
        }
        outcome
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
        let (id, lines) = read_lines(&nodes).map_err(|why| format!("{address}: {why}"))?;
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
            id,
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
    let id = report.id;
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

/// The lines of CLUSTER NODES in the order of the ids, and the id of the node that says it.
fn read_lines(text: &str) -> Result<(NodeId, Vec<NodeLine>), String> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let mut lines: Vec<NodeLine> = lines.map(str::parse).collect::<Result<_, _>>()?;
    lines.sort_by_key(|line| line.id);
    match own_line(&lines) {
        Some(own) => Ok((own.id, lines)),
        None => Err("it does not know itself".to_owned()),
    }
}

/// Why a cluster cannot be examined of which this is all that answers.
fn why_nothing_is_known((address, reason): &(Address, String)) -> String {
    if reason == OTHER_SERVER {
        format!("{address} is not in cluster mode: there is nothing to examine")
    } else if wants_password(reason) {
        format!("{reason} (the password is taken from REDISCLI_AUTH, SLOTD_PASSWORD or SLOTD_PASSWORD_FILE)")
    } else {
        reason.clone()
    }
}

/// Whether a node is silent because it has another password than the one that it was shown, or was shown none.
pub(super) fn wants_password(reason: &str) -> bool {
    [": NOAUTH ", ": WRONGPASS "].iter().any(|code| reason.contains(code))
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

/// The server and its version: Valkey and slotd say that they are Redis 7.2.4. slotd's own version is in no field, for
/// its fields are those of Redis; what its atomics come from tells it apart.
pub(super) fn version(info: &str) -> String {
    let redis = field(info, "redis_version").unwrap_or("?");
    match (field(info, "valkey_version"), field(info, "atomicvar_api")) {
        (Some(version), _) => format!("valkey {version}"),
        (None, Some("rust-core")) => format!("slotd as redis {redis}"),
        (None, _) => format!("redis {redis}"),
    }
}
