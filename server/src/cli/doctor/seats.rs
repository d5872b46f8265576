//! Who sits where, what may be moved, and how good that is: the terms in which a plan is made.
//!
//! A placement is judged by [`Cost`], whose parts count in order: what would be lost for good comes before what would
//! be lost for a while, and that before what is only uneven. [`Tally`] holds what the cost is made of, by shard and by
//! host, so that a step is judged by the shards and hosts that it touches: in a cluster of a thousand nodes there are
//! hundreds of thousands of steps.

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
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
    pub(super) fn replicas(&self) -> impl Iterator<Item = usize> {
        (0..self.seats.len()).filter(|seat| !self.is_primary(*seat))
    }

    pub(super) fn is_primary(&self, seat: usize) -> bool {
        self.primary_of(seat) == seat
    }

    /// The primary of the shard that a seat serves.
    pub(super) fn primary_of(&self, seat: usize) -> usize {
        self.primaries[self.seats[seat].shard]
    }

    /// Whether it is on the host of its primary.
    pub(super) fn is_beside(&self, seat: usize) -> bool {
        self.seats[seat].host == self.seats[self.primary_of(seat)].host
    }

    pub(super) fn cost(&self) -> Cost {
        Tally::new(self).cost
    }

    /// The placement after a step.
    pub(super) fn after(&self, step: Step) -> Self {
        let mut next = self.clone();
        next.take(step);
        next
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Promote(seat) => self.primaries[self.seats[seat].shard] = seat,
            Step::Move { seat, shard } => self.seats[seat].shard = shard,
            Step::Swap(one, other) => {
                let shard = self.seats[one].shard;
                self.seats[one].shard = self.seats[other].shard;
                self.seats[other].shard = shard;
            }
        }
    }

    /// Whether a step can be taken here.
    pub(super) fn allows(&self, step: Step) -> bool {
        let shard = |seat: usize| self.seats[seat].shard;
        match step {
            Step::Promote(seat) => !self.is_primary(seat) && self.seats[seat].may_lead,
            Step::Move { seat, shard: target } => !self.is_primary(seat) && shard(seat) != target,
            Step::Swap(one, other) => !self.is_primary(one) && !self.is_primary(other) && shard(one) != shard(other),
        }
    }

    /// The placement after all of these steps, if each can be taken.
    pub(super) fn after_all(&self, steps: &[Step]) -> Option<Self> {
        let mut next = self.clone();
        for step in steps {
            if !next.allows(*step) {
                return None;
            }
            next.take(*step);
        }
        Some(next)
    }
}

/// The replicas of one shard.
#[derive(Clone, Copy, Debug, Default)]
struct Shard {
    replicas: usize,
    /// Those that are not on the host of the primary.
    elsewhere: usize,
}

impl Shard {
    fn with(self, host: usize, primary: usize) -> Self {
        Self { replicas: self.replicas + 1, elsewhere: self.elsewhere + usize::from(host != primary) }
    }

    fn without(self, host: usize, primary: usize) -> Self {
        Self { replicas: self.replicas - 1, elsewhere: self.elsewhere - usize::from(host != primary) }
    }

    fn is_on_one_host(self) -> bool {
        self.replicas > 0 && self.elsewhere == 0
    }
}

/// What the cost of a placement is made of.
pub(super) struct Tally<'p> {
    place: &'p Placement,
    pub(super) cost: Cost,
    shards: Vec<Shard>,
    /// The seats of each shard.
    seats: Vec<Vec<usize>>,
    /// How many primaries are on each host.
    pub(super) on: Vec<usize>,
}

impl<'p> Tally<'p> {
    pub(super) fn new(place: &'p Placement) -> Self {
        let hosts = place.seats.iter().map(|seat| seat.host + 1).max().unwrap_or(0);
        let count = place.primaries.len();
        let mut tally = Self {
            place,
            cost: Cost::default(),
            shards: vec![Shard::default(); count],
            seats: vec![Vec::new(); count],
            on: vec![0; hosts],
        };
        for (seat, Seat { host, shard, .. }) in place.seats.iter().enumerate() {
            tally.seats[*shard].push(seat);
            if !place.is_primary(seat) {
                tally.shards[*shard] = tally.shards[*shard].with(*host, tally.primary_host(*shard));
            }
        }
        place.primaries.iter().for_each(|seat| tally.on[place.seats[*seat].host] += 1);
        let (shards, on) = (tally.shards.clone(), tally.on.clone());
        shards.into_iter().for_each(|shard| tally.cost.add_shard(shard));
        on.into_iter().for_each(|primaries| tally.cost.add_host(primaries, count));
        tally
    }

    fn primary_host(&self, shard: usize) -> usize {
        self.place.seats[self.place.primaries[shard]].host
    }

    /// Whether another replica would keep a shard from being lost with a node or a host.
    pub(super) fn is_needy(&self, shard: usize) -> bool {
        self.shards[shard].replicas == 0 || self.shards[shard].is_on_one_host()
    }

    /// The cost after a step that is allowed.
    pub(super) fn after(&self, step: Step) -> Cost {
        let mut cost = self.cost;
        let mut becomes = |shard: usize, after: Shard| {
            cost.remove_shard(self.shards[shard]);
            cost.add_shard(after);
        };
        let seat = |seat: usize| (self.place.seats[seat].host, self.place.seats[seat].shard);
        match step {
            Step::Promote(new) => {
                let (host, shard) = seat(new);
                let elsewhere = self.seats[shard].iter().filter(|other| self.place.seats[**other].host != host);
                becomes(shard, Shard { elsewhere: elsewhere.count(), ..self.shards[shard] });
                let (before, all) = (self.primary_host(shard), self.shards.len());
                if before != host {
                    for (host, after) in [(before, self.on[before] - 1), (host, self.on[host] + 1)] {
                        cost.remove_host(self.on[host], all);
                        cost.add_host(after, all);
                    }
                }
            }
            Step::Move { seat: moved, shard: to } => {
                let (host, from) = seat(moved);
                becomes(from, self.shards[from].without(host, self.primary_host(from)));
                becomes(to, self.shards[to].with(host, self.primary_host(to)));
            }
            Step::Swap(one, other) => {
                let ((here, shard), (there, with)) = (seat(one), seat(other));
                for (shard, leaves, comes) in [(shard, here, there), (with, there, here)] {
                    let primary = self.primary_host(shard);
                    becomes(shard, self.shards[shard].without(leaves, primary).with(comes, primary));
                }
            }
        }
        cost
    }
}

impl Cost {
    fn add_shard(&mut self, shard: Shard) {
        self.alone += usize::from(shard.replicas == 0);
        self.on_one_host += usize::from(shard.is_on_one_host());
        self.beside += shard.replicas - shard.elsewhere;
    }

    fn remove_shard(&mut self, shard: Shard) {
        self.alone -= usize::from(shard.replicas == 0);
        self.on_one_host -= usize::from(shard.is_on_one_host());
        self.beside -= shard.replicas - shard.elsewhere;
    }

    fn add_host(&mut self, primaries: usize, all: usize) {
        self.majorities += usize::from(loses_majority(primaries, all));
        self.uneven += primaries * primaries;
    }

    fn remove_host(&mut self, primaries: usize, all: usize) {
        self.majorities -= usize::from(loses_majority(primaries, all));
        self.uneven -= primaries * primaries;
    }
}

/// Whether fewer than a majority of `all` primaries are left without `lost` of them. Fewer than three primaries have no
/// majority to lose: the loss of any one is too much.
pub(super) fn loses_majority(lost: usize, all: usize) -> bool {
    all >= 3 && lost > 0 && all - lost < all / 2 + 1
}
