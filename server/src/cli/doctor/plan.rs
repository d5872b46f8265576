//! Which roles to move so that losing a host costs as little as possible: a pure function of who sits where.
//!
//! A step is taken only if the cost becomes less, so a plan ends, and a placement that is good enough is left alone.
//! Steps of equal merit are told apart by what they cost themselves: a change of roles takes a moment, while a replica
//! that gets another primary copies all its data.
//!
//! The search goes downhill. One step may be several moves that only help together: two replicas that change places, or
//! a chain of roles (if host A has two primaries and host C none, B may have to pass one on). Where no step helps,
//! pairs of steps are tried, unless the cluster is too large for that. In the end what turned out to be of no use is
//! left out.
//!
//! Large clusters have many steps, and most cannot help: a replica gains by another place only if it is beside its
//! primary, a shard by another replica only if it has none elsewhere. Those are looked at in portions, and the best of
//! the first portion that helps is taken. So the work grows with the nodes times the steps of the plan.

use std::collections::VecDeque;

use super::seats::{Cost, Placement, Step, Tally};

/// The most nodes for which pairs of steps are tried.
const PAIRS_MAX: usize = 24;
/// How many of the replicas beside their primaries, and of the shards that lack one elsewhere, are looked at together.
const PORTION: usize = 16;
/// What it takes to give a replica another primary, in changes of roles.
const COPY: usize = 10;

/// What a plan may consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moves {
    /// Everything.
    All,
    /// Changes of roles alone: nothing is copied.
    Promotions,
}

/// The steps that make a placement as good as it becomes, in the order in which to take them.
pub(super) fn plan(start: &Placement, moves: Moves) -> Vec<Step> {
    planned(start, moves).0
}

/// The same, and how many candidates were judged.
fn planned(start: &Placement, moves: Moves) -> (Vec<Step>, usize) {
    let (mut place, mut done, mut judged) = (start.clone(), Vec::new(), 0);
    while let Some(steps) = better(&place, moves, &mut judged) {
        place = place.after_all(&steps).unwrap_or(place);
        done.extend(steps);
    }
    (without_detours(start, done), judged)
}

/// The best of candidates, with what it costs.
#[derive(Default)]
struct Best(Option<(Cost, usize, Vec<Step>)>);

impl Best {
    /// Takes a candidate if it is better than those before; of equal ones the first stays.
    fn take(&mut self, now: Cost, cost: Cost, steps: &[Step]) {
        let effort = effort(steps);
        if cost < now && self.0.as_ref().is_none_or(|(least, efforts, _)| (cost, effort) < (*least, *efforts)) {
            self.0 = Some((cost, effort, steps.to_vec()));
        }
    }

    fn steps(self) -> Option<Vec<Step>> {
        self.0.map(|(.., steps)| steps)
    }
}

/// The steps that help most.
fn better(place: &Placement, moves: Moves, judged: &mut usize) -> Option<Vec<Step>> {
    let tally = Tally::new(place);
    let mut best = Best::default();
    let mut judge = |best: &mut Best, step: Step| {
        *judged += 1;
        best.take(tally.cost, tally.after(step), &[step]);
    };
    promotions(place).for_each(|step| judge(&mut best, step));
    let chains = chains(place, &tally);
    for steps in &chains {
        if let Some(after) = place.after_all(steps) {
            best.take(tally.cost, after.cost(), steps);
        }
    }
    if moves == Moves::All {
        for step in useful_copies(place, &tally) {
            match step {
                Some(step) => judge(&mut best, step),
                None if best.0.is_some() => break,
                None => {}
            }
        }
    }
    if best.0.is_none() && place.seats.len() <= PAIRS_MAX {
        pairs(place, &chains, moves, &mut best, judged);
    }
    best.steps()
}

/// Pairs of steps, the second of which need not have been possible before.
fn pairs(place: &Placement, chains: &[Vec<Step>], moves: Moves, best: &mut Best, judged: &mut usize) {
    let now = place.cost();
    let singles = steps(place, moves).map(|step| vec![step]).chain(chains.iter().cloned());
    for mut both in singles {
        let Some(after) = place.after_all(&both) else { continue };
        let tally = Tally::new(&after);
        for step in steps(&after, moves) {
            *judged += 1;
            both.push(step);
            best.take(now, tally.after(step), &both);
            both.pop();
        }
    }
}

/// The changes of roles that can be made.
fn promotions(place: &Placement) -> impl Iterator<Item = Step> {
    place.replicas().map(Step::Promote).filter(|step| place.allows(*step))
}

/// The steps that can be taken.
fn steps(place: &Placement, moves: Moves) -> impl Iterator<Item = Step> {
    let replicas: Vec<usize> = place.replicas().filter(|_| moves == Moves::All).collect();
    let shards = place.primaries.len();
    let moves =
        replicas.clone().into_iter().flat_map(move |seat| (0..shards).map(move |shard| Step::Move { seat, shard }));
    let swaps = (0..replicas.len()).flat_map(move |at| {
        let (one, before) = (replicas[at], replicas[..at].to_vec());
        before.into_iter().map(move |other| Step::Swap(other, one))
    });
    promotions(place).chain(moves.chain(swaps).filter(|step| place.allows(*step)))
}

/// The replicas that may gain by another primary, or others by theirs, in portions: `None` ends one. All other steps
/// of this kind make nothing better.
fn useful_copies(place: &Placement, tally: &Tally<'_>) -> impl Iterator<Item = Option<Step>> {
    let replicas: Vec<usize> = place.replicas().collect();
    let needy: Vec<usize> = (0..place.primaries.len()).filter(|shard| tally.is_needy(*shard)).collect();
    let beside: Vec<usize> = replicas.iter().copied().filter(|seat| place.is_beside(*seat)).collect();
    let portions = needy.len().max(beside.len()).div_ceil(PORTION);
    (0..portions).flat_map(move |portion| {
        let part = |all: &[usize]| all.iter().copied().skip(portion * PORTION).take(PORTION).collect::<Vec<_>>();
        let (targets, leaving) = (part(&needy), part(&beside));
        let to_needy = targets.iter().flat_map(|shard| replicas.iter().map(|seat| (*seat, *shard)));
        let away = leaving.iter().flat_map(|seat| (0..place.primaries.len()).map(|shard| (*seat, shard)));
        let moves = to_needy.chain(away).map(|(seat, shard)| Step::Move { seat, shard });
        let swaps =
            leaving.iter().flat_map(|one| replicas.iter().map(|other| Step::Swap(*other.min(one), *other.max(one))));
        let steps: Vec<Option<Step>> = moves.chain(swaps).filter(|step| place.allows(*step)).map(Some).collect();
        steps.into_iter().chain([None])
    })
}

/// Changes of roles that take one primary from a host that has too many, and pass it on from host to host until one has
/// too few; for each such host.
fn chains(place: &Placement, tally: &Tally<'_>) -> Vec<Vec<Step>> {
    let on = &tally.on;
    // Where each host could pass a primary, and by whom.
    let mut passes: Vec<Vec<(usize, usize)>> = vec![Vec::new(); on.len()];
    for seat in place.replicas().filter(|seat| place.seats[*seat].may_lead) {
        passes[place.seats[place.primary_of(seat)].host].push((place.seats[seat].host, seat));
    }
    let mut chains = Vec::new();
    for (from, many) in on.iter().enumerate().filter(|(_, many)| **many > 1) {
        let mut way: Vec<Option<(usize, usize)>> = vec![None; on.len()];
        let mut queue = VecDeque::from([from]);
        while let Some(host) = queue.pop_front() {
            if on[host] + 2 <= *many {
                chains.push(trace(&way, from, host));
                break;
            }
            for (next, seat) in passes[host].iter().copied() {
                if next != from && way[next].is_none() {
                    way[next] = Some((host, seat));
                    queue.push_back(next);
                }
            }
        }
    }
    chains
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

/// What steps cost themselves.
fn effort(steps: &[Step]) -> usize {
    let one = |step: &Step| match step {
        Step::Promote(_) => 1,
        Step::Move { .. } => COPY,
        Step::Swap(..) => 2 * COPY,
    };
    steps.iter().map(one).sum()
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
