#!/usr/bin/python
"""The Ansible module of the role: brings a cluster into a state, and says what it did."""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.slotd_nodes import Node, NodeError, until
from ansible.module_utils.slotd_plan import SLOTS, NoPlace, assign, findings, leaders, moves, ranges, shape, spread

DOCUMENTATION = r"""
---
module: slotd_cluster
short_description: Forms, extends and heals a cluster of slotd nodes
description:
  - Talks to the nodes over their client ports, from the host on which it runs. It needs Python alone.
  - What cannot be done is refused before anything is changed.
options:
  nodes:
    description: All nodes, as a list of dictionaries with host, address and port. Nodes with the same host fail together.
    type: list
    elements: dict
    required: true
  password:
    description: The password of clients.
    type: str
  previous:
    description: The password that nodes may still have, for C(rekeyable) and C(rekeyed). One without any password is given O(password), too.
    type: str
  replicas:
    description: How many replicas each primary has.
    type: int
    default: 1
  state:
    description:
      - C(checked) changes nothing. It fails if the nodes are too few, or if one of them is in a cluster with nodes that are not named.
      - C(formed) makes the cluster, or brings new nodes into the one that is there; then it is C(placed), too.
      - C(placed) puts the primaries back, one per host, by failovers without loss.
      - C(verified) changes nothing. It fails if the cluster is not in order, or badly placed.
      - C(handed_over) moves the primaries of O(host) to other hosts, so that it can be restarted.
      - C(ready) waits until every node is in order and every replica in sync.
      - C(drained) moves slots, primaries and replicas away from O(host), which is one of O(nodes).
      - C(forgotten) makes the other nodes forget those of O(host), which no longer run.
      - C(rekeyable) changes nothing. It fails if O(password) is none that a file can hold, if a node does not answer, or if one takes
        neither O(password) nor O(previous).
      - C(rekeyed) gives every node O(password) in the place of O(previous), while it runs, if it is C(rekeyable).
    type: str
    choices: [checked, formed, placed, verified, handed_over, ready, drained, forgotten, rekeyable, rekeyed]
    required: true
  host:
    description: The host that is handed over, drained or forgotten.
    type: str
  timeout:
    description: How many seconds a single step may take, such as a failover or the sync of a replica.
    type: int
    default: 60
author: slotd
"""

EXAMPLES = r"""
- name: Put the primaries back, one per host
  slotd_cluster:
    nodes:
      - {host: vm1, address: 10.0.0.1, port: 7000}
      - {host: vm2, address: 10.0.0.2, port: 7000}
    password: "{{ slotd_password }}"
    state: placed
"""

RETURN = r"""
actions:
  description: What was done, a sentence each.
  type: list
  returned: always
"""

# What a node reads of the file with its password, its line end included.
SECRET_BYTES_MAX = 65536


class Cluster:
    """The nodes of the inventory, and what they are to each other at the moment."""

    def __init__(self, params):
        self.nodes = [Node(node["host"], node["address"], node["port"], params["password"]) for node in params["nodes"]]
        self.replicas, self.host, self.timeout = params["replicas"], params["host"], params["timeout"]
        self.password, self.previous = params["password"], params["previous"]
        self.by_at = {node.at: node for node in self.nodes}
        if len(self.by_at) < len(self.nodes):
            raise NoPlace("two nodes have one address and port")
        self.actions, self.living = [], None

    # --- what is there ---------------------------------------------------------------------------------------------------

    def alive(self):
        """The nodes that answer. One that refuses the password ends everything, one that loads is waited for.

        To learn that a host is gone takes seconds: which nodes are is found out once.
        """
        if self.living is None:
            self.living = [node for node in self.nodes if self.answers(node)]
        return self.living

    def answers(self, node):
        def has_loaded():
            try:
                node.call("PING")
            except NodeError as error:
                return "LOADING" not in str(error) and error
            return True

        reply = until(self.timeout, f"{node.name} has loaded its data", has_loaded)
        if isinstance(reply, NodeError):
            if refused(reply):
                raise NodeError(f"{str(reply).rstrip('.')}. slotd_password is not the password that this node has")
            return False
        return True

    def look(self):
        """The nodes that answer as members of the cluster, by what each says of itself: {name: Member}."""
        members = {node.name: node.myself() for node in self.alive()}
        if not members:
            raise NodeError("no node answers")
        self.ids = {member.id: name for name, member in members.items()}
        return members

    def named(self, name):
        return next(node for node in self.nodes if node.name == name)

    def shards(self, members):
        """A list of (primary, {node: host}) of the primaries that have slots."""
        found = []
        for name, member in members.items():
            if member.is_primary and member.slots:
                followers = [other for other, one in members.items() if one.primary == member.id]
                found.append((name, {node: self.named(node).host for node in [name, *followers]}))
        return found

    def hosts(self, without=None):
        counts = {}
        for node in self.nodes:
            if node.host != without:
                counts[node.host] = counts.get(node.host, 0) + 1
        return counts

    def strangers(self):
        """Members of a cluster that the inventory does not name, as sentences. What has failed and gone is none."""
        for node in self.alive():
            for member in node.view():
                if member.at not in self.by_at and not member.failed and "noaddr" not in member.flags:
                    yield f"{node.name} is in a cluster with {member.at}, which the inventory does not name"

    # --- states ------------------------------------------------------------------------------------------------------------

    def checked(self):
        shape(self.hosts(), self.replicas)
        for sentence in self.strangers():
            raise NoPlace(f"{sentence}. Name it; or, if it is to go, remove its host with remove-host.yml; or, if this is another "
                          "cluster, take other hosts or ports")
        clusters = {}
        for node in self.alive():
            view = node.view()
            if any(member.slots for member in view):
                clusters.setdefault(min(member.id for member in view if not member.failed), node.name)
            elif len(view) == 1 and node.info("keyspace"):
                raise NoPlace(f"{node.name} is in no cluster and holds keys: a cluster takes empty nodes only. Move its dump.rdb away "
                              "and restart it")
        if len(clusters) > 1:
            raise NoPlace(f"{' and '.join(sorted(clusters.values()))} are in different clusters, which do not become one")

    def formed(self):
        self.checked()
        for node in self.nodes:
            until(self.timeout, f"{node.name} answers", lambda node=node: node.call("PING") == "PONG")
        self.living = self.nodes
        members = self.join()
        if sum(len(member.slots) for member in members.values()) < SLOTS:
            self.create(members)
        elif any(member.is_primary and (not member.slots or member.open) for member in members.values()):
            self.extend(self.finish_moves(members))
        self.ready()
        self.placed()

    def join(self):
        """Makes all nodes known to each other, and returns the members."""
        seed = max(self.nodes, key=lambda node: len(node.view()))
        known = {member.id for member in seed.view()}
        ids = {node.myself().id for node in self.nodes}
        # A host that came back with an empty disk has new nodes at its old addresses: the id tells.
        for node in self.nodes:
            if node.myself().id not in known:
                seed.call("CLUSTER", "MEET", node.address, node.port)
                self.actions.append(f"{node.name} met the cluster")

        def all_known(node):
            return ids <= {member.id for member in node.view() if not member.joining}

        for node in self.nodes:
            until(self.timeout, f"{node.name} knows all nodes", lambda node=node: all_known(node))
        self.forget_replaced(ids)
        return self.look()

    def forget_replaced(self, ids):
        """Nodes whose address one of ours has now, or that have none, are gone for good."""
        gone = {member.id for node in self.nodes for member in node.view()
                if member.failed and member.id not in ids and (member.at in self.by_at or "noaddr" in member.flags)}
        if gone:
            self.forget(gone, "replaced nodes")

    def create(self, members):
        """Makes the cluster. An attempt that was interrupted is taken up where it ended."""
        for name in members:
            if self.named(name).info("keyspace"):
                raise NoPlace(f"some slots are served by no node, and {name} holds keys: this cluster has lost a shard. Bring its nodes "
                              "back, or give its slots up with redis-cli --cluster fix")
        hosts = {node.name: node.host for node in self.nodes}
        primaries = spread(hosts, shape(self.hosts(), self.replicas))
        others = {name: host for name, host in hosts.items() if name not in primaries}
        for epoch, name in enumerate(primaries, 1):
            try:
                self.named(name).call("CLUSTER", "SET-CONFIG-EPOCH", epoch)
            except NodeError:
                pass  # It has one already; nodes with equal ones sort it out among themselves.
        self.follow(assign({name: hosts[name] for name in primaries}, others, self.replicas, {}))
        # Slots come last: a cluster that is half made serves nothing.
        served = set().union(*(member.slots for member in members.values()))
        for name, (first, last) in zip(primaries, ranges(len(primaries))):
            slots = [slot for slot in range(first, last + 1) if slot not in served]
            if slots:
                self.named(name).call("CLUSTER", "ADDSLOTS", *slots)
            self.actions.append(f"{name} serves slots {first}-{last}")

    def extend(self, members):
        """New nodes become primaries and replicas, and the new primaries get their share of the slots."""
        hosts = {name: self.named(name).host for name in members}
        old = [name for name, member in members.items() if member.is_primary and member.slots]
        empty = {name: hosts[name] for name, member in members.items() if member.is_primary and not member.slots}
        new = spread(empty, max(shape(self.hosts(), self.replicas) - len(old), 0), [hosts[name] for name in old])
        primaries = {name: hosts[name] for name in old + new}
        self.rearrange(members, primaries, {name: host for name, host in hosts.items() if name not in primaries})
        if new or any(member.open for member in members.values()):
            self.move_slots(members, old + new)

    def placed(self):
        self.ready(self.alive())
        members = self.look()
        shards = self.shards(members)
        if not shards:
            raise NodeError("no node has slots: the cluster is not formed")
        wanted = leaders([nodes for _, nodes in shards], [primary for primary, _ in shards])
        for (primary, _), leader in zip(shards, wanted):
            if leader != primary:
                self.fail_over(primary, leader)
        self.verified()

    def verified(self):
        self.ready()
        found = findings(self.shards(self.look()))
        if found:
            raise NoPlace("; ".join(found))

    def handed_over(self):
        members = self.look()
        if self.host not in self.hosts():
            raise NoPlace(f"{self.host} is no host of the inventory, which has {', '.join(self.hosts())}")
        busy = [self.named(name).host for name, member in members.items() if member.is_primary and member.slots]
        for primary, nodes in self.shards(members):
            if nodes[primary] == self.host:
                elsewhere = [name for name, host in nodes.items() if host != self.host]
                if not elsewhere:
                    raise NoPlace(f"{primary} has no replica on another host: its slots would be lost for the time of the restart")
                leader = min(elsewhere, key=lambda name: busy.count(nodes[name]))
                self.fail_over(primary, leader)
                busy.append(nodes[leader])

    def drained(self):
        primaries_left = shape(self.hosts(without=self.host), self.replicas)
        self.ready(self.alive())
        self.handed_over()
        members = self.look()
        hosts = {name: self.named(name).host for name in members}
        primaries = [name for name, member in members.items() if member.is_primary and member.slots]
        # A shard goes whose primary is on the host with the most of them, so that those that stay are spread.
        keep = list(primaries)
        while len(keep) > primaries_left:
            on = [hosts[name] for name in keep]
            keep.remove(max(keep, key=lambda name: on.count(hosts[name])))
        self.move_slots(members, keep)
        staying = {name: host for name, host in hosts.items() if host != self.host and name not in keep}
        self.rearrange(self.look(), {name: hosts[name] for name in keep}, staying)
        self.actions.append(f"{self.host} has no part in the cluster any more")

    def forgotten(self):
        views = [node.view() for node in self.alive() if node.host != self.host]
        leaving = [node.at for node in self.nodes if node.host == self.host]
        ids = {member.id for view in views for member in view if member.at in leaving}
        if ids:
            self.forget(ids, f"the nodes of {self.host}")

    def rekeyable(self, otherwise="Nothing was changed"):
        reason = unfit(self.password)
        if reason:
            raise NoPlace(f"slotd_password {reason}. {otherwise}")
        troubles = []
        for node in self.nodes:
            try:
                self.find_password(node)
            except NodeError as error:
                troubles.append(str(error).rstrip("."))
        if troubles:
            raise NodeError(f"{'; '.join(troubles)}. {otherwise}: all nodes must answer, and take one of the two passwords. Bring "
                            "back who is down, or take its host out with remove-host.yml, and run this again")

    def rekeyed(self):
        # All are looked at before one is changed. Who was given the password before this was interrupted is passed over.
        self.rekeyable("No node was changed, but hosts may have the file with the new password already")
        # That among the nodes first: in between only a replica that happens to lose its link has to try again.
        for directive in ("masterauth", "requirepass"):
            for node in self.nodes:
                if node.call("CONFIG", "GET", directive)[1] != self.password:
                    node.call("CONFIG", "SET", directive, self.password)
                    self.actions.append(f"{node.name} has a new {directive}")
        for node in self.nodes:
            node.sign_in(self.password)
        self.ready()

    def find_password(self, node):
        """Signs in with the new password, with the previous one, or with none."""
        for password in (*filter(None, (self.password, self.previous)), None):
            try:
                return node.sign_in(password)
            except NodeError as error:
                if not refused(error):
                    raise
        raise NodeError(f"{node.name} has another password than slotd_password, and than slotd_previous_password")

    # --- steps -------------------------------------------------------------------------------------------------------------

    def ready(self, nodes=None):
        """Waits until every node is in order, and every replica has what its primary has."""
        for node in nodes or self.nodes:
            def serves(node=node):
                state = node.call("CLUSTER", "INFO")
                return "cluster_state:ok" in state and "cluster_slots_ok:16384" in state
            until(self.timeout, f"{node.name} says that the cluster is in order", serves)
            self.in_sync(node)

    def in_sync(self, node):
        def has_all():
            info = node.info("replication")
            return info["role"] == "master" or info["master_link_status"] == "up"
        until(self.timeout, f"{node.name} is in sync with its primary", has_all)

    def follow(self, followers):
        """Makes each of `followers` the replica that it is to be, and waits until they are in sync."""
        for name, primary in followers.items():
            node, leader = self.named(name), self.named(primary).myself().id
            until(self.timeout, f"{name} becomes a replica of {primary}", lambda: node.call("CLUSTER", "REPLICATE", leader) == "OK")
            self.actions.append(f"{name} follows {primary}")
        for name, primary in followers.items():
            self.follows(name, primary)

    def follows(self, name, primary):
        """Waits until `name` is a replica of `primary`, and in sync."""
        leader = self.named(primary).myself().id
        until(self.timeout, f"{name} follows {primary}", lambda: self.named(name).myself().primary == leader)
        self.in_sync(self.named(name))

    def rearrange(self, members, primaries, others):
        """Gives each of `others` a primary, those without one first, so that no shard is without a replica in between."""
        current = {name: self.ids.get(members[name].primary) for name in others}
        wanted = assign(primaries, others, self.replicas, current)
        self.follow({name: primary for name, primary in wanted.items() if members[name].is_primary})
        self.follow({name: primary for name, primary in wanted.items()
                     if not members[name].is_primary and primary != current[name]})

    def fail_over(self, primary, leader):
        node = self.named(leader)
        self.in_sync(node)

        def leads():
            if node.info("replication")["role"] == "master":
                return True
            try:
                node.call("CLUSTER", "FAILOVER")
            except NodeError as error:
                if "does not answer" in str(error):
                    raise
            # One takes far less than a second; one that was not granted is asked for again.
            return until(6, "", lambda: node.info("replication")["role"] == "master", 0.02)

        until(self.timeout, f"{leader} takes over from {primary}", leads)
        self.actions.append(f"{leader} took over from {primary}")
        self.follows(primary, leader)
        self.agreed(leader)

    def agreed(self, leader):
        """Waits until all nodes know that `leader` leads."""
        at = self.named(leader).at
        for node in self.alive():
            until(self.timeout, f"{node.name} knows that {leader} is a primary",
                  lambda node=node: any(member.at == at and member.slots for member in node.view()))

    def move_slots(self, members, keep):
        owned = {name: member.slots for name, member in members.items() if member.is_primary}
        planned = moves(owned, keep)
        routes = {}
        for slot, source, target in planned:
            routes.setdefault((source, target), []).append(slot)
        for (source, target), slots in routes.items():
            for at in range(0, len(slots), 16):
                self.move(slots[at:at + 16], self.named(source), self.named(target), members[source].id, members[target].id)
        if planned:
            self.actions.append(f"{len(planned)} slots moved")
            self.ready(self.alive())

    def finish_moves(self, members):
        """Slots that were on their way when an earlier run was interrupted get where they were to go. The members are as they were."""
        routes = {}
        for name, member in members.items():
            for slot, way, other in member.open:
                giver, taker = (name, self.ids.get(other)) if way == ">" else (self.ids.get(other), name)
                if taker and not members[taker].is_primary:
                    taker = self.ids.get(members[taker].primary)  # It has failed over since; what has arrived is there.
                if giver and taker and slot in members[giver].slots:
                    routes.setdefault((giver, taker), set()).add(slot)
                else:
                    self.named(name).call("CLUSTER", "SETSLOT", slot, "STABLE")
        for (giver, taker), slots in routes.items():
            self.move(sorted(slots), self.named(giver), self.named(taker), members[giver].id, members[taker].id)
            members[giver].slots -= slots
            members[taker].slots |= slots
        return members

    def move(self, slots, giver, taker, giver_id, taker_id):
        """Moves slots with their keys, while clients use them. Each step is done for all of them at once."""
        taker.call_all([("CLUSTER", "SETSLOT", slot, "IMPORTING", giver_id) for slot in slots])
        giver.call_all([("CLUSTER", "SETSLOT", slot, "MIGRATING", taker_id) for slot in slots])
        secret = ["AUTH", giver.password] if giver.password else []
        left = slots
        while left:
            found = giver.call_all([("CLUSTER", "GETKEYSINSLOT", slot, 100) for slot in left])
            left = [slot for slot, keys in zip(left, found) if keys]
            for keys in filter(None, found):
                order = ["MIGRATE", taker.address, taker.port, "", 0, 30000, "REPLACE", *secret, "KEYS", *keys]
                # A node that was busy for long may have been taken for dead: that passes.
                until(self.timeout, f"keys move from {giver.name} to {taker.name}", lambda order=order: giver.call(*order, patience=60))
        # The new owner first: if this ends here, no slot is without one.
        for node in (taker, giver):
            node.call_all([("CLUSTER", "SETSLOT", slot, "NODE", taker_id) for slot in slots])

    def forget(self, ids, what):
        # Within a minute on all nodes: until then a node that is told of it by another one does not take it back.
        for node in self.alive():
            for known in {member.id for member in node.view()} & set(ids):
                if known != node.myself().id:
                    node.call("CLUSTER", "FORGET", known)
        self.actions.append(f"{what} were forgotten: {len(ids)}")


def refused(error):
    """Whether a node did not accept the password."""
    return any(word in str(error) for word in ("NOAUTH", "WRONGPASS", "AUTH <password>"))


def unfit(password):
    """Why a password cannot be a new one, or None. A node reads it from a file at its start, and takes the line end off."""
    if not (password or "").strip():
        return "is empty: write the new one into the vault, as vault_slotd_password"
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in password):
        return "has a line end or another control character: the file that nodes read it from holds one line"
    if password != password.strip():
        return "begins or ends with a blank"
    if len(password.encode(errors="surrogateescape")) >= SECRET_BYTES_MAX:
        return f"is longer than {SECRET_BYTES_MAX - 1} bytes, which is what nodes read from a file"
    return None


def main():
    module = AnsibleModule(
        argument_spec={
            "nodes": {"type": "list", "elements": "dict", "required": True},
            "password": {"type": "str", "no_log": True},
            "previous": {"type": "str", "no_log": True},
            "replicas": {"type": "int", "default": 1},
            "state": {"type": "str", "required": True, "choices": [
                "checked", "formed", "placed", "verified", "handed_over", "ready", "drained", "forgotten", "rekeyable",
                "rekeyed"]},
            "host": {"type": "str"},
            "timeout": {"type": "int", "default": 60},
        },
        required_if=[("state", state, ["host"]) for state in ("handed_over", "drained", "forgotten")],
    )
    cluster = None
    try:
        cluster = Cluster(module.params)
        getattr(cluster, module.params["state"])()
    except (NoPlace, NodeError) as error:
        module.fail_json(msg=str(error), actions=cluster.actions if cluster else [])
    module.exit_json(changed=bool(cluster.actions), actions=cluster.actions)


if __name__ == "__main__":
    main()
