//! The slots a command works on, locked in ascending order.
//!
//! A [`LockPlan`] collects (database, slot) pairs; [`LockPlan::lock`] takes the locks in ascending order, which is the only
//! order in which more than one slot lock is ever taken, so no two commands can wait for each other.

use protocol::slot::SlotId;
use smallvec::SmallVec;

use crate::store::{Keyspace, Slot, SlotGuard};

/// A database and a slot in one ordered number.
pub type Place = u32;

/// The place of a slot in a database.
#[inline]
pub fn place(db: usize, slot: SlotId) -> Place {
    (db as u32) << 14 | u32::from(slot.get())
}

/// Slots to lock, sorted and without duplicates.
#[derive(Clone, Debug, Default)]
pub struct LockPlan(SmallVec<[Place; 4]>);

impl LockPlan {
    /// Adds a slot.
    pub fn add(&mut self, db: usize, slot: SlotId) {
        let place = place(db, slot);
        if let Err(at) = self.0.binary_search(&place) {
            self.0.insert(at, place);
        }
    }

    /// How many slots are to be locked.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is to be locked.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes all locks, ascending.
    pub fn lock<'k>(&self, keyspace: &'k Keyspace) -> Locked<'k> {
        let lock = |place: Place| {
            let slot = SlotId::new((place & 0x3fff) as u16).expect("a place is made of a slot");
            keyspace.lock((place >> 14) as usize, slot)
        };
        match self.0[..] {
            [place] => Locked::One(place, lock(place)),
            _ => Locked::Many(self.0.iter().map(|&place| (place, lock(place))).collect()),
        }
    }
}

/// Locked slots; unlocked when dropped.
pub enum Locked<'k> {
    /// A single one: the common case.
    One(Place, SlotGuard<'k>),
    /// Any number, ascending.
    Many(Vec<(Place, SlotGuard<'k>)>),
}

impl Locked<'_> {
    /// Plain references to the locked slots, for a handler.
    #[inline(always)]
    pub fn slots(&mut self) -> Slots<'_> {
        match self {
            Self::One(place, guard) => Slots::One(*place, guard),
            Self::Many(guards) => Slots::Many(SlotList {
                slots: guards.iter_mut().map(|(place, guard)| (*place, &mut **guard)).collect(),
                last: 0,
            }),
        }
    }

    /// Whether every slot of `plan` is locked here.
    pub fn holds(&self, plan: &LockPlan) -> bool {
        plan.0.iter().all(|&wanted| match self {
            Self::One(place, _) => *place == wanted,
            Self::Many(guards) => guards.iter().any(|(place, _)| *place == wanted),
        })
    }

    /// The slot, if it is locked here.
    #[inline]
    pub fn get(&self, db: usize, slot: SlotId) -> Option<&Slot> {
        let wanted = place(db, slot);
        match self {
            Self::One(place, guard) => (*place == wanted).then_some(guard),
            Self::Many(guards) => guards.iter().find(|(place, _)| *place == wanted).map(|(_, guard)| &**guard),
        }
    }

    /// The slot for changes, if it is locked here.
    pub fn get_mut(&mut self, db: usize, slot: SlotId) -> Option<&mut Slot> {
        let wanted = place(db, slot);
        match self {
            Self::One(place, guard) => (*place == wanted).then_some(guard),
            Self::Many(guards) => guards.iter_mut().find(|(place, _)| *place == wanted).map(|(_, guard)| &mut **guard),
        }
    }
}

/// References to locked slots.
pub enum Slots<'a> {
    One(Place, &'a mut Slot),
    Many(SlotList<'a>),
}

/// References to locked slots, ascending.
pub struct SlotList<'a> {
    slots: Vec<(Place, &'a mut Slot)>,
    /// The one that was asked for last; a handler asks several times in a row for one key's slot.
    last: usize,
}

#[cold]
fn unlocked() -> ! {
    panic!("every key of a command is locked before its handler runs")
}

impl Slots<'_> {
    /// The locked slot.
    ///
    /// # Panics
    /// If the slot was not locked: then the command's key specs do not name a key that its handler uses, a mistake in our tables.
    #[inline(always)]
    pub fn at(&mut self, db: usize, slot: SlotId) -> &mut Slot {
        let wanted = place(db, slot);
        match self {
            Self::One(place, slot) => {
                if *place != wanted {
                    unlocked();
                }
                slot
            }
            Self::Many(list) => list.at(wanted),
        }
    }
}

impl SlotList<'_> {
    fn at(&mut self, wanted: Place) -> &mut Slot {
        if self.slots.get(self.last).is_none_or(|(place, _)| *place != wanted) {
            self.last = self.slots.binary_search_by_key(&wanted, |(place, _)| *place).unwrap_or_else(|_| unlocked());
        }
        self.slots[self.last].1
    }
}
