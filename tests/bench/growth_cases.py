"""What growth.py measures: for each type of collection how it is filled, and the commands that should not grow with it.

A case is a function that returns the next commands to send. What belongs together (SADD and SREM of a new member)
returns to the size that was, so the collection is as large after a case as before. The exceptions, which stand last in
their type, let it grow by as many elements as they send commands: APPEND and XADD.
"""
import math
from collections import namedtuple

ONE, LOG = "O(1)", "O(log n)"
KEY = "collection"
# Ids of entries in streams. A million seconds lie between those and the first one that is added in a case.
EPOCH = 1_700_000_000_000
LATER = EPOCH + 1_000_000_000
GROUP, CONSUMER = "group", "consumer"
# The title of the table of commands that do not look into the value.
LARGE = "Keys with large values"

# `fill(names, low, high)` returns a command that adds these elements; `drain(low, high)` one that takes them away.
Kind = namedtuple("Kind", "name title unit before fill drain cases")
# Where servers document a complexity with other variables, `documented` is what it comes to for these arguments. The
# table is that of its type unless another is named.
Case = namedtuple("Case", "name documented commands table", defaults=[None])


class Names:
    """Elements of a collection: those numbered `low` to below `high` are in it."""

    def __init__(self, low, high, random, added=0):
        self.low, self.high, self.random = low, high, random
        self.before, self.added, self.taken = added, added, 0

    def index(self):
        return self.low + int(self.random.random() * (self.high - self.low))

    def member(self):
        return element(self.index())

    def fresh(self):
        """An element that was never there."""
        self.added += 1
        return b"new-mark:%07d" % self.added

    def score(self):
        return int(self.random.random() * self.high)

    def rank(self, most=10):
        return int(self.random.random() * max(1, self.high - self.low - most))

    def id(self):
        return b"%d-0" % (EPOCH + self.index())

    def next_id(self):
        self.added += 1
        return b"%d-0" % (LATER + self.added)

    def oldest(self):
        """The entry that is the oldest if all before it were taken in this way, and all that were added are there."""
        i, self.taken = self.low + self.taken, self.taken + 1
        return b"%d-0" % (EPOCH + i if i < self.high else LATER + self.before + 1 + i - self.high)

    def place(self):
        return b"%.5f" % (self.random.random() * 360 - 180), b"%.5f" % (self.random.random() * 170 - 85)

    def radius(self):
        """Kilometres around a place at the equator in which ten elements are on the average."""
        return b"%.3f" % (math.sqrt(10 / (self.high - self.low) * 360 * 170 / math.pi) * 111)


def element(number):
    return b"element:%08d" % number


def number(names):
    return b"%d" % (10 ** 9 + int(names.random.random() * 9e9))


def several(commands):
    """One command or a list of them, as a list."""
    return commands if isinstance(commands, list) else [commands]


def elements(low, high):
    return [element(i) for i in range(low, high)]


def flat(pairs):
    return [word for pair in pairs for word in pair]


def same(*words):
    """Always this command."""
    return lambda names: [words]


def scored(score):
    return lambda names, low, high: ("ZADD", KEY, *flat((score(names), element(i)) for i in range(low, high)))


def added_entries(names, low, high):
    return [("XADD", KEY, b"%d-0" % (EPOCH + i), "field", element(i)) for i in range(low, high)]


def pending_entries(names, low, high):
    return added_entries(names, low, high) + [("XREADGROUP", "GROUP", GROUP, CONSUMER, "COUNT", high - low, "STREAMS", KEY, ">")]


def whole(what):
    """Commands for the key, whatever is in it. MEMORY USAGE looks at five elements unless it is told otherwise."""
    return [
        Case(f"RENAME, {what}", ONE, lambda n: [("RENAME", KEY, "renamed"), ("RENAME", "renamed", KEY)], LARGE),
        Case(f"MEMORY USAGE, {what}", ONE, same("MEMORY", "USAGE", KEY), LARGE),
    ]


STRING = Kind(
    "string", "String and bitmap", "bytes", [],
    lambda names, low, high: ("APPEND", KEY, b"%x" % (low % 16) * (high - low)),
    None,
    [
        *whole("string"),
        Case("GETBIT", ONE, lambda n: [("GETBIT", KEY, n.index() * 8 + 3)]),
        Case("SETBIT", ONE, lambda n: [("SETBIT", KEY, n.index() * 8 + 3, n.index() % 2)]),
        Case("BITFIELD GET", ONE, lambda n: [("BITFIELD", KEY, "GET", "u8", n.index() * 8)]),
        Case("BITFIELD INCRBY", ONE, lambda n: [("BITFIELD", KEY, "INCRBY", "u8", n.index() * 8, 1)]),
        Case("GETRANGE of 8", ONE, lambda n: [("GETRANGE", KEY, i := n.rank(8), i + 7)]),
        Case("SETRANGE of 8", ONE, lambda n: [("SETRANGE", KEY, n.rank(8), b"replaced")]),
        Case("STRLEN", ONE, same("STRLEN", KEY)),
        Case("APPEND of 1", ONE, same("APPEND", KEY, "x")),
    ],
)

LIST = Kind(
    "list", "List", "elements", [],
    lambda names, low, high: ("RPUSH", KEY, *elements(low, high)),
    lambda low, high: ("LPOP", KEY, high - low),
    [
        *whole("list"),
        Case("LPUSH + LPOP", ONE, lambda n: [("LPUSH", KEY, n.fresh()), ("LPOP", KEY)]),
        Case("RPUSH + RPOP", ONE, lambda n: [("RPUSH", KEY, n.fresh()), ("RPOP", KEY)]),
        Case("RPUSH + LPOP", ONE, lambda n: [("RPUSH", KEY, n.fresh()), ("LPOP", KEY)]),
        Case("LLEN", ONE, same("LLEN", KEY)),
        Case("LINDEX 0", ONE, same("LINDEX", KEY, 0)),
        Case("LINDEX -1", ONE, same("LINDEX", KEY, -1)),
        Case("LRANGE 0 9", ONE, same("LRANGE", KEY, 0, 9)),
        Case("LRANGE -10 -1", ONE, same("LRANGE", KEY, -10, -1)),
        Case("LSET -1", ONE, lambda n: [("LSET", KEY, -1, n.fresh())]),
        Case("LMOVE to its other end", ONE, same("LMOVE", KEY, KEY, "LEFT", "RIGHT")),
        Case("RPUSH + LTRIM 1 -1", ONE, lambda n: [("RPUSH", KEY, n.fresh()), ("LTRIM", KEY, 1, -1)]),
    ],
)


def fields(names, low, high):
    return ("HSET", KEY, *flat((element(i), number(names)) for i in range(low, high)))


def timed_fields(names, low, high):
    expire = ("HEXPIRE", KEY, 100_000 + int(names.random.random() * 1_000_000), "FIELDS", high - low, *elements(low, high))
    return [fields(names, low, high), expire]


def timed(command):
    """A command that gives a random field a random time to live."""
    return lambda n: [(command, KEY, 100_000 + int(n.random.random() * 1_000_000), "FIELDS", 1, n.member())]


def of_field(command, *words):
    return lambda n: [(command, KEY, *words, "FIELDS", 1, n.member())]


HASH = Kind(
    "hash", "Hash", "fields", [],
    fields,
    lambda low, high: ("HDEL", KEY, *elements(low, high)),
    [
        *whole("hash"),
        Case("HGET", ONE, lambda n: [("HGET", KEY, n.member())]),
        Case("HMGET of 2", ONE, lambda n: [("HMGET", KEY, n.member(), n.member())]),
        Case("HEXISTS", ONE, lambda n: [("HEXISTS", KEY, n.member())]),
        Case("HSTRLEN", ONE, lambda n: [("HSTRLEN", KEY, n.member())]),
        Case("HLEN", ONE, same("HLEN", KEY)),
        Case("HRANDFIELD", ONE, same("HRANDFIELD", KEY)),
        Case("HSCAN 0 COUNT 10", ONE, same("HSCAN", KEY, 0, "COUNT", 10)),
        Case("HSET of a field it has", ONE, lambda n: [("HSET", KEY, n.member(), number(n))]),
        Case("HINCRBY", ONE, lambda n: [("HINCRBY", KEY, n.member(), 1)]),
        Case("HSET + HDEL", ONE, lambda n: [("HSET", KEY, f := n.fresh(), number(n)), ("HDEL", KEY, f)]),
        Case("HTTL of one without", ONE, of_field("HTTL")),
        Case("HEXPIRE + HPERSIST", ONE, lambda n: [("HEXPIRE", KEY, 100_000, "FIELDS", 1, f := n.member()), ("HPERSIST", KEY, "FIELDS", 1, f)]),
        Case("HSETEX + HDEL", ONE, lambda n: [("HSETEX", KEY, "EX", 100_000, "FIELDS", 1, f := n.fresh(), number(n)), ("HDEL", KEY, f)]),
        Case("HEXPIRE", ONE, timed("HEXPIRE")),
    ],
)

TIMED_HASH = Kind(
    "timed hash", "Hash whose fields all expire", "fields", [],
    timed_fields,
    HASH.drain,
    [
        *whole("timed hash"),
        Case("HGET", ONE, lambda n: [("HGET", KEY, n.member())]),
        Case("HLEN", ONE, same("HLEN", KEY)),
        Case("HRANDFIELD", ONE, same("HRANDFIELD", KEY)),
        Case("HSCAN 0 COUNT 10", ONE, same("HSCAN", KEY, 0, "COUNT", 10)),
        Case("HTTL", ONE, of_field("HTTL")),
        Case("HINCRBY", ONE, lambda n: [("HINCRBY", KEY, n.member(), 1)]),
        Case("HEXPIRE", ONE, timed("HEXPIRE")),
        Case("HGETEX EX", ONE, of_field("HGETEX", "EX", 500_000)),
        Case("HPERSIST + HEXPIRE", ONE, lambda n: [("HPERSIST", KEY, "FIELDS", 1, f := n.member()), ("HEXPIRE", KEY, 300_000, "FIELDS", 1, f)]),
        Case("HSET + HEXPIRE", ONE, lambda n: [("HSET", KEY, f := n.member(), number(n)), ("HEXPIRE", KEY, 300_000, "FIELDS", 1, f)]),
        Case("HSETEX + HDEL", ONE, lambda n: [("HSETEX", KEY, "EX", 400_000, "FIELDS", 1, f := n.fresh(), number(n)), ("HDEL", KEY, f)]),
    ],
)

SET = Kind(
    "set", "Set", "members", [],
    lambda names, low, high: ("SADD", KEY, *elements(low, high)),
    lambda low, high: ("SREM", KEY, *elements(low, high)),
    [
        *whole("set"),
        Case("SISMEMBER", ONE, lambda n: [("SISMEMBER", KEY, n.member())]),
        Case("SISMEMBER of another", ONE, lambda n: [("SISMEMBER", KEY, n.fresh())]),
        Case("SMISMEMBER of 2", ONE, lambda n: [("SMISMEMBER", KEY, n.member(), n.member())]),
        Case("SCARD", ONE, same("SCARD", KEY)),
        Case("SRANDMEMBER", ONE, same("SRANDMEMBER", KEY)),
        Case("SRANDMEMBER 3", ONE, same("SRANDMEMBER", KEY, 3)),
        Case("SSCAN 0 COUNT 10", ONE, same("SSCAN", KEY, 0, "COUNT", 10)),
        Case("SADD of a member it has", ONE, lambda n: [("SADD", KEY, n.member())]),
        Case("SADD + SREM", ONE, lambda n: [("SADD", KEY, m := n.fresh()), ("SREM", KEY, m)]),
        Case("SREM + SADD", ONE, lambda n: [("SREM", KEY, m := n.member()), ("SADD", KEY, m)]),
        Case("SMOVE there and back", ONE, lambda n: [("SMOVE", KEY, "other", m := n.member()), ("SMOVE", "other", KEY, m)]),
        Case("SPOP + SADD", ONE, lambda n: [("SPOP", KEY), ("SADD", KEY, n.fresh())]),
    ],
)

ZSET = Kind(
    "zset", "Sorted set", "members", [],
    scored(Names.score),
    lambda low, high: ("ZREM", KEY, *elements(low, high)),
    [
        *whole("sorted set"),
        Case("ZSCORE", ONE, lambda n: [("ZSCORE", KEY, n.member())]),
        Case("ZCARD", ONE, same("ZCARD", KEY)),
        Case("ZRANDMEMBER", ONE, same("ZRANDMEMBER", KEY)),
        Case("ZSCAN 0 COUNT 10", ONE, same("ZSCAN", KEY, 0, "COUNT", 10)),
        Case("ZRANK", LOG, lambda n: [("ZRANK", KEY, n.member())]),
        Case("ZREVRANK", LOG, lambda n: [("ZREVRANK", KEY, n.member())]),
        Case("ZRANGE of 10", LOG, lambda n: [("ZRANGE", KEY, r := n.rank(), r + 9)]),
        Case("ZREVRANGE of 10", LOG, lambda n: [("ZREVRANGE", KEY, r := n.rank(), r + 9)]),
        Case("ZRANGEBYSCORE of 10", LOG, lambda n: [("ZRANGEBYSCORE", KEY, n.score(), "+inf", "LIMIT", 0, 10)]),
        Case("ZREVRANGEBYSCORE of 10", LOG, lambda n: [("ZREVRANGEBYSCORE", KEY, n.score(), "-inf", "LIMIT", 0, 10)]),
        Case("ZCOUNT", LOG, lambda n: [("ZCOUNT", KEY, *sorted((n.score(), n.score())))]),
        Case("ZRANGESTORE of 10", LOG, lambda n: [("ZRANGESTORE", "other", KEY, r := n.rank(), r + 9)]),
        Case("ZADD of a new score", LOG, lambda n: [("ZADD", KEY, n.score(), n.member())]),
        Case("ZINCRBY", LOG, lambda n: [("ZINCRBY", KEY, 1, n.member())]),
        Case("ZADD + ZREM", LOG, lambda n: [("ZADD", KEY, n.score(), m := n.fresh()), ("ZREM", KEY, m)]),
        Case("ZPOPMIN + ZADD", LOG, lambda n: [("ZPOPMIN", KEY), ("ZADD", KEY, n.score(), n.fresh())]),
        Case("ZPOPMAX + ZADD", LOG, lambda n: [("ZPOPMAX", KEY), ("ZADD", KEY, n.score(), n.fresh())]),
        Case("ZREMRANGEBYRANK + ZADD", LOG, lambda n: [("ZREMRANGEBYRANK", KEY, r := n.rank(1), r), ("ZADD", KEY, n.score(), n.fresh())]),
    ],
)

EQUAL_ZSET = Kind(
    "equal scores", "Sorted set of equal scores", "members", [],
    scored(lambda names: 0),
    ZSET.drain,
    [
        Case("ZRANK", LOG, lambda n: [("ZRANK", KEY, n.member())]),
        Case("ZRANGEBYLEX of 10", LOG, lambda n: [("ZRANGEBYLEX", KEY, b"[" + n.member(), "+", "LIMIT", 0, 10)]),
        Case("ZREVRANGEBYLEX of 10", LOG, lambda n: [("ZREVRANGEBYLEX", KEY, b"[" + n.member(), "-", "LIMIT", 0, 10)]),
        Case("ZLEXCOUNT", LOG, lambda n: [("ZLEXCOUNT", KEY, *sorted((b"[" + n.member(), b"[" + n.member())))]),
        Case("ZREM + ZADD", LOG, lambda n: [("ZREM", KEY, m := n.member()), ("ZADD", KEY, 0, m)]),
        Case("ZADD + ZREM", LOG, lambda n: [("ZADD", KEY, 0, m := n.fresh()), ("ZREM", KEY, m)]),
    ],
)


def delivered(names):
    """Adds an entry, has the group read and acknowledge it, and deletes it."""
    next_id = names.next_id()
    return [
        ("XADD", KEY, next_id, "field", element(0)),
        ("XREADGROUP", "GROUP", GROUP, CONSUMER, "COUNT", 1, "STREAMS", KEY, ">"),
        ("XACK", KEY, GROUP, next_id),
        ("XDEL", KEY, next_id),
    ]


STREAM = Kind(
    "stream", "Stream", "entries", [("XGROUP", "CREATE", KEY, GROUP, b"%d-0" % (LATER - 1), "MKSTREAM")],
    added_entries,
    lambda low, high: ("XDEL", KEY, *(b"%d-0" % (EPOCH + i) for i in range(low, high))),
    [
        *whole("stream"),
        Case("XLEN", ONE, same("XLEN", KEY)),
        Case("XINFO STREAM", ONE, same("XINFO", "STREAM", KEY)),
        Case("XRANGE of the first 10", ONE, same("XRANGE", KEY, "-", "+", "COUNT", 10)),
        Case("XRANGE of 10", LOG, lambda n: [("XRANGE", KEY, n.id(), "+", "COUNT", 10)]),
        Case("XREVRANGE of 10", LOG, lambda n: [("XREVRANGE", KEY, n.id(), "-", "COUNT", 10)]),
        Case("XREAD of 10", LOG, lambda n: [("XREAD", "COUNT", 10, "STREAMS", KEY, n.id())]),
        Case("XADD + XDEL", LOG, lambda n: [("XADD", KEY, i := n.next_id(), "field", element(0)), ("XDEL", KEY, i)]),
        Case("XADD to XACK and XDEL", LOG, delivered),
        Case("XADD + XDEL of the oldest", LOG, lambda n: [("XADD", KEY, n.next_id(), "field", element(0)), ("XDEL", KEY, n.oldest())]),
        Case("XADD MAXLEN n", ONE, lambda n: [("XADD", KEY, "MAXLEN", n.high - n.low, n.next_id(), "field", element(0))]),
        Case("XADD MAXLEN ~ n", ONE, lambda n: [("XADD", KEY, "MAXLEN", "~", n.high - n.low, n.next_id(), "field", element(0))]),
        Case("XADD", ONE, lambda n: [("XADD", KEY, n.next_id(), "field", element(0))]),
    ],
)

PENDING = Kind(
    "pending", "Stream whose entries are all pending", "entries", [("XGROUP", "CREATE", KEY, GROUP, 0, "MKSTREAM")],
    pending_entries,
    lambda low, high: ("XACK", KEY, GROUP, *(b"%d-0" % (EPOCH + i) for i in range(low, high))),
    [
        *whole("pending"),
        Case("XPENDING", ONE, same("XPENDING", KEY, GROUP)),
        Case("XPENDING of 10", LOG, lambda n: [("XPENDING", KEY, GROUP, n.id(), "+", 10)]),
        Case("XPENDING of a consumer", LOG, lambda n: [("XPENDING", KEY, GROUP, n.id(), "+", 10, CONSUMER)]),
        Case("XINFO GROUPS", ONE, same("XINFO", "GROUPS", KEY)),
        Case("XINFO CONSUMERS", ONE, same("XINFO", "CONSUMERS", KEY, GROUP)),
        Case("XREADGROUP of 10 again", LOG, lambda n: [("XREADGROUP", "GROUP", GROUP, CONSUMER, "COUNT", 10, "STREAMS", KEY, n.id())]),
        Case("XCLAIM", LOG, lambda n: [("XCLAIM", KEY, GROUP, CONSUMER, 0, n.id(), "JUSTID")]),
        Case("XCLAIM there and back", LOG, lambda n: [("XCLAIM", KEY, GROUP, "other", 0, i := n.id()), ("XCLAIM", KEY, GROUP, CONSUMER, 0, i)]),
        Case("XAUTOCLAIM COUNT 1", ONE, lambda n: [("XAUTOCLAIM", KEY, GROUP, CONSUMER, 0, n.id(), "COUNT", 1)]),
        Case("XACK + XCLAIM FORCE", LOG, lambda n: [("XACK", KEY, GROUP, i := n.id()), ("XCLAIM", KEY, GROUP, CONSUMER, 0, i, "FORCE")]),
        Case("XDELEX ACKED", LOG, lambda n: [("XDELEX", KEY, "ACKED", "IDS", 1, n.id())]),
    ],
)

LOGLOG = Kind(
    "hyperloglog", "HyperLogLog", "elements", [],
    lambda names, low, high: ("PFADD", KEY, *elements(low, high)),
    None,
    [
        Case("PFADD of one it has", ONE, lambda n: [("PFADD", KEY, n.member())]),
        Case("PFCOUNT", ONE, same("PFCOUNT", KEY)),
    ],
)


def places(names, low, high):
    return ("GEOADD", KEY, *(word for i in range(low, high) for word in (*names.place(), element(i))))


def around(names):
    place = b"%.5f" % (names.random.random() * 300 - 150), b"%.5f" % (names.random.random() * 20 - 10)
    return [("GEOSEARCH", KEY, "FROMLONLAT", *place, "BYRADIUS", names.radius(), "km")]


GEO = Kind(
    "geo", "Geo", "places", [],
    places,
    ZSET.drain,
    [
        Case("GEOPOS", ONE, lambda n: [("GEOPOS", KEY, n.member())]),
        Case("GEOHASH", ONE, lambda n: [("GEOHASH", KEY, n.member())]),
        Case("GEODIST", ONE, lambda n: [("GEODIST", KEY, n.member(), n.member())]),
        Case("GEOSEARCH of about 10", LOG, around),
        Case("GEOADD of a new place", LOG, lambda n: [("GEOADD", KEY, *n.place(), n.member())]),
    ],
)

KEYS = Kind(
    "keys", "Keys of a database", "keys", [],
    lambda names, low, high: ("MSET", *flat((element(i), element(i)) for i in range(low, high))),
    lambda low, high: ("DEL", *elements(low, high)),
    [
        Case("GET", ONE, lambda n: [("GET", n.member())]),
        Case("EXISTS of another", ONE, lambda n: [("EXISTS", n.fresh())]),
        Case("TYPE", ONE, lambda n: [("TYPE", n.member())]),
        Case("SET of a key it has", ONE, lambda n: [("SET", m := n.member(), m)]),
        Case("SET + DEL", ONE, lambda n: [("SET", k := n.fresh(), k), ("DEL", k)]),
        Case("SET EX + DEL", ONE, lambda n: [("SET", k := n.fresh(), k, "EX", 100_000), ("DEL", k)]),
        Case("RENAME there and back", ONE, lambda n: [("RENAME", k := n.member(), f := n.fresh()), ("RENAME", f, k)]),
        Case("DBSIZE", ONE, same("DBSIZE")),
        Case("RANDOMKEY", ONE, same("RANDOMKEY")),
        Case("SCAN 0 COUNT 10", ONE, same("SCAN", 0, "COUNT", 10)),
        Case("EXPIRE + PERSIST", ONE, lambda n: [("EXPIRE", k := n.member(), 100_000), ("PERSIST", k)]),
        Case("EXPIRE", ONE, lambda n: [("EXPIRE", n.member(), 100_000 + int(n.random.random() * 1_000_000))]),
        Case("TTL", ONE, lambda n: [("TTL", n.member())]),
    ],
)


def in_one_slot(commands):
    """The same commands for keys that have a hash tag in common."""

    def tagged(*arguments):
        return [[b"{tag}" + word if is_name(word) else word for word in words] for words in several(commands(*arguments))]

    return tagged


def is_name(word):
    return isinstance(word, bytes) and word.startswith((b"element:", b"new-mark:"))


ONE_SLOT = Kind(
    "one slot", "Keys of one slot", "keys", [],
    in_one_slot(KEYS.fill), in_one_slot(KEYS.drain), [case._replace(commands=in_one_slot(case.commands)) for case in KEYS.cases],
)


KINDS = [STRING, LIST, HASH, TIMED_HASH, SET, ZSET, EQUAL_ZSET, STREAM, PENDING, LOGLOG, GEO, KEYS, ONE_SLOT]
