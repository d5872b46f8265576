//! Directives of later versions are known under all their names and with their defaults, and shown only on request.

use super::get;
use crate::config::file::Sources;
use crate::config::{Config, table};

/// Names and defaults that Redis 8.0.6 and Valkey 9.1.2 answer to `CONFIG GET *`, without those of one machine.
const LISTS: [&str; 2] = [include_str!("redis_8_names.txt"), include_str!("valkey_9_names.txt")];

fn pairs() -> impl Iterator<Item = (&'static str, &'static str)> {
    LISTS.into_iter().flat_map(str::lines).map(|line| line.split_once('\t').expect("name, tabulator, value"))
}

/// A line of a file that sets the directive to this value.
fn line(name: &str, value: &str) -> String {
    let kind = table::find(name.as_bytes()).map(|id| id.directive().kind);
    if kind.is_some_and(crate::config::directive::Kind::takes_many_words) {
        format!("{name} {value}\n")
    } else {
        format!("{name} \"{value}\"\n")
    }
}

#[test]
fn every_directive_of_later_versions_is_known() {
    let unknown: Vec<&str> =
        pairs().map(|(name, _)| name).filter(|name| table::find(name.as_bytes()).is_none()).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn a_file_that_a_later_version_writes_loads() {
    for (name, value) in pairs().filter(|(_, value)| !value.is_empty()) {
        let config = Config::new("/");
        let text = line(name, value).into_bytes();
        let loaded = config.load(&Sources { stdin: Some(text), ..Sources::default() });
        assert!(loaded.is_ok(), "{name} {value}: {}", loaded.err().map(|error| error.to_string()).unwrap_or_default());
    }
}

/// What `valkey-cli --cluster` reads before it moves a slot.
#[test]
fn a_cluster_node_says_how_many_databases_it_has() {
    let config = Config::new("/");
    assert_eq!(get(&config, "cluster-databases"), "1");
    for (number, is_possible) in [("16", true), ("262144", true), ("262145", false), ("0", false)] {
        let text = line("cluster-databases", number).into_bytes();
        let loaded = Config::new("/").load(&Sources { stdin: Some(text), ..Sources::default() });
        assert_eq!(loaded.is_ok(), is_possible, "{number}");
    }
}

#[test]
fn the_later_name_of_a_directive_is_the_same_value() {
    let config = Config::new("/");
    config.set("primaryauth", "secret").expect("known");
    assert_eq!(get(&config, "masterauth"), "secret");
    config.set("slowlog-max-len", "7").expect("known");
    assert_eq!(get(&config, "commandlog-slow-execution-max-len"), "7");
    assert!(Config::is_sensitive(b"PrimaryAuth"));
}

/// Values that later versions added to older directives are accepted; errors still list Redis 7.0's.
#[test]
fn later_values_of_older_directives_are_taken() {
    let config = Config::new("/");
    for (name, value) in [("loglevel", "nothing"), ("loglevel", "NOTHING"), ("repl-diskless-load", "flush-before-load")]
    {
        config.set(name, value).expect("a later version takes it");
        assert_eq!(get(&config, name), value.to_lowercase());
    }
    for (name, value, known) in [
        ("loglevel", "silence", "debug, verbose, notice, warning"),
        ("loglevel", "", "debug, verbose, notice, warning"),
        ("repl-diskless-load", "never", "disabled, on-empty-db, swapdb"),
        // Valkey 9's `safe` has no equivalent here.
        ("shutdown-on-sigterm", "safe", "default, save, nosave, now, force"),
        ("shutdown-on-sigint", "failover", "default, save, nosave, now, force"),
    ] {
        let error = config.set(name, value).expect_err(value).to_string();
        assert!(
            error.ends_with(&format!("argument(s) must be one of the following: {known}")),
            "{name} {value}: {error}"
        );
    }
}
