//! Tests of invalid numbers.

use super::super::Cluster;
use super::*;

fn refused(options: Options) -> String {
    match Cluster::start(options) {
        Err(problem @ ClusterError::Contradiction(_)) => problem.to_string(),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it started"),
    }
}

#[test]
fn ports_beyond_the_last_one_are_refused_with_the_range_that_is_possible() {
    for port in [55_531, 60_000, 65_530, 65_534, 65_535] {
        assert_eq!(
            refused(Options::new().port(port)),
            format!(
                "port {port} leaves no room for 6 nodes and their bus ports (10000 above): 1 to 55530 do, and 0 takes free ones"
            )
        );
    }
    let alone = |port| Options::new().shards(1).replicas(0).port(port);
    let fits = |options: &Options| options.check(&options.config().expect("directives that are right")).is_ok();
    assert!(fits(&Options::new().port(55_530)) && fits(&alone(55_535)) && !fits(&alone(55_536)));
    assert!(fits(&alone(65_535).directive("cluster-port", "7000")), "the bus is not above it");
}

#[test]
fn numbers_of_nodes_that_no_process_runs_are_refused() {
    for (shards, replicas) in [(0, 1), (1001, 0), (20_000, 0), (1, 1000), (usize::MAX, usize::MAX), (2, usize::MAX)] {
        let text = refused(Options::new().shards(shards).replicas(replicas));
        assert!(text.starts_with(&format!("shards {shards} and replicas {replicas} make ")), "{text}");
        assert!(text.ends_with(" nodes: one process runs 1 to 1000"), "{text}");
    }
}

#[test]
fn directives_with_which_no_cluster_gets_ready_are_refused_with_the_least_that_works() {
    for timeout in ["0", "1", "49"] {
        let text = refused(Options::new().directive("cluster-node-timeout", timeout));
        assert!(text.starts_with(&format!("--cluster-node-timeout {timeout} ")) && text.contains(" 50 "), "{text}");
    }
    let text = refused(Options::new().directive("maxclients", "1"));
    assert!(text.starts_with("--maxclients 1 ") && text.ends_with("12 is the least"), "{text}");
    let least = Options::new().directive("cluster-node-timeout", "50").directive("maxclients", "12");
    assert!(Cluster::start(least).is_ok_and(|cluster| cluster.is_ready()));
    let text = refused(Options::new().directive("cluster-announce-ip", "nohost.invalid"));
    assert!(text.starts_with("--cluster-announce-ip nohost.invalid: "), "{text}");
}
