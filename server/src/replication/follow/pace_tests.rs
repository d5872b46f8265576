//! How the waits grow, and what resets them.

use super::*;

#[test]
fn a_link_that_worked_is_made_anew_at_once() {
    let mut pace = Pace::new();
    for _ in 0..3 {
        assert_eq!(pace.after(Some(WORKED)), Duration::ZERO);
    }
    assert_eq!(pace.after(None), FIRST_WAIT);
    assert_eq!(pace.after(Some(Duration::MAX)), Duration::ZERO);
    assert_eq!(pace.after(None), FIRST_WAIT, "the waits begin anew");
}

#[test]
fn a_primary_that_accepts_and_closes_is_asked_once_a_second() {
    for up_for in [None, Some(Duration::ZERO), Some(Duration::from_millis(999))] {
        let mut pace = Pace::new();
        let first: Duration = (0..5).map(|_| pace.after(up_for)).sum();
        assert!(first < Duration::from_secs(2), "one that is back soon is found soon, not after {first:?}");
        for _ in 0..3 {
            assert_eq!(pace.after(up_for), LAST_WAIT, "{up_for:?}");
        }
    }
}
