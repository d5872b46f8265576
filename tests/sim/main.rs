//! The deterministic simulator: clusters of 3 to 12 cores over a virtual network, under all known kinds of fault.
//!
//! It drives the production core (`gossip`) through its public interface, with bytes over simulated connections, so the
//! codec, `nodes.conf` and the order of effects are tested with it; only clocks, sockets and disks are replaced. A run
//! is a function of its seed: the shape of a cluster, a mix of faults, then peace. `checks.rs` holds the rules that
//! must always hold, `liveness.rs` those that must hold at the end.
//!
//! A violation names its seed. To see the run again, event by event:
//!
//! ```text
//! SIM_SEED=<seed> cargo test -p integration --test sim -- --nocapture one_seed
//! ```
//!
//! With `SIM_PACKETS=1` every packet is shown as well (`>` sent, `<` delivered). `SIM_SEEDS=<count>` sets how many
//! seeds are run (2,000 by default), `SIM_FIRST=<seed>` where they begin.

mod checks;
mod data;
mod host;
mod liveness;
mod net;
mod rng;
mod scenario;
mod trace;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rng::Rng;
use scenario::Settings;
use trace::{Counters, Sometimes};
use world::World;

/// The result of a run.
struct Outcome {
    hash: u64,
    violation: Option<String>,
    counters: Counters,
}

/// One whole run. `change` may alter what the seed has chosen.
fn run(seed: u64, verbose: bool, change: impl Fn(&mut Settings)) -> Outcome {
    let mut rng = Rng::new(seed);
    let mut settings = Settings::choose(&mut rng);
    change(&mut settings);
    if verbose {
        println!("seed {seed}: {settings:?}");
    }
    let mut world = World::new(settings, rng, verbose);
    world.form();
    world.suffer();
    if world.checks.violation.is_none() {
        world.check_liveness();
    }
    world.count_lost_elections();
    Outcome { hash: world.trace.hash(), violation: world.checks.violation.take(), counters: world.trace.counters }
}

fn number_from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// A seed and the rule that it broke.
type Failure = (u64, String);

/// Runs `count` seeds on all cores, until `enough` of them broke a rule.
fn run_many(first: u64, count: u64, enough: usize, change: impl Fn(&mut Settings) + Sync) -> (Counters, Vec<Failure>) {
    let next = AtomicU64::new(first);
    let failures = Mutex::new(Vec::new());
    let total = Mutex::new(Counters::default());
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let worker = || {
        while failures.lock().expect("no run panics").len() < enough {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                break;
            }
            let outcome = run(seed, false, &change);
            total.lock().expect("no run panics").add(&outcome.counters);
            if let Some(violation) = outcome.violation {
                failures.lock().expect("no run panics").push((seed, violation));
            }
        }
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(worker))));
    let mut failures = failures.into_inner().expect("no run panics");
    failures.sort();
    (total.into_inner().expect("no run panics"), failures)
}

fn replay_command(seed: u64) -> String {
    format!("SIM_SEED={seed} cargo test -p integration --test sim -- --nocapture one_seed")
}

/// Replays one seed with all its events. Without `SIM_SEED` it is one more smoke test.
#[test]
fn one_seed() {
    let seed = number_from_env("SIM_SEED");
    let outcome = run(seed.unwrap_or(1), seed.is_some(), |_| {});
    println!("trace hash {:016x}", outcome.hash);
    assert_eq!(outcome.violation, None);
}

#[test]
fn every_seed_keeps_the_rules_and_together_they_reach_them() {
    if number_from_env("SIM_SEED").is_some() {
        return;
    }
    let count = number_from_env("SIM_SEEDS").unwrap_or(2_000);
    let first = number_from_env("SIM_FIRST").unwrap_or(1);
    let (counters, failures) = run_many(first, count, 10, |_| {});
    for (seed, violation) in &failures {
        println!("seed {seed}: {violation}");
    }
    if let Some((seed, _)) = failures.first() {
        panic!("rules were broken; replay with: {}", replay_command(*seed));
    }
    for event in Sometimes::ALL {
        println!("{event:?}: {}", counters.get(event));
    }
    println!("ReplacedInTheDark: {}", counters.get(Sometimes::ReplacedInTheDark));
    if count >= 1_000 {
        let missing: Vec<_> = Sometimes::ALL.iter().filter(|event| counters.get(**event) == 0).collect();
        assert!(missing.is_empty(), "{count} seeds never reached {missing:?}");
    }
}

#[test]
fn a_seed_replays_to_the_same_trace() {
    for seed in 1..=8 {
        let (first, second) = (run(seed, false, |_| {}), run(seed, false, |_| {}));
        assert_eq!(first.hash, second.hash, "seed {seed}");
        assert_eq!(first.violation, second.violation, "seed {seed}");
    }
    assert_ne!(run(1, false, |_| {}).hash, run(2, false, |_| {}).hash);
}

/// The simulator must notice a broken rule: here votes are counted across epochs, as Redis does.
#[test]
fn votes_counted_across_epochs_are_noticed() {
    let broken = |settings: &mut Settings| settings.count_stale_votes = true;
    let (_, failures) = run_many(1, 5_000, 1, broken);
    let Some((seed, violation)) = failures.first() else {
        panic!("5000 seeds with votes counted across epochs, and nobody noticed")
    };
    println!("seed {seed}: {violation}");
    assert!(violation.starts_with("S1"), "seed {seed} broke another rule: {violation}");
}
