//! Which roles to move so that losing a host costs as little as possible: a pure function of who sits where.
//!
//! A placement is judged by [`Cost`], whose parts count in order: what would be lost for good comes before what would
//! be lost for a while, and that before what is only uneven. A step is taken only if the cost becomes less, so a plan
//! ends, and a placement that is good enough is left alone. Steps of equal merit are told apart by what they cost
//! themselves: a change of roles takes a moment, while a replica that gets another primary copies all its data.
//!
//! The search goes downhill. One step may be several moves that only help together: two replicas that change places, or
//! a chain of roles (if host A has two primaries and host C none, B may have to pass one on). Where no step helps,
//! pairs of steps are tried, unless the cluster is too large for that. In the end what turned out to be of no use is
//! left out.

use std::collections::VecDeque;

/// The most nodes for which pairs of steps are tried.
const PAIRS_MAX: usize = 24;
/// What it takes to give a replica another primary, in changes of roles.
const COPY: usize = 10;

/// A node that serves a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    /// The host that it is on.
    pub(super) host: usize,
    /// The shard that it serves.
    pub(super) shard: usize,
    /// It may become primary.
    pub(super) may_lead: bool,
}

/// All nodes that serve, with who is primary. Nodes that are down are not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placement {
    pub(super) seats: Vec<Seat>,
    /// The primary of each shard, by its seat.
    pub(super) primaries: Vec<usize>,
}

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A replica becomes the primary of its shard.
    Promote(usize),
    /// A replica goes to another shard.
    Move { seat: usize, shard: usize },
    /// Two replicas change places.
    Swap(usize, usize),
}

/// What is wrong with a placement; less is better, and the first part that differs decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cost {
    /// Shards without a replica.
    pub(super) alone: usize,
    /// Shards with all their nodes on one host.
    pub(super) on_one_host: usize,
    /// Hosts without which there is no majority of primaries.
    pub(super) majorities: usize,
    /// Replicas on the host of their primary.
    pub(super) beside: usize,
    /// How unevenly primaries are spread: the sum of the squares of their numbers.
    pub(super) uneven: usize,
}

impl Placement {
    fn replicas(&self) -> impl Iterator<Item = usize> {
        (0..self.seats.len()).filter(|seat| !self.is_primary(*seat))
    }

    pub(super) fn is_primary(&self, seat: usize) -> bool {
        self.primary_of(seat) == seat
    }

    /// The primary of the shard that a seat serves.
    pub(super) fn primary_of(&self, seat: usize) -> usize {
        self.primaries[self.seats[seat].shard]
    }

    fn hosts(&self) -> usize {
        self.seats.iter().map(|seat| seat.host + 1).max().unwrap_or(0)
    }

    /// How many primaries are on each host.
    fn primaries_on(&self) -> Vec<usize> {
        let mut on = vec![0; self.hosts()];
        self.primaries.iter().for_each(|seat| on[self.seats[*seat].host] += 1);
        on
    }

    pub(super) fn cost(&self) -> Cost {
        let shards = self.primaries.len();
        let (mut replicas, mut elsewhere) = (vec![0; shards], vec![0; shards]);
        for seat in self.replicas() {
            let shard = self.seats[seat].shard;
            replicas[shard] += 1;
            elsewhere[shard] += usize::from(self.seats[seat].host != self.seats[self.primaries[shard]].host);
        }
        let on = self.primaries_on();
        let all = replicas.iter().zip(&elsewhere);
        Cost {
            alone: replicas.iter().filter(|count| **count == 0).count(),
            on_one_host: all.filter(|(count, elsewhere)| **count > 0 && **elsewhere == 0).count(),
            majorities: on.iter().filter(|count| loses_majority(**count, shards)).count(),
            beside: replicas.iter().sum::<usize>() - elsewhere.iter().sum::<usize>(),
            uneven: on.iter().map(|count| count * count).sum(),
        }
    }

    /// The placement after a step.
    pub(super) fn after(&self, step: Step) -> Self {
        let mut next = self.clone();
        match step {
            Step::Promote(seat) => next.primaries[self.seats[seat].shard] = seat,
            Step::Move { seat, shard } => next.seats[seat].shard = shard,
            Step::Swap(one, other) => {
                next.seats[one].shard = self.seats[other].shard;
                next.seats[other].shard = self.seats[one].shard;
            }
        }
        next
    }

    /// Whether a step can be taken here.
    fn allows(&self, step: Step) -> bool {
        let shard = |seat: usize| self.seats[seat].shard;
        match step {
            Step::Promote(seat) => !self.is_primary(seat) && self.seats[seat].may_lead,
            Step::Move { seat, shard: target } => !self.is_primary(seat) && shard(seat) != target,
            Step::Swap(one, other) => !self.is_primary(one) && !self.is_primary(other) && shard(one) != shard(other),
        }
    }

    /// The placement after all of these steps, if each can be taken.
    fn after_all(&self, steps: &[Step]) -> Option<Self> {
        steps.iter().try_fold(self.clone(), |place, step| place.allows(*step).then(|| place.after(*step)))
    }

    /// The steps that can be taken.
    fn steps(&self) -> Vec<Step> {
        let replicas: Vec<usize> = self.replicas().collect();
        let promotions = replicas.iter().map(|seat| Step::Promote(*seat));
        let shards = 0..self.primaries.len();
        let moves = replicas.iter().flat_map(|seat| shards.clone().map(|shard| Step::Move { seat: *seat, shard }));
        let swap = |(at, one): (usize, &usize)| {
            let one = *one;
            replicas[..at].iter().map(move |other| Step::Swap(*other, one)).collect::<Vec<_>>()
        };
        let swaps = replicas.iter().enumerate().flat_map(swap);
        promotions.chain(moves).chain(swaps).filter(|step| self.allows(*step)).collect()
    }

    /// Changes of roles that take one primary from a host that has too many, and pass it on from host to host until one
    /// has too few; for each such host.
    fn chains(&self) -> Vec<Vec<Step>> {
        let on = self.primaries_on();
        let mut chains = Vec::new();
        for (from, many) in on.iter().enumerate().filter(|(_, many)| **many > 1) {
            let mut way: Vec<Option<(usize, usize)>> = vec![None; on.len()];
            let mut queue = VecDeque::from([from]);
            while let Some(host) = queue.pop_front() {
                if on[host] + 2 <= *many {
                    chains.push(trace(&way, from, host));
                    break;
                }
                for seat in self.replicas().filter(|seat| self.seats[*seat].may_lead) {
                    let next = self.seats[seat].host;
                    let gives = self.seats[self.primary_of(seat)].host == host;
                    if gives && next != from && way[next].is_none() {
                        way[next] = Some((host, seat));
                        queue.push_back(next);
                    }
                }
            }
        }
        chains
    }
}

/// The steps that lead from one host to another.
fn trace(way: &[Option<(usize, usize)>], from: usize, mut to: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    while to != from
        && let Some((host, seat)) = way[to]
    {
        steps.push(Step::Promote(seat));
        to = host;
    }
    steps.reverse();
    steps
}

/// Whether fewer than a majority of `all` primaries are left without `lost` of them. Fewer than three primaries have no
/// majority to lose: the loss of any one is too much.
pub(super) fn loses_majority(lost: usize, all: usize) -> bool {
    all >= 3 && lost > 0 && all - lost < all / 2 + 1
}

/// What steps cost themselves.
fn effort(steps: &[Step]) -> usize {
    let one = |step: &Step| match step {
        Step::Promote(_) => 1,
        Step::Move { .. } => COPY,
        Step::Swap(..) => 2 * COPY,
    };
    steps.iter().map(one).sum()
}

/// The steps that make a placement as good as it becomes, in the order in which to take them.
pub(super) fn plan(start: &Placement) -> Vec<Step> {
    let (mut place, mut done) = (start.clone(), Vec::new());
    while let Some(steps) = better(&place) {
        place = place.after_all(&steps).unwrap_or(place);
        done.extend(steps);
    }
    without_detours(start, done)
}

/// The steps that help most.
fn better(place: &Placement) -> Option<Vec<Step>> {
    let now = place.cost();
    let singles: Vec<Vec<Step>> = place.steps().into_iter().map(|step| vec![step]).chain(place.chains()).collect();
    let best = |candidates: &mut dyn Iterator<Item = Vec<Step>>| {
        let judged = candidates.filter_map(|steps| Some((place.after_all(&steps)?.cost(), effort(&steps), steps)));
        let helpful = judged.filter(|(cost, ..)| *cost < now);
        helpful.min_by_key(|(cost, effort, _)| (*cost, *effort)).map(|(.., steps)| steps)
    };
    best(&mut singles.iter().cloned()).or_else(|| {
        if place.seats.len() > PAIRS_MAX {
            return None;
        }
        let pairs = |first: &Vec<Step>| {
            let first = first.clone();
            let after = place.after_all(&first)?;
            let second = after.steps().into_iter();
            Some(second.map(move |step| [first.as_slice(), &[step]].concat()))
        };
        best(&mut singles.iter().filter_map(pairs).flatten())
    })
}

/// The steps without those that the outcome does not need.
fn without_detours(start: &Placement, mut steps: Vec<Step>) -> Vec<Step> {
    let cost = |steps: &[Step]| start.after_all(steps).map(|place| place.cost());
    let Some(reached) = cost(&steps) else { return Vec::new() };
    let mut at = 0;
    while at < steps.len() {
        let mut fewer = steps.clone();
        fewer.remove(at);
        if cost(&fewer).is_some_and(|cost| cost <= reached) {
            (steps, at) = (fewer, 0);
        } else {
            at += 1;
        }
    }
    steps
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
