//! redis-rs' cluster client, in RESP2 and RESP3: what an application does with it on every type.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use redis::cluster::cluster_pipe;
use redis::streams::{
    StreamAddOptions, StreamAutoClaimOptions, StreamDeletionPolicy, StreamReadOptions, StreamTrimStrategy,
    StreamTrimmingMode, XAckDelStatusCode, XDelExStatusCode,
};
use redis::{ErrorKind, HashFieldExpirationOptions, IntegerReplyOrNoOp, SetExpiry, TypedCommands, ValueType, cmd};
use redis_rs_tests::{Cluster, in_both, while_waiting};

#[test]
fn strings_of_all_shards() {
    in_both(|cluster, protocol| {
        let mut client = cluster.connect(protocol);
        for i in 0..100 {
            client.set_ex(format!("key:{i}"), i, 100).expect("it is written");
        }
        for i in 0..100 {
            assert_eq!(client.get_int(format!("key:{i}")).expect("it is read"), Some(i));
        }
        assert_eq!(client.get("missing").expect("it is answered"), None);
        assert_eq!(client.incr("hits", 42).expect("it counts"), 42);
        assert_eq!(client.append("text", "slotd").expect("it appends"), 5);
    });
}

#[test]
fn lists_and_blocking() {
    in_both(|cluster, protocol| {
        let mut client = cluster.connect(protocol);
        assert_eq!(client.rpush("queue", &["a", "b"]).expect("it pushes"), 2);
        assert_eq!(client.blpop("queue", 1.0).expect("it pops"), Some(["queue".into(), "a".into()]));
        assert_eq!(client.lrange("queue", 0, -1).expect("it reads"), ["b"]);
        let popped = while_waiting(
            cluster.connect(protocol),
            |waiting| waiting.blpop("later", 10.0),
            || _ = client.rpush("later", "x").expect("it pushes"),
        );
        assert_eq!(popped.expect("it is answered"), Some(["later".into(), "x".into()]));
    });
}

#[test]
fn hashes_whose_fields_expire() {
    in_both(|cluster, protocol| {
        let mut client = cluster.connect(protocol);
        client.hset_multiple("user:1", &[("name", "ada"), ("visits", "1")]).expect("it writes");
        assert_eq!(client.hincr("user:1", "visits", 41).expect("it counts"), 42.0);
        let all = HashMap::from([("name".to_owned(), "ada".to_owned()), ("visits".to_owned(), "42".to_owned())]);
        assert_eq!(client.hgetall("user:1").expect("it reads"), all);
        let options = HashFieldExpirationOptions::default().set_expiration(SetExpiry::EX(100));
        assert!(client.hset_ex("user:1", &options, &[("token", "t")]).expect("it writes"));
        let ttl = client.httl("user:1", &["token", "name", "missing"]).expect("it reads");
        assert!(matches!(ttl[0], IntegerReplyOrNoOp::IntegerReply(1..=100)), "{ttl:?}");
        assert_eq!(ttl[1..], [IntegerReplyOrNoOp::ExistsButNotRelevant, IntegerReplyOrNoOp::NotExists]);
        let gone: Vec<i64> =
            cmd("HEXPIRE").arg(&["user:1", "0", "FIELDS", "1", "token"]).query(&mut client).expect("it is done");
        assert_eq!(gone, [2]);
        assert_eq!(client.hlen("user:1").expect("it counts"), 2);
    });
}

#[test]
fn sets_and_sorted_sets() {
    in_both(|cluster, protocol| {
        let mut client = cluster.connect(protocol);
        assert_eq!(client.sadd("{t}a", &["red", "green"]).expect("it adds"), 2);
        assert_eq!(client.sadd("{t}b", &["green", "blue"]).expect("it adds"), 2);
        assert_eq!(client.sinter(&["{t}a", "{t}b"]).expect("it reads"), HashSet::from(["green".to_owned()]));
        assert_eq!(client.zadd_multiple("board", &[(3.0, "ada"), (1.5, "bob")]).expect("it adds"), 2);
        let ranked = [("bob".to_owned(), 1.5), ("ada".to_owned(), 3.0)];
        assert_eq!(client.zrange_withscores("board", 0, -1).expect("it reads"), ranked);
        assert_eq!(client.zscore("board", "bob").expect("it reads"), Some(1.5));
        let popped = while_waiting(
            cluster.connect(protocol),
            |waiting| waiting.bzpopmin("waited", 10.0),
            || _ = client.zadd("waited", "x", 1).expect("it adds"),
        );
        assert_eq!(popped.expect("it is answered"), Some(("waited".into(), "x".into(), 1.0)));
    });
}

#[test]
fn bitmaps_counts_and_places() {
    in_both(|cluster, protocol| {
        let mut client = cluster.connect(protocol);
        assert!(!client.setbit("seen", 7, true).expect("it writes"));
        assert_eq!(client.bitcount("seen").expect("it counts"), 1);
        assert!(client.pfadd("visitors", &["a", "b", "c"]).expect("it adds"));
        assert_eq!(client.pfcount("visitors").expect("it counts"), 3);
        let places = [(13.361_389, 38.115_556, "Palermo"), (15.087_269, 37.502_669, "Catania")];
        assert_eq!(client.geo_add("cities", &places).expect("it adds"), 2);
        let search = ["cities", "FROMLONLAT", "15", "37", "BYRADIUS", "100", "km"];
        let found: Vec<String> = cmd("GEOSEARCH").arg(&search).query(&mut client).expect("it is answered");
        assert_eq!(found, ["Catania"]);
    });
}

#[test]
fn streams_and_their_groups() {
    in_both(|cluster, protocol| {
        let mut client = cluster.connect(protocol);
        for number in 1..=3 {
            let id = client.xadd("log", format!("{number}-1"), &[("n", number)]).expect("it adds");
            assert_eq!(id.as_deref(), Some(format!("{number}-1").as_str()));
        }
        assert_eq!(client.xlen("log").expect("it counts"), 3);
        let ids: Vec<String> =
            client.xrange_all("log").expect("it reads").ids.into_iter().map(|entry| entry.id).collect();
        assert_eq!(ids, ["1-1", "2-1", "3-1"]);
        client.xgroup_create("log", "g", "0").expect("it is made");
        let options = StreamReadOptions::default().group("g", "ada").count(2);
        let read =
            client.xread_options(&["log"], &[">"], &options).expect("it is answered").expect("there are entries");
        assert_eq!(read.keys[0].ids.iter().map(|entry| entry.get::<i64>("n")).collect::<Vec<_>>(), [Some(1), Some(2)]);
        assert_eq!(client.xack("log", "g", &["1-1"]).expect("it is done"), 1);
        let options = StreamAutoClaimOptions::default().count(10);
        let claimed = client.xautoclaim_options("log", "g", "bob", 0, "0-0", options).expect("it claims");
        assert_eq!(claimed.claimed.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ["2-1"]);
        let group = client.xinfo_groups("log").expect("it reads").groups.remove(0);
        assert_eq!((group.consumers, group.pending, group.lag), (2, 1, Some(1)));
        let stream = client.xinfo_stream("log").expect("it reads");
        assert_eq!((stream.length, stream.groups, stream.last_generated_id.as_str()), (3, 1, "3-1"));
    });
}

#[test]
fn a_reader_that_waits_gets_the_next_entry() {
    in_both(|cluster, protocol| {
        let mut client = cluster.connect(protocol);
        client.xgroup_create_mkstream("log", "g", "$").expect("it is made");
        let read = while_waiting(
            cluster.connect(protocol),
            |waiting| {
                let options = StreamReadOptions::default().group("g", "ada").block(10_000);
                waiting.xread_options(&["log"], &[">"], &options)
            },
            || _ = client.xadd("log", "1-1", &[("f", "v")]).expect("it adds"),
        );
        let read = read.expect("it is answered").expect("there is an entry");
        assert_eq!((read.keys[0].key.as_str(), read.keys[0].ids[0].id.as_str()), ("log", "1-1"));
    });
}

#[test]
fn a_pipeline_goes_to_all_shards() {
    in_both(|cluster, protocol| {
        let mut client = cluster.connect(protocol);
        let mut pipeline = cluster_pipe();
        for number in 0..100 {
            pipeline.incr(format!("p:{number}"), number);
        }
        let counts: Vec<i64> = pipeline.query(&mut client).expect("it is executed");
        assert_eq!(counts, (0..100).collect::<Vec<_>>());
    });
}

#[test]
fn every_type_is_dumped_and_restored() {
    in_both(|cluster, protocol| {
        let mut client = cluster.connect(protocol);
        client.set("{d}string", "v").expect("it is written");
        client.rpush("{d}list", "e").expect("it is written");
        client.hset("{d}hash", "f", "v").expect("it is written");
        client.sadd("{d}set", "m").expect("it is written");
        client.zadd("{d}zset", "m", 1).expect("it is written");
        client.xadd("{d}stream", "1-1", &[("f", "v")]).expect("it is written");
        for kind in ["string", "list", "hash", "set", "zset", "stream"] {
            let (key, copy) = (format!("{{d}}{kind}"), format!("{{d}}copy of {kind}"));
            let payload: Vec<u8> = cmd("DUMP").arg(&key).query(&mut client).expect("it is dumped");
            cmd("RESTORE").arg(&copy).arg(0).arg(&payload).exec(&mut client).expect("it is restored");
            let again: Vec<u8> = cmd("DUMP").arg(&copy).query(&mut client).expect("it is dumped");
            assert_eq!(again, payload, "{kind}");
            let is_kind = match client.key_type(&copy).expect("it is answered") {
                ValueType::String => "string",
                ValueType::List => "list",
                ValueType::Hash => "hash",
                ValueType::Set => "set",
                ValueType::ZSet => "zset",
                ValueType::Stream => "stream",
                other => panic!("{other:?}"),
            };
            assert_eq!(is_kind, kind);
        }
    });
}

#[test]
fn reads_go_to_replicas() {
    let cluster = Cluster::start();
    let mut reader = cluster.connect_to_replicas();
    reader.set("read", "me").expect("it is written");
    let deadline = Instant::now() + Duration::from_secs(10);
    while reader.get("read").expect("it is read").as_deref() != Some("me") {
        assert!(Instant::now() < deadline, "no replica has it");
    }
    cluster.stop();
}

#[test]
fn a_script_is_loaded_where_its_keys_are() {
    in_both(|cluster, protocol| {
        let mut client = cluster.connect(protocol);
        let script = redis::Script::new("return {redis.call('incrby', KEYS[1], ARGV[1]), redis.call('get', KEYS[1])}");
        for n in 1..20 {
            let key = format!("script:{n}");
            let mut call = script.key(&key);
            let (number, text): (i64, String) = call.arg(n).invoke(&mut client).expect("it runs");
            assert_eq!((number, text), (n, n.to_string()));
        }
    });
}

#[test]
fn a_missing_command_says_so() {
    let cluster = Cluster::start();
    let mut client = cluster.connect(redis::ProtocolVersion::RESP3);
    let error = cmd("ACL").arg("WHOAMI").exec(&mut client).expect_err("there are no users");
    assert!(error.to_string().contains("unknown command"), "{error}");
    assert_ne!(error.kind(), ErrorKind::Io);
    cluster.stop();
}

#[test]
fn entries_are_deleted_with_their_references() {
    in_both(|cluster, protocol| {
        let mut client = cluster.connect(protocol);
        for number in 1..=4 {
            client.xadd("log", format!("{number}-1"), &[("f", "v")]).expect("it adds");
        }
        client.xgroup_create("log", "g", "0").expect("it is made");
        let options = StreamReadOptions::default().group("g", "ada").count(3);
        client.xread_options(&["log"], &[">"], &options).expect("it reads");
        let ids = ["1-1", "4-1", "9-9"];
        let deleted = client.xdel_ex("log", &ids, StreamDeletionPolicy::Acked).expect("it is done");
        let needed = XDelExStatusCode::NotDeletedUnacknowledgedOrStillReferenced;
        assert_eq!(
            deleted,
            [needed, XDelExStatusCode::NotDeletedUnacknowledgedOrStillReferenced, XDelExStatusCode::IdNotFound]
        );
        let acked = client.xack_del("log", "g", &["1-1", "9-9"], StreamDeletionPolicy::Acked).expect("it is done");
        assert_eq!(acked, [XAckDelStatusCode::AcknowledgedAndDeleted, XAckDelStatusCode::IdNotFound]);
        let deleted = client.xdel_ex("log", &["2-1"], StreamDeletionPolicy::DelRef).expect("it is done");
        assert_eq!(deleted, [XDelExStatusCode::Deleted]);
        let trim = StreamTrimStrategy::maxlen(StreamTrimmingMode::Exact, 1);
        let options = StreamAddOptions::default().set_deletion_policy(StreamDeletionPolicy::Acked).trim(trim);
        client.xadd_options("log", "5-1", &[("f", "v")], &options).expect("it adds");
        assert_eq!(client.xlen("log").expect("it counts"), 3, "3-1 is pending, 4-1 and 5-1 are not read");
    });
}
