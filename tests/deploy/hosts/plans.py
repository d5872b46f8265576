"""The plans of deploy/ansible, without a node: random layouts, and what must hold for each."""

import importlib.util
import random
import sys
import traceback

spec = importlib.util.spec_from_file_location("plan", "deploy/ansible/roles/slotd/module_utils/slotd_plan.py")
plan = importlib.util.module_from_spec(spec)
spec.loader.exec_module(plan)


def layout(draw):
    replicas = draw.choice([1, 1, 1, 2])
    hosts, each = draw.randint(3, 9), draw.randint(1, 3) * (replicas + 1)
    return {f"h{host}:{port}": f"h{host}" for host in range(hosts) for port in range(each)}, replicas


def create(nodes, replicas):
    hosts = {host: list(nodes.values()).count(host) for host in nodes.values()}
    primaries = plan.spread(nodes, plan.shape(hosts, replicas))
    others = {node: host for node, host in nodes.items() if node not in primaries}
    followers = plan.assign({node: nodes[node] for node in primaries}, others, replicas, {})
    return [(leader, {node: nodes[node] for node in nodes if node == leader or followers.get(node) == leader}) for leader in primaries]


def random_layouts(draw):
    nodes, replicas = layout(draw)
    shards = create(nodes, replicas)
    assert not plan.findings(shards), (nodes, shards, plan.findings(shards))
    assert all(len(members) == replicas + 1 for _, members in shards)
    # A host fails, its primaries are elsewhere; then it is back, and so are they.
    down = draw.choice(sorted(set(nodes.values())))
    after = [(draw.choice(sorted(n for n in members if members[n] != down)), members) for _, members in shards]
    led = plan.leaders([members for _, members in after], [leader for leader, _ in after])
    assert not plan.findings(list(zip(led, [members for _, members in after]))), (nodes, after, led)
    # If it had one, that one alone comes back.
    if sum(nodes[leader] == down for leader, _ in shards) == 1:
        after = [(then if nodes[leader] == down else leader, members) for (then, _), (leader, members) in zip(after, shards)]
        led = plan.leaders([members for _, members in after], [leader for leader, _ in after])
        assert sum(then != leader for (then, _), leader in zip(after, led)) <= 1, (after, led)
    # What is well placed stays as it is.
    assert plan.leaders([members for _, members in shards], [leader for leader, _ in shards]) == [leader for leader, _ in shards]
    current = {node: leader for leader, members in shards for node in members if node != leader}
    assert plan.assign({leader: nodes[leader] for leader, _ in shards}, {n: nodes[n] for n in current}, replicas, current) == current
    # Slots: equal shares, nothing moves twice, nothing moves without need.
    owned = {leader: set(range(first, last + 1)) for (leader, _), (first, last) in zip(shards, plan.ranges(len(shards)))}
    assert sum(map(len, owned.values())) == plan.SLOTS and not plan.moves(owned, list(owned))
    keep = [leader for leader, _ in shards][:-1] if draw.random() < 0.5 else [leader for leader, _ in shards] + ["new"]
    for slot, source, target in plan.moves(owned, keep):
        owned[source].remove(slot)
        owned.setdefault(target, set()).add(slot)
    counts = [len(owned[leader]) for leader in keep]
    assert sum(counts) == plan.SLOTS and max(counts) - min(counts) <= 1, counts


def refused(hosts, replicas, text):
    try:
        plan.shape(hosts, replicas)
    except plan.NoPlace as error:
        assert text in str(error), error
    else:
        raise AssertionError(f"{hosts} was not refused")


for seed in range(500):
    try:
        random_layouts(random.Random(seed))
    except (AssertionError, plan.NoPlace):
        traceback.print_exc()
        sys.exit(f"seed {seed}")
refused({"a": 2, "b": 2}, 1, "make 2 primaries")
refused({"a": 3, "b": 3}, 1, "2 hosts are too few")
refused({"a": 1, "b": 1, "c": 1, "d": 1}, 2, "whole number")
refused({"a": 4, "b": 1, "c": 1}, 1, "there are only 3 shards")
