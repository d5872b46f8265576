//! A slot moves to and fro while several clients write to its keys without pause: the keys arrive each time, every
//! write counts once, and what was deleted stays away.
//!
//! What would go wrong otherwise: a command that was routed before the slot was opened, and runs when MIGRATE has taken
//! the key, makes it anew at the source. A key that is deleted while its copy is on the way is back at the target.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use integration::cluster::{Cluster, ClusterSpec};
use integration::cluster_client::ClusterClient;
use integration::resp::{Value, key_slot};

const COUNTER: &str = "{hot}counter";
/// Clients that write.
const WRITERS: usize = 4;
/// How often the slot moves.
const MOVES: usize = 60;

/// Clients that write until they are told to stop.
struct Writers<R> {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<R>>,
}

impl<R: Send + 'static> Writers<R> {
    /// Each calls `write` with its number and what it has so far.
    fn start(
        cluster: &Cluster,
        first: R,
        write: impl Fn(usize, &mut ClusterClient, R) -> R + Clone + Send + 'static,
    ) -> Self
    where
        R: Clone,
    {
        let stop = Arc::new(AtomicBool::new(false));
        let begin = |number| {
            let (mut client, stop, write, first) = (cluster.client(), stop.clone(), write.clone(), first.clone());
            thread::spawn(move || {
                let mut so_far = first;
                while !stop.load(Ordering::Relaxed) {
                    so_far = write(number, &mut client, so_far);
                }
                so_far
            })
        };
        Self { threads: (0..WRITERS).map(begin).collect(), stop }
    }

    fn finish(self) -> Vec<R> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().map(|thread| thread.join().expect("every write is answered")).collect()
    }
}

fn move_slot(cluster: &Cluster, from: usize, to: usize) {
    let slot = key_slot(COUNTER.as_bytes());
    let set = |node: usize, words: String| {
        let reply = cluster.nodes[node].cmd(&format!("CLUSTER SETSLOT {slot} {words}"));
        assert!(reply.is_ok(), "{words}: {reply:?}");
    };
    set(to, format!("IMPORTING {}", cluster.id(from)));
    set(from, format!("MIGRATING {}", cluster.id(to)));
    loop {
        let keys = cluster.nodes[from].cmd(&format!("CLUSTER GETKEYSINSLOT {slot} 3"));
        let keys: Vec<String> = keys.items().iter().map(Value::text).collect();
        if keys.is_empty() {
            break;
        }
        let port = cluster.nodes[to].port().to_string();
        let words = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
        let words: Vec<&str> = words.into_iter().chain(keys.iter().map(String::as_str)).collect();
        let reply = cluster.connect(from).call(&words);
        assert!(["OK", "NOKEY"].contains(&reply.text().as_str()), "{reply:?}");
    }
    // The new owner first, so that there is one at any time.
    for node in [to, from] {
        set(node, format!("NODE {}", cluster.id(to)));
    }
}

fn move_around(cluster: &Cluster) {
    let mut owner = cluster.owner_of(key_slot(COUNTER.as_bytes()));
    for _ in 0..MOVES {
        let next = (owner + 1) % 3;
        move_slot(cluster, owner, next);
        owner = next;
    }
}

#[test]
fn a_key_that_is_written_all_the_time_moves_and_no_write_is_lost() {
    let cluster = ClusterSpec::new(3, 0).node_timeout_ms(20_000).create();
    let writers = Writers::start(&cluster, 0, |_, client, written: u64| {
        let reply = client.call(&["INCR", COUNTER]);
        assert!(!reply.is_error(), "{reply:?}");
        written + 1
    });
    move_around(&cluster);
    let written: u64 = writers.finish().iter().sum();
    assert_eq!(cluster.client().call(&["GET", COUNTER]).text(), written.to_string());
}

#[test]
fn a_key_that_is_deleted_while_it_moves_stays_away() {
    let cluster = ClusterSpec::new(3, 0).node_timeout_ms(20_000).create();
    let writers = Writers::start(&cluster, 0, |number, client, written: u64| {
        let (text, list) = (format!("{{hot}}text{number}"), format!("{{hot}}list{number}"));
        let value = written.to_string();
        assert!(client.call(&["SET", &text, &value]).is_ok());
        assert_eq!(client.call(&["RPUSH", &list, &value]).int(), 1, "the last element was popped");
        assert_eq!(client.call(&["DEL", &text]).int(), 1);
        assert_eq!(client.call(&["EXISTS", &text]).int(), 0, "it was deleted");
        assert_eq!(client.call(&["LPOP", &list]).text(), value);
        written + 1
    });
    move_around(&cluster);
    assert!(writers.finish().iter().all(|written| *written > 0));
    for node in 0..3 {
        assert_eq!(cluster.nodes[node].cmd("DBSIZE").int(), 0);
    }
}
