//! Tests of the command line.

use proptest::prelude::*;

use super::*;
use crate::config::{Config, ids};

fn parse_as(program: &str, words: &[&str]) -> Result<Invocation, String> {
    parse(OsStr::new(program), words.iter().map(OsString::from).collect(), &Variables::new())
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
        environment: Environment::default(),
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

fn with(pairs: &[(&str, &str)], words: &[&str]) -> Result<Invocation, String> {
    let variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    parse(OsStr::new("slotd"), words.iter().map(OsString::from).collect(), &variables)
}

#[test]
fn the_environment_is_below_the_command_line_and_above_the_file() {
    let pairs = [("SLOTD_HZ", "20"), ("SLOTD_SAVE", "60 1"), ("SLOTD_TIMEOUT", "7")];
    let Ok(Invocation::Node(args)) = with(&pairs, &["--hz", "30"]) else { panic!("a node") };
    let config = Config::new("/");
    let file = b"hz 15\ntimeout 5\ntcp-keepalive 9\nsave 900 1\nsave 300 1\n".to_vec();
    config.load_values(&args.sources(Some(file))).expect("fine");
    assert_eq!((config.int(ids::HZ), config.int(ids::TIMEOUT), config.int(ids::TCP_KEEPALIVE)), (30, 7, 9));
    assert_eq!(config.save_points().len(), 1, "a variable replaces the save points of the file");
}

#[test]
fn a_container_is_reached_over_its_network_unless_something_else_is_said() {
    let load = |pairs: &[(&str, &str)], file: &[u8]| {
        let pairs: Vec<_> = pairs.iter().copied().chain([("SLOTD_CONTAINER", "yes")]).collect();
        let Ok(Invocation::Node(args)) = with(&pairs, &[]) else { panic!("a node") };
        let config = Config::new("/");
        config.load_values(&args.sources(Some(file.to_vec()))).expect("fine");
        config.bool(ids::PROTECTED_MODE)
    };
    assert!(!load(&[], b""));
    assert!(load(&[], b"protected-mode yes"));
    assert!(load(&[("SLOTD_PROTECTED_MODE", "yes")], b"protected-mode no"));
}

#[test]
fn a_cluster_takes_its_shape_from_the_environment() {
    let pairs = [("SLOTD_MODE", "cluster"), ("SLOTD_SHARDS", "5"), ("SLOTD_PORT", "8000"), ("SLOTD_PASSWORD", "a")];
    let Ok(Invocation::Cluster(args)) = with(&pairs, &["--replicas", "0"]) else { panic!("a cluster") };
    assert_eq!((args.nodes(), args.port), (5, 8000));
    let settled = args.settle().expect("fine");
    assert_eq!(&*settled.config.string(ids::MASTERAUTH), "a");
    let words = ["cluster", "--shards", "4", "--port", "9000", "--requirepass", "b", "--cluster-node-timeout", "900"];
    let Ok(Invocation::Cluster(args)) = with(&pairs, &words) else { panic!("a cluster") };
    assert_eq!((args.shards, args.port), (4, 9000));
    let settled = args.settle().expect("the command line wins");
    assert_eq!(&*settled.config.string(ids::REQUIREPASS), "b");
    assert!(settled.directives.ends_with(b"masterauth \"b\"\n"));
    let wrong = with(&[("SLOTD_HZ", "fast")], &["cluster"]).expect("read later");
    let Invocation::Cluster(args) = wrong else { panic!("a cluster") };
    assert!(args.settle().is_err_and(|error| error.contains("SLOTD_HZ=fast")));
    assert!(matches!(with(&pairs[..1], &["--version"]), Ok(Invocation::Print(_))));
}

#[test]
fn a_range_of_ports_is_as_long_as_the_cluster() {
    let cluster = |pairs: &[(&str, &str)], words: &[&str]| {
        with(&[pairs, &[("SLOTD_MODE", "cluster")]].concat(), words).map(|invocation| match invocation {
            Invocation::Cluster(args) => (args.port, args.nodes()),
            other => panic!("{other:?}"),
        })
    };
    let range = ("SLOTD_PORT", "7000-7003");
    let refused =
        Err("SLOTD_PORT=7000-7003 names 4 ports, and 3 shards with 1 replicas each are 6 nodes: name as many \
                       ports, or the first one only"
            .to_owned());
    assert_eq!(cluster(&[range], &[]), refused);
    assert_eq!(cluster(&[range], &["--port", "8000"]), Ok((8000, 6)), "the range says nothing then");
    assert_eq!(cluster(&[range], &["--shards", "2"]), Ok((7000, 4)));
    assert_eq!(cluster(&[range, ("SLOTD_SHARDS", "4"), ("SLOTD_REPLICAS", "0")], &[]), Ok((7000, 4)));
    assert_eq!(cluster(&[("SLOTD_PORT", "7000-7005")], &[]), Ok((7000, 6)));
    assert_eq!(cluster(&[("SLOTD_PORT", "7000")], &["--shards", "5"]), Ok((7000, 10)));
}

#[test]
fn a_health_check_finds_port_and_password_where_the_node_does() {
    let probe = |pairs: &[(&str, &str)], words: &[&str]| match with(pairs, words) {
        Ok(Invocation::Healthcheck(probe)) => (probe.port, probe.password),
        other => panic!("{other:?}"),
    };
    let ports = |text: &str| text.parse().ok();
    assert_eq!(probe(&[("SLOTD_PORT", "7000-7005")], &["healthcheck"]), (ports("7000-7005"), None));
    let pairs = [("SLOTD_MODE", "cluster"), ("SLOTD_PORT", "8000"), ("SLOTD_PASSWORD", "a")];
    assert_eq!(probe(&pairs, &["healthcheck"]), (ports("8000-8005"), Some("a".into())));
    let pairs = [("SLOTD_PORT", "tcp://10.0.0.1:6379"), ("REDISCLI_AUTH", "b"), ("SLOTD_PASSWORD", "a")];
    assert_eq!(probe(&pairs, &["healthcheck"]), (None, Some("b".into())));
    assert_eq!(probe(&[("SLOTD_NONSENSE", "1")], &["healthcheck", "--port", "1"]), (ports("1"), None));
    assert!(with(&[("SLOTD_PORT", "abc")], &["healthcheck"]).is_err_and(|error| error.contains("SLOTD_PORT=abc")));
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
