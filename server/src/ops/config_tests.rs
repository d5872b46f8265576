//! Tests of the handlers' own decisions; their replies are compared with stock Redis in `tests/compat/config.rs`.

use super::*;

#[test]
fn clients_of_this_machine_are_known_by_their_address() {
    for address in ["127.0.0.1:5000", "[::1]:5000", "/run/slotd.sock:0"] {
        assert!(is_local(address), "{address}");
    }
    for address in ["10.0.0.1:127", "127.0.0.10:1", "[::10]:1", ""] {
        assert!(!is_local(address), "{address}");
    }
}

#[test]
fn every_subcommand_is_declared_once() {
    let mut names: Vec<String> = COMMANDS.iter().map(|command| command.spec.full_name()).collect();
    names.sort();
    assert_eq!(names, ["config", "config|get", "config|help", "config|resetstat", "config|rewrite", "config|set"]);
}
