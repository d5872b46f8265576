//! Memory of connections: no more than what was sent, and it is freed again.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use integration::client::Client;
use integration::node::Node;
use integration::oracle::slotd_is_stock;
use integration::resp::encode;
use integration::wait::{secs, wait_ok};

use crate::{KIB, MIB, request_of, send_on, start};

/// Incomplete requests, each with the factor of their bytes that they may take.
fn unfinished() -> Vec<(&'static str, Vec<u8>, u64)> {
    let announced = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n".to_vec();
    let with = |bytes: usize| [announced.clone(), vec![b'v'; bytes]].concat();
    // A word of one byte also takes a place in the list of words; stock spends an object on it.
    let words = if slotd_is_stock() { 8 } else { 3 };
    vec![
        ("nothing", Vec::new(), 1),
        ("the first byte", b"*".to_vec(), 1),
        ("an announced array", b"*1000000\r\n".to_vec(), 1),
        ("an announced argument", announced.clone(), 1),
        ("its first byte", with(1), 1),
        ("its first 15 KiB", with(15 << 10), 1),
        ("its first 40,000 bytes", with(40_000), 1),
        ("its first 300,000 bytes", with(300_000), 1),
        ("its first 2 MiB", with(2 << 20), 1),
        ("a line without an end", vec![b'a'; 60_000], 1),
        ("all but the last byte", request_of(&["SET", "k"], 100_000).split_last().expect("bytes").1.to_vec(), 1),
        ("many words", [b"*1000000\r\n".to_vec(), b"$1\r\nw\r\n".repeat(100_000)].concat(), words),
        ("a long argument in MULTI", [encode(&["MULTI"]), with(200_000)].concat(), 1),
        ("what waits behind a blocked command", [encode(&["BLPOP", "nothing", "0"]), with(200_000)].concat(), 1),
    ]
}

#[test]
fn a_connection_takes_no_more_than_it_sent_and_64_kib() {
    const CONNECTIONS: usize = 40;
    for (what, bytes, times) in unfinished() {
        let node = start();
        let before = node.resident("VmRSS");
        let clients = send_on(&node, CONNECTIONS, &bytes);
        let allowed = CONNECTIONS as u64 * (bytes.len() as u64 * times + 64 * KIB);
        // Buffers that grew leave smaller blocks behind, which are returned to the system soon.
        wait_ok(&format!("{what}: {CONNECTIONS} times {} bytes to take no more", bytes.len()), secs(10), || {
            let grown = node.resident("VmRSS").saturating_sub(before);
            if grown <= allowed { Ok(()) } else { Err(grown) }
        });
        drop(clients);
    }
}

#[test]
fn bytes_of_an_announced_argument_cost_no_more_than_others() {
    let node = start();
    let mut client = node.client();
    let started = std::time::Instant::now();
    client.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$20000\r\n").expect("sent");
    for _ in 0..20_000 {
        client.send_raw(b"v").expect("sent");
    }
    client.send_raw(b"\r\n").expect("sent");
    assert!(client.reply(secs(20)).expect("a reply").is_ok());
    let small = started.elapsed();
    let started = std::time::Instant::now();
    client.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n").expect("sent");
    for _ in 0..20_000 {
        client.send_raw(b"v").expect("sent");
    }
    assert_eq!(node.cmd("PING").text(), "PONG");
    let large = started.elapsed();
    assert!(large < small * 4 + secs(1), "20,000 bytes one by one: {small:?} of a short one, {large:?} of a long one");
}

#[test]
fn a_long_value_costs_its_size_once() {
    const SIZE: u64 = 128 * MIB;
    let node = start();
    let before = node.resident("VmRSS");
    let mut client = node.client();
    client.send_raw(&request_of(&["SET", "k"], SIZE as usize)).expect("sent");
    assert!(client.reply(secs(60)).expect("a reply").is_ok());
    let most = node.resident("VmHWM") - before;
    assert!(most <= SIZE * 11 / 10, "{most} bytes for a value of {SIZE}");
    // And once more with another command that overwrites: nothing of the old value stays.
    client.send_raw(&request_of(&["SET", "k"], SIZE as usize)).expect("sent");
    assert!(client.reply(secs(60)).expect("a reply").is_ok());
    assert_eq!(client.cmd("APPEND k y").int(), SIZE as i64 + 1);
    assert_eq!(client.cmd("GETRANGE k -3 -1").text(), "xxy");
    assert!(client.cmd("DEL k").int() == 1);
    wait_small(&node, before, "a long value");
}

/// Waits until the server is as small as before, with some slack.
#[track_caller]
fn wait_small(node: &Node, before: u64, what: &str) {
    let slack = 20 * MIB;
    wait_ok(&format!("memory to come back after {what}"), secs(30), || {
        let (resident, used) = (node.resident("VmRSS"), node.info("used_memory").parse::<u64>().expect("a number"));
        if resident <= before + slack && used <= before + slack { Ok(()) } else { Err((before, resident, used)) }
    });
}

/// Sends a request and reads so many bytes of its reply without checking them.
fn read_through(node: &Node, request: &[u8], bytes: usize) {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, node.port())).expect("the server accepts");
    stream.write_all(request).expect("sent");
    let read = std::io::copy(&mut stream.take(bytes as u64), &mut std::io::sink()).expect("a reply");
    assert_eq!(read, bytes as u64);
}

/// Sets so many keys of about a kilobyte.
fn fill(client: &mut Client, keys: usize) {
    let value = "v".repeat(950);
    for first in (0..keys).step_by(1000) {
        let batch: Vec<u8> =
            (first..first + 1000).flat_map(|i| encode(&["SET", &format!("key:{i}"), &value])).collect();
        client.send_raw(&batch).expect("sent");
        for _ in 0..1000 {
            assert!(client.reply(secs(20)).expect("a reply").is_ok());
        }
    }
}

#[test]
fn memory_comes_back_when_data_go() {
    for flush in ["FLUSHALL", "FLUSHALL ASYNC", "FLUSHDB"] {
        let node = start();
        let before = node.resident("VmRSS");
        // Made by several workers, each with its own heap.
        let mut clients: Vec<Client> = (0..12).map(|_| node.client()).collect();
        clients.iter_mut().for_each(|client| fill(client, 10_000));
        fill(&mut clients[11], 100_000);
        let filled = node.info("used_memory").parse::<u64>().expect("a number");
        assert!(filled > before + 80 * MIB, "used_memory counts the data: {filled}");
        node.client().ok(flush);
        wait_small(&node, before, flush);
    }
}

#[test]
fn memory_comes_back_from_buffers() {
    let node = start();
    let before = node.resident("VmRSS");
    let mut client = node.client();
    client.send_raw(&request_of(&["SET", "k"], 4 << 20)).expect("sent");
    assert!(client.reply(secs(20)).expect("a reply").is_ok());

    let mget: Vec<&str> = ["MGET"].into_iter().chain(["k"; 40]).collect();
    read_through(&node, &encode(&mget), 160 << 20);
    wait_small(&node, before, "a reply of 160 MiB");

    client.send_raw(&encode(&["BLPOP", "nothing", "0"])).expect("sent");
    let one = request_of(&["ECHO"], 1 << 20);
    for _ in 0..100 {
        client.send_raw(&one).expect("sent");
    }
    // Not before all is sent: a client that only sends and a server that only replies would wait for each other.
    node.cmd("LPUSH nothing x");
    for _ in 0..101 {
        client.reply(secs(20)).expect("a reply");
    }
    wait_small(&node, before, "a pipeline of 100 MiB behind a blocked command");

    let words: Vec<String> = (0..1_000_000).map(|i| i.to_string()).collect();
    client.call(&["DEL".to_owned()].into_iter().chain(words).collect::<Vec<_>>());
    wait_small(&node, before, "a command of a million words");

    let many =
        send_on(&node, 400, &[b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n".to_vec(), vec![b'v'; 200_000]].concat());
    drop(many);
    wait_small(&node, before, "400 connections with 200 KB each");
    assert_eq!(client.call(&["PING"]).text(), "PONG", "the connection that used it all is still there");
}
