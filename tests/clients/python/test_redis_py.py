"""redis-py's cluster client: what an application does with it on the types that slotd has."""

import threading
import time

import pytest
from redis import Redis
from redis.cache import CacheConfig
from redis.cluster import LoadBalancingStrategy, RedisCluster
from redis.exceptions import LockError, ResponseError


def by_name(reply):
    """A reply of names and values, with text for names."""
    return {name.decode() if isinstance(name, bytes) else name: value for name, value in reply.items()}


def as_tuples(entries):
    """Entries of a stream: redis-py has lists in RESP3."""
    return [(entry[0], entry[1]) for entry in entries]


def read_entries(reply):
    """What XREAD replies, by key: redis-py has lists of lists in RESP3, or a dictionary."""
    streams = reply.items() if isinstance(reply, dict) else reply
    found = {}
    for key, entries in streams:
        if len(entries) == 1 and entries and isinstance(entries[0], list) and isinstance(entries[0][0], (list, tuple)):
            entries = entries[0]
        found[key] = as_tuples(entries)
    return found


def test_the_client_sees_every_node_at_once(cluster):
    roles = [node.server_type for node in cluster.get_nodes()]
    assert sorted(roles) == ["primary"] * 3 + ["replica"] * 3


def test_strings_and_expiry(cluster):
    assert cluster.set("session:1", "alice", ex=100)
    assert cluster.get("session:1") == b"alice"
    assert 0 < cluster.ttl("session:1") <= 100
    assert cluster.incrby("hits", 41) == 41
    assert cluster.incr("hits") == 42
    assert cluster.get("missing") is None


def test_keys_of_all_shards(cluster):
    assert cluster.mset_nonatomic({f"key:{i}": i for i in range(100)})
    assert cluster.mget_nonatomic([f"key:{i}" for i in range(100)]) == [b"%d" % i for i in range(100)]
    assert sorted(cluster.scan_iter("key:*")) == sorted(b"key:%d" % i for i in range(100))


def test_lists_and_blocking(cluster):
    assert cluster.rpush("queue", "a", "b") == 2
    assert cluster.blpop("queue", timeout=1) in [(b"queue", b"a"), [b"queue", b"a"]]
    assert cluster.lrange("queue", 0, -1) == [b"b"]
    pusher = threading.Timer(0.2, lambda: cluster.rpush("later", "x"))
    pusher.start()
    assert list(cluster.blpop("later", timeout=10)) == [b"later", b"x"]
    pusher.join()


def test_hashes(cluster):
    assert cluster.hset("user:1", mapping={"name": "ada", "visits": 1}) == 2
    assert cluster.hincrby("user:1", "visits", 41) == 42
    assert cluster.hincrbyfloat("user:1", "score", 0.5) == 0.5
    assert cluster.hgetall("user:1") == {b"name": b"ada", b"visits": b"42", b"score": b"0.5"}
    assert cluster.hmget("user:1", "name", "missing") == [b"ada", None]
    assert dict(cluster.hscan_iter("user:1")) == cluster.hgetall("user:1")
    assert cluster.hdel("user:1", "name", "visits", "score") == 3
    assert not cluster.exists("user:1")


def test_sets(cluster):
    assert cluster.sadd("{tags}a", "red", "green", "blue") == 3
    assert cluster.sadd("{tags}b", "green", "blue", "black") == 3
    assert cluster.sinter("{tags}a", "{tags}b") == {b"green", b"blue"}
    assert cluster.sdiff("{tags}a", "{tags}b") == {b"red"}
    assert cluster.sunionstore("{tags}c", "{tags}a", "{tags}b") == 4
    assert cluster.smismember("{tags}c", ["black", "white"]) == [1, 0]
    assert cluster.sintercard(2, ["{tags}a", "{tags}b"]) == 2
    assert set(cluster.sscan_iter("{tags}c")) == cluster.smembers("{tags}c")
    assert cluster.spop("{tags}a") in {b"red", b"green", b"blue"}


def test_sorted_sets(cluster):
    assert cluster.zadd("board", {"ada": 3, "bob": 1.5, "eve": 2}) == 3
    assert cluster.zincrby("board", 2, "bob") == 3.5
    assert [cluster.zrank("board", "bob"), cluster.zrevrank("board", "bob")] == [2, 0]
    ranked = cluster.zrange("board", 0, -1, withscores=True)
    assert [tuple(pair) for pair in ranked] == [(b"eve", 2.0), (b"ada", 3.0), (b"bob", 3.5)]
    assert cluster.zrange("board", "(2", "+inf", byscore=True) == [b"ada", b"bob"]
    assert tuple(cluster.zunion(["board"], aggregate="SUM", withscores=True)[0]) == (b"eve", 2.0)
    popped = cluster.zpopmin("board")
    assert popped in ([(b"eve", 2.0)], [b"eve", 2.0], [[b"eve", 2.0]])
    pusher = threading.Timer(0.2, lambda: cluster.zadd("waited", {"x": 1}))
    pusher.start()
    assert list(cluster.bzpopmin("waited", timeout=10)) == [b"waited", b"x", 1.0]
    pusher.join()


def test_bitmaps_and_hyperloglogs(cluster):
    assert cluster.setbit("seen", 7, 1) == 0
    assert [cluster.getbit("seen", 7), cluster.bitcount("seen"), cluster.bitpos("seen", 1)] == [1, 1, 7]
    assert cluster.bitfield("counters").incrby("u8", 0, 200).incrby("u8", 0, 100, "SAT").execute() == [200, 255]
    assert cluster.pfadd("{v}monday", *range(1000)) == 1
    assert cluster.pfadd("{v}tuesday", *range(500, 1500)) == 1
    assert abs(cluster.pfcount("{v}monday", "{v}tuesday") - 1500) < 60
    assert cluster.pfmerge("{v}both", "{v}monday", "{v}tuesday")


def test_places_and_sorting(cluster):
    assert cluster.geoadd("cities", [13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"]) == 2
    assert round(cluster.geodist("cities", "Palermo", "Catania", unit="km")) == 166
    assert cluster.geosearch("cities", longitude=15, latitude=37, radius=100, unit="km") == [b"Catania"]
    assert cluster.rpush("numbers", 3, 1, 2) == 3
    assert cluster.sort("numbers", desc=True, start=0, num=2) == [b"3", b"2"]


def test_streams_and_their_groups(cluster):
    for number in (1, 2, 3):
        assert cluster.xadd("log", {"n": number}, id=f"{number}-1") == b"%d-1" % number
    assert cluster.xlen("log") == 3
    entries = [(b"%d-1" % number, {b"n": b"%d" % number}) for number in (1, 2, 3)]
    assert as_tuples(cluster.xrange("log")) == entries
    assert as_tuples(cluster.xrevrange("log", count=1)) == entries[2:]
    assert cluster.xgroup_create("log", "g", id="0")
    assert read_entries(cluster.xreadgroup("g", "ada", {"log": ">"}, count=2)) == {b"log": entries[:2]}
    assert cluster.xack("log", "g", "1-1") == 1
    claimed = cluster.xautoclaim("log", "g", "bob", min_idle_time=0, start_id="0-0")
    assert [claimed[0], as_tuples(claimed[1]), list(claimed[2])] == [b"0-0", entries[1:2], []]
    assert [pending["message_id"] for pending in cluster.xpending_range("log", "g", "-", "+", 10)] == [b"2-1"]
    group = by_name(cluster.xinfo_groups("log")[0])
    assert [group["name"], group["consumers"], group["pending"], group["lag"]] == [b"g", 2, 1, 1]
    assert [by_name(consumer)["pending"] for consumer in cluster.xinfo_consumers("log", "g")] == [0, 1]
    stream = by_name(cluster.xinfo_stream("log"))
    assert [stream["length"], stream["groups"], stream["last-generated-id"]] == [3, 1, b"3-1"]
    assert cluster.xtrim("log", maxlen=1, approximate=False) == 2
    assert cluster.xdel("log", "3-1") == 1


def test_a_reader_that_waits_gets_the_next_entry(cluster):
    assert cluster.xgroup_create("log", "g", id="$", mkstream=True)
    for read in (
        lambda: cluster.xread({"log": "$"}, block=10000),
        lambda: cluster.xreadgroup("g", "ada", {"log": ">"}, block=10000),
    ):
        ended = threading.Event()

        def write():
            # One that is added before the reader waits is not news to it.
            while not ended.wait(0.1):
                cluster.xadd("log", {"f": "v"})

        writer = threading.Thread(target=write)
        writer.start()
        found = read_entries(read())[b"log"]
        ended.set()
        writer.join()
        assert found[0][1] == {b"f": b"v"}
        cluster.xgroup_setid("log", "g", "$")


def test_dump_and_restore_of_every_type(cluster):
    cluster.hset("{d}hash", "f", "v")
    cluster.sadd("{d}set", "m")
    cluster.zadd("{d}zset", {"m": 1})
    cluster.rpush("{d}list", "e")
    cluster.set("{d}string", "s")
    cluster.xadd("{d}stream", {"f": "v"}, id="1-1")
    for kind in ["hash", "set", "zset", "list", "string", "stream"]:
        payload = cluster.dump("{d}" + kind)
        assert cluster.restore("{d}copy of " + kind, 0, payload)
        assert cluster.type("{d}copy of " + kind) == kind.encode()
        assert cluster.dump("{d}copy of " + kind) == payload


def test_pipelines_go_to_all_shards(cluster):
    pipeline = cluster.pipeline()
    for i in range(300):
        pipeline.set(f"p:{i}", i)
        pipeline.get(f"p:{i}")
    assert pipeline.execute()[1::2] == [b"%d" % i for i in range(300)]


def test_transactions_of_one_slot(cluster):
    with cluster.pipeline(transaction=True) as pipeline:
        pipeline.watch("{t}n")
        pipeline.multi()
        pipeline.incr("{t}n")
        pipeline.rpush("{t}list", "a", "b")
        assert pipeline.execute() == [1, 2]


def test_reads_from_replicas(cluster_json):
    with RedisCluster(host="127.0.0.1", port=cluster_json["nodes"][0]["port"], load_balancing_strategy=LoadBalancingStrategy.ROUND_ROBIN) as client:
        assert client.set("read", "me")
        assert client.wait(1, 5000, target_nodes=client.get_node_from_key("read")) == 1
        assert {client.get("read") for _ in range(10)} == {b"me"}


def test_publish_and_subscribe(cluster_json):
    ports = [node["port"] for node in cluster_json["nodes"]]
    with Redis(port=ports[4]) as subscriber, Redis(port=ports[0]) as publisher:
        pubsub = subscriber.pubsub()
        pubsub.subscribe("news")
        assert pubsub.get_message(timeout=5)["type"] == "subscribe"
        publisher.publish("news", "hello")
        deadline = time.monotonic() + 10
        message = None
        while message is None and time.monotonic() < deadline:
            message = pubsub.get_message(timeout=1)
        assert message["data"] == b"hello"


def test_sharded_publish_and_subscribe(cluster):
    pubsub = cluster.pubsub()
    pubsub.ssubscribe("orders")
    assert pubsub.get_sharded_message(timeout=5)["type"] == "ssubscribe"
    assert cluster.spublish("orders", "new") == 1
    deadline = time.monotonic() + 10
    message = None
    while message is None and time.monotonic() < deadline:
        message = pubsub.get_sharded_message(timeout=1)
    assert message["data"] == b"new"
    pubsub.close()


def test_a_missing_command_says_so(cluster):
    with pytest.raises(ResponseError, match="^unknown command"):
        cluster.execute_command("ACL", "WHOAMI", target_nodes=cluster.get_random_node())


def test_scripts_and_locks(cluster):
    take = cluster.register_script("return redis.call('incrby', KEYS[1], ARGV[1])")
    assert [take(keys=["counted"], args=[n]) for n in (1, 2, 3)] == [1, 3, 6]
    lock = cluster.lock("guarded", timeout=10)
    assert lock.acquire(blocking=False)
    assert not cluster.lock("guarded", timeout=10).acquire(blocking=False)
    assert lock.extend(5) and lock.reacquire()
    lock.release()
    with pytest.raises(LockError):
        lock.release()
    with cluster.lock("guarded", timeout=10, blocking_timeout=1) as held:
        assert held.owned()


def test_a_planned_failover_is_followed(cluster_json):
    ports = [node["port"] for node in cluster_json["nodes"]]
    with RedisCluster(host="127.0.0.1", port=ports[0]) as client:
        before = client.get_node_from_key("survivor")
        assert client.set("survivor", 1)
        shard = next(node for node in cluster_json["nodes"] if node["port"] == before.port)
        replica = next(node for node in cluster_json["nodes"] if node["primary"] == shard["id"])
        with Redis(port=replica["port"]) as direct:
            assert direct.execute_command("CLUSTER", "FAILOVER")
            deadline = time.monotonic() + 20
            while direct.execute_command("ROLE")[0] != b"master" and time.monotonic() < deadline:
                time.sleep(0.02)
            assert direct.execute_command("ROLE")[0] == b"master"
        assert client.incr("survivor") == 2
        assert client.get_node_from_key("survivor").port == replica["port"]


def test_a_cluster_client_with_a_cache_hears_of_what_another_one_writes(port_of_a_later_version):
    address = {"host": "127.0.0.1", "port": port_of_a_later_version, "protocol": 3}
    keys = [f"cached:{i}" for i in range(50)]
    with RedisCluster(**address, cache_config=CacheConfig(max_size=1000)) as reader, RedisCluster(**address) as writer:
        def asked_of_servers():
            nodes = writer.info("commandstats", target_nodes="primaries").values()
            return sum(stats["cmdstat_get"]["calls"] for stats in nodes if "cmdstat_get" in stats)

        for key in keys:
            writer.set(key, "old")
            assert reader.get(key) == b"old"
        asked = asked_of_servers()
        assert asked == len(keys)
        assert [reader.get(key) for key in keys] == [b"old"] * len(keys)
        assert asked_of_servers() == asked, "everything comes out of the cache"
        for key in keys:
            writer.set(key, "new")
        deadline = time.monotonic() + 10
        for key in keys:
            while (seen := reader.get(key)) != b"new" and time.monotonic() < deadline:
                time.sleep(0.001)
            assert seen == b"new", key
        assert asked_of_servers() == asked + len(keys), "every key is asked for once more"
