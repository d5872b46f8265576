//! What a run of commands adds to the statistics.

/// What commands add to the statistics of the node. It is collected here and added to the shared counters at the end of
/// a run of commands: updating shared counters for each command costs up to a twentieth of a pipelined command. Lookups
/// may be less than none, as wrapped numbers: what was counted already and is about to be counted once more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Keys that were looked up to be read, and found.
    pub hits: u64,
    /// Keys that were looked up to be read, and not found.
    pub misses: u64,
    /// Changes.
    pub dirty: u64,
    /// Commands that scripts have executed.
    pub executed: u64,
}

/// What the scripts of a run have called. Calls of one command that took equally long are one entry: most take a
/// microsecond or less. They are added to the shared counters as [`Tally`] is.
#[derive(Debug, Default)]
pub(crate) struct Calls(Vec<EqualCalls>);

/// Calls of one command that took equally long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EqualCalls {
    /// The command's number.
    pub command: usize,
    /// How long each of them took, microseconds.
    pub each_us: u64,
    pub calls: u64,
}

/// So many different calls are kept.
const DIFFERENT: usize = 8;

impl Calls {
    /// Notes a call. `false`: there is no room, and they have to be [taken](Calls::take) first.
    #[inline]
    pub(crate) fn note(&mut self, command: usize, each_us: u64) -> bool {
        if let Some(equal) = self.0.iter_mut().find(|it| it.command == command && it.each_us == each_us) {
            equal.calls += 1;
            return true;
        }
        let has_room = self.0.len() < DIFFERENT;
        if has_room {
            self.0.reserve_exact(DIFFERENT - self.0.len());
            self.0.push(EqualCalls { command, each_us, calls: 1 });
        }
        has_room
    }

    /// Whether none are noted.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that are noted; then none are.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = EqualCalls> {
        self.0.drain(..)
    }
}

/// What a command costs its slot (CLUSTER SLOT-STATS).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    /// CPU time, microseconds.
    pub cpu_us: u64,
    /// Bytes of requests.
    pub bytes_in: u64,
    /// Bytes of replies, messages and the replication stream.
    pub bytes_out: u64,
}

/// A command whose reply comes later, for the statistics of latencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owed {
    /// Its number.
    pub command: usize,
    /// How long it has run so far, microseconds.
    pub ran_us: u64,
    /// Monotonic time until which that is, in microseconds.
    pub since_us: u64,
}

impl Tally {
    /// Adds what was counted elsewhere.
    #[inline(always)]
    pub(crate) fn add(&mut self, other: Self) {
        self.hits = self.hits.wrapping_add(other.hits);
        self.misses = self.misses.wrapping_add(other.misses);
        self.dirty += other.dirty;
        self.executed += other.executed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_calls_are_kept_together_and_different_ones_while_there_is_room() {
        let mut calls = Calls::default();
        for round in 1..=3 {
            for number in 0..DIFFERENT {
                assert!(calls.note(number / 2, number as u64 % 2), "round {round}");
            }
        }
        assert!(!calls.note(0, 7) && calls.note(0, 1), "the ninth kind has no room");
        let taken: Vec<EqualCalls> = calls.take().collect();
        assert_eq!(taken.len(), DIFFERENT);
        assert_eq!(taken[1], EqualCalls { command: 0, each_us: 1, calls: 4 });
        assert_eq!(taken.iter().map(|it| it.calls).sum::<u64>(), 3 * DIFFERENT as u64 + 1);
        assert!(calls.is_empty() && calls.note(0, 7));
    }
}
