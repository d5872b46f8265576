//! Pauses: the stricter and the longer one prevails, and none is lost.

use std::sync::atomic::AtomicBool;

use super::*;

#[test]
fn the_stricter_and_the_longer_pause_rule_until_their_end() {
    let state = NodeState::new(1, 0);
    assert_eq!(state.paused(10), (PauseKind::None, 0));
    state.pause(PausePurpose::Client, PauseKind::All, 100);
    state.pause(PausePurpose::Client, PauseKind::Writes, 200);
    assert_eq!(state.paused(10), (PauseKind::All, 200));
    state.pause(PausePurpose::Failover, PauseKind::Writes, i64::MAX);
    assert_eq!(state.paused(10), (PauseKind::All, i64::MAX >> 2));
    // Over, so it does not affect the next one.
    assert_eq!(state.paused(200).0, PauseKind::Writes);
    state.unpause(PausePurpose::Failover);
    assert_eq!(state.paused(200), (PauseKind::None, 0));
    state.pause(PausePurpose::Client, PauseKind::Writes, 300);
    assert_eq!(state.paused(200), (PauseKind::Writes, 300));
    state.pause(PausePurpose::Client, PauseKind::All, -5);
    assert_eq!(state.paused(200), (PauseKind::All, 300));
}

#[test]
fn a_pause_is_not_lost_to_who_sees_the_end_of_the_one_before() {
    let state = NodeState::new(1, 0);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    state.paused(200);
                }
            });
        }
        let lost = (0..20_000).filter(|_| {
            state.pause(PausePurpose::Failover, PauseKind::Writes, 100);
            state.pause(PausePurpose::Failover, PauseKind::Writes, 1000);
            let lost = state.paused(200) != (PauseKind::Writes, 1000);
            state.unpause(PausePurpose::Failover);
            lost
        });
        let lost = lost.count();
        stop.store(true, Ordering::Relaxed);
        assert_eq!(lost, 0);
    });
}
