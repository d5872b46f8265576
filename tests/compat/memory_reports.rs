//! MEMORY STATS and its kin, and the parts of DEBUG that look at memory: texts and fields are compared, figures are
//! not.

use integration::node::NodeSpec;
use integration::oracle::Binary;
use integration::resp::Value;

use crate::check;

#[test]
fn reports() {
    check(
        r#"
MEMORY HELP
MEMORY DOCTOR
MEMORY PURGE
{type} MEMORY MALLOC-STATS
{shape} MEMORY STATS
SET k v
{shape} MEMORY STATS
SELECT 3
SET k v EX 1000
{shape} MEMORY STATS
MULTI
MEMORY PURGE
{shape} MEMORY STATS
{shape} EXEC
"#,
    );
}

/// The fields of a reply in their order; those of a database follow its name.
fn fields(stats: &Value, found: &mut Vec<String>) {
    for pair in stats.items().chunks(2) {
        found.push(pair[0].text());
        if pair[0].text().starts_with("db.") {
            fields(&pair[1], found);
        }
    }
}

#[test]
fn stats_have_the_fields_of_redis_in_its_order() {
    let [stock, slotd] = [Binary::Stock, Binary::Slotd].map(|binary| {
        let node = NodeSpec::new(binary).start();
        let mut client = node.client();
        client.ok("SET k v");
        client.ok("SELECT 2");
        client.ok("SET k v");
        let mut found = Vec::new();
        fields(&client.cmd("MEMORY STATS"), &mut found);
        found
    });
    assert_eq!(slotd, stock);
    assert!(slotd.len() > 30, "{slotd:?}");
}

#[test]
fn stats_agree_with_each_other_and_with_info() {
    let node = NodeSpec::new(Binary::Slotd).start();
    let mut client = node.client();
    assert!(client.cmd("DEBUG POPULATE 20000 key 100").is_ok());
    let stats = client.cmd("MEMORY STATS");
    let field = |name: &str| {
        let pair = stats.items().chunks(2).find(|pair| pair[0].text() == name).unwrap_or_else(|| panic!("{name}"));
        pair[1].text().parse::<f64>().unwrap_or_else(|_| panic!("{name}: {:?}", pair[1]))
    };
    assert!((field("keys.count") - 20_000.0).abs() < 0.1);
    let (used, startup) = (field("total.allocated"), field("startup.allocated"));
    assert!((field("keys.bytes-per-key") - ((used - startup) / 20_000.0).floor()).abs() < 1.5);
    assert!((field("dataset.bytes") - (used - field("overhead.total"))).abs() < 0.1);
    assert!(field("peak.allocated") >= used && field("keys.bytes-per-key") > 100.0);
    let told = node.info("used_memory").parse::<f64>().expect("a number");
    assert!((told - used).abs() < 2e6, "{told} and {used}");
}

#[test]
fn tables_and_strings() {
    check(
        r#"
== of strings
SET k v
SET long aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
SET n 12
RPUSH l a
{fields key_sds_len key_sds_avail val_sds_len} DEBUG SDSLEN k
{fields key_sds_len key_sds_avail val_sds_len} DEBUG SDSLEN long
DEBUG SDSLEN n
DEBUG SDSLEN l
DEBUG SDSLEN missing
DEBUG SDSLEN
DEBUG SDSLEN k k
== of databases
DEBUG HTSTATS 0
DEBUG HTSTATS
DEBUG HTSTATS 0 1
DEBUG HTSTATS x
DEBUG HTSTATS -1
DEBUG HTSTATS 15
DEBUG HTSTATS 16
SET k v
{type} DEBUG HTSTATS 0
DEBUG HTSTATS 1
== of keys
SADD s a b xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
HSET h f v
SET k v
{type} DEBUG HTSTATS-KEY s
DEBUG HTSTATS-KEY h
DEBUG HTSTATS-KEY k
DEBUG HTSTATS-KEY missing
DEBUG HTSTATS-KEY
DEBUG HTSTATS-KEY s 1
SADD small a b c
{7.2 "-ERR The value stored at the specified key is not represented using an hash table\r\n"} DEBUG HTSTATS-KEY small
== checksums
SET v v
RESTORE k 0 "\x00\x01v\x0a\x00AAAAAAAA"
DEBUG SET-SKIP-CHECKSUM-VALIDATION 1
RESTORE k 0 "\x00\x01v\x0a\x00AAAAAAAA"
GET k
DEBUG SET-SKIP-CHECKSUM-VALIDATION 0
RESTORE k3 0 "\x00\x01v\x0a\x00AAAAAAAA"
DEBUG SET-SKIP-CHECKSUM-VALIDATION
"#,
    );
}

#[test]
fn tables_are_as_large_as_they_are() {
    let node = NodeSpec::new(Binary::Slotd).start();
    let mut client = node.client();
    assert!(client.cmd("DEBUG POPULATE 1000").is_ok());
    client.ok("SET volatile v EX 1000");
    let text = client.cmd("DEBUG HTSTATS 0").text();
    let counts: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix(" number of elements: ")).collect();
    assert_eq!(counts, ["1001", "1"], "{text}");
    client.cmd(&format!("SADD set a b {}", "c".repeat(65)));
    assert!(client.cmd("DEBUG HTSTATS-KEY set").text().contains("\n number of elements: 3\n"));
}
