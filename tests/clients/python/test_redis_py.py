"""redis-py's cluster client: what an application does with it on the types that slotd has."""

import threading
import time

import pytest
from redis import Redis
from redis.cluster import LoadBalancingStrategy, RedisCluster
from redis.exceptions import ResponseError


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
        cluster.execute_command("XADD", "stream", "*", "field", "value", target_nodes=cluster.get_random_node())


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
