//! Keys of a slot that may be evicted, at random.

use super::{EntryRef, Slot, UnixMillis};
use crate::store::evict::{Order, Policy};

impl Slot {
    /// A key that the policy may evict, and how little it is worth ([`Policy::rate`]); `seed` is the randomness. Where
    /// the order is that of expiry, it is the first of the slot.
    pub(crate) fn candidate(&self, policy: Policy, now: UnixMillis, seed: u64) -> Option<(EntryRef<'_>, u64)> {
        let entry = if policy.volatile { self.expiring(policy.order, seed) } else { self.random(seed) }?;
        Some((entry, policy.rate(entry, now)))
    }

    fn expiring(&self, order: Order, seed: u64) -> Option<EntryRef<'_>> {
        let index = self.parts.expiry()?;
        let chosen = match order {
            Order::Ttl => 0,
            Order::Lru | Order::Lfu(_) | Order::Random => ((u128::from(seed) * index.len() as u128) >> 64) as usize,
        };
        let due = index.nth(chosen)?;
        let at = self.table.find_by(due.tag, |entry| due.matches(entry.expire_at()))?;
        Some(self.table.entry(at))
    }
}
