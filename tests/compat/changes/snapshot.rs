//! A running snapshot keeps the state at its cut, whatever removes or changes a key afterwards.
//!
//! `rdb-key-save-delay` makes the save long. The file that it writes is read by stock Redis, and must hold exactly what
//! the node held when the save began. In Redis that is so because a child process has a copy of the memory.

use integration::node::NodeSpec;
use integration::oracle::Binary;
use integration::wait::{secs, wait_until};

use super::observers::contents;
use super::{CAUSES, Stage, perform, prepare};

/// FLUSHALL ends the running save, and a reload needs the file for itself.
fn leaves_the_save_alone(cause: &str) -> bool {
    !cause.contains("FLUSHALL") && !cause.contains("RELOAD")
}

#[test]
fn a_snapshot_under_way_keeps_the_values_of_before_whatever_the_cause() {
    if integration::oracle::slotd_is_stock() {
        return;
    }
    let stage = Stage::new(Binary::Slotd);
    let reader = NodeSpec::new(Binary::Stock).with("enable-debug-command", "yes").start();
    for cause in CAUSES.iter().filter(|cause| leaves_the_save_alone(cause)) {
        let mut actor = stage.node.client();
        let dumps = prepare(&mut actor);
        actor.ok("SET last v");
        let before = contents(&stage.node);
        let mut saver = stage.node.client();
        saver.ok("CONFIG SET rdb-key-save-delay 300000");
        assert!(!saver.cmd("BGSAVE").is_error());
        // The cut is made at about the time of the reply; the first key is written after it.
        let progress = |field: &str| stage.node.info(&format!("current_save_keys_{field}"));
        wait_until("the cut", secs(10), || progress("processed") != progress("total"));
        for line in cause.lines() {
            perform(&mut actor, &dumps, &line.replace("target:", &stage.target.addr().replace(':', " ")));
        }
        assert_eq!(stage.node.info("rdb_bgsave_in_progress"), "1", "{cause:?} came during the save");
        saver.ok("CONFIG SET rdb-key-save-delay 0");
        wait_until("the save to end", secs(20), || stage.node.info("rdb_bgsave_in_progress") == "0");
        assert_eq!(stage.node.info("rdb_last_bgsave_status"), "ok");
        std::fs::copy(stage.node.dir().join("dump.rdb"), reader.dir().join("dump.rdb")).expect("copied");
        reader.client().ok("DEBUG RELOAD NOSAVE");
        assert_eq!(contents(&reader), before, "the file saved during {cause:?}");
    }
}
