//! What a run of commands adds to the statistics.

/// What commands add to the statistics of the node. It is collected here and added to the shared counters at the end of
/// a run of commands: updating shared counters for each command costs up to a twentieth of a pipelined command.
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
        self.hits += other.hits;
        self.misses += other.misses;
        self.dirty += other.dirty;
        self.executed += other.executed;
    }
}
