//! Rules of PSYNC2: who may continue a history, and from where.

use super::*;

const A: ReplId = [b'a'; 40];
const B: ReplId = [b'b'; 40];
const C: ReplId = [b'c'; 40];

fn at(id: ReplId, offset: i64) -> History {
    History { id, former: None, offset, told: false }
}

#[test]
fn a_promoted_replica_is_known_by_the_old_id_up_to_the_promotion() {
    let mut history = at(A, 100);
    history.shift(B);
    assert_eq!(history.accepts(&A, 100), Ok(()), "a sibling with the same bytes");
    assert_eq!(history.accepts(&A, 101), Err(Refusal::BeyondFormer(101)), "it has what the promoted one never saw");
    assert_eq!(history.accepts(&B, 100), Ok(()));
    assert_eq!((history.former_id(), history.former_offset()), (A, 101));
    assert_eq!(history.offset, 100, "an offset is never taken back");
}

#[test]
fn an_unrelated_history_takes_a_new_id_and_forgets_the_former() {
    let mut history = at(A, 100);
    history.shift(B);
    history.restart(C);
    assert_eq!(history.accepts(&A, 50), Err(Refusal::Foreign));
    assert_eq!(history.accepts(&B, 100), Err(Refusal::Foreign));
    assert_eq!((history.former_id(), history.former_offset()), ([b'0'; 40], -1));
}

#[test]
fn who_added_nothing_since_its_promotion_is_what_it_was_before() {
    let mut history = at(A, 100);
    history.shift(B);
    history.unshift();
    assert_eq!(history, at(A, 100));
    history.shift(B);
    history.offset += 1;
    history.unshift();
    assert_eq!((history.id, history.former), (B, Some((A, 100))), "a byte of its own makes it another history");
    let mut history = at(A, 100);
    history.shift(B);
    history.told = true;
    history.unshift();
    assert_eq!((history.id, history.former), (B, Some((A, 100))), "its replicas know it by the new id");
    history.shift(C);
    history.unshift();
    assert_eq!(history.id, B, "and the next one is known to nobody yet");
}

#[test]
fn the_zero_id_of_info_matches_nothing() {
    assert_eq!(at(A, 1).accepts(&[b'0'; 40], 0), Err(Refusal::Foreign));
}

#[test]
fn a_primary_that_was_renamed_is_followed_under_its_new_id() {
    let mut history = at(A, 70);
    assert!(!history.rename(A));
    assert!(history.rename(B));
    assert_eq!(history.accepts(&A, 70), Ok(()), "our own replicas may still ask by the old id");
}

#[test]
fn a_full_sync_takes_over_everything() {
    let mut history = at(A, 70);
    history.shift(B);
    history.adopt(C, 5);
    assert_eq!(history, at(C, 5));
}
