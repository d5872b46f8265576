//! MEMORY USAGE reports what a key costs: within a tenth of what the allocator spends on it.

use integration::client::Client;
use integration::oracle::slotd_is_stock;
use integration::resp::encode;

use crate::start;

fn used(client: &mut Client) -> i64 {
    let info = client.cmd("INFO memory").text();
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).expect("INFO tells it");
    line.parse().expect("a number")
}

/// What is stored in a key: a command with its arguments.
struct Kind {
    name: &'static str,
    command: &'static str,
    elements: usize,
    bytes: usize,
    /// Elements are pairs of a number and the value.
    pairs: bool,
    /// Elements are numbers, each followed by the value in one word.
    distinct: bool,
    /// As many as make the memory of connections unimportant.
    keys: usize,
}

const fn kind(name: &'static str, command: &'static str, elements: usize, bytes: usize, keys: usize) -> Kind {
    Kind { name, command, elements, bytes, pairs: false, distinct: false, keys }
}

const fn pairs(name: &'static str, command: &'static str, elements: usize, bytes: usize, keys: usize) -> Kind {
    Kind { pairs: true, ..kind(name, command, elements, bytes, keys) }
}

const fn distinct(name: &'static str, elements: usize, bytes: usize, keys: usize) -> Kind {
    Kind { distinct: true, ..kind(name, "SADD", elements, bytes, keys) }
}

const KINDS: &[Kind] = &[
    kind("small strings", "SET", 1, 16, 60_000),
    kind("strings", "SET", 1, 1_000, 8_000),
    kind("big strings", "SET", 1, 60_000, 200),
    kind("very big strings", "SET", 1, 3_000_000, 5),
    kind("lists of one element", "RPUSH", 1, 16, 40_000),
    kind("lists of small elements", "RPUSH", 20_000, 10, 50),
    kind("lists of large elements", "RPUSH", 300, 2_000, 20),
    kind("lists of huge elements", "RPUSH", 10, 200_000, 5),
    pairs("hashes of one field", "HSET", 1, 16, 40_000),
    pairs("small hashes", "HSET", 20, 16, 8_000),
    pairs("hashes with a long value", "HSET", 3, 100, 20_000),
    pairs("big hashes", "HSET", 20_000, 16, 20),
    pairs("hashes of huge values", "HSET", 10, 200_000, 5),
    pairs("streams of one entry", "XADD", 1, 16, 20_000),
    pairs("small streams", "XADD", 10, 16, 8_000),
    pairs("streams of many entries", "XADD", 20_000, 16, 10),
    pairs("streams of large entries", "XADD", 30, 20_000, 50),
    kind("small sorted sets", "ZADD", 10, 12, 20_000),
    kind("sorted sets of small members", "ZADD", 20_000, 16, 30),
    kind("sorted sets of large members", "ZADD", 300, 2_000, 20),
    kind("sorted sets of huge members", "ZADD", 10, 200_000, 5),
    distinct("sets of integers", 20, 0, 20_000),
    distinct("sets of hundreds of integers", 500, 0, 1_000),
    distinct("sets of one member", 1, 16, 40_000),
    distinct("small sets", 20, 16, 10_000),
    distinct("sets of long members", 3, 100, 20_000),
    distinct("big sets", 20_000, 16, 20),
    distinct("sets of huge members", 10, 200_000, 5),
];

/// Different members of the kind's length, with their scores, in no order.
fn elements(kind: &Kind) -> Vec<[String; 2]> {
    (0..kind.elements)
        .map(|number| {
            [
                (number * 7919 % 1_000_003).to_string(),
                format!("{number}{}", "m".repeat(kind.bytes.saturating_sub(number.to_string().len()))),
            ]
        })
        .collect()
}

#[test]
fn memory_usage_is_what_the_allocator_spends() {
    if slotd_is_stock() {
        // Redis does not count the table of keys, which is a sixth of a small string.
        return;
    }
    let node = start();
    let mut client = node.client();
    for kind in KINDS {
        client.ok("FLUSHALL");
        // The first key makes room for the others.
        client.ok("SET first key");
        let before = used(&mut client);
        let value = "v".repeat(kind.bytes);
        for batch in 0..kind.keys.div_ceil(100) {
            let keys = (batch * 100..kind.keys).take(100);
            let request: Vec<u8> = keys
                .clone()
                .flat_map(|number| {
                    let key = format!("{:016}", number);
                    if kind.command == "XADD" {
                        return (1..=kind.elements)
                            .flat_map(|id| encode(&["XADD", &key, &id.to_string(), "f", &value]))
                            .collect();
                    }
                    let mut words = vec![kind.command, key.as_str()];
                    let scored = elements(kind);
                    let numbers: Vec<String> = (0..kind.elements).map(|number| number.to_string()).collect();
                    let members: Vec<String> = numbers.iter().map(|number| format!("{number}{value}")).collect();
                    if kind.distinct {
                        words.extend(members.iter().map(String::as_str));
                    } else if kind.pairs {
                        words.extend(numbers.iter().flat_map(|number| [number.as_str(), value.as_str()]));
                    } else if kind.command == "ZADD" {
                        words.extend(scored.iter().flatten().map(String::as_str));
                    } else {
                        words.extend(std::iter::repeat_n(value.as_str(), kind.elements));
                    }
                    encode(&words)
                })
                .collect();
            client.send_raw(&request).expect("sent");
            let replies = if kind.command == "XADD" { keys.len() * kind.elements } else { keys.len() };
            (0..replies).for_each(|_| drop(client.reply(integration::wait::secs(30)).expect("a reply")));
        }
        let spent = used(&mut client) - before;
        let told = client.cmd("MEMORY USAGE 0000000000000003 SAMPLES 0").int() * kind.keys as i64;
        assert!((told - spent).abs() * 10 <= spent, "{}: {told} told, {spent} spent", kind.name);
    }
}
