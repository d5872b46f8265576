//! Tests of the progress that is reported while a cluster forms.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::embedded::Options;

#[test]
fn a_cluster_that_is_ready_has_come_all_the_way() {
    let cluster = Cluster::start(Options::new().shards(2).replicas(1)).expect("it starts");
    let text = "nodes up 4/4, met 4/4, slots served 4/4, replicas in sync 2";
    assert_eq!(cluster.progress().to_string(), text);
}

#[test]
fn nobody_is_told_before_a_second_has_passed_and_then_not_all_the_time() {
    let cluster = Cluster::start(Options::new().shards(1).replicas(0)).expect("it starts");
    let told = Arc::new(AtomicUsize::new(0));
    let counter = told.clone();
    let observer = Observer(Arc::new(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    }));
    let now = Instant::now();
    let mut early = Teller::new(Some(&observer), now);
    early.tell(&cluster);
    assert_eq!(told.load(Ordering::Relaxed), 0, "within the first second");
    let mut late = Teller::new(Some(&observer), now.checked_sub(QUIET).expect("the machine is up longer"));
    late.tell(&cluster);
    late.tell(&cluster);
    assert_eq!(told.load(Ordering::Relaxed), 1, "once in a while");
}
