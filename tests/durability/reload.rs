//! DEBUG RELOAD saves the data set to the file and loads it again: no write that is acknowledged meanwhile is lost.

use integration::node::NodeSpec;
use integration::oracle::Binary;
use integration::wait::{secs, wait_until};

use crate::writers::Writers;
use crate::{wait_link_up, wait_same_data};

#[test]
fn what_is_acknowledged_during_a_reload_is_there_after_it() {
    let node = NodeSpec::new(Binary::Slotd).with("rdb-key-save-delay", "50").start();
    let mut client = node.client();
    for n in 0..3_000 {
        client.ok(&format!("SET filler:{n} v"));
    }
    let writers = Writers::start(&node, 4, false);
    for _ in 0..4 {
        writers.wait_more(30);
        client.ok("DEBUG RELOAD");
    }
    // Two at once take turns.
    let (mut first, mut second) = (node.client(), node.client());
    for client in [&mut first, &mut second] {
        client.send(&["DEBUG", "RELOAD"]).expect("sent");
    }
    for client in [&mut first, &mut second] {
        assert!(client.reply(secs(20)).expect("an answer").is_ok());
    }
    writers.wait_more(30);
    writers.finish(&node);
}

/// A replica's stream waits as well, and the replica continues where it was.
#[test]
fn a_replica_reloads_without_losing_its_place() {
    let primary = NodeSpec::new(Binary::Slotd).with("repl-diskless-sync-delay", "0").start();
    let replica = NodeSpec::new(Binary::Slotd).with("replicaof", &format!("127.0.0.1 {}", primary.port())).start();
    wait_link_up(&replica);
    let writers = Writers::start(&primary, 3, false);
    for _ in 0..4 {
        writers.wait_more(30);
        replica.client().ok("DEBUG RELOAD");
        primary.client().ok("DEBUG RELOAD");
    }
    writers.wait_more(10);
    writers.finish(&primary);
    wait_same_data(&primary, &replica);
    assert_eq!(primary.info("sync_full"), "1", "the replica was never sent everything again");
}

#[test]
fn what_cannot_be_reloaded_is_said() {
    let node = NodeSpec::new(Binary::Slotd).start();
    let mut client = node.client();
    client.ok("SET k v");
    assert_eq!(client.cmd("DEBUG RELOAD NOSAVE").text(), "ERR Error trying to load the RDB dump");
    let bogus = client.cmd("DEBUG RELOAD BOGUS").text();
    assert_eq!(bogus, "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
    wait_until("writes to go on", secs(5), || client.cmd("SET k w").is_ok());
}
