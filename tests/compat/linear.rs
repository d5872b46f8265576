//! Time is linear in arguments: ten times the words cost about ten times the time, whatever the command does with them.
//!
//! A list that is searched for each word makes a command of 100,000 words hold its locks for seconds, and no other test
//! notices. So every command that takes any number of words according to COMMAND DOCS has a case here; a command
//! without one fails the test. The measure is the CPU time of the server's threads, which depends little on what else
//! the machine does, and of several runs the cheapest counts. The *growth* is judged, not the amount.
//!
//! In cluster mode all keys are in one slot, through a hash tag; otherwise they are spread over all slots.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use integration::node::{Node, NodeSpec};
use integration::oracle::{Binary, slotd_is_stock};
use integration::resp::{Value, encode};
use integration::wait::{secs, wait_until};

/// The number of words of a command, or of commands of an EXEC.
const SIZES: [usize; 3] = [2_000, 20_000, 200_000];
/// Runs of each size; the cheapest counts.
const RUNS: [usize; 3] = [5, 3, 2];
/// Time may grow with this power of the number of words, from each size to the next; 2 is quadratic. Caches that become
/// too small account for 0.4.
const EXPONENT: f64 = 1.6;
/// Times below this, milliseconds, cannot be told from noise.
const FLOOR: f64 = 1.0;

type Words = Vec<Vec<u8>>;

/// How a command is called with `n` words.
struct Case {
    /// The name in COMMAND DOCS; what follows a space distinguishes two cases of a command.
    name: &'static str,
    /// Commands sent before, which are not measured.
    before: fn(&Names, usize) -> Vec<Words>,
    /// Commands that are measured.
    calls: fn(&Names, usize) -> Vec<Words>,
    /// Redis itself searches a list here.
    quadratic_in_redis: bool,
}

/// Makes keys, with a hash tag or without.
struct Names {
    tag: &'static str,
}

impl Names {
    fn keys(&self, n: usize) -> Words {
        (0..n).map(|number| format!("{}key:{number:09}", self.tag).into_bytes()).collect()
    }

    fn pairs(&self, n: usize) -> Words {
        self.keys(n).into_iter().flat_map(|key| [key, b"v".to_vec()]).collect()
    }

    /// One key.
    fn key(&self) -> String {
        format!("{}one", self.tag)
    }
}

fn words(text: &str) -> Words {
    text.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

/// A command that begins with `head`, goes on with `middle` and ends with `tail`.
fn call(head: &str, middle: Words, tail: &str) -> Vec<Words> {
    vec![[words(head), middle, if tail.is_empty() { vec![] } else { words(tail) }].concat()]
}

fn nothing(_: &Names, _: usize) -> Vec<Words> {
    Vec::new()
}

fn filled(names: &Names, n: usize) -> Vec<Words> {
    call("MSET", names.pairs(n), "")
}

/// A hash of so many fields at one key.
fn fields(names: &Names, n: usize) -> Vec<Words> {
    call(&format!("HSET {}", names.key()), names.pairs(n), "")
}

/// A hash of so many fields, all of which expire.
fn timed(names: &Names, n: usize) -> Vec<Words> {
    call(&format!("HSETEX {} EX 1000 FIELDS {n}", names.key()), names.pairs(n), "")
}

/// A set of so many texts at one key.
fn members(names: &Names, n: usize) -> Vec<Words> {
    call(&format!("SADD {}", names.key()), names.keys(n), "")
}

/// So many ids.
fn ids(n: usize) -> Words {
    (1..=n).map(|number| number.to_string().into_bytes()).collect()
}

/// A stream of so many entries at one key.
fn entries(names: &Names, n: usize) -> Vec<Words> {
    let key = names.key();
    (1..=n).map(|number| words(&format!("XADD {key} {number} f v"))).collect()
}

/// The same, and a group with all of them pending.
fn pending(names: &Names, n: usize) -> Vec<Words> {
    let group = [
        words(&format!("XGROUP CREATE {} g 0", names.key())),
        words(&format!("XREADGROUP GROUP g c STREAMS {} >", names.key())),
    ];
    [entries(names, n), group.to_vec()].concat()
}

/// So many keys, each a set of the same two members.
fn sets(names: &Names, n: usize) -> Vec<Words> {
    names.keys(n).into_iter().map(|key| [words("SADD"), vec![key], words("a b")].concat()).collect()
}

const fn case(name: &'static str, calls: fn(&Names, usize) -> Vec<Words>) -> Case {
    Case { name, before: nothing, calls, quadratic_in_redis: false }
}

impl Case {
    const fn after(mut self, before: fn(&Names, usize) -> Vec<Words>) -> Self {
        self.before = before;
        self
    }

    const fn quadratic_in_redis(mut self) -> Self {
        self.quadratic_in_redis = true;
        self
    }

    fn command(&self) -> &str {
        self.name.split(' ').next().unwrap_or_default()
    }
}

/// Loads a function that counts its keys.
fn library() -> Words {
    let code = "#!lua name=counts\nredis.register_function{function_name='count',flags={'no-writes'},callback=function(keys) \
                return #keys end}";
    [words("FUNCTION LOAD REPLACE"), vec![code.into()]].concat()
}

/// The digest of the script `return(#KEYS)`.
const DIGEST: &str = "7cfec76a455ca959404ecddeea974929dc72f3fe";

/// The same word `n` times.
fn same(word: &str, n: usize) -> Words {
    vec![word.as_bytes().to_vec(); n]
}

fn numbers(n: usize) -> Words {
    (0..n).map(|number| (1_000_000 + number).to_string().into_bytes()).collect()
}

/// Scores and members.
fn scored(n: usize) -> Words {
    numbers(n).into_iter().flat_map(|member| [member[1..].to_vec(), member]).collect()
}

fn scored_set(names: &Names, n: usize) -> Vec<Words> {
    call(&format!("ZADD {}", names.key()), scored(n), "")
}

/// Places and members.
fn places(n: usize) -> Words {
    let place = |number: usize| [number % 170, number / 170 % 170].map(|degrees| (degrees as f64 - 85.0).to_string());
    numbers(n)
        .into_iter()
        .enumerate()
        .flat_map(|(at, member)| [place(at).map(String::into_bytes).to_vec(), vec![member]].concat())
        .collect()
}

fn places_set(names: &Names, n: usize) -> Vec<Words> {
    call(&format!("GEOADD {}", names.key()), places(n), "")
}

/// `calls` between MULTI and EXEC.
fn transaction(calls: Vec<Words>) -> Vec<Words> {
    [vec![words("MULTI")], calls, vec![words("EXEC")]].concat()
}

/// Cases on keys: played without a hash tag, and in cluster mode with one.
const KEYED: &[Case] = &[
    case("mset", |names, n| call("MSET", names.pairs(n), "")),
    case("msetnx", |names, n| call("MSETNX", names.pairs(n), "")),
    case("msetex", |names, n| call(&format!("MSETEX {n}"), names.pairs(n), "EX 1000")),
    case("mget", |names, n| call("MGET", names.keys(n), "")).after(filled),
    case("mget of one key", |names, n| call("MGET", same(&names.key(), n), "")),
    case("mget and mset of who tracks", |names, n| {
        let tracking = vec![words("HELLO 3"), words("CLIENT TRACKING ON")];
        [tracking, call("MGET", names.keys(n), ""), call("MSET", names.pairs(n), "")].concat()
    }),
    case("exists", |names, n| call("EXISTS", names.keys(n), "")).after(filled),
    case("touch", |names, n| call("TOUCH", names.keys(n), "")).after(filled),
    case("del", |names, n| call("DEL", names.keys(n), "")).after(filled),
    case("unlink", |names, n| call("UNLINK", names.keys(n), "")).after(filled),
    case("watch", |names, n| call("WATCH", names.keys(n), "")).quadratic_in_redis(),
    case("watch and exec", |names, n| {
        let each = names.keys(n).into_iter().map(|key| vec![b"SET".to_vec(), key, b"v".to_vec()]).collect();
        [call("WATCH", names.keys(n), ""), transaction(each)].concat()
    })
    .quadratic_in_redis(),
    case("watch and unwatch", |names, n| [call("WATCH", names.keys(n), ""), vec![words("UNWATCH")]].concat())
        .quadratic_in_redis(),
    case("mget in exec", |names, n| transaction(call("MGET", names.keys(n), ""))).after(filled),
    case("eval", |names, n| call(&format!("EVAL return(#KEYS) {n}"), names.keys(n), "")),
    case("eval_ro", |names, n| call(&format!("EVAL_RO return(#KEYS) {n}"), names.keys(n), "")),
    case("evalsha", |names, n| call(&format!("EVALSHA {DIGEST} {n}"), names.keys(n), ""))
        .after(|_, _| vec![words("SCRIPT LOAD return(#KEYS)")]),
    case("evalsha_ro", |names, n| call(&format!("EVALSHA_RO {DIGEST} {n}"), names.keys(n), ""))
        .after(|_, _| vec![words("SCRIPT LOAD return(#KEYS)")]),
    case("blpop", |names, n| call("BLPOP", names.keys(n), "0.01")),
    case("brpop", |names, n| call("BRPOP", names.keys(n), "0.01")),
    case("blmpop", |names, n| call(&format!("BLMPOP 0.01 {n}"), names.keys(n), "LEFT")),
    case("lmpop", |names, n| call(&format!("LMPOP {n}"), names.keys(n), "LEFT")),
    case("lpush", |names, n| call(&format!("LPUSH {}", names.key()), numbers(n), "")),
    case("rpush", |names, n| call(&format!("RPUSH {}", names.key()), numbers(n), "")),
    case("lpushx", |names, n| call(&format!("LPUSHX {}", names.key()), numbers(n), ""))
        .after(|names, _| vec![words(&format!("RPUSH {} a", names.key()))]),
    case("rpushx", |names, n| call(&format!("RPUSHX {}", names.key()), numbers(n), ""))
        .after(|names, _| vec![words(&format!("RPUSH {} a", names.key()))]),
    case("lrem", |names, n| vec![words(&format!("LREM {} {} x", names.key(), n / 2))])
        .after(|names, n| call(&format!("RPUSH {}", names.key()), same("x", n), "")),
    case("lpos", |names, n| vec![words(&format!("LPOS {} x COUNT 0 RANK {}", names.key(), n / 2))])
        .after(|names, n| call(&format!("RPUSH {}", names.key()), same("x", n), "")),
    case("sort", |names, _| vec![words(&format!("SORT {}", names.key()))])
        .after(|names, n| call(&format!("RPUSH {}", names.key()), numbers(n), "")),
    case("sort of texts", |names, _| vec![words(&format!("SORT {0} ALPHA DESC STORE {0}", names.key()))])
        .after(|names, n| call(&format!("RPUSH {}", names.key()), numbers(n), "")),
    case("sort of a few", |names, _| vec![words(&format!("SORT {} ALPHA LIMIT 5 10", names.key()))])
        .after(|names, n| call(&format!("RPUSH {}", names.key()), numbers(n), "")),
    case("ltrim", |names, n| vec![words(&format!("LTRIM {} {} -{}", names.key(), n / 3, n / 3))])
        .after(|names, n| call(&format!("RPUSH {}", names.key()), numbers(n), "")),
    case("lpop", |names, n| vec![words(&format!("LPOP {} {}", names.key(), n - 5))])
        .after(|names, n| call(&format!("RPUSH {}", names.key()), numbers(n), "")),
    case("bitop", |names, n| call(&format!("BITOP XOR {}", names.key()), names.keys(n), "")).after(filled),
    case("bitop of missing keys", |names, n| call(&format!("BITOP AND {}", names.key()), names.keys(n), "")),
    case("bitfield", |names, n| {
        let fields = (0..n / 4).flat_map(|at| [words("SET u8"), words(&format!("#{at} {}", at % 256))].concat());
        call(&format!("BITFIELD {}", names.key()), fields.collect(), "")
    }),
    case("bitfield_ro", |names, n| {
        let fields = (0..n / 3).flat_map(|at| words(&format!("GET i13 {at}")));
        call(&format!("BITFIELD_RO {}", names.key()), fields.collect(), "")
    })
    .after(|names, n| vec![words(&format!("SETBIT {} {n} 1", names.key()))]),
    case("pfadd", |names, n| call(&format!("PFADD {}", names.key()), numbers(n), "")),
    case("pfcount", |names, n| call("PFCOUNT", names.keys(n), "")),
    case("pfmerge", |names, n| call(&format!("PFMERGE {}", names.key()), names.keys(n), "")),
    case("zadd", |names, n| call(&format!("ZADD {}", names.key()), scored(n), "")),
    case("zadd of one score", |names, n| {
        let elements = numbers(n).into_iter().flat_map(|member| [b"1".to_vec(), member]).collect();
        call(&format!("ZADD {}", names.key()), elements, "")
    }),
    case("zrem", |names, n| call(&format!("ZREM {}", names.key()), numbers(n), "")).after(scored_set),
    case("zmscore", |names, n| call(&format!("ZMSCORE {}", names.key()), numbers(n), "")).after(scored_set),
    case("zrange", |names, _| vec![words(&format!("ZRANGE {} 0 -1 WITHSCORES", names.key()))]).after(scored_set),
    case("zrangebyscore", |names, _| vec![words(&format!("ZREVRANGEBYSCORE {} inf (5", names.key()))])
        .after(scored_set),
    case("zremrangebyrank", |names, n| vec![words(&format!("ZREMRANGEBYRANK {} 3 {}", names.key(), n - 3))])
        .after(scored_set),
    case("zpopmax", |names, n| vec![words(&format!("ZPOPMAX {} {}", names.key(), n - 5))]).after(scored_set),
    case("zunion", |names, n| call(&format!("ZUNION {n}"), names.keys(n), "")),
    case("zunion of one key", |names, _| call("ZUNION 2", same(&names.key(), 2), "WEIGHTS 2 3")).after(scored_set),
    case("zinter", |names, n| call(&format!("ZINTER {n}"), names.keys(n), "")),
    case("zdiff", |names, n| call(&format!("ZDIFF {n}"), names.keys(n), "")),
    case("zintercard", |names, n| call(&format!("ZINTERCARD {n}"), names.keys(n), "")),
    case("zunionstore", |names, n| call(&format!("ZUNIONSTORE {} {n}", names.key()), names.keys(n), "")),
    case("zinterstore", |names, n| call(&format!("ZINTERSTORE {} {n}", names.key()), names.keys(n), "")),
    case("zdiffstore", |names, n| call(&format!("ZDIFFSTORE {} {n}", names.key()), names.keys(n), "")),
    case("zmpop", |names, n| call(&format!("ZMPOP {n}"), names.keys(n), "MIN")),
    case("bzmpop", |names, n| call(&format!("BZMPOP 0.01 {n}"), names.keys(n), "MIN")),
    case("bzpopmin", |names, n| call("BZPOPMIN", names.keys(n), "0.01")),
    case("bzpopmax", |names, n| call("BZPOPMAX", names.keys(n), "0.01")),
    case("geoadd", places_set),
    case("geohash", |names, n| call(&format!("GEOHASH {}", names.key()), numbers(n), "")).after(places_set),
    case("geopos", |names, n| call(&format!("GEOPOS {}", names.key()), numbers(n), "")).after(places_set),
    case("geosearch", |names, _| {
        vec![words(&format!("GEOSEARCH {} FROMLONLAT 1 1 BYRADIUS 30000 km ASC", names.key()))]
    })
    .after(places_set),
    case("geosearch of a few", |names, _| {
        vec![words(&format!("GEOSEARCH {} FROMLONLAT 1 1 BYRADIUS 30000 km COUNT 9", names.key()))]
    })
    .after(places_set),
    case("geosearch by many corners", |names, n| {
        let corners = places(n).chunks(3).flat_map(|place| place[..2].to_vec()).collect();
        call(&format!("GEOSEARCH {} BYPOLYGON {n}", names.key()), corners, "")
    })
    .after(|names, _| places_set(names, 10)),
    case("geosearchstore", |names, _| {
        vec![words(&format!("GEOSEARCHSTORE {0} {0} FROMLONLAT 1 1 BYBOX 30000 30000 km", names.key()))]
    })
    .after(places_set),
    case("zscan", |names, n| vec![words(&format!("ZSCAN {} 0 COUNT {n}", names.key()))]).after(scored_set),
    case("hset", |names, n| call(&format!("HSET {}", names.key()), names.pairs(n), "")),
    case("hset of one field", |names, n| call(&format!("HSET {}", names.key()), same("f", 2 * n), "")),
    case("hgetall", |names, _| vec![words(&format!("HGETALL {}", names.key()))]).after(fields),
    case("hscan", |names, n| vec![words(&format!("HSCAN {} 0 COUNT {n}", names.key()))]).after(fields),
    case("hrandfield of many", |names, n| vec![words(&format!("HRANDFIELD {} -{n}", names.key()))]).after(fields),
    case("hrandfield of most", |names, n| vec![words(&format!("HRANDFIELD {} {}", names.key(), n - n / 10))])
        .after(fields),
    case("hrandfield of some", |names, n| vec![words(&format!("HRANDFIELD {} {}", names.key(), n / 4))]).after(fields),
    case("hmset", |names, n| call(&format!("HMSET {}", names.key()), names.pairs(n), "")),
    case("hmget", |names, n| call(&format!("HMGET {}", names.key()), names.keys(n), "")).after(fields),
    case("hdel", |names, n| call(&format!("HDEL {}", names.key()), names.keys(n), "")).after(fields),
    case("hexpire", |names, n| call(&format!("HEXPIRE {} 1000 FIELDS {n}", names.key()), names.keys(n), ""))
        .after(fields),
    case("hexpire of packed", |names, n| call(&format!("HEXPIRE {} 1000 FIELDS {n}", names.key()), same("f", n), ""))
        .after(|names, _| vec![words(&format!("HSET {} f v", names.key()))]),
    case("hpexpire", |names, n| call(&format!("HPEXPIRE {} 0 FIELDS {n}", names.key()), names.keys(n), ""))
        .after(fields),
    case("hexpireat", |names, n| call(&format!("HEXPIREAT {} 4102444800 FIELDS {n}", names.key()), names.keys(n), ""))
        .after(fields),
    case("hpexpireat", |names, n| {
        call(&format!("HPEXPIREAT {} 4102444800000 FIELDS {n}", names.key()), names.keys(n), "")
    })
    .after(timed),
    case("hpersist", |names, n| call(&format!("HPERSIST {} FIELDS {n}", names.key()), names.keys(n), "")).after(timed),
    case("httl", |names, n| call(&format!("HTTL {} FIELDS {n}", names.key()), names.keys(n), "")).after(timed),
    case("hpttl", |names, n| call(&format!("HPTTL {} FIELDS {n}", names.key()), names.keys(n), "")).after(timed),
    case("hexpiretime", |names, n| call(&format!("HEXPIRETIME {} FIELDS {n}", names.key()), names.keys(n), ""))
        .after(timed),
    case("hpexpiretime", |names, n| call(&format!("HPEXPIRETIME {} FIELDS {n}", names.key()), names.keys(n), ""))
        .after(timed),
    case("hgetdel", |names, n| call(&format!("HGETDEL {} FIELDS {n}", names.key()), names.keys(n), "")).after(timed),
    case("hgetex", |names, n| call(&format!("HGETEX {} EX 2000 FIELDS {n}", names.key()), names.keys(n), ""))
        .after(timed),
    case("hsetex", |names, n| call(&format!("HSETEX {} EX 2000 FIELDS {n}", names.key()), names.pairs(n), "")),
    case("hsetex that must find none", |names, n| {
        call(&format!("HSETEX {} FNX PX 2000000 FIELDS {n}", names.key()), names.pairs(n), "")
    }),
    case("sadd", |names, n| call(&format!("SADD {}", names.key()), numbers(n), "")),
    case("sadd of texts", |names, n| call(&format!("SADD {}", names.key()), names.keys(n), "")),
    case("srem", |names, n| call(&format!("SREM {}", names.key()), names.keys(n), "")).after(members),
    case("smismember", |names, n| call(&format!("SMISMEMBER {}", names.key()), names.keys(n), "")).after(members),
    case("spop", |names, n| vec![words(&format!("SPOP {} {}", names.key(), n - 5))]).after(members),
    case("spop of a few", |names, n| vec![words(&format!("SPOP {} {}", names.key(), n / 9))]).after(members),
    case("srandmember", |names, n| vec![words(&format!("SRANDMEMBER {} {}", names.key(), n / 2))]).after(members),
    case("srandmember of any", |names, n| vec![words(&format!("SRANDMEMBER {} -{n}", names.key()))]).after(members),
    case("sscan", |names, n| vec![words(&format!("SSCAN {} 0 COUNT {n}", names.key()))]).after(members),
    case("sinter", |names, n| call("SINTER", same(&names.key(), n), "")).after(members),
    case("sinter of many", |names, n| call("SINTER", names.keys(n), "")).after(sets),
    case("sintercard", |names, n| call(&format!("SINTERCARD {n}"), names.keys(n), "LIMIT 3")).after(sets),
    case("sinterstore", |names, n| call(&format!("SINTERSTORE {}", names.key()), names.keys(n), "")).after(sets),
    case("sunion", |names, n| call("SUNION", names.keys(n), "")).after(sets),
    case("sunionstore", |names, n| call(&format!("SUNIONSTORE {}", names.key()), names.keys(n), "")).after(sets),
    case("sdiff", |names, n| call("SDIFF", [same(&names.key(), 1), names.keys(n)].concat(), ""))
        .after(|names, n| [members(names, n), sets(names, n)].concat()),
    case("sdiffstore", |names, n| call(&format!("SDIFFSTORE {}", names.key()), names.keys(n), "")).after(sets),
    case("xadd", |names, n| call(&format!("XADD {} *", names.key()), names.pairs(n / 2), "")),
    case("xdel", |names, n| call(&format!("XDEL {}", names.key()), ids(n), "")).after(entries),
    case("xdelex", |names, n| call(&format!("XDELEX {} DELREF IDS {n}", names.key()), ids(n), "")).after(pending),
    case("xackdel", |names, n| call(&format!("XACKDEL {} g ACKED IDS {n}", names.key()), ids(n), "")).after(pending),
    case("xack", |names, n| call(&format!("XACK {} g", names.key()), ids(n), "")).after(pending),
    case("xclaim", |names, n| call(&format!("XCLAIM {} g d 0", names.key()), ids(n), "JUSTID")).after(pending),
    case("xread", |names, n| call("XREAD STREAMS", [names.keys(n / 2), same("0", n / 2)].concat(), "")),
    case("xread of one", |names, n| {
        call("XREAD COUNT 1 STREAMS", [same(&names.key(), n / 2), same("5", n / 2)].concat(), "")
    })
    .after(entries),
    case("xreadgroup", |names, n| {
        call("XREADGROUP GROUP g d COUNT 1 STREAMS", [same(&names.key(), n / 2), same(">", n / 2)].concat(), "")
    })
    .after(pending),
    case("keys", |_, _| vec![words("KEYS *:99*")]).after(filled),
    case("scan", |_, n| vec![words(&format!("SCAN 0 COUNT {n}"))]).after(filled),
    case("ssubscribe", |names, n| call("SSUBSCRIBE", names.keys(n), "")),
    case("sunsubscribe", |names, n| call("SUNSUBSCRIBE", names.keys(n), ""))
        .after(|names, n| call("SSUBSCRIBE", names.keys(n), "")),
    case("pubsub|shardnumsub", |names, n| call("PUBSUB SHARDNUMSUB", names.keys(n), "")),
];

/// Other cases.
const OTHERS: &[Case] = &[
    case("fcall", |names, n| call(&format!("FCALL count {n}"), names.keys(n), "")).after(|_, _| vec![library()]),
    case("fcall_ro", |names, n| call(&format!("FCALL_RO count {n}"), names.keys(n), "")).after(|_, _| vec![library()]),
    case("script|exists", |_, n| call("SCRIPT EXISTS", numbers(n), "")),
    case("sort by many patterns", |_, n| {
        let patterns = numbers(n / 2).into_iter().flat_map(|key| [b"GET".to_vec(), [&key[..], b"*"].concat()]);
        call("SORT one", patterns.collect(), "")
    })
    .after(|_, _| vec![words("RPUSH one 1 2")]),
    case("sort_ro by other keys", |_, _| vec![words("SORT_RO one BY *:* GET # GET *:*")])
        .after(|names, n| [call("RPUSH one", numbers(n), ""), call("MSET", names.pairs(n), "")].concat()),
    case("client|kill", |_, n| {
        let each = (0..n / 2).flat_map(|number| [b"ID".to_vec(), (1_000_000 + number).to_string().into_bytes()]);
        call("CLIENT KILL", each.collect(), "")
    }),
    case("client|list", |_, n| call("CLIENT LIST ID", numbers(n), "")),
    case("command|docs", |_, n| call("COMMAND DOCS", numbers(n), "")),
    case("command|info", |_, n| call("COMMAND INFO", numbers(n), "")),
    case("command|getkeys", |names, n| call("COMMAND GETKEYS MGET", names.keys(n), "")),
    case("config|get", |_, n| call("CONFIG GET", numbers(n), "")),
    case("latency|histogram", |_, n| call("LATENCY HISTOGRAM", numbers(n), "")),
    case("latency|histogram of one", |_, n| call("LATENCY HISTOGRAM", same("command", n), "")),
    case("config|get of one", |_, n| call("CONFIG GET", same("maxmemory", n), "")),
    case("config|get of all", |_, n| {
        let names = ["maxmemory", "hz", "port", "bind", "maxclients", "save", "dir", "appendonly", "slave-priority"];
        call("CONFIG GET", names.iter().cycle().take(n).map(|name| name.as_bytes().to_vec()).collect(), "")
    }),
    case("info", |_, n| call("INFO", numbers(n), "")),
    case("info of one", |_, n| call("INFO", same("replication", n), "")),
    case("client|tracking", |_, n| {
        let prefixes = numbers(n).into_iter().flat_map(|number| [b"PREFIX".to_vec(), number]).collect();
        call("CLIENT TRACKING ON BCAST", prefixes, "")
    })
    .quadratic_in_redis(),
    case("migrate", |names, n| call("MIGRATE 127.0.0.1 1  0 1000 KEYS", names.keys(n), "")),
    case("subscribe", |names, n| call("SUBSCRIBE", names.keys(n), "")),
    case("unsubscribe", |names, n| call("UNSUBSCRIBE", names.keys(n), ""))
        .after(|names, n| call("SUBSCRIBE", names.keys(n), "")),
    case("psubscribe", |names, n| call("PSUBSCRIBE", names.keys(n), "")).quadratic_in_redis(),
    case("punsubscribe", |names, n| call("PUNSUBSCRIBE", names.keys(n), ""))
        .after(|names, n| call("PSUBSCRIBE", names.keys(n), ""))
        .quadratic_in_redis(),
    case("pubsub|numsub", |names, n| call("PUBSUB NUMSUB", names.keys(n), "")),
];

/// Commands for which more words than there are slots or directives make no sense.
const FEW_WORDS: &[(&str, &str)] = &[
    ("config|set", "a directive that comes twice is an error"),
    ("cluster|addslots", "there are 16384 slots, and one that comes twice is an error"),
    ("cluster|delslots", "there are 16384 slots, and one that comes twice is an error"),
    ("cluster|addslotsrange", "there are 16384 slots, and one that comes twice is an error"),
    ("cluster|delslotsrange", "there are 16384 slots, and one that comes twice is an error"),
];

/// CPU time of the threads of a process, nanoseconds. Waits until all of them sleep: the kernel adds up what a running
/// thread has used with each tick only, and several milliseconds would be missing.
fn on_processor(node: &Node) -> u64 {
    let states = || {
        let tasks = fs::read_dir(format!("/proc/{}/task", node.pid())).expect("the server runs");
        tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("stat")).ok())
    };
    wait_until("all threads sleep", secs(60), || states().all(|stat| stat.contains(") S ")));
    let tasks = fs::read_dir(format!("/proc/{}/task", node.pid())).expect("the server runs");
    let times = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok());
    times.filter_map(|text| text.split(' ').next()?.parse::<u64>().ok()).sum()
}

/// Sends calls on a new connection and reads all replies; returns the first bytes of the first reply.
fn play(node: &Node, calls: &[Words]) -> Vec<u8> {
    const END: &str = "all is said";
    let mut stream = TcpStream::connect(("127.0.0.1", node.port())).expect("the server listens");
    stream.set_read_timeout(Some(secs(120))).expect("a socket has a timeout");
    let mut bytes: Vec<u8> = calls.iter().flat_map(|call| encode(call)).collect();
    bytes.extend(encode(&["PING", END]));
    let mut writer = stream.try_clone().expect("a socket can be shared");
    let writing = std::thread::spawn(move || writer.write_all(&bytes));
    let (mut first, mut last, mut chunk) = (Vec::new(), Vec::new(), vec![0; 256 * 1024]);
    while !last.ends_with(format!("{END}\r\n").as_bytes()) {
        let len = stream.read(&mut chunk).expect("the server answers");
        assert_ne!(len, 0, "the server closed the connection");
        if first.len() < 100 {
            first.extend_from_slice(&chunk[..len.min(100)]);
        }
        last.extend_from_slice(&chunk[..len]);
        last.drain(..last.len().saturating_sub(64));
    }
    writing.join().expect("the writer ends").expect("the server reads");
    first
}

/// Milliseconds that a case costs with `n` words.
fn cost(node: &Node, names: &Names, case: &Case, n: usize) -> f64 {
    node.cmd("FLUSHALL");
    let before = (case.before)(names, n);
    // Subscriptions end with their connection, so such a case measures both.
    let lasting = before.iter().any(|call| call[0].ends_with(b"SUBSCRIBE"));
    let calls = (case.calls)(names, n);
    if !before.is_empty() && !lasting {
        play(node, &before);
    }
    let calls = if lasting { [before, calls].concat() } else { calls };
    let start = on_processor(node);
    let reply = play(node, &calls);
    let cost = on_processor(node) - start;
    assert!(!reply.starts_with(b"-"), "{}: {}", case.name, reply.escape_ascii());
    cost as f64 / 1e6
}

/// Cases that grow faster than allowed.
fn judge(node: &Node, names: &Names, cases: &[Case]) -> Vec<String> {
    let mut problems = Vec::new();
    for case in cases.iter().filter(|case| !(case.quadratic_in_redis && slotd_is_stock())) {
        let cheapest = |(n, runs): (usize, usize)| {
            (0..runs).map(|_| cost(node, names, case, n)).fold(f64::INFINITY, f64::min).max(FLOOR)
        };
        let mut costs: Vec<f64> = SIZES.into_iter().zip(RUNS).map(cheapest).collect();
        let growth = |costs: &[f64]| -> Vec<f64> { costs.windows(2).map(|pair| (pair[1] / pair[0]).log10()).collect() };
        if growth(&costs).iter().any(|exponent| *exponent > EXPONENT) {
            // What other tests take of the caches counts as well, and two runs may both have had such neighbours. The
            // least of more runs tells: what is quadratic stays so.
            for (least, (n, runs)) in costs.iter_mut().zip(SIZES.into_iter().zip(RUNS)) {
                *least = least.min(cheapest((n, 2 * runs)));
            }
        }
        let exponents = growth(&costs);
        println!("{:20} {costs:8.2?} ms, exponents {exponents:.2?}", case.name);
        if exponents.iter().any(|exponent| *exponent > EXPONENT) {
            problems.push(format!("{}: {costs:.2?} ms for {SIZES:?} words", case.name));
        }
    }
    problems
}

#[test]
fn the_time_of_a_command_is_linear_in_its_keys() {
    let node = NodeSpec::new(Binary::Slotd).with("save", "").start();
    let problems = judge(&node, &Names { tag: "" }, KEYED);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_time_of_a_command_is_linear_in_its_words() {
    let node = NodeSpec::new(Binary::Slotd).with("save", "").start();
    let problems = judge(&node, &Names { tag: "" }, OTHERS);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_time_of_a_command_is_linear_in_its_keys_of_one_slot() {
    let node = NodeSpec::cluster(Binary::Slotd, 2000).with("save", "").start();
    assert!(node.cmd("CLUSTER ADDSLOTSRANGE 0 16383").is_ok());
    wait_until("the cluster is up", secs(10), || node.cmd("SET a b").is_ok());
    let problems = judge(&node, &Names { tag: "{t}" }, KEYED);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_replica_applies_many_words_in_linear_time() {
    let primary = NodeSpec::new(Binary::Slotd).with("save", "").start();
    let replica = NodeSpec::new(Binary::Slotd)
        .with("save", "")
        .with("replicaof", &format!("127.0.0.1 {}", primary.port()))
        .start();
    wait_until("the replica is in step", secs(20), || replica.info("master_link_status") == "up");
    let names = Names { tag: "" };
    let mut problems = Vec::new();
    for name in ["mset", "del", "unlink", "watch and exec", "rpush", "hset", "hdel"] {
        let case = KEYED.iter().find(|case| case.name == name).expect("there is such a case");
        if case.quadratic_in_redis && slotd_is_stock() {
            continue;
        }
        let applied = |n: usize| {
            play(&primary, &[words("FLUSHALL")]);
            for call in (case.before)(&names, n) {
                play(&primary, &[call]);
            }
            let catch_up = || {
                let offset = primary.info("master_repl_offset");
                wait_until("the replica has applied it all", Duration::from_secs(60), || {
                    replica.info("slave_repl_offset") == offset
                });
            };
            catch_up();
            let start = on_processor(&replica);
            play(&primary, &(case.calls)(&names, n));
            catch_up();
            (on_processor(&replica) - start) as f64 / 1e6
        };
        let costs = [2_000, 20_000, 200_000].map(|n| applied(n).min(applied(n)).max(4.0 * FLOOR));
        println!("{name:20} {costs:8.2?} ms");
        if costs.windows(2).any(|pair| (pair[1] / pair[0]).log10() > EXPONENT) {
            problems.push(format!("{name}: {costs:.2?} ms for {SIZES:?} words"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// A walk through a whole table for each word is linear too, but a thousand times the work: so Redis's own time is a
/// second bound.
#[test]
fn the_time_for_each_word_is_like_that_of_redis() {
    const N: usize = 200_000;
    const FACTOR: f64 = 5.0;
    /// Milliseconds that a build with little optimisation may take in addition: half a microsecond per word.
    const GRACE: f64 = 100.0;
    let (ours, stock) = (NodeSpec::new(Binary::Slotd).start(), NodeSpec::new(Binary::Stock).start());
    let names = Names { tag: "" };
    let mut problems = Vec::new();
    for case in OTHERS.iter().filter(|case| !case.quadratic_in_redis) {
        let cheapest = |node: &Node| (0..2).map(|_| cost(node, &names, case, N)).fold(f64::INFINITY, f64::min);
        let (ours, stock) = (cheapest(&ours), cheapest(&stock));
        println!("{:20} {ours:8.2} ms, Redis {stock:8.2} ms", case.name);
        if ours > stock * FACTOR + GRACE {
            problems.push(format!("{}: {ours:.2} ms, Redis {stock:.2} ms", case.name));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Names of the commands that take words without number, from COMMAND DOCS.
fn with_repeated_words(docs: &Value, found: &mut BTreeSet<String>) {
    for pair in docs.items().chunks(2) {
        let about: BTreeMap<String, &Value> =
            pair[1].items().chunks(2).map(|field| (field[0].text(), &field[1])).collect();
        if about.get("arguments").is_some_and(|arguments| repeats(arguments)) {
            found.insert(pair[0].text());
        }
        if let Some(subcommands) = about.get("subcommands") {
            with_repeated_words(subcommands, found);
        }
    }
}

fn repeats(arguments: &Value) -> bool {
    arguments.items().iter().any(|argument| {
        argument.items().chunks(2).any(|field| match field[0].text().as_str() {
            "flags" => field[1].items().iter().any(|flag| flag.text() == "multiple"),
            "arguments" => repeats(&field[1]),
            _ => false,
        })
    })
}

#[test]
fn every_command_that_takes_words_without_number_has_a_case() {
    if slotd_is_stock() {
        return;
    }
    let node = NodeSpec::new(Binary::Slotd).start();
    let mut found = BTreeSet::new();
    with_repeated_words(&node.cmd("COMMAND DOCS"), &mut found);
    assert!(found.contains("mget") && found.contains("pubsub|numsub"), "{found:?}");
    let known: BTreeSet<&str> =
        KEYED.iter().chain(OTHERS).map(Case::command).chain(FEW_WORDS.iter().map(|(name, _)| *name)).collect();
    let missing: Vec<&String> = found.iter().filter(|name| !known.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
    let gone: Vec<_> = FEW_WORDS.iter().filter(|(name, _)| !found.contains(*name)).collect();
    assert!(gone.is_empty(), "these need not be excused: {gone:?}");
}
