//! Which nodes that are down may be forgotten, and why not the others.
//!
//! A node that is forgotten is not taken back when it comes: its shard lacks a replica until somebody lets them meet.
//! So it is forgotten only if nobody waits for it. That another node is at its address is not enough, since addresses
//! are given to others when machines or pods move; its shard must lack nothing without it.

use gossip::nodes_conf::NodeLine;
use protocol::bus::{NodeFlags, NodeId};

use super::picture::{Member, Picture};

/// How long a node must be silent to be forgotten without further reason: a day, milliseconds.
const FORGET_MS: i64 = 24 * 60 * 60 * 1000;

/// How long a node must be silent until a replica of a healthy shard is moved because of it: five minutes, in
/// milliseconds. One that is only being restarted comes back before, and what was copied would be copied back.
const COMES_BACK_MS: i64 = 5 * 60 * 1000;

/// A node that is down and was heard a short time ago.
pub(super) fn may_come_back(picture: &Picture, now_ms: i64) -> Option<&Member> {
    let is_expected = |member: &&Member| {
        let heard = last_heard(picture, member);
        !member.answers && heard > 0 && now_ms - heard < COMES_BACK_MS
    };
    picture.members.iter().find(is_expected)
}

/// When any node heard it last; 0: never.
fn last_heard(picture: &Picture, member: &Member) -> i64 {
    let lines = picture.facts.reports.iter().filter_map(|report| report.line(member.id));
    lines.map(|line| line.pong_received).max().unwrap_or(0)
}

/// Nodes without slots that are down: they can be forgotten, or why not.
pub(super) fn forgettable(picture: &Picture, now_ms: i64) -> Vec<(NodeId, Result<(), String>)> {
    let stale = picture.members.iter().filter(|member| !member.answers && member.slots.is_empty());
    stale.map(|member| (member.id, judge(picture, member, now_ms))).collect()
}

fn judge(picture: &Picture, member: &Member, now_ms: i64) -> Result<(), String> {
    let lines: Vec<&NodeLine> = picture.facts.reports.iter().filter_map(|report| report.line(member.id)).collect();
    let gone = |line: &&NodeLine| line.flags.intersects(NodeFlags::FAIL | NodeFlags::NOADDR);
    let heard = last_heard(picture, member);
    if !lines.iter().all(gone) {
        return Err("not all nodes have given it up".to_owned());
    }
    if picture.replicas(member.id).next().is_some() {
        return Err("it has replicas".to_owned());
    }
    if picture.members.iter().any(|other| !other.answers && !other.slots.is_empty()) {
        return Err("nodes with slots are down".to_owned());
    }
    if heard > 0 && now_ms - heard > FORGET_MS {
        return Ok(());
    }
    // Nodes take the address from one at which another one has answered.
    let no_address = lines.iter().all(|line| line.flags.intersects(NodeFlags::NOADDR));
    if !no_address && !is_replaced(picture, member) {
        let why = "it may come back: no other node of the cluster has its address, and a day has not passed";
        return Err(why.to_owned());
    }
    if is_missed(picture, member) {
        return Err("it may come back: its shard has too few replicas without it, and a day has not passed".to_owned());
    }
    Ok(())
}

/// Whether a node that takes part in the cluster, and is known to most, has its address.
fn is_replaced(picture: &Picture, member: &Member) -> bool {
    let reports = &picture.facts.reports;
    picture.members.iter().filter(|other| other.id != member.id && other.name == member.name).any(|other| {
        let known = reports.iter().filter(|report| report.line(other.id).is_some()).count();
        let works = !other.slots.is_empty() || other.primary.is_some();
        works && is_well(other) && known * 2 > reports.len()
    })
}

/// Whether its shard has fewer replicas than another one, or none. If the shard is not known, it may be any.
fn is_missed(picture: &Picture, member: &Member) -> bool {
    let count = |primary: &Member| picture.replicas(primary.id).filter(|replica| is_well(replica)).count();
    let own = picture.primaries().find(|primary| member.primary == Some(primary.id)).map(count);
    let fewest = picture.primaries().map(count).min().unwrap_or(0);
    let most = picture.primaries().map(count).max().unwrap_or(0);
    most == 0 || own.unwrap_or(fewest) < most
}

fn is_well(member: &Member) -> bool {
    member.answers && member.doubted_by.is_empty()
}
