//! The command line of `slotd cluster` and of `slotd`: what cannot work is refused at once, in words that name what is wrong.

use std::time::Duration;

use integration::oracle::{Binary, slotd_is_stock};
use integration::program::{Ended, run};

/// How long a refusal may take.
const AT_ONCE: Duration = Duration::from_secs(2);

fn slotd(words: &str) -> Ended {
    let words: Vec<&str> = words.split_whitespace().collect();
    run(&Binary::Slotd.path(), &words, &std::env::temp_dir())
}

#[track_caller]
fn refused(words: &str, parts: &[&str]) {
    let ended = slotd(words);
    assert_eq!(ended.code, Some(1), "{words}: {ended:?}");
    for part in parts {
        assert!(ended.stderr.contains(part), "{words}: {part:?} is not in {:?}", ended.stderr);
    }
    for wrong in ["FATAL CONFIG FILE", "panicked", "at line"] {
        assert!(!ended.stderr.contains(wrong), "{words}: {:?}", ended.stderr);
    }
    assert!(ended.took < AT_ONCE, "{words}: {:?}", ended.took);
}

#[test]
fn options_that_contradict_each_other_are_refused_with_both_names() {
    if slotd_is_stock() {
        return;
    }
    refused("cluster --cluster-enabled no", &["slotd cluster", "--cluster-enabled no"]);
    refused("cluster --password a --requirepass b", &["--password", "--requirepass"]);
    refused("cluster --host 127.0.0.1 --bind 127.0.0.2", &["--host", "--bind"]);
    refused("cluster --requirepass a --masterauth b", &["--masterauth", "--requirepass"]);
    refused("cluster --cluster-port 17000", &["--cluster-port 17000", "--shards 3 --replicas 1"]);
    refused("cluster --cluster-announce-port 7000", &["--cluster-announce-port 7000", "6 nodes"]);
    refused("cluster --replicaof 127.0.0.1 7000", &["replicaof", "cluster"]);
    refused("cluster --cluster-config-file /a/nodes.conf", &["--cluster-config-file /a/nodes.conf", "6 nodes"]);
    refused("--port 17999 --cluster-enabled yes --replicaof 127.0.0.1 1", &["replicaof", "cluster mode"]);
}

#[test]
fn an_unknown_option_is_refused_with_its_name_and_the_nearest_that_exists() {
    if slotd_is_stock() {
        return;
    }
    refused("cluster --shard 3", &["'--shard'", "Did you mean '--shards'?"]);
    refused("cluster --max-memory 1", &["'--max-memory'", "Did you mean '--maxmemory'?"]);
    refused("cluster --frobnicate", &["'--frobnicate'", "neither an option of slotd cluster nor a directive"]);
    refused("cluster --hz x", &["--hz \"x\"", "couldn't be parsed"]);
    refused("cluster redis.conf", &["redis.conf"]);
    refused("clutser", &["clutser", "Did you mean 'slotd cluster'?"]);
    refused("--prot 7000", &["prot \"7000\"", "Did you mean 'port'?"]);
    refused("--shards 3", &["shards \"3\"", "--shards is an option of slotd cluster"]);
    refused("--port x", &["port \"x\"", "couldn't be parsed"]);
}

#[test]
fn who_asks_for_help_or_the_version_gets_it() {
    if slotd_is_stock() {
        return;
    }
    for words in ["help", "--help", "cluster --help", "cluster help"] {
        let ended = slotd(words);
        assert!(ended.code == Some(0) && ended.stdout.contains("--password"), "{words}: {ended:?}");
    }
    assert!(slotd("cluster --help").stdout.contains("--cluster-node-timeout 2000"));
    for words in ["version", "--version", "-v", "cluster --version"] {
        let ended = slotd(words);
        assert!(ended.code == Some(0) && ended.stdout.contains("slotd="), "{words}: {ended:?}");
    }
}
