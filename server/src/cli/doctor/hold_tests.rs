//! Holding replicas, with scripted ones.

use std::sync::{Arc, Mutex};

use super::super::super::scripted::{bulk, node};
use super::*;

/// A replica whose directive has this value, and that is in sync when it has been asked so often; what it was told.
fn replica(before: &'static str, rounds: usize) -> (Address, Arc<Mutex<Vec<String>>>) {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let tell = told.clone();
    let port = node(move |words| {
        let mut told = tell.lock().expect("no test panics in it");
        if words.contains("GET") {
            return format!("*2\r\n{}{}", bulk(NO_FAILOVER), bulk(before));
        }
        if words.contains("SET") {
            told.push(if words.contains("yes") { "yes" } else { "no" }.to_owned());
            return "+OK\r\n".to_owned();
        }
        let link = if told.iter().filter(|what| *what == "asked").count() < rounds { "down" } else { "up" };
        told.push("asked".to_owned());
        bulk(&format!("role:slave\r\nmaster_link_status:{link}\r\n"))
    });
    (Address { host: "127.0.0.1".to_owned(), port }, told)
}

fn told(told: &Mutex<Vec<String>>) -> String {
    told.lock().expect("no test panics in it").join(" ")
}

fn asking() -> Asking {
    Asking::default()
}

#[test]
fn a_replica_is_not_elected_before_it_has_the_data() {
    let ((free, of_free), (bound, of_bound)) = (replica("no", 2), replica("yes", 0));
    let held = asking().hold(&[free, bound]).expect("both obey");
    assert_eq!(told(&of_free), "yes");
    asking().release(held, Instant::now() + Duration::from_secs(20)).expect("it is in sync");
    assert_eq!(told(&of_free), "yes asked asked asked no");
    // What somebody else has set stays.
    assert_eq!(told(&of_bound), "");
}

#[test]
fn a_replica_that_is_not_in_sync_in_time_is_named_and_stays_held() {
    let (late, of_late) = replica("no", usize::MAX);
    let held = asking().hold(std::slice::from_ref(&late)).expect("it obeys");
    let error = asking().release(held, Instant::now()).expect_err("it is not in sync");
    assert!(error.starts_with(&late.to_string()) && error.contains("CONFIG SET cluster-replica-no-failover no"));
    assert_eq!(told(&of_late), "yes asked");
}

#[test]
fn none_is_held_if_one_cannot_be() {
    let (free, of_free) = replica("no", 0);
    let hides = node(|_| "-ERR unknown command 'CONFIG'\r\n".to_owned());
    let hides = Address { host: "127.0.0.1".to_owned(), port: hides };
    let error = asking().hold(&[free, hides]).expect_err("one hides CONFIG");
    assert!(error.contains("could be elected before it has the data"), "{error}");
    assert_eq!(told(&of_free), "yes no");
}
