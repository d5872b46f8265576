//! What is wrong with a cluster: a pure function of what its nodes say.
//!
//! Every finding has a code, so that a script can pass over what it knows of (`--ignore`), and says what is wrong,
//! where, and what to do. The checks are in two files: what the cluster as a whole would lose stands here, how its
//! nodes are in `checks`.

use std::collections::BTreeMap;

use clap::ValueEnum;
use protocol::slot::{SLOT_COUNT, SlotBitmap};
use serde::Serialize;

use super::picture::{Member, Picture};
use super::seats::{Step, loses_majority};

/// What kind of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Code {
    /// A node that the cluster knows does not answer here.
    Unreachable,
    /// A node that does not take the password.
    OtherPassword,
    /// A node says that it does not serve.
    ClusterDown,
    /// Slots that nobody serves.
    UncoveredSlots,
    /// Slots on their way between nodes.
    OpenSlots,
    /// Nodes say different things.
    Disagreement,
    /// A node that is not of this cluster.
    Stranger,
    /// Two nodes have one id.
    SameId,
    /// Others think that a node is down.
    FailedNode,
    /// A node without slots that is gone and still listed.
    StaleNode,
    /// All nodes are on one host.
    OneHost,
    /// Fewer than three primaries.
    FewPrimaries,
    /// A host without which there is no majority.
    MajorityOnHost,
    /// Primaries are spread unevenly.
    UnevenPrimaries,
    /// A shard that is lost with one host.
    ShardOnOneHost,
    /// A replica that shares the host of its primary.
    ReplicaBesidePrimary,
    /// A shard without a replica.
    NoReplica,
    /// A replica that is not connected to its primary.
    ReplicaLinkDown,
    /// A replica that lacks much.
    ReplicaBehind,
    /// Primaries with far more slots than others.
    UnequalSlots,
    /// A primary without slots.
    EmptyPrimary,
    /// Clocks differ.
    ClockSkew,
    /// Nodes that save nothing.
    NoPersistence,
    /// The last save failed.
    SaveFailed,
    /// Nodes that save to the same file.
    SharedFile,
    /// Different versions.
    VersionsDiffer,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) code: Code,
    pub(super) what: String,
    /// The nodes that it is about.
    #[serde(rename = "where")]
    pub(super) nodes: Vec<String>,
    /// What to do.
    #[serde(rename = "do")]
    pub(super) advice: String,
}

impl Finding {
    pub(super) fn new(code: Code, what: String, nodes: Vec<String>, advice: impl Into<String>) -> Self {
        Self { code, what, nodes, advice: advice.into() }
    }
}

impl Code {
    /// As it is printed.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// The least deviation of a primary's slots from its share that is reported, in percent: that of `rebalance`.
const SLOTS_THRESHOLD: usize = 2;
/// What cures a placement.
pub(super) const FIX_PLACES: &str = "slotd doctor --fix moves roles and replicas as far as the hosts allow it";

/// What the cluster would lose, as it is placed; `steps` are those that would help.
pub(super) fn of_places(picture: &Picture, steps: &[Step]) -> Vec<Finding> {
    let mut found = Vec::new();
    let primaries: Vec<&Member> = picture.primaries().collect();
    let mut hosts = picture.known_hosts();
    if let (Some(only), None, true) = (hosts.next(), hosts.next(), picture.members.len() > 1) {
        let host = &picture.hosts[only];
        found.push(Finding::new(
            Code::OneHost,
            format!("losing host {host} loses everything: all {} nodes are on it", picture.members.len()),
            vec![host.clone()],
            "put nodes on three hosts; if they are on several, say so: --host vm1=ADDRESS,ADDRESS:PORT",
        ));
    } else {
        found.extend(spread(picture, &primaries, steps));
        primaries.iter().for_each(|primary| found.extend(shard(picture, primary)));
    }
    if (1..3).contains(&primaries.len()) {
        found.push(Finding::new(
            Code::FewPrimaries,
            format!("{} primaries have no majority left when one is lost: no failover by itself", primaries.len()),
            names(&primaries),
            "a cluster needs three primaries: add nodes and give them slots with redis-cli --cluster rebalance",
        ));
    }
    for primary in &primaries {
        if !picture.replicas(primary.id).any(|replica| replica.answers && replica.doubted_by.is_empty()) {
            let what = format!("{} ({}) has no replica that answers", primary.name, ranges(&primary.slots));
            let advice = "add one: redis-cli --cluster add-node NEW:PORT ANY:PORT --cluster-slave; if another shard has \
                          two, slotd doctor --fix takes one";
            found.push(Finding::new(Code::NoReplica, what, vec![primary.name.clone()], advice));
        }
    }
    found.extend(shares(picture, &primaries));
    found
}

/// Hosts with too many primaries.
fn spread(picture: &Picture, primaries: &[&Member], steps: &[Step]) -> Vec<Finding> {
    let mut on: BTreeMap<usize, Vec<&Member>> = BTreeMap::new();
    primaries.iter().for_each(|primary| on.entry(primary.host).or_default().push(primary));
    let fewest = picture.known_hosts().map(|host| on.get(&host).map_or(0, Vec::len)).min().unwrap_or(0);
    let mut found = Vec::new();
    for (host, here) in &on {
        let (name, count, all) = (&picture.hosts[*host], here.len(), primaries.len());
        let advice = if !steps.is_empty() {
            FIX_PLACES
        } else if picture.known_hosts().count() < 3 {
            "two hosts are not enough: a third one is needed for a majority"
        } else {
            "no move of roles helps: add a host, or nodes on the others"
        };
        if loses_majority(count, all) {
            let what = format!("losing host {name} loses the majority: {count} of {all} primaries are on it");
            found.push(Finding::new(Code::MajorityOnHost, what, names(here), advice));
        } else if count > fewest + 1 && !steps.is_empty() {
            let what = format!("host {name} has {count} primaries, another one {fewest}");
            found.push(Finding::new(Code::UnevenPrimaries, what, names(here), advice));
        }
    }
    found
}

/// What a shard loses with a host.
fn shard(picture: &Picture, primary: &Member) -> Option<Finding> {
    let (mut here, mut elsewhere) = (Vec::new(), 0);
    for replica in picture.replicas(primary.id).filter(|replica| replica.doubted_by.is_empty()) {
        if replica.host == primary.host {
            here.push(replica);
        } else {
            elsewhere += 1;
        }
    }
    let all: Vec<&Member> = std::iter::once(primary).chain(here.iter().copied()).collect();
    let (host, slots) = (picture.host(primary), ranges(&primary.slots));
    match (here.is_empty(), elsewhere) {
        (true, _) => None,
        (false, 0) => Some(Finding::new(
            Code::ShardOnOneHost,
            format!("losing host {host} loses {slots}: primary {} and its replicas are all on it", primary.name),
            names(&all),
            FIX_PLACES,
        )),
        (false, _) => Some(Finding::new(
            Code::ReplicaBesidePrimary,
            format!("replica {} is on the host of its primary {}: {host}", names(&here).join(", "), primary.name),
            names(&all),
            FIX_PLACES,
        )),
    }
}

/// Slots that nobody has, and primaries with too many or none.
fn shares(picture: &Picture, primaries: &[&Member]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut covered = SlotBitmap::new();
    primaries.iter().for_each(|primary| covered.union_with(&primary.slots));
    if covered.count() < SLOT_COUNT {
        let mut missing = SlotBitmap::full();
        covered.iter().for_each(|slot| {
            missing.clear(slot);
        });
        found.push(Finding::new(
            Code::UncoveredSlots,
            format!("nobody serves {}: {} slots", ranges(&missing), missing.count()),
            Vec::new(),
            "bring their node back; if it is lost, redis-cli --cluster fix gives them to others, empty",
        ));
    }
    let share = covered.count() / primaries.len().max(1);
    let off = |primary: &&&Member| primary.slots.count().abs_diff(share) * 100 > share * SLOTS_THRESHOLD;
    if primaries.iter().filter(off).count() > 0 {
        let each: Vec<String> =
            primaries.iter().map(|primary| format!("{}: {}", primary.name, primary.slots.count())).collect();
        let what = format!("slots are not equally spread: {}", each.join(", "));
        found.push(Finding::new(Code::UnequalSlots, what, names(primaries), "redis-cli --cluster rebalance ANY:PORT"));
    }
    for empty in picture.members.iter().filter(|one| one.primary.is_none() && one.slots.is_empty() && one.answers) {
        let replicas = names(&picture.replicas(empty.id).collect::<Vec<_>>());
        let with =
            if replicas.is_empty() { String::new() } else { format!(" (nor has its replica {})", replicas.join(", ")) };
        found.push(Finding::new(
            Code::EmptyPrimary,
            format!("{} has no slots{with}", empty.name),
            vec![empty.name.clone()],
            "give it some: redis-cli --cluster rebalance ANY:PORT --cluster-use-empty-masters; or make it a replica",
        ));
    }
    found
}

pub(super) fn names(members: &[&Member]) -> Vec<String> {
    members.iter().map(|member| member.name.clone()).collect()
}

/// `slots 0-5460, 7000`
pub(super) fn ranges(slots: &SlotBitmap) -> String {
    let ranges: Vec<String> = slots.ranges().map(|range| range.to_string()).collect();
    let (shown, more) = ranges.split_at(ranges.len().min(5));
    let more = if more.is_empty() { String::new() } else { format!(" and {} more ranges", more.len()) };
    format!("slots {}{more}", shown.join(", "))
}
