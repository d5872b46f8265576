//! Measures commands for CLUSTER SLOT-STATS ([`super::slot_use`]): how long each takes, and how much it is sent and
//! sends. All of it is cold code, since usually nothing is measured.

use protocol::resp::Args;
use protocol::slot::SlotId;

use super::Engine;
use super::dispatch::{Batch, Next, Step};
use super::slot_use::MULTI;
use super::window::Lead;
use crate::command::Traits;
use crate::session::tally::Used;
use crate::session::{Origin, Session};

/// A command that is about to run, and is measured.
pub(super) struct Measured {
    slot: SlotId,
    bytes_in: u64,
    /// Output before it.
    start: usize,
}

impl Engine {
    /// Begins to measure a request of so many bytes. `None`: it is about no slot, or about one that is not served here.
    #[cold]
    #[inline(never)]
    pub(super) fn measure(
        &self,
        session: &Session,
        args: Args<'_>,
        lead: &Lead,
        bytes_in: u64,
        start: usize,
    ) -> Option<Measured> {
        let command = self.resolve(args, lead)?;
        let (slot, more) = if command.traits.has(Traits::RUNS_THE_QUEUE) {
            let multi = session.multi.as_ref().filter(|multi| !multi.aborted)?;
            (multi.queue.iter().find_map(|queued| queued.keys.first())?.slot, MULTI)
        } else {
            let keys = self.keys_of(command, args, session.db);
            let slot = keys.first()?.slot;
            (keys.iter().all(|key| key.slot == slot).then_some(slot)?, 0)
        };
        self.serves(slot).then_some(Measured { slot, bytes_in: bytes_in + more, start })
    }

    /// Counts what was measured.
    #[cold]
    #[inline(never)]
    pub(super) fn measured(&self, session: &mut Session, measured: &Measured, step: &Step, batch: &mut Batch<'_, '_>) {
        let ran_us = batch.pace.settle_one(self, session);
        let before = std::mem::take(&mut session.exec_output);
        let mut used = Used { cpu_us: ran_us.unwrap_or(0), bytes_in: measured.bytes_in, bytes_out: 0 };
        match step {
            // Nothing was done; it runs again.
            Step::Stop(Next::Held(_)) => return,
            Step::Stop(Next::Blocked) => {
                session.owed_use = Some((measured.slot, used));
                return;
            }
            Step::Stop(_) | Step::Next | Step::Renewed => {}
        }
        if ran_us.is_some() && session.origin == Origin::Client {
            used.bytes_out = before + batch.out.len().saturating_sub(measured.start) as u64;
        }
        self.slot_use.add(measured.slot, used);
    }

    /// A blocking command is over. `reply`: how long the reply is if it was served.
    pub(crate) fn settle_owed_use(&self, session: &mut Session, reply: Option<usize>) {
        if let Some((slot, used)) = session.owed_use.take() {
            let used = match reply {
                Some(bytes) => Used { bytes_out: bytes as u64, ..used },
                None => Used { bytes_in: 0, ..used },
            };
            self.slot_use.add(slot, used);
        }
    }
}
