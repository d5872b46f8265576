//! Conditions about values: SET IFEQ, DELIFEQ and MSETEX as Valkey 9.1.2 replies to these lines; the rest by the
//! documentation of Redis 8.4, which has no server here.

use crate::check;

#[test]
fn values_are_compared_and_set() {
    check(
        r#"
!resp2
{7.2 "+OK\r\n"} SET k v
{7.2 "+OK\r\n"} SET k w IFEQ v
{7.2 "$-1\r\n"} SET k x IFEQ v
{7.2 "$1\r\nw\r\n"} GET k
{7.2 "$1\r\nw\r\n"} SET k x IFEQ v GET
{7.2 "$1\r\nw\r\n"} SET k x GET IFEQ w
{7.2 "$1\r\nx\r\n"} GET k
{7.2 "$-1\r\n"} SET none x IFEQ v
{7.2 "$-1\r\n"} SET none x IFEQ v GET
{7.2 ":0\r\n"} EXISTS none
{7.2 "-ERR syntax error\r\n"} SET k y IFEQ
{7.2 "-ERR syntax error\r\n"} SET k y IFEQ x NX
{7.2 "-ERR syntax error\r\n"} SET k y NX IFEQ x
{7.2 "-ERR syntax error\r\n"} SET k y XX IFEQ x
{7.2 "-ERR syntax error\r\n"} SET k y IFEQ x IFEQ z
{7.2 "+OK\r\n"} SET k y IFEQ x EX 100
{7.2 ":100\r\n"} TTL k
{7.2 "+OK\r\n"} SET k z IFEQ y KEEPTTL
{7.2 ":100\r\n"} TTL k
{7.2 "-ERR invalid expire time in 'set' command\r\n"} SET k z IFEQ z EX 0
{7.2 "-ERR syntax error\r\n"} SET k z IFEQ z EX 10 PX 10
{7.2 ":1\r\n"} RPUSH l 1
{7.2 "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"} SET l y IFEQ x
{7.2 "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"} SET l y IFEQ x GET
{7.2 "+OK\r\n"} SET n 5
{7.2 "+OK\r\n"} SET n 6 IFEQ 5
{7.2 "$1\r\n6\r\n"} SET n 6 ifeq 6 GET
{7.2 "$-1\r\n"} SET n 7 IFEQ 06
{7.2 ":0\r\n"} DELIFEQ k y
{7.2 ":1\r\n"} DELIFEQ k z
{7.2 ":0\r\n"} DELIFEQ k z
{7.2 "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"} DELIFEQ l 1
{7.2 "-ERR wrong number of arguments for 'delifeq' command\r\n"} DELIFEQ k
{7.2 "-ERR wrong number of arguments for 'delifeq' command\r\n"} DELIFEQ k a b
{7.2 ":1\r\n"} DELIFEQ n 6
{7.2 "-ERR wrong number of arguments for 'msetex' command\r\n"} MSETEX
{7.2 "-ERR wrong number of arguments for 'msetex' command\r\n"} MSETEX 1 a
{7.2 "-ERR syntax error\r\n"} MSETEX 2 a 1
{7.2 "-ERR invalid numkeys value or out of range\r\n"} MSETEX 0 a 1
{7.2 "-ERR invalid numkeys value or out of range\r\n"} MSETEX -1 a 1
{7.2 "-ERR invalid numkeys value or out of range\r\n"} MSETEX x a 1
{7.2 "-ERR invalid numkeys value or out of range\r\n"} MSETEX 1.5 a 1
{7.2 "-ERR syntax error\r\n"} MSETEX 2147483647 a 1
{7.2 "-ERR invalid numkeys value or out of range\r\n"} MSETEX 2147483648 a 1
{7.2 "-ERR invalid numkeys value or out of range\r\n"} MSETEX 9223372036854775808 a 1
{7.2 ":1\r\n"} MSETEX 1 a 1 NX
{7.2 ":0\r\n"} MSETEX 1 a 2 NX
{7.2 ":0\r\n"} MSETEX 2 a 2 b 3 XX
{7.2 "*2\r\n$1\r\n1\r\n$-1\r\n"} MGET a b
{7.2 ":1\r\n"} MSETEX 2 a 2 b 3 EX 100
{7.2 ":100\r\n"} TTL b
{7.2 ":1\r\n"} MSETEX 2 a 3 b 3 keepttl
{7.2 ":100\r\n"} TTL a
{7.2 ":1\r\n"} MSETEX 2 a 3 b 3
{7.2 ":-1\r\n"} TTL a
{7.2 "-ERR syntax error\r\n"} MSETEX 1 a 1 NX XX
{7.2 "-ERR syntax error\r\n"} MSETEX 1 a 1 EX
{7.2 "-ERR invalid expire time in 'msetex' command\r\n"} MSETEX 1 a 1 EX 0
{7.2 "-ERR invalid expire time in 'msetex' command\r\n"} MSETEX 1 a 1 EX -1
{7.2 "-ERR value is not an integer or out of range\r\n"} MSETEX 1 a 1 EX x
{7.2 "-ERR invalid expire time in 'msetex' command\r\n"} MSETEX 1 a 1 EX 9223372036854775807
{7.2 "-ERR invalid expire time in 'msetex' command\r\n"} MSETEX 1 a 1 NX EX 0
{7.2 "-ERR syntax error\r\n"} MSETEX 1 a 1 EX 1 PX 1
{7.2 ":1\r\n"} MSETEX 1 a 1 EX 10 EX 20
{7.2 "-ERR syntax error\r\n"} MSETEX 1 a 1 EX 10 KEEPTTL
{7.2 "-ERR syntax error\r\n"} MSETEX 1 a 1 GET
{7.2 "-ERR syntax error\r\n"} MSETEX 1 a 1 IFEQ 1
{7.2 ":0\r\n"} MSETEX 1 a 1 NX NX
{7.2 "-ERR syntax error\r\n"} MSETEX 1 a 1 nonsense
{7.2 "-ERR syntax error\r\n"} MSETEX 1 a 1 b 2
{7.2 ":1\r\n"} MSETEX 2 d 1 d 2 NX
{7.2 "$1\r\n2\r\n"} GET d
{7.2 ":1\r\n"} MSETEX 1 l 1
{7.2 "+string\r\n"} TYPE l
{7.2 ":1\r\n"} MSETEX 1 a 1 EXAT 1
{7.2 ":0\r\n"} EXISTS a
{7.2 "*2\r\n*2\r\n$1\r\na\r\n*2\r\n+OW\r\n+update\r\n*2\r\n$1\r\nb\r\n*2\r\n+OW\r\n+update\r\n"} COMMAND GETKEYSANDFLAGS MSETEX 2 a 1 b 2 NX EX 10
{7.2 "-ERR Invalid arguments specified for command\r\n"} COMMAND GETKEYS MSETEX 3 a 1 b
{7.2 "-ERR Invalid arguments specified for command\r\n"} COMMAND GETKEYS MSETEX 0 a 1
{7.2 "*1\r\n*2\r\n$1\r\nk\r\n*2\r\n+RM\r\n+delete\r\n"} COMMAND GETKEYSANDFLAGS DELIFEQ k v
"#,
    );
}

#[test]
fn values_and_digests_are_compared_by_the_documentation_of_redis_8_4() {
    check(
        r#"
{7.2 "+OK\r\n"} SET k v
{7.2 "+OK\r\n"} SET k w IFNE x
{7.2 "$1\r\nw\r\n"} GET k
{7.2 "+OK\r\n"} SET none w IFNE x
{7.2 "+OK\r\n"} SET empty ""
{7.2 "$16\r\n2d06800538d394c2\r\n"} DIGEST empty
{7.2 "+OK\r\n"} SET empty x IFDEQ 2d06800538d394c2
{7.2 "+OK\r\n"} SET empty y ifdne 2D06800538D394C2
{7.2 "-ERR digest must be exactly 16 hexadecimal characters\r\n"} SET empty y IFDEQ 2d06800538d394c
{7.2 "-ERR digest must be exactly 16 hexadecimal characters\r\n"} SET empty y IFDNE +d06800538d394c2
{7.2 "-ERR syntax error\r\n"} SET empty y IFDNE
{7.2 "-ERR syntax error\r\n"} SET empty y IFNE a IFDNE 2d06800538d394c2
{7.2 "-ERR wrong number of arguments for 'digest' command\r\n"} DIGEST
{7.2 ":0\r\n"} DELEX k IFEQ v
{7.2 ":0\r\n"} DELEX k IFNE w
{7.2 ":1\r\n"} DELEX k IFEQ w
{7.2 ":0\r\n"} DELEX k
{7.2 "-ERR wrong number of arguments for 'delex' command\r\n"} DELEX k IFEQ
{7.2 "-ERR syntax error\r\n"} DELEX k NX a
{7.2 ":1\r\n"} RPUSH l a
{7.2 "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"} DIGEST l
{7.2 "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"} DELEX l IFNE a
{7.2 ":1\r\n"} DELEX l
"#,
    );
}
