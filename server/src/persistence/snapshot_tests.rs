//! Jobs that cannot run: their requester is always notified, whatever went wrong.

use std::sync::mpsc::{Sender, channel};

use super::*;
use crate::testing::Bench;

/// Reports how it ended.
struct Told(&'static str, Sender<(&'static str, Result<(), String>)>);

impl SnapshotJob for Told {
    fn is_save(&self) -> bool {
        true
    }

    fn at_cut(&mut self) {}

    fn chunk(&mut self, _bytes: Vec<u8>) -> io::Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>, result: io::Result<()>) -> Announce {
        Box::new(move || self.1.send((self.0, result.map_err(|error| error.to_string()))).expect("the test waits"))
    }
}

#[test]
fn jobs_behind_one_that_gets_no_thread_are_told_so_as_well() {
    let bench = Bench::new();
    let snapshots = Snapshots::new(bench.engine.clone());
    let (told, outcomes) = channel();
    let job = |name| Box::new(Told(name, told.clone())) as Box<dyn SnapshotJob>;
    // The first one is on its way to a thread, and others queue behind it.
    let first = job("first");
    snapshots.begin(&mut snapshots.schedule.lock(), Some(&*first));
    snapshots.submit(job("second"));
    snapshots.submit(job("third"));
    snapshots.fail_all(Some(first), &io::Error::new(io::ErrorKind::WouldBlock, "no more threads"));
    for name in ["first", "second", "third"] {
        let reason = "Can't start a thread to save: no more threads".to_owned();
        assert_eq!(outcomes.try_recv(), Ok((name, Err(reason))));
    }
    assert!(!snapshots.is_busy());
    snapshots.submit(job("next"));
    assert_eq!(outcomes.recv_timeout(Duration::from_secs(30)), Ok(("next", Ok(()))));
}
