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
