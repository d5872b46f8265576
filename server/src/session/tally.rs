//! What a run of commands is to be counted for.

/// What commands add to the statistics of the node. It is gathered here and added at the end of a run of commands: to touch what all
/// workers share once per command costs as much as a twentieth of a pipelined one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Keys that were looked up to be read, and found.
    pub hits: u64,
    /// Those that were not.
    pub misses: u64,
    /// Changes.
    pub dirty: u64,
}

impl Tally {
    /// Takes over what was counted elsewhere.
    #[inline(always)]
    pub(crate) fn add(&mut self, other: Self) {
        self.hits += other.hits;
        self.misses += other.misses;
        self.dirty += other.dirty;
    }
}
