//! Tests of the command line.

use proptest::prelude::*;

use super::*;
use crate::config::{Config, ids};

fn parse_as(program: &str, words: &[&str]) -> Result<Invocation, String> {
    parse(OsStr::new(program), words.iter().map(OsString::from).collect())
}

fn node(words: &[&str]) -> NodeArgs {
    match parse_as("slotd", words) {
        Ok(Invocation::Node(node)) => node,
        other => panic!("{other:?}"),
    }
}

fn cluster(words: &[&str]) -> Result<ClusterArgs, String> {
    let words: Vec<&str> = std::iter::once("cluster").chain(words.iter().copied()).collect();
    match parse_as("/usr/bin/slotd", &words)? {
        Invocation::Cluster(cluster) => Ok(cluster),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_is_a_node_with_defaults() {
    assert_eq!(node(&[]), NodeArgs::default());
}

#[test]
fn a_node_takes_file_options_and_stdin_as_redis_does() {
    let args = node(&["a.conf", "--port", "7000", "--replicaof", "host", "1", "-"]);
    assert_eq!(args.config_file, Some("a.conf".into()));
    assert_eq!(args.options, b"port \"7000\" \nreplicaof \"host\" \"1\" ");
    assert!(args.read_stdin);
    assert!(node(&["-"]).read_stdin);
    assert_eq!(node(&["--foo", "bar"]).options, b"foo \"bar\" ", "judged when it is loaded");
}

#[test]
fn version_has_the_form_that_scripts_parse() {
    for word in ["-v", "--version"] {
        let Ok(Invocation::Print(text)) = parse_as("slotd", &[word]) else { panic!("{word}") };
        assert!(text.starts_with("Redis server v=7.2.4 sha="), "{text}");
        assert!(text.contains(concat!("slotd=", env!("CARGO_PKG_VERSION"))));
    }
}

#[test]
fn help_shows_examples() {
    for words in [&["-h"][..], &["--help"], &["cluster", "--help"], &["cluster", "-h"]] {
        let Ok(Invocation::Print(text)) = parse_as("slotd", words) else { panic!("{words:?}") };
        assert!(text.contains("Examples:") && text.contains("slotd cluster"), "{text}");
    }
}

#[test]
fn what_is_not_supported_says_so() {
    for word in ["--check-system", "--test-memory"] {
        assert_eq!(parse_as("slotd", &[word]), Err(format!("{word} is not supported by slotd")));
    }
}

#[test]
fn cluster_flags_have_defaults() {
    let expected = ClusterArgs {
        shards: 3,
        replicas: 1,
        port: 7000,
        dir: None,
        json: false,
        host: None,
        password: None,
        options: vec![],
    };
    assert_eq!(cluster(&[]), Ok(expected));
    let settled = cluster(&[]).and_then(|args| args.settle()).expect("fine");
    assert_eq!(settled.config.int(ids::CLUSTER_NODE_TIMEOUT), 2000);
    let settled = cluster(&["--cluster-node-timeout", "900"]).and_then(|args| args.settle()).expect("fine");
    assert_eq!(settled.config.int(ids::CLUSTER_NODE_TIMEOUT), 900, "what is said wins");
}

#[test]
fn the_password_of_a_cluster_is_that_of_its_nodes_among_each_other() {
    for words in [&["--password", "a \"b"][..], &["--requirepass", "a \"b"]] {
        let settled = cluster(words).and_then(|args| args.settle()).expect("fine");
        let nodes = Config::new("/");
        let sources = Sources { options: settled.directives, ..Sources::default() };
        nodes.load_values(&sources).expect("well formed");
        assert_eq!(&*nodes.string(ids::REQUIREPASS), "a \"b", "{words:?}");
        assert_eq!(&*nodes.string(ids::MASTERAUTH), "a \"b", "{words:?}");
    }
    let settled = cluster(&["--host", "::1"]).and_then(|args| args.settle()).expect("fine");
    assert_eq!(settled.config.bind_addresses(), ["::1"]);
}

#[test]
fn a_first_value_may_look_like_an_option() {
    let args = cluster(&["--requirepass", "--secret", "--hz", "20"]).expect("as with redis-server");
    assert_eq!(args.options, b"requirepass \"--secret\" \nhz \"20\" ");
}

#[test]
fn cluster_flags_and_directives_may_be_mixed() {
    let words = ["--appendonly", "no", "--shards=5", "--save", "60", "1", "--json", "--replicas", "0", "--hz", "20"];
    let args = cluster(&words).expect("fine");
    assert_eq!((args.shards, args.replicas, args.json, args.nodes()), (5, 0, true, 5));
    assert_eq!(args.options, b"appendonly \"no\" \nsave \"60\" \"1\" \nhz \"20\" ");
    let args = cluster(&["--port", "0", "--dir", "/data"]).expect("fine");
    assert_eq!((args.port, args.dir), (0, Some("/data".into())), "flags of the cluster, not directives of a node");
}

#[test]
fn wrong_cluster_flags_are_refused() {
    for (words, part) in [
        (&["--shards", "0"][..], "shards"),
        (&["--shards", "x"], "invalid value 'x'"),
        (&["--port", "70000"], "port"),
        (&["--port"], "value is required"),
        (&["redis.conf"], "unexpected argument 'redis.conf'"),
        (&["-"], "unexpected argument"),
        (&["--shards", "1000", "--replicas", "1"], "2000 nodes"),
    ] {
        let error = cluster(words).expect_err(part);
        assert!(error.contains(part), "{words:?}: {error}");
    }
    let settle = |words: &[&str]| cluster(words).and_then(|args| args.settle().map(|_| ()));
    for port in ["55531", "65530"] {
        let error = settle(&["--port", port]).expect_err("no room for six nodes");
        assert!(error.starts_with(&format!("--port {port} ")) && error.contains("1 to 55530"), "{error}");
    }
    assert_eq!(settle(&["--port", "55530"]), Ok(()));
}

#[test]
fn as_redis_server_cluster_is_a_file() {
    let Ok(Invocation::Node(args)) = parse_as("/opt/redis-server", &["cluster"]) else {
        panic!("no subcommands there")
    };
    assert_eq!(args.config_file, Some("cluster".into()));
}

proptest! {
    #[test]
    fn any_words_are_read_without_panic(mut words in prop::collection::vec("(--)?[a-z= -]{0,8}", 0..8), in_cluster: bool) {
        if in_cluster {
            words.insert(0, "cluster".into());
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let _ = parse_as("slotd", &words);
    }
}
