"""One `slotd cluster` for the whole run, started on free ports; SLOTD_BIN names the binary."""

import json
import os
import subprocess

import pytest
from redis.cluster import RedisCluster


@pytest.fixture(scope="session")
def cluster_json():
    process = subprocess.Popen([os.environ["SLOTD_BIN"], "cluster", "--port", "0", "--json"], stdout=subprocess.PIPE)
    line = process.stdout.readline()
    assert line, "slotd cluster ended before it was ready"
    yield json.loads(line)
    process.terminate()
    assert process.wait(timeout=20) == 0


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def cluster(request, cluster_json):
    with RedisCluster(host="127.0.0.1", port=cluster_json["nodes"][0]["port"], protocol=request.param) as client:
        client.flushall(target_nodes="primaries")
        yield client


@pytest.fixture(scope="session")
def port_of_a_later_version():
    """redis-py caches only what a server of 7.4 or later says; slotd announces 7.2.4."""
    command = [os.environ["SLOTD_BIN"], "cluster", "--port", "0", "--json", "--server-version-announced", "7.4.0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    line = process.stdout.readline()
    assert line, "slotd cluster ended before it was ready"
    yield json.loads(line)["nodes"][0]["port"]
    process.terminate()
    assert process.wait(timeout=20) == 0
