//! Compose files of other images, read in a container of slotd.

use crate::cli::environment::{Environment, asks_for_cluster};
use crate::cli::forming::Creator;
use crate::cli::variables::Variables;
use crate::config::file::Sources;
use crate::config::{Config, ids};
use crate::healthcheck::Ports;

fn container(pairs: &[(&str, &str)]) -> Variables {
    let all = pairs.iter().chain(&[("SLOTD_CONTAINER", "yes")]);
    all.map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
}

fn node(pairs: &[(&str, &str)]) -> Result<Config, String> {
    let mut known = Environment::read(&container(pairs), false)?;
    known.yield_to(b"");
    let config = Config::new("/");
    let sources = Sources { environment: known.directives.clone(), ..Sources::default() };
    config.load_values(&sources).map_err(|error| error.to_string())?;
    known.check_password(&config)?;
    Ok(config)
}

#[test]
fn names_of_bitnami_are_understood() {
    let config = node(&[
        ("REDIS_PASSWORD", "s3cret"),
        ("REDIS_PORT_NUMBER", "7000"),
        ("REDIS_AOF_ENABLED", "no"),
        ("REDIS_RDB_POLICY", "900#1 60#1000"),
        ("REDIS_CLUSTER_ANNOUNCE_IP", "10.0.0.7"),
        ("REDIS_DISABLE_COMMANDS", ""),
        ("REDIS_TLS_ENABLED", "no"),
        ("REDIS_ACLFILE", ""),
    ])
    .expect("all are known");
    assert_eq!((&*config.string(ids::REQUIREPASS), &*config.string(ids::MASTERAUTH)), ("s3cret", "s3cret"));
    assert_eq!((config.int(ids::PORT), config.save_points().len()), (7000, 2));
    assert_eq!(&*config.string(ids::CLUSTER_ANNOUNCE_IP), "10.0.0.7");
    let replica = [("REDIS_REPLICATION_MODE", "slave"), ("REDIS_MASTER_HOST", "first"), ("REDIS_MASTER_PASSWORD", "m")];
    let config = node(&replica).expect("a replica");
    assert_eq!(config.replica_of(), Some(("first".to_owned(), 6379)));
    assert_eq!(&*config.string(ids::MASTERAUTH), "m");
    assert!(node(&[("REDIS_RDB_POLICY_DISABLED", "yes")]).expect("fine").save_points().is_empty());
}

#[test]
fn nodes_of_bitnami_form_a_cluster_if_one_of_them_is_told_to() {
    let formation = |pairs: &[(&str, &str)]| {
        Environment::read(&container(pairs), false).map(|known| known.formation.expect("nodes are named"))
    };
    let nodes = ("REDIS_NODES", "node0 node1 node2");
    let plain = formation(&[nodes, ("REDIS_PORT_NUMBER", "7000")]).expect("fine");
    assert_eq!((plain.creator, plain.replicas, plain.nodes[2].port), (Creator::NotMe, 1, 7000));
    let creator = formation(&[nodes, ("REDIS_CLUSTER_CREATOR", "yes"), ("REDIS_CLUSTER_REPLICAS", "0")]).expect("fine");
    assert_eq!((creator.creator, creator.replicas), (Creator::Me, 0));
    assert!(node(&[nodes]).expect("fine").bool(ids::CLUSTER_ENABLED));
    let announced =
        |host: &str| node(&[nodes, ("HOSTNAME", host)]).expect("fine").string(ids::CLUSTER_ANNOUNCE_HOSTNAME);
    assert_eq!(
        (&*announced("node1"), &*announced("f00baa")),
        ("node1", ""),
        "the name of a container, if it is in the list"
    );
    assert!(node(&[("REDIS_CLUSTER_CREATOR", "no"), ("REDIS_CLUSTER_REPLICAS", "1")]).is_ok(), "they say nothing");
}

#[test]
fn an_empty_password_needs_leave() {
    assert!(node(&[("REDIS_PASSWORD", "")]).is_err_and(|error| error.contains("empty password")));
    assert!(node(&[("REDIS_PASSWORD", ""), ("ALLOW_EMPTY_PASSWORD", "yes")]).is_ok());
    assert!(node(&[("ALLOW_EMPTY_PASSWORD", "yes")]).is_ok());
    assert!(node(&[("ALLOW_EMPTY_PASSWORD", "no")]).is_err_and(|error| error.contains("there is no password")));
    assert!(node(&[("ALLOW_EMPTY_PASSWORD", "no"), ("REDIS_PASSWORD", "a")]).is_ok());
    assert!(node(&[("ALLOW_EMPTY_PASSWORD", "perhaps")]).is_err());
}

#[test]
fn names_of_slotd_win() {
    let config = node(&[("SLOTD_PORT", "7001"), ("REDIS_PORT_NUMBER", "7000")]).expect("fine");
    assert_eq!(config.int(ids::PORT), 7001);
    let config = node(&[("SLOTD_PASSWORD", "a"), ("REDIS_PASSWORD_FILE", "/no/such/file")]).expect("fine");
    assert_eq!(&*config.string(ids::REQUIREPASS), "a");
}

#[test]
fn names_of_grokzen_are_understood() {
    let pairs = [
        ("IP", "0.0.0.0"),
        ("INITIAL_PORT", "8000"),
        ("MASTERS", "5"),
        ("SLAVES_PER_MASTER", "2"),
        ("BIND_ADDRESS", "127.0.0.1"),
        ("PASSWORD", ""),
        ("SENTINEL", "false"),
        ("STANDALONE", "0"),
    ];
    assert_eq!(asks_for_cluster(&container(&pairs)), Ok(true));
    let known = Environment::read(&container(&pairs), true).expect("all are known");
    assert_eq!((known.shards, known.replicas, known.port), (Some(5), Some(2), Some(Ports::starting_at(8000, 15))));
    let lines: Vec<_> = known.directives.iter().map(|one| String::from_utf8_lossy(&one.line).into_owned()).collect();
    assert!(lines.contains(&"bind \"127.0.0.1\"".to_owned()), "{lines:?}");
    assert!(lines.contains(&"cluster-announce-ip \"127.0.0.1\"".to_owned()), "{lines:?}");
    assert_eq!(asks_for_cluster(&container(&[("IP", "0.0.0.0")])), Ok(true));
    assert_eq!(asks_for_cluster(&container(&[("IP", "10.0.0.7"), ("PASSWORD", "a")])), Ok(false));
}

#[test]
fn who_may_connect_is_said_to_a_node_as_to_a_cluster() {
    let pairs = [("PASSWORD", "s3cret"), ("PROTECTED_MODE", "yes"), ("BIND_ADDRESS", "127.0.0.1")];
    assert_eq!(asks_for_cluster(&container(&pairs)), Ok(false));
    let config = node(&pairs).expect("all are known");
    assert_eq!((&*config.string(ids::REQUIREPASS), &*config.string(ids::MASTERAUTH)), ("s3cret", "s3cret"));
    assert!(config.bool(ids::PROTECTED_MODE));
    assert_eq!(config.bind_addresses(), ["127.0.0.1"]);
    for cluster in [false, true] {
        let known = Environment::read(&container(&pairs), cluster).expect("all are known");
        assert!(pairs.iter().all(|(name, _)| known.names.iter().any(|said| said == name)), "{:?}", known.names);
        assert_eq!(known.password(), Some(b"s3cret".to_vec()), "healthcheck asks with it");
    }
    assert_eq!(&*node(&[("PASSWORD", "")]).expect("none").string(ids::REQUIREPASS), "");
    let config = node(&[("PASSWORD", "a"), ("REDIS_PASSWORD", "b")]).expect("the more special name wins");
    assert_eq!(&*config.string(ids::REQUIREPASS), "b");
    assert!(node(&[("PROTECTED_MODE", "perhaps")]).is_err());
}

#[test]
fn what_other_images_can_and_slotd_cannot_is_refused() {
    for (name, value) in [
        ("REDIS_TLS_ENABLED", "yes"),
        ("REDIS_DISABLE_COMMANDS", "FLUSHALL"),
        ("REDIS_REPLICATION_MODE", "slave"),
        ("REDIS_REPLICATION_MODE", "both"),
    ] {
        assert!(node(&[(name, value)]).is_err_and(|error| error.starts_with(name)), "{name}");
    }
    for (name, value) in [("STANDALONE", "true"), ("STANDALONE", "2"), ("SENTINEL", "true")] {
        let refused = Environment::read(&container(&[(name, value)]), true);
        assert!(refused.is_err_and(|error| error.starts_with(name)), "{name}");
        assert!(node(&[(name, value)]).is_ok(), "it means nothing to a node");
    }
}
