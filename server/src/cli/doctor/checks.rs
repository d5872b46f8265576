//! What is wrong with single nodes, and between them.

use std::collections::BTreeMap;

use gossip::nodes_conf::NodeLine;
use protocol::bus::{NodeFlags, NodeId};

use super::super::node_list::Address;
use super::collect::wants_password;
use super::facts::{Facts, Link, Report, Stranger};
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
    let sides = sides(picture);
    let mut found: Vec<Finding> = parted(picture, &sides).into_iter().collect();
    found.extend(picture.members.iter().filter_map(|member| absence(picture, member, &sides)));
    for (address, reason) in &picture.facts.silent {
        let name = address.to_string();
        if !picture.members.iter().any(|member| member.name == name) {
            let finding = if wants_password(reason) {
                other_password(&name, reason)
            } else {
                let what = format!("{name} does not answer: {}", without_name(reason, &name));
                Finding::new(Code::Unreachable, what, vec![name], "start it, or leave it out")
            };
            found.push(finding);
        }
    }
    for report in &picture.facts.reports {
        let reporter = picture.reporter(report);
        for line in report.lines.iter().filter(|line| line.flags.intersects(NodeFlags::HANDSHAKE)) {
            let what = format!("{reporter} is in a handshake with {}:{}", line.ip, line.port);
            let advice =
                "it ends within the node timeout; if it begins again and again, nobody answers there at the bus port";
            found.push(Finding::new(Code::StaleNode, what, vec![reporter.clone()], advice));
        }
    }
    found
}

/// What is wrong with a node that does not answer here, or that others do not reach.
fn absence(picture: &Picture, member: &Member, sides: &[usize]) -> Option<Finding> {
    let name = &member.name;
    let (code, what, advice) = match (member.answers, !member.doubted_by.is_empty()) {
        (true, false) => return None,
        (true, true) => {
            let by = doubters(picture, member, sides);
            let what = format!("{name} answers here, but {} cannot reach it", by.join(", "));
            let advice = "let the nodes reach its bus port (usually 10000 above the other)";
            return (!by.is_empty()).then(|| Finding::new(Code::FailedNode, what, vec![name.clone()], advice));
        }
        (false, false) => match picture.facts.silence_of(name) {
            Some(reason) if wants_password(reason) => return Some(other_password(name, reason)),
            _ => (
                Code::Unreachable,
                format!(
                    "{name} does not answer here, and the other nodes have not given it up: {}",
                    silence(picture, member)
                ),
                "if it has just gone, look again in a moment; else run this where all nodes can be reached, as beside one of them",
            ),
        },
        (false, true) if member.slots.is_empty() => (
            Code::StaleNode,
            if name.contains(':') {
                format!("{name} is down: {} ({} is its id)", silence(picture, member), member.id)
            } else {
                format!("{name} is down and has no address any more")
            },
            "start it again; if it is gone for good: CLUSTER FORGET with its id, at all other nodes",
        ),
        (false, true) => (
            Code::FailedNode,
            format!("{name} is down and has slots: {}", silence(picture, member)),
            "start it again, or promote one of its replicas: CLUSTER FAILOVER FORCE",
        ),
    };
    Some(Finding::new(code, what, vec![name.clone()], advice))
}

/// Why a member does not answer.
fn silence(picture: &Picture, member: &Member) -> String {
    let replaced = picture.members.iter().any(|other| other.answers && other.name == member.name);
    match (picture.facts.silence_of(&member.name), picture.facts.stranger_at(&member.name)) {
        (Some(why), _) if wants_password(why) => "a server with another password is at its address".to_owned(),
        (Some(why), _) => without_name(why, &member.name).to_owned(),
        (None, Some(stranger)) if stranger.is_alone => "a node that is in no cluster is at its address".to_owned(),
        (None, Some(_)) => "a node of another cluster is at its address".to_owned(),
        (None, None) if replaced => "another node is at its address".to_owned(),
        (None, None) => "it has no address".to_owned(),
    }
}

/// An error without the address that it begins with.
fn without_name<'t>(why: &'t str, name: &str) -> &'t str {
    why.strip_prefix(name).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(why)
}

fn other_password(name: &str, reason: &str) -> Finding {
    let advice = "all nodes need one password (requirepass, masterauth), and it must be that of REDISCLI_AUTH, SLOTD_PASSWORD \
                  or SLOTD_PASSWORD_FILE here";
    let what = format!("{name} has another password: {}", without_name(reason, name));
    Finding::new(Code::OtherPassword, what, vec![name.to_owned()], advice)
}

/// The side of a parted cluster on which each node is that gave a report. Nodes that both think that the other is down
/// are on two, unless a third one reaches both.
fn sides(picture: &Picture) -> Vec<usize> {
    let reports = &picture.facts.reports;
    let mut side = vec![usize::MAX; reports.len()];
    let mut sides = 0;
    for first in 0..reports.len() {
        if side[first] != usize::MAX {
            continue;
        }
        let mut queue = vec![first];
        side[first] = sides;
        while let Some(at) = queue.pop() {
            for other in 0..reports.len() {
                let (here, there) = (&reports[at], &reports[other]);
                if side[other] == usize::MAX && !(here.doubts(there.id) && there.doubts(here.id)) {
                    side[other] = sides;
                    queue.push(other);
                }
            }
        }
        sides += 1;
    }
    side
}

/// That the nodes do not reach each other, if they are on several sides: one finding in the place of many.
fn parted(picture: &Picture, sides: &[usize]) -> Option<Finding> {
    let mut on: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for (report, side) in picture.facts.reports.iter().zip(sides) {
        on.entry(*side).or_default().push(picture.reporter(report));
    }
    let each: Vec<String> = on.values().map(|names| names.join(", ")).collect();
    (each.len() > 1).then(|| {
        let what =
            format!("the nodes see {} clusters, which do not reach each other: {}", each.len(), each.join(" | "));
        let advice = "let all nodes reach each other's bus ports (usually 10000 above the others)";
        Finding::new(Code::FailedNode, what, on.into_values().flatten().collect(), advice)
    })
}

/// Who on its own side cannot reach a node that answers here.
fn doubters(picture: &Picture, member: &Member, sides: &[usize]) -> Vec<String> {
    let reports = || picture.facts.reports.iter().zip(sides);
    let own = reports().find(|(report, _)| report.id == member.id).map(|(_, side)| side);
    let same = reports().filter(|(report, side)| Some(*side) == own && report.doubts(member.id));
    same.map(|(report, _)| report.address.to_string()).collect()
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
        let own = picture.facts.of(primary.id).and_then(Report::own);
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
    let own = picture.facts.reports.iter().filter_map(|report| Some((report, report.own()?)));
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
                // Both are asked at different times. What the primary had at the look before, its replica should have
                // now.
                let sent =
                    picture.facts.earlier.get(&primary.id).map_or(theirs.offset, |sent| theirs.offset.min(*sent));
                let behind = sent.saturating_sub(its.offset);
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
            "an older node may not read a newer one's data: upgrade it, unless it is there on purpose",
        )
    })
}
