//! The connection's own commands: PING, ECHO, HELLO, AUTH, CLIENT, RESET, QUIT, SELECT, and the small server commands
//! beside them.

use integration::node::NodeSpec;
use integration::oracle::Binary;

use crate::{check, check_with};

#[test]
fn ping_echo_time_quit_reset() {
    check(
        r#"
PING
PING hello
PING a b
PING ""
ECHO
ECHO hi
ECHO "\x00\r\n"
ECHO a b
{shape} TIME
TIME x
RESET
RESET x
QUIT
!closed
QUIT a b
!closed
{any} LOLWUT
{any} LOLWUT VERSION 5
ROLE
ROLE x
LASTSAVE x
{near 100} LASTSAVE
WAIT 0 0
WAIT 1 10
WAIT
WAIT abc 0
WAIT 0 abc
WAIT -1 0
WAIT 0 -1
READONLY
READWRITE
ASKING
DEBUG
DEBUG BOGUS
DEBUG SLEEP 0
DEBUG STRINGMATCH-LEN 10 *a*
DEBUG STRINGMATCH-TEST
DEBUG STRINGMATCH-TEST x
DEBUG PROTOCOL
DEBUG PROTOCOL string
DEBUG PROTOCOL integer
DEBUG PROTOCOL double
DEBUG PROTOCOL null
DEBUG PROTOCOL array
DEBUG PROTOCOL set
DEBUG PROTOCOL map
DEBUG PROTOCOL push
DEBUG PROTOCOL verbatim
DEBUG PROTOCOL TRUE
DEBUG PROTOCOL false
DEBUG PROTOCOL bignum
DEBUG PROTOCOL nonsense
RPUSH l a
SET k v
DEBUG QUICKLIST l
DEBUG QUICKLIST l 1
DEBUG QUICKLIST l 1 2
DEBUG QUICKLIST k
DEBUG QUICKLIST none
DEBUG POPULATE
DEBUG POPULATE x
DEBUG POPULATE -1
DEBUG POPULATE 0
DEBUG POPULATE 2
MGET key:0 key:1 key:2
SET pre:1 old
DEBUG POPULATE 3 pre 10
MGET pre:0 pre:1 pre:2
DEBUG POPULATE 2 short 3
MGET short:0 short:1
DEBUG POPULATE 1 a -1
DEBUG POPULATE 1 a x
DEBUG POPULATE 1 a 1 1
{near 0} DBSIZE
WATCH key:7
DEBUG POPULATE 8
MULTI
PING
EXEC
!resp2
DEBUG PROTOCOL attrib
"#,
    );
}

#[test]
fn hello_negotiates_the_protocol() {
    check(
        r#"
== versions
{shape} @raw1 HELLO
@raw1 HELLO 1
@raw1 HELLO 4
@raw1 HELLO abc
@raw1 HELLO 9223372036854775808
{shape} @raw1 HELLO 2
{shape} @raw1 HELLO 3
@raw1 GET missing
@raw1 LRANGE missing 0 -1
@raw1 LPOP missing 1
{shape} @raw1 HELLO 2
@raw1 GET missing
@raw1 LPOP missing 1
== options
{shape} @raw1 HELLO 3 SETNAME me
@raw1 CLIENT GETNAME
@raw1 HELLO 3 SETNAME "bad name"
@raw1 HELLO 3 SETNAME
@raw1 HELLO 3 AUTH default
{shape} @raw1 HELLO 3 AUTH default wrong
@raw1 HELLO 3 AUTH nobody x
@raw1 HELLO 3 BAD
@raw1 HELLO 3 AUTH default x SETNAME a BAD
@raw1 HELLO SETNAME a
== RESET goes back to RESP2
{shape} @raw1 HELLO 3
@raw1 RESET
@raw1 GET missing
"#,
    );
}

#[test]
fn a_password_is_asked_for() {
    check_with(
        &[("requirepass", "secret")],
        r#"
@raw1 GET k
@raw1 PING
@raw1 ECHO x
@raw1 nosuch
@raw1 GET
@raw1 MULTI
@raw1 EXEC
@raw1 SUBSCRIBE a
@raw1 HELLO
@raw1 HELLO 3
@raw1 HELLO 2
@raw1 RESET
@raw1 AUTH wrong
@raw1 AUTH
@raw1 AUTH a b c
@raw1 AUTH default wrong
@raw1 AUTH nobody secret
@raw1 COMMAND COUNT
@raw1 AUTH secret
@raw1 GET k
@raw1 CONFIG GET requirepass
@raw1 RESET
@raw1 GET k
@raw1 AUTH default secret
@raw1 GET k
@raw2 HELLO 3 AUTH default wrong
{shape} @raw2 HELLO 3 AUTH default secret SETNAME x
@raw2 GET missing
@raw2 CONFIG SET requirepass ""
@raw3 GET missing
@raw3 AUTH secret
@raw3 AUTH default anything
@raw2 CONFIG SET requirepass secret
@raw3 GET missing
@raw4 GET missing
@raw5 QUIT
@raw5 !closed
"#,
    );
}

#[test]
fn auth_without_a_password() {
    check(
        r#"
AUTH x
AUTH default x
AUTH nobody x
AUTH
AUTH a b c
"#,
    );
}

#[test]
fn client_names_and_ids() {
    check(
        r#"
CLIENT
CLIENT HELP
CLIENT BAD
CLIENT ID x
{type} CLIENT ID
CLIENT GETNAME
CLIENT SETNAME me
CLIENT GETNAME
CLIENT SETNAME ""
CLIENT GETNAME
CLIENT SETNAME "a b"
CLIENT SETNAME "a\nb"
CLIENT SETNAME "\xc3\xa9"
CLIENT SETNAME
CLIENT SETNAME a b
CLIENT GETNAME x
CLIENT NO-EVICT on
CLIENT NO-EVICT off
CLIENT NO-EVICT bad
CLIENT NO-EVICT
{7.2 "+OK\r\n"} CLIENT SETINFO LIB-NAME redis-py
{7.2 "+OK\r\n"} CLIENT SETINFO lib-ver 1.2.3
{7.2 "-ERR Unrecognized option 'libname'\r\n"} CLIENT SETINFO libname x
{7.2 "-ERR lib-name cannot contain spaces, newlines or special characters.\r\n"} CLIENT SETINFO lib-name "a b"
{7.2 "-ERR wrong number of arguments for 'client|setinfo' command\r\n"} CLIENT SETINFO lib-name
{7.2 "+OK\r\n"} CLIENT NO-TOUCH on
{7.2 "+OK\r\n"} CLIENT NO-TOUCH off
{7.2 "-ERR syntax error\r\n"} CLIENT NO-TOUCH maybe
"#,
    );
}

#[test]
fn client_list_and_info() {
    check(
        r#"
CLIENT LIST TYPE
CLIENT LIST TYPE bad
CLIENT LIST BAD
CLIENT LIST ID
CLIENT LIST ID abc
CLIENT LIST ID 0
CLIENT LIST ID 999999
CLIENT LIST TYPE replica
CLIENT LIST TYPE master
CLIENT LIST TYPE pubsub
CLIENT INFO x
CLIENT SETNAME first
{keys} CLIENT INFO
{fields name flags db sub psub ssub multi events cmd user redir resp} CLIENT INFO
@b SELECT 3
@b SUBSCRIBE a
@b PSUBSCRIBE b
{fields flags db sub psub ssub multi cmd user redir resp} CLIENT LIST TYPE pubsub
{fields flags db sub psub ssub multi cmd user redir resp} CLIENT LIST ID $id:a
{fields flags db sub psub ssub multi cmd name} CLIENT LIST ID $id:a
MULTI
{fields flags multi cmd} CLIENT LIST TYPE normal
{fields flags multi cmd} CLIENT INFO
{fields flags multi cmd} EXEC
WATCH x
{fields flags multi cmd} CLIENT INFO
UNWATCH
@c !send BLPOP l 0
!blocked 1
{fields flags cmd db} CLIENT LIST TYPE normal
"#,
    );
}

#[test]
fn client_kill() {
    check(
        r#"
== arity and syntax
CLIENT KILL
CLIENT KILL nobody
CLIENT KILL 127.0.0.1:1
CLIENT KILL ID
CLIENT KILL ID abc
CLIENT KILL ID 0
CLIENT KILL ID -1
CLIENT KILL ID 99999999
CLIENT KILL TYPE bad
CLIENT KILL TYPE pubsub
CLIENT KILL TYPE replica
CLIENT KILL TYPE slave
CLIENT KILL ADDR 127.0.0.1:1
CLIENT KILL LADDR 127.0.0.1:1
CLIENT KILL USER nobody
CLIENT KILL USER default ID 99999999
CLIENT KILL SKIPME maybe
CLIENT KILL BAD x
CLIENT KILL ID 1 ADDR
== by address, old form
@b PING
CLIENT KILL $addr:b
@b !closed
== by id
@b PING
CLIENT KILL ID $id:b
@b !closed
== by type
@b SUBSCRIBE a
CLIENT KILL TYPE pubsub
@b !closed
== by address, new form
@b PING
CLIENT KILL ADDR $addr:b SKIPME yes
@b !closed
== several filters
@b SUBSCRIBE a
CLIENT KILL TYPE pubsub ADDR 127.0.0.1:1
@b !silent
CLIENT KILL USER default TYPE pubsub
@b !closed
== myself last
CLIENT KILL ID $id:a SKIPME no
!closed
== myself, old form
CLIENT KILL $addr:a
!closed
"#,
    );
}

#[test]
fn client_reply_and_pause() {
    check(
        r#"
== REPLY
CLIENT REPLY
CLIENT REPLY BAD
CLIENT REPLY ON
!send CLIENT REPLY SKIP
!send SET a 1
GET a
!send CLIENT REPLY OFF
!send SET a 2
!send PING
!send GET
!silent
CLIENT REPLY ON
GET a
!send CLIENT REPLY SKIP
CLIENT REPLY ON
PING
!send CLIENT REPLY SKIP
!send BLPOP none 0.05
PING
!send CLIENT REPLY OFF
!send BLMPOP 0.05 1 none LEFT
!send BRPOP none 0.05
!silent
CLIENT REPLY ON
PING
== REPLY SKIP for what is answered by pushes, and for RESET
!send CLIENT REPLY SKIP
SUBSCRIBE channel
PING a
!send CLIENT REPLY SKIP
PSUBSCRIBE pattern*
PUNSUBSCRIBE pattern*
PING b
!send CLIENT REPLY SKIP
UNSUBSCRIBE channel
GET a
!send CLIENT REPLY SKIP
!send RESET
!silent
PING
!send CLIENT REPLY OFF
RESET
PING
== REPLY inside a transaction
MULTI
!send CLIENT REPLY SKIP
PING
== PAUSE
CLIENT PAUSE
CLIENT PAUSE abc
CLIENT PAUSE -1
CLIENT PAUSE 100 BAD
CLIENT PAUSE 9223372036854775807
CLIENT UNPAUSE
CLIENT UNPAUSE x
CLIENT PAUSE 60000 WRITE
GET a
@b !send SET a paused
@b !silent
GET a
CLIENT UNPAUSE
@b !read
GET a
CLIENT PAUSE 100 ALL
PING
CLIENT PAUSE 100 WRITE
SET a slow
GET a
CLIENT PAUSE 60000 WRITE
@b !send PUBLISH ch x
@b !silent
@c !send EXPIRE a 100
@c !silent
@d MULTI
@d GET a
@d EXEC
@d MULTI
@d !send SET a y
@d !silent
{fields flags cmd} CLIENT LIST ID $id:a
!blocked 3
CLIENT UNPAUSE
@b !read
@c !read
@d !read
@d EXEC
!blocked 0
== an inline command that is held back is read once
SET a "old"
CLIENT PAUSE 60000 WRITE
@raw1 !raw "SET a \"x \\\"y\\x41\"\r\nGET a\r\n"
@raw1 !silent
CLIENT UNPAUSE
@raw1 !read
@raw1 !read
== a pipeline goes on after the command that was held back
CLIENT PAUSE 60000 WRITE
@raw1 !raw "GET a\r\nSET a 1\r\nINCR a\r\nGET a\r\n"
@raw1 !read
@raw1 !silent
CLIENT UNPAUSE
@raw1 !read
@raw1 !read
@raw1 !read
== a client that leaves while it is held back
CLIENT PAUSE 60000 WRITE
@b !send SET a 1
!blocked 1
@b !close
!blocked 0
CLIENT UNPAUSE
EXISTS a
"#,
    );
}

#[test]
fn cluster_commands_with_cluster_mode_off() {
    check(
        r#"
CLUSTER
CLUSTER INFO
CLUSTER NODES
CLUSTER SLOTS
CLUSTER SHARDS
CLUSTER MYID
CLUSTER KEYSLOT k
CLUSTER MEET 127.0.0.1 1
CLUSTER BOGUS
CLUSTER HELP
CLUSTER RESET
READONLY
READWRITE
ASKING
MIGRATE 127.0.0.1 1 k 0 10
MIGRATE 127.0.0.1 1 "" 0 10 KEYS
MIGRATE 127.0.0.1 abc k 0 10
MIGRATE 127.0.0.1 1 k abc 10
MIGRATE
MIGRATE 127.0.0.1 abc k 0 x
SET k v
MIGRATE 127.0.0.1 abc k 0 10
MIGRATE 127.0.0.1 70000 k 0 10
GET k
{fields cluster_enabled} INFO cluster
"#,
    );
}

/// `age` and `idle` depend on when a second ends, so they are compared with the time that has passed, not with another
/// server's.
#[test]
fn ages_are_told_in_whole_seconds() {
    for binary in [Binary::Stock, Binary::Slotd] {
        let node = NodeSpec::new(binary).start();
        let (mut client, mut other) = (node.client(), node.client());
        let id = client.cmd("CLIENT ID").int();
        std::thread::sleep(std::time::Duration::from_millis(2_100));
        let line = other.cmd(&format!("CLIENT LIST ID {id}")).text();
        for field in ["age=", "idle="] {
            let told = line.split(' ').find_map(|part| part.strip_prefix(field)).expect("the field is there");
            assert!((2..=3).contains(&told.parse().expect("a number")), "{field}{told}");
        }
    }
}
