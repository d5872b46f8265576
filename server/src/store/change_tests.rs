//! Tests of the door: each way in which a slot loses or changes a key is announced once, to all whom it concerns.

use std::sync::Arc;

use super::super::hash::KeyHash;
use super::super::{BlockToken, Slot, StringValue, Ttl, Type, Waiter, Wake, WatchFlag};
use super::*;

/// Writes down what passes.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    /// The changes: the key, the cause, and whether a client is blocked on it.
    pub(crate) passed: Vec<(Vec<u8>, Cause, bool)>,
    /// Expired fields, each behind its key.
    pub(crate) fields: Vec<Vec<u8>>,
    pub(crate) flushed: usize,
    pub(crate) ready: Vec<(usize, Vec<u8>)>,
    pub(crate) removed: Vec<Removed>,
}

impl Door for Witness {
    fn pass(&mut self, change: Change<'_>, awaited: bool) {
        self.passed.push((change.key.to_vec(), change.cause, awaited));
    }

    fn fields_expired(&mut self, _db: usize, key: &[u8], fields: &[Box<[u8]>]) {
        self.fields.extend(fields.iter().map(|field| [key, b" ", field].concat()));
    }

    fn flushed(&mut self) {
        self.flushed += 1;
    }

    fn ready(&mut self, db: usize, key: &[u8]) {
        self.ready.push((db, key.to_vec()));
    }

    fn discard(&mut self, removed: Removed, _cause: Cause) {
        self.removed.push(removed);
    }
}

pub(crate) fn change(key: &[u8], cause: Cause) -> Change<'_> {
    Change { db: 0, slot: SlotId::FIRST, key, cause }
}

fn hash(key: &[u8]) -> KeyHash {
    KeyHash(key.iter().fold(7, |state, &byte| super::super::hash::mix(state ^ u64::from(byte))))
}

const HOME: (usize, SlotId) = (0, SlotId::FIRST);

/// A slot with the strings `a` and `b`, which expire at 5. A session watches each of them and `none`; a client waits
/// for lists there, and wants to know of the end of `a`.
fn observed() -> (Slot, [Arc<WatchFlag>; 3]) {
    let mut slot = Slot::EMPTY;
    for key in [b"a", b"b"] {
        slot.set_string(hash(key), key, StringValue::Int(1), Ttl::At(5));
    }
    for (key, wake) in [(b"a", Wake { ty: Type::List, on_gone: true }), (b"b", Wake::on(Type::List))] {
        slot.wait(key, Waiter { token: Arc::new(BlockToken::new(wake)), request: Arc::new(()) });
    }
    let flags = [b"a".as_slice(), b"b", b"none"].map(|key| {
        let flag = Arc::new(WatchFlag::new());
        slot.watch(key, &flag);
        flag
    });
    (slot, flags)
}

#[track_caller]
fn check(act: impl FnOnce(&mut Slot, &mut Witness), passed: &[(&[u8], Cause, bool)], raised: [bool; 3]) {
    let ((mut slot, flags), mut witness) = (observed(), Witness::default());
    act(&mut slot, &mut witness);
    let expected: Vec<_> = passed.iter().map(|(key, cause, awaited)| (key.to_vec(), *cause, *awaited)).collect();
    witness.passed.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(witness.passed, expected);
    assert_eq!(flags.map(|flag| flag.is_raised()), raised);
}

#[test]
fn each_change_passes_once_and_raises_its_watchers() {
    check(
        |slot, door| drop(slot.remove(hash(b"a"), change(b"a", Cause::Deleted), door)),
        &[(b"a", Cause::Deleted, true)],
        [true, false, false],
    );
    check(|slot, door| drop(slot.remove(hash(b"none"), change(b"none", Cause::Deleted), door)), &[], [false; 3]);
    check(
        |slot, door| slot.written(hash(b"b"), change(b"b", Cause::Written), door),
        &[(b"b", Cause::Written, false)],
        [false, true, false],
    );
    check(
        |slot, door| assert!(slot.expire_if_due(hash(b"a"), change(b"a", Cause::Expired), 6, door)),
        &[(b"a", Cause::Expired, true)],
        [true, false, false],
    );
    check(
        |slot, door| assert!(!slot.expire_if_due(hash(b"a"), change(b"a", Cause::Expired), 5, door)),
        &[],
        [false; 3],
    );
    check(
        |slot, door| assert_eq!(slot.expire_due(HOME, 6, 9, door), 2),
        &[(b"a", Cause::Expired, true), (b"b", Cause::Expired, false)],
        [true, true, false],
    );
    check(
        |slot, door| assert_eq!((slot.remove_some(9, hash, HOME, Cause::Moved, door), slot.len()), (2, 0)),
        &[(b"a", Cause::Moved, true), (b"b", Cause::Moved, false)],
        [true, true, false],
    );
}

#[test]
fn what_goes_with_everything_is_told_as_one() {
    let ((mut slot, flags), mut witness) = (observed(), Witness::default());
    drop(slot.clear(3, hash, &mut witness));
    assert_eq!((witness.flushed, witness.passed.len()), (1, 0));
    assert_eq!(witness.ready, [(3, b"a".to_vec())], "only who wants to know of the end");
    assert_eq!(
        flags.each_ref().map(|flag| flag.is_raised()),
        [true, true, false],
        "what was not there has not changed"
    );
    assert!(slot.load(hash(b"none"), b"none", super::super::Value::Int(1), None));
    assert!(!slot.load(hash(b"none"), b"none", super::super::Value::Int(2), None), "no key comes twice");
    assert!(flags[2].is_raised());
}

#[test]
fn some_keys_are_removed_and_the_others_stay() {
    let mut slot = Slot::EMPTY;
    for number in 0..100u8 {
        slot.set_string(hash(&[number]), &[number], StringValue::Int(1), Ttl::Clear);
    }
    let mut witness = Witness::default();
    let first = slot.remove_some(30, hash, HOME, Cause::Moved, &mut witness);
    assert!((30..100).contains(&first) && slot.len() == 100 - first, "{first}");
    while slot.remove_some(30, hash, HOME, Cause::Moved, &mut witness) > 0 {}
    assert_eq!((slot.len(), witness.passed.len(), witness.removed.len()), (0, 100, 100));
}
