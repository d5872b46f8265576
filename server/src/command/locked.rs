//! The slots a command works on, locked in ascending order.
//!
//! A [`LockPlan`] collects (database, slot) pairs; [`LockPlan::lock`] takes the locks in ascending order. Whoever takes
//! more than one slot lock does that in this order, except a command that runs alone ([`AllSlots`], SWAPDB). So no two
//! commands can wait for each other.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use protocol::slot::SlotId;
use smallvec::SmallVec;

use crate::base::limits::DATABASES_MAX;
use crate::store::{KeptSlot, Keyspace, Slot, SlotGuard};

/// A database and a slot in one ordered number.
pub(crate) type Place = u32;

const _: () = assert!(DATABASES_MAX << 14 == 1 << Place::BITS, "no two slots have the same place");

/// The place of a slot in a database.
#[inline]
pub(crate) fn place(db: usize, slot: SlotId) -> Place {
    (db as u32) << 14 | u32::from(slot.get())
}

/// The database and the slot of a place.
pub(crate) fn slot_at(place: Place) -> (usize, SlotId) {
    ((place >> 14) as usize, SlotId::new((place & 0x3fff) as u16).expect("a place is made of a slot"))
}

/// Places in ascending order. Those of a usual command with several keys need no allocation.
type Places = SmallVec<[Place; 12]>;

/// Slots to lock.
///
/// Up to [`LockPlan::FEW`] places are kept sorted and without duplicates, which is cheapest while they are few. Further
/// places are appended as they come, and sorted once by [`LockPlan::lock`]: a command may name a million keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct LockPlan(Places);

impl LockPlan {
    /// So many different slots are few.
    pub(crate) const FEW: usize = 64;

    /// Adds a slot.
    #[inline]
    pub(crate) fn add(&mut self, db: usize, slot: SlotId) {
        let place = place(db, slot);
        if self.is_many() {
            self.0.push(place);
        } else if let Err(at) = self.0.binary_search(&place) {
            self.0.insert(at, place);
        }
    }

    /// Whether more than [`LockPlan::FEW`] different slots are to be locked.
    #[inline]
    pub(crate) fn is_many(&self) -> bool {
        self.0.len() > Self::FEW
    }

    /// Whether a slot is in this plan, whose slots are few, or were [prepared](LockPlan::prepare).
    #[inline]
    pub(crate) fn has(&self, db: usize, slot: SlotId) -> bool {
        self.0.binary_search(&place(db, slot)).is_ok()
    }

    /// Brings the places into order.
    pub(crate) fn prepare(&mut self) {
        if self.is_many() {
            self.0.sort_unstable();
            self.0.dedup();
        }
    }

    /// Takes all locks, ascending.
    pub(crate) fn lock(self, keyspace: &Keyspace) -> Locked<'_> {
        let lock = |place| {
            let (db, slot) = slot_at(place);
            Ok::<_, std::convert::Infallible>(keyspace.lock(db, slot))
        };
        match self.lock_by(lock) {
            Ok(locked) => locked,
            Err(never) => match never {},
        }
    }

    /// Takes all locks, ascending. The first that is not free is waited for no longer than `patience`, each later one
    /// half as long as the one before, so that it makes no difference how many there are.
    ///
    /// # Errors
    /// The slot that could not be locked; then none is locked.
    pub(crate) fn lock_within(self, keyspace: &Keyspace, patience: Duration) -> Result<Locked<'_>, (usize, SlotId)> {
        let patience = Cell::new(patience);
        self.lock_by(|place| {
            let (db, slot) = slot_at(place);
            let wait = || keyspace.wait_within(db, slot, patience.replace(patience.get() / 2));
            keyspace.try_lock(db, slot).or_else(wait).ok_or((db, slot))
        })
    }

    fn lock_by<'k, E>(mut self, lock: impl Fn(Place) -> Result<SlotGuard<'k>, E>) -> Result<Locked<'k>, E> {
        self.prepare();
        if let [place] = self.0[..] {
            return Ok(Locked::One(place, lock(place)?));
        }
        let mut guards = Vec::with_capacity(self.0.len());
        for &place in &self.0 {
            guards.push(lock(place)?);
        }
        Ok(Locked::Many(guards, self.0))
    }
}

/// Locked slots; dropping it unlocks them.
pub(crate) enum Locked<'k> {
    /// A single one: the common case.
    One(Place, SlotGuard<'k>),
    /// Any number, ascending, each at the index of its place.
    Many(Vec<SlotGuard<'k>>, Places),
}

impl Locked<'_> {
    /// References to the locked slots, for a handler.
    #[inline(always)]
    pub(crate) fn slots(&mut self) -> Slots<'_> {
        match self {
            Self::One(place, guard) => Slots::One(*place, guard),
            Self::Many(guards, places) => {
                Slots::Many(SlotList { slots: guards.iter_mut().map(|guard| &mut **guard).collect(), places, last: 0 })
            }
        }
    }

    /// Whether every slot of `plan` is locked here.
    pub(crate) fn holds(&self, plan: &LockPlan) -> bool {
        plan.0.iter().all(|&wanted| match self {
            Self::One(place, _) => *place == wanted,
            Self::Many(_, places) => places.binary_search(&wanted).is_ok(),
        })
    }

    /// The slot, if it is locked here.
    #[inline]
    pub(crate) fn get(&self, db: usize, slot: SlotId) -> Option<&Slot> {
        let wanted = place(db, slot);
        match self {
            Self::One(place, guard) => (*place == wanted).then_some(guard),
            Self::Many(guards, places) => places.binary_search(&wanted).ok().map(|at| &*guards[at]),
        }
    }

    /// The slot for changes, if it is locked here.
    pub(crate) fn get_mut(&mut self, db: usize, slot: SlotId) -> Option<&mut Slot> {
        let wanted = place(db, slot);
        match self {
            Self::One(place, guard) => (*place == wanted).then_some(guard),
            Self::Many(guards, places) => places.binary_search(&wanted).ok().map(|at| &mut *guards[at]),
        }
    }
}

/// Slots that stay locked while a script is suspended ([`Locked::keep`]).
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct KeptSlots(Vec<(Place, KeptSlot)>);

impl KeptSlots {
    /// The locks as they were.
    pub(crate) fn take_back(self, keyspace: &Keyspace) -> Locked<'_> {
        let (places, kept): (Places, Vec<KeptSlot>) = self.0.into_iter().unzip();
        Locked::Many(kept.into_iter().map(|kept| keyspace.take_back(kept)).collect(), places)
    }
}

impl Locked<'_> {
    /// Keeps the slots locked without their guards.
    pub(crate) fn keep(self, keyspace: &Keyspace) -> KeptSlots {
        let keep = |place: Place, guard| (place, keyspace.keep(slot_at(place).0, guard));
        KeptSlots(match self {
            Self::One(place, guard) => vec![keep(place, guard)],
            Self::Many(guards, places) => {
                places.into_iter().zip(guards).map(|(place, guard)| keep(place, guard)).collect()
            }
        })
    }
}

/// References to locked slots.
pub(crate) enum Slots<'a> {
    One(Place, &'a mut Slot),
    Many(SlotList<'a>),
    /// All slots.
    All(AllSlots<'a>),
    /// A slot that is not among them was used.
    Stray(Box<Stray<'a>>),
}

/// What a command works with after it used a slot that was not locked for it.
pub(crate) struct Stray<'a> {
    slots: Slots<'a>,
    /// Stands for every slot that is not locked. Its contents are dropped when the command ends.
    nowhere: Slot,
}

/// Every slot, locked when it is first used and until the command ends. For commands that run alone because they cannot
/// name their keys: only then does no other command take locks in another order.
pub(crate) struct AllSlots<'a> {
    keyspace: &'a Keyspace,
    locked: BTreeMap<Place, SlotGuard<'a>>,
}

/// References to locked slots, ascending.
pub(crate) struct SlotList<'a> {
    slots: Vec<&'a mut Slot>,
    /// Where each of them is.
    places: &'a [Place],
    /// The index of the last result; a handler asks several times in a row for one key's slot.
    last: usize,
}

impl<'a> Slots<'a> {
    /// Every slot. The caller holds the barrier.
    pub(crate) fn all(keyspace: &'a Keyspace) -> Self {
        Self::All(AllSlots { keyspace, locked: BTreeMap::new() })
    }

    /// The locked slot, or an empty one if it was not locked. In that case the command's key specs do not name a key
    /// that its handler uses, and the command is answered with an error ([`Slots::end`]).
    #[inline(always)]
    pub(crate) fn at(&mut self, db: usize, slot: SlotId) -> &mut Slot {
        let wanted = place(db, slot);
        if !matches!(self, Self::One(held, _) if *held == wanted) {
            return self.at_other(wanted);
        }
        let Self::One(_, slot) = self else { unreachable!("just looked at") };
        slot
    }

    /// The slot, if it is locked here.
    pub(crate) fn get(&self, db: usize, slot: SlotId) -> Option<&Slot> {
        let wanted = place(db, slot);
        match self {
            Self::One(held, slot) => (*held == wanted).then_some(&**slot),
            Self::Many(list) => list.places.binary_search(&wanted).ok().map(|at| &*list.slots[at]),
            Self::All(all) => all.locked.get(&wanted).map(|slot| &**slot),
            Self::Stray(stray) => stray.slots.get(db, slot),
        }
    }

    /// [`Slots::at`] for a slot that is not the only one.
    #[inline(never)]
    fn at_other(&mut self, wanted: Place) -> &mut Slot {
        let holds = match self {
            Self::One(..) => false,
            Self::Many(list) => list.find(wanted),
            Self::All(_) | Self::Stray(_) => true,
        };
        if !holds {
            self.stray();
        }
        match self {
            Self::One(_, slot) => slot,
            Self::Many(list) => list.slots[list.last],
            Self::All(all) => all.at(wanted),
            Self::Stray(stray) => stray.at(wanted),
        }
    }

    /// Ends their use. Returns whether a slot was used that was not locked. For a single slot there is nothing to drop.
    #[inline(always)]
    pub(crate) fn end(self) -> bool {
        match self {
            Self::One(_place, _slot) => false,
            several => several.end_several(),
        }
    }

    fn end_several(self) -> bool {
        matches!(self, Self::Stray(_))
    }

    #[cold]
    fn stray(&mut self) {
        let nothing = Self::Many(SlotList { slots: Vec::new(), places: &[], last: 0 });
        let slots = std::mem::replace(self, nothing);
        *self = Self::Stray(Box::new(Stray { slots, nowhere: Slot::EMPTY }));
    }
}

impl AllSlots<'_> {
    #[cold]
    fn at(&mut self, wanted: Place) -> &mut Slot {
        let Self { keyspace, locked } = self;
        locked.entry(wanted).or_insert_with(|| {
            let (db, slot) = slot_at(wanted);
            keyspace.lock(db, slot)
        })
    }
}

impl Stray<'_> {
    #[cold]
    fn at(&mut self, wanted: Place) -> &mut Slot {
        let Self { slots, nowhere } = self;
        match slots {
            Slots::One(place, slot) if *place == wanted => slot,
            Slots::Many(list) => {
                if list.find(wanted) {
                    list.slots[list.last]
                } else {
                    nowhere
                }
            }
            Slots::One(..) | Slots::All(_) | Slots::Stray(_) => nowhere,
        }
    }
}

impl SlotList<'_> {
    /// Makes the wanted slot the last result. `false` if it is not in the list.
    fn find(&mut self, wanted: Place) -> bool {
        if self.places.get(self.last) != Some(&wanted) {
            match self.places.binary_search(&wanted) {
                Ok(at) => self.last = at,
                Err(_) => return false,
            }
        }
        true
    }
}

#[cfg(test)]
#[path = "locked_tests.rs"]
mod tests;
