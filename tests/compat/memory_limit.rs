//! `maxmemory`: what is refused when memory is full, in which words, and what scripts and functions may do then.
//!
//! A limit of one byte is exceeded by both servers, whatever their memory is.

use crate::check;

#[test]
fn commands_that_may_need_memory_are_refused() {
    check(
        r##"
SET k v
RPUSH list a b c
HSET hash f v
SADD set a b
ZADD zset 1 a
XADD stream 1-1 f v
!let dump DUMP k
CONFIG RESETSTAT
!config maxmemory 1
SET k v
SET k v GET
SET k
SETNX k v
SETEX k 10 v
MSET k v l w
APPEND k v
INCR n
INCRBYFLOAT n 1.5
SETRANGE k 0 x
SETBIT bits 1 1
BITFIELD bits SET u8 0 1
BITOP AND dest k k
PFADD hll a
GETSET k v
GETDEL k
GETEX k EX 10
RPUSH list x
LPUSHX list x
LINSERT list BEFORE b x
LSET list 0 x
LPOP list
LREM list 0 b
LTRIM list 0 0
LMOVE list list LEFT RIGHT
RPOPLPUSH list other
BLMOVE list other LEFT LEFT 0.01
BLPOP nothing 0.01
HSET hash g v
HSETNX hash g v
HINCRBY hash n 1
HDEL hash f
SADD set c
SMOVE set other a
SREM set a
SUNIONSTORE dest set set
ZADD zset 2 b
ZINCRBY zset 1 a
ZRANGESTORE dest zset 0 -1
ZREM zset a
XADD stream * f v
XADD stream MAXLEN 1 * f v
XGROUP CREATE stream g $
XDEL stream 1-1
XTRIM stream MAXLEN 0
GEOADD geo 1 1 x
SORT list STORE dest
SORT list ALPHA
COPY k copied
RESTORE restored 0 $dump
RENAME k renamed
EXPIRE renamed 100
PERSIST renamed
TYPE renamed
EXISTS renamed
KEYS renamed
DBSIZE
PING
ECHO x
PUBLISH channel message
CLIENT GETNAME
OBJECT ENCODING renamed
WATCH k
UNWATCH
DEL renamed
SET
NOSUCH
{fields errorstat_OOM errorstat_ERR} INFO errorstats
CONFIG SET maxmemory 0
SET k v
"##,
    );
}

#[test]
fn transactions_are_refused_when_they_are_queued_or_run() {
    check(
        r##"
== a queue needs memory
!config maxmemory 1
MULTI
GET k
EXEC
MULTI
PING
EXEC
MULTI
SET k v
DISCARD
MULTI
MULTI
WATCH k
DISCARD
MULTI
RESET
PING
== what fills up meanwhile
MULTI
SET k v
GET k
@b CONFIG SET maxmemory 1
EXEC
GET k
@b CONFIG SET maxmemory 0
MULTI
GET k
DEL k
@b CONFIG SET maxmemory 1
EXEC
@b CONFIG SET maxmemory 0
MULTI
SET k v
@b CONFIG SET maxmemory 1
SET k w
@b CONFIG SET maxmemory 0
EXEC
== a limit that the transaction sets itself
MULTI
SET k v
CONFIG SET maxmemory 1
SET k w
INCR n
EXEC
GET k
CONFIG SET maxmemory 0
MULTI
SET k v
CONFIG SET maxmemory 1
EVAL "return redis.call('set', KEYS[1], 'x')" 1 k
EVAL "#!lua\nreturn redis.call('set', KEYS[1], 'y')" 1 k
EXEC
GET k
CONFIG SET maxmemory 0
MULTI
EVAL "return redis.call('set', KEYS[1], 'x')" 1 k
@b CONFIG SET maxmemory 1
EXEC
@b CONFIG SET maxmemory 0
GET k
"##,
    );
}

#[test]
fn scripts_are_judged_by_their_start() {
    check(
        r##"
SET k v
!config maxmemory 1
EVAL "return redis.call('get', KEYS[1])" 1 k
EVAL "return redis.call('set', KEYS[1], 'v')" 1 k
EVAL "return redis.pcall('set', KEYS[1], 'v')" 1 k
EVAL "local e = redis.pcall('set', KEYS[1], 'v'); return {type(e), e.err}" 1 k
EVAL "redis.call('del', KEYS[1]); return redis.call('set', KEYS[1], 'w')" 1 k
EVAL "redis.call('expire', KEYS[1], 100); return redis.call('incr', KEYS[2])" 2 k n
EVAL_RO "return redis.call('get', KEYS[1])" 1 k
EVAL_RO "return redis.call('set', KEYS[1], 'v')" 1 k
EVAL "#!lua\nreturn 1" 0
EVAL "#!lua\nreturn redis.call('get', KEYS[1])" 1 k
EVAL "#!lua flags=no-writes\nreturn redis.call('get', KEYS[1])" 1 k
EVAL "#!lua flags=no-writes\nreturn redis.call('set', KEYS[1], 'v')" 1 k
EVAL "#!lua flags=allow-oom\nreturn redis.call('set', KEYS[1], 'x')" 1 k
EVAL "#!lua flags=allow-oom\nreturn redis.pcall('incr', KEYS[1])" 1 k
EVAL "#!lua flags=allow-oom,no-writes\nreturn redis.call('get', KEYS[1])" 1 k
EVAL_RO "#!lua\nreturn redis.call('get', KEYS[1])" 1 k
EVAL_RO "#!lua flags=no-writes\nreturn redis.call('get', KEYS[1])" 1 k
EVAL "return redis.setresp(3)" 0
EVAL "return redis.error_reply('OOM mine')" 0
SCRIPT LOAD "return redis.call('set', KEYS[1], 'y')"
EVALSHA 6a2c5e4a6c9b2a5d0b6a4a2f2d1d5f6d6f2ad1ab 1 k
GET k
CONFIG SET maxmemory 0
EVAL "#!lua\nreturn redis.call('get', KEYS[1])" 1 k
"##,
    );
}

#[test]
fn functions_are_neither_loaded_nor_called() {
    check(
        r##"
FUNCTION FLUSH
FUNCTION LOAD "#!lua name=a\nredis.register_function('plain', function(k) return redis.call('set', k[1], 'v') end)\nredis.register_function{function_name='oom', callback=function(k) return redis.call('set', k[1], 'w') end, flags={'allow-oom'}}\nredis.register_function{function_name='reads', callback=function(k) return redis.call('get', k[1]) end, flags={'no-writes'}}"
!let dump FUNCTION DUMP
!config maxmemory 1
FCALL plain 1 k
FCALL oom 1 k
FCALL reads 1 k
FCALL_RO plain 1 k
FCALL_RO oom 1 k
FCALL_RO reads 1 k
FUNCTION LOAD "#!lua name=b\nredis.register_function('other', function() return 1 end)"
FUNCTION LOAD REPLACE "#!lua name=a\nredis.register_function('other', function() return 1 end)"
FUNCTION RESTORE $dump REPLACE
FUNCTION DUMP
FUNCTION STATS
FUNCTION DELETE a
FUNCTION FLUSH
FUNCTION RESTORE $dump
"##,
    );
}

#[test]
fn a_key_that_makes_room_is_gone() {
    check(
        r##"
SET a v
SET b v
SET c v EX 1000
!config maxmemory-policy volatile-lru
!config maxmemory 1
GET c
SET d v
DBSIZE
OBJECT REFCOUNT a
!config maxmemory-policy allkeys-lru
GET a
DBSIZE
SET d v
{fields evicted_keys} INFO stats
{fields maxmemory maxmemory_human maxmemory_policy} INFO memory
CONFIG SET maxmemory 100gb
SET n 1
OBJECT REFCOUNT n
CONFIG SET maxmemory-policy allkeys-random
OBJECT ENCODING n
CONFIG SET maxmemory-policy allkeys-lfu
SET n 2
OBJECT REFCOUNT n
CONFIG SET maxmemory 0
CONFIG SET maxmemory-policy noeviction
== who is told
!config maxmemory-policy allkeys-lru
!config notify-keyspace-events Ee
@raws SUBSCRIBE __keyevent@0__:evicted
SET a v
CONFIG SET maxmemory 1
GET a
@raws !read
CONFIG SET maxmemory 0
== a client that has cached the key hears of it before the reply
!resp3
!config maxmemory-policy allkeys-lru
CLIENT TRACKING ON
SET a v
GET a
@b CONFIG SET maxmemory 1
GET b
!read
@b CONFIG SET maxmemory 0
"##,
    );
}
