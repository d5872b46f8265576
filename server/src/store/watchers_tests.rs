//! Tests of `watchers`: a change raises the flags of its key and no others.

use super::*;

#[test]
fn a_change_raises_the_flags_of_its_key_only() {
    let mut watchers = Watchers::default();
    let (one, two) = (Arc::new(WatchFlag::new()), Arc::new(WatchFlag::new()));
    assert!(watchers.add(b"a", &one) && watchers.add(b"b", &two));
    assert!(!watchers.add(b"a", &one));
    watchers.of(b"c").iter().for_each(|flag| flag.touch(false));
    assert!(!one.is_raised() && !two.is_raised());
    watchers.of(b"a").iter().for_each(|flag| flag.touch(false));
    assert!(one.is_raised() && !two.is_raised());
    watchers.remove(b"a", &one);
    assert_eq!(watchers.keys().collect::<Vec<_>>(), [b"b"], "watching twice is watching once");
    watchers.remove(b"b", &two);
    assert!(watchers.is_empty());
}

#[test]
fn the_first_change_of_any_watched_key_spoils_the_transaction_of_its_session_only() {
    let mut watchers = Watchers::default();
    let (ours, theirs) = (Arc::<Spoiled>::default(), Arc::<Spoiled>::default());
    for key in [b"a", b"b"] {
        assert!(watchers.add(key, &Arc::new(WatchFlag::of(&ours, false, 0))));
        assert!(!watchers.add(key, &Arc::new(WatchFlag::of(&ours, false, 0))), "a session watches a key once");
    }
    assert!(watchers.add(b"a", &Arc::new(WatchFlag::of(&theirs, false, 0))));
    watchers.of(b"b").iter().for_each(|flag| flag.touch(false));
    assert!(ours.is_raised() && !theirs.is_raised());
}

#[test]
fn the_removal_of_fields_that_had_expired_is_no_change_and_that_of_others_is() {
    let flag = WatchFlag::of(&Arc::default(), false, 100);
    for latest in [40, 99] {
        flag.touch_fields(false, latest);
        assert!(!flag.is_raised(), "gone to clients, as they were when the hash was watched, however many times");
    }
    flag.touch_fields(false, 100);
    assert!(flag.is_raised(), "one of these lived when the hash was watched");
    let mover = WatchFlag::new();
    mover.touch_fields(false, 40);
    assert!(!mover.is_raised() && mover.has_lost_fields(), "the copy that it sent has the times");
    let flag = WatchFlag::of(&Arc::default(), false, 100);
    flag.touch(false);
    assert!(flag.is_raised(), "a command changed the hash");
    let flag = WatchFlag::of(&Arc::default(), true, 0);
    flag.touch_fields(false, 0);
    assert!(!flag.is_raised() && flag.is_stale(), "the key had expired");
    flag.touch_fields(true, 0);
    assert!(!flag.is_raised() && !flag.is_stale(), "and now it is gone");
}

#[test]
fn who_moves_a_key_learns_of_changes_that_watch_does_not_count() {
    let (mover, session) = (WatchFlag::new(), WatchFlag::of(&Arc::default(), false, 0));
    [&mover, &session].into_iter().for_each(WatchFlag::stir);
    assert!(mover.is_raised() && !session.is_raised());
}

#[test]
fn the_removal_of_a_stale_key_is_no_change_and_what_follows_is() {
    let flag = WatchFlag::of(&Arc::default(), true, 0);
    flag.touch(true);
    assert!(!flag.is_raised() && !flag.is_stale(), "gone, as it was when it was watched");
    flag.touch(true);
    assert!(flag.is_raised(), "somebody had made it anew");
    let flag = WatchFlag::of(&Arc::default(), true, 0);
    flag.touch(false);
    assert!(flag.is_raised(), "written over while its time had come");
}

#[test]
fn a_swapped_database_changes_what_differs_for_a_reader() {
    // (stale, here, coming) and whether the flag is raised and stale afterwards.
    let cases = [
        (true, true, None, false, false),
        (true, true, Some(true), false, true),
        (true, true, Some(false), true, false),
        (false, true, None, true, false),
        (false, true, Some(false), true, false),
        (false, true, Some(true), true, false),
        (false, false, Some(true), false, true),
        (false, false, Some(false), true, false),
        (false, false, None, false, false),
    ];
    for (stale, here, coming, raised, stale_after) in cases {
        let flag = WatchFlag::of(&Arc::default(), stale, 0);
        flag.swap(here, coming);
        assert_eq!((flag.is_raised(), flag.is_stale()), (raised, stale_after), "{stale} {here} {coming:?}");
    }
    let flag = WatchFlag::new();
    flag.raise();
    flag.swap(false, Some(true));
    assert!(flag.is_raised(), "what happened before stays");
}
