//! Tests of BITOP: the operations that no oracle here has, against the same done bit by bit.

use crate::base::rng::Rng;
use crate::testing::Bench;

/// What a bit becomes, by how often it is set in the first source and in the others.
type Rule = fn(bool, usize) -> bool;

const RULES: &[(&str, Rule)] = &[
    ("AND", |first, others| first && others == 2),
    ("OR", |first, others| first || others > 0),
    ("XOR", |first, others| first ^ (others == 1)),
    ("DIFF", |first, others| first && others == 0),
    ("DIFF1", |first, others| !first && others > 0),
    ("ANDOR", |first, others| first && others > 0),
    ("ONE", |first, others| usize::from(first) + others == 1),
];

fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

#[test]
fn every_operation_decides_bit_by_bit_and_shorter_strings_are_followed_by_zeros() {
    let mut rng = Rng::new(5);
    for lens in [[5, 9, 3], [0, 4, 4], [70, 1, 0], [3, 40, 41]] {
        let sources = lens.map(|len| (0..len).map(|_| rng.next_u64() as u8).collect::<Vec<u8>>());
        let mut bench = Bench::new();
        for (name, source) in ["a", "b", "c"].iter().zip(&sources) {
            if !source.is_empty() {
                bench.run(&format!("SET {name} \"{}\"", text(source)));
            }
        }
        let len = *lens.iter().max().expect("three lengths");
        let is_set =
            |source: &Vec<u8>, bit: usize| source.get(bit / 8).is_some_and(|byte| byte & (0x80 >> (bit % 8)) != 0);
        for (name, rule) in RULES {
            let mut expected = vec![0_u8; len];
            for bit in 0..len * 8 {
                let [first, others @ ..] = &sources;
                if rule(is_set(first, bit), others.iter().filter(|source| is_set(source, bit)).count()) {
                    expected[bit / 8] |= 0x80 >> (bit % 8);
                }
            }
            assert_eq!(bench.run(&format!("BITOP {name} d a b c")), format!(":{len}"), "{name}");
            bench.run(&format!("SET e \"{}\"", text(&expected)));
            assert_eq!(bench.run("GET d"), bench.run("GET e"), "{name} of {lens:?}");
        }
    }
}

#[test]
fn an_operation_on_many_blocks_is_the_same_in_each() {
    let mut bench = Bench::new();
    for line in ["SETRANGE a 200000 x", "SETRANGE b 100000 x", "SETBIT a 799999 1", "SETBIT b 5 1", "SETBIT b 799999 1"]
    {
        bench.run(line);
    }
    for (operation, count) in [("AND", 1), ("OR", 10), ("XOR", 9), ("DIFF", 4), ("DIFF1", 5), ("ANDOR", 1), ("ONE", 9)]
    {
        assert_eq!(bench.run(&format!("BITOP {operation} d a b")), ":200001");
        assert_eq!(bench.run("BITCOUNT d"), format!(":{count}"), "{operation}");
    }
    assert_eq!(bench.run("BITOP NOT d a"), ":200001");
    assert_eq!(bench.run("BITCOUNT d"), format!(":{}", 200_001 * 8 - 5));
    // In place.
    assert_eq!(bench.run("BITOP AND a a b"), ":200001");
    assert_eq!(bench.run("BITCOUNT a"), ":1");
}

#[test]
fn the_operations_of_redis_8_2_are_propagated_as_their_result() {
    let mut bench = Bench::new();
    bench.run("SET a \"\\x61\"");
    bench.run("SET b \"\\x01\"");
    let (reply, propagated, events) = bench.trace("BITOP DIFF d a b");
    assert_eq!(
        (reply.as_str(), propagated, events),
        (":1", vec!["SET d `".to_owned()], vec!["new d".to_owned(), "set d".to_owned()])
    );
    let (reply, propagated, events) = bench.trace("BITOP ONE d none");
    assert_eq!(
        (reply.as_str(), propagated, events[1..].to_vec()),
        (":0", vec!["DEL d".to_owned()], vec!["del d".to_owned()])
    );
    let (_, propagated, _) = bench.trace("BITOP XOR d a b");
    assert_eq!(propagated, ["BITOP XOR d a b"]);
    for operation in ["DIFF", "DIFF1", "ANDOR"] {
        let error = format!("-ERR BITOP {operation} must be called with at least two source keys.");
        assert_eq!(bench.run(&format!("BITOP {} d a", operation.to_lowercase())), error);
    }
    assert_eq!(bench.run("BITOP ONE e a"), ":1");
}
