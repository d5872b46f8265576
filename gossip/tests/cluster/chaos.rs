//! Random faults, with the safety rules checked throughout. The thorough simulator is in `tests/sim`; this is the quick
//! one.

use std::collections::BTreeMap;

use protocol::bus::NodeId;

use crate::net::{TIMEOUT, TestNet};

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// The winner of each election's epoch.
fn check_winners(net: &TestNet, winners: &mut BTreeMap<u64, NodeId>) {
    for node in net.nodes.iter().filter(|node| node.core.is_some()) {
        let id = node.core.as_ref().expect("running").my_id();
        for line in &node.log {
            let Some((_, rest)) = line.split_once("configEpoch set to ") else { continue };
            let Some(epoch) = rest.strip_suffix(" after successful failover") else { continue };
            let epoch = epoch.parse().expect("a number");
            let winner = *winners.entry(epoch).or_insert(id);
            assert_eq!(winner, id, "two winners of epoch {epoch}");
        }
    }
}

fn chaos(seed: u64) {
    let mut random = Random(seed);
    let mut net = TestNet::new(9);
    net.form(3);
    let mut winners = BTreeMap::new();
    let mut restarts = 100;
    for _ in 0..40 {
        let node = random.below(9) as usize;
        match random.below(7) {
            0 if net.nodes[node].core.is_some() => net.crash(node),
            1 if net.nodes[node].core.is_some() && !net.nodes[node].frozen => net.freeze(node),
            2 => net.partition(&[node]),
            3 => {
                net.cut.insert((node, random.below(9) as usize));
            }
            4 => net.cut.clear(),
            _ => {}
        }
        net.run(random.below(2 * TIMEOUT as u64) as i64);
        for node in 0..9 {
            if net.nodes[node].core.is_none() && random.below(3) == 0 {
                restarts += 1;
                net.nodes[node].frozen = false;
                net.restart(node, seed * 1_000 + restarts);
            } else if net.nodes[node].frozen && random.below(2) == 0 {
                net.thaw(node);
            } else if net.nodes[node].core.is_some() && !net.nodes[node].frozen {
                net.write(node);
            }
        }
        check_winners(&net, &mut winners);
    }
    net.cut.clear();
    for node in 0..9 {
        if net.nodes[node].core.is_none() {
            net.nodes[node].frozen = false;
            net.restart(node, seed * 1_000 + 900 + node as u64);
        } else if net.nodes[node].frozen {
            net.thaw(node);
        }
    }
    net.run_until(&format!("seed {seed}: the cluster heals"), 60 * TIMEOUT, TestNet::settled);
    check_winners(&net, &mut winners);
}

#[test]
fn faults_of_all_kinds_leave_one_winner_per_epoch_and_a_cluster_that_heals() {
    for seed in 0..4 {
        chaos(seed);
    }
}
