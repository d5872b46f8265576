//! Tests of temporary directories, inside a directory of the test.

use super::*;
use crate::base::test_dir::TestDir;

/// A directory as a crashed owner leaves it.
fn abandoned(parent: &TestDir) -> PathBuf {
    let (path, lock) = create(&parent.0).expect("a directory");
    std::fs::create_dir(path.join("node-0")).expect("room for a node");
    std::fs::write(path.join("node-0/nodes.conf"), b"x").expect("room for a file");
    drop(lock);
    path
}

#[test]
fn what_an_owner_that_is_gone_left_is_cleared_away_and_what_lives_is_not() {
    let parent = TestDir::new("directories-clears");
    let gone = abandoned(&parent);
    let (alive, lock) = create(&parent.0).expect("a directory");
    clear_abandoned(&parent.0, &lock);
    assert!(!gone.exists());
    assert!(alive.join(LOCK).exists());
}

#[test]
fn only_what_is_certainly_ours_is_cleared_away() {
    let parent = TestDir::new("directories-ours");
    let (target, other) = (parent.0.join("elsewhere"), parent.0.join("slotd-something"));
    for dir in [&target, &other, &parent.0.join(format!("{PREFIX}1-nolock"))] {
        std::fs::create_dir(dir).expect("a directory");
    }
    for dir in [&target, &other] {
        std::fs::write(dir.join(LOCK), b"").expect("a file");
    }
    std::os::unix::fs::symlink(&target, parent.0.join(format!("{PREFIX}2-link"))).expect("a link");
    // A lock file that is a link does not count.
    let linked = parent.0.join(format!("{PREFIX}3-linkedlock"));
    std::fs::create_dir(&linked).expect("a directory");
    std::os::unix::fs::symlink(target.join(LOCK), linked.join(LOCK)).expect("a link");
    let (_alive, lock) = create(&parent.0).expect("a directory");
    clear_abandoned(&parent.0, &lock);
    for left in ["elsewhere/lock", "slotd-something/lock", "slotd-cluster-1-nolock", "slotd-cluster-2-link/lock"] {
        assert!(parent.0.join(left).exists(), "{left}");
    }
    assert!(linked.exists());
}

#[test]
fn nobody_else_may_look_into_a_temporary_directory() {
    let parent = TestDir::new("directories-mode");
    let (path, _lock) = create(&parent.0).expect("a directory");
    assert_eq!(path.metadata().expect("it is there").mode() & 0o777, 0o700);
}
