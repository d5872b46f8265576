//! Tests of the one decision: whenever ABORT comes, either it is refused and the node ends, or the node goes on.

use super::*;
use crate::engine::state::PauseKind;

fn pause(state: &NodeState) {
    state.pause(PausePurpose::Shutdown, PauseKind::Writes, i64::MAX);
}

fn is_paused(state: &NodeState) -> bool {
    state.paused(1).0 != PauseKind::None
}

fn begun(progress: &Progress) -> Arc<Attempt> {
    progress.join().expect_err("none goes on")
}

/// The steps of a shutdown, with ABORT before step number `step`. Returns whether ABORT was obeyed, and whether the
/// node ends.
fn with_abort_before(step: usize, ready: bool) -> (bool, bool) {
    let (progress, state) = (Progress::default(), NodeState::new(1, 0));
    let attempt = begun(&progress);
    let (mut aborted, mut cancelled, mut ends) = (false, false, false);
    let steps: [&mut dyn FnMut(); 5] = [
        &mut || pause(&state),
        &mut || assert_eq!(attempt.begin_save(), !attempt.is_aborted()),
        // The cut of the save, which may have been submitted at the moment of the ABORT.
        &mut || pause(&state),
        &mut || ends = progress.end(&attempt, ready, &state),
        &mut || (),
    ];
    for (number, run) in steps.into_iter().enumerate() {
        if number == step {
            aborted = progress.abort(&state, || cancelled = true);
        }
        run();
    }
    assert_eq!(cancelled, aborted && (2..4).contains(&step), "a save is cancelled when there is one");
    assert_eq!(is_paused(&state), ends, "ABORT before step {step}: only a node that ends stays paused");
    assert_eq!(*attempt.verdict.borrow(), Some(ends));
    assert_eq!(progress.join().is_ok(), ends, "a node that goes on can be shut down anew");
    (aborted, ends)
}

#[test]
fn abort_is_obeyed_or_the_node_ends() {
    for step in 0..5 {
        let (aborted, ends) = with_abort_before(step, true);
        assert_eq!(aborted, step < 4, "ABORT before step {step}");
        assert_eq!(aborted, !ends, "ABORT before step {step}");
        let (aborted, ends) = with_abort_before(step, false);
        assert_eq!((aborted, ends), (step < 4, false), "one that cannot save goes on anyway");
    }
}

#[test]
fn a_shutdown_that_ends_late_leaves_the_next_one_alone() {
    let (progress, state) = (Progress::default(), NodeState::new(1, 0));
    let late = begun(&progress);
    assert!(progress.abort(&state, || ()));
    let next = begun(&progress);
    pause(&state);
    assert!(!progress.end(&late, true, &state));
    assert!(is_paused(&state), "the pause of the one that goes on");
    assert!(Arc::ptr_eq(&next, &progress.join().expect("it goes on")));
    assert!(progress.end(&next, true, &state));
    assert!(!progress.abort(&state, || ()), "the node ends");
    progress.call_off(&state);
    assert!(!is_paused(&state));
}

#[test]
fn of_two_who_decide_at_once_one_does() {
    for _ in 0..2_000 {
        let (progress, state) = (Progress::default(), NodeState::new(1, 0));
        let attempt = begun(&progress);
        pause(&state);
        let (ends, aborted) = std::thread::scope(|scope| {
            let abort = scope.spawn(|| progress.abort(&state, || ()));
            (progress.end(&attempt, true, &state), abort.join().expect("no panic"))
        });
        assert_ne!(aborted, ends);
        assert_eq!(is_paused(&state), ends);
    }
}
