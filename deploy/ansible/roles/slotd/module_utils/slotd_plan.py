"""Where the nodes of a cluster belong: who is a primary, whose replica is who, which slots move. Nothing here talks to a node.

What a good place is:

* the nodes of one shard are on different hosts, so that no host takes a primary and its replica along;
* the primaries are spread evenly over the hosts, so that no host takes the majority along.

A plan changes as little as it can: a node keeps its shard, and a shard its primary, unless the rules above want it otherwise.
"""

SLOTS = 16384
# Layouts are small; a search that takes longer than this has no answer worth waiting for.
PATIENCE = 200_000


class NoPlace(Exception):
    """The nodes cannot be placed by the rules. The text says why, and what to do."""


def shape(hosts, replicas):
    """How many primaries `hosts` (name: number of nodes) can have with so many replicas each."""
    nodes = sum(hosts.values())
    primaries = nodes // (replicas + 1)
    if nodes % (replicas + 1):
        raise NoPlace(f"{nodes} nodes are no whole number of shards of one primary and {replicas} replicas")
    if primaries < 3:
        raise NoPlace(f"{nodes} nodes with {replicas} replicas each make {primaries} primaries, and a cluster has at least three: "
                      "name more hosts or more ports, or ask for fewer replicas")
    if len(hosts) < 3:
        raise NoPlace(f"{len(hosts)} hosts are too few: with fewer than three, one that fails takes the majority along")
    if len(hosts) < replicas + 1:
        raise NoPlace(f"{len(hosts)} hosts are too few for {replicas} replicas, which are to be on other hosts than their primary")
    if max(hosts.values()) > primaries:
        name = max(hosts, key=hosts.get)
        raise NoPlace(f"{name} has {hosts[name]} nodes, but there are only {primaries} shards: two nodes of one shard would be there")
    return primaries


def spread(nodes, count, taken=()):
    """`count` of `nodes` (name: host), those on hosts with the fewest of `taken` (hosts, one for each primary) first."""
    busy = {host: list(taken).count(host) for host in nodes.values()}
    chosen = []
    for _ in range(count):
        free = [node for node in nodes if node not in chosen]
        node = min(free, key=lambda node: (busy[nodes[node]], list(nodes).index(node)))
        busy[nodes[node]] += 1
        chosen.append(node)
    return chosen


def assign(primaries, others, replicas, current):
    """Whose replica each of `others` is to be, as {node: primary}.

    `primaries` and `others` map a node to its host; `current` says whose replica a node is now. The search takes the nodes that
    have a shard first, and lets each keep it if the rest can be placed then.
    """
    order = sorted(others, key=lambda node: (current.get(node) not in primaries, list(others).index(node)))
    hosts = {primary: [host] for primary, host in primaries.items()}
    chosen, steps = {}, [0]

    def place(at):
        steps[0] += 1
        if steps[0] > PATIENCE:
            return False
        if at == len(order):
            return True
        node = order[at]
        wanted = sorted(primaries, key=lambda primary: (primary != current.get(node), len(hosts[primary])))
        for primary in wanted:
            if len(hosts[primary]) <= replicas and others[node] not in hosts[primary]:
                hosts[primary].append(others[node])
                chosen[node] = primary
                if place(at + 1):
                    return True
                hosts[primary].pop()
                del chosen[node]
        return False

    if not place(0):
        raise NoPlace("no placement was found in which the nodes of a shard are on different hosts: "
                      "give each host the same number of nodes")
    return chosen


def leaders(shards, current):
    """Which node of each shard is to be its primary, as a list. `shards` is a list of {node: host}, `current` their primaries.

    Each host has as many places as an even spread gives it. A host with too many gives one away by the shortest way: to a host of that
    shard with room, else to one whose leader has another host to go to. So as few as possible change.
    """
    hosts = sorted({host for shard in shards for host in shard.values()})
    room = -(-len(shards) // len(hosts))
    choice = list(current)
    held = {host: [index for index, node in enumerate(choice) if shards[index][node] == host] for host in hosts}

    def steps_from(host, seen):
        return [(index, node) for index in held[host] for node, at in shards[index].items() if at not in seen]

    for crowded in hosts:
        # Ways to another host, shortest first: each is a list of (shard, its new leader).
        seen = {crowded}
        ways = [[step] for step in steps_from(crowded, seen)]
        while ways and len(held[crowded]) > room:
            way = ways.pop(0)
            index, node = way[-1]
            host = shards[index][node]
            if host in seen:
                continue
            if len(held[host]) >= room:
                seen.add(host)
                ways += [way + [step] for step in steps_from(host, seen)]
                continue
            for index, node in way:
                held[shards[index][choice[index]]].remove(index)
                held[shards[index][node]].append(index)
                choice[index] = node
            seen = {crowded}
            ways = [[step] for step in steps_from(crowded, seen)]
    return choice


def ranges(count):
    """The slots of each of `count` new primaries, as (first, last)."""
    return [(SLOTS * at // count, SLOTS * (at + 1) // count - 1) for at in range(count)]


def moves(owned, keep):
    """Which slots move so that the primaries in `keep` have equal shares and the others none: a list of (slot, source, target).

    `owned` maps a primary to its slots. Who has too few takes from who has too many; nothing else moves.
    """
    # What does not divide stays with those that have most.
    richest = sorted(keep, key=lambda primary: -len(owned.get(primary, ())))
    share = {primary: SLOTS // len(keep) + (at < SLOTS % len(keep)) for at, primary in enumerate(richest)}
    spare = []
    for primary, slots in owned.items():
        spare += [(slot, primary) for slot in sorted(slots)[share.get(primary, 0):]]
    planned = []
    for primary in keep:
        lacks = share[primary] - len(owned.get(primary, ()))
        for _ in range(max(lacks, 0)):
            slot, source = spare.pop()
            planned.append((slot, source, primary))
    return planned


def findings(shards):
    """What is wrong with the placement of `shards`, a list of (primary, {node: host}), as sentences."""
    found = []
    by_host = {}
    for primary, nodes in shards:
        by_host.setdefault(nodes[primary], []).append(primary)
        for host in sorted(set(nodes.values())):
            together = sorted(node for node in nodes if nodes[node] == host)
            if len(together) > 1:
                found.append(f"{' and '.join(together)} are nodes of one shard on one host ({host})")
    hosts = {host for _, nodes in shards for host in nodes.values()}
    room = -(-len(shards) // max(len(hosts), 1))
    for host, primaries in sorted(by_host.items()):
        if len(primaries) > room:
            found.append(f"{host} has {len(primaries)} primaries ({', '.join(sorted(primaries))}), an even spread is {room}")
    return found
