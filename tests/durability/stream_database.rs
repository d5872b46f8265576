//! The stream of a primary names a database only when it changes. Whoever continues it, goes on in that database.

use integration::node::{Node, NodeSpec};
use integration::oracle::Binary;

use crate::{PAIRS, wait_link_up, wait_same_data};

fn node(binary: Binary) -> Node {
    NodeSpec::new(binary).with("repl-diskless-sync-delay", "0").with("repl-diskless-load", "swapdb").start()
}

#[track_caller]
fn follow(replica: &Node, primary: &Node) {
    replica.client().ok(&format!("REPLICAOF 127.0.0.1 {}", primary.port()));
    wait_link_up(replica);
}

#[test]
fn a_replica_that_left_and_came_back_goes_on_in_the_same_database() {
    for (primary, replica) in PAIRS {
        let (primary, replica) = (node(primary), node(replica));
        let mut client = primary.client();
        client.ok("SELECT 9");
        follow(&replica, &primary);
        client.ok("SET a 1");
        wait_same_data(&primary, &replica);
        replica.client().ok("REPLICAOF NO ONE");
        client.ok("SET b 1");
        follow(&replica, &primary);
        client.ok("SET c 1");
        wait_same_data(&primary, &replica);
    }
}

#[test]
fn a_replica_of_a_replica_begins_in_the_database_of_the_stream() {
    for (primary, middle) in PAIRS {
        let (primary, middle, leaf) = (node(primary), node(middle), node(Binary::Slotd));
        let mut client = primary.client();
        client.ok("SELECT 9");
        follow(&middle, &primary);
        client.ok("SET a 1");
        wait_same_data(&primary, &middle);
        follow(&leaf, &middle);
        client.ok("SET b 1");
        wait_same_data(&primary, &leaf);
        // And when it takes the stream from elsewhere.
        follow(&leaf, &primary);
        client.ok("SET c 1");
        wait_same_data(&primary, &leaf);
        follow(&leaf, &middle);
        client.ok("SET d 1");
        wait_same_data(&primary, &leaf);
    }
}

#[test]
fn a_replica_that_was_started_again_goes_on_in_the_same_database() {
    for (primary, replica) in PAIRS {
        let (primary, mut replica) = (node(primary), node(replica));
        let mut client = primary.client();
        client.ok("SELECT 9");
        follow(&replica, &primary);
        client.ok("SET a 1");
        wait_same_data(&primary, &replica);
        replica.client().ok("SAVE");
        replica.set_directive("replicaof", &format!("127.0.0.1 {}", primary.port()));
        replica.kill();
        replica.restart();
        wait_link_up(&replica);
        client.ok("SET b 1");
        wait_same_data(&primary, &replica);
    }
}
