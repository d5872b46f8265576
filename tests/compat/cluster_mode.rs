//! Commands on a cluster node: which are refused for their slots, their database or their words, and with which error.
//!
//! One node that serves all slots is enough: no redirection leaves it, and both servers reply the same about their own
//! ids.

use crate::check_with;

/// Redis reports the cluster as down for two seconds after a start, whatever the slots.
const FORMED: &str = "CLUSTER ADDSLOTSRANGE 0 16383\n!sleep 2500\n";

fn check(script: &str) {
    check_with(&[("cluster-enabled", "yes")], &script.replacen("{formed}\n", FORMED, 1));
}

#[test]
fn a_spoiled_transaction_is_not_asked_for_its_slots() {
    check(
        r#"
{formed}
== slots differ
MULTI
SET a 1
SET b 1
EXEC
== a command was refused before its slot could matter
MULTI
SET a 1
GET
SET b 1
EXEC
== a command was refused after its slot mattered
MULTI
SET a 1
SET b 1
GET
EXEC
== a watched key has changed
WATCH d
SET d 1
MULTI
SET a 1
SET b 1
EXEC
== a watched key has changed and a command was refused
WATCH d
SET d 1
MULTI
SET a 1
GET
SET b 1
EXEC
== a watched key changes while commands are queued
WATCH d
MULTI
SET a 1
@b SET d 1
SET b 1
EXEC
== the same, too late
WATCH d
MULTI
SET a 1
SET b 1
@b SET d 1
EXEC
"#,
    );
}

#[test]
fn keys_are_found_although_their_number_is_bad() {
    check(
        r#"
{formed}
RPUSH c x
LMPOP 1.5 c LEFT
MULTI
LMPOP 1.5 c LEFT
SET a 1
EXEC
MULTI
LMPOP abc c LEFT
SET a 1
EXEC
COMMAND GETKEYS LMPOP 1.5 c LEFT
COMMAND GETKEYSANDFLAGS LMPOP 1.5 c LEFT
COMMAND GETKEYS LMPOP " 1" c LEFT
COMMAND GETKEYS LMPOP +1 c LEFT
COMMAND GETKEYS LMPOP abc c LEFT
COMMAND GETKEYS LMPOP 4294967297 c LEFT
COMMAND GETKEYS LMPOP -9223372036854775807 c LEFT
COMMAND GETKEYS LMPOP 99999999999999999999 c LEFT
COMMAND GETKEYS LMPOP 2 c LEFT
COMMAND GETKEYS LMPOP 3 c LEFT
COMMAND GETKEYS LMPOP 0 c LEFT
"#,
    );
}

#[test]
fn other_databases() {
    check(
        r#"
{formed}
SET a 1
COPY a {a}b DB 0
COPY a {a}b DB 1
COPY a {a}b DB 15
COPY a {a}b DB 16
COPY a {a}b DB 99
COPY a {a}b DB -1
COPY a {a}b DB abc
COPY a {a}b DB 1 nonsense
SELECT 0
SELECT 1
SELECT 99
MOVE a 1
MOVE a abc
SWAPDB 0 1
SWAPDB abc 1
"#,
    );
}

#[test]
fn errors_quote_words_as_they_are() {
    let words = [r#""y\x00z""#, &"y".repeat(300)];
    let commands = [
        "CLUSTER REPLICAS",
        "CLUSTER FORGET",
        "CLUSTER REPLICATE",
        "CLUSTER COUNT-FAILURE-REPORTS",
        "CLUSTER SETSLOT 1 NODE",
        "CLUSTER SETSLOT 1 MIGRATING",
        "CLUSTER SETSLOT 1 IMPORTING",
        "CLUSTER SETSLOT 1",
        "CLUSTER MEET 127.0.0.1",
        "CLUSTER MEET 127.0.0.1 1000",
        "CLUSTER RESET",
        "CLUSTER FAILOVER",
        "CLUSTER",
    ];
    let script: String = words.iter().flat_map(|word| commands.map(|command| format!("{command} {word}\n"))).collect();
    check(&format!("{script}CLUSTER REPLICAS \"y\\xffz\"\nCLUSTER MEET 127.0.0.1 \"y\\xffz\"\nCLUSTER \"y\\xffz\"\n"));
}

#[test]
fn the_keys_of_one_command_of_a_script_are_in_one_slot() {
    check(
        r##"
{formed}
== a script without a first line
CONFIG RESETSTAT
EVAL "return redis.call('mset','a',1,'b',2)" 0
EVAL "return redis.call('mset','a',1,'b',2)" 1 a
EVAL "return redis.pcall('mset','a',1,'b',2)" 1 b
EVAL "return redis.call('set','a',1)" 1 b
EVAL "redis.call('set','a',1) return redis.call('set','b',1)" 0
{counts mset set eval} INFO commandstats
INFO errorstats
== one with a first line
CONFIG RESETSTAT
EVAL "#!lua flags=allow-cross-slot-keys\nreturn redis.call('mset','a',1,'b',2)" 0
EVAL "#!lua flags=allow-cross-slot-keys\nredis.call('set','a',1) return redis.call('set','b',1)" 1 a
EVAL "#!lua\nreturn redis.call('mset','a',1,'b',2)" 1 a
EVAL "#!lua\nredis.call('set','a',1) return redis.call('set','b',1)" 0
EVAL "#!lua\nreturn redis.call('set','b',1)" 1 a
{counts mset set eval} INFO commandstats
INFO errorstats
== a function
CONFIG RESETSTAT
FUNCTION LOAD "#!lua name=l\nredis.register_function{function_name='f',callback=function() return redis.call('mset','a',1,'b',2) end,flags={'allow-cross-slot-keys'}}"
FCALL f 0
FCALL f 1 a
{counts mset fcall} INFO commandstats
"##,
    );
}
