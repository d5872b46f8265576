//! Clients that write until their connections end, and a check of what was acknowledged.
//!
//! Each writer has its own keys, goes through every writing command, one after the other, and counts the replies.
//! Afterwards the state must be that after exactly so many commands, or after one more, whose reply did not arrive.
//! Stock Redis provides the expected state: the same commands are played to it, and the digests of the keys are
//! compared.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use integration::client::Client;
use integration::node::{Node, NodeSpec};
use integration::oracle::{Binary, slotd_is_stock};
use integration::resp::Value;
use integration::wait::{secs, wait_until};

/// Writing commands that are not in the round: they work on whole databases, need another server, or are unknown to the
/// stock one; they have their own tests.
const ELSEWHERE: [&str; 12] = [
    "flushall",
    "flushdb",
    "swapdb",
    "migrate",
    "delifeq",
    "delex",
    "msetex",
    "cluster|flushslot",
    "function|load",
    "function|delete",
    "function|flush",
    "function|restore",
];

/// One round of a writer; a line is sent and counted as one step. `K` stands for the writer's hash tag, `P` for a
/// payload of DUMP. After ` = ` stands what does the same on stock Redis 7.0, which lacks the command.
const ROUND: &[&str] = &[
    "INCR K:n",
    "SET K:s value",
    "APPEND K:s more",
    "SETRANGE K:s 3 xyz",
    "INCRBY K:n 5",
    "DECR K:n",
    "DECRBY K:n 2",
    "INCRBYFLOAT K:f 1.5",
    "GETSET K:g new",
    "GETEX K:g EX 100000",
    "PERSIST K:g",
    "EXPIRE K:g 100000",
    "GETDEL K:g",
    "SETEX K:e 100000 v",
    "PSETEX K:e2 100000000 v",
    "SETNX K:nx v",
    "DEL K:nx",
    "MSET K:m1 a K:m2 b",
    "MSETNX K:m3 a K:m4 b",
    "UNLINK K:m1 K:m2 K:m3 K:m4",
    "RPUSH K:l a b c d e f",
    "LPUSH K:l z y x",
    "RPUSHX K:l g",
    "LPUSHX K:l w",
    "LSET K:l 0 first",
    "LINSERT K:l BEFORE a before",
    "LREM K:l 1 b",
    "LPOP K:l",
    "RPOP K:l",
    "LMOVE K:l K:l2 LEFT RIGHT",
    "RPOPLPUSH K:l K:l2",
    "BLPOP K:l 0",
    "BRPOP K:l 0",
    "BLMOVE K:l K:l2 LEFT LEFT 0",
    "BRPOPLPUSH K:l K:l2 0",
    "LMPOP 1 K:l2 LEFT",
    "BLMPOP 0 1 K:l2 RIGHT",
    "LTRIM K:l 1 -1",
    "SADD K:set a b c d 1 2",
    "SADD K:ints 1 2 3 4 5 6",
    "SREM K:set a x",
    "SMOVE K:set K:moved b",
    "SUNIONSTORE K:all K:set K:ints K:moved",
    "SINTERSTORE K:both K:all K:ints",
    "SDIFFSTORE K:rest K:all K:both",
    "SPOP K:moved",
    "SPOP K:both 9",
    "DEL K:set K:ints K:rest",
    "HSET K:h a 1 b 2 c 3",
    "HMSET K:h d 4 e 5",
    "HSETNX K:h f 6",
    "HINCRBY K:h a 7",
    "HINCRBYFLOAT K:h b 0.5",
    "HDEL K:h c d",
    "HSET K:h2 f a-value-that-is-too-long-to-be-kept-in-a-listpack-since-it-has-more-than-64-bytes",
    "HINCRBY K:h2 n 1",
    "HDEL K:h2 f",
    "HSETEX K:h3 FIELDS 6 a 1 b 2 c 3 d 4 e 5 f 6 = HSET K:h3 a 1 b 2 c 3 d 4 e 5 f 6",
    "HGETDEL K:h3 FIELDS 1 a = HDEL K:h3 a",
    "HGETEX K:h3 PXAT 1 FIELDS 1 b = HDEL K:h3 b",
    "HEXPIRE K:h3 0 FIELDS 1 c = HDEL K:h3 c",
    "HPEXPIRE K:h3 0 FIELDS 1 d = HDEL K:h3 d",
    "HEXPIREAT K:h3 1 FIELDS 1 e = HDEL K:h3 e",
    "MULTI ; HEXPIRE K:h3 1000 FIELDS 1 f ; HPERSIST K:h3 FIELDS 1 f ; EXEC = PING",
    "HPEXPIREAT K:h3 1 FIELDS 1 f = HDEL K:h3 f",
    "SETBIT K:b 7 1",
    "SETBIT K:b 100 1",
    "BITOP NOT K:b2 K:b",
    "BITOP AND K:b3 K:b K:b2",
    "BITFIELD K:b SET u8 0 200 INCRBY i16 #2 5",
    "PFADD K:p a b c",
    "PFADD K:p2 d e",
    "PFMERGE K:p3 K:p K:p2",
    "PFDEBUG TODENSE K:p",
    "ZADD K:z 1 a 2 b 3 c 4 d 5 e 6 f 7 g 8 h 9 i",
    "ZINCRBY K:z 1.5 a",
    "ZRANGESTORE K:z2 K:z 0 -1",
    "ZREM K:z b",
    "ZREMRANGEBYRANK K:z 0 0",
    "ZREMRANGEBYSCORE K:z 3 3",
    "ZPOPMIN K:z",
    "ZPOPMAX K:z",
    "ZMPOP 1 K:z MIN",
    "BZMPOP 0 1 K:z2 MAX",
    "BZPOPMIN K:z2 0",
    "BZPOPMAX K:z2 0",
    "ZUNIONSTORE K:z4 2 K:z K:z2",
    "ZINTERSTORE K:z5 2 K:z4 K:z2",
    "ZDIFFSTORE K:z6 2 K:z4 K:z",
    "ZADD K:z3 0 a 0 b 0 c",
    "ZREMRANGEBYLEX K:z3 [a [b",
    "DEL K:z K:z2",
    "GEOADD K:geo 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
    "GEOSEARCHSTORE K:geo2 K:geo FROMLONLAT 15 37 BYRADIUS 200 km",
    "GEORADIUS K:geo 15 37 100 km STORE K:geo2",
    "GEORADIUSBYMEMBER K:geo Palermo 200 km STOREDIST K:geo3",
    "SORT K:l ALPHA STORE K:sorted",
    "SORT K:ints BY nosort STORE K:sorted2",
    "XADD K:x 1-1 f v",
    "XADD K:x 1-2 f v g w",
    "XADD K:x MAXLEN ~ 100 2-1 f v",
    "XGROUP CREATE K:x g 0",
    "XGROUP CREATECONSUMER K:x g c",
    "XREADGROUP GROUP g c COUNT 2 STREAMS K:x >",
    "XACK K:x g 1-1",
    "XCLAIM K:x g d 0 1-1 FORCE JUSTID",
    "XAUTOCLAIM K:x g c 0 0 COUNT 1",
    "XREADGROUP GROUP g d NOACK STREAMS K:x >",
    "XGROUP SETID K:x g 0",
    "XGROUP DELCONSUMER K:x g d",
    "XGROUP DESTROY K:x g",
    "XADD K:x2 7-1 f v",
    "XADD K:x2 8-1 f v g w",
    "XADD K:x2 9-1 f 12",
    "XDEL K:x2 7-1",
    "XTRIM K:x2 MAXLEN 1",
    "XSETID K:x2 100-0",
    "XADD K:x3 1-1 f v",
    "XADD K:x3 2-1 f v",
    "XADD K:x3 3-1 f v",
    "XGROUP CREATE K:x3 g 0",
    "XREADGROUP GROUP g c COUNT 2 STREAMS K:x3 >",
    "XACKDEL K:x3 g IDS 1 1-1 = MULTI ; XACK K:x3 g 1-1 ; XDEL K:x3 1-1 ; EXEC",
    "XDELEX K:x3 DELREF IDS 2 2-1 3-1 = MULTI ; XACK K:x3 g 2-1 ; XDEL K:x3 2-1 3-1 ; EXEC",
    "DEL K:x K:x2 K:x3",
    "EXPIREAT K:l 33177117420",
    "PEXPIREAT K:l2 33177117420000",
    "PEXPIRE K:s 100000000",
    "RENAME K:s K:s2",
    "COPY K:s2 K:s REPLACE",
    "RENAMENX K:s2 K:s3",
    "DEL K:s2",
    "RESTORE K:r 0 P REPLACE",
    "APPEND K:r x",
    "RESTORE-ASKING K:r 0 P REPLACE",
    "DEL K:r K:l2",
    "SET K:mv 1",
    "MOVE K:mv 1",
    "MULTI ; INCR K:n ; RPUSH K:l in-a-transaction ; EXEC",
    "EVAL redis.call('incr',KEYS[1])return(redis.call('rpush',KEYS[2],ARGV[1])) 2 K:n K:l in-a-script",
    "EVAL redis.call('hset',KEYS[1],'f',ARGV[1]) 1 K:h4 v",
    "MULTI ; EVAL redis.call('del',KEYS[1])redis.call('incr',KEYS[2]) 2 K:h4 K:n ; INCR K:n ; EXEC",
];

/// The commands of a writer.
#[derive(Clone)]
struct Script {
    tag: String,
    payload: Vec<u8>,
    round: Vec<&'static str>,
}

impl Script {
    fn new(number: usize, payload: &[u8], cluster: bool) -> Self {
        let round = ROUND.iter().copied().filter(|line| !(cluster && line.starts_with("MOVE"))).collect();
        Self { tag: format!("{{w{number}}}"), payload: payload.to_vec(), round }
    }

    /// What is sent as step number `step`, to the node or to stock Redis.
    fn step(&self, step: usize, to: Binary) -> Vec<Vec<Vec<u8>>> {
        let word = |word: &str| match word {
            "P" => self.payload.clone(),
            word => word.replace("K:", &format!("{}:", self.tag)).into_bytes(),
        };
        let command = |line: &str| line.split(' ').map(word).collect();
        let line = self.round[step % self.round.len()];
        let (ours, stock) = line.split_once(" = ").unwrap_or((line, line));
        let line = if to == Binary::Stock { stock } else { ours };
        line.split(" ; ").map(command).collect()
    }

    /// Plays a step; returns its last reply.
    fn play(&self, step: usize, client: &mut Client, to: Binary) -> std::io::Result<Value> {
        let mut last = Value::Null;
        for command in self.step(step, to) {
            last = client.try_call_within(&command, secs(60))?;
        }
        Ok(last)
    }

    fn keys(&self) -> BTreeSet<String> {
        let words = self.round.iter().flat_map(|line| line.split(' ')).filter(|word| word.starts_with("K:"));
        words.map(|word| word.replace("K:", &format!("{}:", self.tag))).collect()
    }

    /// What the keys hold.
    fn digests(&self, client: &mut Client) -> Vec<(String, Value)> {
        let digest = |key: String| {
            let digest = client.call(&["DEBUG", "DIGEST-VALUE", &key]);
            (key, digest)
        };
        self.keys().into_iter().map(digest).collect()
    }
}

/// Writers on one node.
pub(crate) struct Writers {
    scripts: Vec<Script>,
    counts: Vec<Arc<AtomicUsize>>,
    threads: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

impl Writers {
    /// Starts `number` writers. Every command of the node that writes is in their round.
    #[track_caller]
    pub(crate) fn start(node: &Node, number: usize, cluster: bool) -> Self {
        let mut client = node.client();
        every_command_that_writes_is_in_the_round(&mut client, node.binary());
        client.ok("SET {w0}:payload some-value");
        let Value::Bulk(payload) = client.cmd("DUMP {w0}:payload") else { panic!("no payload") };
        client.cmd("DEL {w0}:payload");
        let scripts: Vec<_> = (0..number).map(|index| Script::new(index, &payload, cluster)).collect();
        let counts: Vec<Arc<AtomicUsize>> = scripts.iter().map(|_| Arc::default()).collect();
        let stop: Arc<AtomicBool> = Arc::default();
        let binary = if slotd_is_stock() { Binary::Stock } else { node.binary() };
        let spawn = |(script, count): (&Script, &Arc<AtomicUsize>)| {
            let (script, count, stop, mut client) = (script.clone(), count.clone(), stop.clone(), node.client());
            thread::spawn(move || {
                let mut step = 0;
                while !stop.load(Ordering::Relaxed) {
                    match script.play(step, &mut client, binary) {
                        // The node ends, or is no primary any more.
                        Err(_) => return,
                        Ok(reply) if reply.text().starts_with("READONLY") => return,
                        // Refused while the data set is being loaded: repeated later.
                        Ok(reply) if reply.text().starts_with("LOADING") || reply.text().starts_with("EXECABORT") => {
                            continue;
                        }
                        Ok(reply) => {
                            assert!(!reply.is_error(), "{}: {reply:?}", script.round[step % script.round.len()]);
                        }
                    }
                    step += 1;
                    count.store(step, Ordering::SeqCst);
                }
            })
        };
        let threads = scripts.iter().zip(&counts).map(spawn).collect();
        Self { scripts, counts, threads, stop }
    }

    /// Waits until each writer has had `more` further replies.
    #[track_caller]
    pub(crate) fn wait_more(&self, more: usize) {
        let before: Vec<usize> = self.counts.iter().map(|count| count.load(Ordering::SeqCst)).collect();
        wait_until("the writers to be answered", secs(30), || {
            self.counts.iter().zip(&before).all(|(count, before)| count.load(Ordering::SeqCst) >= before + more)
        });
    }

    /// Stops the writers, and compares the node's data with the replies.
    #[track_caller]
    pub(crate) fn finish(self, node: &Node) {
        self.stop.store(true, Ordering::Relaxed);
        self.judge(node);
    }

    /// Waits for the writers' ends and compares the node's data with the replies.
    #[track_caller]
    pub(crate) fn judge(self, node: &Node) {
        self.threads.into_iter().for_each(|thread| thread.join().expect("every command is answered without an error"));
        let reference = NodeSpec::new(Binary::Stock).start();
        let (mut reference, mut client) = (reference.client(), node.client());
        for (script, count) in self.scripts.iter().zip(&self.counts) {
            let count = count.load(Ordering::SeqCst);
            for step in 0..count {
                script.play(step, &mut reference, Binary::Stock).expect("stock Redis answers");
            }
            let found = script.digests(&mut client);
            let wanted = script.digests(&mut reference);
            if found == wanted {
                continue;
            }
            // One more step may have been executed without its reply arriving.
            script.play(count, &mut reference, Binary::Stock).expect("stock Redis answers");
            let or = script.digests(&mut reference);
            assert_eq!(
                found, or,
                "{}: neither after {count} answers nor after one more step, but {wanted:?}",
                script.tag
            );
        }
    }
}

/// Fails if a new writing command is not in the round.
#[track_caller]
fn every_command_that_writes_is_in_the_round(client: &mut Client, binary: Binary) {
    let reply = client.cmd("COMMAND LIST FILTERBY ACLCAT write");
    let known: BTreeSet<String> = reply.items().iter().map(Value::text).collect();
    let played: BTreeSet<String> = ROUND
        .iter()
        .map(|line| line.split(" = ").next().unwrap_or_default())
        .flat_map(|line| line.split(" ; "))
        .flat_map(|command| {
            // A subcommand is listed with its container's name.
            let mut words = command.split(' ').map(str::to_lowercase);
            let (name, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            [format!("{name}|{second}"), name]
        })
        .collect();
    let missing: Vec<_> =
        known.iter().filter(|name| !played.contains(*name) && !ELSEWHERE.contains(&name.as_str())).collect();
    assert!(missing.is_empty() || binary.is_stock(), "not in the round: {missing:?}");
}
