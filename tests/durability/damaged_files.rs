//! Damaged snapshots: damage that the checksum would have revealed is loaded if the checksum is not verified, and other
//! damage is reported.

use std::fs;

use integration::node::{Node, NodeSpec};
use integration::oracle::{Binary, slotd_is_stock};
use protocol::crc64;

use crate::fill_with_everything;

/// A file with keys of every kind, and their digest.
fn saved() -> (Vec<u8>, String) {
    let node = NodeSpec::new(Binary::Slotd).start();
    fill_with_everything(&mut node.client());
    assert!(node.cmd("SAVE").is_ok());
    (fs::read(node.dir().join("dump.rdb")).expect("SAVE wrote it"), node.cmd("DEBUG DIGEST").text())
}

fn with_wrong_sum(file: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    *file.last_mut().expect("it has a checksum") ^= 1;
    file
}

#[test]
fn rdbchecksum_no_loads_a_file_whose_checksum_is_wrong() {
    let (file, digest) = saved();
    let wrong = with_wrong_sum(&file);
    for binary in [Binary::Slotd, Binary::Stock] {
        let spec = |checksum: &str| NodeSpec::new(binary).with("rdbchecksum", checksum).with_file("dump.rdb", &wrong);
        let (status, log) = spec("yes").prepare().run_to_end();
        assert_eq!(status, Some(1));
        assert!(log.contains("Wrong RDB checksum expected"), "{log}");
        let node = spec("no").start();
        assert_eq!(node.cmd("DEBUG DIGEST").text(), digest);
        // The file is still the damaged one.
        assert!(node.cmd("FLUSHALL").is_ok());
        fs::write(node.dir().join("dump.rdb"), &wrong).expect("writable");
        assert!(node.cmd("DEBUG RELOAD NOSAVE").is_ok());
        assert_eq!(node.cmd("DEBUG DIGEST").text(), digest);
    }
}

/// A sequence of numbers that is the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// A few bytes of the file are changed, inserted or removed; the checksum is recomputed.
fn damaged(file: &[u8], seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed);
    let mut bytes = file[..file.len() - 8].to_vec();
    for _ in 0..=dice.below(4) {
        let at = 9 + dice.below(bytes.len() - 9);
        match dice.below(4) {
            0 => bytes[at] = dice.below(256) as u8,
            1 => bytes[at] ^= 1 << dice.below(8),
            2 => bytes.insert(at, dice.below(256) as u8),
            _ => drop(bytes.drain(at..bytes.len().min(at + dice.below(300)))),
        }
    }
    let sum = crc64::checksum(&bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}

/// The node serves what it could load, or has ended and reported why.
fn judge(mut node: Node, what: &str) -> bool {
    node.spawn();
    let mut ended = false;
    integration::wait::wait_until("the node to serve or end", integration::wait::secs(30), || {
        ended = node.has_ended();
        ended || node.try_cmd("PING").is_some_and(|reply| reply.text() == "PONG")
    });
    let log = node.log();
    assert!(!log.contains("panicked"), "{what}: {log}");
    if ended {
        let reasons = ["Internal error in RDB", "Short read", "duplicated key", "more than 16 databases", "version"];
        assert!(reasons.iter().any(|reason| log.contains(reason)), "{what}: {log}");
    }
    !ended
}

#[test]
fn damage_that_no_checksum_shows_is_named_or_harmless() {
    if slotd_is_stock() {
        // Stock Redis may crash on such a file, unless `sanitize-dump-payload` is set.
        return;
    }
    let (file, _) = saved();
    let mut served = 0;
    for seed in 0..60 {
        let bytes = damaged(&file, seed);
        let spec = NodeSpec::new(Binary::Slotd);
        let (bytes, spec) =
            if seed % 2 == 0 { (bytes, spec) } else { (with_wrong_sum(&bytes), spec.with("rdbchecksum", "no")) };
        served += usize::from(judge(spec.with_file("dump.rdb", &bytes).prepare(), &format!("seed {seed}")));
    }
    assert!((5..55).contains(&served), "{served} of 60 could be loaded");
}
