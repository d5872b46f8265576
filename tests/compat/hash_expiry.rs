//! Fields of hashes that expire. Redis 7.0 lacks the commands, so the reply of Redis 8.0.6 is written beside each line.

use crate::check;

#[test]
fn field_expiry_as_redis_8_has_it() {
    check(
        r#"
== errors, and the order in which they are found
{7.2 "+OK\r\n"} SET s v
{7.2 "-ERR wrong number of arguments for 'hpexpire' command\r\n"} HPEXPIRE
{7.2 "-ERR wrong number of arguments for 'hpexpire' command\r\n"} HPEXPIRE h 1 FIELDS 1
{7.2 "*1\r\n:-2\r\n"} HPEXPIRE h 100 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIRE h abc FIELDS 1 a
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HPEXPIRE h 100 FELDS 1 a
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HPEXPIRE h 100 FIELDS 0 a
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HPEXPIRE h 100 FIELDS -1 a
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HPEXPIRE h 100 FIELDS 2 a
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HPEXPIRE h 100 FIELDS 1 a b
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HPEXPIRE h 100 FIELDS x a b
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HPEXPIRE h -1 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIRE h 99999999999999999999 FIELDS 1 a
{7.2 "-ERR invalid expire time in 'hpexpire' command\r\n"} HPEXPIRE h 9223372036854775807 FIELDS 1 a
{7.2 "-ERR invalid expire time in 'hpexpire' command\r\n"} HPEXPIRE h 70368744177664 FIELDS 1 a
{7.2 "-ERR invalid expire time in 'hexpire' command\r\n"} HEXPIRE h 9223372036854775807 FIELDS 1 a
{7.2 "*1\r\n:-2\r\n"} HPEXPIRE h 100 NX FIELDS 1 a
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HPEXPIRE h 100 NX XX FIELDS 1 a
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HPEXPIRE h 100 NX NX FIELDS 1 a
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HPEXPIRE h 100 QQ FIELDS 1 a
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HPEXPIRE h 100 FIELDS 1 a NX
{7.2 "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"} HPEXPIRE s 100 FIELDS 1 a
{7.2 "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"} HPEXPIRE s abc FIELDS 1 a
{7.2 "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"} HPEXPIRE s 100 FIELDS 0 a
{7.2 "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"} HTTL s FIELDS 1 a
{7.2 "*1\r\n:-2\r\n"} HTTL h FIELDS 1 a
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HTTL h FIELDS 2 a
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HTTL h FIELDS 1 a b
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HTTL h FIELDS x b
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HTTL h FIELDS 0 b
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HTTL h FEELDS 1 b
{7.2 "*1\r\n:-2\r\n"} HPERSIST h FIELDS 1 a
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HPERSIST h FEELDS 1 a
{7.2 "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"} HPERSIST s FIELDS 1 a
== conditions
!resp2
{7.2 ":3\r\n"} HSET h a 1 b 2 c 3
{7.2 "*2\r\n:1\r\n:-2\r\n"} HPEXPIREAT h 4102444800000 FIELDS 2 a x
{7.2 "*3\r\n:0\r\n:1\r\n:1\r\n"} HPEXPIREAT h 4102444800100 NX FIELDS 3 a b c
{7.2 "*3\r\n:1\r\n:1\r\n:-2\r\n"} HPEXPIREAT h 4102444800200 XX FIELDS 3 a b x
{7.2 "*3\r\n:0\r\n:0\r\n:1\r\n"} HPEXPIREAT h 4102444800200 GT FIELDS 3 a b c
{7.2 "*1\r\n:1\r\n"} HPEXPIREAT h 4102444800300 GT FIELDS 1 a
{7.2 "*3\r\n:1\r\n:0\r\n:0\r\n"} HPEXPIREAT h 4102444800200 LT FIELDS 3 a b c
{7.2 "*3\r\n:1\r\n:1\r\n:-2\r\n"} HPERSIST h FIELDS 3 a b x
{7.2 "*1\r\n:-1\r\n"} HPERSIST h FIELDS 1 a
{7.2 "*2\r\n:0\r\n:0\r\n"} HPEXPIREAT h 4102444800200 GT FIELDS 2 a c
{7.2 "*2\r\n:1\r\n:0\r\n"} HPEXPIREAT h 4102444800200 LT FIELDS 2 a c
{7.2 "*4\r\n:4102444800200\r\n:-1\r\n:4102444800200\r\n:-2\r\n"} HPEXPIRETIME h FIELDS 4 a b c x
{7.2 "*4\r\n:4102444801\r\n:-1\r\n:4102444801\r\n:-2\r\n"} HEXPIRETIME h FIELDS 4 a b c x
{7.2 "*2\r\n:-2\r\n:-2\r\n"} HEXPIRETIME missing FIELDS 2 a b
{7.2 "*1\r\n:-2\r\n"} HTTL missing FIELDS 1 a
{7.2 "*2\r\n:-1\r\n:-2\r\n"} HPTTL h FIELDS 2 b x
{7.2 "$10\r\nlistpackex\r\n"} OBJECT ENCODING h
{7.2 "*6\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nc\r\n$1\r\n3\r\n$1\r\nb\r\n$1\r\n2\r\n"} HGETALL h
{7.2 "+hash\r\n"} TYPE h
== conditions
!resp3
{7.2 ":3\r\n"} HSET h a 1 b 2 c 3
{7.2 "*2\r\n:1\r\n:-2\r\n"} HPEXPIREAT h 4102444800000 FIELDS 2 a x
{7.2 "*3\r\n:0\r\n:1\r\n:1\r\n"} HPEXPIREAT h 4102444800100 NX FIELDS 3 a b c
{7.2 "*3\r\n:1\r\n:1\r\n:-2\r\n"} HPEXPIREAT h 4102444800200 XX FIELDS 3 a b x
{7.2 "*3\r\n:0\r\n:0\r\n:1\r\n"} HPEXPIREAT h 4102444800200 GT FIELDS 3 a b c
{7.2 "*1\r\n:1\r\n"} HPEXPIREAT h 4102444800300 GT FIELDS 1 a
{7.2 "*3\r\n:1\r\n:0\r\n:0\r\n"} HPEXPIREAT h 4102444800200 LT FIELDS 3 a b c
{7.2 "*3\r\n:1\r\n:1\r\n:-2\r\n"} HPERSIST h FIELDS 3 a b x
{7.2 "*1\r\n:-1\r\n"} HPERSIST h FIELDS 1 a
{7.2 "*2\r\n:0\r\n:0\r\n"} HPEXPIREAT h 4102444800200 GT FIELDS 2 a c
{7.2 "*2\r\n:1\r\n:0\r\n"} HPEXPIREAT h 4102444800200 LT FIELDS 2 a c
{7.2 "*4\r\n:4102444800200\r\n:-1\r\n:4102444800200\r\n:-2\r\n"} HPEXPIRETIME h FIELDS 4 a b c x
{7.2 "*4\r\n:4102444801\r\n:-1\r\n:4102444801\r\n:-2\r\n"} HEXPIRETIME h FIELDS 4 a b c x
{7.2 "*2\r\n:-2\r\n:-2\r\n"} HEXPIRETIME missing FIELDS 2 a b
{7.2 "*1\r\n:-2\r\n"} HTTL missing FIELDS 1 a
{7.2 "*2\r\n:-1\r\n:-2\r\n"} HPTTL h FIELDS 2 b x
{7.2 "$10\r\nlistpackex\r\n"} OBJECT ENCODING h
{7.2 "%3\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nc\r\n$1\r\n3\r\n$1\r\nb\r\n$1\r\n2\r\n"} HGETALL h
{7.2 "+hash\r\n"} TYPE h
== a time that has passed deletes
{7.2 ":4\r\n"} HSET h a 1 b 2 c 3 d 4
{7.2 "*2\r\n:2\r\n:-2\r\n"} HEXPIRE h 0 FIELDS 2 a x
{7.2 "*2\r\n:2\r\n:-2\r\n"} HEXPIREAT h 1 FIELDS 2 b x
{7.2 "*2\r\n:2\r\n:-2\r\n"} HPEXPIREAT h 0 NX FIELDS 2 c c
{7.2 "*1\r\n:0\r\n"} HPEXPIREAT h 0 XX FIELDS 1 d
{7.2 "*1\r\n:2\r\n"} HPEXPIRE h 0 FIELDS 1 d
{7.2 ":0\r\n"} EXISTS h
{7.2 "*1\r\n:-2\r\n"} HPEXPIRE h 0 FIELDS 1 d
== times are limited, and rounded up
{7.2 ":3\r\n"} HSET h a 1 b 2 c 3
{7.2 "*1\r\n:1\r\n"} HPEXPIREAT h 70368744177663 FIELDS 1 a
{7.2 "-ERR invalid expire time in 'hpexpireat' command\r\n"} HPEXPIREAT h 70368744177664 FIELDS 1 a
{7.2 "*1\r\n:1\r\n"} HEXPIREAT h 70368744177 FIELDS 1 a
{7.2 "-ERR invalid expire time in 'hexpireat' command\r\n"} HEXPIREAT h 70368744178 FIELDS 1 a
{7.2 "*1\r\n:1\r\n"} HPEXPIREAT h 1895900546120 FIELDS 1 a
{7.2 "*1\r\n:1895900547\r\n"} HEXPIRETIME h FIELDS 1 a
{7.2 "*1\r\n:1895900546120\r\n"} HPEXPIRETIME h FIELDS 1 a
{7.2 "*1\r\n:1\r\n"} HPEXPIREAT h 1895900546001 FIELDS 1 a
{7.2 "*1\r\n:1895900547\r\n"} HEXPIRETIME h FIELDS 1 a
{7.2 "*1\r\n:1\r\n"} HPEXPIREAT h 1895900546000 FIELDS 1 a
{7.2 "*1\r\n:1895900546\r\n"} HEXPIRETIME h FIELDS 1 a
== what writes to a field that expires
!resp2
{7.2 ":5\r\n"} HSET h a 1 b 2 c 3 d 4 e 5
{7.2 "*5\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n"} HEXPIREAT h 4102444800 FIELDS 5 a b c d e
{7.2 ":0\r\n"} HSET h a 5
{7.2 ":3\r\n"} HINCRBY h b 1
{7.2 "$1\r\n4\r\n"} HINCRBYFLOAT h c 1
{7.2 ":0\r\n"} HSETNX h d 5
{7.2 "+OK\r\n"} HMSET h e 6
{7.2 "*5\r\n:-1\r\n:4102444800\r\n:4102444800\r\n:4102444800\r\n:-1\r\n"} HEXPIRETIME h FIELDS 5 a b c d e
{7.2 "*10\r\n$1\r\nd\r\n$1\r\n4\r\n$1\r\nc\r\n$1\r\n4\r\n$1\r\nb\r\n$1\r\n3\r\n$1\r\na\r\n$1\r\n5\r\n$1\r\ne\r\n$1\r\n6\r\n"} HGETALL h
{7.2 ":1\r\n"} HDEL h b
{7.2 ":1\r\n"} HSET h b 7
{7.2 "*1\r\n:-1\r\n"} HEXPIRETIME h FIELDS 1 b
{7.2 "*10\r\n$1\r\nd\r\n$1\r\n4\r\n$1\r\nc\r\n$1\r\n4\r\n$1\r\na\r\n$1\r\n5\r\n$1\r\ne\r\n$1\r\n6\r\n$1\r\nb\r\n$1\r\n7\r\n"} HGETALL h
== what writes to a field that expires
!resp3
{7.2 ":5\r\n"} HSET h a 1 b 2 c 3 d 4 e 5
{7.2 "*5\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n"} HEXPIREAT h 4102444800 FIELDS 5 a b c d e
{7.2 ":0\r\n"} HSET h a 5
{7.2 ":3\r\n"} HINCRBY h b 1
{7.2 "$1\r\n4\r\n"} HINCRBYFLOAT h c 1
{7.2 ":0\r\n"} HSETNX h d 5
{7.2 "+OK\r\n"} HMSET h e 6
{7.2 "*5\r\n:-1\r\n:4102444800\r\n:4102444800\r\n:4102444800\r\n:-1\r\n"} HEXPIRETIME h FIELDS 5 a b c d e
{7.2 "%5\r\n$1\r\nd\r\n$1\r\n4\r\n$1\r\nc\r\n$1\r\n4\r\n$1\r\nb\r\n$1\r\n3\r\n$1\r\na\r\n$1\r\n5\r\n$1\r\ne\r\n$1\r\n6\r\n"} HGETALL h
{7.2 ":1\r\n"} HDEL h b
{7.2 ":1\r\n"} HSET h b 7
{7.2 "*1\r\n:-1\r\n"} HEXPIRETIME h FIELDS 1 b
{7.2 "%5\r\n$1\r\nd\r\n$1\r\n4\r\n$1\r\nc\r\n$1\r\n4\r\n$1\r\na\r\n$1\r\n5\r\n$1\r\ne\r\n$1\r\n6\r\n$1\r\nb\r\n$1\r\n7\r\n"} HGETALL h
== copies carry the expiries
!resp2
{7.2 ":2\r\n"} HSET h a 1 b 2
{7.2 "*1\r\n:1\r\n"} HPEXPIREAT h 4102444800001 FIELDS 1 b
{7.2 ":1\r\n"} COPY h h2
{7.2 "+OK\r\n"} RENAME h h3
{7.2 "*2\r\n:-1\r\n:4102444800001\r\n"} HPEXPIRETIME h2 FIELDS 2 a b
{7.2 "*2\r\n:-1\r\n:4102444800001\r\n"} HPEXPIRETIME h3 FIELDS 2 a b
{7.2 "*4\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\na\r\n$1\r\n1\r\n"} HGETALL h2
{7.2 "$10\r\nlistpackex\r\n"} OBJECT ENCODING h3
{7.2 "$49\r\n\x19\x01\xd8\xc3,\xbb\x03\x00\x00\x1d\x1d\x00\x00\x00\x06\x00\x81b\x02\x02\x01\xf4\x01\xd8\xc3,\xbb\x03\x00\x00\x09\x81a\x02\x01\x01\x00\x01\xff\x0c\x00\x1f\xe7\xaaEB\x83\xe9u\r\n"} DUMP h3
{7.2 "*1\r\n+892485b5324d08a507b85963739fbdd7edb340cd\r\n"} DEBUG DIGEST-VALUE h3
{7.2 ":1\r\n"} MOVE h3 1
{7.2 "+OK\r\n"} SELECT 1
{7.2 "*2\r\n:-1\r\n:4102444800001\r\n"} HPEXPIRETIME h3 FIELDS 2 a b
== copies carry the expiries
!resp3
{7.2 ":2\r\n"} HSET h a 1 b 2
{7.2 "*1\r\n:1\r\n"} HPEXPIREAT h 4102444800001 FIELDS 1 b
{7.2 ":1\r\n"} COPY h h2
{7.2 "+OK\r\n"} RENAME h h3
{7.2 "*2\r\n:-1\r\n:4102444800001\r\n"} HPEXPIRETIME h2 FIELDS 2 a b
{7.2 "*2\r\n:-1\r\n:4102444800001\r\n"} HPEXPIRETIME h3 FIELDS 2 a b
{7.2 "%2\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\na\r\n$1\r\n1\r\n"} HGETALL h2
{7.2 "$10\r\nlistpackex\r\n"} OBJECT ENCODING h3
{7.2 "$49\r\n\x19\x01\xd8\xc3,\xbb\x03\x00\x00\x1d\x1d\x00\x00\x00\x06\x00\x81b\x02\x02\x01\xf4\x01\xd8\xc3,\xbb\x03\x00\x00\x09\x81a\x02\x01\x01\x00\x01\xff\x0c\x00\x1f\xe7\xaaEB\x83\xe9u\r\n"} DUMP h3
{7.2 "*1\r\n+892485b5324d08a507b85963739fbdd7edb340cd\r\n"} DEBUG DIGEST-VALUE h3
{7.2 ":1\r\n"} MOVE h3 1
{7.2 "+OK\r\n"} SELECT 1
{7.2 "*2\r\n:-1\r\n:4102444800001\r\n"} HPEXPIRETIME h3 FIELDS 2 a b
== a table
{7.2 "+OK\r\n"} CONFIG SET hash-max-listpack-value 8
{7.2 ":2\r\n"} HSET h a 1 b more-than-eight-bytes
{7.2 "*1\r\n:1\r\n"} HPEXPIREAT h 4102444800001 FIELDS 1 b
{7.2 "$9\r\nhashtable\r\n"} OBJECT ENCODING h
{7.2 "*2\r\n:-1\r\n:4102444800001\r\n"} HPEXPIRETIME h FIELDS 2 a b
{7.2 ":21\r\n"} HSTRLEN h b
{7.2 ":2\r\n"} HLEN h
{7.2 "*1\r\n:1\r\n"} HPERSIST h FIELDS 1 b
{7.2 "*2\r\n:-1\r\n:-1\r\n"} HPEXPIRETIME h FIELDS 2 a b
{7.2 ":4\r\n"} HINCRBY h a 3
{7.2 "+OK\r\n"} CONFIG SET hash-max-listpack-value 64
== HGETDEL
!resp2
{7.2 "-ERR wrong number of arguments for 'hgetdel' command\r\n"} HGETDEL
{7.2 "-ERR wrong number of arguments for 'hgetdel' command\r\n"} HGETDEL h FIELDS 1
{7.2 "*1\r\n$-1\r\n"} HGETDEL h FIELDS 1 a
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HGETDEL h FELDS 1 a
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETDEL h FIELDS 0 a
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETDEL h FIELDS x a
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETDEL h FIELDS 2 a
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETDEL h FIELDS 1 a b
{7.2 ":3\r\n"} HSET h a 1 b 2 c 3
{7.2 "*2\r\n$1\r\n1\r\n$-1\r\n"} HGETDEL h FIELDS 2 a x
{7.2 "*2\r\n$1\r\n2\r\n$-1\r\n"} HGETDEL h FIELDS 2 b b
{7.2 "*1\r\n$-1\r\n"} HGETDEL h FIELDS 1 x
{7.2 "*1\r\n$1\r\n3\r\n"} HGETDEL h FIELDS 1 c
{7.2 ":0\r\n"} EXISTS h
{7.2 "+OK\r\n"} SET s v
{7.2 "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"} HGETDEL s FIELDS 1 a
{7.2 "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"} HGETDEL s FIELDS 2 a
{7.2 "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"} HGETDEL s FELDS 2 a
== HGETDEL
!resp3
{7.2 "-ERR wrong number of arguments for 'hgetdel' command\r\n"} HGETDEL
{7.2 "-ERR wrong number of arguments for 'hgetdel' command\r\n"} HGETDEL h FIELDS 1
{7.2 "*1\r\n_\r\n"} HGETDEL h FIELDS 1 a
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HGETDEL h FELDS 1 a
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETDEL h FIELDS 0 a
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETDEL h FIELDS x a
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETDEL h FIELDS 2 a
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETDEL h FIELDS 1 a b
{7.2 ":3\r\n"} HSET h a 1 b 2 c 3
{7.2 "*2\r\n$1\r\n1\r\n_\r\n"} HGETDEL h FIELDS 2 a x
{7.2 "*2\r\n$1\r\n2\r\n_\r\n"} HGETDEL h FIELDS 2 b b
{7.2 "*1\r\n_\r\n"} HGETDEL h FIELDS 1 x
{7.2 "*1\r\n$1\r\n3\r\n"} HGETDEL h FIELDS 1 c
{7.2 ":0\r\n"} EXISTS h
{7.2 "+OK\r\n"} SET s v
{7.2 "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"} HGETDEL s FIELDS 1 a
{7.2 "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"} HGETDEL s FIELDS 2 a
{7.2 "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"} HGETDEL s FELDS 2 a
== HGETEX
!resp2
{7.2 "-ERR wrong number of arguments for 'hgetex' command\r\n"} HGETEX h FIELDS 1
{7.2 "*1\r\n$-1\r\n"} HGETEX h FIELDS 1 a
{7.2 "*1\r\n$-1\r\n"} HGETEX h EX 10 FIELDS 1 a
{7.2 ":3\r\n"} HSET h a 1 b 2 c 3
{7.2 "*2\r\n$1\r\n1\r\n$-1\r\n"} HGETEX h FIELDS 2 a x
{7.2 "*2\r\n$1\r\n1\r\n$-1\r\n"} HGETEX h EX 100 FIELDS 2 a x
{7.2 "*2\r\n$1\r\n1\r\n$-1\r\n"} HGETEX h PX 100000 FIELDS 2 a x
{7.2 "-ERR invalid expire time in 'hgetex' command\r\n"} HGETEX h EXAT 99999999999 FIELDS 2 a x
{7.2 "*2\r\n$1\r\n1\r\n$-1\r\n"} HGETEX h PXAT 4102444800000 FIELDS 2 a x
{7.2 "*2\r\n$1\r\n1\r\n$-1\r\n"} HGETEX h PERSIST FIELDS 2 a x
{7.2 "*2\r\n$1\r\n1\r\n$-1\r\n"} HGETEX h PERSIST FIELDS 2 a x
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HGETEX h PERSIST EX 10 FIELDS 2 a x
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HGETEX h EX 10 EX 10 FIELDS 2 a x
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HGETEX h EX 10 PX 10 FIELDS 2 a x
{7.2 "*2\r\n$1\r\n1\r\n$-1\r\n"} HGETEX h EX 0 FIELDS 2 a x
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HGETEX h EX -1 FIELDS 2 a x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h EX abc FIELDS 2 a x
{7.2 "-ERR invalid expire time in 'hgetex' command\r\n"} HGETEX h EX 9223372036854775807 FIELDS 2 a x
{7.2 "-ERR invalid expire time in 'hgetex' command\r\n"} HGETEX h PX 9223372036854775807 FIELDS 2 a x
{7.2 "-ERR invalid expire time in 'hgetex' command\r\n"} HGETEX h PX 70368744177664 FIELDS 2 a x
{7.2 "-ERR invalid expire time in 'hgetex' command\r\n"} HGETEX h EXAT 9223372036854775807 FIELDS 2 a x
{7.2 "*2\r\n$-1\r\n$-1\r\n"} HGETEX h PXAT 1 FIELDS 2 a x
{7.2 "*2\r\n$1\r\n2\r\n$-1\r\n"} HGETEX h EXAT 1 FIELDS 2 b x
{7.2 "*2\r\n$-1\r\n$-1\r\n"} HGETEX h EXAT 0 FIELDS 2 b x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h EX FIELDS 2 b x
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HGETEX h KEEPTTL FIELDS 1 b
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HGETEX h QQ FIELDS 1 b
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETEX h FIELDS 1 b EX 10
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETEX h FIELDS 1 b EX
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETEX h FIELDS 1 b FIELDS 1 c
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h FIELDS 0 b
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h FIELDS x b
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETEX h FIELDS 5 b
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HGETEX h EX 10 b c d
{7.2 "-ERR wrong number of arguments for 'hgetex' command\r\n"} HGETEX h EX 10 FIELDS
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETEX h EX 10 FIELDS 1
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETEX h EX 10 FIELDS 1 c c
{7.2 "*2\r\n$1\r\n3\r\n$1\r\n3\r\n"} HGETEX h EX 10 FIELDS 2 c c
{7.2 "*2\r\n$-1\r\n$-1\r\n"} HGETEX h EX 10 FIELDS 2 x y
{7.2 "+OK\r\n"} SET s v
{7.2 "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"} HGETEX s EX 10 FIELDS 2 x y
{7.2 "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"} HGETEX s EX x FIELDS 2 x y
{7.2 "*1\r\n$1\r\n3\r\n"} HGETEX h PXAT 1 FIELDS 1 c
{7.2 ":0\r\n"} EXISTS h
== HGETEX
!resp3
{7.2 "-ERR wrong number of arguments for 'hgetex' command\r\n"} HGETEX h FIELDS 1
{7.2 "*1\r\n_\r\n"} HGETEX h FIELDS 1 a
{7.2 "*1\r\n_\r\n"} HGETEX h EX 10 FIELDS 1 a
{7.2 ":3\r\n"} HSET h a 1 b 2 c 3
{7.2 "*2\r\n$1\r\n1\r\n_\r\n"} HGETEX h FIELDS 2 a x
{7.2 "*2\r\n$1\r\n1\r\n_\r\n"} HGETEX h EX 100 FIELDS 2 a x
{7.2 "*2\r\n$1\r\n1\r\n_\r\n"} HGETEX h PX 100000 FIELDS 2 a x
{7.2 "-ERR invalid expire time in 'hgetex' command\r\n"} HGETEX h EXAT 99999999999 FIELDS 2 a x
{7.2 "*2\r\n$1\r\n1\r\n_\r\n"} HGETEX h PXAT 4102444800000 FIELDS 2 a x
{7.2 "*2\r\n$1\r\n1\r\n_\r\n"} HGETEX h PERSIST FIELDS 2 a x
{7.2 "*2\r\n$1\r\n1\r\n_\r\n"} HGETEX h PERSIST FIELDS 2 a x
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HGETEX h PERSIST EX 10 FIELDS 2 a x
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HGETEX h EX 10 EX 10 FIELDS 2 a x
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HGETEX h EX 10 PX 10 FIELDS 2 a x
{7.2 "*2\r\n$1\r\n1\r\n_\r\n"} HGETEX h EX 0 FIELDS 2 a x
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HGETEX h EX -1 FIELDS 2 a x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h EX abc FIELDS 2 a x
{7.2 "-ERR invalid expire time in 'hgetex' command\r\n"} HGETEX h EX 9223372036854775807 FIELDS 2 a x
{7.2 "-ERR invalid expire time in 'hgetex' command\r\n"} HGETEX h PX 9223372036854775807 FIELDS 2 a x
{7.2 "-ERR invalid expire time in 'hgetex' command\r\n"} HGETEX h PX 70368744177664 FIELDS 2 a x
{7.2 "-ERR invalid expire time in 'hgetex' command\r\n"} HGETEX h EXAT 9223372036854775807 FIELDS 2 a x
{7.2 "*2\r\n_\r\n_\r\n"} HGETEX h PXAT 1 FIELDS 2 a x
{7.2 "*2\r\n$1\r\n2\r\n_\r\n"} HGETEX h EXAT 1 FIELDS 2 b x
{7.2 "*2\r\n_\r\n_\r\n"} HGETEX h EXAT 0 FIELDS 2 b x
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h EX FIELDS 2 b x
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HGETEX h KEEPTTL FIELDS 1 b
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HGETEX h QQ FIELDS 1 b
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETEX h FIELDS 1 b EX 10
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETEX h FIELDS 1 b EX
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETEX h FIELDS 1 b FIELDS 1 c
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h FIELDS 0 b
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h FIELDS x b
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETEX h FIELDS 5 b
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HGETEX h EX 10 b c d
{7.2 "-ERR wrong number of arguments for 'hgetex' command\r\n"} HGETEX h EX 10 FIELDS
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETEX h EX 10 FIELDS 1
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETEX h EX 10 FIELDS 1 c c
{7.2 "*2\r\n$1\r\n3\r\n$1\r\n3\r\n"} HGETEX h EX 10 FIELDS 2 c c
{7.2 "*2\r\n_\r\n_\r\n"} HGETEX h EX 10 FIELDS 2 x y
{7.2 "+OK\r\n"} SET s v
{7.2 "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"} HGETEX s EX 10 FIELDS 2 x y
{7.2 "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"} HGETEX s EX x FIELDS 2 x y
{7.2 "*1\r\n$1\r\n3\r\n"} HGETEX h PXAT 1 FIELDS 1 c
{7.2 ":0\r\n"} EXISTS h
== HSETEX
{7.2 "-ERR wrong number of arguments for 'hsetex' command\r\n"} HSETEX
{7.2 "-ERR wrong number of arguments for 'hsetex' command\r\n"} HSETEX h FIELDS 1 a
{7.2 ":1\r\n"} HSETEX h FIELDS 1 a 1
{7.2 ":1\r\n"} HSETEX h EX 100 FIELDS 1 a 1
{7.2 "-ERR wrong number of arguments for 'hsetex' command\r\n"} HSETEX h EX 100 FIELDS 2 a 1 b
{7.2 "-ERR wrong number of arguments for 'hsetex' command\r\n"} HSETEX h EX 100 FIELDS 2 a 1 b 2 c
{7.2 ":1\r\n"} HSETEX h EX 100 FIELDS 2 a 1 b 2
{7.2 ":1\r\n"} HSETEX h KEEPTTL FIELDS 2 a 5 c 6
{7.2 ":1\r\n"} HSETEX h FIELDS 2 a 5 c 6
{7.2 ":0\r\n"} HSETEX h FNX EX 100 FIELDS 2 a 5 z 6
{7.2 ":1\r\n"} HSETEX h FNX EX 100 FIELDS 2 y 5 z 6
{7.2 ":0\r\n"} HSETEX h FXX EX 100 FIELDS 2 y 5 q 6
{7.2 ":1\r\n"} HSETEX h FXX PX 100000 FIELDS 2 y 5 z 6
{7.2 "-ERR invalid expire time in 'hsetex' command\r\n"} HSETEX h FXX EXAT 99999999999 FIELDS 2 y 5 z 6
{7.2 "-ERR invalid expire time in 'hsetex' command\r\n"} HSETEX h FXX PXAT 99999999999000 FIELDS 2 y 5 z 6
{7.2 ":1\r\n"} HSETEX h FXX PXAT 9999999999900 FIELDS 2 y 5 z 6
{7.2 "-ERR Only one of FXX or FNX arguments can be specified\r\n"} HSETEX h FXX FNX FIELDS 2 y 5 z 6
{7.2 "-ERR Only one of FXX or FNX arguments can be specified\r\n"} HSETEX h FXX FXX FIELDS 2 y 5 z 6
{7.2 "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified\r\n"} HSETEX h EX 10 KEEPTTL FIELDS 2 y 5 z 6
{7.2 "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified\r\n"} HSETEX h KEEPTTL KEEPTTL FIELDS 2 y 5 z 6
{7.2 "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified\r\n"} HSETEX h EX 10 PX 10 FIELDS 2 y 5 z 6
{7.2 ":1\r\n"} HSETEX h EX 0 FIELDS 2 y 5 z 6
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HSETEX h EX -1 FIELDS 2 y 5 z 6
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h EX x FIELDS 2 y 5 z 6
{7.2 "-ERR invalid expire time in 'hsetex' command\r\n"} HSETEX h EX 9223372036854775807 FIELDS 1 y 5
{7.2 "-ERR invalid expire time in 'hsetex' command\r\n"} HSETEX h PX 9223372036854775807 FIELDS 1 y 5
{7.2 "-ERR invalid expire time in 'hsetex' command\r\n"} HSETEX h PX 70368744177664 FIELDS 1 y 5
{7.2 "-ERR unknown argument: PERSIST\r\n"} HSETEX h PERSIST FIELDS 1 y 5
{7.2 "-ERR unknown argument: QQ\r\n"} HSETEX h QQ FIELDS 1 y 5
{7.2 "-ERR wrong number of arguments for 'hsetex' command\r\n"} HSETEX h FIELDS 1 y 5 EX 10
{7.2 "-ERR wrong number of arguments for 'hsetex' command\r\n"} HSETEX h FIELDS 1 y 5 FIELDS 1 y 5
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS 0 y 5
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS x y 5
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS -1 y 5
{7.2 "-ERR wrong number of arguments for 'hsetex' command\r\n"} HSETEX h FIELDS 3 y 5
{7.2 "-ERR unknown argument: y\r\n"} HSETEX h EX 10 y 5 a
{7.2 ":1\r\n"} HSETEX h EX 10 FIELDS 2 d 1 d 2
{7.2 "$1\r\n2\r\n"} HGET h d
{7.2 ":1\r\n"} HSETEX h PXAT 1 FIELDS 2 d 1 y 2
{7.2 ":1\r\n"} HSETEX h PXAT 1 FIELDS 1 new 1
{7.2 ":1\r\n"} HSETEX new PXAT 1 FIELDS 1 new 1
{7.2 ":0\r\n"} EXISTS new
{7.2 "-ERR unknown argument: NX\r\n"} HSETEX h NX FIELDS 1 y 5
{7.2 "-ERR unknown argument: XX\r\n"} HSETEX h XX FIELDS 1 y 5
{7.2 ":0\r\n"} HSETEX new FXX FIELDS 1 y 5
{7.2 ":0\r\n"} EXISTS new
{7.2 ":1\r\n"} HSETEX new FNX FIELDS 1 y 5
{7.2 ":1\r\n"} HSETEX s EX 10 FIELDS 1 x y
{7.2 "+OK\r\n"} SET s v
{7.2 "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"} HSETEX s EX 10 FIELDS 1 x y
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX s EX x FIELDS 1 x y
{7.2 "-ERR wrong number of arguments for 'hsetex' command\r\n"} HSETEX s FXX FIELDS 2 x y
== words in odd places
!resp2
{7.2 ":1\r\n"} HSET h b 1
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPERSIST h FIELDS 0 a
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPERSIST h FIELDS x a
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HPERSIST h FIELDS 2 a
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HPERSIST h FIELDS 1 a b
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h EX abc FIELDS
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h EX abc QQ 1 a
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HGETEX h EX -1 QQ 1 a
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h EX 10 FIELDS x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h EX 10 FIELDS 0
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h EX 10 FIELDS 0 a
{7.2 "-ERR wrong number of arguments for 'hgetex' command\r\n"} HGETEX h EX 10 QQQ
{7.2 "*1\r\n$-1\r\n"} HGETEX h FIELDS 1 FIELDS
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HGETEX h PERSIST 1 1
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETEX h PERSIST FIELDS 1
{7.2 "-ERR wrong number of arguments for 'hgetex' command\r\n"} HGETEX h PERSIST FIELDS
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h PERSIST FIELDS x
{7.2 "-ERR wrong number of arguments for 'hgetex' command\r\n"} HGETEX h EX 10 EX
{7.2 "-ERR wrong number of arguments for 'hgetex' command\r\n"} HGETEX h EX
{7.2 "-ERR wrong number of arguments for 'hgetex' command\r\n"} HGETEX h EX 10
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HGETEX h PX 10 1 1 1
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h FIELDS FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h EX abc FIELDS 1 a
{7.2 "-ERR unknown argument: QQ\r\n"} HSETEX h EX 10 QQ EX 10
{7.2 "-ERR wrong number of arguments for 'hsetex' command\r\n"} HSETEX h EX 10 FIELDS 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h EX x FIELDS 1
{7.2 ":1\r\n"} HSETEX h FIELDS 1 EX 10
{7.2 "-ERR wrong number of arguments for 'hsetex' command\r\n"} HSETEX h EX 10 FIELDS
{7.2 "-ERR Only one of FXX or FNX arguments can be specified\r\n"} HSETEX h FNX FXX KEEPTTL EX
{7.2 "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified\r\n"} HSETEX h FNX KEEPTTL EX FXX
{7.2 "-ERR wrong number of arguments for 'hsetex' command\r\n"} HSETEX h KEEPTTL FNX FIELDS
{7.2 "-ERR wrong number of arguments for 'hsetex' command\r\n"} HSETEX h KEEPTTL FNX FIELDS x
{7.2 ":1\r\n"} HSETEX h KEEPTTL FNX FIELDS 1 a 1
{7.2 "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified\r\n"} HSETEX h FNX KEEPTTL EX 1
{7.2 "-ERR wrong number of arguments for 'hsetex' command\r\n"} HSETEX h EX
{7.2 "-ERR Only one of FXX or FNX arguments can be specified\r\n"} HSETEX h FNX FNX FNX FNX
{7.2 "-ERR unknown argument: 1\r\n"} HSETEX h EX 1 1 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h EX abc QQ 1
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HSETEX h EX -1 QQ 1
{7.2 "-ERR wrong number of arguments for 'hsetex' command\r\n"} HSETEX h FIELDS 1 zz 1 EX 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS 99999999999999999999 zz 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS 9223372036854775807 zz 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS 4611686018427387904 zz 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS 2147483649 zz 1
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETDEL h FIELDS 9223372036854775807 zz
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETDEL h FIELDS 99999999999999999999 zz
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETDEL h FIELDS 2147483649 zz
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HPEXPIRE h 10 FIELDS 9223372036854775807 zz
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HPEXPIRE h 10 FIELDS 99999999999999999999 zz
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HPEXPIRE h -9223372036854775808 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIRE h -9223372036854775809 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIRE h 1.5 FIELDS 1 a
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HPEXPIRE h 10 FIELDS 1.5 a
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HPEXPIRE h 10 NX FIELDS 1
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HPEXPIRE h 10 NX FIELDS x
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HPEXPIRE h 10 NX QQ x
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HPEXPIRE h 10 NX 1 a b
{7.2 "-ERR invalid expire time in 'hexpire' command\r\n"} HEXPIRE h 9223372036854775 FIELDS 1 a
{7.2 "-ERR invalid expire time in 'hexpireat' command\r\n"} HEXPIREAT h 9223372036854775 FIELDS 1 a
{7.2 "-ERR invalid expire time in 'hexpireat' command\r\n"} HEXPIREAT h 9223372036854776 FIELDS 1 a
== words in odd places
!resp3
{7.2 ":1\r\n"} HSET h b 1
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPERSIST h FIELDS 0 a
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HPERSIST h FIELDS x a
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HPERSIST h FIELDS 2 a
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HPERSIST h FIELDS 1 a b
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h EX abc FIELDS
{7.2 "-ERR value is not an integer or out of range\r\n"} HGETEX h EX abc QQ 1 a
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HGETEX h EX -1 QQ 1 a
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h EX 10 FIELDS x
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h EX 10 FIELDS 0
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h EX 10 FIELDS 0 a
{7.2 "-ERR wrong number of arguments for 'hgetex' command\r\n"} HGETEX h EX 10 QQQ
{7.2 "*1\r\n_\r\n"} HGETEX h FIELDS 1 FIELDS
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HGETEX h PERSIST 1 1
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETEX h PERSIST FIELDS 1
{7.2 "-ERR wrong number of arguments for 'hgetex' command\r\n"} HGETEX h PERSIST FIELDS
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h PERSIST FIELDS x
{7.2 "-ERR wrong number of arguments for 'hgetex' command\r\n"} HGETEX h EX 10 EX
{7.2 "-ERR wrong number of arguments for 'hgetex' command\r\n"} HGETEX h EX
{7.2 "-ERR wrong number of arguments for 'hgetex' command\r\n"} HGETEX h EX 10
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HGETEX h PX 10 1 1 1
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETEX h FIELDS FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h EX abc FIELDS 1 a
{7.2 "-ERR unknown argument: QQ\r\n"} HSETEX h EX 10 QQ EX 10
{7.2 "-ERR wrong number of arguments for 'hsetex' command\r\n"} HSETEX h EX 10 FIELDS 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h EX x FIELDS 1
{7.2 ":1\r\n"} HSETEX h FIELDS 1 EX 10
{7.2 "-ERR wrong number of arguments for 'hsetex' command\r\n"} HSETEX h EX 10 FIELDS
{7.2 "-ERR Only one of FXX or FNX arguments can be specified\r\n"} HSETEX h FNX FXX KEEPTTL EX
{7.2 "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified\r\n"} HSETEX h FNX KEEPTTL EX FXX
{7.2 "-ERR wrong number of arguments for 'hsetex' command\r\n"} HSETEX h KEEPTTL FNX FIELDS
{7.2 "-ERR wrong number of arguments for 'hsetex' command\r\n"} HSETEX h KEEPTTL FNX FIELDS x
{7.2 ":1\r\n"} HSETEX h KEEPTTL FNX FIELDS 1 a 1
{7.2 "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified\r\n"} HSETEX h FNX KEEPTTL EX 1
{7.2 "-ERR wrong number of arguments for 'hsetex' command\r\n"} HSETEX h EX
{7.2 "-ERR Only one of FXX or FNX arguments can be specified\r\n"} HSETEX h FNX FNX FNX FNX
{7.2 "-ERR unknown argument: 1\r\n"} HSETEX h EX 1 1 1
{7.2 "-ERR value is not an integer or out of range\r\n"} HSETEX h EX abc QQ 1
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HSETEX h EX -1 QQ 1
{7.2 "-ERR wrong number of arguments for 'hsetex' command\r\n"} HSETEX h FIELDS 1 zz 1 EX 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS 99999999999999999999 zz 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS 9223372036854775807 zz 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS 4611686018427387904 zz 1
{7.2 "-ERR invalid number of fields\r\n"} HSETEX h FIELDS 2147483649 zz 1
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETDEL h FIELDS 9223372036854775807 zz
{7.2 "-ERR Number of fields must be a positive integer\r\n"} HGETDEL h FIELDS 99999999999999999999 zz
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HGETDEL h FIELDS 2147483649 zz
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HPEXPIRE h 10 FIELDS 9223372036854775807 zz
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HPEXPIRE h 10 FIELDS 99999999999999999999 zz
{7.2 "-ERR invalid expire time, must be >= 0\r\n"} HPEXPIRE h -9223372036854775808 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIRE h -9223372036854775809 FIELDS 1 a
{7.2 "-ERR value is not an integer or out of range\r\n"} HPEXPIRE h 1.5 FIELDS 1 a
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HPEXPIRE h 10 FIELDS 1.5 a
{7.2 "-ERR The `numfields` parameter must match the number of arguments\r\n"} HPEXPIRE h 10 NX FIELDS 1
{7.2 "-ERR Parameter `numFields` should be greater than 0\r\n"} HPEXPIRE h 10 NX FIELDS x
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HPEXPIRE h 10 NX QQ x
{7.2 "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"} HPEXPIRE h 10 NX 1 a b
{7.2 "-ERR invalid expire time in 'hexpire' command\r\n"} HEXPIRE h 9223372036854775 FIELDS 1 a
{7.2 "-ERR invalid expire time in 'hexpireat' command\r\n"} HEXPIREAT h 9223372036854775 FIELDS 1 a
{7.2 "-ERR invalid expire time in 'hexpireat' command\r\n"} HEXPIREAT h 9223372036854776 FIELDS 1 a
"#,
    );
}
