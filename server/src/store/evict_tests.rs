//! Which keys the policies prefer, and what the pool keeps.

use proptest::prelude::*;
use protocol::slot::key_slot;

use super::*;
use crate::store::{Keyspace, StringValue, Ttl};

const LFU: Lfu = Lfu { log_factor: 10, decay_minutes: 1 };
const NOW: UnixMillis = 1_000_000_000_000;

fn policy(name: &str) -> Policy {
    Policy::of(name, LFU).expect("a policy that evicts")
}

fn offer(pool: &mut Pool, rate: u64, key: &str) {
    pool.offer(rate, (0, key_slot(key.as_bytes())), key.as_bytes(), |_| KeyHash(7));
}

fn taken(pool: &mut Pool) -> Vec<String> {
    std::iter::from_fn(|| pool.take_best()).map(|best| String::from_utf8_lossy(&best.key).into_owned()).collect()
}

#[test]
fn the_names_of_policies_say_which_keys_and_in_which_order() {
    assert_eq!(Policy::of("noeviction", LFU), None);
    assert_eq!(policy("allkeys-lru"), Policy { volatile: false, order: Order::Lru });
    assert_eq!(policy("volatile-lfu"), Policy { volatile: true, order: Order::Lfu(LFU) });
    assert_eq!(policy("volatile-ttl"), Policy { volatile: true, order: Order::Ttl });
    assert_eq!(policy("allkeys-random"), Policy { volatile: false, order: Order::Random });
}

#[test]
fn the_pool_keeps_the_best_of_all_samples() {
    let mut pool = Pool::default();
    pool.begin(policy("allkeys-lru"));
    (0..100_u64).for_each(|number| offer(&mut pool, number * 37 % 100, &format!("k{}", number * 37 % 100)));
    let best: Vec<String> = (84..100).rev().map(|rate| format!("k{rate}")).collect();
    assert_eq!(taken(&mut pool), best);
}

#[test]
fn a_key_is_in_the_pool_once_with_its_latest_rate() {
    let mut pool = Pool::default();
    pool.begin(policy("allkeys-lru"));
    offer(&mut pool, 5, "a");
    offer(&mut pool, 6, "b");
    offer(&mut pool, 9, "a");
    assert_eq!(taken(&mut pool), ["a", "b"]);
}

#[test]
fn another_policy_begins_with_an_empty_pool() {
    let mut pool = Pool::default();
    pool.begin(policy("allkeys-lru"));
    offer(&mut pool, 5, "a");
    pool.begin(policy("allkeys-lru"));
    assert_eq!(pool.len(), 1);
    pool.begin(policy("volatile-lru"));
    assert_eq!(pool.len(), 0);
}

/// A slot with keys `plain` and `soon` to `late`, which were used at different times.
fn filled(keyspace: &Keyspace) {
    let mut slot = keyspace.lock(0, key_slot(b"{s}"));
    for (key, idle_s, ttl) in
        [("plain{s}", 500, Ttl::Clear), ("soon{s}", 10, Ttl::At(NOW + 10)), ("late{s}", 20, Ttl::At(NOW + 1000))]
    {
        slot.set_clock(AccessClock::at(NOW - idle_s * 1000));
        slot.set_string(keyspace.hash(key.as_bytes()), key.as_bytes(), StringValue::Bytes(b"v"), ttl);
    }
}

#[test]
fn a_slot_offers_what_the_policy_admits() {
    let keyspace = Keyspace::new(1, 3);
    filled(&keyspace);
    let slot = keyspace.lock(0, key_slot(b"{s}"));
    let seeds = (0..200_u64).map(|seed| seed << 56);
    let keys = |policy: Policy| {
        let mut keys: Vec<(String, u64)> = seeds
            .clone()
            .filter_map(|seed| slot.candidate(policy, NOW, seed))
            .map(|(entry, rate)| (String::from_utf8_lossy(entry.key()).into_owned(), rate))
            .collect();
        keys.sort();
        keys.dedup();
        keys
    };
    let of = |key: &str, rate| (key.to_owned(), rate);
    assert_eq!(keys(policy("allkeys-lru")), [of("late{s}", 20), of("plain{s}", 500), of("soon{s}", 10)]);
    assert_eq!(keys(policy("volatile-lru")), [of("late{s}", 20), of("soon{s}", 10)]);
    assert_eq!(keys(policy("volatile-random")), [of("late{s}", 0), of("soon{s}", 0)]);
    assert_eq!(keys(policy("volatile-ttl")), [of("soon{s}", u64::MAX - (NOW as u64 + 10))], "the first to expire");
}

proptest! {
    #[test]
    fn the_pool_is_the_end_of_the_sorted_samples(rates in proptest::collection::vec(0_u64..1000, 0..200)) {
        let mut pool = Pool::default();
        pool.begin(policy("allkeys-lfu"));
        for (number, rate) in rates.iter().enumerate() {
            offer(&mut pool, *rate, &format!("k{number}"));
        }
        let mut sorted = rates;
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        sorted.truncate(16);
        let taken: Vec<u64> = std::iter::from_fn(|| pool.take_best()).map(|best| best.rate).collect();
        prop_assert_eq!(taken, sorted);
    }
}
