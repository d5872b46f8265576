//! The record of a run: a hash over everything, readable lines on request, and counters of rare events.
//!
//! The hash covers every delivered and sent byte with its time, so any difference between two runs of a seed changes
//! it. The counters answer the question that a green simulator leaves open: did the runs reach the rules at all?

/// Rare events that a whole run of the simulator must have reached, each at least once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sometimes {
    ElectionWon,
    /// An election that asked for votes and did not win with that epoch.
    ElectionLost,
    FailBroadcast,
    UpdateSent,
    EpochCollisionResolved,
    ManualFailover,
    ForcedFailover,
    Takeover,
    ReplicaMigrated,
    Demoted,
    CrashBeforePersist,
    CrashBetweenPersistAndSend,
    PowerLoss,
    EmptyRestart,
    WriteRefusedByState,
    WriteRefusedByLease,
    FullSync,
    PartialSync,
    FormedByMeet,
    SlotsMoved,
    ReplacedWhileAlive,
    FailoverAfterHeal,
    SyncWithheld,
    /// Too rare to be required; the last one, see [`Counters`].
    ReplacedInTheDark,
}

impl Sometimes {
    pub(crate) const ALL: [Self; 23] = [
        Self::ElectionWon,
        Self::ElectionLost,
        Self::FailBroadcast,
        Self::UpdateSent,
        Self::EpochCollisionResolved,
        Self::ManualFailover,
        Self::ForcedFailover,
        Self::Takeover,
        Self::ReplicaMigrated,
        Self::Demoted,
        Self::CrashBeforePersist,
        Self::CrashBetweenPersistAndSend,
        Self::PowerLoss,
        Self::EmptyRestart,
        Self::WriteRefusedByState,
        Self::WriteRefusedByLease,
        Self::FullSync,
        Self::PartialSync,
        Self::FormedByMeet,
        Self::SlotsMoved,
        Self::ReplacedWhileAlive,
        Self::FailoverAfterHeal,
        Self::SyncWithheld,
    ];
}

/// How often each of them happened.
#[derive(Clone, Default)]
pub(crate) struct Counters([u64; Sometimes::ReplacedInTheDark as usize + 1]);

impl Counters {
    pub(crate) fn count(&mut self, event: Sometimes) {
        self.0[event as usize] += 1;
    }

    pub(crate) fn get(&self, event: Sometimes) -> u64 {
        self.0[event as usize]
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}

/// The record of one run.
pub(crate) struct Trace {
    hash: u64,
    verbose: bool,
    packets: bool,
    pub(crate) counters: Counters,
}

impl Trace {
    pub(crate) fn new(verbose: bool) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            verbose,
            packets: verbose && std::env::var_os("SIM_PACKETS").is_some(),
            counters: Counters::default(),
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    fn mix(&mut self, word: u64) {
        self.hash = (self.hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    /// Notes that `bytes` passed host `host` at `now`; `kind` distinguishes the uses.
    pub(crate) fn bytes(&mut self, now: i64, host: usize, kind: u8, bytes: &[u8]) {
        self.mix(now as u64);
        self.mix((host as u64) << 8 | u64::from(kind));
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        for byte in rest {
            self.mix(u64::from(*byte));
        }
        if self.packets
            && let Ok(protocol::bus::Packet { header, body }) = protocol::bus::decode(bytes)
        {
            println!(
                "{now:>7} n{host:<2} {} {} {} {} epochs {} {} slots {}",
                char::from(kind),
                body.packet_type().name(),
                header.sender,
                header.flags,
                header.current_epoch,
                header.config_epoch,
                header.slots.count(),
            );
        }
    }

    /// Notes an event; the text is only made if it is printed.
    pub(crate) fn line(&mut self, now: i64, host: usize, text: impl FnOnce() -> String) {
        self.mix(now as u64);
        self.mix(host as u64 + 1);
        if self.verbose {
            println!("{now:>7} n{host:<2} {}", text());
        }
    }

    pub(crate) fn count(&mut self, event: Sometimes) {
        self.counters.count(event);
    }
}
