//! Tests of forming that fails, and of waiting while nodes come and go.

use super::super::ClusterError;
use super::super::progress::Observer;
use super::*;

#[test]
fn a_start_that_is_given_up_says_of_each_node_what_it_lacks_and_what_it_warned_of_last() {
    let options = Options::new().shards(1).replicas(2).patience(Duration::from_secs(3));
    // Replicas are clients of their primary, which does not let these in.
    let options = options.directive("requirepass", "right").directive("masterauth", "wrong");
    let Err(problem) = Cluster::start(options) else { panic!("it is ready with replicas that are not in sync") };
    assert!(matches!(&problem, ClusterError::NotReady { nodes, .. } if nodes.len() == 3), "{problem}");
    let text = problem.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "the cluster was not ready after 3s");
    assert!(lines[1].starts_with("  node-0 127.0.0.1:"), "{text}");
    assert!(lines[1].contains(": primary, cluster_state:ok, knows 3 of 3 nodes"), "{text}");
    for (node, line) in [("node-1", lines[2]), ("node-2", lines[3])] {
        assert!(line.starts_with(&format!("  {node} 127.0.0.1:")), "{text}");
        assert!(line.contains(": replica, cluster_state:ok, knows 3 of 3 nodes, link to its primary down"), "{text}");
        assert!(line.contains("; last warning: Unable to AUTH to MASTER: -WRONGPASS"), "{text}");
    }
    assert_eq!(lines.len(), 4, "{text}");
}

#[test]
fn a_node_that_ends_and_comes_back_while_somebody_waits_is_waited_for_as_what_it_is_then() {
    let cluster = Cluster::start(Options::new().shards(3).replicas(1)).expect("it starts");
    for node in [0, 3, 5] {
        cluster.node(node).kill();
        let process = cluster.process.clone();
        // Called by the waiting thread, once it has waited for a while.
        let come_back = Observer(Arc::new(move |_| {
            if process.members[node].is_gone() {
                process.restart(node).expect("its ports were kept for it");
            }
        }));
        let began = Instant::now();
        let waited = cluster.wait_telling(began, Duration::from_secs(60), &mut Teller::new(Some(&come_back), began));
        assert!(waited.is_ok(), "node {node}: {}", waited.expect_err("just seen"));
        assert!(cluster.is_ready());
    }
}
