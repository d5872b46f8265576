//! Which node becomes what: primaries spread over the hosts, and no replica beside its primary where that is possible.
//!
//! The same nodes in the same order always get the same places, so a creator that was interrupted goes on where it was.
//! Hosts take turns, as with `redis-cli --cluster create`: first for the primaries, then for the replicas. A replica
//! goes to a host that its shard does not use yet. What the first pass could not avoid is repaired by swapping replicas
//! between shards as long as a swap makes it better.

use protocol::slot::SLOT_COUNT;

/// The least number of primaries: with fewer, none can be replaced, since a majority has to agree.
const PRIMARIES_MIN: usize = 3;

/// The places of all nodes, by their positions in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placement {
    /// The primaries, in the order of their slots.
    pub(super) primaries: Vec<usize>,
    /// For every node the primary that it replicates.
    pub(super) replicates: Vec<Option<usize>>,
    /// How many replicas are on the host of their primary.
    pub(super) together: usize,
}

impl Placement {
    /// The first and the last slot of a primary.
    pub(super) fn slots_of(&self, primary: usize) -> Option<(usize, usize)> {
        let (count, shard) = (self.primaries.len(), self.primaries.iter().position(|node| *node == primary)?);
        Some((SLOT_COUNT * shard / count, SLOT_COUNT * (shard + 1) / count - 1))
    }
}

/// Gives the node on each of `hosts` its place; each primary gets so many replicas, and what is left over are further
/// ones.
///
/// # Errors
/// There are too few nodes.
pub(super) fn place(hosts: &[&str], replicas: usize) -> Result<Placement, String> {
    let shards = hosts.len() / (replicas + 1);
    if shards < PRIMARIES_MIN {
        let (nodes, needed) = (hosts.len(), PRIMARIES_MIN * (replicas + 1));
        return Err(format!(
            "{nodes} nodes with SLOTD_CLUSTER_REPLICAS={replicas} make {shards} primaries, and a cluster has at least \
             {PRIMARIES_MIN}: name {needed} nodes in SLOTD_CLUSTER_NODES, or ask for fewer replicas"
        ));
    }
    let mut order = in_turns(hosts);
    let mut rest = order.split_off(shards);
    let mut members: Vec<Vec<usize>> = order.iter().map(|primary| vec![*primary]).collect();
    let mut shard = 0;
    while !rest.is_empty() {
        let used: Vec<&str> = members[shard].iter().map(|node| hosts[*node]).collect();
        let apart = rest.iter().position(|node| !used.contains(&hosts[*node]));
        let from_primary = || rest.iter().position(|node| hosts[*node] != used[0]);
        let chosen = apart.or_else(from_primary).unwrap_or(0);
        members[shard].push(rest.remove(chosen));
        shard = (shard + 1) % shards;
    }
    repair(&mut members, hosts);
    let mut replicates = vec![None; hosts.len()];
    for shard in &members {
        shard[1..].iter().for_each(|replica| replicates[*replica] = Some(shard[0]));
    }
    let together = members.iter().map(|shard| beside_primary(shard, hosts)).sum();
    Ok(Placement { primaries: order, replicates, together })
}

/// The nodes with their hosts taking turns.
fn in_turns(hosts: &[&str]) -> Vec<usize> {
    let turn = |node: &usize| hosts[..*node].iter().filter(|host| **host == hosts[*node]).count();
    let mut nodes: Vec<usize> = (0..hosts.len()).collect();
    nodes.sort_by_key(turn);
    nodes
}

/// Swaps replicas between shards while that makes both together better.
fn repair(members: &mut [Vec<usize>], hosts: &[&str]) {
    let cost = |shard: &[usize]| beside_primary(shard, hosts) * hosts.len() + beside_others(shard, hosts);
    while let Some((one, other)) = better_swap(members, &cost) {
        let kept = members[one.0][one.1];
        members[one.0][one.1] = std::mem::replace(&mut members[other.0][other.1], kept);
    }
}

type Seat = (usize, usize);

/// Two replicas of different shards whose swap lowers the cost of both shards together.
fn better_swap(members: &[Vec<usize>], cost: &impl Fn(&[usize]) -> usize) -> Option<(Seat, Seat)> {
    let seats =
        |from: usize| (from..members.len()).flat_map(|shard| (1..members[shard].len()).map(move |at| (shard, at)));
    seats(0).find_map(|one| {
        let other = seats(one.0 + 1).find(|other| {
            let (mut first, mut second) = (members[one.0].clone(), members[other.0].clone());
            let before = cost(&first) + cost(&second);
            std::mem::swap(&mut first[one.1], &mut second[other.1]);
            cost(&first) + cost(&second) < before
        })?;
        Some((one, other))
    })
}

/// How many replicas of a shard are on their primary's host.
fn beside_primary(shard: &[usize], hosts: &[&str]) -> usize {
    shard[1..].iter().filter(|replica| hosts[**replica] == hosts[shard[0]]).count()
}

/// How many nodes of a shard are on a host that an earlier one is on.
fn beside_others(shard: &[usize], hosts: &[&str]) -> usize {
    let known = |at: &usize| shard[..*at].iter().any(|node| hosts[*node] == hosts[shard[*at]]);
    (0..shard.len()).filter(known).count()
}

#[cfg(test)]
#[path = "placement_tests.rs"]
mod tests;
