//! Effects that depend on a save wait for it, callers that must not wait don't, and the order is kept.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use protocol::bus::NodeId;
use protocol::slot::SlotRange;

use super::*;
use crate::cluster::conf_file::Saved;
use crate::cluster::{DataLink, DataState, Place};
use crate::runtime::threads::Threads;
use crate::testing::Bench;

/// A disk that blocks until it is told to go on, once for each save.
#[derive(Debug)]
struct SlowDisk {
    began: Sender<String>,
    go_on: Receiver<io::Result<Saved>>,
}

impl ConfStore for SlowDisk {
    fn save(&mut self, text: &str, _fsync: bool) -> io::Result<Saved> {
        // The test may have ended.
        let _ = self.began.send(text.to_owned());
        self.go_on.recv().unwrap_or(Ok(Saved::Usual))
    }

    fn take_replaced(&mut self) -> Vec<File> {
        Vec::new()
    }
}

struct NoData;

impl DataLink for NoData {
    fn follow(&self, _id: NodeId, _host: &str, _port: u16) {}
    fn promote(&self) {}
    fn state(&self) -> DataState {
        DataState::default()
    }
    fn on_synced(&self, _call: Box<dyn Fn() + Send + Sync>) {}
}

struct Lab {
    cluster: Arc<Cluster>,
    began: Receiver<String>,
    go_on: Sender<io::Result<Saved>>,
    _bench: Bench,
    _threads: Threads,
}

impl Lab {
    /// A new node whose first save is done.
    fn new() -> Self {
        let (bench, threads) = (Bench::new(), Threads::start(1).expect("threads"));
        let ((began, seen), (go_on, told)) = (channel(), channel());
        let disk = Box::new(SlowDisk { began, go_on: told });
        let (engine, control) = (bench.engine.clone(), threads.control().clone());
        let place = Place { port: 7000, bus_port: 17000, ..Place::default() };
        let cluster = Cluster::new(engine, Arc::new(NoData), control, disk, b"", place).expect("a new node");
        let lab = Self { cluster, began: seen, go_on, _bench: bench, _threads: threads };
        lab.cluster.with_core(|_, _| ());
        lab.finish_save();
        lab.cluster.settle();
        lab
    }

    /// Lets one save end; returns its text.
    fn finish_save(&self) -> String {
        self.go_on.send(Ok(Saved::Usual)).expect("the disk waits");
        self.began.recv_timeout(Duration::from_secs(20)).expect("a save begins")
    }

    fn add_slots(&self, first: u16, last: u16) {
        let range = SlotRange::new(slot(first), slot(last)).expect("a range");
        self.cluster.with_core(|core, now| core.add_slots(&[range], now)).expect("the slots are free");
        self.cluster.with_core(Gossip::save_config);
    }

    fn owns(&self, number: u16) -> bool {
        self.cluster.view().owns(slot(number))
    }
}

fn slot(number: u16) -> protocol::slot::SlotId {
    protocol::slot::SlotId::new(number).expect("a slot")
}

#[test]
fn an_input_returns_while_the_disk_stands_still_and_nothing_of_it_is_seen_before_it_is_saved() {
    let lab = Lab::new();
    lab.cluster.with_core(Gossip::save_config);
    assert!(lab.cluster.outbox.is_held());
    lab.add_slots(0, 99);
    assert!(!lab.owns(5), "it is not on disk");
    assert!(!lab.cluster.fresh_view().owns(slot(5)), "nor is it shown");
    lab.finish_save();
    lab.finish_save();
    lab.cluster.settle();
    assert!(lab.owns(5));
    assert!(lab.cluster.fresh_view().owns(slot(5)));
}

#[test]
fn a_command_is_answered_when_what_it_changed_is_saved() {
    let lab = Lab::new();
    let answered = Arc::new(AtomicBool::new(false));
    let (cluster, told) = (lab.cluster.clone(), answered.clone());
    let command = std::thread::spawn(move || {
        cluster.with_core_saved(Gossip::save_config);
        told.store(true, Ordering::SeqCst);
    });
    lab.began.recv_timeout(Duration::from_secs(20)).expect("the save begins");
    assert!(!answered.load(Ordering::SeqCst));
    lab.go_on.send(Ok(Saved::Usual)).expect("the disk waits");
    command.join().expect("it is answered");
    assert!(answered.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_connection_waits_for_what_it_changed_to_be_saved_and_its_thread_does_not() {
    let lab = Lab::new();
    assert!(lab.cluster.settling().is_none(), "there is nothing to wait for");
    lab.cluster.with_core(Gossip::save_config);
    lab.add_slots(0, 99);
    let mut saved = lab.cluster.settling().expect("the disk stands still");
    for _ in 0..2 {
        let pending = std::future::poll_fn(|cx| std::task::Poll::Ready(saved.as_mut().poll(cx).is_pending())).await;
        assert!(pending && !lab.owns(5));
        lab.finish_save();
    }
    tokio::time::timeout(Duration::from_secs(20), saved).await.expect("it is saved");
    assert!(lab.owns(5));
}

#[test]
fn many_changes_while_the_disk_stands_still_are_one_save_with_the_newest_text() {
    let lab = Lab::new();
    lab.cluster.with_core(Gossip::save_config);
    (0..50).for_each(|number| lab.add_slots(number, number));
    lab.finish_save();
    let text = lab.finish_save();
    assert!(text.contains(" 0-49"), "{text}");
    lab.cluster.settle();
    assert!(lab.owns(49));
    assert!(lab.began.try_recv().is_err(), "nothing is left to be saved");
}

#[test]
fn after_a_save_that_failed_nothing_is_performed_and_nobody_waits() {
    let lab = Lab::new();
    lab.cluster.with_core(Gossip::save_config);
    lab.add_slots(0, 99);
    lab.go_on.send(Err(io::ErrorKind::StorageFull.into())).expect("the disk waits");
    lab.cluster.settle();
    assert!(!lab.owns(5));
    lab.cluster.with_core_saved(Gossip::save_config);
    assert!(lab.cluster.outbox.state.lock().steps.is_empty());
}

#[test]
fn packets_that_wait_are_bounded_and_their_order_is_kept() {
    let mut state = State { held_by: Some(1), ..State::default() };
    let packet = |tag: u8| Step::Effect(Effect::Send { link: gossip::LinkId(1), bytes: vec![tag; 1 << 20].into() });
    (0..40).for_each(|tag| state.add(packet(tag)));
    state.add(Step::Facts(Facts { serve_until: 7, withholding: false, batches: 0 }));
    assert!(state.take().is_none(), "it is held");
    state.held_by = None;
    for expected in 0..16 {
        assert!(matches!(state.take(), Some(Step::Effect(Effect::Send { bytes, .. })) if bytes[0] == expected));
    }
    assert!(matches!(state.take(), Some(Step::Facts(Facts { serve_until: 7, .. }))), "only packets are dropped");
    assert_eq!((state.bytes, state.take().is_none()), (0, true));
}
