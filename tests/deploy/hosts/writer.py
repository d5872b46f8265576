"""A redis-py cluster client with retries that writes while hosts die and restart.

    writer.py write SEED FILE     writes until FILE.stop exists; each key whose write a replica has confirmed (WAIT 1) goes into FILE.
                                  A shard whose replica is away confirms nothing: its writes are made, and not promised
    writer.py verify SEED FILE... reads all of them back
    writer.py placement SEED      which host has which nodes: fails if two nodes of a shard, or more than its share of primaries, are on one

The password is in REDISCLI_AUTH. An error is what reaches the caller after the client's retries.
"""

import collections
import os
import sys
import time

import redis
from redis.backoff import ExponentialBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry


def client(seed):
    nodes = [ClusterNode(*address.split(":")) for address in seed.split(",")]
    return RedisCluster(startup_nodes=nodes, password=os.environ["REDISCLI_AUTH"], socket_timeout=1, socket_connect_timeout=1,
                        retry=Retry(ExponentialBackoff(cap=0.5, base=0.02), 60), decode_responses=True)


def pool_of(cluster, key):
    """The connections to the node that has the key, which are one, and its socket: who waits for replicas must be who wrote."""
    pool = cluster.get_node_from_key(key).redis_connection.connection_pool
    try:
        connection = pool.get_connection()
    except redis.RedisError:
        return pool, None
    pool.release(connection)
    return pool, connection._sock


def confirmed(cluster, key, value):
    """Writes the key, and says whether a replica has it. What goes wrong while it asks for that is no error of the write."""
    _, before = pool_of(cluster, key)
    cluster.set(key, value)
    pool, after = pool_of(cluster, key)
    if after is None or before is not after:
        return False  # Reconnected or redirected meanwhile: WAIT would speak of nothing.
    try:
        connection = pool.get_connection()
    except redis.RedisError:
        return False
    try:
        if connection._sock is not after:
            return False
        connection.send_command("WAIT", 1, 100)
        return connection.read_response() >= 1
    except redis.RedisError:
        connection.disconnect()
        return False
    finally:
        pool.release(connection)


def write(seed, file):
    cluster, count, done, errors, longest = client(seed), 0, 0, [], 0
    with open(file, "w") as acknowledged:
        while not os.path.exists(file + ".stop"):
            key, begin, count = f"{os.path.basename(file)}:{count}", time.monotonic(), count + 1
            try:
                if confirmed(cluster, key, count):
                    acknowledged.write(f"{key} {count}\n")
                    acknowledged.flush()
                    done += 1
            except Exception as error:  # whatever reaches the caller counts
                errors.append(f"{type(error).__name__}: {error}")
            longest = max(longest, time.monotonic() - begin)
            time.sleep(0.002)
    print(f"{count} written, {done} acknowledged, {len(errors)} errors, longest {longest:.1f} s")
    for error, times in collections.Counter(errors).most_common(5):
        print(f"  {times} x {error}")


def verify(seed, *files):
    cluster, lost, read = client(seed), [], 0
    for file in files:
        for line in open(file):
            key, value = line.split()
            read += 1
            if cluster.get(key) != value:
                lost.append(key)
    print(f"{read} read, {len(lost)} lost {lost[:5]}")
    sys.exit(bool(lost) or read < 100)


def placement(seed):
    host, port = seed.split(",")[0].split(":")
    lines = redis.Redis(host, int(port), password=os.environ["REDISCLI_AUTH"], decode_responses=True).execute_command("CLUSTER NODES")
    print("\n".join(f"{at} {node}" for at, node in sorted(lines.items())))
    primaries, together = collections.Counter(), set()
    at_of = {node["node_id"]: at for at, node in lines.items()}
    for at, node in lines.items():
        host = at.split(":")[0]
        if "fail" in node["flags"]:
            sys.exit(f"{at} has failed")
        if "master" in node["flags"]:
            primaries[host] += 1
        elif at_of[node["master_id"]].split(":")[0] == host:
            together.add(at)
    hosts = {at.split(":")[0] for at in lines}
    if together or set(primaries) != hosts or max(primaries.values()) > 1:
        sys.exit(f"badly placed: {dict(primaries)} primaries, {together} on the host of their primary")
    print(f"{len(hosts)} hosts, {len(lines)} nodes")


if __name__ == "__main__":
    {"write": write, "verify": verify, "placement": placement}[sys.argv[1]](*sys.argv[2:])
