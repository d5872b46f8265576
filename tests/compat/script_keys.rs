//! The keys of scripts, whatever way their requests come.
//!
//! A node looks the first key of a script up ahead of its turn, and takes what it has found then for the same key in
//! the script's commands. No words in its place, no order of requests and no connection may make it another key.

use integration::node::NodeSpec;
use integration::oracle::Binary;
use integration::resp::{encode, split_line};
use integration::wait::secs;

/// Gives the values of its keys, and what its arguments are after they were incremented.
const SCRIPT: &str = "\"local r={#KEYS} for _,k in ipairs(KEYS) do r[#r+1]=redis.call('get',k) or 'none' end \
                      for _,a in ipairs(ARGV) do r[#r+1]=redis.call('incr',a) end return r\"";

/// The requests. `S` is the script above.
fn requests() -> Vec<String> {
    let calls = "
MSET a 1 b 2 {a}c 3 longer:key:of:some:length 4
EVAL S 1 a b
EVAL S 1 a a
EVAL S 1 {a}c a
EVAL S 2 a b {a}c
EVAL S 2 b b
EVAL S 0 a
EVAL S 0 longer:key:of:some:length
EVAL S 01 a b
EVAL S +1 a b
EVAL S 1
EVAL S 2 a
EVAL S -1 a
EVAL S 1 nosuch longer:key:of:some:length
EVAL \"redis.call('select',1) redis.call('incr',KEYS[1]) redis.call('select',0) return redis.call('get',KEYS[1])\" 1 a
EVAL \"redis.call('swapdb',0,1) return redis.call('get',KEYS[1])\" 1 a
EVAL \"redis.call('swapdb',0,1) return redis.call('get',KEYS[1])\" 1 a
EVAL \"KEYS[1]='b' return redis.call('get',KEYS[1])\" 1 a
EVAL \"return redis.call('rename',KEYS[1],'z')\" 1 b
EVAL \"return redis.call('get',KEYS[1])\" 1 z
EVAL_RO \"return redis.call('get',KEYS[1])\" 1 a
SELECT 1
EVAL \"return redis.call('get',KEYS[1])\" 1 a
GET a
SELECT 0
FUNCTION LOAD REPLACE \"#!lua name=l\\nredis.register_function('f',function(k,a) return redis.call('incr',k[1])+#k+#a end)\"
FCALL f 1 a b
FCALL f 2 a b
FCALL f 0 a
FCALL f 1 a
SET b 5
MULTI
EVAL S 1 a b
EVAL S 2 a b
EVAL S 0 a
FCALL f 1 a
EXEC
MGET a b {a}c longer:key:of:some:length z
";
    calls.trim().lines().map(|line| line.replace(" S ", &format!(" {SCRIPT} "))).collect()
}

/// The replies to all requests, whose bytes come in pieces of this size.
fn replies(binary: Binary, bytes: &[u8], piece: usize, count: usize) -> Vec<String> {
    let node = NodeSpec::new(binary).start();
    let mut client = node.client();
    for piece in bytes.chunks(piece) {
        client.send_raw(piece).expect("it listens");
    }
    (0..count)
        .map(|_| String::from_utf8_lossy(&client.frame(secs(20)).expect("a reply to each")).into_owned())
        .collect()
}

#[test]
fn a_script_has_its_own_keys_however_its_request_comes() {
    let requests = requests();
    let arrays: Vec<u8> = requests.iter().flat_map(|line| encode(&split_line(line))).collect();
    let inline = (requests.join("\r\n") + "\r\n").into_bytes();
    let stock = replies(Binary::Stock, &arrays, usize::MAX, requests.len());
    assert!(stock.iter().any(|reply| reply.starts_with("*3\r\n:1\r\n$1\r\n1\r\n:3")), "scripts run: {stock:?}");
    for (bytes, piece) in [(&arrays, usize::MAX), (&arrays, 7), (&arrays, 100), (&inline, usize::MAX), (&inline, 31)] {
        let ours = replies(Binary::Slotd, bytes, piece, requests.len());
        for (at, request) in requests.iter().enumerate() {
            assert_eq!(ours[at], stock[at], "{request}, in pieces of {piece}");
        }
    }
}
