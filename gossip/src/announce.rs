//! Announcing changes of this node to the others, with few packets for many changes.
//!
//! A change is announced with a PONG to every node (`clusterBroadcastPong`) rather than with the next pings. With n
//! nodes that is n packets, so two rules keep their number down:
//!
//! * **Members.** A node that learns of another one announces it to all. When n nodes meet, each would announce n
//!   others n times. The first announcement comes after [`SHORTLY_MS`], so that a few nodes agree within milliseconds;
//!   while more nodes join, the pause before each announcement doubles.
//! * **Commands.** An administrator's tool changes slots one by one (`redis-cli --cluster fix` sends three commands for
//!   each). Such changes are announced together: when none came for [`SHORTLY_MS`], or [`AT_THE_LATEST_MS`] after the
//!   first. Besides packets this saves epochs: two nodes that are told to bump theirs in turn outbid each other only as
//!   often as they hear of each other. It also saves disk writes: a change has to be durable only when it is announced,
//!   and what is not on disk yet is flushed before the next packet leaves (`unsynced`).

use crate::config::UnixMillis;
use crate::state::Gossip;

/// Changes within this time are announced together, in milliseconds.
const SHORTLY_MS: i64 = 10;
/// The longest pause between two announcements of members.
const LONGEST_PAUSE_MS: i64 = 160;
/// After so long without an announcement, the pause starts from the shortest again.
const QUIET_MS: i64 = 1_000;
/// No change by command waits longer than this.
const AT_THE_LATEST_MS: i64 = 1_000;

/// When the next announcement is due, and when the last one was.
#[derive(Debug, Default)]
pub(crate) struct Announcement {
    pub(crate) at: Option<UnixMillis>,
    /// The latest time to announce changes by commands.
    limit: Option<UnixMillis>,
    last: UnixMillis,
    pause: i64,
}

impl Announcement {
    pub(crate) fn due(&self) -> UnixMillis {
        self.at.unwrap_or(UnixMillis::MAX)
    }
}

impl Gossip {
    /// A node joined.
    pub(crate) fn announce_members(&mut self, now: UnixMillis) {
        let announcement = &mut self.announcement;
        let pause = if now - announcement.last > QUIET_MS { SHORTLY_MS } else { announcement.pause };
        announcement.at.get_or_insert(now + pause);
    }

    /// A command changed slots or epochs.
    pub(crate) fn announce_changes(&mut self, now: UnixMillis) {
        let announcement = &mut self.announcement;
        let limit = *announcement.limit.get_or_insert(now + AT_THE_LATEST_MS);
        announcement.at = Some(limit.min(now + SHORTLY_MS));
    }

    pub(crate) fn announce_if_due(&mut self, now: UnixMillis) {
        let announcement = &mut self.announcement;
        if announcement.due() > now {
            return;
        }
        let followed = now - announcement.last <= QUIET_MS;
        announcement.pause = if followed { (announcement.pause * 2).min(LONGEST_PAUSE_MS) } else { SHORTLY_MS };
        announcement.last = now;
        announcement.at = None;
        announcement.limit = None;
        self.broadcast_pong();
    }
}
