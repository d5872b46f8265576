//! What is wrong with single nodes, and between them.

use std::collections::BTreeMap;

use gossip::nodes_conf::NodeLine;
use protocol::bus::{NodeFlags, NodeId};

use super::super::node_list::Address;
use super::facts::{Facts, Link, Report, Stranger, own_line};
use super::findings::{Code, Finding, names};
use super::picture::{Member, Picture};

/// The difference of two clocks that is reported, milliseconds. Expiry is decided by a node's own clock, so with a skew
/// a key lives longer or shorter after a failover.
const SKEW_MS: i64 = 1000;

/// All that the reports tell of nodes.
pub(super) fn of_nodes(picture: &Picture) -> Vec<Finding> {
    let facts = &picture.facts;
    let mut found = absent(picture);
    found.extend(strangers(picture));
    found.extend(twins(picture));
    found.extend(disagreements(picture));
    let down: Vec<&Report> = facts.reports.iter().filter(|report| !report.ok).collect();
    if !down.is_empty() {
        let what = format!("{} of {} nodes say cluster_state:fail", down.len(), facts.reports.len());
        let nodes = down.iter().map(|report| picture.reporter(report)).collect();
        found.push(Finding::new(
            Code::ClusterDown,
            what,
            nodes,
            "the other findings say why: a majority, or slots, are missing",
        ));
    }
    found.extend(open_slots(picture));
    found.extend(replication(picture));
    found.extend(clocks(picture));
    found.extend(disks(picture));
    found.extend(versions(picture));
    found
}

/// Nodes that do not answer, or that others believe to be down.
fn absent(picture: &Picture) -> Vec<Finding> {
    let mut found = Vec::new();
    let silence = |member: &Member| {
        let silent = picture.facts.silent.iter().find(|(address, _)| address.to_string() == member.name);
        let replaced = picture.members.iter().any(|other| other.answers && other.name == member.name);
        let otherwise = match picture.facts.stranger_at(&member.name) {
            Some(stranger) if stranger.is_alone => "a node that is in no cluster is at its address",
            Some(_) => "a node of another cluster is at its address",
            None if replaced => "another node is at its address",
            None => "it has no address",
        };
        silent.map_or(otherwise, |(_, why)| why)
    };
    for member in &picture.members {
        let (name, doubted) = (&member.name, !member.doubted_by.is_empty());
        let where_ = vec![name.clone()];
        let by = member.doubted_by.join(", ");
        let (code, what, advice) = match (member.answers, doubted) {
            (true, false) => continue,
            (true, true) => (
                Code::FailedNode,
                format!("{name} answers here, but {by} cannot reach it"),
                "let the nodes reach its bus port (usually 10000 above the other)",
            ),
            (false, false) => (
                Code::Unreachable,
                format!("{name} does not answer here: {}", silence(member)),
                "the other nodes reach it: ask from a machine that does, or look after the node",
            ),
            (false, true) if member.slots.is_empty() => (
                Code::StaleNode,
                if name.contains(':') {
                    format!("{name} is down: {} ({} is its id)", silence(member), member.id)
                } else {
                    format!("{name} is down and has no address any more")
                },
                "start it again; if it is gone for good: CLUSTER FORGET with its id, at all other nodes",
            ),
            (false, true) => (
                Code::FailedNode,
                format!("{name} is down and has slots: {}", silence(member)),
                "start it again, or promote one of its replicas: CLUSTER FAILOVER FORCE",
            ),
        };
        found.push(Finding::new(code, what, where_, advice));
    }
    for (address, reason) in &picture.facts.silent {
        if !picture.members.iter().any(|member| member.name == address.to_string()) {
            let what = format!("{address} does not answer: {reason}");
            found.push(Finding::new(Code::Unreachable, what, vec![address.to_string()], "start it, or leave it out"));
        }
    }
    for report in &picture.facts.reports {
        let reporter = picture.reporter(report);
        for line in report.lines.iter().filter(|line| line.flags.intersects(NodeFlags::HANDSHAKE)) {
            let what = format!("{reporter} is in a handshake with {}:{}", line.ip, line.port);
            let advice = "it ends by itself, or never: then nobody answers there at the bus port";
            found.push(Finding::new(Code::StaleNode, what, vec![reporter.clone()], advice));
        }
    }
    found
}

/// Nodes that answer and are not of this cluster.
fn strangers(picture: &Picture) -> Vec<Finding> {
    let finding = |stranger: &Stranger| {
        let name = stranger.address.to_string();
        let before = picture.members.iter().find(|member| member.name == name);
        let at = before.map_or_else(String::new, |member| format!(", at the address of {}", member.id));
        let (what, advice) = if stranger.is_alone {
            let advice =
                format!("if it is to be in this one: redis-cli --cluster add-node {name} ANY:PORT --cluster-slave");
            (format!("{name} is in no cluster{at}"), advice)
        } else {
            let advice = "never let it meet this one: two clusters do not become one, and data would be lost";
            (format!("{name} is a node of another cluster{at}"), advice.to_owned())
        };
        Finding::new(Code::Stranger, what, vec![name], advice)
    };
    picture.facts.strangers.iter().map(finding).collect()
}

/// Nodes that have one id, as those do of which one has a copy of the other's files.
fn twins(picture: &Picture) -> Vec<Finding> {
    let mut twins = picture.facts.twins.clone();
    twins.sort_unstable();
    twins.dedup();
    let finding = |(id, one, other): (NodeId, Address, Address)| {
        let advice =
            "both serve, and half of the nodes see the one: stop the one that is a copy, and empty its directory";
        let what = format!("{one} and {other} have one id: {id}");
        Finding::new(Code::SameId, what, vec![one.to_string(), other.to_string()], advice)
    };
    twins.into_iter().map(finding).collect()
}

/// Nodes that do not say the same of the cluster.
fn disagreements(picture: &Picture) -> Vec<Finding> {
    let facts = &picture.facts;
    let mut found = Vec::new();
    for member in &picture.members {
        // Who came after a node had gone does not hear of it.
        let gone = !member.answers && member.slots.is_empty();
        let ignorant: Vec<String> = facts
            .reports
            .iter()
            .filter(|report| !gone && report.line(member.id).is_none())
            .map(|report| picture.reporter(report))
            .collect();
        if !ignorant.is_empty() {
            let what = format!("{} is unknown to {}", member.name, ignorant.join(", "));
            let advice = "wait a moment; if it stays so, CLUSTER MEET (or CLUSTER FORGET, if it was to leave)";
            found.push(Finding::new(Code::Disagreement, what, vec![member.name.clone()], advice));
        }
        let others = contradictions(facts, member);
        if !others.is_empty() {
            let what = format!("{} is not seen as it sees itself: {}", member.name, others.join("; "));
            let advice = "wait a moment; if it stays so, the nodes do not reach each other's bus ports";
            found.push(Finding::new(Code::Disagreement, what, vec![member.name.clone()], advice));
        }
    }
    found.extend(equal_epochs(picture));
    found
}

/// What others say of a node that it does not say of itself.
fn contradictions(facts: &Facts, member: &Member) -> Vec<String> {
    let Some(own) = facts.of(member.id).and_then(|report| report.line(member.id)) else { return Vec::new() };
    let differs = |report: &Report| {
        let theirs = report.line(member.id)?;
        let by = &report.address;
        if theirs.replica_of != own.replica_of {
            Some(format!("its role, by {by}"))
        } else if own.replica_of.is_none() && theirs.slots != own.slots {
            Some(format!("its slots, by {by}"))
        } else if own.replica_of.is_none() && theirs.config_epoch != own.config_epoch {
            Some(format!("its epoch ({}, not {}), by {by}", theirs.config_epoch, own.config_epoch))
        } else {
            None
        }
    };
    facts.reports.iter().filter_map(differs).collect()
}

/// Primaries with one epoch: who wins a slot that both claim is left to chance.
fn equal_epochs(picture: &Picture) -> Vec<Finding> {
    let mut by_epoch: BTreeMap<u64, Vec<&Member>> = BTreeMap::new();
    for primary in picture.primaries() {
        let own = picture.facts.of(primary.id).and_then(|report| own_line(&report.lines));
        if let Some(own) = own {
            by_epoch.entry(own.config_epoch).or_default().push(primary);
        }
    }
    let shared = by_epoch.into_iter().filter(|(_, members)| members.len() > 1);
    let finding = |(epoch, members): (u64, Vec<&Member>)| {
        let what = format!("{} primaries have the epoch {epoch}", members.len());
        Finding::new(Code::Disagreement, what, names(&members), "the nodes settle that by themselves: wait a moment")
    };
    shared.map(finding).collect()
}

/// Slots that are on their way, or were left there by something that was interrupted.
fn open_slots(picture: &Picture) -> Option<Finding> {
    let open = |line: &NodeLine| line.migrating.len() + line.importing.len();
    let own = picture.facts.reports.iter().filter_map(|report| Some((report, own_line(&report.lines)?)));
    let with: Vec<(String, usize)> =
        own.filter(|(_, line)| open(line) > 0).map(|(report, line)| (picture.reporter(report), open(line))).collect();
    let each: Vec<String> = with.iter().map(|(name, count)| format!("{name}: {count}")).collect();
    (!with.is_empty()).then(|| {
        Finding::new(
            Code::OpenSlots,
            format!("slots are moving: {}", each.join(", ")),
            with.into_iter().map(|(name, _)| name).collect(),
            "if no reshard runs: redis-cli --cluster fix ANY:PORT",
        )
    })
}

/// Replicas whose link is down, or that lack more than the backlog holds.
fn replication(picture: &Picture) -> Vec<Finding> {
    let mut found = Vec::new();
    for replica in picture.members.iter().filter(|member| member.answers) {
        let Some(primary) = replica.primary.and_then(|id| picture.member(id)) else { continue };
        let (name, of) = (&replica.name, &primary.name);
        let nodes = vec![name.clone()];
        match replica.link {
            Link::Down if primary.answers => {
                let what = format!("{name} has no link to its primary {of}");
                let advice = "its log says why: the address, the password (masterauth), or no room for the data";
                found.push(Finding::new(Code::ReplicaLinkDown, what, nodes, advice));
            }
            Link::Syncing => {
                let what = format!("{name} copies the data of its primary {of}");
                found.push(Finding::new(Code::ReplicaLinkDown, what, nodes, "wait until it is done"));
            }
            Link::Down | Link::Up => {
                let (Some(theirs), Some(its)) = (picture.facts.of(primary.id), picture.facts.of(replica.id)) else {
                    continue;
                };
                let behind = theirs.offset.saturating_sub(its.offset);
                if behind > theirs.backlog.max(1 << 20) {
                    let what = format!("{name} is {behind} bytes behind {of}");
                    let advice = "more than the backlog holds (repl-backlog-size): a failover now would lose that";
                    found.push(Finding::new(Code::ReplicaBehind, what, nodes, advice));
                }
            }
        }
    }
    found
}

/// Clocks that differ from most others, or all of them from this machine's.
fn clocks(picture: &Picture) -> Vec<Finding> {
    let known: Vec<&Report> = picture.facts.reports.iter().filter(|report| report.unsure_ms < SKEW_MS * 10).collect();
    let mut ahead: Vec<i64> = known.iter().map(|report| report.ahead_ms).collect();
    ahead.sort_unstable();
    let Some(middle) = ahead.get(ahead.len() / 2).copied() else { return Vec::new() };
    let advice = "run an NTP client on every host: keys expire by the clock of the node that has them";
    let seconds =
        |ms: i64| format!("{:.1} s {}", ms.unsigned_abs() as f64 / 1000.0, if ms > 0 { "ahead" } else { "behind" });
    let off = |report: &&&Report| (report.ahead_ms - middle).abs() > SKEW_MS + report.unsure_ms;
    let mut found: Vec<Finding> = known
        .iter()
        .filter(off)
        .map(|report| {
            let (name, by) = (picture.reporter(report), seconds(report.ahead_ms - middle));
            Finding::new(Code::ClockSkew, format!("the clock of {name} is {by} of the others'"), vec![name], advice)
        })
        .collect();
    let unsure = known.iter().map(|report| report.unsure_ms).max().unwrap_or(0);
    if middle.abs() > SKEW_MS + unsure {
        let what = format!("the nodes' clocks are {} of this machine's", seconds(middle));
        found.push(Finding::new(Code::ClockSkew, what, Vec::new(), advice));
    }
    found
}

/// Nodes that save nothing, failed to, or save to one file.
fn disks(picture: &Picture) -> Vec<Finding> {
    let of = |wanted: &dyn Fn(&Report) -> bool| -> Vec<String> {
        picture.facts.reports.iter().filter(|report| wanted(report)).map(|report| picture.reporter(report)).collect()
    };
    let mut found = Vec::new();
    let unsaved = of(&|report| report.disk.saves == Some(false));
    if !unsaved.is_empty() {
        let what = format!("{} of {} nodes save nothing", unsaved.len(), picture.facts.reports.len());
        let advice =
            "set save points (save 3600 1 300 100 60 10000); for a cache that may be lost: --ignore no-persistence";
        found.push(Finding::new(Code::NoPersistence, what, unsaved, advice));
    }
    for name in of(&|report| report.disk.failed) {
        let what = format!("the last save of {name} failed");
        let advice = "its log says why: no room, or no right to write to its directory";
        found.push(Finding::new(Code::SaveFailed, what, vec![name], advice));
    }
    let mut files: BTreeMap<(&str, &str), Vec<&Report>> = BTreeMap::new();
    for report in picture.facts.reports.iter().filter(|report| !report.disk.file.is_empty()) {
        files.entry((&report.ip, &report.disk.file)).or_default().push(report);
    }
    for ((ip, file), reports) in files {
        // Containers behind one address have file systems of their own; the first process of each has one number.
        let mut processes: Vec<u64> = reports.iter().map(|report| report.disk.process).collect();
        processes.dedup();
        if reports.len() > 1 && processes.len() > 1 {
            let nodes = reports.iter().map(|report| picture.reporter(report)).collect();
            let what = format!("{} nodes on {ip} save to one file: {file}", reports.len());
            found.push(Finding::new(Code::SharedFile, what, nodes, "give each node a directory of its own (dir)"));
        }
    }
    found
}

fn versions(picture: &Picture) -> Option<Finding> {
    let mut by_version: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for report in &picture.facts.reports {
        by_version.entry(&report.version).or_default().push(picture.reporter(report));
    }
    let most = by_version.values().map(Vec::len).max()?;
    let each: Vec<String> = by_version.iter().map(|(version, nodes)| format!("{} x {version}", nodes.len())).collect();
    let fewer = by_version.values().filter(|nodes| nodes.len() < most).flatten().cloned().collect();
    (by_version.len() > 1).then(|| {
        let what = format!("the nodes have different versions: {}", each.join(", "));
        Finding::new(
            Code::VersionsDiffer,
            what,
            fewer,
            "upgrade the others: an older node may not read a newer one's data",
        )
    })
}
