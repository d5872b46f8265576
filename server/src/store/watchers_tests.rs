//! Tests of `watchers`: a change raises the flags of its key and no others.

use super::*;

#[test]
fn a_change_raises_the_flags_of_its_key_only() {
    let mut watchers = Watchers::default();
    let (one, two) = (Arc::new(WatchFlag::new()), Arc::new(WatchFlag::new()));
    watchers.add(b"a", &one);
    watchers.add(b"a", &one);
    watchers.add(b"b", &two);
    watchers.touch(b"c");
    assert!(!one.is_raised() && !two.is_raised());
    watchers.touch(b"a");
    assert!(one.is_raised() && !two.is_raised());
    watchers.remove(b"a", &one);
    assert_eq!(watchers.keys().collect::<Vec<_>>(), [b"b"], "watching twice is watching once");
    watchers.remove(b"b", &two);
    assert!(watchers.is_empty());
}
