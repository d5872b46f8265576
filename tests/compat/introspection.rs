//! COMMAND: what the server reports about its own commands.
//!
//! Tips, documentation texts and ACL categories of 7.0.15 are compared for the commands that slotd has; the total
//! number differs by design.

use integration::node::NodeSpec;
use integration::oracle::Binary;
use integration::resp::Value;

use crate::check;

/// The commands that are compared; the same list is used by the comparisons below.
const COMMANDS: &[&str] = &[
    "append",
    "asking",
    "auth",
    "bgsave",
    "blmove",
    "blmpop",
    "blpop",
    "brpop",
    "brpoplpush",
    "bzmpop",
    "bzpopmax",
    "bzpopmin",
    "copy",
    "dbsize",
    "debug",
    "decr",
    "decrby",
    "del",
    "discard",
    "dump",
    "echo",
    "exec",
    "exists",
    "expire",
    "expireat",
    "expiretime",
    "failover",
    "flushall",
    "flushdb",
    "geoadd",
    "geodist",
    "geohash",
    "geopos",
    "georadius",
    "georadius_ro",
    "georadiusbymember",
    "georadiusbymember_ro",
    "geosearch",
    "geosearchstore",
    "get",
    "getdel",
    "getex",
    "getrange",
    "getset",
    "hdel",
    "hello",
    "hexists",
    "hget",
    "hgetall",
    "hincrby",
    "hincrbyfloat",
    "hkeys",
    "hlen",
    "hmget",
    "hmset",
    "hrandfield",
    "hscan",
    "hset",
    "hsetnx",
    "hstrlen",
    "hvals",
    "incr",
    "incrby",
    "incrbyfloat",
    "info",
    "keys",
    "lastsave",
    "lcs",
    "lindex",
    "linsert",
    "llen",
    "lmove",
    "lmpop",
    "lolwut",
    "lpop",
    "lpos",
    "lpush",
    "lpushx",
    "lrange",
    "lrem",
    "lset",
    "ltrim",
    "mget",
    "migrate",
    "move",
    "mset",
    "msetnx",
    "multi",
    "persist",
    "pexpire",
    "pexpireat",
    "pexpiretime",
    "ping",
    "psetex",
    "psubscribe",
    "psync",
    "pttl",
    "publish",
    "punsubscribe",
    "quit",
    "randomkey",
    "readonly",
    "readwrite",
    "rename",
    "renamenx",
    "replconf",
    "replicaof",
    "reset",
    "restore",
    "restore-asking",
    "role",
    "rpop",
    "rpoplpush",
    "rpush",
    "rpushx",
    "save",
    "scan",
    "select",
    "set",
    "setex",
    "setnx",
    "setrange",
    "shutdown",
    "slaveof",
    "sort",
    "sort_ro",
    "spublish",
    "ssubscribe",
    "strlen",
    "subscribe",
    "substr",
    "sunsubscribe",
    "swapdb",
    "sync",
    "time",
    "touch",
    "ttl",
    "type",
    "unlink",
    "unsubscribe",
    "unwatch",
    "wait",
    "watch",
    "zadd",
    "zcard",
    "zcount",
    "zdiff",
    "zdiffstore",
    "zincrby",
    "zinter",
    "zintercard",
    "zinterstore",
    "zlexcount",
    "zmpop",
    "zmscore",
    "zpopmax",
    "zpopmin",
    "zrandmember",
    "zrange",
    "zrangebylex",
    "zrangebyscore",
    "zrangestore",
    "zrem",
    "zremrangebylex",
    "zremrangebyrank",
    "zremrangebyscore",
    "zrevrange",
    "zrevrangebylex",
    "zrevrangebyscore",
    "zscan",
    "zscore",
    "zunion",
    "zunionstore",
];

#[test]
fn command_subcommands() {
    check(
        r#"
COMMAND BAD
COMMAND HELP
COMMAND COUNT x
COMMAND INFO nosuch
COMMAND INFO nosuch get
COMMAND DOCS nosuch
COMMAND GETKEYS
COMMAND GETKEYS GET
COMMAND GETKEYS GET k
COMMAND GETKEYS get k extra
COMMAND GETKEYS MGET a b c
COMMAND GETKEYS MSET a 1 b 2
COMMAND GETKEYS PING
COMMAND GETKEYS NOSUCH a
COMMAND GETKEYS SET k v
COMMAND GETKEYS LMOVE a b LEFT RIGHT
COMMAND GETKEYS BLPOP a b c 0
COMMAND GETKEYS LMPOP 2 a b LEFT
COMMAND GETKEYS LMPOP 5 a b LEFT
COMMAND GETKEYS BLMPOP 0 2 a b LEFT
COMMAND GETKEYS LCS a b
COMMAND GETKEYS COPY a b
COMMAND GETKEYS OBJECT ENCODING k
COMMAND GETKEYS MIGRATE 127.0.0.1 1 k 0 10
COMMAND GETKEYS MIGRATE 127.0.0.1 1 "" 0 10 KEYS a b c
COMMAND GETKEYS SUBSCRIBE a
COMMAND GETKEYS SPUBLISH a m
COMMAND GETKEYS EXISTS a b
COMMAND GETKEYSANDFLAGS SET k v
COMMAND GETKEYSANDFLAGS SET k v GET
COMMAND GETKEYSANDFLAGS GET k
COMMAND GETKEYSANDFLAGS LMOVE a b LEFT RIGHT
COMMAND GETKEYSANDFLAGS COPY a b
COMMAND GETKEYSANDFLAGS PING
COMMAND LIST FILTERBY PATTERN nosuch*
COMMAND LIST FILTERBY PATTERN lpushx
COMMAND LIST FILTERBY BAD x
COMMAND LIST FILTERBY MODULE x
COMMAND LIST x
COMMAND LIST FILTERBY
"#,
    );
}

/// Name, arity, flags, first key, last key, step, ACL categories, tips and key specifications.
#[test]
fn command_info_is_equal_for_every_command_we_have() {
    let script: String = COMMANDS.iter().fold(String::new(), |script, name| script + "COMMAND INFO " + name + "\n");
    check(&("!resp2\n".to_owned() + &script));
}

/// Container commands list their subcommands in the order of a hash table: compared as sets, and only by name and arity
/// of those that both servers have.
#[test]
fn subcommands_have_the_arity_and_flags_of_redis() {
    let stock = NodeSpec::new(Binary::Stock).start();
    let slotd = NodeSpec::new(Binary::Slotd).start();
    let mut wrong = Vec::new();
    for container in ["client", "cluster", "command", "config", "object", "pubsub"] {
        let [theirs, ours] = [&stock, &slotd].map(|node| subcommands(node, container));
        for (name, facts) in &theirs {
            match ours.iter().find(|(ours, _)| ours == name) {
                None => wrong.push(format!("{name} is missing")),
                Some((_, other)) if other != facts => wrong.push(format!("{name}: redis {facts}, slotd {other}")),
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn subcommands(node: &integration::node::Node, container: &str) -> Vec<(String, String)> {
    let info = node.cmd(&format!("COMMAND INFO {container}"));
    let facts = |sub: &Value| {
        let fields = sub.items();
        (
            fields[0].text(),
            format!("arity {:?} flags {:?} keys {:?} acl {:?}", fields[1], fields[2], &fields[3..6], fields[6]),
        )
    };
    info.items()[0].items()[9].items().iter().map(facts).collect()
}

#[test]
fn count_and_list_tell_the_same() {
    let slotd = NodeSpec::new(Binary::Slotd).start();
    let count = slotd.cmd("COMMAND COUNT").int();
    let all = slotd.cmd("COMMAND LIST");
    let names: Vec<String> = all.items().iter().map(Value::text).collect();
    let top: Vec<&String> = names.iter().filter(|n| !n.contains('|')).collect();
    assert_eq!(top.len() as i64, count);
    assert_eq!(slotd.cmd("COMMAND").items().len() as i64, count);
    for name in COMMANDS {
        assert!(top.iter().any(|n| n == name), "{name} is not listed");
        let docs = slotd.cmd(&format!("COMMAND DOCS {name}"));
        assert_eq!(docs.items().len(), 2, "COMMAND DOCS {name}: {docs:?}");
    }
}
