//! Latencies of commands: LATENCY HISTOGRAM and INFO latencystats. Which calls count is compared, and how it is shown;
//! how long they took is not.

use std::collections::BTreeMap;

use integration::client::Client;
use integration::node::NodeSpec;
use integration::oracle::Binary;
use integration::resp::Value;

use crate::check;

#[test]
fn subcommands() {
    check(
        r#"
LATENCY
LATENCY NOSUCH
LATENCY HELP x
{any} LATENCY HELP
COMMAND INFO latency|histogram latency|help
COMMAND DOCS latency|histogram latency|help
COMMAND GETKEYS LATENCY HISTOGRAM set
MULTI
LATENCY HISTOGRAM nosuch
EXEC
EVAL "return redis.call('LATENCY', 'HISTOGRAM')" 0
"#,
    );
}

#[test]
fn histograms() {
    check(
        r#"
CONFIG RESETSTAT
SET a 1
GET a
GET
LPUSH a 1
{type} CLIENT ID
== names
{shape} LATENCY HISTOGRAM set
{shape} LATENCY HISTOGRAM SET GeT lpush
{shape} LATENCY HISTOGRAM set set
LATENCY HISTOGRAM nosuch
LATENCY HISTOGRAM nosuch incr client|nosuch client|id|x config| | ""
{shape} LATENCY HISTOGRAM nosuch set incr
{shape} LATENCY HISTOGRAM client
{shape} LATENCY HISTOGRAM CLIENT|ID
{shape} LATENCY HISTOGRAM client client|id
{shape} LATENCY HISTOGRAM config
CONFIG RESETSTAT
LATENCY HISTOGRAM set get client
{shape} LATENCY HISTOGRAM config|resetstat
== off
CONFIG SET latency-tracking no
SET a 1
LATENCY HISTOGRAM set
INFO latencystats
CONFIG SET latency-tracking yes
SET a 1
{shape} LATENCY HISTOGRAM set
CONFIG SET latency-tracking no
{shape} LATENCY HISTOGRAM set
CONFIG SET latency-tracking yes
"#,
    );
}

#[test]
fn percentiles() {
    check(
        r#"
CONFIG RESETSTAT
SET a 1
GET a
{type} CLIENT ID
{names} INFO latencystats
INFO Latency
CONFIG SET latency-tracking-info-percentiles "0.0 50.0 100.0"
CONFIG GET latency-tracking-info-percentiles
{names} INFO latencystats
CONFIG SET latency-tracking-info-percentiles ""
CONFIG GET latency-tracking-info-percentiles
CONFIG RESETSTAT
SET a 1
{names} INFO LATENCYSTATS
CONFIG SET latency-tracking-info-percentiles "99.99 1e1 0.000001"
{sorted} CONFIG GET latency-tracking*
CONFIG RESETSTAT
SET a 1
{names} INFO latencystats
CONFIG SET latency-tracking-info-percentiles "50 101"
CONFIG SET latency-tracking-info-percentiles "50  51"
CONFIG SET latency-tracking-info-percentiles "50 -1"
CONFIG SET latency-tracking-info-percentiles x
CONFIG SET latency-tracking maybe
{sorted} CONFIG GET latency-tracking*
"#,
    );
}

#[test]
fn percentiles_are_named_and_equal_those_of_one_call() {
    let shown = |binary| {
        let node = NodeSpec::new(binary).start();
        let mut client = node.client();
        client.ok("SET k v");
        ["50 99 99.9", "0 1e1 12.3456789 100", "100 50 50"].map(|percents| {
            assert!(client.call(&["CONFIG", "SET", "latency-tracking-info-percentiles", percents]).is_ok());
            let text = client.cmd("INFO latencystats").text();
            let line = text.lines().find_map(|line| line.strip_prefix("latency_percentiles_usec_set:"));
            let pairs = line.expect("it was called").split(',').map(|pair| pair.split_once('=').expect("a pair"));
            let us = |text: &str| text.parse::<f64>().expect("microseconds");
            let values: Vec<f64> = pairs.clone().map(|(_, value)| us(value)).collect();
            let [least, most] = [f64::min, f64::max].map(|pick| values.iter().copied().reduce(pick).expect("some"));
            assert!(0.0 < least && most < least * 1.01, "{text}");
            assert!(pairs.clone().all(|(_, value)| value.split('.').nth(1).map(str::len) == Some(3)), "{text}");
            pairs.map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
        })
    };
    assert_eq!(shown(Binary::Slotd), shown(Binary::Stock));
}

/// How many calls of each command have a latency.
fn calls(client: &mut Client) -> BTreeMap<String, i64> {
    let reply = client.cmd("LATENCY HISTOGRAM");
    let count = |entry: &Value| entry.items()[1].text().parse().expect("a number");
    reply.items().chunks(2).map(|pair| (pair[0].text(), count(&pair[1]))).collect()
}

/// What a server counts after these commands, which clients by turns send.
fn counted(binary: Binary, lines: &[&str], clients: usize) -> BTreeMap<String, i64> {
    let node = NodeSpec::new(binary).with("enable-debug-command", "yes").start();
    let mut clients: Vec<Client> = (0..clients).map(|_| node.client()).collect();
    clients[0].cmd("CONFIG RESETSTAT");
    for line in lines {
        clients.iter_mut().for_each(|client| drop(client.cmd(line)));
    }
    let mut counted = calls(&mut clients[0]);
    // Whatever the harness asks for until a node is ready.
    counted.retain(|name, _| name != "ping" && name != "info");
    counted
}

#[test]
fn the_same_calls_count() {
    let lines = [
        "SET a 1",
        "LPUSH a 1",
        "GET",
        "nosuch",
        "INCR a",
        "BLPOP nothing 0.01",
        "BLPOP list 1",
        "WAIT 1 10",
        "MULTI",
        "BLPOP nothing 1",
        "LRANGE nothing 0 -1",
        "EXEC",
        "MULTI",
        "DISCARD",
        "EXEC",
        "EVAL return(redis.call('set','a','1')) 0",
        "EVAL return(redis.call('nosuch')) 0",
        "EVAL return(redis.pcall('lpush','a','1')) 0",
        "SCRIPT EXISTS x",
        "DEBUG SLEEP 0.01",
        "DEBUG SLEEP 0",
        "FLUSHALL",
        "CONFIG GET save",
        "CONFIG GET",
        "CONFIG NOSUCH",
        "CLUSTER INFO",
        "SUBSCRIBE c",
        "UNSUBSCRIBE",
        "RESET",
    ];
    let stock = counted(Binary::Stock, &lines, 1);
    assert!(stock.len() > 12, "{stock:?}");
    assert_eq!(counted(Binary::Slotd, &lines, 1), stock);
}

#[test]
fn calls_of_all_threads_are_added_up() {
    let stock = counted(Binary::Stock, &["SET a 1", "GET a"], 40);
    assert_eq!((stock["set"], stock["get"]), (40, 40));
    assert_eq!(counted(Binary::Slotd, &["SET a 1", "GET a"], 40), stock);
}

#[test]
fn a_blocked_command_counts_when_it_is_served() {
    check(
        r#"
@b {type} !let id CLIENT ID
CONFIG RESETSTAT
@b !send BLPOP l 0
!blocked 1
LATENCY HISTOGRAM blpop
RPUSH l a
@b !read
{shape} LATENCY HISTOGRAM blpop
@b !send BRPOP l 0
!blocked 1
CLIENT UNBLOCK $id TIMEOUT
@b !read
{shape} LATENCY HISTOGRAM brpop
@b !send BZPOPMIN l 0
!blocked 1
CLIENT UNBLOCK $id ERROR
@b !read
{shape} LATENCY HISTOGRAM bzpopmin
@b !send BLMOVE l l LEFT LEFT 0.01
@b !read
LATENCY HISTOGRAM blmove
@b !send WAIT 3 0
!blocked 1
CLIENT UNBLOCK $id
@b !read
{shape} LATENCY HISTOGRAM wait
{counts blpop brpop bzpopmin blmove wait} INFO commandstats
"#,
    );
}

#[test]
fn how_long_a_command_takes_is_measured() {
    for binary in [Binary::Stock, Binary::Slotd] {
        let node = NodeSpec::new(binary).with("enable-debug-command", "yes").start();
        let mut client = node.client();
        client.ok("CONFIG SET latency-tracking-info-percentiles 50");
        client.ok("DEBUG SLEEP 0.05");
        client.ok("SET k v");
        let text = client.cmd("INFO latencystats").text();
        let median = |name: &str| -> f64 {
            let line =
                text.lines().find_map(|line| line.strip_prefix(&format!("latency_percentiles_usec_{name}:p50=")));
            line.expect("it was called").parse().expect("microseconds")
        };
        assert!((50_000.0..2_000_000.0).contains(&median("debug")), "{text}");
        assert!(median("set") < median("debug"), "{text}");
        let usec = client.cmd("INFO commandstats").text();
        let usec = usec.split("cmdstat_debug:calls=1,usec=").nth(1).and_then(|rest| rest.split(',').next());
        assert!(usec.and_then(|usec| usec.parse::<u64>().ok()) >= Some(50_000), "{usec:?}");
    }
}
